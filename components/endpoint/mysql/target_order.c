/*
 * Grouping the writes of one transaction: writes of one table and kind become one batch, which
 * runs as one bulk statement. A write may join an earlier batch, and so pass writes in between,
 * only if it commutes with all of them: they touch other tables (foreign key checks and triggers
 * are off, A8, A18) or rows with other keys. Keys are compared by 64 bits of a hash: a collision
 * only keeps an order that was not needed. Tables where the row key's bytes do not decide
 * (collations, further unique keys, no key) keep the order of all their writes.
 * Pure. Called by target_apply.c. Thread: one per slot.
 */
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

#define NO_BATCH UINT32_MAX

void write_order_init(struct write_order *o)
{
    memset(o, 0, sizeof *o);
}

static void free_batches(struct write_order *o)
{
    for (size_t i = 0; i < o->batches.n; i++)
        vec_fini(&o->batches.at[i].at);
    o->batches.n = 0;
}

void write_order_fini(struct write_order *o)
{
    free_batches(o);
    vec_fini(&o->batches);
    vec_fini(&o->before);
    vec_fini(&o->after);
    vec_fini(&o->row);
    free(o->map.key);
    free(o->map.batch);
}

/* --- map: key -> the last batch with it ---------------------------------------------------------
 */

static void map_clear(struct write_order *o, size_t writes)
{
    size_t want = 64;

    while (want < writes * 8)
        want *= 2;
    if (want > o->map.cap || o->map.cap > 64 * want) {
        free(o->map.key);
        free(o->map.batch);
        o->map.key = must_calloc(want, sizeof *o->map.key);
        o->map.batch = must_calloc(want, sizeof *o->map.batch);
        o->map.cap = want;
    }
    memset(o->map.key, 0, o->map.cap * sizeof *o->map.key);
}

/* At most three keys a write and eight places: never full. */
static uint32_t *map_at(struct write_order *o, uint64_t key)
{
    size_t mask = o->map.cap - 1, i;

    key |= 1; /* 0 is an empty place */
    for (i = key >> 7 & mask; o->map.key[i] != 0 && o->map.key[i] != key;)
        i = (i + 1) & mask;
    if (o->map.key[i] == 0) {
        o->map.key[i] = key;
        o->map.batch[i] = NO_BATCH;
    }
    return &o->map.batch[i];
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h ^= v;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t mix_bytes(uint64_t h, const uint8_t *p, size_t n)
{
    uint64_t v;

    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = mix(h, v);
    }
    v = n;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return mix(h, v);
}

enum { SALT_TABLE = 1, SALT_ROW, SALT_BATCH };

static uint64_t table_hash(const struct target_table *t, unsigned salt)
{
    return mix(mix(0x51ed270b7a2c4d11u, t->serial), salt);
}

static uint64_t row_hash(const struct target_table *t, const struct value *row)
{
    const struct key_def *k = &t->source->keys[t->source->row_key];
    uint64_t h = table_hash(t, SALT_ROW);

    for (uint16_t i = 0; i < k->n_parts; i++) {
        const struct value *v = &row[k->parts[i].column];
        h = mix(h, v->state);
        if (v->state == VALUE_SET)
            h = mix_bytes(mix(h, v->len), v->p, v->len);
    }
    return h;
}

/* --- one write ----------------------------------------------------------------------------------
 */

static bool read_image(const struct write *w, struct view row, struct value *out, struct err *e)
{
    return row_read(w->table->source, w->encoding, w->has_absent, row, out) ||
           err_set(e, ERR_CORRUPT, "a row of table %s does not have its table's form",
                   w->table->quoted);
}

bool write_order_read(struct write_order *o, const struct write *w, struct err *e)
{
    uint16_t n = w->table->source->n_columns;

    vec_reserve(&o->before, n);
    vec_reserve(&o->after, n);
    if (w->op != CHANGE_INSERT && !read_image(w, w->before, o->before.at, e))
        return false;
    if (w->again && w->row.p) {
        vec_reserve(&o->row, n);
        if (!row_read(w->table->source, ROWS_MYSQL_TEXT, false, w->row, o->row.at))
            return err_set(e, ERR_CORRUPT, "a row of table %s that was read again has another form",
                           w->table->quoted);
    }
    return w->op == CHANGE_DELETE || read_image(w, w->after, o->after.at, e);
}

static bool is_zero(const struct value *v, enum rows_encoding enc)
{
    if (v->state != VALUE_SET)
        return false;
    if (enc == ROWS_MYSQL_TEXT)
        return v->len == 1 && v->p[0] == '0';
    return v->len == 2 && v->p[0] == 0 && v->p[1] == 0;
}

bool write_has_enum_zero(const struct target_table *t, enum rows_encoding enc,
                         const struct value *image)
{
    for (uint16_t i = 0; t->has_odd && i < t->source->n_columns; i++)
        if (t->source->columns[i].kind == KIND_ENUM && t->column[i] != NO_COLUMN &&
            is_zero(&image[i], enc))
            return true;
    return false;
}

static bool is_empty(const struct target_table *t, uint16_t i, const struct value *image)
{
    return image[i].state == VALUE_SET && image[i].len == 0 && t->column[i] != NO_COLUMN;
}

bool target_kind_is_implicit(enum kind k)
{
    return k == KIND_GEOMETRY || k == KIND_VECTOR;
}

static bool has_implicit(const struct target_table *t, const struct value *image)
{
    for (uint16_t i = 0; t->has_odd && i < t->source->n_columns; i++)
        if (target_kind_is_implicit(t->source->columns[i].kind) && is_empty(t, i, image))
            return true;
    return false;
}

