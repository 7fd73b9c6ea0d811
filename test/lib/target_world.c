/* See target_world.h. Thread: the test's, except world_apply, which any thread may call. */
#include "test/lib/target_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/session.h"

static void need(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%s: %s", err_name(e->code), e->message);
}

int target_world_open(void **state)
{
    struct target_world *w = must_calloc(1, sizeof *w);
    struct err e = ERR_INIT;

    arena_init(&w->arena, 0);
    need(mariadb_start(&w->server, 7, NULL, &e), &e);
    w->endpoint = endpoint_find("mariadb");
    struct endpoint_address a = mariadb_address(&w->server);
    need(session_open(&a, SESSION_DDL, &w->own, &e), &e);
    world_sql(w, "SET wait_timeout=28800");
    *state = w;
    return 0;
}

int target_world_close(void **state)
{
    struct target_world *w = *state;

    session_close(w->own);
    mariadb_stop(&w->server);
    for (size_t i = 0; i < w->sets.n; i++)
        txn_set_fini(w->sets.at[i]);
    vec_fini(&w->sets);
    arena_fini(&w->arena);
    free(w);
    return 0;
}

static char *text_of(struct target_world *w, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *sql = arena_alloc(&w->arena, (size_t)n + 1);
    (void)vsnprintf(sql, (size_t)n + 1, fmt, ap);
    return sql;
}

void world_sql(struct target_world *w, const char *fmt, ...)
{
    struct err e = ERR_INIT;
    va_list ap;

    va_start(ap, fmt);
    const char *sql = text_of(w, fmt, ap);
    va_end(ap);
    need(session_exec(w->own, sql, &e), &e);
}

static const char *value_of(struct target_world *w, const char *sql)
{
    MYSQL_RES *res = NULL;
    struct err e = ERR_INIT;

    need(session_query(w->own, sql, &res, &e), &e);
    MYSQL_ROW row = mysql_fetch_row(res);
    const char *out =
        row && row[0] ? arena_strndup(&w->arena, row[0], mysql_fetch_lengths(res)[0]) : "";
    session_free_result(&res);
    return out;
}

const char *world_value(struct target_world *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *sql = text_of(w, fmt, ap);
    va_end(ap);
    return value_of(w, sql);
}

long world_number(struct target_world *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *sql = text_of(w, fmt, ap);
    va_end(ap);
    return strtol(value_of(w, sql), NULL, 10);
}

struct claim *world_claim_at(struct target_world *w, const struct endpoint_address *a,
                             const char *task, uint64_t epoch, uint32_t slots)
{
    struct takeover_params p = {.address = a, .task = task, .epoch = epoch, .slots = slots};
    struct err e = ERR_INIT;
    struct claim *c = NULL;

    need(w->endpoint->target->takeover(&p, &c, &e), &e);
    return c;
}

struct claim *world_claim(struct target_world *w, const char *task, uint64_t epoch, uint32_t slots)
{
    struct endpoint_address a = mariadb_address(&w->server);

    return world_claim_at(w, &a, task, epoch, slots);
}

enum err_code world_claim_refused(struct target_world *w, const char *task, uint64_t epoch)
{
    struct endpoint_address a = mariadb_address(&w->server);
    struct takeover_params p = {.address = &a, .task = task, .epoch = epoch, .slots = 1};
    struct err e = ERR_INIT;
    struct claim *c = NULL;

    assert_false(w->endpoint->target->takeover(&p, &c, &e));
    assert_null(c);
    return e.code;
}

struct slot *world_slot(struct target_world *w, struct claim *c, uint32_t n)
{
    struct err e = ERR_INIT;
    struct slot *s = NULL;

    need(w->endpoint->target->slot_open(c, n, &s, &e), &e);
    return s;
}

struct target_table *world_table(struct target_world *w, struct claim *c, const char *db,
                                 const char *name, const struct table_def **def)
{
    struct err e = ERR_INIT;
    struct target_table *t = NULL;

    need(w->endpoint->catalog->load_table(w->own, db, name, def, &e), &e);
    need(w->endpoint->target->table_open(c, *def, db, name, &t, &e), &e);
    return t;
}

struct view world_row(struct target_world *w, const struct table_def *def, int32_t id,
                      const char *v)
{
    struct row_writer rw;
    struct buf b;

    buf_init(&b, 1 << 20);
    row_begin(&rw, &b, def, ROWS_CANONICAL, false);
    row_put_u64(&rw, (uint32_t)id);
    if (v)
        row_put_bytes(&rw, v, strlen(v));
    else
        row_put_null(&rw);
    row_end(&rw);
    struct view out = {arena_memdup(&w->arena, b.p, b.len), b.len};
    buf_fini(&b);
    return out;
}

struct write world_insert(struct target_table *t, struct view after)
{
    return (struct write){.table = t, .op = CHANGE_INSERT, .after = after};
}

struct write world_update(struct target_table *t, struct view before, struct view after)
{
    return (struct write){.table = t, .op = CHANGE_UPDATE, .before = before, .after = after};
}

struct write world_delete(struct target_table *t, struct view before)
{
    return (struct write){.table = t, .op = CHANGE_DELETE, .before = before};
}

struct txn_set *world_set(struct target_world *w, uint64_t last)
{
    struct txn_set *s = arena_alloc(&w->arena, sizeof *s);

    txn_set_init(s);
    txn_set_add(s, origin_intern("mariadb:0", 9), 1, last);
    vec_push(&w->sets, s);
    return s;
}

struct apply_result world_apply(struct target_world *w, struct slot *s, const struct txn_set *low,
                                const struct write *writes, size_t n)
{
    struct slot_commit commit = {.low = low};
    struct apply_result r = {.outcome = APPLY_RETRY};
    struct err e = ERR_INIT;

    need(w->endpoint->target->apply(s, &commit, writes, n, &r, &e), &e);
    return r;
}

enum err_code world_apply_fails(struct target_world *w, struct slot *s, const struct write *writes,
                                size_t n)
{
    struct slot_commit commit = {0};
    struct apply_result r = {.outcome = APPLY_RETRY};
    struct err e = ERR_INIT;

    assert_false(w->endpoint->target->apply(s, &commit, writes, n, &r, &e));
    return e.code;
}

void bench_open(struct target_bench *b, struct target_world *w, const char *task, uint32_t slots,
                const char *columns)
{
    b->w = w;
    b->to = w->endpoint->target;
    world_sql(w, "CREATE DATABASE IF NOT EXISTS d");
    world_sql(w, "USE d");
    world_sql(w, "DROP TABLE IF EXISTS d.t");
    world_sql(w, "CREATE TABLE d.t %s", columns);
    b->c = world_claim(w, task, 1, slots);
    b->s = world_slot(w, b->c, 0);
    b->t = world_table(w, b->c, "d", "t", &b->def);
}

void bench_close(struct target_bench *b)
{
    b->to->slot_close(b->s);
    b->to->table_close(b->t);
    table_def_unref(b->def);
    b->to->claim_close(b->c);
}

struct view bench_row(struct target_bench *b, int32_t id, const char *v)
{
    return world_row(b->w, b->def, id, v);
}
