/* A start (log_ops.find_start) while XA transactions are prepared: they come whole at their commit,
 * on MariaDB, on MySQL and on MySQL without GTIDs. */
#include "test/contract/log/start_world.h"

#include "common/os/clock.h"

/* --- XA -----------------------------------------------------------------------------------------
 */

static void wait_left(uint64_t id)
{
    struct mono until = mono_add_ms(clock_mono(), 30000);
    bool found = true;
    char sql[100], text[8];

    (void)snprintf(sql, sizeof sql,
                   "SELECT 1 FROM information_schema.processlist WHERE id=%" PRIu64, id);
    while (found) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        check(session_value(root, sql, text, sizeof text, &found, e));
    }
}

static void exec_in(struct session *s, const char *what, const char *xid)
{
    char sql[200];

    (void)snprintf(sql, sizeof sql, "XA %s %s", what, xid);
    check(session_exec(s, sql, e));
}

/* By a session that leaves, so that any other may end it. */
static void prepare(const char *xid, int key)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s = NULL;
    char sql[100];
    uint64_t id;

    check(session_open(&a, SESSION_DDL, &s, e));
    (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d)", key);
    exec_in(s, "START", xid);
    check(session_exec(s, sql, e));
    exec_in(s, "END", xid);
    exec_in(s, "PREPARE", xid);
    id = mysql_thread_id(s->my);
    session_close(s);
    wait_left(id);
}

static void finds(const struct start_at *at, struct position *found)
{
    check(find(at, found, e));
    assert_true(found->native[0] != '\0');
}

static void comes(struct position *found, const char *expected)
{
    assert_keys_behind(found, expected);
    txn_set_fini(&found->set);
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void what_was_prepared_before_a_start_comes_whole_at_its_commit(void **state)
{
    struct start_at by_place, by_time, by_ids = {.kind = START_IDS};
    struct position found;
    char file[256], text[300];

    (void)state;
    need_server();
    prepare("'over','x'", 1);
    run("XA COMMIT 'over','x'");
    prepare("'back'", 2);
    run("FLUSH BINARY LOGS");
    insert(3);
    run("FLUSH BINARY LOGS");
    insert(4);
    prepare("'undone'", 5);
    prepare("'same'", 6);
    insert(7);
    where_it_writes(&by_place, file);
    by_time = at_time(second_between());
    if (has_gtids())
        executed_now(text, sizeof text);
    by_ids.ids = text;
    insert(8);
    prepare("'behind'", 9);
    run("XA ROLLBACK 'undone'");
    run("XA COMMIT 'back'");
    run("XA COMMIT 'same'");
    run("XA COMMIT 'behind'");
    insert(10);
    finds(&by_place, &found);
    comes(&found, "8 2 6 9 10");
    finds(&by_time, &found);
    comes(&found, "8 2 6 9 10");
    if (!has_gtids())
        return;
    finds(&by_ids, &found);
    comes(&found, "8 2 6 9 10");
}

static void one_that_is_compressed_comes_whole_too(void **state)
{
    (void)state;
    need_server();
    if (root->is_mariadb)
        return;
    run("SET GLOBAL binlog_transaction_compression=ON"); /* of sessions that begin behind it */
    what_was_prepared_before_a_start_comes_whole_at_its_commit(state);
    run("SET GLOBAL binlog_transaction_compression=OFF");
}

static void what_is_prepared_now_comes_when_it_is_committed(void **state)
{
    const struct start_at now = {.kind = START_NOW};
    struct position found;

    (void)state;
    need_server();
    prepare("'first'", 1);
    run("FLUSH BINARY LOGS");
    insert(2);
    prepare("'second'", 3);
    insert(4);
    finds(&now, &found);
    insert(5);
    run("XA COMMIT 'second'");
    run("XA COMMIT 'first'");
    insert(6);
    comes(&found, "5 3 1 6");
}

static void an_identifier_that_is_used_again_is_the_last_one(void **state)
{
    const struct start_at now = {.kind = START_NOW};
    struct position found;

    (void)state;
    need_server();
    prepare("'again'", 1);
    run("XA COMMIT 'again'");
    prepare("'again'", 2);
    run("FLUSH BINARY LOGS");
    insert(3);
    finds(&now, &found);
    run("XA COMMIT 'again'");
    prepare("'again'", 4);
    run("XA COMMIT 'again'");
    comes(&found, "2 4");
}

static void a_prepare_that_is_purged_is_refused(void **state)
{
    struct start_at at = {.kind = START_NOW};
    char newest[256], file[256];

    (void)state;
    need_server();
    prepare("'purged'", 1);
    run("FLUSH BINARY LOGS");
    insert(2);
    purge_to_newest(newest);
    assert_refused(&at, "does not have its rows any more");
    where_it_writes(&at, file);
    run("XA COMMIT 'purged'");
    insert(3);
    assert_refused(&at, "X'707572676564'");
    where_it_writes(&at, file);
    insert(4);
    assert_begins(&at, "4");
}

#define EACH(t) cmocka_unit_test_setup(t, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(what_was_prepared_before_a_start_comes_whole_at_its_commit),
        EACH(one_that_is_compressed_comes_whole_too),
        EACH(what_is_prepared_now_comes_when_it_is_committed),
        EACH(an_identifier_that_is_used_again_is_the_last_one),
        EACH(a_prepare_that_is_purged_is_refused),
    };

    prepares = true;
    return cmocka_run_group_tests_name("start on MariaDB", tests, start_mariadb, one_server_stop) +
           cmocka_run_group_tests_name("start on MySQL", tests, start_mysql, one_server_stop) +
           cmocka_run_group_tests_name("start on MySQL without GTIDs", tests, start_mysql_no_gtids,
                                       one_server_stop);
}
