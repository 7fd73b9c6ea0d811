#include "components/incr_sync/core/window.h"

#include <stdlib.h>

#include "common/base/must.h"
#include "components/incr_sync/core/window_priv.h"

#define WINDOW_FIRST_CAP 1024
#define FAILURES_BEFORE_ALONE 3
#define FAILURES_BEFORE_WAITING 2

struct window *window_new(const struct window_limits *l, const struct txn_set *low,
                          const struct txn_set *saved, const struct txn_set *done,
                          window_release *release, void *arg)
{
    struct window *w = must_calloc(1, sizeof *w);

    must(l->slots > 0 && l->txns > 0 && l->txns <= WINDOW_TXNS_MAX && l->group_txns > 0);
    w->limits = *l;
    w->cap = WINDOW_FIRST_CAP;
    w->ring = must_calloc(w->cap, sizeof *w->ring);
    w->release = release;
    w->release_arg = arg;
    w->allowed = (struct window_allowance){UINT64_MAX, UINT64_MAX, true, true};
    keyset_init(&w->flying);
    keyset_init(&w->passed);
    keyset_init(&w->closed);
    txn_set_init(&w->low);
    txn_set_assign(&w->low, low);
    txn_set_init(&w->saved);
    txn_set_assign(&w->saved, saved);
    w->slots = must_calloc(l->slots, sizeof *w->slots);
    for (uint32_t i = 0; i < l->slots; i++) {
        struct window_slot *s = &w->slots[i];

        /* The takeover's done must stay on the target until low has passed it, whichever row is
         * written first: each slot carries all of it. */
        txn_set_init(&s->done);
        txn_set_assign(&s->done, done);
        txn_set_init(&s->group.low);
        txn_set_init(&s->group.done);
        s->group.slot = i;
    }
    return w;
}

void window_free(struct window *w)
{
    if (!w)
        return;
    for (uint64_t o = w->head; o < w->next; o++)
        if (window_at(w, o))
            w->release(w->release_arg, window_at(w, o));
    for (uint32_t i = 0; i < w->limits.slots; i++) {
        txn_set_fini(&w->slots[i].done);
        txn_set_fini(&w->slots[i].group.low);
        txn_set_fini(&w->slots[i].group.done);
        vec_fini(&w->slots[i].group.txns);
    }
    free(w->slots);
    keyset_fini(&w->flying);
    keyset_fini(&w->passed);
    keyset_fini(&w->closed);
    txn_set_fini(&w->low);
    txn_set_fini(&w->saved);
    free(w->ring);
    free(w);
}

bool window_has_room(const struct window *w)
{
    return w->next == w->head || (w->next - w->head < w->limits.txns && w->bytes < w->limits.bytes);
}

static void grow(struct window *w)
{
    uint64_t cap = w->cap * 2;
    struct window_entry *ring = must_calloc(cap, sizeof *ring);

    for (uint64_t o = w->head; o < w->next; o++)
        ring[o & (cap - 1)] = *window_entry(w, o);
    free(w->ring);
    w->ring = ring;
    w->cap = cap;
}

/* Low passes every committed transaction at the head. */
static void advance(struct window *w)
{
    for (; w->head < w->next && !window_at(w, w->head); w->head++) {
        const struct window_entry *e = window_entry(w, w->head);

        txn_set_add(&w->low, e->id.origin, e->covers_from, e->id.seq);
        if (e->beat.us > w->beat.us)
            w->beat = e->beat;
    }
    if (w->waiting < w->head)
        w->waiting = w->head;
}

/* Committed, or nothing to commit: what low needs of it stays, its memory does not. */
static void let_go(struct window *w, struct source_txn *t)
{
    t->state = SOURCE_DONE;
    w->n_open--;
    w->bytes -= t->bytes;
    window_entry(w, t->order)->t = NULL;
    w->release(w->release_arg, t);
}

void window_push(struct window *w, struct source_txn *t)
{
    if (w->next - w->head == w->cap)
        grow(w);
    t->state = SOURCE_WAITING;
    t->care = CARE_NONE;
    t->failures = 0;
    t->order = w->next;
    *window_entry(w, w->next) = (struct window_entry){t, t->id, t->covers_from, t->beat};
    w->next++;
    w->bytes += t->bytes;
    w->n_open++;
    w->settled = false;
    if (t->class_ == SOURCE_EMPTY) {
        let_go(w, t);
        advance(w);
    }
}

static void committed(struct window *w, struct window_slot *s)
{
    struct txn_set spare = s->done;

    s->done = s->group.done; /* exactly what the row on the target says now */
    s->group.done = spare;
    for (size_t i = 0; i < s->group.txns.n; i++)
        let_go(w, s->group.txns.at[i]);
    txn_set_union(&w->saved, &s->group.low);
    advance(w);
}

/* Nothing of the group is on the target: its transactions wait again where they were. */
static enum window_next rolled_back(struct window *w, struct window_slot *s,
                                    enum window_outcome outcome)
{
    enum window_next next = WINDOW_ON;
    bool single = s->group.txns.n == 1;

