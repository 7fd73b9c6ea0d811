/* The cluster's life, finding things, and what follows from the facts (cluster.h). */
#include "cm/core/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "cm/core/cycle.h"

struct cluster *cluster_new(const struct cluster_options *o)
{
    struct cluster *c = must_calloc(1, sizeof *c);

    c->options = *o;
    return c;
}

static void source_free(struct source *s)
{
    kept_fini(&s->row);
    free(s->named.key);
    free(s);
}

void cluster_free(struct cluster *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->sources.n; i++)
        source_free((struct source *)c->sources.at[i]);
    for (size_t i = 0; i < c->hosts.n; i++)
        host_free((struct host *)c->hosts.at[i]);
    for (size_t i = 0; i < c->projects.n; i++)
        project_free((struct project *)c->projects.at[i]);
    for (size_t i = 0; i < c->components.n; i++)
        component_free((struct component *)c->components.at[i]);
    for (size_t i = 0; i < c->incidents.n; i++)
        incident_free(c->incidents.at[i]);
    named_fini(&c->sources);
    named_fini(&c->hosts);
    named_fini(&c->projects);
    named_fini(&c->components);
    vec_fini(&c->incidents);
    free(c);
}

void cluster_awake(struct cluster *c, struct mono now)
{
    c->awake = now;
}

struct source *cluster_source(const struct cluster *c, const char *name)
{
    return (struct source *)named_find(&c->sources, name);
}

struct host *cluster_host(const struct cluster *c, const char *host_id)
{
    return (struct host *)named_find(&c->hosts, host_id);
}

struct host *cluster_host_named(const struct cluster *c, const char *name_or_id)
{
    for (size_t i = 0; i < c->hosts.n; i++) {
        struct host *h = (struct host *)c->hosts.at[i];
        if (text_is(h->named.key, name_or_id) || text_is(host_identity(h)->name, name_or_id))
            return h;
    }
    return NULL;
}

struct project *cluster_project(const struct cluster *c, const char *name)
{
    return (struct project *)named_find(&c->projects, name);
}

struct component *cluster_component(const struct cluster *c, const char *id)
{
    return (struct component *)named_find(&c->components, id);
}

struct component *project_component(const struct cluster *c, const struct project *p,
                                    enum step_kind k)
{
    char id[COMPONENT_ID_MAX];
    int n = snprintf(id, sizeof id, "%s.%s", p->named.key, step_rows[k].component);

    must(n > 0 && (size_t)n < sizeof id);
    return cluster_component(c, id);
}

struct incident *cluster_incident(const struct cluster *c, uint64_t id)
{
    for (size_t i = 0; i < c->incidents.n; i++)
        if (c->incidents.at[i]->id == id)
            return c->incidents.at[i];
    return NULL;
}

/* --- what follows ------------------------------------------------------------------------------
 */

const Oms__ProjectFile *project_file(const struct project *p)
{
    return (const Oms__ProjectFile *)p->file.m;
}

const Oms__SourceRow *source_row(const struct source *s)
{
    return (const Oms__SourceRow *)s->row.m;
}

const Oms__HostIdentity *host_identity(const struct host *h)
{
    return (const Oms__HostIdentity *)h->identity.m;
}

const Oms__ComponentStatus *component_status(const struct component *c)
{
    return (const Oms__ComponentStatus *)c->status.m;
}

const Oms__ComponentReport *component_report(const struct component *c)
{
    return c->status.m ? component_status(c)->report : NULL;
}

bool status_is_alive(const Oms__ComponentStatus *st)
{
    static const char *const alive[] = {"starting", "running", "stopping", "backoff", "orphan"};

    for (size_t i = 0; i < ARRAY_LEN(alive); i++)
        if (text_is(st->state, alive[i]))
            return true;
    return false;
}

bool component_is_fresh(const struct component *c, struct mono now)
{
    return c->has_report && mono_ms_between(c->report_at, now) <= REPORT_FRESH_MS;
}

bool project_is_released(const struct project *p)
{
    bool sealed =
        p->steps[STEP_SEAL].state == STEP_DONE || p->steps[STEP_SEAL].state == STEP_SKIPPED;

    if (p->want == WANT_RELEASE)
        return sealed;
    return p->want == WANT_FINISH && p->steps[STEP_FINISH].state == STEP_DONE;
}

bool step_is_in_play(const struct project *p, enum step_kind k)
{
    bool releasing = p->want == WANT_RELEASE || p->want == WANT_FINISH;

    return (step_rows[k].phase == PHASE_RUN) != releasing;
}

bool project_is_failed(const struct project *p)
{
    for (int k = 0; k < STEP_COUNT; k++)
        if (p->steps[k].state == STEP_FAILED && step_is_in_play(p, (enum step_kind)k))
            return true;
    return false;
}

const char *project_state_name(const struct project *p)
{
    if (p->want == WANT_INIT)
        return "init";
    if (project_is_released(p))
        return "released";
    if (p->want == WANT_PAUSE)
        return "paused";
    if (project_is_failed(p))
        return "failed";
    return p->want == WANT_RUN ? "running" : "releasing";
}

int64_t project_source_silent_ms(const struct cluster *c, const struct project *p, struct mono now)
{
    const struct component *store = project_component(c, p, STEP_LOG_PULL);
    const Oms__ComponentReport *r = store ? component_report(store) : NULL;

    if (!r || !component_is_fresh(store, now))
        return 0;
    for (size_t i = 0; i < r->n_metrics; i++)
        if (text_is(r->metrics[i]->name, "pull.silent_ms") && r->metrics[i]->value > 0)
            return (int64_t)r->metrics[i]->value;
    return 0;
}

/* The Store cannot take what it hears: what the source commits is not known any more. */
bool project_store_is_full(const struct cluster *c, const struct project *p)
{
    const struct component *store = project_component(c, p, STEP_LOG_PULL);
    const Oms__ComponentReport *r = store && store->goal_run ? component_report(store) : NULL;

    return r && r->error && text_is(r->error->code, "NO_SPACE");
}

/* Also by what the Store says itself: Incr-Sync learns of a silent source a moment later. */
bool project_is_caught_up(const struct cluster *c, const struct project *p, struct mono now)
{
    const struct component *x = project_component(c, p, STEP_INCREMENTAL);

    return x && x->goal_run && p->want == WANT_RUN &&
           p->steps[STEP_INCREMENTAL].state == STEP_RUNNING && component_is_fresh(x, now) &&
           project_source_silent_ms(c, p, now) < REPORT_FRESH_MS && !project_store_is_full(c, p) &&
           component_report(x)->has_caught_up && component_report(x)->caught_up;
}

const char *step_state_name(enum step_state s)
{
    static const char *const names[STEP_STATES] = {"pending", "running", "failed", "done",
                                                   "skipped"};
    return names[s];
}

bool step_is_held(const struct cluster *c, const struct project *p, enum step_kind k)
{
    const struct component *x = project_component(c, p, k);

    for (size_t i = 0; x && i < c->incidents.n; i++)
        if (incident_is_open(c->incidents.at[i]) &&
            text_is(incident_row(c->incidents.at[i])->component_id, x->named.key))
            return true;
    return false;
}
