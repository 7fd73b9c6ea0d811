/* What a log cannot carry, and what breaks, stops with its reason and its class; nothing is passed
 * over. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/os/clock.h"
#include "test/lib/log_world.h"

static const struct asked whole = {.filter = only_w};

/* The server notices that a reader has gone with its next heartbeat. */
static void wait_for_no_reader(void)
{
    struct mono until = mono_add_ms(clock_mono(), 10000);
    char n[20];
    bool found;

    for (;;) {
        check(session_value(root,
                            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE"
                            " COMMAND LIKE 'Binlog Dump%'",
                            n, sizeof n, &found, e));
        if (strcmp(n, "0") == 0)
            return;
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, 10);
    }
}

/* Reads until an error comes. */
static struct err read_until_error(struct log *l)
{
    struct mono until = mono_add_ms(clock_mono(), 20000);
    struct log_progress p;
    struct err e = ERR_INIT;
    struct buf out;

    buf_init(&out, 1u << 20);
    while (mysql_log_ops.read(l, &out, 1000, 50, &p, &e)) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        buf_clear(&out);
    }
    buf_fini(&out);
    return e;
}

static void fresh(void)
{
    wait_for_no_reader();
    run("DROP DATABASE IF EXISTS w");
    run("DROP DATABASE IF EXISTS other");
    run("CREATE DATABASE w");
    run("CREATE DATABASE other");
    run("CREATE TABLE w.t (i INT PRIMARY KEY, v VARCHAR(20))");
    run("CREATE TABLE other.t (i INT PRIMARY KEY)");
}

static void changes_logged_as_statements_stop(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    reading_init(&r);
    run("SET SESSION binlog_format=STATEMENT");
    run("INSERT INTO w.t VALUES (1,'secret')");
    run("SET SESSION binlog_format=ROW");
    assert_stops(&r, &whole, ERR_LOG_STATEMENT, "binlog_format");
    reading_fini(&r);
    reading_init(&r);
    run("SET SESSION binlog_format=STATEMENT");
    run("INSERT INTO w.t VALUES (2,RAND())"); /* a RAND event comes first */
    run("SET SESSION binlog_format=ROW");
    assert_stops(&r, &whole, ERR_LOG_STATEMENT, "RAND");
    reading_fini(&r);
}

/* The text of a statement that is not a DDL is in no message. */
static void a_statement_s_values_are_not_shown(void **state)
{
    (void)state;
    struct reading r;
    struct err e = ERR_INIT;
    struct log *l = NULL;

    fresh();
    reading_init(&r);
    run("SET SESSION binlog_format=STATEMENT");
    run("INSERT INTO w.t VALUES (1,'very-secret')");
    run("SET SESSION binlog_format=ROW");
    assert_true(reading_open(&r, &whole, &l, &e));
    assert_false(reading_go(&r, l, &whole, &e));
    mysql_log_ops.close(l);
    assert_null(strstr(e.message, "very-secret"));
    assert_non_null(strstr(e.message, "INSERT"));
    reading_fini(&r);
}

static void tables_with_row_history_stop(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    reading_init(&r);
    run("CREATE TABLE w.v (i INT PRIMARY KEY) WITH SYSTEM VERSIONING");
    run("INSERT INTO w.v VALUES (1)");
    assert_stops(&r, &whole, ERR_UNSUPPORTED, "system-versioned");
    run("DROP TABLE w.v");
    assert_stops(&r, &whole, ERR_UNSUPPORTED, "system-versioned"); /* by its columns */
    reading_fini(&r);
}

static void partial_images_mark_what_is_absent(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    reading_init(&r);
    r.any = true;
    run("SET SESSION binlog_row_image=MINIMAL");
    run("INSERT INTO w.t VALUES (1,'x')");
    run("UPDATE w.t SET v='y'");
    run("SET SESSION binlog_row_image=FULL");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 2);
    reading_fini(&r);
}

static void an_xa_commit_whose_rows_were_not_seen_stops(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    run("XA START 'a'");
    run("INSERT INTO w.t VALUES (1,'x')");
    run("XA END 'a'");
    run("XA PREPARE 'a'");
    reading_init(&r);
    run("XA COMMIT 'a'");
    assert_stops(&r, &whole, ERR_LOG_XA, "before");
    reading_fini(&r);
}

