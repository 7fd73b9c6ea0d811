/*
 * Changes of source transactions as one target transaction (F3). First all statements are sent
 * without waiting, grouped into bulk statements; whatever is not exactly as it must be rolls all
 * of it back, and the same writes run again one by one in their own order, which either succeeds
 * or names the write, the server's number and its text. Nothing is ever ignored, repeated in part
 * or turned into another statement (A10).
 *
 * In the overlap of copy and log (A9) an UPDATE deletes the old key and writes the full new image,
 * an INSERT writes its image over whatever the copy brought, a DELETE may find nothing: applying
 * the same changes again leads to the same rows. Where an image lacks columns, the caller gives the
 * source's row instead, or says that it has none.
 *
 * Families (A8): where cascading foreign keys join tables on the target, their changes are sent in
 * the source's order with foreign key checks on, so the target's own keys change what the source's
 * changed without a word in the log; a change whose session had no checks is sent without.
 * Thread: one per slot.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/endpoint/mysql/target_priv.h"

#define BULK_BYTES (512u << 10)
#define LOST_TRIES 3

/* --- bulk packets -------------------------------------------------------------------------------
 */

bool bulk_send(struct bulk *b, struct err *e)
{
    uint32_t n = b->rows, tag;

    if (n == 0)
        return true;
    b->rows = 0;
    tag = slot_expect(b->s, b->any_count ? 0 : n, n, b->first, b->counted);
    b->s->expects.at[tag].duplicates = b->duplicates;
    return pipe_send(&b->s->pipe, tag, e);
}

bool bulk_add(struct bulk *b, const struct stmt_row *row, uint32_t write, struct err *e)
{
    struct buf *p = &b->s->pipe.payload;
    size_t mark;

    if (b->rows == 0) {
        stmt_bulk_begin(&b->s->pipe, b->st);
        b->first = write;
    }
    mark = p->len;
    if (!stmt_bulk_row(&b->s->pipe, b->st, row, e))
        return false;
    b->rows++;
    if (p->len > b->s->max_packet && b->rows > 1) { /* without this row it fits */
        p->len = mark;
        b->rows--;
        return bulk_send(b, e) && bulk_add(b, row, write, e);
    }
    return p->len < BULK_BYTES || bulk_send(b, e);
}

/* --- one write ----------------------------------------------------------------------------------
 */

static struct stmt_row images(const struct slot *s)
{
    return (struct stmt_row){.before = s->order.before.at, .after = s->order.after.at};
}

static bool send_form(struct applying *a, uint32_t i, enum stmt_form form, bool exact, bool counted)
{
    struct slot *s = a->s;
    const struct write *w = &a->writes[i];
    struct stmt_row row = images(s);
    bool by_before = form == STMT_DELETE || form == STMT_DELETE_AFTER;
    struct stmt *st;

    if (!slot_stmt(s, w->table, form, w->encoding, 1, by_before ? row.before : row.after, &st,
                   a->e) ||
        !stmt_execute(&s->pipe, st, &row, a->e))
        return false;
    uint32_t tag = slot_expect(s, exact ? 1 : 0, 1, i, counted);
    s->expects.at[tag].computes = form == STMT_CHECK ? w->table : NULL;
    return pipe_send(&s->pipe, tag, a->e);
}

/* Behind a row that was written: has the target computed what the source's row has (A15)? */
static bool send_check(struct applying *a, uint32_t i)
{
    return !a->writes[i].table->computes || send_form(a, i, STMT_CHECK, true, false);
}

static bool send_exact(struct applying *a, uint32_t i)
{
    switch (a->writes[i].op) {
    case CHANGE_INSERT:
        return send_form(a, i, STMT_INSERT, true, true) && send_check(a, i);
    case CHANGE_UPDATE:
        return send_form(a, i, STMT_UPDATE, true, true) && send_check(a, i);
    case CHANGE_DELETE:
        return send_form(a, i, STMT_DELETE, true, true);
    }
    return err_set(a->e, ERR_BUG, "a change of unknown kind %d", (int)a->writes[i].op);
}

/* The source's row in place of an image that lacks columns. */
static bool send_row(struct applying *a, uint32_t i)
{
    struct slot *s = a->s;
    const struct write *w = &a->writes[i];
    struct stmt_row row = {.after = s->order.row.at};
    struct stmt *st;

    if (!w->row.p)
        return true;
    if (!slot_stmt(s, w->table, STMT_INSERT, ROWS_MYSQL_TEXT, 1, row.after, &st, a->e) ||
        !stmt_execute(&s->pipe, st, &row, a->e))
        return false;
    return pipe_send(&s->pipe, slot_expect(s, 1, 1, i, true), a->e);
}

