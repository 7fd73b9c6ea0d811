/*
 * Leading: the lease, the cluster in memory, and the cycle decide, commit, publish.
 *
 * Every CM looks at the lease row at each renewal time. Who sees it unchanged for the lease's
 * length on his own clock takes it (C2); who leads counts it on. A leader publishes only while the
 * lease, counted from before its last renewal was sent, is not over: so a process that was stopped
 * and wakes up renews first, or steps down (C1, C6). Whatever goes wrong with MetaDB drops the
 * memory; it is loaded again before the next decision.
 *
 * Events are queued by handlers and decided together in the check phase of the loop, after all
 * messages that have arrived were read: messages before timeouts (C6). A tick keeps the loop from
 * waiting (idle handle) until its check phase.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cm/cm.h"
#include "cm/meta/meta.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"

#define TICK_MS 250
#define QUEUE_MAX 20000
#define REOPEN_FIRST_MS 100
#define REOPEN_CAP_MS 3000
#define PRUNE_MS 600000
#define EVENTS_KEPT 100000

struct lead {
    struct cm *cm;
    uv_timer_t renewal, tick;
    uv_check_t check;
    uv_idle_t no_wait;
    uint32_t lease_ms, renew_ms, host_lease_ms;
    struct meta *meta; /* NULL: not connected */
    struct mono reopen_at;
    int64_t reopen_ms;
    char holder[ID_TEXT_MAX]; /* random, of this process */
    struct meta_lease seen;   /* the row as last read */
    struct mono seen_at;      /* since when it is so, on our clock; 0 = not seen */
    uint64_t least_epoch;     /* reported by a Supervisor */
    struct cluster *cluster;  /* NULL: we do not lead */
    struct mono held_until, leading_from, last_tick, pruned_at;
    bool tick_is_due;
    int open_handles; /* while closing */
    VEC(struct cluster_event) queue;
};

struct cluster *lead_cluster(const struct lead *l)
{
    return l->cluster;
}

uint64_t lead_epoch(const struct lead *l)
{
    return l->seen.epoch;
}

const char *lead_metadb_id(const struct lead *l)
{
    return l->meta ? meta_id(l->meta) : "";
}

bool lead_may_direct(const struct lead *l)
{
    return l->cluster && mono_ms_between(l->leading_from, clock_mono()) >= l->lease_ms;
}

void lead_refuse(struct lead *l, struct rpc_call *call)
{
    struct err e = ERR_INIT;

    if (l->seen.address[0] != '\0' && l->seen.holder[0] != '\0' &&
        strcmp(l->seen.holder, l->holder) != 0) {
        rpc_fail_leader(call, l->seen.address);
        return;
    }
    err_set(&e, ERR_UNAVAILABLE, l->meta ? "no CM leads at this moment" : "MetaDB does not answer");
    rpc_fail(call, &e);
}

/* --- stepping down -----------------------------------------------------------------------------
 */

/* Tests wait inside the cluster for their outcome. */
static void refuse_tests(struct lead *l)
{
    for (size_t i = 0; i < l->cluster->components.n; i++) {
        struct component *x = (struct component *)l->cluster->components.at[i];
        if (x->test_call)
            lead_refuse(l, x->test_call);
    }
}

/* Forgets what is in memory; the lease row stays as it is. */
static void step_down(struct lead *l, const struct err *why)
{
    struct cluster *c = l->cluster;

    if (!c)
        return;
    log_err(LOG_WARN, "lead.stepped_down", why);
    refuse_tests(l);
    l->cluster = NULL;
    cluster_free(c);
    serve_host_drop(l->cm);
    serve_watch_drop(l->cm);
    for (size_t i = 0; i < l->queue.n; i++)
        if (l->queue.at[i].call)
            lead_refuse(l, l->queue.at[i].call);
    l->queue.n = 0;
}