/* The definition comes first, the rows as further parts of the same transaction. */
static void a_table_made_from_a_select_comes_with_its_rows_or_is_filtered(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    reading_init(&r);
    run("CREATE TABLE other.made AS SELECT 1 AS a");
    run("INSERT INTO w.t VALUES (1,'x')");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 1);
    run("CREATE TABLE w.made AS SELECT 1 AS a");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 2);
    assert_int_equal(r.ddl.n, 1);
    reading_fini(&r);
}

/* --- positions ----------------------------------------------------------------------------------
 */

static void a_sequence_number_that_does_not_grow_stops(void **state)
{
    (void)state;
    struct log *l = NULL;
    struct reading r;

    fresh();
    reading_init(&r);
    run("SET GLOBAL gtid_strict_mode=0");
    run("INSERT INTO w.t VALUES (1,'x')");
    run("SET SESSION server_id=77, gtid_seq_no=2");
    run("INSERT INTO w.t VALUES (2,'x')");
    run("SET SESSION server_id=7");
    check(reading_open(&r, &whole, &l, e));
    struct err e = read_until_error(l);
    assert_int_equal(e.code, ERR_LOG_ORDER);
    assert_non_null(strstr(e.message, "0-77-2"));
    mysql_log_ops.close(l);
    run("RESET MASTER");
    run("SET GLOBAL gtid_strict_mode=1");
    reading_fini(&r);
}

static void holes_in_the_numbers_are_covered(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    reading_init(&r);
    uint64_t last = txn_set_last(&r.after, r.after.origins.at[0].origin);
    char sql[100];
    (void)snprintf(sql, sizeof sql, "SET SESSION gtid_seq_no=%" PRIu64, last + 1000);
    run(sql);
    run("INSERT INTO w.t VALUES (1,'x')");
    read_to_end(&r, &whole);
    assert_int_equal(r.txns, 1);
    assert_int_equal(txn_set_count(&r.after), last + 1000);
    run("INSERT INTO w.t VALUES (2,'x')");
    read_to_end(&r, &whole);
    assert_same(&r, "w", "t");
    reading_fini(&r);
}

static void a_log_that_was_purged_is_lost(void **state)
{
    (void)state;
    struct reading r;
    char sql[200], file[100];

    fresh();
    reading_init(&r);
    run("INSERT INTO w.t VALUES (1,'x')");
    run("FLUSH BINARY LOGS");
    run("INSERT INTO w.t VALUES (2,'x')");
    run("FLUSH BINARY LOGS");
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    check(session_query(root, "SHOW MASTER STATUS", &res, e));
    (void)snprintf(file, sizeof file, "%s", mysql_fetch_row(res)[0]);
    (void)snprintf(sql, sizeof sql, "PURGE BINARY LOGS TO '%s'", file);
    struct mono until = mono_add_ms(clock_mono(), 10000);
    for (my_ulonglong files = 2; files > 1;) { /* the engine may still need a file for a while */
        MYSQL_RES *logs CLEANUP(session_free_result) = NULL;
        run(sql);
        check(session_query(root, "SHOW BINARY LOGS", &logs, e));
        files = mysql_num_rows(logs);
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, files > 1 ? 20 : 0);
    }
    assert_stops(&r, &whole, ERR_LOG_LOST, "purged");
    reading_fini(&r);
}

static void a_position_that_the_source_never_had_is_divergence(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    reading_init(&r);
    const char *origin = r.after.origins.at[0].origin;
    txn_set_add(&r.after, origin, 1, txn_set_last(&r.after, origin) + 5);
    struct log *l = NULL;
    struct err e = ERR_INIT;
    assert_false(reading_open(&r, &whole, &l, &e));
    assert_int_equal(e.code, ERR_SOURCE_DIVERGED);
    txn_set_add(&r.after, origin_intern("mariadb:99", 10), 1, 5);
    err_clear(&e);
    assert_false(reading_open(&r, &whole, &l, &e));
    assert_int_equal(e.code, ERR_SOURCE_DIVERGED);
    reading_fini(&r);
}

/* --- connections --------------------------------------------------------------------------------
 */

