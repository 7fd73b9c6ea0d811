/* What is MySQL's own, against a server of it: logging in, the settings that precheck wants, and
 * where a snapshot stands under load. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/checks.h"
#include "components/endpoint/mysql/endpoint.h"
#include "test/lib/one_server.h"

#define WRITERS 3
#define SNAPSHOTS 40

static int setup(void **state)
{
    (void)state;
    one_server_start_mysql(51);
    if (root)
        run("CREATE DATABASE w");
    return 0;
}

/* A user whom the server does not know by heart yet: the whole exchange takes place. */
static bool log_in(const char *user, const char *tls_mode, char cipher[80], struct err *e)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    char sql[200];

    (void)snprintf(sql, sizeof sql, "CREATE USER %s IDENTIFIED BY 'long secret %s'", user, user);
    run(sql);
    (void)snprintf(sql, sizeof sql, "long secret %s", user);
    a.user = user;
    a.password = sql;
    a.tls_mode = tls_mode;
    if (!session_open(&a, SESSION_READ, &s, e))
        return false;
    (void)snprintf(cipher, 80, "%s",
                   mysql_get_ssl_cipher(s->my) ? mysql_get_ssl_cipher(s->my) : "");
    session_close(s);
    return true;
}

static void a_password_goes_by_tls_or_sealed_with_the_servers_key(void **state)
{
    char cipher[80];

    (void)state;
    need_server();
    check(log_in("by_rsa", "off", cipher, e));
    assert_string_equal(cipher, "");
    check(log_in("by_tls", "required", cipher, e));
    assert_string_not_equal(cipher, "");
    check(log_in("by_either", "preferred", cipher, e));
    assert_string_not_equal(cipher, "");
}

static void a_certificate_of_an_unknown_authority_is_refused(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct err refused = ERR_INIT;
    struct session *s;

    (void)state;
    need_server();
    a.tls_mode = "verify";
    a.tls_ca = "/etc/ssl/certs/ca-certificates.crt";
    assert_false(session_open(&a, SESSION_READ, &s, &refused));
    assert_int_equal(refused.code, ERR_SERVER_TLS);
}

/* --- precheck -----------------------------------------------------------------------------------
 */

struct seen {
    const char *id; /* the item that is looked for; NULL: any that failed */
    int verdict;    /* -1: not there */
    char text[2048];
};

static void note(void *arg, const struct check_item *item)
{
    struct seen *s = arg;

    if (s->id ? strcmp(s->id, item->id) == 0 : item->verdict == CHECK_FAILED) {
        s->verdict = (int)item->verdict;
        (void)snprintf(s->text, sizeof s->text, "%s: %s; %s", item->id, item->reason, item->remedy);
    }
}

static struct seen look(const char *id)
{
    struct seen s = {.id = id, .verdict = -1};

    check(checks_source(root, note, &s, e));
    return s;
}

static void a_good_mysql_has_no_failed_item(void **state)
{
    struct seen s = {.verdict = -1};
    static const char *const dbs[] = {"w"};

    (void)state;
    need_server();
    s = look(NULL);
    if (s.verdict != -1)
        fail_msg("%s", s.text);
    struct endpoint_address a = mariadb_address(&server);
    check(checks_target(&a, root, dbs, 1, note, &s, e));
    if (s.verdict != -1)
        fail_msg("%s", s.text);
}

static struct seen look_as_partial(const char *id)
{
    struct endpoint_address a = mariadb_address(&server);
    struct seen s = {.id = id, .verdict = -1};
    struct session *partial = NULL;

    a.user = "partial";
    a.password = "secret";
    check(session_open(&a, SESSION_READ, &partial, e));
    check(checks_source(partial, note, &s, e));
    session_close(partial);
    return s;
}

/* What the user may not see would be left out without a word. */
static void a_right_that_is_taken_away_for_one_database_is_found(void **state)
{
    struct seen s;

    (void)state;
    need_server();
    run("SET GLOBAL partial_revokes=ON");
    run("CREATE USER partial@'%' IDENTIFIED BY 'secret'");
    run("GRANT ALL ON *.* TO partial@'%'");
    run("REVOKE INSERT ON mysql.* FROM partial@'%'");
    assert_int_equal(look_as_partial("source.privileges.partial").verdict, CHECK_OK);
    run("REVOKE SELECT ON w.* FROM partial@'%'");
    s = look_as_partial("source.privileges.partial");
    assert_int_equal(s.verdict, CHECK_FAILED);
    assert_non_null(strstr(s.text, "REVOKE SELECT ON `w`.*"));
    run("DROP USER partial@'%'");
    run("SET GLOBAL partial_revokes=OFF");
}

