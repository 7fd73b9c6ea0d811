/* The reader against a real server: every value arrives, positions are exact, digests tell rows
 * apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/vec.h"
#include "common/os/thread.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/position.h"
#include "components/endpoint/mysql/session.h"
#include "components/endpoint/mysql/sqltext.h"
#include "test/lib/reader_world.h"

static int setup(void **state)
{
    (void)state;
    reader_world_start(31);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reader_world_stop();
    return 0;
}

static void values_of(const struct table_def *t, struct view row, struct value *out)
{
    assert_true(row_read(t, ROWS_MYSQL_TEXT, false, row, out));
}

static void assert_text(const struct table_def *t, struct view row, const char *column,
                        const char *text)
{
    struct value v[128];
    int i = table_def_column(t, column);

    assert_true(i >= 0);
    values_of(t, row, v);
    if (!text) {
        assert_int_equal(v[i].state, VALUE_NULL);
        return;
    }
    assert_int_equal(v[i].state, VALUE_SET);
    if (v[i].len != strlen(text) || memcmp(v[i].p, text, v[i].len) != 0)
        fail_msg("column %s is '%.*s', expected '%s'", column, (int)v[i].len, (const char *)v[i].p,
                 text);
}

static void assert_bytes(const struct table_def *t, struct view row, const char *column,
                         const char *bytes, size_t n)
{
    struct value v[128];
    int i = table_def_column(t, column);

    assert_true(i >= 0);
    values_of(t, row, v);
    assert_int_equal(v[i].state, VALUE_SET);
    assert_int_equal(v[i].len, n);
    assert_memory_equal(v[i].p, bytes, n);
}

/* --- values -------------------------------------------------------------------------------------
 */

static const char create_types[] =
    "CREATE TABLE types (i INT PRIMARY KEY, u UUID, n6 INET6, n4 INET4, j JSON,"
    " c VARCHAR(300) COMPRESSED, b BIT(10), e ENUM('x','y','\xc3\xa9'), s SET('a','b','c'),"
    " tm TIME(3), dt DATETIME(6), ts TIMESTAMP(2) NULL, d DECIMAL(10,3), g POINT, y YEAR,"
    " vc INT AS (i+1) VIRTUAL, st INT AS (i+2) STORED, cb BLOB COMPRESSED, f4 FLOAT, f8 DOUBLE,"
    " fm FLOAT(7,3), dm DOUBLE(10,2), i1 TINYINT, u1 TINYINT UNSIGNED, i3 MEDIUMINT,"
    " u8 BIGINT UNSIGNED, da DATE, ch CHAR(10) CHARACTER SET utf8mb4, bn BINARY(6),"
    " lt LONGTEXT CHARACTER SET utf8mb4, vb VARBINARY(400), d65 DECIMAL(65,30), b64 BIT(64),"
    " l1 VARCHAR(20) CHARACTER SET latin1, uc VARCHAR(20) CHARACTER SET ucs2,"
    " u16 VARCHAR(20) CHARACTER SET utf16, u32 TEXT CHARACTER SET utf32,"
    " gb VARCHAR(20) CHARACTER SET gbk, sj VARCHAR(20) CHARACTER SET sjis,"
    " z4 INT(8) ZEROFILL, inv INT INVISIBLE, zd DATETIME, zda DATE)";

static const char insert_types[] =
    "INSERT INTO types (i,u,n6,n4,j,c,b,e,s,tm,dt,ts,d,g,y,cb,f4,f8,fm,dm,i1,u1,i3,u8,da,ch,bn,lt,"
    "vb,d65,b64,l1,uc,u16,u32,gb,sj,z4,inv,zd,zda) VALUES (1,"
    "'123e4567-e89b-12d3-a456-426655440000','::1','1.2.3.4','{\"a\": 1}',REPEAT('ab',100),5,"
    "'\xc3\xa9','a,c','-01:02:03.456','2024-01-02 03:04:05.678901','2024-01-02 03:04:05.67',"
    "-123.456,POINT(1,2),2024,'hello',0.33333334,-2.25e-300,3.14159,1.005,-1,255,-8388608,"
    "18446744073709551615,'2024-02-29','ab  ',X'010200000000','h\xc3\xa9llo \xf0\x9f\x98\x80',"
    "X'010000',-12345678901234567890123456789012345.012345678901234567890123456789,"
    "X'8000000000000001','na\xc3\xafve','\xc3\xa9\xe4\xb8\xad','\xf0\x9f\x98\x80','\xe4\xb8\xad',"
    "'\xe4\xb8\xad','\xe6\x97\xa5',42,7,'0000-00-00 00:00:00','2023-00-10'),"
    "(2,NULL,NULL,NULL,NULL,'',0,NULL,'',NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL,"
    "NULL,NULL,NULL,NULL,'','','','',NULL,NULL,'','','','','','',NULL,NULL,NULL,NULL)";

