/* What a component says, kept as levels: the newest replaces the older. See component.h. */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/runtime/runtime_priv.h"

#define LAG_FRESH_MS 1500 /* it is measured twice a second */
#define LAG_OLD_MS 5000

static void set_text(char **to, const char *text)
{
    char *copy = text && *text ? must_strdup(text) : NULL;

    free(*to);
    *to = copy;
}

static struct step_row *step_of(struct component *c, const char *step)
{
    struct step_row fresh = {.eta_s = -1};

    for (size_t i = 0; i < c->steps.n; i++)
        if (strcmp(c->steps.at[i].step, step) == 0)
            return &c->steps.at[i];
    fresh.step = must_strdup(step);
    vec_push(&c->steps, fresh);
    return &c->steps.at[c->steps.n - 1];
}

void component_progress(struct component *c, const char *step, const char *unit, uint64_t done,
                        uint64_t total, double rate_per_s, int64_t eta_s)
{
    pthread_mutex_lock(&c->lock);
    struct step_row *r = step_of(c, step);
    if (!r->unit || strcmp(r->unit, unit) != 0)
        set_text(&r->unit, unit);
    r->done = done;
    r->total = total;
    r->rate = rate_per_s;
    r->eta_s = eta_s;
    pthread_mutex_unlock(&c->lock);
}

void component_step_done(struct component *c, const char *step)
{
    bool news;

    pthread_mutex_lock(&c->lock);
    struct step_row *r = step_of(c, step);
    news = !r->finished;
    r->finished = true;
    r->eta_s = 0;
    pthread_mutex_unlock(&c->lock);
    if (news)
        log_event(LOG_INFO, "component.step_done", "step=%s", step);
}

void component_step_begin(struct component *c, const char *step)
{
    pthread_mutex_lock(&c->lock);
    step_of(c, step)->finished = false;
    tables_forget(c, step);
    pthread_mutex_unlock(&c->lock);
}

void component_table(struct component *c, const char *step, const char *table, const char *state,
                     uint64_t done, uint64_t total, const char *detail)
{
    struct table_row fresh = {0}, *r = NULL;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->tables.n && !r; i++)
        if (strcmp(c->tables.at[i].table, table) == 0 && strcmp(c->tables.at[i].step, step) == 0)
            r = &c->tables.at[i];
    if (!r) {
        fresh.step = must_strdup(step);
        fresh.table = must_strdup(table);
        vec_push(&c->tables, fresh);
        r = &c->tables.at[c->tables.n - 1];
    }
    set_text(&r->state, state);
    set_text(&r->detail, detail);
    r->done = done;
    r->total = total;
    pthread_mutex_unlock(&c->lock);
}

void component_position(struct component *c, const char *position, int64_t lag_ms, bool caught_up,
                        int64_t backlog_bytes)
{
    pthread_mutex_lock(&c->lock);
    set_text(&c->position, position);
    c->lag_ms = lag_ms;
    c->caught_up = caught_up;
    c->backlog_bytes = backlog_bytes;
    c->position_at = clock_mono();
    c->has_position = true;
    pthread_mutex_unlock(&c->lock);
}

void component_lag(struct component *c, const struct component_lag *l)
{
    pthread_mutex_lock(&c->lock);
    c->lag = *l;
    c->has_lag = true;
    pthread_mutex_unlock(&c->lock);
}

void component_lag_note(struct component *c, const char *note)
{
    pthread_mutex_lock(&c->lock);
    set_text(&c->lag_note, note);
    pthread_mutex_unlock(&c->lock);
}

void component_note(struct component *c, const char *name, const char *text)
{
    struct note_row fresh = {0}, *r = NULL;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->notes.n && !r; i++)
        if (strcmp(c->notes.at[i].name, name) == 0)
            r = &c->notes.at[i];
    if (!r) {
        fresh.name = must_strdup(name);
        vec_push(&c->notes, fresh);
        r = &c->notes.at[c->notes.n - 1];
    }
    set_text(&r->text, text);
    pthread_mutex_unlock(&c->lock);
}

void component_metric(struct component *c, const char *name, double value)
{
    struct metric_row *r = NULL, fresh = {0};

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->metrics.n && !r; i++)
        if (strcmp(c->metrics.at[i].name, name) == 0)
            r = &c->metrics.at[i];
    if (!r) {
        fresh.name = must_strdup(name);
        vec_push(&c->metrics, fresh);
        r = &c->metrics.at[c->metrics.n - 1];
    }
    r->value = value;
    pthread_mutex_unlock(&c->lock);
}

void component_listening(struct component *c, const char *address)
{
    pthread_mutex_lock(&c->lock);
    set_text(&c->address, address);
    pthread_mutex_unlock(&c->lock);
}

void component_result(struct component *c, const char *json)
{
    pthread_mutex_lock(&c->lock);
    set_text(&c->result, json);
    pthread_mutex_unlock(&c->lock);
}

void component_error(struct component *c, const struct err *e)
{
    pthread_mutex_lock(&c->lock);
    if (e)
        c->error = *e;
    else
        err_clear(&c->error);
    pthread_mutex_unlock(&c->lock);
}