/* After any failure of MetaDB: memory may differ from it. */
static void meta_failed(struct lead *l, const struct err *e)
{
    step_down(l, e);
    if (l->meta && meta_is_alive(l->meta))
        return;
    meta_close(l->meta);
    l->meta = NULL;
    l->seen_at.ns = 0;
    l->reopen_at = mono_add_ms(clock_mono(), l->reopen_ms);
    l->reopen_ms = l->reopen_ms * 2 < REOPEN_CAP_MS ? l->reopen_ms * 2 : REOPEN_CAP_MS;
}

/* --- the lease ---------------------------------------------------------------------------------
 */

static bool load_row(void *arg, const struct meta_row *row, struct err *e)
{
    return cluster_load_row(arg, row->table, row->key, row->state, row->body, row->len, e);
}

static bool load(struct lead *l, struct cluster **out, struct err *e)
{
    /* Projects before what belongs to them. */
    static const char *const tables[] = {"source",    "host",     "project", "step",
                                         "component", "incident", "detail"};
    struct cluster_options o = {.host_lease_ms = l->host_lease_ms};
    struct cluster *c = cluster_new(&o);
    uint64_t revision = 0, last_event = 0;
    bool ok = meta_revision(l->meta, &revision, &last_event, e);

    for (size_t i = 0; ok && i < ARRAY_LEN(tables); i++)
        ok = meta_load(l->meta, tables[i], load_row, c, e);
    if (ok && cluster_loaded(c, revision, last_event, e)) {
        *out = c;
        return true;
    }
    cluster_free(c);
    return false;
}

static bool begin_to_lead(struct lead *l, struct mono before, struct err *e)
{
    if (!load(l, &l->cluster, e))
        return err_wrap(e, "load the cluster");
    l->leading_from = clock_mono();
    l->held_until = mono_add_ms(before, l->lease_ms);
    cluster_awake(l->cluster, l->leading_from);
    log_event(LOG_INFO, "lead.leading", "epoch=%" PRIu64 " metadb=%s projects=%zu", l->seen.epoch,
              meta_id(l->meta), l->cluster->projects.n);
    return true;
}

static bool renew(struct lead *l, struct err *e)
{
    struct mono before = clock_mono();
    bool held;

    if (!meta_lease_renew(l->meta, &l->seen, &held, e))
        return false;
    if (!held)
        return err_set(e, ERR_NOT_LEADER, "the lease of epoch %" PRIu64 " was taken by another CM",
                       l->seen.epoch);
    l->held_until = mono_add_ms(before, l->lease_ms);
    return true;
}

/* Looks at the row; true with *take when it may be taken: given back, ours from before, or
 * unchanged for a whole lease on our clock. */
static bool look(struct lead *l, bool *take, struct err *e)
{
    struct meta_lease now;

    if (!meta_lease_read(l->meta, &now, e))
        return false;
    bool same = l->seen_at.ns != 0 && now.epoch == l->seen.epoch &&
                now.counter == l->seen.counter && strcmp(now.holder, l->seen.holder) == 0;
    if (!same)
        l->seen_at = clock_mono();
    l->seen = now;
    *take = now.holder[0] == '\0' || strcmp(now.holder, l->holder) == 0 ||
            mono_ms_between(l->seen_at, clock_mono()) >= l->lease_ms;
    return true;
}

static bool follow(struct lead *l, struct err *e)
{
    struct mono before = clock_mono();
    bool take, taken = false;

    if (!look(l, &take, e))
        return false;
    if (!take)
        return true;
    if (!meta_lease_take(l->meta, &l->seen, l->least_epoch, l->holder, l->cm->address, &l->seen,
                         &taken, e))
        return false;
    if (!taken) {
        l->seen_at.ns = 0;
        return true;
    }
    return begin_to_lead(l, before, e);
}

static bool connect_meta(struct lead *l, struct err *e)
{
    if (l->meta)
        return true;
    if (!meta_open(l->cm->config->metadb, &l->meta, e))
        return false;
    l->reopen_ms = REOPEN_FIRST_MS;
    log_event(LOG_INFO, "lead.connected", "metadb=%s", meta_id(l->meta));
    return true;
}

