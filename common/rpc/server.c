/*
 * The server: a raw REP socket, so that any number of calls can be open (parked) at once. One
 * receive is always outstanding; nng's callback only moves the message to `arrived` and wakes the
 * loop, where everything else happens. `lock` guards `arrived` alone. See rpc.h.
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/must.h"
#include "common/base/vec.h"
#include "common/log/log.h"
#include "common/rpc/close.h"
#include "common/rpc/frame.h"
#include "common/rpc/rpc.h"
#include "proto/rpc.pb-c.h"

#define SEND_QUEUE 4096
#define ARENA_FACTOR 8   /* unpacked messages are larger than packed ones */
#define ARRIVED_MAX 1024 /* not yet looked at: beyond it nothing more is received */
#define HEADER_ROOM 64   /* of nng's own header within the limit */
#define OPEN_MAX 16384   /* parked: beyond it calls are refused */

struct call {
    struct rpc_call pub;
    struct rpc_server *s;
    nng_msg *msg; /* its header says where the answer goes */
    const ProtobufCMethodDescriptor *method;
    size_t at; /* in s->open */
    bool answered;
};

struct rpc_server {
    struct rpc_server_options o;
    VEC(ProtobufCService *) services;
    nng_socket socket;
    bool opened;
    nng_listener listener;
    nng_aio *receive;
    uv_async_t *wake;
    pthread_mutex_t lock;
    VEC(nng_msg *) arrived; /* lock */
    bool paused;            /* lock: nothing is being received */
    VEC(struct call *) open;
    VEC(struct call *) answered; /* kept for one turn, so that a second answer is noticed */
    atomic_bool stopping;
    uint64_t refused; /* malformed, unknown, denied */
};

static void on_receive(void *arg)
{
    struct rpc_server *s = arg;
    int rc = nng_aio_result(s->receive);
    bool full = false;

    if (s->stopping || rc == NNG_ECLOSED || rc == NNG_ECANCELED) {
        if (rc == 0)
            nng_msg_free(nng_aio_get_msg(s->receive));
        return;
    }
    if (rc == 0) {
        pthread_mutex_lock(&s->lock);
        vec_push(&s->arrived, nng_aio_get_msg(s->receive));
        full = s->paused = s->arrived.n >= ARRIVED_MAX;
        pthread_mutex_unlock(&s->lock);
        uv_async_send(s->wake);
    }
    if (!full)
        nng_recv_aio(s->socket, s->receive);
}

static void call_end(struct call *c)
{
    struct rpc_server *s = c->s;

    c->answered = true;
    s->open.at[c->at] = s->open.at[--s->open.n];
    s->open.at[c->at]->at = c->at;
    if (c->msg)
        nng_msg_free(c->msg);
    c->msg = NULL;
    arena_fini(&c->pub.arena);
    vec_push(&s->answered, c);
}

static void forget_answered(struct rpc_server *s)
{
    for (size_t i = 0; i < s->answered.n; i++)
        free(s->answered.at[i]);
    s->answered.n = 0;
}

static void fill_error(Oms__RpcReplyHead *head, const struct err *e)
{
    static const char *const classes[] = {"RETRY", "STOP", "FENCE", "BUG"};

    head->code = (char *)err_name(e->code);
    head->class_name = (char *)classes[err_class_of(e->code)];
    head->message = (char *)e->message;
}

/* Sends and forgets. The socket's queue is drained by nng at once, and a pipe whose peer does not
 * read loses what does not fit, so the wait of a send that finds the queue full is short. (Without
 * a queue a non-blocking send that comes right behind another is refused, and its answer would be
 * lost.) */
static void answer(struct call *c, const Oms__RpcReplyHead *head, const ProtobufCMessage *message)
{
    size_t max = c->s->o.max_message_bytes - HEADER_ROOM;
    Oms__RpcReplyHead why = OMS__RPC_REPLY_HEAD__INIT;
    struct err e = ERR_INIT;
    int rc;

    must(!c->answered); /* exactly one answer */
    if (!frame_put(c->msg, &head->base, message, max, &e)) {
        log_err(LOG_ERROR, "rpc.answer", &e);
        fill_error(&why, &e);
        must(frame_put(c->msg, &why.base, NULL, max, &e));
    }
    rc = nng_sendmsg(c->s->socket, c->msg, NNG_FLAG_NONBLOCK);
    if (rc != 0)
        log_event(LOG_WARN, "rpc.lost", "method=%s %s", c->pub.method ? c->pub.method : "-",
                  nng_strerror(rc));
    else
        c->msg = NULL;
    call_end(c);
}

