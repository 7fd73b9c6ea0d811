/* A source that changes while a Store follows it, MariaDB and MySQL alike: started again, its log
 * cut, reset, purged, rewritten; another server in its place. What goes on loses nothing, what
 * cannot go on stops with the reason and the transactions concerned. Two servers, the second a
 * replica of the first. */
#include "components/endpoint/mysql/endpoint.h"
#include "test/contract/store/fake_component.h"
#include "test/lib/one_server.h"
#include "test/lib/scratch_dir.h"

#include <stdlib.h>
#include <time.h>

#define DEADLINE_MS 60000

static struct mariadb second; /* the first is `server`, its session `root` */
static struct session *other;
static struct component c;
static struct scratch_dir dir;

/* --- servers ------------------------------------------------------------------------------------
 */

static void connect_to(const struct mariadb *m, struct session **s)
{
    struct endpoint_address a = mariadb_address(m);

    session_close(*s);
    *s = NULL;
    check(session_open(&a, SESSION_DDL, s, e));
}

static void on(struct session *s, const char *sql)
{
    check(session_exec(s, sql, e));
}

static void forget_all(struct session *s)
{
    bool my = server.is_mysql;

    on(s, my ? "STOP REPLICA" : "STOP SLAVE");
    on(s, my ? "RESET REPLICA ALL" : "RESET SLAVE ALL");
    on(s, "SET GLOBAL read_only=0");
    on(s, "SET sql_log_bin=0");
    on(s, "DROP DATABASE IF EXISTS shop");
    on(s, "SET sql_log_bin=1");
    on(s, my ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
    if (!my)
        on(s, "SET GLOBAL gtid_slave_pos=''");
}

static void executed(struct session *s, struct txn_set *out)
{
    txn_set_init(out);
    check(mysql_endpoint.log->executed(s, out, e));
}

static void replicate(void)
{
    char sql[400];

    (void)snprintf(sql, sizeof sql,
                   server.is_mysql
                       ? "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%u,"
                         " SOURCE_USER='oms', SOURCE_PASSWORD='oms', SOURCE_AUTO_POSITION=1,"
                         " GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1"
                       : "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%u,"
                         " MASTER_USER='oms', MASTER_PASSWORD='oms', MASTER_USE_GTID=slave_pos",
                   server.port);
    on(other, sql);
    on(other, server.is_mysql ? "START REPLICA" : "START SLAVE");
}

/* Until the second has all that the first has. */
static void replica_has_all(void)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set a, b;
    bool has = false;

    executed(root, &a);
    while (!has) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the replica does not follow");
        executed(other, &b);
        has = txn_set_contains(&b, &a);
        txn_set_fini(&b);
        (void)poll(NULL, 0, 20);
    }
    txn_set_fini(&a);
}

static void promote(void)
{
    on(other, server.is_mysql ? "STOP REPLICA" : "STOP SLAVE");
    on(other, server.is_mysql ? "RESET REPLICA ALL" : "RESET SLAVE ALL");
}

/* Only an empty file is left of the first's log. A file that somebody still reads stays a moment.
 */
static void purge_all(void)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    my_ulonglong files = 2;

    promote();
    while (files > 1) {
        MYSQL_RES *res CLEANUP(session_free_result) = NULL;
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the log is not purged");
        on(root, "FLUSH LOGS");
        on(root, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY");
        check(session_query(root, "SHOW BINARY LOGS", &res, e));
        files = mysql_num_rows(res);
        (void)poll(NULL, 0, 50);
    }
}

static void insert(struct session *s, int id)
{
    char sql[80];

    (void)snprintf(sql, sizeof sql, "INSERT INTO shop.t VALUES (%d, 'row %d')", id, id);
    on(s, sql);
}

/* --- the Store ----------------------------------------------------------------------------------
 */

static void start_at(const struct mariadb *m)
{
    c.address = mariadb_address(m);
    component_start(&c);
}

