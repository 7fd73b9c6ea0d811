/* Checks and objects against a real server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/vec.h"
#include "components/endpoint/mysql/checks.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/objects.h"
#include "components/endpoint/mysql/session.h"
#include "test/lib/cutproxy.h"
#include "test/lib/one_server.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    one_server_start(33);
    run("CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
    run("CREATE TABLE shop.a (i INT)");
    run("CREATE VIEW shop.v AS SELECT 1 AS one");
    return 0;
}

static int teardown(void **state)
{
    (void)one_server_stop(state);
    arena_fini(&arena);
    return 0;
}

static bool only_shop(void *arg, const char *db, const char *table)
{
    (void)arg;
    return strcmp(db, "shop") == 0 && strcmp(table, "skipped") != 0;
}

static bool only_shop_db(void *arg, const char *db)
{
    (void)arg;
    return strcmp(db, "shop") == 0;
}

/* --- checks -------------------------------------------------------------------------------------
 */

struct seen {
    VEC(struct check_item) items;
};

static void note(void *arg, const struct check_item *item)
{
    struct seen *s = arg;
    struct check_item copy = *item;

    copy.id = arena_strdup(&arena, item->id);
    copy.object = arena_strdup(&arena, item->object);
    copy.reason = arena_strdup(&arena, item->reason);
    vec_push(&s->items, copy);
}

/* The verdict of the item; -1: it is not there. */
static int verdict_of(const struct seen *s, const char *id, const char *object)
{
    for (size_t i = 0; i < s->items.n; i++)
        if (strcmp(s->items.at[i].id, id) == 0 &&
            (!object || strcmp(s->items.at[i].object, object) == 0))
            return (int)s->items.at[i].verdict;
    return -1;
}

static void a_good_source_has_no_failed_item(void **state)
{
    struct seen s = {0};

    (void)state;
    check(checks_source(root, note, &s, e));
    for (size_t i = 0; i < s.items.n; i++)
        if (s.items.at[i].verdict == CHECK_FAILED)
            fail_msg("%s: %s", s.items.at[i].id, s.items.at[i].reason);
    assert_int_equal(verdict_of(&s, "source.log_bin", NULL), CHECK_OK);
    assert_int_equal(verdict_of(&s, "source.row_metadata", NULL), CHECK_OK);
    assert_int_equal(verdict_of(&s, "source.privileges.replication", NULL), CHECK_OK);
    vec_fini(&s.items);
}

static void wrong_log_settings_and_xa_are_found(void **state)
{
    struct seen s = {0};
    struct endpoint_address a = mariadb_address(&server);
    struct session *other;

    (void)state;
    run("SET GLOBAL binlog_format=MIXED, binlog_row_image=MINIMAL, binlog_row_metadata=MINIMAL");
    run("CREATE TABLE shop.xa (i INT PRIMARY KEY)");
    check(session_open(&a, SESSION_READ, &other, e));
    check(session_exec(other, "XA START 'q'", e));
    check(session_exec(other, "INSERT INTO shop.xa VALUES (1)", e));
    check(session_exec(other, "XA END 'q'", e));
    check(session_exec(other, "XA PREPARE 'q'", e));
    check(checks_source(root, note, &s, e));
    check(session_exec(other, "XA ROLLBACK 'q'", e));
    session_close(other);
    run("SET GLOBAL binlog_format=ROW, binlog_row_image=FULL, binlog_row_metadata=FULL");
    assert_int_equal(verdict_of(&s, "source.binlog_format", NULL), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "source.row_image", NULL), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "source.row_metadata", NULL), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "source.xa", NULL), CHECK_FAILED);
    vec_fini(&s.items);
}

