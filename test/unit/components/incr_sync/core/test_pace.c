/* Limits of speed under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "components/incr_sync/core/pace.h"

static struct mono at_ms(int64_t ms)
{
    return (struct mono){1000000000 + ms * 1000000};
}

static bool fits(const struct window_allowance *a, uint64_t rows, uint64_t bytes)
{
    return (rows <= a->changes || a->any_changes) && (bytes <= a->bytes || a->any_bytes);
}

/* Starts as many transactions of one size as may start until the end; returns the rows. The clock
 * jumps to when something may start, as main's wait does. */
static uint64_t run(struct pace *p, uint64_t rows, uint64_t bytes, int64_t from_ms, int64_t to_ms)
{
    uint64_t done = 0;

    for (int64_t ms = from_ms; ms < to_ms;) {
        struct window_allowance a;
        int64_t wait = pace_wait_ms(p, at_ms(ms));

        if (wait > 0) {
            ms += wait;
            continue;
        }
        assert_true(pace_allows(p, at_ms(ms), &a));
        if (fits(&a, rows, bytes)) {
            pace_take(p, rows, bytes);
            done += rows;
        } else {
            pace_shut(p, rows, bytes);
            assert_true(pace_wait_ms(p, at_ms(ms)) > 0); /* else main would spin */
        }
    }
    return done;
}

static void without_a_limit_everything_may_start(void **state)
{
    struct pace p;
    struct window_allowance a;

    (void)state;
    pace_init(&p, at_ms(0));
    pace_take(&p, 1u << 30, 1u << 30);
    assert_int_equal(pace_wait_ms(&p, at_ms(0)), 0);
    assert_true(pace_allows(&p, at_ms(0), &a));
    assert_true(a.changes == UINT64_MAX && a.bytes == UINT64_MAX);
}

static void the_rate_is_kept_over_time(void **state)
{
    static const uint64_t rates[] = {1, 7, 100, 1000, 250000}, sizes[] = {1, 3, 40, 5000};

    (void)state;
    for (size_t r = 0; r < 5; r++)
        for (size_t k = 0; k < 4; k++) {
            struct pace p;
            uint64_t most = rates[r] * 60 + rates[r] / 5 + sizes[k], done;

            pace_init(&p, at_ms(0));
            pace_set(&p, rates[r], 0, at_ms(0));
            done = run(&p, sizes[k], 10, 0, 60000);
            assert_true(done <= most);
            assert_true(done + sizes[k] >= rates[r] * 57);
        }
}

static void the_tighter_of_two_limits_decides(void **state)
{
    struct pace p;
    uint64_t done;

    (void)state;
    pace_init(&p, at_ms(0));
    pace_set(&p, 1000, 50000, at_ms(0)); /* rows of 100 bytes: 500 a second */
    done = run(&p, 10, 1000, 0, 10000);
    assert_in_range(done, 4800, 5200);
}

static void what_is_larger_than_the_bucket_goes_when_it_is_full_and_leaves_a_debt(void **state)
{
    struct pace p;
    struct window_allowance a;

    (void)state;
    pace_init(&p, at_ms(0));
    pace_set(&p, 100, 0, at_ms(0)); /* the bucket holds 20 */
    assert_true(pace_allows(&p, at_ms(0), &a));
    assert_true(fits(&a, 5, 0));
    pace_take(&p, 5, 0);
    assert_true(pace_allows(&p, at_ms(0), &a));
    assert_false(fits(&a, 1000, 0)); /* not full: it waits */
    pace_shut(&p, 1000, 0);
    assert_in_range(pace_wait_ms(&p, at_ms(0)), 50, 52);
    assert_false(pace_allows(&p, at_ms(40), &a));
    assert_true(pace_allows(&p, at_ms(52), &a));
    assert_true(fits(&a, 1000, 0));
    pace_take(&p, 1000, 0);
    assert_false(pace_allows(&p, at_ms(5000), &a)); /* the debt: nothing before 980 rows' time */
    assert_in_range(pace_wait_ms(&p, at_ms(5000)), 4800, 5100);
}

static void a_slow_rate_is_not_cut_into_single_rows(void **state)
{
    struct pace p;
    struct window_allowance a;
    uint32_t commits = 0;

    (void)state;
    pace_init(&p, at_ms(0));
    pace_set(&p, 1000, 0, at_ms(0));       /* the bucket holds 200 */
    for (int64_t ms = 0; ms < 10000; ms++) /* groups take what there is of endless single rows */
        if (pace_allows(&p, at_ms(ms), &a)) {
            if (a.changes > 0) {
                pace_take(&p, a.changes, 0);
                commits++;
            } else {
                pace_shut(&p, 1, 0);
            }
        }
    assert_in_range(commits, 40, 120);
}

static void idle_time_saves_up_no_more_than_a_bucket(void **state)
{
    struct pace p;
    struct window_allowance a;

    (void)state;
    pace_init(&p, at_ms(0));
    pace_set(&p, 1000, 0, at_ms(0));
    assert_true(pace_allows(&p, at_ms(3600000), &a));
    assert_int_equal(a.changes, 200);
}

static void a_limit_changes_while_it_runs(void **state)
{
    struct pace p;
    struct window_allowance a;

    (void)state;
    pace_init(&p, at_ms(0));
    pace_set(&p, 10, 0, at_ms(0));
    pace_take(&p, 100000, 0);
    pace_shut(&p, 1, 0);
    assert_true(pace_wait_ms(&p, at_ms(0)) > 1000000);
    pace_set(&p, 0, 0, at_ms(1)); /* taken away: the debt goes too */
    assert_int_equal(pace_wait_ms(&p, at_ms(1)), 0);
    assert_true(pace_allows(&p, at_ms(1), &a));
    assert_true(a.any_changes && a.changes == UINT64_MAX);
    pace_set(&p, 100, 0, at_ms(2));
    assert_in_range(run(&p, 1, 1, 2, 10002), 980, 1021);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_everything_may_start),
        cmocka_unit_test(the_rate_is_kept_over_time),
        cmocka_unit_test(the_tighter_of_two_limits_decides),
        cmocka_unit_test(what_is_larger_than_the_bucket_goes_when_it_is_full_and_leaves_a_debt),
        cmocka_unit_test(a_slow_rate_is_not_cut_into_single_rows),
        cmocka_unit_test(idle_time_saves_up_no_more_than_a_bucket),
        cmocka_unit_test(a_limit_changes_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
