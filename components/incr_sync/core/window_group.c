/*
 * Group formation: which transactions a free slot commits next. One scan from the oldest waiting
 * transaction; never waits for more to come. What a scan passed over keeps its keys closed for the
 * rest of the scan, so nothing overtakes it.
 */
#include <stdlib.h>

#include "common/base/must.h"
#include "components/incr_sync/core/window.h"
#include "components/incr_sync/core/window_priv.h"

static bool must_be_alone(const struct source_txn *t)
{
    return t->class_ == SOURCE_BARRIER || t->care == CARE_ALONE;
}

static bool wants_own_group(const struct window *w, const struct source_txn *t)
{
    return t->care == CARE_SOLO || t->bytes > w->limits.bulk_bytes;
}

static bool clashes(const struct window *w, const struct source_txn *t, uint32_t passed)
{
    if (w->limits.test_ignore_keys)
        return false;
    return keyset_has_any(&w->flying, t->keys, t->n_keys) ||
           (passed > 0 && keyset_has_any(&w->passed, t->keys, t->n_keys));
}

/* Limits of speed never split a transaction: see core/pace.h. */
static bool is_allowed(struct window *w, const struct window_group *g, const struct source_txn *t)
{
    const struct window_allowance *a = &w->allowed;
    bool first = g->txns.n == 0;
    bool ok = (g->changes + t->changes <= a->changes || (first && a->any_changes)) &&
              (g->bytes + t->bytes <= a->bytes || (first && a->any_bytes));

    if (!ok && first)
        w->refused = t;
    return ok;
}

static void take_txn(struct window_group *g, struct source_txn *t)
{
    t->state = SOURCE_FLYING;
    vec_push(&g->txns, t);
    g->bytes += t->bytes;
    g->changes += t->changes;
}

/* It stays where it is, its keys closed for the rest of the scan. False: the scan ends here. */
static bool pass_over(struct window *w, const struct source_txn *t, uint32_t *passed)
{
    if (w->limits.strict)
        return false;
    keyset_add(&w->passed, t->keys, t->n_keys);
    return ++*passed < w->limits.scan_skips;
}

static void take_alone(struct window *w, struct window_group *g, struct source_txn *t, uint64_t o)
{
    if (g->txns.n > 0 || o != w->head || w->n_flying > 0 || !is_allowed(w, g, t))
        return;
    take_txn(g, t);
    g->alone = w->exclusive = true;
}

static void scan(struct window *w, struct window_group *g)
{
    uint32_t passed = 0;

    keyset_clear(&w->passed);
    for (uint64_t o = w->waiting; o < w->next; o++) {
        struct source_txn *t = window_at(w, o);
        bool full = g->txns.n >= w->limits.group_txns || g->bytes >= w->limits.group_bytes;

        if (t->state != SOURCE_WAITING)
            continue;
        if (full || t->class_ == SOURCE_DDL)
            return;
        if (must_be_alone(t)) {
            take_alone(w, g, t, o);
            return;
        }
        if (clashes(w, t, passed)) {
            if (!pass_over(w, t, &passed))
                return;
            continue;
        }
        if ((g->txns.n > 0 && wants_own_group(w, t)) || !is_allowed(w, g, t))
            return;
        take_txn(g, t);
        if (wants_own_group(w, t))
            return;
    }
}

/* The oldest waiting order only moves over what is not waiting: a short walk. */
static void find_waiting(struct window *w)
{
    while (w->waiting < w->next && window_at(w, w->waiting)->state != SOURCE_WAITING)
        w->waiting++;
}

static struct window_group *launch(struct window *w, struct window_slot *s)
{
    struct window_group *g = &s->group;

    txn_set_assign(&g->low, &w->low);
    txn_set_assign(&g->done, &s->done);
    txn_set_subtract(&g->done, &w->low);
    for (size_t i = 0; i < g->txns.n; i++) {
        const struct source_txn *t = g->txns.at[i];

        txn_set_add(&g->done, t->id.origin, t->covers_from, t->id.seq);
        keyset_add(&w->flying, t->keys, t->n_keys);
    }
    g->turn = ++w->turns;
    s->busy = true;
    w->n_flying++;
    return g;
}

static void empty_group(struct window_group *g)
{
    g->txns.n = 0;
    g->bytes = g->changes = 0;
    g->alone = false;
}

struct window_group *window_group(struct window *w, uint32_t slot)
{
    struct window_slot *s = &w->slots[slot];

    must(!s->busy);
    w->refused = NULL;
    if (w->exclusive || w->held || w->giving_way)
        return NULL;
    find_waiting(w);
    empty_group(&s->group);
    scan(w, &s->group);
    return s->group.txns.n > 0 ? launch(w, s) : NULL;
}

struct window_group *window_progress(struct window *w, uint32_t slot)
{
    struct window_slot *s = &w->slots[slot];

    must(!s->busy);
    empty_group(&s->group);
    return launch(w, s);
}
