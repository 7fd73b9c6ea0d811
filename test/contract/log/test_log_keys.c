/* Rows of the log are read again from the server by their keys, of every kind that can be asked for
 * by value: the key's bytes come from the log, the row from a snapshot. On both servers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "test/lib/log_world.h"

static const struct reader_ops *const ops = &mysql_reader_ops;

static const struct asked whole = {.filter = only_w};

static struct reader *open_snapshot(void)
{
    struct endpoint_address a = mariadb_address(&server);
    struct position pos = {.native = ""};
    struct reader *r;
    bool exact, does;

    check(ops->open(&a, &r, e));
    check(ops->lets_go(r, &does, e));
    assert_true(does);
    txn_set_init(&pos.set);
    check(ops->begin_snapshot(r, &pos, &exact, e));
    txn_set_fini(&pos.set);
    return r;
}

/* The image with its key's columns alone. */
static struct view key_alone(const struct table_def *t, struct view row, struct buf *out)
{
    const struct key_def *k = &t->keys[t->row_key];
    struct value values[16];
    struct row_writer rw;

    assert_true(row_read(t, ROWS_CANONICAL, false, row, values));
    row_begin(&rw, out, t, ROWS_CANONICAL, true);
    for (uint16_t i = 0, part; i < t->n_columns; i++) {
        for (part = 0; part < k->n_parts && k->parts[part].column != i;)
            part++;
        if (part == k->n_parts)
            row_put_absent(&rw);
        else if (kind_width[t->columns[i].kind])
            row_put_fixed(&rw, values[i].p);
        else
            row_put_bytes(&rw, values[i].p, values[i].len);
    }
    row_end(&rw);
    return (struct view){out->p, out->len};
}

static bool ask(struct reader *r, const struct table_def *t, struct view row, char n[32],
                struct err *e)
{
    struct rows *rows = rows_new(t, ROWS_MYSQL_TEXT, 1u << 20);
    struct value values[16];
    struct buf key CLEANUP(buf_fini);
    bool found = false;

    buf_init(&key, 1u << 20);
    struct view image = key_alone(t, row, &key);
    bool ok = ops->read_keys(r, t, &image, 1, rows, &found, e);
    n[0] = '\0';
    if (ok && found) {
        assert_int_equal(rows->n, 1);
        assert_true(row_read(t, ROWS_MYSQL_TEXT, false, rows_at(rows, 0), values));
        (void)snprintf(n, 32, "%.*s", (int)values[0].len, (const char *)values[0].p);
    }
    rows_free(rows);
    return ok;
}

struct key_kind {
    const char *columns, *key, *values; /* of the key's columns, one row each in parentheses */
    bool mariadb_only;
};

