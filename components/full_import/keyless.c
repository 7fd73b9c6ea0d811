/*
 * Tables without any key cannot overlap with the log (A11): one snapshot with an exact position,
 * one pass, the log strictly after it. The root chunk is put down as open before the first row is
 * written; found open after a crash, it says that rows of an unfinished pass may be there: the
 * target table, which was empty before, is emptied and the pass begins again with a new snapshot.
 */
#include <inttypes.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/full_import/import_priv.h"

#define ROWS_A_COMMIT 50000

bool target_is_empty(struct import *im, struct import_table *t, struct err *e)
{
    const struct reader_ops *ro = im->target->reader;
    struct reader *r = NULL;
    struct table_def there = *t->def;
    uint64_t rows = 0;
    bool ok;

    there.db = t->to_db;
    there.name = t->to_name;
    if (!ro->open(&im->target_at, &r, e))
        return false;
    ok = ro->count(r, &there, &rows, e);
    ro->close(r);
    if (ok && rows > 0)
        return err_set(e, ERR_TARGET_NOT_EMPTY,
                       "'%s.%s' has %" PRIu64 " rows and no key to tell them apart: it must be "
                       "empty before the copy",
                       t->to_db, t->to_name, rows);
    return ok;
}

bool target_empty(struct import *im, struct import_table *t, struct err *e)
{
    struct buf sql;
    bool ok;

    buf_init(&sql, 4096);
    buf_str(&sql, "TRUNCATE TABLE ");
    im->target->dialect->quote_table(&sql, t->to_db, t->to_name);
    pthread_mutex_lock(&im->claim_lock);
    ok = im->target->target->run_ddl(im->claim, NULL, buf_cstr(&sql), e);
    pthread_mutex_unlock(&im->claim_lock);
    buf_fini(&sql);
    return ok;
}

/* What the target will not take is not tried again and again. */
static bool not_committed(const struct apply_result *r, struct err *e)
{
    return err_set_sys(e, r->outcome == APPLY_CONFLICT ? ERR_TARGET_CONFLICT : ERR_UNAVAILABLE,
                       r->conflict_errno, "rolled back: %s", r->conflict_text);
}

/* Commits now and then, so that a large table is not one large transaction. */
static bool take_rows(void *arg, struct rows *batch, struct err *e)
{
    struct pump *p = arg;
    const struct target_ops *to = p->w->im->target->target;
    struct apply_result r = {.outcome = APPLY_RETRY};

    if (!pump_take(p, batch, e))
        return false;
    if (p->rows_since_commit < ROWS_A_COMMIT)
        return true;
    p->rows_since_commit = 0;
    if (!to->load_commit(p->w->slot, &(struct slot_commit){0}, &r, e))
        return false;
    if (r.outcome != APPLY_COMMITTED)
        return not_committed(&r, e);
    FAULT(FULL_AFTER_PASS_PART);
    return to->load_begin(p->w->slot, e);
}

bool pass_table(struct pump *p, bool end, struct err *e)
{
    struct worker *w = p->w;
    struct import_table *t = p->t;
    struct import *im = w->im;
    const struct target_ops *to = im->target->target;
    struct node root = {.id = 1, .state = NODE_DONE};
    struct chunk chunk = plan_chunk_of(t, &root);
    struct table_pos pos = {.db = t->def->db,
                            .name = t->def->name,
                            .begin = t->begin.set,
                            .end = t->begin.set,
                            .mode = TABLE_MODE_EXACT,
                            .done = true};
    struct slot_commit commit = {.chunk = &chunk, .pos = end ? &pos : NULL};
    struct key_range all = {{NULL, 0}, {NULL, 0}};
    struct apply_result r = {.outcome = APPLY_RETRY};

    if (!to->load_begin(w->slot, e) ||
        !im->source->reader->read(w->reader, t->def, all, ROWS_MYSQL_TEXT, BATCH_BYTES, take_rows,
                                  p, e) ||
        !still_defined(w, t, e) || !to->load_commit(w->slot, &commit, &r, e))
        return false;
    if (r.outcome != APPLY_COMMITTED)
        return not_committed(&r, e);
    return true;
}

bool keyless_copy(struct worker *w, struct import_table *t, struct err *e)
{
    struct import *im = w->im;
    struct pump p = {.w = w, .t = t};
    struct err ignored = ERR_INIT;
    bool exact = false, begun;

    pthread_mutex_lock(&im->lock);
    begun = !tree_is_empty(&t->tree);
    pthread_mutex_unlock(&im->lock);
    if (begun ? !target_empty(im, t, e) : !target_is_empty(im, t, e))
        return err_wrap(e, "prepare '%s'", t->key);
    atomic_store(&t->rows_done, 0);
    txn_set_fini(&t->begin.set);
    if (!im->source->reader->begin_table_snapshot(w->reader, t->def, &t->begin, &exact, e))
        return err_wrap(e, "open the snapshot of '%s'", t->key);
    if (!exact)
        return err_set(e, ERR_UNSUPPORTED,
                       "'%s' has no key, and this source gives no snapshot with an exact position: "
                       "add a primary key or leave the table out",
                       t->key);
    if (!definition_holds(w, t, e)) {
        if (!im->source->reader->end_snapshot(w->reader, &ignored))
            log_err(LOG_DEBUG, "full.end_snapshot", &ignored);
        return false;
    }
    if (!begun && !plan_plant(im, t, (struct view){NULL, 0}, TABLE_PLANTING, e))
        return false;
    if (!pass_table(&p, true, e)) {
        if (!im->target->target->load_rollback(w->slot, &ignored))
            log_err(LOG_DEBUG, "full.rollback", &ignored);
        if (!im->source->reader->end_snapshot(w->reader, &ignored))
            log_err(LOG_DEBUG, "full.end_snapshot", &ignored);
        return err_wrap(e, "copy '%s' in one pass", t->key);
    }
    FAULT(FULL_AFTER_PASS);
    plan_set_state(im, t, TABLE_COPIED);
    return im->source->reader->end_snapshot(w->reader, e);
}
