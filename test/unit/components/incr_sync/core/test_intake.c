/* From block bytes to transactions: identities, parts, keys, what each table's rows are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/intake.h"

#define ORIGIN "mariadb:0"

struct fixture {
    struct txn_set low, done, begin, end;
    struct intake *in;
    struct buf raw;
    struct txn_writer w;
    const struct table_def *t1, *t2;
    uint32_t idle;
    bool ddl_held;
};

/* id BIGINT PRIMARY KEY, u INT NULL UNIQUE, name TEXT (not a key, unless name_is_key). */
static const struct table_def *table(uint32_t id, const char *name, bool name_is_key)
{
    static const struct column_def columns[] = {
        {.name = "id", .kind = KIND_I64, .charset = "", .collation = "", .native = "bigint(20)"},
        {.name = "u",
         .kind = KIND_I32,
         .nullable = true,
         .charset = "",
         .collation = "",
         .native = "int(11)"},
        {.name = "name",
         .kind = KIND_TEXT,
         .charset = "utf8mb4",
         .collation = "utf8mb4_general_ci",
         .native = "varchar(20)",
         .length = 20},
    };
    static const struct key_part id_part[] = {{.column = 0}}, u_part[] = {{.column = 1}},
                                 name_part[] = {{.column = 2}};
    static const struct key_def keys[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = id_part},
        {.name = "u", .unique = true, .n_parts = 1, .parts = u_part},
        {.name = "name", .unique = true, .n_parts = 1, .parts = name_part},
    };
    struct table_def_builder b;
    const struct table_def *t;
    struct err e = ERR_INIT;

    table_def_builder_init(&b);
    b.def.id = id;
    b.def.db = arena_strdup(&b.arena, "shop");
    b.def.name = arena_strdup(&b.arena, name);
    b.def.engine = b.def.charset = b.def.collation = b.def.create_text = "";
    b.def.n_columns = 3;
    b.def.columns = columns;
    b.def.n_keys = name_is_key ? 3 : 2;
    b.def.keys = keys;
    assert_true(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

static void scope(void *arg, const struct table_def *t, struct intake_scope *out)
{
    struct fixture *f = arg;

    out->in_scope = strcmp(t->name, "other") != 0;
    out->to_db = t->db;
    out->to_name = t->name;
    if (strcmp(t->name, "t2") == 0) {
        out->begin = &f->begin;
        out->end = &f->end;
    }
}

static bool ddl_in_scope(void *arg, const struct ddl_record *d)
{
    (void)d;
    return ((struct fixture *)arg)->ddl_held;
}

static bool fold(void *arg, const struct column_def *c)
{
    (void)arg;
    return c->kind != KIND_TEXT;
}

static void idle(void *arg, struct source_block *b)
{
    ((struct fixture *)arg)->idle++;
    source_block_free(b);
}

static const char *origin(void)
{
    return origin_intern(ORIGIN, strlen(ORIGIN));
}

static struct fixture *make(uint64_t low_to, uint64_t limit)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct intake_params p = {.low = &f->low,
                              .done = &f->done,
                              .scope = scope,
                              .ddl_in_scope = ddl_in_scope,
                              .fold_exact = fold,
                              .arg = f,
                              .txn_limit_bytes = limit,
                              .barrier_bytes = limit,
                              .barrier_keys = 50};

    if (low_to)
        txn_set_add(&f->low, origin(), 1, low_to);
    txn_set_add(&f->done, origin(), 12, 12);
    txn_set_add(&f->begin, origin(), 1, 20);
    txn_set_add(&f->end, origin(), 1, 30);
    f->in = intake_new(&p);
    buf_init(&f->raw, 1u << 20);
    txn_writer_init(&f->w, &f->raw);
    f->t1 = table(1, "t1", false);
    f->t2 = table(2, "t2", false);
    record_write_table(&f->raw, f->t1);
    record_write_table(&f->raw, f->t2);
    return f;
}

static void done_with(struct fixture *f)
{
    intake_free(f->in);
    txn_set_fini(&f->low);
    txn_set_fini(&f->done);
    txn_set_fini(&f->begin);
    txn_set_fini(&f->end);
    buf_fini(&f->raw);
    table_def_unref(f->t1);
    table_def_unref(f->t2);
    free(f);
}

