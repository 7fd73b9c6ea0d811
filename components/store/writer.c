/* The writer thread. See writer.h. */
#include "components/store/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/queue.h"
#include "common/os/thread.h"
#include "components/record/block.h"

#define BATCHES 4
#define SYNC_MS 10
#define SYNC_BYTES (8u << 20)
#define RETRY_MS 1000

struct writer {
    struct store *s;
    struct thread thread;
    struct queue *full, *empty;
    struct queue *stop; /* nothing is ever put in; closed by writer_stop, so a wait on it ends */
    struct batch batches[BATCHES];
    pthread_mutex_t lock;
    struct err error; /* lock */
    atomic_bool failed, disk_full, stopping;
};

static void fail(struct writer *w, const struct err *e)
{
    pthread_mutex_lock(&w->lock);
    w->error = *e;
    pthread_mutex_unlock(&w->lock);
    w->failed = true;
    log_err(LOG_ERROR, "store.write_failed", e);
}

/* Appends one block; waits while the disk is full. False: ended. */
static bool append_block(struct writer *w, struct view records, bool inside_txn)
{
    for (;;) {
        struct err e = ERR_INIT;
        void *none;

        if (store_append(w->s, records, inside_txn, &e)) {
            w->disk_full = false;
            return true;
        }
        if (e.code != ERR_NO_SPACE || w->stopping) {
            fail(w, &e);
            return false;
        }
        if (!w->disk_full)
            log_err(LOG_ERROR, "store.disk_full", &e);
        w->disk_full = true;
        if (queue_pop(w->stop, RETRY_MS, &none) == QUEUE_OK)
            must(!"nobody puts anything in");
    }
}

static bool append(struct writer *w, const struct batch *b)
{
    struct view all = {b->records.p, b->records.len}, rest = all;
    size_t whole = b->inside_txn ? store_whole_part(all) : all.len;

    rest.p += whole;
    rest.len -= whole;
    all.len = whole;
    return (all.len == 0 || append_block(w, all, false)) &&
           (rest.len == 0 || append_block(w, rest, true));
}

static void write_batches(void *arg)
{
    struct writer *w = arg;
    struct mono unsynced = {0};
    size_t bytes = 0;
    struct err e = ERR_INIT;

    for (;;) {
        void *item = NULL;
        enum queue_result r = queue_pop(w->full, bytes > 0 ? 0 : 1000, &item);

        if (r == QUEUE_OK) {
            struct batch *b = item;

            if (!append(w, b))
                return;
            if (bytes == 0)
                unsynced = clock_mono();
            bytes += b->records.len;
            buf_clear(&b->records);
            must(queue_push(w->empty, b, 0) == QUEUE_OK);
        }
        if (bytes > 0 && (r != QUEUE_OK || bytes >= SYNC_BYTES ||
                          mono_ms_between(unsynced, clock_mono()) >= SYNC_MS)) {
            if (!store_sync(w->s, &e)) {
                fail(w, &e);
                return;
            }
            bytes = 0;
        }
        if (r == QUEUE_CLOSED)
            return;
    }
}

bool writer_start(struct store *s, struct writer **out, struct err *e)
{
    struct writer *w = must_calloc(1, sizeof *w);

    w->s = s;
    pthread_mutex_init(&w->lock, NULL);
    w->full = queue_new(BATCHES);
    w->empty = queue_new(BATCHES);
    w->stop = queue_new(1);
    for (int i = 0; i < BATCHES; i++) {
        buf_init(&w->batches[i].records, BLOCK_RAW_MAX);
        must(queue_push(w->empty, &w->batches[i], 0) == QUEUE_OK);
    }
    if (!thread_start(&w->thread, "write", write_batches, w, e)) {
        writer_stop(w);
        return false;
    }
    *out = w;
    return true;
}

struct batch *writer_empty(struct writer *w, int64_t timeout_ms)
{
    void *item;

    if (queue_pop(w->empty, timeout_ms, &item) != QUEUE_OK)
        return NULL;
    buf_clear(&((struct batch *)item)->records);
    return item;
}

void writer_give_back(struct writer *w, struct batch *b)
{
    must(queue_push(w->empty, b, 0) == QUEUE_OK);
}

void writer_submit(struct writer *w, struct batch *b)
{
    must(queue_push(w->full, b, 0) == QUEUE_OK);
}

bool writer_failed(struct writer *w, struct err *e)
{
    if (!w->failed)
        return false;
    pthread_mutex_lock(&w->lock);
    *e = w->error;
    pthread_mutex_unlock(&w->lock);
    return true;
}

bool writer_is_full(struct writer *w)
{
    return w->disk_full;
}

void writer_stop(struct writer *w)
{
    if (!w)
        return;
    w->stopping = true;
    queue_close(w->stop);
    queue_close(w->full);
    thread_join(&w->thread);
    for (int i = 0; i < BATCHES; i++)
        buf_fini(&w->batches[i].records);
    queue_free(w->full);
    queue_free(w->empty);
    queue_free(w->stop);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
