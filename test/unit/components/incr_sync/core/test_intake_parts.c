/* Intake at its edges: parts, limits, barriers, DDL, unknown tables. */
#include "test/unit/components/incr_sync/core/intake_fixture.h"

static void parts_over_several_blocks_hold_their_blocks_until_released(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *a, *b;

    (void)state;
    begin(f, RECORD_TXN_PART, 1, 0);
    insert(f, f->t1, 1, -1);
    txn_write_end(&f->w);
    a = block(f, true);
    assert_true(intake_is_open(f->in));
    assert_int_equal(a->txns.n, 0);
    assert_false(source_block_unref(a));
    begin(f, RECORD_TXN, 1, 1);
    insert(f, f->t1, 2, -1);
    txn_write_end(&f->w);
    b = block(f, true);
    assert_false(intake_is_open(f->in));
    assert_int_equal(b->txns.n, 1);
    assert_int_equal(b->txns.at[0]->n_parts, 2);
    assert_int_equal(b->txns.at[0]->changes, 2);
    assert_int_equal(b->txns.at[0]->n_keys, 2);
    release(f, b);
    assert_int_equal(f->idle, 2);
    done_with(f);
}

static void an_unfinished_transaction_can_be_dropped_and_comes_again(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *a, *b;

    (void)state;
    begin(f, RECORD_TXN_PART, 1, 0);
    insert(f, f->t1, 1, -1);
    txn_write_end(&f->w);
    a = block(f, true);
    assert_false(source_block_unref(a));
    intake_drop_open(f->in, idle, f);
    assert_int_equal(f->idle, 1);
    whole(f, 1, f->t1, 1, -1);
    b = block(f, true);
    assert_int_equal(b->txns.n, 1);
    release(f, b);
    done_with(f);
}

static void a_transaction_beyond_the_limit_is_refused_with_its_size(void **state)
{
    struct fixture *f = make(0, 2000);
    struct source_block *b = source_block_new(1u << 20);
    struct err e = ERR_INIT;

    (void)state;
    begin(f, RECORD_TXN, 1, 0);
    for (int i = 0; i < 100; i++)
        insert(f, f->t1, i, -1);
    txn_write_end(&f->w);
    buf_append(&b->raw, f->raw.p, f->raw.len);
    assert_false(intake_block(f->in, b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.message, "2000"));
    intake_drop_open(f->in, idle, f);
    assert_true(source_block_unref(b));
    source_block_free(b);
    done_with(f);
}

struct txn_pipe {
    uint32_t n, changes;
    bool last;
    struct source_block *blocks[8];
};
static struct txn_pipe the_pipe;

static struct txn_pipe *new_pipe(void *arg)
{
    (void)arg;
    return &the_pipe;
}

static void put(struct txn_pipe *p, struct source_piece *piece)
{
    assert_false(p->last);
    p->blocks[p->n++] = piece->part.block;
    p->last = piece->last;
    assert_int_equal(piece->n_tables, 1);
}

static void a_large_transaction_comes_out_before_its_last_part(void **state)
{
    struct fixture *f = make_piped(0, 2000, new_pipe, put);
    struct source_block *b[3];
    struct source_txn *t;

    (void)state;
    the_pipe = (struct txn_pipe){0};
    for (int k = 0; k < 3; k++) {
        begin(f, k < 2 ? RECORD_TXN_PART : RECORD_TXN, 1, (uint32_t)k);
        for (int i = 0; i < 20; i++)
            insert(f, f->t1, k * 100 + i, -1);
        txn_write_end(&f->w);
        b[k] = block(f, true);
        assert_int_equal(the_pipe.n, k == 0 ? 0 : k + 1);
    }
    assert_int_equal(b[0]->txns.n, 0);
    assert_int_equal(b[1]->txns.n, 1);
    assert_int_equal(b[2]->txns.n, 0);
    t = b[1]->txns.at[0];
    assert_int_equal(t->class_, SOURCE_BARRIER);
    assert_ptr_equal(t->pipe, &the_pipe);
    assert_true(the_pipe.last);
    assert_false(intake_is_open(f->in));
    assert_true(txn_set_has(intake_seen(f->in), t->id));
    source_txn_release(t, idle, f);
    for (int k = 0; k < 3; k++) {
        assert_ptr_equal(the_pipe.blocks[k], b[k]);
        assert_false(source_block_unref(b[k])); /* the reader's */
        assert_true(source_block_unref(b[k]));  /* the piece's */
        source_block_free(b[k]);
    }
    done_with(f);
}

static void too_many_keys_make_a_barrier(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct source_block *b;

    (void)state;
    begin(f, RECORD_TXN, 1, 0);
    for (int i = 0; i < 60; i++)
        insert(f, f->t1, i, -1);
    txn_write_end(&f->w);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_BARRIER);
    assert_int_equal(b->txns.at[0]->n_keys, 0);
    assert_int_equal(b->txns.at[0]->changes, 60);
    release(f, b);
    done_with(f);
}

