/*
 * Which tables the copy is of: those that its first run listed, behind the begin of everything. One
 * that the source makes later, while a run is broken off and another begins, is the log's: its
 * CREATE TABLE lies behind that begin, so Incr-Sync meets it. It is known by three things: the
 * first run's list, kept on the target, lacks it; so does the target; and every table of that list
 * is still there, for else it may be one of them under another name. Main thread alone.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "components/full_import/import_priv.h"

#define LISTED "tables listed"
#define LIST_MAX (16u << 20)

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct names { /* sorted */
    const char **at;
    size_t n, cap;
};

static bool has(const struct names *names, const char *key)
{
    return names->n > 0 && bsearch(&key, names->at, names->n, sizeof *names->at, by_text);
}

/* Each ends with a zero byte, which no name has. */
static bool read_list(struct view text, struct names *out, struct err *e)
{
    const char *p = (const char *)text.p;

    if (text.len > 0 && p[text.len - 1] != '\0')
        return err_set(e, ERR_CORRUPT, "the list of the copy's tables has no end");
    for (size_t at = 0; at < text.len; at += strlen(p + at) + 1)
        vec_push(out, p + at);
    if (out->n > 0)
        qsort(out->at, out->n, sizeof *out->at, by_text);
    return true;
}

static bool all_there(const struct import *im, const struct names *listed)
{
    struct names now = {0};
    bool all = true;

    for (size_t i = 0; i < im->tables.n; i++)
        vec_push(&now, im->tables.at[i]->key);
    if (now.n > 0)
        qsort(now.at, now.n, sizeof *now.at, by_text);
    for (size_t i = 0; i < listed->n; i++)
        all = all && has(&now, listed->at[i]);
    vec_fini(&now);
    return all;
}

static bool is_on_target(struct import *im, const struct import_table *t, bool *yes, struct err *e)
{
    struct buf look CLEANUP(buf_fini);

    buf_init(&look, LIST_MAX);
    if (!im->target->target->ddl_look(im->claim, t->to_db, t->to_name, false, &look, e))
        return false;
    *yes = look.len > 0;
    return true;
}

static bool leave_later_ones(struct import *im, const struct names *listed, struct err *e)
{
    size_t kept = 0;
    bool ok = true;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];
        bool stays = !ok || has(listed, t->key) || t->def->family[0] != '\0';

        if (!stays)
            ok = is_on_target(im, t, &stays, e);
        if (stays || !ok) {
            im->tables.at[kept++] = t;
            continue;
        }
        log_event(LOG_INFO, "full.later",
                  "table '%s' was made when the copy had begun: it comes with the log", t->key);
        import_table_free(im, t);
    }
    im->tables.n = kept;
    return ok;
}

bool listed_settle(struct import *im, bool *first, struct err *e)
{
    struct names listed = {0};
    struct arena scratch;
    struct memo m;
    bool found = false, ok;

    *first = false;
    if (again_is_asked(im)) /* it looks at no other table */
        return true;
    arena_init(&scratch, 0);
    ok = im->target->target->memo_get(im->claim, component_spec(im->c)->task, LISTED, &scratch, &m,
                                      &found, e);
    *first = !found;
    if (ok && found)
        ok = read_list(m.statement, &listed, e) &&
             (!all_there(im, &listed) || leave_later_ones(im, &listed, e));
    vec_fini(&listed);
    arena_fini(&scratch);
    return ok || err_wrap(e, "read which tables the copy is of");
}

bool listed_put(struct import *im, struct err *e)
{
    struct buf list CLEANUP(buf_fini);
    struct memo m = {.state = "listed"};

    buf_init(&list, LIST_MAX);
    for (size_t i = 0; i < im->tables.n; i++)
        buf_append(&list, im->tables.at[i]->key, strlen(im->tables.at[i]->key) + 1);
    if (!buf_ok(&list))
        return err_set(e, ERR_LIMIT, "the names of the copy's tables have more than %u bytes",
                       LIST_MAX);
    m.statement =
        list.len > 0 ? (struct view){list.p, list.len} : (struct view){(const uint8_t *)"", 0};
    return im->target->target->memo_put(im->claim, LISTED, &m, e) ||
           err_wrap(e, "record which tables the copy is of");
}
