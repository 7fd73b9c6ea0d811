/* Slots at work under pressure, under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "components/incr_sync/core/pressure.h"

#define TICK_MS 500
#define MS 1000000

struct world {
    struct pressure p;
    int64_t ms;
};

static struct mono now(const struct world *w)
{
    return (struct mono){1000000000 + w->ms * MS};
}

static struct world make(uint32_t slots)
{
    struct world w = {.ms = 0};

    pressure_init(&w.p, slots, now(&w));
    return w;
}

/* Groups of 100 changes, each slot busy all the time; a change takes what the target says of so
 * many slots. */
static void work(struct world *w, int64_t ms, int64_t (*us_a_change)(uint32_t slots))
{
    for (int64_t end = w->ms + ms; w->ms < end;) {
        int64_t took = us_a_change(w->p.active) * 1000 * 100;
        int64_t groups = (int64_t)w->p.active * TICK_MS * MS / took;

        for (int64_t i = 0; i < groups; i++)
            pressure_committed(&w->p, 100, took);
        w->ms += TICK_MS;
        (void)pressure_tick(&w->p, true, now(w));
    }
}

static int64_t ample(uint32_t slots) /* more slots do more */
{
    (void)slots;
    return 1000;
}

static int64_t for_two(uint32_t slots) /* beyond two, each hinders the others */
{
    return slots <= 2 ? 1000 : 1000 * (int64_t)slots;
}

static int64_t very_slow(uint32_t slots)
{
    (void)slots;
    return 8000;
}

static void all_slots_work_when_nothing_is_wrong(void **state)
{
    struct world w = make(8);

    (void)state;
    work(&w, 60000, ample);
    assert_int_equal(w.p.active, 8);
}

static void an_error_of_pressure_halves_once_for_all_that_fail_together(void **state)
{
    struct world w = make(8);

    (void)state;
    assert_true(pressure_failed(&w.p, PRESSURE_HARD, now(&w)));
    assert_int_equal(w.p.active, 4);
    for (int i = 0; i < 7; i++)
        assert_false(pressure_failed(&w.p, PRESSURE_HARD, now(&w)));
    assert_int_equal(w.p.active, 4);
    w.ms += 1500;
    assert_true(pressure_failed(&w.p, PRESSURE_HARD, now(&w)));
    assert_int_equal(w.p.active, 2);
}

static void one_slot_always_works(void **state)
{
    struct world w = make(4);

    (void)state;
    for (int i = 0; i < 20; i++) {
        w.ms += 2000;
        (void)pressure_failed(&w.p, PRESSURE_HARD, now(&w));
    }
    assert_int_equal(w.p.active, 1);
}

static void without_errors_slots_come_back_one_by_one(void **state)
{
    struct world w = make(8);
    uint32_t last;

    (void)state;
    (void)pressure_failed(&w.p, PRESSURE_HARD, now(&w));
    last = w.p.active;
    while (w.ms < 60000) {
        work(&w, TICK_MS, ample);
        assert_true(w.p.active - last <= 1);
        last = w.p.active;
    }
    assert_int_equal(w.p.active, 8);
}

static void errors_keep_the_slots_few(void **state)
{
    struct world w = make(8);

    (void)state;
    for (int i = 0; i < 30; i++) {
        (void)pressure_failed(&w.p, PRESSURE_HARD, now(&w));
        work(&w, 1500, ample);
    }
    assert_int_equal(w.p.active, 1);
}

static void a_deadlock_now_and_then_is_ordinary(void **state)
{
    struct world w = make(8);

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_false(pressure_failed(&w.p, PRESSURE_DEADLOCK, now(&w)));
        work(&w, 5000, ample); /* 400 groups */
    }
    assert_int_equal(w.p.active, 8);
}

static void many_deadlocks_are_pressure(void **state)
{
    struct world w = make(8);

    (void)state;
    for (int i = 0; i < 3; i++)
        (void)pressure_failed(&w.p, PRESSURE_DEADLOCK, now(&w));
    assert_int_equal(w.p.active, 4);
}

static void a_slot_that_does_not_pay_is_taken_away_and_tried_ever_less_often(void **state)
{
    struct world w = make(8);
    uint32_t raises = 0, last;

    (void)state;
    for (int i = 0; i < 2; i++, w.ms += 2000)
        (void)pressure_failed(&w.p, PRESSURE_HARD, now(&w));
    assert_int_equal(w.p.active, 2);
    last = 2;
    while (w.ms < 600000) {
        work(&w, TICK_MS, for_two);
        raises += w.p.active > last;
        last = w.p.active;
        assert_in_range(w.p.active, 2, 3);
    }
    assert_in_range(raises, 2, 16);
}

static void statements_that_become_much_slower_halve_once(void **state)
{
    struct world w = make(8);

    (void)state;
    work(&w, 30000, ample);
    work(&w, 6000, very_slow);
    assert_in_range(w.p.active, 4, 5);
    work(&w, 120000, very_slow); /* it stays slow with fewer: their number is not why */
    assert_int_equal(w.p.active, 8);
}

static void a_target_with_little_to_do_says_nothing_about_slots(void **state)
{
    struct world w = make(8);

    (void)state;
    work(&w, 30000, ample);
    for (int i = 0; i < 100; i++) {
        pressure_committed(&w.p, 1, (int64_t)2000 * MS);
        w.ms += TICK_MS;
        (void)pressure_tick(&w.p, false, now(&w));
    }
    assert_int_equal(w.p.active, 8);
}

static void a_new_claim_with_as_many_slots_remembers(void **state)
{
    struct world w = make(8);

    (void)state;
    (void)pressure_failed(&w.p, PRESSURE_HARD, now(&w));
    pressure_init(&w.p, 8, now(&w));
    assert_int_equal(w.p.active, 4);
    pressure_init(&w.p, 6, now(&w));
    assert_int_equal(w.p.active, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_slots_work_when_nothing_is_wrong),
        cmocka_unit_test(an_error_of_pressure_halves_once_for_all_that_fail_together),
        cmocka_unit_test(one_slot_always_works),
        cmocka_unit_test(without_errors_slots_come_back_one_by_one),
        cmocka_unit_test(errors_keep_the_slots_few),
        cmocka_unit_test(a_deadlock_now_and_then_is_ordinary),
        cmocka_unit_test(many_deadlocks_are_pressure),
        cmocka_unit_test(a_slot_that_does_not_pay_is_taken_away_and_tried_ever_less_often),
        cmocka_unit_test(statements_that_become_much_slower_halve_once),
        cmocka_unit_test(a_target_with_little_to_do_says_nothing_about_slots),
        cmocka_unit_test(a_new_claim_with_as_many_slots_remembers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
