/*
 * AdminService, long polls: a watcher's call is parked until its project changed or its hold time
 * is over; the same for the event log. Many changes within WATCH_LEAST_MS are one answer.
 */
#include <stdlib.h>
#include <string.h>

#include "cm/cm.h"
#include "common/os/clock.h"

#define HOLD_MAX_MS 30000
#define WATCH_LEAST_MS 150
#define PARKED_MAX 1000
#define EVENTS_STANDARD 50
#define EVENTS_MAX 1000

struct watch {
    struct rpc_call *call;
    const Oms__ProjectWatchRequest *project; /* or */
    const Oms__EventListRequest *events;
    uint64_t seen; /* events: the last one that was there when we looked */
    struct mono since, until;
};
struct watches {
    VEC(struct watch) at;
};

struct watches *watches_new(void)
{
    return must_calloc(1, sizeof(struct watches));
}

void watches_free(struct watches *w)
{
    if (!w)
        return;
    vec_fini(&w->at);
    free(w);
}

static struct cm *cm_of(Oms__AdminService_Service *service)
{
    return CONTAINER_OF(service, struct admin_service, base)->cm;
}

static void park(struct cm *cm, struct watch w, uint32_t hold_ms)
{
    struct err e = ERR_INIT;

    if (cm->watches->at.n >= PARKED_MAX) {
        err_set(&e, ERR_LIMIT, "%d calls wait already", PARKED_MAX);
        rpc_fail(w.call, &e);
        return;
    }
    w.since = clock_mono();
    w.until = mono_add_ms(w.since, hold_ms < HOLD_MAX_MS ? hold_ms : HOLD_MAX_MS);
    vec_push(&cm->watches->at, w);
}

/* --- projects ----------------------------------------------------------------------------------
 */

static void reply_project(struct cm *cm, const struct watch *w)
{
    Oms__ProjectWatchReply r = OMS__PROJECT_WATCH_REPLY__INIT;
    const struct cluster *c = lead_cluster(cm->lead);
    const struct project *p = cluster_project(c, w->project->name);

    if (!p) {
        admin_not_found(w->call, "project", w->project->name);
        return;
    }
    r.has_cursor = true;
    r.cursor = p->version;
    r.project = view_project(c, p, true, clock_mono(), &w->call->arena);
    rpc_reply(w->call, &r.base);
}

ADMIN_HANDLER(project_watch, Oms__ProjectWatchRequest, Oms__ProjectWatchReply)
{
    struct cm *cm = cm_of(service);
    struct watch w = {.call = rpc_call_of(closure_data), .project = request};

    (void)closure;
    if (!admin_cluster(cm, w.call))
        return;
    if (request->cursor == 0 || request->hold_ms == 0 ||
        !cluster_project(lead_cluster(cm->lead), request->name))
        reply_project(cm, &w);
    else
        park(cm, w, request->hold_ms);
}

static bool project_has_news(struct cm *cm, const struct watch *w, struct mono now)
{
    const struct project *p = cluster_project(lead_cluster(cm->lead), w->project->name);

    return !p ||
           (p->version != w->project->cursor && mono_ms_between(w->since, now) >= WATCH_LEAST_MS);
}

/* --- events ------------------------------------------------------------------------------------
 */

/* Something may have happened to it, as far as the CM knows ("" is everything). */
static bool is_subject(struct cm *cm, const char *name)
{
    struct cluster *c = lead_cluster(cm->lead);

    return text_is(name, "") || cluster_project(c, name) || cluster_component(c, name) ||
           cluster_host_named(c, name) || cluster_source(c, name);
}

/* Answers if there are events, or at once; false: there are none yet. */
static bool reply_events(struct cm *cm, struct watch *w, bool empty_too)
{
    Oms__EventListReply r = OMS__EVENT_LIST_REPLY__INIT;
    const Oms__EventListRequest *q = w->events;
    uint32_t most = q->has_most && q->most > 0 ? q->most : EVENTS_STANDARD;
    struct err e = ERR_INIT;

    w->seen = lead_cluster(cm->lead)->last_event;
    if (!lead_events(cm->lead, q->after, most < EVENTS_MAX ? most : EVENTS_MAX,
                     text_or_empty(q->subject), &w->call->arena, &r, &e)) {
        rpc_fail(w->call, &e);
        return true;
    }
    if (r.n_events == 0 && !empty_too)
        return false;
    if (r.n_events == 0 && q->after == 0 && !is_subject(cm, q->subject)) {
        admin_not_found(w->call, "project, component, host or data source", q->subject);
        return true;
    }
    rpc_reply(w->call, &r.base);
    return true;
}

ADMIN_HANDLER(event_list, Oms__EventListRequest, Oms__EventListReply)
{
    struct cm *cm = cm_of(service);
    struct watch w = {.call = rpc_call_of(closure_data), .events = request};

    (void)closure;
    if (admin_cluster(cm, w.call) && !reply_events(cm, &w, request->hold_ms == 0))
        park(cm, w, request->hold_ms);
}

/* --- publishing --------------------------------------------------------------------------------
 */

/* True: it was answered. */
static bool publish_one(struct cm *cm, struct watch *w, struct mono now)
{
    bool late = mono_cmp(now, w->until) >= 0;

    if (w->project) {
        if (!late && !project_has_news(cm, w, now))
            return false;
        reply_project(cm, w);
        return true;
    }
    if (!late && lead_cluster(cm->lead)->last_event == w->seen)
        return false;
    return reply_events(cm, w, late);
}

void serve_watch_publish(struct cm *cm)
{
    struct mono now = clock_mono();

    /* Reading events may find MetaDB gone: then everything parked was refused meanwhile. */
    for (size_t i = 0; lead_cluster(cm->lead) && i < cm->watches->at.n;) {
        struct watch w = cm->watches->at.at[i];
        cm->watches->at.at[i] = cm->watches->at.at[--cm->watches->at.n];
        if (!publish_one(cm, &w, now)) {
            vec_push(&cm->watches->at, cm->watches->at.at[i]);
            cm->watches->at.at[i] = w;
            i++;
        }
    }
}

void serve_watch_drop(struct cm *cm)
{
    while (cm->watches->at.n > 0)
        lead_refuse(cm->lead, cm->watches->at.at[--cm->watches->at.n].call);
}

/* --- asks --------------------------------------------------------------------------------------
 */

ADMIN_HANDLER(ask_start, Oms__AskRequest, Oms__AskReply)
{
    struct cm *cm = cm_of(service);
    struct rpc_call *call = rpc_call_of(closure_data);
    struct cluster *c = admin_cluster(cm, call);
    struct component *x = c ? cluster_component(c, request->component_id) : NULL;
    Oms__AskReply r = OMS__ASK_REPLY__INIT;
    char id[ID_TEXT_MAX];
    struct err e = ERR_INIT;

    (void)closure;
    if (!c)
        return;
    if (!x) {
        admin_not_found(call, "component", request->component_id);
        return;
    }
    const struct host *h = cluster_host(c, x->host);
    if (!h || !h->is_up)
        err_set(&e, ERR_UNAVAILABLE, "the host of component '%s' is silent", x->named.key);
    if (e.code != ERR_NONE || !relay_ask(cm->relay, request, x->host, id, &e)) {
        rpc_fail(call, &e);
        return;
    }
    r.ask_id = id;
    rpc_reply(call, &r.base);
    serve_host_publish(cm);
}

ADMIN_HANDLER(ask_read, Oms__AskReadRequest, Oms__AskReadReply)
{
    struct cm *cm = cm_of(service);

    (void)closure;
    relay_read(cm->relay, request, rpc_call_of(closure_data));
}
