/*
 * Plans (rows_event.h): for each pair of a type on the wire and a kind of value one operation. A
 * pair that is not in the table means that the map belongs to another definition: refused.
 */
#include <stdlib.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/binlog/rows_priv.h"
#include "components/endpoint/mysql/binlog/value.h"

struct pair {
    uint8_t native;
    enum kind kind;
    enum rows_op op;
};

static const struct pair pairs[] = {
    {NATIVE_TINY, KIND_I8, OP_COPY1},
    {NATIVE_TINY, KIND_U8, OP_COPY1},
    {NATIVE_SHORT, KIND_I16, OP_COPY2},
    {NATIVE_SHORT, KIND_U16, OP_COPY2},
    {NATIVE_INT24, KIND_I32, OP_I24},
    {NATIVE_INT24, KIND_U32, OP_U24},
    {NATIVE_LONG, KIND_I32, OP_COPY4},
    {NATIVE_LONG, KIND_U32, OP_COPY4},
    {NATIVE_LONGLONG, KIND_I64, OP_COPY8},
    {NATIVE_LONGLONG, KIND_U64, OP_COPY8},
    {NATIVE_FLOAT, KIND_FLOAT, OP_COPY4},
    {NATIVE_DOUBLE, KIND_DOUBLE, OP_COPY8},
    {NATIVE_YEAR, KIND_YEAR, OP_YEAR},
    {NATIVE_DATE, KIND_DATE, OP_DATE},
    {NATIVE_NEWDATE, KIND_DATE, OP_DATE},
    {NATIVE_NEWDECIMAL, KIND_DECIMAL, OP_DECIMAL},
    {NATIVE_TIMESTAMP2, KIND_TIMESTAMP, OP_TIMESTAMP2},
    {NATIVE_DATETIME2, KIND_DATETIME, OP_DATETIME2},
    {NATIVE_TIME2, KIND_TIME, OP_TIME2},
    {NATIVE_TIMESTAMP, KIND_TIMESTAMP, OP_TIMESTAMP_OLD},
    {NATIVE_DATETIME, KIND_DATETIME, OP_DATETIME_OLD},
    {NATIVE_TIME, KIND_TIME, OP_TIME_OLD},
    {NATIVE_ENUM, KIND_ENUM, OP_ENUM},
    {NATIVE_SET, KIND_SET, OP_SET},
    {NATIVE_BIT, KIND_BIT, OP_BIT},
    {NATIVE_VARCHAR, KIND_TEXT, OP_BYTES},
    {NATIVE_VARCHAR, KIND_BYTES, OP_BYTES},
    {NATIVE_VAR_STRING, KIND_TEXT, OP_BYTES},
    {NATIVE_VAR_STRING, KIND_BYTES, OP_BYTES},
    {NATIVE_STRING, KIND_TEXT, OP_BYTES},
    {NATIVE_STRING, KIND_BINARY, OP_BINARY},
    {NATIVE_STRING, KIND_UUID, OP_PADDED},
    {NATIVE_STRING, KIND_INET4, OP_PADDED},
    {NATIVE_STRING, KIND_INET6, OP_PADDED},
    {NATIVE_BLOB, KIND_TEXT, OP_BYTES},
    {NATIVE_BLOB, KIND_BYTES, OP_BYTES},
    {NATIVE_GEOMETRY, KIND_GEOMETRY, OP_BYTES},
    {NATIVE_VECTOR, KIND_VECTOR, OP_BYTES},
    {NATIVE_JSON, KIND_JSON, OP_JSON},
    {NATIVE_VARCHAR_COMPRESSED, KIND_TEXT, OP_COMPRESSED},
    {NATIVE_VARCHAR_COMPRESSED, KIND_BYTES, OP_COMPRESSED},
    {NATIVE_BLOB_COMPRESSED, KIND_TEXT, OP_COMPRESSED},
    {NATIVE_BLOB_COMPRESSED, KIND_BYTES, OP_COMPRESSED},
};

static enum rows_op op_of(uint8_t native, enum kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (pairs[i].native == native && pairs[i].kind == kind)
            return pairs[i].op;
    return OP_NONE;
}

