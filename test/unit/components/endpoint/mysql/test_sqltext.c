/* Statement text: literals, ranges, types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "components/endpoint/mysql/cascades.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/native.h"
#include "components/endpoint/mysql/session.h"
#include "components/endpoint/mysql/sqltext.h"

static struct column_def columns[] = {
    {.name = "a", .kind = KIND_I32, .charset = "", .native = "int(11)"},
    {.name = "b`c", .kind = KIND_TEXT, .charset = "latin1", .native = "varchar(9)"},
    {.name = "d", .kind = KIND_DOUBLE, .charset = "", .native = "double"},
    {.name = "g", .kind = KIND_I32, .charset = "", .native = "int", .generated = GENERATED_VIRTUAL},
};
static const struct key_part parts[] = {{.column = 0}, {.column = 1, .descending = true}};
static const struct key_def keys[] = {
    {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 2, .parts = parts},
    {.name = "u", .unique = true, .n_parts = 1, .parts = parts}};
static struct table_def table = {.db = "x",
                                 .name = "t",
                                 .n_columns = 4,
                                 .columns = columns,
                                 .n_keys = 2,
                                 .keys = keys,
                                 .row_key = 0};

static struct buf out, bound;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 16);
    buf_init(&bound, 1 << 16);
    table.row_key = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_fini(&out);
    buf_fini(&bound);
    return 0;
}

static struct view text(const char *s)
{
    return (struct view){(const uint8_t *)s, strlen(s)};
}

static void a_range_of_two_columns_is_written_out(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    buf_bytes(&bound, "7", 1);
    buf_bytes(&bound, "z'", 2);
    struct key_range range = {.lo = {bound.p, bound.len}};
    assert_true(sqltext_where(&out, &table, range, &e));
    assert_string_equal(buf_cstr(&out), " WHERE (`a`>=7 AND ((`a`>7) OR (`a`=7 AND "
                                        "`b``c`<_latin1 X'7A27')))");
    buf_clear(&out);
    range = (struct key_range){.hi = {bound.p, bound.len}};
    assert_true(sqltext_where(&out, &table, range, &e));
    assert_string_equal(buf_cstr(&out), " WHERE (`a`<=7 AND ((`a`<7) OR (`a`=7 AND "
                                        "`b``c`>=_latin1 X'7A27')))");
}

static void a_range_of_one_column_has_an_open_and_a_closed_end(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    table.row_key = 1;
    buf_bytes(&bound, "-7", 2);
    struct key_range range = {.lo = {bound.p, bound.len}, .hi = {bound.p, bound.len}};
    assert_true(sqltext_where(&out, &table, range, &e));
    assert_string_equal(buf_cstr(&out), " WHERE (`a`>-7) AND (`a`<=-7)");
}

static void the_order_follows_the_key(void **state)
{
    (void)state;
    sqltext_order(&out, &table);
    assert_string_equal(buf_cstr(&out), " ORDER BY `a`,`b``c` DESC");
    buf_clear(&out);
    sqltext_order_reverse(&out, &table);
    assert_string_equal(buf_cstr(&out), " ORDER BY `a` DESC,`b``c`");
}

static void a_number_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"", "1 OR 1", "0x10", "1;", "'1'", "--"};
    struct err e = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err_clear(&e);
        assert_false(sqltext_literal(&out, &columns[0], text(bad[i]), &e));
        assert_int_equal(e.code, ERR_CORRUPT);
    }
}

static void a_bound_that_does_not_fit_the_key_is_refused(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    buf_bytes(&bound, "7", 1);
    struct key_range range = {.lo = {bound.p, bound.len}};
    assert_false(sqltext_where(&out, &table, range, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    buf_bytes(&bound, "7", 1);
    buf_bytes(&bound, "7", 1);
    range.lo = (struct view){bound.p, bound.len};
    err_clear(&e);
    assert_false(sqltext_where(&out, &table, range, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
}

static void doubles_are_double_literals(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_true(sqltext_literal(&out, &columns[2], text("0.1"), &e));
    assert_string_equal(buf_cstr(&out), "0.1e0");
    buf_clear(&out);
    assert_true(sqltext_literal(&out, &columns[2], text("1e-300"), &e));
    assert_string_equal(buf_cstr(&out), "1e-300");
}

static void generated_columns_are_not_read_unless_in_the_key(void **state)
{
    static const struct key_part g = {.column = 3};
    static const struct key_def key = {.name = "g", .unique = true, .n_parts = 1, .parts = &g};
    struct table_def t = table;

    (void)state;
    assert_false(sqltext_is_read(&table, 3));
    assert_true(sqltext_is_read(&table, 2));
    t.keys = &key;
    t.n_keys = 1;
    assert_true(sqltext_is_read(&t, 3));
}

static void members_are_unescaped(void **state)
{
    const char *at = "enum('a','it''s','b\\\\c','','\\0x')";
    static const struct view want[] = {{(const uint8_t *)"a", 1},
                                       {(const uint8_t *)"it's", 4},
                                       {(const uint8_t *)"b\\c", 3},
                                       {(const uint8_t *)"", 0},
                                       {(const uint8_t *)"\0x", 2}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(native_next_member(&at, &out));
        assert_int_equal(out.len, want[i].len);
        if (out.len > 0)
            assert_memory_equal(out.p, want[i].p, out.len);
    }
    assert_false(native_next_member(&at, &out));
}

static void every_type_has_a_kind_and_an_unknown_one_has_none(void **state)
{
    enum kind k;

    (void)state;
    assert_true(native_kind("bigint", "bigint(20) unsigned", &k));
    assert_int_equal(k, KIND_U64);
    assert_true(native_kind("bigint", "bigint(20)", &k));
    assert_int_equal(k, KIND_I64);
    assert_true(native_kind("mediumint", "mediumint(8) unsigned zerofill", &k));
    assert_int_equal(k, KIND_U32);
    assert_false(native_kind("tardis", "tardis", &k));
}

static void quoting_doubles_and_escapes(void **state)
{
    (void)state;
    mysql_dialect_ops.quote_table(&out, "a`b", "c");
    assert_string_equal(buf_cstr(&out), "`a``b`.`c`");
    buf_clear(&out);
    mysql_dialect_ops.quote_text(&out, "a'b\\c\0d", 7);
    assert_string_equal(buf_cstr(&out), "'a\\'b\\\\c\\0d'");
}

static void only_exact_kinds_fold_exactly(void **state)
{
    struct column_def c = {.kind = KIND_U64};

    (void)state;
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_EXACT);
    c.kind = KIND_BINARY;
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_EXACT);
    c.kind = KIND_ENUM;
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_EXACT);
    c.kind = KIND_DOUBLE;
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_FLOAT);
    c.kind = KIND_TEXT;
    c.charset = "utf8mb4";
    c.collation = "utf8mb4_general_ci";
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_LETTERS_UTF8);
    c.collation = "utf8mb4_hungarian_ci";
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_TABLE);
    c.kind = KIND_JSON;
    assert_int_equal(mysql_dialect_ops.key_fold(&c), FOLD_TABLE);
}

static void errors_have_the_class_that_reacts_rightly(void **state)
{
    (void)state;
    assert_int_equal(err_class_of(session_code(1045)), ERR_CLASS_STOP);
    assert_int_equal(err_class_of(session_code(1213)), ERR_CLASS_RETRY);
    assert_int_equal(err_class_of(session_code(2013)), ERR_CLASS_RETRY);
    assert_int_equal(err_class_of(session_code(1040)), ERR_CLASS_RETRY);
    assert_int_equal(err_class_of(session_code(3032)), ERR_CLASS_RETRY); /* offline_mode */
    assert_true(session_is_lost(3169)); /* the session was killed */
    assert_int_equal(session_code(99999), ERR_SERVER_REFUSED);
    assert_true(session_is_lost(2006));
    assert_false(session_is_lost(1205));
}

