/*
 * How far behind, and whether that is caught up. By heartbeat where one is written: a row says when
 * it was written, and has arrived once everything before it is committed; so its delay is the lag,
 * and its age, once the next is due, bounds it. Else by commit time. Functions of facts, never
 * stored. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_LAG_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"

struct lag_facts {
    struct wall now;
    bool connected;           /* to the Store */
    int64_t store_silent_ms;  /* since the Store last said anything */
    struct wall source_heard; /* when the Store last heard its source; 0 = never */
    struct wall source_time;  /* the newest commit or end of the log that the Store met; 0 = none */
    struct wall oldest_commit; /* of the oldest transaction not committed here; 0 = none */
    struct wall newest_commit; /* of the newest one committed here; 0 = none yet */
    bool more_in_store;        /* the Store has published what has not arrived here */
    struct wall level_at; /* the newest time at which everything the Store had published then is
                             committed now; 0 = never */
    bool indexes_done;    /* unique secondary indexes exist (A10) */
    int64_t caught_up_lag_ms;
    struct wall beat_at;   /* the newest heartbeat with everything before it committed; 0 = none */
    int64_t beat_delay_ms; /* how old it was when that became true */
    int64_t beat_every_ms; /* 0 = none are asked for */
};
#define LAG_HEARD_LIMIT_MS 5000
#define LAG_BEAT_SLACK_MS                                                   \
    250 /* a heartbeat may be so late before it counts, or half an interval \
         */
/* A Store that reads along meets the end of the source's log or a commit at least this often: a
 * heartbeat a second, and commit times are whole seconds. Older: it is still catching up itself. */
#define LAG_STORE_BEHIND_MS 3000
#define LAG_UNKNOWN (-1)

enum lag_kind { LAG_BY_COMMIT_TIME, LAG_BY_HEARTBEAT };
struct lag {
    int64_t ms; /* LAG_UNKNOWN: blind */
    enum lag_kind kind;
};
struct lag lag_now(const struct lag_facts *f);
/* The Store is not connected or silent, or has heard nothing of its source, for 5 s: nothing can be
 * said. */
bool lag_is_blind(const struct lag_facts *f);
/* Lag known and below the limit, everything that was published within the limit committed, the
 * unique indexes there. Under a constant load something is always in flight: hence "within". */
bool lag_is_caught_up(const struct lag_facts *f);
/* Until a backlog is gone; LAG_UNKNOWN when it does not shrink. */
int64_t lag_drain_ms(uint64_t backlog, double out_rate, double in_rate);

#endif
