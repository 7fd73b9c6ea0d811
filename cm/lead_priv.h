/* Shared by lead.c and lead_cycle.c alone. */
#ifndef OMS_CM_LEAD_PRIV_H
#define OMS_CM_LEAD_PRIV_H

#include "cm/cm.h"
#include "cm/meta/meta.h"

#define LEAD_TICK_MS 250

struct lead {
    struct cm *cm;
    uv_timer_t renewal, tick;
    uv_check_t check;
    uv_idle_t no_wait;
    uint32_t lease_ms, renew_ms, host_lease_ms;
    struct meta *meta; /* NULL: not connected */
    struct mono reopen_at;
    int64_t reopen_ms;
    char holder[ID_TEXT_MAX]; /* random, of this process */
    struct meta_lease seen;   /* the row as last read */
    struct mono seen_at;      /* since when it is so, on our clock; 0 = not seen */
    uint64_t least_epoch;     /* reported by a Supervisor */
    struct cluster *cluster;  /* NULL: we do not lead */
    struct mono held_until, leading_from, last_tick, pruned_at;
    bool tick_is_due;
    int open_handles; /* while closing */
    VEC(struct cluster_event) queue;
};

/* Forgets the cluster, since it may differ from MetaDB; reconnects later if the connection is gone.
 * Everybody who waits is refused. */
void lead_meta_failed(struct lead *l, const struct err *e);
bool lead_renew(struct lead *l, struct err *e) MUST_CHECK;
void lead_on_check(uv_check_t *t);
void lead_on_tick(uv_timer_t *t);

#endif