void rpc_reply(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct call *c = CONTAINER_OF(call, struct call, pub);
    Oms__RpcReplyHead head = OMS__RPC_REPLY_HEAD__INIT;

    must(message && message->descriptor == c->method->output);
    answer(c, &head, message);
}

static void fail_with(struct rpc_call *call, const struct err *e, const char *leader)
{
    struct call *c = CONTAINER_OF(call, struct call, pub);
    Oms__RpcReplyHead head = OMS__RPC_REPLY_HEAD__INIT;

    fill_error(&head, e);
    head.leader = (char *)leader;
    answer(c, &head, NULL);
}

void rpc_fail(struct rpc_call *call, const struct err *e)
{
    fail_with(call, e, NULL);
}

void rpc_fail_leader(struct rpc_call *call, const char *leader_address)
{
    struct err e = ERR_INIT;

    (void)err_set(&e, ERR_UNAVAILABLE, "this cluster manager does not lead; the leader is at '%s'",
                  leader_address);
    fail_with(call, &e, leader_address);
}

static void closure(const ProtobufCMessage *message, void *closure_data)
{
    rpc_reply(closure_data, message);
}

static ProtobufCService *find_method(struct rpc_server *s, const char *name, unsigned *index)
{
    const char *dot = strchr(name, '.');

    for (size_t i = 0; dot && i < s->services.n; i++) {
        const ProtobufCServiceDescriptor *d = s->services.at[i]->descriptor;

        if (strlen(d->short_name) != (size_t)(dot - name) ||
            memcmp(d->short_name, name, (size_t)(dot - name)) != 0)
            continue;
        for (unsigned k = 0; k < d->n_methods; k++)
            if (strcmp(d->methods[k].name, dot + 1) == 0) {
                *index = k;
                return s->services.at[i];
            }
    }
    return NULL;
}

static void fill_call(struct rpc_call *pub, const Oms__RpcRequestHead *head)
{
    pub->method = head->method ? head->method : "";
    pub->deadline_ms = head->deadline_ms;
    pub->token = head->token ? head->token : "";
    pub->metadb_id = head->metadb_id ? head->metadb_id : "";
    pub->cm_epoch = head->cm_epoch;
    if (head->id.len == sizeof pub->id.b)
        memcpy(pub->id.b, head->id.data, sizeof pub->id.b);
}

static bool dispatch(struct call *c, struct err *e)
{
    struct rpc_server *s = c->s;
    size_t n = nng_msg_len(c->msg), payload_len;
    const uint8_t *bytes = arena_memdup(&c->pub.arena, nng_msg_body(c->msg), n), *payload;
    ProtobufCMessage *m;
    ProtobufCService *service;
    unsigned index;

    if (!frame_get(bytes, n, &oms__rpc_request_head__descriptor, &c->pub.arena, &m, &payload,
                   &payload_len, e))
        return false;
    fill_call(&c->pub, (Oms__RpcRequestHead *)m);
    service = find_method(s, c->pub.method, &index);
    if (!service)
        return err_set(e, ERR_NOT_FOUND, "no method '%s'", c->pub.method);
    c->method = &service->descriptor->methods[index];
    if (((Oms__RpcRequestHead *)m)->protocol != RPC_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "the caller speaks protocol %u, this program %u",
                       ((Oms__RpcRequestHead *)m)->protocol, RPC_PROTOCOL);
    if (s->o.authorize && !s->o.authorize(s->o.authorize_arg, &c->pub, e))
        return false;
    if (!frame_unpack(c->method->input, payload, payload_len, &c->pub.arena, &m, e))
        return false;
    service->invoke(service, index, m, closure, &c->pub);
    return true; /* c may be gone now */
}

