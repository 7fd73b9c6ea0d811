/* Verdicts on rows that stay, differ and move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "components/full_verification/core/compare.h"

struct fixture {
    struct side source, target;
    struct suspects suspects;
    struct tally tally;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    side_init(&f->source, 1 << 20);
    side_init(&f->target, 1 << 20);
    suspects_init(&f->suspects, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    side_fini(&f->source);
    side_fini(&f->target);
    suspects_fini(&f->suspects);
    free(f);
    return 0;
}

static struct view text(const char *s)
{
    return (struct view){(const uint8_t *)s, strlen(s)};
}

/* "k=v" pairs separated by spaces. */
static void fill(struct side *s, const char *pairs)
{
    char copy[200], *at = copy, *pair;

    side_clear(s);
    snprintf(copy, sizeof copy, "%s", pairs);
    while ((pair = strsep(&at, " ")) != NULL) {
        char *eq = strchr(pair, '=');

        if (!eq)
            continue;
        *eq = '\0';
        side_add(s, text(pair), text(eq + 1));
    }
}

static void round_of(struct fixture *f, bool first, const char *source, const char *target)
{
    fill(&f->source, source);
    fill(&f->target, target);
    if (first)
        suspects_find(&f->suspects, &f->source, &f->target);
    else
        suspects_again(&f->suspects, &f->source, &f->target);
}

static void equal_rows_leave_no_suspect_whatever_their_order(void **state)
{
    struct fixture *f = *state;

    round_of(f, true, "b=2 a=1 c=3", "c=3 b=2 a=1");
    assert_int_equal(f->suspects.list.n, 0);
}

static void each_kind_of_difference_is_told_apart(void **state)
{
    struct fixture *f = *state;

    round_of(f, true, "a=1 b=2 c=3", "b=9 c=3 d=4");
    for (int i = 0; i < 4; i++)
        round_of(f, false, "a=1 b=2 c=3", "b=9 c=3 d=4");
    suspects_tally(&f->suspects, &f->tally);
    assert_int_equal(f->tally.missing, 1);
    assert_int_equal(f->tally.different, 1);
    assert_int_equal(f->tally.extra, 1);
    assert_int_equal(f->tally.moving, 0);
}

static void a_row_that_catches_up_is_proven(void **state)
{
    struct fixture *f = *state;

    round_of(f, true, "a=2 b=1", "a=1");
    assert_int_equal(f->suspects.list.n, 2);
    round_of(f, false, "a=3 b=1", "a=3 b=1");
    assert_int_equal(f->suspects.list.n, 0);
}

static void a_row_that_changes_in_every_round_is_moving_and_never_equal(void **state)
{
    struct fixture *f = *state;

    round_of(f, true, "a=1", "a=0");
    round_of(f, false, "a=2", "a=1");
    round_of(f, false, "a=3", "a=2");
    suspects_tally(&f->suspects, &f->tally);
    assert_int_equal(f->tally.moving, 1);
    assert_int_equal(f->tally.different, 0);
}

static void a_row_deleted_on_both_sides_meanwhile_is_no_difference(void **state)
{
    struct fixture *f = *state;

    round_of(f, true, "a=1 b=2", "b=2");
    round_of(f, false, "b=2", "b=2");
    assert_int_equal(f->suspects.list.n, 0);
}

static void rows_that_came_later_are_not_suspected(void **state)
{
    struct fixture *f = *state;

    round_of(f, true, "a=1", "a=0");
    round_of(f, false, "a=1 z=1", "a=0");
    assert_int_equal(f->suspects.list.n, 1);
    assert_memory_equal(f->suspects.list.at[0].key.p, "a", 1);
}

static void what_the_log_says_ends_a_suspicion(void **state)
{
    static const enum history_answer answers[] = {HISTORY_EQUAL, HISTORY_DIFFERENT, HISTORY_UNKNOWN,
                                                  HISTORY_UNKNOWN};
    struct fixture *f = *state;

    round_of(f, true, "a=1 b=1 c=1 d=1 e=1", "a=2 b=2 c=2 d=2 e=1");
    round_of(f, false, "a=3 b=3 c=3 d=1 e=1", "a=4 b=4 c=4 d=2 e=1");
    assert_int_equal(suspects_at(&f->suspects, text("c")), 2);
    assert_int_equal(suspects_at(&f->suspects, text("e")), 4);
    fill(&f->source, "a=5 b=5 c=5 d=1 e=1");
    fill(&f->target, "a=6 c=6 d=2 e=1");
    suspects_settle(&f->suspects, &f->source, &f->target, answers);
    suspects_tally(&f->suspects, &f->tally);
    assert_int_equal(f->suspects.list.n, 3);
    assert_int_equal(f->tally.missing, 1);
    assert_int_equal(f->tally.moving, 1);
    assert_int_equal(f->tally.different, 1); /* d stood still */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_rows_leave_no_suspect_whatever_their_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_kind_of_difference_is_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_catches_up_is_proven, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_changes_in_every_round_is_moving_and_never_equal,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_deleted_on_both_sides_meanwhile_is_no_difference,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_came_later_are_not_suspected, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_log_says_ends_a_suspicion, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
