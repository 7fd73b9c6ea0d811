/*
 * Tables that foreign keys with CASCADE or SET NULL join (correctness A8): what such a key changes
 * is not in the log, so the copies of a family must all show one moment, and its changes must begin
 * strictly behind it. One worker copies the whole family in one snapshot with an exact position.
 * The root chunks are put down as open before the first row is written; unless every member's end
 * is recorded, a later run empties all of them and begins anew. The ends are written in one order,
 * the last one only by a pass that wrote all others: all of them recorded means all of one pass.
 */
#include <inttypes.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/full_import/import_priv.h"

static bool is_member(const struct import_table *t, const struct import_table *leader)
{
    return strcmp(t->def->family, leader->def->family) == 0;
}

void family_settle(struct import *im)
{
    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];
        bool first = true, all_copied = true, begun = false;

        if (t->def->family[0] == '\0')
            continue;
        for (size_t k = 0; k < im->tables.n; k++) {
            const struct import_table *other = im->tables.at[k];

            if (!is_member(other, t))
                continue;
            first &= k >= i;
            all_copied &= other->recorded_done;
            begun |= other->recorded_done || !tree_is_empty(&other->tree);
        }
        t->family_begun = begun;
        t->state = all_copied ? TABLE_COPIED : first ? TABLE_WAITING : TABLE_PLANTING;
    }
}

static bool prepare(struct worker *w, struct import_table *leader, struct err *e)
{
    struct import *im = w->im;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];

        if (!is_member(t, leader))
            continue;
        if (leader->family_begun ? !target_empty(im, t, e) : !target_is_empty(im, t, e))
            return err_wrap(e, "prepare '%s'", t->key);
        atomic_store(&t->rows_done, 0);
    }
    return true;
}

/* In the snapshot: the same begin for all, each root durable before the first row. */
static bool plant(struct worker *w, struct import_table *leader, const struct position *at,
                  struct err *e)
{
    struct import *im = w->im;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];

        if (!is_member(t, leader))
            continue;
        if (!definition_holds(w, t, e))
            return false;
        txn_set_fini(&t->begin.set);
        txn_set_copy(&t->begin.set, &at->set);
        pthread_mutex_lock(&im->lock);
        bool planted = !tree_is_empty(&t->tree);
        pthread_mutex_unlock(&im->lock);
        if (!planted && !plan_plant(im, t, (struct view){NULL, 0}, TABLE_PLANTING, e))
            return false;
    }
    leader->family_begun = true;
    return true;
}

static bool copy_members(struct worker *w, struct import_table *leader, struct err *e)
{
    struct import *im = w->im;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct pump p = {.w = w, .t = im->tables.at[i]};

        if (is_member(p.t, leader) && !pass_table(&p, false, e))
            return err_wrap(e, "copy '%s' in one pass", p.t->key);
    }
    return true;
}

static bool record_ends(struct worker *w, struct import_table *leader, struct err *e)
{
    struct import *im = w->im;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];

        if (!is_member(t, leader))
            continue;
        if (!plan_close(im, t, &t->begin, e))
            return false;
        FAULT(FULL_AFTER_FAMILY_END);
    }
    return true;
}

bool family_copy(struct worker *w, struct import_table *leader, struct err *e)
{
    const struct reader_ops *ro = w->im->source->reader;
    struct position at = {0};
    struct err ignored = ERR_INIT;
    bool exact = false, ok;

    if (!prepare(w, leader, e))
        return false;
    txn_set_init(&at.set);
    if (!ro->begin_snapshot(w->reader, &at, &exact, e)) {
        txn_set_fini(&at.set);
        return err_wrap(e, "open the snapshot of the family of '%s'", leader->key);
    }
    ok = exact ? plant(w, leader, &at, e) && copy_members(w, leader, e)
               : err_set(e, ERR_UNSUPPORTED,
                         "foreign keys with CASCADE or SET NULL join '%s' to others, and this "
                         "source gives no snapshot with an exact position: leave them out",
                         leader->key);
    txn_set_fini(&at.set);
    if (!ok) {
        if (!w->im->target->target->load_rollback(w->slot, &ignored))
            log_err(LOG_DEBUG, "full.rollback", &ignored);
        if (!ro->end_snapshot(w->reader, &ignored))
            log_err(LOG_DEBUG, "full.end_snapshot", &ignored);
        return false;
    }
    if (!ro->end_snapshot(w->reader, e))
        log_err(LOG_DEBUG, "full.end_snapshot", e), err_clear(e);
    return record_ends(w, leader, e);
}
