/*
 * Simulation of the apply core: seeded transactions go through the real window to a modelled target
 * that loses answers, deadlocks, refuses rows and meets crashes, takeovers and zombies. Invariants
 * are checked after every step; a failure prints its seed (OMS_SIM_SEED runs that seed alone,
 * OMS_SIM_RUNS sets how many).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/sim/incr_sync/apply_model.h"

struct process { /* one life of Incr-Sync */
    struct window *window;
    struct source_txn *txns; /* N_TXNS of them, in the block's stead */
    uint32_t next;           /* of the history, to be pushed */
    uint64_t gen, ver[MAX_SLOTS];
    struct window_group *flying[MAX_SLOTS];
    uint32_t released;
    struct world *world;
    uint64_t gate_next, give_way; /* strict order, as components/incr_sync/gate.h has them */
};
struct options {
    uint64_t seed;
    bool no_keys, no_fence, strict, no_gate, no_tags;
};

static const uint64_t elsewhere[N_TABLES] = {99, 98, 97, 96}; /* no table of anybody */

static void released(void *arg, struct source_txn *t)
{
    struct process *p = arg;

    (void)t;
    p->released++;
}

static void process_start(struct process *p, struct world *w, bool no_keys)
{
    struct window_limits limits = {
        .slots = 1 + rnd(&w->rng, MAX_SLOTS),
        .group_txns = 1 + rnd(&w->rng, 20),
        .group_bytes = 500,
        .bulk_bytes = 90,
        .bytes = 4000,
        .txns = 8 + rnd(&w->rng, 100),
        .scan_skips = 1 + rnd(&w->rng, 50),
        .strict = w->strict,
        .test_ignore_keys = no_keys,
    };
    struct txn_set low, done;

    *p = (struct process){.world = w};
    txn_set_init(&low);
    txn_set_init(&done);
    target_takeover(w, limits.slots, &low, &done);
    p->gen = w->gen;
    p->window = window_new(&limits, &low, &low, &done, released, p);
    p->txns = calloc(N_TXNS, sizeof *p->txns);
    for (uint32_t i = 0; i < N_TXNS; i++) {
        const struct model_txn *m = &w->txns[i];
        struct source_txn *t = &p->txns[i];

        t->id = (struct txn_id){w->origin, m->seq};
        t->covers_from = m->covers_from;
        t->class_ = txn_set_has(&done, t->id) ? SOURCE_EMPTY : m->class_;
        t->bytes = m->n * 20;
        t->changes = m->n;
        t->keys = m->keys;
        t->n_keys = m->class_ == SOURCE_ROWS ? m->n_keys : 0;
        t->tags = w->test_no_tags && m->class_ == SOURCE_DDL ? elsewhere : m->tags;
        t->n_tags = m->n_tags;
    }
    while (p->next < N_TXNS && txn_set_has(&low, p->txns[p->next].id))
        p->next++;
    txn_set_fini(&low);
    txn_set_fini(&done);
}

static void process_end(struct process *p)
{
    window_free(p->window);
    free(p->txns);
}

static void sent_copy(struct sent_group *s, struct process *p, uint32_t slot)
{
    const struct window_group *g = p->flying[slot];

    s->gen = p->gen;
    s->ver = p->ver[slot];
    s->slot = slot;
    s->n = (uint32_t)g->txns.n;
    for (uint32_t i = 0; i < s->n; i++)
        s->txns[i] = (uint32_t)(g->txns.at[i] - p->txns);
    txn_set_assign(&s->low, &g->low);
    txn_set_assign(&s->done, &g->done);
}

/* Who has its tables for itself meets nobody of them in flight. */
static void check_tables(struct process *p, uint32_t slot)
{
    const struct window_group *a = p->flying[slot];

    for (uint32_t s = 0; s < p->world->slots; s++) {
        const struct window_group *b = p->flying[s];

        for (size_t i = 0; a && b && s != slot && i < a->txns.n; i++)
            for (size_t k = 0; k < b->txns.n; k++) {
                const struct model_txn *x = &p->world->txns[a->txns.at[i] - p->txns],
                                       *y = &p->world->txns[b->txns.at[k] - p->txns];

                if ((x->class_ == SOURCE_TABLES || y->class_ == SOURCE_TABLES) &&
                    model_touches(x, y))
                    FAIL(p->world, "two groups in flight share a table that one has for itself");
            }
    }
}

static void dispatch(struct process *p, uint32_t slot)
{
    struct world *w = p->world;

    if (slot >= w->slots || p->flying[slot])
        return;
    if (window_in_flight(p->window) == 0) {
        p->gate_next = window_next_turn(p->window);
        p->give_way = UINT64_MAX;
    }
    p->flying[slot] = window_group(p->window, slot);
    check_tables(p, slot);
    if (!p->flying[slot] && rnd(&w->rng, 10) == 0 && window_in_flight(p->window) == 0 &&
        window_progress_is_stale(p->window))
        p->flying[slot] = window_progress(p->window, slot);
}

