/*
 * Folds against the servers themselves (correctness A17): whatever a collation calls equal must
 * have equal folds. Every single character that a fold takes, all pairs and many triples of ASCII,
 * and random strings of both are grouped by each collation that has a fold; no group may hold two.
 * With OMS_THOROUGH all of Han and Hangul and all charsets take part, otherwise some.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/record/fold.h"
#include "test/lib/one_server.h"

#define ROWS_A_STATEMENT 4000
#define RANDOM 6000

struct filling {
    struct buf sql;
    uint32_t rows;
};

static int setup_mariadb(void **state)
{
    (void)state;
    one_server_start(57);
    return 0;
}

static int setup_mysql(void **state)
{
    (void)state;
    one_server_start_mysql(58);
    return 0;
}

/* --- the strings --------------------------------------------------------------------------------
 */

static void flush(struct filling *f)
{
    if (f->rows > 0)
        run(buf_cstr(&f->sql));
    buf_clear(&f->sql);
    f->rows = 0;
}

static void add(struct filling *f, const struct buf *s)
{
    uint64_t letters, bytes;
    char text[80];
    bool ascii = true;

    for (size_t i = 0; i < s->len; i++)
        ascii &= s->p[i] < 0x80;
    assert_true(fold_hash(FOLD_BYTES_UTF8, s->p, s->len, 0, 1, &bytes));
    if (!fold_hash(FOLD_LETTERS_UTF8, s->p, s->len, 0, 1, &letters))
        return; /* wide: it may equal anything */
    buf_str(&f->sql, f->rows++ == 0 ? "INSERT INTO f.t VALUES (_utf8mb4 x'" : ",(_utf8mb4 x'");
    for (size_t i = 0; i < s->len; i++) {
        (void)snprintf(text, sizeof text, "%02x", s->p[i]);
        buf_str(&f->sql, text);
    }
    (void)snprintf(text, sizeof text, "',%llu,%llu,%d)", (unsigned long long)letters,
                   (unsigned long long)bytes, ascii);
    buf_str(&f->sql, text);
    if (f->rows == ROWS_A_STATEMENT)
        flush(f);
}

