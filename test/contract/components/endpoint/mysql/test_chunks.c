/* Chunks against a real server: over every kind of key, each row exactly once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/vec.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/session.h"
#include "components/endpoint/mysql/sqltext.h"
#include "test/lib/reader_world.h"

#define BOUND_MAX (1u << 20)

static int setup(void **state)
{
    (void)state;
    reader_world_start(34);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reader_world_stop();
    return 0;
}

/* --- chunks -------------------------------------------------------------------------------------
 */

static int cmp_views(const void *a, const void *b)
{
    const struct buf *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int c = memcmp(x->p, y->p, n);

    return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* Walks the table in chunks of `rows` and demands each row exactly once, and the digests' sum. */
static void walk(const char *name, uint64_t rows)
{
    const struct table_def *t = load(name);
    struct buf lo, hi;
    VEC(struct buf) keys = {0};
    uint64_t total, seen = 0, sum = 0, xored = 0;
    bool done = false;
    struct digest all;

    assert_true(t->row_key >= 0);
    check(ops->count(reader, t, &total, e));
    check(ops->digest(reader, t, t, whole, &all, e));
    buf_init(&lo, BOUND_MAX);
    buf_init(&hi, BOUND_MAX);
    while (!done) {
        struct key_range range = {{lo.len ? lo.p : NULL, lo.len}, {NULL, 0}};
        struct kept k = {0};
        struct digest d;
        check(ops->next_bound(reader, t, range, rows, &hi, &done, e));
        if (hi.len == 0)
            break;
        range.hi = (struct view){hi.p, hi.len};
        check(ops->read(reader, t, range, ROWS_MYSQL_TEXT, 256, keep, &k, e));
        check(ops->digest(reader, t, t, range, &d, e));
        assert_int_equal(d.rows, k.n);
        assert_true(done || k.n == rows);
        sum += d.sum_a;
        xored ^= d.sum_b;
        seen += k.n;
        for (size_t i = 0; i < k.batches.n; i++)
            for (uint32_t j = 0; j < k.batches.at[i]->n; j++) {
                struct buf b;
                buf_init(&b, BOUND_MAX);
                check(ops->bound_of(t, ROWS_MYSQL_TEXT, rows_at(k.batches.at[i], j), &b, e));
                vec_push(&keys, b);
            }
        /* The bound is the key of the chunk's last row. */
        if (!done)
            assert_int_equal(cmp_views(&keys.at[keys.n - 1], &hi), 0);
        kept_fini(&k);
        buf_clear(&lo);
        buf_append(&lo, hi.p, hi.len);
    }
    if (seen != total)
        fail_msg("%s: %llu rows of %llu", name, (unsigned long long)seen,
                 (unsigned long long)total);
    assert_int_equal(sum, all.sum_a);
    assert_int_equal(xored, all.sum_b);
    qsort(keys.at, keys.n, sizeof *keys.at, cmp_views);
    for (size_t i = 1; i < keys.n; i++)
        assert_int_not_equal(cmp_views(&keys.at[i - 1], &keys.at[i]), 0);
    for (size_t i = 0; i < keys.n; i++)
        buf_fini(&keys.at[i]);
    vec_fini(&keys);
    buf_fini(&lo);
    buf_fini(&hi);
    table_def_unref(t);
}

static void walk_sizes(const char *name)
{
    walk(name, 1);
    walk(name, 3);
    walk(name, 1000);
    walk(name, UINT64_MAX); /* the last key, and nothing more is read */
}

static void chunks_of_accent_insensitive_keys_have_each_row_once(void **state)
{
    (void)state;
    run("CREATE TABLE ci (k VARCHAR(30) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)");
    run("INSERT INTO ci VALUES ('',0),('\xc3\x84"
        "b',1),('ac',2),('A d',3),('\xc3\x9f',4),('t',5),"
        "('\xf0\x9f\x98\x80',6),('Z',7),('a''quote',8),('back\\\\slash',9),('%_',10),('\xc3\xa9',"
        "11),"
        "('f',12)");
    walk_sizes("ci");
    run("CREATE TABLE uca (k VARCHAR(30) COLLATE utf8mb4_unicode_ci PRIMARY KEY, v INT)");
    run("INSERT INTO uca SELECT * FROM ci");
    walk_sizes("uca");
    run("CREATE TABLE uca14 (k VARCHAR(30) COLLATE utf8mb4_uca1400_as_cs PRIMARY KEY, v INT)"
        " COLLATE utf8mb4_uca1400_ai_ci");
    run("INSERT INTO uca14 SELECT * FROM ci");
    walk_sizes("uca14");
    const struct table_def *t = load("uca14");
    assert_string_equal(t->charset, "utf8mb4");
    table_def_unref(t);
}

static void chunks_of_big_unsigned_keys_have_each_row_once(void **state)
{
    (void)state;
    run("CREATE TABLE big (k BIGINT UNSIGNED PRIMARY KEY)");
    run("INSERT INTO big VALUES (0),(1),(9223372036854775807),(9223372036854775808),"
        "(9223372036854775809),(18446744073709551614),(18446744073709551615)");
    walk_sizes("big");
}

static void chunks_of_composite_keys_have_each_row_once(void **state)
{
    (void)state;
    run("CREATE TABLE comp (v INT, a VARCHAR(10) CHARACTER SET latin1 NOT NULL, b INT NOT NULL,"
        " c DATETIME(6) NOT NULL, PRIMARY KEY (a, b DESC, c))");
    run("INSERT INTO comp SELECT seq, CHAR(65 + seq MOD 5, 0xe4 USING latin1), CAST(seq MOD 7 AS "
        "SIGNED) - 3,"
        " '2024-01-01' + INTERVAL seq MICROSECOND FROM seq_1_to_200");
    walk_sizes("comp");
    run("CREATE TABLE comp2 (a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, v INT,"
        " UNIQUE KEY u (c, a, b))");
    run("INSERT INTO comp2 SELECT seq DIV 10, seq MOD 10, seq MOD 3, seq FROM seq_1_to_300");
    walk_sizes("comp2");
}

static void chunks_of_binary_keys_have_each_row_once(void **state)
{
    (void)state;
    run("CREATE TABLE bin (k BINARY(16) PRIMARY KEY, v INT)");
    run("INSERT INTO bin SELECT UNHEX(MD5(seq)), seq FROM seq_1_to_100");
    run("INSERT INTO bin VALUES (X'00', 0), (X'FF', 1), (X'2700', 2), (X'5C00', 3)");
    walk_sizes("bin");
    run("CREATE TABLE vbin (k VARBINARY(16) PRIMARY KEY)");
    run("INSERT INTO vbin VALUES (''), (X'00'), (X'0000'), (X'61'), (X'6100'), (X'6120'), (X'FF')");
    walk_sizes("vbin");
}

static void chunks_of_keys_with_trailing_spaces_have_each_row_once(void **state)
{
    (void)state;
    run("CREATE TABLE pad (k VARCHAR(10) COLLATE utf8mb4_bin PRIMARY KEY)");
    run("INSERT INTO pad VALUES ('a '), ('ab'), ('a\\t'), ('b  '), ('')");
    walk_sizes("pad");
    run("CREATE TABLE nopad (k VARCHAR(10) COLLATE utf8mb4_nopad_bin PRIMARY KEY)");
    run("INSERT INTO nopad VALUES ('a'), ('a '), ('a  '), ('ab'), ('a\\t'), ('')");
    walk_sizes("nopad");
}

static void chunks_of_every_other_kind_of_key_have_each_row_once(void **state)
{
    static const struct {
        const char *name, *type, *values;
    } kinds[] = {
        {"k_dec", "DECIMAL(30,5)", "(-1.5),(0),(0.00001),(12345678901234567890.12345)"},
        {"k_flt", "FLOAT", "(-1e30),(0.1),(0.33333334),(0.3333334),(16777217),(3e38)"},
        {"k_dbl", "DOUBLE", "(-1e300),(0.1),(0.30000000000000004),(0.3),(1e-300)"},
        {"k_enum", "ENUM('z','a','m')", "('a'),('z'),('m')"},
        {"k_set", "SET('z','a','m')", "(''),('a'),('z'),('z,m'),('a,m')"},
        {"k_bit", "BIT(64)", "(0),(1),(9223372036854775808),(18446744073709551615)"},
        {"k_ts", "TIMESTAMP(3)", "(0),('2024-01-01 00:00:00.001'),('2024-01-01 00:00:00.002')"},
        {"k_dt", "DATETIME", "('0000-00-00'),('2023-02-31'),('9999-12-31 23:59:59')"},
        {"k_date", "DATE", "('0000-00-00'),('2023-00-10'),('2023-02-31'),('9999-12-31')"},
        {"k_time", "TIME(2)", "('-838:59:59'),('-00:00:00.01'),('00:00:00'),('838:59:59')"},
        {"k_year", "YEAR", "(0),(1901),(2000),(2155)"},
        {"k_uuid", "UUID",
         "('123e4567-e89b-12d3-a456-426655440000'),"
         "('00000000-0000-0000-0000-000000000001'),"
         "('ffffffff-e89b-42d3-8456-426655440000')"},
        {"k_in6", "INET6", "('::'),('::1'),('fe80::1'),('ffff::')"},
        {"k_in4", "INET4", "('0.0.0.0'),('1.2.3.4'),('255.255.255.255')"},
        {"k_ucs2", "VARCHAR(10) CHARACTER SET ucs2", "('a'),('\xc3\xa9'),('\xe4\xb8\xad')"},
        {"k_u16", "VARCHAR(10) CHARACTER SET utf16le", "('a'),('\xc3\xa9'),('\xf0\x9f\x98\x80')"},
        {"k_gbk", "CHAR(10) CHARACTER SET gbk", "('a'),('\xe4\xb8\xad'),('\xe6\x96\x87')"},
        {"k_neg", "TINYINT", "(-128),(-1),(0),(127)"},
    };
    char sql[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE %s (k %s PRIMARY KEY)", kinds[i].name,
                 kinds[i].type);
        run(sql);
        snprintf(sql, sizeof sql, "INSERT INTO %s VALUES %s", kinds[i].name, kinds[i].values);
        run(sql);
        walk_sizes(kinds[i].name);
    }
}

