/*
 * Statements of a table, prepared once per session and found again by what they do. Text follows
 * three rules: values never meet the connection's charset (parameters are binary; where a text
 * column is compared, the parameter is told to be in the column's charset and collation, so that
 * the key's index serves the search); a row is found by its key, and without one by every column,
 * byte for byte and NULL-safe (A12); every column of the image is set, generated ones never (A18).
 * Called by target_apply.c, target_load.c. Thread: one per slot.
 */
#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/target_priv.h"

#define SEND_TYPES 128
#define COM_BULK_EXECUTE 0xfa

struct text { /* a statement being written */
    const struct target_table *t;
    enum rows_encoding enc;
    const struct value *image; /* absent columns of it are left out */
    struct buf sql;
    VEC(struct stmt_param) params;
};

static const struct column_def *to_column(const struct text *x, uint16_t i)
{
    return &x->t->def->columns[x->t->found[i]];
}

static bool is_written(const struct text *x, uint16_t i)
{
    return x->t->column[i] != NO_COLUMN && x->image[i].state != VALUE_ABSENT;
}

static void add_param(struct text *x, uint16_t column, bool after, bool as_key)
{
    struct stmt_param p = {.column = column,
                           .after = after,
                           .bind = bind_of(&x->t->source->columns[column], x->enc, as_key)};
    vec_push(&x->params, p);
}

static void put_column(struct text *x, uint16_t i)
{
    mysql_dialect_ops.quote_name(&x->sql, to_column(x, i)->name);
}

/* The parameter as a value to store. */
static void put_value(struct text *x, uint16_t i)
{
    const struct column_def *d = to_column(x, i);
    bool as_text = d->kind == KIND_JSON && !x->t->is_mariadb; /* refuses binary strings */

    buf_str(&x->sql, as_text ? "CONVERT(? USING utf8mb4)" : "?");
    add_param(x, i, true, false);
}

/* --- finding rows -------------------------------------------------------------------------------
 */

/* As an unsigned number: a cast of a SET's 64th member gives a note. */
static void put_bits(struct text *x, uint16_t i)
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

static void put_key_part(struct text *x, uint16_t i, bool after)
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

static void put_by_key(struct text *x, bool after)
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
static void put_exact(struct text *x, uint16_t i)
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
        add_param(x, i, false, true);
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
    add_param(x, i, false, true);
}

static void put_by_all(struct text *x)
{
    bool first = true;

    for (uint16_t i = 0; i < x->t->source->n_columns; i++) {
        if (x->t->column[i] == NO_COLUMN)
            continue;
        buf_str(&x->sql, first ? " WHERE " : " AND ");
        put_exact(x, i);
        first = false;
    }
    buf_str(&x->sql, " LIMIT 1");
}

static void put_where(struct text *x, bool after)
{
    if (x->t->source->row_key >= 0)
        put_by_key(x, after);
    else
        put_by_all(x);
}

/* --- forms --------------------------------------------------------------------------------------
 */

static void put_insert(struct text *x, uint16_t rows)
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

static void put_update(struct text *x)
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

/* The whole row as text that people read, cut where a value is long; NULL when there is none. A
 * user variable carries it, so that the statement itself gives no rows. */
static void put_show(struct text *x)
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
                hex ? ",'=',IFNULL(CONCAT('0x',HEX(LEFT(" : ",'=',IFNULL(QUOTE(LEFT(CONVERT(");
        put_column(x, i);
        buf_str(&x->sql, hex ? ",32))),'NULL')" : " USING utf8mb4),64)),'NULL')");
    }
    buf_printf(&x->sql, ") FROM %s", x->t->quoted);
}

static void put_form(struct text *x, enum stmt_form form, uint16_t rows)
{
    switch (form) {
    case STMT_INSERT:
        put_insert(x, rows);
        break;
    case STMT_UPDATE:
        put_update(x);
        break;
    case STMT_DELETE:
    case STMT_DELETE_AFTER:
        buf_printf(&x->sql, "DELETE FROM %s", x->t->quoted);
        put_where(x, form == STMT_DELETE_AFTER);
        break;
    case STMT_SHOW:
    case STMT_SHOW_AFTER:
        put_show(x);
        put_where(x, form == STMT_SHOW_AFTER);
        buf_str(&x->sql, x->t->source->row_key >= 0 ? " LIMIT 1)" : ")");
        break;
    }
}

