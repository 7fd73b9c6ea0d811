/*
 * ComponentService over ipc. A component's Sync is parked until something changed for it or a
 * moment has passed; the nonce it was started with is its token, so a stray process of an earlier
 * life is told to stop. See proto/component.proto.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crypto/token.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "supervisor/supervisor_priv.h"

#define PARK_MS 300
#define SOCKET_PATH_MAX 100

static bool authorize(void *arg, struct rpc_call *call, struct err *e)
{
    struct supervisor *sv = arg;

    if (!unit_by_nonce(sv, call->token))
        return err_set(e, ERR_REFUSED, "no component of this host runs under that nonce");
    return true;
}

static bool has_news(const struct unit *u)
{
    const Oms__Directive *d = unit_directive(u);

    return u->asks.n > 0 || u->state == UNIT_STOPPING ||
           (d && (!u->live_known || (d->spec->live && d->spec->live->revision != u->live_sent)));
}

static void fill_asks(struct unit *u, struct arena *a, Oms__ComponentSyncReply *r)
{
    r->asks = arena_calloc(a, u->asks.n, sizeof *r->asks);
    for (size_t i = 0; i < u->asks.n; i++) {
        struct ask_item *it = &u->asks.at[i];
        Oms__Ask *ask = arena_alloc(a, sizeof *ask);

        oms__ask__init(ask);
        ask->id = arena_strdup(a, it->id);
        ask->what = arena_strdup(a, it->what);
        ask->component_id = arena_strdup(a, u->id);
        ask->args = arena_calloc(a, it->args.n, sizeof *ask->args);
        for (size_t k = 0; k < it->args.n; k++)
            ask->args[ask->n_args++] = arena_strdup(a, it->args.at[k]);
        r->asks[r->n_asks++] = ask;
        for (size_t k = 0; k < it->args.n; k++)
            free(it->args.at[k]);
        vec_fini(&it->args);
        free(it->id);
        free(it->what);
    }
    u->asks.n = 0;
}

static void answer(struct unit *u)
{
    Oms__ComponentSyncReply r = OMS__COMPONENT_SYNC_REPLY__INIT;
    const Oms__Directive *d = unit_directive(u);
    struct rpc_call *call = u->parked;

    u->parked = NULL;
    r.has_protocol = 1;
    r.protocol = 1;
    r.has_stop = 1;
    r.stop = u->state == UNIT_STOPPING;
    if (d && d->spec->live && (!u->live_known || d->spec->live->revision != u->live_sent))
        r.live = d->spec->live;
    if (d && (!u->live_known || r.live)) { /* new peers bring new secrets */
        r.secrets = d->secrets;
        r.n_secrets = d->n_secrets;
    }
    fill_asks(u, &call->arena, &r);
    if (d) {
        u->live_known = true;
        u->live_sent = d->spec->live ? d->spec->live->revision : 0;
    }
    rpc_reply(call, &r.base);
}

void component_answer_parked(struct unit *u, struct mono now)
{
    if (u->parked && (has_news(u) || mono_cmp(now, u->parked_until) >= 0))
        answer(u);
}

void component_drop_parked(struct unit *u)
{
    struct err e = ERR_INIT;

    if (!u->parked)
        return;
    (void)err_set(&e, ERR_UNAVAILABLE, "the component has ended");
    rpc_fail(u->parked, &e);
    u->parked = NULL;
}

/* Changes that the CM should hear at once: a step's end, an incident, an error, a result. */
static bool is_news(const Oms__ComponentReport *a, const Oms__ComponentReport *b)
{
    if (!a || a->n_incidents != b->n_incidents || a->n_steps != b->n_steps ||
        !a->error != !b->error || !a->result != !b->result || !a->address != !b->address ||
        a->caught_up != b->caught_up || strcmp(a->state ? a->state : "", b->state ? b->state : ""))
        return true;
    for (size_t i = 0; i < a->n_steps; i++)
        if (a->steps[i]->finished != b->steps[i]->finished)
            return true;
    return false;
}

