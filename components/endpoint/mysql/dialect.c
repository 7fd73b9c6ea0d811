/*
 * Quoting and folds of the MySQL family. Pure. Thread: any.
 */
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"

static void quote_name(struct buf *out, const char *name)
{
    buf_u8(out, '`');
    for (const char *p = name; *p; p++) {
        if (*p == '`')
            buf_u8(out, '`');
        buf_u8(out, (uint8_t)*p);
    }
    buf_u8(out, '`');
}

static void quote_table(struct buf *out, const char *db, const char *name)
{
    quote_name(out, db);
    buf_u8(out, '.');
    quote_name(out, name);
}

/* Right for sessions as session.h sets them up: backslash escapes, a charset (binary, utf8mb4) in
 * which no byte of a longer character is a quote or a backslash. */
static void quote_text(struct buf *out, const void *p, size_t n)
{
    const uint8_t *b = p;

    buf_u8(out, '\'');
    for (size_t i = 0; i < n; i++) {
        if (b[i] == '\0') {
            buf_append(out, "\\0", 2);
            continue;
        }
        if (b[i] == '\'' || b[i] == '\\')
            buf_u8(out, '\\');
        buf_u8(out, b[i]);
    }
    buf_u8(out, '\'');
}

/* FOLD_EXACT: kinds whose canonical bytes are equal exactly when the server calls the values equal.
 * Text compares by collation; FLOAT and DOUBLE have two zeros; canonical DECIMAL text has one form
 * for each value; ENUM and SET are kept and compared by number. */
static enum fold key_fold(const struct column_def *c)
{
    switch (c->kind) {
    case KIND_I8:
    case KIND_U8:
    case KIND_I16:
    case KIND_U16:
    case KIND_I32:
    case KIND_U32:
    case KIND_I64:
    case KIND_U64:
    case KIND_DECIMAL:
    case KIND_YEAR:
    case KIND_DATE:
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
    case KIND_BIT:
    case KIND_ENUM:
    case KIND_SET:
    case KIND_BINARY:
    case KIND_UUID:
    case KIND_INET4:
    case KIND_INET6:
    case KIND_BYTES:
        return FOLD_EXACT;
    case KIND_FLOAT:
    case KIND_DOUBLE:
        return FOLD_FLOAT;
    case KIND_TEXT:
        return fold_of_text(c->charset, c->collation);
    default:
        return FOLD_TABLE;
    }
}

const struct dialect_ops mysql_dialect_ops = {
    .quote_name = quote_name,
    .quote_text = quote_text,
    .key_fold = key_fold,
    .quote_table = quote_table,
};
