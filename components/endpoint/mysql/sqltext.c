/* SQL for reading rows (sqltext.h). Names come from the catalog and are quoted; values are written
 * as hexadecimal with their charset, or as checked numbers: nothing needs escaping. */
#include "components/endpoint/mysql/sqltext.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/record/value_text.h"

#define KEY_VALUE_MAX (64u << 10)

const struct key_def *sqltext_key(const struct table_def *t)
{
    must(t->row_key >= 0 && t->row_key < t->n_keys);
    return &t->keys[t->row_key];
}

static bool in_row_key(const struct table_def *t, uint16_t column)
{
    if (t->row_key < 0)
        return false;
    const struct key_def *k = sqltext_key(t);
    for (uint16_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].column == column)
            return true;
    return false;
}

bool sqltext_is_read(const struct table_def *t, uint16_t column)
{
    return t->columns[column].generated == GENERATED_NO || in_row_key(t, column);
}

static void put_name(struct buf *out, const struct column_def *c)
{
    mysql_dialect_ops.quote_name(out, c->name);
}

static void put_cast(struct buf *out, const struct column_def *c, const char *type)
{
    buf_str(out, "CAST(");
    put_name(out, c);
    buf_printf(out, " AS %s)", type);
}

void sqltext_value(struct buf *out, const struct column_def *c)
{
    switch (c->kind) {
    case KIND_FLOAT:
        put_cast(out, c, "DOUBLE");
        break;
    case KIND_DOUBLE: /* DOUBLE(M,D) would show D digits only */
        if (strcmp(c->native, "double") == 0)
            put_name(out, c);
        else
            put_cast(out, c, "DOUBLE");
        break;
    case KIND_ENUM:
    case KIND_SET:
    case KIND_BIT:
        put_cast(out, c, "UNSIGNED");
        break;
    case KIND_UUID:
    case KIND_INET6:
        put_cast(out, c, "BINARY(16)");
        break;
    case KIND_INET4:
        put_cast(out, c, "BINARY(4)");
        break;
    case KIND_VECTOR: /* CONCAT_WS refuses it as it is */
        put_cast(out, c, "BINARY");
        break;
    default:
        put_name(out, c);
        break;
    }
}

/* --- literals -----------------------------------------------------------------------------------
 */

static void put_hex(struct buf *out, const char *charset, struct view v)
{
    static const char digits[] = "0123456789ABCDEF";

    buf_printf(out, "_%s X'", charset);
    if (buf_reserve(out, 2 * v.len))
        for (size_t i = 0; i < v.len; i++) {
            out->p[out->len++] = (uint8_t)digits[v.p[i] >> 4];
            out->p[out->len++] = (uint8_t)digits[v.p[i] & 15];
        }
    buf_u8(out, '\'');
}

/* Digits with at most a sign, a point and an exponent: nothing that could end the literal. */
static bool is_number(struct view v, bool *exponent)
{
    *exponent = false;
    for (size_t i = 0; i < v.len; i++) {
        uint8_t before = i > 0 ? v.p[i - 1] : 'e';
        if (v.p[i] == 'e' || v.p[i] == 'E')
            *exponent = true;
        else if ((v.p[i] == '-' || v.p[i] == '+') && before != 'e' && before != 'E')
            return false;
        else if (!v.p[i] || !strchr("0123456789.-+", v.p[i]))
            return false;
    }
    return v.len > 0;
}

static bool put_number(struct buf *out, const struct column_def *c, struct view v, struct err *e)
{
    bool exponent;

    if (!is_number(v, &exponent))
        return err_set(e, ERR_CORRUPT, "bound of column '%s' is not a number: '%.*s'", c->name,
                       (int)(v.len > 80 ? 80 : v.len), (const char *)v.p);
    buf_append(out, v.p, v.len);
    if ((c->kind == KIND_FLOAT || c->kind == KIND_DOUBLE) && !exponent)
        buf_str(out, "e0"); /* else it would be a decimal */
    return true;
}

bool sqltext_literal(struct buf *out, const struct column_def *c, struct view v, struct err *e)
{
    switch (c->kind) {
    case KIND_TEXT:
        put_hex(out, c->charset, v);
        return true;
    case KIND_BINARY:
    case KIND_BYTES:
    case KIND_VECTOR:
    case KIND_UUID:
    case KIND_INET4:
    case KIND_INET6:
        put_hex(out, "binary", v);
        return true;
    case KIND_DATE:
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
        put_hex(out, "ascii", v);
        return true;
    case KIND_JSON:
    case KIND_GEOMETRY:
    case KIND_COUNT:
        return err_set(e, ERR_UNSUPPORTED, "column '%s' of kind '%s' cannot be compared", c->name,
                       kind_name(c->kind));
    default:
        return put_number(out, c, v, e);
    }
}

/* --- keys and ranges ----------------------------------------------------------------------------
 */

