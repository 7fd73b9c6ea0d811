/*
 * DDL of the source on the target (correctness A1, A2; target_priv.h): what is remembered of it,
 * what a table looks like, and running it as the source's session did. Its session is registered,
 * so a takeover ends it before another claim can look. Thread: any; takes claim.lock.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/compiler.h"
#include "components/endpoint/mysql/binlog/query.h"
#include "components/endpoint/mysql/target_priv.h"

#define DEFINITION_MAX (16u << 20)
#define LOCK_WAIT_S 30

/* --- what is remembered -------------------------------------------------------------------------
 */

static void put_where(struct buf *sql, const char *task, const char *key)
{
    buf_str(sql, " WHERE task=");
    oms_meta_text(sql, task);
    buf_str(sql, " AND txid=");
    oms_meta_text(sql, key);
}

bool target_memo_put(struct claim *c, const char *key, const struct memo *m, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, META_SQL_MAX);
    buf_str(&sql,
            "REPLACE INTO oms_meta.ddl (task, txid, statement, state, `before`, `after`) VALUES (");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, ", ");
    oms_meta_text(&sql, key);
    buf_str(&sql, ", ");
    oms_meta_bytes(&sql, m->statement.p ? m->statement.p : (const uint8_t *)"", m->statement.len);
    buf_str(&sql, ", ");
    oms_meta_text(&sql, m->state);
    buf_str(&sql, ", ");
    oms_meta_bytes(&sql, m->before.p, m->before.len);
    buf_str(&sql, ", ");
    oms_meta_bytes(&sql, m->after.p, m->after.len);
    buf_str(&sql, ")");
    return claim_fenced(c, &sql, e) || err_wrap(e, "remember '%s'", key);
}

bool target_memo_forget(struct claim *c, const char *key, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 16384);
    buf_str(&sql, "DELETE FROM oms_meta.ddl");
    put_where(&sql, c->task, key);
    return claim_fenced(c, &sql, e) || err_wrap(e, "forget '%s'", key);
}

static struct view keep(struct arena *a, const char *p, unsigned long len)
{
    if (!p)
        return (struct view){NULL, 0};
    uint8_t *out = arena_alloc(a, len + 1);
    memcpy(out, p, len);
    out[len] = '\0';
    return (struct view){out, len};
}

bool target_memo_get(struct claim *c, const char *task, const char *key, struct arena *a,
                     struct memo *out, bool *found, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 16384);
    buf_str(&sql, "SELECT state, statement, `before`, `after` FROM oms_meta.ddl");
    put_where(&sql, task, key);
    if (!claim_read(c, &sql, &res, e))
        return err_wrap(e, "read what is remembered of '%s'", key);
    MYSQL_ROW row = mysql_fetch_row(res);
    *found = row != NULL;
    if (!row)
        return true;
    unsigned long *len = mysql_fetch_lengths(res);
    *out = (struct memo){.state = arena_strdup(a, row[0]),
                         .statement = keep(a, row[1], len[1]),
                         .before = keep(a, row[2], len[2]),
                         .after = keep(a, row[3], len[3])};
    return true;
}

/* --- what a table looks like --------------------------------------------------------------------
 */

/* Behind the next number in the last line; at itself: it is not there. */
static size_t behind_counter(const char *line, size_t n, size_t at)
{
    static const char counter[] = " AUTO_INCREMENT=";

    if (line[0] != ')' || n - at <= sizeof counter ||
        memcmp(line + at, counter, sizeof counter - 1) != 0)
        return at;
    for (at += sizeof counter - 1; at < n && line[at] >= '0' && line[at] <= '9';)
        at++;
    return at;
}

/* Its own name stands in the first line and in the names that the server made for its checks. */
static bool is_own_name(const char *line, size_t n, size_t at, const char *quoted)
{
    static const char first[] = "CREATE TABLE ", check[] = "  CONSTRAINT ";
    size_t len = strlen(quoted) - 1; /* the mark at the end */

    if (n - at <= len || memcmp(line + at, quoted, len) != 0)
        return false;
    if (at == sizeof first - 1 && memcmp(line, first, at) == 0)
        return line[at + len] == '`';
    return at == sizeof check - 1 && memcmp(line, check, at) == 0 && n - at - len > 5 &&
           memcmp(line + at + len, "_chk_", 5) == 0;
}

