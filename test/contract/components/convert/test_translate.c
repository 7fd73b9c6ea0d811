/* Tables of MySQL for MariaDB and the reverse, between live servers: what is made there has the
 * shape that was promised. */
#include <stdio.h>
#include <string.h>

#include "components/convert/convert.h"
#include "components/convert/translate.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/task/task.h"
#include "test/lib/one_server.h"

static struct mariadb other; /* MariaDB; server is MySQL */
static struct session *maria;
static struct buf notes;

static int setup(void **state)
{
    (void)state;
    buf_init(&notes, 1 << 20);
    one_server_start_mysql(61);
    if (!root)
        return 0;
    check(mariadb_start(&other, 62, NULL, e));
    struct endpoint_address a = mariadb_address(&other);
    check(session_open(&a, SESSION_DDL, &maria, e));
    run("CREATE DATABASE w");
    check(session_exec(maria, "CREATE DATABASE w", e));
    return 0;
}

static int teardown(void **state)
{
    session_close(maria);
    if (root)
        mariadb_stop(&other);
    (void)one_server_stop(state);
    buf_fini(&notes);
    return 0;
}

/* Makes `sql`'s table w.NAME on `from`, translates it, makes it on `to` with all its indexes and
 * compares. notes has what is not the same. */
static void carry(struct session *from, struct session *to, enum convert_way way, const char *name,
                  const char *sql)
{
    const struct table_def *t, *wanted, *there;
    struct buf ddl CLEANUP(buf_fini) = {0}, why CLEANUP(buf_fini) = {0};
    bool any;

    buf_init(&ddl, 1 << 20);
    buf_init(&why, 1 << 16);
    buf_clear(&notes);
    check(session_exec(from, sql, e));
    check(mysql_catalog_ops.load_table(from, "w", name, &t, e));
    check(convert_table(t, way, &wanted, &notes, e));
    check(convert_create_table(wanted, "w", name, &ddl, e));
    check(session_exec_buf(to, &ddl, e));
    for (enum index_set set = INDEX_PLAIN; set <= INDEX_UNIQUE; set++) {
        check(mysql_catalog_ops.load_table(to, "w", name, &there, e));
        buf_clear(&ddl);
        check(convert_add_indexes(wanted, there, "w", name, set, &ddl, &any, e));
        table_def_unref(there);
        if (any)
            check(session_exec_buf(to, &ddl, e));
    }
    check(mysql_catalog_ops.load_table(to, "w", name, &there, e));
    if (!task_same_shape(wanted, there, &why))
        fail_msg("%s\n%s", buf_cstr(&why), there->create_text);
    assert_int_equal(there->n_keys, wanted->n_keys);
    table_def_unref(t);
    table_def_unref(wanted);
    table_def_unref(there);
}

static void a_mysql_table_of_every_kind_has_its_like_in_mariadb(void **state)
{
    (void)state;
    need_server();
    carry(
        root, maria, CONVERT_TO_MARIADB, "every",
        "CREATE TABLE w.every (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, i1 TINYINT, b1"
        " TINYINT(1), u3 MEDIUMINT UNSIGNED, f FLOAT, d DOUBLE DEFAULT 1.5, de DECIMAL(20,6), b9"
        " BIT(9), y YEAR, da DATE, t3 TIME(3), dt6 DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON"
        " UPDATE CURRENT_TIMESTAMP(6), ts TIMESTAMP NULL, c CHAR(5), v VARCHAR(20) NOT NULL"
        " DEFAULT 'x''y', vl VARCHAR(30) CHARACTER SET latin1, vb VARCHAR(30) COLLATE"
        " utf8mb4_0900_bin, vd VARCHAR(30) COLLATE utf8mb4_de_pb_0900_ai_ci, vr VARCHAR(30)"
        " COLLATE utf8mb4_ru_0900_as_cs, vj VARCHAR(30) COLLATE utf8mb4_ja_0900_as_cs_ks, bi"
        " BINARY(7) DEFAULT 0x00FF, vbi VARBINARY(300), tt TINYTEXT, te TEXT, mt MEDIUMTEXT"
        " CHARACTER SET ucs2, lt LONGTEXT, tb TINYBLOB, bl BLOB, lb LONGBLOB, e"
        " ENUM('a','b','\xc3\xbc'), s SET('p','q') CHARACTER SET latin1, j JSON, jn JSON NOT NULL,"
        " g GEOMETRY, p POINT SRID 4326, gc GEOMETRYCOLLECTION, dx VARCHAR(40) DEFAULT (uuid()),"
        " jd JSON DEFAULT (json_object()), inv INT INVISIBLE DEFAULT 3, gv INT GENERATED ALWAYS AS"
        " (i1 + 1) VIRTUAL NOT NULL, gs VARCHAR(60) GENERATED ALWAYS AS (concat(v, 'z')) STORED,"
        " PRIMARY KEY (id), UNIQUE KEY uv (v), KEY kd (de DESC, i1), KEY kp (te(10)), KEY ki (da)"
        " INVISIBLE, FULLTEXT KEY ft (te), KEY kgs (gs), CONSTRAINT ck CHECK (i1 > -5), CONSTRAINT"
        " ne CHECK (i1 > 0) NOT ENFORCED) COMMENT='a \"comment\"'");
    assert_non_null(strstr(buf_cstr(&notes), "'ne'"));
    assert_non_null(strstr(buf_cstr(&notes), "nearest"));
}

