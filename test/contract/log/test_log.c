/* A source's log through the interface, against a private server: what is replayed is what the
 * server has, in whatever pieces it is read; and what cannot be carried stops with its reason. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "test/lib/log_world.h"

#define COLUMNS                                                                                   \
    "i INT PRIMARY KEY, i1 TINYINT, u1 TINYINT UNSIGNED, i2 SMALLINT, u2 SMALLINT UNSIGNED,"      \
    " i3 MEDIUMINT, u3 MEDIUMINT UNSIGNED, u4 INT UNSIGNED, i8 BIGINT, u8 BIGINT UNSIGNED,"       \
    " f FLOAT, d DOUBLE, de DECIMAL(20,6), dz DECIMAL(38,0), dm DECIMAL(65,30), b1 BIT(1),"       \
    " b9 BIT(9), b64 BIT(64), y YEAR, da DATE, t0 TIME, t3 TIME(3), t6 TIME(6), dt0 DATETIME,"    \
    " dt2 DATETIME(2), dt6 DATETIME(6), ts0 TIMESTAMP NULL, ts1 TIMESTAMP(1) NULL,"               \
    " ts5 TIMESTAMP(5) NULL, c CHAR(5), cl CHAR(255) CHARACTER SET utf8mb4,"                      \
    " v VARCHAR(20) CHARACTER SET latin1, vl VARCHAR(3000), b BINARY(7), vb VARBINARY(300),"      \
    " tt TINYTEXT, te TEXT, mt MEDIUMTEXT CHARACTER SET ucs2, lt LONGTEXT, tb TINYBLOB, bl BLOB," \
    " lb LONGBLOB, e ENUM('a','b','ü'), es ENUM('x') CHARACTER SET latin1, s SET('p','q','r'),"  \
    " j JSON, u UUID, n4 INET4, n6 INET6, g GEOMETRY, p POINT, vc VARCHAR(400) COMPRESSED,"       \
    " bc BLOB COMPRESSED, ge INT AS (i + 1) VIRTUAL, gs INT AS (i * 2) STORED"

#define VALUES                                                                                      \
    "seq, seq-128, seq, seq*200-32768, seq*300, seq*30000-8388608, seq*60000, seq*9000000,"         \
    " seq*36000000000000000-9223372036854775807, CAST(seq AS UNSIGNED)*72000000000000000, seq/4, "  \
    "-seq/8,"                                                                                       \
    " (seq-100)*1234.567891, CAST(seq*1000000007 AS DECIMAL(30))*1000000007*1000000007,"            \
    " (seq-50)*98765432109876543210.123456789012345678901234567890, seq&1, seq*2, seq*7,"           \
    " 1901+seq%250, '1000-01-01'+INTERVAL seq*1000 DAY, SEC_TO_TIME(seq*20000-3000000),"            \
    " SEC_TO_TIME(seq*1.234-100), TIME(SEC_TO_TIME(seq*0.000001)), '1000-01-01'+INTERVAL seq "      \
    "HOUR,"                                                                                         \
    " '2024-02-29 23:59:59.99'-INTERVAL seq DAY, '9999-12-31 23:59:59.999999'-INTERVAL seq "        \
    "SECOND,"                                                                                       \
    " FROM_UNIXTIME(seq*10000000+1), FROM_UNIXTIME(seq*10000.5), FROM_UNIXTIME(seq+0.12345),"       \
    " LEFT('a  b ',seq%6), REPEAT('ß',seq%256), CONVERT(REPEAT('é',seq%21) USING latin1),"        \
    " REPEAT('x',seq*12), LEFT(CONCAT(CHAR(seq),'\\0\\0z\\0\\0'),7), REPEAT(CHAR(seq%3),seq),"      \
    " REPEAT('t',seq%256), REPEAT('ü',seq*10), REPEAT('m',seq*5), REPEAT('l',seq*100), CHAR(seq)," \
    " REPEAT('b',seq*50), REPEAT(CHAR(seq),seq*70), 1+seq%3, 1, seq%8, CONCAT('{\"a\":',seq,'}'),"  \
    " UUID(), INET_NTOA(seq*1000), CONCAT('fe80::',HEX(seq)), POINT(seq,-seq), POINT(seq,0.5),"     \
    " REPEAT('comp',seq%100), REPEAT('COMP',seq*9)"
#define INSERTED                                                                                  \
    "(i,i1,u1,i2,u2,i3,u3,u4,i8,u8,f,d,de,dz,dm,b1,b9,b64,y,da,t0,t3,t6,dt0,dt2,dt6,ts0,ts1,ts5," \
    "c,cl,v,vl,b,vb,tt,te,mt,lt,tb,bl,lb,e,es,s,j,u,n4,n6,g,p,vc,bc)"

static const struct asked whole = {.filter = only_w, .part_bytes = 4u << 20};

/* Inserts, updates, changes of the key, NULLs and deletes of every type. */
static void work(void)
{
    run("INSERT INTO w.t " INSERTED " SELECT " VALUES
        " FROM (SELECT CAST(seq AS SIGNED) AS seq FROM seq_1_to_200) s");
    run("INSERT INTO w.t (i) VALUES (-1), (-2), (-2147483648)");
    run("INSERT INTO w.t (i, da, dt0, dt6, ts0, y, t6, de, e, u8) VALUES"
        " (1000, '0000-00-00', '0000-00-00', '2024-00-00', 0, 0, '-838:59:59.999999', -0.000001,"
        " '', 18446744073709551615)");
    run("UPDATE w.t SET te = NULL, i8 = -i8, lb = CONCAT(lb, lb), vc = REVERSE(vc) WHERE i % 3 = "
        "0");
    run("UPDATE w.t SET i = i + 100000 WHERE i % 7 = 0");
    run("BEGIN");
    run("DELETE FROM w.t WHERE i % 5 = 0");
    run("UPDATE w.t SET c = NULL, u = NULL, g = NULL WHERE i % 11 = 0");
    run("COMMIT");
    run("UPDATE w.t SET u = UUID(), n6 = '::ffff:1.2.3.4', j = NULL WHERE i < 0");
}