/* --- cache --------------------------------------------------------------------------------------
 */

static bool any_absent(const struct target_table *t, const struct value *image)
{
    for (uint16_t i = 0; i < t->source->n_columns; i++)
        if (image[i].state == VALUE_ABSENT)
            return true;
    return false;
}

static uint8_t *absent_map(const struct target_table *t, const struct value *image)
{
    if (!any_absent(t, image))
        return NULL;
    uint8_t *map = must_calloc((t->source->n_columns + 7u) / 8, 1);
    for (uint16_t i = 0; i < t->source->n_columns; i++)
        if (image[i].state == VALUE_ABSENT)
            map[i / 8] |= (uint8_t)(1u << i % 8);
    return map;
}

static bool same_absent(const struct stmt *st, const struct target_table *t,
                        const struct value *image)
{
    for (uint16_t i = 0; i < t->source->n_columns; i++) {
        bool absent = st->absent && (st->absent[i / 8] >> i % 8 & 1);
        if (absent != (image[i].state == VALUE_ABSENT))
            return false;
    }
    return true;
}

static uint64_t hash_of(const struct target_table *t, enum stmt_form form, enum rows_encoding enc,
                        uint16_t rows)
{
    uint64_t h = (uint64_t)t->serial << 24 | (uint64_t)rows << 8 | (uint64_t)form << 4 | enc;

    return h * 0x9e3779b97f4a7c15u >> 20;
}

struct stmt *stmt_find(struct stmt_cache *sc, const struct target_table *t, enum stmt_form form,
                       enum rows_encoding enc, uint16_t rows, const struct value *image)
{
    uint64_t h = hash_of(t, form, enc, rows);
    bool whole = form != STMT_INSERT && form != STMT_UPDATE; /* absence does not matter */

    for (struct stmt *st = sc->bucket[h % STMT_BUCKETS]; st; st = st->next)
        if (st->hash == h && st->serial == t->serial && st->form == form && st->encoding == enc &&
            st->rows == rows && (whole || same_absent(st, t, image)))
            return st;
    return NULL;
}

static void stmt_free(struct stmt *st)
{
    if (st->handle)
        (void)mysql_stmt_close(st->handle); /* of a lost connection: only memory is freed */
    free(st->absent);
    free(st->params);
    free(st);
}

void stmt_cache_clear(struct stmt_cache *sc)
{
    for (size_t i = 0; i < STMT_BUCKETS; i++) {
        while (sc->bucket[i]) {
            struct stmt *st = sc->bucket[i];
            sc->bucket[i] = st->next;
            stmt_free(st);
        }
    }
    sc->n = 0;
}

static bool prepare(struct session *s, struct text *x, MYSQL_STMT **out, struct err *e)
{
    if (!buf_ok(&x->sql))
        return err_set(e, ERR_LIMIT, "a statement for table %s is too long", x->t->quoted);
    MYSQL_STMT *handle = mysql_stmt_init(s->my);
    must(handle);
    if (mysql_stmt_prepare(handle, (const char *)x->sql.p, (unsigned long)x->sql.len) != 0) {
        (void)session_fail_stmt(s, handle, e, "cannot prepare '%.*s'",
                                x->sql.len > 200 ? 200 : (int)x->sql.len, (const char *)x->sql.p);
        (void)mysql_stmt_close(handle);
        return false;
    }
    *out = handle;
    return true;
}