static void prune(struct lead *l)
{
    struct err e = ERR_INIT;

    if (mono_ms_between(l->pruned_at, clock_mono()) < PRUNE_MS)
        return;
    l->pruned_at = clock_mono();
    if (!meta_prune(l->meta, &l->seen, EVENTS_KEPT, &e))
        meta_failed(l, &e);
}

static void on_renewal(uv_timer_t *t)
{
    struct lead *l = t->data;
    struct err e = ERR_INIT;

    if (!l->meta && mono_cmp(clock_mono(), l->reopen_at) < 0)
        return;
    if (!connect_meta(l, &e) || !(l->cluster ? renew(l, &e) : follow(l, &e))) {
        if (!l->cluster)
            log_err(LOG_WARN, "lead.waiting", &e);
        meta_failed(l, &e);
    } else if (l->cluster) {
        prune(l);
    }
}

void lead_raise_epoch(struct lead *l, uint64_t seen)
{
    struct err e = ERR_INIT;

    if (seen > l->least_epoch)
        l->least_epoch = seen;
    err_set(&e, ERR_NOT_LEADER, "a host has seen epoch %" PRIu64 ", ours is %" PRIu64, seen,
            l->seen.epoch);
    step_down(l, &e); /* the next renewal takes the lease with a higher epoch */
}

/* --- the cycle ---------------------------------------------------------------------------------
 */

static bool is_command(const struct rpc_call *call)
{
    const char *dot = strchr(call->method, '.');
    const struct pbtext_method *m = dot ? pbtext_method_find("AdminService", dot + 1) : NULL;

    return m && m->kind == METHOD_COMMAND;
}

static bool write_reply(struct lead *l, const struct answer *a, struct arena *arena, struct err *e)
{
    const struct rpc_call *call = a->call;
    size_t n;

    if (!call || !a->message || !is_command(call))
        return true;
    void *p = message_pack(a->message, arena, &n);
    return meta_put_reply(l->meta, call->id, call->method, p, n, e);
}

static bool write_all(struct lead *l, const struct effects *x, struct arena *arena, struct err *e)
{
    bool ok = true;

    for (size_t i = 0; ok && i < x->writes.n; i++) {
        const struct write *w = &x->writes.at[i];
        struct meta_row row = {w->table, w->key, w->state, w->body, w->len};
        ok = w->body ? meta_put(l->meta, &row, e) : meta_delete(l->meta, w->table, w->key, e);
    }
    for (size_t i = 0; ok && i < x->events.n; i++)
        ok = meta_put_event(l->meta, x->events.at[i], e);
    for (size_t i = 0; ok && i < x->answers.n; i++)
        ok = write_reply(l, &x->answers.at[i], arena, e);
    return ok && (x->revision == 0 || meta_put_revision(l->meta, x->revision, e));
}

/* One transaction for all of it, under the lease. */
static bool commit(struct lead *l, const struct effects *x, struct arena *arena, struct err *e)
{
    bool replies = false;

    for (size_t i = 0; i < x->answers.n; i++)
        replies |= x->answers.at[i].message != NULL;
    if (x->writes.n == 0 && x->events.n == 0 && x->revision == 0 && !replies)
        return true;
    if (!meta_begin(l->meta, &l->seen, e))
        return false;
    if (write_all(l, x, arena, e))
        return meta_commit(l->meta, e);
    meta_rollback(l->meta);
    return false;
}

static void log_events(const struct effects *x)
{
    for (size_t i = 0; i < x->events.n; i++) {
        const Oms__Event *ev = x->events.at[i];
        log_event(LOG_INFO, ev->name, "subject=%s rule=%u %s", ev->subject, ev->rule, ev->text);
    }
}

