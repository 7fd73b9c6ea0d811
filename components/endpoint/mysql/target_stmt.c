/*
 * Statements of a table, prepared once per session and found again by what they do, and their
 * packets. Their text is target_text.c's.
 * Called by target_apply.c, target_load.c. Thread: one per slot.
 */
#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/target_priv.h"

#define SEND_TYPES 128
#define COM_BULK_EXECUTE 0xfa

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
    bool whole = form != STMT_INSERT && form != STMT_UPDATE &&
                 form != STMT_CHECK; /* absence does not matter */

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

static bool prepare(struct session *s, struct stmt_text *x, MYSQL_STMT **out, struct err *e)
{
    if (!buf_ok(&x->sql))
        return err_set(e, ERR_LIMIT, "a statement for table %s is too long", x->t->quoted);
    MYSQL_STMT *handle = mysql_stmt_init(s->my);
    must(handle);
    if (session_prepare(s, handle, &x->sql) != 0) {
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
    struct stmt_text x = {.t = t, .enc = enc, .image = image};
    MYSQL_STMT *handle = NULL;

    if (sc->n >= STMT_MAX)
        stmt_cache_clear(sc);
    buf_init(&x.sql, 16u << 20);
    stmt_put_text(&x, form, rows);
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
