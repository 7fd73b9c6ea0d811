/*
 * Main: one claim on the target, from takeover to the first error that ends it. The loop takes what
 * happened from `events`, feeds the window, starts groups on free slots, and now and then reports.
 * What may start and in what order is decided in core/window.h alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"
#include "components/incr_sync/sync_priv.h"
#include "components/transform/transform.h"

/* --- what the intake asks (reader thread; only immutable facts) ----------------------------------
 */

static void table_scope(void *arg, const struct table_def *t, struct intake_scope *out)
{
    struct sync *s = arg;
    const struct table_pos *pos;

    const Oms__HeartbeatOptions *beat = s->spec->fixed->heartbeat;

    out->heartbeat = beat && strcmp(t->name, HEARTBEAT_TABLE) == 0 &&
                     strcmp(t->db, beat->schema ? beat->schema : "oms_heartbeat") == 0;
    out->in_scope = scope_has(s->scope, t->db, t->name);
    if (!out->in_scope)
        return;
    scope_map(s->scope, t->db, t->name, &out->to_db, &out->to_name);
    out->exclusive = plans_is_coarse(s->carry, out->to_db, out->to_name);
    out->family = start_family(&s->start, out->to_db, out->to_name);
    pos = start_find(&s->start, t->db, t->name);
    if (!pos)
        return; /* made after the copy began: exact from its first row */
    out->begin = &pos->begin;
    out->end = pos->mode == TABLE_MODE_OVERLAP ? &pos->end : NULL;
}

static bool ddl_in_scope(void *arg, const struct ddl_record *d)
{
    return gate_concerns(arg, d);
}

static bool ddl_tables(void *arg, const struct ddl_record *d, struct dep_keys *tags)
{
    return gate_tables(arg, d, tags);
}

/* The source's; that the target's keys find no more in common is seen with the plan (plans.c). */
static enum fold key_fold(void *arg, const struct column_def *c)
{
    struct sync *s = arg;

    return s->source_endpoint->dialect->key_fold(c);
}

static void release_txn(void *arg, struct source_txn *t)
{
    struct sync *s = arg;

    txn_give_back(s->budget, t);
}

/* --- opening --- */

static void note_takeover(void *arg, const char *text)
{
    component_note(arg, "takeover", text);
}

static bool take_over(struct sync *s, struct err *e)
{
    struct store_peer peer = {0};
    struct takeover_params p = {.address = &s->address,
                                .task = s->spec->task,
                                .epoch = component_epoch(s->c),
                                .slots = s->n_slots,
                                .follows_ddl = s->spec->fixed->ddl && s->spec->fixed->ddl->sync,
                                .say = note_takeover,
                                .say_arg = s->c};

    if (store_peer_find(s->c, s->spec->fixed->store_id, &peer))
        p.store_epoch = peer.epoch;
    if (!s->endpoint->target->takeover(&p, &s->claim, e)) /* it names the task */
        return false;
    return start_load(s, e);
}

static void make_core(struct sync *s)
{
    const struct txn_set *saved = s->endpoint->target->claim_low(s->claim);
    const struct txn_set *done = s->endpoint->target->claim_done(s->claim);
    bool fresh = txn_set_is_empty(saved) && txn_set_is_empty(done);
    const struct txn_set *low = fresh ? &s->start.begin : saved;
    struct intake_params ip = {.low = low,
                               .done = done,
                               .ends = &s->start.end,
                               .scope = table_scope,
                               .ddl_in_scope = ddl_in_scope,
                               .ddl_tables = ddl_tables,
                               .store_id = s->spec->fixed->store_id,
                               .fold = key_fold,
                               .arg = s,
                               .pipe = txn_pipe_new,
                               .put = txn_pipe_put,
                               .txn_limit_bytes = PIECES_BYTES,
                               .barrier_bytes = BARRIER_BYTES,
                               .barrier_keys = BARRIER_KEYS};
    struct window_limits wl = {.slots = s->n_slots,
                               .group_txns = s->options->group,
                               .group_bytes = GROUP_BYTES,
                               .bulk_bytes = BULK_BYTES,
                               .bytes = WINDOW_BYTES,
                               .txns = WINDOW_TXNS_MAX,
                               .scan_skips = SCAN_SKIPS,
                               .strict = strcmp(s->options->consistency, "strict") == 0};

    s->intake = intake_new(&ip);
    s->window = window_new(&wl, low, saved, done, release_txn, s);
    s->gate = wl.strict ? gate_new() : NULL;
}

