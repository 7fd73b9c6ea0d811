/* Pulling from a real MariaDB: its dump is killed, it is killed, and no transaction is lost or
 * comes twice to a reader of the stream. */
#include "test/contract/store/fake_component.h"
#include "test/lib/log_records.h"
#include "test/lib/one_server.h"
#include "test/lib/scratch_dir.h"

#include <stdlib.h>

#include "components/stream/stream.h"

#define DEADLINE_MS 60000
#define TXNS 200

static struct component c;
static struct scratch_dir dir;

static int set_up(void **state)
{
    (void)state;
    one_server_start(31);
    run("CREATE DATABASE shop");
    run("CREATE TABLE shop.t (id INT PRIMARY KEY, v LONGTEXT)");
    scratch_dir_make(&dir);
    component_init(&c, dir.path, endpoint_find("mariadb"));
    c.address = mariadb_address(&server);
    c.address.kind = "mariadb";
    component_start(&c);
    return 0;
}

static int tear_down(void **state)
{
    bool ok;

    ok = component_stop(&c);
    if (!ok)
        print_message("the store ended: %s\n", c.ended.message);
    scratch_dir_remove(&dir);
    (void)one_server_stop(state);
    return ok ? 0 : -1;
}

struct follower {
    struct stream_client *s;
    struct txn_set have; /* begins with what was asked after */
    const struct table_def *t;
    uint64_t txns, changes;
    struct buf raw;
};

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct follower *f = arg;

    return f->t && f->t->id == id ? f->t : NULL;
}

/* Begins after all that the source has committed by now. */
static void follow(struct follower *f)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct stream_client_params p = {.token = "secret", .reader = "r", .timeout_ms = 5000};
    char address[64];

    *f = (struct follower){0};
    buf_init(&f->raw, BLOCK_RAW_MAX);
    while (!component_is_done(&c)) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        sched_yield();
    }
    check(c.endpoint->log->executed(root, NULL, &f->have, e));
    component_listens(&c, address);
    p.address = address;
    p.after = &f->have;
    check(stream_connect(&p, &f->s, e));
}

static void unfollow(struct follower *f)
{
    stream_close(f->s);
    txn_set_fini(&f->have);
    table_def_unref(f->t);
    buf_fini(&f->raw);
}

static void take_txn(struct follower *f, struct view record)
{
    struct cursor body = cursor_of(record.p, record.len);
    struct txn_set one;
    struct change_iter it;
    struct txn_head h;
    struct change change;

    assert_true(txn_head_read(&body, &h));
    change_iter_init(&it, (struct view){body.p, cursor_left(&body)}, resolve, f);
    while (change_next(&it, &change))
        f->changes++;
    assert_false(it.c.failed);
    if (!(h.flags & TXN_F_LAST))
        return;
    txn_set_init(&one);
    txn_set_add(&one, h.id.origin, h.covers_from, h.id.seq);
    txn_set_intersect(&one, &f->have);
    assert_true(txn_set_is_empty(&one)); /* never twice */
    txn_set_fini(&one);
    txn_set_add(&f->have, h.id.origin, h.covers_from, h.id.seq);
    f->txns++;
}

static void take_records(struct follower *f)
{
    struct cursor all = cursor_of(f->raw.p, f->raw.len);
    struct record r;

    while (record_next(&all, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);

        if (r.type == RECORD_TABLE_VERSION) {
            table_def_unref(f->t);
            f->t = NULL;
            check(table_def_decode(&body, &f->t, e));
        } else if (r.type == RECORD_TXN || r.type == RECORD_TXN_PART) {
            take_txn(f, r.body);
        }
    }
    assert_false(all.failed);
}

