/* Reading ROWS events (rows_event.h): the head, and images. */
#include "components/endpoint/mysql/binlog/rows_event.h"

#include <string.h>

#include "components/endpoint/mysql/binlog/rows_priv.h"
#include "components/endpoint/mysql/binlog/value.h"

enum { FLAG_STATEMENT_END = 1, FLAG_NO_FK = 2, FLAG_RELAXED_UNIQUE = 4 };

struct form {
    uint8_t type;
    enum change_op op;
    bool v2, compressed;
};
static const struct form forms[] = {
    {BINLOG_WRITE_ROWS_V1, CHANGE_INSERT, false, false},
    {BINLOG_UPDATE_ROWS_V1, CHANGE_UPDATE, false, false},
    {BINLOG_DELETE_ROWS_V1, CHANGE_DELETE, false, false},
    {BINLOG_WRITE_ROWS, CHANGE_INSERT, true, false},
    {BINLOG_UPDATE_ROWS, CHANGE_UPDATE, true, false},
    {BINLOG_DELETE_ROWS, CHANGE_DELETE, true, false},
    {BINLOG_WRITE_ROWS_Z1, CHANGE_INSERT, false, true},
    {BINLOG_UPDATE_ROWS_Z1, CHANGE_UPDATE, false, true},
    {BINLOG_DELETE_ROWS_Z1, CHANGE_DELETE, false, true},
    {BINLOG_WRITE_ROWS_Z, CHANGE_INSERT, true, true},
    {BINLOG_UPDATE_ROWS_Z, CHANGE_UPDATE, true, true},
    {BINLOG_DELETE_ROWS_Z, CHANGE_DELETE, true, true},
};

static const struct form *form_of(uint8_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (forms[i].type == type)
            return &forms[i];
    return NULL;
}

bool binlog_is_rows(uint8_t type)
{
    return form_of(type) != NULL;
}

static bool damaged(const struct binlog_header *h, struct err *e)
{
    return err_set(e, ERR_LOG_DAMAGED, "the %s event does not have the form it must have",
                   binlog_type_name(h->type));
}

static uint64_t read_table_id(const struct binlog_format *f, const struct binlog_header *h,
                              struct cursor *c)
{
    return cursor_le(c, f->post_header[h->type] == 6 ? 4 : 6);
}

bool rows_event_table(const struct binlog_format *f, const struct binlog_header *h,
                      struct view body, uint64_t *table_id, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    uint64_t id = read_table_id(f, h, &c);

    if (c.failed)
        return damaged(h, e);
    *table_id = id;
    return true;
}

bool rows_event_open(const struct binlog_format *f, const struct binlog_header *h, struct view body,
                     struct inflater *z, struct buf *scratch, struct rows_event *r, struct err *e)
{
    const struct form *form = form_of(h->type);
    struct cursor c = cursor_of(body.p, body.len);
    struct rows_event got = {.table_id = read_table_id(f, h, &c), .op = form->op};
    unsigned flags = cursor_u16(&c);

    if (form->v2) {
        unsigned extra = cursor_u16(&c); /* counts itself */
        if (extra < 2)
            return damaged(h, e);
        cursor_skip(&c, extra - 2);
    }
    uint64_t n = binlog_lenenc(&c);
    if (c.failed || n > UINT16_MAX)
        return damaged(h, e);
    got.n_columns = (uint16_t)n;
    got.present[0] = cursor_take(&c, (size_t)(n + 7) / 8);
    if (form->op == CHANGE_UPDATE)
        got.present[1] = cursor_take(&c, (size_t)(n + 7) / 8);
    if (c.failed)
        return damaged(h, e);
    got.statement_end = flags & FLAG_STATEMENT_END;
    got.change_flags = (uint8_t)((flags & FLAG_NO_FK ? CHANGE_F_NO_FK : 0) |
                                 (flags & FLAG_RELAXED_UNIQUE ? CHANGE_F_RELAXED_UNIQUE : 0));
    got.rows = cursor_of(c.p, cursor_left(&c));
    if (form->compressed) {
        buf_clear(scratch);
        if (!inflate_event(z, (struct view){c.p, cursor_left(&c)}, scratch))
            return err_set(e, ERR_LOG_DAMAGED, "compressed rows of %zu bytes do not unpack",
                           cursor_left(&c));
        got.rows = cursor_of(scratch->p, scratch->len);
    }
    *r = got;
    return true;
}

/* --- one image ----------------------------------------------------------------------------------
 */

