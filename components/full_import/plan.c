/*
 * The plan that workers share: who copies what. Every durable step is on the target before memory
 * changes, so a crash at any point finds a tree that tree_check() accepts. See import_priv.h.
 */
#include <string.h>
#include <time.h>

#include "common/os/cond.h"
#include "common/os/fault.h"
#include "components/full_import/import_priv.h"

#define WAIT_MS 200

static void wait_for_change(struct import *im)
{
    struct timespec until = cond_deadline(WAIT_MS);

    pthread_cond_timedwait(&im->changed, &im->lock, &until);
}

/* What can be done for one table now. Takes place under the lock. */
static enum job_kind job_of(struct import_table *t, struct node *node)
{
    if (t->state == TABLE_WAITING) {
        t->state = TABLE_PLANTING;
        return JOB_PLANT;
    }
    if (t->state != TABLE_COPYING)
        return JOB_NONE;
    if (tree_is_done(&t->tree)) {
        t->state = TABLE_CLOSING;
        return JOB_CLOSE;
    }
    return tree_take(&t->tree, node) ? JOB_CHUNK : JOB_NONE;
}

struct job plan_take(struct import *im)
{
    struct job job = {.kind = JOB_NONE};

    pthread_mutex_lock(&im->lock);
    while (job.kind == JOB_NONE) {
        bool all_copied = true;

        if (im->stopping || im->error.code != ERR_NONE) {
            job.kind = JOB_ALL_DONE;
            break;
        }
        for (size_t i = 0; i < im->tables.n && job.kind == JOB_NONE; i++) {
            job.table = im->tables.at[i];
            all_copied &= job.table->state >= TABLE_COPIED;
            job.kind = job_of(job.table, &job.node);
        }
        if (job.kind == JOB_NONE && all_copied)
            job.kind = JOB_ALL_DONE;
        if (job.kind == JOB_NONE)
            wait_for_change(im);
    }
    pthread_mutex_unlock(&im->lock);
    return job;
}

void plan_give_back(struct import *im, const struct job *job)
{
    pthread_mutex_lock(&im->lock);
    if (job->kind == JOB_CHUNK)
        tree_give_back(&job->table->tree, job->node.id);
    else if (job->kind == JOB_PLANT && job->table->state == TABLE_PLANTING)
        job->table->state = TABLE_WAITING;
    else if (job->kind == JOB_CLOSE && job->table->state == TABLE_CLOSING)
        job->table->state = TABLE_COPYING;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
}

bool plan_is_stopping(struct import *im)
{
    bool stopping;

    pthread_mutex_lock(&im->lock);
    stopping = im->stopping || im->error.code != ERR_NONE;
    pthread_mutex_unlock(&im->lock);
    return stopping;
}

void plan_fail(struct import *im, const struct err *e)
{
    pthread_mutex_lock(&im->lock);
    if (im->error.code == ERR_NONE)
        im->error = *e;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
}

void plan_stop(struct import *im)
{
    pthread_mutex_lock(&im->lock);
    im->stopping = true;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
}

bool plan_error(struct import *im, struct err *e)
{
    bool any;

    pthread_mutex_lock(&im->lock);
    any = im->error.code != ERR_NONE;
    if (any)
        *e = im->error;
    pthread_mutex_unlock(&im->lock);
    return any;
}

bool plan_all_copied(struct import *im)
{
    bool all = true;

    pthread_mutex_lock(&im->lock);
    for (size_t i = 0; i < im->tables.n; i++)
        all &= im->tables.at[i]->state >= TABLE_COPIED;
    pthread_mutex_unlock(&im->lock);
    return all;
}

void plan_set_state(struct import *im, struct import_table *t, enum table_state s)
{
    pthread_mutex_lock(&im->lock);
    t->state = s;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
}

struct chunk plan_chunk_of(const struct import_table *t, const struct node *n)
{
    static const uint8_t states[] = {
        [NODE_OPEN] = CHUNK_OPEN, [NODE_SPLIT] = CHUNK_SPLIT, [NODE_DONE] = CHUNK_DONE};

