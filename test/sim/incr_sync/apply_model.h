/*
 * The world of the apply simulation: a source's history of transactions over small tables with a
 * primary and a unique key, and of DDLs on one, on two or on who knows which of them; and a target
 * with fence and progress rows that executes groups atomically at a time of its own. Included by
 * test_apply.c alone.
 *
 * The target writes as a server does: by key, without looking at old values, so that a wrong order
 * shows in the data.
 */
#ifndef OMS_TEST_SIM_INCR_SYNC_APPLY_MODEL_H
#define OMS_TEST_SIM_INCR_SYNC_APPLY_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/window.h"

#define N_TABLES 4
#define N_KEYS 24 /* of all tables: key % N_TABLES is a row's table */
#define N_TXNS 400
#define MAX_CHANGES 5
#define MAX_SLOTS 6
#define MAX_ZOMBIES 16

struct rng {
    uint64_t s;
};
static uint32_t rnd(struct rng *r, uint32_t below)
{
    r->s ^= r->s << 13;
    r->s ^= r->s >> 7;
    r->s ^= r->s << 17;
    return (uint32_t)((r->s * 0x2545f4914f6cdd1du) >> 33) % below;
}

struct cell { /* one row; present = version != 0 */
    uint32_t version, unique;
};
struct model_change {
    enum change_op op;
    uint32_t key;
    struct cell after;
};
struct model_txn {
    uint64_t seq, covers_from;
    enum source_class class_;
    uint32_t n;
    struct model_change changes[MAX_CHANGES];
    uint64_t keys[MAX_CHANGES * 3];
    uint32_t n_keys;
    uint64_t tags[N_TABLES]; /* of a DDL without: all tables */
    uint32_t n_tags;
    bool blocked;      /* a stranger's row on the target stands in its way */
    uint32_t applied;  /* times committed on the target */
    bool ddl_answered; /* durable, as in oms_meta.ddl */
    uint32_t ddl_runs;
};
struct progress_row {
    uint64_t gen, ver;
    struct txn_set low, done;
};
/* A group as a session of the target knows it: what a zombie may still send. */
struct sent_group {
    bool used;
    uint64_t gen, ver;
    uint32_t slot, n;
    uint32_t txns[N_TXNS];
    struct txn_set low, done;
};
struct world {
    struct rng rng;
    const char *origin;
    struct model_txn txns[N_TXNS];
    struct cell source[N_KEYS];
    /* the target */
    struct cell rows[N_KEYS];
    uint64_t gen;
    uint32_t slots;
    struct progress_row progress[MAX_SLOTS];
    struct sent_group zombies[MAX_ZOMBIES];
    bool changed; /* the target, since it was last checked */
    bool test_no_fence;
    bool test_no_gate, test_no_tags;
    uint32_t ddl_overtaken; /* how often a transaction went by a DDL of other tables */
    bool strict;            /* commits in the source's order */
    char failure[200];
};
enum exec { EXEC_COMMITTED, EXEC_CONFLICT, EXEC_FENCED };

#define FAIL(w, ...)                                                                         \
    ((w)->failure[0] == '\0' ? (void)snprintf((w)->failure, sizeof(w)->failure, __VA_ARGS__) \
                             : (void)0)

/* --- the source --------------------------------------------------------------------------------
 */

static void add_key(struct model_txn *t, uint64_t key)
{
    t->keys[t->n_keys++] = key;
}

static void add_tag(struct model_txn *t, uint32_t table)
{
    for (uint32_t i = 0; i < t->n_tags; i++)
        if (t->tags[i] == 100 + table)
            return;
    t->tags[t->n_tags++] = 100 + table;
}

/* A DDL without tables touches all. */
static bool model_touches(const struct model_txn *a, const struct model_txn *b)
{
    if ((a->class_ == SOURCE_DDL && a->n_tags == 0) || (b->class_ == SOURCE_DDL && b->n_tags == 0))
        return true;
    for (uint32_t i = 0; i < a->n_tags; i++)
        for (uint32_t k = 0; k < b->n_tags; k++)
            if (a->tags[i] == b->tags[k])
                return true;
    return false;
}

static bool unique_is_taken(const struct world *w, uint32_t table, uint32_t unique)
{
    for (uint32_t k = table; k < N_KEYS; k += N_TABLES)
        if (w->source[k].version != 0 && w->source[k].unique == unique)
            return true;
    return false;
}

