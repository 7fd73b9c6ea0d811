/* Frames of the Store's wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "components/stream/stream_frame.h"
#include "test/lib/log_records.h"

static struct view text(const char *s)
{
    return (struct view){(const uint8_t *)s, strlen(s)};
}

/* The one frame in b: its type and body. */
static struct view body_of(const struct buf *b, enum stream_frame type)
{
    struct cursor c = cursor_of(b->p, b->len);

    assert_int_equal(cursor_u32(&c), b->len - 4);
    assert_int_equal(cursor_u8(&c), type);
    return (struct view){c.p, cursor_left(&c)};
}

static void an_ask_and_a_begin_come_back_and_any_cut_one_is_refused(void **state)
{
    struct frame_ask a = {.protocol = STREAM_PROTOCOL, .token = text("secret")}, back;
    struct txn_set begin = log_set("m:0=1-9;m:1=1-2,5-7"), set;
    struct err e = ERR_INIT;
    struct view body;
    uint64_t epoch;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    frame_put_ask(&b, &a);
    body = body_of(&b, FRAME_ASK);
    assert_true(frame_get_ask(body, &back, &e));
    assert_int_equal(back.protocol, STREAM_PROTOCOL);
    assert_memory_equal(back.token.p, "secret", 6);
    for (size_t cut = 0; cut < body.len; cut++)
        assert_false(frame_get_ask((struct view){body.p, cut}, &back, &e));
    buf_clear(&b);
    frame_put_begin(&b, 7, &begin);
    body = body_of(&b, FRAME_BEGIN);
    assert_true(frame_get_begin(body, &epoch, &set, &e));
    assert_int_equal(epoch, 7);
    assert_true(txn_set_equal(&set, &begin));
    txn_set_fini(&set);
    for (size_t cut = 0; cut < body.len; cut++)
        assert_false(frame_get_begin((struct view){body.p, cut}, &epoch, &set, &e));
    txn_set_fini(&begin);
    buf_fini(&b);
}

static void a_hello_comes_back_and_any_cut_one_is_refused(void **state)
{
    struct frame_hello h = {.protocol = STREAM_PROTOCOL,
                            .token = text("secret"),
                            .reader = text("p.incremental"),
                            .least_epoch = 1ull << 40},
                       back;
    struct txn_set after = log_set("m:0=1-9"), set;
    struct err e = ERR_INIT;
    struct cursor c;
    struct view body;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    frame_put_hello(&b, &h, &after);
    body = body_of(&b, FRAME_HELLO);
    assert_true(frame_get_hello(body, &back, &e));
    assert_int_equal(back.protocol, STREAM_PROTOCOL);
    assert_memory_equal(back.token.p, "secret", 6);
    assert_int_equal(back.reader.len, 13);
    assert_true(back.least_epoch == 1ull << 40);
    c = cursor_of(back.after.p, back.after.len);
    assert_true(txn_set_decode(&c, &set, &e));
    assert_true(txn_set_equal(&set, &after));
    txn_set_fini(&set);
    for (size_t cut = 0; cut < body.len; cut++) {
        bool ok = frame_get_hello((struct view){body.p, cut}, &back, &e);

        c = cursor_of(back.after.p, back.after.len);
        assert_false(ok && txn_set_decode(&c, &set, &e));
    }
    txn_set_fini(&after);
    buf_fini(&b);
}

static void of_another_protocol_only_number_and_token_are_read(void **state)
{
    struct frame_hello h = {.protocol = STREAM_PROTOCOL + 1,
                            .token = text("t"),
                            .reader = text("r")},
                       back;
    struct txn_set after = log_set("m:0=1-9");
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    frame_put_hello(&b, &h, &after);
    assert_true(frame_get_hello((struct view){b.p + STREAM_HEADER_SIZE, 6}, &back, &e));
    assert_int_equal(back.protocol, STREAM_PROTOCOL + 1);
    assert_int_equal(back.token.len, 1);
    assert_int_equal(back.reader.len, 0);
    txn_set_fini(&after);
    buf_fini(&b);
}

