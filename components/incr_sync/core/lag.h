/*
 * How far behind, by commit time, and whether that is caught up. Functions of facts, never stored.
 * Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_LAG_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"

struct lag_facts {
    struct wall now;
    bool connected;           /* to the Store */
    struct wall source_heard; /* when the Store last heard its source; 0 = never */
    struct wall source_time;  /* the newest commit or end of the log that the Store met; 0 = none */
    struct wall oldest_commit; /* of the oldest transaction not committed here; 0 = none */
    struct wall newest_commit; /* of the newest one committed here; 0 = none yet */
    bool more_in_store;        /* the Store has published what has not arrived here */
    struct wall level_at; /* the newest time at which everything the Store had published then is
                             committed now; 0 = never */
    bool indexes_done;    /* unique secondary indexes exist (A10) */
    int64_t caught_up_lag_ms;
};
#define LAG_HEARD_LIMIT_MS 5000
/* A Store that reads along meets the end of the source's log or a commit at least this often: a
 * heartbeat a second, and commit times are whole seconds. Older: it is still catching up itself. */
#define LAG_STORE_BEHIND_MS 3000
#define LAG_UNKNOWN (-1)

/* Milliseconds; LAG_UNKNOWN when the Store has heard nothing for 5 s or is not connected. With
 * nothing pending here it is the Store's own distance from its source's end. */
int64_t lag_ms(const struct lag_facts *f);
/* Lag known and below the limit, everything that was published within the limit committed, the
 * unique indexes there. Under a constant load something is always in flight: hence "within". */
bool lag_is_caught_up(const struct lag_facts *f);

#endif
