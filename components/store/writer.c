/* The writer and its packers. See writer.h. */
#include "components/store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/cond.h"
#include "common/os/queue.h"
#include "common/os/thread.h"
#include "components/record/block.h"
#include "components/store/pack.h"

#define BATCHES 12
#define PACKERS_MAX 4
#define IN_FLIGHT_MAX (16u << 20)
#define KEEP_BYTES (4u << 20) /* a buffer that grew beyond gives its memory back */
#define SMALL_BYTES (64u << 10)
#define FULL_BYTES (512u << 10) /* a batch of so much: the source had more than was taken */
#define LEVEL_FULL (-3)
#define CROWDED 0.25 /* of a batch's time until it is packed, in which nobody packs it */
#define SEEN_OF 4    /* batches that an average is of */
#define BEHIND 3     /* batches that wait for the writer: the disk is what limits... */
#define MOSTLY 0.75  /* ...if it is so at most batches */
#define SYNC_MS 10
#define SYNC_BYTES (8u << 20)
#define RETRY_MS 1000

struct job {
    struct batch batch; /* first: the caller's view of it */
    struct store_packed parts[2];
    int n_parts;
    size_t bytes;          /* of records, while it is submitted */
    struct mono submitted; /* when it was */
    bool ready;            /* lock */
    bool failed;
    struct err error;
};

