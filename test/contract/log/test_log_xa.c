/* XA transactions in a source's log (A7), against a private server: each appears whole, at its
 * commit, however long it was prepared and however often the log was opened in between; and none
 * that is rolled back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/os/clock.h"
#include "test/lib/log_world.h"

static const struct asked whole = {.filter = only_w, .part_bytes = 4u << 20};
static const struct asked one_open = {.filter = only_w, .part_bytes = 4u << 20, .open_xa = 1};

static void fresh(void)
{
    run("DROP DATABASE IF EXISTS w");
    run("DROP DATABASE IF EXISTS other");
    run("CREATE DATABASE w");
    run("CREATE DATABASE other");
    run("CREATE TABLE w.t (i INT PRIMARY KEY, v LONGTEXT)");
    run("CREATE TABLE other.t (i INT)");
}

static void begin(struct reading *r)
{
    fresh();
    reading_init(r);
    r->has_holes = true;
}

static void exec_in(struct session *s, const char *what, const char *xid)
{
    char sql[200];

    (void)snprintf(sql, sizeof sql, "XA %s %s", what, xid);
    check(session_exec(s, sql, e));
}

/* A server that is still at the leaving of the session that prepared a transaction may keep its
 * locks for ever when another session ends that transaction meanwhile. */
static bool is_there(uint64_t id)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    char sql[100];

    (void)snprintf(sql, sizeof sql, "SELECT 1 FROM information_schema.processlist WHERE id=%llu",
                   (unsigned long long)id);
    check(session_query(root, sql, &res, e));
    return mysql_fetch_row(res) != NULL;
}

static void wait_left(uint64_t id)
{
    struct mono until = mono_add_ms(clock_mono(), 10000);

    while (is_there(id))
        assert_true(mono_cmp(clock_mono(), until) < 0);
}

/* By a session that leaves, so that any other may end it. */
static void prepare(const char *xid, const char *sql)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s = NULL;
    uint64_t id;

    check(session_open(&a, SESSION_DDL, &s, e));
    exec_in(s, "START", xid);
    check(session_exec(s, sql, e));
    exec_in(s, "END", xid);
    exec_in(s, "PREPARE", xid);
    id = mysql_thread_id(s->my);
    session_close(s);
    wait_left(id);
    if (server.is_mysql) /* places come in their order: the last one must not stay open */
        run("INSERT INTO other.t VALUES (1)");
}

/* Everything was covered: no hole is left. */
static void assert_whole_set(const struct reading *r)
{
    for (size_t i = 0; i < r->after.origins.n; i++)
        assert_int_equal(r->after.origins.at[i].iv.n, 1);
}

static void it_appears_whole_at_its_commit(void **state)
{
    (void)state;
    struct reading r;

    need_server();
    begin(&r);
    prepare("'a'", "INSERT INTO w.t VALUES (1,'x'), (2,'y')");
    run("INSERT INTO w.t VALUES (3,'between')");
    read_to_end(&r, &one_open);
    assert_int_equal(r.changes, 1);
    run("XA COMMIT 'a'");
    read_to_end(&r, &whole); /* opened anew: the rows are read again */
    assert_int_equal(r.changes, 3);
    assert_same(&r, "w", "t");
    assert_whole_set(&r);
    reading_fini(&r);
}

static void what_lies_behind_a_prepare_comes_once(void **state)
{
    (void)state;
    struct reading r;
    char sql[100];

    need_server();
    begin(&r);
    prepare("'a'", "INSERT INTO w.t VALUES (1,'x')");
    for (int i = 10; i < 20; i++) {
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d,'z')", i);
        run(sql);
        read_to_end(&r, &one_open);
    }
    run("ALTER TABLE other.t ADD c INT");
    run("CREATE TABLE w.u (i INT PRIMARY KEY)");
    run("INSERT INTO w.u VALUES (1)");
    read_to_end(&r, &one_open);
    assert_int_equal(r.ddl.n, 1);
    run("XA COMMIT 'a'");
    run("INSERT INTO w.u VALUES (2)");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 1);
    assert_int_equal(r.changes, 13);
    assert_same(&r, "w", "t");
    assert_same(&r, "w", "u");
    assert_whole_set(&r);
    reading_fini(&r);
}

static void one_that_is_rolled_back_never_appears(void **state)
{
    (void)state;
    struct reading r;

    need_server();
    begin(&r);
    prepare("'a'", "INSERT INTO w.t VALUES (1,'x')");
    run("XA ROLLBACK 'a'");
    prepare("'a'", "INSERT INTO w.t VALUES (2,'y')"); /* the same name again */
    read_to_end(&r, &one_open);
    run("XA ROLLBACK 'a'");
    run("INSERT INTO w.t VALUES (9,'another')");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 1);
    assert_same(&r, "w", "t");
    assert_whole_set(&r);
    reading_fini(&r);
}

