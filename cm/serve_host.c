/*
 * HostService. A Sync becomes an event; once the cluster has taken it, its call is parked until
 * there is something for the host or SYNC_HOLD_MS have passed. A newer Sync of the same host
 * supersedes the parked one: that gets an answer that moves nothing, since its caller has gone on.
 */
#include <stdlib.h>
#include <string.h>

#include "cm/cm.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"

#define SYNC_HOLD_MS 1000
#define RESEND_MS 500 /* directives that a host was given and does not keep yet */
#define RESULT_MAX (8u << 20)

struct parked {
    struct named named; /* key: host_id */
    struct rpc_call *call;
    uint64_t kept; /* revision that the host keeps */
    struct mono since;
};
struct given { /* what a host was last given */
    struct named named;
    uint64_t revision;
    struct mono at;
};
struct parked_syncs {
    struct named_set parked, given;
};

static struct given *given_of(struct parked_syncs *s, const char *host_id)
{
    struct given *g = (struct given *)named_find(&s->given, host_id);

    if (g)
        return g;
    g = must_calloc(1, sizeof *g);
    text_set(&g->named.key, host_id);
    named_add(&s->given, &g->named);
    return g;
}

static void fill_head(struct cm *cm, Oms__HostSyncReply *r)
{
    r->has_cm_epoch = true;
    r->cm_epoch = lead_epoch(cm->lead);
    r->metadb_id = (char *)lead_metadb_id(cm->lead);
}

/* An answer with the token alone. */
static void reply_empty(struct cm *cm, struct rpc_call *call, const struct host *h, uint64_t kept)
{
    Oms__HostSyncReply r = OMS__HOST_SYNC_REPLY__INIT;

    r.has_protocol = r.has_revision = true;
    r.protocol = 1;
    r.revision = kept;
    r.token = (char *)h->token;
    fill_head(cm, &r);
    rpc_reply(call, &r.base);
}

static void drop_parked(struct parked_syncs *s, struct parked *p)
{
    named_drop(&s->parked, &p->named);
    free(p->named.key);
    free(p);
}

void serve_host_park(struct cm *cm, struct rpc_call *call, const Oms__HostSyncRequest *r)
{
    const char *host_id = r->report->identity->host_id;
    struct parked *p = (struct parked *)named_find(&cm->syncs->parked, host_id);
    const struct host *h = cluster_host(lead_cluster(cm->lead), host_id);

    if (p) {
        reply_empty(cm, p->call, h, p->kept);
        drop_parked(cm->syncs, p);
    }
    p = must_calloc(1, sizeof *p);
    text_set(&p->named.key, host_id);
    p->call = call;
    p->kept = r->directives_revision;
    p->since = clock_mono();
    named_add(&cm->syncs->parked, &p->named);
}

/* A secret that cannot be opened must not stop the others' directives. */
static void fill_secrets(struct cm *cm, Oms__HostSyncReply *r, struct arena *arena)
{
    for (size_t i = 0; i < r->n_directives; i++) {
        struct err e = ERR_INIT;
        if (!secrets_fill(cm, lead_cluster(cm->lead), r->directives[i], arena, &e))
            log_err(LOG_ERROR, "host.secret", &e);
    }
}

static void reply_full(struct cm *cm, struct parked *p, const struct host *h)
{
    const struct cluster *c = lead_cluster(cm->lead);
    struct given *g = given_of(cm->syncs, p->named.key);
    struct arena arena;

    arena_init(&arena, 0);
    Oms__HostSyncReply *r = sync_reply(c, h, p->kept, &arena);
    fill_head(cm, r);
    fill_secrets(cm, r, &arena);
    relay_give(cm->relay, p->named.key, r, &arena);
    g->revision = r->revision;
    g->at = clock_mono();
    rpc_reply(p->call, &r->base);
    arena_fini(&arena);
}

static bool has_news(struct cm *cm, const struct parked *p, const struct host *h, struct mono now)
{
    uint64_t revision = sync_revision(lead_cluster(cm->lead), h);
    const struct given *g = given_of(cm->syncs, p->named.key);

    if (relay_has_asks(cm->relay, p->named.key))
        return true;
    if (revision <= p->kept)
        return false;
    return revision > g->revision || mono_ms_between(g->at, now) >= RESEND_MS;
}

void serve_host_publish(struct cm *cm)
{
    struct parked_syncs *s = cm->syncs;
    struct mono now = clock_mono();

    for (size_t i = 0; i < s->parked.n;) {
        struct parked *p = (struct parked *)s->parked.at[i];
        const struct host *h = cluster_host(lead_cluster(cm->lead), p->named.key);
        bool late = mono_ms_between(p->since, now) >= SYNC_HOLD_MS;
        bool direct = lead_may_direct(cm->lead);

        if (!late && !(direct && has_news(cm, p, h, now))) {
            i++;
            continue;
        }
        if (direct)
            reply_full(cm, p, h);
        else
            reply_empty(cm, p->call, h, p->kept);
        drop_parked(s, p);
    }
}

