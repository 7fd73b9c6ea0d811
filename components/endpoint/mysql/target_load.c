/*
 * Rows of the full copy: array-bound INSERTs, several packets on the way at once, the fence row
 * first and the chunk's row in the same transaction, so that a chunk is copied exactly once. A
 * duplicate is an error, never ignored (E4). Servers without bulk commands get INSERTs of many
 * rows with parameters. Thread: one per slot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/target_priv.h"

#define PACKETS_WAITING 2
#define ROWS_PER_INSERT 128
#define PARAMS_MAX 65535
#define INSERT_BYTES (1u << 20) /* of rows, about */

/* A load that failed says so once more at load_commit. */
static bool failed(struct slot *s, struct err *e)
{
    switch (slot_judge(s, e)) {
    case SLOT_RETRY:
        (void)err_set_sys(e, ERR_SERVER_BUSY, (int)s->failure.error, "%s", s->failure.text);
        break;
    case SLOT_LOST:
        (void)err_set(e, ERR_SERVER_UNREACHABLE, "the connection to the target broke");
        break;
    case SLOT_CONFLICT:
        (void)err_set_sys(e, ERR_TARGET_CONFLICT, (int)s->failure.error, "%s", s->failure.text);
        break;
    case SLOT_ERROR:
        break;
    }
    s->load_error = *e;
    slot_rollback(s);
    return false;
}

static bool load_failed(struct slot *s, struct err *e)
{
    *e = s->load_error;
    return false;
}

bool target_load_begin(struct slot *s, struct err *e)
{
    if (s->loading)
        return err_set(e, ERR_WRONG_STATE, "a load is open already on slot %u", s->n);
    s->careful = false;
    for (int tries = 0; tries < 3; tries++) {
        if (!slot_ready(s, NULL, e))
            return false;
        if (!slot_begin(s, NULL, NULL, e))
            return false;
        if (slot_settle(s)) {
            s->loading = true;
            err_clear(&s->load_error);
            return true;
        }
        if (!s->pipe.lost)
            return failed(s, e);
    }
    return err_set(e, ERR_SERVER_UNREACHABLE, "the connection to the target breaks at once");
}

/* --- batches ------------------------------------------------------------------------------------
 */

/* A row that a strict session refuses: alone, its warnings judged. */
static bool load_lenient(struct slot *s, struct target_table *t, enum rows_encoding enc,
                         struct value *values, struct err *e)
{
    struct stmt_row row = {.after = values};
    struct loosened as;
    struct stmt *st;

    if (!slot_settle(s))
        return true;
    s->careful = true;
    s->warned = 0;
    write_loosen(t, enc, values, NULL, &as);
    bool ok = slot_strict(s, false, e) && slot_stmt(s, t, STMT_INSERT, enc, 1, values, &st, e) &&
              stmt_execute(&s->pipe, st, &row, e) &&
              pipe_send(&s->pipe, slot_expect(s, 1, 1, 0, true), e) &&
              (!slot_settle(s) || slot_warnings(s, 0, t, &as, e)) &&
              (s->pipe.lost || slot_strict(s, true, e));
    s->careful = false;
    if (!ok)
        s->pipe.lost = true; /* the session's mode is not known */
    return ok;
}

static bool load_bulk(struct slot *s, struct target_table *t, const struct rows *batch,
                      struct err *e)
{
    struct bulk bulk = {.s = s, .counted = true};
    struct write w = {.table = t, .op = CHANGE_INSERT, .encoding = batch->encoding};
    struct stmt *st;

    for (uint32_t i = 0; i < batch->n; i++) {
        w.after = rows_at(batch, i);
        if (!write_order_read(&s->order, &w, e))
            return false;
        struct stmt_row row = {.after = s->order.after.at};
        if (i == 0 && !slot_stmt(s, t, STMT_INSERT, batch->encoding, 1, row.after, &st, e))
            return false;
        bulk.st = st;
        if (write_is_odd(t, batch->encoding, row.after)) {
            if (!bulk_send(&bulk, e) || !load_lenient(s, t, batch->encoding, s->order.after.at, e))
                return false;
            continue;
        }
        if (!bulk_add(&bulk, &row, i, e))
            return false;
        if (bulk.rows == 0)
            pipe_read(&s->pipe, PACKETS_WAITING);
    }
    return bulk_send(&bulk, e);
}

struct multi { /* rows of one INSERT */
    struct stmt_row rows[ROWS_PER_INSERT];
    struct value *values;
    uint16_t n, most;
};

static bool send_multi(struct slot *s, struct target_table *t, enum rows_encoding enc,
                       struct multi *m, struct err *e)
{
    struct stmt *st;
    uint16_t n = m->n;

    m->n = 0;
    if (!slot_stmt(s, t, STMT_INSERT, enc, n, m->rows[0].after, &st, e) ||
        !stmt_execute(&s->pipe, st, m->rows, e) ||
        !pipe_send(&s->pipe, slot_expect(s, n, n, 0, true), e))
        return false;
    pipe_read(&s->pipe, PACKETS_WAITING);
    return true;
}