static bool send_overlap(struct applying *a, uint32_t i)
{
    switch (a->writes[i].op) {
    case CHANGE_UPDATE:
        if (!send_form(a, i, STMT_DELETE, false, false))
            return false;
        /* fallthrough */
    case CHANGE_INSERT:
        return send_form(a, i, STMT_DELETE_AFTER, false, false) &&
               (a->writes[i].again ? send_row(a, i)
                                   : send_form(a, i, STMT_INSERT, true, true) && send_check(a, i));
    case CHANGE_DELETE:
        return send_form(a, i, STMT_DELETE, false, true);
    }
    return err_set(a->e, ERR_BUG, "a change of unknown kind %d", (int)a->writes[i].op);
}

/* The images are in the scratch. */
static bool send_images(struct applying *a, uint32_t i)
{
    return a->writes[i].overlap || a->win ? send_overlap(a, i) : send_exact(a, i);
}

static bool send_write(struct applying *a, uint32_t i)
{
    return write_order_read(&a->s->order, &a->writes[i], a->e) && send_images(a, i);
}

/* --- batches ------------------------------------------------------------------------------------
 */

static bool send_bulk(struct applying *a, const struct write_batch *b, enum stmt_form form,
                      bool any_count, bool counted)
{
    struct slot *s = a->s;
    struct stmt_row row;
    struct stmt *st;
    struct bulk bulk = {.s = s, .any_count = any_count, .counted = counted};

    for (size_t i = 0; i < b->at.n; i++) {
        if (!write_order_read(&s->order, &a->writes[b->at.at[i]], a->e))
            return false;
        row = images(s);
        if (i == 0) {
            bool after = form == STMT_INSERT || form == STMT_UPDATE;
            if (!slot_stmt(s, b->table, form, b->encoding, 1, after ? row.after : row.before, &st,
                           a->e))
                return false;
            bulk.st = st;
        }
        if (!bulk_add(&bulk, &row, b->at.at[i], a->e))
            return false;
    }
    return bulk_send(&bulk, a->e);
}

/* The rows from, up to `to`, of the batch; several. */
static bool send_upsert(struct applying *a, const struct write_batch *b, size_t from, size_t to)
{
    struct slot *s = a->s;
    struct bulk bulk = {.s = s, .counted = true, .duplicates = true};
    struct stmt_row row = images(s);
    struct stmt *st;

    for (size_t i = from; i < to; i++) {
        if (!write_order_read(&s->order, &a->writes[b->at.at[i]], a->e))
            return false;
        row = images(s);
        if (i == from) {
            if (!slot_stmt(s, b->table, STMT_UPSERT, b->encoding, 1, row.after, &st, a->e))
                return false;
            bulk.st = st;
        }
        if (!bulk_add(&bulk, &row, b->at.at[i], a->e))
            return false;
    }
    return bulk_send(&bulk, a->e);
}

/* Updates of rows that exist, as INSERT ... ON DUPLICATE KEY UPDATE: the server must say that each
 * of them was a duplicate (A10), which it does of two rows and more. So packets are cut here, below
 * the size at which bulk_add would, and a single row is an UPDATE. */
static bool send_upserts(struct applying *a, const struct write_batch *b)
{
    size_t most = a->s->max_packet / 8 < BULK_BYTES / 4 ? a->s->max_packet / 8 : BULK_BYTES / 4;

    for (size_t from = 0, to; from < b->at.n; from = to) {
        size_t bytes = 0;

        for (to = from; to < b->at.n && (to == from || bytes < most); to++)
            bytes += a->writes[b->at.at[to]].after.len;
        if (to - from == 1 ? !send_write(a, b->at.at[from]) : !send_upsert(a, b, from, to))
            return false;
    }
    return true;
}

static bool send_bulk_batch(struct applying *a, const struct write_batch *b)
{
    if (b->op == CHANGE_DELETE)
        return send_bulk(a, b, STMT_DELETE, b->overlap, true);
    if (b->upserts)
        return send_upserts(a, b);
    if (!b->overlap)
        return send_bulk(a, b, b->op == CHANGE_INSERT ? STMT_INSERT : STMT_UPDATE, false, true);
    return send_bulk(a, b, STMT_DELETE_AFTER, true, false) &&
           send_bulk(a, b, STMT_INSERT, false, true);
}