/* The line of a CREATE statement, without what says nothing of the definition: the table's own
 * name, the next number, foreign keys. */
static void put_line(struct buf *out, const char *line, size_t n, const char *quoted)
{
    if (memmem(line, n, " FOREIGN KEY (", 14))
        return;
    for (size_t i = 0; i < n;) {
        size_t end = behind_counter(line, n, i);

        if (end > i) {
            i = end;
        } else if (is_own_name(line, n, i, quoted)) {
            buf_str(out, "`=");
            i += strlen(quoted) - 1;
        } else {
            buf_u8(out, (uint8_t)line[i++]);
        }
    }
    /* A comma is left over where the last line was a foreign key. */
    if (n > 0 && out->len > 0 && out->p[out->len - 1] == ',')
        out->len--;
    buf_u8(out, '\n');
}

static void put_definition(struct buf *out, const char *text, const char *name)
{
    struct buf quoted CLEANUP(buf_fini);

    buf_init(&quoted, 1024);
    mysql_dialect_ops.quote_name(&quoted, name);
    while (*text) {
        const char *end = strchrnul(text, '\n');

        put_line(out, text, (size_t)(end - text), buf_cstr(&quoted));
        text = *end ? end + 1 : end;
    }
}

/* The next character of a name, which the server has as utf8 of at most three bytes. */
static unsigned next_character(const unsigned char **at)
{
    const unsigned char *p = *at;
    unsigned n = p[0] < 0xc0 || !p[1] ? 1 : p[0] < 0xe0 || !p[2] ? 2 : 3;

    *at += n;
    return n == 1   ? p[0]
           : n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
                    : (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

/* Letters that have a code of two signs in names of files. */
static bool has_short_code(unsigned c)
{
    return (c >= 0xc0 && c < 0x600) || (c >= 0x1e00 && c < 0x2000) || (c >= 0x2160 && c < 0x2180) ||
           (c >= 0x24b6 && c < 0x24ea) || (c >= 0xff21 && c < 0xff5b);
}

/* A name as MySQL's engine has it, which is as files are named, as a regular expression: MySQL has
 * no function for it, and which two signs a letter gets is not known here. */
static void put_file_pattern(struct buf *out, const char *name)
{
    const unsigned char *p = (const unsigned char *)name;

    while (*p) {
        unsigned c = next_character(&p);

        if (c < 128 && (isalnum((int)c) || c == '_'))
            buf_u8(out, (uint8_t)c);
        else if (has_short_code(c))
            buf_str(out, "@(..|[0-9a-f]{4})");
        else
            buf_printf(out, "@%04x", c);
    }
}

static void put_file_name(struct buf *out, const char *name)
{
    buf_str(out, "CAST(CONVERT(_utf8mb4 0x");
    for (; *name; name++)
        buf_printf(out, "%02x", (unsigned char)*name);
    buf_str(out, " USING filename) AS BINARY)");
}

/* The engine's number of the table, which a rename leaves; nothing where it may not be seen, or
 * where two names look alike to us. */
static bool put_identity(struct claim *c, const char *db, const char *name, struct buf *out,
                         struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 16384);
    buf_str(&sql, "SELECT TABLE_ID FROM information_schema.");
    if (strcmp(c->address.kind, "mariadb") == 0) {
        buf_str(&sql, "INNODB_SYS_TABLES WHERE CAST(NAME AS BINARY)=CONCAT(");
        put_file_name(&sql, db);
        buf_str(&sql, ",'/',");
        put_file_name(&sql, name);
        buf_u8(&sql, ')');
    } else {
        buf_str(&sql, "INNODB_TABLES WHERE REGEXP_LIKE(NAME,'^");
        put_file_pattern(&sql, db);
        buf_u8(&sql, '/');
        put_file_pattern(&sql, name);
        buf_str(&sql, "$','c')");
    }
    if (!claim_read(c, &sql, &res, e)) {
        if (err_class_of(e->code) == ERR_CLASS_RETRY)
            return false;
        err_clear(e);
        return true;
    }
    MYSQL_ROW row = mysql_num_rows(res) == 1 ? mysql_fetch_row(res) : NULL;
    if (row && row[0])
        buf_printf(out, "#%s\n", row[0]);
    return true;
}

bool target_ddl_look(struct claim *c, const char *db, const char *name, bool identity,
                     struct buf *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "SHOW CREATE TABLE ");
    mysql_dialect_ops.quote_table(&sql, db, name);
    if (!claim_read(c, &sql, &res, e)) {
        if (e->code != ERR_SERVER_NO_OBJECT)
            return err_wrap(e, "look at '%s.%s'", db, name);
        err_clear(e);
        return true;
    }
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[1])
        return err_set(e, ERR_SERVER_REFUSED, "the server shows nothing of '%s.%s'", db, name);
    if (identity && !put_identity(c, db, name, out, e))
        return err_wrap(e, "look at '%s.%s'", db, name);
    put_definition(out, row[1], name);
    return buf_ok(out) || err_set(e, ERR_LIMIT, "the definition of '%s.%s' is too long", db, name);
}

