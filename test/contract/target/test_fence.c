/*
 * The fence of a target (correctness F): at most one generation commits, whatever happens to
 * processes, hosts and connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "test/lib/cutproxy.h"
#include "test/lib/target_world.h"

static void new_table(struct target_world *w)
{
    world_sql(w, "CREATE DATABASE IF NOT EXISTS d");
    world_sql(w, "CREATE OR REPLACE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(50))");
}

static void takeover_raises_the_generation_and_makes_one_row_per_slot(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *a = world_claim(w, "raise", 1, 4);

    assert_int_equal(world_number(w, "SELECT gen FROM oms_meta.fence WHERE task='raise'"), 1);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM oms_meta.progress WHERE task='raise' AND"
                                     " gen=1 AND ver=0"),
                     4);
    struct claim *b = world_claim(w, "raise", 1, 2);
    assert_int_equal(world_number(w, "SELECT gen FROM oms_meta.fence WHERE task='raise'"), 2);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM oms_meta.progress WHERE task='raise'"),
                     2);
    to->claim_close(a);
    to->claim_close(b);
}

static void a_lower_epoch_is_refused(void **state)
{
    struct target_world *w = *state;
    struct claim *a = world_claim(w, "epoch", 5, 1);

    assert_int_equal(world_claim_refused(w, "epoch", 4), ERR_REFUSED);
    assert_int_equal(world_number(w, "SELECT gen FROM oms_meta.fence WHERE task='epoch'"), 1);
    w->endpoint->target->claim_close(a);
}

static void a_sealed_task_is_refused_and_keeps_what_it_had_done(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct endpoint_address at = mariadb_address(&w->server);
    struct err e = ERR_INIT;
    struct txn_set low, done;
    new_table(w);
    struct claim *a = world_claim(w, "seal", 1, 2);
    struct slot *s = world_slot(w, a, 1);

    assert_int_equal(world_apply(w, s, world_set(w, 7), NULL, 0).outcome, APPLY_COMMITTED);
    struct takeover_params p = {.address = &at, .task = "seal", .epoch = 2, .seal = true};
    struct claim *b = NULL;
    assert_true(to->takeover(&p, &b, &e));
    assert_int_equal(world_apply_fails(w, s, NULL, 0), ERR_FENCED);
    assert_int_equal(world_claim_refused(w, "seal", 9), ERR_REFUSED);
    assert_true(to->progress_read(&at, "seal", &low, &done, &e));
    assert_true(txn_set_equal(&low, world_set(w, 7)));
    txn_set_fini(&low);
    txn_set_fini(&done);
    to->claim_close(b);
    assert_true(to->takeover(&p, &b, &e)); /* sealing again is fine */
    to->slot_close(s);
    to->claim_close(a);
    to->claim_close(b);
}

static void takeover_ends_older_sessions_before_it_returns(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *a = world_claim(w, "kill", 1, 2);
    struct slot *s0 = world_slot(w, a, 0), *s1 = world_slot(w, a, 1);

    world_sql(w, "CREATE OR REPLACE TABLE oms_meta.ids AS SELECT connection_id FROM"
                 " oms_meta.session WHERE task='kill'");
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM oms_meta.ids"), 3);
    struct claim *b = world_claim(w, "kill", 1, 2);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID"
                                     " IN (SELECT connection_id FROM oms_meta.ids) AND COMMAND<>"
                                     "'Killed'"),
                     0);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM oms_meta.session WHERE task='kill'"), 1);
    to->slot_close(s0);
    to->slot_close(s1);
    to->claim_close(a);
    to->claim_close(b);
}

static void a_stranger_with_a_registered_number_is_not_killed(void **state)
{
    struct target_world *w = *state;
    struct claim *a = world_claim(w, "stranger", 1, 1);

    world_sql(w, "INSERT INTO oms_meta.session VALUES ('stranger', 0, CONNECTION_ID())");
    struct claim *b = world_claim(w, "stranger", 1, 1);
    assert_int_equal(world_number(w, "SELECT 1"), 1); /* we live */
    w->endpoint->target->claim_close(a);
    w->endpoint->target->claim_close(b);
}

