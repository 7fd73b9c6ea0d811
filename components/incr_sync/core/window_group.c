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
    return t->care == CARE_SOLO || t->class_ == SOURCE_TABLES || t->bytes > w->limits.bulk_bytes;
}

/* --- tables -------------------------------------------------------------------------------------
 */

static bool touches(const struct source_txn *a, const struct source_txn *b)
{
    for (uint32_t i = 0; i < a->n_tags; i++)
        for (uint32_t k = 0; k < b->n_tags; k++)
            if (a->tags[i] == b->tags[k])
                return true;
    return false;
}

static bool flies_with(const struct window *w, const struct source_txn *t)
{
    for (uint32_t s = 0; s < w->limits.slots; s++)
        for (size_t i = 0; w->slots[s].busy && i < w->slots[s].group.txns.n; i++)
            if (touches(w->slots[s].group.txns.at[i], t))
                return true;
    return false;
}

static bool waits_behind(const struct window *w, const struct source_txn *t)
{
    for (uint64_t o = w->waiting; o < t->order; o++) {
        const struct source_txn *other = window_at(w, o);

        if (other && other->state == SOURCE_WAITING && touches(other, t))
            return true;
    }
    return false;
}

/* Those of a transaction in flight that has its tables for itself. */
static void close_flying(struct window *w)
{
    for (uint32_t s = 0; s < w->limits.slots; s++) {
        const struct window_group *g = &w->slots[s].group;

        if (w->slots[s].busy && g->txns.n == 1 && g->txns.at[0]->class_ == SOURCE_TABLES)
            keyset_add(&w->closed, g->txns.at[0]->tags, g->txns.at[0]->n_tags);
    }
}

static bool is_closed(const struct window *w, const struct source_txn *t)
{
    return w->closed.n > 0 && keyset_has_any(&w->closed, t->tags, t->n_tags);
}

static bool is_all_closed(const struct window *w, const struct source_txn *t)
{
    for (uint32_t i = 0; i < t->n_tags; i++)
        if (!keyset_has_any(&w->closed, &t->tags[i], 1))
            return false;
    return true;
}

/* --- one transaction ----------------------------------------------------------------------------
 */

static bool clashes(const struct window *w, const struct source_txn *t)
{
    if (w->limits.test_ignore_keys)
        return false;
    return keyset_has_any(&w->flying, t->keys, t->n_keys) ||
           (w->passed.n > 0 && keyset_has_any(&w->passed, t->keys, t->n_keys)) ||
           (t->class_ == SOURCE_TABLES && (flies_with(w, t) || waits_behind(w, t)));
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

/* It stays where it is, its keys, or tables, closed for the rest of the scan. False: the scan ends
 * here. */
static bool pass_over(struct window *w, const struct source_txn *t, uint32_t *passed)
{
    if (w->limits.strict)
        return false;
    if (t->class_ == SOURCE_TABLES)
        keyset_add(&w->closed, t->tags, t->n_tags);
    keyset_add(&w->passed, t->keys, t->n_keys);
    return ++*passed < w->limits.scan_skips;
}

/* So does one whose tables are closed; however many they are, others may go on. Keys are closed
 * with all of its tables. */
static bool pass_over_closed(struct window *w, const struct source_txn *t)
{
    if (w->limits.strict)
        return false;
    if (t->class_ == SOURCE_TABLES)
        keyset_add(&w->closed, t->tags, t->n_tags);
    else if (!is_all_closed(w, t))
        keyset_add(&w->passed, t->keys, t->n_keys);
    return true;
}

/* With nothing in flight and nothing taken, what was passed over waits for a DDL. */
static bool may_be_alone(struct window *w, const struct window_group *g, const struct source_txn *t)
{
    if (g->txns.n > 0 || w->n_flying > 0 || !is_allowed(w, g, t))
        return false;
    if (t->order == w->head)
        return true;
    return t->class_ != SOURCE_BARRIER && !is_closed(w, t) && !clashes(w, t) && !waits_behind(w, t);
}

static void take_alone(struct window *w, struct window_group *g, struct source_txn *t)
{
    if (!may_be_alone(w, g, t))
        return;
    take_txn(g, t);
    g->alone = w->exclusive = true;
}

enum scan_step { SCAN_TAKEN, SCAN_PASSED, SCAN_ENDS };

static enum scan_step scan_one(struct window *w, struct window_group *g, struct source_txn *t,
                               uint32_t *passed)
{
    if (t->class_ == SOURCE_DDL) {
        keyset_add(&w->closed, t->tags, t->n_tags);
        return window_is_partial(w, t) ? SCAN_PASSED : SCAN_ENDS;
    }
    if (must_be_alone(t)) {
        take_alone(w, g, t);
        return SCAN_ENDS;
    }
    if (is_closed(w, t))
        return pass_over_closed(w, t) ? SCAN_PASSED : SCAN_ENDS;
    if (clashes(w, t))
        return pass_over(w, t, passed) ? SCAN_PASSED : SCAN_ENDS;
    if ((g->txns.n > 0 && wants_own_group(w, t)) || !is_allowed(w, g, t))
        return SCAN_ENDS;
    take_txn(g, t);
    return wants_own_group(w, t) ? SCAN_ENDS : SCAN_TAKEN;
}

static void scan(struct window *w, struct window_group *g)
{
    uint32_t passed = 0;

    keyset_clear(&w->passed);
    keyset_clear(&w->closed);
    close_flying(w);
    for (uint64_t o = w->waiting; o < w->next; o++) {
        struct source_txn *t = window_at(w, o);

        if (!t || t->state != SOURCE_WAITING)
            continue;
        if (g->txns.n >= w->limits.group_txns || g->bytes >= w->limits.group_bytes ||
            scan_one(w, g, t, &passed) == SCAN_ENDS)
            return;
    }
}

/* The oldest waiting order only moves over what is not waiting: a short walk. */
static void find_waiting(struct window *w)
{
    while (w->waiting < w->next &&
           (!window_at(w, w->waiting) || window_at(w, w->waiting)->state != SOURCE_WAITING))
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
    if (w->exclusive || w->held || w->giving_way || w->settled)
        return NULL;
    find_waiting(w);
    empty_group(&s->group);
    scan(w, &s->group);
    w->settled = s->group.txns.n == 0 && !w->refused;
    return s->group.txns.n > 0 ? launch(w, s) : NULL;
}

struct window_group *window_progress(struct window *w, uint32_t slot)
{
    struct window_slot *s = &w->slots[slot];

    must(!s->busy);
    empty_group(&s->group);
    return launch(w, s);
}
