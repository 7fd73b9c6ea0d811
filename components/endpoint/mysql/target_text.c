/*
 * The text of a table's statements. It follows three rules: values never meet the connection's
 * charset (parameters are binary; where a text column is compared, the parameter is told to be in
 * the column's charset and collation, so that the key's index serves the search); a row is found by
 * its key, and without one by every column, byte for byte and NULL-safe (A12); every column of the
 * image is set, generated ones never (A18).
 * Called by target_stmt.c.
 */
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

static const struct column_def *to_column(const struct stmt_text *x, uint16_t i)
{
    return &x->t->def->columns[x->t->found[i]];
}

static bool is_written(const struct stmt_text *x, uint16_t i)
{
    return x->t->column[i] != NO_COLUMN && x->image[i].state != VALUE_ABSENT;
}

static void add_param(struct stmt_text *x, uint16_t column, bool after, bool as_key)
{
    const struct column_def *c = &x->t->source->columns[column];
    struct stmt_param p = {
        .column = column, .after = after, .bind = bind_of(c, x->enc, as_key, x->t->is_mariadb)};
    vec_push(&x->params, p);
}

static void put_column(struct stmt_text *x, uint16_t i)
{
    mysql_dialect_ops.quote_name(&x->sql, to_column(x, i)->name);
}

/* The parameter as a value to store. */
static void put_value(struct stmt_text *x, uint16_t i)
{
    const struct column_def *d = to_column(x, i);
    bool as_text = d->kind == KIND_JSON && !x->t->is_mariadb; /* refuses binary strings */

    buf_str(&x->sql, as_text ? "CONVERT(? USING utf8mb4)" : "?");
    add_param(x, i, true, false);
}

/* --- finding rows -------------------------------------------------------------------------------
 */

/* As an unsigned number: a cast of a SET's 64th member gives a note. */
static void put_bits(struct stmt_text *x, uint16_t i)
{
    buf_str(&x->sql, "(");
    put_column(x, i);
    buf_str(&x->sql, "|0)");
}

/* The server compares a SET as a signed number, which misses the 64th member. */
static bool is_wide_set(const struct column_def *d)
{
    struct cursor m = cursor_of(d->members, d->members ? d->members_len : 0);
    unsigned n = 0;

    while (d->kind == KIND_SET && cursor_left(&m) > 0 && !m.failed) {
        (void)cursor_bytes(&m);
        n++;
    }
    return n == 64;
}

static void put_key_part(struct stmt_text *x, uint16_t i, bool after)
{
    const struct column_def *d = to_column(x, i);

    if (is_wide_set(d))
        put_bits(x, i);
    else
        put_column(x, i);
    if (d->kind == KIND_TEXT)
        buf_printf(&x->sql, "=CONVERT(? USING %s) COLLATE %s", d->charset, d->collation);
    else
        buf_str(&x->sql, "=?");
    add_param(x, i, after, true);
}

static void put_by_key(struct stmt_text *x, bool after)
{
    const struct table_def *s = x->t->source;
    const struct key_def *k = &s->keys[s->row_key];

    for (uint16_t i = 0; i < k->n_parts; i++) {
        buf_str(&x->sql, i ? " AND " : " WHERE ");
        put_key_part(x, k->parts[i].column, after);
    }
}

/* Equal bit for bit. A comparison of floats takes both zeros for equal, so their signs are compared
 * as well (MariaDB stores no negative zero); one of text follows a collation, so its bytes are
 * compared. */
static void put_exact(struct stmt_text *x, uint16_t i, bool after)
{
    const struct column_def *d = to_column(x, i);

    switch (d->kind) {
    case KIND_FLOAT:
    case KIND_DOUBLE:
        put_column(x, i);
        buf_str(&x->sql, " <=> ?");
        if (x->t->is_mariadb)
            break;
        buf_str(&x->sql, " AND (LEFT(CONCAT(");
        put_column(x, i);
        buf_str(&x->sql, "),1)='-') <=> (LEFT(CONCAT(?),1)='-')");
        add_param(x, i, after, true);
        break;
    case KIND_ENUM:
    case KIND_SET:
    case KIND_BIT:
        put_bits(x, i);
        buf_str(&x->sql, " <=> ?");
        break;
    case KIND_TEXT:
    case KIND_JSON:
    case KIND_BYTES:
    case KIND_BINARY:
    case KIND_VECTOR:
    case KIND_GEOMETRY:
        buf_str(&x->sql, "CAST(");
        put_column(x, i);
        buf_str(&x->sql, " AS BINARY) <=> ?");
        break;
    default:
        put_column(x, i);
        buf_str(&x->sql, " <=> ?");
        break;
    }
    add_param(x, i, after, true);
}