static void a_second_reader_of_our_number_is_recognised(void **state)
{
    (void)state;
    struct log *first = NULL, *second = NULL;
    struct reading r;

    fresh();
    reading_init(&r);
    check(reading_open(&r, &whole, &first, e));
    check(reading_open(&r, &whole, &second, e));
    struct err e = read_until_error(first);
    assert_int_equal(err_class_of(e.code), ERR_CLASS_RETRY);
    if (e.code != ERR_LOG_DUPLICATE_READER)
        fail_msg("%s: %s", err_name(e.code), e.message);
    mysql_log_ops.close(first);
    mysql_log_ops.close(second);
    reading_fini(&r);
}

static void a_killed_connection_is_tried_again(void **state)
{
    (void)state;
    struct log *l = NULL;
    struct reading r;
    char id[40], sql[80];
    bool found = false;

    fresh();
    reading_init(&r);
    check(reading_open(&r, &(struct asked){.filter = only_w, .server_id = 9001}, &l, e));
    for (int i = 0; i < 1000 && !found; i++)
        check(session_value(root,
                            "SELECT MAX(ID) FROM information_schema.PROCESSLIST WHERE"
                            " COMMAND LIKE 'Binlog Dump%'",
                            id, sizeof id, &found, e));
    assert_true(found);
    (void)snprintf(sql, sizeof sql, "KILL %s", id);
    run(sql);
    struct err e = read_until_error(l);
    if (err_class_of(e.code) != ERR_CLASS_RETRY)
        fail_msg("%s: %s", err_name(e.code), e.message);
    mysql_log_ops.close(l);
    reading_fini(&r);
}

static void an_idle_source_is_heard(void **state)
{
    (void)state;
    struct log *l = NULL;
    struct log_progress p;
    struct reading r;
    struct buf out;
    int heard = 0;

    fresh();
    reading_init(&r);
    check(reading_open(&r, &whole, &l, e));
    buf_init(&out, 1u << 20);
    struct mono begun = clock_mono();
    for (int i = 0; i < 10; i++) {
        check(mysql_log_ops.read(l, &out, 1000, 100, &p, e));
        assert_true(p.at_end);
        heard += p.heard && p.source_time.us > 0;
    }
    int64_t ms = mono_ms_between(begun, clock_mono());
    assert_true(ms >= 900 && ms < 5000); /* each read waits its 100 ms and no longer */
    assert_true(heard >= 2);             /* heartbeats every 200 ms */
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    mysql_log_ops.close(l);
    reading_fini(&r);
}

static void an_event_of_many_packets_is_joined(void **state)
{
    (void)state;
    struct reading r;

    fresh();
    run("CREATE TABLE w.big (i INT PRIMARY KEY, b LONGBLOB)");
    reading_init(&r);
    run("INSERT INTO w.big VALUES (1, REPEAT('0123456789abcdef', 2500000)), (2, 'small')");
    run("INSERT INTO w.big VALUES (3, REPEAT('x', 16777215))");
    run("INSERT INTO w.t VALUES (1,'after')");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 4);
    assert_same(&r, "w", "big");
    assert_same(&r, "w", "t");
    reading_fini(&r);
}

static int start(void **state)
{
    (void)state;
    one_server_start(7);
    run("SET SESSION tx_isolation='REPEATABLE-READ'"); /* the server logs statements only there */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_logged_as_statements_stop),
        cmocka_unit_test(a_statement_s_values_are_not_shown),
        cmocka_unit_test(tables_with_row_history_stop),
        cmocka_unit_test(partial_images_mark_what_is_absent),
        cmocka_unit_test(an_xa_commit_whose_rows_were_not_seen_stops),
        cmocka_unit_test(a_table_made_from_a_select_comes_with_its_rows_or_is_filtered),
        cmocka_unit_test(a_sequence_number_that_does_not_grow_stops),
        cmocka_unit_test(holes_in_the_numbers_are_covered),
        cmocka_unit_test(a_log_that_was_purged_is_lost),
        cmocka_unit_test(a_position_that_the_source_never_had_is_divergence),
        cmocka_unit_test(a_second_reader_of_our_number_is_recognised),
        cmocka_unit_test(a_killed_connection_is_tried_again),
        cmocka_unit_test(an_idle_source_is_heard),
        cmocka_unit_test(an_event_of_many_packets_is_joined),
    };

    return cmocka_run_group_tests(tests, start, one_server_stop);
}