bool write_is_odd(const struct target_table *t, enum rows_encoding enc, const struct value *image)
{
    return write_has_enum_zero(t, enc, image) || has_implicit(t, image);
}

void write_loosen(const struct target_table *t, enum rows_encoding enc, struct value *image,
                  const struct value *before, struct loosened *out)
{
    *out = (struct loosened){.enum_zero = write_has_enum_zero(t, enc, image)};
    for (uint16_t i = 0; i < t->source->n_columns; i++) {
        if (!target_kind_is_implicit(t->source->columns[i].kind) || !is_empty(t, i, image) ||
            (before && !is_empty(t, i, before)))
            continue;
        image[i].state = VALUE_ABSENT;
        out->implicit += before == NULL;
    }
}

void write_loosen_scratch(struct write_order *o, const struct write *w, bool inserts,
                          struct loosened *as)
{
    bool updates = w->op == CHANGE_UPDATE && !inserts;

    if (w->again)
        write_loosen(w->table, ROWS_MYSQL_TEXT, o->row.at, NULL, as);
    else
        write_loosen(w->table, w->encoding, o->after.at, updates ? o->before.at : NULL, as);
}

bool write_needs_care(const struct write_order *o, const struct write *w)
{
    if (w->again)
        return w->row.p && write_is_odd(w->table, ROWS_MYSQL_TEXT, o->row.at);
    return w->op != CHANGE_DELETE && write_is_odd(w->table, w->encoding, o->after.at);
}

/* The hashes a write must not pass others on. */
static size_t keys_of(const struct write_order *o, const struct write *w, uint64_t out[2])
{
    const struct target_table *t = w->table;
    size_t n = 0;

    if (t->ordered) {
        out[0] = table_hash(t, SALT_TABLE);
        return 1;
    }
    if (w->op != CHANGE_INSERT)
        out[n++] = row_hash(t, o->before.at);
    if (w->op == CHANGE_INSERT)
        out[n++] = row_hash(t, o->after.at);
    if (w->op == CHANGE_UPDATE) {
        const struct key_def *k = &t->source->keys[t->source->row_key];
        bool whole = true; /* an image without the key: it has not changed */
        for (uint16_t i = 0; i < k->n_parts; i++)
            whole = whole && o->after.at[k->parts[i].column].state != VALUE_ABSENT;
        if (whole)
            out[n++] = row_hash(t, o->after.at);
    }
    return n;
}

static bool key_changes(const struct write_order *o, const struct write *w)
{
    return w->op == CHANGE_UPDATE && w->table->source->row_key >= 0 &&
           row_hash(w->table, o->before.at) != row_hash(w->table, o->after.at);
}

/* An UPDATE whose key is the same bytes before and after. */
static bool keeps_key(const struct write_order *o, const struct write *w)
{
    const struct key_def *k = &w->table->source->keys[w->table->source->row_key];

    for (uint16_t i = 0; i < k->n_parts; i++) {
        const struct value *a = &o->before.at[k->parts[i].column];
        const struct value *b = &o->after.at[k->parts[i].column];

        if (a->state != VALUE_SET || b->state != VALUE_SET || a->len != b->len ||
            (a->len > 0 && memcmp(a->p, b->p, a->len) != 0))
            return false;
    }
    return true;
}

static bool is_upsert(const struct write_order *o, const struct write *w)
{
    return w->op == CHANGE_UPDATE && w->table->upserts && !w->overlap && !w->has_absent &&
           keeps_key(o, w);
}

static uint64_t batch_hash(const struct write *w, bool upsert)
{
    uint64_t what = (uint64_t)w->op | (uint64_t)w->overlap << 8 | (uint64_t)w->encoding << 9 |
                    (uint64_t)w->has_absent << 12 | (uint64_t)upsert << 13;

    return mix(table_hash(w->table, SALT_BATCH), what);
}

static uint32_t new_batch(struct write_order *o, const struct write *w, bool changes, bool upsert)
{
    struct write_batch b = {.table = w->table,
                            .op = w->op,
                            .overlap = w->overlap,
                            .has_absent = w->has_absent,
                            .key_changes = changes,
                            .upserts = upsert,
                            .encoding = w->encoding};

    vec_push(&o->batches, b);
    return (uint32_t)o->batches.n - 1;
}

static void place(struct write_order *o, const struct write *w, uint32_t index)
{
    bool alone = w->overlap && key_changes(o, w), upsert = is_upsert(o, w);
    uint64_t keys[2];
    size_t n = keys_of(o, w, keys);
    uint32_t least = 0, b;

    for (size_t i = 0; i < n; i++) {
        uint32_t last = *map_at(o, keys[i]);
        /* In the overlap a batch is all deletes, then all inserts: one key once. */
        if (last != NO_BATCH && last + (w->overlap ? 1 : 0) > least)
            least = last + (w->overlap ? 1 : 0);
    }
    uint32_t *newest = map_at(o, batch_hash(w, upsert));
    if (!alone && *newest != NO_BATCH && *newest >= least) {
        b = *newest;
    } else {
        b = new_batch(o, w, alone, upsert);
        if (!alone)
            *newest = b;
    }
    vec_push(&o->batches.at[b].at, index);
    for (size_t i = 0; i < n; i++)
        *map_at(o, keys[i]) = b;
}

bool write_order_make(struct write_order *o, const struct write *w, size_t n, struct err *e)
{
    free_batches(o);
    map_clear(o, n);
    o->needs_care = false;
    for (size_t i = 0; i < n; i++) {
        if (!write_order_read(o, &w[i], e))
            return err_wrap(e, "write %zu", i);
        place(o, &w[i], (uint32_t)i);
        o->needs_care |= write_needs_care(o, &w[i]);
    }
    return true;
}
