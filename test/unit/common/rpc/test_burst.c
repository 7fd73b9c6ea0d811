/* A server that answers many parked calls in one moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <unistd.h>
#include <uv.h>

#include "common/rpc/rpc.h"
#include "proto/admin.pb-c.h"

#define CALLS 64u
#define ROUNDS 20u

static struct {
    uv_loop_t loop;
    struct rpc_server *server;
    struct rpc_client *client;
    Oms__AdminService_Service service;
    struct rpc_call *parked[CALLS];
    unsigned n_parked, n_done, n_failed, rounds;
} t;

/* Parks until all have come, then answers all. */
static void on_status(Oms__AdminService_Service *s, const Oms__Empty *r,
                      Oms__StatusReply_Closure closure, void *data)
{
    Oms__StatusReply reply = OMS__STATUS_REPLY__INIT;

    (void)s;
    (void)r;
    (void)closure;
    t.parked[t.n_parked++] = rpc_call_of(data);
    if (t.n_parked < CALLS)
        return;
    for (unsigned i = 0; i < CALLS; i++)
        rpc_reply(t.parked[i], &reply.base);
    t.n_parked = 0;
}

static void call_all(void);

static void on_done(void *arg, const ProtobufCMessage *reply, const struct err *e)
{
    (void)arg;
    (void)e;
    t.n_failed += reply == NULL;
    if (++t.n_done < CALLS)
        return;
    t.n_done = 0;
    if (++t.rounds < ROUNDS && t.n_failed == 0) {
        call_all();
        return;
    }
    rpc_client_close(t.client);
    rpc_server_stop(t.server);
}

static void call_all(void)
{
    Oms__Empty r = OMS__EMPTY__INIT;

    for (unsigned i = 0; i < CALLS; i++)
        rpc_client_call(t.client, &oms__admin_service__descriptor, "Status", &r.base, NULL, 10000,
                        on_done, NULL);
}

static void answers_of_one_moment_all_arrive(void **state)
{
    ProtobufCService *services[] = {&t.service.base};
    char url[64];
    struct rpc_server_options so = {.loop = &t.loop,
                                    .url = url,
                                    .max_message_bytes = 1 << 20,
                                    .services = services,
                                    .n_services = 1};
    struct rpc_client_options co = {.url = url, .max_message_bytes = 1 << 20, .loop = &t.loop};
    struct err e = ERR_INIT;

    (void)state;
    snprintf(url, sizeof url, "ipc:///tmp/test_burst.%d.sock", (int)getpid());
    assert_int_equal(uv_loop_init(&t.loop), 0);
    oms__admin_service__init(&t.service, NULL);
    t.service.status = on_status;
    assert_true(rpc_server_start(&so, &t.server, &e));
    assert_true(rpc_client_open(&co, &t.client, &e));
    call_all();
    uv_run(&t.loop, UV_RUN_DEFAULT);
    assert_int_equal(t.n_failed, 0);
    assert_int_equal(t.rounds, ROUNDS);
    assert_int_equal(uv_loop_close(&t.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_of_one_moment_all_arrive)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
