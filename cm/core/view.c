/* What people see, made from the facts at the time of asking. */
#include <stdlib.h>
#include <string.h>

#include "cm/core/cycle.h"

static Oms__Error *error_new(const char *code, const char *message, struct arena *a)
{
    Oms__Error *e = arena_alloc(a, sizeof *e);
    enum err_code known = ERR_NONE;
    static const char *const classes[] = {[ERR_CLASS_RETRY] = "RETRY",
                                          [ERR_CLASS_STOP] = "STOP",
                                          [ERR_CLASS_FENCE] = "FENCE",
                                          [ERR_CLASS_BUG] = "BUG"};

    oms__error__init(e);
    e->code = (char *)code;
    e->message = (char *)message;
    if (err_code_from_name(code, &known))
        e->class_name = (char *)classes[err_class_of(known)];
    return e;
}

/* --- steps -------------------------------------------------------------------------------------
 */

static double metric(const Oms__ComponentReport *r, const char *prefix, const char *suffix)
{
    size_t n = strlen(prefix);

    for (size_t i = 0; r && i < r->n_metrics; i++) {
        const char *name = text_or_empty(r->metrics[i]->name);
        if (strncmp(name, prefix, n) == 0 && strcmp(name + n, suffix) == 0)
            return r->metrics[i]->value;
    }
    return 0;
}

static void view_progress(const struct project *p, enum step_kind k, const struct component *x,
                          bool fresh, Oms__StepView *v)
{
    const Oms__StepProgress *g = (const Oms__StepProgress *)p->steps[k].progress.m;
    bool running = p->steps[k].state == STEP_RUNNING && fresh && x->goal_run;

    v->has_done = v->has_total = v->has_rate = v->has_eta_s = v->has_bytes_rate = true;
    v->eta_s = -1;
    v->unit = (char *)"";
    if (!g)
        return;
    v->done = g->done;
    v->total = g->total;
    v->unit = g->unit ? g->unit : v->unit;
    if (!running)
        return;
    v->rate = g->rate;
    v->eta_s = g->has_eta_s ? g->eta_s : -1;
    v->bytes_rate = g->has_bytes_rate
                        ? g->bytes_rate
                        : (uint64_t)metric(component_report(x), step_rows[k].name, ".bytes_rate");
}

static Oms__StepView *view_step(const struct cluster *c, const struct project *p, enum step_kind k,
                                struct mono now, struct arena *a)
{
    const struct step *s = &p->steps[k];
    const struct component *x = project_component(c, p, k);
    Oms__StepView *v = arena_alloc(a, sizeof *v);

    oms__step_view__init(v);
    v->name = (char *)step_rows[k].name;
    v->state = (char *)step_state_name(s->state);
    if (s->state == STEP_RUNNING && step_is_held(c, p, k))
        v->state = (char *)"held";
    if (s->state == STEP_RUNNING && project_is_released(p)) /* following ends with the release */
        v->state = (char *)step_state_name(k == STEP_INCREMENTAL ? STEP_DONE : STEP_SKIPPED);
    v->component_id = x ? x->named.key : NULL;
    view_progress(p, k, x, x && component_is_fresh(x, now), v);
    if (s->state == STEP_FAILED) {
        v->error = error_new(s->error_code, s->error_message, a);
    } else if (x && x->goal_run && component_is_fresh(x, now)) {
        const Oms__Error *e = component_report(x)->error;
        if (e && !text_is(e->code, ""))
            v->error = error_new(e->code, text_or_empty(e->message), a);
    }
    return v;
}

static void view_steps(const struct cluster *c, const struct project *p, struct mono now,
                       struct arena *a, Oms__ProjectView *v)
{
    v->steps = arena_calloc(a, STEP_COUNT, sizeof(void *));
    for (int k = 0; k < STEP_COUNT; k++) {
        /* Those of a release are shown once it is asked for. */
        if (step_rows[k].phase == PHASE_RELEASE && p->want < WANT_RELEASE)
            continue;
        if (step_rows[k].phase == PHASE_FINISH && p->want != WANT_FINISH)
            continue;
        Oms__StepView *s = view_step(c, p, (enum step_kind)k, now, a);
        v->steps[v->n_steps++] = s;
        if (s->error && step_is_in_play(p, (enum step_kind)k) &&
            (!v->error || p->steps[k].state == STEP_FAILED))
            v->error = s->error;
    }
}

/* --- what belongs to the whole view ------------------------------------------------------------
 */

static int by_table(const void *table, const void *row)
{
    return strcmp(table, text_or_empty((*(Oms__RowCounts *const *)row)->table));
}

/* The report says them ascending. */
static Oms__RowCounts *changes_of(const Oms__ComponentReport *r, const char *table)
{
    Oms__RowCounts *const *found =
        r && r->n_row_counts > 0
            ? bsearch(table, r->row_counts, r->n_row_counts, sizeof *r->row_counts, by_table)
            : NULL;

    return found ? *found : NULL;
}

