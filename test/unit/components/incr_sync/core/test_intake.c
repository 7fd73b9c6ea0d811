/* From block bytes to transactions: identities, keys, what each table's rows are. */
#include "test/unit/components/incr_sync/core/intake_fixture.h"

static void a_transaction_has_one_key_for_each_unique_key_and_none_for_null(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *b;

    (void)state;
    whole(f, 1, f->t1, 5, 7);
    whole(f, 2, f->t1, 5, -1);
    whole(f, 3, f->t1, 6, 7);
    b = block(f, true);
    assert_int_equal(b->txns.n, 3);
    assert_int_equal(b->txns.at[0]->n_keys, 2);
    assert_int_equal(b->txns.at[1]->n_keys, 1);
    assert_true(b->txns.at[0]->keys[0] == b->txns.at[1]->keys[0]); /* id 5 */
    assert_true(b->txns.at[0]->keys[1] == b->txns.at[2]->keys[1]); /* u 7 */
    assert_true(b->txns.at[0]->keys[0] != b->txns.at[2]->keys[0]);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_ROWS);
    release(f, b);
    assert_int_equal(f->idle, 1);
    done_with(f);
}

static void an_update_has_the_keys_of_both_images(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *b;

    (void)state;
    begin(f, RECORD_TXN, 1, 0);
    txn_write_change(&f->w, 1, CHANGE_UPDATE, 0, IMAGE_FULL);
    put_row(f, f->t1, 5, 7);
    put_row(f, f->t1, 5, 8);
    txn_write_end(&f->w);
    begin(f, RECORD_TXN, 2, 0);
    txn_write_change(&f->w, 1, CHANGE_UPDATE, 0, IMAGE_FULL);
    put_row(f, f->t1, 5, 8);
    put_row(f, f->t1, 5, 8);
    txn_write_end(&f->w);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->n_keys, 4);
    assert_int_equal(b->txns.at[0]->changes, 1);
    assert_int_equal(b->txns.at[1]->n_keys, 2); /* no key changed: once is enough */
    release(f, b);
    done_with(f);
}

static void a_key_that_is_not_exact_makes_the_table_one_key(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(9, "named", true);
    struct source_block *b;

    (void)state;
    record_write_table(&f->raw, t);
    whole(f, 1, t, 5, 7);
    whole(f, 2, t, 6, 8);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->n_keys, 1);
    assert_int_equal(b->txns.at[1]->n_keys, 1);
    assert_true(b->txns.at[0]->keys[0] == b->txns.at[1]->keys[0]);
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

static void named(struct fixture *f, uint64_t seq, const struct table_def *t, const char *name)
{
    begin(f, RECORD_TXN, seq, 0);
    txn_write_change(&f->w, t->id, CHANGE_INSERT, 0, IMAGE_FULL);
    put_named(f, t, (int64_t)seq, -1, name);
    txn_write_end(&f->w);
}

static bool meet(const struct source_txn *a, const struct source_txn *b)
{
    for (uint32_t i = 0; i < a->n_keys; i++)
        for (uint32_t k = 0; k < b->n_keys; k++)
            if (a->keys[i] == b->keys[k])
                return true;
    return false;
}