struct writer {
    struct store *s;
    int level;
    struct thread thread, packers[PACKERS_MAX];
    int n_packers;
    struct queue *full;
    struct queue *todo; /* to the packers; each item is in `full` too */
    struct queue *stop; /* nothing is ever put in; closed by writer_stop, so a wait on it ends */
    struct job jobs[BATCHES];
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job is ready or given back */
    size_t in_flight;       /* lock; bytes */
    int n_packed;           /* lock; batches that are ready and that the writer has not begun */
    struct job
        *empty[BATCHES]; /* lock; the last one given back is used first: its memory is near */
    int n_empty;         /* lock */
    struct err error;    /* lock */
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

/* --- packing ------------------------------------------------------------------------------------
 */

static bool pack_part(struct job *j, struct block_packer *p, struct view records, bool inside_txn,
                      int level)
{
    return records.len == 0 ||
           store_pack(p, records, inside_txn, level, &j->parts[j->n_parts++], &j->error);
}

/* A batch that ends inside a transaction becomes two blocks, so that what is whole is not held up.
 */
static void pack(struct job *j, struct block_packer *p, int level)
{
    struct view all = {j->batch.records.p, j->batch.records.len}, rest = all;
    size_t whole = j->batch.inside_txn ? store_whole_part(all) : all.len;

    rest.p += whole;
    rest.len -= whole;
    all.len = whole;
    j->n_parts = 0;
    j->failed = !pack_part(j, p, all, false, level) || !pack_part(j, p, rest, true, level);
}

/* What a packer has seen of late. */
struct seen {
    double crowded; /* which part of the time from where a batch was there until it was packed, it
                       waited: for a packer, or the packer, which only computes, for a processor */
    double behind;  /* at which part of the batches as many waited for the writer */
};

static void see_writer(struct writer *w, struct seen *s)
{
    bool behind;

    pthread_mutex_lock(&w->lock);
    behind = w->n_packed >= BEHIND;
    pthread_mutex_unlock(&w->lock);
    s->behind += (behind - s->behind) / SEEN_OF;
}

/* What comes slowly is packed well, a backlog fast, and in haste where the processors are what
 * limits it. If the disk is, batches wait for the writer, and processors for something to do:
 * fewer bytes are worth their time then. */
static int level_for(const struct writer *w, const struct job *j, const struct seen *s)
{
    if (w->level <= 0 || j->bytes < FULL_BYTES)
        return w->level;
    return s->crowded > CROWDED && s->behind < MOSTLY ? BLOCK_LEVEL_HASTE : LEVEL_FULL;
}

static int64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pack_timed(struct writer *w, struct job *j, struct block_packer *p, struct seen *s)
{
    int64_t cpu = thread_ns();

    see_writer(w, s);
    pack(j, p, level_for(w, j, s));
    cpu = thread_ns() - cpu;
    int64_t wall = clock_mono().ns - j->submitted.ns;
    if (wall > 0)
        s->crowded += (1 - (double)cpu / (double)wall - s->crowded) / SEEN_OF;
}

static void pack_jobs(void *arg)
{
    struct writer *w = arg;
    struct block_packer *p = block_packer_new();
    struct seen seen = {0};
    void *item = NULL;

    for (;;) {
        enum queue_result r = queue_pop(w->todo, 1000, &item);
        struct job *j = item;

        if (r == QUEUE_CLOSED)
            break;
        if (r != QUEUE_OK)
            continue;
        pack_timed(w, j, p, &seen);
        pthread_mutex_lock(&w->lock);
        j->ready = true;
        w->n_packed++;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
    }
    block_packer_free(p);
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* Appends one block; waits while the disk is full. False: ended. */
static bool append_block(struct writer *w, struct store_packed *b)
{
    for (;;) {
        struct err e = ERR_INIT;
        void *none;

        if (store_append_packed(w->s, b, &e)) {
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

/* Waits for the packer that has it, or packs. */
static void make_ready(struct writer *w, struct job *j, struct block_packer *p)
{
    if (j->bytes <= SMALL_BYTES) {
        pack(j, p, w->level);
        return;
    }
    pthread_mutex_lock(&w->lock);
    while (!j->ready)
        pthread_cond_wait(&w->changed, &w->lock); /* packers end after the writer only */
    w->n_packed--;
    pthread_mutex_unlock(&w->lock);
}

static void give_back(struct writer *w, struct job *j)
{
    for (int i = 0; i < j->n_parts; i++)
        store_packed_clear(&j->parts[i], KEEP_BYTES);
    if (j->batch.records.cap > KEEP_BYTES) {
        buf_fini(&j->batch.records);
        buf_init(&j->batch.records, BLOCK_RAW_MAX);
    }
    buf_clear(&j->batch.records);
    pthread_mutex_lock(&w->lock);
    w->in_flight -= j->bytes;
    j->bytes = 0;
    j->ready = false;
    w->empty[w->n_empty++] = j;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static bool write_job(struct writer *w, struct job *j, struct block_packer *p)
{
    make_ready(w, j, p);
    if (j->failed) {
        fail(w, &j->error);
        return false;
    }
    for (int i = 0; i < j->n_parts; i++)
        if (!append_block(w, &j->parts[i]))
            return false;
    return true;
}

static bool sync_now(struct writer *w)
{
    struct err e = ERR_INIT;

    if (store_sync(w->s, &e))
        return true;
    fail(w, &e);
    return false;
}

static void write_batches(struct writer *w, struct block_packer *p)
{
    struct mono unsynced = {0};
    size_t bytes = 0;

    for (;;) {
        void *item = NULL;
        enum queue_result r = queue_pop(w->full, bytes > 0 ? 0 : 1000, &item);

        if (r == QUEUE_OK) {
            struct job *j = item;
            size_t n = j->bytes;

            if (!write_job(w, j, p))
                return;
            if (bytes == 0)
                unsynced = clock_mono();
            bytes += n;
            give_back(w, j);
        }
        if (bytes > 0 && (r != QUEUE_OK || bytes >= SYNC_BYTES ||
                          mono_ms_between(unsynced, clock_mono()) >= SYNC_MS)) {
            if (!sync_now(w))
                return;
            bytes = 0;
        }
        if (r == QUEUE_CLOSED)
            return;
    }
}

static void run_writer(void *arg)
{
    struct block_packer *p = block_packer_new();

    write_batches(arg, p);
    block_packer_free(p);
}

/* --- the caller's side --------------------------------------------------------------------------
 */

static int packers_wanted(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus < 1 ? 1 : cpus > PACKERS_MAX ? PACKERS_MAX : (int)cpus;
}

static bool start_threads(struct writer *w, struct err *e)
{
    for (int i = 0; i < packers_wanted(); i++, w->n_packers++)
        if (!thread_start(&w->packers[i], "pack", pack_jobs, w, e))
            return false;
    return thread_start(&w->thread, "write", run_writer, w, e);
}

bool writer_start(struct store *s, int level, struct writer **out, struct err *e)
{
    struct writer *w = must_calloc(1, sizeof *w);

    w->s = s;
    w->level = level;
    pthread_mutex_init(&w->lock, NULL);
    cond_init(&w->changed);
    w->full = queue_new(BATCHES);
    w->todo = queue_new(BATCHES);
    w->stop = queue_new(1);
    for (int i = 0; i < BATCHES; i++) {
        buf_init(&w->jobs[i].batch.records, BLOCK_RAW_MAX);
        for (int k = 0; k < 2; k++)
            store_packed_init(&w->jobs[i].parts[k]);
        w->empty[w->n_empty++] = &w->jobs[i];
    }
    if (!start_threads(w, e)) {
        writer_stop(w);
        return false;
    }
    *out = w;
    return true;
}

struct batch *writer_empty(struct writer *w, int64_t timeout_ms)
{
    struct timespec until = cond_deadline(timeout_ms);
    struct job *j = NULL;

    pthread_mutex_lock(&w->lock);
    while (w->in_flight >= IN_FLIGHT_MAX || w->n_empty == 0)
        if (pthread_cond_timedwait(&w->changed, &w->lock, &until) == ETIMEDOUT)
            break;
    if (w->in_flight < IN_FLIGHT_MAX && w->n_empty > 0)
        j = w->empty[--w->n_empty];
    pthread_mutex_unlock(&w->lock);
    return j ? &j->batch : NULL;
}

void writer_give_back(struct writer *w, struct batch *b)
{
    buf_clear(&b->records);
    pthread_mutex_lock(&w->lock);
    w->empty[w->n_empty++] = (struct job *)b;
    pthread_mutex_unlock(&w->lock);
}

void writer_submit(struct writer *w, struct batch *b)
{
    struct job *j = (struct job *)b;
    bool small = b->records.len <= SMALL_BYTES;

    j->bytes = b->records.len;
    j->submitted = clock_mono();
    pthread_mutex_lock(&w->lock);
    w->in_flight += j->bytes;
    pthread_mutex_unlock(&w->lock);
    if (!small)
        must(queue_push(w->todo, j, 0) == QUEUE_OK);
    must(queue_push(w->full, j, 0) == QUEUE_OK);
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
    queue_close(w->todo);
    for (int i = 0; i < w->n_packers; i++)
        thread_join(&w->packers[i]);
    for (int i = 0; i < BATCHES; i++) {
        buf_fini(&w->jobs[i].batch.records);
        for (int k = 0; k < 2; k++)
            store_packed_fini(&w->jobs[i].parts[k]);
    }
    queue_free(w->full);
    queue_free(w->todo);
    queue_free(w->stop);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