/* One random change that is right on the source now; its keys are those of row and unique value. */
static void source_change(struct world *w, struct model_txn *t, uint32_t version)
{
    struct model_change *c = &t->changes[t->n];
    struct cell *row;
    uint32_t unique = rnd(&w->rng, N_KEYS), table;

    c->key = rnd(&w->rng, 4) ? rnd(&w->rng, 6) : rnd(&w->rng, N_KEYS); /* a few hot rows */
    table = c->key % N_TABLES;
    row = &w->source[c->key];
    if (row->version != 0 && (rnd(&w->rng, 3) == 0 || unique_is_taken(w, table, unique)))
        unique = row->unique;
    else if (unique_is_taken(w, table, unique))
        return;
    add_tag(t, table);
    c->op = row->version == 0      ? CHANGE_INSERT
            : rnd(&w->rng, 4) == 0 ? CHANGE_DELETE
                                   : CHANGE_UPDATE;
    c->after = c->op == CHANGE_DELETE ? (struct cell){0} : (struct cell){version, unique};
    add_key(t, 1000 + c->key);
    if (c->op != CHANGE_INSERT)
        add_key(t, 2000 + table * 100 + row->unique);
    if (c->op != CHANGE_DELETE)
        add_key(t, 2000 + table * 100 + unique);
    *row = c->after;
    t->n++;
}

static void source_history(struct world *w)
{
    uint64_t seq = 0;

    for (uint32_t i = 0; i < N_TXNS; i++) {
        struct model_txn *t = &w->txns[i];
        uint32_t kind = rnd(&w->rng, 100), n = 1 + rnd(&w->rng, MAX_CHANGES);

        t->covers_from = seq + 1;
        seq += 1 + (rnd(&w->rng, 10) == 0 ? rnd(&w->rng, 5) : 0);
        t->seq = seq;
        t->class_ = kind < 8    ? SOURCE_EMPTY
                    : kind < 10 ? SOURCE_BARRIER
                    : kind < 13 ? SOURCE_DDL
                    : kind < 16 ? SOURCE_TABLES
                                : SOURCE_ROWS;
        for (uint32_t k = t->class_ == SOURCE_DDL ? rnd(&w->rng, 3) : 0; k > 0; k--)
            add_tag(t, rnd(&w->rng, N_TABLES));
        if (t->class_ == SOURCE_EMPTY || t->class_ == SOURCE_DDL)
            continue;
        while (t->n == 0)
            for (uint32_t c = 0; c < n; c++)
                source_change(w, t, i + 1);
        t->blocked = rnd(&w->rng, 80) == 0;
    }
}

/* --- the target --------------------------------------------------------------------------------
 */

static bool row_write(struct cell *rows, const struct model_change *c)
{
    if (c->op == CHANGE_INSERT ? rows[c->key].version != 0 : rows[c->key].version == 0)
        return false;
    for (uint32_t k = c->key % N_TABLES; k < N_KEYS && c->op != CHANGE_DELETE; k += N_TABLES)
        if (k != c->key && rows[k].version != 0 && rows[k].unique == c->after.unique)
            return false;
    rows[c->key] = c->after;
    return true;
}

static void check_order_of(struct world *w, uint32_t i)
{
    const struct model_txn *it = &w->txns[i];
    bool barrier = it->class_ == SOURCE_BARRIER;

    for (uint32_t k = 0; k < i; k++) {
        const struct model_txn *t = &w->txns[k];
        bool tables = it->class_ == SOURCE_TABLES || t->class_ == SOURCE_TABLES;

        if (t->applied == 0 && t->n > 0 && (barrier || t->class_ == SOURCE_BARRIER))
            FAIL(w, "transaction %u overtook %u over a barrier", i, k);
        if (t->applied == 0 && t->n > 0 && tables && model_touches(it, t))
            FAIL(w, "transaction %u overtook %u, which has a table of it for itself", i, k);
        if (t->class_ != SOURCE_DDL || t->ddl_answered)
            continue;
        if (model_touches(it, t) || barrier || w->strict)
            FAIL(w, "transaction %u passed the DDL %u", i, k);
        w->ddl_overtaken++;
    }
}

/* F3: fence, rows in order, progress, all or nothing. */
static enum exec target_execute(struct world *w, const struct sent_group *g)
{
    struct progress_row *p = &w->progress[g->slot];
    struct cell rows[N_KEYS];

    if (!w->test_no_fence && (g->slot >= w->slots || p->gen != g->gen || p->ver != g->ver))
        return EXEC_FENCED;
    memcpy(rows, w->rows, sizeof rows);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct model_txn *t = &w->txns[g->txns[i]];

