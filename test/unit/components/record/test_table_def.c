/* Table definitions: sealing, bytes, sameness, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "components/record/table_def.h"

/* What a test may change before it seals. */
struct parts {
    struct column_def columns[3];
    struct key_part part[2][2];
    struct key_def keys[2];
    struct table_def_builder b;
};

static void begin(struct parts *p)
{
    *p = (struct parts){
        .columns = {{.name = "a",
                     .kind = KIND_DECIMAL,
                     .precision = 10,
                     .scale = 2,
                     .charset = "",
                     .collation = "",
                     .native = "decimal(10,2)"},
                    {.name = "b",
                     .kind = KIND_ENUM,
                     .nullable = true,
                     .charset = "latin1",
                     .collation = "latin1_bin",
                     .native = "enum('x','yy')",
                     .members = "\1x\2yy",
                     .members_len = 5},
                    {.name = "c",
                     .kind = KIND_TIMESTAMP,
                     .scale = 6,
                     .on_update_now = true,
                     .invisible = true,
                     .generated = GENERATED_STORED,
                     .charset = "",
                     .collation = "",
                     .native = "timestamp(6)"}},
        .part = {{{.column = 1, .prefix = 3, .descending = true}}, {{.column = 2}, {.column = 0}}},
    };
    p->keys[0] = (struct key_def){.name = "kb", .unique = true, .n_parts = 1, .parts = p->part[0]};
    p->keys[1] = (struct key_def){.name = "kca", .unique = true, .n_parts = 2, .parts = p->part[1]};
    table_def_builder_init(&p->b);
    p->b.def = (struct table_def){.id = 7,
                                  .db = "shop",
                                  .name = "t",
                                  .engine = "InnoDB",
                                  .charset = "utf8mb4",
                                  .collation = "utf8mb4_bin",
                                  .n_columns = 3,
                                  .columns = p->columns,
                                  .n_keys = 2,
                                  .keys = p->keys,
                                  .family = "a.b",
                                  .create_text = "CREATE TABLE t (...)"};
}

static const struct table_def *seal(struct parts *p)
{
    const struct table_def *t = NULL;
    struct err e = ERR_INIT;

    assert_true(table_def_seal(&p->b, &t, &e));
    table_def_builder_fini(&p->b);
    return t;
}

static void bytes_give_the_definition_back(void **state)
{
    const struct table_def *t, *back;
    struct parts p;
    struct err e = ERR_INIT;
    struct buf one, two;
    struct cursor c;

    (void)state;
    begin(&p);
    t = seal(&p);
    buf_init(&one, 1 << 20);
    buf_init(&two, 1 << 20);
    table_def_encode(t, &one);
    c = cursor_of(one.p, one.len);
    assert_true(table_def_decode(&c, &back, &e));
    assert_int_equal(cursor_left(&c), 0);
    assert_true(table_def_same_rows(t, back));
    assert_int_equal(back->id, 7);
    assert_string_equal(back->family, "a.b");
    assert_true(back->columns[2].on_update_now && back->columns[2].invisible);
    assert_memory_equal(back->columns[1].members, "\1x\2yy", 5);
    assert_true(back->keys[0].parts[0].descending);
    table_def_encode(back, &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.p, two.p, one.len);
    for (size_t cut = 0; cut < one.len; cut++) {
        const struct table_def *bad;

        c = cursor_of(one.p, cut);
        assert_false(table_def_decode(&c, &bad, &e));
    }
    table_def_unref(back);
    table_def_unref(t);
    buf_fini(&one);
    buf_fini(&two);
}

