/* A host of the laboratory: its Supervisor and its components (cluster_lab.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "test/lib/cluster_lab.h"

enum { TASK_TURNS = 2, STORE_TURNS = 1, FULL_TURNS = 4, CATCH_UP_TURNS = 2, VERIFY_TURNS = 3 };

void lab_host_open(struct lab_host *h, const char *id, const char *idc)
{
    memset(h, 0, sizeof *h);
    h->id = h->name = id;
    h->idc = idc;
    h->boot = "boot-1";
}

static void unit_free(struct lab_unit *u)
{
    free(u->id);
    free(u->kind);
    free(u->verb);
    free(u->error);
    free(u->peer);
    free(u->choice);
    free(u);
}

void lab_host_close(struct lab_host *h)
{
    for (size_t i = 0; i < h->units.n; i++)
        unit_free(h->units.at[i]);
    vec_fini(&h->units);
}

struct lab_unit *lab_unit(struct lab_host *h, const char *id)
{
    for (size_t i = 0; i < h->units.n; i++)
        if (strcmp(h->units.at[i]->id, id) == 0)
            return h->units.at[i];
    return NULL;
}

static bool has_process(const struct lab_unit *u)
{
    return u->state == UNIT_RUNNING || u->state == UNIT_STOPPING;
}

/* --- the process -------------------------------------------------------------------------------
 */

static void unit_start(struct lab_host *h, struct lab_unit *u)
{
    u->state = UNIT_RUNNING;
    u->nonce = ++h->nonces;
    u->process_epoch = u->epoch;
    u->work = 0;
    u->has_incident = false;
}

static void unit_end(struct lab_unit *u, int code, const char *error)
{
    struct end end = {code >= 128 ? END_SIGNAL : END_EXIT, code};

    u->exit_code = code;
    text_set(&u->error, error);
    u->state = goal_after_end(u->state, u->goal, end, false);
    if (u->state == UNIT_BACKOFF)
        u->restarts++;
}

void lab_unit_kill(struct lab_unit *u)
{
    if (has_process(u))
        unit_end(u, 137, "");
}

static bool is_sick(const struct lab_host *h, const struct lab_unit *u)
{
    return h->sick && (strcmp(h->sick, u->kind) == 0 || strcmp(h->sick, u->verb) == 0);
}

static void work(struct lab_host *h, struct lab_unit *u)
{
    if (is_sick(h, u)) {
        unit_end(u, h->sick_exit, h->sick_error);
        return;
    }
    u->work++;
    if (strcmp(u->kind, "task") == 0 && u->work >= TASK_TURNS)
        unit_end(u, 0, "");
    if (strcmp(u->kind, "full-import") == 0 && u->work >= FULL_TURNS)
        unit_end(u, 0, "");
    if (strcmp(u->kind, "incr-sync") == 0 && (h->ddl || u->has_incident)) {
        u->has_incident = !u->choice || u->choice[0] == '\0';
        h->ddl &= u->has_incident; /* what was answered does not come back */
    }
}

static void follow_goal(struct lab_host *h, struct lab_unit *u)
{
    switch (goal_action(u->state, u->goal)) {
    case ACT_START:
    case ACT_START_DUE:
        unit_start(h, u);
        break;
    case ACT_TERM:
    case ACT_KILL_LATE:
        u->state = UNIT_STOPPING;
        unit_end(u, 0, "");
        break;
    case ACT_FORGET:
        u->state = UNIT_STOPPED;
        break;
    default:
        break;
    }
}

void lab_host_work(struct lab_host *h)
{
    for (size_t i = 0; i < h->units.n; i++) {
        follow_goal(h, h->units.at[i]);
        if (h->units.at[i]->state == UNIT_RUNNING)
            work(h, h->units.at[i]);
    }
}

/* --- what it reports ---------------------------------------------------------------------------
 */

