/*
 * A worker: one connection to the source, one fenced slot on the target. Takes a chunk, cuts it to
 * about the wanted time (the cut is durable before either half is read, E4), streams its rows and
 * commits them together with the chunk's row. What is retried (connection lost, deadlock) gives the
 * chunk back and tries again after a back-off; anything else stops the whole import.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/fault.h"
#include "components/full_import/import_priv.h"

static bool connect_both(struct worker *w, struct err *e)
{
    struct import *im = w->im;
    bool ok = true;

    if (!w->reader && !im->source->reader->open(&im->source_at, &w->reader, e))
        return err_wrap(e, "connect to the source");
    if (!w->slot) {
        pthread_mutex_lock(&im->claim_lock);
        ok = im->target->target->slot_open(im->claim, w->number, &w->slot, e);
        pthread_mutex_unlock(&im->claim_lock);
    }
    return ok ? true : err_wrap(e, "connect to the target");
}

static void disconnect_both(struct worker *w)
{
    struct import *im = w->im;

    if (w->reader)
        im->source->reader->close(w->reader);
    w->reader = NULL;
    if (w->slot) {
        pthread_mutex_lock(&im->claim_lock);
        im->target->target->slot_close(w->slot);
        pthread_mutex_unlock(&im->claim_lock);
    }
    w->slot = NULL;
}

/* For what Incr-Sync makes later: unique keys as they were then, not as a later DDL left them. */
static bool remember_definition(struct import *im, const struct import_table *t,
                                const struct table_def *now, struct err *e)
{
    struct buf def CLEANUP(buf_fini);
    char key[700];

    buf_init(&def, 16u << 20);
    table_def_encode(now, &def);
    if (!buf_ok(&def))
        return err_set(e, ERR_LIMIT, "the definition of '%s' is too long", t->key);
    (void)snprintf(key, sizeof key, MEMO_COPIED "%s", t->key);
    struct memo m = {.state = "copied", .statement = {def.p, def.len}};
    return im->target->target->memo_put(im->claim, key, &m, e);
}

bool definition_holds(struct worker *w, struct import_table *t, struct err *e)
{
    const struct catalog_ops *cat = w->im->source->catalog;
    const struct table_def *now = NULL;
    struct session *s = NULL;
    bool ok;

    if (!cat->connect(&w->im->source_at, &s, e))
        return err_wrap(e, "connect to the source");
    ok = cat->load_table(s, t->def->db, t->def->name, &now, e);
    cat->close(s);
    if (ok && (!table_def_same_rows(t->def, now) || !table_def_same_text(t->def, now) ||
               strcmp(t->def->family, now->family) != 0))
        ok = err_set(e, ERR_SERVER_TABLE_CHANGED,
                     "the definition of '%s' changed before its copy began", t->key);
    ok = ok && remember_definition(w->im, t, now, e);
    table_def_unref(now);
    return ok;
}

bool still_defined(struct worker *w, struct import_table *t, struct err *e)
{
    bool yes = false;

    return w->im->source->reader->is_unchanged(w->reader, t->def, &yes, e) &&
           (yes || err_set(e, ERR_SERVER_TABLE_CHANGED,
                           "the definition of '%s' changed while it was copied", t->key));
}

/* The begin position has every predecessor visible before the first chunk is read (A6), so it is
 * that of a snapshot opened and closed now; the root ends at the greatest key of this moment (E4).
 */
static bool plant(struct worker *w, struct import_table *t, struct err *e)
{
    const struct reader_ops *ro = w->im->source->reader;
    struct buf hi;
    bool exact, done, ok;

    txn_set_fini(&t->begin.set);
    if (!ro->begin_snapshot(w->reader, &t->begin, &exact, e))
        return err_wrap(e, "take the begin position of '%s'", t->key);
    buf_init(&hi, 1u << 20);
    ok = definition_holds(w, t, e) &&
         ro->next_bound(w->reader, t->def, (struct key_range){{NULL, 0}, {NULL, 0}}, UINT64_MAX,
                        &hi, &done, e) &&
         ro->end_snapshot(w->reader, e) &&
         plan_plant(w->im, t, (struct view){hi.len ? hi.p : NULL, hi.len}, TABLE_COPYING, e);
    buf_fini(&hi);
    return ok;
}

