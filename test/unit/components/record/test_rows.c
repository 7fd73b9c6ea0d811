/* Rows as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "components/record/rows.h"

#define COLUMNS 11 /* more than a byte of bitmap */

/* Columns of kinds 8, 16, 32, 64 bits, text, and so on round again. */
static const struct table_def *wide_table(void)
{
    static const enum kind kinds[] = {KIND_I8, KIND_TEXT, KIND_I64, KIND_UUID, KIND_BYTES};
    struct column_def columns[COLUMNS];
    struct table_def_builder b;
    const struct table_def *t = NULL;
    struct err e = ERR_INIT;

    for (size_t i = 0; i < COLUMNS; i++)
        columns[i] = (struct column_def){.name = "c",
                                         .kind = kinds[i % ARRAY_LEN(kinds)],
                                         .nullable = true,
                                         .charset = "",
                                         .collation = "",
                                         .native = ""};
    table_def_builder_init(&b);
    b.def = (struct table_def){.db = "d",
                               .name = "t",
                               .engine = "",
                               .charset = "",
                               .collation = "",
                               .n_columns = COLUMNS,
                               .columns = columns,
                               .create_text = ""};
    assert_true(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

/* A row whose every value is known from (seed, column). */
static enum value_state state_of(unsigned seed, unsigned column, bool has_absent)
{
    unsigned x = (seed * 2654435761u + column * 40503u) >> 7 & 3;

    return x == 0 ? VALUE_NULL : x == 1 && has_absent ? VALUE_ABSENT : VALUE_SET;
}

static void put(struct row_writer *w, const struct table_def *t, unsigned seed, unsigned i)
{
    uint8_t bytes[300];
    size_t width = w->encoding == ROWS_CANONICAL ? kind_width[t->columns[i].kind] : 0;

    memset(bytes, (int)(seed + i), sizeof bytes);
    if (width == 8 || width == 1)
        row_put_u64(w, 0x0101010101010101u * ((seed + i) & 0xff));
    else if (width)
        row_put_fixed(w, bytes);
    else
        row_put_bytes(w, bytes, (seed * 37 + i * 101) % sizeof bytes);
}

static void write_row(struct buf *out, const struct table_def *t, enum rows_encoding enc,
                      bool has_absent, unsigned seed)
{
    struct row_writer w;

    row_begin(&w, out, t, enc, has_absent);
    for (unsigned i = 0; i < COLUMNS; i++) {
        enum value_state s = state_of(seed, i, has_absent);

        if (s == VALUE_NULL)
            row_put_null(&w);
        else if (s == VALUE_ABSENT)
            row_put_absent(&w);
        else
            put(&w, t, seed, i);
    }
    row_end(&w);
}

static void check_row(struct view row, const struct table_def *t, enum rows_encoding enc,
                      bool has_absent, unsigned seed)
{
    struct value v[COLUMNS];

    assert_true(row_read(t, enc, has_absent, row, v));
    for (unsigned i = 0; i < COLUMNS; i++) {
        size_t width = enc == ROWS_CANONICAL ? kind_width[t->columns[i].kind] : 0;

        assert_int_equal(v[i].state, state_of(seed, i, has_absent));
        if (v[i].state != VALUE_SET)
            continue;
        assert_int_equal(v[i].len, width ? width : (seed * 37 + i * 101) % 300);
        for (size_t k = 0; k < v[i].len; k++)
            assert_int_equal(v[i].p[k], (uint8_t)(seed + i));
    }
}

static void rows_come_back_as_they_were_written(void **state)
{
    const struct table_def *t = wide_table();

    (void)state;
    for (unsigned seed = 0; seed < 200; seed++)
        for (int form = 0; form < 4; form++) {
            enum rows_encoding enc = form & 1 ? ROWS_CANONICAL : ROWS_MYSQL_TEXT;
            struct buf b;

            buf_init(&b, 1 << 20);
            write_row(&b, t, enc, form & 2, seed);
            assert_true(buf_ok(&b));
            check_row((struct view){b.p, b.len}, t, enc, form & 2, seed);
            buf_fini(&b);
        }
    table_def_unref(t);
}

static void a_row_that_is_too_short_or_too_long_is_refused(void **state)
{
    const struct table_def *t = wide_table();
    struct value v[COLUMNS];
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    write_row(&b, t, ROWS_CANONICAL, true, 3);
    for (size_t cut = 0; cut < b.len; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a read past the end is seen */

        memcpy(exact, b.p, cut);
        assert_false(row_read(t, ROWS_CANONICAL, true, (struct view){exact, cut}, v));
        free(exact);
    }
    buf_u8(&b, 0);
    assert_false(row_read(t, ROWS_CANONICAL, true, (struct view){b.p, b.len}, v));
    buf_fini(&b);
    table_def_unref(t);
}

static void a_batch_keeps_the_bounds_of_its_rows(void **state)
{
    const struct table_def *t = wide_table();
    struct rows *r = rows_new(t, ROWS_MYSQL_TEXT, 1 << 20);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (unsigned seed = 0; seed < 50; seed++) {
            write_row(&r->bytes, t, ROWS_MYSQL_TEXT, false, seed);
            rows_added(r);
        }
        assert_int_equal(r->n, 50);
        for (unsigned seed = 0; seed < 50; seed++)
            check_row(rows_at(r, seed), t, ROWS_MYSQL_TEXT, false, seed);
        rows_clear(r);
        assert_int_equal(r->n, 0);
    }
    rows_free(r);
    rows_free(NULL);
    table_def_unref(t);
}

static void a_full_buffer_is_said_and_nothing_is_written_past_it(void **state)
{
    const struct table_def *t = wide_table();
    struct buf b;

    (void)state;
    for (size_t max = 0; max < 64; max++) {
        buf_init(&b, max);
        write_row(&b, t, ROWS_CANONICAL, true, 4);
        assert_false(buf_ok(&b));
        assert_true(b.len <= max);
        buf_fini(&b);
    }
    table_def_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were_written),
        cmocka_unit_test(a_row_that_is_too_short_or_too_long_is_refused),
        cmocka_unit_test(a_batch_keeps_the_bounds_of_its_rows),
        cmocka_unit_test(a_full_buffer_is_said_and_nothing_is_written_past_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
