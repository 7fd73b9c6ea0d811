/*
 * The project's own limits of speed: two token buckets, rows and bytes. A bucket fills at its rate
 * and holds what BURST_MS bring. A transaction starts when the buckets have enough for it; one that
 * is larger than a bucket starts when that bucket is full, and leaves a debt that is waited for
 * afterwards: it is never split, and over time the rate is kept.
 *
 * A bucket that was emptied is half filled before the next start, and after something did not fit
 * there must be enough for it: a slow rate must not turn into commits of one row. Called by the
 * dispatching thread alone. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_PACE_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"
#include "components/incr_sync/core/window.h"

struct bucket {
    uint64_t rate; /* a second; 0 = no limit */
    double left;   /* less than 0: a debt */
    double want;   /* nothing starts before so much is there */
};
struct pace {
    struct bucket rows, bytes;
    struct mono at; /* when `left` was true */
};

/* Without limits. */
void pace_init(struct pace *p, struct mono now);
/* 0 = no limit. A bucket that gets its first limit is full; one that loses it forgets its debt. */
void pace_set(struct pace *p, uint64_t rows_per_s, uint64_t bytes_per_s, struct mono now);
/* False: nothing may start now. Else what the next group may have. */
bool pace_allows(struct pace *p, struct mono now, struct window_allowance *out);
/* A group starts, or is found to have been larger than was known when it started. */
void pace_take(struct pace *p, uint64_t rows, uint64_t bytes);
/* The window refused a transaction of this size: wait until it may go. */
void pace_shut(struct pace *p, uint64_t rows, uint64_t bytes);
/* Until something may start; 0 = now. */
int64_t pace_wait_ms(const struct pace *p, struct mono now);

#endif
