/* The window's rules one by one; their interplay is test/sim/incr_sync. */
#include "test/unit/components/incr_sync/core/window_fixture.h"

static struct source_txn *rows(struct fixture *f, uint64_t key)
{
    return push(f, SOURCE_ROWS, key, 10);
}

static void independent_transactions_go_together(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct window_group *g;

    (void)state;
    rows(f, 1);
    rows(f, 2);
    rows(f, 1); /* in the same group the order is kept anyway */
    g = window_group(f->w, 0);
    assert_non_null(g);
    assert_int_equal(g->txns.n, 3);
    assert_null(window_group(f->w, 1));
    done(f);
}

static void what_clashes_with_a_group_in_flight_waits_and_closes_its_keys(void **state)
{
    struct fixture *f = make((struct window_limits){.group_txns = 1});
    struct window_group *a, *b;

    (void)state;
    rows(f, 1);
    a = window_group(f->w, 0);
    rows(f, 1);
    f->keys[1][1] = 2;
    f->txns[1].n_keys = 2;
    rows(f, 2); /* clashes only with the one passed over */
    rows(f, 3);
    b = window_group(f->w, 1);
    assert_ptr_equal(a->txns.at[0], &f->txns[0]);
    assert_ptr_equal(b->txns.at[0], &f->txns[3]);
    assert_null(window_group(f->w, 2));
    assert_int_equal(window_outcome(f->w, 0, WINDOW_COMMITTED), WINDOW_ON);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[1]);
    done(f);
}

static void low_stops_before_the_oldest_and_done_names_what_is_above(void **state)
{
    struct fixture *f = make((struct window_limits){.group_txns = 1});
    struct window_group *g;

    (void)state;
    rows(f, 1);
    rows(f, 2);
    rows(f, 3);
    (void)window_group(f->w, 0);
    (void)window_group(f->w, 1);
    window_outcome(f->w, 1, WINDOW_COMMITTED);
    assert_true(txn_set_is_empty(window_low(f->w)));
    g = window_group(f->w, 1);
    assert_false(txn_set_has(&g->low, f->txns[1].id));
    assert_true(txn_set_has(&g->done, f->txns[1].id)); /* this slot's own commit above low */
    assert_true(txn_set_has(&g->done, f->txns[2].id));
    assert_false(txn_set_has(&g->done, f->txns[0].id));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_int_equal(txn_set_last(window_low(f->w), f->origin), 2);
    assert_int_equal(f->released, 2);
    done(f);
}

static void empty_transactions_advance_low_and_make_progress_stale(void **state)
{
    struct fixture *f = make((struct window_limits){0});

    (void)state;
    assert_false(window_progress_is_stale(f->w));
    push(f, SOURCE_EMPTY, 0, 0);
    push(f, SOURCE_EMPTY, 0, 0);
    assert_int_equal(txn_set_last(window_low(f->w), f->origin), 2);
    assert_true(window_progress_is_stale(f->w));
    assert_null(window_group(f->w, 0));
    assert_int_equal(window_progress(f->w, 0)->txns.n, 0);
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_false(window_progress_is_stale(f->w));
    done(f);
}

static void a_barrier_waits_for_everything_and_everything_waits_for_it(void **state)
{
    struct fixture *f = make((struct window_limits){0});

    (void)state;
    rows(f, 1);
    (void)window_group(f->w, 0);
    push(f, SOURCE_BARRIER, 0, 10);
    rows(f, 2);
    assert_null(window_group(f->w, 1));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[1]);
    assert_null(window_group(f->w, 1));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[2]);
    done(f);
}

static void a_bulk_transaction_goes_in_a_group_of_its_own(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct window_group *g;

    (void)state;
    rows(f, 1);
    push(f, SOURCE_ROWS, 2, 600);
    rows(f, 3);
    assert_int_equal(window_group(f->w, 0)->txns.n, 1);
    g = window_group(f->w, 1);
    assert_int_equal(g->txns.n, 1);
    assert_ptr_equal(g->txns.at[0], &f->txns[1]);
    assert_ptr_equal(window_group(f->w, 2)->txns.at[0], &f->txns[2]);
    done(f);
}