bool target_table_is_empty(struct claim *c, const char *db, const char *name, bool *empty,
                           struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "SELECT 1 FROM ");
    mysql_dialect_ops.quote_table(&sql, db, name);
    buf_str(&sql, " LIMIT 1");
    if (!claim_read(c, &sql, &res, e))
        return err_wrap(e, "look into '%s.%s'", db, name);
    *empty = mysql_fetch_row(res) == NULL;
    return true;
}

/* --- running ------------------------------------------------------------------------------------
 */

/* Bits that mean the same in all servers of the family. */
static const char *const mode_names[32] = {
    [0] = "REAL_AS_FLOAT",
    [1] = "PIPES_AS_CONCAT",
    [2] = "ANSI_QUOTES",
    [3] = "IGNORE_SPACE",
    [5] = "ONLY_FULL_GROUP_BY",
    [6] = "NO_UNSIGNED_SUBTRACTION",
    [7] = "NO_DIR_IN_CREATE",
    [19] = "NO_AUTO_VALUE_ON_ZERO",
    [20] = "NO_BACKSLASH_ESCAPES",
    [21] = "STRICT_TRANS_TABLES",
    [22] = "STRICT_ALL_TABLES",
    [23] = "NO_ZERO_IN_DATE",
    [24] = "NO_ZERO_DATE",
    [25] = "ALLOW_INVALID_DATES",
    [26] = "ERROR_FOR_DIVISION_BY_ZERO",
    [29] = "HIGH_NOT_PRECEDENCE",
    [30] = "NO_ENGINE_SUBSTITUTION",
    [31] = "PAD_CHAR_TO_FULL_LENGTH",
};

/* The further ones of either product; "": it implies others and is nothing more. */
static const char *const mariadb_modes[35] = {
    [4] = "IGNORE_BAD_TABLE_OPTIONS",
    [8] = "POSTGRESQL",
    [9] = "ORACLE",
    [10] = "MSSQL",
    [11] = "DB2",
    [12] = "MAXDB",
    [13] = "NO_KEY_OPTIONS",
    [14] = "NO_TABLE_OPTIONS",
    [15] = "NO_FIELD_OPTIONS",
    [16] = "MYSQL323",
    [17] = "MYSQL40",
    [18] = "ANSI",
    [27] = "TRADITIONAL",
    [28] = "NO_AUTO_CREATE_USER",
    [32] = "EMPTY_STRING_IS_NULL",
    [33] = "SIMULTANEOUS_ASSIGNMENT",
    [34] = "TIME_ROUND_FRACTIONAL",
};
static const char *const mysql_modes[33] = {
    [18] = "",
    [27] = "",
    [32] = "TIME_TRUNCATE_FRACTIONAL",
};

static const char *mode_name(const struct session *s, unsigned bit)
{
    if (bit < ARRAY_LEN(mode_names) && mode_names[bit])
        return mode_names[bit];
    if (s->is_mariadb)
        return bit < ARRAY_LEN(mariadb_modes) ? mariadb_modes[bit] : NULL;
    return bit < ARRAY_LEN(mysql_modes) ? mysql_modes[bit] : NULL;
}

