/* Images of wanted rows along the log. See history.h. */
#include "components/full_verification/core/history.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"

enum image_state { IMAGE_GONE, IMAGE_THERE, IMAGE_UNKNOWN };

struct wanted {
    struct buf key, source, target, now;
    enum image_state state; /* of `now` */
    bool on_source, on_target;
    bool changed;   /* a change was met */
    bool confirmed; /* ... and the log has the source's image as it was read */
    bool beyond;    /* a change behind p1 was met */
    bool touched;   /* by the transaction at work */
    bool equal, unknown;
    struct txn_id after; /* `now` is as this transaction left it; origin NULL: as at p1 */
    struct txn_id equal_after;
};

struct history {
    struct history_params p;
    VEC(struct wanted) rows;
    VEC(size_t) by_key, touched;
    struct value *before, *after, *now, *other; /* a column each; the last two: scratch */
    struct buf key, made, kept;
    size_t bytes;
    bool sorted;
    bool blind; /* a change whose key cannot be told: it may be of any row */
};

struct history *history_new(const struct history_params *p)
{
    struct history *h = must_calloc(1, sizeof *h);

    must(p->table->row_key >= 0);
    h->p = *p;
    h->before = must_calloc(p->table->n_columns, sizeof *h->before);
    h->after = must_calloc(p->table->n_columns, sizeof *h->after);
    h->now = must_calloc(p->table->n_columns, sizeof *h->now);
    h->other = must_calloc(p->table->n_columns, sizeof *h->other);
    buf_init(&h->key, p->max_bytes);
    buf_init(&h->made, p->max_bytes);
    buf_init(&h->kept, p->max_bytes);
    return h;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->rows.n; i++) {
        buf_fini(&h->rows.at[i].key);
        buf_fini(&h->rows.at[i].now);
        buf_fini(&h->rows.at[i].source);
        buf_fini(&h->rows.at[i].target);
    }
    vec_fini(&h->rows);
    vec_fini(&h->by_key);
    vec_fini(&h->touched);
    buf_fini(&h->key);
    buf_fini(&h->made);
    buf_fini(&h->kept);
    free(h->other);
    free(h->before);
    free(h->after);
    free(h->now);
    free(h);
}

/* --- rows and keys ------------------------------------------------------------------------------
 */

static struct view bytes_of(const struct buf *b)
{
    return (struct view){b->p, b->len};
}

/* False: a part of the key is not there. */
static bool make_key(struct history *h, const struct value *v)
{
    const struct key_def *k = &h->p.table->keys[h->p.table->row_key];

    buf_clear(&h->key);
    for (uint16_t i = 0; i < k->n_parts; i++) {
        const struct value *part = &v[k->parts[i].column];

        if (part->state != VALUE_SET)
            return false;
        buf_bytes(&h->key, part->p, part->len);
    }
    return buf_ok(&h->key);
}

/* The columns that are read, into h->made; false: one is absent, or there is no room. */
static bool make_image(struct history *h, const struct value *v)
{
    struct row_writer w;

    buf_clear(&h->made);
    row_begin(&w, &h->made, h->p.table, ROWS_CANONICAL, false);
    for (uint16_t i = 0; i < h->p.table->n_columns; i++) {
        if (!h->p.is_read[i] || v[i].state == VALUE_NULL)
            row_put_null(&w);
        else if (v[i].state == VALUE_ABSENT)
            return false;
        else if (kind_width[h->p.table->columns[i].kind])
            row_put_fixed(&w, v[i].p);
        else
            row_put_bytes(&w, v[i].p, v[i].len);
    }
    row_end(&w);
    return buf_ok(&h->made);
}

static int compare_bytes(struct view a, struct view b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct history *h = arg;

    return compare_bytes(bytes_of(&h->rows.at[*(const size_t *)a].key),
                         bytes_of(&h->rows.at[*(const size_t *)b].key));
}

static void sort(struct history *h)
{
    h->sorted = true;
    h->by_key.n = 0;
    for (size_t i = 0; i < h->rows.n; i++)
        vec_push(&h->by_key, i);
    if (h->by_key.n > 1)
        qsort_r(h->by_key.at, h->by_key.n, sizeof *h->by_key.at, by_key, h);
}

