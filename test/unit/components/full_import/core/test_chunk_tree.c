/* The chunk tree covers its range whatever the order of splits, crashes and ends; pacing follows
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "components/full_import/core/chunk_tree.h"
#include "components/full_import/core/pacing.h"

#define KEYS 1000

static struct view bound_of(uint32_t *k)
{
    return (struct view){(const uint8_t *)k, sizeof *k};
}

static uint32_t key_of(struct view v, uint32_t open)
{
    uint32_t k = open;

    if (v.p)
        memcpy(&k, v.p, sizeof k);
    return k;
}

/* Every done leaf's keys are counted; in the end each key was covered exactly once. */
static void random_splits_cover_every_key_once(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        static int covered[KEYS + 1];
        struct chunk_tree t;
        struct node n, split[3];
        struct err e = ERR_INIT;
        uint32_t greatest = KEYS;

        srandom(seed);
        memset(covered, 0, sizeof covered);
        tree_init(&t);
        tree_plant(&t, (struct view){NULL, 0}, bound_of(&greatest));
        while (tree_take(&t, &n)) {
            uint32_t lo = key_of(n.lo, 0), hi = key_of(n.hi, KEYS);
            uint32_t cut = lo + 1 + (uint32_t)random() % 40;

            if (random() % 5 == 0) {
                tree_give_back(&t, n.id);
                continue;
            }
            if (cut < hi) {
                tree_split(&t, n.id, bound_of(&cut), split);
                tree_split_done(&t, split);
                assert_true(tree_check(&t, &e));
                n = split[1];
                hi = cut;
            }
            for (uint32_t k = lo + 1; k <= hi; k++)
                covered[k]++;
            tree_done(&t, n.id);
        }
        assert_true(tree_is_done(&t));
        for (uint32_t k = 1; k <= KEYS; k++)
            assert_int_equal(covered[k], 1);
        tree_fini(&t);
    }
}

static void a_tree_that_was_kept_goes_on_where_it_stood(void **state)
{
    struct chunk_tree t;
    struct node n;
    struct err e = ERR_INIT;
    uint32_t cut = 10;
    struct view open = {NULL, 0};

    (void)state;
    tree_init(&t);
    assert_true(tree_is_empty(&t));
    tree_add(&t, 3, 1, bound_of(&cut), open, NODE_OPEN);
    tree_add(&t, 1, 0, open, open, NODE_SPLIT);
    tree_add(&t, 2, 1, open, bound_of(&cut), NODE_DONE);
    assert_true(tree_check(&t, &e));
    assert_false(tree_is_done(&t));
    assert_true(tree_take(&t, &n));
    assert_int_equal(n.id, 3);
    assert_false(tree_take(&t, &n));
    tree_done(&t, 3);
    assert_true(tree_is_done(&t));
    tree_fini(&t);
}

static void a_tree_with_a_missing_half_is_refused(void **state)
{
    struct chunk_tree t;
    struct err e = ERR_INIT;
    struct view open = {NULL, 0};

    (void)state;
    tree_init(&t);
    tree_add(&t, 1, 0, open, open, NODE_SPLIT);
    tree_add(&t, 2, 1, open, open, NODE_DONE);
    assert_false(tree_check(&t, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    tree_fini(&t);
}

static void chunks_follow_the_measured_rate(void **state)
{
    struct pacing p;

    (void)state;
    pacing_init(&p, 500, (struct mono){0});
    uint64_t first = pacing_chunk_rows(&p);
    for (int i = 0; i < 20; i++)
        pacing_measured(&p, 100000, 1000);
    assert_in_range(pacing_chunk_rows(&p), 49000, 51000);
    assert_true(first < 49000);
    for (int i = 0; i < 40; i++)
        pacing_measured(&p, 500, 100000);
    assert_int_equal(pacing_chunk_rows(&p), 500);
}

static void a_cap_is_kept_over_time(void **state)
{
    struct pacing p;
    struct mono now = {0};
    uint64_t rows = 0;

    (void)state;
    pacing_init(&p, 500, now);
    while (now.ns < 10000000000) {
        now = mono_add_ms(now, pacing_wait_ms(&p, 100, 1000, now));
        rows += 100;
    }
    assert_in_range(rows, 9500, 10500);
    assert_int_equal(pacing_wait_ms(&p, 1000000, 0, now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_splits_cover_every_key_once),
        cmocka_unit_test(a_tree_that_was_kept_goes_on_where_it_stood),
        cmocka_unit_test(a_tree_with_a_missing_half_is_refused),
        cmocka_unit_test(chunks_follow_the_measured_rate),
        cmocka_unit_test(a_cap_is_kept_over_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
