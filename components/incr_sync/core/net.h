/*
 * Net changes (correctness A16): within a group of whole source transactions that are committed
 * together, several changes of one row become one: insert + update = insert, insert + delete =
 * nothing, update + update = update, update + delete = delete, delete + insert = update. What the
 * group leaves on the target is the same; what lies between was never visible.
 *
 * Invariants
 *  - Changes are of one row only if their tables are one and the same, their row keys are equal
 *    byte for byte, and every unique key of that table is one whose bytes decide equality on both
 *    servers (dep_key.h).
 *  - A change that joins an earlier one passes all that came between: it may do so only if none of
 *    these touched any key of its key set (every unique key, before and after). What changes a
 *    unique key is never joined, nor joined to; nor are incomplete images and tables without keys.
 *  - What no history can hold (two inserts of one row) stays as it came, so that the server refuses
 *    it: nothing is hidden.
 *  - In the overlap of copy and log (A9) the last change of the row stands for all: an insert or
 *    update writes the whole row whatever is there, and a deleted row is deleted though its insert
 *    was seen, because the copy may have it.
 *  - changes added = changes that come out + changes cancelled out, per table as well.
 *
 * A wrong decision here could only make the server refuse the group, which is then rolled back and
 * retried one transaction at a time, unmerged: each net change writes the whole final image of its
 * own row. One instance per worker thread. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_NET_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "components/incr_sync/core/source_block.h"

struct net_change { /* views are those of the source's changes */
    const struct sync_table *table;
    enum change_op op;
    bool overlap, has_absent;
    bool no_checks; /* foreign key checks were off; of tables of a family, which are never joined */
    struct view before, after;
    uint32_t stands_for; /* source changes */
};
struct net_options {
    bool merge; /* false: everything stays as it came */
    /* May a row that is deleted and inserted again be updated instead? Only where the target's
     * table has no columns of its own. NULL: never. */
    bool (*may_replace)(void *arg, const struct sync_table *t);
    void *arg;
};

struct net;
struct net *net_new(void);
void net_free(struct net *n);
void net_begin(struct net *n, const struct net_options *o);
/* A change of a table that is not skipped. ERR_CORRUPT: its row does not have its table's form. */
bool net_add(struct net *n, const struct txn_table *t, const struct change *ch,
             struct err *e) MUST_CHECK;
/* What is to be sent, in order; valid until the next net_begin. */
const struct net_change *net_finish(struct net *n, size_t *count);
/* Of the changes added since net_begin. */
uint64_t net_added(const struct net *n);
uint64_t net_cancelled(const struct net *n); /* after net_finish: added - count */

#endif
