#include "components/incr_sync/txn_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/must.h"
#include "common/os/cond.h"

struct txn_pipe {
    pthread_mutex_t lock; /* all below */
    pthread_cond_t came;
    struct source_piece *first, **end;
    bool closed;
};

struct txn_pipe *txn_pipe_new(void *arg)
{
    struct txn_pipe *p = must_calloc(1, sizeof *p);

    (void)arg;
    p->end = &p->first;
    must(pthread_mutex_init(&p->lock, NULL) == 0);
    cond_init(&p->came);
    return p;
}

void txn_pipe_put(struct txn_pipe *p, struct source_piece *piece)
{
    pthread_mutex_lock(&p->lock);
    *p->end = piece;
    p->end = &piece->next;
    pthread_cond_signal(&p->came);
    pthread_mutex_unlock(&p->lock);
}

enum queue_result txn_pipe_take(struct txn_pipe *p, int64_t timeout_ms, struct source_piece **piece)
{
    struct timespec until = cond_deadline(timeout_ms);
    enum queue_result r = QUEUE_OK;

    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->closed && pthread_cond_timedwait(&p->came, &p->lock, &until) == 0)
        ;
    if (p->closed) {
        r = QUEUE_CLOSED;
    } else if (!p->first) {
        r = QUEUE_TIMEOUT;
    } else {
        *piece = p->first;
        p->first = (*piece)->next;
        if (!p->first)
            p->end = &p->first;
    }
    pthread_mutex_unlock(&p->lock);
    return r;
}

void txn_pipe_close(struct txn_pipe *p)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_signal(&p->came);
    pthread_mutex_unlock(&p->lock);
}

void txn_pipe_free(struct txn_pipe *p, source_block_idle *idle, void *arg)
{
    while (p->first) {
        struct source_block *b = p->first->part.block;

        p->first = p->first->next; /* lives in the block */
        if (source_block_unref(b))
            idle(arg, b);
    }
    pthread_cond_destroy(&p->came);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
