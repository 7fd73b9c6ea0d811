/*
 * Changes that the target does not take, while everything before them is committed (correctness
 * A17): the caller's rules decide whether the source's image replaces the row under the same row
 * key, whether the change is left out and recorded in oms_meta.skipped within the same transaction,
 * or whether the transaction is rolled back.
 *
 * Invariant: only the row under the image's own row key ever gives way. When the image then still
 * collides, a third row holds one of its unique values: the write is undone to its savepoint and
 * the conflict remains, so that no row is deleted which the source's change did not name.
 * Thread: one per slot.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

#define ROW_TEXT_MAX 4096
#define DUPLICATE 1062
#define DUPLICATE_WITH_NAME 1586

static bool exec(struct applying *a, const char *sql)
{
    if (session_exec(a->s->s, sql, a->e))
        return true;
    if (a->e->code == ERR_SERVER_UNREACHABLE)
        a->s->pipe.lost = true;
    return false;
}

static bool is_duplicate(unsigned error)
{
    return error == DUPLICATE || error == DUPLICATE_WITH_NAME;
}

/* Errors that the row itself is the cause of: it, and it alone, could be left out. */
static bool is_row_error(unsigned error)
{
    static const unsigned numbers[] = {0,    1048, 1062, 1264, 1265, 1292, 1300, 1364, 1365, 1366,
                                       1367, 1406, 1411, 1416, 1451, 1452, 1526, 1586, 1690, 1748,
                                       3140, 3141, 3143, 3156, 3819, 3903, 4025, 4078};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i] == error)
            return true;
    return false;
}

static bool can_win(const struct write *w, const struct slot_failure *f)
{
    if (w->table->source->row_key < 0 || w->overlap || w->has_absent)
        return false;
    if (w->table->cascades && w->op != CHANGE_DELETE)
        return false; /* replacing is deleting, and that would cascade */
    switch (w->op) {
    case CHANGE_INSERT:
        return is_duplicate(f->error);
    case CHANGE_UPDATE:
        return is_duplicate(f->error) || f->error == 0;
    case CHANGE_DELETE:
        return f->error == 0;
    }
    return false;
}

/* --- the target's row, for people ---------------------------------------------------------------
 */

/* Bytes that are no text become points, so that every channel takes them. */
static void keep_readable(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '.';
}

static bool read_row(struct applying *a, uint32_t i, enum stmt_form form, char out[ROW_TEXT_MAX])
{
    struct slot *s = a->s;
    const struct write *w = &a->writes[i];
    struct stmt_row row;
    struct stmt *st;
    bool found;

    out[0] = '\0';
    if (!write_order_read(&s->order, w, a->e))
        return false;
    row = (struct stmt_row){.before = s->order.before.at, .after = s->order.after.at};
    if (!slot_stmt(s, w->table, form, w->encoding, 1, row.before, &st, a->e) ||
        !stmt_execute(&s->pipe, st, &row, a->e) ||
        !pipe_send(&s->pipe, slot_expect(s, 0, UINT64_MAX, SLOT_NO_WRITE, false), a->e))
        return false;
    if (!slot_settle(s))
        return err_set(a->e, ERR_SERVER_REFUSED, "%s", s->failure.text);
    if (!session_value(s->s, "SELECT LEFT(@oms_row,4000)", out, ROW_TEXT_MAX, &found, a->e))
        return false;
    keep_readable(out);
    return true;
}

/* What cannot be shown says so: it is evidence, and decides nothing. */
static void show_row(struct applying *a, uint32_t i, enum stmt_form form, char out[ROW_TEXT_MAX])
{
    struct slot_failure none = {0};

    if (read_row(a, i, form, out))
        return;
    if (a->e->code == ERR_SERVER_UNREACHABLE)
        a->s->pipe.lost = true;
    (void)snprintf(out, ROW_TEXT_MAX, "(cannot be shown: %s)", a->e->message);
    err_clear(a->e);
    a->s->failure = none;
}

/* --- deciding ------------------------------------------------------------------------------------
 */

struct resolving {
    struct applying *a;
    const struct slot_commit *commit;
    uint32_t i;
    struct slot_failure was; /* what the target said first */
    char row[ROW_TEXT_MAX], image_row[ROW_TEXT_MAX], holder[ROW_TEXT_MAX];
};

static void put_text(struct buf *sql, const char *text)
{
    buf_str(sql, ", ");
    oms_meta_bytes(sql, text ? text : "", text ? strlen(text) : 0);
}

static bool record(struct applying *a, const struct skipped *x)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, META_SQL_MAX);
    buf_str(&sql, "INSERT INTO oms_meta.skipped (task, txid, n, tbl, op, row_key, `before`,"
                  " `after`, target_row, reason) VALUES (");
    oms_meta_text(&sql, a->s->claim->task);
    buf_str(&sql, ", ");
    oms_meta_text(&sql, x->txid);
    buf_printf(&sql, ", %" PRIu64 ", ", x->n);
    oms_meta_text(&sql, x->table);
    buf_str(&sql, ", ");
    oms_meta_text(&sql, x->op);
    put_text(&sql, x->row_key);
    put_text(&sql, x->before);
    put_text(&sql, x->after);
    put_text(&sql, x->target_row);
    put_text(&sql, x->reason);
    buf_str(&sql, ")");
    return buf_ok(&sql) ? exec(a, buf_cstr(&sql))
                        : err_set(a->e, ERR_LIMIT, "a skipped change is too large to be recorded");
}