static void free_incident(struct incident_row *r)
{
    free(r->key);
    free(r->code);
    free(r->summary);
    free(r->evidence);
    free(r->choices);
    free(r->table);
    free(r->transaction);
}

static struct incident_row *incident_of(struct component *c, const char *key)
{
    for (size_t i = 0; i < c->incidents.n; i++)
        if (strcmp(c->incidents.at[i].key, key) == 0)
            return &c->incidents.at[i];
    return NULL;
}

void component_incident_table(struct component *c, const char *key, const char *code,
                              const char *summary, const char *evidence, const char *choices,
                              const char *table, const char *transaction)
{
    struct incident_row fresh = {0}, *r;
    bool news;

    pthread_mutex_lock(&c->lock);
    r = incident_of(c, key);
    news = !r;
    if (!r) {
        fresh.key = must_strdup(key);
        vec_push(&c->incidents, fresh);
        r = &c->incidents.at[c->incidents.n - 1];
    }
    set_text(&r->code, code);
    set_text(&r->summary, summary);
    set_text(&r->evidence, evidence);
    set_text(&r->choices, choices);
    set_text(&r->table, table);
    set_text(&r->transaction, transaction);
    pthread_mutex_unlock(&c->lock);
    if (news)
        log_event(LOG_WARN, "component.incident", "key=%s code=%s %s", key, code, summary);
}

void component_incident(struct component *c, const char *key, const char *code, const char *summary,
                        const char *evidence, const char *choices)
{
    component_incident_table(c, key, code, summary, evidence, choices, "", "");
}

void component_incident_gone(struct component *c, const char *key)
{
    struct incident_row *r;

    pthread_mutex_lock(&c->lock);
    r = incident_of(c, key);
    if (r) {
        free_incident(r);
        *r = c->incidents.at[--c->incidents.n];
    }
    pthread_mutex_unlock(&c->lock);
}

/* --- building ------------------------------------------------------------------------------------
 */

