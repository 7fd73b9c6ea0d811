/* The Supervisor's matrix is total and its back-off capped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "supervisor/core/goal.h"

static void no_process_is_started_under_the_goal_stop(void **state)
{
    (void)state;
    for (int s = 0; s < UNIT_STATE_COUNT; s++) {
        enum action a = goal_action((enum unit_state)s, GOAL_STOP);

        assert_int_not_equal(a, ACT_START);
        assert_int_not_equal(a, ACT_START_DUE);
    }
}

static void every_state_and_goal_has_its_action(void **state)
{
    (void)state;
    for (int s = 0; s < UNIT_STATE_COUNT; s++)
        for (int g = 0; g < GOAL_COUNT; g++)
            assert_int_not_equal(goal_action((enum unit_state)s, (enum goal)g), ACT_UNSET);
}

static void a_running_component_is_only_touched_by_the_goal_stop(void **state)
{
    (void)state;
    assert_int_equal(goal_action(UNIT_RUNNING, GOAL_RUN), ACT_NOTHING);
    assert_int_equal(goal_action(UNIT_RUNNING, GOAL_STOP), ACT_TERM);
}

static void crashes_and_retries_come_back_refusals_do_not(void **state)
{
    (void)state;
    struct {
        struct end end;
        enum unit_state then;
    } cases[] = {
        {{END_SIGNAL, 9}, UNIT_BACKOFF},  {{END_SIGNAL, 11}, UNIT_BACKOFF},
        {{END_UNKNOWN, 0}, UNIT_BACKOFF}, {{END_EXIT, 10}, UNIT_BACKOFF},
        {{END_EXIT, 1}, UNIT_BACKOFF},    {{END_EXIT, 0}, UNIT_DONE},
        {{END_EXIT, 11}, UNIT_REFUSED},   {{END_EXIT, 12}, UNIT_REFUSED},
        {{END_EXIT, 13}, UNIT_REFUSED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(goal_after_end(UNIT_RUNNING, GOAL_RUN, cases[i].end, false),
                         cases[i].then);
        assert_int_equal(goal_after_end(UNIT_RUNNING, GOAL_STOP, cases[i].end, false),
                         UNIT_STOPPED);
        assert_int_equal(goal_after_end(UNIT_STOPPING, GOAL_RUN, cases[i].end, true), UNIT_STOPPED);
    }
}

static void from_every_state_the_goal_stop_ends_stopped(void **state)
{
    (void)state;
    for (int s = 0; s < UNIT_STATE_COUNT; s++) {
        enum unit_state at = (enum unit_state)s;

        for (int steps = 0; at != UNIT_STOPPED && steps < 5; steps++) {
            switch (goal_action(at, GOAL_STOP)) {
            case ACT_TERM:
                at = UNIT_STOPPING;
                break;
            case ACT_KILL_LATE:
                at = goal_after_end(at, GOAL_STOP, (struct end){END_SIGNAL, 9}, false);
                break;
            case ACT_FORGET:
                at = UNIT_STOPPED;
                break;
            default:
                fail();
            }
        }
        assert_int_equal(at, UNIT_STOPPED);
    }
}

static void back_off_doubles_to_its_cap_with_jitter(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 100; n++)
        for (uint32_t r = 0; r < 100000; r += 777)
            assert_in_range(backoff_ms(n, r), 50, 10000);
    assert_true(backoff_ms(0, 0) <= 100);
    assert_true(backoff_ms(50, 0) >= 5000);
    assert_int_not_equal(backoff_ms(5, 1), backoff_ms(5, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_process_is_started_under_the_goal_stop),
        cmocka_unit_test(every_state_and_goal_has_its_action),
        cmocka_unit_test(a_running_component_is_only_touched_by_the_goal_stop),
        cmocka_unit_test(crashes_and_retries_come_back_refusals_do_not),
        cmocka_unit_test(from_every_state_the_goal_stop_ends_stopped),
        cmocka_unit_test(back_off_doubles_to_its_cap_with_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
