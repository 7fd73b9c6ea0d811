/* A source that changes while a Store follows it, MariaDB and MySQL alike: started again, its log
 * cut, reset, purged, rewritten; another server in its place. What goes on loses nothing, what
 * cannot go on stops with the reason and the transactions concerned. */
#include "test/contract/store/source_pair.h"

#include <sys/stat.h>
#include <unistd.h>

/* --- it goes on ---------------------------------------------------------------------------------
 */

static void a_source_that_is_started_again_is_followed(void **state)
{
    (void)state;
    need_server();
    start_at(&server);
    holds_all_of(root);
    mariadb_shutdown(&server);
    check(mariadb_again(&server, places ? no_gtids : NULL, e));
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
    check(mariadb_again(&server, places ? no_gtids : NULL, e));
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

/* While it is read, and while nobody reads it. */
static void a_log_whose_checksums_change_is_followed(void **state)
{
    (void)state;
    need_server();
    start_at(&server);
    on(root, "SET GLOBAL binlog_checksum=NONE");
    insert(root, 3);
    holds_all_of(root);
    stop_store();
    insert(root, 4);
    on(root, "SET GLOBAL binlog_checksum=CRC32");
    insert(root, 5);
    on(root, "SET GLOBAL binlog_checksum=NONE");
    insert(root, 6);
    start_at(&server);
    holds_all_of(root);
    on(root, "SET GLOBAL binlog_checksum=CRC32");
    insert(root, 7);
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

/* Its last transaction is read once more with the definition it was pulled with, what follows with
 * the one behind the DDL. */
static void a_ddl_while_nobody_looked_needs_no_full_metadata(void **state)
{
    (void)state;
    need_server();
    on(root, "SET GLOBAL binlog_row_metadata=MINIMAL");
    start_at(&server);
    insert(root, 3);
    holds_all_of(root);
    stop_store();
    on(root, "ALTER TABLE shop.t ADD w INT");
    on(root, "INSERT INTO shop.t VALUES (4, 'row', 4)");
    start_at(&server);
    holds_all_of(root);
    stop_store();
    on(root, "SET GLOBAL binlog_row_metadata=FULL");
}

/* --- it stops -----------------------------------------------------------------------------------
 */

static void reset_log(void)
{
    on(root, server.is_mysql ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
}

static void a_log_that_was_reset_stops_with_what_is_missing(void **state)
{
    (void)state;
    need_server();
    promote();
    reset_log();
    start_at(&server);
    stops_with(ERR_SOURCE_DIVERGED, places            ? "mysql-file:"
                                    : server.is_mysql ? "mysql:"
                                                      : "mariadb:0");
}

/* The new file has the name of the one that is read: the server says nothing. */
static void a_log_that_is_reset_while_it_is_read_stops_with_what_is_missing(void **state)
{
    (void)state;
    need_server();
    start_at(&server);
    insert(root, 3);
    holds_all_of(root);
    reset_log(); /* after the test before, in the first file */
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
    stops_with(places ? ERR_SOURCE_DIVERGED : ERR_LOG_LOST, "");
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
    stops_with(ERR_SOURCE_DIVERGED, server.is_mysql && !places ? "lacks 1 transaction" : "");
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

/* --- half way -----------------------------------------------------------------------------------
 */

static void *insert_row_3(void *arg)
{
    struct session *s = arg;

    insert(s, 3);
    return NULL;
}

/* A transaction stands in the log, and its commit waits for a replica's word: until that comes the
 * server does not count it as executed. It is not lost. */
static void a_commit_that_waits_for_a_replica_is_waited_for(void **state)
{
    struct session *waiting = NULL;
    struct txn_set wanted;
    pthread_t thread;

    (void)state;
    need_server();
    if (!server.is_mysql)
        return; /* its log tells what it has */
    on(root, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'");
    on(root, "SET GLOBAL rpl_semi_sync_source_timeout=600000");
    start_at(&server);
    holds_all_of(root);
    executed(root, &wanted);
    txn_set_add(&wanted, wanted.origins.at[0].origin, 1,
                txn_set_last(&wanted, wanted.origins.at[0].origin) + 1);
    on(root, "SET GLOBAL rpl_semi_sync_source_enabled=1");
    connect_to(&server, &waiting);
    assert_int_equal(pthread_create(&thread, NULL, insert_row_3, waiting), 0);
    holds_set(&wanted);
    stop_store();
    start_at(&server);
    waits_for(ERR_SOURCE_BEHIND);
    on(root, "SET GLOBAL rpl_semi_sync_source_enabled=0");
    pthread_join(thread, NULL);
    session_close(waiting);
    holds_all_of(root);
    stop_store();
    on(root, "UNINSTALL PLUGIN rpl_semi_sync_source");
    txn_set_fini(&wanted);
}

/* --- without GTIDs ------------------------------------------------------------------------------
 */

/* The same transactions at the same places, made anew: the times of their commits are others. */
static void a_log_made_anew_with_the_same_content_stops(void **state)
{
    (void)state;
    need_server();
    promote();
    on(root, "DROP DATABASE shop");
    on(root, "RESET BINARY LOGS AND GTIDS");
    on(root, "CREATE DATABASE shop");
    on(root, "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(100))");
    for (int i = 1; i < 5; i++)
        insert(root, i);
    start_at(&server);
    stops_with(ERR_SOURCE_DIVERGED, "has another content");
}

/* The dump of a log that is cut away behind the reader's back must not wait for ever. */
static void a_log_that_is_reset_while_it_is_read_stops(void **state)
{
    (void)state;
    need_server();
    promote();
    start_at(&server);
    for (int i = 3; i < 30; i++)
        insert(root, i);
    holds_all_of(root);
    on(root, "RESET BINARY LOGS AND GTIDS");
    insert(root, 30);
    stops_with(ERR_SOURCE_DIVERGED, "mysql-file:");
}

static void a_last_transaction_that_is_purged_is_not_proven(void **state)
{
    (void)state;
    need_server();
    purge_all();
    start_at(&server);
    stops_with(ERR_SOURCE_DIVERGED, "compare the last transaction");
}

static void a_file_that_ends_before_what_was_pulled_stops(void **state)
{
    char path[200];

    (void)state;
    need_server();
    promote();
    start_at(&server);
    on(root, "FLUSH BINARY LOGS");
    insert(root, 3);
    insert(root, 4);
    holds_all_of(root);
    stop_store();
    mariadb_kill(&server); /* and what the disk had not: the last bytes */
    (void)snprintf(path, sizeof path, "%s/data/bin.000002", server.dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 40), 0);
    check(mariadb_again(&server, no_gtids, e));
    connect_to(&server, &root);
    insert(root, 5);
    start_at(&server);
    stops_with(ERR_SOURCE_DIVERGED, "mysql-file:");
}

static void transactions_that_get_gtids_later_stop(void **state)
{
    (void)state;
    need_server();
    promote();
    start_at(&server);
    holds_all_of(root);
    on(root, "SET GLOBAL enforce_gtid_consistency=ON");
    on(root, "SET GLOBAL gtid_mode=OFF_PERMISSIVE");
    on(root, "SET GLOBAL gtid_mode=ON_PERMISSIVE");
    insert(root, 3);
    stops_with(ERR_UNSUPPORTED, "gtid_mode was changed");
    on(root, "SET GLOBAL gtid_mode=OFF_PERMISSIVE");
    start_at(&server);
    stops_with(ERR_SERVER_POSITION, "gtid_mode of");
    on(root, "SET GLOBAL gtid_mode=OFF");
}

static const struct CMUnitTest tests[] = {
    TEST(a_source_that_is_started_again_is_followed),
    TEST(a_source_that_crashed_is_followed),
    TEST(a_log_that_goes_on_in_another_file_is_followed),
    TEST(a_log_whose_checksums_change_is_followed),
    TEST(another_server_with_the_same_history_is_followed),
    TEST(a_read_only_replica_is_a_source),
    TEST(an_errant_transaction_of_the_new_source_is_pulled),
    TEST(what_the_store_has_may_be_purged),
    TEST(a_ddl_while_nobody_looked_needs_no_full_metadata),
    TEST(a_log_that_was_reset_stops_with_what_is_missing),
    TEST(a_log_that_is_reset_while_it_is_read_stops_with_what_is_missing),
    TEST(what_is_purged_before_it_was_pulled_stops),
    TEST(a_new_source_that_lost_transactions_stops_with_them),
    TEST(a_new_source_with_other_transactions_under_the_same_numbers_stops),
    TEST(a_history_that_was_made_anew_stops),
    TEST(a_commit_that_waits_for_a_replica_is_waited_for),
};

static const struct CMUnitTest place_tests[] = {
    TEST(a_source_that_is_started_again_is_followed),
    TEST(a_source_that_crashed_is_followed),
    TEST(a_log_that_goes_on_in_another_file_is_followed),
    TEST(a_log_whose_checksums_change_is_followed),
    TEST(a_ddl_while_nobody_looked_needs_no_full_metadata),
    TEST(a_log_that_was_reset_stops_with_what_is_missing),
    TEST(what_is_purged_before_it_was_pulled_stops),
    TEST(a_new_source_that_lost_transactions_stops_with_them),
    TEST(a_log_made_anew_with_the_same_content_stops),
    TEST(a_log_that_is_reset_while_it_is_read_stops),
    TEST(a_last_transaction_that_is_purged_is_not_proven),
    TEST(a_file_that_ends_before_what_was_pulled_stops),
    TEST(transactions_that_get_gtids_later_stop),
};

int main(void)
{
    int failed = cmocka_run_group_tests_name("mariadb", tests, mariadb_pair, close_pair);

    failed += cmocka_run_group_tests_name("mysql", tests, mysql_pair, close_pair);
    return failed +
           cmocka_run_group_tests_name("mysql without GTIDs", place_tests, places_pair, close_pair);
}
