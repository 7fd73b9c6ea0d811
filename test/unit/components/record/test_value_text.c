/* Values for people and programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "components/record/value_text.h"

static void json_is(struct column_def c, const void *p, size_t n, const char *want)
{
    struct value v = {.p = p, .len = (uint32_t)n, .state = VALUE_SET};
    struct buf out;

    c.name = "c";
    c.charset = c.charset ? c.charset : "";
    buf_init(&out, 4096);
    value_put_json(&out, &c, &v);
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

#define FIXED(kind_, type, number, want) \
    json_is((struct column_def){.kind = kind_}, &(type){number}, sizeof(type), want)

static void numbers_are_numbers_to_their_last_digit(void **state)
{
    (void)state;
    FIXED(KIND_I8, int8_t, -128, "-128");
    FIXED(KIND_U8, uint8_t, 255, "255");
    FIXED(KIND_I16, int16_t, -2, "-2");
    FIXED(KIND_U32, uint32_t, 4000000000u, "4000000000");
    FIXED(KIND_I64, int64_t, INT64_MIN, "-9223372036854775808");
    FIXED(KIND_U64, uint64_t, UINT64_MAX, "18446744073709551615");
    FIXED(KIND_DOUBLE, double, 0.1, "0.1");
    FIXED(KIND_DOUBLE, double, 1.7976931348623157e308, "1.7976931348623157e+308");
    FIXED(KIND_FLOAT, float, 0.1f, "0.1");
    FIXED(KIND_YEAR, uint16_t, 2026, "2026");
    json_is((struct column_def){.kind = KIND_DECIMAL, .scale = 2}, "-12.50", 6, "\"-12.50\"");
}

static void times_are_text_with_their_fraction(void **state)
{
    uint64_t dt = (((2026ull * 13 + 1) << 5 | 2) << 17 | 3 << 12 | 4 << 6 | 5) << 24 | 678000;

    (void)state;
    FIXED(KIND_DATE, uint32_t, 2026u << 9 | 1 << 5 | 2, "\"2026-01-02\"");
    FIXED(KIND_DATE, uint32_t, 0, "\"0000-00-00\"");
    json_is((struct column_def){.kind = KIND_DATETIME, .scale = 3}, &dt, 8,
            "\"2026-01-02 03:04:05.678\"");
    FIXED(KIND_TIMESTAMP, int64_t, 1767323045000000, "\"2026-01-02 03:04:05\"");
    FIXED(KIND_TIMESTAMP, int64_t, 0, "\"0000-00-00 00:00:00\"");
    FIXED(KIND_TIME, int64_t, -3020399000000, "\"-838:59:59\"");
}

static void text_that_is_not_utf8_is_hexadecimal_with_its_charset(void **state)
{
    struct column_def utf8 = {.kind = KIND_TEXT, .charset = "utf8mb4"};
    struct column_def latin = {.kind = KIND_TEXT, .charset = "latin1"};
    struct column_def wide = {.kind = KIND_TEXT, .charset = "utf16"};

    (void)state;
    json_is(utf8, "a\"\\\n\xc3\xbc", 6, "\"a\\\"\\\\\\u000a\xc3\xbc\"");
    json_is(utf8, "\xff", 1, "{\"hex\": \"ff\", \"charset\": \"utf8mb4\"}");
    json_is(utf8, "\xed\xa0\x80", 3, "{\"hex\": \"eda080\", \"charset\": \"utf8mb4\"}");
    json_is(latin, "plain", 5, "\"plain\"");
    json_is(latin, "\xc3\xbc", 2, "{\"hex\": \"c3bc\", \"charset\": \"latin1\"}");
    json_is(wide, "\0a", 2, "{\"hex\": \"0061\", \"charset\": \"utf16\"}");
    json_is((struct column_def){.kind = KIND_BYTES}, "\0\x01", 2, "{\"hex\": \"0001\"}");
}

static void members_are_named_where_they_are_known(void **state)
{
    struct column_def e = {.kind = KIND_ENUM, .members = "\001x\002yy", .members_len = 5};
    struct column_def s = {.kind = KIND_SET, .members = "\001x\002yy", .members_len = 5};

    (void)state;
    json_is(e, &(uint16_t){2}, 2, "\"yy\"");
    json_is(e, &(uint16_t){0}, 2, "\"\"");
    json_is(e, &(uint16_t){3}, 2, "\"3\"");
    json_is(s, &(uint64_t){3}, 8, "\"x,yy\"");
    json_is(s, &(uint64_t){5}, 8, "\"5\"");
}

static void other_kinds_have_their_usual_form(void **state)
{
    float vector[2] = {1.5f, -2};

    (void)state;
    json_is((struct column_def){.kind = KIND_UUID},
            "\x01\x02\x03\x04\x05\x06\x07\x08\x09\n\v\f\r\x0e\x0f\x10", 16,
            "\"01020304-0506-0708-090a-0b0c0d0e0f10\"");
    json_is((struct column_def){.kind = KIND_INET4}, "\x7f\0\0\x01", 4, "\"127.0.0.1\"");
    json_is((struct column_def){.kind = KIND_GEOMETRY}, "\xe6\x10\0\0\x01", 5,
            "{\"srid\": 4326, \"wkb\": \"01\"}");
    json_is((struct column_def){.kind = KIND_VECTOR}, vector, sizeof vector, "[1.5, -2]");
}

static void a_value_of_the_wrong_length_is_shown_as_its_bytes(void **state)
{
    (void)state;
    json_is((struct column_def){.kind = KIND_U32}, "\x01\x02", 2, "{\"hex\": \"0102\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_numbers_to_their_last_digit),
        cmocka_unit_test(times_are_text_with_their_fraction),
        cmocka_unit_test(text_that_is_not_utf8_is_hexadecimal_with_its_charset),
        cmocka_unit_test(members_are_named_where_they_are_known),
        cmocka_unit_test(other_kinds_have_their_usual_form),
        cmocka_unit_test(a_value_of_the_wrong_length_is_shown_as_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