static void *add(struct arena *a, const void *init, size_t size)
{
    return arena_memdup(a, init, size);
}

static void report_step(Oms__ComponentReport *r, const char *step, bool finished, struct arena *a)
{
    Oms__StepProgress init = OMS__STEP_PROGRESS__INIT;
    Oms__StepProgress *s = add(a, &init, sizeof init);

    s->step = (char *)step;
    s->has_finished = s->has_done = s->has_total = true;
    s->finished = finished;
    s->done = finished;
    s->total = 1;
    r->steps = arena_alloc(a, sizeof(void *));
    r->steps[r->n_steps++] = s;
}

static void report_table(Oms__ComponentReport *r, const char *step, const char *state,
                         struct arena *a)
{
    Oms__TableProgress init = OMS__TABLE_PROGRESS__INIT;
    Oms__TableProgress *t = add(a, &init, sizeof init);

    t->step = (char *)step;
    t->table = (char *)"shop.orders";
    t->state = (char *)state;
    r->tables = arena_alloc(a, sizeof(void *));
    r->tables[r->n_tables++] = t;
}

static void report_round(Oms__ComponentReport *r, uint64_t round, struct arena *a)
{
    Oms__Metric init = OMS__METRIC__INIT;
    Oms__Metric *m = add(a, &init, sizeof init);

    m->name = (char *)"verification.round";
    m->has_value = true;
    m->value = (double)round;
    r->metrics = arena_alloc(a, sizeof(void *));
    r->metrics[r->n_metrics++] = m;
}

static void report_incident(Oms__ComponentReport *r, struct arena *a)
{
    static char *choices[] = {(char *)"done-by-hand", (char *)"skip", (char *)"copy-again"};
    Oms__Incident init = OMS__INCIDENT__INIT;
    Oms__Incident *in = add(a, &init, sizeof init);

    in->key = (char *)"ddl:1";
    in->code = (char *)"DDL_HELD";
    in->summary = (char *)"a table was changed";
    in->choices = choices;
    in->n_choices = 3;
    in->table = (char *)"shop.t";
    in->transaction = (char *)"mariadb:0=1-1";
    r->incidents = arena_alloc(a, sizeof(void *));
    r->incidents[r->n_incidents++] = in;
}

static Oms__ComponentReport *report(const struct lab_host *h, const struct lab_unit *u,
                                    struct arena *a)
{
    Oms__ComponentReport init = OMS__COMPONENT_REPORT__INIT;
    Oms__ComponentReport *r = add(a, &init, sizeof init);

    r->id = u->id;
    r->has_epoch = true;
    r->epoch = u->process_epoch;
    r->nonce = arena_printf(a, "%s-%" PRIu64, h->id, u->nonce);
    r->state = (char *)(u->state == UNIT_RUNNING ? "running" : "done");
    if (strcmp(u->kind, "store") == 0) {
        report_step(r, "log pull", u->work >= STORE_TURNS, a);
        r->address = arena_printf(a, "%s:%" PRIu64, h->id, 4000 + u->nonce);
    } else if (strcmp(u->kind, "full-import") == 0) {
        report_step(r, "full", u->work >= FULL_TURNS, a);
        report_table(r, "full", u->work >= FULL_TURNS ? "done" : "copying", a);
    } else if (strcmp(u->kind, "incr-sync") == 0) {
        report_step(r, "incremental", false, a);
        r->has_lag_ms = r->has_caught_up = true;
        r->caught_up = u->full_done && u->peer && u->peer[0] && u->work >= CATCH_UP_TURNS;
        r->lag_ms = r->caught_up ? 10 : -1;
        if (u->has_incident)
            report_incident(r, a);
    } else if (strcmp(u->kind, "full-verification") == 0) {
        bool done = u->work >= VERIFY_TURNS;
        report_step(r, "verification", done, a);
        report_table(r, "verification", done ? "equal" : "comparing", a);
        report_round(r, done ? u->round : 0, a);
    }
    return r;
}