static void hear_until(struct follower *f, uint64_t txns)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    while (f->txns < txns) {
        struct stream_heard heard;
        struct block_head h;
        enum stream_event ev = STREAM_NOTHING;

        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("%lu of %lu transactions came", (unsigned long)f->txns, (unsigned long)txns);
        check(stream_read(f->s, 1000, &ev, &h, &f->raw, &heard, e));
        if (ev == STREAM_BLOCK || ev == STREAM_TABLES)
            take_records(f);
    }
}

static void insert(int id, int bytes)
{
    char sql[200];

    snprintf(sql, sizeof sql, "INSERT INTO shop.t VALUES (%d, REPEAT('x', %d))", id, bytes);
    run(sql);
}

static void kill_dump(void)
{
    run("BEGIN NOT ATOMIC FOR p IN (SELECT ID FROM information_schema.PROCESSLIST WHERE "
        "COMMAND = 'Binlog Dump') DO EXECUTE IMMEDIATE CONCAT('KILL ', p.ID); END FOR; END");
}

static void transactions_reach_the_reader_while_the_dump_is_killed(void **state)
{
    struct follower f;

    (void)state;
    follow(&f);
    for (int i = 0; i < TXNS; i++) {
        insert(i, i % 50 ? 100 : 3000000);
        if (i % 40 == 20)
            kill_dump();
    }
    hear_until(&f, TXNS);
    assert_int_equal(f.changes, TXNS);
    assert_true(c.retries > 0);
    unfollow(&f);
}

static void a_transaction_larger_than_a_block_arrives_whole(void **state)
{
    struct follower f;

    (void)state;
    follow(&f);
    run("INSERT INTO shop.t SELECT seq, REPEAT(MD5(seq), 30) FROM shop.seq_1001_to_31000"); /* 29 MB
                                                                                             */
    hear_until(&f, 1);
    assert_int_equal(f.changes, 30000);
    unfollow(&f);
}

/* A7: what waits for its commit is not in the set, and is pulled again. */
static void an_open_xa_prepare_survives_a_killed_dump(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct session *s = NULL;
    struct err e2 = ERR_INIT;
    struct follower f;

    (void)state;
    follow(&f);
    check(session_open(&a, SESSION_DDL, &s, e));
    check(session_exec(s, "XA START 'x'", e));
    check(session_exec(s, "INSERT INTO shop.t VALUES (600000,'a'), (600001,'b')", e));
    check(session_exec(s, "XA END 'x'", e));
    check(session_exec(s, "XA PREPARE 'x'", e));
    session_close(s);
    insert(600002, 10);
    hear_until(&f, 1);
    kill_dump();
    insert(600003, 10);
    hear_until(&f, 2);
    assert_int_equal(f.changes, 2);
    while (!session_exec(root, "XA COMMIT 'x'", &e2)) { /* while the server takes leave of s */
        assert_true(mono_cmp(clock_mono(), until) < 0);
        err_clear(&e2);
    }
    insert(600004, 10);
    hear_until(&f, 5); /* the commit, the prepare that it ends, and the last one */
    assert_int_equal(f.changes, 5);
    for (size_t i = 0; i < f.have.origins.n; i++)
        assert_int_equal(f.have.origins.at[i].iv.n, 1);
    unfollow(&f);
}

static void a_server_that_is_killed_and_comes_again_is_followed(void **state)
{
    struct follower f;

    (void)state;
    follow(&f);
    insert(500000, 10);
    hear_until(&f, 1);
    mariadb_kill(&server);
    check(mariadb_again(&server, NULL, e));
    session_close(root);
    root = NULL;
    struct endpoint_address a = mariadb_address(&server);
    check(session_open(&a, SESSION_DDL, &root, e));
    insert(500001, 10);
    hear_until(&f, 2);
    unfollow(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_reach_the_reader_while_the_dump_is_killed),
        cmocka_unit_test(a_transaction_larger_than_a_block_arrives_whole),
        cmocka_unit_test(an_open_xa_prepare_survives_a_killed_dump),
        cmocka_unit_test(a_server_that_is_killed_and_comes_again_is_followed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
