/*
 * The conversation with the Supervisor: one Sync at a time, which the Supervisor answers at a
 * change or after a moment. A Supervisor that is away does not stop the component (C5) until it has
 * been away for long (C8). See component.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/cond.h"
#include "components/runtime/runtime_priv.h"

#define MESSAGE_MAX (64u << 20)
#define CALL_MS 5000
#define AWAY_MS (10 * 60 * 1000) /* unless the Supervisor says otherwise in OMS_AWAY_MS */
#define RETRY_MS 200
#define LAST_WORD_MS 5000
#define SAY_MS 5000 /* run by hand: a line so often, if anything changed */

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

static bool send_answer(struct component *c, const Oms__AnswerRequest *a, struct err *e)
{
    ProtobufCMessage *reply;
    struct arena arena;
    bool ok;

    if (!c->client)
        return err_set(e, ERR_UNAVAILABLE, "run by hand: nobody asks");
    arena_init(&arena, 1u << 20);
    ok = rpc_client_call_sync(c->client, &oms__component_service__descriptor, "Answer", &a->base,
                              NULL, CALL_MS, &arena, &reply, e);
    arena_fini(&arena);
    return ok;
}

bool component_answer(struct component *c, const char *ask_id, const void *chunk, size_t n,
                      bool last)
{
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    struct err e = ERR_INIT;
    bool ok;

    a.id = (char *)ask_id;
    a.has_chunk = 1;
    a.chunk = (ProtobufCBinaryData){n, (uint8_t *)chunk};
    a.has_last = 1;
    a.last = last;
    ok = send_answer(c, &a, &e);
    if (!ok) /* whoever asked may be gone: that is no fault */
        log_err(e.code == ERR_NOT_FOUND ? LOG_INFO : LOG_WARN, "component.answer", &e);
    return ok;
}

void component_refuse(struct component *c, const char *ask_id, const struct err *why)
{
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    Oms__Error error = OMS__ERROR__INIT;
    struct err e = ERR_INIT;

    a.id = (char *)ask_id;
    a.has_last = a.last = 1;
    error.code = (char *)err_name(why->code);
    error.message = (char *)why->message;
    a.error = &error;
    if (!send_answer(c, &a, &e))
        log_err(LOG_INFO, "component.answer", &e);
}

static void refuse_unknown(struct component *c, const Oms__Ask *ask)
{
    struct err why = ERR_INIT;

    (void)err_set(&why, ERR_UNSUPPORTED, "this component does not answer '%s'",
                  ask->what ? ask->what : "");
    component_refuse(c, ask->id, &why);
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
            refuse_unknown(c, r->asks[i]);
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

/* Until the time has passed or the end has come; live parts wake it for nothing. */
static void pause_ms(struct component *c, int64_t ms)
{
    struct timespec until = cond_deadline(ms);

    pthread_mutex_lock(&c->lock);
    while (!c->ended)
        if (pthread_cond_timedwait(&c->changed, &c->lock, &until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&c->lock);
}

static int64_t away_ms(void)
{
    const char *given = getenv("OMS_AWAY_MS");
    long long ms = given ? strtoll(given, NULL, 10) : 0;

    return ms > 0 ? ms : AWAY_MS;
}

static void sync_loop(void *arg)
{
    struct component *c = arg;
    const int64_t limit = away_ms();
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
        if (e.code == ERR_REFUSED) { /* another process of this component runs: we are astray */
            log_err(LOG_ERROR, "component.astray", &e);
            component_stop(c);
        } else if (!away) {
            log_err(LOG_WARN, "component.supervisor_away", &e);
        }
        away = true;
        if (mono_ms_between(heard, clock_mono()) > limit) {
            log_event(LOG_ERROR, "component.alone",
                      "the supervisor has been away for %" PRId64 " ms", limit);
            component_stop(c);
        }
        pause_ms(c, RETRY_MS);
    }
}

/* --- run by hand: reports become lines -----------------------------------------------------------
 */

static void say(const Oms__ComponentReport *r, struct buf *out)
{
    buf_printf(out, "state=%s", r->state);
    for (size_t i = 0; i < r->n_steps; i++)
        buf_printf(out, " %s=%" PRIu64 "/%" PRIu64 "%s%s", r->steps[i]->step, r->steps[i]->done,
                   r->steps[i]->total, r->steps[i]->unit ? r->steps[i]->unit : "",
                   r->steps[i]->finished ? "(done)" : "");
    if (r->position)
        buf_printf(out, " lag_ms=%" PRId64 " caught_up=%d position=%s", r->lag_ms, r->caught_up,
                   r->position);
    if (r->address)
        buf_printf(out, " address=%s", r->address);
    if (r->error)
        buf_printf(out, " error=%s %s", r->error->code, r->error->message);
    if (r->result)
        buf_printf(out, " result=%s", r->result);
}

static void say_loop(void *arg)
{
    struct component *c = arg;
    struct buf said, now;

    buf_init(&said, 1u << 20);
    buf_init(&now, 1u << 20);
    for (bool last = false; !last;) {
        struct arena arena;

        last = is_ended(c);
        arena_init(&arena, MESSAGE_MAX);
        buf_clear(&now);
        say(report_build(c, &arena), &now);
        arena_fini(&arena);
        if (now.len != said.len || memcmp(now.p, said.p, now.len) != 0)
            log_event(LOG_INFO, "component.report", "%s", buf_cstr(&now));
        buf_clear(&said);
        buf_append(&said, now.p, now.len);
        if (!last)
            pause_ms(c, SAY_MS);
    }
    buf_fini(&said);
    buf_fini(&now);
}

bool sync_start(struct component *c, struct err *e)
{
    struct rpc_client_options o = {
        .url = c->supervisor_url, .token = c->nonce, .max_message_bytes = MESSAGE_MAX};

    if (!c->supervisor_url)
        return thread_start(&c->sync_thread, "say", say_loop, c, e);
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