static void several_are_open_and_end_in_any_order(void **state)
{
    (void)state;
    struct reading r;
    static const char *const xids[] = {"'a','b',1", "'a','bb',1", "'aa','b',11", "'a','bbb',1"};
    struct asked asked = whole;

    need_server();
    begin(&r);
    for (int i = 0; i < 4; i++) {
        char sql[100];
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d,'x')", i);
        prepare(xids[i], sql);
    }
    asked.open_xa = 4;
    read_to_end(&r, &asked);
    run("XA COMMIT 'aa','b',11");
    asked.open_xa = 3;
    read_to_end(&r, &asked);
    run("XA ROLLBACK 'a','b',1");
    run("XA COMMIT 'a','bb',1");
    asked.open_xa = 1;
    read_to_end(&r, &asked);
    run("XA COMMIT 'a','bbb',1");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 3);
    assert_same(&r, "w", "t");
    assert_whole_set(&r);
    reading_fini(&r);
}

/* More rows than are kept in memory, read in small pieces, opened again in the middle. */
static void a_large_one_waits_on_disk(void **state)
{
    (void)state;
    struct reading r;
    struct asked pieces = {
        .filter = only_w, .part_bytes = 1u << 20, .want_bytes = 2u << 20, .open_xa = 1};

    need_server();
    begin(&r);
    prepare("'large'", "INSERT INTO w.t WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1"
                       " FROM n WHERE seq < 120) SELECT seq, REPEAT(CHAR(65 + seq % 26), 400000)"
                       " FROM n");
    read_to_end(&r, &pieces);
    assert_int_equal(r.changes, 0);
    run("XA COMMIT 'large'");
    pieces.open_xa = 0;
    read_to_end(&r, &pieces);
    assert_int_equal(r.changes, 120);
    assert_true(r.parts > 20);
    assert_same(&r, "w", "t");
    assert_whole_set(&r);
    reading_fini(&r);
}

static void one_phase_and_other_tables_pass(void **state)
{
    (void)state;
    struct reading r;

    need_server();
    begin(&r);
    prepare("'a'", "INSERT INTO other.t VALUES (1)");
    run("XA COMMIT 'a'");
    prepare("'b','q',3", "INSERT INTO other.t VALUES (2)");
    run("XA ROLLBACK 'b','q',3");
    run("XA START 'c'");
    run("INSERT INTO w.t VALUES (2,'one phase')");
    run("XA END 'c'");
    run("XA COMMIT 'c' ONE PHASE");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 1);
    assert_same(&r, "w", "t");
    assert_whole_set(&r);
    reading_fini(&r);
}

static void start_again(void)
{
    struct endpoint_address a = mariadb_address(&server);

    session_close(root);
    root = NULL;
    mariadb_shutdown(&server);
    check(mariadb_again(&server, server.is_mysql ? no_gtids : NULL, e));
    check(session_open(&a, SESSION_DDL, &root, e));
}

/* Over several log files and a restart of the source. */
static void a_restart_of_the_source_between_is_nothing(void **state)
{
    (void)state;
    struct reading r;

    need_server();
    begin(&r);
    run("INSERT INTO w.t VALUES (5,'before')");
    prepare("'r'", "UPDATE w.t SET v = 'after' WHERE i = 5");
    start_again();
    run("FLUSH BINARY LOGS");
    run("INSERT INTO w.t VALUES (6,'between')");
    read_to_end(&r, &one_open);
    assert_int_equal(r.changes, 2);
    run("XA COMMIT 'r'");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 3);
    assert_same(&r, "w", "t");
    assert_whole_set(&r);
    reading_fini(&r);
}

static int start(void **state)
{
    (void)state;
    one_server_start(7);
    return 0;
}

static int start_places(void **state)
{
    (void)state;
    one_server_start_mysql_no_gtids(7);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_appears_whole_at_its_commit),
        cmocka_unit_test(what_lies_behind_a_prepare_comes_once),
        cmocka_unit_test(one_that_is_rolled_back_never_appears),
        cmocka_unit_test(several_are_open_and_end_in_any_order),
        cmocka_unit_test(a_large_one_waits_on_disk),
        cmocka_unit_test(one_phase_and_other_tables_pass),
        cmocka_unit_test(a_restart_of_the_source_between_is_nothing),
    };

    int failed = cmocka_run_group_tests_name("mariadb", tests, start, one_server_stop);

    return failed +
           cmocka_run_group_tests_name("mysql without GTIDs", tests, start_places, one_server_stop);
}
