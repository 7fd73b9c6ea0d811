/*
 * Row accounting: what became of the changes that the log has of each table, beyond what its copy
 * holds. Per table
 *     source = applied + merged + skipped
 * where source counts the log's changes; merged are those that another change of the same row in
 * the same target transaction took back or stands for (core/net.h); skipped were left out by a
 * person or by the policy, and are in oms_meta.skipped; applied are the operations that the target
 * carried out, each of which matched its row (in the overlap of copy and log a DELETE may find
 * nothing). There are no row filters, and what the target's own foreign keys change is in no log.
 *
 * An account is one target transaction's, filled while it is made, and added to the book when it is
 * committed. The book is the process's: it begins empty with each process. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_ACCOUNT_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_ACCOUNT_H

#include "common/base/err.h"
#include "common/base/vec.h"
#include "components/incr_sync/core/source_block.h"

struct account_row {
    const struct sync_table *table;
    uint64_t source, sent, skipped; /* sent: those that were then skipped too */
};
struct account {
    VEC(struct account_row) rows;
    size_t last; /* where the last one was found */
};
void account_begin(struct account *a); /* empties; zero is a valid account */
void account_fini(struct account *a);
void account_met(struct account *a, const struct sync_table *t);  /* a change of the log */
void account_sent(struct account *a, const struct sync_table *t); /* an operation for the target */
void account_skipped(struct account *a, const struct sync_table *t);
/* Do the sums agree with what is sent, and what was merged? ERR_BUG: they do not. */
bool account_agrees(const struct account *a, uint64_t sent, uint64_t merged,
                    struct err *e) MUST_CHECK;

struct account_total {
    char *table; /* "db.name" of the source */
    uint64_t source, applied, merged, skipped;
};
struct account_book {
    VEC(struct account_total) tables; /* ascending by name */
};
void account_book_add(struct account_book *b, const struct account *a);
void account_book_fini(struct account_book *b);

#endif