static const struct column_def *part_column(const struct table_def *t, const struct key_part *p)
{
    must(p->column < t->n_columns);
    return &t->columns[p->column];
}

void sqltext_key_values(struct buf *out, const struct table_def *t)
{
    const struct key_def *k = sqltext_key(t);

    for (uint16_t i = 0; i < k->n_parts; i++) {
        if (i > 0)
            buf_u8(out, ',');
        sqltext_value(out, part_column(t, &k->parts[i]));
    }
}

static void put_order(struct buf *out, const struct table_def *t, bool reverse)
{
    const struct key_def *k = sqltext_key(t);

    buf_str(out, " ORDER BY ");
    for (uint16_t i = 0; i < k->n_parts; i++) {
        if (i > 0)
            buf_u8(out, ',');
        put_name(out, part_column(t, &k->parts[i]));
        if (k->parts[i].descending != reverse)
            buf_str(out, " DESC");
    }
}

void sqltext_order(struct buf *out, const struct table_def *t)
{
    put_order(out, t, false);
}

void sqltext_order_reverse(struct buf *out, const struct table_def *t)
{
    put_order(out, t, true);
}

/* One side of a range while it is written. */
struct side {
    const struct table_def *table;
    const struct key_def *key;
    struct view values[64]; /* the server's limit is 32 parts */
    bool low;
};

static bool side_init(struct side *s, const struct table_def *t, struct view bound, bool low,
                      struct err *e)
{
    struct cursor c = cursor_of(bound.p, bound.len);

    s->table = t;
    s->key = sqltext_key(t);
    s->low = low;
    must(s->key->n_parts <= ARRAY_LEN(s->values));
    for (uint16_t i = 0; i < s->key->n_parts; i++)
        s->values[i] = cursor_bytes(&c);
    if (c.failed || cursor_left(&c) != 0)
        return err_set(e, ERR_CORRUPT, "a bound of table '%s.%s' does not fit its key '%s'", t->db,
                       t->name, s->key->name);
    return true;
}

static bool put_compare(struct buf *out, const struct side *s, uint16_t i, const char *op,
                        struct err *e)
{
    const struct column_def *c = part_column(s->table, &s->key->parts[i]);

    put_name(out, c);
    buf_str(out, op);
    return sqltext_literal(out, c, s->values[i], e);
}

/* Beyond the bound along the key's order: lo is exclusive, hi inclusive. */
static const char *beyond(const struct side *s, uint16_t i, bool or_equal)
{
    bool up = s->low != s->key->parts[i].descending;

    if (up)
        return or_equal ? ">=" : ">";
    return or_equal ? "<=" : "<";
}

static bool put_side(struct buf *out, const struct side *s, struct err *e)
{
    uint16_t n = s->key->n_parts;

    if (n == 1)
        return put_compare(out, s, 0, beyond(s, 0, !s->low), e);
    if (!put_compare(out, s, 0, beyond(s, 0, true), e))
        return false;
    buf_str(out, " AND (");
    for (uint16_t i = 0; i < n; i++) {
        buf_str(out, i > 0 ? " OR (" : "(");
        for (uint16_t j = 0; j < i; j++) {
            if (!put_compare(out, s, j, "=", e))
                return false;
            buf_str(out, " AND ");
        }
        if (!put_compare(out, s, i, beyond(s, i, i == n - 1 && !s->low), e))
            return false;
        buf_u8(out, ')');
    }
    buf_u8(out, ')');
    return true;
}

bool sqltext_where(struct buf *out, const struct table_def *t, struct key_range range,
                   struct err *e)
{
    struct side side;
    bool any = false;

    if ((range.lo.p || range.hi.p) && t->row_key < 0)
        return err_set(e, ERR_BUG, "table '%s.%s' has no row key, and a range was asked for", t->db,
                       t->name);
    for (int high = 0; high < 2; high++) {
        struct view bound = high ? range.hi : range.lo;
        if (!bound.p)
            continue;
        if (!side_init(&side, t, bound, !high, e))
            return false;
        buf_str(out, any ? " AND (" : " WHERE (");
        if (!put_side(out, &side, e))
            return false;
        buf_u8(out, ')');
        any = true;
    }
    return true;
}

/* --- one key ------------------------------------------------------------------------------------
 */

static uint64_t number_of(const struct value *v)
{
    uint64_t u = 0;

    memcpy(&u, v->p, v->len < 8 ? v->len : 8);
    return u;
}

/* The canonical value in the text encoding. False: what a literal of it finds is not sure (floats,
 * the zero year, which the server reads as 2000, a SET's 64th member). */
