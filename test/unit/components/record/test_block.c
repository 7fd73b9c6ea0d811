/* Blocks and their checksum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "components/record/block.h"

static void crc32c_has_the_published_values(void **state)
{
    uint8_t zero[32] = {0}, ones[32], up[32];

    (void)state;
    memset(ones, 0xff, sizeof ones);
    for (unsigned i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, zero, 32), 0x8a9136aa);
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(crc32c(0, up, 32), 0x46dd794e);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    assert_int_equal(crc32c(7, "", 0), 7);
}

static void hardware_and_table_agree(void **state)
{
    uint8_t bytes[1000];

    (void)state;
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + 5);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(crc32c(9, bytes, n), crc32c_table(9, bytes, n));
}

struct blocks {
    struct block_head h;
    struct buf stored, raw, back;
};

static void make(struct blocks *b, int level)
{
    struct err e = ERR_INIT;

    *b = (struct blocks){.h = {.number = 42,
                               .prev_durable = 41,
                               .n_records = 3,
                               .flags = BLOCK_F_TXN_START | BLOCK_F_OPEN_TAIL,
                               .first_commit_us = -1,
                               .last_commit_us = 1700000000000000,
                               .prev_crc = 0xdeadbeef}};
    buf_init(&b->stored, 1 << 20);
    buf_init(&b->raw, 1 << 20);
    buf_init(&b->back, 1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_u32(&b->raw, (uint32_t)(i / 7));
    assert_true(block_encode(&b->h, (struct view){b->raw.p, b->raw.len}, level, &b->stored, &e));
}

static void done(struct blocks *b)
{
    buf_fini(&b->stored);
    buf_fini(&b->raw);
    buf_fini(&b->back);
}

static void a_block_comes_back_as_it_was(void **state)
{
    (void)state;
    static const int levels[] = {0, 1, -3, BLOCK_LEVEL_HASTE};

    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        int level = levels[i];
        struct blocks b;
        struct block_head h;
        struct view payload;
        struct err e = ERR_INIT;

        make(&b, level);
        assert_true(block_head_read((struct view){b.stored.p, b.stored.len}, &h));
        assert_memory_equal(&h, &b.h, sizeof h);
        assert_int_equal(b.stored.len, BLOCK_HEADER_SIZE + h.stored_len);
        assert_true(level == 0 ? h.stored_len == h.raw_len : h.stored_len < h.raw_len);
        payload = (struct view){b.stored.p + BLOCK_HEADER_SIZE, h.stored_len};
        assert_true(block_check(&h, (struct view){b.stored.p, BLOCK_HEADER_SIZE}, payload));
        assert_true(block_decode(&h, payload, &b.back, &e));
        assert_int_equal(b.back.len, b.raw.len);
        assert_memory_equal(b.back.p, b.raw.p, b.raw.len);
        done(&b);
    }
}

/* Digits repeat nothing: only the coding of literals makes them smaller. */
static void fast_levels_still_code_their_literals(void **state)
{
    (void)state;
    struct block_head h = {.number = 1};
    struct err e = ERR_INIT;
    struct buf raw, stored;
    uint32_t x = 1;

    buf_init(&raw, 1 << 20);
    buf_init(&stored, 1 << 20);
    for (int i = 0; i < 100000; i++) {
        x = x * 1664525 + 1013904223;
        buf_u8(&raw, (uint8_t)('0' + (x >> 16) % 10));
    }
    assert_true(block_encode(&h, (struct view){raw.p, raw.len}, -3, &stored, &e));
    assert_true(h.stored_len < raw.len / 2);
    buf_fini(&raw);
    buf_fini(&stored);
}

static void the_level_of_haste_leaves_literals_as_they_are(void **state)
{
    (void)state;
    static const int levels[] = {-3, BLOCK_LEVEL_HASTE, -3};
    struct block_packer *p = block_packer_new();
    struct err e = ERR_INIT;
    struct buf raw, stored;
    uint32_t x = 1, got[ARRAY_LEN(levels)];

    buf_init(&raw, 1 << 20);
    for (int i = 0; i < 100000; i++) {
        x = x * 1664525 + 1013904223;
        buf_u8(&raw, (uint8_t)('0' + (x >> 16) % 10));
    }
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        struct block_head h = {.number = 1};

        buf_init(&stored, 1 << 20);
        assert_true(block_pack(p, &h, (struct view){raw.p, raw.len}, levels[i], &stored, &e));
        got[i] = h.stored_len;
        buf_fini(&stored);
    }
    assert_true(got[1] > raw.len * 9 / 10);
    assert_int_equal(got[0], got[2]); /* what a packer did before does not matter */
    buf_fini(&raw);
    block_packer_free(p);
}

static void a_changed_bit_anywhere_is_found(void **state)
{
    struct blocks b;

    (void)state;
    make(&b, 1);
    for (size_t bit = 0; bit < b.stored.len * 8; bit++) {
        struct view header = {b.stored.p, BLOCK_HEADER_SIZE}, payload;
        struct block_head h;

        b.stored.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (block_head_read((struct view){b.stored.p, b.stored.len}, &h) &&
            h.prev_crc == b.h.prev_crc) {
            payload =
                (struct view){b.stored.p + BLOCK_HEADER_SIZE, b.stored.len - BLOCK_HEADER_SIZE};
            assert_false(block_check(&h, header, payload));
        }
        b.stored.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    done(&b);
}

static void a_payload_that_lies_about_its_length_is_refused(void **state)
{
    struct blocks b;
    struct err e = ERR_INIT;

    (void)state;
    make(&b, 1);
    b.h.raw_len--;
    assert_false(block_decode(&b.h, (struct view){b.stored.p + BLOCK_HEADER_SIZE, b.h.stored_len},
                              &b.back, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    b.h.raw_len += 2;
    assert_false(block_decode(&b.h, (struct view){b.stored.p + BLOCK_HEADER_SIZE, b.h.stored_len},
                              &b.back, &e));
    done(&b);
}

static void a_block_beyond_its_ceiling_is_refused(void **state)
{
    struct block_head h = {.number = 1};
    struct err e = ERR_INIT;
    struct buf out;
    uint8_t byte = 0;

    (void)state;
    buf_init(&out, 1 << 20);
    assert_false(block_encode(&h, (struct view){&byte, BLOCK_RAW_MAX + 1u}, 0, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_has_the_published_values),
        cmocka_unit_test(hardware_and_table_agree),
        cmocka_unit_test(a_block_comes_back_as_it_was),
        cmocka_unit_test(fast_levels_still_code_their_literals),
        cmocka_unit_test(the_level_of_haste_leaves_literals_as_they_are),
        cmocka_unit_test(a_changed_bit_anywhere_is_found),
        cmocka_unit_test(a_payload_that_lies_about_its_length_is_refused),
        cmocka_unit_test(a_block_beyond_its_ceiling_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
