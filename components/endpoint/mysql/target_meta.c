/*
 * oms_meta on the target: its tables (correctness F), created once, never altered by a program
 * that does not know their version; and literals for statements about them. Called by the files of
 * target_priv.h. Thread: one per session.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

#define KEY_CHARS "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
#define META_TAIL ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

static const char *const create_statements[] = {
    "CREATE DATABASE IF NOT EXISTS oms_meta CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS oms_meta.fence (task VARCHAR(190) " KEY_CHARS " PRIMARY KEY,"
    " epoch BIGINT UNSIGNED NOT NULL, gen BIGINT UNSIGNED NOT NULL,"
    " target_uuid VARCHAR(128) " KEY_CHARS ", store_epoch BIGINT UNSIGNED NOT NULL,"
    " sealed TINYINT UNSIGNED NOT NULL" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.progress (task VARCHAR(190) " KEY_CHARS ","
    " slot INT UNSIGNED NOT NULL, gen BIGINT UNSIGNED NOT NULL, ver BIGINT UNSIGNED NOT NULL,"
    " low LONGBLOB NOT NULL, done LONGBLOB NOT NULL, PRIMARY KEY (task, slot)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.session (task VARCHAR(190) " KEY_CHARS ","
    " gen BIGINT UNSIGNED NOT NULL, connection_id BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY (task, gen, connection_id)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.ddl (task VARCHAR(190) " KEY_CHARS ","
    " txid VARCHAR(190) " KEY_CHARS ", statement LONGBLOB NOT NULL,"
    " state VARCHAR(32) " KEY_CHARS ", `before` LONGBLOB NULL, `after` LONGBLOB NULL,"
    " PRIMARY KEY (task, txid)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.table_pos (task VARCHAR(190) " KEY_CHARS ","
    " tbl VARCHAR(400) " KEY_CHARS ", `begin` LONGBLOB NOT NULL, `end` LONGBLOB NOT NULL,"
    " mode TINYINT UNSIGNED NOT NULL, done TINYINT UNSIGNED NOT NULL,"
    " PRIMARY KEY (task, tbl)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.chunk (task VARCHAR(190) " KEY_CHARS ","
    " tbl VARCHAR(400) " KEY_CHARS ", node BIGINT UNSIGNED NOT NULL,"
    " parent BIGINT UNSIGNED NOT NULL, lo LONGBLOB NULL, hi LONGBLOB NULL,"
    " state TINYINT UNSIGNED NOT NULL, PRIMARY KEY (task, tbl, node)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.skipped (task VARCHAR(190) " KEY_CHARS ","
    " txid VARCHAR(190) " KEY_CHARS ", n BIGINT UNSIGNED NOT NULL,"
    " at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), tbl VARCHAR(400) " KEY_CHARS ","
    " op VARCHAR(16) " KEY_CHARS ", row_key LONGBLOB NOT NULL, `before` LONGBLOB NOT NULL,"
    " `after` LONGBLOB NOT NULL, target_row LONGBLOB NOT NULL, reason LONGBLOB NOT NULL,"
    " PRIMARY KEY (task, txid, n)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.split (task VARCHAR(190) " KEY_CHARS ","
    " txid VARCHAR(190) " KEY_CHARS ", changes BIGINT UNSIGNED NOT NULL,"
    " at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),"
    " PRIMARY KEY (task, txid)" META_TAIL,
    "CREATE TABLE IF NOT EXISTS oms_meta.meta (id TINYINT UNSIGNED NOT NULL PRIMARY KEY,"
    " version INT UNSIGNED NOT NULL" META_TAIL,
};

/* *version 0: there is none yet. */
static bool read_version(struct session *s, uint32_t *version, struct err *e)
{
    char text[24];
    bool found;

    if (!session_value(s, "SELECT version FROM oms_meta.meta WHERE id=1", text, sizeof text, &found,
                       e)) {
        if (e->code != ERR_SERVER_NO_OBJECT)
            return false;
        err_clear(e);
        found = false;
    }
    *version = found ? (uint32_t)strtoul(text, NULL, 10) : 0;
    return true;
}

