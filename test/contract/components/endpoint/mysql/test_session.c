/* Sessions and the catalog against a real server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/session.h"
#include "test/lib/one_server.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    one_server_start(35);
    run("CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
    return 0;
}

static int teardown(void **state)
{
    (void)one_server_stop(state);
    arena_fini(&arena);
    return 0;
}

/* --- sessions -----------------------------------------------------------------------------------
 */

static void assert_no_connection(const struct endpoint_address *a, enum err_code code)
{
    struct session *s;
    struct err e = ERR_INIT;

    assert_false(session_open(a, SESSION_READ, &s, &e));
    if (e.code != code)
        fail_msg("%s is not %s: %s", err_name(e.code), err_name(code), e.message);
    assert_null(strstr(e.message, "s3cret-word"));
}

static void a_wrong_password_is_denied_and_not_told(void **state)
{
    struct endpoint_address a = mariadb_address(&server);

    (void)state;
    a.password = "s3cret-word";
    assert_no_connection(&a, ERR_SERVER_DENIED);
}

static void a_closed_port_is_unreachable(void **state)
{
    struct endpoint_address a = mariadb_address(&server);

    (void)state;
    a.port = 1;
    assert_no_connection(&a, ERR_SERVER_UNREACHABLE);
    a.host = "no-such-host.invalid";
    assert_no_connection(&a, ERR_SERVER_UNREACHABLE);
}

static void demanded_tls_is_never_left_out(void **state)
{
    struct endpoint_address a = mariadb_address(&server);

    (void)state;
    a.tls_mode = "required";
    assert_no_connection(&a, ERR_SERVER_TLS);
    a.tls_mode = "sometimes";
    assert_no_connection(&a, ERR_INVALID);
}

static void another_product_is_refused(void **state)
{
    struct endpoint_address a = mariadb_address(&server);

    (void)state;
    a.kind = "mysql";
    assert_no_connection(&a, ERR_SERVER_KIND);
}

static void assert_setting(struct session *s, const char *name, const char *value)
{
    char sql[128], text[256];
    bool found;

    snprintf(sql, sizeof sql, "SELECT @@%s", name);
    check(session_value(s, sql, text, sizeof text, &found, e));
    if (!found || strcmp(text, value) != 0)
        fail_msg("@@%s is '%s', not '%s'", name, found ? text : "NULL", value);
}

static void sessions_are_set_up_on_purpose(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;

    (void)state;
    run("SET GLOBAL sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'");
    run("SET GLOBAL time_zone='+07:00'");
    check(session_open(&a, SESSION_WRITE, &s, e));
    assert_setting(s, "time_zone", "+00:00");
    assert_setting(s, "sql_mode",
                   "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES,"
                   "NO_ENGINE_SUBSTITUTION");
    assert_setting(s, "character_set_client", "binary");
    assert_setting(s, "character_set_connection", "binary");
    assert_setting(s, "foreign_key_checks", "0");
    assert_setting(s, "wait_timeout", "60");
    assert_setting(s, "tx_isolation", "READ-COMMITTED");
    session_close(s);
    run("SET GLOBAL sql_mode=DEFAULT");
    run("SET GLOBAL time_zone='SYSTEM'");
}

static void a_killed_session_says_retry(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    struct err e2 = ERR_INIT;
    char sql[64];

    (void)state;
    check(session_open(&a, SESSION_READ, &s, e));
    snprintf(sql, sizeof sql, "KILL CONNECTION %lu", mysql_thread_id(s->my));
    run(sql);
    assert_false(session_exec(s, "SELECT 1", &e2));
    assert_int_equal(err_class_of(e2.code), ERR_CLASS_RETRY);
    session_close(s);
}

static void the_server_is_identified(void **state)
{
    struct server_identity id;

    (void)state;
    check(mysql_catalog_ops.identify(root, &id, e));
    assert_string_equal(id.product, "MariaDB");
    assert_int_equal(id.server_id, 35);
    assert_true(id.version_number >= 100600);
    assert_int_not_equal(strlen(id.uuid), 0);
    assert_false(id.read_only);
}