static void an_old_slot_cannot_commit(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;
    new_table(w);
    struct claim *a = world_claim(w, "zombie", 1, 1);
    struct slot *s = world_slot(w, a, 0);
    struct target_table *t = world_table(w, a, "d", "t", &def);
    struct write x = world_insert(t, world_row(w, def, 1, "x"));
    struct claim *b = world_claim(w, "zombie", 1, 1);

    assert_int_equal(world_apply_fails(w, s, &x, 1), ERR_FENCED);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.t"), 0);
    to->slot_close(s);
    to->table_close(t);
    table_def_unref(def);
    to->claim_close(a);
    to->claim_close(b);
}

/* As with a host that was cloned, or where KILL is not possible: the session lives on. */
static void a_live_session_of_an_older_generation_misses_the_fence(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;
    new_table(w);
    struct claim *a = world_claim(w, "clone", 3, 1);
    struct slot *s = world_slot(w, a, 0);
    struct target_table *t = world_table(w, a, "d", "t", &def);
    struct write x = world_insert(t, world_row(w, def, 1, "x"));

    world_sql(w, "DELETE FROM oms_meta.session WHERE task='clone'"); /* nothing to kill */
    struct claim *b = world_claim(w, "clone", 3, 1);
    struct slot *s2 = world_slot(w, b, 0);
    assert_int_equal(world_apply_fails(w, s, &x, 1), ERR_FENCED);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.t"), 0);
    assert_int_equal(world_apply(w, s2, world_set(w, 1), &x, 1).outcome, APPLY_COMMITTED);
    to->slot_close(s);
    to->slot_close(s2);
    to->table_close(t);
    table_def_unref(def);
    to->claim_close(a);
    to->claim_close(b);
}

static void takeover_unites_the_sets_of_all_slots(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *a = world_claim(w, "unite", 1, 2);
    struct slot *s0 = world_slot(w, a, 0), *s1 = world_slot(w, a, 1);
    struct txn_set done;
    struct slot_commit commit = {.low = world_set(w, 5), .done = &done};
    struct apply_result r;
    struct err e = ERR_INIT;

    txn_set_init(&done);
    txn_set_add(&done, origin_intern("mariadb:0", 9), 9, 9);
    assert_true(to->apply(s0, &commit, NULL, 0, &r, &e));
    txn_set_add(&done, origin_intern("mariadb:0", 9), 12, 12);
    txn_set_remove(&done, origin_intern("mariadb:0", 9), 9, 9);
    commit.low = world_set(w, 3);
    assert_true(to->apply(s1, &commit, NULL, 0, &r, &e));
    struct claim *b = world_claim(w, "unite", 1, 3);
    txn_set_add(&done, origin_intern("mariadb:0", 9), 9, 9);
    assert_true(txn_set_equal(to->claim_low(b), world_set(w, 5)));
    assert_true(txn_set_equal(to->claim_done(b), &done));
    txn_set_fini(&done);
    to->slot_close(s0);
    to->slot_close(s1);
    to->claim_close(a);
    to->claim_close(b);
}

static void another_server_behind_the_address_stops_the_task(void **state)
{
    struct target_world *w = *state;
    struct claim *a = world_claim(w, "moved", 1, 1);

    w->endpoint->target->claim_close(a);
    world_sql(w, "UPDATE oms_meta.fence SET target_uuid='elsewhere' WHERE task='moved'");
    assert_int_equal(world_claim_refused(w, "moved", 1), ERR_TARGET_CHANGED);
    world_sql(w, "UPDATE oms_meta.fence SET target_uuid='' WHERE task='moved'");
    a = world_claim(w, "moved", 1, 1); /* the operator's permission */
    w->endpoint->target->claim_close(a);
}

