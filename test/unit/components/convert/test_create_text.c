/* Cutting CREATE TABLE at its clauses, and DDL made from the pieces, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "components/convert/convert.h"
#include "components/convert/create_text.h"

static struct arena arena;
static struct buf ddl;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    buf_init(&ddl, 1 << 16);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_fini(&arena);
    buf_fini(&ddl);
    return 0;
}

static void assert_clause(const struct create_text *c, size_t i, enum clause_kind kind,
                          const char *name)
{
    assert_true(i < c->n);
    assert_int_equal(c->clauses[i].kind, kind);
    assert_string_equal(c->clauses[i].name, name);
}

static void clauses_end_at_commas_outside_quotes_and_parentheses(void **state)
{
    static const char text[] =
        "CREATE TABLE `t` (\n  `a,b` enum('x,y','z''(') DEFAULT 'q\\',' COMMENT \"c,\",\n"
        "  `d` decimal(10,2) /* e,( */ CHECK (`d` > 1),\n  PRIMARY KEY (`a,b`),\n"
        "  UNIQUE KEY `u``u` (`d`),\n  FULLTEXT KEY `f` (`a,b`),\n  KEY `k` (`d`),\n"
        "  CONSTRAINT `fk` FOREIGN KEY (`d`) REFERENCES `p` (`i`),\n"
        "  CONSTRAINT `ck` CHECK (`d` <> 'KEY ('),\n  PERIOD FOR `p` (`s`, `e`)\n"
        ") ENGINE=InnoDB COMMENT='x)'";
    struct create_text c;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(create_text_parse(text, &arena, &c, &e));
    assert_int_equal(c.n, 9);
    assert_clause(&c, 0, CLAUSE_COLUMN, "a,b");
    assert_clause(&c, 1, CLAUSE_COLUMN, "d");
    assert_clause(&c, 2, CLAUSE_PRIMARY, "");
    assert_clause(&c, 3, CLAUSE_UNIQUE, "u`u");
    assert_clause(&c, 4, CLAUSE_PLAIN, "f");
    assert_clause(&c, 5, CLAUSE_PLAIN, "k");
    assert_clause(&c, 6, CLAUSE_FOREIGN, "fk");
    assert_clause(&c, 7, CLAUSE_CHECK, "ck");
    assert_clause(&c, 8, CLAUSE_PERIOD, "");
    assert_memory_equal(c.tail.p, "ENGINE=InnoDB COMMENT='x)'", c.tail.len);
}

static void what_is_not_a_table_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "ALTER TABLE t (a int)",
        "CREATE TABLE t",
        "CREATE TABLE t (`a` int",
        "CREATE TABLE t (`a` int DEFAULT 'x)",
        "CREATE TABLE t (`a` int /* )",
        "CREATE TABLE t (`a` int, SOMETHING `new` (`a`))",
        "CREATE TABLE t (`a",
    };
    struct create_text c;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = ERR_INIT;
        assert_false(create_text_parse(bad[i], &arena, &c, &e));
        assert_int_equal(e.code, ERR_UNSUPPORTED);
    }
}

static struct column_def columns[] = {{.name = "i", .kind = KIND_I32, .charset = ""},
                                      {.name = "b", .kind = KIND_BYTES, .charset = ""}};
static struct table_def table = {
    .db = "d", .name = "t", .n_columns = 2, .columns = columns, .row_key = -1};

static void places_on_the_source_disk_are_left_out(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    table.create_text = "CREATE TABLE `t` (`i` int, `b` blob) ENGINE=InnoDB "
                        "DATA DIRECTORY='/a b/' INDEX DIRECTORY = '/c' COMMENT='DATA DIRECTORY'";
    assert_true(convert_create_table(&table, "x", "y", &ddl, &e));
    assert_string_equal(buf_cstr(&ddl), "CREATE TABLE `x`.`y` (\n  `i` int,\n  `b` blob\n) "
                                        "ENGINE=InnoDB   COMMENT='DATA DIRECTORY'");
}

static void text_defaults_of_binary_columns_become_hexadecimal(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    table.create_text = "CREATE TABLE `t` (`i` int DEFAULT '1', "
                        "`b` varbinary(9) DEFAULT '\\0\xff''\\\\' COMMENT 'DEFAULT') ENGINE=X";
    assert_true(convert_create_table(&table, "x", "y", &ddl, &e));
    assert_non_null(strstr(buf_cstr(&ddl), "DEFAULT '1'"));
    assert_non_null(strstr(buf_cstr(&ddl), "DEFAULT x'00FF275C' COMMENT 'DEFAULT'"));
}

static void system_versioned_tables_are_refused(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    table.create_text = "CREATE TABLE `t` (`i` int, `b` blob) ENGINE=InnoDB WITH SYSTEM VERSIONING";
    assert_false(convert_create_table(&table, "x", "y", &ddl, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
}

static void a_text_that_is_not_of_the_columns_is_refused(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    table.create_text = "CREATE TABLE `t` (`i` int, `other` blob) ENGINE=InnoDB";
    assert_false(convert_create_table(&table, "x", "y", &ddl, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "other"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(clauses_end_at_commas_outside_quotes_and_parentheses),
        T(what_is_not_a_table_is_refused),
        T(places_on_the_source_disk_are_left_out),
        T(text_defaults_of_binary_columns_become_hexadecimal),
        T(system_versioned_tables_are_refused),
        T(a_text_that_is_not_of_the_columns_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