static void put_by_all(struct stmt_text *x)
{
    bool first = true;

    for (uint16_t i = 0; i < x->t->source->n_columns; i++) {
        if (x->t->column[i] == NO_COLUMN)
            continue;
        buf_str(&x->sql, first ? " WHERE " : " AND ");
        put_exact(x, i, false);
        first = false;
    }
    buf_str(&x->sql, " LIMIT 1");
}

static void put_where(struct stmt_text *x, bool after)
{
    if (x->t->source->row_key >= 0)
        put_by_key(x, after);
    else
        put_by_all(x);
}

/* --- who holds a value --------------------------------------------------------------------------
 */

static uint16_t source_column(const struct target_table *t, uint16_t to)
{
    for (uint16_t i = 0; i < t->source->n_columns; i++)
        if (t->found[i] == to)
            return i;
    return NO_COLUMN;
}

/* Its values are the image's: whole columns, all of which the image has. */
static bool finds_holder(const struct target_table *t, const struct key_def *k)
{
    bool can = k->unique && !k->primary && k->n_parts > 0;

    for (uint16_t p = 0; can && p < k->n_parts; p++)
        can = k->parts[p].column != KEY_EXPRESSION && k->parts[p].prefix == 0 &&
              source_column(t, k->parts[p].column) != NO_COLUMN;
    return can;
}

bool stmt_finds_holders(const struct target_table *t)
{
    for (uint16_t i = 0; i < t->def->n_keys; i++)
        if (finds_holder(t, &t->def->keys[i]))
            return true;
    return false;
}

static void put_not_by_key(struct stmt_text *x, bool after)
{
    const struct key_def *k = &x->t->source->keys[x->t->source->row_key];

    for (uint16_t i = 0; i < k->n_parts; i++) {
        buf_str(&x->sql, i ? " AND " : " AND NOT (");
        put_key_part(x, k->parts[i].column, after);
    }
    buf_str(&x->sql, ")");
}

static void put_holder(struct stmt_text *x)
{
    bool first = true;

    for (uint16_t i = 0; i < x->t->def->n_keys; i++) {
        const struct key_def *k = &x->t->def->keys[i];

        if (!finds_holder(x->t, k))
            continue;
        buf_str(&x->sql, first ? " WHERE ((" : ") OR (");
        first = false;
        for (uint16_t p = 0; p < k->n_parts; p++) {
            buf_str(&x->sql, p ? " AND " : "");
            put_key_part(x, source_column(x->t, k->parts[p].column), true);
        }
    }
    buf_str(&x->sql, "))");
    if (x->t->source->row_key >= 0)
        put_not_by_key(x, true);
    buf_str(&x->sql, " LIMIT 1)");
}

/* --- forms --------------------------------------------------------------------------------------
 */

static void put_insert(struct stmt_text *x, uint16_t rows)
{
    uint16_t n = x->t->source->n_columns;
    bool first = true;

    buf_printf(&x->sql, "INSERT INTO %s (", x->t->quoted);
    for (uint16_t i = 0; i < n; i++) {
        if (!is_written(x, i))
            continue;
        buf_str(&x->sql, first ? "" : ",");
        put_column(x, i);
        first = false;
    }
    buf_str(&x->sql, ") VALUES ");
    for (uint16_t r = 0; r < rows; r++) {
        x->params.n = 0; /* the same for every row */
        buf_str(&x->sql, r ? ",(" : "(");
        for (uint16_t i = 0; i < n; i++) {
            if (!is_written(x, i))
                continue;
            buf_str(&x->sql, x->params.n ? "," : "");
            put_value(x, i);
        }
        buf_str(&x->sql, ")");
    }
}

static bool is_key_part(const struct table_def *s, uint16_t column)
{
    const struct key_def *k = &s->keys[s->row_key];

    for (uint16_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].column == column)
            return true;
    return false;
}

