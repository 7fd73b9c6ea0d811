/* Strict order (correctness E2) against a real server: whatever a reader sees at any moment is a
 * prefix of the source's history, also while strangers hold locks. */
#include "test/contract/incr_sync/fake_source.h"

#include <poll.h>

#include "components/endpoint/mysql/session.h"
#include "test/lib/mariadb.h"

#define TXNS 3000

static struct mariadb server;

static int server_up(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    if (!mariadb_start(&server, 7301, NULL, &e))
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

static struct session *connect_server(void)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    struct err e = ERR_INIT;

    must_ok(session_open(&a, SESSION_READ, &s, &e), &e);
    must_ok(session_exec(s, "SET autocommit=1", &e), &e);
    return s;
}

static void exec(struct session *s, const char *sql)
{
    struct err e = ERR_INIT;

    must_ok(session_exec(s, sql, &e), &e);
}

static void prepare(struct component *c, struct session *s)
{
    const struct endpoint *mysql = endpoint_find("mariadb");
    struct takeover_params p = {.task = "p/full", .epoch = 1, .slots = 1};
    struct err e = ERR_INIT;
    struct claim *claim;

    exec(s, "CREATE OR REPLACE DATABASE shop");
    exec(s, "CREATE TABLE shop.t (id BIGINT NOT NULL PRIMARY KEY, v BIGINT NOT NULL)");
    c->real_address = mariadb_address(&server);
    p.address = &c->real_address;
    must_ok(mysql->target->takeover(&p, &claim, &e), &e);
    for (int i = 0; i < 2; i++)
        must_ok(mysql->target->table_pos_put(claim, &c->pos[i], &e), &e);
    mysql->target->claim_close(claim);
    c->real_endpoint = mysql;
    c->options.slots = 6;
    c->options.group = 3;
    c->options.consistency = (char *)"strict";
}

/* Transaction n writes v = n to row 1 + n % (N_IDS - 1), so that one reading tells whether all
 * transactions up to the newest that shows are there. */
static void publish_history(struct component *c, int64_t *n, int64_t last)
{
    while (*n < last) {
        struct buf *b = new_block(c);
        struct txn_writer w;

        txn_writer_init(&w, b);
        for (int i = 0; i < 50 && *n < last; i++) {
            struct txn_head h = next_head(c, TXN_F_LAST);

            ++*n;
            txn_write_begin(&w, RECORD_TXN, &h);
            change(c, &w, 1 + *n % (N_IDS - 1), *n);
            txn_write_end(&w);
        }
        publish(c, b);
    }
}

/* The number of the newest transaction that shows. A plain SELECT of MariaDB may miss a commit and
 * show one that came after its answer: its view is made beside commits. This one is made between
 * them. */
static int64_t read_prefix(struct session *s)
{
    MYSQL_RES *res;
    struct err e = ERR_INIT;
    int64_t seen[N_IDS] = {0}, newest = 0;

    exec(s, "START TRANSACTION WITH CONSISTENT SNAPSHOT");
    must_ok(session_query(s, "SELECT id, v FROM shop.t", &res, &e), &e);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        int64_t id = strtoll(row[0], NULL, 10), v = strtoll(row[1], NULL, 10);

        seen[id] = v;
        newest = v > newest ? v : newest;
    }
    mysql_free_result(res);
    exec(s, "COMMIT");
    for (int64_t n = newest; n > 0 && n > newest - (N_IDS - 1); n--)
        if (seen[1 + n % (N_IDS - 1)] != n)
            fail_msg("transaction %lld shows, %lld does not", (long long)newest, (long long)n);
    return newest;
}

static void a_reader_sees_a_prefix_of_the_history_at_every_moment(void **state)
{
    struct component *c = *state;
    struct session *s = connect_server();
    struct running r;
    struct mono until = mono_add_ms(clock_mono(), 60000);
    uint32_t different = 0;
    int64_t n = 0, newest = 0;

    prepare(c, s);
    publish_history(c, &n, TXNS);
    start(&r, c);
    while (newest < TXNS && mono_cmp(clock_mono(), until) < 0) {
        int64_t now = read_prefix(s);

        assert_true(now >= newest);
        different += now != newest;
        newest = now;
    }
    stop(&r);
    must_ok(r.ok, &r.err);
    assert_int_equal(newest, TXNS);
    assert_true(different > 10);
    session_close(s);
}