static void the_first_transaction_of_another_table_version_has_its_tables_for_itself(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(3, "t1", true);
    struct source_block *b;

    (void)state;
    whole(f, 1, f->t1, 1, -1);
    record_write_table(&f->raw, t);
    whole(f, 2, t, 1, -1);
    whole(f, 3, t, 2, -1);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_ROWS);
    assert_int_equal(b->txns.at[1]->class_, SOURCE_TABLES);
    assert_int_equal(b->txns.at[2]->class_, SOURCE_ROWS);
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

static void put_ddl(struct fixture *f, uint64_t seq, const struct ddl_record *d)
{
    struct txn_head h = {.id = {origin(), seq}, .covers_from = seq, .flags = TXN_F_LAST};

    record_write_ddl(&f->raw, &h, d);
}

static void a_ddl_in_scope_is_held_and_another_only_moves_the_position(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct ddl_record d = {.sql = {(const uint8_t *)"DROP TABLE t1", 13},
                           .ddl_kind = DDL_DROP_TABLE,
                           .in_scope = true};
    struct source_block *b;

    (void)state;
    f->ddl_held = true;
    put_ddl(f, 1, &d);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_DDL);
    assert_int_equal(b->txns.at[0]->ddl->sql.len, 13);
    release(f, b);
    f->ddl_held = false;
    put_ddl(f, 2, &d);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_EMPTY);
    release(f, b);
    done_with(f);
}

/* Names that differ in case alone are one table. */
static void a_ddl_has_the_tag_of_the_rows_of_its_table(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct ddl_table named = {.role = DDL_ROLE_SUBJECT,
                              .db = {(const uint8_t *)"SHOP", 4},
                              .name = {(const uint8_t *)"T1", 2}};
    struct ddl_record d = {.sql = {(const uint8_t *)"DROP TABLE T1", 13},
                           .ddl_kind = DDL_DROP_TABLE,
                           .flags = DDL_F_READ,
                           .n_tables = 1,
                           .in_scope = true};
    struct source_block *b;
    struct buf tables;

    (void)state;
    buf_init(&tables, 1000);
    ddl_table_put(&tables, &named);
    d.tables = (struct view){tables.p, tables.len};
    f->ddl_held = true;
    put_ddl(f, 1, &d);
    whole(f, 2, f->t1, 1, 1);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->n_tags, 1);
    assert_int_equal(b->txns.at[1]->n_tags, 1);
    assert_int_equal(b->txns.at[0]->tags[0], b->txns.at[1]->tags[0]);
    release(f, b);
    buf_fini(&tables);
    done_with(f);
}

static void a_ddl_whose_tables_are_not_surely_known_has_no_tags(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct ddl_record d = {.sql = {(const uint8_t *)"DROP DATABASE d", 15},
                           .ddl_kind = DDL_DATABASE,
                           .in_scope = true};
    struct source_block *b;

    (void)state;
    f->ddl_held = true;
    put_ddl(f, 1, &d);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_DDL);
    assert_int_equal(b->txns.at[0]->n_tags, 0);
    release(f, b);
    done_with(f);
}

static void a_table_that_was_never_described_is_corruption(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t = table(77, "unknown", false);
    struct source_block *b;

    (void)state;
    whole(f, 1, t, 1, 1);
    b = block(f, false);
    intake_drop_open(f->in, idle, f);
    assert_true(source_block_unref(b));
    source_block_free(b);
    table_def_unref(t);
    done_with(f);
}

static void another_table_version_counts_also_when_its_beginning_came_twice(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    const struct table_def *t1b = table(7, "t1", false);
    struct source_block *a, *b;

    (void)state;
    whole(f, 1, f->t1, 1, -1);
    record_write_table(&f->raw, t1b);
    begin(f, RECORD_TXN_PART, 2, 0);
    insert(f, t1b, 2, -1);
    txn_write_end(&f->w);
    a = block(f, true);
    assert_true(intake_is_open(f->in));
    intake_drop_open(f->in, idle, f);
    whole(f, 2, t1b, 2, -1);
    whole(f, 3, t1b, 3, -1);
    b = block(f, true);
    assert_int_equal(b->txns.n, 2);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_TABLES);
    assert_int_equal(b->txns.at[1]->class_, SOURCE_ROWS);
    release(f, a);
    release(f, b);
    table_def_unref(t1b);
    done_with(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_over_several_blocks_hold_their_blocks_until_released),
        cmocka_unit_test(an_unfinished_transaction_can_be_dropped_and_comes_again),
        cmocka_unit_test(a_transaction_beyond_the_limit_is_refused_with_its_size),
        cmocka_unit_test(a_large_transaction_comes_out_before_its_last_part),
        cmocka_unit_test(too_many_keys_make_a_barrier),
        cmocka_unit_test(the_first_transaction_of_another_table_version_has_its_tables_for_itself),
        cmocka_unit_test(another_table_version_counts_also_when_its_beginning_came_twice),
        cmocka_unit_test(a_ddl_in_scope_is_held_and_another_only_moves_the_position),
        cmocka_unit_test(a_ddl_has_the_tag_of_the_rows_of_its_table),
        cmocka_unit_test(a_ddl_whose_tables_are_not_surely_known_has_no_tags),
        cmocka_unit_test(a_table_that_was_never_described_is_corruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