static bool holds(const struct txn_set *wanted)
{
    char text[4096];
    struct txn_set has;

    pthread_mutex_lock(&c.lock);
    memcpy(text, c.position, sizeof text);
    pthread_mutex_unlock(&c.lock);
    if (!text[0])
        return false;
    check(txn_set_parse(text, &has, e));
    bool ok = txn_set_contains(&has, wanted);
    txn_set_fini(&has);
    return ok;
}

/* Until the Store holds what the server has committed by now, and is connected. */
static void holds_all_of(struct session *s)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set wanted;

    executed(s, &wanted);
    while (!component_is_done(&c) || !holds(&wanted)) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the store does not follow: %s", c.error.message);
        (void)poll(NULL, 0, 20);
    }
    txn_set_fini(&wanted);
}

static void stop_store(void)
{
    if (!c.running)
        return;
    if (!component_stop(&c))
        fail_msg("the store ended: %s", c.ended.message);
}

/* The Store ends by itself with this error. */
static void stops_with(enum err_code code, const char *text)
{
    struct timespec until;

    must(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += DEADLINE_MS / 1000;
    if (pthread_timedjoin_np(c.thread, NULL, &until) != 0)
        fail_msg("the store did not stop");
    c.running = false;
    assert_false(c.result);
    if (c.ended.code != code || !strstr(c.ended.message, text))
        fail_msg("it stopped with %s: %s", err_name(c.ended.code), c.ended.message);
}

/* Two servers with one history, and a Store that holds all of it and is stopped. */
static int begin(void **state)
{
    (void)state;
    if (!root)
        return 0;
    forget_all(other);
    forget_all(root);
    replicate();
    on(root, "CREATE DATABASE shop");
    on(root, "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(100))");
    scratch_dir_make(&dir);
    component_init(&c, dir.path, endpoint_find(server.is_mysql ? "mysql" : "mariadb"));
    start_at(&server);
    holds_all_of(root);
    insert(root, 1);
    insert(root, 2);
    holds_all_of(root);
    stop_store();
    replica_has_all();
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (!root)
        return 0;
    if (c.running)
        (void)component_stop(&c);
    scratch_dir_remove(&dir);
    return 0;
}

/* --- it goes on ---------------------------------------------------------------------------------
 */

static void a_source_that_is_started_again_is_followed(void **state)
{
    (void)state;
    need_server();
    start_at(&server);
    holds_all_of(root);
    mariadb_shutdown(&server);
    check(mariadb_again(&server, NULL, e));
    connect_to(&server, &root);
    insert(root, 3);
    holds_all_of(root);
    stop_store();
}

static void a_source_that_crashed_is_followed(void **state)
{
    (void)state;
    need_server();
    start_at(&server);
    insert(root, 3);
    holds_all_of(root);
    mariadb_kill(&server);
    check(mariadb_again(&server, NULL, e));
    connect_to(&server, &root);
    insert(root, 4);
    holds_all_of(root);
    stop_store();
}

static void a_log_that_goes_on_in_another_file_is_followed(void **state)
{
    (void)state;
    need_server();
    start_at(&server);
    on(root, "FLUSH LOGS");
    insert(root, 3);
    on(root, "FLUSH LOGS");
    insert(root, 4);
    holds_all_of(root);
    stop_store();
}

static void another_server_with_the_same_history_is_followed(void **state)
{
    (void)state;
    need_server();
    promote();
    insert(other, 3);
    start_at(&second);
    holds_all_of(other);
    insert(other, 4);
    holds_all_of(other);
    stop_store();
}

static void a_read_only_replica_is_a_source(void **state)
{
    (void)state;
    need_server();
    on(other, "SET GLOBAL read_only=1");
    start_at(&second);
    insert(root, 3);
    replica_has_all();
    holds_all_of(other);
    stop_store();
}

/* What the new server has done by itself belongs to its data, so it is pulled like the rest. */
static void an_errant_transaction_of_the_new_source_is_pulled(void **state)
{
    (void)state;
    need_server();
    if (!server.is_mysql)
        on(other, "SET SESSION gtid_domain_id=77");
    insert(other, 900);
    if (!server.is_mysql)
        on(other, "SET SESSION gtid_domain_id=0");
    insert(root, 3);
    replica_has_all();
    promote();
    start_at(&second);
    holds_all_of(other);
    stop_store();
}

static void what_the_store_has_may_be_purged(void **state)
{
    (void)state;
    need_server();
    purge_all();
    start_at(&server);
    insert(root, 3);
    holds_all_of(root);
    stop_store();
}

/* --- it stops -----------------------------------------------------------------------------------
 */

static void a_log_that_was_reset_stops_with_what_is_missing(void **state)
{
    (void)state;
    need_server();
    promote();
    on(root, server.is_mysql ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
    start_at(&server);
    stops_with(ERR_SOURCE_DIVERGED, server.is_mysql ? "mysql:" : "mariadb:0");
}

static void what_is_purged_before_it_was_pulled_stops(void **state)
{
    (void)state;
    need_server();
    insert(root, 3);
    purge_all();
    insert(root, 4);
    start_at(&server);
    stops_with(ERR_LOG_LOST, "");
}

static void a_new_source_that_lost_transactions_stops_with_them(void **state)
{
    (void)state;
    need_server();
    promote();
    start_at(&server);
    insert(root, 3);
    holds_all_of(root);
    stop_store();
    start_at(&second);
    stops_with(ERR_SOURCE_DIVERGED, server.is_mysql ? "lacks 1 transaction" : "");
}

/* The lost transaction's number was given again: nothing is missing by number. */
static void a_new_source_with_other_transactions_under_the_same_numbers_stops(void **state)
{
    (void)state;
    need_server();
    if (server.is_mysql)
        return; /* each server numbers its own */
    promote();
    start_at(&server);
    insert(root, 3);
    holds_all_of(root);
    stop_store();
    insert(other, 3);
    insert(other, 4);
    start_at(&second);
    stops_with(ERR_SOURCE_DIVERGED, "another history has the same number");
}

static void a_history_that_was_made_anew_stops(void **state)
{
    (void)state;
    need_server();
    promote();
    on(root, server.is_mysql ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
    for (int i = 10; i < 20; i++)
        insert(root, i);
    start_at(&server);
    stops_with(ERR_SOURCE_DIVERGED, "has another content");
}

/* --- both families ------------------------------------------------------------------------------
 */

static int open_pair(bool mysql)
{
    if (mysql) {
        one_server_start_mysql(71);
        if (!root)
            return 0;
        check(mysql_start(&second, 72, NULL, e));
    } else {
        one_server_start(71);
        check(mariadb_start(&second, 72, NULL, e));
    }
    connect_to(&second, &other);
    return 0;
}

static int mariadb_pair(void **state)
{
    (void)state;
    return open_pair(false);
}

static int mysql_pair(void **state)
{
    (void)state;
    return open_pair(true);
}

static int close_pair(void **state)
{
    (void)state;
    session_close(other);
    other = NULL;
    if (root)
        mariadb_stop(&second);
    one_server_stop();
    root = NULL;
    return 0;
}

#define TEST(f)                 \
    {                           \
#f, f, begin, end, NULL \
    }

static const struct CMUnitTest tests[] = {
    TEST(a_source_that_is_started_again_is_followed),
    TEST(a_source_that_crashed_is_followed),
    TEST(a_log_that_goes_on_in_another_file_is_followed),
    TEST(another_server_with_the_same_history_is_followed),
    TEST(a_read_only_replica_is_a_source),
    TEST(an_errant_transaction_of_the_new_source_is_pulled),
    TEST(what_the_store_has_may_be_purged),
    TEST(a_log_that_was_reset_stops_with_what_is_missing),
    TEST(what_is_purged_before_it_was_pulled_stops),
    TEST(a_new_source_that_lost_transactions_stops_with_them),
    TEST(a_new_source_with_other_transactions_under_the_same_numbers_stops),
    TEST(a_history_that_was_made_anew_stops),
};

int main(void)
{
    int failed = cmocka_run_group_tests_name("mariadb", tests, mariadb_pair, close_pair);

    return failed + cmocka_run_group_tests_name("mysql", tests, mysql_pair, close_pair);
}
