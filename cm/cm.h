/*
 * oms-cm, the shell around cm/core: one thread, one libuv loop. Messages become events of the
 * cluster (lead.c decides, commits, publishes), reads are answered from the cluster in memory, long
 * polls are parked here until there is news.
 *
 * Invariant: no answer to a command and no directive leaves before its facts are committed, and
 * none leaves at all without a lease that is still ours on our own clock.
 * All state that matters is in MetaDB: a kill at any moment loses nothing. Thread: loop.
 */
#ifndef OMS_CM_CM_H
#define OMS_CM_CM_H

#include <stdbool.h>
#include <uv.h>

#include "cm/core/cluster.h"
#include "common/crypto/seal.h"
#include "common/crypto/token.h"
#include "common/rpc/rpc.h"
#include "proto/daemon.pb-c.h"
#include "proto/host.pb-c.h"

#define CM_MESSAGE_MAX (16u << 20)

struct lead;
struct parked_syncs;
struct watches;
struct relay;

struct host_service {
    Oms__HostService_Service base;
    struct cm *cm;
};
struct admin_service {
    Oms__AdminService_Service base;
    struct cm *cm;
};

struct cm {
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    struct arena arena; /* of the process: configuration */
    const Oms__CmConfig *config;
    struct seal_key master;
    char admin_token[TOKEN_TEXT_MAX], host_token[TOKEN_TEXT_MAX];
    char *address; /* where we listen */
    struct rpc_server *server;
    struct host_service host;
    struct admin_service admin;
    struct lead *lead;
    struct parked_syncs *syncs;
    struct watches *watches;
    struct relay *relay;
};

/* Runs until told to stop. */
bool cm_run(const char *config_file, struct err *e) MUST_CHECK;

/* --- lead.c ------------------------------------------------------------------------------------
 */
bool lead_start(struct cm *cm, struct lead **l, struct err *e) MUST_CHECK;
void lead_stop(struct lead *l); /* gives the lease back; gone once the loop has run; NULL is fine */
/* NULL: this CM does not lead now. */
struct cluster *lead_cluster(const struct lead *l);
uint64_t lead_epoch(const struct lead *l);
const char *lead_metadb_id(const struct lead *l);
/* A leader that began a moment ago directs nothing until it has heard reports (C3). */
bool lead_may_direct(const struct lead *l);
/* Answers that this CM does not lead, and who does if that is known. */
void lead_refuse(struct lead *l, struct rpc_call *call);
/* Puts an event into the next cycle; everything in it must live as long as its call. */
void lead_post(struct lead *l, const struct cluster_event *ev);
/* A Supervisor has seen a higher epoch: ours must be above it (C3). */
void lead_raise_epoch(struct lead *l, uint64_t seen);
bool lead_events(struct lead *l, uint64_t after, uint32_t most, const char *subject,
                 struct arena *arena, Oms__EventListReply *out, struct err *e) MUST_CHECK;
/* The reply that is stored for a command that was sent again. */
bool lead_find_reply(struct lead *l, struct id id, struct arena *arena, Oms__CommandReply **reply,
                     struct err *e) MUST_CHECK;
bool lead_has_queued(const struct lead *l, struct id id);

/* --- serve_host.c ------------------------------------------------------------------------------
 */
void serve_host_init(struct cm *cm);
void serve_host_fini(struct cm *cm);
/* A Sync was taken by the cluster: it waits for news. */
void serve_host_park(struct cm *cm, struct rpc_call *call, const Oms__HostSyncRequest *r);
/* After each cycle: answers those for whom there is something, or whose second is over. */
void serve_host_publish(struct cm *cm);
void serve_host_drop(struct cm *cm); /* this CM leads no more: every parked call is refused */

/* --- serve_admin*.c ----------------------------------------------------------------------------
 */
void serve_admin_init(struct cm *cm);
void serve_admin_fini(struct cm *cm);
struct watches *watches_new(void);
void watches_free(struct watches *w);
void serve_watch_publish(struct cm *cm);
void serve_watch_drop(struct cm *cm);
/* Refuses the call and gives NULL when this CM does not lead. */
struct cluster *admin_cluster(struct cm *cm, struct rpc_call *call);
/* Refuses the call because the named thing is not there. */
void admin_not_found(struct rpc_call *call, const char *what, const char *name);
/* Handlers of AdminService that are not in serve_admin.c, by file. */
#define ADMIN_HANDLER(name, Request, Reply)                                       \
    void admin_##name(Oms__AdminService_Service *service, const Request *request, \
                      Reply##_Closure closure, void *closure_data)
ADMIN_HANDLER(status, Oms__Empty, Oms__StatusReply); /* serve_read.c */
ADMIN_HANDLER(data_source_list, Oms__Empty, Oms__DataSourceListReply);
ADMIN_HANDLER(data_source_show, Oms__NameRequest, Oms__DataSourceView);
ADMIN_HANDLER(project_list, Oms__Empty, Oms__ProjectListReply);
ADMIN_HANDLER(project_show, Oms__NameRequest, Oms__ProjectView);
ADMIN_HANDLER(lag_explain, Oms__NameRequest, Oms__LagExplanation);
ADMIN_HANDLER(host_list, Oms__Empty, Oms__HostListReply);
ADMIN_HANDLER(host_show, Oms__NameRequest, Oms__HostView);
ADMIN_HANDLER(component_list, Oms__ComponentListRequest, Oms__ComponentListReply);
ADMIN_HANDLER(component_show, Oms__NameRequest, Oms__ComponentView);
ADMIN_HANDLER(incident_list, Oms__IncidentListRequest, Oms__IncidentListReply);
ADMIN_HANDLER(incident_show, Oms__IncidentRequest, Oms__Incident);
ADMIN_HANDLER(project_watch, Oms__ProjectWatchRequest, Oms__ProjectWatchReply); /* serve_watch.c */
ADMIN_HANDLER(event_list, Oms__EventListRequest, Oms__EventListReply);
ADMIN_HANDLER(ask_start, Oms__AskRequest, Oms__AskReply);
ADMIN_HANDLER(ask_read, Oms__AskReadRequest, Oms__AskReadReply);

/* --- secrets.c ---------------------------------------------------------------------------------
 */
/* Seals under the master key. The sealed bytes are in arena. */
bool secret_seal(struct cm *cm, const char *name, const void *p, size_t n, struct arena *arena,
                 ProtobufCBinaryData *out, struct err *e) MUST_CHECK;
/* Puts the values of all secrets that its specification names into the directive. */
bool secrets_fill(struct cm *cm, const struct cluster *c, Oms__Directive *d, struct arena *arena,
                  struct err *e) MUST_CHECK;

/* --- relay.c -----------------------------------------------------------------------------------
 */
struct relay *relay_new(struct cm *cm);
void relay_free(struct relay *r);
/* A new ask for the host of a component; its id is in `id`. */
bool relay_ask(struct relay *r, const Oms__AskRequest *q, const char *host_id, char id[ID_TEXT_MAX],
               struct err *e) MUST_CHECK;
bool relay_has_asks(const struct relay *r, const char *host_id);
/* Moves the asks that wait for the host into the reply: each is given once. */
void relay_give(struct relay *r, const char *host_id, Oms__HostSyncReply *reply,
                struct arena *arena);
/* Both are answered here, at once or when there is room, or news. */
void relay_answer(struct relay *r, const Oms__AnswerRequest *q, struct rpc_call *call);
void relay_read(struct relay *r, const Oms__AskReadRequest *q, struct rpc_call *call);
void relay_tick(struct relay *r);

#endif