/* One statement for many rows, where UPDATE is one for each: a third less work for the server. */
static void put_upsert(struct stmt_text *x)
{
    bool first = true;

    put_insert(x, 1);
    buf_str(&x->sql, " ON DUPLICATE KEY UPDATE ");
    for (uint16_t i = 0; i < x->t->source->n_columns; i++) {
        if (!is_written(x, i) || is_key_part(x->t->source, i))
            continue;
        buf_str(&x->sql, first ? "" : ",");
        put_column(x, i);
        buf_str(&x->sql, "=VALUES(");
        put_column(x, i);
        buf_str(&x->sql, ")");
        first = false;
    }
}

static void put_update(struct stmt_text *x)
{
    bool first = true;

    buf_printf(&x->sql, "UPDATE %s SET ", x->t->quoted);
    for (uint16_t i = 0; i < x->t->source->n_columns; i++) {
        if (!is_written(x, i))
            continue;
        buf_str(&x->sql, first ? "" : ",");
        put_column(x, i);
        buf_str(&x->sql, "=");
        put_value(x, i);
        first = false;
    }
    put_where(x, false);
}

/* The row of the after image, if its computed columns have the image's values. What the image lacks
 * has not changed. */
static void put_check(struct stmt_text *x)
{
    const struct table_def *s = x->t->source;
    const struct key_def *k = s->row_key >= 0 ? &s->keys[s->row_key] : NULL;
    uint16_t first = 0;
    const char *and = " WHERE ";

    while (x->t->column[first] == NO_COLUMN)
        first++;
    buf_printf(&x->sql, "UPDATE %s SET ", x->t->quoted);
    put_column(x, first);
    buf_str(&x->sql, "=");
    put_column(x, first);
    for (uint16_t p = 0; k && p < k->n_parts; p++, and = " AND ") {
        uint16_t i = k->parts[p].column;
        buf_str(&x->sql, and);
        put_key_part(x, i, x->image[i].state != VALUE_ABSENT);
    }
    for (uint16_t i = 0; i < s->n_columns; i++) {
        bool has = x->image[i].state != VALUE_ABSENT;
        if (!(x->t->computed[i] ? has : !k && x->t->column[i] != NO_COLUMN))
            continue;
        buf_str(&x->sql, and);
        put_exact(x, i, has);
        and = " AND ";
    }
    buf_str(&x->sql, k ? "" : " LIMIT 1");
}

/* The whole row as text that people read, cut where a value is long; NULL when there is none. A
 * user variable carries it, so that the statement itself gives no rows. */
static void put_show(struct stmt_text *x)
{
    bool first = true;

    buf_str(&x->sql, "SET @oms_row=(SELECT CONCAT(");
    for (uint16_t i = 0; i < x->t->source->n_columns; i++) {
        const struct column_def *d;
        bool hex;

        if (x->t->column[i] == NO_COLUMN)
            continue;
        d = to_column(x, i);
        hex = d->kind == KIND_BINARY || d->kind == KIND_BYTES || d->kind == KIND_GEOMETRY ||
              d->kind == KIND_VECTOR;
        buf_str(&x->sql, first ? "" : ",', ',");
        first = false;
        mysql_dialect_ops.quote_text(&x->sql, d->name, strlen(d->name));
        buf_str(&x->sql,
                hex ? ",'=',IFNULL(CONCAT('0x',HEX(LEFT(CAST(" : ",'=',IFNULL(QUOTE(LEFT(CONVERT(");
        put_column(x, i);
        buf_str(&x->sql, hex ? " AS BINARY),32))),'NULL')" : " USING utf8mb4),64)),'NULL')");
    }
    buf_printf(&x->sql, ") FROM %s", x->t->quoted);
}

void stmt_put_text(struct stmt_text *x, enum stmt_form form, uint16_t rows)
{
    switch (form) {
    case STMT_INSERT:
        put_insert(x, rows);
        break;
    case STMT_UPDATE:
        put_update(x);
        break;
    case STMT_UPSERT:
        put_upsert(x);
        break;
    case STMT_DELETE:
    case STMT_DELETE_AFTER:
        buf_printf(&x->sql, "DELETE FROM %s", x->t->quoted);
        put_where(x, form == STMT_DELETE_AFTER);
        break;
    case STMT_CHECK:
        put_check(x);
        break;
    case STMT_SHOW:
    case STMT_SHOW_AFTER:
        put_show(x);
        put_where(x, form == STMT_SHOW_AFTER);
        buf_str(&x->sql, x->t->source->row_key >= 0 ? " LIMIT 1)" : ")");
        break;
    case STMT_SHOW_HOLDER:
        put_show(x);
        put_holder(x);
        break;
    }
}
