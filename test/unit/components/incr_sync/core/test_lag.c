/* Lag and "caught up" as functions of facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include "components/incr_sync/core/lag.h"

#define NOW_US 1000000000000

static struct lag_facts fresh(void)
{
    return (struct lag_facts){.now = {NOW_US},
                              .connected = true,
                              .source_heard = {NOW_US - 100000},
                              .source_time = {NOW_US - 1200000},
                              .level_at = {NOW_US - 200000},
                              .indexes_done = true,
                              .caught_up_lag_ms = 5000};
}

static void nothing_pending_and_a_fresh_store_is_no_lag(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    assert_int_equal(lag_now(&f).ms, 0);
    assert_true(lag_is_caught_up(&f));
}

static void a_store_that_catches_up_itself_is_never_lag_zero(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.source_time.us = NOW_US - 3600000000; /* it reads an hour's log; all it has is committed */
    assert_int_equal(lag_now(&f).ms, 3600000);
    assert_false(lag_is_caught_up(&f));
    f.source_time.us = 0; /* connected, but neither a commit nor the log's end was met */
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
    assert_false(lag_is_caught_up(&f));
}

static void the_oldest_uncommitted_transaction_is_the_lag(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.oldest_commit.us = NOW_US - 7000000;
    assert_int_equal(lag_now(&f).ms, 7000);
    assert_false(lag_is_caught_up(&f));
}

static void a_source_clock_ahead_of_ours_is_no_negative_lag(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.oldest_commit.us = NOW_US + 3000000;
    assert_int_equal(lag_now(&f).ms, 0);
}

static void lag_is_unknown_when_the_store_heard_nothing_for_five_seconds(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.source_heard.us = NOW_US - 5000000;
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
    assert_false(lag_is_caught_up(&f));
    f = fresh();
    f.connected = false;
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
}

static void a_backlog_in_the_store_counts_from_the_newest_commit_here(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.more_in_store = true;
    f.newest_commit.us = NOW_US - 60000000;
    assert_int_equal(lag_now(&f).ms, 60000);
    f.newest_commit.us = 0;
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
}

static void it_is_not_caught_up_before_the_unique_indexes_are_there(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.indexes_done = false;
    assert_false(lag_is_caught_up(&f));
}

static void it_is_not_caught_up_when_it_was_level_too_long_ago(void **state)
{
    struct lag_facts f = fresh();

    (void)state;
    f.level_at.us = NOW_US - 5000000;
    assert_false(lag_is_caught_up(&f));
    f.level_at.us = 0;
    assert_false(lag_is_caught_up(&f));
}

static struct lag_facts beating(void)
{
    struct lag_facts f = fresh();

    f.beat_every_ms = 1000;
    f.beat_at.us = NOW_US - 600000;
    f.beat_delay_ms = 12;
    return f;
}

static void a_heartbeat_s_delay_is_the_lag_until_the_next_is_overdue(void **state)
{
    struct lag_facts f = beating();

    (void)state;
    assert_int_equal(lag_now(&f).kind, LAG_BY_HEARTBEAT);
    assert_int_equal(lag_now(&f).ms, 12);
    f.beat_at.us = NOW_US - 1500000;
    assert_int_equal(lag_now(&f).ms, 12);
    f.beat_at.us = NOW_US - 1600000; /* one interval, its delay and half an interval are over */
    assert_int_equal(lag_now(&f).ms, 1600);
    f.beat_at.us = NOW_US - 60000000;
    f.oldest_commit.us = NOW_US - 59000000;
    assert_int_equal(lag_now(&f).ms, 60000);
    assert_false(lag_is_caught_up(&f));
}

static void what_waits_for_longer_than_the_heartbeat_says_is_the_lag(void **state)
{
    struct lag_facts f = beating();

    (void)state;
    f.oldest_commit.us = NOW_US - 4500000; /* of whole seconds, so that 3.5 s are sure */
    assert_int_equal(lag_now(&f).ms, 3500);
}

static void without_a_heartbeat_yet_the_lag_is_by_commit_time_and_marked_so(void **state)
{
    struct lag_facts f = beating();

    (void)state;
    f.beat_at.us = 0;
    f.oldest_commit.us = NOW_US - 7000000;
    assert_int_equal(lag_now(&f).kind, LAG_BY_COMMIT_TIME);
    assert_int_equal(lag_now(&f).ms, 7000);
    f.beat_every_ms = 0;
    f.beat_at.us = NOW_US - 100000; /* of a time when it was asked for */
    assert_int_equal(lag_now(&f).kind, LAG_BY_COMMIT_TIME);
}

static void a_heartbeat_that_is_not_written_any_more_is_no_lag_while_nothing_waits(void **state)
{
    struct lag_facts f = beating();

    (void)state;
    f.beat_at.us = NOW_US - 60000000;
    assert_int_equal(lag_now(&f).ms, 0);
    assert_int_equal(lag_now(&f).kind, LAG_BY_COMMIT_TIME);
    f.more_in_store = true;
    assert_int_equal(lag_now(&f).ms, 60000);
    assert_int_equal(lag_now(&f).kind, LAG_BY_HEARTBEAT);
}

static void a_silent_store_is_unknown_whatever_the_heartbeat_said(void **state)
{
    struct lag_facts f = beating();

    (void)state;
    f.store_silent_ms = LAG_HEARD_LIMIT_MS;
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
    assert_true(lag_is_blind(&f));
    f = beating();
    f.source_heard.us = NOW_US - LAG_HEARD_LIMIT_MS * 1000;
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
    f = beating();
    f.connected = false;
    assert_int_equal(lag_now(&f).ms, LAG_UNKNOWN);
}

static void a_backlog_drains_only_when_more_goes_than_comes(void **state)
{
    (void)state;
    assert_int_equal(lag_drain_ms(0, 0, 100), 0);
    assert_int_equal(lag_drain_ms(1000, 300, 100), 5000);
    assert_int_equal(lag_drain_ms(1000, 100, 100), LAG_UNKNOWN);
    assert_int_equal(lag_drain_ms(1000, 0, 0), LAG_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_s_delay_is_the_lag_until_the_next_is_overdue),
        cmocka_unit_test(what_waits_for_longer_than_the_heartbeat_says_is_the_lag),
        cmocka_unit_test(without_a_heartbeat_yet_the_lag_is_by_commit_time_and_marked_so),
        cmocka_unit_test(a_heartbeat_that_is_not_written_any_more_is_no_lag_while_nothing_waits),
        cmocka_unit_test(a_silent_store_is_unknown_whatever_the_heartbeat_said),
        cmocka_unit_test(a_backlog_drains_only_when_more_goes_than_comes),
        cmocka_unit_test(nothing_pending_and_a_fresh_store_is_no_lag),
        cmocka_unit_test(a_store_that_catches_up_itself_is_never_lag_zero),
        cmocka_unit_test(the_oldest_uncommitted_transaction_is_the_lag),
        cmocka_unit_test(a_source_clock_ahead_of_ours_is_no_negative_lag),
        cmocka_unit_test(lag_is_unknown_when_the_store_heard_nothing_for_five_seconds),
        cmocka_unit_test(a_backlog_in_the_store_counts_from_the_newest_commit_here),
        cmocka_unit_test(it_is_not_caught_up_before_the_unique_indexes_are_there),
        cmocka_unit_test(it_is_not_caught_up_when_it_was_level_too_long_ago),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
