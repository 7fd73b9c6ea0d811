/* The window's inside; see window.h. */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_WINDOW_PRIV_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_WINDOW_PRIV_H

#include "components/incr_sync/core/keyset.h"
#include "components/incr_sync/core/window.h"

struct window_slot {
    bool busy;
    struct txn_set done; /* committed by this slot, as its progress row says */
    struct window_group group;
};
struct window_entry {
    struct source_txn *t; /* NULL: committed, and released */
    struct txn_id id;
    uint64_t covers_from;
    struct wall beat;
};
struct window {
    struct window_limits limits;
    struct window_entry *ring; /* by order % cap */
    uint64_t cap;
    uint64_t head;    /* order of the oldest that is not DONE (== next: none) */
    uint64_t waiting; /* no WAITING one is older than this */
    uint64_t next;    /* order of the next that arrives */
    uint64_t bytes;   /* of those that are not committed */
    uint64_t n_open;  /* not DONE */
    uint32_t n_flying;
    bool exclusive;   /* a barrier, or one that must be alone, is in flight */
    bool settled;     /* the last scan found nothing to start, and nothing has changed since */
    struct wall beat; /* the newest heartbeat that low has passed */
    bool giving_way;  /* strict: something was rolled back; nothing starts before all has ended */
    uint64_t turns;   /* given so far */
    struct window_allowance allowed;
    const struct source_txn *refused;
    struct source_txn *held;
    struct keyset flying, passed;
    struct keyset closed; /* tables that the rest of the scan may not touch */
    struct txn_set low;
    struct txn_set saved; /* the newest low in a progress row of the target */
    struct window_slot *slots;
    window_release *release;
    void *release_arg;
};
static inline struct window_entry *window_entry(const struct window *w, uint64_t order)
{
    return &w->ring[order & (w->cap - 1)];
}
/* NULL: committed. */
static inline struct source_txn *window_at(const struct window *w, uint64_t order)
{
    return window_entry(w, order)->t;
}
/* A DDL that only what touches its tables waits for. */
static inline bool window_is_partial(const struct window *w, const struct source_txn *t)
{
    return t->class_ == SOURCE_DDL && t->n_tags > 0 && !w->limits.strict;
}

#endif