static void a_ddl_is_offered_when_everything_before_it_is_committed(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct source_txn *ddl;

    (void)state;
    rows(f, 1);
    ddl = push(f, SOURCE_DDL, 0, 0);
    rows(f, 2);
    assert_int_equal(window_group(f->w, 0)->txns.n, 1);
    assert_null(window_gate(f->w));
    assert_null(window_group(f->w, 1));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_gate(f->w), ddl);
    assert_null(window_group(f->w, 0));
    window_pass(f->w);
    assert_null(window_gate(f->w));
    assert_int_equal(txn_set_last(window_low(f->w), f->origin), 2);
    assert_int_equal(window_group(f->w, 0)->txns.n, 1);
    done(f);
}

static void a_failed_group_is_tried_again_one_by_one_in_order(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct window_group *g;

    (void)state;
    rows(f, 1);
    rows(f, 2);
    (void)window_group(f->w, 0);
    assert_int_equal(window_outcome(f->w, 0, WINDOW_CONFLICT), WINDOW_ON);
    g = window_group(f->w, 0);
    assert_int_equal(g->txns.n, 1);
    assert_ptr_equal(g->txns.at[0], &f->txns[0]);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[1]);
    done(f);
}

static void a_conflict_is_believed_only_when_everything_before_is_committed(void **state)
{
    struct fixture *f = make((struct window_limits){.group_txns = 1});

    (void)state;
    rows(f, 1);
    rows(f, 2);
    (void)window_group(f->w, 0);
    (void)window_group(f->w, 1);
    assert_int_equal(window_outcome(f->w, 1, WINDOW_CONFLICT), WINDOW_ON);
    assert_null(window_group(f->w, 1)); /* waits for low */
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[1]);
    rows(f, 3);
    assert_null(window_group(f->w, 0)); /* alone */
    assert_int_equal(window_outcome(f->w, 1, WINDOW_CONFLICT), WINDOW_HELD);
    assert_ptr_equal(window_held(f->w), &f->txns[1]);
    assert_null(window_group(f->w, 1));
    window_retry(f->w);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[1]);
    assert_int_equal(window_outcome(f->w, 1, WINDOW_COMMITTED), WINDOW_ON);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[2]);
    done(f);
}

static void a_transaction_that_fails_again_and_again_asks_for_a_pause(void **state)
{
    struct fixture *f = make((struct window_limits){0});

    (void)state;
    rows(f, 1);
    (void)window_group(f->w, 0);
    assert_int_equal(window_outcome(f->w, 0, WINDOW_RETRY), WINDOW_ON);
    (void)window_group(f->w, 0);
    assert_int_equal(window_outcome(f->w, 0, WINDOW_RETRY), WINDOW_BACK_OFF);
    assert_non_null(window_group(f->w, 0)); /* never a conflict, never given up */
    done(f);
}

static void a_full_window_has_no_room_but_always_takes_one(void **state)
{
    struct fixture *f = make((struct window_limits){.txns = 3});

    (void)state;
    assert_true(window_has_room(f->w));
    push(f, SOURCE_ROWS, 1, 1000000);
    assert_false(window_has_room(f->w)); /* bytes */
    (void)window_group(f->w, 0);
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    for (uint64_t k = 0; k < 3; k++) {
        assert_true(window_has_room(f->w));
        rows(f, k);
    }
    assert_false(window_has_room(f->w)); /* transactions */
    done(f);
}

static void what_is_left_is_released_when_the_window_goes(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct window *w = f->w;

    (void)state;
    rows(f, 1);
    rows(f, 2);
    (void)window_group(w, 0);
    window_free(w);
    assert_int_equal(f->released, 2);
    free(f);
}

