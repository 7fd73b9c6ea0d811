/* The pure base: errors, arena, buffers, cursors, times, identifiers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/time.h"

static void every_error_code_is_described(void **state)
{
    (void)state;
    for (int c = 1; c < ERR_COUNT; c++) {
        const struct err_entry *n = err_entry_of((enum err_code)c);
        enum err_code back;

        assert_true(n->meaning[0] && n->cause[0] && n->remedy[0]);
        assert_true(err_code_from_name(n->name, &back));
        assert_int_equal(back, c);
    }
}

static void a_long_message_is_cut_with_an_ellipsis(void **state)
{
    struct err e = ERR_INIT;
    char text[3000];

    (void)state;
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(err_set(&e, ERR_INVALID, "%s", text));
    assert_string_equal(e.message + sizeof e.message - 4, "...");
    assert_false(err_wrap(&e, "outer"));
    assert_memory_equal(e.message, "outer: yyy", 10);
    assert_string_equal(e.message + sizeof e.message - 4, "...");
}

static void wrapping_keeps_code_and_place(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    (void)err_set_errno(&e, ERR_SYSTEM, 2, "cannot open '%s'", "f");
    (void)err_wrap(&e, "load '%s'", "g");
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_int_equal(e.sys, 2);
    assert_string_equal(e.message, "load 'g': cannot open 'f': No such file or directory");
}

static void an_arena_keeps_to_its_limit(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    void *p = NULL;

    (void)state;
    arena_init(&a, 10000);
    assert_true(arena_try_alloc(&a, 5000, &p, &e));
    assert_false(arena_try_alloc(&a, 6000, &p, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(arena_try_alloc(&a, SIZE_MAX, &p, &e));
    arena_reset(&a);
    assert_true(arena_try_alloc(&a, 9000, &p, &e));
    arena_fini(&a);
}

static void arena_memory_is_aligned_and_apart(void **state)
{
    struct arena a;
    char *last = NULL;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 1; i < 3000; i++) {
        char *p = arena_alloc(&a, i);

        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, (int)i, i);
        if (last)
            assert_int_equal((unsigned char)last[0], (unsigned char)(i - 1));
        last = p;
    }
    assert_string_equal(arena_printf(&a, "%s-%d", "a", 7), "a-7");
    arena_fini(&a);
}

static void a_buffer_stops_at_its_ceiling_and_says_so(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (int i = 0; i < 100; i++)
        buf_u8(&b, 'a');
    assert_true(buf_ok(&b));
    buf_u8(&b, 'b');
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 100);
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_printf(&b, "%d", 42);
    assert_string_equal(buf_cstr(&b), "42");
    buf_fini(&b);
}

static void varints_travel(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        buf_varint(&b, values[i]);
    struct cursor c = cursor_of(b.p, b.len);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(cursor_varint(&c), values[i]);
    assert_false(c.failed);
    assert_int_equal(cursor_left(&c), 0);
    (void)cursor_u8(&c);
    assert_true(c.failed);
    buf_fini(&b);
}

static void a_cursor_fails_once_and_for_all(void **state)
{
    uint8_t bytes[] = {1, 2, 3};
    struct cursor c = cursor_of(bytes, 3);

    (void)state;
    assert_int_equal(cursor_u16(&c), 0x0201);
    assert_int_equal(cursor_u32(&c), 0);
    assert_true(c.failed);
    assert_int_equal(cursor_u8(&c), 0);
    c = cursor_of(bytes, 3);
    assert_int_equal(cursor_be(&c, 3), 0x010203);
    uint8_t lies[] = {200, 1, 5};
    c = cursor_of(lies, 3);
    assert_null(cursor_bytes(&c).p);
    assert_true(c.failed);
}

static void times_read_well(void **state)
{
    char out[WALL_TEXT_MAX];

    (void)state;
    assert_string_equal(wall_format((struct wall){0}, out), "1970-01-01T00:00:00.000000Z");
    assert_string_equal(wall_format((struct wall){-1}, out), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(duration_format(999, out, sizeof out), "999 ms");
    assert_string_equal(duration_format(61000, out, sizeof out), "1 min 1 s");
    assert_string_equal(duration_format(-1, out, sizeof out), "unknown");
}

static void identifiers_travel(void **state)
{
    struct id i = {{1, 2, 0xff}}, back;
    char text[ID_TEXT_MAX];

    (void)state;
    assert_true(id_parse(id_format(i, text), &back));
    assert_true(id_eq(i, back));
    assert_false(id_parse("01", &back));
    assert_false(id_parse("zz0000000000000000000000000000ff", &back));
}

static void a_time_is_read_as_it_is_written(void **state)
{
    struct wall t, back;
    char text[WALL_TEXT_MAX];

    (void)state;
    t.us = 1795250796123456;
    assert_true(wall_parse(wall_format(t, text), &back));
    assert_int_equal(back.us, t.us);
    assert_true(wall_parse("2026-11-21 08:00", &back));
    assert_true(wall_parse("2026-11-21 08:00:00.5", &t));
    assert_int_equal(t.us - back.us, 500000);
    assert_true(wall_parse("1970-01-02", &t));
    assert_int_equal(t.us, 86400000000);
    assert_false(wall_parse("2026-11-21 08", &t));
    assert_false(wall_parse("2026-11-21x", &t));
    assert_false(wall_parse("", &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_code_is_described),
        cmocka_unit_test(a_long_message_is_cut_with_an_ellipsis),
        cmocka_unit_test(wrapping_keeps_code_and_place),
        cmocka_unit_test(an_arena_keeps_to_its_limit),
        cmocka_unit_test(arena_memory_is_aligned_and_apart),
        cmocka_unit_test(a_buffer_stops_at_its_ceiling_and_says_so),
        cmocka_unit_test(varints_travel),
        cmocka_unit_test(a_cursor_fails_once_and_for_all),
        cmocka_unit_test(times_read_well),
        cmocka_unit_test(a_time_is_read_as_it_is_written),
        cmocka_unit_test(identifiers_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
