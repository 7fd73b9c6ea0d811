/*
 * The full copy's side of a target (correctness E4): rows as a reader gives them arrive bit for
 * bit, chunk and rows are one transaction, duplicates are errors; and the rows of oms_meta.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/session.h"
#include "test/lib/cutproxy.h"
#include "test/lib/target_world.h"

struct copy {
    struct target_world *w;
    const struct target_ops *to;
    const struct table_def *def;
    struct claim *c;
    struct slot *s;
    struct target_table *t;
};

static void lay_out(struct copy *p, struct target_world *w, const char *ddl)
{
    p->w = w;
    p->to = w->endpoint->target;
    world_sql(w, "CREATE DATABASE IF NOT EXISTS d");
    world_sql(w, "USE d");
    world_sql(w, "DROP TABLE IF EXISTS d.a, d.b");
    world_sql(w, "CREATE TABLE d.a %s", ddl);
    world_sql(w, "CREATE TABLE d.b LIKE d.a");
    p->c = world_claim(w, "load", 1, 1);
    p->s = world_slot(w, p->c, 0);
    p->t = world_table(w, p->c, "d", "b", &p->def);
}

static void put_away(struct copy *p)
{
    p->to->slot_close(p->s);
    p->to->table_close(p->t);
    table_def_unref(p->def);
    p->to->claim_close(p->c);
}

static bool take_batch(void *arg, struct rows *batch, struct err *e)
{
    struct copy *p = arg;
    bool ok = p->to->load(p->s, p->t, batch, e);

    rows_free(batch);
    return ok;
}

/* Everything of d.a into the open load. */
static bool pump(struct copy *p, struct err *e)
{
    struct endpoint_address a = mariadb_address(&p->w->server);
    const struct table_def *source;
    const struct reader_ops *ro = p->w->endpoint->reader;
    struct reader *r = NULL;

    assert_true(p->w->endpoint->catalog->load_table(p->w->own, "d", "a", &source, e));
    assert_true(ro->open(&a, &r, e));
    bool ok = ro->read(r, source, (struct key_range){{NULL, 0}, {NULL, 0}}, ROWS_MYSQL_TEXT,
                       64 << 10, take_batch, p, e);
    ro->close(r);
    table_def_unref(source);
    return ok;
}

static struct apply_result load_all(struct copy *p, const struct slot_commit *commit)
{
    struct apply_result r = {.outcome = APPLY_RETRY};
    struct err e = ERR_INIT;

    if (!p->to->load_begin(p->s, &e) || !pump(p, &e) || !p->to->load_commit(p->s, commit, &r, &e))
        fail_msg("%s: %s", err_name(e.code), e.message);
    return r;
}

static long checksum(struct copy *p, const char *table)
{
    MYSQL_RES *res = NULL;
    struct err e = ERR_INIT;
    char sql[80];

    (void)snprintf(sql, sizeof sql, "CHECKSUM TABLE d.%s", table);
    assert_true(session_query(p->w->own, sql, &res, &e));
    long n = strtol(mysql_fetch_row(res)[1], NULL, 10);
    session_free_result(&res);
    return n;
}

#define ALL_TYPES                                                                                 \
    "(id INT AUTO_INCREMENT PRIMARY KEY, u BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(30,10)," \
    " y YEAR, da DATE, ti TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL, b BIT(64),"              \
    " e ENUM('x','y'), e2 ENUM('1','0'), s SET('p','q','r'), c CHAR(5) CHARACTER SET latin1,"     \
    " e3 ENUM('x','y') CHARACTER SET ucs2 DEFAULT 'y', v VARCHAR(50) CHARACTER SET ucs2, g TEXT " \
    "CHARACTER SET gbk, bi BINARY(4), bl BLOB, j JSON,"                                           \
    " p POINT, uu UUID, i4 INET4, i6 INET6, ge INT AS (y + 1) STORED)"