static void partitions_and_generated_primary_keys_are_carried(void **state)
{
    (void)state;
    need_server();
    carry(root, maria, CONVERT_TO_MARIADB, "part",
          "CREATE TABLE w.part (a INT NOT NULL, b INT, PRIMARY KEY (a)) PARTITION BY RANGE (a)"
          " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)");
    run("SET sql_generate_invisible_primary_key=1");
    carry(root, maria, CONVERT_TO_MARIADB, "gipk", "CREATE TABLE w.gipk (a INT, b TEXT)");
    run("SET sql_generate_invisible_primary_key=0");
}

static void keys_over_expressions_are_left_out_by_name(void **state)
{
    (void)state;
    need_server();
    carry(root, maria, CONVERT_TO_MARIADB, "expr",
          "CREATE TABLE w.expr (a INT PRIMARY KEY, v VARCHAR(20), j JSON, KEY low ((lower(v))),"
          " UNIQUE KEY twice ((a * 2)), KEY arr ((CAST(j->'$' AS UNSIGNED ARRAY))), KEY kept (v))");
    assert_non_null(strstr(buf_cstr(&notes), "'low'"));
    assert_non_null(strstr(buf_cstr(&notes), "unique key 'twice'"));
    assert_non_null(strstr(buf_cstr(&notes), "'arr'"));
    assert_null(strstr(buf_cstr(&notes), "'kept'"));
}

static void a_type_that_the_other_lacks_is_refused_by_name(void **state)
{
    const struct table_def *t, *wanted;
    struct err refused = ERR_INIT;

    (void)state;
    need_server();
    run("CREATE TABLE w.vec (id INT PRIMARY KEY, embedding VECTOR(3))");
    check(mysql_catalog_ops.load_table(root, "w", "vec", &t, e));
    assert_false(convert_table(t, CONVERT_TO_MARIADB, &wanted, NULL, &refused));
    assert_int_equal(refused.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(refused.message, "'embedding'"));
    table_def_unref(t);
}

static void a_mariadb_table_has_its_like_in_mysql(void **state)
{
    (void)state;
    need_server();
    carry(
        maria, root, CONVERT_TO_MYSQL, "back",
        "CREATE TABLE w.back (id INT(11) NOT NULL AUTO_INCREMENT, y YEAR, dx VARCHAR(40) DEFAULT"
        " uuid(), dt DATETIME DEFAULT current_timestamp() ON UPDATE current_timestamp(), v"
        " VARCHAR(20) COLLATE utf8mb4_uca1400_as_ci, vn VARCHAR(20) COLLATE utf8mb4_nopad_bin, j"
        " JSON, n INT DEFAULT 5, t TEXT DEFAULT 'abc', inv INT INVISIBLE, g INT AS (n + 1) STORED,"
        " gc GEOMETRYCOLLECTION, PRIMARY KEY (id), KEY k (v)) DEFAULT CHARSET=utf8mb4"
        " COLLATE=utf8mb4_general_ci");
}

static void every_collation_has_a_name_that_the_other_knows(void **state)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    unsigned n = 0;

    (void)state;
    need_server();
    check(session_query(root,
                        "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE"
                        " COLLATION_NAME LIKE 'utf8mb4%0900%'",
                        &res, e));
    for (MYSQL_ROW row; (row = mysql_fetch_row(res)); n++) {
        char name[64], sql[200];
        (void)snprintf(sql, sizeof sql, "SET @x = CONVERT('' USING utf8mb4) COLLATE %s",
                       convert_collation(row[0], CONVERT_TO_MARIADB, name, NULL));
        check(session_exec(maria, sql, e));
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mysql_table_of_every_kind_has_its_like_in_mariadb),
        cmocka_unit_test(partitions_and_generated_primary_keys_are_carried),
        cmocka_unit_test(keys_over_expressions_are_left_out_by_name),
        cmocka_unit_test(a_type_that_the_other_lacks_is_refused_by_name),
        cmocka_unit_test(a_mariadb_table_has_its_like_in_mysql),
        cmocka_unit_test(every_collation_has_a_name_that_the_other_knows),
    };
    return cmocka_run_group_tests_name("translate", tests, setup, teardown);
}