        if (t->blocked)
            return EXEC_CONFLICT;
        for (uint32_t c = 0; c < t->n; c++)
            if (!row_write(rows, &t->changes[c]))
                return EXEC_CONFLICT;
    }
    memcpy(w->rows, rows, sizeof rows);
    for (uint32_t i = 0; i < g->n; i++) {
        check_order_of(w, g->txns[i]);
        w->txns[g->txns[i]].applied++;
    }
    w->changed = true;
    p->ver++;
    txn_set_assign(&p->low, &g->low);
    txn_set_assign(&p->done, &g->done);
    return EXEC_COMMITTED;
}

/* F1 c. */
static void target_takeover(struct world *w, uint32_t slots, struct txn_set *low,
                            struct txn_set *done)
{
    for (uint32_t i = 0; i < w->slots; i++) {
        txn_set_union(low, &w->progress[i].low);
        txn_set_union(done, &w->progress[i].done);
    }
    w->gen++;
    w->changed = true;
    w->slots = slots;
    for (uint32_t i = 0; i < slots; i++) {
        w->progress[i].gen = w->gen;
        w->progress[i].ver = 0;
        txn_set_assign(&w->progress[i].low, low);
        txn_set_assign(&w->progress[i].done, done);
    }
}

/* --- what must hold after every step ------------------------------------------------------------
 */

/* Per key the committed transactions are the first ones of the key's history, and the row is what
 * the last of them left: a state that the source had for this key. */
static void check_rows(struct world *w)
{
    struct cell last[N_KEYS] = {0};
    bool gap[N_KEYS] = {0};

    for (uint32_t i = 0; i < N_TXNS; i++)
        for (uint32_t c = 0; c < w->txns[i].n; c++) {
            const struct model_change *ch = &w->txns[i].changes[c];

            if (w->txns[i].applied == 0)
                gap[ch->key] = true;
            else if (gap[ch->key])
                FAIL(w, "key %u: transaction %u was committed before an earlier one", ch->key, i);
            else
                last[ch->key] = ch->after;
        }
    for (uint32_t k = 0; k < N_KEYS; k++)
        if (last[k].version != w->rows[k].version || last[k].unique != w->rows[k].unique)
            FAIL(w, "key %u holds version %u, its history says %u", k, w->rows[k].version,
                 last[k].version);
}

/* E2: what is committed is the beginning of the history. */
static void check_prefix(struct world *w)
{
    bool gap = false;

    for (uint32_t i = 0; i < N_TXNS; i++) {
        if (w->txns[i].n == 0)
            continue;
        gap |= w->txns[i].applied == 0;
        if (gap && w->txns[i].applied > 0)
            FAIL(w, "transaction %u shows, an earlier one does not", i);
    }
}

static void check_progress(struct world *w)
{
    struct txn_set low, all;

    txn_set_init(&low);
    txn_set_init(&all);
    for (uint32_t i = 0; i < w->slots; i++) {
        txn_set_union(&low, &w->progress[i].low);
        txn_set_union(&all, &w->progress[i].done);
    }
    txn_set_union(&all, &low);
    for (uint32_t i = 0; i < N_TXNS; i++) {
        struct txn_id id = {w->origin, w->txns[i].seq};
        bool has = txn_set_has(&all, id);

        if (w->txns[i].applied > 1)
            FAIL(w, "transaction %u was committed %u times", i, w->txns[i].applied);
        if (w->txns[i].n > 0 && has != (w->txns[i].applied == 1))
            FAIL(w, "transaction %u: progress says %d, the target %u", i, has, w->txns[i].applied);
    }
    txn_set_fini(&low);
    txn_set_fini(&all);
}

/* The statement runs on the target now: with all before it, and nothing behind it, of its tables.
 */
static void check_ddl(struct world *w, uint32_t i)
{
    for (uint32_t k = 0; k < N_TXNS; k++) {
        const struct model_txn *t = &w->txns[k];

        if (k < i &&
            ((t->n > 0 && t->applied == 0) || (t->class_ == SOURCE_DDL && !t->ddl_answered)))
            FAIL(w, "the DDL %u runs before %u is committed", i, k);
        if (k > i && t->applied > 0 && model_touches(t, &w->txns[i]))
            FAIL(w, "the DDL %u runs behind %u, which touches its tables", i, k);
    }
}

static bool world_is_sound(struct world *w)
{
    if (!w->changed)
        return w->failure[0] == '\0';
    w->changed = false;
    check_rows(w);
    if (w->strict)
        check_prefix(w);
    check_progress(w);
    return w->failure[0] == '\0';
}

#endif
