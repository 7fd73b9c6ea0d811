/* Tables that foreign keys join are one dependency key, whichever server says that they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "components/incr_sync/core/dep_key.h"

static enum fold exact(void *arg, const struct column_def *c)
{
    (void)arg;
    (void)c;
    return FOLD_EXACT;
}

static void keys_of(const char *name, const char *source_family, const char *target_family,
                    struct dep_keys *out)
{
    static const struct column_def columns[] = {{.name = "id", .kind = KIND_I64}};
    static const struct key_part part[] = {{.column = 0}};
    static const struct key_def key[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = part}};
    const struct table_def t = {.db = "shop",
                                .name = name,
                                .family = source_family,
                                .columns = columns,
                                .n_columns = 1,
                                .keys = key,
                                .n_keys = 1};
    uint64_t id = 7;
    struct value row = {.state = VALUE_SET, .p = (const uint8_t *)&id, .len = sizeof id};
    struct table_deps d;

    table_deps_init(&d, &t, "shop", name, target_family, exact, NULL);
    assert_true(table_deps_add(&d, &row, out));
    assert_true(table_deps_add(&d, &row, out));
    table_deps_fini(&d);
}

static bool meet(const char *a[2], const char *b[2])
{
    struct dep_keys x = {0}, y = {0};
    bool yes = false;

    keys_of("one", a[0], a[1], &x);
    keys_of("two", b[0], b[1], &y);
    for (size_t i = 0; i < x.n; i++)
        for (size_t k = 0; k < y.n; k++)
            yes |= x.at[i] == y.at[k];
    vec_fini(&x);
    vec_fini(&y);
    return yes;
}

static void a_family_is_one_key_on_either_side(void **state)
{
    (void)state;
    assert_false(meet((const char *[]){"", NULL}, (const char *[]){"", NULL}));
    assert_true(meet((const char *[]){"shop.one", NULL}, (const char *[]){"shop.one", NULL}));
    assert_true(meet((const char *[]){"", "to.one"}, (const char *[]){"shop.x", "to.one"}));
    assert_true(meet((const char *[]){"shop.one", "to.one"}, (const char *[]){"shop.one", NULL}));
    assert_false(meet((const char *[]){"shop.one", NULL}, (const char *[]){"shop.two", NULL}));
    /* A name on one side is not the same name on the other. */
    assert_false(meet((const char *[]){"shop.one", NULL}, (const char *[]){"", "shop.one"}));
}

static void a_family_adds_its_keys_once_for_rows_in_a_row(void **state)
{
    struct dep_keys x = {0};

    (void)state;
    keys_of("one", "shop.one", "to.one", &x);
    assert_int_equal(x.n, 3);
    vec_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_is_one_key_on_either_side),
        cmocka_unit_test(a_family_adds_its_keys_once_for_rows_in_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
