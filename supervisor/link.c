/*
 * The link to the CM: the Supervisor dials and reports; directives and asks come back. What is
 * older than what was seen, or comes from another MetaDB, is refused (C4); what is absent stops
 * nothing (C5). With the CM away everything goes on (C9).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/token.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor_priv.h"

#define LINK_MESSAGE_MAX (16u << 20) /* what the CM takes */
#define CALL_MS 5000
#define EVERY_MS 100 /* least time between two reports */
#define RETRY_MS 500
#define OUTSTANDING_MAX 2 /* one parked, one with news; the newer supersedes */
#define AWAY_MS 1500      /* then its address is looked up again */

/* "tcp://..." or "file:PATH" of a file that holds one; the file is read at each reconnect. */
static bool resolve(const char *given, char *url, size_t cap, struct err *e)
{
    struct buf text;
    bool ok;

    if (strncmp(given, "file:", 5) != 0) {
        snprintf(url, cap, "%s", given);
        return true;
    }
    buf_init(&text, 4096);
    ok = durable_read_file(given + 5, &text, e);
    if (ok) {
        (void)buf_cstr(&text);
        snprintf(url, cap, "%.*s", (int)strcspn((char *)text.p, "\r\n"), (char *)text.p);
    }
    buf_fini(&text);
    return ok;
}

static bool open_link(struct supervisor *sv, struct err *e)
{
    char url[512];
    struct rpc_client_options o = {.url = url,
                                   .token = sv->cm_token,
                                   .max_message_bytes = LINK_MESSAGE_MAX,
                                   .loop = &sv->loop};

    if (!resolve(sv->config->cm[sv->cm_next++ % sv->config->n_cm], url, sizeof url, e) ||
        !rpc_client_open(&o, &sv->client, e))
        return false;
    sv->cm_url = must_strdup(url);
    rpc_client_set_epoch(sv->client, sv->metadb_id, sv->cm_epoch);
    return true;
}

void link_close(struct supervisor *sv)
{
    struct rpc_client *c = sv->client;

    sv->client = NULL;
    rpc_client_close(c);
    free(sv->cm_url);
    sv->cm_url = NULL;
    sv->outstanding = 0;
}

/* --- directives ----------------------------------------------------------------------------------
 */

/* Secrets travel only with what is new; a directive without any keeps those we have. */
static void keep_secrets(const struct unit *u, Oms__Directive *d)
{
    const Oms__Directive *old = unit_directive(u);

    if (d->n_secrets == 0 && old) {
        d->secrets = old->secrets;
        d->n_secrets = old->n_secrets;
    }
}

static bool take_directive(struct supervisor *sv, Oms__Directive *d)
{
    struct unit *u;

    if (!d->spec || !d->spec->id || strchr(d->spec->id, '/'))
        return false;
    u = unit_find(sv, d->spec->id);
    if (!u)
        u = unit_new(sv, d->spec->id);
    if (unit_directive(u) && d->revision <= unit_directive(u)->revision)
        return false;
    keep_secrets(u, d);
    keep_message(&u->directive, &d->base);
    u->undirected = true;
    return true;
}

static bool is_refused(struct supervisor *sv, const Oms__HostSyncReply *r)
{
    if (sv->metadb_id && r->metadb_id && strcmp(sv->metadb_id, r->metadb_id) != 0) {
        log_event(LOG_ERROR, "supervisor.other_metadb",
                  "the cluster manager speaks for MetaDB '%s', this host belongs to '%s'",
                  r->metadb_id, sv->metadb_id);
        return true;
    }
    if (r->cm_epoch < sv->cm_epoch) {
        log_event(LOG_WARN, "supervisor.old_epoch", "epoch %" PRIu64 " is below %" PRIu64,
                  r->cm_epoch, sv->cm_epoch);
        return true;
    }
    return false;
}

/* Durable first, then done; what cannot be written is tried again with the next answer. */
static void save_then_act(struct supervisor *sv)
{
    struct err e = ERR_INIT;

    if (!state_save(sv, &e)) {
        log_err(LOG_ERROR, "supervisor.state", &e);
        return;
    }
    sv->unsaved = false;
    for (size_t i = 0; i < sv->units.n; i++) {
        struct unit *u = sv->units.at[i];

        if (u->undirected)
            unit_directed(u);
        u->undirected = false;
    }
}

static bool is_removed(const Oms__HostSyncReply *r, const char *id)
{
    for (size_t i = 0; i < r->n_removed; i++)
        if (strcmp(r->removed[i], id) == 0)
            return true;
    return false;
}

static void take_directives(struct supervisor *sv, const Oms__HostSyncReply *r)
{
    uint64_t revision = r->revision > sv->revision ? r->revision : sv->revision;

    sv->unsaved |= r->cm_epoch > sv->cm_epoch || !sv->metadb_id || r->n_forget > 0;
    for (size_t i = 0; i < r->n_directives; i++)
        sv->unsaved |= take_directive(sv, r->directives[i]);
    for (size_t i = 0; i < r->n_forget; i++)
        unit_forget(sv, r->forget[i], is_removed(r, r->forget[i]));
    if (!sv->metadb_id && r->metadb_id)
        sv->metadb_id = must_strdup(r->metadb_id);
    sv->cm_epoch = r->cm_epoch;
    rpc_client_set_epoch(sv->client, sv->metadb_id, sv->cm_epoch);
    if (sv->unsaved) {
        uint64_t was = sv->revision;

        sv->revision = revision;
        save_then_act(sv);
        if (sv->unsaved)
            sv->revision = was; /* the CM must not think that we keep it */
    }
}

