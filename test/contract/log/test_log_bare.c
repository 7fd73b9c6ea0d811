/* Logs that do not name columns (binlog_row_metadata NO_LOG and MINIMAL, correctness A15): the
 * catalog's definition is used where no DDL lies between, and nothing is ever guessed. */
#include <stdio.h>
#include <string.h>

#include "test/lib/log_world.h"

static const struct asked whole = {.filter = only_w};

static int fresh(void **state)
{
    (void)state;
    if (!root)
        return 0;
    run("DROP DATABASE IF EXISTS w");
    run("CREATE DATABASE w CHARACTER SET utf8mb4");
    run("USE w");
    run("CREATE TABLE w.t (i INT PRIMARY KEY, a INT UNSIGNED, b INT, c VARCHAR(10) CHARACTER SET"
        " latin1, d ENUM('x','y','z'), e SET('p','q'), f DECIMAL(9,2), g VARBINARY(20), h TEXT,"
        " k DATETIME(3), l BIGINT UNSIGNED, m CHAR(5), n BIT(9))");
    return 0;
}

static void insert(int key)
{
    char sql[300];

    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO w.t (i,a,b,c,d,e,f,g,h,k,l,m,n) VALUES (%d,4294967295,-7,"
                   "_latin1 X'E9','z','q,p',-1.25,X'00FF','t\xc3\xa4xt',"
                   "'2026-01-02 03:04:05.678',18446744073709551615,'m',b'101010101')",
                   key);
    run(sql);
}

static void rows_are_read_with_the_catalogs_definition(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    reading_init(&r);
    insert(1);
    insert(2);
    run("UPDATE w.t SET a=1, b=NULL, d='x' WHERE i=1");
    run("DELETE FROM w.t WHERE i=2");
    insert(3);
    read_to_end(&r, &whole);
    assert_same(&r, "w", "t");
    assert_int_equal(r.versions.n, 1);
    assert_string_equal(version(&r, "t")->columns[3].charset, "latin1");
    assert_int_equal(version(&r, "t")->columns[1].kind, KIND_U32);
    assert_true(version(&r, "t")->keys[0].primary);
    reading_fini(&r);
}

static void rows_behind_a_ddl_have_the_new_definition(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    reading_init(&r);
    insert(1);
    read_to_end(&r, &whole);
    run("ALTER TABLE w.t CHANGE a b INT UNSIGNED, CHANGE b a INT");
    run("INSERT INTO w.t (i, a, b) VALUES (2, -3, 4000000000)");
    r.any = true;
    read_to_end(&r, &whole);
    assert_int_equal(r.versions.n, 2);
    assert_string_equal(r.versions.at[1]->columns[1].name, "b");
    assert_int_equal(r.versions.at[1]->columns[1].kind, KIND_U32);
    reading_fini(&r);
}

/* Types alone would not tell: two columns change places. */
static void rows_before_a_ddl_that_the_catalog_is_past_stop(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    reading_init(&r);
    insert(1);
    run("FLUSH LOGS");
    run("ALTER TABLE w.t CHANGE a l INT UNSIGNED, CHANGE l a BIGINT UNSIGNED");
    assert_stops(&r, &whole, ERR_LOG_METADATA, "ALTER TABLE w.t CHANGE");
    reading_fini(&r);
}

static void a_table_that_took_the_name_of_another_stops(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    run("CREATE TABLE w.u (i INT PRIMARY KEY, v INT)");
    run("CREATE TABLE w.n (i INT PRIMARY KEY, other INT)");
    reading_init(&r);
    run("INSERT INTO w.u VALUES (1,1)");
    run("RENAME TABLE w.u TO w.old, w.n TO w.u");
    assert_stops(&r, &whole, ERR_LOG_METADATA, "RENAME TABLE");
    reading_fini(&r);
}

static void a_table_that_is_gone_stops(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    reading_init(&r);
    insert(1);
    run("DROP TABLE w.t");
    assert_stops(&r, &whole, ERR_LOG_METADATA, "does not have the table any more");
    reading_fini(&r);
}

