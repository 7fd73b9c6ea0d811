/* MetaDB on a real PostgreSQL: migrations, the lease and what it guards, rows, events, replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>

#include "cm/meta/meta.h"
#include "common/base/must.h"
#include "common/os/clock.h"
#include "test/lib/postgres.h"

static struct postgres server;

struct world { /* two CMs, neither leads */
    struct meta *a, *b;
};

static int open_server(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    if (postgres_start(&server, &e))
        return 0;
    print_error("%s\n", e.message);
    return 1;
}

static int close_server(void **state)
{
    (void)state;
    postgres_stop(&server);
    return 0;
}

static int open_world(void **state)
{
    struct world *w = must_calloc(1, sizeof *w);
    struct err e = ERR_INIT;

    if (!meta_open(server.conninfo, &w->a, &e) || !meta_open(server.conninfo, &w->b, &e)) {
        print_error("%s\n", e.message);
        return 1;
    }
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    meta_close(w->a);
    meta_close(w->b);
    free(w);
    return 0;
}

static struct meta_lease lead(struct meta *m, const char *holder)
{
    struct meta_lease seen, mine = {0};
    struct err e = ERR_INIT;
    bool taken = false;

    assert_true(meta_lease_read(m, &seen, &e));
    assert_true(meta_lease_take(m, &seen, 0, holder, "tcp://x", &mine, &taken, &e));
    assert_true(taken);
    return mine;
}

static bool put(struct meta *m, const struct meta_lease *mine, const char *key, const char *body,
                struct err *e)
{
    struct meta_row row = {"project", key, "running", body, strlen(body)};

    return meta_begin(m, mine, e) && meta_put(m, &row, e) && meta_commit(m, e);
}

struct found {
    const char *key;
    unsigned n;
    char body[64], state[16];
};

static bool note(void *arg, const struct meta_row *row, struct err *e)
{
    struct found *f = arg;

    (void)e;
    if (strcmp(row->key, f->key) == 0) {
        f->n++;
        (void)snprintf(f->body, sizeof f->body, "%.*s", (int)row->len, (const char *)row->body);
        (void)snprintf(f->state, sizeof f->state, "%s", row->state);
    }
    return true;
}

static struct found look(struct meta *m, const char *key)
{
    struct found f = {.key = key};
    struct err e = ERR_INIT;

    assert_true(meta_load(m, "project", note, &f, &e));
    return f;
}

static void opening_again_changes_nothing(void **state)
{
    struct world *w = *state;
    struct meta *third;
    struct err e = ERR_INIT;

    assert_string_equal(meta_id(w->a), meta_id(w->b));
    assert_int_equal(strlen(meta_id(w->a)), 32);
    assert_true(meta_open(server.conninfo, &third, &e));
    assert_string_equal(meta_id(third), meta_id(w->a));
    meta_close(third);
}