static void view_tables(const struct cluster *c, const struct project *p, struct arena *a,
                        Oms__ProjectView *v)
{
    const struct component *incr = project_component(c, p, STEP_INCREMENTAL);
    const Oms__ComponentReport *r = incr ? component_report(incr) : NULL;

    v->has_changes_since_us = r && r->has_rows_since_us;
    v->changes_since_us = r ? r->rows_since_us : 0;
    v->tables = arena_calloc(a, p->tables.n + 1, sizeof(void *));
    for (size_t i = 0; i < p->tables.n; i++) {
        const struct table *t = (const struct table *)p->tables.at[i];
        Oms__TableView *o = arena_alloc(a, sizeof *o);
        oms__table_view__init(o);
        o->name = t->named.key;
        o->copy = t->copy;
        o->verification = t->verification;
        o->schema = t->schema;
        o->detail = t->detail;
        o->changes = changes_of(r, t->named.key);
        o->has_rows_done = o->has_rows_total = true;
        o->rows_done = t->rows_done;
        o->rows_total = t->rows_total;
        v->tables[v->n_tables++] = o;
    }
}

/* Indexes are made by Full-Import and Incr-Sync, which say so by how far they are: 'caught up', and
 * with it verification, waits for the unique ones. */
static bool index_is_made(const struct cluster *c, const struct project *p,
                          const Oms__ObjectView *o, struct mono now)
{
    enum step_state verified = p->steps[STEP_VERIFICATION].state;

    if (!text_is(o->state, "held back"))
        return false;
    if (text_is(o->type, "indexes"))
        return p->steps[STEP_FULL].state == STEP_DONE;
    return text_is(o->type, "unique indexes") &&
           (verified == STEP_RUNNING || verified == STEP_DONE || project_is_caught_up(c, p, now));
}

static void view_objects(const struct cluster *c, const struct project *p, struct mono now,
                         struct arena *a, Oms__ProjectView *v)
{
    const Oms__DetailRow *row = (const Oms__DetailRow *)p->objects.m;
    size_t n = row ? row->n_objects : 0;

    v->objects = arena_calloc(a, n + 1, sizeof(void *));
    for (size_t i = 0; i < n; i++) {
        Oms__ObjectView *o = row->objects[i];

        if (index_is_made(c, p, o, now)) {
            Oms__ObjectView *made = arena_alloc(a, sizeof *made);

            *made = *o;
            made->state = (char *)"created";
            made->reason = (char *)"";
            o = made;
        }
        v->objects[v->n_objects++] = o;
    }
}

/* After a release: what was not created, to be run by hand. */
static void view_held_ddl(const struct project *p, struct arena *a, Oms__ProjectView *v)
{
    if (!project_is_released(p))
        return;
    v->held_ddl = arena_calloc(a, v->n_objects + 1, sizeof(char *));
    for (size_t i = 0; i < v->n_objects; i++) {
        const Oms__ObjectView *o = v->objects[i];
        bool not_made = text_is(o->state, "held back") || text_is(o->state, "failed");
        bool last = text_is(o->type, "foreign key") || text_is(o->type, "trigger");
        if (not_made && last && !text_is(o->ddl, ""))
            v->held_ddl[v->n_held_ddl++] = o->ddl;
    }
}

static void view_incidents(const struct cluster *c, const struct project *p, struct arena *a,
                           Oms__ProjectView *v)
{
    v->incidents = arena_calloc(a, c->incidents.n + 1, sizeof(void *));
    for (size_t i = 0; i < c->incidents.n; i++) {
        const Oms__Incident *in = incident_row(c->incidents.at[i]);
        if (text_is(in->project, p->named.key) && !text_is(in->state, "closed"))
            v->incidents[v->n_incidents++] = (Oms__Incident *)in;
    }
}

/* A report that is on its way longer than usual: the lag has grown by that since. */
static int64_t aged(const struct component *x, struct mono now, int64_t lag_ms)
{
    int64_t age = mono_ms_between(x->report_at, now);

    return age > REPORT_USUAL_MS ? lag_ms + age : lag_ms;
}

static void view_known_lag(const struct component *x, const Oms__ComponentReport *r,
                           struct mono now, Oms__ProjectView *v)
{
    v->has_lag_ms = r->has_lag_ms && r->lag_ms >= 0;
    v->lag_ms = v->has_lag_ms ? aged(x, now, r->lag_ms) : 0;
    v->has_lag_unknown_since_us = !v->has_lag_ms && r->has_lag_unknown_since_us;
    v->lag_unknown_since_us = v->has_lag_unknown_since_us ? r->lag_unknown_since_us : 0;
    v->has_backlog_bytes = r->has_backlog_bytes && r->backlog_bytes >= 0;
    v->backlog_bytes = v->has_backlog_bytes ? r->backlog_bytes : 0;
    v->has_backlog_txns = r->has_backlog_txns && r->backlog_txns >= 0;
    v->backlog_txns = v->has_backlog_txns ? r->backlog_txns : 0;
    v->has_drain_ms = r->has_drain_ms && r->drain_ms >= 0;
    v->drain_ms = v->has_drain_ms ? r->drain_ms : 0;
}