static void fill_all_types(struct target_world *w)
{
    world_sql(w, "SET sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'");
    world_sql(w, "INSERT INTO d.a (id,u,f,d,n,y,da,ti,dt,ts,b,e,e2,s,c,v,g,bi,bl,j,p,uu,i4,i6)"
                 " VALUES (0, 18446744073709551615, 0.1, 1e-320, -1.5, 0, '2023-02-31',"
                 " '-838:59:59.999999', '0000-00-00', '2038-01-19 03:14:07.999999', ~0, 'bad',"
                 " '0', 'p,r', 'x ', _ucs2 X'00E4', _gbk X'B05C', X'00FF', X'00FE', '{\"a\": 1}',"
                 " ST_GeomFromText('POINT(1 2)', 4326), UUID(), '10.0.0.1', '::1')");
    world_sql(w, "INSERT INTO d.a (id) VALUES (7)");
    world_sql(w, "INSERT INTO d.a (id, f, d, v, bl) SELECT seq, RAND(seq), RAND(seq+1)*1e300,"
                 " CONCAT('row ', seq), REPEAT(CHAR(seq %% 256), seq %% 300) FROM"
                 " seq_10_to_20009");
}

static void rows_of_every_type_arrive_bit_for_bit(void **state)
{
    struct copy p;
    lay_out(&p, *state, ALL_TYPES);
    fill_all_types(p.w);

    struct apply_result r = load_all(&p, &(struct slot_commit){0});
    assert_int_equal(r.outcome, APPLY_COMMITTED);
    assert_int_equal(r.rows_matched, 20002);
    assert_int_equal(checksum(&p, "a"), checksum(&p, "b"));
    put_away(&p);
}

static void a_chunk_and_its_rows_are_one_transaction(void **state)
{
    struct copy p;
    struct err e = ERR_INIT;
    struct arena a;
    struct chunk *list;
    size_t n;
    lay_out(&p, *state, "(id INT PRIMARY KEY)");
    world_sql(p.w, "INSERT INTO d.a SELECT seq FROM seq_1_to_5000");
    struct chunk chunks[] = {
        {.table = "d.a", .node = 1, .parent = 0, .state = CHUNK_SPLIT},
        {.table = "d.a", .node = 2, .parent = 1, .hi = {(const uint8_t *)"\x01k", 2}},
        {.table = "d.a", .node = 3, .parent = 1, .lo = {(const uint8_t *)"", 0}},
    };
    arena_init(&a, 0);

    assert_true(p.to->chunk_put(p.c, chunks, 3, &e));
    assert_int_equal(load_all(&p, &(struct slot_commit){.chunk = &chunks[1]}).outcome,
                     APPLY_COMMITTED);
    assert_true(p.to->chunk_list(p.c, "d.a", &a, &list, &n, &e));
    assert_int_equal(n, 3);
    assert_int_equal(list[0].state, CHUNK_SPLIT);
    assert_int_equal(list[1].state, CHUNK_DONE);
    assert_null(list[1].lo.p);
    assert_int_equal(list[1].hi.len, 2);
    assert_memory_equal(list[1].hi.p, "\x01k", 2);
    assert_int_equal(list[2].state, CHUNK_OPEN);
    assert_non_null(list[2].lo.p); /* empty is not open */
    assert_int_equal(list[2].lo.len, 0);

    /* The same rows once more: a conflict, and the chunk stays as it was. */
    struct apply_result r;
    assert_true(p.to->load_begin(p.s, &e));
    (void)pump(&p, &e);
    err_clear(&e);
    assert_true(p.to->load_commit(p.s, &(struct slot_commit){.chunk = &chunks[2]}, &r, &e));
    assert_int_equal(r.outcome, APPLY_CONFLICT);
    assert_int_equal(r.conflict_errno, 1062);
    assert_int_equal(world_number(p.w, "SELECT state FROM oms_meta.chunk WHERE node=3"),
                     CHUNK_OPEN);
    assert_int_equal(world_number(p.w, "SELECT COUNT(*) FROM d.b"), 5000);
    assert_true(p.to->chunk_clear(p.c, "d.a", &e));
    assert_true(p.to->chunk_list(p.c, "d.a", &a, &list, &n, &e));
    assert_int_equal(n, 0);
    arena_fini(&a);
    put_away(&p);
}