static Oms__ComponentStatus *status(const struct lab_host *h, const struct lab_unit *u,
                                    struct arena *a)
{
    Oms__ComponentStatus init = OMS__COMPONENT_STATUS__INIT;
    Oms__ComponentStatus *s = add(a, &init, sizeof init);

    s->id = u->id;
    s->has_epoch = s->has_revision = s->has_restarts = s->has_exit_code = true;
    s->epoch = has_process(u) ? u->process_epoch : u->epoch;
    s->revision = u->revision;
    s->state = (char *)unit_state_name(u->state);
    s->restarts = u->restarts;
    s->exit_code = u->exit_code;
    if (u->error && u->error[0]) {
        Oms__Error e = OMS__ERROR__INIT;
        s->last_word = add(a, &e, sizeof e);
        s->last_word->code = u->error;
        s->last_word->message = (char *)"of the laboratory";
    }
    if (u->nonce != 0) {
        s->report = report(h, u, a);
        s->has_report_age_ms = true;
    }
    return s;
}

/* A task's outcome, as the shell would have parsed it from the report. */
static const Oms__TaskOutcome *outcome(const struct lab_host *h, const struct lab_unit *u,
                                       struct arena *a)
{
    Oms__TaskOutcome init = OMS__TASK_OUTCOME__INIT;
    Oms__CheckView check = OMS__CHECK_VIEW__INIT;
    Oms__TaskOutcome *o;

    if (strcmp(u->kind, "task") != 0 || u->state != UNIT_DONE)
        return NULL;
    o = add(a, &init, sizeof init);
    if (strcmp(u->verb, "precheck") == 0) {
        o->checks = arena_alloc(a, sizeof(void *));
        o->checks[0] = add(a, &check, sizeof check);
        o->checks[0]->id = (char *)"source.connect";
        o->checks[0]->verdict = (char *)(h->bad_check ? "failed" : "ok");
        o->checks[0]->reason = (char *)(h->bad_check ? h->bad_check : "");
        o->n_checks = 1;
    }
    return o;
}

/* --- what it is told ---------------------------------------------------------------------------
 */

/* A running process is handed only what is newer than what it has. */
static void take_live(struct lab_unit *u, const Oms__ComponentLive *live)
{
    if (!live || (has_process(u) && live->revision <= u->live))
        return;
    if (u->round != live->verify_round && strcmp(u->kind, "full-verification") == 0)
        u->work = 0;
    u->live = live->revision;
    u->round = live->verify_round;
    u->full_done = live->full_done;
    text_set(&u->peer, live->n_peers > 0 ? live->peers[0]->address : "");
    text_set(&u->choice, live->n_answers > 0 ? live->answers[0]->choice : "");
}

static void take_directive(struct lab_host *h, const Oms__Directive *d)
{
    struct lab_unit *u = lab_unit(h, d->spec->id);
    bool run = strcmp(d->goal, "RUN") == 0;

    if (!u) {
        if (!run)
            return;
        u = must_calloc(1, sizeof *u);
        text_set(&u->id, d->spec->id);
        text_set(&u->kind, d->spec->kind);
        text_set(&u->verb, d->spec->fixed ? d->spec->fixed->verb : "");
        u->state = UNIT_STOPPED;
        u->exit_code = -1;
        vec_push(&h->units, u);
    }
    if (d->revision <= u->directive || d->spec->epoch < u->epoch)
        return;
    bool fresh = run && (d->spec->epoch > u->epoch || d->spec->revision > u->revision);
    u->directive = d->revision;
    u->goal = run ? GOAL_RUN : GOAL_STOP;
    if (fresh) {
        u->epoch = d->spec->epoch;
        u->revision = d->spec->revision;
        u->restarts = 0;
        u->exit_code = -1;
        text_set(&u->error, "");
        u->state = UNIT_STOPPED; /* the old process ends first; it takes no time here */
        u->nonce = 0;
    }
    take_live(u, d->spec->live);
}

