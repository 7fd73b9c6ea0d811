/*
 * The conversation with the Supervisor: one Sync at a time, which the Supervisor answers at a
 * change or after a moment. A Supervisor that is away does not stop the component (C5) until it has
 * been away for long (C8). See component.h.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/runtime/runtime_priv.h"

#define MESSAGE_MAX (64u << 20)
#define CALL_MS 5000
#define AWAY_MS (10 * 60 * 1000)
#define RETRY_MS 200
#define LAST_WORD_MS 5000

static void take_live(struct component *c, const Oms__ComponentLive *live)
{
    size_t n = oms__component_live__get_packed_size(live);
    uint8_t *packed = must_alloc(n);

    oms__component_live__pack(live, packed);
    pthread_mutex_lock(&c->lock);
    free(c->live);
    c->live = packed;
    c->live_len = n;
    c->live_revision = live->revision;
    c->live_seen++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (c->ops->live_changed)
        c->ops->live_changed(c);
}

static void refuse_ask(struct component *c, const Oms__Ask *ask)
{
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    Oms__Error why = OMS__ERROR__INIT;
    struct arena arena;
    ProtobufCMessage *reply;
    struct err e = ERR_INIT;

    a.id = ask->id;
    a.has_last = a.last = 1;
    why.code = (char *)"UNSUPPORTED";
    why.message = (char *)"this component does not answer that";
    a.error = &why;
    arena_init(&arena, 1u << 20);
    if (!rpc_client_call_sync(c->client, &oms__component_service__descriptor, "Answer", &a.base,
                              NULL, CALL_MS, &arena, &reply, &e))
        log_err(LOG_WARN, "component.answer", &e);
    arena_fini(&arena);
}

static void take_reply(struct component *c, const Oms__ComponentSyncReply *r)
{
    for (size_t i = 0; i < r->n_secrets; i++)
        if (r->secrets[i]->name)
            secrets_put(c, r->secrets[i]->name, r->secrets[i]->value.data,
                        r->secrets[i]->value.len);
    if (r->live && r->live->revision != c->live_revision)
        take_live(c, r->live);
    for (size_t i = 0; i < r->n_asks; i++) {
        if (c->ops->ask)
            c->ops->ask(c, r->asks[i]);
        else
            refuse_ask(c, r->asks[i]);
    }
    if (r->has_stop && r->stop)
        component_stop(c);
}

static bool sync_once(struct component *c, struct err *e)
{
    Oms__ComponentSyncRequest q = OMS__COMPONENT_SYNC_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    struct arena arena;
    bool ok;

    arena_init(&arena, MESSAGE_MAX);
    q.has_protocol = 1;
    q.protocol = 1;
    q.nonce = c->nonce;
    q.has_pid = 1;
    q.pid = (uint32_t)getpid();
    q.report = report_build(c, &arena);
    ok = rpc_client_call_sync(c->client, &oms__component_service__descriptor, "Sync", &q.base, NULL,
                              CALL_MS, &arena, &reply, e);
    if (ok)
        take_reply(c, (const Oms__ComponentSyncReply *)reply);
    arena_fini(&arena);
    return ok;
}

static bool is_ended(struct component *c)
{
    bool ended;

    pthread_mutex_lock(&c->lock);
    ended = c->ended;
    pthread_mutex_unlock(&c->lock);
    return ended;
}

/* Waits without being woken by live parts; a plain deadline. */
static void pause_until_retry(struct component *c)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&c->lock);
    if (!c->ended)
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
}

static void sync_loop(void *arg)
{
    struct component *c = arg;
    struct mono heard = clock_mono();
    bool away = false;

    while (!is_ended(c)) {
        struct err e = ERR_INIT;

        if (sync_once(c, &e)) {
            heard = clock_mono();
            if (away)
                log_event(LOG_INFO, "component.supervisor_back", "%s", c->supervisor_url);
            away = false;
            continue;
        }
        if (!away)
            log_err(LOG_WARN, "component.supervisor_away", &e);
        away = true;
        if (mono_ms_between(heard, clock_mono()) > AWAY_MS) {
            log_event(LOG_ERROR, "component.alone", "the supervisor has been away for %d ms",
                      AWAY_MS);
            component_stop(c);
        }
        pause_until_retry(c);
    }
}

bool sync_start(struct component *c, struct err *e)
{
    struct rpc_client_options o = {
        .url = c->supervisor_url, .token = c->nonce, .max_message_bytes = MESSAGE_MAX};

    if (!c->supervisor_url)
        return true;
    if (!rpc_client_open(&o, &c->client, e) || !sync_once(c, e))
        return err_wrap(e, "first sync with the supervisor");
    return thread_start(&c->sync_thread, "sync", sync_loop, c, e);
}

void sync_stop(struct component *c)
{
    struct mono until = mono_add_ms(clock_mono(), LAST_WORD_MS);
    struct err e = ERR_INIT;
    bool said = false;

    pthread_mutex_lock(&c->lock);
    c->ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    thread_join(&c->sync_thread);
    while (c->client && !said && mono_cmp(clock_mono(), until) < 0)
        said = sync_once(c, &e);
    if (c->client && !said)
        log_err(LOG_WARN, "component.last_report", &e);
    rpc_client_close(c->client);
    c->client = NULL;
}

void component_answer(struct component *c, const char *ask_id, const void *chunk, size_t n,
                      bool last)
{
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    ProtobufCMessage *reply;
    struct arena arena;
    struct err e = ERR_INIT;

    if (!c->client)
        return;
    a.id = (char *)ask_id;
    a.has_chunk = 1;
    a.chunk = (ProtobufCBinaryData){n, (uint8_t *)chunk};
    a.has_last = 1;
    a.last = last;
    arena_init(&arena, 1u << 20);
    if (!rpc_client_call_sync(c->client, &oms__component_service__descriptor, "Answer", &a.base,
                              NULL, CALL_MS, &arena, &reply, &e))
        log_err(LOG_WARN, "component.answer", &e);
    arena_fini(&arena);
}
