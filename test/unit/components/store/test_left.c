/* Servers that were read and left, across restarts (left.h). */
#include "components/store/left.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "test/lib/scratch_dir.h"

static const struct endpoint_place others[] = {{"b", 2}, {"c", 3}};
static const struct endpoint_address a = {
    .host = "a", .port = 1, .others = others, .n_others = ARRAY_LEN(others)};
static const struct endpoint_address b = {.host = "b", .port = 2};
static struct scratch_dir dir;

static struct txn_set set_of(const char *text)
{
    struct err e = ERR_INIT;
    struct txn_set s;

    assert_true(txn_set_parse(text, &s, &e));
    return s;
}

static void change(struct left *l, const struct endpoint_address *at, const char *held)
{
    struct txn_set s = set_of(held);
    struct err e = ERR_INIT;

    if (!left_change(l, at, &s, &e))
        fail_msg("%s", e.message);
    txn_set_fini(&s);
}

static bool stands(struct left *l, const struct endpoint_address *at, const char *held,
                   const char *executed)
{
    struct txn_set h = set_of(held), x = set_of(executed);

    bool is = left_stands(l, at, &h, &x);
    txn_set_fini(&h);
    txn_set_fini(&x);
    return is;
}

static void again(struct left **l)
{
    struct err e = ERR_INIT;

    left_close(*l);
    if (!left_open(dir.path, l, &e))
        fail_msg("%s", e.message);
}

static int begin(void **state)
{
    (void)state;
    scratch_dir_make(&dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_dir_remove(&dir);
    return 0;
}

static void a_server_that_was_left_is_known_in_the_next_life(void **state)
{
    struct left *l = NULL;
    struct places p;

    (void)state;
    again(&l);
    assert_false(stands(l, &a, "u=1-9", "u=1-5"));
    change(l, &a, "u=1-3");
    assert_false(stands(l, &a, "u=1-9", "u=1-5"));
    change(l, &b, "u=1-5");
    again(&l);
    assert_true(stands(l, &a, "u=1-9", "u=1-5"));
    assert_false(stands(l, &b, "u=1-9", "u=1-5"));
    places_init(&p, &a);
    left_begin(l, &p);
    assert_string_equal(p.now.host, "b");
    left_close(l);
}

static void one_that_is_read_again_is_not_left_any_more(void **state)
{
    struct left *l = NULL;

    (void)state;
    again(&l);
    change(l, &a, "u=1-3");
    change(l, &b, "u=1-5");
    change(l, &a, "u=1-7");
    again(&l);
    assert_false(stands(l, &a, "u=1-9", "u=1-5"));
    assert_true(stands(l, &b, "u=1-9", "u=1-7"));
    left_close(l);
}

static void one_that_followed_the_others_and_lacks_something_was_not_merely_left(void **state)
{
    struct left *l = NULL;

    (void)state;
    again(&l);
    change(l, &a, "u=1-3");
    change(l, &b, "u=1-5");
    assert_false(stands(l, &a, "u=1-9", "u=1-6"));
    assert_true(stands(l, &a, "u=1-9", "u=1-5;own=1-2"));
    left_close(l);
}

static void one_that_is_written_to_while_the_other_is_away_does_not_stand_still(void **state)
{
    struct left *l = NULL;

    (void)state;
    again(&l);
    change(l, &a, "u=1-3");
    change(l, &b, "u=1-5");
    assert_true(stands(l, &a, "u=1-9", "u=1-5;own=1-2"));
    assert_true(stands(l, &a, "u=1-9", "u=1-5;own=1-2"));
    assert_false(stands(l, &a, "u=1-9", "u=1-5;own=1-3"));
    change(l, &b, "u=1-9"); /* it came back: what happened there meanwhile is no matter */
    assert_true(stands(l, &a, "u=1-9", "u=1-5;own=1-3"));
    left_close(l);
}

static void where_nothing_is_known_the_first_is_tried_first(void **state)
{
    struct left *l = NULL;
    struct places p;

    (void)state;
    again(&l);
    places_init(&p, &a);
    left_begin(l, &p);
    assert_string_equal(p.now.host, "a");
    change(l, &(struct endpoint_address){.host = "elsewhere", .port = 7}, "u=1");
    left_begin(l, &p);
    assert_string_equal(p.now.host, "a");
    left_close(l);
}

static void a_damaged_file_stops(void **state)
{
    struct left *l = NULL;
    struct err e = ERR_INIT;
    char path[4200];

    (void)state;
    snprintf(path, sizeof path, "%s/servers", dir.path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("read\ta:1\nleft\ta\n", f);
    fclose(f);
    assert_false(left_open(dir.path, &l, &e));
    assert_int_equal(e.code, ERR_STORE_CORRUPT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_was_left_is_known_in_the_next_life),
        TEST(one_that_is_read_again_is_not_left_any_more),
        TEST(one_that_followed_the_others_and_lacks_something_was_not_merely_left),
        TEST(one_that_is_written_to_while_the_other_is_away_does_not_stand_still),
        TEST(where_nothing_is_known_the_first_is_tried_first),
        TEST(a_damaged_file_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