static const struct key_kind kinds[] = {
    {"k TINYINT", "k", "(-128),(-1),(0),(127)", false},
    {"k SMALLINT UNSIGNED", "k", "(0),(65535)", false},
    {"k MEDIUMINT", "k", "(-8388608),(5)", false},
    {"k BIGINT", "k", "(-9223372036854775808),(9223372036854775807),(0)", false},
    {"k BIGINT UNSIGNED", "k", "(18446744073709551615),(9223372036854775808),(1)", false},
    {"k DECIMAL(30,4)", "k", "(-12345678901234567890.1234),(0),(0.0001),(7)", false},
    {"k VARCHAR(60) CHARACTER SET utf8mb4", "k",
     "(''),('a'),('it''s \\\\ \"x\"'),('na\xc3\xafve \xf0\x9f\x98\x80'),('  b')", false},
    {"k CHAR(20) CHARACTER SET latin1", "k", "('a'),('na\xc3\xafve')", false},
    {"k VARCHAR(20) CHARACTER SET ucs2", "k", "('abc'),('\xe4\xb8\xad')", false},
    {"k VARCHAR(20) CHARACTER SET gbk", "k", "('\xe4\xb8\xad'),('x')", false},
    {"k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "k", "('A'),('a'),('a b')", false},
    {"k VARBINARY(20)", "k", "(''),(X'00'),(X'0027FF'),('x')", false},
    {"k BINARY(6)", "k", "('x'),(X'000000000000'),(X'01FF00')", false},
    {"k DATE", "k", "('2026-11-21'),('0000-00-00'),('2023-00-10')", false},
    {"k DATETIME(6)", "k", "('2026-11-21 08:00:00.000001'),('1000-01-01 00:00:00')", false},
    {"k DATETIME", "k", "('2026-11-21 08:00:00'),('0000-00-00 00:00:00')", false},
    {"k TIMESTAMP(3)", "k", "('2026-11-21 08:00:00.125'),('1970-01-01 00:00:01')", false},
    {"k TIME(2)", "k", "('-838:59:58.25'),('00:00:00'),('-00:00:01.50'),('100:00:01')", false},
    {"k YEAR", "k", "(1901),(2026),(2155)", false},
    {"k ENUM('x','\xc3\xa9','10')", "k", "('x'),('\xc3\xa9'),('10')", false},
    {"k BIT(64)", "k", "(0),(5),(X'8000000000000001')", false},
    {"k UUID", "k", "('123e4567-e89b-12d3-a456-426655440000'),(UUID())", true},
    {"k INET4", "k", "('1.2.3.4'),('255.255.255.255')", true},
    {"k INET6", "k", "('::1'),('2001:db8::ff00:42:8329')", true},
    {"k VARCHAR(200) CHARACTER SET utf8mb4", "k(3)", "('abc one'),('abd two')", false},
    {"k INT, l VARCHAR(20) CHARACTER SET utf8mb4, m DATE", "l, k DESC, m",
     "(1,'a','2026-01-01'),(1,'b','2026-01-01'),(2,'a','2026-01-02')", false},
};

static void names_of(const char *columns, char out[80])
{
    size_t n = 0;

    for (const char *p = columns; p; p = strchr(p, ',')) {
        p += strspn(p, ", ");
        n += (size_t)snprintf(out + n, 80 - n, "%s%.*s", n ? "," : "", (int)strcspn(p, " "), p);
        if (p[0] == 'm') /* the last there is */
            break;
        if (!strstr(columns, "l VARCHAR")) /* one column: commas are its type's */
            break;
    }
}

static void make(size_t at, const struct key_kind *k)
{
    char sql[1000], names[80];

    names_of(k->columns, names);
    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE w.t%zu (i INT NOT NULL AUTO_INCREMENT UNIQUE, %s, PRIMARY KEY "
                   "(%s)) ENGINE=InnoDB",
                   at, k->columns, k->key);
    run(sql);
    (void)snprintf(sql, sizeof sql, "INSERT INTO w.t%zu (%s) VALUES %s", at, names, k->values);
    run(sql);
}

static bool is_here(const struct key_kind *k)
{
    return root->is_mariadb || !k->mariadb_only;
}

static void fresh(void)
{
    run("DROP DATABASE IF EXISTS w");
    run("CREATE DATABASE w CHARACTER SET utf8mb4");
    run("SET sql_mode='ALLOW_INVALID_DATES'");
}

static void rows_are_found_by_keys_of_every_kind(void **state)
{
    struct reading r;
    size_t made = 0, found = 0;

    (void)state;
    need_server();
    fresh();
    reading_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (is_here(&kinds[i])) {
            make(i, &kinds[i]);
            made++;
        }
    read_to_end(&r, &whole);
    struct reader *reader = open_snapshot();
    for (size_t i = 0; i < r.rows.n; i++) {
        const struct kept_row *row = &r.rows.at[i];
        const char *name = strchr(row->table, '.') ? strchr(row->table, '.') + 1 : row->table;
        char n[32], want[32];

        (void)snprintf(want, sizeof want, "%d", row->key);
        check(ask(reader, version(&r, name), (struct view){row->image.p, row->image.len}, n, e));
        if (strcmp(n, want) != 0)
            fail_msg("row %s of %s (%s): found '%s'", want, row->table,
                     kinds[strtoul(name + 1, NULL, 10)].columns, n);
        found++;
    }
    assert_true(found > 2 * made);
    ops->close(reader);
    reading_fini(&r);
}

/* Floats, the zero year, a SET: what their literals find is not sure. */
static void keys_that_a_literal_may_miss_are_refused(void **state)
{
    static const char *const columns[] = {"k FLOAT", "k DOUBLE", "k SET('a','b')", "k YEAR"};
    static const char *const values[] = {"0.1", "0.1", "'a'", "0"};
    struct reading r;

    (void)state;
    need_server();
    fresh();
    reading_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        char sql[300];
        (void)snprintf(sql, sizeof sql,
                       "CREATE TABLE w.t%zu (i INT NOT NULL AUTO_INCREMENT UNIQUE, %s, PRIMARY KEY "
                       "(k))",
                       i, columns[i]);
        run(sql);
        (void)snprintf(sql, sizeof sql, "INSERT INTO w.t%zu (k) VALUES (%s)", i, values[i]);
        run(sql);
    }
    read_to_end(&r, &whole);
    assert_int_equal(r.rows.n, ARRAY_LEN(columns));
    struct reader *reader = open_snapshot();
    for (size_t i = 0; i < r.rows.n; i++) {
        const struct kept_row *row = &r.rows.at[i];
        struct err why = ERR_INIT;
        char n[32];

        assert_false(ask(reader, version(&r, strchr(row->table, '.') + 1),
                         (struct view){row->image.p, row->image.len}, n, &why));
        assert_int_equal(why.code, ERR_UNSUPPORTED);
    }
    ops->close(reader);
    reading_fini(&r);
}