static bool was_answered(const struct effects *x, const void *call)
{
    for (size_t i = 0; i < x->answers.n; i++)
        if (x->answers.at[i].call == call)
            return true;
    return false;
}

/* Accepted Syncs wait for news; all else is answered. */
static void publish(struct lead *l, const struct effects *x, const struct cluster_event *ev,
                    size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ev[i].kind == EVENT_SYNC && !was_answered(x, ev[i].call))
            serve_host_park(l->cm, ev[i].call, (const Oms__HostSyncRequest *)ev[i].request);
    for (size_t i = 0; i < x->answers.n; i++) {
        const struct answer *a = &x->answers.at[i];
        if (a->message)
            rpc_reply(a->call, a->message);
        else
            rpc_fail(a->call, &a->error);
    }
}

/* Nothing of this cycle happened: its callers ask again. */
static void give_back(const struct cluster_event *ev, size_t n, const struct effects *x,
                      const struct err *why)
{
    for (size_t i = 0; i < x->answers.n; i++)
        rpc_fail(x->answers.at[i].call, why);
    for (size_t i = 0; i < n; i++)
        if (ev[i].kind == EVENT_SYNC && !was_answered(x, ev[i].call))
            rpc_fail(ev[i].call, why);
}

/* False: stepped down. */
static bool hold_lease(struct lead *l)
{
    struct mono now = clock_mono();
    struct err e = ERR_INIT;

    /* We were asleep: nobody is late because of that. */
    if (mono_ms_between(l->last_tick, now) > 4 * TICK_MS)
        cluster_awake(l->cluster, now);
    l->last_tick = now;
    if (mono_cmp(now, l->held_until) < 0)
        return true;
    if (renew(l, &e))
        return true;
    meta_failed(l, &e);
    return false;
}

static void decide(struct lead *l, struct cluster_event *ev, size_t n)
{
    struct cluster_now now = {clock_mono(), clock_wall()};
    struct effects x = {0};
    struct err e = ERR_INIT;
    struct arena arena;

    arena_init(&arena, 0);
    cluster_step(l->cluster, ev, n, now, &arena, &x);
    if (commit(l, &x, &arena, &e)) {
        log_events(&x);
        publish(l, &x, ev, n);
    } else {
        log_err(LOG_ERROR, "lead.commit", &e);
        struct err retry = ERR_INIT;
        err_set(&retry, ERR_UNAVAILABLE, "the decision could not be stored: %s", e.message);
        /* A test that began in this cycle was not answered; step_down does it. */
        give_back(ev, n, &x, &retry);
        meta_failed(l, &e);
    }
    effects_fini(&x);
    arena_fini(&arena);
}

static void on_check(uv_check_t *t)
{
    struct lead *l = t->data;
    VEC(struct cluster_event) batch = {l->queue.at, l->queue.n, l->queue.cap};

    if (!l->cluster || (l->queue.n == 0 && !l->tick_is_due))
        return;
    if (!hold_lease(l)) /* the queue was refused by it */
        return;
    memset(&l->queue, 0, sizeof l->queue);
    if (l->tick_is_due)
        uv_idle_stop(&l->no_wait);
    l->tick_is_due = false;
    decide(l, batch.at, batch.n);
    vec_fini(&batch);
    if (!l->cluster)
        return;
    serve_host_publish(l->cm);
    serve_watch_publish(l->cm);
    relay_tick(l->cm->relay);
}

static void on_idle(uv_idle_t *t)
{
    (void)t;
}

static void on_tick(uv_timer_t *t)
{
    struct lead *l = t->data;

    l->tick_is_due = true;
    uv_idle_start(&l->no_wait, on_idle);
}

void lead_post(struct lead *l, const struct cluster_event *ev)
{
    struct err e = ERR_INIT;

    if (!l->cluster) {
        lead_refuse(l, ev->call);
    } else if (l->queue.n >= QUEUE_MAX) {
        err_set(&e, ERR_UNAVAILABLE, "%d events wait already", QUEUE_MAX);
        rpc_fail(ev->call, &e);
    } else {
        vec_push(&l->queue, *ev);
    }
}