struct image { /* which columns an event's images hold */
    uint16_t n;
    const uint16_t *columns; /* NULL: all */
};

struct copy {
    const uint8_t *p, *end; /* the event */
    uint8_t *w;             /* where the next byte goes in out; room for fixed_max is there */
    struct buf *out;
    struct inflater *z;
    const struct rows_plan *plan;
};

/* Room for n bytes beside the fixed ones of a whole row. */
static bool make_room(struct copy *c, size_t n)
{
    c->out->len = (size_t)(c->w - c->out->p);
    if (!buf_reserve(c->out, n + c->plan->fixed_max))
        return false;
    c->w = c->out->p + c->out->len;
    return true;
}

static inline bool has_room(const struct copy *c, size_t n)
{
    return (size_t)(c->out->p + c->out->cap - c->w) >= n + c->plan->fixed_max;
}

static inline uint8_t *put_length(uint8_t *w, size_t n)
{
    for (; n >= 0x80; n >>= 7)
        *w++ = (uint8_t)(n | 0x80);
    *w++ = (uint8_t)n;
    return w;
}

static inline void put_fixed(struct copy *c, uint64_t v, unsigned width)
{
    memcpy(c->w, &v, width);
    c->w += width;
}

/* A length-prefixed value; false: it is not there whole. */
static inline bool take_bytes(struct copy *c, const struct rows_step *s, struct view *v)
{
    if ((size_t)(c->end - c->p) < s->prefix)
        return false;
    size_t n = (size_t)le_bytes(c->p, s->prefix);
    c->p += s->prefix;
    if ((size_t)(c->end - c->p) < n)
        return false;
    *v = (struct view){c->p, n};
    c->p += n;
    return true;
}

static inline bool put_bytes(struct copy *c, const struct rows_step *s)
{
    struct view v;

    if (!take_bytes(c, s, &v) || (!has_room(c, v.len) && !make_room(c, v.len)))
        return false;
    c->w = put_length(c->w, v.len);
    memcpy(c->w, v.p, v.len);
    c->w += v.len;
    return true;
}

/* Trailing zeros were cut by the server. */
static bool put_padded(struct copy *c, const struct rows_step *s, bool variable)
{
    struct view v;

    if (!take_bytes(c, s, &v) || v.len > s->len)
        return false;
    if (variable)
        c->w = put_length(c->w, s->len);
    memcpy(c->w, v.p, v.len);
    memset(c->w + v.len, 0, s->len - v.len);
    c->w += s->len;
    return true;
}

static bool put_compressed(struct copy *c, const struct rows_step *s)
{
    struct view v;
    size_t len;

    if (!take_bytes(c, s, &v) || !inflate_column_len(v, &len) || !make_room(c, len))
        return false;
    c->w = put_length(c->w, len);
    if (!inflate_column(c->z, v, c->w, len))
        return false;
    c->w += len;
    return true;
}

static inline bool need(const struct copy *c, size_t n)
{
    return (size_t)(c->end - c->p) >= n;
}

static bool put_decimal(struct copy *c, const struct rows_step *s)
{
    unsigned size = decimal_size(s->meta, s->scale);

    if (!need(c, size))
        return false;
    unsigned n = decimal_text(c->p, s->meta, s->scale, c->w + 1);
    c->w[0] = (uint8_t)n;
    c->w += 1 + n;
    c->p += size;
    return n > 0;
}

static bool put_temporal(struct copy *c, const struct rows_step *s)
{
    static const uint8_t base[] = {
        [OP_TIMESTAMP2] = 4,    [OP_DATETIME2] = 5,    [OP_TIME2] = 3,
        [OP_TIMESTAMP_OLD] = 4, [OP_DATETIME_OLD] = 8, [OP_TIME_OLD] = 3,
    };
    unsigned whole = base[s->op];
    unsigned fb = s->op <= OP_TIME2 ? fraction_bytes(s->meta) : 0;
    const uint8_t *p = c->p;
    int64_t us = 0;
    bool ok = true;

    if (!need(c, whole + fb))
        return false;
    c->p += whole + fb;
    switch (s->op) {
    case OP_TIMESTAMP2:
        us = (int64_t)be_bytes(p, 4) * 1000000 + fraction_us(p + 4, fb);
        break;
    case OP_DATETIME2:
        us = (int64_t)be_bytes(p, 5) - (int64_t)0x8000000000;
        ok = us >= 0; /* there is no date before the year 0 */
        us = (int64_t)((uint64_t)us << 24 | fraction_us(p + 5, fb));
        break;
    case OP_TIME2:
        ok = time2_us(p, s->meta, &us);
        break;
    case OP_TIMESTAMP_OLD:
        us = (int64_t)le_bytes(p, 4) * 1000000;
        break;
    case OP_DATETIME_OLD:
        us = (int64_t)datetime_old(p);
        break;
    default:
        us = time_old_us(p);
        break;
    }
    put_fixed(c, (uint64_t)us, 8);
    return ok;
}