/* Strict order: false, the group's COMMIT is not sent now; it waits, or rolls back. */
static bool gate_lets_pass(struct process *p, uint32_t slot)
{
    uint64_t turn = p->flying[slot]->turn;

    if (!p->world->strict || p->world->test_no_gate)
        return true;
    if (p->gate_next < p->give_way && rnd(&p->world->rng, 20) == 0)
        p->give_way = p->gate_next + 1; /* the next one waits for a lock */
    if (turn < p->give_way)
        return turn == p->gate_next;
    p->flying[slot] = NULL;
    (void)window_outcome(p->window, slot, WINDOW_YIELDED);
    return false;
}

/* The server gets to a group: it commits, or not, and the answer may be lost; F4 finds out which.
 */
static void complete(struct process *p, uint32_t slot)
{
    struct world *w = p->world;
    struct sent_group s = {0};
    enum window_outcome outcome = WINDOW_RETRY;
    uint64_t turn;

    if (slot >= w->slots || !p->flying[slot] || !gate_lets_pass(p, slot))
        return;
    turn = p->flying[slot]->turn;
    if (rnd(&w->rng, 8) != 0) { /* else: a deadlock, or the connection broke before COMMIT */
        enum exec x;

        sent_copy(&s, p, slot);
        x = target_execute(w, &s);
        if (x == EXEC_FENCED)
            FAIL(w, "the living process was fenced");
        outcome = x == EXEC_COMMITTED ? WINDOW_COMMITTED : WINDOW_CONFLICT;
        if (x == EXEC_COMMITTED)
            p->ver[slot]++;
        txn_set_fini(&s.low);
        txn_set_fini(&s.done);
    }
    p->flying[slot] = NULL;
    if (outcome == WINDOW_COMMITTED)
        p->gate_next++;
    else if (turn < p->give_way)
        p->give_way = turn;
    if (window_outcome(p->window, slot, outcome) == WINDOW_HELD) {
        struct source_txn *t = window_held(p->window);

        if (!w->txns[t - p->txns].blocked)
            FAIL(w, "transaction %u is in conflict without a cause", (uint32_t)(t - p->txns));
    }
}

/* The process dies; each group in flight may be committed, lost, or still on its way. */
static void crash(struct process *p, bool no_keys)
{
    struct world *w = p->world;

    for (uint32_t i = 0; i < w->slots; i++) {
        struct sent_group *z = &w->zombies[rnd(&w->rng, MAX_ZOMBIES)];

        if (!p->flying[i] || (w->strict && p->flying[i]->turn != p->gate_next))
            continue;
        z->used = true;
        sent_copy(z, p, i);
        if (rnd(&w->rng, 3) == 0) {
            (void)target_execute(w, z);
            z->used = rnd(&w->rng, 2);
        }
    }
    process_end(p);
    process_start(p, w, no_keys);
}

static void zombie(struct world *w)
{
    struct sent_group *z = &w->zombies[rnd(&w->rng, MAX_ZOMBIES)];

    if (z->used && z->gen != w->gen && target_execute(w, z) == EXEC_COMMITTED)
        FAIL(w, "a zombie of gen %u committed", (unsigned)z->gen);
}

/* The DDL at the gate runs, or is answered. What is durable of it is there before the window
 * passes; a crash between finds it. */
static void gate(struct process *p, bool no_keys)
{
    struct world *w = p->world;
    struct source_txn *t = window_gate(p->window);
    struct model_txn *m = t ? &w->txns[t - p->txns] : NULL;

    if (!t)
        return;
    for (uint32_t s = 0; s < w->slots; s++)
        for (size_t i = 0; p->flying[s] && i < p->flying[s]->txns.n; i++)
            if (model_touches(m, &w->txns[p->flying[s]->txns.at[i] - p->txns]))
                FAIL(w, "the DDL %u runs while its table is written", (uint32_t)(t - p->txns));
    if (!m->ddl_answered) {
        check_ddl(w, (uint32_t)(t - p->txns));
        m->ddl_runs++;
        m->ddl_answered = true;
    }
    if (rnd(&w->rng, 5) == 0)
        crash(p, no_keys);
    else
        window_pass(p->window);
}

static void person(struct process *p)
{
    struct source_txn *t;

    t = window_held(p->window);
    if (t) {
        p->world->txns[t - p->txns].blocked = false;
        window_retry(p->window);
    }
}

