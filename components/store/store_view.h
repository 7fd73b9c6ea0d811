/*
 * What a Store holds, for people: what is kept from where to where, its segments, its readers, and
 * where in it a walk must begin. Copies, made under the store's lock. Thread: any.
 */
#ifndef OMS_COMPONENTS_STORE_STORE_VIEW_H
#define OMS_COMPONENTS_STORE_STORE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"
#include "components/store/store.h"

struct store_range { /* what can be read now */
    struct txn_set kept;
    struct wall oldest, newest; /* commit times; 0 = nothing is kept */
    uint64_t bytes;
    uint32_t segments;
    bool has_begin; /* the source was heard once */
    bool purged;    /* something from after the begin is not kept any more */
};
bool store_range_get(struct store *s, struct store_range *r, struct err *e) MUST_CHECK;
void store_range_fini(struct store_range *r);

struct store_reader_view {
    char *name;
    struct txn_set low;
    uint64_t behind_txns, behind_bytes;
    struct wall next_commit; /* of the oldest block it lacks something of; 0 = it has all */
    bool lost;               /* what it lacks is not kept any more */
};
struct store_readers_view {
    struct {
        struct store_reader_view *at;
        size_t n, cap;
    } readers;
};
bool store_readers_get(struct store *s, struct store_readers_view *v, struct err *e) MUST_CHECK;
void store_readers_fini(struct store_readers_view *v);

struct store_limits {
    uint64_t retention_bytes, retention_us, retention_limit_bytes;
};
void store_limits_get(const struct store *s, struct store_limits *l);

/* Every table version that is kept, newer ones of a table later; some come twice. */
bool store_each_table(struct store *s, void (*see)(void *arg, const struct table_def *t), void *arg,
                      struct err *e) MUST_CHECK;

/* A place in the log, as people give it: a transaction, or a commit time. */
struct store_place {
    bool given, is_time;
    struct txn_id id;
    struct wall time;
};
/* "mariadb:0=123" or "2026-11-21 08:00:00" (UTC). */
bool store_place_parse(const char *text, struct store_place *p, struct err *e) MUST_CHECK;
/* The set after which a reader must be opened to meet the place. ERR_STORE_POSITION with the range
 * that exists when the place is outside it; not given: the oldest that is kept. */
bool store_after_for(struct store *s, const struct store_place *p, struct txn_set *after,
                     struct err *e) MUST_CHECK;

#endif
