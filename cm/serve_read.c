/* AdminService, what only reads: answered from the cluster in memory, which is what is committed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cm/cm.h"
#include "common/base/version.h"
#include "common/os/clock.h"

struct read { /* one read in progress */
    struct cm *cm;
    struct rpc_call *call;
    struct arena *a;
    struct cluster *c; /* NULL: refused already */
};

static struct read read_of(Oms__AdminService_Service *service, void *closure_data)
{
    struct read r = {.cm = CONTAINER_OF(service, struct admin_service, base)->cm,
                     .call = rpc_call_of(closure_data)};

    r.a = &r.call->arena;
    r.c = admin_cluster(r.cm, r.call);
    return r;
}

ADMIN_HANDLER(status, Oms__Empty, Oms__StatusReply)
{
    struct read r = read_of(service, closure_data);
    Oms__StatusReply reply = OMS__STATUS_REPLY__INIT;

    (void)request;
    (void)closure;
    if (!r.c)
        return;
    reply.version = (char *)OMS_VERSION;
    reply.has_epoch = reply.has_pid = reply.has_hosts_up = reply.has_projects = true;
    reply.epoch = lead_epoch(r.cm->lead);
    reply.metadb_id = (char *)lead_metadb_id(r.cm->lead);
    reply.pid = (uint32_t)getpid();
    reply.projects = (uint32_t)r.c->projects.n;
    for (size_t i = 0; i < r.c->hosts.n; i++) {
        const struct host *h = (const struct host *)r.c->hosts.at[i];
        reply.hosts_up += h->is_up && h->was_heard;
    }
    rpc_reply(r.call, &reply.base);
}

ADMIN_HANDLER(data_source_list, Oms__Empty, Oms__DataSourceListReply)
{
    struct read r = read_of(service, closure_data);
    Oms__DataSourceListReply reply = OMS__DATA_SOURCE_LIST_REPLY__INIT;

    (void)request;
    (void)closure;
    if (!r.c)
        return;
    reply.sources = arena_calloc(r.a, r.c->sources.n + 1, sizeof(void *));
    for (size_t i = 0; i < r.c->sources.n; i++)
        reply.sources[reply.n_sources++] =
            view_source(r.c, (const struct source *)r.c->sources.at[i], r.a);
    rpc_reply(r.call, &reply.base);
}

ADMIN_HANDLER(data_source_show, Oms__NameRequest, Oms__DataSourceView)
{
    struct read r = read_of(service, closure_data);
    const struct source *s = r.c ? cluster_source(r.c, request->name) : NULL;

    (void)closure;
    if (s)
        rpc_reply(r.call, &view_source(r.c, s, r.a)->base);
    else if (r.c)
        admin_not_found(r.call, "data source", request->name);
}

ADMIN_HANDLER(project_list, Oms__Empty, Oms__ProjectListReply)
{
    struct read r = read_of(service, closure_data);
    Oms__ProjectListReply reply = OMS__PROJECT_LIST_REPLY__INIT;

    (void)request;
    (void)closure;
    if (!r.c)
        return;
    reply.projects = arena_calloc(r.a, r.c->projects.n + 1, sizeof(void *));
    for (size_t i = 0; i < r.c->projects.n; i++)
        reply.projects[reply.n_projects++] = view_project(
            r.c, (const struct project *)r.c->projects.at[i], false, clock_mono(), r.a);
    rpc_reply(r.call, &reply.base);
}

ADMIN_HANDLER(project_show, Oms__NameRequest, Oms__ProjectView)
{
    struct read r = read_of(service, closure_data);
    const struct project *p = r.c ? cluster_project(r.c, request->name) : NULL;

    (void)closure;
    if (p)
        rpc_reply(r.call, &view_project(r.c, p, true, clock_mono(), r.a)->base);
    else if (r.c)
        admin_not_found(r.call, "project", request->name);
}

ADMIN_HANDLER(lag_explain, Oms__NameRequest, Oms__LagExplanation)
{
    struct read r = read_of(service, closure_data);
    const struct project *p = r.c ? cluster_project(r.c, request->name) : NULL;

    (void)closure;
    if (p)
        rpc_reply(r.call, &lag_explain(r.c, p, clock_mono(), r.a)->base);
    else if (r.c)
        admin_not_found(r.call, "project", request->name);
}

