/* What a DDL holds in the window, and what goes by it. */
#include "test/unit/components/incr_sync/core/window_fixture.h"

/* On a table, or on two; other = 0: one. */
static struct source_txn *on(struct fixture *f, enum source_class class_, uint64_t table,
                             uint64_t other, uint64_t key)
{
    struct source_txn *t = &f->txns[f->n];

    f->tags[f->n][0] = table;
    f->tags[f->n][1] = other;
    t->tags = f->tags[f->n];
    t->n_tags = other ? 2 : 1;
    return push(f, class_, key, 10);
}

/* How many transactions went together. */
static size_t commit_next(struct fixture *f)
{
    struct window_group *g = window_group(f->w, 0);
    size_t n = g ? g->txns.n : 0;

    if (g)
        assert_int_equal(window_outcome(f->w, 0, WINDOW_COMMITTED), WINDOW_ON);
    return n;
}

static void what_touches_none_of_a_ddls_tables_goes_by_it(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct source_txn *ddl = on(f, SOURCE_DDL, 1, 2, 0), *other;
    struct window_group *g;

    (void)state;
    on(f, SOURCE_ROWS, 1, 0, 11);
    on(f, SOURCE_ROWS, 2, 3, 31); /* touches one of them: closes its other keys too */
    on(f, SOURCE_ROWS, 3, 0, 31);
    other = on(f, SOURCE_ROWS, 3, 0, 32);
    assert_ptr_equal(window_gate(f->w), ddl);
    g = window_group(f->w, 0);
    assert_int_equal(g->txns.n, 1);
    assert_ptr_equal(g->txns.at[0], other);
    assert_ptr_equal(window_gate(f->w), ddl); /* others in flight do not hinder it */
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_int_equal(f->released, 1); /* its memory is free, although low stays */
    assert_true(txn_set_is_empty(window_low(f->w)));
    assert_null(window_group(f->w, 0));
    window_pass(f->w);
    assert_int_equal(commit_next(f), 3);
    assert_int_equal(txn_set_last(window_low(f->w), f->origin), 5);
    done(f);
}

static void a_ddl_is_not_offered_before_what_lies_before_it(void **state)
{
    struct fixture *f = make((struct window_limits){.group_txns = 1});

    (void)state;
    on(f, SOURCE_ROWS, 2, 0, 21);
    on(f, SOURCE_DDL, 1, 0, 0);
    on(f, SOURCE_DDL, 2, 0, 0);
    on(f, SOURCE_ROWS, 2, 0, 22);
    on(f, SOURCE_ROWS, 3, 0, 31);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[0]);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[4]);
    assert_null(window_group(f->w, 2));
    assert_null(window_gate(f->w));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_gate(f->w), &f->txns[1]);
    window_pass(f->w);
    assert_ptr_equal(window_gate(f->w), &f->txns[2]); /* one by one */
    assert_null(window_group(f->w, 0));
    window_pass(f->w);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[3]);
    done(f);
}

static void nothing_passes_a_ddl_in_strict_order_or_of_unknown_tables(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct fixture *f = make((struct window_limits){.strict = strict});

        if (strict)
            on(f, SOURCE_DDL, 1, 0, 0);
        else
            push(f, SOURCE_DDL, 0, 0);
        on(f, SOURCE_ROWS, 2, 0, 21);
        assert_null(window_group(f->w, 0));
        window_pass(f->w);
        assert_int_equal(commit_next(f), 1);
        done(f);
    }
}

static void behind_a_ddl_the_window_fills_and_then_all_waits(void **state)
{
    struct fixture *f = make((struct window_limits){.txns = 4});

    (void)state;
    on(f, SOURCE_DDL, 1, 0, 0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(window_has_room(f->w));
        on(f, SOURCE_ROWS, 2, 0, 20 + i);
        assert_int_equal(commit_next(f), 1);
    }
    assert_false(window_has_room(f->w));
    assert_int_equal(window_bytes(f->w), 10); /* the statement's own; the rest is free */
    window_pass(f->w);
    assert_true(window_has_room(f->w));
    assert_int_equal(txn_set_last(window_low(f->w), f->origin), 4);
    done(f);
}

static void one_that_has_its_tables_for_itself_meets_nobody_of_them(void **state)
{
    struct fixture *f = make((struct window_limits){.group_txns = 1});

    (void)state;
    on(f, SOURCE_ROWS, 1, 0, 11);
    on(f, SOURCE_TABLES, 1, 2, 0);
    on(f, SOURCE_ROWS, 2, 0, 21);
    on(f, SOURCE_ROWS, 3, 0, 31);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[0]);
    assert_ptr_equal(window_group(f->w, 1)->txns.at[0], &f->txns[3]);
    assert_null(window_group(f->w, 2));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[1]);
    assert_null(window_group(f->w, 2));
    window_outcome(f->w, 0, WINDOW_COMMITTED);
    assert_ptr_equal(window_group(f->w, 0)->txns.at[0], &f->txns[2]);
    done(f);
}

static void behind_a_ddl_a_conflict_is_still_believed_only_alone(void **state)
{
    struct fixture *f = make((struct window_limits){0});
    struct source_txn *t;

    (void)state;
    on(f, SOURCE_DDL, 1, 0, 0);
    on(f, SOURCE_ROWS, 1, 2, 22);
    t = on(f, SOURCE_ROWS, 3, 0, 31);
    (void)window_group(f->w, 0);
    assert_int_equal(window_outcome(f->w, 0, WINDOW_CONFLICT), WINDOW_ON);
    assert_true(window_group(f->w, 0)->alone); /* what waits touches other tables */
    assert_int_equal(window_outcome(f->w, 0, WINDOW_CONFLICT), WINDOW_HELD);
    assert_ptr_equal(window_held(f->w), t);
    done(f);
}

static void behind_a_ddl_a_conflict_waits_for_what_waits_of_its_table(void **state)
{
    struct fixture *f = make((struct window_limits){0});

    (void)state;
    on(f, SOURCE_DDL, 1, 0, 0);
    on(f, SOURCE_ROWS, 1, 3, 32);
    on(f, SOURCE_ROWS, 3, 0, 31);
    (void)window_group(f->w, 0);
    assert_int_equal(window_outcome(f->w, 0, WINDOW_CONFLICT), WINDOW_ON);
    assert_null(window_group(f->w, 0));
    window_pass(f->w);
    assert_int_equal(commit_next(f), 1); /* the one that waited */
    assert_true(window_group(f->w, 0)->alone);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_touches_none_of_a_ddls_tables_goes_by_it),
        cmocka_unit_test(a_ddl_is_not_offered_before_what_lies_before_it),
        cmocka_unit_test(nothing_passes_a_ddl_in_strict_order_or_of_unknown_tables),
        cmocka_unit_test(behind_a_ddl_the_window_fills_and_then_all_waits),
        cmocka_unit_test(one_that_has_its_tables_for_itself_meets_nobody_of_them),
        cmocka_unit_test(behind_a_ddl_a_conflict_is_still_believed_only_alone),
        cmocka_unit_test(behind_a_ddl_a_conflict_waits_for_what_waits_of_its_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
