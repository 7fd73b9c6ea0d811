/*
 * How many slots are at work: all of them, unless the target shows that it is too much. Its own
 * words halve the number (a lock wait that timed out, too many connections, no memory, no space;
 * deadlocks, when they come often), at most once a second, because the groups that were in flight
 * together fail together; every RAISE_MS without them adds one. So do statements that are
 * SLOWER times slower than they were while all slots are busy. A slot that is added must
 * pay: when the time per change grows by more than the slots did, it is taken away again, and the
 * next try waits twice as long. One slot always works.
 *
 * Outlives a claim, because what ends a claim may be pressure. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_PRESSURE_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"

enum pressure_sign {
    PRESSURE_NONE,
    PRESSURE_DEADLOCK, /* one is ordinary, many are pressure */
    PRESSURE_HARD,
};

struct pressure {
    uint32_t most, active;
    struct mono lowered, next; /* next: when a slot may be added */
    int64_t raise_ms;          /* grows while added slots do not pay */
    double deadlocks;          /* fades with commits */
    struct mono period;        /* of measuring: its begin */
    uint32_t ticks, ticks_busy;
    uint64_t groups, changes;
    int64_t busy_ns;
    double usual;  /* ns a change, smoothed; 0 = not known */
    double before; /* ns a change with one slot less, while one is on trial; else 0 */
};

/* Does nothing when the number of slots is what it was. */
void pressure_init(struct pressure *p, uint32_t slots, struct mono now);
/* Something failed. True: fewer slots now. */
bool pressure_failed(struct pressure *p, enum pressure_sign sign, struct mono now);
/* A group was committed. */
void pressure_committed(struct pressure *p, uint64_t changes, int64_t took_ns);
/* Called a few times a second. all_busy: every active slot is, and more waits. True: the number
 * changed. */
bool pressure_tick(struct pressure *p, bool all_busy, struct mono now);

#endif
