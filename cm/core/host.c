/*
 * Hosts: who is there, who is silent (a lease on the CM's own clock), who is doubled (C7), and
 * which one gets a component.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cm/core/cycle.h"

/* A doubled host gets no new work until this long after it was last seen double. */
#define DUPLICATE_LEASES 10
#define HOST_ID_MAX 64

static struct host *host_new(struct cycle *y, const Oms__HostIdentity *id)
{
    struct host *h = must_calloc(1, sizeof *h);

    text_set(&h->named.key, id->host_id);
    kept_set(&h->identity, &id->base);
    h->named.dirty = true;
    named_add(&y->c->hosts, &h->named);
    cycle_event(y, "host.joined", id->host_id, RULE_HOST_JOINED,
                "host '%s' joins, data centre '%s'", text_or_empty(id->name),
                text_or_empty(id->idc));
    return h;
}

void host_free(struct host *h)
{
    for (size_t i = 0; i < h->orphans.n; i++)
        free(h->orphans.at[i].id);
    vec_fini(&h->orphans);
    for (size_t i = 0; i < h->forget.n; i++)
        free(h->forget.at[i]);
    vec_fini(&h->forget);
    for (size_t i = 0; i < h->removed.n; i++)
        free(h->removed.at[i]);
    vec_fini(&h->removed);
    kept_fini(&h->identity);
    free(h->named.key);
    free(h);
}

bool host_has_trouble(const struct host *h, struct mono now)
{
    return h->duplicate_until.ns != 0 && mono_cmp(now, h->duplicate_until) < 0;
}

/* Two processes with one identity: another machine or another boot while the first still speaks,
 * or a token that is neither the last one given nor the one before. */
static bool is_double(const struct cycle *y, const struct host *h, const Oms__HostSyncRequest *r)
{
    const Oms__HostIdentity *had = host_identity(h), *now = r->report->identity;

    if (!h->was_heard || mono_ms_between(h->heard, y->now.mono) > y->c->options.host_lease_ms)
        return false;
    if (!text_is(had->machine_id, now->machine_id) || !text_is(had->boot_id, now->boot_id))
        return true;
    return !text_is(r->token, "") && !text_is(r->token, h->token) &&
           !text_is(r->token, h->accepted);
}

static bool refuse_double(struct cycle *y, struct host *h, const Oms__HostIdentity *id,
                          struct err *e)
{
    bool known = host_has_trouble(h, y->now.mono);

    h->duplicate_until =
        mono_add_ms(y->now.mono, (int64_t)DUPLICATE_LEASES * y->c->options.host_lease_ms);
    if (!known)
        cycle_event(y, "host.duplicate", h->named.key, RULE_HOST_DUPLICATE,
                    "two Supervisors use the identity of host '%s' (machine %s): both get no new "
                    "work",
                    text_or_empty(id->name), text_or_empty(id->machine_id));
    return err_set(e, ERR_DUPLICATE_HOST, "host '%s' is already served by another Supervisor",
                   text_or_empty(id->name));
}

static bool same_identity(const Oms__HostIdentity *a, const Oms__HostIdentity *b)
{
    return text_is(a->name, b->name) && text_is(a->idc, b->idc) && text_is(a->region, b->region) &&
           text_is(a->machine_id, b->machine_id) && text_is(a->boot_id, b->boot_id) &&
           text_is(a->address, b->address) && text_is(a->version, b->version);
}

/* A token is replaced only once it has come back: a lost answer makes nobody double. */
static void next_token(struct host *h, const char *returned, struct id fresh)
{
    if (h->token[0] != '\0' && !text_is(returned, h->token))
        return;
    snprintf(h->accepted, sizeof h->accepted, "%s", h->token);
    id_format(fresh, h->token);
}

/* It becomes a key. */
static bool is_host_id(const char *id)
{
    size_t n = 0;

    for (; id && id[n] != '\0'; n++)
        if (id[n] <= ' ' || id[n] > '~')
            return false;
    return n > 0 && n <= HOST_ID_MAX;
}

struct host *host_hear(struct cycle *y, const Oms__HostSyncRequest *r, struct id fresh,
                       struct err *e)
{
    const Oms__HostIdentity *id = r->report ? r->report->identity : NULL;
    struct host *h;

