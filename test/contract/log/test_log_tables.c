/* Definitions and DDL in a source's log: each row's version is proven by the log itself, whatever
 * the catalog says by then; every kind of table arrives whole. */
#include <stdio.h>
#include <string.h>

#include "test/lib/log_world.h"

#define NO_BACKSLASH_ESCAPES 0x100000u

static const struct asked whole = {.filter = only_w};

/* Read when the catalog is long past them: each version comes from the log itself. */
static void versions_that_the_catalog_has_forgotten_come_from_the_log(void **state)
{
    (void)state;
    struct reading r;

    fresh_w(NULL);
    reading_init(&r);
    run("CREATE TABLE w.t (i INT PRIMARY KEY, a VARCHAR(10), u UUID)");
    run("INSERT INTO w.t VALUES (1,'x',UUID())");
    run("ALTER TABLE w.t MODIFY a VARCHAR(10) CHARACTER SET latin1, ADD b DECIMAL(9,2) AFTER i");
    run("INSERT INTO w.t VALUES (2,1.5,'y',NULL)");
    run("DELETE FROM w.t");
    run("ALTER TABLE w.t DROP a");
    run("INSERT INTO w.t VALUES (3,2.5,UUID())");
    r.any = true;
    read_to_end(&r, &whole);
    assert_int_equal(r.versions.n, 3);
    assert_int_equal(r.versions.at[0]->n_columns, 3);
    assert_int_equal(r.versions.at[0]->columns[2].kind, KIND_UUID); /* as the catalog still says */
    assert_string_equal(r.versions.at[0]->columns[1].charset, "utf8mb4");
    assert_string_equal(r.versions.at[1]->columns[2].charset, "latin1");
    assert_int_equal(r.versions.at[1]->columns[1].scale, 2);
    assert_int_equal(r.versions.at[2]->n_columns, 3);
    assert_string_equal(r.versions.at[2]->columns[2].name, "u");
    assert_true(r.versions.at[2]->create_text[0] != '\0');
    assert_int_equal(r.versions.at[0]->create_text[0], '\0');
    assert_int_equal(r.ddl.n, 3);
    assert_int_equal(r.changes, 5);
    reading_fini(&r);
}

/* A UNIQUE key on a long column is a hidden column of its hash, in the log but not in the catalog.
 */
static void hidden_columns_are_left_out(void **state)
{
    (void)state;
    struct reading r;

    fresh_w(
        "CREATE TABLE w.t (i INT PRIMARY KEY, b TEXT, c VARCHAR(4000), UNIQUE (b), UNIQUE (c))");
    run("CREATE TABLE w.own (i INT PRIMARY KEY, DB_ROW_HASH_1 BIGINT UNSIGNED)");
    reading_init(&r);
    run("INSERT INTO w.t VALUES (1,'x','y'),(2,NULL,NULL),(3,'z',NULL)");
    run("UPDATE w.t SET b='changed' WHERE i=1");
    run("INSERT INTO w.own VALUES (1,77)");
    read_to_end(&r, &whole);
    assert_int_equal(version(&r, "t")->n_columns, 3);
    assert_int_equal(version(&r, "own")->n_columns, 2);
    assert_same(&r, "w", "t");
    assert_same(&r, "w", "own");
    reading_fini(&r);
    reading_init(&r); /* again, with the definition from the log alone, and partial images */
    r.any = true;
    run("SET SESSION binlog_row_image=MINIMAL");
    run("INSERT INTO w.t VALUES (4,'a','b')");
    run("UPDATE w.t SET c='d' WHERE i=4");
    run("SET SESSION binlog_row_image=FULL");
    run("ALTER TABLE w.t DROP c");
    read_to_end(&r, &whole);
    assert_int_equal(version(&r, "t")->n_columns, 3);
    assert_int_equal(r.changes, 2);
    reading_fini(&r);
}

