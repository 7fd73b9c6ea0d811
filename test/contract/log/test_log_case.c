/* A source that writes all names in small letters (lower_case_table_names=1): a statement's text
 * has them as they were typed, its rows as they are. */
#include <stdio.h>
#include <string.h>

#include "test/lib/log_world.h"

/* As a project's scope has it: one table, by its name. */
static bool only_orders(void *arg, const char *db, const char *table)
{
    (void)arg;
    return strcmp(db, "shop") == 0 && (strcmp(table, "orders") == 0 || strcmp(table, "any") == 0);
}

static const struct asked whole = {.filter = only_orders};

static void a_ddl_is_on_the_table_of_its_rows_however_it_is_typed(void **state)
{
    struct reading r;

    (void)state;
    run("CREATE DATABASE Shop");
    run("CREATE TABLE Shop.Orders (i INT PRIMARY KEY, a INT)");
    reading_init(&r);
    run("INSERT INTO shop.orders VALUES (1,1)");
    run("ALTER TABLE SHOP.Orders ADD b INT");
    run("INSERT INTO Shop.ORDERS VALUES (2,2,2)");
    run("TRUNCATE TABLE Shop.`ORDERS`");
    run("INSERT INTO shop.orders VALUES (3,3,3)");
    run("ALTER DATABASE SHOP CHARACTER SET latin1");
    r.any = true;
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 3);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(r.ddl.at[i].table, "shop.orders");
    assert_int_equal(r.ddl.at[2].kind, DDL_DATABASE);
    assert_int_equal(r.changes, 3);
    reading_fini(&r);
}

static int start(void **state)
{
    static const char *const small[] = {"--lower-case-table-names=1", NULL};
    struct endpoint_address a;

    (void)state;
    check(mariadb_start(&server, 83, small, e));
    a = mariadb_address(&server);
    check(session_open(&a, SESSION_DDL, &root, e));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ddl_is_on_the_table_of_its_rows_however_it_is_typed),
    };

    return cmocka_run_group_tests(tests, start, one_server_stop);
}