ADMIN_HANDLER(host_list, Oms__Empty, Oms__HostListReply)
{
    struct read r = read_of(service, closure_data);
    Oms__HostListReply reply = OMS__HOST_LIST_REPLY__INIT;

    (void)request;
    (void)closure;
    if (!r.c)
        return;
    reply.hosts = arena_calloc(r.a, r.c->hosts.n + 1, sizeof(void *));
    for (size_t i = 0; i < r.c->hosts.n; i++)
        reply.hosts[reply.n_hosts++] = view_host(r.c, (const struct host *)r.c->hosts.at[i], r.a);
    rpc_reply(r.call, &reply.base);
}

ADMIN_HANDLER(host_show, Oms__NameRequest, Oms__HostView)
{
    struct read r = read_of(service, closure_data);
    const struct host *h = r.c ? cluster_host_named(r.c, request->name) : NULL;

    (void)closure;
    if (h)
        rpc_reply(r.call, &view_host(r.c, h, r.a)->base);
    else if (r.c)
        admin_not_found(r.call, "host", request->name);
}

static Oms__ComponentView *component_view(const struct cluster *c, const struct component *x,
                                          struct arena *a)
{
    Oms__ComponentView *v = view_component(x, a);
    const struct host *h = cluster_host(c, x->host);

    if (h && host_identity(h)->name)
        v->host = host_identity(h)->name; /* people know hosts by name */
    return v;
}

ADMIN_HANDLER(component_list, Oms__ComponentListRequest, Oms__ComponentListReply)
{
    struct read r = read_of(service, closure_data);
    Oms__ComponentListReply reply = OMS__COMPONENT_LIST_REPLY__INIT;

    (void)closure;
    if (!r.c)
        return;
    if (!text_is(request->project, "") && !cluster_project(r.c, request->project)) {
        admin_not_found(r.call, "project", request->project);
        return;
    }
    reply.components = arena_calloc(r.a, r.c->components.n + 1, sizeof(void *));
    for (size_t i = 0; i < r.c->components.n; i++) {
        const struct component *x = (const struct component *)r.c->components.at[i];
        if (text_is(request->project, "") || text_is(request->project, x->project))
            reply.components[reply.n_components++] = component_view(r.c, x, r.a);
    }
    rpc_reply(r.call, &reply.base);
}

ADMIN_HANDLER(component_show, Oms__NameRequest, Oms__ComponentView)
{
    struct read r = read_of(service, closure_data);
    const struct component *x = r.c ? cluster_component(r.c, request->name) : NULL;

    (void)closure;
    if (x)
        rpc_reply(r.call, &component_view(r.c, x, r.a)->base);
    else if (r.c)
        admin_not_found(r.call, "component", request->name);
}

ADMIN_HANDLER(incident_list, Oms__IncidentListRequest, Oms__IncidentListReply)
{
    struct read r = read_of(service, closure_data);
    Oms__IncidentListReply reply = OMS__INCIDENT_LIST_REPLY__INIT;
    bool known;

    (void)closure;
    if (!r.c)
        return;
    known = text_is(request->project, "") || cluster_project(r.c, request->project);
    reply.incidents = arena_calloc(r.a, r.c->incidents.n + 1, sizeof(void *));
    for (size_t i = 0; i < r.c->incidents.n; i++) {
        Oms__Incident *in = (Oms__Incident *)r.c->incidents.at[i]->row.m;
        bool wanted = text_is(request->project, "") || text_is(request->project, in->project);
        known = known || wanted; /* a removed project's incidents stay */
        if (wanted && (request->all || !text_is(in->state, "closed")))
            reply.incidents[reply.n_incidents++] = in;
    }
    if (known)
        rpc_reply(r.call, &reply.base);
    else
        admin_not_found(r.call, "project", request->project);
}

ADMIN_HANDLER(incident_show, Oms__IncidentRequest, Oms__Incident)
{
    struct read r = read_of(service, closure_data);
    const struct incident *i = r.c ? cluster_incident(r.c, request->id) : NULL;

    (void)closure;
    if (i)
        rpc_reply(r.call, i->row.m);
    else if (r.c)
        admin_not_found(r.call, "incident",
                        arena_printf(r.a, "%llu", (unsigned long long)request->id));
}
