/* See store_view.h. */
#include "components/store/store_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"
#include "components/record/txn.h"
#include "components/store/store_priv.h"

#define RANGE_TEXT_MAX 400

/* --- what is kept -------------------------------------------------------------------------------
 */

/* The head of the first block a reader after `after` gets; *got false: it has everything. */
static bool first_block(struct store *s, const struct txn_set *after, struct block_head *h,
                        uint64_t *backlog, bool *got, struct err *e)
{
    struct store_reader *r;
    struct buf tables, stored;
    bool ok;

    buf_init(&tables, 64u << 20);
    buf_init(&stored, BLOCK_RAW_MAX + (1u << 20));
    ok = store_reader_open(s, after, &tables, &r, e);
    if (ok) {
        *backlog = store_reader_backlog(r);
        ok = store_reader_next(r, 0, h, &stored, got, e);
        store_reader_close(r);
    }
    buf_fini(&tables);
    buf_fini(&stored);
    return ok;
}

bool store_range_get(struct store *s, struct store_range *r, struct err *e)
{
    struct txn_set before;
    struct block_head h = {0};
    uint64_t backlog = 0;
    bool got = false, ok = true;

    *r = (struct store_range){0};
    pthread_mutex_lock(&s->lock);
    r->has_begin = s->has_begin;
    r->segments = (uint32_t)s->segments.n;
    for (size_t i = 0; i < s->segments.n; i++)
        r->bytes += s->segments.at[i]->bytes;
    txn_set_copy(&before, s->segments.n > 0 ? &s->segments.at[0]->head.before : &s->begin);
    txn_set_copy(&r->kept, &s->set);
    r->purged = s->has_begin && !txn_set_equal(&before, &s->begin);
    pthread_mutex_unlock(&s->lock);
    txn_set_subtract(&r->kept, &before);
    if (r->has_begin && !txn_set_is_empty(&r->kept))
        ok = first_block(s, &before, &h, &backlog, &got, e);
    if (ok && got) {
        r->oldest.us = h.first_commit_us;
        pthread_mutex_lock(&s->lock);
        r->newest.us = s->last_commit_us;
        pthread_mutex_unlock(&s->lock);
    }
    txn_set_fini(&before);
    if (!ok)
        store_range_fini(r);
    return ok;
}

void store_range_fini(struct store_range *r)
{
    txn_set_fini(&r->kept);
}

void store_limits_get(const struct store *s, struct store_limits *l)
{
    *l = (struct store_limits){s->o.retention_bytes, s->o.retention_us, s->o.retention_limit_bytes};
}

/* --- readers ------------------------------------------------------------------------------------
 */

static void copy_readers(struct store *s, struct store_readers_view *v)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->readers.n; i++) {
        struct store_reader_view r = {.name = must_strdup(s->readers.at[i].name)};

        txn_set_copy(&r.low, &s->readers.at[i].low);
        vec_push(&v->readers, r);
    }
    pthread_mutex_unlock(&s->lock);
}

static bool measure_reader(struct store *s, struct store_reader_view *r, struct err *e)
{
    struct block_head h;
    struct txn_set behind;
    bool got = false;

    store_set(s, &behind);
    txn_set_subtract(&behind, &r->low);
    r->behind_txns = txn_set_count(&behind);
    bool is_behind = !txn_set_is_empty(&behind);
    txn_set_fini(&behind);
    if (!is_behind)
        return true;
    if (!first_block(s, &r->low, &h, &r->behind_bytes, &got, e)) {
        r->lost = e->code == ERR_STORE_POSITION;
        if (r->lost)
            err_clear(e);
        return r->lost;
    }
    if (got)
        r->next_commit.us = h.first_commit_us;
    return true;
}

bool store_readers_get(struct store *s, struct store_readers_view *v, struct err *e)
{
    *v = (struct store_readers_view){0};
    copy_readers(s, v);
    for (size_t i = 0; i < v->readers.n; i++)
        if (!measure_reader(s, &v->readers.at[i], e)) {
            store_readers_fini(v);
            return false;
        }
    return true;
}

void store_readers_fini(struct store_readers_view *v)
{
    for (size_t i = 0; i < v->readers.n; i++) {
        free(v->readers.at[i].name);
        txn_set_fini(&v->readers.at[i].low);
    }
    vec_fini(&v->readers);
}

/* --- places -------------------------------------------------------------------------------------
 */

bool store_place_parse(const char *text, struct store_place *p, struct err *e)
{
    const char *equals = strrchr(text, '=');
    char *end = NULL;

    *p = (struct store_place){.given = true};
    if (equals && equals > text && equals - text <= ORIGIN_MAX) {
        p->id.origin = origin_intern(text, (size_t)(equals - text));
        p->id.seq = strtoull(equals + 1, &end, 10);
        if (equals[1] >= '0' && equals[1] <= '9' && *end == '\0')
            return true;
    }
    p->is_time = true;
    return wall_parse(text, &p->time) ||
           err_set(e, ERR_INVALID,
                   "'%s' is no place in a log: give a transaction such as mariadb:0=123, or a "
                   "commit time such as 2026-11-21T08:00:00Z",
                   text);
}

static bool refuse_place(struct store *s, const struct store_place *p, const char *why,
                         struct err *e)
{
    char oldest[WALL_TEXT_MAX], newest[WALL_TEXT_MAX], place[WALL_TEXT_MAX + ORIGIN_MAX];
    struct store_range r;
    struct buf text;