static void a_user_without_rights_is_told_which(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *poor;
    struct seen s = {0};
    static const char *const dbs[] = {"shop"};

    (void)state;
    run("CREATE USER poor@'%' IDENTIFIED BY 'x'");
    run("GRANT SELECT, INSERT ON shop.* TO poor@'%'");
    a.user = "poor";
    a.password = "x";
    check(session_open(&a, SESSION_READ, &poor, e));
    check(checks_source(poor, note, &s, e));
    assert_int_equal(verdict_of(&s, "source.privileges.monitor", NULL), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "source.privileges.replication", NULL), CHECK_FAILED);
    check(checks_target(&a, poor, dbs, 1, note, &s, e));
    assert_int_equal(verdict_of(&s, "target.privileges.meta", NULL), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "target.privileges.write", "shop"), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "target.privileges.kill", NULL), CHECK_OK);
    for (size_t i = 0; i < s.items.n; i++)
        if (strcmp(s.items.at[i].id, "target.privileges.write") == 0) {
            assert_null(strstr(s.items.at[i].reason, "INSERT"));
            assert_non_null(strstr(s.items.at[i].reason, "ALTER"));
        }
    session_close(poor);
    vec_fini(&s.items);
}

static void a_good_target_has_no_failed_item(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    static const char *const dbs[] = {"shop", "new_db"};
    struct seen s = {0};

    (void)state;
    run("CREATE DATABASE IF NOT EXISTS oms_meta"); /* another project's precheck is here, too */
    run("CREATE TABLE oms_meta.probe (x INT)");
    check(checks_target(&a, root, dbs, 2, note, &s, e));
    run("DROP TABLE oms_meta.probe");
    for (size_t i = 0; i < s.items.n; i++)
        if (s.items.at[i].verdict == CHECK_FAILED)
            fail_msg("%s: %s", s.items.at[i].id, s.items.at[i].reason);
    assert_int_equal(verdict_of(&s, "target.privileges.kill", NULL), CHECK_OK);
    assert_int_equal(verdict_of(&s, "target.privileges.meta", NULL), CHECK_OK);
    vec_fini(&s.items);
}

static void objects_that_are_not_carried_are_named(void **state)
{
    struct check_scope scope = {only_shop, only_shop_db, NULL};
    struct seen s = {0};

    (void)state;
    run("CREATE SEQUENCE shop.sq");
    run("CREATE TABLE shop.ver (i INT PRIMARY KEY) WITH SYSTEM VERSIONING");
    run("CREATE PROCEDURE shop.pr() SELECT 1");
    run("CREATE EVENT shop.ev ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1");
    run("CREATE TRIGGER shop.tr BEFORE INSERT ON shop.a FOR EACH ROW SET NEW.i = NEW.i + 1");
    check(checks_objects(root, &scope, note, &s, e));
    assert_int_equal(verdict_of(&s, "object.view", "shop.v"), CHECK_WARNING);
    assert_int_equal(verdict_of(&s, "object.sequence", "shop.sq"), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "object.system_versioned", "shop.ver"), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "object.routine", "shop.pr"), CHECK_WARNING);
    assert_int_equal(verdict_of(&s, "object.event", "shop.ev"), CHECK_WARNING);
    assert_int_equal(verdict_of(&s, "object.trigger", "shop.a"), CHECK_OK);
    for (size_t i = 0; i < s.items.n; i++)
        assert_non_null(strstr(s.items.at[i].object, "shop."));
    vec_fini(&s.items);
}

static void tables_with_problems_are_named(void **state)
{
    static const struct {
        const char *name, *create, *id;
        int verdict;
    } tables[] = {
        {"p1", "CREATE TABLE shop.p1 (i INT)", "table.key", CHECK_WARNING},
        {"p2", "CREATE TABLE shop.p2 (i INT PRIMARY KEY) ENGINE=MyISAM", "table.engine",
         CHECK_FAILED},
        {"p3",
         "CREATE TABLE shop.p3 (i INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES"
         " shop.p3 (i) ON DELETE CASCADE)",
         "table.cascades", CHECK_OK},
        {"p7",
         "CREATE TABLE shop.p7 (i INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES"
         " shop.skipped (i) ON UPDATE CASCADE)",
         "table.cascades", CHECK_FAILED},
        {"p4", "CREATE TABLE shop.p4 (i INT PRIMARY KEY, s DATE, z DATE, PERIOD FOR p (s, z))",
         "table.period", CHECK_FAILED},
        {"p6", "CREATE TABLE shop.p6 (i INT PRIMARY KEY, t TEXT, UNIQUE KEY h (t))",
         "table.hash_key", CHECK_FAILED},
        {"p5", "CREATE TABLE shop.p5 (i INT PRIMARY KEY)", "table.key", -1},
        {"p8",
         "CREATE TABLE shop.p8 (i INT PRIMARY KEY, e ENUM('a', '\xf0\x9f\x98\x80') CHARACTER SET"
         " utf8mb4)",
         "table.members", CHECK_FAILED},
        {"p9", "CREATE TABLE shop.p9 (i INT PRIMARY KEY, e ENUM('a', '?') CHARACTER SET latin1)",
         "table.members", -1},
    };

    struct check_scope scope = {only_shop, only_shop_db, NULL};

    (void)state;
    run("CREATE TABLE shop.skipped (i INT PRIMARY KEY)");
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct seen s = {0};
        const struct table_def *t;
        char object[64];
        run(tables[i].create);
        check(mysql_catalog_ops.load_table(root, "shop", tables[i].name, &t, e));
        check(checks_table(root, t, &scope, note, &s, e));
        snprintf(object, sizeof object, "shop.%s", tables[i].name);
        assert_int_equal(verdict_of(&s, tables[i].id, object), tables[i].verdict);
        table_def_unref(t);
        vec_fini(&s.items);
    }
}