static void keys_of_letters_meet_where_the_server_may_call_them_equal(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(9, "named", true);
    struct source_block *b;

    (void)state;
    f->letters = true;
    record_write_table(&f->raw, t);
    named(f, 1, t, "Ren\xc3\xa9 ");
    named(f, 2, t, "rene");
    named(f, 3, t, "renf");
    b = block(f, true);
    assert_true(meet(b->txns.at[0], b->txns.at[1]));
    assert_false(meet(b->txns.at[0], b->txns.at[2]));
    assert_int_equal(b->txns.at[0]->class_, SOURCE_ROWS);
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

static void a_wide_value_has_its_table_for_itself_and_then_the_table_is_one_key(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(9, "named", true);
    struct source_block *b;

    (void)state;
    f->letters = true;
    record_write_table(&f->raw, t);
    named(f, 1, t, "a");
    named(f, 2, t, "stra\xc3\x9f\x65"); /* sharp s */
    named(f, 3, t, "b");
    named(f, 4, t, "\xc3\x9f");
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->n_keys, 2);
    assert_int_equal(b->txns.at[1]->class_, SOURCE_TABLES);
    assert_int_equal(b->txns.at[2]->class_, SOURCE_ROWS);
    assert_int_equal(b->txns.at[2]->n_keys, 1);
    assert_int_equal(b->txns.at[3]->class_, SOURCE_ROWS);
    assert_true(meet(b->txns.at[2], b->txns.at[3]));
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

static void a_wide_value_that_comes_again_after_a_lost_connection_has_its_table_for_itself(
    void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(9, "named", true);
    struct source_block *b;

    (void)state;
    f->letters = true;
    record_write_table(&f->raw, t);
    begin(f, RECORD_TXN_PART, 1, 0);
    txn_write_change(&f->w, t->id, CHANGE_INSERT, 0, IMAGE_FULL);
    put_named(f, t, 1, -1, "\xc3\x9f");
    txn_write_end(&f->w);
    b = block(f, true);
    intake_drop_open(f->in, idle, f);
    release(f, b);
    named(f, 1, t, "\xc3\x9f");
    named(f, 2, t, "b");
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_TABLES);
    assert_int_equal(b->txns.at[1]->n_keys, 1);
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

static void what_is_inside_low_is_dropped_and_what_is_inside_done_becomes_empty(void **state)
{
    struct fixture *f = make(10, 1u << 20);
    struct source_block *b;

    (void)state;
    for (uint64_t seq = 9; seq <= 13; seq++)
        whole(f, seq, f->t1, (int64_t)seq, -1);
    b = block(f, true);
    assert_int_equal(b->txns.n, 3);
    assert_int_equal(b->txns.at[0]->id.seq, 11);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_ROWS);
    assert_int_equal(b->txns.at[1]->class_, SOURCE_EMPTY);
    assert_int_equal(b->txns.at[2]->class_, SOURCE_ROWS);
    release(f, b);
    done_with(f);
}

static void a_transaction_delivered_twice_comes_out_once(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *a, *b;

    (void)state;
    whole(f, 1, f->t1, 1, -1);
    a = block(f, true);
    whole(f, 1, f->t1, 1, -1);
    whole(f, 2, f->t1, 2, -1);
    b = block(f, true);
    assert_int_equal(a->txns.n, 1);
    assert_int_equal(b->txns.n, 1);
    assert_int_equal(b->txns.at[0]->id.seq, 2);
    release(f, a);
    release(f, b);
    done_with(f);
}

static void rows_inside_begin_are_skipped_and_inside_end_overlap(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *b;

    (void)state;
    whole(f, 15, f->t2, 1, -1);
    whole(f, 25, f->t2, 1, -1);
    whole(f, 35, f->t2, 1, -1);
    begin(f, RECORD_TXN, 36, 0);
    txn_write_end(&f->w);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_EMPTY);
    assert_int_equal(b->txns.at[1]->tables[0].use, USE_OVERLAP);
    assert_int_equal(b->txns.at[2]->tables[0].use, USE_EXACT);
    assert_int_equal(b->txns.at[3]->class_, SOURCE_EMPTY);
    release(f, b);
    done_with(f);
}

static void a_table_out_of_scope_is_not_a_row_to_write(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(7, "other", false);
    struct source_block *b;

    (void)state;
    record_write_table(&f->raw, t);
    begin(f, RECORD_TXN, 1, 0);
    insert(f, t, 1, 1);
    insert(f, f->t1, 1, 1);
    txn_write_end(&f->w);
    whole(f, 2, t, 1, 1);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->changes, 1);
    assert_int_equal(b->txns.at[0]->n_keys, 2);
    assert_int_equal(b->txns.at[1]->class_, SOURCE_EMPTY);
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_has_one_key_for_each_unique_key_and_none_for_null),
        cmocka_unit_test(an_update_has_the_keys_of_both_images),
        cmocka_unit_test(a_key_that_is_not_exact_makes_the_table_one_key),
        cmocka_unit_test(keys_of_letters_meet_where_the_server_may_call_them_equal),
        cmocka_unit_test(a_wide_value_has_its_table_for_itself_and_then_the_table_is_one_key),
        cmocka_unit_test(
            a_wide_value_that_comes_again_after_a_lost_connection_has_its_table_for_itself),
        cmocka_unit_test(what_is_inside_low_is_dropped_and_what_is_inside_done_becomes_empty),
        cmocka_unit_test(a_transaction_delivered_twice_comes_out_once),
        cmocka_unit_test(rows_inside_begin_are_skipped_and_inside_end_overlap),
        cmocka_unit_test(a_table_out_of_scope_is_not_a_row_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
