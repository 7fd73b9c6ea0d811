/*
 * The client: a REQ socket with one context a call. nng dials again by itself and sends a request
 * again when its connection was lost, so a call is at least once and carries its id. A call without
 * a connection fails as ERR_UNAVAILABLE soon, not at its own deadline. See rpc.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>

#include "common/base/must.h"
#include "common/base/vec.h"
#include "common/os/cond.h"
#include "common/rpc/close.h"
#include "common/rpc/frame.h"
#include "common/rpc/rpc.h"
#include "proto/rpc.pb-c.h"

#define CONNECT_MS 2000
#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 500
#define ARENA_FACTOR 8
#define HEADER_ROOM 64 /* of nng's own header within the limit */

struct pending { /* one asynchronous call */
    struct rpc_client *c;
    nng_ctx ctx;
    nng_aio *aio;
    bool receiving, opened;
    int result;
    uint32_t timeout_ms;
    nng_msg *reply;
    const ProtobufCMethodDescriptor *method;
    rpc_done *done;
    void *arg;
    size_t at; /* in c->calls */
};

struct wires { /* outlives the client while nng may still call on_pipe */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int pipes; /* lock */
};

struct rpc_client {
    char *url, *token, *metadb_id;
    uint64_t cm_epoch;
    size_t max_message_bytes;
    nng_socket socket;
    bool opened;
    uv_async_t *wake;
    struct wires *wires;
    VEC(struct pending *) completed; /* wires->lock */
    VEC(struct pending *) calls;     /* loop thread */
};

