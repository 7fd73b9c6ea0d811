/*
 * Bounded pointer queue: a ring under one mutex, two conditions on CLOCK_MONOTONIC. Nobody waits
 * for anything else while holding the mutex, so no cycle closes. See queue.h.
 */
#include "common/os/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/must.h"
#include "common/os/cond.h"

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_full, not_empty;
    size_t cap, n, first;
    bool closed;
    void *items[];
};

struct queue *queue_new(size_t capacity)
{
    struct queue *q = must_calloc(1, sizeof *q + capacity * sizeof q->items[0]);

    must(capacity > 0);
    q->cap = capacity;
    must(pthread_mutex_init(&q->lock, NULL) == 0);
    cond_init(&q->not_full);
    cond_init(&q->not_empty);
    return q;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->not_full);
    pthread_cond_destroy(&q->not_empty);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->not_full);
    pthread_cond_broadcast(&q->not_empty);
    pthread_mutex_unlock(&q->lock);
}

enum queue_result queue_push(struct queue *q, void *item, int64_t timeout_ms)
{
    enum queue_result r = QUEUE_OK;

    pthread_mutex_lock(&q->lock);
    if (q->n == q->cap && !q->closed && timeout_ms > 0) {
        struct timespec until = cond_deadline(timeout_ms);

        while (q->n == q->cap && !q->closed)
            if (pthread_cond_timedwait(&q->not_full, &q->lock, &until) == ETIMEDOUT)
                break;
    }
    if (q->closed) {
        r = QUEUE_CLOSED;
    } else if (q->n == q->cap) {
        r = QUEUE_TIMEOUT;
    } else {
        q->items[(q->first + q->n++) % q->cap] = item;
        pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

enum queue_result queue_pop(struct queue *q, int64_t timeout_ms, void **item)
{
    enum queue_result r = QUEUE_OK;

    pthread_mutex_lock(&q->lock);
    if (q->n == 0 && !q->closed && timeout_ms > 0) {
        struct timespec until = cond_deadline(timeout_ms);

        while (q->n == 0 && !q->closed)
            if (pthread_cond_timedwait(&q->not_empty, &q->lock, &until) == ETIMEDOUT)
                break;
    }
    if (q->n > 0) {
        *item = q->items[q->first];
        q->first = (q->first + 1) % q->cap;
        q->n--;
        pthread_cond_signal(&q->not_full);
    } else {
        r = q->closed ? QUEUE_CLOSED : QUEUE_TIMEOUT;
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

size_t queue_len(struct queue *q)
{
    size_t n;

    pthread_mutex_lock(&q->lock);
    n = q->n;
    pthread_mutex_unlock(&q->lock);
    return n;
}