static void step(struct process *p, bool no_keys)
{
    struct world *w = p->world;
    uint32_t what = rnd(&w->rng, 100);

    if (what < 40) {
        for (uint32_t n = rnd(&w->rng, 12); n > 0; n--)
            if (p->next < N_TXNS && window_has_room(p->window))
                window_push(p->window, &p->txns[p->next++]);
    } else if (what < 68) {
        dispatch(p, rnd(&w->rng, MAX_SLOTS));
    } else if (what < 96) {
        complete(p, rnd(&w->rng, MAX_SLOTS));
    } else if (what < 97) {
        crash(p, no_keys);
    } else if (what < 98) {
        zombie(w);
    } else {
        person(p);
        gate(p, no_keys);
    }
}

static bool all_applied(const struct world *w)
{
    for (uint32_t i = 0; i < N_TXNS; i++)
        if ((w->txns[i].n > 0 && w->txns[i].applied != 1) ||
            (w->txns[i].class_ == SOURCE_DDL && w->txns[i].ddl_runs != 1))
            return false;
    return memcmp(w->rows, w->source, sizeof w->rows) == 0;
}

/* One whole life of a target; the text says what went wrong, "" = nothing. How often something went
 * by a DDL. */
static uint32_t run_seed(const struct options *o, char failure[200])
{
    struct world *w = calloc(1, sizeof *w);
    struct process p;
    uint32_t steps = 0;

    w->rng.s = o->seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    w->origin = origin_intern("sim:0", 5);
    w->test_no_fence = o->no_fence;
    w->strict = o->strict;
    w->test_no_gate = o->no_gate;
    w->test_no_tags = o->no_tags;
    source_history(w);
    process_start(&p, w, o->no_keys);
    while (world_is_sound(w) && !all_applied(w) && steps++ < 100000)
        step(&p, o->no_keys);
    if (w->failure[0] == '\0' && !all_applied(w))
        FAIL(w, "nothing moves any more after %u steps", steps);
    process_end(&p);
    for (uint32_t i = 0; i < MAX_SLOTS; i++) {
        txn_set_fini(&w->progress[i].low);
        txn_set_fini(&w->progress[i].done);
    }
    for (uint32_t i = 0; i < MAX_ZOMBIES; i++) {
        txn_set_fini(&w->zombies[i].low);
        txn_set_fini(&w->zombies[i].done);
    }
    memcpy(failure, w->failure, sizeof w->failure);
    steps = w->ddl_overtaken;
    free(w);
    return steps;
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

static void run_seeds(bool strict)
{
    uint64_t first = env_number("OMS_SIM_SEED", 1);
    uint64_t runs = getenv("OMS_SIM_SEED") ? 1 : env_number("OMS_SIM_RUNS", 100);

    for (uint64_t seed = first; seed < first + runs; seed++) {
        struct options o = {.seed = seed, .strict = strict};
        char failure[200];

        (void)run_seed(&o, failure);
        if (failure[0] != '\0')
            fail_msg("seed %llu: %s", (unsigned long long)seed, failure);
    }
}

static void the_target_always_holds_a_consistent_prefix_and_ends_equal(void **state)
{
    (void)state;
    run_seeds(false);
}

static void in_strict_order_the_target_holds_a_prefix_of_the_history(void **state)
{
    (void)state;
    run_seeds(true);
}

static void what_a_ddl_does_not_touch_goes_by_it(void **state)
{
    uint32_t overtaken = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct options o = {.seed = seed};
        char failure[200];

        overtaken += run_seed(&o, failure);
        assert_string_equal(failure, "");
    }
    assert_true(overtaken > 10);
}

static void expect_some_failure(struct options o)
{
    char failure[200];

    for (o.seed = 1; o.seed <= 30; o.seed++) {
        (void)run_seed(&o, failure);
        if (failure[0] != '\0')
            return;
    }
    fail_msg("the simulation did not notice that a guard was switched off");
}

static void it_notices_when_a_ddl_does_not_hold_its_tables(void **state)
{
    (void)state;
    expect_some_failure((struct options){.no_tags = true});
}

static void it_notices_when_keys_are_ignored(void **state)
{
    (void)state;
    expect_some_failure((struct options){.no_keys = true});
}

static void it_notices_when_the_fence_is_ignored(void **state)
{
    (void)state;
    expect_some_failure((struct options){.no_fence = true});
}

static void it_notices_when_the_order_of_commits_is_ignored(void **state)
{
    (void)state;
    expect_some_failure((struct options){.strict = true, .no_gate = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_always_holds_a_consistent_prefix_and_ends_equal),
        cmocka_unit_test(in_strict_order_the_target_holds_a_prefix_of_the_history),
        cmocka_unit_test(it_notices_when_the_order_of_commits_is_ignored),
        cmocka_unit_test(what_a_ddl_does_not_touch_goes_by_it),
        cmocka_unit_test(it_notices_when_a_ddl_does_not_hold_its_tables),
        cmocka_unit_test(it_notices_when_keys_are_ignored),
        cmocka_unit_test(it_notices_when_the_fence_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
