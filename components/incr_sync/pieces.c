/*
 * A transaction larger than memory should hold (correctness E1): the worker takes its pieces as the
 * reader puts them into the pipe and sends each to the target inside one target transaction, so it
 * becomes visible whole or not at all; each block is given back as soon as its piece is sent. It is
 * alone in flight, so nothing overtakes it. What interrupts it (a kill, a broken stream, a
 * deadlock) leaves nothing on the target, and the next claim does it again from its first part.
 *
 * Beyond the target's own limit the project stops, or, with `huge_transaction: split`, the
 * transaction is committed in several: oms_meta.split says in the same commits how many of its
 * changes are there, and a life that finds the row goes on behind them. Then it is not atomic.
 * A life that finds the row takes the transaction in pieces again: PIECES_BYTES may only become
 * less. Thread: the worker's; plans are opened here because main opens none while a transaction is
 * alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "components/incr_sync/sync_priv.h"

#define PIECE_WRITES 20000
#define SPLIT_BYTES_LEAST (1u << 20)
#define TAKE_MS 1000

struct pieces {
    struct worker *w;
    const struct window_group *g;
    const struct source_txn *t;
    struct slot_commit commit;
    struct split_mark mark;
    bool splitting, open;
    uint64_t skip;        /* changes that an earlier life has committed */
    uint64_t at, sent_to; /* changes met; those before sent_to are with the target */
    uint64_t since;       /* bytes since the last commit of a part */
};

static const struct txn_table *table_of(const struct source_piece *piece, uint32_t id)
{
    for (uint32_t i = 0; i < piece->n_tables; i++)
        if (piece->tables[i].id == id)
            return &piece->tables[i];
    return NULL;
}

struct piece_cursor {
    const struct source_piece *piece;
    const struct txn_table *current;
};
static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct piece_cursor *c = arg;

    c->current = table_of(c->piece, id);
    return c->current ? c->current->table->def : NULL;
}

/* --- the target's side ---------------------------------------------------------------------------
 */

static bool begin(struct pieces *p, struct err *e)
{
    if (p->open)
        return true;
    p->commit.low = p->splitting ? NULL : &p->g->low;
    p->commit.done = p->splitting ? NULL : &p->g->done;
    p->commit.split = NULL;
    p->commit.late_sets = false;
    p->open = p->w->target->apply_begin(p->w->slot, &p->commit, e);
    return p->open;
}

static bool taken(const struct pieces *p)
{
    return p->w->result.outcome == APPLY_COMMITTED;
}

/* One of several commits of a split transaction. */
static bool commit_some(struct pieces *p, struct err *e)
{
    p->mark = (struct split_mark){.id = p->t->id, .changes = p->at};
    p->commit.split = &p->mark;
    if (!p->w->target->apply_end(p->w->slot, &p->commit, &p->w->result, e))
        return false;
    p->open = false;
    p->since = 0;
    return true;
}

static bool commit_last(struct pieces *p, struct err *e)
{
    if (!begin(p, e))
        return false;
    if (p->splitting) {
        p->mark = (struct split_mark){.id = p->t->id, .over = true};
        p->commit.split = &p->mark;
        p->commit.low = &p->g->low;
        p->commit.done = &p->g->done;
        p->commit.late_sets = true;
    }
    p->open = false;
    return p->w->target->apply_end(p->w->slot, &p->commit, &p->w->result, e);
}

static bool send(struct pieces *p, const struct source_piece *piece, struct err *e)
{
    struct worker *w = p->w;

    if (w->writes.n == 0)
        return true;
    if (!reread_fill(w->sync, &w->again, w->writes.at, e) || !begin(p, e))
        return false;
    conflict_case_begin(&w->conflicts, p->t, piece->tables, piece->n_tables, w->writes.at,
                        p->sent_to);
    if (!w->target->apply_piece(w->slot, &p->commit, w->writes.at, w->writes.n, &w->result, e))
        return false;
    conflict_count(&w->conflicts, &w->account);
    p->sent_to = p->at;
    w->writes.n = 0;
    reread_begin(&w->again);
    return true;
}

/* --- the source's side ---------------------------------------------------------------------------
 */

static void add_write(struct pieces *p, const struct txn_table *table, const struct change *ch)
{
    if (++p->at <= p->skip) {
        p->sent_to = p->at;
        return;
    }
    uint64_t bytes = (ch->before.p ? ch->before.len : 0) + (ch->after.p ? ch->after.len : 0);

    p->since += bytes;
    p->w->bytes += bytes;
    account_met(&p->w->account, table->table);
    account_sent(&p->w->account, table->table);
    if (reread_is_needed(ch->op, table->use == USE_OVERLAP, ch->flags & CHANGE_F_ABSENT)) {
        reread_add_txn(&p->w->again, p->t->id);
        reread_add(&p->w->again, p->w->writes.n, table->table);
    }
    vec_push(&p->w->writes, ((struct write){.table = table->table->plan,
                                            .op = ch->op,
                                            .overlap = table->use == USE_OVERLAP,
                                            .encoding = ROWS_CANONICAL,
                                            .has_absent = ch->flags & CHANGE_F_ABSENT,
                                            .no_checks = ch->flags & CHANGE_F_NO_FK,
                                            .before = ch->before,
                                            .after = ch->after}));
}

