/*
 * The fence of a target (correctness F): at most one generation commits, whatever happens to
 * processes, hosts and connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/thread.h"
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

/* The writer before, in a thread: its sessions end only when takeover has said that it waits. */
struct elder_writer {
    struct target_world *w;
    struct claim *claim;
    struct slot *slot;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char said[600];
    bool waits, has_ended;
};

static void note_what_it_says(void *arg, const char *text)
{
    struct elder_writer *o = arg;

    pthread_mutex_lock(&o->lock);
    o->waits = text != NULL;
    if (text)
        (void)snprintf(o->said, sizeof o->said, "%s", text);
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

static void end_when_waited_for(void *arg)
{
    struct elder_writer *o = arg;
    const struct target_ops *to = o->w->endpoint->target;

    pthread_mutex_lock(&o->lock);
    while (!o->waits)
        pthread_cond_wait(&o->changed, &o->lock);
    pthread_mutex_unlock(&o->lock);
    (void)poll(NULL, 0, 300); /* who does not wait is through by then */
    pthread_mutex_lock(&o->lock);
    o->has_ended = true;
    pthread_mutex_unlock(&o->lock);
    to->slot_close(o->slot);
    to->claim_close(o->claim);
}

/* Takes `task` over at `a`, through which the sessions of the writer before cannot be killed. */
static void takeover_has_to_wait(struct target_world *w, const struct endpoint_address *a,
                                 const char *task, const char *why)
{
    const struct target_ops *to = w->endpoint->target;
    struct elder_writer o = {.w = w};
    struct takeover_params p = {.address = a,
                                .task = task,
                                .epoch = 2,
                                .slots = 1,
                                .say = note_what_it_says,
                                .say_arg = &o};
    struct claim *c = NULL;
    struct err e = ERR_INIT;

    must(pthread_mutex_init(&o.lock, NULL) == 0 && pthread_cond_init(&o.changed, NULL) == 0);
    o.claim = world_claim(w, task, 1, 1);
    o.slot = world_slot(w, o.claim, 0);
    assert_true(thread_start(&o.thread, "elder", end_when_waited_for, &o, &e));
    if (!to->takeover(&p, &c, &e))
        fail_msg("%s", e.message);
    pthread_mutex_lock(&o.lock);
    assert_true(o.has_ended);
    assert_false(o.waits); /* it has said that it is over, too */
    pthread_mutex_unlock(&o.lock);
    assert_non_null(strstr(o.said, why));
    assert_non_null(strstr(o.said, "ends by itself after 60 s"));
    thread_join(&o.thread);
    to->claim_close(c);
    (void)pthread_cond_destroy(&o.changed);
    (void)pthread_mutex_destroy(&o.lock);
}

/* The user of the target was changed between two starts. */
static void takeover_waits_for_sessions_it_may_not_kill(void **state)
{
    struct target_world *w = *state;
    struct endpoint_address at = mariadb_address(&w->server);

    world_sql(w, "CREATE USER younger@'%%' IDENTIFIED BY 'y'");
    world_sql(w, "GRANT ALL ON oms_meta.* TO younger@'%%'");
    at.user = "younger";
    at.password = "y";
    takeover_has_to_wait(w, &at, "no-right", "not owner of thread");
}

static void takeover_waits_where_a_proxy_refuses_kill(void **state)
{
    struct target_world *w = *state;
    struct endpoint_address at = mariadb_address(&w->server);
    struct cutproxy *proxy;
    struct err e = ERR_INIT;

    assert_true(cutproxy_start(w->server.port, &proxy, &at.port, &e));
    at.tls_mode = "off"; /* the proxy must be able to read KILL */
    cutproxy_arm(proxy, "KILL", CUT_REFUSE);
    takeover_has_to_wait(w, &at, "proxy", "this proxy does not do that");
    assert_true(cutproxy_cuts(proxy) >= 1);
    cutproxy_stop(proxy);
}

/* Whatever it is for: a statement's own time does not count. */
static void registered_sessions_end_after_a_minute_of_silence(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct claim *a = world_claim(w, "silence", 1, 1);
    struct err e = ERR_INIT;

    new_table(w);
    world_sql(w, "DROP TABLE IF EXISTS d.limits");
    assert_true(to->run_ddl(a, "d", "CREATE TABLE limits AS SELECT @@wait_timeout AS s", &e));
    assert_int_equal(world_number(w, "SELECT s FROM d.limits"), 60);
    to->claim_close(a);
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

static void who_is_fenced_does_not_blame_a_table_that_was_changed_since(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;
    struct target_table *t;
    struct err e = ERR_INIT;

    new_table(w);
    struct claim *a = world_claim(w, "shape", 3, 1);
    t = world_table(w, a, "d", "t", &def);
    to->table_close(t);
    world_sql(w, "ALTER TABLE d.t ADD COLUMN w INT NOT NULL FIRST, DROP COLUMN v");
    assert_false(to->table_open(a, def, "d", "t", &t, &e));
    assert_int_equal(e.code, ERR_TARGET_SHAPE);
    struct claim *b = world_claim(w, "shape", 3, 1);
    err_clear(&e);
    assert_false(to->table_open(a, def, "d", "t", &t, &e));
    assert_int_equal(e.code, ERR_FENCED);
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
        cmocka_unit_test(takeover_waits_for_sessions_it_may_not_kill),
        cmocka_unit_test(takeover_waits_where_a_proxy_refuses_kill),
        cmocka_unit_test(registered_sessions_end_after_a_minute_of_silence),
        cmocka_unit_test(a_stranger_with_a_registered_number_is_not_killed),
        cmocka_unit_test(an_old_slot_cannot_commit),
        cmocka_unit_test(a_live_session_of_an_older_generation_misses_the_fence),
        cmocka_unit_test(who_is_fenced_does_not_blame_a_table_that_was_changed_since),
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