/* --- catalog ------------------------------------------------------------------------------------
 */

static bool only_shop(void *arg, const char *db, const char *table)
{
    (void)arg;
    return strcmp(db, "shop") == 0 && strcmp(table, "skipped") != 0;
}

static void tables_are_listed_in_order_and_filtered(void **state)
{
    struct table_name *names;
    size_t n;

    (void)state;
    run("CREATE TABLE shop.b (i INT)");
    run("CREATE TABLE shop.a (i INT)");
    run("CREATE TABLE shop.Z (i INT)");
    run("CREATE TABLE shop.skipped (i INT)");
    run("CREATE VIEW shop.v AS SELECT 1 AS one");
    check(mysql_catalog_ops.list_tables(root, only_shop, NULL, &arena, &names, &n, e));
    assert_int_equal(n, 3);
    assert_string_equal(names[0].name, "Z");
    assert_string_equal(names[1].name, "a");
    assert_string_equal(names[2].name, "b");
}

static void a_definition_says_what_rows_mean(void **state)
{
    const struct table_def *t;

    (void)state;
    run("CREATE TABLE shop.d (i BIGINT UNSIGNED AUTO_INCREMENT,"
        " e ENUM('x','\xc3\xa9') CHARACTER SET latin1 NOT NULL, v VARCHAR(20), d DECIMAL(12,4),"
        " ts TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),"
        " g INT AS (LENGTH(v)) STORED, inv INT INVISIBLE, c CHAR(4) CHARACTER SET ucs2,"
        " KEY ai (i), UNIQUE KEY u (e, ts DESC), KEY p (v(5)))");
    check(mysql_catalog_ops.load_table(root, "shop", "d", &t, e));
    assert_int_equal(t->n_columns, 8);
    assert_int_equal(t->columns[0].kind, KIND_U64);
    assert_true(t->columns[0].auto_increment);
    assert_int_equal(t->columns[1].members_len, 4);
    assert_memory_equal(t->columns[1].members, "\1x\1\xe9", 4);
    assert_int_equal(t->columns[2].length, 20);
    assert_string_equal(t->columns[2].collation, "utf8mb4_unicode_ci");
    assert_int_equal(t->columns[3].precision, 12);
    assert_int_equal(t->columns[3].scale, 4);
    assert_true(t->columns[4].on_update_now);
    assert_int_equal(t->columns[4].scale, 3);
    assert_int_equal(t->columns[5].generated, GENERATED_STORED);
    assert_true(t->columns[6].invisible);
    assert_true(t->columns[7].fixed_char);
    assert_int_equal(t->columns[7].length, 4);
    assert_true(t->row_key >= 0);
    assert_string_equal(t->keys[t->row_key].name, "u");
    assert_true(t->keys[t->row_key].parts[1].descending);
    assert_string_equal(t->family, "");
    table_def_unref(t);
}

static void a_missing_table_is_no_object(void **state)
{
    const struct table_def *t;
    struct err e2 = ERR_INIT;

    (void)state;
    assert_false(mysql_catalog_ops.load_table(root, "shop", "nowhere", &t, &e2));
    assert_int_equal(e2.code, ERR_SERVER_NO_OBJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_password_is_denied_and_not_told),
        cmocka_unit_test(a_closed_port_is_unreachable),
        cmocka_unit_test(demanded_tls_is_never_left_out),
        cmocka_unit_test(another_product_is_refused),
        cmocka_unit_test(sessions_are_set_up_on_purpose),
        cmocka_unit_test(a_killed_session_says_retry),
        cmocka_unit_test(the_server_is_identified),
        cmocka_unit_test(tables_are_listed_in_order_and_filtered),
        cmocka_unit_test(a_definition_says_what_rows_mean),
        cmocka_unit_test(a_missing_table_is_no_object),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
