/* Sets of transaction identities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "components/record/txn_id.h"
#include "test/lib/log_records.h"

static void assert_text(const struct txn_set *s, const char *want)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    txn_set_format(s, &b);
    assert_string_equal(buf_cstr(&b), want);
    buf_fini(&b);
}

static void equal_origins_are_equal_pointers(void **state)
{
    (void)state;
    assert_ptr_equal(origin_intern("mariadb:0", 9), origin_intern("mariadb:0xx", 9));
    assert_ptr_not_equal(origin_intern("mariadb:0", 9), origin_intern("mariadb:1", 9));
}

static void touching_intervals_become_one(void **state)
{
    struct txn_set s = log_set("m:0=1-3,5-7,10");
    const char *o = origin_intern("m:0", 3);

    (void)state;
    assert_text(&s, "m:0=1-3,5-7,10");
    txn_set_add(&s, o, 4, 4);
    assert_text(&s, "m:0=1-7,10");
    txn_set_add(&s, o, 6, 9);
    assert_text(&s, "m:0=1-10");
    txn_set_add(&s, o, 0, 0);
    assert_text(&s, "m:0=0-10");
    txn_set_add(&s, o, UINT64_MAX, UINT64_MAX);
    txn_set_add(&s, o, 11, UINT64_MAX);
    assert_int_equal(txn_set_last(&s, o), UINT64_MAX);
    assert_int_equal(s.origins.at[0].iv.n, 1);
    txn_set_fini(&s);
}

static void text_and_bytes_give_the_set_back(void **state)
{
    static const char *const texts[] = {"", "a=1", "a=0-18446744073709551615",
                                        "mysql:3E11FA47-71CA-11E1-9E33-C80AA9429562=1-5,11-18;z=7"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct txn_set s = log_set(texts[i]), back;
        struct err e = ERR_INIT;
        struct buf b;
        struct cursor c;

        buf_init(&b, 1 << 20);
        txn_set_encode(&s, &b);
        c = cursor_of(b.p, b.len);
        assert_true(txn_set_decode(&c, &back, &e));
        assert_int_equal(cursor_left(&c), 0);
        assert_text(&back, texts[i]);
        assert_true(txn_set_equal(&s, &back));
        txn_set_fini(&back);
        for (size_t cut = 0; cut < b.len; cut++) { /* every shorter form is refused */
            c = cursor_of(b.p, cut);
            assert_false(txn_set_decode(&c, &back, &e));
        }
        txn_set_fini(&s);
        buf_fini(&b);
    }
}

static void bad_texts_are_refused(void **state)
{
    static const char *const texts[] = {"a",   "a=",   "=1",    "a=1-",  "a=5-3",
                                        "a=x", "a=1,", "a=1;b", "a=1 2", "a=1;=2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err e = ERR_INIT;
        struct txn_set s;

        if (txn_set_parse(texts[i], &s, &e))
            fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(e.code, ERR_INVALID);
    }
}

#define UNIVERSE 40
struct model {
    bool has[2][UNIVERSE];
};

static void check_model(const struct txn_set *s, const struct model *m, const char *const *origin)
{
    uint64_t n = 0;

    for (int o = 0; o < 2; o++)
        for (uint64_t i = 0; i < UNIVERSE; i++) {
            assert_int_equal(txn_set_has(s, (struct txn_id){origin[o], i}), m->has[o][i]);
            n += m->has[o][i];
        }
    assert_int_equal(txn_set_count(s), n);
    assert_int_equal(txn_set_is_empty(s), n == 0);
    for (size_t o = 0; o < s->origins.n; o++) /* ascending, not touching */
        for (size_t k = 1; k < s->origins.at[o].iv.n; k++)
            assert_true(s->origins.at[o].iv.at[k].first > s->origins.at[o].iv.at[k - 1].last + 1);
}

static bool model_contains(const struct model *a, const struct model *b)
{
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < UNIVERSE; i++)
            if (b->has[o][i] && !a->has[o][i])
                return false;
    return true;
}

/* One random operation on both; op 0 add, 1 remove, 2 union, 3 subtract, 4 intersect. */
static void step(struct txn_set *s, struct model *m, const struct txn_set *other,
                 const struct model *om, const char *const *origin)
{
    unsigned op = (unsigned)random() % 5, o = (unsigned)random() % 2;
    uint64_t first = (uint64_t)random() % UNIVERSE;
    uint64_t last = first + (uint64_t)random() % (UNIVERSE - first);

    if (op == 0)
        txn_set_add(s, origin[o], first, last);
    else if (op == 1)
        txn_set_remove(s, origin[o], first, last);
    else if (op == 2)
        txn_set_union(s, other);
    else if (op == 3)
        txn_set_subtract(s, other);
    else
        txn_set_intersect(s, other);
    for (unsigned x = 0; x < 2; x++)
        for (uint64_t i = 0; i < UNIVERSE; i++) {
            bool in = x == o && i >= first && i <= last, theirs = om->has[x][i];

            if (op == 0)
                m->has[x][i] |= in;
            else if (op == 1)
                m->has[x][i] &= !in;
            else if (op == 2)
                m->has[x][i] |= theirs;
            else
                m->has[x][i] &= op == 3 ? !theirs : theirs;
        }
}

static void sets_behave_like_a_bit_map(void **state)
{
    const char *const origin[] = {origin_intern("a", 1), origin_intern("b", 1)};
    struct txn_set s[2];
    struct model m[2];

    (void)state;
    memset(m, 0, sizeof m);
    txn_set_init(&s[0]);
    txn_set_init(&s[1]);
    srandom(1);
    for (int i = 0; i < 5000; i++) {
        int w = (int)(random() % 2);

        step(&s[w], &m[w], &s[!w], &m[!w], origin);
        check_model(&s[w], &m[w], origin);
        assert_int_equal(txn_set_contains(&s[0], &s[1]), model_contains(&m[0], &m[1]));
        assert_int_equal(txn_set_equal(&s[0], &s[1]), memcmp(&m[0], &m[1], sizeof m[0]) == 0);
    }
    txn_set_fini(&s[0]);
    txn_set_fini(&s[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_origins_are_equal_pointers),
        cmocka_unit_test(touching_intervals_become_one),
        cmocka_unit_test(text_and_bytes_give_the_set_back),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(sets_behave_like_a_bit_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