static void a_store_of_an_older_epoch_is_refused(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct endpoint_address at = mariadb_address(&w->server);
    struct takeover_params p = {
        .address = &at, .task = "store", .epoch = 1, .slots = 1, .store_epoch = 4};
    struct err e = ERR_INIT;
    struct claim *a = NULL, *b = NULL;

    assert_true(to->takeover(&p, &a, &e));
    p.store_epoch = 3;
    assert_false(to->takeover(&p, &b, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    to->claim_close(a);
}

static void lost_commit(struct target_world *w, enum cut_when when, const char *task)
{
    const struct target_ops *to = w->endpoint->target;
    struct endpoint_address at = mariadb_address(&w->server);
    struct err e = ERR_INIT;
    struct cutproxy *proxy;
    const struct table_def *def;
    new_table(w);
    assert_true(cutproxy_start(w->server.port, &proxy, &at.port, &e));
    at.tls_mode = "off"; /* the proxy must be able to read COMMIT */
    struct claim *c = world_claim_at(w, &at, task, 1, 1);
    struct slot *s = world_slot(w, c, 0);
    struct target_table *t = world_table(w, c, "d", "t", &def);

    for (int i = 0; i < 10; i++) {
        struct write x = world_insert(t, world_row(w, def, i, "x"));
        cutproxy_arm(proxy, "COMMIT", when);
        assert_int_equal(world_apply(w, s, world_set(w, (uint64_t)i + 1), &x, 1).outcome,
                         APPLY_COMMITTED);
        assert_int_equal(cutproxy_cuts(proxy), i + 1);
    }
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.t"), 10);
    assert_int_equal(world_number(w, "SELECT ver FROM oms_meta.progress WHERE task='%s'", task),
                     10);
    to->slot_close(s);
    to->table_close(t);
    table_def_unref(def);
    to->claim_close(c);
    cutproxy_stop(proxy);
}

static void a_commit_whose_answer_was_lost_counts_once(void **state)
{
    lost_commit(*state, CUT_AFTER, "lost-after");
}

static void a_commit_that_was_lost_is_done_again(void **state)
{
    lost_commit(*state, CUT_BEFORE, "lost-before");
}

static void a_fenced_slot_stays_fenced(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *a = world_claim(w, "late", 1, 1);
    struct slot *s = world_slot(w, a, 0);

    assert_int_equal(world_apply(w, s, world_set(w, 1), NULL, 0).outcome, APPLY_COMMITTED);
    struct claim *b = world_claim(w, "late", 2, 1);
    assert_int_equal(world_apply_fails(w, s, NULL, 0), ERR_FENCED);
    assert_int_equal(world_apply_fails(w, s, NULL, 0), ERR_FENCED); /* and stays so */
    to->slot_close(s);
    to->claim_close(a);
    to->claim_close(b);
}

static void a_restarted_server_asks_for_another_takeover(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct err e = ERR_INIT;
    struct claim *a = world_claim(w, "restart", 1, 1);
    struct slot *s = world_slot(w, a, 0);
    struct endpoint_address at = mariadb_address(&w->server);

    /* The server must have been up for longer than the clock's grain. */
    for (int i = 0; i < 100 && world_number(w, "SELECT VARIABLE_VALUE FROM information_schema."
                                               "GLOBAL_STATUS WHERE VARIABLE_NAME='Uptime'") < 4;
         i++)
        world_sql(w, "DO SLEEP(0.1)");
    struct claim *c = world_claim(w, "restart2", 1, 1);
    struct slot *s2 = world_slot(w, c, 0);
    mariadb_kill(&w->server);
    assert_true(mariadb_again(&w->server, NULL, &e));
    assert_int_equal(world_apply_fails(w, s2, NULL, 0), ERR_TARGET_RESTARTED);
    to->slot_close(s);
    to->slot_close(s2);
    to->claim_close(a);
    to->claim_close(c);
    w->endpoint->catalog->close(w->own);
    w->own = NULL;
    assert_true(w->endpoint->catalog->connect(&at, &w->own, &e));
    a = world_claim(w, "restart", 1, 1);
    to->claim_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takeover_raises_the_generation_and_makes_one_row_per_slot),
        cmocka_unit_test(a_lower_epoch_is_refused),
        cmocka_unit_test(a_sealed_task_is_refused_and_keeps_what_it_had_done),
        cmocka_unit_test(takeover_ends_older_sessions_before_it_returns),
        cmocka_unit_test(a_stranger_with_a_registered_number_is_not_killed),
        cmocka_unit_test(an_old_slot_cannot_commit),
        cmocka_unit_test(a_live_session_of_an_older_generation_misses_the_fence),
        cmocka_unit_test(takeover_unites_the_sets_of_all_slots),
        cmocka_unit_test(another_server_behind_the_address_stops_the_task),
        cmocka_unit_test(a_store_of_an_older_epoch_is_refused),
        cmocka_unit_test(a_commit_whose_answer_was_lost_counts_once),
        cmocka_unit_test(a_commit_that_was_lost_is_done_again),
        cmocka_unit_test(a_fenced_slot_stays_fenced),
        cmocka_unit_test(a_restarted_server_asks_for_another_takeover),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