static void every_type_is_read_in_its_text_form(void **state)
{
    struct kept k = {0};

    (void)state;
    run("SET time_zone='+05:00'"); /* the reader's own zone counts */
    run(create_types);
    run(insert_types);
    run("SET time_zone='+00:00'");
    const struct table_def *t = load("types");
    check(ops->read(reader, t, whole, ROWS_MYSQL_TEXT, 1 << 20, keep, &k, e));
    assert_int_equal(k.n, 2);
    struct view row = rows_at(k.batches.at[0], 0);
    assert_bytes(t, row, "u", "\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x55\x44\0\0", 16);
    assert_bytes(t, row, "n6", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    assert_bytes(t, row, "n4", "\1\2\3\4", 4);
    assert_text(t, row, "j", "{\"a\": 1}");
    assert_text(t, row, "b", "5");
    assert_text(t, row, "e", "3");
    assert_text(t, row, "s", "5");
    assert_text(t, row, "tm", "-01:02:03.456");
    assert_text(t, row, "dt", "2024-01-02 03:04:05.678901");
    assert_text(t, row, "ts", "2024-01-01 22:04:05.67");
    assert_text(t, row, "d", "-123.456");
    assert_text(t, row, "y", "2024");
    assert_text(t, row, "vc", NULL);
    assert_text(t, row, "st", NULL);
    assert_text(t, row, "cb", "hello");
    assert_text(t, row, "f4", "0.3333333432674408");
    assert_text(t, row, "f8", "-2.25e-300");
    assert_text(t, row, "fm", "3.1419999599456787");
    assert_text(t, row, "u8", "18446744073709551615");
    assert_text(t, row, "ch", "ab");
    assert_text(t, row, "b64", "9223372036854775809");
    assert_text(t, row, "l1", "na\xefve");
    assert_text(t, row, "gb", "\xd6\xd0");
    assert_text(t, row, "sj", "\x93\xfa");
    assert_text(t, row, "z4", "00000042");
    assert_text(t, row, "inv", "7");
    assert_text(t, row, "zd", "0000-00-00 00:00:00");
    assert_text(t, row, "zda", "2023-00-10");
    assert_text(t, row, "d65",
                "-12345678901234567890123456789012345.012345678901234567890123456789");
    assert_bytes(t, row, "bn", "\1\2\0\0\0\0", 6);
    assert_bytes(t, row, "vb", "\1\0\0", 3);
    assert_bytes(t, row, "g", "\0\0\0\0\1\1\0\0\0\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40", 25);
    assert_bytes(t, row, "uc", "\0\xe9\x4e\x2d", 4);
    row = rows_at(k.batches.at[0], 1);
    assert_text(t, row, "u", NULL);
    assert_text(t, row, "c", "");
    assert_text(t, row, "e", NULL);
    assert_text(t, row, "s", "0");
    kept_fini(&k);
    table_def_unref(t);
}

/* Writes what was read as literals into a second table: the server's own checksum decides. */
static void text_rows_written_again_give_the_same_table(void **state)
{
    struct kept k = {0};
    struct buf sql;
    char a[64], b[64];
    bool found;

    (void)state;
    run("CREATE TABLE again LIKE types");
    const struct table_def *t = load("types");
    check(ops->read(reader, t, whole, ROWS_MYSQL_TEXT, 1 << 20, keep, &k, e));
    buf_init(&sql, 1 << 20);
    for (uint32_t r = 0; r < k.n; r++) {
        struct value v[128];
        values_of(t, rows_at(k.batches.at[0], r), v);
        buf_clear(&sql);
        buf_str(&sql, "INSERT INTO again SET ");
        for (uint16_t i = 0, n = 0; i < t->n_columns; i++) {
            if (!sqltext_is_read(t, i))
                continue;
            struct column_def c = t->columns[i];
            if (c.kind == KIND_GEOMETRY)
                c.kind = KIND_BYTES;
            buf_printf(&sql, "%s`%s`=", n++ ? "," : "", c.name);
            if (v[i].state == VALUE_NULL)
                buf_str(&sql, "NULL");
            else
                check(sqltext_literal(&sql, &c, (struct view){v[i].p, v[i].len}, e));
        }
        check(session_exec_buf(root, &sql, e));
    }
    check(session_value(root, "SELECT COUNT(*) FROM again", a, sizeof a, &found, e));
    assert_string_equal(a, "2");
    MYSQL_RES *res;
    check(session_query(root, "CHECKSUM TABLE types, again", &res, e));
    snprintf(a, sizeof a, "%s", mysql_fetch_row(res)[1]);
    snprintf(b, sizeof b, "%s", mysql_fetch_row(res)[1]);
    mysql_free_result(res);
    assert_string_equal(a, b);
    const struct table_def *t2 = load("again");
    struct digest da, db;
    check(ops->digest(reader, t, t, whole, &da, e));
    check(ops->digest(reader, t2, t, whole, &db, e));
    assert_true(digest_equal(&da, &db));
    assert_int_equal(da.rows, 2);
    buf_fini(&sql);
    kept_fini(&k);
    table_def_unref(t);
    table_def_unref(t2);
}

/* --- snapshots ----------------------------------------------------------------------------------
 */

static void gtid_now(struct txn_set *set)
{
    char text[512];
    bool found;

    txn_set_init(set);
    check(session_value(root, "SELECT @@global.gtid_binlog_pos", text, sizeof text, &found, e));
    check(position_add_mariadb(text, set, e));
}

static void a_snapshot_sees_exactly_its_position(void **state)
{
    struct position pos, later;
    struct txn_set before;
    bool exact = false;
    uint64_t n;

    (void)state;
    run("CREATE TABLE snap (k INT PRIMARY KEY)");
    run("INSERT INTO snap VALUES (1),(2)");
    const struct table_def *t = load("snap");
    gtid_now(&before);
    check(ops->begin_snapshot(reader, &pos, &exact, e));
    run("INSERT INTO snap VALUES (3)");
    assert_true(exact);
    assert_true(txn_set_equal(&pos.set, &before));
    assert_non_null(strchr(pos.native, ':'));
    check(ops->count(reader, t, &n, e));
    assert_int_equal(n, 2);
    check(ops->position_now(reader, &later, e));
    assert_true(txn_set_contains(&later.set, &pos.set));
    assert_false(txn_set_equal(&later.set, &pos.set));
    check(ops->end_snapshot(reader, e));
    check(ops->count(reader, t, &n, e));
    assert_int_equal(n, 3);
    txn_set_fini(&before);
    txn_set_fini(&pos.set);
    txn_set_fini(&later.set);
    table_def_unref(t);
}

/* Writes transactions in two domains until told to stop. */
struct writer {
    unsigned domain;
    volatile bool stop;
    struct thread thread;
};

static void write_on(void *arg)
{
    struct writer *w = arg;
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    struct err e = ERR_INIT;
    char sql[128];

    must(session_open(&a, SESSION_WRITE, &s, &e));
    snprintf(sql, sizeof sql, "SET gtid_domain_id=%u", w->domain);
    must(session_exec(s, sql, &e));
    snprintf(sql, sizeof sql, "INSERT INTO r.busy (d) VALUES (%u)", w->domain);
    while (!__atomic_load_n(&w->stop, __ATOMIC_SEQ_CST))
        must(session_exec(s, sql, &e));
    session_close(s);
}

/* The server itself says what stands at the snapshot's offset, and what it has seen. */
static void assert_exact(const struct position *pos)
{
    struct txn_set asked;
    char sql[256], text[512];
    bool found;

    snprintf(sql, sizeof sql, "SELECT BINLOG_GTID_POS('%.*s',%s)", (int)strcspn(pos->native, ":"),
             pos->native, strchr(pos->native, ':') + 1);
    check(session_value(root, sql, text, sizeof text, &found, e));
    txn_set_init(&asked);
    check(position_add_mariadb(text, &asked, e));
    if (!txn_set_equal(&asked, &pos->set))
        fail_msg("the server says %s at %s", text, pos->native);
    txn_set_fini(&asked);
}

static void snapshots_under_load_are_exact_in_each_domain(void **state)
{
    struct writer writers[3] = {{.domain = 0}, {.domain = 7}, {.domain = 9}};
    struct txn_set before;

    (void)state;
    run("CREATE TABLE busy (i INT AUTO_INCREMENT PRIMARY KEY, d INT)");
    const struct table_def *t = load("busy");
    gtid_now(&before);
    for (size_t i = 0; i < ARRAY_LEN(writers); i++)
        check(thread_start(&writers[i].thread, "writer", write_on, &writers[i], e));
    for (int i = 0; i < 200; i++) {
        struct position pos;
        bool exact, does;
        if (i % 50 == 20)
            run("FLUSH BINARY LOGS");
        if (i == 100) /* a session that does not write its log: as exact */
            check(ops->lets_go(reader, &does, e));
        check(ops->begin_snapshot(reader, &pos, &exact, e));
        assert_exact(&pos);
        uint64_t rows; /* each transaction has written one */
        check(ops->count(reader, t, &rows, e));
        assert_int_equal(rows, txn_set_count(&pos.set) - txn_set_count(&before));
        check(ops->end_snapshot(reader, e));
        txn_set_fini(&pos.set);
    }
    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        __atomic_store_n(&writers[i].stop, true, __ATOMIC_SEQ_CST);
        thread_join(&writers[i].thread);
    }
    txn_set_fini(&before);
    table_def_unref(t);
}

