/* The set of dependency keys against a plain bitmap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "components/incr_sync/core/keyset.h"

#define UNIVERSE 5000

static uint64_t key_of(uint32_t i)
{
    return i * 0x10001u; /* 0 among them; low bits poor */
}

static void it_agrees_with_a_bitmap_through_adding_and_removing(void **state)
{
    struct keyset s;
    static bool has[UNIVERSE];
    uint32_t x = 12345;

    (void)state;
    keyset_init(&s);
    for (int i = 0; i < 200000; i++) {
        uint64_t key;
        uint32_t k;

        x = x * 1664525u + 1013904223u;
        k = (x >> 8) % UNIVERSE;
        key = key_of(k);
        if (x >> 31) {
            keyset_add(&s, &key, 1);
            has[k] = true;
        } else {
            keyset_remove(&s, &key, 1);
            has[k] = false;
        }
        k = (x >> 3) % UNIVERSE;
        key = key_of(k);
        assert_int_equal(keyset_has_any(&s, &key, 1), has[k]);
    }
    for (uint32_t k = 0; k < UNIVERSE; k++) {
        uint64_t key = key_of(k);

        assert_int_equal(keyset_has_any(&s, &key, 1), has[k]);
    }
    keyset_fini(&s);
}

static void clearing_leaves_nothing(void **state)
{
    struct keyset s;
    uint64_t keys[3] = {1, 2, 3};

    (void)state;
    keyset_init(&s);
    keyset_add(&s, keys, 3);
    assert_true(keyset_has_any(&s, keys + 2, 1));
    keyset_clear(&s);
    assert_false(keyset_has_any(&s, keys, 3));
    keyset_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_bitmap_through_adding_and_removing),
        cmocka_unit_test(clearing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
