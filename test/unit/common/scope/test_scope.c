/* Patterns, renames, and the places of their errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/scope/scope.h"

struct fixture {
    struct arena arena;
    const struct scope *s;
    struct err e;
};

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static size_t count(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    arena_init(&f->arena, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_fini(&f->arena);
    free(f);
    return 0;
}

static bool compile(struct fixture *f, const char *const *include, const char *const *exclude,
                    const char *const *rename)
{
    struct scope_rename r[8];
    size_t n = count(rename) / 2;

    for (size_t i = 0; i < n; i++)
        r[i] = (struct scope_rename){rename[2 * i], rename[2 * i + 1]};
    struct scope_source src = {include, count(include), exclude, count(exclude), r, n};
    err_clear(&f->e);
    return scope_compile(&src, &f->arena, &f->s, &f->e);
}

static void assert_refused(struct fixture *f, const char *const *include,
                           const char *const *exclude, const char *const *rename, const char *part)
{
    assert_false(compile(f, include, exclude, rename));
    assert_int_equal(f->e.code, ERR_INVALID);
    if (!strstr(f->e.message, part))
        fail_msg("'%s' lacks '%s'", f->e.message, part);
}

static void stars_marks_and_sets_match_whole_names(void **state)
{
    struct fixture *f = *state;

    assert_true(compile(f, LIST("shop.*", "a?c.t_[0-9a-c]x", "m.[!x]*", "*z.**y*"), NULL, NULL));
    assert_true(scope_has(f->s, "shop", "orders"));
    assert_true(scope_has(f->s, "abc", "t_bx"));
    assert_true(scope_has(f->s,
                          "a\xc3\xa9"
                          "c",
                          "t_0x"));
    assert_false(scope_has(f->s, "abc", "t_dx"));
    assert_false(scope_has(f->s, "abc", "t_bxx"));
    assert_false(scope_has(f->s, "ac", "t_bx"));
    assert_false(scope_has(f->s, "m", "x1"));
    assert_true(scope_has(f->s, "m", "y1"));
    assert_false(scope_has(f->s, "m", ""));
    assert_true(scope_has(f->s, "zzz", "aaay"));
    assert_true(scope_has(f->s, "z", "y"));
    assert_false(scope_has(f->s, "za", "y"));
    assert_false(scope_has(f->s, "shops", "orders"));
}

static void matching_is_case_sensitive(void **state)
{
    struct fixture *f = *state;

    assert_true(compile(f, LIST("Shop.Orders"), NULL, NULL));
    assert_true(scope_has(f->s, "Shop", "Orders"));
    assert_false(scope_has(f->s, "shop", "Orders"));
    assert_false(scope_has(f->s, "Shop", "orders"));
}

static void backticks_quote_dots_stars_and_backticks(void **state)
{
    struct fixture *f = *state;

    assert_true(compile(f, LIST("`a.b`.`c*`", "d.`x``y`*"), NULL, NULL));
    assert_true(scope_has(f->s, "a.b", "c*"));
    assert_false(scope_has(f->s, "a.b", "cc"));
    assert_true(scope_has(f->s, "d", "x`yz"));
}

static void exclude_takes_out_again(void **state)
{
    struct fixture *f = *state;

    assert_true(compile(f, LIST("*.*"), LIST("shop.tmp_*", "old.*"), NULL));
    assert_false(scope_has(f->s, "shop", "tmp_1"));
    assert_true(scope_has(f->s, "shop", "orders"));
    assert_true(scope_may_have_db(f->s, "shop"));
    assert_false(scope_may_have_db(f->s, "old"));
}

static void system_databases_never_match(void **state)
{
    struct fixture *f = *state;

    assert_true(compile(f, LIST("*.*", "oms_met?.*", "m*l.user"), NULL, NULL));
    assert_false(scope_has(f->s, "oms_meta", "fence"));
    assert_false(scope_has(f->s, "mysql", "user"));
    assert_false(scope_has(f->s, "INFORMATION_SCHEMA", "tables"));
    assert_false(scope_has(f->s, "oms_heartbeat", "beat"));
    assert_false(scope_may_have_db(f->s, "sys"));
    assert_refused(f, LIST("a.b", "oms_meta.*"), NULL, NULL, "objects.include[2], column 1");
    assert_refused(f, LIST("MySQL.user"), NULL, NULL, "those of the system");
    assert_true(compile(f, LIST("*.*"), LIST("mysql.*"), NULL)); /* said twice, and right */
}