static bool open_workers(struct sync *s, struct err *e)
{
    s->workers = must_calloc(s->n_slots, sizeof *s->workers);
    for (uint32_t i = 0; i < s->n_slots; i++) {
        struct worker *w = &s->workers[i];

        if (!s->endpoint->target->slot_open(s->claim, i, &w->slot, e))
            return err_wrap(e, "open session %" PRIu32 " on the target", i);
        s->n_slots_open = i + 1;
        w->target = s->endpoint->target;
        w->events = s->events;
        w->gate = s->gate;
        conflict_case_init(&w->conflicts, conflict_policy_of(s->options->conflict),
                           &s->carry->book);
        w->sync = s;
        if (!worker_start(w, i, e))
            return false;
    }
    return true;
}

static bool sync_open(struct sync *s, struct err *e)
{
    const Oms__ComponentFixed *f = s->spec->fixed;
    Oms__IncrementalOptions none = OMS__INCREMENTAL_OPTIONS__INIT;
    struct store_reader_params rp;
    struct store_peer peer = {0};

    if (!f || !f->source || !f->target || !f->scope || !f->store_id)
        return err_set(e, ERR_INVALID, "the specification lacks source, target, scope or store");
    s->options = (Oms__IncrementalOptions *)pbtext_copy(
        f->incremental ? &f->incremental->base : &none.base, &s->arena);
    pbtext_fill_standard(&s->options->base, &s->arena);
    s->n_slots = s->options->slots;
    if (!transform_scope(f->scope, &s->arena, &s->scope, e) ||
        !component_address(s->c, f->target->id, &s->address, &s->endpoint, e) ||
        !component_address(s->c, f->source->id, &s->source_address, &s->source_endpoint, e))
        return false;
    if (!s->endpoint->target || !s->endpoint->dialect)
        return err_set(e, ERR_UNSUPPORTED, "a data source of kind '%s' cannot be written to",
                       s->address.kind);
    if (!take_over(s, e))
        return false;
    make_core(s);
    throttle_open(s);
    s->budget = budget_new(BLOCK_BUDGET_BYTES, BLOCK_BUDGET_ITEMS);
    /* Blocks that a half-read transaction forced in are beyond the budget's items. */
    s->events = queue_new(BLOCK_BUDGET_ITEMS + s->n_slots + 16 + 2 * PIECES_BYTES / 4096);
    if (!open_workers(s, e))
        return false;
    component_error(s->c, NULL); /* what ended the last claim is over */
    (void)store_peer_find(s->c, f->store_id, &peer);
    rp = (struct store_reader_params){.component = s->c,
                                      .store_id = f->store_id,
                                      .task = s->spec->task,
                                      .least_epoch = peer.epoch,
                                      .intake = s->intake,
                                      .events = s->events,
                                      .budget = s->budget};
    return store_reader_start(&rp, &s->reader, e);
}

/* --- closing --- */

static void drop_event(struct sync *s, struct event *ev)
{
    if (ev->kind != EVENT_BLOCK)
        return; /* lives in its thread's structure */
    for (size_t i = ev->at; i < ev->block->txns.n; i++)
        release_txn(s, ev->block->txns.at[i]);
    if (source_block_unref(ev->block))
        block_idle(s->budget, ev->block);
    free(ev);
}

static void drop_events(struct sync *s)
{
    void *item;

    while (s->inbox) {
        struct event *ev = s->inbox;

        s->inbox = ev->next;
        drop_event(s, ev);
    }
    while (s->events && queue_pop(s->events, 0, &item) == QUEUE_OK)
        drop_event(s, item);
}