static void wide_tables_and_edges_of_types_arrive(void **state)
{
    (void)state;
    struct reading r;
    struct buf sql;

    fresh_w("CREATE TABLE w.e (i INT PRIMARY KEY, c0 CHAR(0), v0 VARCHAR(0), b0 BINARY(0),"
            " c255 CHAR(255) CHARACTER SET utf8mb4, v255 VARCHAR(255) CHARACTER SET latin1,"
            " v256 VARCHAR(256) CHARACTER SET latin1, b255 BINARY(255), vb255 VARBINARY(255),"
            " vb256 VARBINARY(256), x INT INVISIBLE DEFAULT 5) ENGINE=Aria");
    run("CREATE TABLE w.`ü-b``c` (`ü``` INT PRIMARY KEY, `a b` VARCHAR(9) COLLATE"
        " utf8mb4_uca1400_ai_ci)");
    buf_init(&sql, 1u << 20);
    buf_str(&sql, "CREATE TABLE w.t (i INT PRIMARY KEY");
    for (int i = 0; i < 200; i++)
        buf_printf(&sql, ", c%d %s", i, i % 3 ? "VARCHAR(9)" : "INT UNSIGNED");
    buf_str(&sql, ", e ENUM('m0'");
    for (int i = 1; i < 300; i++)
        buf_printf(&sql, ",'m%d'", i);
    buf_str(&sql, "), s SET('s0'");
    for (int i = 1; i < 64; i++)
        buf_printf(&sql, ",'s%d'", i);
    buf_str(&sql, "))");
    run(buf_cstr(&sql));
    buf_fini(&sql);
    reading_init(&r);
    run("INSERT INTO w.t (i, c0, c1, c199, e, s) VALUES (1, 4294967295, 'a', 'b', 'm299', "
        "'s63,s0'),"
        " (2, 0, NULL, '', 'm0', ''), (3, NULL, NULL, NULL, NULL, NULL)");
    run("INSERT INTO w.e VALUES (1,'','','',REPEAT('ü',255),REPEAT('l',255),REPEAT('l',256),"
        "REPEAT('b',254),REPEAT('v',255),REPEAT('v',256)),(2,NULL,NULL,NULL,'','','','','','')");
    run("INSERT INTO w.`ü-b``c` VALUES (-5,'q')");
    run("UPDATE w.t SET e='m255', s=NULL WHERE i=1");
    run("UPDATE w.e SET x=-1");
    read_to_end(&r, &whole);
    assert_same(&r, "w", "t");
    assert_same(&r, "w", "e");
    assert_string_equal(version(&r, "ü-b`c")->columns[0].name, "ü`");
    assert_int_equal(r.versions.n, 3);
    for (size_t i = 0; i < r.versions.n; i++)
        assert_true(r.versions.at[i]->create_text[0] != '\0');
    reading_fini(&r);
}

/* Columns of the same types that change places: only the names tell. */
static void swapped_columns_are_noticed(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY, a INT, b INT)");
    reading_init(&r);
    run("INSERT INTO w.t VALUES (1,10,20)");
    run("ALTER TABLE w.t MODIFY a INT AFTER b");
    run("INSERT INTO w.t VALUES (2,30,40)");
    read_to_end(&r, &whole);
    assert_int_equal(r.versions.n, 2);
    assert_string_equal(r.versions.at[0]->columns[1].name, "a");
    assert_string_equal(r.versions.at[1]->columns[1].name, "b");
    reading_fini(&r);
}

static void a_new_version_comes_before_the_transaction_that_uses_it(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.a (i INT PRIMARY KEY)");
    run("CREATE TABLE w.b (i INT PRIMARY KEY)");
    reading_init(&r);
    run("BEGIN");
    run("INSERT INTO w.a VALUES (1)");
    run("INSERT INTO w.b VALUES (1)"); /* its version is found inside the record */
    run("INSERT INTO w.a VALUES (2)");
    run("COMMIT");
    read_to_end(&r, &whole);
    assert_int_equal(r.txns, 1);
    assert_int_equal(r.versions.n, 2);
    assert_int_equal(r.changes, 3);
    reading_fini(&r);
}

