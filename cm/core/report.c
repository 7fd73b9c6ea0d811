/*
 * A host's Sync: what it says of its components. A report is level, not event: the newest replaces
 * the older. What is of another epoch or on another host than the cluster says is an orphan (C5).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "cm/core/cycle.h"
#include "cm/core/rule.h"

static bool verification_round_is_over(const struct project *p, const Oms__ComponentReport *r)
{
    for (size_t i = 0; i < r->n_metrics; i++)
        if (text_is(r->metrics[i]->name, "verification.round"))
            return r->metrics[i]->value >= (double)p->verify_round;
    return false;
}

static void take_progress(struct project *p, const struct component *x,
                          const Oms__ComponentReport *r)
{
    for (size_t i = 0; i < r->n_steps; i++) {
        enum step_kind k = step_from_name(r->steps[i]->step);
        if (k != x->step || p->steps[k].state == STEP_DONE)
            continue;
        kept_set(&p->steps[k].progress, &r->steps[i]->base);
    }
}

/* Where a Store listens is durable: readers must find it after a restart of the CM, too. */
static void take_address(struct cycle *y, struct component *x, const char *at)
{
    if (text_is(at, "") || !text_set(&x->address, at))
        return;
    x->named.dirty = true;
    component_tell_readers(y, x);
}

static void take_report(struct cycle *y, struct component *x, const Oms__ComponentStatus *st)
{
    struct project *p = cluster_project(y->c, x->project);
    const Oms__ComponentReport *r = st->report;

    x->has_report = r != NULL && st->has_report_age_ms && st->report_age_ms >= 0;
    if (x->has_report)
        x->report_at = mono_add_ms(y->now.mono, -st->report_age_ms);
    if (x->has_report)
        x->report_wall.us = y->now.wall.us - st->report_age_ms * 1000;
    if (!p || !r)
        return;
    p->version++;
    take_progress(p, x, r);
    detail_tables(p, r, p->steps[STEP_VERIFICATION].state == STEP_RUNNING,
                  verification_round_is_over(p, r));
    take_address(y, x, r->address);
    incidents_take(y, x, r);
}

/* Ends by a signal or a defect count; those of class RETRY have a cause outside. */
static void count_crashes(struct cycle *y, struct component *x, const Oms__ComponentStatus *st)
{
    bool crashed = st->has_exit_code && (st->exit_code >= 128 || st->exit_code == 13);

    if (mono_ms_between(x->crashes_from, y->now.mono) > CRASH_WINDOW_MS) {
        x->crashes_from = y->now.mono;
        x->crashes = 0;
        x->refusals = 0;
    }
    /* The first count that is heard is no news: it may be of long ago. */
    if (x->restarts_known && st->restarts > x->restarts && crashed)
        x->crashes += st->restarts - x->restarts;
    x->restarts = st->restarts;
    x->restarts_known = true;
}

static void take_status(struct cycle *y, struct component *x, const Oms__ComponentStatus *st,
                        const Oms__TaskOutcome *outcome)
{
    if (st->epoch > x->epoch) {
        uint64_t was = x->epoch;
        component_raise_epoch(y, x, st->epoch);
        cycle_event(y, "component.epoch", x->named.key, RULE_EPOCH_REPORTED,
                    "a host reports epoch %" PRIu64 " above ours, %" PRIu64 ": it gets %" PRIu64,
                    st->epoch, was, x->epoch);
        return;
    }
    if (st->epoch < x->epoch)
        return;
    bool revision_is_ours = st->revision == x->revision;
    if (revision_is_ours)
        count_crashes(y, x, st);
    kept_set(&x->status, &st->base);
    if (!revision_is_ours)
        return;
    if (outcome)
        kept_set(&x->outcome, &outcome->base);
    take_report(y, x, st);
}

/* The Supervisor says it keeps the directive, and does not know the component. */
static void find_missing(struct cycle *y, struct host *h, const Oms__HostReport *r)
{
    for (size_t i = 0; i < y->c->components.n; i++) {
        struct component *x = (struct component *)y->c->components.at[i];
        bool reported =
            !x->goal_run || !text_is(x->host, h->named.key) || x->directive > h->kept_revision;
        for (size_t j = 0; j < r->n_components && !reported; j++)
            reported = text_is(r->components[j]->id, x->named.key);
        if (reported) {
            x->missing_from.ns = text_is(x->host, h->named.key) ? 0 : x->missing_from.ns;
        } else if (x->missing_from.ns == 0) {
            x->missing_from = y->now.mono;
        } else if (mono_ms_between(x->missing_from, y->now.mono) > REPORT_FRESH_MS) {
            x->missing_from.ns = 0;
            component_send_again(y, x);
            cycle_event(y, "component.sent_again", x->named.key, RULE_MISSING,
                        "host '%s' does not report component '%s': its directive is sent again",
                        text_or_empty(host_identity(h)->name), x->named.key);
        }
    }
}

static bool is_reported(const Oms__HostReport *r, const char *id)
{
    for (size_t i = 0; i < r->n_components; i++)
        if (text_is(r->components[i]->id, id))
            return true;
    return false;
}

static void drop_removed(struct host *h, const Oms__HostReport *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->removed.n; i++) {
        if (is_reported(r, h->removed.at[i]))
            h->removed.at[kept++] = h->removed.at[i];
        else
            free(h->removed.at[i]);
    }
    h->removed.n = kept;
}

static void drop_old_notes(struct host *h, const Oms__HostReport *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->forget.n; i++)
        free(h->forget.at[i]);
    h->forget.n = 0;
    drop_removed(h, r);
    for (size_t i = 0; i < h->orphans.n; i++) {
        bool there = false;
        for (size_t j = 0; j < r->n_components && !there; j++)
            there = text_is(r->components[j]->id, h->orphans.at[i].id);
        if (there)
            h->orphans.at[kept++] = h->orphans.at[i];
        else
            free(h->orphans.at[i].id);
    }
    h->orphans.n = kept;
}

void report_sync(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__HostSyncRequest *r = (const Oms__HostSyncRequest *)ev->request;
    struct err e = ERR_INIT;
    struct host *h = host_hear(y, r, ev->fresh, &e);

    if (!h) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    drop_old_notes(h, r->report);
    for (size_t i = 0; i < r->report->n_components; i++) {
        const Oms__ComponentStatus *st = r->report->components[i];
        struct component *x = cluster_component(y->c, st->id);
        if (x && text_is(x->host, h->named.key))
            take_status(y, x, st, ev->outcomes ? ev->outcomes[i] : NULL);
        else
            host_note_orphan(y, h, st);
    }
    find_missing(y, h, r->report);
}