static void sync_close(struct sync *s)
{
    const struct target_ops *target = s->endpoint ? s->endpoint->target : NULL;

    close_pipes(s);
    if (s->gate)
        gate_close(s->gate);
    for (uint32_t i = 0; s->workers && i < s->n_slots; i++)
        worker_stop(&s->workers[i]);
    store_reader_stop(s->reader);
    ddl_gate_shut(s);
    drop_events(s);
    store_reader_free(s->reader);
    window_free(s->window);
    if (s->intake)
        intake_drop_open(s->intake, block_idle, s->budget);
    if (target)
        plans_close(s);
    intake_free(s->intake);
    for (uint32_t i = 0; i < s->n_slots_open; i++)
        target->slot_close(s->workers[i].slot);
    if (s->claim)
        target->claim_close(s->claim);
    free(s->workers);
    gate_free(s->gate);
    queue_free(s->events);
    budget_free(s->budget);
    vec_fini(&s->planned);
    meter_fini(s);
    start_fini(&s->start);
    arena_fini(&s->arena);
}

/* --- the loop --- */

static bool take_event(struct sync *s, struct event *ev, struct err *e)
{
    switch (ev->kind) {
    case EVENT_BLOCK:
    case EVENT_HEARD:
        ev->next = NULL;
        *s->inbox_end = ev;
        s->inbox_end = &ev->next;
        return true;
    case EVENT_WORKER:
        return worker_answered(s, ev->worker, e);
    case EVENT_DDL:
        return ddl_job_ended(s, e);
    case EVENT_READER_FAILED:
        *e = *store_reader_error(s->reader);
        return false;
    }
    return true;
}

static bool take_events(struct sync *s, int64_t wait_ms, struct err *e)
{
    void *item;

    while (queue_pop(s->events, wait_ms, &item) == QUEUE_OK) {
        if (!take_event(s, item, e))
            return false;
        wait_ms = 0;
    }
    return true;
}

/* Blocks and HEARDs in the order they came; stops where the window is full. */
static void feed_window(struct sync *s)
{
    while (s->inbox) {
        struct event *ev = s->inbox;

        if (ev->kind == EVENT_BLOCK) {
            struct source_block *b = ev->block;

            while (ev->at < b->txns.n && window_has_room(s->window))
                window_push(s->window, b->txns.at[ev->at++]);
            if (ev->at < b->txns.n)
                return;
            s->last_number = b->number;
        }
        s->inbox = ev->next;
        if (!s->inbox)
            s->inbox_end = &s->inbox;
        report_mark(s, ev);
        if (ev->kind == EVENT_BLOCK)
            drop_event(s, ev);
        else
            store_reader_heard_taken(s->reader);
    }
}

static bool start_group(struct sync *s, struct worker *w, struct window_group *g, struct err *e)
{
    if (!plans_for_group(s, g, e))
        return false;
    w->busy = true;
    w->began = clock_mono();
    must(queue_push(w->queue, g, 0) == QUEUE_OK);
    return true;
}

static bool dispatch(struct sync *s, struct err *e)
{
    if (s->draining || s->at_gate.quiet || mono_cmp(clock_mono(), s->pause_until) < 0)
        return true;
    s->limited = false;
    for (uint32_t i = 0; i < throttle_slots(s); i++) {
        struct window_group *g;

        if (s->workers[i].busy)
            continue;
        g = throttle_group(s, i);
        if (!g)
            return true;
        if (!start_group(s, &s->workers[i], g, e))
            return false;
    }
    return true;
}

/* With nothing to write, the position is written by itself: others wait for it on the target. */
static bool save_progress(struct sync *s, struct err *e)
{
    struct mono now = clock_mono();

    if (window_in_flight(s->window) > 0 || mono_cmp(now, s->next_progress) < 0)
        return true;
    s->next_progress = mono_add_ms(now, PROGRESS_MS);
    if (!window_progress_is_stale(s->window) && !report_position_is_late(s, now))
        return true;
    return start_group(s, &s->workers[0], window_progress(s->window, 0), e);
}