static void put_row(struct fixture *f, const struct table_def *t, int64_t id, int64_t u)
{
    struct row_writer rw;
    size_t mark = txn_image_begin(&f->w);

    row_begin(&rw, &f->raw, t, ROWS_CANONICAL, false);
    row_put_u64(&rw, (uint64_t)id);
    if (u < 0)
        row_put_null(&rw);
    else
        row_put_u64(&rw, (uint64_t)u);
    row_put_bytes(&rw, "x", 1);
    row_end(&rw);
    txn_image_end(&f->w, mark);
}

static void begin(struct fixture *f, enum record_type type, uint64_t seq, uint32_t part)
{
    struct txn_head h = {.id = {origin(), seq},
                         .covers_from = seq,
                         .commit = {1000},
                         .part = part,
                         .flags = type == RECORD_TXN ? TXN_F_LAST : 0};

    txn_write_begin(&f->w, type, &h);
}

static void insert(struct fixture *f, const struct table_def *t, int64_t id, int64_t u)
{
    txn_write_change(&f->w, t->id, CHANGE_INSERT, 0, IMAGE_FULL);
    put_row(f, t, id, u);
}

static void whole(struct fixture *f, uint64_t seq, const struct table_def *t, int64_t id, int64_t u)
{
    begin(f, RECORD_TXN, seq, 0);
    insert(f, t, id, u);
    txn_write_end(&f->w);
}

/* Gives what was written so far to the intake as one block, and starts the next. */
static struct source_block *block(struct fixture *f, bool expected)
{
    struct source_block *b = source_block_new(f->raw.len + 1);
    struct err e = ERR_INIT;

    assert_true(buf_ok(&f->raw));
    buf_append(&b->raw, f->raw.p, f->raw.len);
    buf_clear(&f->raw);
    assert_int_equal(intake_block(f->in, b, &e), expected);
    return b;
}

static void release(struct fixture *f, struct source_block *b)
{
    for (size_t i = 0; i < b->txns.n; i++)
        source_txn_release(b->txns.at[i], idle, f);
    if (source_block_unref(b))
        idle(f, b);
}

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

static void the_first_transaction_of_another_table_version_is_a_barrier(void **state)
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
    assert_int_equal(b->txns.at[1]->class_, SOURCE_BARRIER);
    assert_int_equal(b->txns.at[2]->class_, SOURCE_ROWS);
    release(f, b);
    table_def_unref(t);
    done_with(f);
}

static void a_ddl_in_scope_is_held_and_another_only_moves_the_position(void **state)
{
    struct fixture *f = make(0, 1u << 20);
    struct txn_head h = {.id = {origin(), 1}, .covers_from = 1, .flags = TXN_F_LAST};
    struct ddl_record d = {.sql = {(const uint8_t *)"DROP TABLE t1", 13},
                           .ddl_kind = DDL_DROP_TABLE,
                           .in_scope = true};
    struct source_block *b;

    (void)state;
    f->ddl_held = true;
    record_write_ddl(&f->raw, &h, &d);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_DDL);
    assert_int_equal(b->txns.at[0]->ddl->sql.len, 13);
    release(f, b);
    f->ddl_held = false;
    h.id.seq = h.covers_from = 2;
    record_write_ddl(&f->raw, &h, &d);
    b = block(f, true);
    assert_int_equal(b->txns.at[0]->class_, SOURCE_EMPTY);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_has_one_key_for_each_unique_key_and_none_for_null),
        cmocka_unit_test(an_update_has_the_keys_of_both_images),
        cmocka_unit_test(a_key_that_is_not_exact_makes_the_table_one_key),
        cmocka_unit_test(what_is_inside_low_is_dropped_and_what_is_inside_done_becomes_empty),
        cmocka_unit_test(a_transaction_delivered_twice_comes_out_once),
        cmocka_unit_test(rows_inside_begin_are_skipped_and_inside_end_overlap),
        cmocka_unit_test(a_table_out_of_scope_is_not_a_row_to_write),
        cmocka_unit_test(parts_over_several_blocks_hold_their_blocks_until_released),
        cmocka_unit_test(an_unfinished_transaction_can_be_dropped_and_comes_again),
        cmocka_unit_test(a_transaction_beyond_the_limit_is_refused_with_its_size),
        cmocka_unit_test(too_many_keys_make_a_barrier),
        cmocka_unit_test(the_first_transaction_of_another_table_version_is_a_barrier),
        cmocka_unit_test(a_ddl_in_scope_is_held_and_another_only_moves_the_position),
        cmocka_unit_test(a_table_that_was_never_described_is_corruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