static void what_changes_no_definition_of_it_does_not_matter(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    reading_init(&r);
    insert(1);
    run("CREATE TABLE w.u (i INT PRIMARY KEY, v INT)");
    run("FLUSH LOGS");
    run("ALTER TABLE w.u ADD z INT");
    run("TRUNCATE TABLE w.t");
    run("FLUSH LOGS");
    run("CREATE TEMPORARY TABLE w.t2 (i INT)");
    run("DROP TEMPORARY TABLE w.t2");
    run("INSERT INTO w.u VALUES (1,2,3)");
    insert(2);
    r.any = true;
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 3);
    reading_fini(&r);
}

/* The log was opened again: a DDL may have passed since the version was made. */
static void versions_that_were_known_are_not_believed(void **state)
{
    (void)state;
    need_server();
    struct reading r;

    reading_init(&r);
    insert(1);
    read_to_end(&r, &whole);
    run("ALTER TABLE w.t CHANGE a b INT UNSIGNED, CHANGE b a INT");
    read_to_end(&r, &whole);
    assert_int_equal(r.versions.n, 1);
    run("INSERT INTO w.t (i, a, b) VALUES (2, -3, 4000000000)");
    r.any = true;
    read_to_end(&r, &whole);
    assert_int_equal(r.versions.n, 2);
    assert_string_equal(r.versions.at[1]->columns[1].name, "b");
    reading_fini(&r);
}

/* What was looked at is not looked at again, and serves the next table. */
static void many_tables_are_proven_while_a_log_is_open(void **state)
{
    (void)state;
    need_server();
    struct reading r;
    struct log *l = NULL;
    char sql[120];

    reading_init(&r);
    check(reading_open(&r, &whole, &l, e));
    for (int i = 0; i < 20; i++) {
        (void)snprintf(sql, sizeof sql, "CREATE TABLE w.t%d (i INT PRIMARY KEY, v INT UNSIGNED)",
                       i);
        run(sql);
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t%d VALUES (1, 4294967295)", i);
        run(sql);
        if (i % 5 == 4)
            check(reading_go(&r, l, &whole, e));
    }
    mysql_log_ops.close(l);
    assert_int_equal(r.versions.n, 20);
    assert_same(&r, "w", "t0");
    assert_same(&r, "w", "t19");
    reading_fini(&r);
}

static int start_mariadb(void **state)
{
    (void)state;
    one_server_start(81);
    run("SET GLOBAL binlog_row_metadata=NO_LOG");
    return 0;
}

static int with_minimal(void **state)
{
    (void)state;
    run("SET GLOBAL binlog_row_metadata=MINIMAL");
    return 0;
}

static int start_mysql(void **state)
{
    (void)state;
    one_server_start_mysql(82);
    if (root)
        run("SET GLOBAL binlog_row_metadata=MINIMAL");
    return 0;
}

static int nothing(void **state)
{
    (void)state;
    return 0;
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

static const struct CMUnitTest tests[] = {
    TEST(rows_are_read_with_the_catalogs_definition),
    TEST(rows_behind_a_ddl_have_the_new_definition),
    TEST(rows_before_a_ddl_that_the_catalog_is_past_stop),
    TEST(a_table_that_took_the_name_of_another_stops),
    TEST(a_table_that_is_gone_stops),
    TEST(what_changes_no_definition_of_it_does_not_matter),
    TEST(versions_that_were_known_are_not_believed),
    TEST(many_tables_are_proven_while_a_log_is_open),
};

int main(void)
{
    int failed = cmocka_run_group_tests_name("mariadb, no metadata", tests, start_mariadb, nothing);

    failed += cmocka_run_group_tests_name("mariadb, little metadata", tests, with_minimal,
                                          one_server_stop);
    return failed + cmocka_run_group_tests_name("mysql", tests, start_mysql, one_server_stop);
}
