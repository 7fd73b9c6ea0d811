/*
 * Every kind of value arrives as the server itself stores it, bit for bit, and is found again: by
 * key where it can be one, and by all columns where there is no key. The server stores a literal,
 * we write the canonical bytes into a twin, CHECKSUM TABLE compares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/session.h"
#include "test/lib/target_world.h"

struct sample {
    const char *type, *literal;
    const char *bytes; /* variable kinds */
    size_t len;
    uint64_t number; /* fixed kinds up to 8 bytes */
    bool key;
    bool is_null;
};

#define NUM(type, literal, n)                              \
    {                                                      \
        type, literal, NULL, 0, (uint64_t)(n), true, false \
    }
#define BYTES(type, literal, bytes, key)                      \
    {                                                         \
        type, literal, bytes, sizeof bytes - 1, 0, key, false \
    }
#define ABSENT(type)                          \
    {                                         \
        type, "NULL", NULL, 0, 0, false, true \
    }
#define DATE(y, m, d) ((y) << 9 | (m) << 5 | (d))
#define PACKED(y, mo, d, h, mi, s, us) \
    (((((uint64_t)(y)*13 + (mo)) << 5 | (d)) << 17 | (h) << 12 | (mi) << 6 | (s)) << 24 | (us))
#define SET64                                                                                    \
    "SET('a0','a1','a2','a3','a4','a5','a6','a7','b0','b1','b2','b3','b4','b5','b6','b7','c0',"  \
    "'c1','c2','c3','c4','c5','c6','c7','d0','d1','d2','d3','d4','d5','d6','d7','e0','e1','e2'," \
    "'e3','e4','e5','e6','e7','f0','f1','f2','f3','f4','f5','f6','f7','g0','g1','g2','g3','g4'," \
    "'g5','g6','g7','h0','h1','h2','h3','h4','h5','h6','h7')"

