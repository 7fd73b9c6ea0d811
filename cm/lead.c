/*
 * Leading: the connection to MetaDB, the lease, and the cluster in memory while we hold it.
 *
 * Every CM looks at the lease row at each renewal time. Who sees it unchanged for the lease's
 * length on his own clock takes it (C2); who leads counts it on. A leader publishes only while the
 * lease, counted from before its last renewal was sent, is not over: so a process that was stopped
 * and wakes up renews first, or steps down (C1, C6). Whatever goes wrong with MetaDB drops the
 * memory; it is loaded again before the next decision.
 * The cycle itself is in lead_cycle.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cm/lead_priv.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"

#define REOPEN_FIRST_MS 100
#define REOPEN_CAP_MS 3000
#define PRUNE_MS 600000
#define EVENTS_KEPT 100000

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
void lead_meta_failed(struct lead *l, const struct err *e)
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

bool lead_renew(struct lead *l, struct err *e)
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
        lead_meta_failed(l, &e);
}

static void on_renewal(uv_timer_t *t)
{
    struct lead *l = t->data;
    struct err e = ERR_INIT;

    if (!l->meta && mono_cmp(clock_mono(), l->reopen_at) < 0)
        return;
    if (!connect_meta(l, &e) || !(l->cluster ? lead_renew(l, &e) : follow(l, &e))) {
        if (!l->cluster)
            log_err(LOG_WARN, "lead.waiting", &e);
        lead_meta_failed(l, &e);
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
    lead_meta_failed(l, e);
    return false;
}

bool lead_find_reply(struct lead *l, struct id id, struct arena *arena, Oms__CommandReply **reply,
                     struct err *e)
{
    struct buf bytes CLEANUP(buf_fini);
    bool found;

    buf_init(&bytes, CM_MESSAGE_MAX);
    if (!meta_find_reply(l->meta, id, &bytes, &found, e)) {
        lead_meta_failed(l, e);
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
         uv_timer_start(&l->tick, lead_on_tick, LEAD_TICK_MS, LEAD_TICK_MS) == 0 &&
         uv_check_start(&l->check, lead_on_check) == 0);
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
