/*
 * From filled buffers to published blocks. Packing threads compress the larger ones side by side;
 * the writer thread takes all of them in the order in which they were submitted, packs the small
 * ones itself (when little comes, a block's way has one thread less), appends, syncs in groups
 * (when nothing more waits, every SYNC_MS, or every SYNC_BYTES) and so publishes. While
 * batches wait for a packer, blocks are packed less tightly: a backlog is limited by the processor.
 *
 * Bounds: BATCHES buffers, and IN_FLIGHT_MAX bytes in them; beyond either the puller waits. A
 * packer owns its batch's output, so none can hold what another needs to go on. A full disk makes
 * the writer wait and try again; any other error ends it and is found by writer_failed().
 */
#ifndef OMS_COMPONENTS_STORE_WRITER_H
#define OMS_COMPONENTS_STORE_WRITER_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/store/store.h"

struct writer;
struct batch { /* whole records for one block */
    struct buf records;
    bool inside_txn;
};
/* level: of compression; 0 = none. */
bool writer_start(struct store *s, int level, struct writer **w, struct err *e) MUST_CHECK;
/* An empty batch to fill; NULL: none within timeout_ms. Thread: puller. */
struct batch *writer_empty(struct writer *w, int64_t timeout_ms);
void writer_give_back(struct writer *w, struct batch *b); /* unused */
void writer_submit(struct writer *w, struct batch *b);
/* True: the writer has ended with *e. */
bool writer_failed(struct writer *w, struct err *e);
/* True: it waits for room on the disk now. */
bool writer_is_full(struct writer *w);
/* Writes what was submitted, syncs, ends. NULL is fine. */
void writer_stop(struct writer *w);

#endif