static enum conflict_fix ask(struct resolving *r, bool third, struct skipped *record)
{
    const struct slot_failure *f = third ? &r->a->s->failure : &r->was;
    struct conflict x = {.at = r->i,
                         .error = (int)f->error,
                         .text = f->text,
                         .can_win = !third && can_win(&r->a->writes[r->i], f),
                         .of_row = is_row_error(f->error),
                         .third = third,
                         .row = r->row,
                         .image_row = r->image_row,
                         .holder = r->holder};

    return r->commit->decide(r->commit->decide_arg, &x, record);
}

static void look(struct resolving *r)
{
    const struct write *w = &r->a->writes[r->i];
    bool has_before = w->op != CHANGE_INSERT, has_after = w->op != CHANGE_DELETE;

    if (has_before)
        show_row(r->a, r->i, STMT_SHOW, r->row);
    if (w->has_absent || !has_after)
        return;
    if (is_duplicate(r->was.error) && stmt_finds_holders(w->table))
        show_row(r->a, r->i, STMT_SHOW_HOLDER, r->holder);
    if (w->table->source->row_key < 0)
        return;
    show_row(r->a, r->i, STMT_SHOW_AFTER, has_before ? r->image_row : r->row);
    if (strcmp(r->row, r->image_row) == 0)
        r->image_row[0] = '\0';
    if (strcmp(r->row, r->holder) == 0) /* an update that moves its row */
        r->holder[0] = '\0';
}

static bool undo(struct applying *a)
{
    memset(&a->s->failure, 0, sizeof a->s->failure);
    return exec(a, "ROLLBACK TO SAVEPOINT oms_write");
}

static bool resolve(struct resolving *r, bool third)
{
    struct applying *a = r->a;
    struct slot_failure now = a->s->failure;
    struct skipped left_out = {0};

    if (!undo(a))
        return false;
    if (!third)
        look(r);
    if (a->s->pipe.lost)
        return true;
    a->s->failure = now;
    switch (ask(r, third, &left_out)) {
    case FIX_NONE:
        return true; /* the failure stays */
    case FIX_SKIP:
        memset(&a->s->failure, 0, sizeof a->s->failure);
        return record(a, &left_out) || a->s->pipe.lost;
    case FIX_SOURCE_WINS:
        break;
    }
    if (third || !can_win(&a->writes[r->i], &now))
        return true;
    memset(&a->s->failure, 0, sizeof a->s->failure);
    a->win = true;
    bool sent = apply_one(a, r->i);
    a->win = false;
    return !sent || slot_settle(a->s) || !slot_is_conflict(a->s) ? sent : resolve(r, true);
}

bool apply_resolved(struct applying *a, const struct slot_commit *c, uint32_t i)
{
    uint64_t matched = a->s->rows_matched;

    if (!pipe_send_text(&a->s->pipe, slot_expect(a->s, 0, UINT64_MAX, SLOT_NO_WRITE, false),
                        "SAVEPOINT oms_write", a->e) ||
        !apply_one(a, i))
        return false;
    if (slot_settle(a->s) || !slot_is_conflict(a->s))
        return true;
    a->s->rows_matched = matched;

    struct resolving r = {.a = a, .commit = c, .i = i, .was = a->s->failure};
    return resolve(&r, false);
}

/* --- listing -------------------------------------------------------------------------------------
 */

bool target_skipped_list(const struct endpoint_address *address, const char *task, uint64_t most,
                         skipped_take *each, void *arg, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);
    struct session *s = NULL;
    bool ok;

    if (!session_open(address, SESSION_READ, &s, e))
        return err_wrap(e, "read the skipped changes of task '%s'", task);
    buf_init(&sql, 8192);
    buf_str(&sql, "SELECT txid, n, tbl, op, row_key, `before`, `after`, target_row, reason, at FROM"
                  " oms_meta.skipped WHERE task=");
    oms_meta_text(&sql, task);
    buf_printf(&sql, " ORDER BY at, txid, n LIMIT %" PRIu64, most);
    ok = session_query_buf(s, &sql, &res, e);
    if (!ok && e->code == ERR_SERVER_NO_OBJECT) {
        err_clear(e);
        ok = true;
    }
    for (MYSQL_ROW row; ok && res && (row = mysql_fetch_row(res));) {
        struct skipped x = {
            row[0], strtoull(row[1], NULL, 10), row[2], row[3], row[4], row[5], row[6], row[7],
            row[8]};

        ok = each(arg, &x, row[9]);
    }
    session_close(s);
    return ok || err_wrap(e, "read the skipped changes of task '%s'", task);
}