static void put_char(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buf_u8(out, (uint8_t)(0xe0 | c >> 12));
        buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

static void add_chars(struct filling *f, const uint32_t *chars, size_t n)
{
    struct buf s;

    buf_init(&s, 64);
    for (size_t i = 0; i < n; i++)
        put_char(&s, chars[i]);
    add(f, &s);
    buf_fini(&s);
}

static uint32_t rng_state = 2463534242u;
static uint32_t rng(uint32_t below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 17;
    rng_state ^= rng_state << 5;
    return rng_state % below;
}

/* Few letters, so that strings meet often. */
static uint32_t any_char(void)
{
    static const char near[] = "aAbBcCsSeE zZ'-_.,01\t\n";
    static const uint32_t far[] = {0xe9,  0xc9,  0xe0,  0xe4,  0xc4,  0xfc,   0x17e,  0x161,
                                   0x10d, 0x438, 0x439, 0x418, 0x435, 0x4e2d, 0xac00, 0xac01};

    return rng(4) ? (uint32_t)near[rng(sizeof near - 1)] : far[rng(ARRAY_LEN(far))];
}

static void add_singles(struct filling *f, bool all)
{
    for (uint32_t c = 0; c < 0x10000; c++)
        if ((c < 0xd800 || c > 0xdfff) && (all || c < 0x3000 || c % 37 == 0))
            add_chars(f, &c, 1);
}

static void add_pairs(struct filling *f)
{
    for (uint32_t i = 0; i < 0x80 * 0x80; i++)
        add_chars(f, (const uint32_t[]){i / 0x80, i % 0x80}, 2);
}

static void add_triples(struct filling *f)
{
    for (uint32_t i = 0; i < 26 * 26 * 26; i++)
        add_chars(f, (const uint32_t[]){'a' + i / 676, 'a' + i / 26 % 26, 'a' + i % 26}, 3);
}

static void add_random(struct filling *f, uint32_t count)
{
    uint32_t c[8];

    for (uint32_t i = 0; i < count; i++) {
        size_t n = 1 + rng(8);
        for (size_t k = 0; k < n; k++)
            c[k] = any_char();
        add_chars(f, c, n);
    }
}

static void fill_table(void)
{
    struct filling f = {.rows = 0};
    bool all = getenv("OMS_THOROUGH") != NULL;

    run("CREATE DATABASE f");
    run("CREATE TABLE f.t (s VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, "
        "letters BIGINT UNSIGNED, bytes BIGINT UNSIGNED, ascii BOOL)");
    buf_init(&f.sql, 1u << 20);
    add_singles(&f, all);
    add_pairs(&f);
    if (all)
        add_triples(&f);
    add_random(&f, all ? 10 * RANDOM : RANDOM);
    flush(&f);
    buf_fini(&f.sql);
}

/* --- the collations -----------------------------------------------------------------------------
 */

static bool is_letters(enum fold f)
{
    return f == FOLD_LETTERS || f == FOLD_LETTERS_UTF8;
}

/* The others are alike. */
static bool is_looked_at(const char *charset)
{
    static const char *const few[] = {"utf8mb4", "latin1", "ascii", "cp1251"};

    for (size_t i = 0; i < ARRAY_LEN(few); i++)
        if (strcmp(few[i], charset) == 0)
            return true;
    return getenv("OMS_THOROUGH") != NULL;
}

/* Groups with two folds; the first of them is told. */
static void one_collation(const char *charset, const char *collation, enum fold f)
{
    bool utf8 = f == FOLD_LETTERS_UTF8 || f == FOLD_BYTES_UTF8;
    char sql[600];
    MYSQL_RES *res;
    MYSQL_ROW row;

    (void)snprintf(sql, sizeof sql,
                   "SELECT HEX(MIN(s COLLATE utf8mb4_bin)), HEX(MAX(s COLLATE utf8mb4_bin)) "
                   "FROM f.t %s GROUP BY CONVERT(s USING %s) COLLATE %s "
                   "HAVING MIN(%s) <> MAX(%s) LIMIT 1",
                   utf8 ? "" : "WHERE ascii", charset, collation,
                   is_letters(f) ? "letters" : "bytes", is_letters(f) ? "letters" : "bytes");
    check(session_query(root, sql, &res, e));
    row = mysql_fetch_row(res);
    if (row)
        fail_msg("%s calls x'%s' and x'%s' equal, their folds differ", collation, row[0], row[1]);
    mysql_free_result(res);
}

static void what_a_collation_calls_equal_has_equal_folds(void **state)
{
    char all[200];
    uint32_t letters = 0, bytes = 0;
    MYSQL_RES *res;
    MYSQL_ROW row;

    (void)state;
    need_server();
    fill_table();
    /* MariaDB has collations of several charsets, under names of their own for each. */
    (void)snprintf(all, sizeof all,
                   "SELECT CHARACTER_SET_NAME, %s FROM "
                   "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY ORDER BY 2",
                   server.is_mysql ? "COLLATION_NAME" : "FULL_COLLATION_NAME");
    check(session_query(root, all, &res, e));
    while ((row = mysql_fetch_row(res))) {
        enum fold f = fold_of_text(row[0], row[1]);

        letters += is_letters(f);
        bytes += f == FOLD_BYTES || f == FOLD_BYTES_UTF8;
        if (f != FOLD_TABLE && is_looked_at(row[0]))
            one_collation(row[0], row[1], f);
    }
    mysql_free_result(res);
    print_message("# %u collations by letters, %u by bytes\n", letters, bytes);
    assert_true(letters >= (server.is_mysql ? 12 : 25));
    assert_true(bytes >= 10);
}

int main(void)
{
    const struct CMUnitTest mariadb[] = {
        cmocka_unit_test(what_a_collation_calls_equal_has_equal_folds),
    };
    const struct CMUnitTest mysql[] = {
        cmocka_unit_test(what_a_collation_calls_equal_has_equal_folds),
    };
    int bad = cmocka_run_group_tests_name("mariadb", mariadb, setup_mariadb, one_server_stop);

    return bad + cmocka_run_group_tests_name("mysql", mysql, setup_mysql, one_server_stop);
}