static bool create_all(struct session *s, struct err *e)
{
    char sql[80];

    for (size_t i = 0; i < ARRAY_LEN(create_statements); i++)
        if (!session_exec(s, create_statements[i], e))
            return false;
    (void)snprintf(sql, sizeof sql, "REPLACE INTO oms_meta.meta VALUES (1, %d)", META_VERSION);
    return session_exec(s, sql, e);
}

bool oms_meta_ensure(struct session *s, struct err *e)
{
    uint32_t version;

    if (!read_version(s, &version, e))
        return err_wrap(e, "read the version of oms_meta");
    if (version < META_VERSION) { /* versions only add tables */
        if (!create_all(s, e) || !read_version(s, &version, e))
            return err_wrap(e, "create oms_meta");
    }
    if (version != META_VERSION)
        return err_set(e, ERR_UNSUPPORTED,
                       "oms_meta on the target has version %" PRIu32 ", this program knows %d",
                       version, META_VERSION);
    return true;
}

static void put_hex(struct buf *out, const void *p, size_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *b = p;

    buf_str(out, "X'");
    if (buf_reserve(out, 2 * n))
        for (size_t i = 0; i < n; i++) {
            out->p[out->len++] = (uint8_t)digits[b[i] >> 4];
            out->p[out->len++] = (uint8_t)digits[b[i] & 15];
        }
    buf_u8(out, '\'');
}

void oms_meta_text(struct buf *out, const char *text)
{
    buf_str(out, "_utf8mb4 ");
    put_hex(out, text, strlen(text));
}

void oms_meta_bytes(struct buf *out, const void *p, size_t n)
{
    if (p)
        put_hex(out, p, n);
    else
        buf_str(out, "NULL");
}

void oms_meta_set(struct buf *out, const struct txn_set *set)
{
    struct buf bytes CLEANUP(buf_fini);

    buf_init(&bytes, META_SQL_MAX / 4);
    txn_set_encode(set, &bytes);
    if (!buf_ok(&bytes))
        out->overflow = true;
    oms_meta_bytes(out, bytes.p ? bytes.p : (const uint8_t *)"", bytes.len);
}

bool oms_meta_read_set(const char *p, unsigned long len, struct txn_set *out, struct err *e)
{
    struct cursor c = cursor_of(p, len);

    if (!p || len == 0) {
        txn_set_init(out);
        return true;
    }
    return txn_set_decode(&c, out, e) || err_wrap(e, "read a set of transactions from oms_meta");
}

bool oms_meta_run(struct session *s, struct buf *sql, struct err *e)
{
    bool ok = session_exec_buf(s, sql, e);

    buf_clear(sql);
    return ok;
}

bool oms_meta_query(struct session *s, struct buf *sql, MYSQL_RES **res, struct err *e)
{
    bool ok = session_query_buf(s, sql, res, e);

    buf_clear(sql);
    return ok;
}

void oms_meta_table_key(struct buf *out, const char *db, const char *name)
{
    for (const char *p = db; *p; p++) {
        if (*p == '.')
            buf_str(out, "%2E");
        else if (*p == '%')
            buf_str(out, "%25");
        else
            buf_u8(out, (uint8_t)*p);
    }
    buf_u8(out, '.');
    buf_str(out, name);
}

void oms_meta_table_unkey(const char *key, struct arena *a, const char **db, const char **name)
{
    const char *dot = strchr(key, '.');
    size_t len = dot ? (size_t)(dot - key) : strlen(key);
    char *out = arena_alloc(a, len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool escaped = key[i] == '%' && i + 2 < len;
        out[n++] = !escaped ? key[i] : key[i + 1] == '2' && key[i + 2] == 'E' ? '.' : '%';
        i += escaped ? 2 : 0;
    }
    out[n] = '\0';
    *db = out;
    *name = arena_strdup(a, dot ? dot + 1 : "");
}
