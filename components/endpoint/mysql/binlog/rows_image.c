/*
 * Images of ROWS events (rows_event.h): one pass over their bytes, straight into the record. The
 * room for everything but texts is there before a row begins.
 *
 * A partial update's after image may tell a JSON column by its changes; the value before is kept as
 * a view into the event while its row is read.
 */
#include <string.h>

#include "components/endpoint/mysql/binlog/json.h"
#include "components/endpoint/mysql/binlog/rows_event.h"
#include "components/endpoint/mysql/binlog/rows_priv.h"
#include "components/endpoint/mysql/binlog/value.h"

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
    const uint8_t *changed; /* bits of JSON columns that are told by their changes; or NULL */
    const char *refused;    /* why a row that is as it must be cannot be read */
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
    size_t n = le_length(c->p, s->prefix);
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

#define JSON_ROOM 5 /* for a length in front of a text that is not there yet */

/* The text goes where it will stand if its length takes all the room, then moves up to it. */
static bool put_json_text(struct copy *c, struct view v, bool is_changes, struct view before)
{
    struct buf *out = c->out;
    size_t at = (size_t)(c->w - out->p);

    out->len = at + JSON_ROOM;
    if (!(is_changes ? json_text_changed(before, v, out) : json_text(v, out)))
        return false;
    size_t n = out->len - at - JSON_ROOM;
    uint8_t *w = put_length(out->p + at, n);
    memmove(w, out->p + at + JSON_ROOM, n);
    c->w = w + n;
    return make_room(c, 0);
}

static bool put_json(struct copy *c, const struct rows_step *s)
{
    struct view *before = &c->plan->json[s->json];
    bool is_changes = c->changed && c->changed[s->json >> 3] >> (s->json & 7) & 1;
    struct view v;

    if (!take_bytes(c, s, &v))
        return false;
    if (is_changes && !before->p) {
        c->refused = "an update tells only what changed in a JSON value and not the value before: "
                     "binlog_row_image was not FULL in the session that made it";
        return false;
    }
    if (!put_json_text(c, v, is_changes, *before))
        return false;
    *before = v;
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
    case OP_JSON:
        return put_json(c, s);
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

/* What stands before the after image of a partial update. */
static bool take_options(struct rows_event *r, const struct rows_plan *p, struct copy *c)
{
    struct cursor in = cursor_of(r->rows.p, cursor_left(&r->rows));
    uint64_t options = binlog_lenenc(&in);

    c->changed = NULL;
    if (options & VALUE_OPTION_PARTIAL_JSON)
        c->changed = cursor_take(&in, ((size_t)p->n_json + 7) / 8).p;
    r->rows.p = in.p;
    return !in.failed && (options & ~(uint64_t)VALUE_OPTION_PARTIAL_JSON) == 0;
}

static bool put_update(struct rows_event *r, const struct image im[2], bool has_absent,
                       struct copy *c, struct txn_writer *w)
{
    const struct rows_plan *p = c->plan;

    for (uint16_t i = 0; i < p->n_json; i++)
        p->json[i] = (struct view){NULL, 0};
    c->changed = NULL;
    return put_image(r, &im[0], has_absent, c, w) && (!r->partial || take_options(r, p, c)) &&
           put_image(r, &im[1], has_absent, c, w);
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

static enum image_kind worse_kind(enum image_kind a, enum image_kind b)
{
    if (a == IMAGE_MINIMAL || b == IMAGE_MINIMAL)
        return IMAGE_MINIMAL;
    return a == IMAGE_NOBLOB ? a : b;
}

static bool bad_row(const struct rows_event *r, const struct rows_plan *p, const struct copy *c,
                    struct err *e)
{
    const struct buf *out = c->out;

    if (c->refused)
        return err_set(e, ERR_UNSUPPORTED, "table '%s.%s': %s", p->table->db, p->table->name,
                       c->refused);
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
    struct image im[2] = {image_of(p, r->present[0], p->present[0])};
    im[1] = update ? image_of(p, r->present[1], p->present[1]) : im[0];
    bool absent = im[0].columns || im[1].columns;
    enum image_kind image = worse_kind(kind_of(p, &im[0]), kind_of(p, &im[1]));
    uint8_t flags = (uint8_t)(r->change_flags | (absent ? CHANGE_F_ABSENT : 0));
    while (cursor_left(&r->rows) > 0 && w->out->len < stop_at) {
        const uint8_t *from = r->rows.p;
        txn_write_change(w, p->table->id, r->op, flags, image);
        bool ok = update ? put_update(r, im, absent, &c, w) : put_image(r, &im[0], absent, &c, w);
        if (!ok || r->rows.p == from)
            return bad_row(r, p, &c, e);
    }
    return true;
}
