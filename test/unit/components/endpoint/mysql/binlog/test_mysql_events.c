/* Files that MySQL 9.7 wrote decode to what the server itself shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "components/endpoint/mysql/binlog/mysql_gtid.h"
#include "components/endpoint/mysql/binlog/payload.h"
#include "components/endpoint/mysql/binlog/rows_event.h"
#include "test/lib/binlog_text.h"

#define ALL_TYPES "test/data/mysql_all_types.binlog"
#define JSON_TEXTS "test/data/mysql_json.tsv" /* id, CAST(j AS CHAR) */
#define EVENTS "test/data/mysql_events.binlog"
#define PREVIOUS "test/data/mysql_previous_gtids.binlog"
#define UUID "bf849fc8-e587-11f1-bcf3-02fc00000001"

static void assert_has(const char *path, const char *lines)
{
    struct buf out;
    const char *text = binlog_text_of(path, &out);

    if (!strstr(text, lines))
        fail_msg("not in %s: %.300s", path, lines);
    buf_fini(&out);
}

/* --- types --------------------------------------------------------------------------------------
 */

static void every_type_decodes_to_its_value(void **state)
{
    (void)state;
    assert_has(ALL_TYPES,
               "INSERT f.a => 1, -1, 255, -2, 65535, -8388608, 16777215, 4294967295, -9,"
               " 18446744073709551615, 1.5, -2.25, -123.456,"
               " -12345678901234567890123456789012345.012345678901234567890123456789, 1, 513,"
               " 9223372036854775809, 2024, 2024-02-29, -01:02:03, -01:02:03.456,"
               " 838:59:58.999999, 1000-01-01 00:00:00, 2024-01-02 03:04:05.67,"
               " 9999-12-31 23:59:59.999999, 2001-02-03 04:05:06, 2001-02-03 04:05:06.7,"
               " 2001-02-03 04:05:06.000007, 'ab', x'c3bc', x'6800e9', 'long', x'010200000000',"
               " x'0100', 'tiny', 'text', 'longtext', x'00ff', 2, 5, '{\"a\": 1}',"
               " x'000000000101000000000000000000f03f0000000000000040',"
               " x'e6100000010100000000000000000034400000000000002440',"
               " x'0000803f000020c07684df50', 2, 2, 9\n");
}

/* Every second value of the line is the server's own text of it. */
static void json_is_printed_as_the_server_prints_it(void **state)
{
    (void)state;
    struct buf out;
    const char *text = binlog_text_of(ALL_TYPES, &out);
    struct view file = binlog_text_file(JSON_TEXTS);
    struct buf line;
    unsigned n = 0;

    buf_init(&line, 1u << 20);
    for (size_t at = 0; at < file.len;) {
        const uint8_t *end = memchr(file.p + at, '\n', file.len - at);
        const uint8_t *tab = memchr(file.p + at, '\t', file.len - at);
        assert_true(end && tab && tab < end);
        buf_clear(&line);
        buf_printf(&line, "INSERT f.j => %.*s, ", (int)(tab - file.p - (ptrdiff_t)at), file.p + at);
        bool plain = true;
        for (const uint8_t *p = tab + 1; p < end; p++)
            plain = plain && *p >= 0x20 && *p < 0x7f && *p != '\'';
        buf_str(&line, plain ? "'" : "x'");
        for (const uint8_t *p = tab + 1; p < end; p++)
            if (plain)
                buf_u8(&line, *p);
            else
                buf_printf(&line, "%02x", *p);
        buf_str(&line, "'\n");
        if (!strstr(text, buf_cstr(&line)))
            fail_msg("%.300s", buf_cstr(&line));
        at = (size_t)(end - file.p) + 1;
        n++;
    }
    assert_true(n > 45);
    buf_fini(&line);
    buf_fini(&out);
    free((void *)(uintptr_t)file.p);
}

/* --- events -------------------------------------------------------------------------------------
 */

static void partial_updates_give_the_whole_document(void **state)
{
    (void)state;
    assert_has(EVENTS, " => 1, 1, '{\"a\": {\"b\": [1, 22, 3], \"c\": \"yy\"}, \"zz\": 1, ");
    assert_has(EVENTS, " => 1, 1, '{\"a\": {\"b\": [1, 22, 3, \"end\"], \"c\": \"yy\"},"
                       " \"zz\": {\"q\": 1}, \"long\": \"llll");
    assert_has(EVENTS, "llll\", \"new key\": \"n\"}', '[1, 9, 2, 3, \"tail\"]', 't'\n");
    assert_has(EVENTS, " => 1, 5, '{\"a\": {\"b\": [22, 3, \"end\"]}, \"a\\\"b\": true, \"long\"");
    assert_has(EVENTS, "\"new key\": \"n\"}', '[[1, \"two\"], 9, 2, 3, \"tail\"]', 't'\n");
    assert_has(EVENTS, "UPDATE f.p 2, 2, '{\"a\": 1}', NULL, 'u' => 2, 2, '{\"a\": 2}', NULL, 'u'");
    assert_has(EVENTS, "UPDATE f.p 3, 3, '[]', '{}', 'tagged' => 3, 4, '[]', '{}', 'tagged'\n");
}