static bool send_batch(struct applying *a, const struct write_batch *b)
{
    if (a->s->bulk && b->at.n > 1 && !b->has_absent && !b->table->computes)
        return send_bulk_batch(a, b);
    for (size_t i = 0; i < b->at.n; i++)
        if (!send_write(a, b->at.at[i]))
            return false;
    return true;
}

static bool send_fast(struct applying *a)
{
    struct write_order *o = &a->s->order;

    for (size_t i = 0; i < o->batches.n; i++)
        if (!send_batch(a, &o->batches.at[i]))
            return false;
    return true;
}

/* --- families -----------------------------------------------------------------------------------
 */

static bool wants_checks(const struct write *w)
{
    return w->table->cascades && !w->no_checks;
}

static bool has_family(const struct write *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (wants_checks(&w[i]))
            return true;
    return false;
}

static bool set_checks(struct applying *a, bool on)
{
    struct slot *s = a->s;

    if (s->checks == on)
        return true;
    s->checks = on; /* whatever becomes of it: the next one says it anew, or the session is lost */
    return pipe_send_text(&s->pipe, slot_expect(s, 0, 0, SLOT_NO_WRITE, false),
                          on ? "SET foreign_key_checks=1" : "SET foreign_key_checks=0", a->e);
}

static bool send_in_order(struct applying *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!set_checks(a, wants_checks(&a->writes[i])) || !send_write(a, (uint32_t)i))
            return false;
    return set_checks(a, false);
}

bool apply_batches(struct applying *a, size_t n)
{
    return has_family(a->writes, n) ? send_in_order(a, n) : send_fast(a);
}

bool apply_checks_off(struct applying *a)
{
    return set_checks(a, false);
}

/* --- one by one ---------------------------------------------------------------------------------
 */

/* What a strict session refuses. In the overlap every image is inserted. */
static bool send_lenient(struct applying *a, uint32_t i)
{
    struct slot *s = a->s;
    const struct write *w = &a->writes[i];
    struct loosened as;

    write_loosen_scratch(&s->order, w, w->overlap || a->win, &as);
    bool ok = slot_strict(s, false, a->e) && send_images(a, i) &&
              (!slot_settle(s) || slot_warnings(s, i, w->table, &as, a->e)) &&
              (s->pipe.lost || slot_strict(s, true, a->e));
    if (!ok)
        s->pipe.lost = true; /* the session's mode is not known: never used again */
    return ok;
}

bool apply_one(struct applying *a, uint32_t i)
{
    struct slot *s = a->s;
    const struct write *w = &a->writes[i];

    s->warned = 0;
    if (!set_checks(a, wants_checks(w)))
        return false;
    if (!write_order_read(&s->order, w, a->e))
        return false;
    if (write_needs_care(&s->order, w))
        return send_lenient(a, i);
    if (!send_write(a, i))
        return false;
    return !slot_settle(s) || !s->warned || slot_warnings(s, i, w->table, NULL, a->e);
}

bool apply_careful(struct applying *a, const struct slot_commit *c, size_t n)
{
    a->s->careful = true;
    for (size_t i = 0; i < n && slot_settle(a->s); i++)
        if (!(c->decide ? apply_resolved(a, c, (uint32_t)i) : apply_one(a, (uint32_t)i)))
            return false;
    return set_checks(a, false);
}

/* --- a transaction ------------------------------------------------------------------------------
 */

bool apply_check(const struct write *w, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (w[i].encoding != ROWS_CANONICAL && w[i].op != CHANGE_INSERT)
            return err_set(e, ERR_UNSUPPORTED, "rows are found by canonical values only");
        if (!w[i].overlap)
            continue;
        if (w[i].table->source->row_key < 0)
            return err_set(e, ERR_UNSUPPORTED,
                           "table %s has no key: its copy and its changes cannot overlap",
                           w[i].table->quoted);
        if (wants_checks(&w[i]))
            return err_set(
                e, ERR_UNSUPPORTED,
                "foreign keys with CASCADE or SET NULL were given to table %s before its "
                "copy's end: what they change is not in the log, the table must be copied "
                "again",
                w[i].table->quoted);
        if (w[i].has_absent && w[i].op != CHANGE_DELETE && !w[i].again)
            return err_set(e, ERR_BUG,
                           "a change of table %s before its copy's end lacks columns, and its row "
                           "was not read again",
                           w[i].table->quoted);
    }
    return true;
}

