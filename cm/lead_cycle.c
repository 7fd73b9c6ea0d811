/*
 * The cycle: decide, commit, publish. Events are queued by handlers and decided together in the
 * check phase of the loop, after all messages that have arrived were read: messages before timeouts
 * (C6). A tick keeps the loop from waiting (idle handle) until its check phase.
 */
#include <string.h>

#include "cm/lead_priv.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/fault.h"
#include "common/pbtext/pbtext.h"

#define QUEUE_MAX 20000

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
    if (!write_all(l, x, arena, e)) {
        meta_rollback(l->meta);
        return false;
    }
    FAULT(CM_BEFORE_COMMIT);
    if (!meta_commit(l->meta, e))
        return false;
    FAULT(CM_AFTER_COMMIT);
    return true;
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
    if (mono_ms_between(l->last_tick, now) > 4 * LEAD_TICK_MS)
        cluster_awake(l->cluster, now);
    l->last_tick = now;
    if (mono_cmp(now, l->held_until) < 0)
        return true;
    if (lead_renew(l, &e))
        return true;
    lead_meta_failed(l, &e);
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
        lead_meta_failed(l, &e);
    }
    effects_fini(&x);
    arena_fini(&arena);
}

void lead_on_check(uv_check_t *t)
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

void lead_on_tick(uv_timer_t *t)
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