static void serve_one(struct rpc_server *s, nng_msg *msg)
{
    struct call *c = must_calloc(1, sizeof *c);
    struct err e = ERR_INIT;

    c->s = s;
    c->msg = msg;
    c->at = s->open.n;
    vec_push(&s->open, c);
    arena_init(&c->pub.arena, s->o.max_message_bytes * ARENA_FACTOR + (1u << 20));
    if (s->open.n > OPEN_MAX)
        (void)err_set(&e, ERR_UNAVAILABLE, "%d calls are open already", OPEN_MAX);
    else if (dispatch(c, &e))
        return;
    s->refused++;
    log_event(LOG_WARN, "rpc.refused", "method=%s %s", c->pub.method ? c->pub.method : "-",
              e.message);
    rpc_fail(&c->pub, &e);
}

static void on_wake(uv_async_t *wake)
{
    struct rpc_server *s = wake->data;
    VEC(nng_msg *) taken = {0};
    bool resume;

    forget_answered(s);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->arrived.n; i++)
        vec_push(&taken, s->arrived.at[i]);
    s->arrived.n = 0;
    resume = s->paused;
    s->paused = false;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < taken.n; i++)
        serve_one(s, taken.at[i]);
    vec_fini(&taken);
    if (resume)
        nng_recv_aio(s->socket, s->receive);
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static bool listen_on(struct rpc_server *s, struct err *e)
{
    int rc = nng_rep0_open_raw(&s->socket);

    s->opened = rc == 0;
    if (rc == 0)
        rc = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, s->o.max_message_bytes);
    if (rc == 0)
        rc = nng_socket_set_int(s->socket, NNG_OPT_SENDBUF, SEND_QUEUE);
    if (rc == 0)
        rc = nng_aio_alloc(&s->receive, on_receive, s);
    if (rc == 0)
        rc = nng_listener_create(&s->listener, s->socket, s->o.url);
    if (rc == 0)
        rc = nng_listener_start(s->listener, 0);
    if (rc != 0)
        return err_set(e, rc == NNG_EADDRINUSE ? ERR_EXISTS : ERR_SYSTEM,
                       "cannot listen on '%s': %s", s->o.url, nng_strerror(rc));
    return true;
}

bool rpc_server_start(const struct rpc_server_options *o, struct rpc_server **out, struct err *e)
{
    struct rpc_server *s = must_calloc(1, sizeof *s);

    s->o = *o;
    s->o.url = must_strdup(o->url);
    for (size_t i = 0; i < o->n_services; i++)
        vec_push(&s->services, o->services[i]);
    pthread_mutex_init(&s->lock, NULL);
    s->wake = must_calloc(1, sizeof *s->wake);
    must(uv_async_init(o->loop, s->wake, on_wake) == 0);
    s->wake->data = s;
    if (!listen_on(s, e)) {
        rpc_server_stop(s);
        return false;
    }
    nng_recv_aio(s->socket, s->receive);
    *out = s;
    return true;
}

uint16_t rpc_server_port(const struct rpc_server *s)
{
    nng_sockaddr sa;

    if (nng_listener_get_addr(s->listener, NNG_OPT_LOCADDR, &sa) != 0 || sa.s_family != NNG_AF_INET)
        return 0;
    return (uint16_t)(sa.s_in.sa_port >> 8 | sa.s_in.sa_port << 8);
}

uint64_t rpc_server_refused(const struct rpc_server *s)
{
    return s->refused;
}

void rpc_server_stop(struct rpc_server *s)
{
    if (!s)
        return;
    s->stopping = true;
    if (s->receive) {
        nng_aio_stop(s->receive);
        nng_aio_free(s->receive);
    }
    while (s->open.n > 0)
        call_end(s->open.at[0]);
    forget_answered(s);
    for (size_t i = 0; i < s->arrived.n; i++)
        nng_msg_free(s->arrived.at[i]);
    if (s->opened)
        socket_end(s->socket, NULL);
    uv_close((uv_handle_t *)s->wake, free_handle);
    vec_fini(&s->arrived);
    vec_fini(&s->open);
    vec_fini(&s->answered);
    vec_fini(&s->services);
    pthread_mutex_destroy(&s->lock);
    free((char *)s->o.url);
    free(s);
}
