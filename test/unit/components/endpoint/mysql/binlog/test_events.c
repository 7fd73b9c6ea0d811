/* Events of files that a real server wrote decode to what its own tool shows; damaged ones are
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "components/endpoint/mysql/binlog/crc.h"
#include "components/endpoint/mysql/binlog/query.h"
#include "components/endpoint/mysql/binlog/value.h"
#include "test/lib/binlog_text.h"

#define ALL_TYPES "test/data/mariadb_all_types.binlog"
#define MINIMAL "test/data/mariadb_minimal_images.binlog"

static void assert_has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no line '%.200s'", line);
}

static void every_type_decodes_to_its_value(void **state)
{
    (void)state;
    struct buf out;
    const char *text = binlog_text_of(ALL_TYPES, &out);

    assert_has(text, "INSERT f.a => 1, x'123e4567e89b12d3a456426655440000',"
                     " x'00000000000000000000000000000001', x'01020304', '{\"a\":1}', 'abababab");
    assert_has(text,
               "ab', 5, 2, 3, -01:02:03.456, 2024-01-02 03:04:05.678901, 2024-01-02 03:04:05.67,"
               " -123.456, x'000000000101000000000000000000f03f0000000000000040', 2024, 2, 'hello',"
               " 1.5, -2.25, -1, 255, -8388608, 18446744073709551615, 2024-02-29, 'ab',"
               " x'010200000000', x'68c3a96c6c6f', x'0100',"
               " -12345678901234567890123456789012345.012345678901234567890123456789,"
               " 1000-01-01 00:00:00, -838:59:59, 1, 9223372036854775809\n");
    buf_fini(&out);
}

static void nulls_and_negative_keys_decode(void **state)
{
    (void)state;
    struct buf out;
    const char *text = binlog_text_of(ALL_TYPES, &out);

    assert_has(text, "INSERT f.a => 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
                     " NULL, NULL, NULL, NULL, 3, NULL");
    assert_has(text, "INSERT f.a => -3, NULL");
    assert_has(text, "INSERT f.nopk => NULL, NULL\n");
    assert_has(text, "DELETE f.a 2, NULL");
    buf_fini(&out);
}

static void groups_and_statements_decode_in_order(void **state)
{
    (void)state;
    struct buf out;
    const char *text = binlog_text_of(ALL_TYPES, &out);

    assert_has(text, "GTID 0-7-36\nANNOTATE_ROWS\nINSERT f.nopk => 5, 'sp'\nQUERY f: SAVEPOINT `s1`"
                     "\nANNOTATE_ROWS\nINSERT f.nopk => 7, 'kept'\nXID\n");
    assert_has(text, "QUERY f: XA END X'71',X'62',7\nXA_PREPARE\nGTID 0-7-35\n"
                     "QUERY f: XA COMMIT X'71',X'62',7\n");
    assert_has(text, "QUERY f: rename table nopk to nopk2\n");
    buf_fini(&out);
}

static void compressed_events_and_columns_unpack(void **state)
{
    (void)state;
    struct buf out;
    char q[2001];
    const char *text = binlog_text_of(ALL_TYPES, &out);

    memset(q, 'q', sizeof q - 1);
    q[sizeof q - 1] = '\0';
    const char *at = strstr(text, "INSERT f.nopk => 8, '");
    assert_non_null(at);
    at += strlen("INSERT f.nopk => 8, '");
    assert_memory_equal(at, q, sizeof q - 1);
    assert_int_equal(at[sizeof q - 1], '\'');
    buf_fini(&out);
}

static void columns_that_are_not_in_an_image_are_absent(void **state)
{
    (void)state;
    struct buf out;
    const char *text = binlog_text_of(MINIMAL, &out);

    assert_has(text, "UPDATE t.mi 1, -, -, - => -, -, 'z', -\n"); /* MINIMAL */
    assert_has(text, "DELETE t.mi 1, -, -, - =>\n");
    assert_has(text, "UPDATE t.mi 1, 2, -, - => 1, 3, -, -\n"); /* NOBLOB */
    buf_fini(&out);
}

static void padding_that_the_server_cut_is_restored(void **state)
{
    (void)state;
    struct buf out;
    const char *text = binlog_text_of(MINIMAL, &out);

    assert_has(text, "INSERT t.uu => x'123e4567e89b12d3a456426655440011', x'010200000000', 'a',"
                     " x'fe800000000000000000000000000000', x'0100'\n");
    buf_fini(&out);
}

/* Each single bit of the first 3 KB, flipped, is noticed. */
static void a_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct view v = binlog_text_file(ALL_TYPES);
    uint8_t *p = (uint8_t *)(uintptr_t)v.p;
    struct buf out;

    buf_init(&out, 64u << 20);
    for (size_t bit = 4 * 8; bit < 3000 * 8; bit += 7) {
        struct err e = ERR_INIT;
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        buf_clear(&out);
        if (binlog_text(v, &out, &e))
            fail_msg("bit %zu", bit);
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_fini(&out);
    free(p);
}

static void a_file_cut_inside_an_event_is_refused(void **state)
{
    (void)state;
    struct view v = binlog_text_file(ALL_TYPES);
    struct buf out;
    unsigned whole = 0;

    buf_init(&out, 64u << 20);
    for (size_t n = 5; n < v.len; n++) {
        struct err e = ERR_INIT;
        buf_clear(&out);
        whole += binlog_text((struct view){v.p, n}, &out, &e);
    }
    assert_int_equal(whole, 73); /* as many as there are events but the last */
    buf_fini(&out);
    free((void *)(uintptr_t)v.p);
}