/* Nothing is told that is not committed, and nothing is stopped that is wanted here. */
static void check_directive(struct lab *l, const struct lab_host *h, const Oms__Directive *d)
{
    const struct lab_row *r = lab_find(l, "component", d->spec->id);
    struct arena a;

    if (d->revision > l->revision)
        lab_break(l, "'%s' got directive %" PRIu64 ", committed are %" PRIu64, d->spec->id,
                  d->revision, l->revision);
    if (!r || strcmp(d->goal, "STOP") != 0)
        return;
    arena_init(&a, 0);
    const Oms__ComponentRow *row =
        (Oms__ComponentRow *)message_unpack(&oms__component_row__descriptor, r->body, r->len, &a);
    if (strcmp(row->goal, "RUN") == 0 && strcmp(row->host, h->id) == 0 &&
        row->epoch == d->spec->epoch)
        lab_break(l, "'%s' is told to stop on '%s', where it is wanted", d->spec->id, h->id);
    arena_fini(&a);
}

static void forget(struct lab_host *h, const char *id)
{
    for (size_t i = 0; i < h->units.n; i++)
        if (strcmp(h->units.at[i]->id, id) == 0 && !has_process(h->units.at[i])) {
            unit_free(h->units.at[i]);
            h->units.at[i] = h->units.at[--h->units.n];
            return;
        }
}

static void take_reply(struct lab *l, struct lab_host *h, const Oms__HostSyncReply *r)
{
    snprintf(h->token, sizeof h->token, "%s", r->token);
    for (size_t i = 0; i < r->n_directives; i++) {
        check_directive(l, h, r->directives[i]);
        take_directive(h, r->directives[i]);
    }
    for (size_t i = 0; i < r->n_forget; i++)
        forget(h, r->forget[i]);
    if (r->revision > h->kept)
        h->kept = r->revision;
}

bool lab_host_sync(struct lab *l, struct lab_host *h, bool lose, struct err *e)
{
    Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
    Oms__HostReport rep = OMS__HOST_REPORT__INIT;
    Oms__HostIdentity id = OMS__HOST_IDENTITY__INIT;
    struct cluster_event ev = {.kind = EVENT_SYNC, .request = &q.base, .call = &ev};
    struct arena a;

    arena_init(&a, 0);
    const Oms__TaskOutcome **outcomes = arena_calloc(&a, h->units.n + 1, sizeof *outcomes);
    rep.components = arena_calloc(&a, h->units.n + 1, sizeof(void *));
    for (size_t i = 0; i < h->units.n; i++) {
        rep.components[rep.n_components++] = status(h, h->units.at[i], &a);
        outcomes[i] = outcome(h, h->units.at[i], &a);
    }
    id.host_id = (char *)h->id;
    id.name = (char *)h->name;
    id.idc = (char *)h->idc;
    id.machine_id = (char *)h->id;
    id.boot_id = (char *)h->boot;
    rep.identity = &id;
    q.report = &rep;
    q.token = h->token;
    q.has_directives_revision = true;
    q.directives_revision = h->kept;
    ev.outcomes = outcomes;
    for (size_t i = 0; i < sizeof ev.fresh.b; i++)
        ev.fresh.b[i] = (uint8_t)lab_random(l, 256);
    bool ok = lab_step(l, &ev, e);
    if (ok && !lose)
        take_reply(l, h, sync_reply(l->c, cluster_host(l->c, h->id), h->kept, &a));
    arena_fini(&a);
    return ok;
}

void lab_run(struct lab *l, struct lab_host *h, unsigned rounds)
{
    struct err e = ERR_INIT;

    for (unsigned i = 0; i < rounds; i++) {
        lab_host_work(h);
        must(lab_host_sync(l, h, false, &e));
        lab_pass(l, 1000);
    }
}