/* --- digests ------------------------------------------------------------------------------------
 */

static struct digest digest_of(const char *name)
{
    const struct table_def *t = load(name);
    struct digest d = {0};

    check(ops->digest(reader, t, t, whole, &d, e));
    table_def_unref(t);
    return d;
}

static void assert_digests_differ(const char *what, const char *a, const char *b)
{
    char sql[1024];

    run("CREATE OR REPLACE TABLE da (a VARCHAR(20), b VARBINARY(20), c INT, f FLOAT)");
    run("CREATE OR REPLACE TABLE db LIKE da");
    snprintf(sql, sizeof sql, "INSERT INTO da VALUES %s", a);
    run(sql);
    snprintf(sql, sizeof sql, "INSERT INTO db VALUES %s", b);
    run(sql);
    struct digest x = digest_of("da"), y = digest_of("db");
    if (digest_equal(&x, &y))
        fail_msg("%s: the digests are equal", what);
}

static void digests_tell_rows_apart(void **state)
{
    (void)state;
    assert_digests_differ("case", "('a','x',1,1)", "('A','x',1,1)");
    assert_digests_differ("trailing space", "('a','x',1,1)", "('a ','x',1,1)");
    assert_digests_differ("NULL and empty", "('','x',1,1)", "(NULL,'x',1,1)");
    assert_digests_differ("NULL moved", "('1',NULL,1,1)", "(NULL,'1',1,1)");
    assert_digests_differ("separator moved", "('a#b','c',1,1)", "('a','b#c',1,1)");
    assert_digests_differ("float bits", "('a','x',1,0.33333334)", "('a','x',1,0.333333)");
    assert_digests_differ("pairs cancel", "('a','x',1,1),('a','x',1,1)",
                          "('b','x',1,1),('b','x',1,1)");
    assert_digests_differ("trailing zero", "('a',X'00',1,1)", "('a',X'0000',1,1)");
}