/* Kinds that are rarer in rows than integers and texts. */
static bool put_other(struct copy *c, const struct rows_step *s)
{
    switch (s->op) {
    case OP_ENUM:
    case OP_SET:
    case OP_BIT:
        if (!need(c, s->meta))
            return false;
        if (s->op == OP_ENUM)
            put_fixed(c, le_bytes(c->p, s->meta), 2);
        else
            put_fixed(c, s->op == OP_SET ? le_bytes(c->p, s->meta) : be_bytes(c->p, s->meta), 8);
        c->p += s->meta;
        return true;
    case OP_BINARY:
        return put_padded(c, s, true);
    case OP_PADDED:
        return put_padded(c, s, false);
    case OP_COMPRESSED:
        return put_compressed(c, s);
    case OP_DECIMAL:
        return put_decimal(c, s);
    default:
        return put_temporal(c, s);
    }
}

static inline bool put_int(struct copy *c, unsigned from, unsigned to)
{
    if (!need(c, from))
        return false;
    uint64_t v = le_bytes(c->p, from);
    c->p += from;
    put_fixed(c, v, to);
    return true;
}

static inline bool put_value(struct copy *c, const struct rows_step *s)
{
    switch (s->op) {
    case OP_COPY1:
        return put_int(c, 1, 1);
    case OP_COPY2:
        return put_int(c, 2, 2);
    case OP_COPY4:
        return put_int(c, 4, 4);
    case OP_COPY8:
        return put_int(c, 8, 8);
    case OP_U24:
    case OP_DATE: /* day 5 bits, month 4, year the rest: as in the canonical form */
        return put_int(c, 3, 4);
    case OP_I24:
        if (!need(c, 3))
            return false;
        put_fixed(c, (uint64_t)((int64_t)(le_bytes(c->p, 3) << 40) >> 40), 4);
        c->p += 3;
        return true;
    case OP_YEAR:
        if (!need(c, 1))
            return false;
        put_fixed(c, *c->p ? *c->p + 1900u : 0, 2);
        c->p++;
        return true;
    case OP_BYTES:
        return put_bytes(c, s);
    default:
        return put_other(c, s);
    }
}

static bool pass_hidden(struct copy *c, const struct rows_step *s)
{
    uint8_t *w = c->w;
    bool ok = put_value(c, s);

    c->w = w;
    return ok;
}

/* The bits of a bitmap's last byte that stand for columns. */
static uint8_t last_bits(const struct rows_plan *p)
{
    uint16_t n = p->table->n_columns % 8;

    return n ? (uint8_t)((1u << n) - 1) : 0xff;
}

/* Bit k of an image's null bitmap is the k-th column that is present. */
static bool put_full(struct copy *c, bool has_absent)
{
    const struct rows_plan *p = c->plan;
    const uint8_t *nulls = c->p;
    size_t null_bytes = ((size_t)p->n_columns + 7) / 8;
    uint16_t n = p->table->n_columns;

    if (!need(c, null_bytes))
        return false;
    memcpy(c->w, nulls, p->map_bytes);
    c->w[p->map_bytes - 1] &= last_bits(p); /* bits after the last column may be anything */
    c->w += p->map_bytes;
    if (has_absent) {
        memset(c->w, 0, p->map_bytes);
        c->w += p->map_bytes;
    }
    c->p += null_bytes;
    for (uint16_t i = 0; i < n; i++)
        if (!(nulls[i >> 3] >> (i & 7) & 1) && !put_value(c, &p->steps[i]))
            return false;
    for (uint16_t i = n; i < p->n_columns; i++)
        if (!(nulls[i >> 3] >> (i & 7) & 1) && !pass_hidden(c, &p->steps[i]))
            return false;
    return true;
}