static void an_empty_table_gives_an_empty_bound_at_once(void **state)
{
    struct buf b;
    bool done = false;

    (void)state;
    run("CREATE TABLE none (k INT PRIMARY KEY)");
    const struct table_def *t = load("none");
    buf_init(&b, BOUND_MAX);
    check(ops->next_bound(reader, t, whole, 10, &b, &done, e));
    assert_true(done);
    assert_int_equal(b.len, 0);
    done = false;
    check(ops->next_bound(reader, t, whole, UINT64_MAX, &b, &done, e));
    assert_true(done);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
    table_def_unref(t);
}

static void chunk_reads_use_the_key_and_never_sort(void **state)
{
    struct buf sql, lo;
    MYSQL_RES *res;

    (void)state;
    run("ANALYZE TABLE comp2");
    const struct table_def *t = load("comp2");
    buf_init(&sql, BOUND_MAX);
    buf_init(&lo, 256);
    buf_bytes(&lo, "1", 1);
    buf_bytes(&lo, "2", 1);
    buf_bytes(&lo, "3", 1);
    struct key_range range = {{lo.p, lo.len}, {NULL, 0}};
    buf_str(&sql, "EXPLAIN SELECT *");
    sqltext_from(&sql, t);
    check(sqltext_where(&sql, t, range, e));
    sqltext_order(&sql, t);
    check(session_query_buf(root, &sql, &res, e));
    MYSQL_ROW row = mysql_fetch_row(res);
    assert_string_equal(row[3], "range");
    assert_string_equal(row[5], "u");
    assert_null(strstr(row[9], "filesort"));
    mysql_free_result(res);
    buf_fini(&sql);
    buf_fini(&lo);
    table_def_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_of_accent_insensitive_keys_have_each_row_once),
        cmocka_unit_test(chunks_of_big_unsigned_keys_have_each_row_once),
        cmocka_unit_test(chunks_of_composite_keys_have_each_row_once),
        cmocka_unit_test(chunks_of_binary_keys_have_each_row_once),
        cmocka_unit_test(chunks_of_keys_with_trailing_spaces_have_each_row_once),
        cmocka_unit_test(chunks_of_every_other_kind_of_key_have_each_row_once),
        cmocka_unit_test(an_empty_table_gives_an_empty_bound_at_once),
        cmocka_unit_test(chunk_reads_use_the_key_and_never_sort),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
