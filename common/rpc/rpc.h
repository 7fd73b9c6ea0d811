/*
 * RPC: protobuf services over nng. REQ contexts at the client, raw REP at the server. A server
 * fills X__INIT(prefix_), a client is a generated stub over rpc_client_service(). Each call is
 * answered exactly once, at once or later (parking costs nothing). The head beside the payload
 * carries method, id, deadline, token, MetaDB id, CM epoch; the reply's head carries the error,
 * class, leader. nng sends a request again on a lost pipe: at least once, so requests carry ids.
 * A message beyond max_message_bytes is refused where it is made (ERR_LIMIT): both sides of a link
 * must give the same limit.
 * Messages are unpacked with an allocator over the call's arena, never free_unpacked.
 *
 * Threads: server handlers and client completions run on the libuv loop's thread that was given;
 * nng's callbacks only post to it. rpc_client_call_sync is for programs without a loop (CLI, the
 * threads of a component): Thread: any.
 */
#ifndef OMS_COMMON_RPC_RPC_H
#define OMS_COMMON_RPC_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/id.h"

struct uv_loop_s;
struct rpc_server;
struct rpc_client;

/* What is known of a request while it is handled; valid until it is answered. */
struct rpc_call {
    const char *method; /* "AdminService.ProjectStart" */
    struct id id;       /* the same when it was sent again */
    uint32_t deadline_ms;
    const char *token;
    const char *metadb_id;
    uint64_t cm_epoch;
    struct arena arena; /* the request's memory; the reply may be built here too */
};

/* May this call be served? Checked before dispatch (token, role). NULL: everything may. */
typedef bool rpc_authorize(void *arg, struct rpc_call *call, struct err *e);

struct rpc_server_options {
    struct uv_loop_s *loop;
    const char *url; /* "tcp://127.0.0.1:7100", "ipc:///path" */
    size_t max_message_bytes;
    ProtobufCService *const *services; /* each starting with the generated base; n of them */
    size_t n_services;
    rpc_authorize *authorize;
    void *authorize_arg;
};
bool rpc_server_start(const struct rpc_server_options *o, struct rpc_server **s,
                      struct err *e) MUST_CHECK;
/* The port actually bound, when the url said port 0; 0 for ipc. */
uint16_t rpc_server_port(const struct rpc_server *s);
void rpc_server_stop(struct rpc_server *s); /* unanswered calls are dropped */
/* Calls that were refused before they reached a handler: garbage, unknown methods, wrong tokens.
 * Thread: loop. */
uint64_t rpc_server_refused(const struct rpc_server *s);

/* Inside a handler: the call that a generated handler's closure belongs to. Handlers receive
 * (service, request, closure, closure_data); closure_data is the struct rpc_call *. */
static inline struct rpc_call *rpc_call_of(void *closure_data)
{
    return closure_data;
}
/* Answer exactly once (a second answer aborts): with a message of the method's reply type, or with
 * an error. Thread: loop. */
void rpc_reply(struct rpc_call *call, const ProtobufCMessage *message);
void rpc_fail(struct rpc_call *call, const struct err *e);
void rpc_fail_leader(struct rpc_call *call, const char *leader_address);

struct rpc_client_options {
    const char *url;
    const char *token; /* copied; NULL = none */
    size_t max_message_bytes;
    struct uv_loop_s *loop; /* NULL: only rpc_client_call_sync may be used */
};
bool rpc_client_open(const struct rpc_client_options *o, struct rpc_client **c,
                     struct err *e) MUST_CHECK;
void rpc_client_close(struct rpc_client *c); /* outstanding calls end with ERR_CANCELLED */
void rpc_client_set_epoch(struct rpc_client *c, const char *metadb_id, uint64_t cm_epoch);

/* Calls method `index` of `service` and waits. id NULL: a fresh one. The reply is unpacked into
 * arena. */
bool rpc_client_call_sync(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
                          const char *method, const ProtobufCMessage *request, const struct id *id,
                          uint32_t timeout_ms, struct arena *arena, ProtobufCMessage **reply,
                          struct err *e) MUST_CHECK;
/* Calls and returns; done runs on the loop's thread exactly once; reply is NULL on error and valid
 * only during done. */
typedef void rpc_done(void *arg, const ProtobufCMessage *reply, const struct err *e);
void rpc_client_call(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
                     const char *method, const ProtobufCMessage *request, const struct id *id,
                     uint32_t timeout_ms, rpc_done *done, void *arg);

#endif
