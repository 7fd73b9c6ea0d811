/*
 * Which tables the copy is of: those that its first run listed, behind the begin of everything. One
 * that the source makes later, while a run is broken off and another begins, is the log's: its
 * CREATE TABLE lies behind that begin, so Incr-Sync meets it. But where a listed table that was not
 * copied whole is gone, the new one may be it under another name, and nobody would copy its rows;
 * and where one is made anew behind a DDL, the log may make or rename the new one of what it was
 * before. Then the new one is listed and copied, too: its begin has all of its past. Main thread
 * alone.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "components/full_import/import_priv.h"
#include "components/transform/transform.h"

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

static bool put_list(struct import *im, const struct buf *list, struct err *e)
{
    struct memo m = {.state = "listed", .statement = {(const uint8_t *)"", 0}};

    if (!buf_ok(list))
        return err_set(e, ERR_LIMIT, "the names of the copy's tables have more than %u bytes",
                       LIST_MAX);
    if (list->len > 0)
        m.statement = (struct view){list->p, list->len};
    return im->target->target->memo_put(im->claim, LISTED, &m, e) ||
           err_wrap(e, "record which tables the copy is of");
}

static const struct table_pos *recorded(struct import *im, const char *key)
{
    const char *db, *name;

    return transform_key_split(&im->arena, key, &db, &name) ? changed_recorded(im, db, name) : NULL;
}

/* Listed tables that the source has no more, and whose copy had not ended; copied whole: what
 * became of it comes with the log. */
static void find_gone(struct import *im, const struct names *listed, struct names *out)
{
    struct names now = {0};

    for (size_t i = 0; i < im->tables.n; i++)
        vec_push(&now, im->tables.at[i]->key);
    if (now.n > 0)
        qsort(now.at, now.n, sizeof *now.at, by_text);
    for (size_t i = 0; i < listed->n; i++) {
        const struct table_pos *pos = has(&now, listed->at[i]) ? NULL : recorded(im, listed->at[i]);

        if (!has(&now, listed->at[i]) && !(pos && pos->done))
            vec_push(out, listed->at[i]);
    }
    vec_fini(&now);
}

/* May a table that is not listed be one of them under another name, or have rows or a definition of
 * one that is made anew behind the statement? Then it is copied, too. */
static bool log_lacks_some(const struct import *im, const struct names *listed,
                           const struct names *gone)
{
    bool lacks = gone->n > 0;

    for (size_t i = 0; i < im->tables.n; i++)
        lacks |= im->tables.at[i]->to_make && has(listed, im->tables.at[i]->key);
    return lacks;
}

static void leave_later_ones(struct import *im, const struct names *listed)
{
    size_t kept = 0;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];

        if (has(listed, t->key) || !t->to_make) {
            im->tables.at[kept++] = t;
            continue;
        }
        log_event(LOG_INFO, "full.later",
                  "table '%s' was made when the copy had begun: it comes with the log", t->key);
        import_table_free(im, t);
    }
    im->tables.n = kept;
}

/* Where a person made the target's table, and nothing was copied into it, it stays. */
static bool settle_one(struct import *im, const char *key, struct err *e)
{
    struct anew_record r = {0};
    const char *db, *name;

    if (!transform_key_split(&im->arena, key, &db, &name))
        return err_set(e, ERR_CORRUPT, "the list of the copy's tables has '%s'", key);
    if (!anew_look(im, key, &r, e))
        return false;
    table_def_unref(r.after);
    if (r.ours || !changed_recorded(im, db, name))
        return anew_gone(im, db, name, r.ours, e);
    return err_set(
        e, ERR_TARGET_SHAPE,
        "'%s' was dropped or renamed on the source within its copy, and its table on the "
        "target was not made by OMS",
        key);
}

static bool settle_gone(struct import *im, const struct names *gone, struct err *e)
{
    bool ok = true;

    for (size_t i = 0; ok && i < gone->n; i++)
        ok = settle_one(im, gone->at[i], e);
    return ok;
}

/* The list has the new ones before anything is made: a run that begins behind a crash finds the
 * same to do. */
static bool take_others(struct import *im, const struct names *listed, const struct names *gone,
                        struct err *e)
{
    struct buf list CLEANUP(buf_fini);
    bool any = false;

    buf_init(&list, LIST_MAX);
    for (size_t i = 0; i < listed->n; i++)
        buf_append(&list, listed->at[i], strlen(listed->at[i]) + 1);
    for (size_t i = 0; i < im->tables.n; i++) {
        const char *key = im->tables.at[i]->key;

        if (has(listed, key))
            continue;
        any = true;
        buf_append(&list, key, strlen(key) + 1);
        log_event(LOG_INFO, "full.taken",
                  "table '%s' was made when the copy had begun, and is copied, too", key);
    }
    return (!any || put_list(im, &list, e)) && settle_gone(im, gone, e);
}

static bool settle(struct import *im, const struct names *listed, struct err *e)
{
    struct names gone = {0};
    bool ok;

    find_gone(im, listed, &gone);
    if (!log_lacks_some(im, listed, &gone))
        leave_later_ones(im, listed);
    ok = take_others(im, listed, &gone, e);
    vec_fini(&gone);
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
        ok = read_list(m.statement, &listed, e) && settle(im, &listed, e);
    vec_fini(&listed);
    arena_fini(&scratch);
    return ok || err_wrap(e, "settle which tables the copy is of");
}

bool listed_put(struct import *im, struct err *e)
{
    struct buf list CLEANUP(buf_fini);

    buf_init(&list, LIST_MAX);
    for (size_t i = 0; i < im->tables.n; i++)
        buf_append(&list, im->tables.at[i]->key, strlen(im->tables.at[i]->key) + 1);
    return put_list(im, &list, e);
}
