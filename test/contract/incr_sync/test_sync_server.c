/* Incr-Sync's shell against a real server as its target: the Store is still a fake. */
#include "test/contract/incr_sync/fake_source.h"

#include <pthread.h>

#include "test/lib/mariadb.h"

static struct mariadb server;
/* A commit must survive the kill: else the target has rightly forgotten us. */
static const char *const durable[] = {"--innodb-flush-log-at-trx-commit=1", NULL};

static int server_up(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    if (!mariadb_start(&server, 7001, durable, &e))
        fail_msg("%s", e.message);
    return 0;
}

static int server_down(void **state)
{
    (void)state;
    mariadb_stop(&server);
    return 0;
}

static void must_ok(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%s", e->message);
}

/* Runs one statement by way of a claim of its own. */
static void statement(struct component *c, const char *sql)
{
    struct takeover_params p = {
        .address = &c->real_address, .task = "test/statements", .epoch = 1, .slots = 1};
    struct err e = ERR_INIT;
    struct claim *claim;

    must_ok(c->real_endpoint->target->takeover(&p, &claim, &e), &e);
    must_ok(c->real_endpoint->target->run_ddl(claim, "", sql, &e), &e);
    c->real_endpoint->target->claim_close(claim);
}

/* What Full-Import leaves: an empty table, and where its copy began and ended. */
static void prepare(struct component *c, char *task)
{
    const struct endpoint *mysql = endpoint_find("mariadb");
    struct endpoint_address a = mariadb_address(&server);
    struct takeover_params p = {.address = &a, .task = "p/full", .epoch = 1, .slots = 1};
    struct err e = ERR_INIT;
    struct claim *claim;

    must_ok(mysql->target->takeover(&p, &claim, &e), &e);
    must_ok(mysql->target->run_ddl(claim, "", "CREATE OR REPLACE DATABASE shop", &e), &e);
    must_ok(mysql->target->run_ddl(claim, "shop",
                                   "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, "
                                   "v BIGINT NOT NULL) ENGINE=InnoDB",
                                   &e),
            &e);
    for (int i = 0; i < 2; i++)
        must_ok(mysql->target->table_pos_put(claim, &c->pos[i], &e), &e);
    mysql->target->claim_close(claim);
    c->spec.task = task; /* its own progress rows */
    c->real_endpoint = mysql;
    c->real_address = a;
}

static bool take_rows(void *arg, struct rows *batch, struct err *e)
{
    struct component *c = arg;

    (void)e;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct value v[2];
        char text[2][32] = {{0}};

        must(row_read(batch->table, batch->encoding, false, rows_at(batch, i), v));
        for (int k = 0; k < 2; k++)
            memcpy(text[k], v[k].p, v[k].len < 31 ? v[k].len : 31);
        c->target[strtoll(text[0], NULL, 10)].v = strtoll(text[1], NULL, 10);
    }
    rows_free(batch);
    return true;
}

static void read_target(struct component *c)
{
    const struct reader_ops *ops = c->real_endpoint->reader;
    struct reader *r;
    struct err e = ERR_INIT;

    memset(c->target, 0, sizeof c->target);
    must_ok(ops->open(&c->real_address, &r, &e), &e);
    must_ok(ops->read(r, c->def, (struct key_range){{NULL, 0}, {NULL, 0}}, ROWS_MYSQL_TEXT, 65536,
                      take_rows, c, &e),
            &e);
    ops->close(r);
}

static bool server_has_all(struct component *c)
{
    struct txn_set low, done, want;
    struct err e = ERR_INIT;
    bool yes;

    txn_set_init(&want);
    txn_set_add(&want, origin_intern(ORIGIN, strlen(ORIGIN)), 1, c->seq);
    txn_set_init(&low);
    txn_set_init(&done);
    yes = c->real_endpoint->target->progress_read(&c->real_address, c->spec.task, &low, &done, &e);
    if (yes) {
        txn_set_subtract(&want, &low);
        txn_set_subtract(&want, &done);
        yes = txn_set_is_empty(&want);
    }
    txn_set_fini(&low);
    txn_set_fini(&done);
    txn_set_fini(&want);
    return yes;
}