/* A10: once everything inside the copies' ends is committed, with nothing in flight. */
static bool make_indexes(struct sync *s, struct err *e)
{
    if (s->indexes_done)
        return true;
    if (!s->draining) {
        s->draining =
            txn_set_contains(window_low(s->window), &s->start.end) && !indexes_are_asked(s);
        return true;
    }
    if (window_in_flight(s->window) > 0)
        return true;
    report_blind(s);
    if (!indexes_create(s, e))
        return err_wrap(e, "create the unique indexes");
    plans_close(s); /* they know the target's keys */
    s->draining = false;
    if (s->keys_lack)
        return true;
    reread_close(s);
    s->indexes_done = true;
    return true;
}

/* A person chose to copy a table again: what was loaded of positions and plans is no longer so. */
static void look_at_copy(struct sync *s)
{
    Oms__ComponentLive *live = component_live(s->c);

    s->copy_runs |= live && !live->full_done;
    component_live_free(live);
}

static bool turn(struct sync *s, struct err *e)
{
    if (!take_events(s, throttle_wait_ms(s, strict_wait_ms(s, 100)), e))
        return false;
    feed_window(s);
    if (!holds_step(s, e))
        return false;
    report_passed(s);
    if (s->again)
        return err_set(e, ERR_SERVER_BUSY, "a held transaction is read again, as was answered");
    if (!strict_look(s, e) || !dispatch(s, e) || !save_progress(s, e))
        return false;
    meter_look(s);
    if (mono_cmp(clock_mono(), s->next_tick) < 0)
        return s->draining ? make_indexes(s, e) : true;
    s->next_tick = mono_add_ms(clock_mono(), TICK_MS);
    look_at_copy(s);
    throttle_follow(s);
    reread_look(s);
    report_tick(s);
    store_reader_position(s->reader, window_saved(s->window));
    return make_indexes(s, e);
}

/* Groups in flight end by themselves: committed or not, their rows on the target say so. */
static bool wind_down(struct sync *s, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), 10000);
    void *item;

    close_pipes(s);
    while (window_in_flight(s->window) > 0 && mono_cmp(clock_mono(), until) < 0)
        if (queue_pop(s->events, 100, &item) == QUEUE_OK && !take_event(s, item, e))
            return false;
    report_tick(s);
    return true;
}

bool sync_run(struct component *c, struct carry *carry, struct err *e)
{
    struct sync *s = must_calloc(1, sizeof *s);
    bool ok;

    s->c = c;
    s->spec = component_spec(c);
    s->carry = carry;
    s->inbox_end = &s->inbox;
    arena_init(&s->arena, 0);
    ddl_gate_open(s);
    txn_set_init(&s->start.begin);
    txn_set_init(&s->start.end);
    ok = sync_open(s, e);
    while (ok && !component_stopping(c) && !s->copy_runs)
        ok = turn(s, e);
    if (ok)
        ok = wind_down(s, e);
    if (s->copy_runs) {
        log_event(LOG_INFO, "incr_sync.waits",
                  "a table is copied again: the claim ends until then");
        holds_clear(s);
        ddl_gate_clear(s);
    }
    if (!ok || s->copy_runs)
        report_lost(s);
    sync_close(s);
    plans_keep_coarse(s); /* its threads have ended */
    free(s);
    return ok;
}

void carry_fini(struct carry *carry)
{
    account_book_fini(&carry->rows);
    vec_fini(&carry->book.choices);
    for (size_t i = 0; i < carry->coarse.n; i++) {
        free(carry->coarse.at[i].to_db);
        free(carry->coarse.at[i].to_name);
    }
    vec_fini(&carry->coarse);
    for (size_t i = 0; i < carry->asks.n; i++)
        free(carry->asks.at[i].table);
    vec_fini(&carry->asks);
    reread_free(carry->reread);
}