static void the_checksum_is_that_of_zlib(void **state)
{
    (void)state;
    uint8_t b[700];

    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i * 31 + i / 7);
    for (size_t n = 0; n < 600; n++)
        for (size_t from = 0; from < 3; from++)
            assert_int_equal(binlog_crc((uint32_t)n * 77, b + from, n),
                             crc32(n * 77, b + from, (uInt)n));
}

struct decimal_row {
    unsigned precision, scale;
    const char *bytes;
    size_t n;
    const char *text;
};

static void packed_decimals_become_text(void **state)
{
    (void)state;
    static const struct decimal_row rows[] = {
        {10, 3, "\x7f\xff\xff\x84\xfe\x37", 6, "-123.456"},
        {10, 3, "\x80\x00\x00\x7b\x01\xc8", 6, "123.456"},
        {10, 3, "\x80\x00\x00\x00\x00\x00", 6, "0.000"},
        {1, 0, "\x89", 1, "9"},
        {1, 0, "\x76", 1, "-9"},
        {9, 9, "\x80\x00\x00\x01", 4, "0.000000001"},
        {18, 9, "\x80\x00\x00\x01\x00\x00\x00\x02", 8, "1.000000002"},
        {4, 2, "\x80\x05", 2, "0.05"},
        {4, 2, "\x7f\xfa", 2, "-0.05"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t text[DECIMAL_TEXT_MAX + 1];
        assert_int_equal(decimal_size(rows[i].precision, rows[i].scale), rows[i].n);
        unsigned n =
            decimal_text((const uint8_t *)rows[i].bytes, rows[i].precision, rows[i].scale, text);
        text[n] = '\0';
        assert_string_equal((const char *)text, rows[i].text);
    }
}

static void a_decimal_group_beyond_its_digits_is_refused(void **state)
{
    (void)state;
    uint8_t text[DECIMAL_TEXT_MAX];

    assert_int_equal(decimal_text((const uint8_t *)"\x8a", 1, 0, text), 0);
}

static void times_keep_their_sign_and_fraction(void **state)
{
    (void)state;
    int64_t us;

    assert_true(time2_us((const uint8_t *)"\x7f\xef\x7c\xee\x30", 3, &us));
    assert_int_equal(us, -3723456000);
    assert_true(time2_us((const uint8_t *)"\x80\x00\x01", 0, &us));
    assert_int_equal(us, 1000000);
    assert_true(time2_us((const uint8_t *)"\x7f\xff\xff\xff\xff\xff", 6, &us));
    assert_int_equal(us, -1);
    assert_false(time2_us((const uint8_t *)"\x80\x00\x3f", 0, &us)); /* 63 seconds */
}

static void every_event_of_the_table_has_a_use(void **state)
{
    (void)state;
    unsigned known = 0;

    for (unsigned type = 0; type < 256; type++) {
        bool named = strcmp(binlog_type_name((uint8_t)type), "?") != 0;
        assert_int_equal(named, binlog_use_of((uint8_t)type) != BINLOG_UNKNOWN);
        known += named;
    }
    assert_true(known > 40);
    assert_int_equal(binlog_use_of(BINLOG_INTVAR), BINLOG_STATEMENT);
    assert_int_equal(binlog_use_of(BINLOG_INCIDENT), BINLOG_REFUSE);
    assert_int_equal(binlog_use_of(200), BINLOG_UNKNOWN);
}

/* One byte of status after an unknown variable does not matter, and never reads past the end. */
static void status_variables_stop_at_an_unknown_one(void **state)
{
    (void)state;
    static const uint8_t body[] = {1,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   1,
                                   0,
                                   0,
                                   /* status_len */ 15,
                                   0,
                                   /* sql_mode */ 1,
                                   4,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   /* unknown */ 77,
                                   9,
                                   9,
                                   9,
                                   9,
                                   9,
                                   'd',
                                   0,
                                   'X'};
    struct binlog_header h = {.type = BINLOG_QUERY};
    struct inflater z = {.open = false};
    struct binlog_query q;
    struct buf scratch;
    struct err e = ERR_INIT;

    buf_init(&scratch, 100);
    assert_true(binlog_read_query(&h, (struct view){body, sizeof body}, &z, &scratch, &q, &e));
    assert_int_equal(q.told, BINLOG_Q_SQL_MODE);
    assert_int_equal(q.sql_mode, 4);
    assert_int_equal(q.status.len, 15);
    assert_memory_equal(q.db.p, "d", 1);
    assert_memory_equal(q.sql.p, "X", 1);
    buf_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_decodes_to_its_value),
        cmocka_unit_test(nulls_and_negative_keys_decode),
        cmocka_unit_test(groups_and_statements_decode_in_order),
        cmocka_unit_test(compressed_events_and_columns_unpack),
        cmocka_unit_test(columns_that_are_not_in_an_image_are_absent),
        cmocka_unit_test(padding_that_the_server_cut_is_restored),
        cmocka_unit_test(a_flipped_bit_is_noticed),
        cmocka_unit_test(a_file_cut_inside_an_event_is_refused),
        cmocka_unit_test(the_checksum_is_that_of_zlib),
        cmocka_unit_test(packed_decimals_become_text),
        cmocka_unit_test(a_decimal_group_beyond_its_digits_is_refused),
        cmocka_unit_test(times_keep_their_sign_and_fraction),
        cmocka_unit_test(every_event_of_the_table_has_a_use),
        cmocka_unit_test(status_variables_stop_at_an_unknown_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
