/*
 * A target transaction whose writes come in pieces, because all of them at once would not fit into
 * memory (correctness E1): begin, piece after piece, end. Nothing is visible before the end; an
 * error, a kill or a lost connection before it leaves nothing. The fence is the first statement, as
 * of any transaction (F3).
 *
 * Each piece begins at a savepoint: one that the target does not take is rolled back to there and
 * run again one by one, which names the write, and lets the caller decide about it. So the pieces
 * before it need not come again. What ends the whole transaction on the server (a deadlock, a lost
 * connection) ends it here: the caller must begin anew from the first piece.
 *
 * Bookkeeping is per piece: answers are all read at the end of each, so the list of what they must
 * say never grows with the transaction.
 * Thread: one per slot.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

#define TRANS_CACHE_FULL 1197 /* more than max_binlog_cache_size */
#define LOCK_WAIT_TIMEOUT 1205

bool target_apply_begin(struct slot *s, const struct slot_commit *commit, struct err *e)
{
    struct applying a = {.s = s, .e = e};

    if (!slot_ready(s, NULL, e))
        return err_wrap(e, "begin a transaction in pieces");
    s->careful = false;
    return (slot_begin(s, commit->low, commit->done, e) && apply_checks_off(&a)) ||
           err_wrap(e, "begin a transaction in pieces");
}

/* Reads every answer and forgets what they had to say. */
static bool settle_piece(struct slot *s)
{
    if (!slot_settle(s))
        return false;
    s->expects.n = 0;
    return true;
}

static bool rewind_piece(struct applying *a)
{
    struct slot *s = a->s;

    memset(&s->failure, 0, sizeof s->failure);
    if (session_exec(s->s, "ROLLBACK TO SAVEPOINT oms_piece", a->e))
        return true;
    s->pipe.lost |= a->e->code == ERR_SERVER_UNREACHABLE;
    return false;
}

/* Only the statement was undone: the transaction goes on from the savepoint. */
static bool may_go_on(const struct slot *s)
{
    return s->failure.error != TRANS_CACHE_FULL &&
           (slot_is_conflict(s) || (!s->pipe.lost && s->failure.error == LOCK_WAIT_TIMEOUT));
}

static bool too_large(struct slot *s, struct err *e)
{
    char text[32] = "";
    bool found = false;
    struct err ignored = ERR_INIT;

    slot_rollback(s);
    if (s->pipe.lost ||
        !session_value(s->s, "SELECT @@max_binlog_cache_size", text, sizeof text, &found, &ignored))
        found = false;
    return err_set_sys(e, ERR_TARGET_TXN_LIMIT, TRANS_CACHE_FULL,
                       "the target cannot hold a transaction of the source in one of its own: "
                       "max_binlog_cache_size is %s",
                       found ? text : "too small");
}

/* The piece failed: what becomes of the transaction? Everything of it is rolled back. */
static bool give_up(struct slot *s, struct apply_result *r, struct err *e)
{
    enum slot_verdict v;

    if (s->failure.error == TRANS_CACHE_FULL)
        return too_large(s, e);
    v = slot_judge(s, e);
    r->outcome = APPLY_RETRY;
    (void)snprintf(r->conflict_text, sizeof r->conflict_text, "%s", s->failure.text);
    r->conflict_errno = (int)s->failure.error;
    if (v == SLOT_CONFLICT) {
        r->outcome = APPLY_CONFLICT;
        r->conflict_at = s->failure.write;
    }
    slot_rollback(s);
    return v != SLOT_ERROR;
}

/* A statement could not even be sent. True: the failure is in the slot, as if it had been. */
static bool is_failure(struct slot *s, struct err *e)
{
    if (e->code == ERR_SERVER_UNREACHABLE) {
        s->pipe.lost = true;
    } else if (slot_settle(s) || e->code == ERR_LIMIT || e->code == ERR_UNSUPPORTED) {
        slot_rollback(s);
        return false;
    }
    err_clear(e);
    return true;
}

static bool run(struct applying *a, const struct slot_commit *commit, size_t n, bool careful,
                bool *ok)
{
    bool sent = careful ? apply_careful(a, commit, n) : apply_batches(a, n);

    a->s->careful = false;
    *ok = sent && settle_piece(a->s);
    return sent || is_failure(a->s, a->e);
}

bool target_apply_piece(struct slot *s, const struct slot_commit *commit,
                        const struct write *writes, size_t n, struct apply_result *r, struct err *e)
{
    struct applying a = {.s = s, .writes = writes, .e = e};
    bool ok = false;

    r->outcome = APPLY_COMMITTED;
    if (!apply_check(writes, n, e) || !write_order_make(&s->order, writes, n, e) ||
        !pipe_send_text(&s->pipe, slot_expect(s, 0, UINT64_MAX, SLOT_NO_WRITE, false),
                        "SAVEPOINT oms_piece", e)) {
        slot_rollback(s);
        return err_wrap(e, "apply a piece of %zu changes", n);
    }
    if (!s->order.needs_care) {
        if (!run(&a, commit, n, false, &ok))
            return err_wrap(e, "apply a piece of %zu changes", n);
        if (ok)
            return true;
        if (!may_go_on(s))
            return give_up(s, r, e) || err_wrap(e, "apply a piece of %zu changes", n);
    }
    if ((s->failure.any && !rewind_piece(&a)) || !run(&a, commit, n, true, &ok))
        return s->pipe.lost ? give_up(s, r, e)
                            : err_wrap(e, "apply a piece of %zu changes one by one", n);
    return ok || give_up(s, r, e) || err_wrap(e, "apply a piece of %zu changes", n);
}

bool target_apply_end(struct slot *s, const struct slot_commit *commit, struct apply_result *r,
                      struct err *e)
{
    bool committed = false;

    if (!slot_meta(s, commit, commit->late_sets, e))
        return err_wrap(e, "end a transaction in pieces");
    if (!slot_settle(s))
        return give_up(s, r, e) || err_wrap(e, "end a transaction in pieces");
    if (!slot_commit(s, &committed, e))
        return err_wrap(e, "commit a transaction in pieces");
    r->outcome = committed ? APPLY_COMMITTED : APPLY_RETRY;
    r->rows_matched = s->rows_matched;
    return true;
}

void target_apply_abort(struct slot *s)
{
    slot_rollback(s);
}