bool pump_take(void *arg, struct rows *batch, struct err *e)
{
    struct pump *p = arg;
    struct import *im = p->w->im;
    int64_t wait_ms;
    bool ok;

    pthread_mutex_lock(&im->lock);
    wait_ms = pacing_wait_ms(&im->pacing, batch->n, im->cap_rows_per_s, clock_mono());
    pthread_mutex_unlock(&im->lock);
    if ((wait_ms > 0 && component_wait(im->c, wait_ms)) || plan_is_stopping(im)) {
        rows_free(batch);
        return err_set(e, ERR_CANCELLED, "the copy was told to stop");
    }
    ok = im->target->target->load(p->w->slot, p->t->target, batch, e);
    if (ok) {
        p->rows += batch->n;
        p->rows_since_commit += batch->n;
        atomic_fetch_add(&im->bytes_done, batch->bytes.len);
        atomic_fetch_add(&p->t->rows_done, batch->n);
    }
    rows_free(batch);
    return ok;
}

/* Cuts the leaf when more rows lie in it than one chunk should have. */
static bool cut(struct worker *w, struct job *job, struct err *e)
{
    struct import *im = w->im;
    struct key_range range = {job->node.lo, job->node.hi};
    struct buf bound;
    uint64_t rows;
    bool done = false, ok;

    pthread_mutex_lock(&im->lock);
    rows = pacing_chunk_rows(&im->pacing);
    pthread_mutex_unlock(&im->lock);
    buf_init(&bound, 1u << 20);
    ok = im->source->reader->next_bound(w->reader, job->table->def, range, rows, &bound, &done, e);
    if (ok && !done)
        ok = plan_split(im, job->table, &job->node, (struct view){bound.p, bound.len}, e);
    buf_fini(&bound);
    return ok;
}

static bool load_node(struct worker *w, const struct job *job, struct pump *p,
                      struct apply_result *r, struct err *e)
{
    struct import *im = w->im;
    const struct target_ops *to = im->target->target;
    struct key_range range = {job->node.lo, job->node.hi};
    struct chunk chunk = plan_chunk_of(job->table, &job->node);
    struct slot_commit commit = {.chunk = &chunk};

    chunk.state = CHUNK_DONE;
    return to->load_begin(w->slot, e) &&
           im->source->reader->read(w->reader, job->table->def, range, ROWS_MYSQL_TEXT, BATCH_BYTES,
                                    pump_take, p, e) &&
           still_defined(w, job->table, e) && to->load_commit(w->slot, &commit, r, e);
}

static bool copy_chunk(struct worker *w, struct job *job, struct err *e)
{
    struct import *im = w->im;
    struct import_table *t = job->table;
    struct pump p = {.w = w, .t = t};
    struct apply_result r = {.outcome = APPLY_RETRY};
    struct mono began;
    struct err ignored = ERR_INIT;

    if (!cut(w, job, e))
        return err_wrap(e, "cut a chunk of '%s'", t->key);
    began = clock_mono();
    if (!load_node(w, job, &p, &r, e)) {
        atomic_fetch_sub(&t->rows_done, p.rows);
        if (!im->target->target->load_rollback(w->slot, &ignored))
            log_err(LOG_DEBUG, "full.rollback",
                    &ignored); /* the connection is gone: no rows either */
        return err_wrap(e, "copy chunk %" PRIu64 " of '%s'", job->node.id, t->key);
    }
    if (r.outcome != APPLY_COMMITTED)
        atomic_fetch_sub(&t->rows_done, p.rows);
    if (r.outcome == APPLY_CONFLICT)
        return err_set_sys(e, ERR_TARGET_CONFLICT, r.conflict_errno,
                           "copy chunk %" PRIu64 " of '%s': %s", job->node.id, t->key,
                           r.conflict_text);
    if (r.outcome == APPLY_RETRY)
        return err_set(e, ERR_UNAVAILABLE, "copy chunk %" PRIu64 " of '%s': rolled back: %s",
                       job->node.id, t->key, r.conflict_text);
    pthread_mutex_lock(&im->lock);
    pacing_measured(&im->pacing, p.rows, mono_ms_between(began, clock_mono()));
    pthread_mutex_unlock(&im->lock);
    FAULT(FULL_AFTER_CHUNK);
    plan_chunk_done(im, t, job->node.id);
    return true;
}