/* Some proxies answer KILL themselves, and the way through them is all the user has. */
static void a_target_whose_kill_does_not_work_is_found(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct cutproxy *proxy;
    struct session *behind;
    struct seen s = {0};

    (void)state;
    check(cutproxy_start(server.port, &proxy, &a.port, e));
    a.tls_mode = "off"; /* the proxy must be able to read KILL */
    cutproxy_arm(proxy, "KILL", CUT_REFUSE);
    check(session_open(&a, SESSION_DDL, &behind, e));
    check(checks_target(&a, behind, NULL, 0, note, &s, e));
    assert_int_equal(cutproxy_cuts(proxy), 1);
    assert_int_equal(verdict_of(&s, "target.privileges.kill", NULL), CHECK_FAILED);
    for (size_t i = 0; i < s.items.n; i++)
        if (s.items.at[i].verdict == CHECK_FAILED) {
            assert_string_equal(s.items.at[i].id, "target.privileges.kill");
            assert_non_null(strstr(s.items.at[i].reason, "this proxy does not do that"));
        }
    session_close(behind);
    cutproxy_stop(proxy);
    vec_fini(&s.items);
}

static void a_filled_target_table_is_found(void **state)
{
    const struct table_def *t;
    struct seen s = {0};
    bool exists = false;

    (void)state;
    run("CREATE DATABASE store");
    run("CREATE TABLE store.full (i INT)");
    run("INSERT INTO store.full VALUES (1)");
    run("CREATE TRIGGER store.tt BEFORE INSERT ON store.full FOR EACH ROW SET @x = 1");
    check(mysql_catalog_ops.load_table(root, "shop", "p5", &t, e));
    check(checks_target_table(root, t, "store", "full", true, &exists, note, &s, e));
    assert_int_equal(verdict_of(&s, "target.table_empty", NULL), -1);
    check(checks_target_table(root, t, "store", "full", false, &exists, note, &s, e));
    assert_true(exists);
    assert_int_equal(verdict_of(&s, "target.table_empty", "shop.p5"), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "target.triggers", "shop.p5"), CHECK_FAILED);
    s.items.n = 0;
    check(checks_target_table(root, t, "store", "absent", false, &exists, note, &s, e));
    assert_false(exists);
    assert_int_equal(s.items.n, 0);
    table_def_unref(t);
    vec_fini(&s.items);
}

static void unknown_collations_of_the_target_are_found(void **state)
{
    struct column_def columns[2] = {{.name = "a", .collation = "utf8mb4_uca1400_ai_ci"},
                                    {.name = "b", .collation = "utf8mb4_klingon_ci"}};
    struct table_def t = {.db = "shop",
                          .name = "k",
                          .collation = "latin1_swedish_ci",
                          .n_columns = 1,
                          .columns = columns,
                          .row_key = -1};
    struct seen s = {0};
    bool exists;

    (void)state;
    check(checks_target_table(root, &t, "store", "absent", false, &exists, note, &s, e));
    assert_int_equal(verdict_of(&s, "target.collation", NULL), -1);
    t.n_columns = 2;
    check(checks_target_table(root, &t, "store", "absent", false, &exists, note, &s, e));
    assert_int_equal(verdict_of(&s, "target.collation", "shop.k"), CHECK_FAILED);
    vec_fini(&s.items);
}