static bool is_over(const Oms__ComponentReport *r)
{
    const char *state = r && r->state ? r->state : "";

    return strcmp(state, "done") == 0 || strcmp(state, "stopped") == 0 ||
           strcmp(state, "failed") == 0;
}

static void take_report(struct unit *u, const Oms__ComponentReport *r)
{
    if (!r || !r->id || strcmp(r->id, u->id) != 0)
        return;
    if (is_news((const Oms__ComponentReport *)u->report.m, r))
        u->sv->news = true;
    keep_message(&u->report, &r->base);
    u->report_at = clock_mono();
}

static void component_sync(Oms__ComponentService_Service *service,
                           const Oms__ComponentSyncRequest *q,
                           Oms__ComponentSyncReply_Closure closure, void *closure_data)
{
    struct supervisor *sv = CONTAINER_OF(service, struct component_service, base)->sv;
    struct rpc_call *call = rpc_call_of(closure_data);
    struct unit *u = unit_by_nonce(sv, call->token);

    (void)closure;
    must(u != NULL); /* authorize() has found it in this very turn of the loop */
    u->synced = clock_mono();
    take_report(u, q->report);
    component_drop_parked(u); /* a newer Sync supersedes the older */
    u->parked = call;
    u->parked_until = mono_add_ms(u->synced, PARK_MS);
    /* What it has may be newer than what we remember having sent (after our restart). */
    if (!u->live_known && q->report && q->report->has_live_revision &&
        q->report->live_revision != 0 && u->adopted) {
        u->live_known = true;
        u->live_sent = q->report->live_revision;
    }
    if (u->parked && is_over(q->report))
        answer(u); /* it waits for this alone before it ends */
    component_answer_parked(u, u->synced);
}

/* The component hears what the CM said: a slow reader slows the writer, and one who has gone ends
 * it. */
static void forwarded(void *arg, const ProtobufCMessage *reply, const struct err *e)
{
    struct rpc_call *call = arg;

    if (e)
        rpc_fail(call, e);
    else
        rpc_reply(call, reply);
}

static void component_answer(Oms__ComponentService_Service *service, const Oms__AnswerRequest *a,
                             Oms__Empty_Closure closure, void *closure_data)
{
    struct supervisor *sv = CONTAINER_OF(service, struct component_service, base)->sv;

    (void)closure;
    link_answer(sv, a, forwarded, rpc_call_of(closure_data));
}

/* Unix socket paths are short; a long DIR gets a short private directory. */
static bool choose_socket(struct supervisor *sv, struct arena *a, const char **path, struct err *e)
{
    char shorter[] = "/tmp/oms-XXXXXX";

    *path = arena_printf(a, "%s/sync.sock", sv->dir);
    if (strlen(*path) <= SOCKET_PATH_MAX)
        return true;
    if (!mkdtemp(shorter))
        return err_set(e, ERR_SYSTEM, "cannot make a directory for the socket under /tmp");
    sv->sync_dir = must_strdup(shorter);
    *path = arena_printf(a, "%s/sync.sock", shorter);
    return true;
}

bool component_service_start(struct supervisor *sv, struct err *e)
{
    ProtobufCService *services[] = {&sv->service.base.base};
    const char *path;
    struct rpc_server_options o = {.loop = &sv->loop,
                                   .max_message_bytes = MESSAGE_MAX,
                                   .services = services,
                                   .n_services = 1,
                                   .authorize = authorize,
                                   .authorize_arg = sv};
    bool ok;

    sv->service.base = (Oms__ComponentService_Service)OMS__COMPONENT_SERVICE__INIT(component_);
    sv->service.sv = sv;
    if (!choose_socket(sv, &sv->arena, &path, e))
        return false;
    (void)unlink(path); /* of an earlier life; we hold the directory's lock */
    o.url = arena_printf(&sv->arena, "ipc://%s", path);
    ok = rpc_server_start(&o, &sv->server, e);
    if (ok && chmod(path, 0600) != 0)
        log_event(LOG_WARN, "supervisor.socket", "cannot restrict '%s'", path);
    sv->sync_url = must_strdup(o.url);
    return ok;
}
