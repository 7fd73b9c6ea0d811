/* A MySQL server whose transactions have no GTIDs (endpoint/mysql/place.h): what a copy's begin has
 * is visible in it under load, reading goes on at any place, across files and restarts, and nothing
 * is taken for what it is not. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/checks.h"
#include "components/endpoint/mysql/place.h"
#include "test/lib/log_world.h"

#define WRITERS 4
#define XA_WRITERS 2
#define SNAPSHOTS 25
#define STRIDE 1000000

static const struct asked whole = {.filter = only_w, .part_bytes = 4u << 20};

static int start(void **state)
{
    (void)state;
    one_server_start_mysql_no_gtids(52);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    if (!root)
        return 0;
    run("DROP DATABASE IF EXISTS w");
    run("CREATE DATABASE w");
    return 0;
}

/* --- a copy's begin -----------------------------------------------------------------------------
 */

static atomic_bool enough;

/* Each transaction inserts one row, one of some writers by XA. */
static void *writer(void *arg)
{
    struct endpoint_address a = mariadb_address(&server);
    int number = *(int *)arg, at = number * STRIDE;
    struct session *s;

    check(session_open(&a, SESSION_DDL, &s, e));
    while (!enough) {
        char sql[80], xid[40];
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d)", at++);
        (void)snprintf(xid, sizeof xid, "'%d'", at);
        if (number >= XA_WRITERS) {
            check(session_exec(s, sql, e));
            continue;
        }
        static const char *const steps[] = {"START", NULL, "END", "PREPARE", "COMMIT"};
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
            char xa[80];
            (void)snprintf(xa, sizeof xa, "XA %s %s", steps[i] ? steps[i] : "", xid);
            check(session_exec(s, steps[i] ? xa : sql, e));
        }
    }
    session_close(s);
    return NULL;
}

struct seen { /* by one snapshot */
    uint64_t begin;
    bool (*ids)[STRIDE / 10];
};

static void look(struct session *s, struct seen *seen)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct position pos;
    bool exact;

    check(snapshot_open(s, &pos, &exact, e));
    assert_false(exact);
    assert_int_equal(pos.set.origins.n, 1);
    seen->begin = txn_set_last(&pos.set, pos.set.origins.at[0].origin);
    txn_set_fini(&pos.set);
    seen->ids = must_calloc(WRITERS, sizeof *seen->ids);
    check(session_query(s, "SELECT id FROM w.t", &res, e));
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        long id = strtol(row[0], NULL, 10);
        assert_true(id % STRIDE < STRIDE / 10);
        seen->ids[id / STRIDE][id % STRIDE] = true;
    }
    check(session_exec(s, "ROLLBACK", e));
}

struct proof {
    const struct seen *seen;
    size_t before;
};

/* A row of the log, and the place of its transaction. */
static void assert_seen(void *arg, uint64_t seq, int32_t id)
{
    struct proof *p = arg;

    for (size_t i = 0; i < SNAPSHOTS; i++) {
        if (seq > p->seen[i].begin)
            continue;
        p->before++;
        if (!p->seen[i].ids[id / STRIDE][id % STRIDE])
            fail_msg("row %d lies before the begin of snapshot %zu, which does not see it", id, i);
    }
}

static void all_that_a_copys_begin_has_is_visible_in_it(void **state)
{
    struct seen seen[SNAPSHOTS];
    struct endpoint_address a;
    pthread_t threads[WRITERS];
    int number[WRITERS];
    struct session *s;
    struct reading r;
    struct proof proof = {.seen = seen};

    (void)state;
    need_server();
    run("CREATE TABLE w.t (id INT PRIMARY KEY)");
    reading_init(&r);
    r.any = r.has_holes = true;
    r.each = assert_seen;
    r.each_arg = &proof;
    a = mariadb_address(&server);
    run("SET GLOBAL sync_binlog=1"); /* each transaction is in the log long before it is visible */
    run("SET GLOBAL binlog_group_commit_sync_delay=8000");
    enough = false;
    for (int i = 0; i < WRITERS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, writer, &number[i]), 0);
    }
    for (int i = 0; i < SNAPSHOTS; i++) { /* each session begins a file */
        check(session_open(&a, SESSION_READ, &s, e));
        look(s, &seen[i]);
        session_close(s);
        (void)poll(NULL, 0, 20);
    }
    enough = true;
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    run("SET GLOBAL sync_binlog=0");
    run("SET GLOBAL binlog_group_commit_sync_delay=0");
    read_to_end(&r, &whole);
    assert_true(proof.before > 100);
    for (int i = 0; i < SNAPSHOTS; i++)
        free(seen[i].ids);
    reading_fini(&r);
}

static void *lines_writer(void *arg)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;

    (void)arg;
    check(session_open(&a, SESSION_DDL, &s, e));
    while (!enough)
        check(session_exec(s, "INSERT INTO w.lines VALUES (7, 'the same')", e));
    session_close(s);
    return NULL;
}

struct count {
    uint64_t to, n;
};

static void count_to(void *arg, uint64_t seq, int32_t id)
{
    struct count *c = arg;

    (void)id;
    c->n += seq <= c->to;
}

