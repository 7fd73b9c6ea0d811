/*
 * The window: transactions between what is committed (`low`) and what has arrived; which of them
 * may be committed next, together, by a free slot; and what follows from each outcome. The apply
 * scheduler, without threads, clocks or servers.
 *
 * Invariants
 *  - Two transactions with a key in common are committed in the source's order (A17): a group takes
 *    a transaction only if its keys clash neither with groups in flight nor with a transaction that
 *    this scan passed over; inside a group the order is the source's.
 *  - Everything inside `low` is committed and acknowledged; a group carries low as it was when the
 *    group was formed, and its slot's done: what this slot committed above low, the group included
 *    (A5). The union over the slots' rows on the target holds every commit and nothing else.
 *  - Nothing behind a barrier, or behind a DDL whose tables are not surely known, starts before it
 *    is committed or passed, and it starts only when it is the oldest and nothing is in flight
 * (E1).
 *  - A DDL with tags is offered at the gate when it is the oldest: everything before it is
 * committed. What lies behind it and touches none of its tables goes on meanwhile; what touches
 * one, and what has a key in common with something that waits so, does not start before it has
 * passed (A2). So nothing in flight touches its tables while it is at the gate, and DDLs run one by
 * one in the source's order. In strict order every DDL is a barrier.
 *  - A transaction of class TABLES starts when nothing in flight and nothing that waits before it
 *    touches its tables, and what touches them waits for it.
 *  - In strict order (E2) a group holds the oldest waiting transactions without a gap, so that
 *    commits in the order of turns leave a prefix; after one that was rolled back nothing starts
 *    until nothing is in flight.
 *  - A failed group is retried one by one in order; a transaction that fails by itself waits for
 *    everything before it and is tried alone; only then its conflict is reported (A17). Everything
 *    before it: or all that a DDL does not hold, if what it holds touches other tables.
 *
 * Called by the dispatching thread alone. Pure. Nothing here can fail: a full window refuses to be
 * pushed to (window_has_room).
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_WINDOW_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/vec.h"
#include "components/incr_sync/core/source_block.h"
#include "components/record/txn_id.h"

#define WINDOW_TXNS_MAX 65536

struct window_limits {
    uint32_t slots;
    uint32_t group_txns;   /* at most so many together */
    uint64_t group_bytes;  /* a group stops growing beyond */
    uint64_t bulk_bytes;   /* a transaction of more goes in a group of its own */
    uint64_t bytes;        /* the window refuses more than this (but always takes one) */
    uint32_t txns;         /* and more than this; <= WINDOW_TXNS_MAX */
    uint32_t scan_skips;   /* a scan ends after passing over so many */
    bool strict;           /* groups follow each other without a gap, see turn */
    bool test_ignore_keys; /* for the simulation's check of itself: never set elsewhere */
};

struct window_group { /* what one slot does in one target transaction; the window's memory */
    uint32_t slot;
    VEC(struct source_txn *) txns; /* in the source's order; none = progress only */
    uint64_t bytes, changes;
    uint64_t turn;            /* counts the groups; in strict order they must be committed by it */
    bool alone;               /* everything before is committed, nothing else is in flight */
    struct txn_set low, done; /* of the slot's progress row */
};

/* What a limit of speed leaves for the next groups. Without one: everything. */
struct window_allowance {
    uint64_t changes, bytes;
    bool any_changes, any_bytes; /* one transaction of any size may go */
};

enum window_outcome {
    WINDOW_COMMITTED,
    WINDOW_RETRY,
    WINDOW_CONFLICT,
    WINDOW_YIELDED, /* strict: rolled back because an earlier one was, or had to wait for it */
};
enum window_next {
    WINDOW_ON,       /* go on */
    WINDOW_BACK_OFF, /* the same transaction failed again and again: wait a little before dispatch
                      */
    WINDOW_HELD,     /* a conflict that needs a person: window_held(); nothing is dispatched */
};

struct window;
/* low: everything before is committed or not wanted; saved: what the target's progress rows hold of
 * it; done: committed above low, as the takeover found it. release gets each transaction once, when
 * nothing needs it any more: it is committed, whether low has passed it or not. */
typedef void window_release(void *arg, struct source_txn *t);
struct window *window_new(const struct window_limits *l, const struct txn_set *low,
                          const struct txn_set *saved, const struct txn_set *done,
                          window_release *release, void *arg);
/* Releases what is still inside. */
void window_free(struct window *w);

bool window_has_room(const struct window *w);
void window_push(struct window *w, struct source_txn *t);
/* Holds for the groups that are formed from now on. */
void window_allow(struct window *w, const struct window_allowance *a);
/* Forms a group for a free slot; NULL: nothing may start now. */
struct window_group *window_group(struct window *w, uint32_t slot);
/* The transaction that the last group was not begun with because the allowance is too small for it;
 * NULL: that was not the reason. */
const struct source_txn *window_refused(const struct window *w);
/* A group without transactions, that only writes progress; slot must be free. */
struct window_group *window_progress(struct window *w, uint32_t slot);
/* The turn of the next group that is formed. */
uint64_t window_next_turn(const struct window *w);
/* The group that a busy slot works on. */
const struct window_group *window_group_of(const struct window *w, uint32_t slot);
/* What became of the slot's group; the group is void afterwards. */
enum window_next window_outcome(struct window *w, uint32_t slot, enum window_outcome outcome);

/* The DDL at the head of the window with everything before it committed; NULL: none. Nothing in
 * flight touches its tables. */
struct source_txn *window_gate(const struct window *w);
/* The DDL at the gate is dealt with: low passes it and it is released, or its rows are written
 * next. */
void window_pass(struct window *w);
/* The transaction in conflict; NULL: none. */
struct source_txn *window_held(const struct window *w);
/* Try the held transaction again. */
void window_retry(struct window *w);

const struct txn_set *window_low(const struct window *w);
/* Everything committed: low and the slots' done. */
void window_committed(const struct window *w, struct txn_set *out);
/* The oldest transaction that is not committed; NULL: none. */
const struct source_txn *window_oldest(const struct window *w);
/* The oldest transaction that no slot works on; NULL: none. */
const struct source_txn *window_waiting(const struct window *w);
/* Is any of the keys in flight? */
bool window_flies(const struct window *w, const uint64_t *keys, size_t n);
uint32_t window_in_flight(const struct window *w); /* groups */
uint64_t window_pending(const struct window *w);   /* transactions not committed, in flight too */
uint64_t window_bytes(const struct window *w);     /* of those that are not committed */
/* The newest heartbeat that low has passed; 0 = none. */
struct wall window_beat(const struct window *w);
/* Transactions are counted as they come: so many have arrived; low has passed so many. */
uint64_t window_arrived(const struct window *w);
uint64_t window_passed(const struct window *w);
/* What the target's progress rows hold of low: what a restart will surely find. */
const struct txn_set *window_saved(const struct window *w);
/* low holds something that no progress row on the target holds yet. */
bool window_progress_is_stale(const struct window *w);

#endif