static void forget_lag(Oms__ProjectView *v)
{
    v->has_lag_ms = v->has_backlog_bytes = v->has_backlog_txns = v->has_drain_ms = false;
    v->lag_ms = v->backlog_bytes = v->drain_ms = 0;
    v->backlog_txns = 0;
}

/* Unknown (absent) unless a fresh report of a running component says it. */
static void view_lag(const struct cluster *c, const struct project *p, struct mono now,
                     Oms__ProjectView *v)
{
    const struct component *x = project_component(c, p, STEP_INCREMENTAL);
    const struct component *store = project_component(c, p, STEP_LOG_PULL);
    const Oms__ComponentReport *r = x ? component_report(x) : NULL;
    int64_t silent_ms;

    v->has_caught_up = true;
    v->caught_up = project_is_caught_up(c, p, now);
    v->lag_kind = (char *)"commit-time";
    if (store && component_report(store)) {
        v->store_position = component_report(store)->position;
        v->lag_note = component_report(store)->lag_note;
    }
    if (!r)
        return;
    v->position = r->position;
    if (!text_is(r->lag_kind, ""))
        v->lag_kind = r->lag_kind;
    if (!x->goal_run)
        return;
    if (!component_is_fresh(x, now)) {
        v->has_lag_unknown_since_us = x->report_wall.us != 0;
        v->lag_unknown_since_us = x->report_wall.us;
        return;
    }
    view_known_lag(x, r, now, v);
    silent_ms = project_source_silent_ms(c, p, now);
    if (v->has_lag_ms && (silent_ms >= REPORT_FRESH_MS || project_store_is_full(c, p))) {
        forget_lag(v);
        v->has_lag_unknown_since_us = true;
        v->lag_unknown_since_us = store->report_wall.us - silent_ms * 1000;
    }
}

Oms__ProjectView *view_project(const struct cluster *c, const struct project *p, bool whole,
                               struct mono now, struct arena *a)
{
    Oms__ProjectView *v = arena_alloc(a, sizeof *v);
    const Oms__DetailRow *checks = (const Oms__DetailRow *)p->checks.m;

    oms__project_view__init(v);
    v->name = p->named.key;
    v->state = (char *)project_state_name(p);
    v->has_created_us = true;
    v->created_us = p->created_us;
    v->file = (Oms__ProjectFile *)p->file.m;
    view_steps(c, p, now, a, v);
    view_lag(c, p, now, v);
    view_incidents(c, p, a, v);
    if (!whole)
        return v;
    view_tables(c, p, a, v);
    v->checks = checks ? checks->checks : NULL;
    v->n_checks = checks ? checks->n_checks : 0;
    view_objects(c, p, now, a, v);
    view_held_ddl(p, a, v);
    return v;
}

/* --- the others --------------------------------------------------------------------------------
 */

Oms__DataSourceView *view_source(const struct cluster *c, const struct source *s, struct arena *a)
{
    Oms__DataSourceView *v = arena_alloc(a, sizeof *v);

    oms__data_source_view__init(v);
    v->file = source_row(s)->file;
    v->has_created_us = true;
    v->created_us = source_row(s)->created_us;
    v->used_by = arena_calloc(a, c->projects.n + 1, sizeof(char *));
    for (size_t i = 0; i < c->projects.n; i++) {
        const struct project *p = (const struct project *)c->projects.at[i];
        if (text_is(project_file(p)->source, s->named.key) ||
            text_is(project_file(p)->target, s->named.key))
            v->used_by[v->n_used_by++] = p->named.key;
    }
    return v;
}

Oms__HostView *view_host(const struct cluster *c, const struct host *h, struct arena *a)
{
    Oms__HostView *v = arena_alloc(a, sizeof *v);

    oms__host_view__init(v);
    v->identity = (Oms__HostIdentity *)h->identity.m;
    v->state = (char *)(h->is_up ? "up" : "silent");
    v->has_heard_us = v->has_components = v->has_load = true;
    v->heard_us = h->heard_at.us;
    v->load = h->load;
    for (size_t i = 0; i < c->components.n; i++) {
        const struct component *x = (const struct component *)c->components.at[i];
        v->components += x->goal_run && text_is(x->host, h->named.key);
    }
    return v;
}

Oms__ComponentView *view_component(const struct component *x, struct arena *a)
{
    Oms__ComponentView *v = arena_alloc(a, sizeof *v);
    const struct step_row *row = component_row(x);

    oms__component_view__init(v);
    v->id = x->named.key;
    v->kind = (char *)(row ? row->kind : "task");
    v->project = x->project;
    v->host = x->host;
    v->goal = (char *)(x->goal_run ? "RUN" : "STOP");
    v->status = (Oms__ComponentStatus *)x->status.m;
    return v;
}