/* What a snapshot saw of a table without a key is what the log has of it up to its place. */
static void a_tables_snapshot_is_at_its_place(void **state)
{
    struct endpoint_address a;
    pthread_t threads[WRITERS];
    struct position pos;
    struct reader *reader;
    struct count count = {0};
    struct reading r;
    uint64_t rows = 0;
    bool exact, taken = false;

    (void)state;
    need_server();
    run("CREATE TABLE w.lines (a INT, b VARCHAR(20))");
    const struct table_def *t = load_def("w", "lines");
    reading_init(&r);
    a = mariadb_address(&server);
    check(mysql_reader_ops.open(&a, &reader, e));
    enough = false;
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, lines_writer, NULL), 0);
    for (int i = 0; i < 20 || !taken; i++) {
        struct err busy = ERR_INIT;
        if (!mysql_reader_ops.begin_table_snapshot(reader, t, &pos, &exact, &busy)) {
            assert_int_equal(busy.code, ERR_SERVER_BUSY);
            continue;
        }
        taken = true;
        assert_true(exact);
        check(mysql_reader_ops.count(reader, t, &rows, e));
        check(mysql_reader_ops.end_snapshot(reader, e));
        count.to = txn_set_last(&pos.set, pos.set.origins.at[0].origin);
        txn_set_fini(&pos.set);
    }
    enough = true;
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    r.any = true;
    r.each = count_to;
    r.each_arg = &count;
    read_to_end(&r, &whole);
    assert_true(rows > 0);
    assert_int_equal(rows, count.n);
    mysql_reader_ops.close(reader);
    reading_fini(&r);
    table_def_unref(t);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void reading_goes_on_at_any_place_across_files(void **state)
{
    struct reading r;

    (void)state;
    need_server();
    run("CREATE TABLE w.t (i INT PRIMARY KEY, v VARCHAR(100))");
    reading_init(&r);
    for (int i = 0; i < 12; i++) {
        char sql[100];
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d, 'row')", i);
        run(sql);
        if (i % 3 == 0)
            run("FLUSH BINARY LOGS");
        if (i % 3 == 1) {
            run("SET SESSION binlog_transaction_compression=ON");
            run("UPDATE w.t SET v = CONCAT(v, ' and more')");
            run("SET SESSION binlog_transaction_compression=OFF");
        }
        if (i % 4 == 0)
            read_to_end(&r, &whole); /* opened anew each time */
    }
    run("FLUSH BINARY LOGS");
    read_to_end(&r, &whole); /* an empty file's head is passed too */
    assert_same(&r, "w", "t");
    assert_int_equal(r.after.origins.n, 1);
    assert_int_equal(r.after.origins.at[0].iv.n, 1); /* one interval */
    reading_fini(&r);
}

static void a_place_is_made_of_the_files_number_and_the_offset(void **state)
{
    struct err refused = ERR_INIT;
    uint64_t seq;

    (void)state;
    check(place_seq("mysql-bin.000012", 345, &seq, e));
    assert_int_equal(place_file(seq), 12);
    assert_int_equal(place_offset(seq), 345);
    check(place_seq("b.1000000", ((uint64_t)1 << 40) - 1, &seq, e));
    assert_int_equal(place_file(seq), 1000000);
    assert_false(place_seq("b.000001", (uint64_t)1 << 40, &seq, &refused));
    assert_false(place_seq("b.00x001", 4, &seq, &refused));
    assert_false(place_seq("b.9000000", 4, &seq, &refused));
    assert_int_equal(refused.code, ERR_UNSUPPORTED);
}

/* --- precheck -----------------------------------------------------------------------------------
 */

struct item {
    int verdict;
    char reason[500];
};

static void note(void *arg, const struct check_item *item)
{
    struct item *i = arg;

    if (strcmp(item->id, "source.gtid") == 0) {
        i->verdict = (int)item->verdict;
        (void)snprintf(i->reason, sizeof i->reason, "%s", item->reason);
    }
}

static void precheck_says_what_goes_without_gtids_and_what_not(void **state)
{
    struct endpoint_address a;
    struct session *s;
    struct item i = {.verdict = -1};

    (void)state;
    need_server();
    check(checks_source(root, note, &i, e));
    assert_int_equal(i.verdict, CHECK_WARNING);
    assert_non_null(strstr(i.reason, "by file and offset"));
    run("CREATE USER IF NOT EXISTS poor IDENTIFIED BY 'poor'");
    run("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO poor");
    a = mariadb_address(&server);
    a.user = a.password = "poor";
    check(session_open(&a, SESSION_READ, &s, e));
    check(checks_source(s, note, &i, e));
    session_close(s);
    assert_int_equal(i.verdict, CHECK_FAILED);
    assert_non_null(strstr(i.reason, "FLUSH BINARY LOGS"));
    run("SET GLOBAL gtid_mode=OFF_PERMISSIVE");
    check(checks_source(root, note, &i, e));
    run("SET GLOBAL gtid_mode=OFF");
    assert_int_equal(i.verdict, CHECK_FAILED);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_that_a_copys_begin_has_is_visible_in_it),
        TEST(a_tables_snapshot_is_at_its_place),
        TEST(reading_goes_on_at_any_place_across_files),
        TEST(a_place_is_made_of_the_files_number_and_the_offset),
        TEST(precheck_says_what_goes_without_gtids_and_what_not),
    };

    return cmocka_run_group_tests_name("mysql without GTIDs", tests, start, one_server_stop);
}