static void the_row_key_is_the_primary_else_a_unique_one_without_null_or_prefix(void **state)
{
    const struct table_def *t;
    struct parts p;

    (void)state;
    begin(&p);
    t = seal(&p);
    assert_int_equal(t->row_key, 1); /* kb may be NULL and is a prefix */
    table_def_unref(t);
    begin(&p);
    p.keys[0].primary = true;
    t = seal(&p);
    assert_int_equal(t->row_key, 0);
    table_def_unref(t);
    begin(&p);
    p.part[1][1].column = KEY_EXPRESSION;
    t = seal(&p);
    assert_int_equal(t->row_key, -1);
    table_def_unref(t);
    begin(&p);
    p.keys[1].unique = false;
    t = seal(&p);
    assert_int_equal(t->row_key, -1);
    table_def_unref(t);
}

static void a_key_over_a_column_that_is_not_there_is_refused(void **state)
{
    const struct table_def *t;
    struct parts p;
    struct err e = ERR_INIT;

    (void)state;
    begin(&p);
    p.part[1][0].column = 3;
    assert_false(table_def_seal(&p.b, &t, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    table_def_builder_fini(&p.b);
}

static void same_text_leaves_the_next_number_out(void **state)
{
    static const char *const texts[] = {
        "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
        "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=17 DEFAULT CHARSET=utf8mb4",
        "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4",
        "CREATE TABLE `t` (\n  `a` int,\n  KEY (`a`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
        "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=4'\n) ENGINE=InnoDB"};
    const struct table_def *t[ARRAY_LEN(texts)];
    struct parts p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        begin(&p);
        p.b.def.create_text = texts[i];
        t[i] = seal(&p);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            assert_int_equal(table_def_same_text(t[i], t[k]), i == k || (i < 3 && k < 3));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        table_def_unref(t[i]);
}

static void same_rows_looks_at_what_rows_mean_only(void **state)
{
    const struct table_def *a, *b;
    struct parts p;

    (void)state;
    begin(&p);
    a = seal(&p);
    begin(&p); /* id, text and a secondary key differ: the rows do not */
    p.b.def.id = 8;
    p.b.def.create_text = "";
    p.part[0][0].prefix = 5;
    b = seal(&p);
    assert_true(table_def_same_rows(a, b));
    table_def_unref(b);
    for (int change = 0; change < 6; change++) {
        begin(&p);
        if (change == 0)
            p.columns[0].scale = 3;
        else if (change == 1)
            p.columns[1].members = "\1x\2yz";
        else if (change == 2)
            p.columns[1].charset = "utf8mb4";
        else if (change == 3)
            p.columns[2].name = "d";
        else if (change == 4)
            p.part[1][0].column = 0, p.part[1][1].column = 2;
        else
            p.b.def.name = "u";
        b = seal(&p);
        assert_false(table_def_same_rows(a, b));
        table_def_unref(b);
    }
    table_def_unref(a);
}

static void columns_are_found_by_name(void **state)
{
    const struct table_def *t;
    struct parts p;

    (void)state;
    begin(&p);
    t = seal(&p);
    assert_int_equal(table_def_column(t, "c"), 2);
    assert_int_equal(table_def_column(t, "C"), -1);
    assert_ptr_equal(table_def_ref(t), t);
    table_def_unref(t);
    assert_string_equal(t->name, "t"); /* one reference is left */
    table_def_unref(t);
    table_def_unref(NULL);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++) {
        enum kind back = KIND_COUNT;

        assert_true(kind_from_name(kind_name((enum kind)k), &back));
        assert_int_equal(back, k);
    }
    assert_false(kind_from_name("none", &(enum kind){0}));
    assert_int_equal(kind_width[KIND_U16], 2);
    assert_int_equal(kind_width[KIND_TEXT], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_give_the_definition_back),
        cmocka_unit_test(the_row_key_is_the_primary_else_a_unique_one_without_null_or_prefix),
        cmocka_unit_test(a_key_over_a_column_that_is_not_there_is_refused),
        cmocka_unit_test(same_text_leaves_the_next_number_out),
        cmocka_unit_test(same_rows_looks_at_what_rows_mean_only),
        cmocka_unit_test(columns_are_found_by_name),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
