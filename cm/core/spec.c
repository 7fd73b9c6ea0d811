/*
 * Specifications are functions of the project's file, the data sources and the component's own
 * numbers; none is stored. A change of what goes into the fixed part must raise the component's
 * revision (component_restart), of the live part component_live_changed.
 */
#include "cm/core/spec.h"

#include <inttypes.h>
#include <string.h>

#include "cm/core/cycle.h"

#define SERVER_ID_FIRST 3000000000u
#define SERVER_ID_SPAN 1000000000u

#define SOURCE_SECRET "datasource:"
#define STORE_SECRET "stream-token:"

const char *secret_of_source(const char *source, struct arena *arena)
{
    return arena_printf(arena, SOURCE_SECRET "%s", source);
}

const char *secret_of_store(const char *store_id, struct arena *arena)
{
    return arena_printf(arena, STORE_SECRET "%s", store_id);
}

const ProtobufCBinaryData *secret_find(const struct cluster *c, const char *name)
{
    if (strncmp(name, SOURCE_SECRET, strlen(SOURCE_SECRET)) == 0) {
        const struct source *s = cluster_source(c, name + strlen(SOURCE_SECRET));
        return s && source_row(s)->has_sealed ? &source_row(s)->sealed : NULL;
    }
    if (strncmp(name, STORE_SECRET, strlen(STORE_SECRET)) != 0)
        return NULL;
    const struct component *x = cluster_component(c, name + strlen(STORE_SECRET));
    const struct project *p = x ? cluster_project(c, x->project) : NULL;
    const Oms__Secret *token = p ? (const Oms__Secret *)p->stream_token.m : NULL;
    return token && token->has_value ? &token->value : NULL;
}

static Oms__Endpoint *endpoint_of(const struct cluster *c, const char *name, struct arena *a)
{
    const struct source *s = cluster_source(c, name);

    if (!s)
        return NULL;
    const Oms__DataSourceFile *f = source_row(s)->file;
    Oms__Endpoint *e = arena_alloc(a, sizeof *e);
    oms__endpoint__init(e);
    e->id = f->name;
    e->kind = f->kind;
    e->host = f->host;
    e->has_port = f->has_port;
    e->port = f->port;
    e->socket = f->socket;
    e->user = f->user;
    e->tls = f->tls;
    e->has_silent_after_ms = f->has_silent_after_ms;
    e->silent_after_ms = f->silent_after_ms;
    e->tls_ca_pem = source_row(s)->tls_ca_pem;
    e->n_addresses = f->n_addresses;
    e->addresses = f->addresses;
    if (source_row(s)->has_sealed)
        e->secret = (char *)secret_of_source(f->name, a);
    return e;
}

void spec_ends(struct spec_builder *b)
{
    const Oms__ProjectFile *f = project_file(b->p);

    b->fixed->source = endpoint_of(b->c, f->source, b->a);
    b->fixed->target = endpoint_of(b->c, f->target, b->a);
    b->fixed->scope = f->objects;
}

void spec_task(struct spec_builder *b)
{
    const Oms__ProjectFile *f = project_file(b->p);

    spec_ends(b);
    b->fixed->store = f->store;
    b->fixed->full = f->full;
    b->fixed->incremental = f->incremental;
    b->fixed->skip_checks = f->skip_checks;
    b->fixed->n_skip_checks = f->n_skip_checks;
}

/* Differs between Stores, and between incarnations of one (correctness B4). */
static uint32_t server_id_of(const struct project *p, const struct component *x)
{
    const Oms__StoreOptions *o = project_file(p)->store;
    uint64_t h = (uint64_t)p->number * 2654435761u + x->epoch * 40503u;

    if (o && o->has_server_id_from && o->has_server_id_to)
        return o->server_id_from +
               (uint32_t)(h % ((uint64_t)o->server_id_to - o->server_id_from + 1));
    return SERVER_ID_FIRST + (uint32_t)(h % SERVER_ID_SPAN);
}

void spec_store(struct spec_builder *b)
{
    spec_ends(b);
    b->fixed->target = NULL;
    b->fixed->store = project_file(b->p)->store;
    b->fixed->heartbeat = project_file(b->p)->heartbeat;
    b->fixed->has_server_id = true;
    b->fixed->server_id = server_id_of(b->p, b->x);
    b->fixed->begin = (char *)"";
    if (!project_copies(b->p))
        b->fixed->start = project_file(b->p)->incremental->start;
}

void spec_full(struct spec_builder *b)
{
    spec_ends(b);
    b->fixed->full = project_file(b->p)->full;
    b->fixed->n_copy_again = again_list(b->p, false, b->a, &b->fixed->copy_again);
}

static char *task_of(struct spec_builder *b, enum step_kind k)
{
    return arena_printf(b->a, "%s/%s", b->p->named.key, step_rows[k].task);
}

void spec_precheck(struct spec_builder *b)
{
    spec_task(b);
    b->fixed->new_tasks = arena_calloc(b->a, STEP_COUNT, sizeof(char *));
    for (int k = 0; k < STEP_COUNT; k++)
        if (step_rows[k].task && b->p->steps[k].state == STEP_PENDING)
            b->fixed->new_tasks[b->fixed->n_new_tasks++] = task_of(b, (enum step_kind)k);
}