    if (!store_range_get(s, &r, e))
        return false;
    buf_init(&text, RANGE_TEXT_MAX);
    txn_set_format(&r.kept, &text);
    wall_format(r.oldest, oldest);
    wall_format(r.newest, newest);
    if (p->is_time)
        wall_format(p->time, place);
    else
        snprintf(place, sizeof place, "%s=%llu", p->id.origin, (unsigned long long)p->id.seq);
    if (txn_set_is_empty(&r.kept))
        (void)err_set(e, ERR_STORE_POSITION, "%s %s: this store holds nothing yet", place, why);
    else
        (void)err_set(e, ERR_STORE_POSITION, "%s %s: this store holds %s, committed %s to %s",
                      place, why, buf_ok(&text) ? buf_cstr(&text) : "many ranges", oldest, newest);
    buf_fini(&text);
    store_range_fini(&r);
    return false;
}

/* The segment to begin in; under the lock. NULL text: found. */
static const char *choose(const struct store *s, const struct store_place *p, size_t *at)
{
    size_t n = s->segments.n;

    *at = 0;
    if (!p->given)
        return NULL;
    if (n == 0)
        return "is not in the log";
    if (p->is_time) {
        if (p->time.us > s->last_commit_us)
            return "is after everything in the log";
        while (*at + 1 < n && s->segments.at[*at]->last_commit_us < p->time.us)
            ++*at;
        return NULL;
    }
    if (!txn_set_has(&s->set, p->id))
        return "is not in the log (yet)";
    if (txn_set_has(&s->segments.at[0]->head.before, p->id))
        return "is before what is kept";
    for (size_t i = n; i-- > 1 && *at == 0;)
        if (!txn_set_has(&s->segments.at[i]->head.before, p->id))
            *at = i;
    return NULL;
}

bool store_after_for(struct store *s, const struct store_place *p, struct txn_set *after,
                     struct err *e)
{
    const char *why;
    struct store_range r;
    bool has_begin, too_old = false;
    size_t at;

    pthread_mutex_lock(&s->lock);
    has_begin = s->has_begin;
    why = choose(s, p, &at);
    if (has_begin && !why)
        txn_set_copy(after, s->segments.n > 0 ? &s->segments.at[at]->head.before : &s->begin);
    pthread_mutex_unlock(&s->lock);
    if (!has_begin)
        return err_set(e, ERR_UNAVAILABLE, "the store has not heard its source yet");
    if (why)
        return refuse_place(s, p, why, e);
    if (p->given && p->is_time && at == 0) { /* the log may begin later than that */
        if (!store_range_get(s, &r, e)) {
            txn_set_fini(after);
            return false;
        }
        too_old = r.purged && p->time.us < r.oldest.us;
        store_range_fini(&r);
    }
    if (!too_old)
        return true;
    txn_set_fini(after);
    return refuse_place(s, p, "is before what is kept", e);
}

/* --- table versions -----------------------------------------------------------------------------
 */

struct defs {
    struct {
        const struct table_def **at;
        size_t n, cap;
    } list;
};

static bool add_defs(struct view records, struct defs *d, struct err *e)
{
    struct cursor c = cursor_of(records.p, records.len);
    const struct table_def *t;
    struct record r;

    while (record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);

        if (r.type != RECORD_TABLE_VERSION)
            continue;
        if (!table_def_decode(&body, &t, e))
            return err_wrap(e, "read a table version");
        vec_push(&d->list, t);
    }
    return true;
}

/* Those of the last segment's blocks: its preamble has only what came before it. */
static bool tail_defs(struct store *s, const struct txn_set *after, struct defs *d, struct err *e)
{
    struct buf tables, stored, raw;
    struct store_reader *r = NULL;
    struct block_head h;
    bool got = true, ok;

    buf_init(&tables, 64u << 20);
    buf_init(&stored, BLOCK_RAW_MAX + (1u << 20));
    buf_init(&raw, BLOCK_RAW_MAX);
    ok = store_reader_open(s, after, &tables, &r, e) &&
         add_defs((struct view){tables.p, tables.len}, d, e);
    while (ok && got) {
        ok = store_reader_next(r, 0, &h, &stored, &got, e);
        if (ok && got)
            ok = block_decode(&h, (struct view){stored.p + BLOCK_HEADER_SIZE, h.stored_len}, &raw,
                              e) &&
                 add_defs((struct view){raw.p, raw.len}, d, e);
    }
    store_reader_close(r);
    buf_fini(&tables);
    buf_fini(&stored);
    buf_fini(&raw);
    return ok;
}

bool store_each_table(struct store *s, void (*see)(void *arg, const struct table_def *t), void *arg,
                      struct err *e)
{
    struct txn_set after;
    struct defs d = {0};
    bool ok = true, any;

    txn_set_init(&after);
    pthread_mutex_lock(&s->lock);
    any = s->has_begin && s->segments.n > 0;
    for (size_t i = 0; i < s->segments.n; i++) {
        const struct segment_head *h = &s->segments.at[i]->head;

        for (size_t k = 0; k < h->tables.n; k++)
            vec_push(&d.list, table_def_ref(h->tables.at[k]));
    }
    if (any)
        txn_set_copy(&after, &s->segments.at[s->segments.n - 1]->head.before);
    pthread_mutex_unlock(&s->lock);
    if (any)
        ok = tail_defs(s, &after, &d, e);
    for (size_t i = 0; i < d.list.n; i++) {
        if (ok)
            see(arg, d.list.at[i]);
        table_def_unref(d.list.at[i]);
    }
    vec_fini(&d.list);
    txn_set_fini(&after);
    return ok;
}