void serve_host_drop(struct cm *cm)
{
    struct parked_syncs *s = cm->syncs;

    while (s->parked.n > 0) {
        struct parked *p = (struct parked *)s->parked.at[0];
        lead_refuse(cm->lead, p->call);
        drop_parked(s, p);
    }
    while (s->given.n > 0) {
        struct given *g = (struct given *)s->given.at[0];
        named_drop(&s->given, &g->named);
        free(g->named.key);
        free(g);
    }
}

/* --- the service -------------------------------------------------------------------------------
 */

/* Results of tasks travel as JSON; the cluster wants messages. */
static const Oms__TaskOutcome *parse_outcome(const struct cluster *c,
                                             const Oms__ComponentStatus *st, struct arena *arena)
{
    const char *json = st->report ? st->report->result : NULL;
    ProtobufCMessage *m = NULL;
    struct err e = ERR_INIT;

    if (!json || json[0] == '\0' || strlen(json) > RESULT_MAX)
        return NULL;
    /* It is said again and again until the task is forgotten. */
    const struct component *x = cluster_component(c, st->id);
    if (!x || (!x->goal_run && x->outcome.m))
        return NULL;
    if (!pbtext_parse_json(text_or_empty(st->id), json, strlen(json),
                           &oms__task_outcome__descriptor, arena, &m, &e)) {
        log_err(LOG_WARN, "host.outcome", &e);
        return NULL;
    }
    return (const Oms__TaskOutcome *)m;
}

static bool check_sync(struct cm *cm, const Oms__HostSyncRequest *r, struct err *e)
{
    const char *mine = lead_metadb_id(cm->lead);

    if (r->protocol != 1)
        return err_set(e, ERR_UNSUPPORTED, "the host speaks protocol %u, this CM 1", r->protocol);
    if (!text_is(r->metadb_id, "") && !text_is(r->metadb_id, mine))
        return err_set(e, ERR_WRONG_STATE,
                       "this host belongs to the installation with MetaDB '%s', this CM to '%s'",
                       r->metadb_id, mine);
    if (!r->report || !r->report->identity)
        return err_set(e, ERR_INVALID, "a Sync without the host's identity");
    return true;
}

static void host_sync(Oms__HostService_Service *service, const Oms__HostSyncRequest *r,
                      Oms__HostSyncReply_Closure closure, void *closure_data)
{
    struct cm *cm = CONTAINER_OF(service, struct host_service, base)->cm;
    struct rpc_call *call = rpc_call_of(closure_data);
    struct cluster_event ev = {.kind = EVENT_SYNC, .request = &r->base, .call = call};
    struct err e = ERR_INIT;

    (void)closure;
    if (!lead_cluster(cm->lead)) {
        lead_refuse(cm->lead, call);
        return;
    }
    if (!check_sync(cm, r, &e) || !token_random_bytes(ev.fresh.b, sizeof ev.fresh.b, &e)) {
        rpc_fail(call, &e);
        return;
    }
    if (r->cm_epoch > lead_epoch(cm->lead)) {
        lead_raise_epoch(cm->lead, r->cm_epoch);
        lead_refuse(cm->lead, call);
        return;
    }
    const Oms__TaskOutcome **outcomes =
        arena_calloc(&call->arena, r->report->n_components + 1, sizeof *outcomes);
    for (size_t i = 0; i < r->report->n_components; i++)
        outcomes[i] = parse_outcome(lead_cluster(cm->lead), r->report->components[i], &call->arena);
    ev.outcomes = outcomes;
    lead_post(cm->lead, &ev);
}

static void host_answer(Oms__HostService_Service *service, const Oms__AnswerRequest *r,
                        Oms__Empty_Closure closure, void *closure_data)
{
    struct cm *cm = CONTAINER_OF(service, struct host_service, base)->cm;

    (void)closure;
    relay_answer(cm->relay, r, rpc_call_of(closure_data));
}

void serve_host_init(struct cm *cm)
{
    cm->host.base = (Oms__HostService_Service)OMS__HOST_SERVICE__INIT(host_);
    cm->host.cm = cm;
    cm->syncs = must_calloc(1, sizeof *cm->syncs);
}

void serve_host_fini(struct cm *cm)
{
    if (!cm->syncs)
        return;
    named_fini(&cm->syncs->parked);
    named_fini(&cm->syncs->given);
    free(cm->syncs);
    cm->syncs = NULL;
}