static char *copy(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

static double bytes_rate_of(const struct component *c, const char *step)
{
    size_t n = strlen(step);

    for (size_t i = 0; i < c->metrics.n; i++)
        if (strncmp(c->metrics.at[i].name, step, n) == 0 &&
            strcmp(c->metrics.at[i].name + n, ".bytes_rate") == 0)
            return c->metrics.at[i].value;
    return 0;
}

static void build_steps(struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->n_steps = c->steps.n;
    out->steps = arena_calloc(a, c->steps.n, sizeof *out->steps);
    for (size_t i = 0; i < c->steps.n; i++) {
        const struct step_row *r = &c->steps.at[i];
        Oms__StepProgress *p = arena_alloc(a, sizeof *p);

        oms__step_progress__init(p);
        p->step = copy(a, r->step);
        p->unit = copy(a, r->unit);
        p->has_done = p->has_total = p->has_rate = p->has_eta_s = p->has_finished = 1;
        p->done = r->done;
        p->total = r->total;
        p->rate = r->rate;
        p->eta_s = r->eta_s;
        p->finished = r->finished;
        p->has_bytes_rate = 1;
        p->bytes_rate = (uint64_t)bytes_rate_of(c, r->step);
        out->steps[i] = p;
    }
}

static void build_tables(struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->n_tables = c->tables.n;
    out->tables = arena_calloc(a, c->tables.n, sizeof *out->tables);
    for (size_t i = 0; i < c->tables.n; i++) {
        const struct table_row *r = &c->tables.at[i];
        Oms__TableProgress *p = arena_alloc(a, sizeof *p);

        oms__table_progress__init(p);
        p->step = copy(a, r->step);
        p->table = copy(a, r->table);
        p->state = copy(a, r->state);
        p->detail = copy(a, r->detail);
        p->has_done = p->has_total = 1;
        p->done = r->done;
        p->total = r->total;
        out->tables[i] = p;
    }
}

static void split_choices(struct arena *a, const char *choices, Oms__Incident *p)
{
    char *at = copy(a, choices), *one;

    p->choices = arena_calloc(a, at ? strlen(at) / 2 + 1 : 0, sizeof *p->choices);
    while (at && (one = strsep(&at, ",")) != NULL) {
        while (*one == ' ')
            one++;
        if (*one)
            p->choices[p->n_choices++] = one;
    }
}

static void build_incidents(struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->n_incidents = c->incidents.n;
    out->incidents = arena_calloc(a, c->incidents.n, sizeof *out->incidents);
    for (size_t i = 0; i < c->incidents.n; i++) {
        const struct incident_row *r = &c->incidents.at[i];
        Oms__Incident *p = arena_alloc(a, sizeof *p);

        oms__incident__init(p);
        p->key = copy(a, r->key);
        p->code = copy(a, r->code);
        p->summary = copy(a, r->summary);
        p->evidence = copy(a, r->evidence);
        split_choices(a, r->choices, p);
        p->table = copy(a, r->table);
        p->transaction = copy(a, r->transaction);
        out->incidents[i] = p;
    }
}

static void build_metrics(struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->n_metrics = c->metrics.n;
    out->metrics = arena_calloc(a, c->metrics.n, sizeof *out->metrics);
    for (size_t i = 0; i < c->metrics.n; i++) {
        Oms__Metric *p = arena_alloc(a, sizeof *p);

        oms__metric__init(p);
        p->name = copy(a, c->metrics.at[i].name);
        p->has_value = 1;
        p->value = c->metrics.at[i].value;
        out->metrics[i] = p;
    }
}

static void build_notes(struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->notes = arena_calloc(a, c->notes.n + 1, sizeof *out->notes);
    for (size_t i = 0; i < c->notes.n; i++) {
        Oms__Note *p;

        if (!c->notes.at[i].text)
            continue;
        p = arena_alloc(a, sizeof *p);
        oms__note__init(p);
        p->name = copy(a, c->notes.at[i].name);
        p->text = copy(a, c->notes.at[i].text);
        out->notes[out->n_notes++] = p;
    }
}

static Oms__Error *build_error(const struct err *e, struct arena *a)
{
    static const char *const classes[] = {"RETRY", "STOP", "FENCE", "BUG"};
    Oms__Error *p = arena_alloc(a, sizeof *p);

    oms__error__init(p);
    p->code = copy(a, err_name(e->code));
    p->message = copy(a, e->message);
    p->class_name = copy(a, classes[err_class_of(e->code)]);
    return p;
}

static void build_lag(const struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->lag_note = copy(a, c->lag_note);
    if (!c->has_lag)
        return;
    out->lag_kind = copy(a, c->lag.kind);
    out->has_lag_unknown_since_us = c->lag.unknown_since_us != 0;
    out->lag_unknown_since_us = c->lag.unknown_since_us;
    out->has_backlog_txns = out->has_drain_ms = 1;
    out->backlog_txns = c->lag.backlog_txns;
    out->drain_ms = c->lag.drain_ms;
}

static void build_position(const struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    out->position = copy(a, c->position ? c->position : "");
    out->has_lag_ms = out->has_caught_up = out->has_backlog_bytes = 1;
    out->lag_ms = c->lag_ms;
    out->caught_up = c->caught_up;
    out->backlog_bytes = c->backlog_bytes;
}

/* Who measures the lag may wait for a server meanwhile: the last figure grows old, and after a
 * while it says nothing. */
static void age_lag(const struct component *c, Oms__ComponentReport *out)
{
    int64_t age = mono_ms_between(c->position_at, clock_mono());

    if (out->lag_ms < 0 || age < LAG_FRESH_MS)
        return;
    out->caught_up = false;
    if (age < LAG_OLD_MS) {
        out->lag_ms += age;
        return;
    }
    out->lag_ms = out->backlog_bytes = -1;
    out->has_lag_unknown_since_us = 1;
    out->lag_unknown_since_us = clock_wall().us - age * 1000;
    if (out->has_backlog_txns)
        out->backlog_txns = out->drain_ms = -1;
}

Oms__ComponentReport *report_build(struct component *c, struct arena *a)
{
    Oms__ComponentReport *out = arena_alloc(a, sizeof *out);

    oms__component_report__init(out);
    pthread_mutex_lock(&c->lock);
    out->id = copy(a, c->spec->id);
    out->has_epoch = 1;
    out->epoch = c->spec->epoch;
    out->nonce = copy(a, c->nonce);
    out->state = copy(a, c->state);
    build_steps(c, a, out);
    build_tables(c, a, out);
    rows_build(c, a, out);
    build_incidents(c, a, out);
    build_metrics(c, a, out);
    build_notes(c, a, out);
    if (c->has_position)
        build_position(c, a, out);
    build_lag(c, a, out);
    if (c->has_position)
        age_lag(c, out);
    if (c->error.code != ERR_NONE)
        out->error = build_error(&c->error, a);
    out->address = copy(a, c->address);
    out->result = copy(a, c->result);
    out->has_live_revision = 1;
    out->live_revision = c->live_revision;
    out->has_seq = 1;
    out->seq = ++c->seq;
    pthread_mutex_unlock(&c->lock);
    return out;
}

void report_fini(struct component *c)
{
    for (size_t i = 0; i < c->steps.n; i++) {
        free(c->steps.at[i].step);
        free(c->steps.at[i].unit);
    }
    for (size_t i = 0; i < c->tables.n; i++) {
        free(c->tables.at[i].step);
        free(c->tables.at[i].table);
        free(c->tables.at[i].state);
        free(c->tables.at[i].detail);
    }
    for (size_t i = 0; i < c->metrics.n; i++)
        free(c->metrics.at[i].name);
    for (size_t i = 0; i < c->incidents.n; i++)
        free_incident(&c->incidents.at[i]);
    vec_fini(&c->steps);
    vec_fini(&c->tables);
    rows_fini(c);
    vec_fini(&c->metrics);
    for (size_t i = 0; i < c->notes.n; i++) {
        free(c->notes.at[i].name);
        free(c->notes.at[i].text);
    }
    vec_fini(&c->notes);
    vec_fini(&c->incidents);
    free(c->position);
    free(c->address);
    free(c->lag_note);
    free(c->result);
}