static const char three_rows[] = "INSERT INTO w.t VALUES (1,10,'a'),(2,20,'b'),(3,30,'c')";

static void a_snapshot_reads_the_past(void **state)
{
    static const int32_t keys[] = {4, 2, 9, 1};
    struct reading r;
    struct value values[3];
    struct buf bytes;
    struct view images[4];
    bool found[4];

    (void)state;
    need_server();
    fresh();
    run("CREATE TABLE w.t (i INT PRIMARY KEY, v INT, x TEXT)");
    reading_init(&r);
    run(three_rows);
    read_to_end(&r, &whole);
    const struct table_def *t = version(&r, "t");
    struct reader *reader = open_snapshot();
    run("DELETE FROM w.t WHERE i = 2");
    run("UPDATE w.t SET v = 11 WHERE i = 1");
    run("INSERT INTO w.t VALUES (4,40,'d')");
    struct rows *rows = rows_new(t, ROWS_MYSQL_TEXT, 1u << 20);
    buf_init(&bytes, 1000);
    (void)buf_reserve(&bytes, 500);
    for (int i = 0; i < 4; i++) {
        struct row_writer rw;
        size_t from = bytes.len;
        row_begin(&rw, &bytes, t, ROWS_CANONICAL, true);
        row_put_fixed(&rw, &keys[i]);
        row_put_absent(&rw);
        row_put_absent(&rw);
        row_end(&rw);
        images[i] = (struct view){bytes.p + from, bytes.len - from};
    }
    check(ops->read_keys(reader, t, images, 4, rows, found, e));
    assert_false(found[0] || found[2]);
    assert_true(found[1] && found[3]);
    assert_int_equal(rows->n, 2);
    assert_true(row_read(t, ROWS_MYSQL_TEXT, false, rows_at(rows, 0), values));
    assert_memory_equal(values[1].p, "20", 2);
    assert_true(row_read(t, ROWS_MYSQL_TEXT, false, rows_at(rows, 1), values));
    assert_memory_equal(values[1].p, "10", 2);
    ops->close(reader);
    rows_free(rows);
    buf_fini(&bytes);
    reading_fini(&r);
}

static void a_snapshot_holds_no_ddl_up_and_notices_it(void **state)
{
    struct reading r;
    struct err why = ERR_INIT;
    char n[32];

    (void)state;
    need_server();
    fresh();
    run("CREATE TABLE w.t (i INT PRIMARY KEY, v INT, x TEXT)");
    reading_init(&r);
    run(three_rows);
    read_to_end(&r, &whole);
    const struct table_def *t = version(&r, "t");
    struct view row = {r.rows.at[0].image.p, r.rows.at[0].image.len};
    struct reader *reader = open_snapshot();
    check(ask(reader, t, row, n, e));
    assert_string_equal(n, "1");
    run("SET lock_wait_timeout=2");
    run("ALTER TABLE w.t MODIFY v BIGINT"); /* would fail if it had to wait */
    assert_false(ask(reader, t, row, n, &why));
    ops->close(reader);
    reader = open_snapshot();
    err_clear(&why);
    assert_false(ask(reader, t, row, n, &why));
    assert_int_equal(why.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(why.message, "definition was changed"));
    ops->close(reader);
    reading_fini(&r);
}

/* MariaDB needs a right for it. */
static void who_may_not_let_tables_go_says_so(void **state)
{
    struct endpoint_address a = mariadb_address(&server);
    struct reader *r;
    bool does;

    (void)state;
    need_server();
    run("CREATE OR REPLACE USER poor IDENTIFIED BY 'poor'");
    a.user = a.password = "poor";
    check(ops->open(&a, &r, e));
    check(ops->lets_go(r, &does, e));
    assert_false(does);
    ops->close(r);
}

static int start_mariadb(void **state)
{
    (void)state;
    one_server_start(43);
    return 0;
}

static int start_mysql(void **state)
{
    (void)state;
    one_server_start_mysql(44);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_by_keys_of_every_kind),
        cmocka_unit_test(keys_that_a_literal_may_miss_are_refused),
        cmocka_unit_test(a_snapshot_reads_the_past),
        cmocka_unit_test(a_snapshot_holds_no_ddl_up_and_notices_it),
    };
    const struct CMUnitTest mariadb[] = {cmocka_unit_test(who_may_not_let_tables_go_says_so)};
    int failed = cmocka_run_group_tests_name("mariadb", tests, start_mariadb, one_server_stop);

    failed += cmocka_run_group_tests_name("rights", mariadb, start_mariadb, one_server_stop);
    return failed + cmocka_run_group_tests_name("mysql", tests, start_mysql, one_server_stop);
}
