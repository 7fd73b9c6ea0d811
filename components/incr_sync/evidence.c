/* What a person sees of a row in conflict: its key in readable form. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/incr_sync/sync_priv.h"
#include "components/record/value_text.h"

const char *txn_text(struct txn_id id, char out[TXN_TEXT_MAX])
{
    snprintf(out, TXN_TEXT_MAX, "%s=%" PRIu64, id.origin, id.seq);
    return out;
}

/* A character set whose bytes are UTF-8, or none. */
static bool is_unicode(const struct column_def *c)
{
    return c->kind != KIND_TEXT || !c->charset || !*c->charset ||
           strncmp(c->charset, "utf8", 4) == 0;
}

static bool is_readable(const struct column_def *c, const struct value *v)
{
    for (uint32_t i = 0; i < v->len; i++)
        if (v->p[i] < 0x20 || v->p[i] == 0x7f || (v->p[i] >= 0x80 && !is_unicode(c)))
            return false;
    return bytes_are_utf8(v->p, v->len);
}

/* At most `most` bytes, never a part of a character. */
static size_t cut(const struct value *v, size_t most)
{
    size_t n = v->len < most ? v->len : most;

    while (n > 0 && n < v->len && (v->p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void put_long(struct buf *out, const struct column_def *c, const struct value *v,
                     size_t most)
{
    bool text = c->kind == KIND_TEXT || c->kind == KIND_DECIMAL || c->kind == KIND_JSON;
    size_t shown = v->len < most ? v->len : most;

    if (text && is_readable(c, v)) {
        shown = cut(v, most);
        buf_printf(out, "'%.*s'", (int)shown, (const char *)v->p);
    } else {
        buf_str(out, "0x");
        for (size_t i = 0; i < shown; i++)
            buf_printf(out, "%02x", v->p[i]);
    }
    if (shown < v->len)
        buf_printf(out, "... (%" PRIu32 " bytes)", v->len);
}

static bool is_number(enum kind k)
{
    return k <= KIND_DOUBLE || k == KIND_YEAR || k == KIND_BIT;
}

/* As the source would show it: numbers bare, everything else in quotes or as bytes. */
static void put_value(struct buf *out, const struct column_def *c, const struct value *v,
                      size_t most)
{
    if (v->state != VALUE_SET) {
        buf_str(out, v->state == VALUE_NULL ? "NULL" : "(absent)");
        return;
    }
    switch (c->kind) {
    case KIND_TEXT:
    case KIND_DECIMAL:
    case KIND_JSON:
    case KIND_BINARY:
    case KIND_BYTES:
    case KIND_GEOMETRY:
    case KIND_VECTOR:
        put_long(out, c, v, most);
        return;
    default:
        buf_str(out, is_number(c->kind) ? "" : "'");
        value_put_text(out, c, v);
        buf_str(out, is_number(c->kind) ? "" : "'");
    }
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
