/*
 * Incidents: what waits for a person. A component reports its open ones again and again; they are
 * kept by (component, key). The choice goes back to it in its live part. One that a process no
 * longer reports is closed; if its key comes again, the choice that was made still holds.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "cm/core/cycle.h"
#include "common/base/buf.h"

/* After a restart a process needs a while until it meets again what it held for. */
#define ABSENT_MS 15000

const Oms__Incident *incident_row(const struct incident *i)
{
    return (const Oms__Incident *)i->row.m;
}

void incident_free(struct incident *i)
{
    kept_fini(&i->row);
    free(i->nonce);
    free(i);
}

bool incident_is_open(const struct incident *i)
{
    return text_is(incident_row(i)->state, "open");
}

static void set_state(struct incident *i, const char *state, const char *choice, const char *with)
{
    Oms__Incident in = *incident_row(i);

    in.state = (char *)state;
    if (choice)
        in.choice = (char *)choice;
    if (choice)
        in.text = (char *)with;
    kept_set(&i->row, &in.base);
    i->dirty = true;
}

static struct incident *find(const struct cluster *c, const char *component, const char *key)
{
    for (size_t i = 0; i < c->incidents.n; i++) {
        const Oms__Incident *in = incident_row(c->incidents.at[i]);
        if (text_is(in->component_id, component) && text_is(in->key, key))
            return c->incidents.at[i];
    }
    return NULL;
}

static void open_one(struct cycle *y, struct component *x, const Oms__Incident *reported)
{
    struct incident *i = must_calloc(1, sizeof *i);
    Oms__Incident in = *reported;

    i->id = ++y->c->last_incident;
    in.has_id = in.has_opened_us = true;
    in.id = i->id;
    in.opened_us = y->now.wall.us;
    in.project = x->project;
    in.component_id = x->named.key;
    in.state = (char *)"open";
    in.choice = (char *)"";
    kept_set(&i->row, &in.base);
    i->dirty = true;
    vec_push(&y->c->incidents, i);
    cycle_event(y, "incident.opened", x->named.key, RULE_INCIDENT_OPEN,
                "incident %" PRIu64 ": %s: %s", i->id, text_or_empty(in.code),
                text_or_empty(in.summary));
}

static void take_one(struct cycle *y, struct component *x, const Oms__Incident *reported,
                     const char *nonce)
{
    struct incident *i = find(y->c, x->named.key, reported->key);

    if (!i) {
        open_one(y, x, reported);
        i = y->c->incidents.at[y->c->incidents.n - 1];
    } else if (text_is(incident_row(i)->state, "closed")) {
        bool answered = !text_is(incident_row(i)->choice, "");
        set_state(i, answered ? "answered" : "open", NULL, NULL);
        if (answered)
            component_live_changed(y, x);
    }
    i->absent_from.ns = 0;
    text_set(&i->nonce, nonce);
}

static bool is_reported(const Oms__ComponentReport *r, const char *key)
{
    for (size_t j = 0; j < r->n_incidents; j++)
        if (text_is(r->incidents[j]->key, key))
            return true;
    return false;
}

static void judge_absent(struct cycle *y, struct component *x, struct incident *i,
                         const Oms__ComponentReport *r)
{
    const Oms__Incident *in = incident_row(i);

    if (!text_is(in->component_id, x->named.key) || text_is(in->state, "closed") ||
        is_reported(r, in->key) || !text_is(r->state, "running"))
        return;
    if (i->absent_from.ns == 0)
        i->absent_from = y->now.mono;
    if (!text_is(i->nonce, r->nonce) && mono_ms_between(i->absent_from, y->now.mono) < ABSENT_MS)
        return;
    set_state(i, "closed", NULL, NULL);
    component_live_changed(y, x);
    cycle_event(y, "incident.closed", x->named.key, RULE_INCIDENT_CLOSED,
                "incident %" PRIu64 " is over", i->id);
}

void incidents_take(struct cycle *y, struct component *x, const Oms__ComponentReport *r)
{
    for (size_t i = 0; i < r->n_incidents; i++)
        if (!text_is(r->incidents[i]->key, ""))
            take_one(y, x, r->incidents[i], r->nonce);
    for (size_t i = 0; i < y->c->incidents.n; i++)
        judge_absent(y, x, y->c->incidents.at[i], r);
}

void incidents_of_project_gone(struct cycle *y, const char *project)
{
    size_t kept = 0;

    for (size_t i = 0; i < y->c->incidents.n; i++) {
        struct incident *in = y->c->incidents.at[i];
        if (!text_is(incident_row(in)->project, project)) {
            y->c->incidents.at[kept++] = in;
            continue;
        }
        cycle_remove(y, "incident", arena_printf(y->a, "%" PRIu64, in->id));
        incident_free(in);
    }
    y->c->incidents.n = kept;
}

bool incident_may_choose(const struct incident *i, const char *choice, const char *with,
                         struct err *e)
{
    const Oms__Incident *in = incident_row(i);
    struct buf choices CLEANUP(buf_fini);

    buf_init(&choices, 4096);
    if (text_is(in->state, "closed"))
        return err_set(e, ERR_WRONG_STATE, "incident %" PRIu64 " is closed", i->id);
    if (text_is(in->state, "answered") && text_is(in->choice, CHOICE_COPY_AGAIN))
        return err_set(e, ERR_WRONG_STATE,
                       "incident %" PRIu64 " is answered: the table is being copied again", i->id);
    for (size_t j = 0; j < in->n_choices; j++) {
        if (text_is(in->choices[j], choice) && text_is(choice, CHOICE_RUN_INSTEAD) &&
            text_is(with, ""))
            return err_set(e, ERR_INVALID,
                           "run-instead needs the statement: --sql TEXT or --sql-file "
                           "FILE");
        if (text_is(in->choices[j], choice))
            return true;
        buf_printf(&choices, "%s%s", j ? ", " : "", in->choices[j]);
    }
    return err_set(e, ERR_INVALID, "incident %" PRIu64 " has no choice '%s'; it has: %s", i->id,
                   text_or_empty(choice), buf_cstr(&choices));
}

bool incident_may_change(struct cycle *y, const struct incident *i, const char *choice,
                         const char *with, struct err *e)
{
    const Oms__Incident *in = incident_row(i);
    const struct component *x = cluster_component(y->c, in->component_id);

    if (!text_is(in->state, "answered") || !x || !x->goal_run ||
        (text_is(in->choice, choice) && text_is(in->text, text_or_empty(with))))
        return true;
    return err_set(e, ERR_WRONG_STATE,
                   "incident %" PRIu64 " is answered already: %s; it may have been acted upon, so "
                   "another answer is taken only while the project is paused",
                   i->id, in->choice);
}

void incident_answer(struct cycle *y, struct incident *i, const char *choice, const char *with)
{
    struct component *x = cluster_component(y->c, incident_row(i)->component_id);

    set_state(i, "answered", choice, with);
    if (x)
        component_live_changed(y, x);
}