static void a_server_that_is_not_there_is_unavailable(void **state)
{
    struct meta *m;
    struct err e = ERR_INIT;

    (void)state;
    assert_false(meta_open("host=/nowhere dbname=x", &m, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
}

static void c2_a_lease_is_taken_by_compare_and_set_alone(void **state)
{
    struct world *w = *state;
    struct meta_lease seen, out;
    struct err e = ERR_INIT;
    bool taken;

    assert_true(meta_lease_read(w->a, &seen, &e));
    struct meta_lease first = lead(w->b, "b");
    assert_true(meta_lease_take(w->a, &seen, 0, "a", "tcp://a", &out, &taken, &e));
    assert_false(taken);
    /* A renewal, too, makes what was seen old. */
    seen = first;
    assert_true(meta_lease_renew(w->b, &first, &taken, &e));
    assert_true(taken);
    assert_true(meta_lease_take(w->a, &seen, 0, "a", "tcp://a", &out, &taken, &e));
    assert_false(taken);
}

static void c3_the_epoch_grows_above_what_a_host_has_seen(void **state)
{
    struct world *w = *state;
    struct meta_lease first = lead(w->a, "a"), second, out;
    struct err e = ERR_INIT;
    bool taken;

    second = lead(w->b, "b");
    assert_true(second.epoch > first.epoch);
    assert_true(
        meta_lease_take(w->b, &second, second.epoch + 100, "b", "tcp://b", &out, &taken, &e));
    assert_true(taken && out.epoch == second.epoch + 101);
}

static void c1_who_lost_the_lease_writes_nothing(void **state)
{
    struct world *w = *state;
    struct meta_lease old = lead(w->a, "a");
    struct err e = ERR_INIT;
    bool held = true;

    assert_true(put(w->a, &old, "c1", "before", &e));
    (void)lead(w->b, "b");
    meta_close(w->a); /* the takeover has ended its backend */
    assert_true(meta_open(server.conninfo, &w->a, &e));
    assert_false(put(w->a, &old, "c1", "after", &e));
    assert_int_equal(e.code, ERR_NOT_LEADER);
    assert_string_equal(look(w->b, "c1").body, "before");
    assert_true(meta_lease_renew(w->a, &old, &held, &e));
    assert_false(held);
}

static void c1_a_takeover_ends_the_open_transaction_of_the_old_leader(void **state)
{
    struct world *w = *state;
    struct meta_lease old = lead(w->a, "a");
    struct meta_row row = {"project", "c1-open", "", "x", 1};
    struct err e = ERR_INIT;

    assert_true(meta_begin(w->a, &old, &e));
    assert_true(meta_put(w->a, &row, &e));
    (void)lead(w->b, "b");
    assert_false(meta_commit(w->a, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_false(meta_is_alive(w->a));
    assert_int_equal(look(w->b, "c1-open").n, 0);
}

static void c1_a_takeover_waits_for_a_transaction_whose_backend_is_not_recorded(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a"), seen, out;
    struct meta_row row = {"project", "c1-wait", "", "x", 1};
    struct err e = ERR_INIT;
    bool taken = false;

    /* b writes under a's lease from another backend, as a process with a second connection would:
     * the takeover meets its key share lock, and gives up after the lock timeout. */
    assert_true(meta_begin(w->b, &mine, &e));
    assert_true(meta_put(w->b, &row, &e));
    assert_true(meta_lease_read(w->a, &seen, &e));
    struct mono before = clock_mono();
    bool ok = meta_lease_take(w->a, &seen, 0, "c", "tcp://c", &out, &taken, &e);
    /* Either the lock timed out, or the idle timeout ended b's transaction first. */
    assert_true(mono_ms_between(before, clock_mono()) > 500);
    if (ok && taken)
        assert_int_equal(look(w->a, "c1-wait").n, 0);
    meta_rollback(w->b);
}

static void c1_a_renewal_does_not_wait_for_an_open_write(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct meta_row row = {"project", "c1-renew", "", "x", 1};
    struct err e = ERR_INIT;
    bool held = false;

    assert_true(meta_begin(w->a, &mine, &e));
    assert_true(meta_put(w->a, &row, &e));
    struct mono before = clock_mono();
    assert_true(meta_lease_renew(w->b, &mine, &held, &e));
    assert_true(held);
    assert_true(mono_ms_between(before, clock_mono()) < 500);
    assert_true(meta_commit(w->a, &e));
}

static void c1_a_transaction_that_idles_is_ended_by_the_server(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct meta_row row = {"project", "c1-idle", "", "x", 1};
    struct mono until = mono_add_ms(clock_mono(), 1600);
    struct err e = ERR_INIT;

    assert_true(meta_begin(w->a, &mine, &e));
    assert_true(meta_put(w->a, &row, &e));
    while (mono_cmp(clock_mono(), until) < 0)
        (void)poll(NULL, 0, 50);
    assert_false(meta_commit(w->a, &e));
    assert_int_equal(look(w->b, "c1-idle").n, 0);
}

static void rows_come_back_as_they_were_put(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct err e = ERR_INIT;

    assert_true(put(w->a, &mine, "r", "one", &e));
    assert_true(put(w->a, &mine, "r", "two", &e));
    struct found f = look(w->b, "r");
    assert_int_equal(f.n, 1);
    assert_string_equal(f.body, "two");
    assert_string_equal(f.state, "running");
    assert_true(meta_begin(w->a, &mine, &e) && meta_delete(w->a, "project", "r", &e) &&
                meta_commit(w->a, &e));
    assert_int_equal(look(w->b, "r").n, 0);
}

static void a_failed_statement_undoes_the_whole_transaction(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct meta_row row = {"project", "undone", "", "x", 1};
    struct id id = {.b = {1}};
    struct err e = ERR_INIT;

    assert_true(meta_begin(w->a, &mine, &e) && meta_put_reply(w->a, id, "m", "r", 1, &e) &&
                meta_commit(w->a, &e));
    assert_true(meta_begin(w->a, &mine, &e) && meta_put(w->a, &row, &e));
    assert_false(meta_put_reply(w->a, id, "m", "r", 1, &e)); /* the same id again */
    assert_int_equal(e.code, ERR_METADB);
    assert_false(meta_commit(w->a, &e));
    assert_int_equal(look(w->b, "undone").n, 0);
    assert_true(put(w->a, &mine, "undone", "now", &e));
}

static void a_stored_reply_is_found_by_its_id(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct id id = {.b = {7, 7}}, other = {.b = {8}};
    struct err e = ERR_INIT;
    struct buf reply;
    bool found;

    buf_init(&reply, 100);
    assert_true(meta_begin(w->a, &mine, &e) && meta_put_reply(w->a, id, "m", "a\0b", 3, &e) &&
                meta_commit(w->a, &e));
    assert_true(meta_find_reply(w->b, other, &reply, &found, &e));
    assert_false(found);
    assert_true(meta_find_reply(w->b, id, &reply, &found, &e));
    assert_true(found && reply.len == 3 && memcmp(reply.p, "a\0b", 3) == 0);
    buf_fini(&reply);
}

struct seen_events {
    uint64_t id[20];
    unsigned n;
};

static void note_event(void *arg, const Oms__Event *ev)
{
    struct seen_events *s = arg;

    s->id[s->n++] = ev->id;
}

static void events_are_read_newest_or_next_and_by_subject(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct seen_events newest = {0}, next = {0}, of = {0};
    struct err e = ERR_INIT;

    assert_true(meta_begin(w->a, &mine, &e));
    for (uint64_t i = 1; i <= 10; i++) {
        Oms__Event ev = OMS__EVENT__INIT;
        ev.id = i;
        ev.name = (char *)"n";
        ev.subject = (char *)(i % 2 ? "p" : i == 4 ? "p.store" : "pq");
        ev.text = (char *)"t";
        assert_true(meta_put_event(w->a, &ev, &e));
    }
    assert_true(meta_commit(w->a, &e));
    assert_true(meta_events(w->b, 0, 3, "", note_event, &newest, &e));
    assert_true(newest.n == 3 && newest.id[0] == 8 && newest.id[2] == 10);
    assert_true(meta_events(w->b, 2, 3, "", note_event, &next, &e));
    assert_true(next.n == 3 && next.id[0] == 3 && next.id[2] == 5);
    assert_true(meta_events(w->b, 0, 20, "p", note_event, &of, &e));
    assert_int_equal(of.n, 6); /* five of "p", one of "p.store", none of "pq" */
}

static void old_events_and_replies_are_pruned(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    struct seen_events s = {0};
    struct err e = ERR_INIT;

    assert_true(meta_prune(w->a, &mine, 4, &e));
    assert_true(meta_events(w->b, 0, 20, "", note_event, &s, &e));
    assert_true(s.n == 5 && s.id[0] == 6);
}

static void a_revision_never_goes_back(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a");
    uint64_t revision, last;
    struct err e = ERR_INIT;

    assert_true(meta_begin(w->a, &mine, &e) && meta_put_revision(w->a, 50, &e) &&
                meta_put_revision(w->a, 40, &e) && meta_commit(w->a, &e));
    assert_true(meta_revision(w->b, &revision, &last, &e));
    assert_int_equal(revision, 50);
}

static void after_a_crash_of_the_server_it_is_opened_again_with_everything(void **state)
{
    struct world *w = *state;
    struct meta_lease mine = lead(w->a, "a"), seen;
    struct err e = ERR_INIT;

    assert_true(put(w->a, &mine, "crash", "kept", &e));
    postgres_kill(&server);
    assert_false(meta_lease_read(w->a, &seen, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    meta_close(w->a);
    w->a = NULL;
    assert_true(postgres_again(&server, &e));
    assert_true(meta_open(server.conninfo, &w->a, &e));
    assert_string_equal(look(w->a, "crash").body, "kept");
    assert_true(meta_lease_read(w->a, &seen, &e));
    assert_int_equal(seen.epoch, mine.epoch);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    struct world *w = *state;
    struct meta_lease seen;
    struct mono before = clock_mono();
    struct err e = ERR_INIT;
    pid_t backend = meta_backend(w->a);

    assert_int_equal(kill(backend, SIGSTOP), 0);
    assert_false(meta_lease_read(w->a, &seen, &e));
    assert_int_equal(kill(backend, SIGCONT), 0);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_false(meta_is_alive(w->a));
    assert_in_range(mono_ms_between(before, clock_mono()), META_STATEMENT_MS,
                    META_STATEMENT_MS + 3000);
    assert_true(meta_lease_read(w->b, &seen, &e));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(opening_again_changes_nothing),
        TEST(a_server_that_is_not_there_is_unavailable),
        TEST(c2_a_lease_is_taken_by_compare_and_set_alone),
        TEST(c3_the_epoch_grows_above_what_a_host_has_seen),
        TEST(c1_who_lost_the_lease_writes_nothing),
        TEST(c1_a_takeover_ends_the_open_transaction_of_the_old_leader),
        TEST(c1_a_takeover_waits_for_a_transaction_whose_backend_is_not_recorded),
        TEST(c1_a_renewal_does_not_wait_for_an_open_write),
        TEST(c1_a_transaction_that_idles_is_ended_by_the_server),
        TEST(rows_come_back_as_they_were_put),
        TEST(a_failed_statement_undoes_the_whole_transaction),
        TEST(a_stored_reply_is_found_by_its_id),
        TEST(events_are_read_newest_or_next_and_by_subject),
        TEST(old_events_and_replies_are_pruned),
        TEST(a_revision_never_goes_back),
        TEST(a_server_that_says_nothing_is_given_up),
        TEST(after_a_crash_of_the_server_it_is_opened_again_with_everything),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