static void one_server_for_both_sides_is_found(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *other;
    struct seen s = {0};

    (void)state;
    check(session_open(&a, SESSION_READ, &other, e));
    check(checks_pair(root, other, note, &s, e));
    assert_int_equal(verdict_of(&s, "pair.same_server", NULL), CHECK_FAILED);
    assert_int_equal(verdict_of(&s, "pair.clock", NULL), CHECK_OK);
    assert_int_equal(verdict_of(&s, "pair.sql_mode", NULL), CHECK_OK);
    session_close(other);
    vec_fini(&s.items);
}

/* --- objects ------------------------------------------------------------------------------------
 */

static bool create_in_store(void *arg, const struct trigger_def *t, struct err *e)
{
    struct buf ddl CLEANUP(buf_fini);

    (void)arg;
    buf_init(&ddl, 1 << 16);
    objects_trigger_ddl(t, "store", "a", &ddl);
    return objects_create_trigger(root, t->sql_mode, buf_cstr(&ddl), e);
}

static void triggers_are_created_under_their_own_mode(void **state)
{
    bool has = false;
    char text[64], charset[64], collation[64];
    bool found;
    struct buf ddl;

    (void)state;
    buf_init(&ddl, 4096);
    check(objects_database_charset(root, "shop", charset, collation, e));
    objects_database_ddl("store2", charset, collation, &ddl);
    assert_string_equal(buf_cstr(&ddl), "CREATE DATABASE IF NOT EXISTS `store2` CHARACTER SET "
                                        "utf8mb4 COLLATE utf8mb4_unicode_ci");
    buf_fini(&ddl);
    run("CREATE TABLE store.a (i INT)");
    run("SET sql_mode='ANSI_QUOTES'");
    run("CREATE TRIGGER shop.tq AFTER INSERT ON shop.a FOR EACH ROW SET @y = \"i\" + 1 + "
        "NEW.\"i\"");
    run("SET sql_mode='STRICT_ALL_TABLES'");
    run("DROP TRIGGER shop.tq");
    run("SET sql_mode='PIPES_AS_CONCAT'");
    run("CREATE TRIGGER shop.tq AFTER INSERT ON shop.a FOR EACH ROW SET @y = '\xc3\xa9' || NEW.i");
    run("SET sql_mode='STRICT_ALL_TABLES'");
    check(objects_triggers(root, "shop", "a", create_in_store, NULL, e));
    check(objects_has_trigger(root, "store", "tq", &has, e));
    assert_true(has);
    check(objects_has_trigger(root, "store", "nope", &has, e));
    assert_false(has);
    check(session_value(root, "SELECT @@sql_mode", text, sizeof text, &found, e));
    assert_string_equal(text, "STRICT_ALL_TABLES");
    run("INSERT INTO store.a VALUES (4)");
    check(session_value(root, "SELECT @y", text, sizeof text, &found, e));
    assert_string_equal(text, "\xc3\xa9"
                              "5");
}

static void a_fence_that_was_never_made_is_not_there(void **state)
{
    struct fence_state f = {.there = true};

    (void)state;
    check(objects_fence(root, "p/full", &f, e));
    assert_false(f.there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_source_has_no_failed_item),
        cmocka_unit_test(wrong_log_settings_and_xa_are_found),
        cmocka_unit_test(a_user_without_rights_is_told_which),
        cmocka_unit_test(a_good_target_has_no_failed_item),
        cmocka_unit_test(a_target_whose_kill_does_not_work_is_found),
        cmocka_unit_test(objects_that_are_not_carried_are_named),
        cmocka_unit_test(tables_with_problems_are_named),
        cmocka_unit_test(a_filled_target_table_is_found),
        cmocka_unit_test(unknown_collations_of_the_target_are_found),
        cmocka_unit_test(one_server_for_both_sides_is_found),
        cmocka_unit_test(triggers_are_created_under_their_own_mode),
        cmocka_unit_test(a_fence_that_was_never_made_is_not_there),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
