/*
 * AdminService, what changes something: each command becomes an event of the cluster. A COMMAND
 * that was sent again (nng does so on a lost pipe) gets the reply that is stored with its effect.
 */
#include <stdlib.h>
#include <string.h>

#include "cm/cm.h"
#include "common/pbtext/pbtext.h"

static struct cm *cm_of(Oms__AdminService_Service *service)
{
    return CONTAINER_OF(service, struct admin_service, base)->cm;
}

struct cluster *admin_cluster(struct cm *cm, struct rpc_call *call)
{
    struct cluster *c = lead_cluster(cm->lead);

    if (!c)
        lead_refuse(cm->lead, call);
    return c;
}

void admin_not_found(struct rpc_call *call, const char *what, const char *name)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_NOT_FOUND, "there is no %s '%s'", what, text_or_empty(name));
    rpc_fail(call, &e);
}

/* True: the command is new; false: it was answered here. */
static bool is_new(struct cm *cm, struct rpc_call *call)
{
    Oms__CommandReply *stored;
    struct err e = ERR_INIT;

    if (lead_has_queued(cm->lead, call->id))
        err_set(&e, ERR_UNAVAILABLE, "this command is being carried out");
    else if (lead_find_reply(cm->lead, call->id, &call->arena, &stored, &e)) {
        if (!stored)
            return true;
        rpc_reply(call, &stored->base);
        return false;
    }
    rpc_fail(call, &e);
    return false;
}

static void post(struct cm *cm, enum command command, const ProtobufCMessage *request,
                 struct rpc_call *call, const ProtobufCBinaryData *sealed)
{
    struct cluster_event ev = {
        .kind = EVENT_COMMAND, .command = command, .request = request, .call = call};
    struct err e = ERR_INIT;

    if (sealed) {
        ev.sealed = sealed->data;
        ev.sealed_len = sealed->len;
    }
    if (token_random_bytes(ev.fresh.b, sizeof ev.fresh.b, &e))
        lead_post(cm->lead, &ev);
    else
        rpc_fail(call, &e);
}

/* Commands that need nothing but their request. */
static void simple(Oms__AdminService_Service *service, enum command command,
                   const ProtobufCMessage *request, void *closure_data)
{
    struct cm *cm = cm_of(service);
    struct rpc_call *call = rpc_call_of(closure_data);

    if (admin_cluster(cm, call) && is_new(cm, call))
        post(cm, command, request, call, NULL);
}

#define SIMPLE(name, COMMAND, Request)                                                   \
    static void admin_##name(Oms__AdminService_Service *service, const Request *request, \
                             Oms__CommandReply_Closure closure, void *closure_data)      \
    {                                                                                    \
        (void)closure;                                                                   \
        simple(service, COMMAND, &request->base, closure_data);                          \
    }
SIMPLE(data_source_remove, COMMAND_SOURCE_REMOVE, Oms__NameRequest)
SIMPLE(project_start, COMMAND_PROJECT_START, Oms__NameRequest)
SIMPLE(project_pause, COMMAND_PROJECT_PAUSE, Oms__NameRequest)
SIMPLE(project_resume, COMMAND_PROJECT_RESUME, Oms__NameRequest)
SIMPLE(project_release, COMMAND_PROJECT_RELEASE, Oms__ReleaseRequest)
SIMPLE(project_remove, COMMAND_PROJECT_REMOVE, Oms__NameRequest)

static void admin_project_set(Oms__AdminService_Service *service,
                              const Oms__ProjectSetRequest *request,
                              Oms__CommandReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = rpc_call_of(closure_data);
    struct err e = ERR_INIT;

    (void)closure;
    if (pbtext_check("", &request->base, &e) && pbtext_check_live(&request->base, &e))
        simple(service, COMMAND_PROJECT_SET, &request->base, closure_data);
    else
        rpc_fail(call, &e);
}
SIMPLE(verify_start, COMMAND_VERIFY_START, Oms__VerifyRequest)
SIMPLE(component_restart, COMMAND_COMPONENT_RESTART, Oms__NameRequest)
SIMPLE(incident_resolve, COMMAND_INCIDENT_RESOLVE, Oms__IncidentRequest)

/* --- with secrets ------------------------------------------------------------------------------
 */

static void admin_data_source_add(Oms__AdminService_Service *service,
                                  const Oms__DataSourceAddRequest *request,
                                  Oms__CommandReply_Closure closure, void *closure_data)
{
    struct cm *cm = cm_of(service);
    struct rpc_call *call = rpc_call_of(closure_data);
    Oms__DataSourceAddRequest *r;
    ProtobufCBinaryData sealed;
    struct err e = ERR_INIT;

    (void)closure;
    if (!admin_cluster(cm, call) || !is_new(cm, call))
        return;
    if (!request->file || !request->file->name || !pbtext_check("", &request->file->base, &e)) {
        if (e.code == ERR_NONE)
            err_set(&e, ERR_INVALID, "name: a data source needs a name");
        rpc_fail(call, &e);
        return;
    }
    r = (Oms__DataSourceAddRequest *)pbtext_copy(&request->base, &call->arena);
    pbtext_fill_standard(&r->file->base, &call->arena);
    if (!secret_seal(cm, secret_of_source(r->file->name, &call->arena), r->password.data,
                     r->password.len, &call->arena, &sealed, &e)) {
        rpc_fail(call, &e);
        return;
    }
    post(cm, COMMAND_SOURCE_ADD, &r->base, call, &sealed);
}

static void admin_project_create(Oms__AdminService_Service *service,
                                 const Oms__ProjectCreateRequest *request,
                                 Oms__CommandReply_Closure closure, void *closure_data)
{
    struct cm *cm = cm_of(service);
    struct rpc_call *call = rpc_call_of(closure_data);
    const Oms__ProjectFile *f = request->file;
    char token[TOKEN_TEXT_MAX];
    ProtobufCBinaryData sealed;
    struct err e = ERR_INIT;

    (void)closure;
    if (!admin_cluster(cm, call) || !is_new(cm, call))
        return;
    if (!f || !f->name)
        err_set(&e, ERR_INVALID, "name: a project needs a name");
    if (e.code != ERR_NONE || !pbtext_check("", &f->base, &e) || !token_make(token, &e) ||
        !secret_seal(cm,
                     secret_of_store(arena_printf(&call->arena, "%s.%s", f->name,
                                                  step_rows[STEP_LOG_PULL].component),
                                     &call->arena),
                     token, strlen(token), &call->arena, &sealed, &e)) {
        rpc_fail(call, &e);
        return;
    }
    post(cm, COMMAND_PROJECT_CREATE, &request->base, call, &sealed);
}

/* A GOAL, not a COMMAND: nothing of it is stored; its answer waits for the outcome. */
static void admin_data_source_test(Oms__AdminService_Service *service,
                                   const Oms__NameRequest *request, Oms__TaskResult_Closure closure,
                                   void *closure_data)
{
    struct cm *cm = cm_of(service);
    struct rpc_call *call = rpc_call_of(closure_data);

    (void)closure;
    if (admin_cluster(cm, call))
        post(cm, COMMAND_SOURCE_TEST, &request->base, call, NULL);
}

void serve_admin_init(struct cm *cm)
{
    cm->admin.base = (Oms__AdminService_Service)OMS__ADMIN_SERVICE__INIT(admin_);
    cm->admin.cm = cm;
    cm->watches = watches_new();
}

void serve_admin_fini(struct cm *cm)
{
    watches_free(cm->watches);
    cm->watches = NULL;
}