static void compressed_transactions_give_their_events(void **state)
{
    (void)state;
    assert_has(EVENTS, "PAYLOAD\nQUERY f: BEGIN\nINSERT f.p => 4, 4, '{\"c\": 1}', NULL, 'zzzz");
    assert_has(EVENTS, "DELETE f.p 5, 5, NULL, NULL, 'five' =>\nXID\n");
    assert_has(EVENTS, "INSERT f.p => 104, 4, '{\"c\": 1}', NULL, 'y'\nXID\n");
}

static void images_of_every_kind_say_what_is_absent(void **state)
{
    (void)state;
    assert_has(EVENTS, "UPDATE f.p 9, -, -, -, - => -, 77, -, -, -\n");
    assert_has(EVENTS, "DELETE f.p 9, -, -, -, - =>\n");
    assert_has(EVENTS, "INSERT f.p => 90, -, -, -, -\n");
    assert_has(EVENTS, "UPDATE f.p 90, -, -, -, - => -, -, '{\"x\": 3}', -, -\n");
    assert_has(EVENTS, "UPDATE f.p 2, 4, '{\"a\": 2}', NULL, - => 2, 3, '{\"a\": 2}', NULL, -\n");
}

static void statements_partitions_and_cascades_decode(void **state)
{
    (void)state;
    assert_has(EVENTS, "ROWS_QUERY\nUPDATE f.p 2, 3, ");
    assert_has(EVENTS, "QUERY f: XA START X'71',X'62',7\nINSERT f.p => 6, 6, NULL, NULL, 'xa'\n"
                       "QUERY f: XA END X'71',X'62',7\nXA_PREPARE\n");
    assert_has(EVENTS, "UPDATE f.pa 7, 3 => 107, 3\n"); /* from one partition into another */
    assert_has(EVENTS, "INSERT f.fe => 1, 'x'\n");      /* an index's hidden column is not there */
    assert_has(EVENTS, "DELETE f.chi 1, 1 =>\nDELETE f.chi 2, 1 =>\nDELETE f.par 1 =>\nXID\n");
}

/* --- identities ---------------------------------------------------------------------------------
 */

static void identities_have_uuid_tag_and_number(void **state)
{
    (void)state;
    assert_has(EVENTS, "GTID mysql:" UUID " 3 in 500\n");
    assert_has(EVENTS, "GTID mysql:" UUID ":mytag 1 in 332\n");
    assert_has(PREVIOUS, "PREVIOUS_GTIDS " UUID ":1-47," UUID ":mytag:1," UUID ":other_tag:1\n");
}

static void sets_come_back_from_both_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "mysql:" UUID "=1-5,7,9-9223372036854775807",
                                        "mysql:" UUID "=3;mysql:" UUID
                                        ":abc=1,4-6;mysql:00000000-0000-0000-0000-000000000001=8"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct txn_set s, back;
        struct buf b;
        struct err e = ERR_INIT;
        buf_init(&b, 4096);
        txn_set_init(&s);
        txn_set_init(&back);
        assert_true(txn_set_parse(texts[i], &s, &e));
        assert_true(mysql_gtid_set_write(&s, &b, &e));
        assert_true(mysql_gtid_set_read((struct view){b.p, b.len}, &back, &e));
        assert_true(txn_set_equal(&s, &back));
        for (size_t n = 0; n < b.len; n++) { /* never one byte less */
            struct txn_set cut;
            struct err e2 = ERR_INIT;
            txn_set_init(&cut);
            assert_false(mysql_gtid_set_read((struct view){b.p, n}, &cut, &e2));
            txn_set_fini(&cut);
        }
        txn_set_fini(&s);
        txn_set_fini(&back);
        buf_fini(&b);
    }
}

static void a_set_of_another_kind_of_server_is_refused(void **state)
{
    (void)state;
    struct txn_set s;
    struct buf b;
    struct err e = ERR_INIT;

    buf_init(&b, 4096);
    txn_set_init(&s);
    txn_set_add(&s, origin_intern("mariadb:0", 9), 1, 5);
    assert_false(mysql_gtid_set_write(&s, &b, &e));
    assert_int_equal(e.code, ERR_INVALID);
    txn_set_fini(&s);
    buf_fini(&b);
}

/* --- payloads -----------------------------------------------------------------------------------
 */

#define INSIDE (200u << 10)
#define EVENTS_INSIDE 300

