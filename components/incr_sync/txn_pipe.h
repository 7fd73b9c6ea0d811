/*
 * The pieces of one large transaction on their way from the reader to the worker that applies it.
 * What is inside is bounded by the reader's budget, which counts the blocks: the worker gives each
 * back as soon as its piece is sent. Closing it tells the worker to give the transaction up.
 * Thread: put by the reader, take by one worker, close and free by main.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_TXN_PIPE_H
#define OMS_COMPONENTS_INCR_SYNC_TXN_PIPE_H

#include "common/os/queue.h"
#include "components/incr_sync/core/source_block.h"

struct txn_pipe *txn_pipe_new(void *arg); /* an intake's `pipe`; arg is not used */
void txn_pipe_put(struct txn_pipe *p, struct source_piece *piece);
enum queue_result txn_pipe_take(struct txn_pipe *p, int64_t timeout_ms,
                                struct source_piece **piece) MUST_CHECK;
/* What is inside stays there, nothing more is given out. */
void txn_pipe_close(struct txn_pipe *p);
/* idle() gets the blocks of pieces that nobody took. */
void txn_pipe_free(struct txn_pipe *p, source_block_idle *idle, void *arg);

#endif
