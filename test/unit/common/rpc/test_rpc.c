/* Calls arrive, are parked, answered once, refused with reasons, and survive a lost server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/vec.h"
#include "common/os/thread.h"
#include "common/rpc/rpc.h"
#include "proto/host.pb-c.h"

#define CALLERS 16
#define CALLS 200

/* A server on a loop of its own thread. "Answer" replies at once; "Sync" is parked for one tick. */
struct bench {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_async_t end;
    struct rpc_server *server;
    struct thread thread;
    char url[64];
    VEC(struct rpc_call *) parked;
    uint64_t served;
};
static struct bench *the_bench;

static void host_sync(Oms__HostService_Service *s, const Oms__HostSyncRequest *q,
                      Oms__HostSyncReply_Closure closure, void *data)
{
    (void)s;
    (void)q;
    (void)closure;
    vec_push(&the_bench->parked, rpc_call_of(data));
}

static void host_answer(Oms__HostService_Service *s, const Oms__AnswerRequest *q,
                        Oms__Empty_Closure closure, void *data)
{
    Oms__Empty ok = OMS__EMPTY__INIT;
    struct err e = ERR_INIT;

    (void)s;
    the_bench->served++;
    if (q->id && strcmp(q->id, "fail") == 0) {
        (void)err_set(&e, ERR_EXISTS, "no room for '%s'", q->id);
        rpc_fail(rpc_call_of(data), &e);
        return;
    }
    closure(&ok, data);
}

static void on_tick(uv_timer_t *t)
{
    Oms__HostSyncReply r = OMS__HOST_SYNC_REPLY__INIT;

    (void)t;
    r.has_revision = 1;
    for (size_t i = 0; i < the_bench->parked.n; i++) {
        r.revision++;
        rpc_reply(the_bench->parked.at[i], &r.base);
    }
    the_bench->parked.n = 0;
}

static bool only_the_right_token(void *arg, struct rpc_call *call, struct err *e)
{
    (void)arg;
    return strcmp(call->token, "right") == 0 || err_set(e, ERR_DENIED, "wrong token");
}

