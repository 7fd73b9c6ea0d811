/* The server's text in the log's form: edges of each kind, and what is no value of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "components/endpoint/mysql/text_value.h"

/* A table of one column. */
static const struct table_def *table_of(enum kind kind, uint8_t scale)
{
    struct column_def column = {.name = "v",
                                .kind = kind,
                                .scale = scale,
                                .nullable = true,
                                .charset = "",
                                .collation = "",
                                .native = ""};
    struct table_def_builder b;
    const struct table_def *t;
    struct err e = ERR_INIT;

    table_def_builder_init(&b);
    b.def = (struct table_def){.db = "d",
                               .name = "t",
                               .engine = "",
                               .charset = "",
                               .collation = "",
                               .n_columns = 1,
                               .columns = &column,
                               .family = "",
                               .create_text = ""};
    if (!table_def_seal(&b, &t, &e))
        fail_msg("%s", e.message);
    table_def_builder_fini(&b);
    return t;
}

/* The canonical value; false: the text is no value of the kind, and nothing was written. */
static bool convert(enum kind kind, uint8_t scale, const char *shown, struct buf *out)
{
    const struct table_def *t = table_of(kind, scale);
    struct buf row, made;
    struct row_writer w;
    struct value v;
    struct err e = ERR_INIT;
    bool ok;

    buf_init(&row, 1 << 16);
    buf_init(&made, 1 << 16);
    buf_clear(out);
    row_begin(&w, &row, t, ROWS_MYSQL_TEXT, false);
    row_put_bytes(&w, shown, strlen(shown));
    row_end(&w);
    ok = text_value_row(t, (struct view){row.p, row.len}, &made, &e);
    assert_true(ok || (made.len == 0 && e.code == ERR_CORRUPT));
    if (ok) {
        assert_true(row_read(t, ROWS_CANONICAL, false, (struct view){made.p, made.len}, &v));
        buf_append(out, v.p, v.len);
    }
    buf_fini(&row);
    buf_fini(&made);
    table_def_unref(t);
    return ok;
}

static void assert_number(enum kind kind, uint8_t scale, const char *shown, uint64_t expected)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    if (!convert(kind, scale, shown, &out))
        fail_msg("'%s' was refused", shown);
    assert_int_equal(out.len, kind_width[kind]);
    assert_memory_equal(out.p, &expected, out.len);
    buf_fini(&out);
}

static void assert_decimal(uint8_t scale, const char *shown, const char *expected)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    if (!convert(KIND_DECIMAL, scale, shown, &out))
        fail_msg("'%s' was refused", shown);
    assert_string_equal(buf_cstr(&out), expected);
    buf_fini(&out);
}

static void assert_refused(enum kind kind, uint8_t scale, const char *shown)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    if (convert(kind, scale, shown, &out))
        fail_msg("'%s' was taken", shown);
    buf_fini(&out);
}

static void numbers_are_taken_to_their_edges_and_no_further(void **state)
{
    (void)state;
    assert_number(KIND_I8, 0, "-128", (uint64_t)-128);
    assert_refused(KIND_I8, 0, "-129");
    assert_refused(KIND_I8, 0, "128");
    assert_number(KIND_I64, 0, "-9223372036854775808", 1ull << 63);
    assert_refused(KIND_I64, 0, "9223372036854775808");
    assert_number(KIND_U64, 0, "18446744073709551615", UINT64_MAX);
    assert_refused(KIND_U64, 0, "18446744073709551616");
    assert_refused(KIND_U32, 0, "-1");
    assert_number(KIND_U32, 0, "00000042", 42); /* ZEROFILL */
    assert_number(KIND_YEAR, 0, "0000", 0);
    assert_refused(KIND_U16, 0, "");
    assert_refused(KIND_U16, 0, "7x");
}

static void decimals_have_one_form(void **state)
{
    (void)state;
    assert_decimal(2, "000.50", "0.50");
    assert_decimal(2, "-0012.50", "-12.50");
    assert_decimal(2, "-0.00", "0.00");
    assert_decimal(0, "0", "0");
    assert_decimal(0, "-7", "-7");
    assert_refused(KIND_DECIMAL, 2, "1.5");
    assert_refused(KIND_DECIMAL, 2, "1");
    assert_refused(KIND_DECIMAL, 2, ".50");
    assert_refused(KIND_DECIMAL, 0, "1.");
    assert_refused(KIND_DECIMAL, 1, "");
    assert_refused(KIND_DECIMAL, 1, "1e1");
}

static void times_are_packed_as_the_log_has_them(void **state)
{
    (void)state;
    assert_number(KIND_DATE, 0, "2024-00-15", 2024u << 9 | 15);
    assert_number(KIND_TIME, 6, "-838:59:59.999999", (uint64_t)-3020399999999ll);
    assert_number(KIND_TIME, 3, "-00:00:00.500", (uint64_t)-500000);
    assert_number(KIND_DATETIME, 0, "0000-00-00 00:00:00", 0);
    assert_number(KIND_DATETIME, 1, "2023-02-31 01:02:03.5",
                  ((((2023ull * 13 + 2) << 5 | 31) << 17) | 1 << 12 | 2 << 6 | 3) << 24 | 500000);
    assert_number(KIND_TIMESTAMP, 0, "0000-00-00 00:00:00", 0);
    assert_number(KIND_TIMESTAMP, 0, "1970-01-01 00:00:01", 1000000);
    assert_number(KIND_TIMESTAMP, 6, "2038-01-19 03:14:07.999999", 2147483647999999ull);
    assert_number(KIND_TIMESTAMP, 0, "2024-02-29 00:00:00", 1709164800000000ull);
    assert_refused(KIND_TIMESTAMP, 0, "2024-02-00 00:00:00");
    assert_refused(KIND_DATE, 0, "2024-01-01 00:00:00");
    assert_refused(KIND_DATETIME, 0, "2024-01-01");
    assert_refused(KIND_TIME, 0, "839:00:00");
    assert_refused(KIND_TIME, 6, "00:00:00.");
}

static void floats_are_their_bits(void **state)
{
    float f = 0.33333334f;
    double d = -2.25e-300;
    uint64_t bits = 0;

    (void)state;
    memcpy(&bits, &f, sizeof f);
    assert_number(KIND_FLOAT, 0, "0.3333333432674408", bits);
    memcpy(&bits, &d, sizeof d);
    assert_number(KIND_DOUBLE, 0, "-2.25e-300", bits);
    assert_refused(KIND_DOUBLE, 0, "1.5 ");
    assert_refused(KIND_FLOAT, 0, "");
}

static void bytes_stay_as_they_are(void **state)
{
    (void)state;
    assert_refused(KIND_UUID, 0, "short");
    assert_number(KIND_INET4, 0, "\1\2\3\4", 0x04030201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_to_their_edges_and_no_further),
        cmocka_unit_test(decimals_have_one_form),
        cmocka_unit_test(times_are_packed_as_the_log_has_them),
        cmocka_unit_test(floats_are_their_bits),
        cmocka_unit_test(bytes_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