static void put_field(struct buf *b, uint8_t type, uint64_t v)
{
    buf_u8(b, type);
    buf_u8(b, 9);
    buf_u8(b, 254);
    buf_u64(b, v);
}

/* 60 MB of events of 200 KB in one payload. */
static void make_payload(struct buf *body, uint8_t compression, uint64_t lie)
{
    size_t all = (size_t)INSIDE * EVENTS_INSIDE, room = ZSTD_compressBound(all);
    uint8_t *plain = calloc(1, all), *packed = malloc(room);
    uint32_t size = INSIDE;

    assert_true(plain && packed);
    for (size_t i = 0; i < EVENTS_INSIDE; i++) {
        memcpy(plain + i * INSIDE + 9, &size, sizeof size);
        memset(plain + i * INSIDE + BINLOG_HEADER_SIZE, (int)i, 100);
    }
    size_t n = ZSTD_compress(packed, room, plain, all, 3);
    assert_false(ZSTD_isError(n));
    put_field(body, 2, compression);
    put_field(body, 3, all + lie);
    put_field(body, 1, compression ? all : n);
    buf_u8(body, 0);
    buf_append(body, compression ? plain : packed, compression ? all : n);
    free(plain);
    free(packed);
}

static unsigned count_events(struct payload *p, struct view body, struct err *e)
{
    struct view event;
    bool got = true;
    unsigned n = 0;

    if (!payload_open(p, body, e))
        return 0;
    while (payload_next(p, &event, &got, e) && got) {
        assert_int_equal(event.len, INSIDE);
        assert_int_equal(event.p[BINLOG_HEADER_SIZE + 50], (uint8_t)n);
        n++;
    }
    return n;
}

static void a_payload_is_unpacked_event_by_event_in_little_memory(void **state)
{
    (void)state;
    struct payload p;
    struct buf body;
    struct err e = ERR_INIT;

    payload_init(&p, 1u << 20);
    buf_init(&body, 256u << 20);
    make_payload(&body, 0, 0);
    for (int again = 0; again < 2; again++)
        assert_int_equal(count_events(&p, (struct view){body.p, body.len}, &e), EVENTS_INSIDE);
    assert_true(e.code == ERR_NONE);
    assert_true(p.out.cap < 1u << 20);
    buf_clear(&body);
    make_payload(&body, 255, 0);
    assert_int_equal(count_events(&p, (struct view){body.p, body.len}, &e), EVENTS_INSIDE);
    assert_true(e.code == ERR_NONE);
    payload_fini(&p);
    buf_fini(&body);
}

static void a_payload_that_is_cut_or_lies_is_refused(void **state)
{
    (void)state;
    struct payload p;
    struct buf body;
    struct err e = ERR_INIT;

    payload_init(&p, 1u << 20);
    buf_init(&body, 256u << 20);
    make_payload(&body, 0, 1);
    assert_int_equal(count_events(&p, (struct view){body.p, body.len}, &e), EVENTS_INSIDE);
    assert_int_equal(e.code, ERR_LOG_DAMAGED);
    buf_clear(&body);
    make_payload(&body, 0, 0);
    for (size_t cut = 1; cut < 40; cut++) {
        err_clear(&e);
        (void)count_events(&p, (struct view){body.p, body.len - cut}, &e);
        assert_int_equal(e.code, ERR_LOG_DAMAGED);
    }
    payload_fini(&p);
    payload_init(&p, 100u << 10); /* an event does not fit */
    err_clear(&e);
    (void)count_events(&p, (struct view){body.p, body.len}, &e);
    assert_int_equal(e.code, ERR_LIMIT);
    payload_fini(&p);
    buf_fini(&body);
}

/* Each single bit of the file, flipped, is noticed. */
static void a_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct view v = binlog_text_file(EVENTS);
    uint8_t *p = (uint8_t *)(uintptr_t)v.p;
    struct buf out;

    buf_init(&out, 64u << 20);
    for (size_t bit = 160 * 8; bit < v.len * 8; bit += 997) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_decodes_to_its_value),
        cmocka_unit_test(json_is_printed_as_the_server_prints_it),
        cmocka_unit_test(partial_updates_give_the_whole_document),
        cmocka_unit_test(compressed_transactions_give_their_events),
        cmocka_unit_test(images_of_every_kind_say_what_is_absent),
        cmocka_unit_test(statements_partitions_and_cascades_decode),
        cmocka_unit_test(identities_have_uuid_tag_and_number),
        cmocka_unit_test(sets_come_back_from_both_forms),
        cmocka_unit_test(a_set_of_another_kind_of_server_is_refused),
        cmocka_unit_test(a_payload_is_unpacked_event_by_event_in_little_memory),
        cmocka_unit_test(a_payload_that_is_cut_or_lies_is_refused),
        cmocka_unit_test(a_flipped_bit_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