static bool put_text_of(struct buf *out, const struct column_def *c, const struct value *v)
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
    case KIND_DATE:
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
        value_put_text(out, c, v);
        return true;
    case KIND_YEAR:
    case KIND_BIT:
    case KIND_ENUM:
        buf_printf(out, "%" PRIu64, number_of(v));
        return c->kind != KIND_YEAR || number_of(v) != 0;
    case KIND_DECIMAL:
    case KIND_TEXT:
    case KIND_BINARY:
    case KIND_BYTES:
    case KIND_UUID:
    case KIND_INET4:
    case KIND_INET6:
        buf_append(out, v->p, v->len);
        return true;
    default:
        return false;
    }
}

static bool put_equal(struct buf *out, const struct column_def *c, const struct value *v,
                      struct err *e)
{
    struct buf text CLEANUP(buf_fini);

    buf_init(&text, KEY_VALUE_MAX);
    if (v->state != VALUE_SET || !put_text_of(&text, c, v))
        return err_set(e, ERR_UNSUPPORTED,
                       v->state == VALUE_SET
                           ? "a row cannot be asked for by its key: column '%s' of kind '%s'"
                           : "a row cannot be asked for: its image lacks key column '%s' (kind %s)",
                       c->name, kind_name(c->kind));
    put_name(out, c);
    buf_u8(out, '=');
    return buf_ok(&text)
               ? sqltext_literal(out, c, (struct view){text.p, text.len}, e)
               : err_set(e, ERR_LIMIT, "a key's value is larger than %u bytes", KEY_VALUE_MAX);
}

bool sqltext_by_key(struct buf *out, const struct table_def *t, const struct value *row,
                    struct err *e)
{
    const struct key_def *k = sqltext_key(t);

    for (uint16_t i = 0; i < k->n_parts; i++) {
        buf_str(out, i > 0 ? " AND " : " WHERE ");
        if (!put_equal(out, part_column(t, &k->parts[i]), &row[k->parts[i].column], e))
            return false;
    }
    return true;
}

void sqltext_from(struct buf *out, const struct table_def *t)
{
    buf_str(out, " FROM ");
    mysql_dialect_ops.quote_table(out, t->db, t->name);
    if (t->row_key < 0)
        return;
    buf_str(out, " FORCE INDEX (");
    mysql_dialect_ops.quote_name(out, sqltext_key(t)->name);
    buf_u8(out, ')');
}

/* --- digest -------------------------------------------------------------------------------------
 */

/* Of variable length, and any byte may be in it. */
static bool may_hold_separator(const struct column_def *c)
{
    return c->kind == KIND_TEXT || c->kind == KIND_BYTES || c->kind == KIND_JSON ||
           c->kind == KIND_GEOMETRY || c->kind == KIND_VECTOR;
}

/*
 * The row as one binary string: CONCAT_WS('#', values, lengths, null flags). The separator is
 * binary and says so explicitly: no value is converted, and collations that do not go together (two
 * binary ones of a charset, or utf16 beside bytes) are not compared. Values that cannot hold the
 * separator end at it, others of fixed length need no end; for all of the rest but the last the
 * length is told; CONCAT_WS leaves NULLs out, so flags tell them.
 */
static void put_row_string(struct buf *out, const struct table_def *t)
{
    uint16_t open = 0;
    bool any_null = false;

    buf_str(out, "CONCAT_WS(_binary'#' COLLATE `binary`");
    for (uint16_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].generated != GENERATED_NO)
            continue;
        buf_u8(out, ',');
        sqltext_value(out, &t->columns[i]);
        open += may_hold_separator(&t->columns[i]);
        any_null = any_null || t->columns[i].nullable;
    }
    for (uint16_t i = 0; i < t->n_columns && open > 1; i++) {
        if (t->columns[i].generated != GENERATED_NO || !may_hold_separator(&t->columns[i]))
            continue;
        buf_str(out, ",LENGTH(");
        put_name(out, &t->columns[i]);
        buf_u8(out, ')');
        open--;
    }
    if (any_null)
        buf_str(out, ",CONCAT(");
    for (uint16_t i = 0, n = 0; i < t->n_columns; i++) {
        if (t->columns[i].generated != GENERATED_NO || !t->columns[i].nullable)
            continue;
        buf_str(out, n++ ? ",ISNULL(" : "ISNULL(");
        put_name(out, &t->columns[i]);
        buf_u8(out, ')');
    }
    buf_str(out, any_null ? "))" : ")");
}

/* The string is built twice: a user variable would save that, but the order in which the server
 * evaluates the two aggregates is its own. */
void sqltext_digest(struct buf *out, const struct table_def *columns, enum digest_form form)
{
    buf_str(out, "COUNT(*),COALESCE(SUM(CRC32(");
    put_row_string(out, columns);
    buf_str(out, form == DIGEST_CRC32C ? ")),0),COALESCE(BIT_XOR(CRC32C("
                                       : ")),0),COALESCE(BIT_XOR(CRC32(REVERSE(");
    put_row_string(out, columns);
    buf_str(out, form == DIGEST_CRC32C ? ")),0)" : "))),0)");
}