static void on_pipe(nng_pipe p, nng_pipe_ev ev, void *arg)
{
    struct wires *w = arg;

    (void)p;
    pthread_mutex_lock(&w->lock);
    w->pipes += ev == NNG_PIPE_EV_ADD_POST ? 1 : -1;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static struct id fresh_id(void)
{
    struct id i;

    must(getrandom(i.b, sizeof i.b, 0) == (ssize_t)sizeof i.b);
    return i;
}

static bool is_connected(struct rpc_client *c)
{
    bool yes;

    pthread_mutex_lock(&c->wires->lock);
    yes = c->wires->pipes > 0;
    pthread_mutex_unlock(&c->wires->lock);
    return yes;
}

static bool wait_connected(struct rpc_client *c, uint32_t timeout_ms, struct err *e)
{
    struct timespec until = cond_deadline(timeout_ms);
    bool yes;

    pthread_mutex_lock(&c->wires->lock);
    while (c->wires->pipes <= 0)
        if (pthread_cond_timedwait(&c->wires->changed, &c->wires->lock, &until) == ETIMEDOUT)
            break;
    yes = c->wires->pipes > 0;
    pthread_mutex_unlock(&c->wires->lock);
    return yes || err_set(e, ERR_UNAVAILABLE, "cannot reach '%s'", c->url);
}

static bool make_request(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
                         const char *method, const ProtobufCMessage *request, const struct id *id,
                         uint32_t timeout_ms, nng_msg **msg, struct err *e)
{
    Oms__RpcRequestHead head = OMS__RPC_REQUEST_HEAD__INIT;
    struct id use = id ? *id : fresh_id();
    char name[200];

    snprintf(name, sizeof name, "%s.%s", service->short_name, method);
    head.method = name;
    head.has_id = 1;
    head.id = (ProtobufCBinaryData){sizeof use.b, use.b};
    head.has_deadline_ms = 1;
    head.deadline_ms = timeout_ms;
    head.token = c->token;
    head.has_protocol = 1;
    head.protocol = RPC_PROTOCOL;
    pthread_mutex_lock(&c->wires->lock);
    head.metadb_id = c->metadb_id;
    head.has_cm_epoch = c->cm_epoch != 0;
    head.cm_epoch = c->cm_epoch;
    must(nng_msg_alloc(msg, 0) == 0);
    bool ok = frame_put(*msg, &head.base, request, c->max_message_bytes - HEADER_ROOM, e);
    pthread_mutex_unlock(&c->wires->lock);
    if (!ok)
        nng_msg_free(*msg);
    return ok;
}

static bool read_reply(const ProtobufCMethodDescriptor *method, const void *bytes, size_t n,
                       struct arena *arena, ProtobufCMessage **reply, struct err *e)
{
    const uint8_t *payload;
    size_t payload_len;
    ProtobufCMessage *m;
    Oms__RpcReplyHead *head;
    enum err_code code = ERR_UNAVAILABLE;

    if (!frame_get(bytes, n, &oms__rpc_reply_head__descriptor, arena, &m, &payload, &payload_len,
                   e))
        return false;
    head = (Oms__RpcReplyHead *)m;
    if (!head->code || !*head->code)
        return frame_unpack(method->output, payload, payload_len, arena, reply, e);
    if (!err_code_from_name(head->code, &code)) /* a newer peer's code: its class is all we know */
        code = head->class_name && strcmp(head->class_name, "RETRY") == 0 ? ERR_UNAVAILABLE
                                                                          : ERR_INVALID;
    return err_set(e, code, "%s", head->message ? head->message : head->code);
}

static const ProtobufCMethodDescriptor *method_of(const ProtobufCServiceDescriptor *service,
                                                  const char *method)
{
    const ProtobufCMethodDescriptor *m =
        protobuf_c_service_descriptor_get_method_by_name(service, method);

    must(m != NULL);
    return m;
}

static bool explain(struct rpc_client *c, int rc, uint32_t timeout_ms, struct err *e)
{
    if (rc == NNG_ETIMEDOUT && is_connected(c))
        return err_set(e, ERR_TIMEOUT, "'%s' does not answer within %u ms", c->url, timeout_ms);
    if (rc == NNG_ETIMEDOUT)
        return err_set(e, ERR_UNAVAILABLE, "cannot reach '%s'", c->url);
    if (rc == NNG_ECLOSED || rc == NNG_ECANCELED)
        return err_set(e, ERR_CANCELLED, "the call to '%s' was given up", c->url);
    if (rc == NNG_EMSGSIZE)
        return err_set(e, ERR_LIMIT, "the request to '%s' is larger than %zu bytes", c->url,
                       c->max_message_bytes);
    return err_set(e, ERR_UNAVAILABLE, "call '%s': %s", c->url, nng_strerror(rc));
}

/* Sends and receives on a context; the reply message is the caller's. */
static int exchange(nng_ctx ctx, nng_aio *aio, nng_msg *msg, uint32_t timeout_ms, nng_msg **reply)
{
    int rc;

    nng_aio_set_timeout(aio, (nng_duration)timeout_ms);
    nng_aio_set_msg(aio, msg);
    nng_ctx_send(ctx, aio);
    nng_aio_wait(aio);
    rc = nng_aio_result(aio);
    if (rc != 0) {
        nng_msg_free(nng_aio_get_msg(aio));
        return rc;
    }
    nng_ctx_recv(ctx, aio);
    nng_aio_wait(aio);
    rc = nng_aio_result(aio);
    if (rc == 0)
        *reply = nng_aio_get_msg(aio);
    return rc;
}

bool rpc_client_call_sync(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
                          const char *method, const ProtobufCMessage *request, const struct id *id,
                          uint32_t timeout_ms, struct arena *arena, ProtobufCMessage **reply,
                          struct err *e)
{
    const ProtobufCMethodDescriptor *m = method_of(service, method);
    nng_msg *msg, *got = NULL;
    nng_aio *aio = NULL;
    nng_ctx ctx;
    bool ok;
    int rc;

    if (!wait_connected(c, timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS, e) ||
        !make_request(c, service, method, request, id, timeout_ms, &msg, e))
        return false;
    must(nng_aio_alloc(&aio, NULL, NULL) == 0);
    rc = nng_ctx_open(&ctx, c->socket);
    if (rc == 0) {
        rc = exchange(ctx, aio, msg, timeout_ms, &got);
        nng_ctx_close(ctx);
    } else {
        nng_msg_free(msg);
    }
    nng_aio_free(aio);
    if (rc != 0)
        return explain(c, rc, timeout_ms, e);
    /* The unpacked message may point into nothing of the wire: bytes are copied by the unpacker. */
    ok = read_reply(m, nng_msg_body(got), nng_msg_len(got), arena, reply, e);
    nng_msg_free(got);
    return ok;
}

/* --- asynchronous calls --------------------------------------------------------------------------
 */

static void on_step(void *arg)
{
    struct pending *p = arg;
    int rc = nng_aio_result(p->aio);

    if (rc == 0 && !p->receiving) {
        p->receiving = true;
        nng_aio_set_timeout(p->aio, (nng_duration)p->timeout_ms);
        nng_ctx_recv(p->ctx, p->aio);
        return;
    }
    p->result = rc;
    if (rc == 0)
        p->reply = nng_aio_get_msg(p->aio);
    else if (!p->receiving && nng_aio_get_msg(p->aio))
        nng_msg_free(nng_aio_get_msg(p->aio));
    pthread_mutex_lock(&p->c->wires->lock);
    vec_push(&p->c->completed, p);
    pthread_mutex_unlock(&p->c->wires->lock);
    uv_async_send(p->c->wake);
}

static void pending_free(struct pending *p)
{
    struct rpc_client *c = p->c;

    c->calls.at[p->at] = c->calls.at[--c->calls.n];
    c->calls.at[p->at]->at = p->at;
    if (p->opened)
        nng_ctx_close(p->ctx);
    nng_aio_stop(p->aio);
    nng_aio_free(p->aio);
    if (p->reply)
        nng_msg_free(p->reply);
    free(p);
}

static void finish(struct pending *p)
{
    struct err e = ERR_INIT;
    ProtobufCMessage *reply = NULL;
    struct arena arena;
    bool ok;

    arena_init(&arena, p->c->max_message_bytes * ARENA_FACTOR + (1u << 20));
    if (p->result != 0)
        ok = explain(p->c, p->result, p->timeout_ms, &e);
    else
        ok = read_reply(p->method, nng_msg_body(p->reply), nng_msg_len(p->reply), &arena, &reply,
                        &e);
    rpc_done *done = p->done;
    void *arg = p->arg;
    pending_free(p);
    done(arg, ok ? reply : NULL, ok ? NULL : &e);
    arena_fini(&arena);
}

static void on_wake(uv_async_t *wake)
{
    struct rpc_client *c = wake->data;

    while (c) {
        struct pending *p = NULL;

        pthread_mutex_lock(&c->wires->lock);
        if (c->completed.n > 0) {
            p = c->completed.at[0];
            memmove(c->completed.at, c->completed.at + 1,
                    (--c->completed.n) * sizeof *c->completed.at);
        }
        pthread_mutex_unlock(&c->wires->lock);
        if (!p)
            return;
        finish(p);
        c = wake->data; /* done() may have closed the client */
    }
}

void rpc_client_call(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
                     const char *method, const ProtobufCMessage *request, const struct id *id,
                     uint32_t timeout_ms, rpc_done *done, void *arg)
{
    struct pending *p = must_calloc(1, sizeof *p);
    struct err e = ERR_INIT;
    nng_msg *msg;
    int rc;

    must(c->wake != NULL);
    *p = (struct pending){.c = c,
                          .timeout_ms = timeout_ms,
                          .method = method_of(service, method),
                          .done = done,
                          .arg = arg};
    must(nng_aio_alloc(&p->aio, on_step, p) == 0);
    p->at = c->calls.n;
    vec_push(&c->calls, p);
    rc = nng_ctx_open(&p->ctx, c->socket);
    p->opened = rc == 0;
    if (rc == 0 && make_request(c, service, method, request, id, timeout_ms, &msg, &e)) {
        /* Sending waits for a connection only: whoever reads is always ready for more. */
        nng_aio_set_timeout(p->aio, timeout_ms < CONNECT_MS ? (int)timeout_ms : CONNECT_MS);
        nng_aio_set_msg(p->aio, msg);
        nng_ctx_send(p->ctx, p->aio);
        return;
    }
    p->result = rc ? rc : NNG_EMSGSIZE;
    pthread_mutex_lock(&c->wires->lock);
    vec_push(&c->completed, p);
    pthread_mutex_unlock(&c->wires->lock);
    uv_async_send(c->wake);
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static int open_socket(struct rpc_client *c)
{
    nng_dialer dialer;
    int rc = nng_req0_open(&c->socket);

    c->opened = rc == 0;
    if (rc == 0)
        rc = nng_socket_set_size(c->socket, NNG_OPT_RECVMAXSZ, c->max_message_bytes);
    if (rc == 0)
        rc = nng_socket_set_ms(c->socket, NNG_OPT_REQ_RESENDTIME, 3600 * 1000);
    if (rc == 0)
        rc = nng_socket_set_ms(c->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (rc == 0)
        rc = nng_socket_set_ms(c->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    if (rc == 0)
        rc = nng_pipe_notify(c->socket, NNG_PIPE_EV_ADD_POST, on_pipe, c->wires);
    if (rc == 0)
        rc = nng_pipe_notify(c->socket, NNG_PIPE_EV_REM_POST, on_pipe, c->wires);
    if (rc == 0)
        rc = nng_dial(c->socket, c->url, &dialer, NNG_FLAG_NONBLOCK);
    return rc;
}

bool rpc_client_open(const struct rpc_client_options *o, struct rpc_client **out, struct err *e)
{
    struct rpc_client *c = must_calloc(1, sizeof *c);
    int rc;

    c->url = must_strdup(o->url);
    c->token = o->token ? must_strdup(o->token) : NULL;
    c->max_message_bytes = o->max_message_bytes;
    c->wires = must_calloc(1, sizeof *c->wires);
    pthread_mutex_init(&c->wires->lock, NULL);
    cond_init(&c->wires->changed);
    if (o->loop) {
        c->wake = must_calloc(1, sizeof *c->wake);
        must(uv_async_init(o->loop, c->wake, on_wake) == 0);
        c->wake->data = c;
    }
    rc = open_socket(c);
    if (rc != 0) {
        rpc_client_close(c);
        return err_set(e, ERR_INVALID, "cannot use the address '%s': %s", o->url, nng_strerror(rc));
    }
    *out = c;
    return true;
}

void rpc_client_close(struct rpc_client *c)
{
    if (!c)
        return;
    while (c->calls.n > 0) {
        struct pending *p = c->calls.at[0];

        nng_aio_stop(p->aio); /* waits for its callback */
        p->result = NNG_ECLOSED;
        finish(p);
    }
    if (c->wake) {
        c->wake->data = NULL;
        uv_close((uv_handle_t *)c->wake, free_handle);
    }
    vec_fini(&c->completed);
    vec_fini(&c->calls);
    if (c->opened)
        socket_end(c->socket, c->wires);
    else
        free(c->wires);
    free(c->url);
    free(c->token);
    free(c->metadb_id);
    free(c);
}

void rpc_client_set_epoch(struct rpc_client *c, const char *metadb_id, uint64_t cm_epoch)
{
    pthread_mutex_lock(&c->wires->lock);
    free(c->metadb_id);
    c->metadb_id = metadb_id ? must_strdup(metadb_id) : NULL;
    c->cm_epoch = cm_epoch;
    pthread_mutex_unlock(&c->wires->lock);
}