static void a_rolled_back_load_leaves_nothing(void **state)
{
    struct copy p;
    struct err e = ERR_INIT;
    lay_out(&p, *state, "(id INT PRIMARY KEY)");
    world_sql(p.w, "INSERT INTO d.a SELECT seq FROM seq_1_to_5000");

    assert_true(p.to->load_begin(p.s, &e));
    assert_true(pump(&p, &e));
    assert_true(p.to->load_rollback(p.s, &e));
    assert_int_equal(world_number(p.w, "SELECT COUNT(*) FROM d.b"), 0);
    assert_int_equal(load_all(&p, &(struct slot_commit){0}).outcome, APPLY_COMMITTED);
    put_away(&p);
}

static void a_load_whose_commit_was_lost_counts_once(void **state)
{
    struct target_world *w = *state;
    struct copy p;
    struct err e = ERR_INIT;
    struct cutproxy *proxy;
    struct endpoint_address at = mariadb_address(&w->server);
    lay_out(&p, w, "(id INT PRIMARY KEY)");
    world_sql(w, "INSERT INTO d.a SELECT seq FROM seq_1_to_2000");
    p.to->slot_close(p.s);
    p.to->claim_close(p.c);
    assert_true(cutproxy_start(w->server.port, &proxy, &at.port, &e));
    at.tls_mode = "off";
    p.c = world_claim_at(w, &at, "load", 1, 1);
    p.s = world_slot(w, p.c, 0);

    cutproxy_arm(proxy, "COMMIT", CUT_BEFORE);
    assert_int_equal(load_all(&p, &(struct slot_commit){0}).outcome, APPLY_RETRY);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.b"), 0);
    cutproxy_arm(proxy, "COMMIT", CUT_AFTER);
    assert_int_equal(load_all(&p, &(struct slot_commit){0}).outcome, APPLY_COMMITTED);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.b"), 2000);
    assert_int_equal(cutproxy_cuts(proxy), 2);
    put_away(&p);
    cutproxy_stop(proxy);
}

/* Another task's end moves, once, and only as it was found. */
static void an_end_moves_only_from_where_it_was_seen(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *full = world_claim(w, "end/full", 1, 1), *c = world_claim(w, "end/incr", 1, 1);
    struct table_pos put = {
        .db = "a", .name = "t", .begin = *world_set(w, 5), .end = *world_set(w, 9), .done = true};
    struct table_pos *got, seen;
    struct err e = ERR_INIT;
    struct arena a;
    size_t n;

    arena_init(&a, 0);
    put.done = false;
    assert_true(to->table_pos_put(full, &put, &e));
    seen = put;
    assert_true(to->table_end_move(c, "end/full", &seen, world_set(w, 20), &e)); /* not done */
    put.done = true;
    assert_true(to->table_pos_put(full, &put, &e));
    seen.end = *world_set(w, 8);
    assert_true(to->table_end_move(c, "end/full", &seen, world_set(w, 20), &e)); /* another end */
    seen = put;
    seen.begin = *world_set(w, 4);
    assert_true(to->table_end_move(c, "end/full", &seen, world_set(w, 20), &e)); /* a new copy */
    seen = put;
    assert_true(to->table_end_move(c, "end/full", &seen, world_set(w, 12), &e));
    assert_true(to->table_end_move(c, "end/full", &seen, world_set(w, 30), &e)); /* it has moved */
    assert_true(to->table_pos_list(c, "end/full", &a, &got, &n, &e));
    assert_int_equal(n, 1);
    assert_true(got[0].done && txn_set_equal(&got[0].begin, world_set(w, 5)));
    assert_true(txn_set_equal(&got[0].end, world_set(w, 12)));
    txn_set_fini(&got[0].begin);
    txn_set_fini(&got[0].end);

    struct claim *later = world_claim(w, "end/incr", 1, 1);
    seen.end = *world_set(w, 12);
    assert_false(to->table_end_move(c, "end/full", &seen, world_set(w, 40), &e));
    assert_int_equal(e.code, ERR_FENCED);
    to->claim_close(later);
    to->claim_close(c);
    to->claim_close(full);
    arena_fini(&a);
}

