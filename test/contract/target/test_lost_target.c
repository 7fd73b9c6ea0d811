/*
 * The target is lost at the moment of COMMIT: killed, or standing still and killed or woken.
 * Whether it had committed is not known to who asked; each transaction is there once in the end.
 * What is inserted goes into a table without a key, so that a second time would be seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "common/os/thread.h"
#include "test/lib/target_world.h"

#define TASK "lost"
#define SILENT_MS 1000

/* What it said was committed is so after a crash. */
static const char *const durable[] = {"--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1",
                                      NULL};

struct scene {
    struct target_world *w;
    const struct target_ops *to;
    struct endpoint_address at;
    struct claim *claim;
    struct slot *slot;
    struct target_table *table;
    const struct table_def *def;
    uint64_t last; /* transactions 1 .. last are on their way or done */

    struct thread thread;
    struct write write;
    struct txn_set *low;
    bool stops; /* the server stands still before COMMIT is sent */
    bool ok;
    struct apply_result result;
    struct err e;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool sent; /* lock; COMMIT leaves now */
};

static void open_writer(struct scene *s)
{
    s->claim = world_claim_at(s->w, &s->at, TASK, 1, 1);
    s->slot = world_slot(s->w, s->claim, 0);
    s->table = world_table(s->w, s->claim, "d", "bag", &s->def);
}

static void close_writer(struct scene *s)
{
    s->to->slot_close(s->slot);
    s->to->table_close(s->table);
    table_def_unref(s->def);
    s->to->claim_close(s->claim);
}

static int open_scene(void **state)
{
    struct scene *s = must_calloc(1, sizeof *s);
    void *w;

    must(target_world_open(&w) == 0);
    s->w = w;
    s->to = s->w->endpoint->target;
    s->at = mariadb_address(&s->w->server);
    s->at.silent_after_ms = SILENT_MS;
    must(pthread_mutex_init(&s->lock, NULL) == 0 && pthread_cond_init(&s->changed, NULL) == 0);
    world_sql(s->w, "SET GLOBAL innodb_flush_log_at_trx_commit=1, sync_binlog=1");
    world_sql(s->w, "CREATE DATABASE d");
    world_sql(s->w, "CREATE TABLE d.bag (id INT, v VARCHAR(50))");
    open_writer(s);
    *state = s;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *s = *state;
    void *w = s->w;

    close_writer(s);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    return target_world_close(&w);
}

/* Every statement was answered, COMMIT is next; again, if it has to be done again. */
static bool commit_leaves(void *arg)
{
    struct scene *s = arg;

    if (s->stops)
        must(kill(s->w->server.pid, SIGSTOP) == 0);
    s->stops = false;
    pthread_mutex_lock(&s->lock);
    s->sent = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static void apply_it(void *arg)
{
    struct scene *s = arg;
    struct slot_commit commit = {.low = s->low, .turn = commit_leaves, .turn_arg = s};

    s->ok = s->to->apply(s->slot, &commit, &s->write, 1, &s->result, &s->e);
}

/* The next transaction is applied in a thread; returns when its COMMIT leaves. */
static void begin(struct scene *s, bool stops)
{
    s->last++;
    s->write = world_insert(s->table, world_row(s->w, s->def, (int32_t)s->last, "x"));
    s->low = world_set(s->w, s->last);
    s->stops = stops;
    s->sent = false;
    s->e = (struct err)ERR_INIT;
    s->result = (struct apply_result){.outcome = APPLY_RETRY};
    must(thread_start(&s->thread, "apply", apply_it, s, &s->e));
    pthread_mutex_lock(&s->lock);
    while (!s->sent)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void look_again(struct scene *s)
{
    struct endpoint_address a = mariadb_address(&s->w->server);
    struct err e = ERR_INIT;

    s->w->endpoint->catalog->close(s->w->own);
    s->w->own = NULL;
    if (!s->w->endpoint->catalog->connect(&a, &s->w->own, &e))
        fail_msg("%s", e.message);
}

/* As Incr-Sync does it: what is not known is read at another takeover, and done if it was not. */
static void settle(struct scene *s)
{
    thread_join(&s->thread);
    if (!s->ok && s->e.code != ERR_TARGET_RESTARTED)
        fail_msg("%s: %s", err_name(s->e.code), s->e.message);
    if (!s->ok || s->result.outcome != APPLY_COMMITTED) {
        struct write again;

        close_writer(s);
        look_again(s);
        open_writer(s);
        if (!txn_set_equal(s->to->claim_low(s->claim), s->low)) {
            again = world_insert(s->table, s->write.after);
            assert_int_equal(world_apply(s->w, s->slot, s->low, &again, 1).outcome,
                             APPLY_COMMITTED);
        }
    }
}

static void assert_each_is_there_once(struct scene *s)
{
    look_again(s);
    assert_int_equal(world_number(s->w, "SELECT COUNT(*) FROM d.bag"), s->last);
    assert_int_equal(world_number(s->w, "SELECT COUNT(DISTINCT id) FROM d.bag"), s->last);
}

static void restart(struct scene *s)
{
    struct err e = ERR_INIT;

    mariadb_kill(&s->w->server);
    if (!mariadb_again(&s->w->server, durable, &e))
        fail_msg("%s", e.message);
}

/* So short that the clock is watched: the moment shall differ. */
static void let_pass_us(int64_t us)
{
    struct mono begin = clock_mono();

    while (clock_mono().ns - begin.ns < us * 1000)
        continue;
}

static void a_target_killed_while_commit_is_in_flight_has_it_once(void **state)
{
    static const int64_t delays_us[] = {0, 150, 400, 1500};
    struct scene *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(delays_us); i++) {
        begin(s, false);
        let_pass_us(delays_us[i]);
        restart(s);
        settle(s);
    }
    assert_each_is_there_once(s);
}

static void a_target_that_stands_still_at_commit_and_is_killed_has_it_once(void **state)
{
    struct scene *s = *state;

    begin(s, true);
    (void)poll(NULL, 0, 100); /* COMMIT lies in its socket */
    restart(s);
    settle(s);
    assert_each_is_there_once(s);
}

/* COMMIT still lies in the socket of the session that was given up, and is carried out when the
 * server wakes: whoever asks what became of it must wait for that. */
static void a_target_that_stands_still_at_commit_and_wakes_has_it_once(void **state)
{
    struct scene *s = *state;

    for (int i = 0; i < 2; i++) {
        begin(s, true);
        (void)poll(NULL, 0, SILENT_MS * (1 + 3 * i)); /* the session is given up by then, or not */
        must(kill(s->w->server.pid, SIGCONT) == 0);
        settle(s);
    }
    assert_each_is_there_once(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_killed_while_commit_is_in_flight_has_it_once),
        cmocka_unit_test(a_target_that_stands_still_at_commit_and_is_killed_has_it_once),
        cmocka_unit_test(a_target_that_stands_still_at_commit_and_wakes_has_it_once),
    };

    return cmocka_run_group_tests(tests, open_scene, close_scene);
}