static bool put_partial(struct copy *c, const struct image *im)
{
    const struct rows_plan *p = c->plan;
    const uint8_t *nulls = c->p;
    size_t null_bytes = ((size_t)im->n + 7) / 8;
    uint8_t *out_nulls = c->w, *absent = c->w + p->map_bytes;

    if (!need(c, null_bytes))
        return false;
    memset(out_nulls, 0, p->map_bytes);
    memset(absent, 0xff, p->map_bytes);
    absent[p->map_bytes - 1] = last_bits(p);
    for (uint16_t k = 0; k < im->n; k++) {
        uint16_t i = im->columns[k];
        if (i >= p->table->n_columns)
            break;
        absent[i >> 3] &= (uint8_t) ~(1u << (i & 7));
        if (nulls[k >> 3] >> (k & 7) & 1)
            out_nulls[i >> 3] |= (uint8_t)(1u << (i & 7));
    }
    c->w += 2 * p->map_bytes;
    c->p += null_bytes;
    for (uint16_t k = 0; k < im->n; k++) {
        uint16_t i = im->columns[k];
        if (nulls[k >> 3] >> (k & 7) & 1)
            continue;
        if (!(i < p->table->n_columns ? put_value : pass_hidden)(c, &p->steps[i]))
            return false;
    }
    return true;
}

static bool put_image(struct rows_event *r, const struct image *im, bool has_absent, struct copy *c,
                      struct txn_writer *w)
{
    size_t mark = txn_image_begin(w);

    c->p = r->rows.p;
    c->w = c->out->p + c->out->len;
    if (!make_room(c, 0) || !(im->columns ? put_partial(c, im) : put_full(c, has_absent)))
        return false;
    c->out->len = (size_t)(c->w - c->out->p);
    r->rows.p = c->p;
    txn_image_end(w, mark);
    return true;
}

/* Which columns an image holds; all of them: columns = NULL. */
static struct image image_of(const struct rows_plan *p, struct view present, uint16_t *list)
{
    uint16_t n = 0;

    for (uint16_t i = 0; i < p->n_columns; i++)
        if (present.p[i >> 3] >> (i & 7) & 1)
            list[n++] = i;
    return (struct image){.n = n, .columns = n == p->n_columns ? NULL : list};
}

static enum image_kind kind_of(const struct rows_plan *p, const struct image *im)
{
    uint16_t k = 0;

    if (!im->columns)
        return IMAGE_FULL;
    for (uint16_t i = 0; i < p->table->n_columns; i++)
        if (k < im->n && im->columns[k] == i)
            k++;
        else if (!p->steps[i].is_blob)
            return IMAGE_MINIMAL;
    return IMAGE_NOBLOB;
}

static bool bad_row(const struct rows_event *r, const struct rows_plan *p, struct buf *out,
                    struct err *e)
{
    if (!buf_ok(out))
        return err_set(e, ERR_LIMIT, "a row of '%s.%s' does not fit into %zu bytes", p->table->db,
                       p->table->name, out->max);
    return err_set(e, ERR_LOG_DAMAGED, "the rows of '%s.%s' do not have its form at byte %zu",
                   p->table->db, p->table->name, cursor_at(&r->rows));
}

bool rows_decode(struct rows_event *r, const struct rows_plan *p, struct inflater *z,
                 struct txn_writer *w, size_t stop_at, struct err *e)
{
    struct copy c = {.end = r->rows.end, .out = w->out, .z = z, .plan = p};

    if (r->n_columns != p->n_columns)
        return err_set(e, ERR_LOG_DAMAGED, "the rows of '%s.%s' have %u columns, its map %u",
                       p->table->db, p->table->name, r->n_columns, p->n_columns);
    bool update = r->op == CHANGE_UPDATE;
    struct image first = image_of(p, r->present[0], p->present[0]);
    struct image second = update ? image_of(p, r->present[1], p->present[1]) : first;
    bool absent = first.columns || second.columns;
    enum image_kind a = kind_of(p, &first), b = kind_of(p, &second);
    enum image_kind image = a == IMAGE_MINIMAL || b == IMAGE_MINIMAL ? IMAGE_MINIMAL
                            : absent                                 ? IMAGE_NOBLOB
                                                                     : IMAGE_FULL;
    uint8_t flags = (uint8_t)(r->change_flags | (absent ? CHANGE_F_ABSENT : 0));
    while (cursor_left(&r->rows) > 0 && w->out->len < stop_at) {
        const uint8_t *from = r->rows.p;
        txn_write_change(w, p->table->id, r->op, flags, image);
        if (!put_image(r, &first, absent, &c, w) ||
            (update && !put_image(r, &second, absent, &c, w)) || r->rows.p == from)
            return bad_row(r, p, w->out, e);
    }
    return true;
}