static bool put_mode(struct session *s, struct buf *sql, uint64_t mode, struct err *e)
{
    const char *comma = "";

    buf_str(sql, ", sql_mode='");
    for (unsigned i = 0; i < 64; i++) {
        const char *name = mode & (uint64_t)1 << i ? mode_name(s, i) : "";

        if (!name)
            return err_set(e, ERR_SERVER_REFUSED,
                           "bit %u of the sql_mode of the statement's session is not known", i);
        if (*name) {
            buf_printf(sql, "%s%s", comma, name);
            comma = ",";
        }
    }
    buf_u8(sql, '\'');
    return true;
}

static void put_setting(struct buf *sql, const char *name, struct view v)
{
    if (v.len == 0)
        return;
    buf_printf(sql, ", %s=", name);
    mysql_dialect_ops.quote_text(sql, v.p, v.len);
}

/* Settings that a user may lack the right to set are touched only where they differ. */
static bool put_where_other(struct session *s, struct buf *sql, const char *name, unsigned value,
                            const char *is_same, struct err *e)
{
    char text[400], got[16];
    bool found = false;

    snprintf(text, sizeof text, "SELECT %s", is_same);
    if (!session_value(s, text, got, sizeof got, &found, e))
        return false;
    if (!found || strcmp(got, "1") != 0)
        buf_printf(sql, ", %s=%u", name, value);
    return true;
}

static bool put_others(struct session *s, const struct ddl_session *as, struct buf *sql,
                       struct err *e)
{
    struct binlog_query q = {.told = 0};
    char same[200];

    snprintf(same, sizeof same, "@@explicit_defaults_for_timestamp=%d", as->explicit_timestamps);
    if (as->has_timestamps && !put_where_other(s, sql, "explicit_defaults_for_timestamp",
                                               as->explicit_timestamps, same, e))
        return false;
    binlog_read_status(as->vars, &q);
    snprintf(same, sizeof same,
             "COUNT(*) FROM information_schema.COLLATIONS WHERE ID=%u AND COLLATION_NAME="
             "@@default_collation_for_utf8mb4",
             q.utf8mb4_collation);
    return !(q.told & BINLOG_Q_UTF8MB4) ||
           put_where_other(s, sql, "default_collation_for_utf8mb4", q.utf8mb4_collation, same, e);
}

static bool set_session(struct session *s, const struct ddl_session *as, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    buf_printf(&sql, "SET lock_wait_timeout=%d, foreign_key_checks=0", LOCK_WAIT_S);
    if (as->at_us > 0)
        buf_printf(&sql, ", timestamp=%" PRId64 ".%06" PRId64, as->at_us / 1000000,
                   as->at_us % 1000000);
    put_setting(&sql, "time_zone", as->time_zone);
    if (as->has_mode && !put_mode(s, &sql, as->sql_mode, e))
        return false;
    put_setting(&sql, "collation_connection", as->collation_connection);
    put_setting(&sql, "collation_server", as->collation_server);
    return (put_others(s, as, &sql, e) && session_exec_buf(s, &sql, e)) ||
           err_wrap(e, "set up the session as the statement's was on the source");
}

static bool run_as(struct claim *c, const struct ddl_session *as, const char *db, const char *text,
                   struct err *e)
{
    struct session *s = NULL;
    struct buf use CLEANUP(buf_fini);

    buf_init(&use, 1024);
    if (db && *db) {
        buf_str(&use, "USE ");
        mysql_dialect_ops.quote_name(&use, db);
    }
    bool ok = claim_session(c, SESSION_DDL, &s, e) &&
              (use.len == 0 || session_exec_buf(s, &use, e)) && set_session(s, as, e) &&
              session_exec(s, text, e);
    session_close(s);
    return ok;
}

/* Never repeated: whether it ran is for the caller to find out. */
bool target_ddl_run(struct claim *c, const struct ddl_session *as, const char *db, const char *text,
                    struct err *e)
{
    struct buf nothing CLEANUP(buf_fini);

    buf_init(&nothing, 1);
    return (claim_fenced(c, &nothing, e) && run_as(c, as, db, text, e)) || err_wrap(e, "run DDL");
}
