/* Where following begins when nothing was read yet (log_ops.find_start): by time, by place and by
 * identities, on MariaDB, on MySQL and on MySQL without GTIDs. What must come is exactly what lies
 * behind, and what is not sure is refused. */
#include "test/contract/log/start_world.h"

/* --- by time ------------------------------------------------------------------------------------
 */

static void a_time_inside_and_between_files_begins_with_what_is_not_older(void **state)
{
    int64_t in_file, between, in_last;

    (void)state;
    need_server();
    insert(1);
    insert(2);
    in_file = second_between();
    insert(3);
    run("FLUSH BINARY LOGS");
    between = second_between();
    run("FLUSH BINARY LOGS"); /* a file without any transaction */
    insert(4);
    run("FLUSH BINARY LOGS");
    insert(5);
    in_last = second_between();
    insert(6);
    assert_time(in_file, "3 4 5 6");
    assert_time(between, "4 5 6");
    assert_time(in_last, "6");
}

static void a_time_behind_the_last_transaction_begins_with_the_next(void **state)
{
    struct position found;
    struct start_at at;

    (void)state;
    need_server();
    insert(1);
    run("FLUSH BINARY LOGS");
    insert(2);
    at = at_time(second_between());
    check(find(&at, &found, e));
    assert_keys_behind(&found, "");
    insert(3);
    run("FLUSH BINARY LOGS");
    insert(4);
    assert_keys_behind(&found, "3 4");
    txn_set_fini(&found.set);
}

static void a_time_that_is_purged_is_refused_with_the_oldest(void **state)
{
    int64_t purged, kept;
    struct start_at at;
    char newest[256];

    (void)state;
    need_server();
    insert(1);
    purged = second_between();
    insert(2);
    (void)second_between();
    run("FLUSH BINARY LOGS");
    insert(3);
    kept = second_between();
    insert(4);
    purge_to_newest(newest);
    at = at_time(purged);
    assert_refused(&at, newest);
    assert_refused(&at, "begins at 20");
    at = at_time(purged - 1000);
    assert_refused(&at, newest);
    assert_time(kept, "4");
}

static void a_time_that_lies_ahead_is_refused(void **state)
{
    struct start_at at;
    int64_t now;

    (void)state;
    need_server();
    insert(1);
    number_of("SELECT UNIX_TIMESTAMP()", &now);
    at = at_time(now + 3600);
    assert_refused(&at, "lies ahead");
}

/* MariaDB's times are those of statements' beginnings: SET timestamp stands for a long one. */
static void what_is_behind_the_first_that_is_not_older_is_never_left_out(void **state)
{
    int64_t moment;
    char old[80];

    (void)state;
    need_server();
    insert(1);
    moment = second_between();
    (void)snprintf(old, sizeof old, "SET timestamp=%" PRId64, moment - 100);
    insert(2);
    run(old);
    insert(3); /* it took long */
    run("SET timestamp=DEFAULT");
    insert(4);
    assert_time(moment, "2 3 4");
}

static void a_file_that_a_long_statement_ended_hides_nothing_before_it(void **state)
{
    int64_t moment;
    char old[80];

    (void)state;
    need_server();
    insert(1);
    run("FLUSH BINARY LOGS");
    insert(2);
    moment = second_between();
    (void)snprintf(old, sizeof old, "SET timestamp=%" PRId64, moment - 100);
    insert(3);
    for (int i = 0; i < 2; i++) { /* files that say they were begun before T */
        run(old);
        run("FLUSH BINARY LOGS");
        run("SET timestamp=DEFAULT");
    }
    insert(4);
    assert_time(moment, "3 4");
}

/* --- by place -----------------------------------------------------------------------------------
 */

static void each_place_between_transactions_begins_behind_it(void **state)
{
    struct start_at at[4];
    char file[4][256];

    (void)state;
    need_server();
    for (int i = 0; i < 3; i++) {
        where_it_writes(&at[i], file[i]);
        insert(i + 1);
    }
    where_it_writes(&at[3], file[3]);
    run("FLUSH BINARY LOGS");
    insert(4);
    assert_begins(&at[0], "1 2 3 4");
    assert_begins(&at[1], "2 3 4");
    assert_begins(&at[2], "3 4");
    assert_begins(&at[3], "4");
    where_it_writes(&at[0], file[0]);
    assert_begins(&at[0], "");
    at[0].offset = 4; /* before the newest file's head */
    assert_begins(&at[0], "4");
}

