/* Conversion against a real server: table, then indexes, then foreign keys give the source's own
 * definition back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/convert/convert.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/session.h"
#include "test/lib/one_server.h"

static int setup(void **state)
{
    (void)state;
    one_server_start(32);
    run("CREATE DATABASE src CHARACTER SET utf8mb4");
    run("CREATE DATABASE `other``db` CHARACTER SET latin1");
    run("SET foreign_key_checks=0");
    return 0;
}

static void map(void *arg, const char *db, const char *table, const char **to_db,
                const char **to_table)
{
    (void)arg;
    *to_db = strcmp(db, "src") == 0 ? "other`db" : db;
    *to_table = table;
}

static bool run_each(void *arg, const char *name, bool cascades, const char *ddl, struct err *e)
{
    (void)arg;
    (void)cascades;
    (void)name;
    return session_exec(root, ddl, e);
}

/* The definition from the opening parenthesis on, references to the other database made src's. */
static char *body(const struct table_def *t)
{
    const char *from = strchr(t->create_text, '(');
    char *text = malloc(strlen(from) + 1), *to = text;

    while (*from) {
        static const char name[] = "`other``db`.";
        if (strncmp(from, name, sizeof name - 1) == 0)
            from += sizeof name - 1;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return text;
}

static void add_indexes(const struct table_def *t, enum index_set set)
{
    struct buf ddl;
    bool any = false;

    buf_init(&ddl, 1 << 20);
    const struct table_def *there = load_def("other`db", t->name);
    check(convert_add_indexes(t, there, "other`db", t->name, set, &ddl, &any, e));
    if (any)
        run(buf_cstr(&ddl));
    table_def_unref(there);
    /* Nothing is left to add. */
    there = load_def("other`db", t->name);
    buf_clear(&ddl);
    check(convert_add_indexes(t, there, "other`db", t->name, set, &ddl, &any, e));
    assert_false(any);
    assert_int_equal(ddl.len, 0);
    table_def_unref(there);
    buf_fini(&ddl);
}

/* Converts src.name step by step into `other``db`.name and demands the source's definition. */
static void convert_and_compare(const char *name, uint16_t keys_at_first)
{
    const struct table_def *t = load_def("src", name);
    struct buf ddl;

    buf_init(&ddl, 1 << 20);
    check(convert_create_table(t, "other`db", name, &ddl, e));
    run(buf_cstr(&ddl));
    const struct table_def *first = load_def("other`db", name);
    assert_int_equal(first->n_keys, keys_at_first);
    assert_int_equal(first->row_key < 0, t->row_key < 0);
    table_def_unref(first);
    add_indexes(t, INDEX_PLAIN);
    add_indexes(t, INDEX_UNIQUE);
    check(convert_foreign_keys(t, "other`db", name, map, run_each, NULL, e));
    const struct table_def *made = load_def("other`db", name);
    char *a = body(t), *b = body(made);
    if (strcmp(a, b) != 0)
        fail_msg("source:\n%s\ntarget:\n%s", a, b);
    free(a);
    free(b);
    table_def_unref(made);
    table_def_unref(t);
    buf_fini(&ddl);
}

static void a_plain_table_comes_back_unchanged(void **state)
{
    (void)state;
    run("CREATE TABLE src.t1 (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(40) DEFAULT "
        "'it''s \\\\ (,) \"q\" /* c */ -- x' COMMENT 'k\xc3\xa9y (x), constraint', b INT, c TEXT,"
        " KEY kb (b), UNIQUE KEY uq (a, b), FULLTEXT KEY ft (c), KEY pre (c(10)))"
        " AUTO_INCREMENT=100 COMMENT='hello, (world)'");
    convert_and_compare("t1", 1);
}

static void every_kind_of_clause_comes_back_unchanged(void **state)
{
    (void)state;
    run("CREATE TABLE src.par (id INT PRIMARY KEY, a INT, UNIQUE KEY (a))");
    convert_and_compare("par", 1);
    run("CREATE TABLE src.t2 (`we``ird, (name` INT NOT NULL, p INT, e "
        "ENUM('a,b','c)','d''e','f\\\\'),"
        " s SET('x','\xc3\xa9') CHARACTER SET latin1, c1 INT CHECK (c1 > 0),"
        " v INT AS (p MOD 7) VIRTUAL COMMENT 'x)', st INT AS (LENGTH(e) + 1) STORED, inv INT "
        "INVISIBLE,"
        " j JSON, cc VARCHAR(30) COMPRESSED, bb VARBINARY(8) DEFAULT X'00FF2761',"
        " b BIT(3) DEFAULT b'101', l1 VARCHAR(9) CHARACTER SET latin1 DEFAULT '\xc3\xa9',"
        " ts TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),"
        " u UUID DEFAULT UUID(), g POINT NOT NULL, PRIMARY KEY (`we``ird, (name`),"
        " UNIQUE KEY `uq,1` (p), SPATIAL KEY sp (g), KEY ds (p DESC, c1) COMMENT 'k,)'"
        " , KEY ig (c1) IGNORED, CONSTRAINT ck CHECK (c1 > 1 AND e <> 'CONSTRAINT'),"
        " CONSTRAINT fk1 FOREIGN KEY (p) REFERENCES src.par (id) ON DELETE SET NULL"
        " ON UPDATE CASCADE, CONSTRAINT fk2 FOREIGN KEY (c1) REFERENCES par (a))"
        " ENGINE=InnoDB ROW_FORMAT=DYNAMIC");
    convert_and_compare("t2", 1);
}

static void auto_increment_keeps_an_index(void **state)
{
    (void)state;
    run("CREATE TABLE src.ai1 (id INT NOT NULL AUTO_INCREMENT, p INT NOT NULL,"
        " PRIMARY KEY (p, id), KEY ai (id), KEY k (p))");
    convert_and_compare("ai1", 2);
    run("CREATE TABLE src.ai2 (id INT NOT NULL AUTO_INCREMENT, p INT NOT NULL,"
        " PRIMARY KEY (p), UNIQUE KEY ai (id))");
    convert_and_compare("ai2", 2);
    run("CREATE TABLE src.ai3 (id INT AUTO_INCREMENT, KEY ai (id))");
    convert_and_compare("ai3", 1);
}

static void a_unique_key_of_auto_increment_is_not_unique_at_first(void **state)
{
    struct buf ddl;

    (void)state;
    const struct table_def *t = load_def("src", "ai2");
    buf_init(&ddl, 1 << 20);
    check(convert_create_table(t, "other`db", "ai2", &ddl, e));
    assert_null(strstr(buf_cstr(&ddl), "UNIQUE"));
    assert_non_null(strstr(buf_cstr(&ddl), "KEY `ai`"));
    buf_fini(&ddl);
    table_def_unref(t);
}

static void tables_with_only_a_unique_key_or_none_are_made(void **state)
{
    (void)state;
    run("CREATE TABLE src.u1 (a INT NOT NULL, b INT, UNIQUE KEY ub (b), UNIQUE KEY ua (a), KEY "
        "(b))");
    convert_and_compare("u1", 1);
    run("CREATE TABLE src.n1 (a INT, b TEXT, UNIQUE KEY ua (a), UNIQUE KEY h (b) USING HASH)");
    convert_and_compare("n1", 0);
}

static void partitions_are_kept(void **state)
{
    (void)state;
    run("CREATE TABLE src.part (id INT NOT NULL, d DATE NOT NULL, x INT, PRIMARY KEY (id, d), KEY "
        "(x))"
        " PARTITION BY RANGE (YEAR(d)) (PARTITION p0 VALUES LESS THAN (2000) COMMENT 'a, (b)',"
        " PARTITION p1 VALUES LESS THAN MAXVALUE)");
    convert_and_compare("part", 1);
}

static void cascades_join_tables_to_families(void **state)
{
    (void)state;
    run("CREATE TABLE src.cp (id INT PRIMARY KEY)");
    run("CREATE TABLE src.cc (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES cp (id)"
        " ON DELETE CASCADE)");
    run("CREATE TABLE src.rc (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t1 (id))");
    run("CREATE TABLE src.cg (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES cc (id)"
        " ON UPDATE SET NULL)");
    const char *const names[] = {"cp", "cc", "cg", "rc", "t1"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct table_def *t = load_def("src", names[i]);
        assert_string_equal(t->family, i < 3 ? "src.cc" : "");
        table_def_unref(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_table_comes_back_unchanged),
        cmocka_unit_test(every_kind_of_clause_comes_back_unchanged),
        cmocka_unit_test(auto_increment_keeps_an_index),
        cmocka_unit_test(a_unique_key_of_auto_increment_is_not_unique_at_first),
        cmocka_unit_test(tables_with_only_a_unique_key_or_none_are_made),
        cmocka_unit_test(partitions_are_kept),
        cmocka_unit_test(cascades_join_tables_to_families),
    };

    return cmocka_run_group_tests(tests, setup, one_server_stop);
}