static void on_end(uv_async_t *a)
{
    uv_stop(a->loop);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void serve(void *arg)
{
    struct bench *b = arg;

    uv_run(&b->loop, UV_RUN_DEFAULT);
    rpc_server_stop(b->server);
    uv_walk(&b->loop, close_handle, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
}

static void start_server(struct bench *b, const char *url)
{
    static Oms__HostService_Service service = OMS__HOST_SERVICE__INIT(host_);
    ProtobufCService *services[] = {&service.base};
    struct rpc_server_options o = {.loop = &b->loop,
                                   .url = url,
                                   .max_message_bytes = 1 << 20,
                                   .services = services,
                                   .n_services = 1,
                                   .authorize = only_the_right_token};
    struct err e = ERR_INIT;

    uv_loop_init(&b->loop);
    uv_timer_init(&b->loop, &b->tick);
    uv_timer_start(&b->tick, on_tick, 10, 10);
    uv_async_init(&b->loop, &b->end, on_end);
    assert_true(rpc_server_start(&o, &b->server, &e));
    snprintf(b->url, sizeof b->url, "tcp://127.0.0.1:%u", rpc_server_port(b->server));
    assert_true(thread_start(&b->thread, "server", serve, b, &e));
}

static void end_server(struct bench *b)
{
    uv_async_send(&b->end);
    thread_join(&b->thread);
    b->parked.n = 0;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    the_bench = b;
    start_server(b, "tcp://127.0.0.1:0");
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    end_server(b);
    vec_fini(&b->parked);
    free(b);
    return 0;
}

static struct rpc_client *client_of(const char *url, const char *token)
{
    struct rpc_client_options o = {.url = url, .token = token, .max_message_bytes = 1 << 20};
    struct rpc_client *c = NULL;
    struct err e = ERR_INIT;

    assert_true(rpc_client_open(&o, &c, &e));
    return c;
}

static bool call(struct rpc_client *c, const char *method, const ProtobufCMessage *m,
                 uint32_t timeout_ms, struct err *e)
{
    ProtobufCMessage *reply = NULL;
    struct arena arena;
    bool ok;

    arena_init(&arena, 0);
    ok = rpc_client_call_sync(c, &oms__host_service__descriptor, method, m, NULL, timeout_ms,
                              &arena, &reply, e);
    arena_fini(&arena);
    return ok;
}

static void an_error_keeps_its_code_and_text(void **state)
{
    struct bench *b = *state;
    struct rpc_client *c = client_of(b->url, "right");
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    struct err e = ERR_INIT;

    assert_true(call(c, "Answer", &a.base, 5000, &e));
    a.id = (char *)"fail";
    assert_false(call(c, "Answer", &a.base, 5000, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    assert_string_equal(e.message, "no room for 'fail'");
    rpc_client_close(c);
}

static void a_wrong_token_is_refused_before_the_handler(void **state)
{
    struct bench *b = *state;
    struct rpc_client *c = client_of(b->url, "wrong");
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    struct err e = ERR_INIT;

    assert_false(call(c, "Answer", &a.base, 5000, &e));
    assert_int_equal(e.code, ERR_DENIED);
    assert_int_equal(b->served, 0);
    rpc_client_close(c);
}

struct caller {
    struct bench *b;
    struct thread thread;
    atomic_int failed;
};

static void call_often(void *arg)
{
    struct caller *k = arg;
    struct rpc_client *c = client_of(k->b->url, "right");

    for (int i = 0; i < CALLS; i++) {
        Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
        struct err e = ERR_INIT;

        if (!call(c, "Sync", &q.base, 5000, &e))
            k->failed++;
    }
    rpc_client_close(c);
}

/* Answers that leave in one burst, to many peers, must all arrive. */
static void no_parked_answer_is_lost_in_a_burst(void **state)
{
    struct caller k[CALLERS] = {0};
    struct err e = ERR_INIT;

    for (int i = 0; i < CALLERS; i++) {
        k[i].b = *state;
        assert_true(thread_start(&k[i].thread, "caller", call_often, &k[i], &e));
    }
    for (int i = 0; i < CALLERS; i++) {
        thread_join(&k[i].thread);
        assert_int_equal(k[i].failed, 0);
    }
}

static void unknown_methods_and_oversize_messages_are_refused_and_counted(void **state)
{
    struct bench *b = *state;
    struct rpc_client *c = client_of(b->url, "right");
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    static ProtobufCServiceDescriptor other;
    ProtobufCMessage *reply = NULL;
    struct arena arena;
    struct err e = ERR_INIT;

    other = oms__host_service__descriptor;
    other.short_name = "NoService";
    arena_init(&arena, 0);
    assert_false(
        rpc_client_call_sync(c, &other, "Answer", &a.base, NULL, 5000, &arena, &reply, &e));
    arena_fini(&arena);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "NoService.Answer"));
    a.has_chunk = 1;
    a.chunk.len = (1 << 20) + 100;
    a.chunk.data = calloc(1, a.chunk.len);
    assert_false(call(c, "Answer", &a.base, 300, &e)); /* it never leaves */
    assert_int_equal(e.code, ERR_LIMIT);
    free(a.chunk.data);
    a.has_chunk = 0;
    assert_true(call(c, "Answer", &a.base, 5000, &e));
    rpc_client_close(c);
    assert_int_equal(b->served, 1);
    assert_int_equal(rpc_server_refused(b->server), 1); /* the thread has answered and waits */
}

/* --- asynchronous ---------------------------------------------------------------------------- */

struct outcome {
    int calls;
    bool replied;
    enum err_code code;
};

static void on_done(void *arg, const ProtobufCMessage *reply, const struct err *e)
{
    struct outcome *o = arg;

    o->calls++;
    o->replied = reply != NULL;
    o->code = e ? e->code : ERR_NONE;
}

static void end_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT); /* until the client's handle is closed */
    assert_int_equal(uv_loop_close(loop), 0);
}

static void call_async(struct rpc_client *c, const char *method, const ProtobufCMessage *q,
                       uint32_t timeout_ms, struct outcome *o)
{
    rpc_client_call(c, &oms__host_service__descriptor, method, q, NULL, timeout_ms, on_done, o);
}

static void each_asynchronous_call_ends_once(void **state)
{
    struct bench *b = *state;
    struct rpc_client_options o = {.url = b->url, .token = "right", .max_message_bytes = 1 << 20};
    Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
    struct outcome out[50] = {0};
    struct rpc_client *c = NULL;
    struct err e = ERR_INIT;
    uv_loop_t loop;
    int done = 0;

    uv_loop_init(&loop);
    o.loop = &loop;
    assert_true(rpc_client_open(&o, &c, &e));
    for (size_t i = 0; i < ARRAY_LEN(out); i++)
        call_async(c, "Sync", &q.base, 5000, &out[i]);
    while (done < (int)ARRAY_LEN(out)) {
        uv_run(&loop, UV_RUN_ONCE);
        done = 0;
        for (size_t i = 0; i < ARRAY_LEN(out); i++)
            done += out[i].calls;
    }
    for (size_t i = 0; i < ARRAY_LEN(out); i++)
        assert_true(out[i].calls == 1 && out[i].replied);
    rpc_client_close(c);
    end_loop(&loop);
}

