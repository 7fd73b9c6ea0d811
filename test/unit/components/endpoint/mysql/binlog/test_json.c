/* Documents in MySQL's binary form: numbers by their shortest digits, changes applied where they
 * belong, and nothing read that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "components/endpoint/mysql/binlog/json_priv.h"

#define VIEW(s) ((struct view){(const uint8_t *)(s), sizeof(s) - 1})

struct number {
    double d;
    const char *text; /* as a server printed it */
};

static void doubles_have_the_servers_digits(void **state)
{
    (void)state;
    static const struct number rows[] = {
        {1, "1.0"},
        {-0.0, "-0.0"},
        {1e14, "100000000000000.0"},
        {1e15, "1e15"},
        {1474960352018206.5, "1474960352018206.5"},
        {123456789012345680000.0, "1.2345678901234568e20"},
        {1e-5, "0.00001"},
        {2.5e-7, "0.00000025"},
        {1e-15, "0.000000000000001"},
        {1e-16, "1e-16"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5.684341886080802e-14, "0.00000000000005684341886080802"}, /* two to the power -44 */
        {9007199254740993.0, "9.007199254740992e15"},
        {1.100000023841858, "1.100000023841858"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        assert_true(json_put_double(rows[i].d, &b));
        assert_string_equal(buf_cstr(&b), rows[i].text);
        buf_fini(&b);
    }
}

static void doubles_come_back_whole(void **state)
{
    (void)state;
    uint64_t bits = 1;

    for (int i = 0; i < 20000; i++) {
        double d;
        struct buf b;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&d, &bits, sizeof d);
        buf_init(&b, 1000);
        if (json_put_double(d, &b)) {
            double back = strtod(buf_cstr(&b), NULL);
            assert_memory_equal(&back, &d, sizeof d);
        }
        buf_fini(&b);
    }
}

/* {"a": [1, 2], "bb": "x"} */
static const char document[] = "\x00\x02\x00\x27\x00"
                               "\x12\x00\x01\x00\x13\x00\x02\x00"
                               "\x02\x15\x00\x0c\x1f\x00"
                               "abb"
                               "\x02\x00\x0a\x00\x05\x01\x00\x05\x02\x00"
                               "\x01x";

static bool text_is(bool ok, struct buf *b, const char *want)
{
    if (!ok || strcmp(buf_cstr(b), want) != 0)
        fail_msg("%d: %s", ok, buf_cstr(b));
    buf_fini(b);
    return true;
}

static struct view whole_document(void)
{
    static uint8_t bytes[40];
    size_t n = sizeof document - 1;

    memcpy(bytes, document, n);
    bytes[3] = (uint8_t)(n - 1);
    return (struct view){bytes, n};
}

static void documents_become_text(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1000);
    text_is(json_text(whole_document(), &b), &b, "{\"a\": [1, 2], \"bb\": \"x\"}");
    buf_init(&b, 1000);
    text_is(json_text(VIEW(""), &b), &b, "null");
}

struct change {
    struct view bytes;
    const char *text; /* NULL: refused */
};

static void changes_go_where_their_path_leads(void **state)
{
    (void)state;
    static const struct change rows[] = {
        {VIEW(""), "{\"a\": [1, 2], \"bb\": \"x\"}"},
        {VIEW("\x00\x06$.a[1]\x03\x05\x09\x00"), "{\"a\": [1, 9], \"bb\": \"x\"}"},
        {VIEW("\x01\x06$.a[0]\x02\x04\x01"), "{\"a\": [true, 1, 2], \"bb\": \"x\"}"},
        {VIEW("\x01\x06$.a[9]\x02\x04\x00"), "{\"a\": [1, 2, null], \"bb\": \"x\"}"},
        {VIEW("\x02\x06$.a[0]"), "{\"a\": [2], \"bb\": \"x\"}"},
        {VIEW("\x02\x03$.a\x02\x04$.bb"), "{}"},
        {VIEW("\x01\x03$.c\x02\x04\x02"), "{\"a\": [1, 2], \"c\": false, \"bb\": \"x\"}"},
        {VIEW("\x01\x0b$.\"q \\\"z\\\"\"\x02\x04\x02"),
         "{\"a\": [1, 2], \"bb\": \"x\", \"q \\\"z\\\"\": false}"},
        {VIEW("\x00\x01$\x03\x05\x07\x00"), "7"},
        {VIEW("\x00\x06$.a[2]\x03\x05\x09\x00"), NULL}, /* not there */
        {VIEW("\x02\x03$.z"), NULL},
        {VIEW("\x01\x03$.a\x02\x04\x02"), NULL},    /* there already */
        {VIEW("\x00\x06$.bb.x\x02\x04\x02"), NULL}, /* a string holds nothing */
        {VIEW("\x00\x05$.a.x\x02\x04\x02"), NULL},
        {VIEW("\x07\x03$.a"), NULL},
        {VIEW("\x02\x02.a"), NULL},
        {VIEW("\x02\x03$.\""), NULL},
        {VIEW("\x02\x09$.a"), NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        bool ok = json_text_changed(whole_document(), rows[i].bytes, &b);
        if (rows[i].text ? !ok || strcmp(buf_cstr(&b), rows[i].text) != 0 : ok)
            fail_msg("row %zu: %d %s", i, ok, buf_cstr(&b));
        buf_fini(&b);
    }
}

/* An array whose only item is the array itself. */
static void a_document_that_holds_itself_is_refused(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1u << 20);
    assert_false(json_text(VIEW("\x02\x01\x00\x07\x00\x02\x00\x00"), &b));
    buf_fini(&b);
}

static void every_cut_document_is_refused_or_shorter(void **state)
{
    (void)state;
    struct view v = whole_document();

    for (size_t n = 1; n < v.len; n++) {
        struct buf b;
        uint8_t *copy = malloc(n); /* so that a byte too far is noticed */
        assert_non_null(copy);
        memcpy(copy, v.p, n);
        buf_init(&b, 1000);
        assert_false(json_text((struct view){copy, n}, &b));
        buf_fini(&b);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_have_the_servers_digits),
        cmocka_unit_test(doubles_come_back_whole),
        cmocka_unit_test(documents_become_text),
        cmocka_unit_test(changes_go_where_their_path_leads),
        cmocka_unit_test(a_document_that_holds_itself_is_refused),
        cmocka_unit_test(every_cut_document_is_refused_or_shorter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