/* A stranger's lock keeps the earliest waiting while later ones are ready: they give way, and when
 * the lock goes all arrive in order. */
static void a_stranger_with_a_lock_holds_everything_up_and_nothing_passes(void **state)
{
    struct component *c = *state;
    struct session *s = connect_server(), *stranger = connect_server();
    struct running r;
    struct mono until = mono_add_ms(clock_mono(), 60000);
    int64_t n = 0, newest = 0;

    prepare(c, s);
    c->spec.task = (char *)"q/incremental";
    publish_history(c, &n, 400);
    start(&r, c);
    while (newest < 400 && mono_cmp(clock_mono(), until) < 0)
        newest = read_prefix(s);
    exec(stranger, "BEGIN");
    exec(stranger, "UPDATE shop.t SET v = v WHERE id = 20");
    publish_history(c, &n, TXNS);
    for (struct mono end = mono_add_ms(clock_mono(), 700); mono_cmp(clock_mono(), end) < 0;) {
        newest = read_prefix(s);
        assert_true(newest < 400 + N_IDS);
    }
    exec(stranger, "ROLLBACK");
    while (newest < TXNS && mono_cmp(clock_mono(), until) < 0)
        newest = read_prefix(s);
    stop(&r);
    must_ok(r.ok, &r.err);
    assert_int_equal(newest, TXNS);
    assert_true(c->gave_way > 0);
    session_close(s);
    session_close(stranger);
}

struct blocked { /* one update of a row, on a thread of its own */
    const struct target_ops *to;
    struct slot *slot;
    struct write write;
    struct apply_result result;
    bool ok;
};

static void *apply_blocked(void *arg)
{
    struct blocked *b = arg;
    struct slot_commit commit = {0};
    struct err e = ERR_INIT;

    b->ok = b->to->apply(b->slot, &commit, &b->write, 1, &b->result, &e);
    return NULL;
}

static void the_server_tells_who_waits_for_a_lock(void **state)
{
    struct component *c = *state;
    struct session *s = connect_server(), *stranger = connect_server();
    struct blocked b = {0};
    struct takeover_params p = {.task = "w/incremental", .epoch = 1, .slots = 1};
    struct mono until = mono_add_ms(clock_mono(), 20000);
    struct err e = ERR_INIT;
    struct txn_writer w;
    struct buf row;
    struct claim *claim;
    pthread_t thread;
    bool waits = true;

    prepare(c, s);
    b.to = c->real_endpoint->target;
    p.address = &c->real_address;
    exec(stranger, "INSERT INTO shop.t VALUES (1, 5)");
    must_ok(b.to->takeover(&p, &claim, &e), &e);
    must_ok(b.to->slot_open(claim, 0, &b.slot, &e), &e);
    must_ok(b.to->table_open(claim, c->def, "shop", "t", &b.write.table, &e), &e);
    must_ok(b.to->slot_waits(claim, b.slot, &waits, &e), &e);
    assert_false(waits);

    buf_init(&row, 100);
    txn_writer_init(&w, &row);
    put_image(c, &w, 1, 5);
    b.write.op = CHANGE_DELETE;
    b.write.before = (struct view){row.p + 4, row.len - 4};
    exec(stranger, "BEGIN");
    exec(stranger, "UPDATE shop.t SET v = 6");
    must(pthread_create(&thread, NULL, apply_blocked, &b) == 0);
    while (!waits && mono_cmp(clock_mono(), until) < 0 &&
           poll(NULL, 0, 2 * GATE_LOCK_WAIT_MS) == 0) /* the server looks anew after a pause only */
        must_ok(b.to->slot_waits(claim, b.slot, &waits, &e), &e);
    assert_true(waits);
    exec(stranger, "ROLLBACK");
    must(pthread_join(thread, NULL) == 0);
    assert_true(b.ok && b.result.outcome == APPLY_COMMITTED);
    b.to->slot_close(b.slot);
    b.to->table_close(b.write.table);
    b.to->claim_close(claim);
    buf_fini(&row);
    session_close(s);
    session_close(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reader_sees_a_prefix_of_the_history_at_every_moment,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_stranger_with_a_lock_holds_everything_up_and_nothing_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_server_tells_who_waits_for_a_lock, setup, teardown),
    };
    return cmocka_run_group_tests(tests, server_up, server_down);
}