/* The end position is read after the last snapshot was opened (A6); the definition behind it, since
 * a DDL that lies before the end must be met here. */
static bool close_table(struct worker *w, struct import_table *t, struct err *e)
{
    struct position end = {0};
    bool ok;

    txn_set_init(&end.set);
    ok = w->im->source->reader->position_past(w->reader, &end, e) && still_defined(w, t, e) &&
         plan_close(w->im, t, &end, e);
    txn_set_fini(&end.set);
    return ok ? true : err_wrap(e, "take the end position of '%s'", t->key);
}

static bool do_job(struct worker *w, struct job *job, struct err *e)
{
    if (!connect_both(w, e))
        return false;
    if (job->table->def->family[0] != '\0')
        return family_copy(w, job->table, e);
    if (job->table->keyless)
        return keyless_copy(w, job->table, e);
    switch (job->kind) {
    case JOB_PLANT:
        return plant(w, job->table, e);
    case JOB_CHUNK:
        return copy_chunk(w, job, e);
    case JOB_CLOSE:
        return close_table(w, job->table, e);
    case JOB_NONE:
    case JOB_ALL_DONE:
        break;
    }
    return true;
}

/* It reads a changed definition anew, and takes the task over from a server that was restarted:
 * until then no slot of this generation can be opened. */
static bool needs_another_process(const struct err *e)
{
    return e->code == ERR_SERVER_TABLE_CHANGED || e->code == ERR_TARGET_RESTARTED;
}

static bool is_changed(struct worker *w, struct session *s, const struct import_table *t)
{
    const struct table_def *now = NULL;
    struct err e = ERR_INIT;

    if (!w->im->source->catalog->load_table(s, t->def->db, t->def->name, &now, &e))
        return e.code == ERR_SERVER_NO_OBJECT;
    bool changed = !table_def_same_text(t->def, now);
    table_def_unref(now);
    return changed;
}

/* What is changed under a copy fails in many ways, on either side: then the change is the error. */
static void blame_change(struct worker *w, const struct job *job, struct err *e)
{
    struct import *im = w->im;
    const char *family = job->table->def->family;
    struct session *s = NULL;
    struct err ignored = ERR_INIT;
    bool changed = false;

    if (err_class_of(e->code) != ERR_CLASS_STOP ||
        !im->source->catalog->connect(&im->source_at, &s, &ignored))
        return;
    for (size_t i = 0; i < im->tables.n && !changed; i++) {
        const struct import_table *t = im->tables.at[i];

        if (t == job->table || (family[0] && strcmp(t->def->family, family) == 0))
            changed = is_changed(w, s, t);
    }
    im->source->catalog->close(s);
    if (changed)
        e->code = ERR_SERVER_TABLE_CHANGED;
}

static void work(void *arg)
{
    struct worker *w = arg;
    struct import *im = w->im;

    for (;;) {
        struct job job = plan_take(im);
        struct err e = ERR_INIT;

        if (job.kind == JOB_ALL_DONE)
            break;
        if (do_job(w, &job, &e)) {
            w->backoff.tries = 0;
            continue;
        }
        plan_give_back(im, &job);
        blame_change(w, &job, &e);
        if (plan_is_stopping(im))
            break;
        if (err_class_of(e.code) != ERR_CLASS_RETRY || needs_another_process(&e)) {
            plan_fail(im, &e);
            break;
        }
        log_err(LOG_WARN, "full.retry", &e);
        component_error(im->c, &e);
        disconnect_both(w);
        if (!component_backoff(im->c, &w->backoff))
            break;
        component_error(im->c, NULL);
    }
    disconnect_both(w);
}

bool workers_start(struct import *im, struct err *e)
{
    im->workers = must_calloc(im->n_workers, sizeof *im->workers);
    for (uint32_t i = 0; i < im->n_workers; i++) {
        struct worker *w = &im->workers[i];

        *w = (struct worker){.im = im, .number = i};
        if (!thread_start(&w->thread, "copy", work, w, e))
            return false;
    }
    return true;
}

void workers_stop(struct import *im)
{
    plan_stop(im);
    for (uint32_t i = 0; im->workers && i < im->n_workers; i++)
        thread_join(&im->workers[i].thread);
    free(im->workers);
    im->workers = NULL;
}
