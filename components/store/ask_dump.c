/* "store-dump": from= to= table= limit= follow: records as JSON lines. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope/scope.h"
#include "components/store/ask_priv.h"

struct dump {
    struct ask_job *j;
    const struct scope *tables; /* NULL: all */
    uint64_t left;              /* lines that may still come */
    uint64_t number;            /* of the change in its transaction */
};

static bool is_wanted(const struct dump *d, const char *db, const char *name)
{
    return !d->tables || scope_has(d->tables, db, name);
}

static bool ddl_is_wanted(const struct dump *d, const struct ddl_record *r)
{
    char db[260], name[260];

    if (!d->tables)
        return true;
    snprintf(db, sizeof db, "%.*s", (int)r->db.len, (const char *)r->db.p);
    snprintf(name, sizeof name, "%.*s", (int)r->table.len, (const char *)r->table.p);
    return scope_has(d->tables, db, name);
}

static enum walk_answer dump_changes(struct dump *d, const struct walk_record *r, struct err *e)
{
    struct change_iter it;
    struct change ch;
    enum walk_answer a = WALK_ON;

    if (r->head.part == 0)
        d->number = 0;
    change_iter_init(&it, r->changes, log_walk_table, r->walk);
    while (a == WALK_ON && d->left > 0 && change_next(&it, &ch)) {
        d->number++;
        if (!is_wanted(d, ch.table->db, ch.table->name))
            continue;
        d->left--;
        if (!line_change(&d->j->out, r, &ch, d->number))
            it.c.failed = true;
        else
            a = ask_send(d->j, false, e);
        if (it.c.failed)
            break;
    }
    if (it.c.failed)
        return log_walk_damaged(r, e);
    return a;
}

static enum walk_answer dump_record(void *arg, const struct walk_record *r, struct err *e)
{
    struct dump *d = arg;
    enum walk_answer a = WALK_ON;

    if ((r->type == RECORD_DDL || r->type == RECORD_DDL_PART) && ddl_is_wanted(d, &r->ddl)) {
        line_ddl(&d->j->out, r);
        d->left--;
    } else if (r->type == RECORD_HEARTBEAT && !d->tables) {
        line_heartbeat(&d->j->out, r);
        d->left--;
    } else if (r->type == RECORD_TXN || r->type == RECORD_TXN_PART) {
        a = dump_changes(d, r, e);
    }
    if (a == WALK_ON)
        a = ask_send(d->j, false, e);
    return a == WALK_ON && d->left == 0 ? WALK_ENOUGH : a;
}

static enum walk_answer dump_pause(void *arg, struct err *e)
{
    struct dump *d = arg;

    return ask_send(d->j, ask_arg(d->j, "follow") != NULL, e);
}

static bool compile(const char *pattern, struct arena *a, const struct scope **out, struct err *e)
{
    struct scope_source src = {.include = &pattern, .n_include = 1};

    return scope_compile(&src, a, out, e) || err_wrap(e, "--table");
}

bool ask_dump(struct ask_job *j, struct err *e)
{
    const char *pattern = ask_arg(j, "table"), *limit = ask_arg(j, "limit");
    struct dump d = {.j = j, .left = limit ? strtoull(limit, NULL, 10) : UINT64_MAX};
    struct log_walk_params p = {.each = dump_record, .pause = dump_pause, .arg = &d};
    struct arena a;
    bool ok;

    arena_init(&a, 1u << 20);
    ok =
        ask_places(j, &p, e) && (!pattern || compile(pattern, &a, &d.tables, e)) && log_walk(&p, e);
    arena_fini(&a);
    return ok;
}