static void ddl_arrives_with_its_text_and_session(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    reading_init(&r);
    run("SET timestamp=1700000000");
    run("ALTER TABLE w.t ADD `ü` INT");
    run("SET timestamp=DEFAULT");
    run("USE w");
    run("RENAME TABLE t TO other.t2");
    run("RENAME TABLE other.t2 TO t");
    run("TRUNCATE t");
    run("CREATE INDEX i ON t (`ü`)");
    run("DROP TABLE t");
    run("DROP DATABASE w");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 7);
    assert_string_equal(r.ddl.at[0].sql, "ALTER TABLE w.t ADD `ü` INT");
    assert_string_equal(r.ddl.at[0].table, "w.t");
    assert_int_equal(r.ddl.at[0].kind, DDL_ALTER_TABLE);
    assert_int_equal(r.ddl.at[0].commit_us, 1700000000000000);
    assert_int_equal(r.ddl.at[1].kind, DDL_RENAME_TABLE);
    assert_string_equal(r.ddl.at[1].table, "w.t");
    assert_int_equal(r.ddl.at[3].kind, DDL_TRUNCATE);
    assert_int_equal(r.ddl.at[4].kind, DDL_INDEX);
    assert_int_equal(r.ddl.at[5].kind, DDL_DROP_TABLE);
    assert_int_equal(r.ddl.at[6].kind, DDL_DATABASE);
    reading_fini(&r);
}

static void a_statement_in_another_charset_becomes_utf8(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    reading_init(&r);
    run("SET character_set_client=latin1");
    run("ALTER TABLE w.t COMMENT '\xfc'");
    run("SET character_set_client=utf8mb4");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 1);
    assert_string_equal(r.ddl.at[0].sql, "ALTER TABLE w.t COMMENT 'ü'");
    reading_fini(&r);
}

/* The server makes these texts itself, in utf8, and logs the client's charset with them. */
static void a_table_made_by_select_keeps_its_names_in_any_charset(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.`\u00e4` (`\u00f6` INT PRIMARY KEY)");
    run("INSERT INTO w.`\u00e4` VALUES (1)");
    reading_init(&r);
    run("SET character_set_client=latin1");
    run("CREATE TABLE w.`\xfc` AS SELECT * FROM w.`\xe4`");
    run("CREATE TEMPORARY TABLE w.`x\xfc` (`\xf6` INT)");
    run("CREATE TABLE w.`y\xfc` LIKE w.`x\xfc`");
    run("DROP TABLE w.`x\xfc`, w.`y\xfc`");
    run("SET sql_mode=CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    run("CREATE TABLE w.\"z\xfc\" AS SELECT * FROM w.\"\xe4\"");
    run("SET sql_mode=REPLACE(@@sql_mode, 'ANSI_QUOTES', '')");
    run("SET character_set_client=utf8mb4");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 4);
    assert_non_null(strstr(r.ddl.at[0].sql, "CREATE TABLE `\u00fc` (\n  `\u00f6`"));
    assert_non_null(strstr(r.ddl.at[1].sql, "`y\u00fc` (\n  `\u00f6`"));
    assert_non_null(strstr(r.ddl.at[2].sql, "`y\u00fc`"));
    assert_non_null(strstr(r.ddl.at[3].sql, "\"\u00f6\" int"));
    assert_same(&r, "w", "\u00fc");
    reading_fini(&r);
}

/* Backslashes are escapes in them, whatever sql_mode says; its quotes may be left out. */
static void a_text_of_the_servers_is_read_as_the_server_writes_it(void **state)
{
    (void)state;
    struct reading r;

    fresh_w(NULL);
    reading_init(&r);
    run("SET @mode=@@sql_mode, sql_mode=CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')");
    run("CREATE TABLE w.a (i INT PRIMARY KEY, v VARCHAR(9) DEFAULT 'a\\b')");
    run("CREATE TABLE w.b AS SELECT * FROM w.a");
    run("CREATE TEMPORARY TABLE w.t LIKE w.a");
    run("CREATE TABLE w.c LIKE w.t"); /* the same text could be a client's, without escapes */
    run("DROP TEMPORARY TABLE w.t");
    run("SET sql_mode=@mode, sql_quote_show_create=0, character_set_client=latin1");
    run("CREATE TEMPORARY TABLE w.x (i INT, e ENUM('\xf6'))");
    run("CREATE TABLE w.y LIKE w.x");
    run("SET sql_quote_show_create=1, character_set_client=utf8mb4");
    run("DROP TEMPORARY TABLE w.x");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 4);
    assert_true(r.ddl.at[0].sql_mode & NO_BACKSLASH_ESCAPES);
    assert_true(r.ddl.at[0].flags & DDL_F_READ);
    assert_true(r.ddl.at[1].flags & DDL_F_READ);
    assert_non_null(strstr(r.ddl.at[2].sql, "'a\\\\b'"));
    assert_false(r.ddl.at[2].flags & DDL_F_READ);
    assert_non_null(strstr(r.ddl.at[1].sql, "'a\\\\b'"));
    assert_false(r.ddl.at[1].sql_mode & NO_BACKSLASH_ESCAPES);
    assert_non_null(strstr(r.ddl.at[3].sql, "enum('\u00f6')"));
    reading_fini(&r);
}