/* The rest of a batch goes row by row: one statement text for each size would be many. */
static bool send_rest(struct slot *s, struct target_table *t, enum rows_encoding enc,
                      struct multi *m, struct err *e)
{
    struct multi one = {.values = NULL};
    uint16_t n = m->n;

    for (uint16_t i = 0; i < n; i++) {
        one.rows[0] = m->rows[i];
        one.n = 1;
        if (!send_multi(s, t, enc, &one, e))
            return false;
    }
    m->n = 0;
    return true;
}

static bool fill_multi(struct slot *s, struct target_table *t, const struct rows *batch,
                       struct multi *m, struct err *e)
{
    uint16_t columns = t->source->n_columns;
    size_t bytes = 0;

    for (uint32_t i = 0; i < batch->n; i++) {
        struct view row = rows_at(batch, i);
        struct value *values = m->values + (size_t)m->n * columns;

        if (m->n > 0 && bytes + row.len > INSERT_BYTES && !send_rest(s, t, batch->encoding, m, e))
            return false;
        values = m->values + (size_t)m->n * columns;
        bytes = (m->n == 0 ? 0 : bytes) + row.len;
        if (!row_read(t->source, batch->encoding, false, row, values))
            return err_set(e, ERR_CORRUPT, "row %u of the batch does not have its table's form", i);
        if (write_is_odd(t, batch->encoding, values)) {
            if (!load_lenient(s, t, batch->encoding, values, e))
                return false;
            continue;
        }
        m->rows[m->n++].after = values;
        if (m->n == m->most && !send_multi(s, t, batch->encoding, m, e))
            return false;
    }
    return send_rest(s, t, batch->encoding, m, e);
}

static bool load_multi(struct slot *s, struct target_table *t, const struct rows *batch,
                       struct err *e)
{
    uint16_t columns = t->source->n_columns;
    struct multi m = {.most = ROWS_PER_INSERT};

    if ((size_t)m.most * columns > PARAMS_MAX)
        m.most = (uint16_t)(PARAMS_MAX / columns);
    m.values = must_calloc((size_t)m.most * columns, sizeof *m.values);
    bool ok = fill_multi(s, t, batch, &m, e);
    free(m.values);
    return ok;
}

bool target_load(struct slot *s, struct target_table *t, const struct rows *batch, struct err *e)
{
    if (!s->loading)
        return err_set(e, ERR_WRONG_STATE, "no load is open on slot %u", s->n);
    if (s->load_error.code != ERR_NONE)
        return load_failed(s, e);
    if (!(s->bulk ? load_bulk(s, t, batch, e) : load_multi(s, t, batch, e))) {
        if (s->failure.any || s->pipe.lost) {
            err_clear(e);
            return failed(s, e);
        }
        s->load_error = *e;
        slot_rollback(s);
        return false;
    }
    if (s->pipe.lost || s->failure.any)
        return failed(s, e);
    return true;
}

/* --- end ----------------------------------------------------------------------------------------
 */

static bool conclude(struct slot *s, const struct err *why, struct apply_result *r, struct err *e)
{
    struct apply_result out = {.outcome = APPLY_RETRY, .conflict_errno = why->sys};

    slot_rollback(s);
    if (why->code == ERR_TARGET_CONFLICT) {
        out.outcome = APPLY_CONFLICT;
        (void)snprintf(out.conflict_text, sizeof out.conflict_text, "%.500s", why->message);
    } else if (why->code != ERR_SERVER_BUSY && why->code != ERR_SERVER_UNREACHABLE) {
        *e = *why;
        return false;
    }
    *r = out;
    return true;
}

bool target_load_commit(struct slot *s, const struct slot_commit *commit,
                        struct apply_result *result, struct err *e)
{
    struct err why = ERR_INIT;
    bool committed;

    if (!s->loading)
        return err_set(e, ERR_WRONG_STATE, "no load is open on slot %u", s->n);
    s->loading = false;
    if (s->load_error.code != ERR_NONE)
        return conclude(s, &s->load_error, result, e);
    if (!slot_meta(s, commit, true, e)) {
        slot_rollback(s);
        return false;
    }
    if (!slot_settle(s)) {
        (void)failed(s, &why);
        return conclude(s, &why, result, e);
    }
    if (!slot_commit(s, &committed, e))
        return err_wrap(e, "commit a load");
    *result = (struct apply_result){.outcome = committed ? APPLY_COMMITTED : APPLY_RETRY,
                                    .rows_matched = committed ? s->rows_matched : 0};
    return true;
}

bool target_load_rollback(struct slot *s, struct err *e)
{
    (void)e;
    s->loading = false;
    slot_rollback(s); /* a lost connection: the server rolls back, the next load opens another */
    return true;
}