static void digests_do_not_depend_on_order(void **state)
{
    (void)state;
    run("CREATE OR REPLACE TABLE da (a VARCHAR(20), b INT)");
    run("CREATE OR REPLACE TABLE db LIKE da");
    run("INSERT INTO da VALUES ('x',1),('y',2),('z',3),('z',3)");
    run("INSERT INTO db VALUES ('z',3),('y',2),('z',3),('x',1)");
    struct digest x = digest_of("da"), y = digest_of("db");
    assert_true(digest_equal(&x, &y));
    assert_int_equal(x.rows, 4);
}

/* Two binary collations of one charset, or utf16 beside bytes, do not go together by themselves. */
static void every_collation_of_the_server_goes_into_one_digest(void **state)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    (void)state;
    run("SET group_concat_max_len = 1000000");
    check(session_query(root,
                        "SELECT CONCAT('CREATE OR REPLACE TABLE da (id INT PRIMARY KEY,',"
                        " GROUP_CONCAT('c', ID, ' VARCHAR(1) COLLATE ', FULL_COLLATION_NAME),"
                        " ', j JSON, b BLOB) CHARACTER SET utf8mb4')"
                        " FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
                        " WHERE ID > 0 AND (ID < 1000 OR ID % 16 = 0)",
                        &res, e));
    run(mysql_fetch_row(res)[0]);
    run("INSERT INTO da (id, j, b) VALUES (1, '{}', 'x'), (2, NULL, NULL)");
    run("UPDATE da SET c1 = 'a', c8 = 'b', c83 = 'c', c54 = 'e' WHERE id = 1");
    run("CREATE OR REPLACE TABLE db LIKE da");
    run("INSERT INTO db SELECT * FROM da");
    struct digest x = digest_of("da"), y = digest_of("db");
    assert_true(digest_equal(&x, &y));
    run("UPDATE db SET c54 = 'f' WHERE id = 1");
    y = digest_of("db");
    assert_false(digest_equal(&x, &y));
}