/* The wanted row of the key in h->key, or NULL. */
static struct wanted *find(struct history *h)
{
    size_t lo = 0, hi = h->by_key.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        struct wanted *x = &h->rows.at[h->by_key.at[mid]];
        int c = compare_bytes(bytes_of(&x->key), bytes_of(&h->key));

        if (c == 0)
            return x;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static bool take_image(struct history *h, struct view row, struct buf *to)
{
    if (!row_read(h->p.table, ROWS_CANONICAL, false, row, h->now) || !make_key(h, h->now) ||
        !make_image(h, h->now))
        return false;
    buf_append(to, h->made.p, h->made.len);
    return buf_ok(to);
}

bool history_want(struct history *h, struct view source, struct view target, size_t *at)
{
    struct wanted x = {.state = source.p ? IMAGE_THERE : IMAGE_GONE,
                       .on_source = source.p != NULL,
                       .on_target = target.p != NULL};
    size_t need = 4 * source.len + 2 * target.len; /* of what buffers may take */

    must(!h->sorted && (source.p || target.p));
    if (h->rows.n >= h->p.max_rows || need > h->p.max_bytes - h->bytes)
        return false;
    buf_init(&x.key, h->p.max_bytes);
    buf_init(&x.now, h->p.max_bytes);
    buf_init(&x.source, h->p.max_bytes);
    buf_init(&x.target, h->p.max_bytes);
    if ((target.p && !take_image(h, target, &x.target)) ||
        (source.p && !take_image(h, source, &x.source))) {
        buf_fini(&x.source);
        buf_fini(&x.target);
        return false;
    }
    buf_append(&x.now, x.source.p, x.source.len);
    buf_append(&x.key, h->key.p, h->key.len);
    h->bytes += need;
    *at = h->rows.n;
    vec_push(&h->rows, x);
    return true;
}

/* --- images -------------------------------------------------------------------------------------
 */

static bool is_one_form(enum kind k)
{
    return k != KIND_JSON && k != KIND_GEOMETRY && k != KIND_VECTOR;
}

static bool same_value(const struct value *a, const struct value *b)
{
    return a->state == b->state && a->len == b->len &&
           (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

/* Two images that are not the same bytes: do values differ that have one form only? */
static bool surely_differ(struct history *h, struct view a, struct view b)
{
    const struct table_def *t = h->p.table;

    must(row_read(t, ROWS_CANONICAL, false, a, h->now));
    must(row_read(t, ROWS_CANONICAL, false, b, h->other));
    for (uint16_t i = 0; i < t->n_columns; i++)
        if (!same_value(&h->now[i], &h->other[i]) &&
            (is_one_form(t->columns[i].kind) || h->now[i].state != h->other[i].state))
            return true;
    return false;
}

static bool is_now(const struct wanted *x, bool there, const struct buf *image)
{
    if (x->state == IMAGE_UNKNOWN || there != (x->state == IMAGE_THERE))
        return false;
    return !there || compare_bytes(bytes_of(&x->now), bytes_of(image)) == 0;
}

/* x->now was the row's image at a position that counts. */
static void publish(struct history *h, struct wanted *x)
{
    if (x->equal)
        return;
    if (x->state == IMAGE_UNKNOWN) {
        x->unknown = true;
    } else if (is_now(x, x->on_target, &x->target)) {
        x->equal = true;
        x->equal_after = x->after;
    } else if (x->state == IMAGE_THERE && x->on_target &&
               !surely_differ(h, bytes_of(&x->now), bytes_of(&x->target))) {
        x->unknown = true;
    }
}

/* What a change does not say of the row as it was, out of what is known of it. */
static void fill_before(struct history *h, const struct wanted *x)
{
    const struct table_def *t = h->p.table;

    if (x->state != IMAGE_THERE)
        return;
    buf_clear(&h->kept); /* x->now is written anew while these are in use */
    buf_append(&h->kept, x->now.p, x->now.len);
    must(row_read(t, ROWS_CANONICAL, false, bytes_of(&h->kept), h->now));
    for (uint16_t i = 0; i < t->n_columns; i++)
        if (h->before[i].state == VALUE_ABSENT)
            h->before[i] = h->now[i];
}

static void set_image(struct history *h, struct wanted *x, const struct value *v)
{
    bool whole = make_image(h, v);
    size_t more = whole && h->made.len > x->now.cap ? 2 * h->made.len : 0;

    buf_clear(&x->now);
    x->state = IMAGE_UNKNOWN;
    if (!whole || more > h->p.max_bytes - h->bytes)
        return;
    h->bytes += more;
    buf_append(&x->now, h->made.p, h->made.len);
    x->state = IMAGE_THERE;
}

/* A change of the row is at hand: what it was until now is an image that counts, if p1 is past.
 * `v`: its values as the change says they were; NULL: the row was not there. */
static void before_change(struct history *h, struct wanted *x, const struct history_txn *txn,
                          struct value *v)
{
    bool first = !x->touched;

    if (first) {
        x->touched = true;
        vec_push(&h->touched, (size_t)(x - h->rows.at));
    }
    if (v) {
        set_image(h, x, v);
    } else {
        buf_clear(&x->now);
        x->state = IMAGE_GONE;
    }
    x->changed = true;
    x->confirmed |= first && is_now(x, x->on_source, &x->source);
    if (!txn->in_p1 || x->beyond) {
        x->beyond = true;
        if (first || txn->parts)
            publish(h, x);
    }
}

static void after_change(struct history *h, struct wanted *x, const struct history_txn *txn,
                         const struct value *v)
{
    if (v) {
        set_image(h, x, v);
    } else {
        buf_clear(&x->now);
        x->state = IMAGE_GONE;
    }
    if (x->beyond && txn->parts) {
        x->after = txn->id;
        publish(h, x);
    }
}

static bool read_images(struct history *h, const struct change *ch, struct err *e)
{
    const struct table_def *t = h->p.table;
    bool absent = ch->flags & CHANGE_F_ABSENT;

    if ((ch->before.p && !row_read(t, ROWS_CANONICAL, absent, ch->before, h->before)) ||
        (ch->after.p && !row_read(t, ROWS_CANONICAL, absent, ch->after, h->after)))
        return err_set(e, ERR_CORRUPT, "a row of '%s.%s' does not have its table's form", t->db,
                       t->name);
    return true;
}

/* The rows that a change is of, and its values made as whole as they can be. False: the key is not
 * told. */
static bool find_rows(struct history *h, const struct change *ch, struct wanted **from,
                      struct wanted **to)
{
    if (ch->before.p) {
        if (!make_key(h, h->before))
            return false;
        *from = find(h);
        if (*from)
            fill_before(h, *from);
    }
    if (!ch->after.p)
        return true;
    for (uint16_t i = 0; ch->before.p && i < h->p.table->n_columns; i++)
        if (h->after[i].state == VALUE_ABSENT) /* an update left it as it was */
            h->after[i] = h->before[i];
    if (!make_key(h, h->after))
        return false;
    *to = find(h);
    return true;
}

bool history_change(struct history *h, const struct history_txn *txn, const struct change *ch,
                    struct err *e)
{
    struct wanted *from = NULL, *to = NULL;

    if (!h->sorted)
        sort(h);
    if (!read_images(h, ch, e))
        return false;
    if (!find_rows(h, ch, &from, &to)) {
        h->blind = true;
        return true;
    }
    if (from)
        before_change(h, from, txn, h->before);
    if (to && to != from)
        before_change(h, to, txn, NULL);
    if (from && from != to)
        after_change(h, from, txn, NULL);
    if (to)
        after_change(h, to, txn, h->after);
    return true;
}

void history_txn_end(struct history *h, const struct history_txn *txn)
{
    for (size_t i = 0; i < h->touched.n; i++) {
        struct wanted *x = &h->rows.at[h->touched.at[i]];

        x->touched = false;
        x->confirmed |= is_now(x, x->on_source, &x->source);
        if (!x->beyond)
            continue;
        x->after = txn->id;
        publish(h, x);
    }
    h->touched.n = 0;
}

void history_end(struct history *h)
{
    for (size_t i = 0; i < h->rows.n; i++)
        if (!h->rows.at[i].beyond)
            publish(h, &h->rows.at[i]);
}

enum history_answer history_answer(const struct history *h, size_t row, struct txn_id *at)
{
    const struct wanted *x = &h->rows.at[row];

    *at = x->equal_after;
    if (x->equal)
        return HISTORY_EQUAL;
    if (x->unknown || h->blind || (x->changed && !x->confirmed))
        return HISTORY_UNKNOWN;
    return HISTORY_DIFFERENT;
}