static void many_stars_are_matched_in_little_time(void **state)
{
    struct fixture *f = *state;
    char name[65];

    memset(name, 'a', 64);
    name[64] = '\0';
    assert_true(compile(f, LIST("s.*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), NULL, NULL));
    assert_false(scope_has(f->s, "s", name));
}

static void errors_name_list_number_column_and_expectation(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, LIST("a.b", "shop.[ab"), NULL, NULL,
                   "objects.include[2], column 6: '[' without ']'");
    assert_refused(f, LIST("a.b"), LIST("shop"), NULL, "objects.exclude[1], column 5: '.'");
    assert_refused(f, LIST("\xc3\xa9\xc3\xa9.[b-a]"), NULL, NULL, "column 5: a range");
    assert_refused(f, LIST("a."), NULL, NULL, "column 3: a table is expected");
    assert_refused(f, LIST(".a"), NULL, NULL, "column 1: a database is expected");
    assert_refused(f, LIST(""), NULL, NULL, "column 1");
    assert_refused(f, LIST("a.b.c"), NULL, NULL, "column 4: a second '.'");
    assert_refused(f, LIST("a.`b"), NULL, NULL, "column 3: '`' without");
    assert_refused(f, LIST("a.b]"), NULL, NULL, "column 4: ']' without '['");
    assert_refused(f, LIST("a. b"), NULL, NULL, "column 3: a space");
    assert_refused(f, NULL, NULL, NULL, "objects.include: at least one");
}

static void renames_map_databases_and_tables(void **state)
{
    struct fixture *f = *state;
    const char *db, *table;

    assert_true(compile(f, LIST("shop.*", "hr.*"), NULL,
                        LIST("shop", "store", "shop.orders", "sales.`my orders`")));
    scope_map(f->s, "shop", "items", &db, &table);
    assert_string_equal(db, "store");
    assert_string_equal(table, "items");
    scope_map(f->s, "shop", "orders", &db, &table);
    assert_string_equal(db, "sales");
    assert_string_equal(table, "my orders");
    scope_map(f->s, "hr", "people", &db, &table);
    assert_string_equal(db, "hr");
    assert_string_equal(table, "people");
}

static void bad_renames_are_refused_with_their_place(void **state)
{
    struct fixture *f = *state;
    const char *const *in = LIST("shop.*");

    assert_refused(f, in, NULL, LIST("shop.*", "x.y"), "rename[1].from, column 6: an exact name");
    assert_refused(f, in, NULL, LIST("shop.a", "store"), "rename[1].to, column 6: '.' and a table");
    assert_refused(f, in, NULL, LIST("shop", "store.x"),
                   "rename[1].to, column 1: a database alone");
    assert_refused(f, in, NULL, LIST("shop", "oms_meta"), "a database of the system");
    assert_refused(f, in, NULL, LIST("hr", "x"), "rename[1].from, column 1: this is not among");
    assert_refused(f, in, NULL, LIST("shop", "a", "shop", "b"),
                   "rename[2].from: 'shop' is renamed");
    assert_refused(f, in, NULL, LIST("shop", ""), "rename[1].to, column 1: a name is expected");
    assert_refused(f, in, NULL,
                   LIST("shop", "x234567890123456789012345678901234567890123456789012345678901234"
                                "5"),
                   "more than 64 characters");
}

static void two_tables_with_one_target_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const tables[][2] = {{"a", "t"}, {"b", "t"}, {"b", "u"}, {"mysql", "user"}};

    assert_true(compile(f, LIST("*.*"), NULL, LIST("a", "z")));
    assert_true(scope_check_collisions(f->s, tables, 4, &f->e));
    assert_true(compile(f, LIST("*.*"), NULL, LIST("a", "z", "b", "z")));
    assert_false(scope_check_collisions(f->s, tables, 4, &f->e));
    assert_non_null(strstr(f->e.message, "'a.t'"));
    assert_non_null(strstr(f->e.message, "'b.t'"));
    assert_non_null(strstr(f->e.message, "'z.t'"));
}

static void any_bytes_compile_or_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char alphabet[] = "a.*?[]-!^` \xc3\xa9\xff";
    uint32_t seed = 1;

    for (int round = 0; round < 20000; round++) {
        char text[13];
        const char *list[2] = {text, NULL};
        const char *renames[3] = {text, text, NULL};
        size_t n = 0;

        for (; n < sizeof text - 1; n++) {
            seed = seed * 1664525u + 1013904223u;
            text[n] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        text[n] = '\0';
        if (compile(f, list, NULL, renames))
            (void)scope_has(f->s, text, text + 3);
        else
            assert_true(f->e.message[0] != '\0');
        arena_reset(&f->arena);
    }
}

static void one_table_is_named_as_in_patterns(void **state)
{
    struct fixture *f = *state;
    const char *db, *table;

    assert_true(scope_parse_table("--table", "`a.b`.`c``d e`", &f->arena, &db, &table, &f->e));
    assert_string_equal(db, "a.b");
    assert_string_equal(table, "c`d e");
    assert_false(scope_parse_table("--table", "shop", &f->arena, &db, &table, &f->e));
    assert_string_equal(f->e.message,
                        "--table, column 5: '.' and a table are expected (in 'shop')");
    err_clear(&f->e);
    assert_false(scope_parse_table("--table", "shop.t.u", &f->arena, &db, &table, &f->e));
    assert_false(scope_parse_table("--table", "", &f->arena, &db, &table, &f->e));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(stars_marks_and_sets_match_whole_names),
        T(matching_is_case_sensitive),
        T(backticks_quote_dots_stars_and_backticks),
        T(exclude_takes_out_again),
        T(system_databases_never_match),
        T(many_stars_are_matched_in_little_time),
        T(errors_name_list_number_column_and_expectation),
        T(renames_map_databases_and_tables),
        T(bad_renames_are_refused_with_their_place),
        T(two_tables_with_one_target_are_refused),
        T(any_bytes_compile_or_are_refused),
        T(one_table_is_named_as_in_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