static uint8_t prefix_of(const struct map_column *m)
{
    switch (m->type) {
    case NATIVE_VARCHAR:
    case NATIVE_VAR_STRING:
    case NATIVE_VARCHAR_COMPRESSED:
    case NATIVE_STRING:
        return m->max_len < 256 ? 1 : 2;
    default:
        return m->meta;
    }
}

static bool has_old_fraction(enum rows_op op, const struct column_def *c)
{
    return (op == OP_TIMESTAMP_OLD || op == OP_DATETIME_OLD || op == OP_TIME_OLD) && c->scale > 0;
}

static bool plan_step(struct rows_step *s, const struct map_column *m, const struct column_def *c,
                      struct err *e)
{
    s->op = op_of(m->type, c->kind);
    if (s->op == OP_NONE || (s->op == OP_PADDED && m->max_len != kind_width[c->kind]))
        return err_set(e, ERR_LOG_METADATA, "column '%s' is %s and the log has type %u for it",
                       c->name, kind_name(c->kind), m->type);
    if (has_old_fraction(s->op, c))
        return err_set(e, ERR_UNSUPPORTED,
                       "column '%s' stores fractions in the form before version 10.1: set "
                       "mysql56_temporal_format=ON and rebuild the table",
                       c->name);
    s->prefix = prefix_of(m);
    s->scale = m->scale;
    s->len = m->max_len;
    s->meta = m->meta;
    if (s->op == OP_ENUM || s->op == OP_SET)
        s->meta = (uint8_t)m->max_len;
    if (s->op == OP_BIT)
        s->meta = (uint8_t)((m->max_len + 7) / 8);
    s->is_blob = m->type == NATIVE_BLOB || m->type == NATIVE_GEOMETRY ||
                 m->type == NATIVE_BLOB_COMPRESSED || m->type == NATIVE_VECTOR ||
                 m->type == NATIVE_JSON;
    return true;
}

/* The most that a value takes besides bytes whose number the event tells. */
static size_t room_of(const struct rows_step *s, const struct column_def *c)
{
    if (s->op == OP_DECIMAL)
        return 1 + DECIMAL_TEXT_MAX;
    if (s->op == OP_BINARY)
        return 5 + (size_t)s->len;
    return kind_width[c->kind] ? kind_width[c->kind] : 5;
}

bool rows_plan_init(struct rows_plan *p, const struct table_map *m, const struct table_def *t,
                    struct err *e)
{
    struct rows_plan got = {.table = t, .n_columns = m->n_columns};

    if (m->n_columns < t->n_columns || m->n_columns - t->n_columns > m->n_hidden)
        return err_set(e, ERR_LOG_METADATA, "table '%s.%s' has %u columns and the log %u", t->db,
                       t->name, t->n_columns, m->n_columns);
    got.steps = must_calloc(m->n_columns, sizeof *got.steps);
    for (uint16_t i = t->n_columns; i < m->n_columns; i++)
        got.steps[i].op = OP_COPY8; /* hidden: read, and not kept */
    got.fixed_max = sizeof(uint64_t);
    for (uint16_t i = 0; i < t->n_columns; i++) {
        if (!plan_step(&got.steps[i], &m->columns[i], &t->columns[i], e)) {
            rows_plan_fini(&got);
            return err_wrap(e, "table '%s.%s'", t->db, t->name);
        }
        if (got.steps[i].op == OP_JSON)
            got.steps[i].json = got.n_json++;
        got.fixed_max += room_of(&got.steps[i], &t->columns[i]);
    }
    got.map_bytes = ((size_t)t->n_columns + 7) / 8;
    got.fixed_max += 2 * got.map_bytes;
    for (int i = 0; i < 2; i++)
        got.present[i] = must_calloc(m->n_columns, sizeof *got.present[i]);
    got.json = must_calloc(got.n_json + 1u, sizeof *got.json);
    *p = got;
    return true;
}

void rows_plan_fini(struct rows_plan *p)
{
    free(p->steps);
    free(p->present[0]);
    free(p->present[1]);
    free(p->json);
    *p = (struct rows_plan){.table = NULL};
}