static void every_transaction_reaches_the_server_and_both_sides_are_equal(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 31;

    prepare(c, (char *)"p/incremental");
    for (int i = 0; i < 40; i++)
        publish_txns(c, 50, &seed);
    start(&r, c);
    assert_true(wait_for(server_has_all, c));
    for (int i = 0; i < 10; i++)
        publish_txns(c, 2, &seed);
    assert_true(wait_for(server_has_all, c));
    stop(&r);
    must_ok(r.ok, &r.err);
    read_target(c);
    assert_equal_sides(c);
}

static void a_killed_server_loses_and_doubles_nothing(void **state)
{
    struct component *c = *state;
    struct running r;
    struct err e = ERR_INIT;
    uint32_t seed = 37;

    prepare(c, (char *)"q/incremental");
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 40; k++)
            publish_txns(c, 50, &seed);
        start(&r, c);
        for (struct mono until = mono_add_ms(clock_mono(), 60); mono_cmp(clock_mono(), until) < 0;)
            sched_yield();
        mariadb_kill(&server);
        must_ok(mariadb_again(&server, durable, &e), &e);
        stop(&r); /* ended by itself with a class to try again, or goes on by itself */
        if (!r.ok && err_class_of(r.err.code) != ERR_CLASS_RETRY)
            fail_msg("%s: %s", err_name(r.err.code), r.err.message);
    }
    start(&r, c);
    assert_true(wait_for(server_has_all, c));
    stop(&r);
    must_ok(r.ok, &r.err);
    read_target(c);
    assert_equal_sides(c);
}

static void a_unique_key_that_only_the_target_has_puts_its_table_in_order(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 43;

    prepare(c, (char *)"u/incremental");
    statement(c, "ALTER TABLE shop.t ADD w BIGINT UNIQUE");
    for (int i = 0; i < 10; i++)
        publish_txns(c, 20, &seed);
    start(&r, c);
    start_next_claim(&r); /* what the first had read has keys that are too fine */
    assert_int_equal(r.carry.coarse.n, 1);
    assert_true(wait_for(server_has_all, c));
    stop(&r);
    must_ok(r.ok, &r.err);
    read_target(c);
    assert_equal_sides(c);
}

static bool has_unique(const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (t->keys[i].unique && strcmp(t->keys[i].name, name) == 0)
            return true;
    return false;
}

static void unique_indexes_come_past_the_end_of_the_copy_under_the_targets_names(void **state)
{
    struct component *c = *state;
    const struct table_def *def;
    struct session *s;
    struct running r;
    struct err e = ERR_INIT;
    uint32_t seed = 41;

    prepare(c, (char *)"r/incremental");
    oms__rename_rule__init(&c->rename);
    c->rename.from = (char *)"shop";
    c->rename.to = (char *)"copied";
    c->renames[0] = &c->rename;
    c->scope.n_rename = 1;
    c->scope.rename = c->renames;
    c->real_source = true;
    statement(c, "CREATE OR REPLACE DATABASE copied");
    statement(c, "CREATE TABLE copied.t LIKE shop.t");
    statement(c, "ALTER TABLE shop.t ADD UNIQUE KEY by_v (v)");
    for (int i = 0; i < 5; i++)
        publish_txns(c, 20, &seed);
    start(&r, c);
    assert_true(wait_for(is_caught_up, c));
    assert_true(wait_for(server_has_all, c));
    stop(&r);
    must_ok(r.ok, &r.err);
    must_ok(c->real_endpoint->catalog->connect(&c->real_address, &s, &e), &e);
    must_ok(c->real_endpoint->catalog->load_table(s, "copied", "t", &def, &e), &e);
    assert_true(has_unique(def, "by_v"));
    table_def_unref(def);
    c->real_endpoint->catalog->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_transaction_reaches_the_server_and_both_sides_are_equal, setup, teardown),
        cmocka_unit_test_setup_teardown(
            unique_indexes_come_past_the_end_of_the_copy_under_the_targets_names, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_unique_key_that_only_the_target_has_puts_its_table_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_server_loses_and_doubles_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, server_up, server_down);
}
