/* See left.h. The file's first line is `read`, tab, name; then one line for each that was left:
 * `left`, tab, name, tab, what the Store held when it was left. */
#include "components/store/left.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/durable.h"
#include "components/store/history.h"

#define PATH_CAP 4096
#define FILE_MAX ((size_t)64 << 20)

struct one {
    char name[LEFT_NAME_MAX];
    struct txn_set held;  /* by the Store, when it was left */
    bool was_seen;        /* since another one was read last */
    struct txn_set stood; /* what it had executed then */
};
struct left {
    char path[PATH_CAP];
    char last[LEFT_NAME_MAX];
    VEC(struct one *) all;
};

static void free_one(struct one *o)
{
    txn_set_fini(&o->held);
    txn_set_fini(&o->stood);
    free(o);
}

static size_t find(const struct left *l, const char *name)
{
    size_t i = 0;

    while (i < l->all.n && strcmp(l->all.at[i]->name, name) != 0)
        i++;
    return i;
}

static void forget(struct left *l, const char *name)
{
    size_t i = find(l, name);

    if (i == l->all.n)
        return;
    free_one(l->all.at[i]);
    l->all.at[i] = l->all.at[--l->all.n];
}

static struct one *add(struct left *l, const char *name)
{
    struct one *o = must_calloc(1, sizeof *o);

    forget(l, name);
    (void)snprintf(o->name, sizeof o->name, "%s", name);
    txn_set_init(&o->held);
    txn_set_init(&o->stood);
    vec_push(&l->all, o);
    return o;
}

void left_name(const struct endpoint_address *at, char out[LEFT_NAME_MAX])
{
    (void)snprintf(out, LEFT_NAME_MAX, "%.250s:%u", at->host ? at->host : "", at->port);
}

/* --- the file -----------------------------------------------------------------------------------
 */

static bool take_line(struct left *l, char *line, struct err *e)
{
    char *kind = strsep(&line, "\t"), *name = strsep(&line, "\t");

    if (name && !line && strcmp(kind, "read") == 0) {
        (void)snprintf(l->last, sizeof l->last, "%s", name);
        return true;
    }
    if (name && line && strcmp(kind, "left") == 0)
        return txn_set_parse(line, &add(l, name)->held, e);
    return err_set(e, ERR_STORE_CORRUPT, "a line of it does not have its form");
}

static bool load(struct left *l, struct err *e)
{
    struct buf text CLEANUP(buf_fini) = {0};
    struct err missing = ERR_INIT;
    char *line;

    buf_init(&text, FILE_MAX);
    if (!durable_read_file(l->path, &text, &missing)) {
        if (missing.code == ERR_NOT_FOUND)
            return true;
        *e = missing;
        return false;
    }
    (void)buf_cstr(&text);
    char *at = (char *)text.p;
    while ((line = strsep(&at, "\n")) != NULL)
        if (*line && !take_line(l, line, e))
            return false;
    return true;
}

static bool keep(const struct left *l, struct err *e)
{
    struct buf text CLEANUP(buf_fini) = {0};

    buf_init(&text, FILE_MAX);
    buf_printf(&text, "read\t%s\n", l->last);
    for (size_t i = 0; i < l->all.n; i++) {
        buf_printf(&text, "left\t%s\t", l->all.at[i]->name);
        txn_set_format(&l->all.at[i]->held, &text);
        buf_u8(&text, '\n');
    }
    return buf_ok(&text)
               ? durable_write_file(l->path, text.p, text.len, 0640, e)
               : err_set(e, ERR_LIMIT, "the servers that were left do not fit %zu bytes", FILE_MAX);
}

bool left_open(const char *dir, struct left **out, struct err *e)
{
    struct left *l = must_calloc(1, sizeof *l);

    (void)snprintf(l->path, sizeof l->path, "%s/servers", dir);
    if (!load(l, e)) {
        (void)err_wrap(e, "read '%s'", l->path);
        left_close(l);
        return false;
    }
    *out = l;
    return true;
}

void left_close(struct left *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->all.n; i++)
        free_one(l->all.at[i]);
    vec_fini(&l->all);
    free(l);
}

/* --- what is known ------------------------------------------------------------------------------
 */

const char *left_last(const struct left *l)
{
    return l->last;
}

bool left_change(struct left *l, const struct endpoint_address *at, const struct txn_set *held,
                 struct err *e)
{
    char name[LEFT_NAME_MAX];

    left_name(at, name);
    for (size_t i = 0; i < l->all.n; i++)
        l->all.at[i]->was_seen = false;
    if (strcmp(name, l->last) == 0)
        return true;
    if (l->last[0])
        txn_set_copy(&add(l, l->last)->held, held);
    forget(l, name);
    (void)snprintf(l->last, sizeof l->last, "%s", name);
    return keep(l, e) || err_wrap(e, "remember that %s is read", name);
}

/* Has it nothing of `held` that came after it was left? */
static bool stayed(const struct one *o, const struct txn_set *held, const struct txn_set *executed)
{
    struct txn_set both;

    txn_set_copy(&both, held);
    txn_set_intersect(&both, executed);
    bool is = txn_set_contains(&o->held, &both);
    txn_set_fini(&both);
    return is;
}

bool left_stands(struct left *l, const struct endpoint_address *at, const struct txn_set *held,
                 const struct txn_set *executed)
{
    char name[LEFT_NAME_MAX];

    left_name(at, name);
    size_t i = find(l, name);
    if (i == l->all.n)
        return false;
    struct one *o = l->all.at[i];
    if (!stayed(o, held, executed) || (o->was_seen && !txn_set_contains(&o->stood, executed)))
        return false;
    if (!o->was_seen) {
        txn_set_fini(&o->stood);
        txn_set_copy(&o->stood, executed);
    }
    o->was_seen = true;
    return true;
}

bool left_contained(struct left *l, const struct endpoint_address *at,
                    const struct endpoint *source, struct session *session, struct store *s,
                    struct err *e)
{
    struct txn_set held, executed;
    struct err unknown = ERR_INIT;

    if (history_contained(source, session, s, e))
        return true;
    if (e->code != ERR_SOURCE_DIVERGED)
        return false;
    store_set(s, &held);
    txn_set_init(&executed);
    if (!txn_set_has_places(&held) && source->log->executed(session, &held, &executed, &unknown) &&
        left_stands(l, at, &held, &executed))
        e->code = ERR_SOURCE_LEFT;
    txn_set_fini(&executed);
    txn_set_fini(&held);
    return false;
}

void left_begin(const struct left *l, struct places *p)
{
    char name[LEFT_NAME_MAX];
    bool more = true;

    for (left_name(&p->now, name); more && strcmp(name, l->last) != 0; left_name(&p->now, name))
        more = places_pass(p);
}
