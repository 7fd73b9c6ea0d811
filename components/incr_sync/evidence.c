/* What a person sees of a row in conflict: its key in readable form. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/incr_sync/sync_priv.h"

const char *txn_text(struct txn_id id, char out[TXN_TEXT_MAX])
{
    snprintf(out, TXN_TEXT_MAX, "%s=%" PRIu64, id.origin, id.seq);
    return out;
}

static bool is_signed(enum kind k)
{
    return k == KIND_I8 || k == KIND_I16 || k == KIND_I32 || k == KIND_I64;
}

static bool is_number(enum kind k)
{
    switch (k) {
    case KIND_U8:
    case KIND_U16:
    case KIND_U32:
    case KIND_U64:
    case KIND_YEAR:
    case KIND_BIT:
    case KIND_ENUM:
    case KIND_SET:
        return true;
    default:
        return is_signed(k);
    }
}

static void put_number(struct buf *out, enum kind k, const struct value *v)
{
    uint64_t u = 0;

    memcpy(&u, v->p, v->len < 8 ? v->len : 8);
    if (is_signed(k)) {
        unsigned shift = 64 - 8 * (v->len < 8 ? v->len : 8);

        buf_printf(out, "%" PRId64, (int64_t)(u << shift) >> shift);
    } else {
        buf_printf(out, "%" PRIu64, u);
    }
}

static bool is_readable(const struct value *v)
{
    for (uint32_t i = 0; i < v->len; i++)
        if (v->p[i] < 0x20 || v->p[i] == 0x7f)
            return false;
    return true;
}

static void put_value(struct buf *out, const struct column_def *c, const struct value *v,
                      size_t most)
{
    size_t shown = v->len < most ? v->len : most;
    bool text = c->kind == KIND_TEXT || c->kind == KIND_DECIMAL || c->kind == KIND_JSON;

    if (v->state != VALUE_SET) {
        buf_str(out, v->state == VALUE_NULL ? "NULL" : "(absent)");
    } else if (is_number(c->kind) && v->len > 0) {
        put_number(out, c->kind, v);
    } else if (text && is_readable(v)) {
        buf_printf(out, "'%.*s'", (int)shown, (const char *)v->p);
    } else {
        buf_str(out, "0x");
        for (size_t i = 0; i < shown; i++)
            buf_printf(out, "%02x", v->p[i]);
    }
    if (shown < v->len)
        buf_printf(out, "... (%" PRIu32 " bytes)", v->len);
}

void evidence_key(const struct table_def *t, bool has_absent, struct view row, struct buf *out)
{
    struct value *values = must_calloc(t->n_columns, sizeof *values);
    uint16_t n = t->row_key >= 0 ? t->keys[t->row_key].n_parts : t->n_columns;

    if (!row_read(t, ROWS_CANONICAL, has_absent, row, values)) {
        buf_str(out, "(a row that cannot be read)");
        n = 0;
    }
    if (t->row_key < 0 && n > 4)
        n = 4;
    for (uint16_t i = 0; i < n; i++) {
        uint16_t c = t->row_key >= 0 ? t->keys[t->row_key].parts[i].column : i;

        if (c == KEY_EXPRESSION)
            continue;
        buf_printf(out, "%s%s=", i ? ", " : "", t->columns[c].name);
        put_value(out, &t->columns[c], &values[c], EVIDENCE_SHOWN);
    }
    free(values);
}

void evidence_row(const struct table_def *t, bool has_absent, struct view row, size_t shown,
                  struct buf *out)
{
    struct value *values = must_calloc(t->n_columns, sizeof *values);
    bool readable = row_read(t, ROWS_CANONICAL, has_absent, row, values);

    if (!readable)
        buf_str(out, "(a row that cannot be read)");
    for (uint16_t i = 0; readable && i < t->n_columns; i++) {
        if (values[i].state == VALUE_ABSENT)
            continue;
        buf_printf(out, "%s%s=", i ? ", " : "", t->columns[i].name);
        put_value(out, &t->columns[i], &values[i], shown);
    }
    free(values);
}

const char *evidence_op(enum change_op op)
{
    static const char *const ops[] = {
        [CHANGE_INSERT] = "insert", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};

    return ops[op];
}