static void a_join_comes_back_and_any_cut_one_is_refused(void **state)
{
    struct frame_join j = {.protocol = STREAM_PROTOCOL,
                           .token = text("secret"),
                           .key = text("0123456789abcdef")},
                      back;
    struct err e = ERR_INIT;
    struct view body;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    frame_put_join(&b, &j);
    body = body_of(&b, FRAME_JOIN);
    assert_true(frame_get_join(body, &back, &e));
    assert_int_equal(back.token.len, 6);
    assert_memory_equal(back.key.p, "0123456789abcdef", STREAM_KEY_SIZE);
    for (size_t cut = 0; cut < body.len; cut++)
        assert_false(frame_get_join((struct view){body.p, cut}, &back, &e));
    buf_fini(&b);
}

static void greetings_and_heards_come_back(void **state)
{
    struct frame_greeting g = {.protocol = STREAM_PROTOCOL,
                               .store_id = text("p.store"),
                               .epoch = 7,
                               .key = text("0123456789abcdef"),
                               .next = 9},
                          g2;
    struct frame_heard h = {-1, 1ll << 50, 3, 4, 5}, h2;
    struct err e = ERR_INIT;
    struct view body;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    frame_put_greeting(&b, &g);
    body = body_of(&b, FRAME_GREETING);
    assert_true(frame_get_greeting(body, &g2, &e));
    assert_true(g2.epoch == 7 && g2.protocol == STREAM_PROTOCOL && g2.store_id.len == 7);
    assert_memory_equal(g2.key.p, "0123456789abcdef", STREAM_KEY_SIZE);
    assert_true(g2.next == 9);
    for (size_t cut = 0; cut < body.len; cut++)
        assert_false(frame_get_greeting((struct view){body.p, cut}, &g2, &e));
    buf_clear(&b);
    frame_put_heard(&b, &h);
    body = body_of(&b, FRAME_HEARD);
    assert_true(frame_get_heard(body, &h2, &e));
    assert_memory_equal(&h, &h2, sizeof h);
    for (size_t cut = 0; cut < body.len; cut++)
        assert_false(frame_get_heard((struct view){body.p, cut}, &h2, &e));
    buf_fini(&b);
}

static void a_refusal_becomes_the_error_it_was(void **state)
{
    struct err why = ERR_INIT, got = ERR_INIT;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    (void)err_set(&why, ERR_STORE_POSITION, "block 3 is gone");
    frame_put_refusal(&b, &why);
    assert_false(frame_get_refusal(body_of(&b, FRAME_REFUSAL), &got));
    assert_int_equal(got.code, ERR_STORE_POSITION);
    assert_non_null(strstr(got.message, "block 3 is gone"));
    buf_fini(&b);
}

static void a_refusal_with_an_unknown_code_is_tried_again(void **state)
{
    struct err got = ERR_INIT;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_bytes(&b, "NEW_CODE", 8);
    buf_bytes(&b, "why", 3);
    assert_false(frame_get_refusal((struct view){b.p, b.len}, &got));
    assert_int_equal(err_class_of(got.code), ERR_CLASS_RETRY);
    buf_fini(&b);
}

static void positions_come_back(void **state)
{
    struct txn_set low = log_set("m:0=1-9,12"), back;
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    frame_put_position(&b, &low);
    assert_true(frame_get_position(body_of(&b, FRAME_POSITION), &back, &e));
    assert_true(txn_set_equal(&low, &back));
    txn_set_fini(&low);
    txn_set_fini(&back);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ask_and_a_begin_come_back_and_any_cut_one_is_refused),
        cmocka_unit_test(a_hello_comes_back_and_any_cut_one_is_refused),
        cmocka_unit_test(of_another_protocol_only_number_and_token_are_read),
        cmocka_unit_test(a_join_comes_back_and_any_cut_one_is_refused),
        cmocka_unit_test(greetings_and_heards_come_back),
        cmocka_unit_test(a_refusal_becomes_the_error_it_was),
        cmocka_unit_test(a_refusal_with_an_unknown_code_is_tried_again),
        cmocka_unit_test(positions_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