static void closing_a_client_ends_its_calls_as_cancelled(void **state)
{
    struct bench *b = *state;
    struct rpc_client_options o = {.url = b->url, .token = "right", .max_message_bytes = 1 << 20};
    Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
    struct outcome out[20] = {0};
    struct rpc_client *c = NULL;
    struct err e = ERR_INIT;
    uv_loop_t loop;

    uv_loop_init(&loop);
    o.loop = &loop;
    assert_true(rpc_client_open(&o, &c, &e));
    for (size_t i = 0; i < ARRAY_LEN(out); i++)
        call_async(c, "Sync", &q.base, 5000, &out[i]);
    rpc_client_close(c);
    for (size_t i = 0; i < ARRAY_LEN(out); i++)
        assert_true(out[i].calls == 1 && !out[i].replied && out[i].code == ERR_CANCELLED);
    end_loop(&loop);
}

static void an_asynchronous_call_to_nobody_ends_before_its_own_deadline(void **state)
{
    Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
    struct rpc_client_options o = {.url = "tcp://127.0.0.1:1", .max_message_bytes = 1 << 20};
    struct outcome out = {0};
    struct rpc_client *c = NULL;
    struct err e = ERR_INIT;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    o.loop = &loop;
    assert_true(rpc_client_open(&o, &c, &e));
    call_async(c, "Sync", &q.base, 3600 * 1000, &out);
    while (out.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(out.code, ERR_UNAVAILABLE);
    rpc_client_close(c);
    end_loop(&loop);
}

static void a_server_that_comes_back_serves_the_same_client(void **state)
{
    struct bench *b = *state;
    struct rpc_client *c = client_of(b->url, "right");
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    struct err e = ERR_INIT;
    char url[64];

    assert_true(call(c, "Answer", &a.base, 5000, &e));
    snprintf(url, sizeof url, "%s", b->url);
    end_server(b);
    assert_false(call(c, "Answer", &a.base, 200, &e));
    assert_int_equal(err_class_of(e.code), ERR_CLASS_RETRY);
    start_server(b, url);
    assert_true(call(c, "Answer", &a.base, 5000, &e));
    rpc_client_close(c);
}

static void nobody_there_is_said_soon(void **state)
{
    struct rpc_client *c = client_of("tcp://127.0.0.1:1", "right");
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    struct err e = ERR_INIT;

    (void)state;
    assert_false(call(c, "Answer", &a.base, 300, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.message, "127.0.0.1:1"));
    rpc_client_close(c);
}

static void garbage_is_refused_and_the_server_goes_on(void **state)
{
    struct bench *b = *state;
    struct rpc_client *c = client_of(b->url, "right");
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    struct err e = ERR_INIT;
    nng_socket raw;

    assert_int_equal(nng_req0_open(&raw), 0);
    assert_int_equal(nng_dial(raw, b->url, NULL, 0), 0);
    for (unsigned n = 0; n < 40; n++) {
        uint8_t bytes[40];
        nng_msg *reply = NULL;

        memset(bytes, (int)(n * 37), sizeof bytes);
        assert_int_equal(nng_send(raw, bytes, n, 0), 0);
        assert_int_equal(nng_recvmsg(raw, &reply, 0), 0);
        nng_msg_free(reply);
    }
    nng_close(raw);
    assert_true(call(c, "Answer", &a.base, 5000, &e));
    rpc_client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_error_keeps_its_code_and_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_token_is_refused_before_the_handler, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_parked_answer_is_lost_in_a_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_is_refused_and_the_server_goes_on, setup, teardown),
        cmocka_unit_test(nobody_there_is_said_soon),
        cmocka_unit_test_setup_teardown(
            unknown_methods_and_oversize_messages_are_refused_and_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(each_asynchronous_call_ends_once, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_a_client_ends_its_calls_as_cancelled, setup,
                                        teardown),
        cmocka_unit_test(an_asynchronous_call_to_nobody_ends_before_its_own_deadline),
        cmocka_unit_test_setup_teardown(a_server_that_comes_back_serves_the_same_client, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