static void positions_of_tables_come_back_as_they_were_put(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *c = world_claim(w, "pos", 1, 1);
    struct table_pos put = {.db = "a.b%c",
                            .name = "t.x",
                            .begin = *world_set(w, 5),
                            .end = *world_set(w, 9),
                            .mode = TABLE_MODE_EXACT,
                            .done = true};
    struct table_pos *got;
    struct err e = ERR_INIT;
    struct arena a;
    size_t n;

    arena_init(&a, 0);
    assert_true(to->table_pos_put(c, &put, &e));
    put.db = put.name = "*";
    put.done = false;
    put.mode = TABLE_MODE_OVERLAP;
    assert_true(to->table_pos_put(c, &put, &e));
    assert_true(to->table_pos_put(c, &put, &e));
    assert_true(to->table_pos_list(c, "pos", &a, &got, &n, &e));
    assert_int_equal(n, 2);
    assert_string_equal(got[0].db, "*");
    assert_string_equal(got[0].name, "*");
    assert_int_equal(got[0].mode, TABLE_MODE_OVERLAP);
    assert_false(got[0].done);
    assert_string_equal(got[1].db, "a.b%c");
    assert_string_equal(got[1].name, "t.x");
    assert_int_equal(got[1].mode, TABLE_MODE_EXACT);
    assert_true(got[1].done);
    assert_true(txn_set_equal(&got[1].begin, world_set(w, 5)));
    assert_true(txn_set_equal(&got[1].end, world_set(w, 9)));
    for (size_t i = 0; i < n; i++) {
        txn_set_fini(&got[i].begin);
        txn_set_fini(&got[i].end);
    }
    arena_fini(&a);
    to->claim_close(c);
}

static void ddl_is_remembered_and_fenced(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *c = world_claim(w, "ddl", 1, 1);
    struct txn_id id = {origin_intern("mariadb:0", 9), 77};
    char said[32];
    bool found;
    struct err e = ERR_INIT;

    world_sql(w, "CREATE DATABASE IF NOT EXISTS d");
    assert_true(to->ddl_get(c, id, said, &found, &e));
    assert_false(found);
    assert_true(to->ddl_put(c, id, "ALTER TABLE x", "intent", &e));
    assert_true(to->ddl_put(c, id, "ALTER TABLE x", "done", &e));
    assert_true(to->ddl_get(c, id, said, &found, &e));
    assert_true(found);
    assert_string_equal(said, "done");
    assert_true(to->run_ddl(c, "d", "CREATE TABLE made (id INT)", &e));
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.made"), 0);
    struct claim *b = world_claim(w, "ddl", 1, 1);
    assert_false(to->run_ddl(c, "d", "DROP TABLE made", &e));
    assert_int_equal(e.code, ERR_FENCED);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.made"), 0);
    err_clear(&e);
    assert_false(to->ddl_put(c, id, "x", "skipped", &e));
    assert_int_equal(e.code, ERR_FENCED);
    err_clear(&e);
    assert_true(to->run_ddl(b, "d", "DROP TABLE made", &e));
    to->claim_close(c);
    to->claim_close(b);
}

static void progress_of_an_unknown_task_is_empty(void **state)
{
    struct target_world *w = *state;
    struct endpoint_address a = mariadb_address(&w->server);
    struct txn_set low, done;
    struct err e = ERR_INIT;

    assert_true(w->endpoint->target->progress_read(&a, "nobody", &low, &done, &e));
    assert_true(txn_set_is_empty(&low));
    assert_true(txn_set_is_empty(&done));
    txn_set_fini(&low);
    txn_set_fini(&done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_moves_only_from_where_it_was_seen),
        cmocka_unit_test(progress_of_an_unknown_task_is_empty),
        cmocka_unit_test(rows_of_every_type_arrive_bit_for_bit),
        cmocka_unit_test(a_chunk_and_its_rows_are_one_transaction),
        cmocka_unit_test(a_rolled_back_load_leaves_nothing),
        cmocka_unit_test(a_load_whose_commit_was_lost_counts_once),
        cmocka_unit_test(positions_of_tables_come_back_as_they_were_put),
        cmocka_unit_test(ddl_is_remembered_and_fenced),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