/* --- ends ---------------------------------------------------------------------------------------
 */

static void a_table_without_key_is_read_whole(void **state)
{
    struct kept k = {0};

    (void)state;
    run("CREATE TABLE nokey (a INT, b TEXT)");
    run("INSERT INTO nokey VALUES (1,'x'),(1,'x'),(NULL,NULL)");
    const struct table_def *t = load("nokey");
    assert_int_equal(t->row_key, -1);
    check(ops->read(reader, t, whole, ROWS_MYSQL_TEXT, 1, keep, &k, e));
    assert_int_equal(k.n, 3);
    kept_fini(&k);
    table_def_unref(t);
}

static void an_abandoned_read_leaves_a_reader_that_says_retry(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct kept k = {.refuse_after = 1};
    struct reader *r;
    struct err e2 = ERR_INIT;
    uint64_t n;

    (void)state;
    run("CREATE TABLE many AS SELECT seq AS k, REPEAT('x', 1000) AS v FROM seq_1_to_20000");
    run("ALTER TABLE many ADD PRIMARY KEY (k)");
    const struct table_def *t = load("many");
    check(ops->open(&a, &r, e));
    assert_false(ops->read(r, t, whole, ROWS_MYSQL_TEXT, 4096, keep, &k, &e2));
    assert_int_equal(e2.code, ERR_CANCELLED);
    err_clear(&e2);
    assert_false(ops->count(r, t, &n, &e2));
    assert_int_equal(err_class_of(e2.code), ERR_CLASS_RETRY);
    ops->close(r);
    kept_fini(&k);
    table_def_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read_in_its_text_form),
        cmocka_unit_test(text_rows_written_again_give_the_same_table),
        cmocka_unit_test(a_snapshot_sees_exactly_its_position),
        cmocka_unit_test(snapshots_under_load_are_exact_in_each_domain),
        cmocka_unit_test(digests_tell_rows_apart),
        cmocka_unit_test(digests_do_not_depend_on_order),
        cmocka_unit_test(every_collation_of_the_server_goes_into_one_digest),
        cmocka_unit_test(a_table_without_key_is_read_whole),
        cmocka_unit_test(an_abandoned_read_leaves_a_reader_that_says_retry),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