static void replay_of_every_type(const struct asked *a)
{
    struct reading r;

    fresh_w("CREATE TABLE w.t (" COLUMNS ")");
    reading_init(&r);
    work();
    read_to_end(&r, a);
    assert_int_equal(r.versions.n, 1);
    assert_true(version(&r, "t")->create_text[0] != '\0'); /* confirmed by the catalog */
    assert_same(&r, "w", "t");
    if (a->part_bytes < 100000)
        assert_true(r.parts > 10);
    reading_fini(&r);
}

static void every_type_arrives_as_the_server_has_it(void **state)
{
    (void)state;
    replay_of_every_type(&whole);
}

static void pieces_of_any_size_give_the_same(void **state)
{
    (void)state;
    replay_of_every_type(&(struct asked){.filter = only_w, .part_bytes = 1000, .want_bytes = 1});
    replay_of_every_type(
        &(struct asked){.filter = only_w, .part_bytes = 30000, .want_bytes = 5000});
}

static void compressed_logs_give_the_same(void **state)
{
    (void)state;
    run("SET GLOBAL log_bin_compress=1, log_bin_compress_min_len=10");
    replay_of_every_type(&whole);
    run("SET GLOBAL log_bin_compress=0");
}

static void logs_without_checksums_give_the_same(void **state)
{
    (void)state;
    run("SET GLOBAL binlog_checksum=NONE");
    replay_of_every_type(&whole);
    run("SET GLOBAL binlog_checksum=CRC32");
    replay_of_every_type(&whole);
}

/* A new connection after each transaction, and no version written twice. */
static void reading_goes_on_after_any_transaction(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY, v VARCHAR(20))");
    reading_init(&r);
    for (int i = 0; i < 10; i++) {
        char sql[100];
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d,'x')", i);
        run(sql);
        if (i == 4)
            run("FLUSH BINARY LOGS");
        read_to_end(&r, &whole);
    }
    assert_int_equal(r.txns, 10);
    assert_int_equal(r.versions.n, 1);
    assert_same(&r, "w", "t");
    reading_fini(&r);
}

