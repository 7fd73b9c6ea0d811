/*
 * The text of a statement in the log, in utf8 (log_priv.h). A client's charset is turned into utf8
 * by the source, whose tables alone say what its bytes mean; no other has all of its letters. Three
 * kinds of text need care:
 *   - a table made by SELECT, or like a temporary one, is told as SHOW CREATE has it: in utf8, and
 * with backslashes as escapes, whatever the client's charset and sql_mode are;
 *   - a literal behind an introducer (_binary'...') is bytes of the client's, not letters;
 *   - what is no text at all, from a client in charset binary, or becomes another charset's bytes.
 * Of the last two what the source made cannot be made again by the text: the reader is told.
 */
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "components/endpoint/mysql/ddl/lexer.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/log_priv.h"

#define QUESTION_MAX (256u << 20)

static bool is_ascii(struct view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.p[i] >= 0x80)
            return false;
    return true;
}

static bool is_utf8(struct view v)
{
    char room[4096];
    char *in = (char *)(uintptr_t)v.p;
    size_t left = v.len, n = 0;
    iconv_t cd = iconv_open("UTF-16LE", "UTF-8");

    if (cd == (iconv_t)-1)
        return false;
    do {
        char *to = room;
        size_t cap = sizeof room;

        n = iconv(cd, &in, &left, &to, &cap);
    } while (n == (size_t)-1 && errno == E2BIG);
    iconv_close(cd);
    return n != (size_t)-1 && left == 0;
}

static bool has(struct view in, const char *what)
{
    return memmem(in.p, in.len, what, strlen(what)) != NULL;
}

/* As the server writes it: "CREATE TABLE t (\n  a int,\n ...\n)". With and without quotes. */
static bool looks_written_by_server(struct view sql)
{
    static const char create[] = "CREATE ";

    return sql.len > sizeof create && memcmp(sql.p, create, sizeof create - 1) == 0 &&
           has(sql, " (\n  ") && has(sql, "\n)");
}

/* It comes in one group with its rows; a client's own statement never does. */
static bool is_made_by_select(const struct log *l, struct view sql)
{
    return !l->group.standalone && looks_written_by_server(sql);
}

/* CREATE TABLE ... LIKE a temporary table is written by the server too, with escapes, and what a
 * client may have pasted looks the same, without: who wrote it cannot be told. */
static bool may_have_escapes(struct view sql, uint64_t sql_mode)
{
    return (sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES) && looks_written_by_server(sql) &&
           has(sql, "\\");
}

static bool has_introduced_bytes(struct view sql, uint64_t sql_mode)
{
    struct sql_lexer lexer = sql_lexer_of(sql, sql_mode);
    bool introduced = false;

    for (struct sql_token t = sql_next(&lexer); t.kind != SQL_END; t = sql_next(&lexer)) {
        if (introduced && t.kind == SQL_STRING && !is_ascii(t.text))
            return true;
        introduced = t.kind == SQL_WORD && t.text.len > 1 && t.text.p[0] == '_';
    }
    return false;
}

/* --- asking the source --------------------------------------------------------------------------
 */

static void put_hex(struct buf *sql, struct view v)
{
    static const char digits[] = "0123456789abcdef";

    buf_str(sql, "0x");
    for (size_t i = 0; i < v.len; i++) {
        buf_u8(sql, (uint8_t)digits[v.p[i] >> 4]);
        buf_u8(sql, (uint8_t)digits[v.p[i] & 15]);
    }
}

static bool ask_source(struct log *l, const char *charset, struct view from, MYSQL_RES **res,
                       struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    if (!l->catalog && !mysql_catalog_ops.connect(&l->address, &l->catalog, e))
        return false;
    buf_init(&sql, QUESTION_MAX);
    buf_printf(&sql, "SELECT CAST(CONVERT(_%s ", charset);
    put_hex(&sql, from);
    buf_str(&sql, " USING utf8mb4) AS BINARY)");
    if (session_query_buf(l->catalog, &sql, res, e))
        return true;
    if (err_class_of(e->code) == ERR_CLASS_RETRY) {
        mysql_catalog_ops.close(l->catalog);
        l->catalog = NULL;
    }
    return false;
}

static size_t count(struct view v, uint8_t byte)
{
    size_t n = 0;

    for (size_t i = 0; i < v.len; i++)
        n += v.p[i] == byte;
    return n;
}

/* What has no letter becomes '?', which is part of no other letter's bytes. */
static bool convert(struct log *l, const char *charset, struct view from, struct buf *out,
                    struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!ask_source(l, charset, from, &res, e))
        return err_wrap(e, "turn a statement in charset '%s' into utf8", charset);
    MYSQL_ROW row = mysql_fetch_row(res);
    struct view text = {row ? (const uint8_t *)row[0] : NULL,
                        row ? mysql_fetch_lengths(res)[0] : 0};
    if (!text.p || count(text, '?') != count(from, '?'))
        return err_set(e, ERR_UNSUPPORTED, "a statement in charset '%s' cannot be read", charset);
    buf_append(out, text.p, text.len);
    return buf_ok(out) || err_set(e, ERR_LIMIT, "a statement is too long");
}

/* Literals of a client in charset binary become those of the connection's charset as they are; from
 * utf8 they would be turned into its letters. */
static bool keeps_bytes(const struct log *l, const struct binlog_query *q)
{
    const struct collation *c = collation_find(&l->collations, q->collation_connection);

    return c && (strncmp(c->charset, "utf8", 4) == 0 || strcmp(c->charset, "binary") == 0);
}

/* --- entry --------------------------------------------------------------------------------------
 */

bool log_text(struct log *l, struct binlog_query *q, struct buf *out, struct view *sql,
              bool *unsure, struct err *e)
{
    const struct collation *c =
        q->told & BINLOG_Q_CHARSET ? collation_find(&l->collations, q->charset_client) : NULL;

    *sql = q->sql;
    if (is_made_by_select(l, q->sql))
        q->sql_mode &= ~(uint64_t)SQL_MODE_NO_BACKSLASH_ESCAPES;
    *unsure = may_have_escapes(q->sql, q->sql_mode);
    if (is_ascii(q->sql) || !c || strncmp(c->charset, "utf8", 4) == 0 ||
        (looks_written_by_server(q->sql) && is_utf8(q->sql)))
        return true;
    if (strcmp(c->charset, "binary") == 0) {
        *unsure = *unsure || !is_utf8(q->sql) || !keeps_bytes(l, q);
        return true;
    }
    if (!convert(l, c->charset, q->sql, out, e))
        return false;
    *sql = (struct view){out->p, out->len};
    *unsure = *unsure || has_introduced_bytes(*sql, q->sql_mode);
    return true;
}