bool lead_has_queued(const struct lead *l, struct id id)
{
    for (size_t i = 0; i < l->queue.n; i++)
        if (l->queue.at[i].call && id_eq(((struct rpc_call *)l->queue.at[i].call)->id, id))
            return true;
    return false;
}

/* --- reading -----------------------------------------------------------------------------------
 */

struct event_sink {
    struct arena *arena;
    Oms__EventListReply *out;
};

static void take_event(void *arg, const Oms__Event *ev)
{
    struct event_sink *s = arg;

    s->out->events[s->out->n_events++] = (Oms__Event *)message_copy(&ev->base, s->arena);
}

bool lead_events(struct lead *l, uint64_t after, uint32_t most, const char *subject,
                 struct arena *arena, Oms__EventListReply *out, struct err *e)
{
    struct event_sink sink = {arena, out};

    out->events = arena_calloc(arena, most, sizeof(void *));
    if (meta_events(l->meta, after, most, subject, take_event, &sink, e))
        return true;
    meta_failed(l, e);
    return false;
}

bool lead_find_reply(struct lead *l, struct id id, struct arena *arena, Oms__CommandReply **reply,
                     struct err *e)
{
    struct buf bytes CLEANUP(buf_fini);
    bool found;

    buf_init(&bytes, CM_MESSAGE_MAX);
    if (!meta_find_reply(l->meta, id, &bytes, &found, e)) {
        meta_failed(l, e);
        return false;
    }
    *reply = found ? (Oms__CommandReply *)message_unpack(&oms__command_reply__descriptor, bytes.p,
                                                         bytes.len, arena)
                   : NULL;
    return true;
}

/* --- life --------------------------------------------------------------------------------------
 */

bool lead_start(struct cm *cm, struct lead **out, struct err *e)
{
    struct lead *l = must_calloc(1, sizeof *l);
    struct id holder;

    l->cm = cm;
    l->lease_ms = cm->config->lease_ms;
    l->renew_ms = cm->config->lease_renew_ms;
    l->host_lease_ms = cm->config->host_lease_ms;
    l->reopen_ms = REOPEN_FIRST_MS;
    if (!token_random_bytes(holder.b, sizeof holder.b, e)) {
        free(l);
        return false;
    }
    id_format(holder, l->holder);
    l->pruned_at = l->last_tick = clock_mono();
    must(uv_timer_init(&cm->loop, &l->renewal) == 0 && uv_timer_init(&cm->loop, &l->tick) == 0 &&
         uv_check_init(&cm->loop, &l->check) == 0 && uv_idle_init(&cm->loop, &l->no_wait) == 0);
    l->renewal.data = l->tick.data = l->check.data = l->no_wait.data = l;
    must(uv_timer_start(&l->renewal, on_renewal, 0, l->renew_ms) == 0 &&
         uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS) == 0 &&
         uv_check_start(&l->check, on_check) == 0);
    *out = l;
    return true;
}

static void on_closed(uv_handle_t *h)
{
    struct lead *l = h->data;

    if (--l->open_handles > 0)
        return;
    vec_fini(&l->queue);
    free(l);
}

void lead_stop(struct lead *l)
{
    struct err e = ERR_INIT;
    bool led = l && l->cluster;

    if (!l)
        return;
    err_set(&e, ERR_CANCELLED, "told to stop");
    step_down(l, &e);
    if (led && l->meta && !meta_lease_give(l->meta, &l->seen, &e))
        log_err(LOG_WARN, "lead.give", &e);
    meta_close(l->meta);
    l->open_handles = 4;
    uv_close((uv_handle_t *)&l->renewal, on_closed);
    uv_close((uv_handle_t *)&l->tick, on_closed);
    uv_close((uv_handle_t *)&l->check, on_closed);
    uv_close((uv_handle_t *)&l->no_wait, on_closed);
}