    for (size_t i = 0; i < s->group.txns.n; i++) {
        struct source_txn *t = s->group.txns.at[i];
        enum source_care was = t->care;

        t->state = SOURCE_WAITING;
        if (t->order < w->waiting)
            w->waiting = t->order;
        if (outcome == WINDOW_YIELDED)
            continue;
        if (!single) {
            t->care = CARE_SOLO;
            continue;
        }
        t->failures++;
        if (outcome == WINDOW_RETRY) {
            t->care = t->failures >= FAILURES_BEFORE_ALONE ? CARE_ALONE
                      : was == CARE_NONE                   ? CARE_SOLO
                                                           : was;
            if (t->failures >= FAILURES_BEFORE_WAITING)
                next = WINDOW_BACK_OFF;
        } else if (w->exclusive) {
            w->held = t;
            next = WINDOW_HELD;
        } else {
            t->care = CARE_ALONE;
        }
    }
    return next;
}

uint64_t window_next_turn(const struct window *w)
{
    return w->turns + 1;
}

const struct window_group *window_group_of(const struct window *w, uint32_t slot)
{
    must(w->slots[slot].busy);
    return &w->slots[slot].group;
}

enum window_next window_outcome(struct window *w, uint32_t slot, enum window_outcome outcome)
{
    struct window_slot *s = &w->slots[slot];
    enum window_next next = WINDOW_ON;

    must(s->busy);
    s->busy = false;
    w->settled = false;
    w->n_flying--;
    for (size_t i = 0; i < s->group.txns.n; i++)
        keyset_remove(&w->flying, s->group.txns.at[i]->keys, s->group.txns.at[i]->n_keys);
    if (outcome == WINDOW_COMMITTED)
        committed(w, s);
    else
        next = rolled_back(w, s, outcome);
    w->giving_way =
        w->n_flying > 0 && (w->giving_way || (w->limits.strict && outcome != WINDOW_COMMITTED));
    if (w->n_flying == 0)
        w->exclusive = false;
    s->group.txns.n = 0;
    return next;
}

struct source_txn *window_gate(const struct window *w)
{
    struct source_txn *t = w->head < w->next ? window_at(w, w->head) : NULL;

    if (!t || t->class_ != SOURCE_DDL)
        return NULL;
    return w->n_flying == 0 || window_is_partial(w, t) ? t : NULL;
}

void window_pass(struct window *w)
{
    struct source_txn *t = window_gate(w);

    must(t != NULL);
    w->settled = false;
    if (t->ddl && t->changes > 0) { /* the table is there now: its rows are still to come */
        t->class_ = SOURCE_BARRIER;
        return;
    }
    let_go(w, t);
    advance(w);
}

void window_allow(struct window *w, const struct window_allowance *a)
{
    w->allowed = *a;
}

const struct source_txn *window_refused(const struct window *w)
{
    return w->refused;
}

struct source_txn *window_held(const struct window *w)
{
    return w->held;
}

void window_retry(struct window *w)
{
    w->settled = false;
    w->held = NULL;
}

const struct txn_set *window_low(const struct window *w)
{
    return &w->low;
}

void window_committed(const struct window *w, struct txn_set *out)
{
    txn_set_assign(out, &w->low);
    for (uint32_t i = 0; i < w->limits.slots; i++)
        txn_set_union(out, &w->slots[i].done);
}

const struct source_txn *window_oldest(const struct window *w)
{
    return w->head < w->next ? window_at(w, w->head) : NULL;
}

const struct source_txn *window_waiting(const struct window *w)
{
    for (uint64_t o = w->waiting; o < w->next; o++)
        if (window_at(w, o) && window_at(w, o)->state == SOURCE_WAITING)
            return window_at(w, o);
    return NULL;
}

bool window_flies(const struct window *w, const uint64_t *keys, size_t n)
{
    return keyset_has_any(&w->flying, keys, n);
}

uint32_t window_in_flight(const struct window *w)
{
    return w->n_flying;
}

uint64_t window_pending(const struct window *w)
{
    return w->n_open;
}

uint64_t window_bytes(const struct window *w)
{
    return w->bytes;
}

struct wall window_beat(const struct window *w)
{
    return w->beat;
}

uint64_t window_arrived(const struct window *w)
{
    return w->next;
}

uint64_t window_passed(const struct window *w)
{
    return w->head;
}

const struct txn_set *window_saved(const struct window *w)
{
    return &w->saved;
}

bool window_progress_is_stale(const struct window *w)
{
    struct txn_set rows;
    bool stale;

    txn_set_init(&rows);
    txn_set_assign(&rows, &w->saved);
    for (uint32_t i = 0; i < w->limits.slots; i++)
        txn_set_union(&rows, &w->slots[i].done);
    stale = !txn_set_contains(&rows, &w->low);
    txn_set_fini(&rows);
    return stale;
}