/* Letters whose bytes have a backslash, and a charset without one's own backslash elsewhere. */
static void the_source_says_what_its_charsets_bytes_mean(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    reading_init(&r);
    run("SET character_set_client=sjis");
    run("ALTER TABLE w.t COMMENT '\x83\x5c~\\t'");
    run("SET character_set_client=euckr");
    run("ALTER TABLE w.t COMMENT '\x81\x41'");
    run("SET character_set_client=utf8mb4");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 2);
    assert_string_equal(r.ddl.at[0].sql, "ALTER TABLE w.t COMMENT '\u30bd~\\t'");
    assert_string_equal(r.ddl.at[1].sql, "ALTER TABLE w.t COMMENT '\uac02'");
    reading_fini(&r);
}

static void bytes_behind_an_introducer_are_left_to_a_person(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    reading_init(&r);
    run("SET character_set_client=latin1");
    run("ALTER TABLE w.t ADD b VARBINARY(9) DEFAULT _binary'\xe4'");
    run("ALTER TABLE w.t ADD c VARCHAR(9) DEFAULT '\xe4'");
    run("SET character_set_client=binary, collation_connection=latin1_swedish_ci");
    run("ALTER TABLE w.t ADD d VARCHAR(9) DEFAULT '\u00e4'");
    run("SET NAMES binary");
    run("ALTER TABLE w.t ADD e VARCHAR(9) DEFAULT '\u00e4'");
    run("SET NAMES utf8mb4");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 4);
    assert_false(r.ddl.at[0].flags & DDL_F_READ);
    assert_true(r.ddl.at[1].flags & DDL_F_READ);
    assert_false(r.ddl.at[2].flags & DDL_F_READ);
    assert_true(r.ddl.at[3].flags & DDL_F_READ);
    reading_fini(&r);
}

/* Logged when it begins and when it ends: it counts where it ends, and not at all when it failed.
 */
static void an_alter_in_two_phases_counts_once(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY, v INT)");
    run("INSERT INTO w.t VALUES (1,1),(2,1)");
    reading_init(&r);
    run("SET binlog_alter_two_phase=1");
    run("ALTER TABLE w.t ADD x INT");
    run_refused("ALTER TABLE w.t ADD UNIQUE KEY (v)");
    run("SET binlog_alter_two_phase=0");
    read_to_end(&r, &whole);
    assert_int_equal(r.ddl.n, 1);
    assert_string_equal(r.ddl.at[0].sql, "ALTER TABLE w.t ADD x INT");
    reading_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_that_the_catalog_has_forgotten_come_from_the_log),
        cmocka_unit_test(hidden_columns_are_left_out),
        cmocka_unit_test(wide_tables_and_edges_of_types_arrive),
        cmocka_unit_test(swapped_columns_are_noticed),
        cmocka_unit_test(a_new_version_comes_before_the_transaction_that_uses_it),
        cmocka_unit_test(ddl_arrives_with_its_text_and_session),
        cmocka_unit_test(a_statement_in_another_charset_becomes_utf8),
        cmocka_unit_test(a_table_made_by_select_keeps_its_names_in_any_charset),
        cmocka_unit_test(a_text_of_the_servers_is_read_as_the_server_writes_it),
        cmocka_unit_test(the_source_says_what_its_charsets_bytes_mean),
        cmocka_unit_test(bytes_behind_an_introducer_are_left_to_a_person),
        cmocka_unit_test(an_alter_in_two_phases_counts_once),
    };

    return cmocka_run_group_tests(tests, reading_start, one_server_stop);
}