static void a_place_that_is_none_is_refused(void **state)
{
    struct start_at at;
    char file[256];
    uint64_t before;

    (void)state;
    need_server();
    where_it_writes(&at, file);
    before = at.offset;
    insert(1);
    at.offset = before + 1;
    assert_refused(&at, "not between two transactions");
    where_it_writes(&at, file);
    at.offset -= 31; /* before the event that ends the transaction */
    assert_refused(&at, "not between two transactions");
    at.offset += 1031;
    assert_refused(&at, "has transactions from offset 4 to");
    at.file = "other.000001";
    assert_refused(&at, "has no log file 'other.000001'");
}

/* --- by identities ------------------------------------------------------------------------------
 */

static void identities_begin_behind_them(void **state)
{
    char text[300], later[300];
    struct start_at at = {.kind = START_IDS, .ids = text};

    (void)state;
    need_server();
    insert(1);
    executed_now(text, sizeof text);
    if (!has_gtids()) {
        at.ids = "0-1-5";
        assert_refused(&at, "have no GTIDs");
        return;
    }
    insert(2);
    run("FLUSH BINARY LOGS");
    insert(3);
    assert_begins(&at, "2 3");
    executed_now(later, sizeof later);
    run(root->is_mariadb ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS");
    insert(4);
    at.ids = later;
    assert_refused(&at, "has not executed");
    at.ids = "three apples";
    assert_refused(&at, "not a set of GTIDs");
}

static void identities_that_lack_what_is_purged_are_refused(void **state)
{
    char text[300], later[300], newest[256];
    struct start_at at = {.kind = START_IDS, .ids = text};

    (void)state;
    need_server();
    insert(1);
    executed_now(text, sizeof text);
    insert(2);
    executed_now(later, sizeof later);
    run("FLUSH BINARY LOGS");
    insert(3);
    purge_to_newest(newest);
    assert_refused(&at, "does not hold any more");
    at.ids = later;
    assert_begins(&at, "3");
}

static void now_begins_behind_everything(void **state)
{
    const struct start_at at = {.kind = START_NOW};
    struct position found;

    (void)state;
    need_server();
    insert(1);
    check(find(&at, &found, e));
    insert(2);
    assert_keys_behind(&found, "2");
    txn_set_fini(&found.set);
}

#define EACH(t) cmocka_unit_test_setup(t, fresh)
#define ON_ALL                                                                     \
    EACH(a_time_inside_and_between_files_begins_with_what_is_not_older),           \
        EACH(a_time_behind_the_last_transaction_begins_with_the_next),             \
        EACH(a_time_that_is_purged_is_refused_with_the_oldest),                    \
        EACH(a_time_that_lies_ahead_is_refused),                                   \
        EACH(each_place_between_transactions_begins_behind_it),                    \
        EACH(a_place_that_is_none_is_refused), EACH(identities_begin_behind_them), \
        EACH(now_begins_behind_everything)
#define WITH_GTIDS EACH(identities_that_lack_what_is_purged_are_refused)

int main(void)
{
    const struct CMUnitTest mariadb[] = {
        ON_ALL,
        WITH_GTIDS,
        EACH(what_is_behind_the_first_that_is_not_older_is_never_left_out),
        EACH(a_file_that_a_long_statement_ended_hides_nothing_before_it),
    };
    const struct CMUnitTest mysql[] = {ON_ALL, WITH_GTIDS};
    const struct CMUnitTest places[] = {ON_ALL};

    return cmocka_run_group_tests_name("start on MariaDB", mariadb, start_mariadb,
                                       one_server_stop) +
           cmocka_run_group_tests_name("start on MySQL", mysql, start_mysql, one_server_stop) +
           cmocka_run_group_tests_name("start on MySQL without GTIDs", places, start_mysql_no_gtids,
                                       one_server_stop);
}
