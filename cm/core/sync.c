/* What a host is told: directives newer than those it keeps, what it may forget, its token. */
#include "cm/core/cycle.h"

static Oms__Directive *directive_new(uint64_t revision, bool run, Oms__ComponentSpec *spec,
                                     struct arena *a)
{
    Oms__Directive *d = arena_alloc(a, sizeof *d);

    oms__directive__init(d);
    d->has_revision = true;
    d->revision = revision;
    d->goal = (char *)(run ? "RUN" : "STOP");
    d->spec = spec;
    return d;
}

static Oms__ComponentSpec *orphan_spec(const struct orphan *o, struct arena *a)
{
    Oms__ComponentSpec *spec = arena_alloc(a, sizeof *spec);

    oms__component_spec__init(spec);
    spec->id = o->id;
    spec->has_epoch = true;
    spec->epoch = o->epoch;
    return spec;
}

uint64_t sync_revision(const struct cluster *c, const struct host *h)
{
    uint64_t most = 0;

    for (size_t i = 0; i < c->components.n; i++) {
        const struct component *x = (const struct component *)c->components.at[i];
        if (text_is(x->host, h->named.key) && x->directive > most)
            most = x->directive;
    }
    for (size_t i = 0; i < h->orphans.n; i++)
        if (h->orphans.at[i].directive > most)
            most = h->orphans.at[i].directive;
    return most;
}

Oms__HostSyncReply *sync_reply(const struct cluster *c, const struct host *h, uint64_t kept,
                               struct arena *a)
{
    Oms__HostSyncReply *r = arena_alloc(a, sizeof *r);
    uint64_t revision = sync_revision(c, h);

    oms__host_sync_reply__init(r);
    r->has_protocol = r->has_revision = true;
    r->protocol = 1;
    r->revision = revision > kept ? revision : kept;
    r->token = arena_strdup(a, h->token);
    r->directives = arena_calloc(a, c->components.n + h->orphans.n + 1, sizeof(void *));
    for (size_t i = 0; i < c->components.n; i++) {
        const struct component *x = (const struct component *)c->components.at[i];
        if (text_is(x->host, h->named.key) && x->directive > kept)
            r->directives[r->n_directives++] =
                directive_new(x->directive, x->goal_run, spec_build(c, x, a), a);
    }
    for (size_t i = 0; i < h->orphans.n; i++)
        if (h->orphans.at[i].directive > kept)
            r->directives[r->n_directives++] = directive_new(h->orphans.at[i].directive, false,
                                                             orphan_spec(&h->orphans.at[i], a), a);
    r->forget = arena_calloc(a, h->forget.n + 1, sizeof(char *));
    for (size_t i = 0; i < h->forget.n; i++)
        r->forget[r->n_forget++] = h->forget.at[i];
    r->removed = arena_calloc(a, h->removed.n + 1, sizeof(char *));
    for (size_t i = 0; i < h->removed.n; i++)
        r->removed[r->n_removed++] = h->removed.at[i];
    return r;
}