static void strict_groups_follow_each_other_without_a_gap(void **state)
{
    struct fixture *f = make((struct window_limits){.strict = true, .group_txns = 2});
    const struct window_group *a, *b;

    (void)state;
    rows(f, 1);
    rows(f, 2);
    rows(f, 3);
    rows(f, 1);
    rows(f, 4);
    a = window_group(f->w, 0);
    assert_int_equal(a->txns.n, 2);
    b = window_group(f->w, 1);
    assert_int_equal(b->txns.n, 1); /* the next has a key of the first: nothing passes it */
    assert_int_equal(b->turn, a->turn + 1);
    assert_null(window_group(f->w, 2));
    (void)window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_int_equal(window_group(f->w, 0)->txns.n, 2);
    done(f);
}

static void in_strict_order_nothing_starts_until_those_that_give_way_have_ended(void **state)
{
    struct fixture *f = make((struct window_limits){.strict = true, .group_txns = 1});
    const struct window_group *g;

    (void)state;
    for (uint64_t k = 1; k <= 5; k++)
        rows(f, k);
    for (uint32_t i = 0; i < 3; i++)
        (void)window_group(f->w, i);
    assert_int_equal(window_outcome(f->w, 0, WINDOW_RETRY), WINDOW_ON);
    assert_null(window_group(f->w, 0));
    assert_int_equal(window_outcome(f->w, 2, WINDOW_YIELDED), WINDOW_ON);
    assert_null(window_group(f->w, 0));
    assert_int_equal(window_outcome(f->w, 1, WINDOW_YIELDED), WINDOW_ON);
    g = window_group(f->w, 0);
    assert_ptr_equal(g->txns.at[0], &f->txns[0]);
    assert_int_equal(f->txns[1].care, CARE_NONE); /* giving way is no failure */
    assert_int_equal(g->turn, window_next_turn(f->w) - 1);
    done(f);
}

static void a_limit_of_speed_cuts_groups_between_transactions_and_never_inside(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct window_group *g;
    struct source_txn *large;

    (void)state;
    for (uint64_t key = 1; key <= 5; key++)
        rows(f, key);
    large = rows(f, 6);
    large->changes = 50;
    window_allow(f->w, &(struct window_allowance){.changes = 3, .bytes = 1000});
    g = window_group(f->w, 0);
    assert_int_equal(g->txns.n, 3);
    window_allow(f->w, &(struct window_allowance){.changes = 100, .bytes = 15});
    g = window_group(f->w, 1);
    assert_int_equal(g->txns.n, 1); /* 10 bytes each */
    g = window_group(f->w, 2);
    assert_int_equal(g->txns.n, 1);
    window_allow(f->w, &(struct window_allowance){.changes = 3, .bytes = 1000});
    assert_null(window_group(f->w, 3));
    assert_ptr_equal(window_refused(f->w), large);
    window_allow(f->w,
                 &(struct window_allowance){.changes = 3, .bytes = 1000, .any_changes = true});
    g = window_group(f->w, 3);
    assert_ptr_equal(g->txns.at[0], large);
    assert_null(window_refused(f->w));
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(independent_transactions_go_together),
        cmocka_unit_test(what_clashes_with_a_group_in_flight_waits_and_closes_its_keys),
        cmocka_unit_test(low_stops_before_the_oldest_and_done_names_what_is_above),
        cmocka_unit_test(empty_transactions_advance_low_and_make_progress_stale),
        cmocka_unit_test(a_barrier_waits_for_everything_and_everything_waits_for_it),
        cmocka_unit_test(a_bulk_transaction_goes_in_a_group_of_its_own),
        cmocka_unit_test(a_ddl_is_offered_when_everything_before_it_is_committed),
        cmocka_unit_test(a_failed_group_is_tried_again_one_by_one_in_order),
        cmocka_unit_test(a_conflict_is_believed_only_when_everything_before_is_committed),
        cmocka_unit_test(a_transaction_that_fails_again_and_again_asks_for_a_pause),
        cmocka_unit_test(a_full_window_has_no_room_but_always_takes_one),
        cmocka_unit_test(what_is_left_is_released_when_the_window_goes),
        cmocka_unit_test(strict_groups_follow_each_other_without_a_gap),
        cmocka_unit_test(a_limit_of_speed_cuts_groups_between_transactions_and_never_inside),
        cmocka_unit_test(in_strict_order_nothing_starts_until_those_that_give_way_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