static bool may_change(const char *sql)
{
    return cascades_may_change(sql, strlen(sql));
}

static void families_are_read_anew_only_after_what_may_change_them(void **state)
{
    (void)state;
    assert_false(may_change("SELECT 1 FROM `d`.`references` LIMIT 0"));
    assert_false(may_change("START TRANSACTION WITH CONSISTENT SNAPSHOT"));
    assert_false(may_change("COMMIT"));
    assert_false(may_change("CREATE TABLE `d`.`t` (\n  id INT PRIMARY KEY)"));
    assert_true(may_change("CREATE TABLE `d`.`t` (id INT, FOREIGN KEY (id) references p (id))"));
    assert_true(may_change("CREATE TABLE t LIKE p"));
    assert_true(may_change("CREATE OR REPLACE TABLE t (id INT)"));
    assert_true(may_change("ALTER TABLE t DROP FOREIGN KEY f"));
    assert_true(may_change("/* a word before */ DROP TABLE t"));
    assert_true(may_change(""));
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_range_of_two_columns_is_written_out),
        T(a_range_of_one_column_has_an_open_and_a_closed_end),
        T(the_order_follows_the_key),
        T(a_number_that_is_none_is_refused),
        T(a_bound_that_does_not_fit_the_key_is_refused),
        T(doubles_are_double_literals),
        T(generated_columns_are_not_read_unless_in_the_key),
        T(members_are_unescaped),
        T(every_type_has_a_kind_and_an_unknown_one_has_none),
        T(quoting_doubles_and_escapes),
        T(only_exact_kinds_fold_exactly),
        T(errors_have_the_class_that_reacts_rightly),
        T(families_are_read_anew_only_after_what_may_change_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