/* The connect state needs the server that wrote the last transaction, which a set does not tell. */
static void several_writers_in_one_domain_are_told_apart(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    reading_init(&r);
    for (int i = 0; i < 12; i++) {
        char sql[100];
        (void)snprintf(sql, sizeof sql, "SET SESSION server_id=%d", i % 3 ? 200 + i % 3 : 7);
        run(sql);
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d)", i);
        run(sql);
        if (i == 5)
            run("FLUSH BINARY LOGS");
    }
    run("SET SESSION server_id=7");
    struct txn_set begin, one;
    txn_set_copy(&begin, &r.after);
    for (uint64_t n = 0; n < 12; n++) { /* begin after each of them */
        struct reading again = {.next_table_id = 1, .any = true};
        txn_set_copy(&one, &begin);
        const char *origin = one.origins.at[0].origin;
        uint64_t last = txn_set_last(&begin, origin) + n;
        if (n > 0)
            txn_set_add(&one, origin, 1, last);
        again.after = one;
        read_to_end(&again, &whole);
        assert_int_equal(again.changes, 12 - n);
        reading_fini(&again);
    }
    txn_set_fini(&begin);
    reading_fini(&r);
}

static void several_domains_are_read_side_by_side(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    reading_init(&r);
    for (int round = 0; round < 3; round++) {
        for (int domain = 0; domain < 3; domain++) {
            char sql[100];
            (void)snprintf(sql, sizeof sql, "SET SESSION gtid_domain_id=%d", domain);
            run(sql);
            (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d)", round * 10 + domain);
            run(sql);
        }
        read_to_end(&r, &whole);
    }
    run("SET SESSION gtid_domain_id=0");
    assert_int_equal(r.txns, 9);
    assert_int_equal(r.after.origins.n, 3);
    assert_same(&r, "w", "t");
    reading_fini(&r);
}

static void tables_outside_only_move_the_position(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    run("CREATE TABLE other.t (i INT PRIMARY KEY)");
    reading_init(&r);
    run("INSERT INTO other.t VALUES (1),(2)");
    run("ALTER TABLE other.t ADD v INT");
    run("CREATE USER someone IDENTIFIED BY 'secret'");
    run("DROP USER someone");
    run("ANALYZE TABLE w.t");
    run("BEGIN");
    run("INSERT INTO other.t VALUES (3,3)");
    run("INSERT INTO w.t VALUES (3)");
    run("COMMIT");
    run("CREATE TEMPORARY TABLE w.tmp (i INT)");
    run("INSERT INTO w.tmp VALUES (1)");
    run("DROP TEMPORARY TABLE w.tmp");
    run("CREATE SEQUENCE w.s");
    run("DO NEXTVAL(w.s)");
    run("DROP SEQUENCE w.s");
    read_to_end(&r, &whole);
    assert_int_equal(r.changes, 1);
    assert_int_equal(r.ddl.n, 0);
    assert_int_equal(r.filtered, r.txns - 1);
    assert_same(&r, "w", "t");
    reading_fini(&r);
}

static void savepoints_and_rollbacks_leave_what_is_committed(void **state)
{
    (void)state;
    struct reading r;

    fresh_w("CREATE TABLE w.t (i INT PRIMARY KEY)");
    run("CREATE TABLE w.m (i INT PRIMARY KEY) ENGINE=MyISAM");
    reading_init(&r);
    run("BEGIN");
    run("INSERT INTO w.t VALUES (1)");
    run("SAVEPOINT a");
    run("INSERT INTO w.t VALUES (2)");
    run("ROLLBACK TO a");
    run("INSERT INTO w.t VALUES (3)");
    run("COMMIT");
    run("BEGIN");
    run("INSERT INTO w.t VALUES (4)");
    run("INSERT INTO w.m VALUES (4)");
    run("ROLLBACK");
    run("UPDATE w.m SET i = 5");
    read_to_end(&r, &whole);
    assert_int_equal(r.rows.n, 3);
    assert_same(&r, "w", "t");
    assert_same(&r, "w", "m");
    reading_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_arrives_as_the_server_has_it),
        cmocka_unit_test(pieces_of_any_size_give_the_same),
        cmocka_unit_test(compressed_logs_give_the_same),
        cmocka_unit_test(logs_without_checksums_give_the_same),
        cmocka_unit_test(reading_goes_on_after_any_transaction),
        cmocka_unit_test(several_writers_in_one_domain_are_told_apart),
        cmocka_unit_test(several_domains_are_read_side_by_side),
        cmocka_unit_test(tables_outside_only_move_the_position),
        cmocka_unit_test(savepoints_and_rollbacks_leave_what_is_committed),
    };

    return cmocka_run_group_tests(tests, reading_start, one_server_stop);
}