    if (!id || !is_host_id(id->host_id)) {
        err_set(e, ERR_INVALID, "a Sync without a proper host id");
        return NULL;
    }
    h = cluster_host(y->c, id->host_id);
    if (h && is_double(y, h, r)) {
        refuse_double(y, h, id, e);
        return NULL;
    }
    if (!h)
        h = host_new(y, id);
    if (!same_identity(host_identity(h), id)) {
        kept_set(&h->identity, &id->base);
        h->named.dirty = true;
    } else {
        kept_set(&h->identity, &id->base); /* free disk and the like */
    }
    next_token(h, text_or_empty(r->token), fresh);
    h->heard = y->now.mono;
    h->heard_at = y->now.wall;
    h->was_heard = true;
    h->load = r->report->load;
    h->kept_revision = r->directives_revision;
    return h;
}

static int64_t silent_ms(const struct cycle *y, const struct host *h)
{
    const struct mono from =
        h->was_heard && mono_cmp(h->heard, y->c->awake) > 0 ? h->heard : y->c->awake;
    return mono_ms_between(from, y->now.mono);
}

/* When more than a third fall silent at once, the fault is likelier ours or the network's (C6). */
static int64_t lease_of(const struct cycle *y)
{
    int64_t lease = y->c->options.host_lease_ms;
    size_t falling = 0;

    for (size_t i = 0; i < y->c->hosts.n; i++) {
        const struct host *h = (const struct host *)y->c->hosts.at[i];
        falling += h->is_up && silent_ms(y, h) > lease;
    }
    return y->c->hosts.n >= 3 && 3 * falling > y->c->hosts.n ? 2 * lease : lease;
}

void hosts_judge(struct cycle *y)
{
    int64_t lease = lease_of(y);

    for (size_t i = 0; i < y->c->hosts.n; i++) {
        struct host *h = (struct host *)y->c->hosts.at[i];
        bool up = h->was_heard && silent_ms(y, h) <= lease;
        /* Not heard since this CM leads: as it was, for one lease. */
        if (!h->was_heard && silent_ms(y, h) <= lease)
            up = true;
        if (up == h->is_up)
            continue;
        h->is_up = up;
        if (up && !h->was_heard)
            continue; /* taken on trust; no event */
        cycle_event(y, up ? "host.up" : "host.silent", h->named.key,
                    up ? RULE_HOST_UP : RULE_HOST_SILENT,
                    up ? "host '%s' reports" : "host '%s' is silent; what runs there goes on",
                    text_or_empty(host_identity(h)->name));
    }
}

/* --- orphans -----------------------------------------------------------------------------------
 */

void host_note_orphan(struct cycle *y, struct host *h, const Oms__ComponentStatus *st)
{
    if (text_is(st->id, ""))
        return;
    if (!status_is_alive(st)) {
        if (!cluster_component(y->c, st->id)) {
            char *id = must_strdup(st->id);
            vec_push(&h->forget, id);
        }
        return;
    }
    for (size_t i = 0; i < h->orphans.n; i++)
        if (text_is(h->orphans.at[i].id, st->id) && h->orphans.at[i].epoch >= st->epoch)
            return;
    struct orphan o = {must_strdup(st->id), st->epoch, ++y->c->revision};
    y->c->revision_dirty = true;
    vec_push(&h->orphans, o);
    cycle_event(y, "component.orphan", st->id, RULE_ORPHAN,
                "host '%s' runs component '%s' that it must not run: it is told to stop it",
                text_or_empty(host_identity(h)->name), st->id);
}

/* --- placement ---------------------------------------------------------------------------------
 */

static size_t components_on(const struct cluster *c, const struct host *h)
{
    size_t n = 0;

    for (size_t i = 0; i < c->components.n; i++) {
        const struct component *x = (const struct component *)c->components.at[i];
        n += x->goal_run && text_is(x->host, h->named.key);
    }
    return n;
}

static const char *wanted_idc(const struct cluster *c, const struct component *x)
{
    const struct project *p = cluster_project(c, x->project);
    const struct step_row *row = component_row(x);
    const char *name = x->test_source;

    if (p && row)
        name = row->at_source ? project_file(p)->source : project_file(p)->target;
    const struct source *s = name ? cluster_source(c, name) : NULL;
    return s ? source_row(s)->file->idc : NULL;
}

/* Same data centre as the data source first, then fewest components. */
struct host *host_choose(const struct cycle *y, const struct component *x)
{
    const char *idc = wanted_idc(y->c, x);
    struct host *best = NULL;
    size_t best_rank = 0;

    for (size_t i = 0; i < y->c->hosts.n; i++) {
        struct host *h = (struct host *)y->c->hosts.at[i];
        if (!h->is_up || !h->was_heard || host_has_trouble(h, y->now.mono))
            continue;
        bool far = !text_is(idc, "") && !text_is(idc, host_identity(h)->idc);
        size_t rank = components_on(y->c, h) + (far ? 1000000 : 0);
        if (!best || rank < best_rank) {
            best = h;
            best_rank = rank;
        }
    }
    return best;
}
