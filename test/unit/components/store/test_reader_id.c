/* Under which number a Store reads (reader_id.h). */
#include "components/store/reader_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static uint32_t next_throw;

static uint32_t dice(void)
{
    return next_throw++;
}

static void choose(struct reader_ids *r, const struct reader_numbers *taken)
{
    struct err e = ERR_INIT;

    if (!reader_ids_choose(r, taken, dice, &e))
        fail_msg("%s", e.message);
    assert_in_range(r->dump, r->from, r->to);
    assert_in_range(r->look, r->from, r->to);
    assert_int_not_equal(r->dump, r->look);
}

static void the_wanted_number_is_for_the_first_connection_alone(void **state)
{
    struct reader_ids r = {.from = 100, .to = 200, .wanted = 150};
    struct reader_numbers none = {.n = 0};

    (void)state;
    choose(&r, &none);
    assert_int_equal(r.dump, 150);
    for (int i = 0; i < 50; i++) {
        uint32_t dump = r.dump, look = r.look;

        choose(&r, &none);
        assert_int_not_equal(r.dump, dump); /* thrown out under that one */
        assert_int_not_equal(r.dump, look);
        assert_int_not_equal(r.look, dump);
    }
}

static void a_wanted_number_that_is_taken_or_outside_is_not_used(void **state)
{
    struct reader_ids r = {.from = 100, .to = 200, .wanted = 150};
    struct reader_numbers taken = {.at = {7, 150}, .n = 2};

    (void)state;
    choose(&r, &taken);
    assert_int_not_equal(r.dump, 150);
    r = (struct reader_ids){.from = 100, .to = 200, .wanted = 99};
    choose(&r, &taken);
}

static void what_the_source_knows_of_is_never_taken(void **state)
{
    struct reader_ids r = {.from = 1, .to = READERS_MAX + 4};
    struct reader_numbers taken = {.n = READERS_MAX};

    (void)state;
    for (uint32_t i = 0; i < READERS_MAX; i++)
        taken.at[i] = i + 1;
    for (int i = 0; i < 20; i++) {
        next_throw = (uint32_t)i * 13;
        choose(&r, &taken);
        assert_true(r.dump > READERS_MAX && r.look > READERS_MAX);
    }
}

static void the_whole_of_the_numbers_may_be_the_range(void **state)
{
    struct reader_ids r = {.from = 0, .to = UINT32_MAX};
    struct reader_numbers none = {.n = 0};

    (void)state;
    next_throw = UINT32_MAX - 3;
    for (int i = 0; i < 10; i++)
        choose(&r, &none);
}

static void a_range_without_a_free_number_says_so(void **state)
{
    struct reader_ids r = {.from = 5, .to = 8};
    struct reader_numbers taken = {.at = {5, 6, 7}, .n = 3};
    struct err e = ERR_INIT;

    (void)state;
    assert_false(reader_ids_choose(&r, &taken, dice, &e));
    assert_int_equal(e.code, ERR_LOG_DUPLICATE_READER);
    assert_non_null(strstr(e.message, "5 to 8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wanted_number_is_for_the_first_connection_alone),
        cmocka_unit_test(a_wanted_number_that_is_taken_or_outside_is_not_used),
        cmocka_unit_test(what_the_source_knows_of_is_never_taken),
        cmocka_unit_test(the_whole_of_the_numbers_may_be_the_range),
        cmocka_unit_test(a_range_without_a_free_number_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
