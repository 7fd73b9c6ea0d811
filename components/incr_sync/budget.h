/*
 * How many bytes of blocks may be in memory at once: taken by the reader for each block, given back
 * when the block's last transaction has committed. This is Incr-Sync's flow control: the reader
 * waits here, then the Store's socket fills, then the Store waits. Thread: any; takes its own lock.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_BUDGET_H
#define OMS_COMPONENTS_INCR_SYNC_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;
struct budget *budget_new(size_t bytes, uint32_t items);
void budget_free(struct budget *b);
/* Takes n bytes and one item, waiting at most timeout_ms; what is larger than all of it is given
 * when nothing else is out. */
bool budget_take(struct budget *b, size_t n, int64_t timeout_ms);
/* Takes without asking: for what may not wait (a transaction half read, growth of a block). */
void budget_force(struct budget *b, size_t n, uint32_t items);
void budget_give(struct budget *b, size_t n, uint32_t items);

#endif
