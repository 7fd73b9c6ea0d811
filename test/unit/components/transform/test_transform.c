/* The spec's scope as the components use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "components/transform/transform.h"

static void a_specs_scope_filters_and_renames(void **state)
{
    CLEANUP(arena_fini) struct arena arena;
    char *include[] = {(char *)"shop.*"}, *exclude[] = {(char *)"shop.tmp*"};
    Oms__RenameRule rule = OMS__RENAME_RULE__INIT, *rules[] = {&rule};
    Oms__ObjectScope o = OMS__OBJECT_SCOPE__INIT;
    struct err e = ERR_INIT;
    const struct scope *s;
    const char *db, *table;

    (void)state;
    arena_init(&arena, 0);
    rule.from = (char *)"shop.a";
    rule.to = (char *)"store.b";
    o.include = include;
    o.exclude = exclude;
    o.rename = rules;
    o.n_include = o.n_exclude = o.n_rename = 1;
    assert_true(transform_scope(&o, &arena, &s, &e));
    assert_true(transform_filter((void *)s, "shop", "a"));
    assert_false(transform_filter((void *)s, "shop", "tmp1"));
    scope_map(s, "shop", "a", &db, &table);
    assert_string_equal(db, "store");
    assert_string_equal(table, "b");
}

static void a_missing_scope_is_an_error(void **state)
{
    CLEANUP(arena_fini) struct arena arena;
    Oms__RenameRule rule = OMS__RENAME_RULE__INIT, *rules[] = {&rule};
    Oms__ObjectScope o = OMS__OBJECT_SCOPE__INIT;
    char *include[] = {(char *)"a.*"};
    struct err e = ERR_INIT;
    const struct scope *s;

    (void)state;
    arena_init(&arena, 0);
    assert_false(transform_scope(NULL, &arena, &s, &e));
    assert_int_equal(e.code, ERR_INVALID);
    o.include = include;
    o.rename = rules;
    o.n_include = o.n_rename = 1;
    assert_false(transform_scope(&o, &arena, &s, &e));
    assert_int_equal(e.code, ERR_INVALID);
}

static void no_two_tables_share_a_key(void **state)
{
    CLEANUP(arena_fini) struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    assert_string_equal(transform_table_key(&arena, "shop", "orders"), "shop.orders");
    assert_string_equal(transform_table_key(&arena, "a.b", "c"), "`a.b`.c");
    assert_string_equal(transform_table_key(&arena, "a", "b.c"), "a.`b.c`");
    assert_string_equal(transform_table_key(&arena, "a", "`b"), "a.```b`");
    static const char *const names[][2] = {
        {"shop", "orders"}, {"a.b", "c"}, {"a", "b.c"}, {"a", "`b"}, {"`.`", "t``1."}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *db, *table;

        assert_true(transform_key_split(
            &arena, transform_table_key(&arena, names[i][0], names[i][1]), &db, &table));
        assert_string_equal(db, names[i][0]);
        assert_string_equal(table, names[i][1]);
        assert_false(transform_key_split(&arena, names[i][1], &db, &table) && i < 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_specs_scope_filters_and_renames),
        cmocka_unit_test(a_missing_scope_is_an_error),
        cmocka_unit_test(no_two_tables_share_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
