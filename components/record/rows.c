/* Rows: writing and splitting images, batches. See rows.h. */
#include "components/record/rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"

static size_t bitmap_bytes(const struct table_def *t)
{
    return ((size_t)t->n_columns + 7) / 8;
}

/* One LEB128 length; false past the end. The common one-byte case stays inline. */
static inline bool take_length(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;

        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

bool row_read(const struct table_def *t, enum rows_encoding enc, bool has_absent, struct view row,
              struct value *out)
{
    size_t map = bitmap_bytes(t);
    const uint8_t *nulls = row.p, *absent, *p, *end = row.p + row.len;

    if (row.len < map * (has_absent ? 2 : 1))
        return false;
    absent = has_absent ? nulls + map : NULL;
    p = nulls + map * (has_absent ? 2 : 1);
    for (uint16_t i = 0; i < t->n_columns; i++) {
        uint64_t len;

        out[i].p = NULL;
        out[i].len = 0;
        if (absent && (absent[i >> 3] >> (i & 7) & 1)) {
            out[i].state = VALUE_ABSENT;
            continue;
        }
        if (nulls[i >> 3] >> (i & 7) & 1) {
            out[i].state = VALUE_NULL;
            continue;
        }
        len = enc == ROWS_CANONICAL ? kind_width[t->columns[i].kind] : 0;
        if (len == 0 && !take_length(&p, end, &len))
            return false;
        if (len > (uint64_t)(end - p))
            return false;
        out[i].state = VALUE_SET;
        out[i].p = p;
        out[i].len = (uint32_t)len;
        p += len;
    }
    return p == end;
}

void row_begin(struct row_writer *w, struct buf *out, const struct table_def *t,
               enum rows_encoding enc, bool has_absent)
{
    size_t maps = bitmap_bytes(t) * (has_absent ? 2 : 1);

    *w = (struct row_writer){
        .out = out, .table = t, .encoding = enc, .has_absent = has_absent, .start = out->len};
    if (buf_reserve(out, maps)) {
        memset(out->p + out->len, 0, maps);
        out->len += maps;
    }
}

static void set_bit(struct row_writer *w, size_t map_at)
{
    if (buf_ok(w->out))
        w->out->p[w->start + map_at + (w->column >> 3)] |= (uint8_t)(1u << (w->column & 7));
}

void row_put_null(struct row_writer *w)
{
    set_bit(w, 0);
    w->column++;
}

void row_put_absent(struct row_writer *w)
{
    must(w->has_absent);
    set_bit(w, bitmap_bytes(w->table));
    w->column++;
}

void row_put_fixed(struct row_writer *w, const void *p)
{
    buf_append(w->out, p, kind_width[w->table->columns[w->column].kind]);
    w->column++;
}

void row_put_u64(struct row_writer *w, uint64_t v)
{
    buf_append(w->out, &v, kind_width[w->table->columns[w->column].kind]);
    w->column++;
}

void row_put_bytes(struct row_writer *w, const void *p, size_t n)
{
    buf_bytes(w->out, p, n);
    w->column++;
}

void row_end(struct row_writer *w)
{
    must(w->column == w->table->n_columns);
}

struct rows *rows_new(const struct table_def *t, enum rows_encoding enc, size_t max_bytes)
{
    struct rows *r = must_calloc(1, sizeof *r);

    r->table = table_def_ref(t);
    r->encoding = enc;
    buf_init(&r->bytes, max_bytes);
    vec_push(&r->offsets, 0);
    return r;
}

void rows_free(struct rows *r)
{
    if (!r)
        return;
    table_def_unref(r->table);
    buf_fini(&r->bytes);
    vec_fini(&r->offsets);
    free(r);
}

void rows_clear(struct rows *r)
{
    r->n = 0;
    r->offsets.n = 1;
    buf_clear(&r->bytes);
}

void rows_added(struct rows *r)
{
    r->n++;
    vec_push(&r->offsets, (uint32_t)r->bytes.len);
}
