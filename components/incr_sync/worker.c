/*
 * A worker: one slot's thread. Takes a group, turns its transactions' rows into net changes and
 * these into writes, gives them to the target in one transaction, reports the outcome to main. It
 * decides nothing: order is the window's, merging core/net.h's, fencing the endpoint's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/fault.h"
#include "components/incr_sync/sync_priv.h"

#define WRITES_KEEP 65536

struct txn_cursor { /* resolver of one transaction */
    const struct source_txn *txn;
    const struct txn_table *current;
};

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct txn_cursor *c = arg;

    for (uint32_t i = 0; i < c->txn->n_tables; i++)
        if (c->txn->tables[i].id == id) {
            c->current = &c->txn->tables[i];
            return c->current->table->def;
        }
    return NULL;
}

/* A group that failed is tried one transaction at a time, as the source made it (A16). */
static bool may_merge(const struct window_group *g)
{
    for (size_t i = 0; i < g->txns.n; i++)
        if (g->txns.at[i]->care != CARE_NONE || g->txns.at[i]->class_ != SOURCE_ROWS)
            return false;
    return g->txns.n > 1 || g->bytes <= BULK_BYTES; /* a bulk transaction repeats few rows */
}

static bool may_replace(void *arg, const struct sync_table *t)
{
    const struct target_ops *target = ((struct worker *)arg)->target;

    return target->row_is_whole && target->row_is_whole(t->plan);
}

static bool add_txn(struct worker *w, const struct source_txn *t, struct err *e)
{
    struct txn_cursor at = {.txn = t};
    struct change_iter it;
    struct change ch;

    for (uint32_t i = 0; i < t->n_parts; i++) {
        change_iter_init(&it, t->parts[i].changes, resolve, &at);
        while (change_next(&it, &ch)) {
            if (at.current->use == USE_SKIP)
                continue;
            account_met(&w->account, at.current->table);
            if (reread_is_needed(ch.op, at.current->use == USE_OVERLAP, ch.flags & CHANGE_F_ABSENT))
                reread_add_txn(&w->again, t->id);
            if (!net_add(w->net, at.current, &ch, e))
                return false;
        }
        if (it.c.failed) /* the intake has read the same bytes */
            return err_set(e, ERR_BUG, "transaction %s=%" PRIu64 " cannot be read again",
                           t->id.origin, t->id.seq);
    }
    return true;
}

static bool make_writes(struct worker *w, struct err *e)
{
    size_t n;
    const struct net_change *changes = net_finish(w->net, &n);

    w->cancelled = net_cancelled(w->net);
    w->writes.n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct net_change *c = &changes[i];

        account_sent(&w->account, c->table);
        if (reread_is_needed(c->op, c->overlap, c->has_absent))
            reread_add(&w->again, i, c->table);
        vec_push(&w->writes, ((struct write){.table = c->table->plan,
                                             .op = c->op,
                                             .overlap = c->overlap,
                                             .encoding = ROWS_CANONICAL,
                                             .has_absent = c->has_absent,
                                             .no_checks = c->no_checks,
                                             .before = c->before,
                                             .after = c->after}));
    }
    return account_agrees(&w->account, n, w->cancelled, e);
}

/* Net operations sent = rows matched; only in the overlap a DELETE may find nothing, and a row that
 * is read again may be gone. */
static bool check_counts(const struct worker *w, struct err *e)
{
    uint64_t most = w->writes.n, least = most;

    for (size_t i = 0; i < w->writes.n; i++)
        least -= (w->writes.at[i].overlap && w->writes.at[i].op == CHANGE_DELETE) ||
                 (w->writes.at[i].again && !w->writes.at[i].row.p);
    return (w->result.rows_matched >= least && w->result.rows_matched <= most) ||
           err_set(e, ERR_BUG, "%" PRIu64 " rows matched of %" PRIu64 " net changes, committed",
                   w->result.rows_matched, most);
}

static bool my_turn(void *arg)
{
    struct worker *w = arg;

    return gate_wait(w->gate, w->turn);
}

/* Before main hears of it: the next one may be waiting. */
static void tell_gate(struct worker *w)
{
    if (!w->gate)
        return;
    if (w->ok && w->result.outcome == APPLY_COMMITTED)
        gate_passed(w->gate, w->turn);
    else
        gate_broke(w->gate, w->turn);
}

static bool apply_group(struct worker *w, const struct window_group *g, struct err *e)
{
    struct slot_commit commit = {.low = &g->low, .done = &g->done};
    struct net_options options = {.merge = may_merge(g), .may_replace = may_replace, .arg = w};

    account_begin(&w->account);
    reread_begin(&w->again);
    if (g->txns.n == 1 && g->txns.at[0]->pipe)
        return pieces_apply(w, g, e);
    w->changes = g->changes;
    net_begin(w->net, &options);
    for (size_t i = 0; i < g->txns.n; i++)
        if (!add_txn(w, g->txns.at[i], e))
            return false;
    if (!make_writes(w, e) || !reread_fill(w->sync, &w->again, w->writes.at, e))
        return false;
    memset(&w->result, 0, sizeof w->result);
    if (g->alone && g->txns.n == 1) {
        conflict_case_begin(&w->conflicts, g->txns.at[0], g->txns.at[0]->tables,
                            g->txns.at[0]->n_tables, w->writes.at, 0);
        commit.decide = conflict_ask;
        commit.decide_arg = &w->conflicts;
    }
    if (w->gate) {
        commit.turn = my_turn;
        commit.turn_arg = w;
    }
    if (!w->target->apply(w->slot, &commit, w->writes.at, w->writes.n, &w->result, e))
        return false;
    if (w->again.strays.n > 0)
        FAULT(ROW_WRITTEN_AGAIN);
    if (commit.decide)
        conflict_count(&w->conflicts, &w->account);
    /* A person or a policy may have left changes out. */
    return w->result.outcome != APPLY_COMMITTED || commit.decide || check_counts(w, e);
}

static void worker_main(void *arg)
{
    struct worker *w = arg;

    for (;;) {
        void *item;
        enum queue_result q = queue_pop(w->queue, 1000, &item);

        if (q == QUEUE_CLOSED)
            return;
        if (q == QUEUE_TIMEOUT)
            continue;
        err_clear(&w->err);
        w->turn = ((const struct window_group *)item)->turn;
        w->ok = apply_group(w, item, &w->err);
        reread_done(w->sync, &w->again);
        tell_gate(w);
        if (w->writes.cap > WRITES_KEEP)
            vec_fini(&w->writes);
        must(queue_push(w->events, &w->event, 10000) != QUEUE_TIMEOUT);
    }
}

bool worker_start(struct worker *w, uint32_t n, struct err *e)
{
    char name[16];

    w->event = (struct event){.kind = EVENT_WORKER, .worker = w};
    w->queue = queue_new(1);
    w->net = net_new();
    snprintf(name, sizeof name, "oms-slot%u", n);
    return thread_start(&w->thread, name, worker_main, w, e);
}

void worker_stop(struct worker *w)
{
    if (w->queue)
        queue_close(w->queue);
    thread_join(&w->thread);
    queue_free(w->queue);
    w->queue = NULL;
    conflict_case_fini(&w->conflicts);
    vec_fini(&w->writes);
    reread_fini(&w->again);
    account_fini(&w->account);
    net_free(w->net);
    w->net = NULL;
}