static char *store_of(struct spec_builder *b)
{
    return arena_printf(b->a, "%s.%s", b->p->named.key, step_rows[STEP_LOG_PULL].component);
}

void spec_incremental(struct spec_builder *b)
{
    spec_ends(b);
    b->fixed->ddl = project_file(b->p)->ddl;
    b->fixed->incremental = project_file(b->p)->incremental;
    b->fixed->heartbeat = project_file(b->p)->heartbeat;
    b->fixed->store_id = store_of(b);
    b->fixed->full_task = project_copies(b->p) ? task_of(b, STEP_FULL) : (char *)"";
}

void spec_verification(struct spec_builder *b)
{
    spec_ends(b);
    b->fixed->verification = project_file(b->p)->verification;
    b->fixed->incr_task = task_of(b, STEP_INCREMENTAL);
    b->fixed->store_id = store_of(b);
}

void spec_seal(struct spec_builder *b)
{
    spec_task(b);
    b->fixed->verb_args = arena_calloc(b->a, STEP_COUNT, sizeof(char *));
    for (int k = 0; k < STEP_COUNT; k++)
        if (step_rows[k].task)
            b->fixed->verb_args[b->fixed->n_verb_args++] = task_of(b, (enum step_kind)k);
}

static void add_peer(const struct cluster *c, const struct project *p, Oms__ComponentLive *live,
                     struct arena *a)
{
    const struct component *store = project_component(c, p, STEP_LOG_PULL);

    if (!store || text_is(store->address, ""))
        return;
    Oms__Peer *peer = arena_alloc(a, sizeof *peer);
    oms__peer__init(peer);
    peer->component_id = store->named.key;
    peer->address = store->address;
    peer->token_secret = (char *)secret_of_store(store->named.key, a);
    peer->has_epoch = true;
    peer->epoch = store->epoch;
    live->peers = arena_alloc(a, sizeof(void *));
    live->peers[0] = peer;
    live->n_peers = 1;
}

static void add_answers(const struct cluster *c, const struct component *x,
                        Oms__ComponentLive *live, struct arena *a)
{
    live->answers = arena_calloc(a, c->incidents.n + 1, sizeof(void *));
    for (size_t i = 0; i < c->incidents.n; i++) {
        const Oms__Incident *in = incident_row(c->incidents.at[i]);
        if (!text_is(in->component_id, x->named.key) || !text_is(in->state, "answered"))
            continue;
        Oms__IncidentAnswer *answer = arena_alloc(a, sizeof *answer);
        oms__incident_answer__init(answer);
        answer->key = in->key;
        answer->choice = in->choice;
        answer->text = in->text;
        live->answers[live->n_answers++] = answer;
    }
}

static Oms__ComponentLive *live_build(const struct cluster *c, const struct component *x,
                                      const struct project *p, struct arena *a)
{
    Oms__ComponentLive *live = arena_alloc(a, sizeof *live);

    oms__component_live__init(live);
    live->has_revision = true;
    live->revision = x->live;
    if (!p)
        return live;
    setting_live(p, x->step, live);
    live->has_full_done = x->step == STEP_INCREMENTAL || x->step == STEP_LOG_PULL;
    live->full_done = live->has_full_done && step_is_over(p->steps[STEP_FULL].state);
    if (x->step == STEP_INCREMENTAL) {
        add_peer(c, p, live, a);
        live->n_copied_again = again_list(p, true, a, &live->copied_again);
    }
    if (x->step == STEP_VERIFICATION) {
        const Oms__ComponentLive *tables = (const Oms__ComponentLive *)p->verify_tables.m;
        add_peer(c, p, live, a);
        live->has_verify_round = true;
        live->verify_round = p->verify_round;
        live->n_verify_tables = tables ? tables->n_verify_tables : 0;
        live->verify_tables = tables ? tables->verify_tables : NULL;
    }
    add_answers(c, x, live, a);
    return live;
}

Oms__ComponentSpec *spec_build(const struct cluster *c, const struct component *x, struct arena *a)
{
    const struct project *p = cluster_project(c, x->project);
    const struct step_row *row = component_row(x);
    Oms__ComponentSpec *spec = arena_alloc(a, sizeof *spec);
    Oms__ComponentFixed *fixed = arena_alloc(a, sizeof *fixed);

    oms__component_spec__init(spec);
    oms__component_fixed__init(fixed);
    spec->id = x->named.key;
    spec->kind = (char *)(row ? row->kind : "task");
    spec->has_epoch = spec->has_revision = true;
    spec->epoch = x->epoch;
    spec->revision = x->revision;
    spec->fixed = fixed;
    spec->live = live_build(c, x, p, a);
    if (row && p) {
        struct spec_builder b = {.c = c, .p = p, .x = x, .a = a, .fixed = fixed};
        fixed->project = p->named.key;
        fixed->verb = (char *)row->verb;
        spec->task = row->task ? task_of(&b, x->step) : NULL;
        row->spec(&b);
    } else {
        fixed->verb = (char *)"test";
        fixed->source = endpoint_of(c, x->test_source, a);
    }
    return spec;
}