static void settings_that_lose_something_are_found_with_their_remedy(void **state)
{
    static const struct {
        const char *set, *back, *id;
    } wrong[] = {
        {"SET GLOBAL binlog_row_image=MINIMAL", "SET GLOBAL binlog_row_image=FULL",
         "source.row_image"},
        {"SET GLOBAL binlog_row_metadata=MINIMAL", "SET GLOBAL binlog_row_metadata=FULL",
         "source.row_metadata"},
        {"SET GLOBAL binlog_row_value_options=PARTIAL_JSON",
         "SET GLOBAL binlog_row_value_options=''", "source.row_value_options"},
        {"SET GLOBAL gtid_mode=ON_PERMISSIVE", "SET GLOBAL gtid_mode=ON", "source.gtid"},
    };

    (void)state;
    need_server();
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        run(wrong[i].set);
        struct seen s = look(wrong[i].id);
        run(wrong[i].back);
        assert_int_equal(s.verdict, CHECK_FAILED);
        assert_non_null(strstr(s.text, "SET GLOBAL"));
        s = look(wrong[i].id);
        assert_int_equal(s.verdict, CHECK_OK);
    }
}

/* --- snapshots ----------------------------------------------------------------------------------
 */

static atomic_bool enough;

static void *writer(void *arg)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    int at = *(int *)arg;

    check(session_open(&a, SESSION_DDL, &s, e));
    while (!enough) {
        char sql[80];
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d)", at);
        check(session_exec(s, sql, e));
        at += WRITERS;
    }
    session_close(s);
    return NULL;
}

/* Each transaction adds one row, so the rows that are seen count the transactions. */
static void one_snapshot(struct reader *r, const struct table_def *t, uint64_t before)
{
    struct position pos, end;
    uint64_t rows, after;
    bool exact;

    check(mysql_reader_ops.begin_snapshot(r, &pos, &exact, e));
    assert_false(exact);
    check(mysql_reader_ops.count(r, t, &rows, e));
    check(mysql_reader_ops.end_snapshot(r, e));
    check(mysql_reader_ops.position_now(r, &end, e));
    assert_true(txn_set_contains(&end.set, &pos.set));
    after = txn_set_count(&end.set) - before;
    assert_true(rows >= txn_set_count(&pos.set) - before); /* all of it is visible */
    assert_true(rows <= after + WRITERS); /* shown to others before it is in the set */
    txn_set_fini(&pos.set);
    txn_set_fini(&end.set);
}

static void all_that_a_snapshots_position_has_is_visible_in_it(void **state)
{
    struct endpoint_address a;
    pthread_t threads[WRITERS];
    int first[WRITERS];
    struct reader *r;
    struct txn_set set;

    (void)state;
    need_server();
    run("CREATE TABLE w.t (id INT PRIMARY KEY)");
    const struct table_def *t = load_def("w", "t");
    txn_set_init(&set);
    check(mysql_log_ops.executed(root, NULL, &set, e));
    a = mariadb_address(&server);
    check(mysql_reader_ops.open(&a, &r, e));
    for (int i = 0; i < WRITERS; i++) {
        first[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, writer, &first[i]), 0);
    }
    for (int i = 0; i < SNAPSHOTS; i++)
        one_snapshot(r, t, txn_set_count(&set));
    enough = true;
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    mysql_reader_ops.close(r);
    txn_set_fini(&set);
    table_def_unref(t);
}

static void *lines_writer(void *arg)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    bool both = *(int *)arg % 2;

    check(session_open(&a, SESSION_DDL, &s, e));
    while (!enough) {
        check(session_exec(s, "BEGIN", e));
        if (both)
            check(session_exec(s, "UPDATE w.beside SET n = n + 1", e));
        check(session_exec(s, "INSERT INTO w.lines VALUES (7, 'the same')", e));
        check(session_exec(s, "COMMIT", e));
    }
    session_close(s);
    return NULL;
}