static bool send_all(struct applying *a, const struct slot_commit *commit, size_t n, bool careful)
{
    a->s->careful = false;
    return slot_begin(a->s, commit->low, commit->done, a->e) && apply_checks_off(a) &&
           (careful ? apply_careful(a, commit, n) : apply_batches(a, n)) &&
           slot_meta(a->s, commit, false, a->e);
}

static void put_conflict(struct slot *s, struct apply_result *r)
{
    r->outcome = APPLY_CONFLICT;
    r->conflict_at = s->failure.write;
    r->conflict_errno = (int)s->failure.error;
    (void)snprintf(r->conflict_text, sizeof r->conflict_text, "%s", s->failure.text);
}

static void put_retry(const struct slot *s, struct apply_result *r)
{
    r->outcome = APPLY_RETRY;
    r->conflict_errno = (int)s->failure.error;
    (void)snprintf(r->conflict_text, sizeof r->conflict_text, "%s", s->failure.text);
}

enum step { STEP_DONE, STEP_AGAIN, STEP_CAREFUL, STEP_ERROR };

static enum step after_failure(struct slot *s, bool careful, struct apply_result *r, struct err *e)
{
    enum slot_verdict v = slot_judge(s, e);

    if (v == SLOT_CONFLICT && careful)
        put_conflict(s, r);
    if (v == SLOT_RETRY)
        put_retry(s, r);
    slot_rollback(s);
    switch (v) {
    case SLOT_RETRY:
        return STEP_DONE;
    case SLOT_LOST:
        return STEP_AGAIN;
    case SLOT_CONFLICT:
        return careful ? STEP_DONE : STEP_CAREFUL;
    case SLOT_ERROR:
        break;
    }
    return STEP_ERROR;
}

/* Every answer was read, and all is as it must be. */
static enum step commit_in_turn(struct slot *s, const struct slot_commit *commit,
                                struct apply_result *r, struct err *e)
{
    struct mono began;
    bool committed;

    if (commit->turn && !commit->turn(commit->turn_arg)) {
        slot_rollback(s);
        r->outcome = APPLY_YIELDED;
        return STEP_DONE;
    }
    began = clock_mono();
    if (!slot_commit(s, &committed, e))
        return STEP_ERROR;
    r->commit_us = (uint32_t)((clock_mono().ns - began.ns) / 1000);
    if (!committed)
        return STEP_AGAIN;
    r->outcome = APPLY_COMMITTED;
    r->rows_matched = s->rows_matched;
    return STEP_DONE;
}

static enum step attempt(struct applying *a, const struct slot_commit *commit, size_t n,
                         bool careful, struct apply_result *r)
{
    struct slot *s = a->s;

    if (!slot_ready(s, NULL, a->e))
        return STEP_ERROR;
    if (!careful && !write_order_make(&s->order, a->writes, n, a->e))
        return STEP_ERROR;
    if (!careful && s->order.needs_care)
        return STEP_CAREFUL;
    if (!send_all(a, commit, n, careful)) {
        if (a->e->code == ERR_SERVER_UNREACHABLE)
            s->pipe.lost = true;
        else if (slot_settle(s) || a->e->code == ERR_LIMIT || a->e->code == ERR_UNSUPPORTED) {
            slot_rollback(s);
            return STEP_ERROR;
        }
        err_clear(a->e);
        return after_failure(s, careful, r, a->e);
    }
    if (!slot_settle(s))
        return after_failure(s, careful, r, a->e);
    return commit_in_turn(s, commit, r, a->e);
}

bool target_apply(struct slot *s, const struct slot_commit *commit, const struct write *writes,
                  size_t n, struct apply_result *result, struct err *e)
{
    struct applying a = {.s = s, .writes = writes, .e = e};
    struct apply_result r = {.outcome = APPLY_RETRY};
    bool careful = false;

    if (!apply_check(writes, n, e))
        return false;
    for (int tries = 0; tries < LOST_TRIES;) {
        switch (attempt(&a, commit, n, careful, &r)) {
        case STEP_DONE:
            *result = r;
            return true;
        case STEP_AGAIN:
            tries++;
            break;
        case STEP_CAREFUL:
            careful = true;
            break;
        case STEP_ERROR:
            return err_wrap(e, "apply %zu changes", n);
        }
    }
    *result = (struct apply_result){.outcome = APPLY_RETRY};
    return true;
}