static void take_ask(struct supervisor *sv, const Oms__Ask *ask)
{
    struct unit *u = ask->component_id ? unit_find(sv, ask->component_id) : NULL;
    struct ask_item it = {0};

    if (ask->what && strcmp(ask->what, "logs") == 0) {
        logs_begin(sv, ask);
        return;
    }
    if (!u || !u->pid) {
        Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
        Oms__Error why = OMS__ERROR__INIT;
        char text[200];

        snprintf(text, sizeof text,
                 "component '%.120s' does not run now, and it alone could answer; is its project "
                 "paused or over?",
                 ask->component_id ? ask->component_id : "");
        why.code = (char *)"WRONG_STATE";
        why.message = text;
        a.id = ask->id;
        a.has_last = a.last = 1;
        a.error = &why;
        link_answer(sv, &a, NULL, NULL);
        return;
    }
    it.id = must_strdup(ask->id);
    it.what = must_strdup(ask->what ? ask->what : "");
    for (size_t i = 0; i < ask->n_args; i++)
        vec_push(&it.args, must_strdup(ask->args[i]));
    vec_push(&u->asks, it);
}

/* --- the conversation
 * ----------------------------------------------------------------------------- */

static void on_reply(void *arg, const ProtobufCMessage *reply, const struct err *e)
{
    struct supervisor *sv = arg;
    const Oms__HostSyncReply *r = (const Oms__HostSyncReply *)reply;

    if (sv->outstanding > 0)
        sv->outstanding--;
    if (!sv->client)
        return; /* closing */
    if (e) {
        if (!sv->cm_away_said && e->code != ERR_CANCELLED)
            log_err(LOG_WARN, "supervisor.cm_away", e);
        sv->cm_away_said = true;
        sv->retry_at = mono_add_ms(clock_mono(), RETRY_MS);
        return;
    }
    if (sv->cm_away_said || sv->cm_heard.ns == 0)
        log_event(LOG_INFO, "supervisor.cm", "in touch with %s", sv->cm_url);
    sv->cm_away_said = false;
    sv->cm_heard = clock_mono();
    if (is_refused(sv, r))
        return;
    if (r->token && *r->token) {
        free(sv->sync_token);
        sv->sync_token = must_strdup(r->token);
    }
    take_directives(sv, r);
    for (size_t i = 0; i < r->n_asks; i++)
        take_ask(sv, r->asks[i]);
}

static void send_sync(struct supervisor *sv)
{
    Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
    struct arena arena;

    arena_init(&arena, 0);
    q.has_protocol = 1;
    q.protocol = 1;
    q.report = host_report_build(sv, &arena);
    q.token = sv->sync_token;
    q.has_cm_epoch = q.has_directives_revision = 1;
    q.cm_epoch = sv->cm_epoch;
    q.metadb_id = sv->metadb_id;
    q.directives_revision = sv->revision;
    sv->outstanding++;
    sv->news = false;
    sv->sent_at = clock_mono();
    rpc_client_call(sv->client, &oms__host_service__descriptor, "Sync", &q.base, NULL, CALL_MS,
                    on_reply, sv);
    arena_fini(&arena);
}

void link_tick(struct supervisor *sv, struct mono now)
{
    struct err e = ERR_INIT;
    bool away = sv->cm_away_said && mono_ms_between(sv->cm_heard, now) > AWAY_MS;

    if (mono_cmp(now, sv->retry_at) < 0)
        return;
    if (away && sv->client && sv->outstanding == 0)
        link_close(sv); /* its address may be another now */
    if (!sv->client && !open_link(sv, &e)) {
        if (!sv->cm_away_said)
            log_err(LOG_WARN, "supervisor.cm_away", &e);
        sv->cm_away_said = true;
        sv->retry_at = mono_add_ms(now, RETRY_MS);
        return;
    }
    if (mono_ms_between(sv->sent_at, now) < EVERY_MS)
        return;
    if (sv->outstanding == 0 || (sv->news && sv->outstanding < OUTSTANDING_MAX))
        send_sync(sv);
}

static void answered(void *arg, const ProtobufCMessage *reply, const struct err *e)
{
    (void)arg;
    (void)reply;
    if (e && e->code != ERR_CANCELLED)
        log_err(LOG_WARN, "supervisor.answer", e);
}

void link_answer(struct supervisor *sv, const Oms__AnswerRequest *a, rpc_done *done, void *arg)
{
    struct err e = ERR_INIT;

    if (sv->client) {
        rpc_client_call(sv->client, &oms__host_service__descriptor, "Answer", &a->base, NULL,
                        CALL_MS, done ? done : answered, arg);
        return;
    }
    (void)err_set(&e, ERR_UNAVAILABLE, "the cluster manager is away");
    if (done)
        done(arg, NULL, &e);
}