/* Every transaction adds one row to a table without a key. */
static void a_tables_snapshot_is_exact_while_it_is_written(void **state)
{
    struct endpoint_address a;
    pthread_t threads[WRITERS];
    int number[WRITERS];
    struct reader *r;
    struct txn_set set;
    uint64_t rows = 0;
    bool exact;

    (void)state;
    need_server();
    run("CREATE TABLE w.lines (a INT, b VARCHAR(20))");
    run("CREATE TABLE w.beside (n INT)");
    run("INSERT INTO w.beside VALUES (0)");
    const struct table_def *t = load_def("w", "lines");
    txn_set_init(&set);
    check(mysql_log_ops.executed(root, NULL, &set, e));
    a = mariadb_address(&server);
    check(mysql_reader_ops.open(&a, &r, e));
    enough = false;
    for (int i = 0; i < WRITERS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, lines_writer, &number[i]), 0);
    }
    for (int i = 0; i < SNAPSHOTS; i++) {
        struct position pos;
        struct err busy = ERR_INIT;
        if (!mysql_reader_ops.begin_table_snapshot(r, t, &pos, &exact, &busy)) {
            assert_int_equal(busy.code, ERR_SERVER_BUSY); /* the writers had it for a second */
            continue;
        }
        assert_true(exact);
        check(mysql_reader_ops.count(r, t, &rows, e));
        check(mysql_reader_ops.end_snapshot(r, e));
        assert_int_equal(rows, txn_set_count(&pos.set) - txn_set_count(&set));
        txn_set_fini(&pos.set);
    }
    enough = true;
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(rows > 0);
    mysql_reader_ops.close(r);
    txn_set_fini(&set);
    table_def_unref(t);
}

/* Somebody who does not commit keeps the copy waiting, and not the others for long. */
static void a_table_that_is_held_is_busy_and_free_again(void **state)
{
    struct endpoint_address a;
    struct session *s;
    struct position pos;
    struct reader *r;
    struct err e_busy = ERR_INIT;
    bool exact;

    (void)state;
    need_server();
    run("CREATE TABLE w.held (a INT)");
    const struct table_def *t = load_def("w", "held");
    a = mariadb_address(&server);
    check(session_open(&a, SESSION_DDL, &s, e));
    check(session_exec(s, "BEGIN", e));
    check(session_exec(s, "INSERT INTO w.held VALUES (1)", e));
    check(mysql_reader_ops.open(&a, &r, e));
    assert_false(mysql_reader_ops.begin_table_snapshot(r, t, &pos, &exact, &e_busy));
    assert_int_equal(e_busy.code, ERR_SERVER_BUSY);
    check(session_exec(s, "INSERT INTO w.held VALUES (2)", e));
    check(session_exec(s, "COMMIT", e));
    check(mysql_reader_ops.begin_table_snapshot(r, t, &pos, &exact, e));
    txn_set_fini(&pos.set);
    run("INSERT INTO w.held VALUES (3)"); /* the lock is gone when the snapshot is open */
    check(mysql_reader_ops.end_snapshot(r, e));
    mysql_reader_ops.close(r);
    session_close(s);
    table_def_unref(t);
}

/* --- catalog ------------------------------------------------------------------------------------
 */

static void keys_come_in_the_servers_own_order(void **state)
{
    (void)state;
    need_server();
    run("CREATE TABLE w.k (z INT NOT NULL, a INT NOT NULL, n INT, e VARCHAR(9), KEY zz (n),"
        " UNIQUE KEY uz (z), UNIQUE KEY ua (a, n), KEY ex ((upper(e)), a DESC))");
    const struct table_def *t = load_def("w", "k");
    assert_int_equal(t->n_keys, 4);
    assert_true(t->row_key >= 0);
    assert_string_equal(t->keys[t->row_key].name, "uz"); /* the one whose columns are NOT NULL */
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (strcmp(t->keys[i].name, "ex") == 0) {
            assert_int_equal(t->keys[i].n_parts, 2);
            assert_int_equal(t->keys[i].parts[0].column, KEY_EXPRESSION);
            assert_int_equal(t->keys[i].parts[1].column, 1);
            assert_true(t->keys[i].parts[1].descending);
        }
    table_def_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_goes_by_tls_or_sealed_with_the_servers_key),
        cmocka_unit_test(a_certificate_of_an_unknown_authority_is_refused),
        cmocka_unit_test(a_good_mysql_has_no_failed_item),
        cmocka_unit_test(a_right_that_is_taken_away_for_one_database_is_found),
        cmocka_unit_test(settings_that_lose_something_are_found_with_their_remedy),
        cmocka_unit_test(all_that_a_snapshots_position_has_is_visible_in_it),
        cmocka_unit_test(a_tables_snapshot_is_exact_while_it_is_written),
        cmocka_unit_test(a_table_that_is_held_is_busy_and_free_again),
        cmocka_unit_test(keys_come_in_the_servers_own_order),
    };
    return cmocka_run_group_tests_name("mysql server", tests, setup, one_server_stop);
}