bool stmt_prepare(struct stmt_cache *sc, struct session *s, const struct target_table *t,
                  enum stmt_form form, enum rows_encoding enc, uint16_t rows,
                  const struct value *image, struct stmt **out, struct err *e)
{
    struct text x = {.t = t, .enc = enc, .image = image};
    MYSQL_STMT *handle = NULL;

    if (sc->n >= STMT_MAX)
        stmt_cache_clear(sc);
    buf_init(&x.sql, 16u << 20);
    put_form(&x, form, rows);
    bool ok = prepare(s, &x, &handle, e);
    buf_fini(&x.sql);
    if (!ok) {
        vec_fini(&x.params);
        return false;
    }
    must(mysql_stmt_param_count(handle) == x.params.n * rows);

    struct stmt *st = must_calloc(1, sizeof *st);
    *st = (struct stmt){.hash = hash_of(t, form, enc, rows),
                        .serial = t->serial,
                        .form = form,
                        .encoding = enc,
                        .rows = rows,
                        .absent = absent_map(t, image),
                        .handle = handle,
                        .id = (uint32_t)handle->stmt_id,
                        .n_params = (uint16_t)x.params.n,
                        .params = x.params.at};
    st->next = sc->bucket[st->hash % STMT_BUCKETS];
    sc->bucket[st->hash % STMT_BUCKETS] = st;
    sc->n++;
    *out = st;
    return true;
}

/* --- packets ------------------------------------------------------------------------------------
 */

static const struct value *value_of(const struct stmt_param *p, const struct stmt_row *row)
{
    return p->after ? &row->after[p->column] : &row->before[p->column];
}

static void put_types(struct buf *b, const struct stmt *st)
{
    for (uint16_t i = 0; i < st->n_params; i++) {
        buf_u8(b, st->params[i].bind.type);
        buf_u8(b, st->params[i].bind.is_unsigned ? 0x80 : 0);
    }
}

static bool bad_value(const struct stmt *st, const struct stmt_param *p, const struct value *v,
                      struct err *e)
{
    (void)st;
    if (v->state == VALUE_ABSENT)
        return err_set(e, ERR_UNSUPPORTED,
                       "the row's image lacks column %u, which is needed to find the row",
                       p->column);
    return err_set(e, ERR_CORRUPT, "the value of column %u does not have its kind's form",
                   p->column);
}

/* rows: st->rows of them. */
bool stmt_execute(struct pipe *p, const struct stmt *st, const struct stmt_row *rows, struct err *e)
{
    size_t n = (size_t)st->n_params * st->rows, nulls_at, bytes = (n + 7) / 8;
    struct buf *b = &p->payload;

    pipe_command(p, COM_STMT_EXECUTE);
    buf_u32(b, st->id);
    buf_u8(b, 0);
    buf_u32(b, 1);
    nulls_at = b->len;
    for (size_t i = 0; i < bytes; i++)
        buf_u8(b, 0);
    buf_u8(b, 1);
    for (uint16_t r = 0; r < st->rows; r++)
        put_types(b, st);
    for (size_t i = 0; i < n && buf_ok(b); i++) {
        const struct stmt_param *sp = &st->params[i % st->n_params];
        const struct value *v = value_of(sp, &rows[i / st->n_params]);
        if (v->state == VALUE_NULL)
            b->p[nulls_at + i / 8] |= (uint8_t)(1u << i % 8);
        else if (v->state == VALUE_ABSENT || !bind_value(b, &sp->bind, v))
            return bad_value(st, sp, v, e);
    }
    return true;
}

void stmt_bulk_begin(struct pipe *p, const struct stmt *st)
{
    pipe_command(p, COM_BULK_EXECUTE);
    buf_u32(&p->payload, st->id);
    buf_u16(&p->payload, SEND_TYPES);
    put_types(&p->payload, st);
}

bool stmt_bulk_row(struct pipe *p, const struct stmt *st, const struct stmt_row *row, struct err *e)
{
    struct buf *b = &p->payload;

    for (uint16_t i = 0; i < st->n_params; i++) {
        const struct stmt_param *sp = &st->params[i];
        const struct value *v = value_of(sp, row);
        buf_u8(b, v->state == VALUE_NULL ? 1 : 0);
        if (v->state == VALUE_NULL)
            continue;
        if (v->state == VALUE_ABSENT || !bind_value(b, &sp->bind, v))
            return bad_value(st, sp, v, e);
    }
    return true;
}