static const struct sample samples[] = {
    NUM("TINYINT", "-128", -128),
    NUM("TINYINT UNSIGNED", "255", 255),
    NUM("SMALLINT", "-32768", -32768),
    NUM("SMALLINT UNSIGNED", "65535", 65535),
    NUM("MEDIUMINT", "-8388608", -8388608),
    NUM("MEDIUMINT UNSIGNED", "16777215", 16777215),
    NUM("INT", "-2147483648", -2147483648ll),
    NUM("INT UNSIGNED", "4294967295", 4294967295ll),
    NUM("INT ZEROFILL", "0", 0),
    NUM("BIGINT", "-9223372036854775808", INT64_MIN),
    NUM("BIGINT UNSIGNED", "18446744073709551615", UINT64_MAX),
    BYTES("DECIMAL(65,30)", "-12345678901234567890123456789012345.123456789012345678901234567890",
          "-12345678901234567890123456789012345.123456789012345678901234567890", true),
    BYTES("DECIMAL(10,2)", "0", "0.00", true),
    BYTES("DECIMAL(20,0) UNSIGNED", "99999999999999999999", "99999999999999999999", true),
    NUM("YEAR", "0", 0),
    NUM("YEAR", "1901", 1901),
    NUM("YEAR", "2155", 2155),
    NUM("DATE", "'0000-00-00'", 0),
    NUM("DATE", "'2024-00-15'", DATE(2024, 0, 15)),
    NUM("DATE", "'2023-02-31'", DATE(2023, 2, 31)),
    NUM("DATE", "'9999-12-31'", DATE(9999, 12, 31)),
    NUM("TIME(6)", "'-838:59:59.999999'", -3020399999999ll),
    NUM("TIME(6)", "'00:00:00.000001'", 1),
    NUM("TIME(3)", "'-00:00:00.500'", -500000),
    NUM("TIME", "'-00:00:01'", -1000000),
    NUM("TIME", "'838:59:59'", 3020399000000ll),
    NUM("DATETIME(6)", "'0000-00-00 00:00:00'", 0),
    NUM("DATETIME(6)", "'9999-12-31 23:59:59.999999'", PACKED(9999, 12, 31, 23, 59, 59, 999999)),
    NUM("DATETIME", "'2023-02-31 01:02:03'", PACKED(2023, 2, 31, 1, 2, 3, 0)),
    NUM("DATETIME(2)", "'2024-00-00 01:02:03.45'", PACKED(2024, 0, 0, 1, 2, 3, 450000)),
    NUM("TIMESTAMP(6) NULL", "'2038-01-19 03:14:07.999999'", 2147483647999999ll),
    NUM("TIMESTAMP(6) NULL", "'1970-01-01 00:00:01'", 1000000),
    NUM("TIMESTAMP NULL", "'2024-02-29 12:34:56'", 1709210096000000ll),
    NUM("TIMESTAMP NULL", "'2000-12-31 23:59:59'", 978307199000000ll),
    NUM("TIMESTAMP NULL", "'0000-00-00 00:00:00'", 0),
    NUM("BIT(64)", "~0", UINT64_MAX),
    NUM("BIT(1)", "1", 1),
    NUM("BIT(9)", "b'100000001'", 257),
    NUM("ENUM('a','b','c')", "'b'", 2),
    {"ENUM('a','b','c')", "'none'", NULL, 0, 0, false, false},
    NUM("ENUM('1','0','x')", "'0'", 2),
    NUM("ENUM('1','0','x')", "'1'", 1),
    NUM("ENUM('a','\xc3\xa4') CHARACTER SET latin1", "'\xc3\xa4'", 2),
    NUM("ENUM('a','b','c') CHARACTER SET ucs2", "'b'", 2),
    NUM("ENUM('a','\xc3\xb6') CHARACTER SET utf32", "'\xc3\xb6'", 2),
    {"ENUM('a','b') CHARACTER SET utf16", "'none'", NULL, 0, 0, false, false},
    NUM(SET64, "~0", UINT64_MAX),
    NUM(SET64, "0", 0),
    NUM(SET64, "'a1,h7'", 0x8000000000000002ull),
    BYTES("CHAR(5) CHARACTER SET latin1", "_latin1 X'E4'", "\xe4", true),
    BYTES("CHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "'a b'", "a b", true),
    BYTES("VARCHAR(9) CHARACTER SET utf8mb4", "_utf8mb4 X'F09F988020'", "\xf0\x9f\x98\x80 ", true),
    BYTES("VARCHAR(9) CHARACTER SET ucs2", "_ucs2 X'00E40031'", "\x00\xe4\x00\x31", true),
    BYTES("VARCHAR(9) CHARACTER SET utf16", "_utf16 X'D83DDE00'", "\xd8\x3d\xde\x00", true),
    BYTES("VARCHAR(9) CHARACTER SET utf32", "_utf32 X'0001F600'", "\x00\x01\xf6\x00", true),
    BYTES("VARCHAR(9) CHARACTER SET gbk", "_gbk X'B05C815C'", "\xb0\x5c\x81\x5c", true),
    BYTES("VARCHAR(9) CHARACTER SET sjis", "_sjis X'835C'", "\x83\x5c", true),
    BYTES("VARCHAR(9) CHARACTER SET utf8mb4", "''", "", true),
    BYTES("TEXT CHARACTER SET cp1251", "_cp1251 X'00FF27'", "\x00\xff'", false),
    BYTES("LONGTEXT", "'line\\nquote''\\\\'", "line\nquote'\\", false),
    BYTES("BINARY(4)", "X'00FF'", "\x00\xff\x00\x00", true),
    BYTES("VARBINARY(9)", "X'002000'", "\x00\x20\x00", true),
    BYTES("BLOB", "X'FE00FF'", "\xfe\x00\xff", false),
    BYTES("JSON", "'{\"a\": [1, 2.50, \"\xc3\xa4\"]}'", "{\"a\": [1, 2.50, \"\xc3\xa4\"]}", false),
    BYTES("POINT", "ST_GeomFromText('POINT(1 -1)', 4326)",
          "\xe6\x10\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"
          "\x00\x00\x00\x00\x00\x00\xf0\xbf",
          false),
    BYTES("GEOMETRY", "ST_GeomFromText('LINESTRING(0 0,1 1)')",
          "\x00\x00\x00\x00\x01\x02\x00\x00\x00\x02\x00\x00\x00"
          "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
          "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f",
          false),
    BYTES("UUID", "'123e4567-e89b-12d3-a456-426655440000'",
          "\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x55\x44\x00\x00", true),
    BYTES("INET4", "'192.168.0.1'", "\xc0\xa8\x00\x01", true),
    BYTES("INET6", "'2001:db8::ff00:42:8329'",
          "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\xff\x00\x00\x42\x83\x29", true),
    ABSENT("INT"),
    ABSENT("VARCHAR(9)"),
    ABSENT("DATETIME(6)"),
    ABSENT("POINT"),
    ABSENT("DECIMAL(5,2)"),
    ABSENT("BIT(3)"),
    ABSENT("DOUBLE"),
};

struct twin { /* d.a as the server stores it, d.b as we write it */
    struct target_world *w;
    struct claim *c;
    struct slot *s;
};

static int open_twin(void **state)
{
    static struct twin t;

    if (target_world_open((void **)&t.w) != 0)
        return 1;
    world_sql(t.w, "CREATE DATABASE d");
    world_sql(t.w, "SET sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'");
    t.c = world_claim(t.w, "types", 1, 1);
    t.s = world_slot(t.w, t.c, 0);
    *state = &t;
    return 0;
}

static int close_twin(void **state)
{
    struct twin *t = *state;

    t->w->endpoint->target->slot_close(t->s);
    t->w->endpoint->target->claim_close(t->c);
    return target_world_close((void **)&t->w);
}

static struct view row_of(struct twin *t, const struct table_def *def, const struct sample *x,
                          int id)
{
    struct row_writer rw;
    struct buf b;

    buf_init(&b, 1 << 16);
    row_begin(&rw, &b, def, ROWS_CANONICAL, false);
    if (def->n_columns == 2)
        row_put_u64(&rw, (uint64_t)id);
    if (x->is_null)
        row_put_null(&rw);
    else if (x->bytes && kind_width[def->columns[def->n_columns - 1].kind] == 0)
        row_put_bytes(&rw, x->bytes, x->len);
    else if (x->bytes)
        row_put_fixed(&rw, x->bytes);
    else
        row_put_u64(&rw, x->number);
    row_end(&rw);
    struct view out = {arena_memdup(&t->w->arena, b.p, b.len), b.len};
    buf_fini(&b);
    return out;
}

static void check_outcome(const struct sample *x, const char *what, const struct apply_result *r)
{
    if (r->outcome != APPLY_COMMITTED)
        fail_msg("%s of %s %s: outcome %d, error %d: %s", what, x->type, x->literal,
                 (int)r->outcome, r->conflict_errno, r->conflict_text);
}

static const char *checksum(struct twin *t, const char *table)
{
    return world_value(t->w,
                       "SELECT CONCAT(COUNT(*), ':', COALESCE(HEX(WEIGHT_STRING(c)), ''), ':',"
                       " COALESCE(HEX(c), 'NULL')) FROM d.%s WHERE id=1",
                       table);
}

static long table_checksum(struct twin *t, const char *table)
{
    MYSQL_RES *res = NULL;
    struct err e = ERR_INIT;
    char sql[80];

    (void)snprintf(sql, sizeof sql, "CHECKSUM TABLE d.%s", table);
    assert_true(session_query(t->w->own, sql, &res, &e));
    long n = strtol(mysql_fetch_row(res)[1], NULL, 10);
    session_free_result(&res);
    return n;
}

/* Two rows each, so that bulk statements are used as well. */
static void check_stored(struct twin *t, const struct sample *x)
{
    const struct table_def *def;

    world_sql(t->w, "CREATE OR REPLACE TABLE d.a (id INT PRIMARY KEY, c %s)", x->type);
    world_sql(t->w, "CREATE OR REPLACE TABLE d.b LIKE d.a");
    world_sql(t->w, "INSERT INTO d.a VALUES (1, %s), (2, %s), (3, %s)", x->literal, x->literal,
              x->literal);
    struct target_table *b = world_table(t->w, t->c, "d", "b", &def);
    struct write in[] = {world_insert(b, row_of(t, def, x, 1)),
                         world_insert(b, row_of(t, def, x, 2)),
                         world_insert(b, row_of(t, def, x, 3))};
    struct apply_result r = world_apply(t->w, t->s, NULL, in, 2);
    check_outcome(x, "bulk insert", &r);
    r = world_apply(t->w, t->s, NULL, in + 2, 1);
    check_outcome(x, "insert", &r);
    if (table_checksum(t, "a") != table_checksum(t, "b"))
        fail_msg("%s %s differs: %s, should be %s", x->type, x->literal, checksum(t, "b"),
                 checksum(t, "a"));

    world_sql(t->w, "UPDATE d.b SET c=NULL");
    struct sample null = *x;
    null.is_null = true;
    struct write up[] = {
        world_update(b, row_of(t, def, &null, 1), row_of(t, def, x, 1)),
        world_update(b, row_of(t, def, &null, 2), row_of(t, def, x, 2)),
        world_update(b, row_of(t, def, &null, 3), row_of(t, def, x, 3)),
    };
    r = world_apply(t->w, t->s, NULL, up, 3);
    check_outcome(x, "update", &r);
    if (table_checksum(t, "a") != table_checksum(t, "b"))
        fail_msg("%s %s differs after an update", x->type, x->literal);
    t->w->endpoint->target->table_close(b);
    table_def_unref(def);
}

static void check_found_without_key(struct twin *t, const struct sample *x)
{
    const struct table_def *def;

    world_sql(t->w, "CREATE OR REPLACE TABLE d.n (c %s)", x->type);
    world_sql(t->w, "INSERT INTO d.n VALUES (%s), (%s), (%s)", x->literal, x->literal, x->literal);
    struct target_table *n = world_table(t->w, t->c, "d", "n", &def);
    struct write del = world_delete(n, row_of(t, def, x, 0));
    struct apply_result r = world_apply(t->w, t->s, NULL, &del, 1);
    check_outcome(x, "delete without a key", &r);
    assert_int_equal(world_number(t->w, "SELECT COUNT(*) FROM d.n"), 2);
    struct write two[] = {del, del};
    r = world_apply(t->w, t->s, NULL, two, 2);
    check_outcome(x, "bulk delete without a key", &r);
    assert_int_equal(world_number(t->w, "SELECT COUNT(*) FROM d.n"), 0);
    t->w->endpoint->target->table_close(n);
    table_def_unref(def);
}

static void check_found_by_key(struct twin *t, const struct sample *x)
{
    const struct table_def *def;

    world_sql(t->w, "CREATE OR REPLACE TABLE d.k (c %s NOT NULL, PRIMARY KEY (c))",
              strstr(x->type, " NULL") ? "TIMESTAMP(6)" : x->type);
    world_sql(t->w, "INSERT INTO d.k VALUES (%s)", x->literal);
    struct target_table *k = world_table(t->w, t->c, "d", "k", &def);
    struct write del = world_delete(k, row_of(t, def, x, 0));
    struct apply_result r = world_apply(t->w, t->s, NULL, &del, 1);
    check_outcome(x, "delete by key", &r);
    t->w->endpoint->target->table_close(k);
    table_def_unref(def);
}

static void every_type_arrives_bit_for_bit(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        check_stored(*state, &samples[i]);
}

static void every_type_is_found_without_a_key(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        check_found_without_key(*state, &samples[i]);
}

static void every_type_that_can_be_a_key_is_found_by_it(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        if (samples[i].key)
            check_found_by_key(*state, &samples[i]);
}

static void floats_arrive_bit_for_bit(void **state)
{
    static const double doubles[] = {0.1,
                                     1e-320,
                                     1.7976931348623157e308,
                                     -2.2250738585072014e-308,
                                     1.0 / 3,
                                     123456789.123456789};
    struct twin *t = *state;
    char text[64];

    for (size_t i = 0; i < ARRAY_LEN(doubles); i++) {
        float f = (float)doubles[i];
        struct sample x = {.type = "DOUBLE", .literal = text, .key = true};
        (void)snprintf(text, sizeof text, "%.17e", doubles[i]);
        memcpy(&x.number, &doubles[i], 8);
        check_stored(t, &x);
        check_found_without_key(t, &x);
        check_found_by_key(t, &x);
        if (!isfinite(f))
            continue;
        x.type = "FLOAT";
        (void)snprintf(text, sizeof text, "%.17e", (double)f);
        x.number = 0;
        memcpy(&x.number, &f, 4);
        check_stored(t, &x);
        check_found_without_key(t, &x);
        check_found_by_key(t, &x);
    }
}

static void generated_columns_are_left_to_the_server_and_on_update_is_set(void **state)
{
    struct twin *t = *state;
    const struct table_def *def;
    struct row_writer rw;
    struct buf b;

    world_sql(t->w, "CREATE OR REPLACE TABLE d.g (id INT PRIMARY KEY, g INT AS (id+1) STORED,"
                    " at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,"
                    " h INT INVISIBLE)");
    struct target_table *g = world_table(t->w, t->c, "d", "g", &def);
    buf_init(&b, 1000);
    row_begin(&rw, &b, def, ROWS_CANONICAL, false);
    row_put_u64(&rw, 5);
    row_put_null(&rw);
    row_put_u64(&rw, 1000000);
    row_put_u64(&rw, 77);
    row_end(&rw);
    struct view row = {b.p, b.len};
    struct write x[] = {world_insert(g, row), world_update(g, row, row)};
    struct apply_result r = world_apply(t->w, t->s, NULL, x, 2);
    assert_int_equal(r.outcome, APPLY_COMMITTED);
    assert_string_equal(world_value(t->w, "SELECT CONCAT(id, ',', g, ',', UNIX_TIMESTAMP(at), ',',"
                                          " h) FROM d.g"),
                        "5,6,1,77");
    buf_fini(&b);
    t->w->endpoint->target->table_close(g);
    table_def_unref(def);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_arrives_bit_for_bit),
        cmocka_unit_test(every_type_is_found_without_a_key),
        cmocka_unit_test(every_type_that_can_be_a_key_is_found_by_it),
        cmocka_unit_test(floats_arrive_bit_for_bit),
        cmocka_unit_test(generated_columns_are_left_to_the_server_and_on_update_is_set),
    };

    return cmocka_run_group_tests(tests, open_twin, close_twin);
}