    return (struct chunk){.table = t->key,
                          .node = n->id,
                          .parent = n->parent,
                          .lo = n->lo,
                          .hi = n->hi,
                          .state = states[n->state]};
}

static bool put_chunks(struct import *im, const struct chunk *chunks, size_t n, struct err *e)
{
    bool ok;

    pthread_mutex_lock(&im->claim_lock);
    ok = im->target->target->chunk_put(im->claim, chunks, n, e);
    pthread_mutex_unlock(&im->claim_lock);
    return ok;
}

static bool put_pos(struct import *im, const struct table_pos *pos, struct err *e)
{
    bool ok;

    pthread_mutex_lock(&im->claim_lock);
    ok = im->target->target->table_pos_put(im->claim, pos, e);
    pthread_mutex_unlock(&im->claim_lock);
    return ok;
}

static struct table_pos pos_of(const struct import_table *t)
{
    return (struct table_pos){.db = t->def->db,
                              .name = t->def->name,
                              .begin = t->begin.set,
                              .mode = t->keyless || t->def->family[0] != '\0' ? TABLE_MODE_EXACT
                                                                              : TABLE_MODE_OVERLAP};
}

bool plan_plant(struct import *im, struct import_table *t, struct view hi, enum table_state then,
                struct err *e)
{
    struct node root = {.id = 1, .hi = hi, .state = NODE_OPEN};
    struct chunk chunk = plan_chunk_of(t, &root);
    struct table_pos pos = pos_of(t);

    /* The root first: it counts only beside a position, and a root that reaches further than an
     * older position's is harmless. The other way round, rows between two roots' ends could be
     * left to a log that begins behind them. */
    if (!put_chunks(im, &chunk, 1, e))
        return err_wrap(e, "begin the copy of '%s'", t->key);
    FAULT(FULL_AFTER_ROOT);
    if (!put_pos(im, &pos, e))
        return err_wrap(e, "begin the copy of '%s'", t->key);
    FAULT(FULL_AFTER_BEGIN);
    if (t->anew && !anew_has_begun(im, t, e))
        return err_wrap(e, "begin the copy of '%s'", t->key);
    pthread_mutex_lock(&im->lock);
    tree_plant(&t->tree, root.lo, root.hi);
    t->state = then;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
    return true;
}

bool plan_split(struct import *im, struct import_table *t, struct node *node, struct view bound,
                struct err *e)
{
    struct node split[3];
    struct chunk chunks[3];

    pthread_mutex_lock(&im->lock);
    tree_split(&t->tree, node->id, bound, split);
    pthread_mutex_unlock(&im->lock);
    for (int i = 0; i < 3; i++)
        chunks[i] = plan_chunk_of(t, &split[i]);
    FAULT(FULL_BEFORE_SPLIT);
    if (!put_chunks(im, chunks, 3, e)) {
        /* Whether it is durable is not known: another split of the same node would leave four
         * halves. The process ends, and the next one reads what is true. */
        (void)err_wrap(e, "split a chunk of '%s'", t->key);
        plan_fail(im, e);
        return false;
    }
    FAULT(FULL_AFTER_SPLIT);
    pthread_mutex_lock(&im->lock);
    tree_split_done(&t->tree, split);
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
    *node = split[1];
    return true;
}

void plan_chunk_done(struct import *im, struct import_table *t, uint64_t id)
{
    pthread_mutex_lock(&im->lock);
    tree_done(&t->tree, id);
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
}

bool plan_close(struct import *im, struct import_table *t, const struct position *end,
                struct err *e)
{
    struct table_pos pos = pos_of(t);

    pos.end = end->set;
    pos.done = true;
    FAULT(FULL_BEFORE_END);
    if (!put_pos(im, &pos, e))
        return err_wrap(e, "end the copy of '%s'", t->key);
    FAULT(FULL_AFTER_END);
    plan_set_state(im, t, TABLE_COPIED);
    return true;
}