/* A split transaction has sent enough for a commit of its own. */
static bool commit_if_enough(struct pieces *p, struct err *e)
{
    bool enough = taken(p) && p->splitting && p->open && p->w->writes.n == 0 &&
                  p->since >= p->w->sync->carry->split_bytes;

    return !enough || commit_some(p, e);
}

/* True with an outcome that is not COMMITTED: nothing more is to be sent. */
static bool one_piece(struct pieces *p, const struct source_piece *piece, struct err *e)
{
    struct piece_cursor at = {.piece = piece};
    struct change_iter it;
    struct change ch;

    if (!plans_for_tables(p->w->sync, piece->tables, piece->n_tables, e))
        return false;
    p->w->writes.n = 0;
    reread_begin(&p->w->again);
    change_iter_init(&it, piece->part.changes, resolve, &at);
    while (taken(p) && change_next(&it, &ch)) {
        if (at.current->use == USE_SKIP)
            continue;
        add_write(p, at.current, &ch);
        if (p->w->writes.n >= PIECE_WRITES && !(send(p, piece, e) && commit_if_enough(p, e)))
            return false;
    }
    if (!taken(p))
        return true;
    if (it.c.failed) /* the intake has read the same bytes */
        return err_set(e, ERR_BUG, "a part of a transaction cannot be read again");
    return send(p, piece, e) && commit_if_enough(p, e);
}

static void give_back(struct pieces *p, struct source_piece *piece)
{
    struct source_block *b = piece->part.block;

    if (source_block_unref(b))
        block_idle(p->w->sync->budget, b);
}

static bool all_pieces(struct pieces *p, struct err *e)
{
    for (bool last = false; !last;) {
        struct source_piece *piece;
        enum queue_result q = txn_pipe_take(p->t->pipe, TAKE_MS, &piece);
        bool ok;

        if (q == QUEUE_TIMEOUT)
            continue;
        if (q == QUEUE_CLOSED) { /* given up: the claim ends */
            p->w->result.outcome = APPLY_RETRY;
            return true;
        }
        last = piece->last;
        ok = one_piece(p, piece, e);
        give_back(p, piece);
        if (!ok || !taken(p))
            return ok;
    }
    return commit_last(p, e);
}

/* --- beyond the target's limit -------------------------------------------------------------------
 */

static bool is_split(const struct carry *c, struct txn_id id)
{
    return c->split_bytes > 0 && c->split.origin == id.origin && c->split.seq == id.seq;
}

static void split_from_now(struct carry *c, struct txn_id id)
{
    c->split = id;
    c->split_bytes = SPLIT_BYTES;
}

/* Too large for the target: smaller parts, if the project wants any. */
static bool smaller(struct pieces *p, struct err *e)
{
    struct carry *c = p->w->sync->carry;
    const char *policy = p->w->sync->options->huge_transaction;
    struct err why = *e;

    if (e->code != ERR_TARGET_TXN_LIMIT || !policy || strcmp(policy, "split") != 0)
        return false;
    if (!is_split(c, p->t->id))
        split_from_now(c, p->t->id);
    else if (c->split_bytes / 2 >= SPLIT_BYTES_LEAST)
        c->split_bytes /= 2;
    else
        return false;
    return err_set(e, ERR_SERVER_BUSY, "it is split into parts of %" PRIu64 " bytes: %s",
                   c->split_bytes, why.message);
}

static bool look_at_split(struct pieces *p, struct err *e)
{
    struct sync *s = p->w->sync;
    bool found;

    if (!s->endpoint->target->split_get(s->claim, p->t->id, &p->skip, &found, e))
        return false;
    if (found && !is_split(s->carry, p->t->id))
        split_from_now(s->carry, p->t->id);
    p->splitting = is_split(s->carry, p->t->id);
    return true;
}

bool pieces_apply(struct worker *w, const struct window_group *g, struct err *e)
{
    struct pieces p = {.w = w, .g = g, .t = g->txns.at[0]};
    char id[TXN_TEXT_MAX];
    bool ok;

    w->bytes = 0;
    p.commit.decide = conflict_ask;
    p.commit.decide_arg = &w->conflicts;
    memset(&w->result, 0, sizeof w->result);
    w->result.outcome = APPLY_COMMITTED;
    ok = look_at_split(&p, e);
    log_event(LOG_INFO, "incr_sync.large",
              "transaction %s is applied in pieces%s from change %" PRIu64, txn_text(p.t->id, id),
              p.splitting ? ", split," : "", p.skip);
    component_note(w->sync->c, "large_transaction",
                   p.splitting ? "a transaction beyond the target's limit is split: until its last "
                                 "commit, parts of it are seen"
                               : "a large transaction is being applied");
    ok = ok && all_pieces(&p, e);
    component_note(w->sync->c, "large_transaction", NULL);
    if (p.open)
        w->target->apply_abort(w->slot);
    w->changes = p.at - (p.skip < p.at ? p.skip : p.at);
    w->cancelled = 0;
    w->writes.n = 0;
    if (ok) {
        log_event(LOG_INFO, "incr_sync.large", "transaction %s: %" PRIu64 " changes, %s", id, p.at,
                  taken(&p) ? "committed" : "rolled back");
        return true;
    }
    (void)smaller(&p, e);
    return err_wrap(e, "transaction %s", txn_text(p.t->id, id));
}
