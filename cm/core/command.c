/* Commands of people to projects that exist, components and incidents. Each is answered here. */
#include <inttypes.h>

#include "cm/core/cycle.h"

static struct project *find_project(struct cycle *y, void *call, const char *name)
{
    struct project *p = cluster_project(y->c, text_or_empty(name));
    struct err e = ERR_INIT;

    if (!p) {
        err_set(&e, ERR_NOT_FOUND, "there is no project '%s'", text_or_empty(name));
        cycle_refuse(y, call, &e);
    }
    return p;
}

static void refuse_state(struct cycle *y, void *call, const struct project *p, const char *what)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_WRONG_STATE, "cannot %s project '%s': it is %s", what, p->named.key,
            project_state_name(p));
    cycle_refuse(y, call, &e);
}

static void want(struct project *p, enum want w)
{
    p->want = w;
    p->named.dirty = true;
    p->version++;
}

/* The cause is gone, says a person: what failed is tried again. */
static unsigned retry_failed(struct cycle *y, struct project *p)
{
    unsigned n = 0;

    for (int k = 0; k < STEP_COUNT; k++) {
        struct component *x = project_component(y->c, p, (enum step_kind)k);
        if (p->steps[k].state != STEP_FAILED || !step_is_in_play(p, (enum step_kind)k))
            continue;
        n++;
        step_set(p, (enum step_kind)k, STEP_RUNNING);
        if (!x)
            continue;
        component_restart(y, x);
        x->refusals = 0;
        component_set_goal(y, x, true);
    }
    return n;
}

static void start_or_resume(struct cycle *y, const struct cluster_event *ev, const char *verb,
                            const char *event)
{
    struct project *p = find_project(y, ev->call, ((const Oms__NameRequest *)ev->request)->name);

    if (!p)
        return;
    bool first = p->want == WANT_INIT,
         releasing = p->want == WANT_RELEASE || p->want == WANT_FINISH;
    if (project_is_released(p) || (releasing && !project_is_failed(p)) ||
        (first && ev->command == COMMAND_PROJECT_RESUME)) {
        refuse_state(y, ev->call, p, verb);
        return;
    }
    bool was_running = p->want == WANT_RUN && !project_is_failed(p);
    unsigned failed = retry_failed(y, p);
    if (!releasing)
        want(p, WANT_RUN);
    if (was_running) {
        cycle_say(y, ev->call, "project '%s' is running already", p->named.key);
        return;
    }
    cycle_event(y, event, p->named.key, 0,
                failed ? "a person asks to %s; %u failed steps run again" : "a person asks to %s",
                verb, failed);
    cycle_say(y, ev->call, "project '%s': %s is recorded; oms project watch %s shows the rest",
              p->named.key, verb, p->named.key);
}

static void project_start(struct cycle *y, const struct cluster_event *ev)
{
    start_or_resume(y, ev, "start", "project.started");
}

static void project_resume(struct cycle *y, const struct cluster_event *ev)
{
    start_or_resume(y, ev, "resume", "project.resumed");
}

static void project_pause(struct cycle *y, const struct cluster_event *ev)
{
    struct project *p = find_project(y, ev->call, ((const Oms__NameRequest *)ev->request)->name);

    if (!p)
        return;
    if (p->want != WANT_RUN && p->want != WANT_PAUSE) {
        refuse_state(y, ev->call, p, "pause");
        return;
    }
    want(p, WANT_PAUSE);
    cycle_event(y, "project.paused", p->named.key, 0, "a person asks to pause");
    cycle_say(y, ev->call, "project '%s' is paused; its components stop", p->named.key);
}

/* What --finish demands before anything is sealed. */
static bool may_finish(struct cycle *y, const struct project *p, struct err *e)
{
    if (p->want == WANT_FINISH)
        return true;
    if (p->want == WANT_RUN && project_is_caught_up(y->c, p, y->now.mono))
        return true;
    return err_set(e, ERR_WRONG_STATE,
                   "cannot finish project '%s': it is not caught up; wait until it is, or release "
                   "it without --finish",
                   p->named.key);
}

static void project_release(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__ReleaseRequest *r = (const Oms__ReleaseRequest *)ev->request;
    struct project *p = find_project(y, ev->call, r->name);
    struct err e = ERR_INIT;

    if (!p)
        return;
    if (project_is_released(p) || (p->want == WANT_RELEASE && r->finish)) {
        refuse_state(y, ev->call, p, r->finish ? "finish" : "release");
        return;
    }
    if (r->finish && !may_finish(y, p, &e)) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    if (p->want == WANT_RELEASE || p->want == WANT_FINISH)
        (void)retry_failed(y, p);
    want(p, r->finish ? WANT_FINISH : WANT_RELEASE);
    cycle_event(y, "project.releasing", p->named.key, 0,
                r->finish ? "a person asks to finish: seal, then foreign keys and triggers"
                          : "a person asks to release");
    cycle_say(y, ev->call, "project '%s' is being released; oms project watch %s shows the rest",
              p->named.key, p->named.key);
}

static void verify_start(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__VerifyRequest *r = (const Oms__VerifyRequest *)ev->request;
    struct project *p = find_project(y, ev->call, r->name);
    Oms__ComponentLive tables = OMS__COMPONENT_LIVE__INIT;
    struct err e = ERR_INIT;

    if (!p)
        return;
    if (p->want != WANT_RUN && p->want != WANT_PAUSE) {
        refuse_state(y, ev->call, p, "verify");
        return;
    }
    for (size_t i = 0; i < r->n_tables; i++)
        if (!named_find(&p->tables, r->tables[i])) {
            err_set(&e, ERR_NOT_FOUND, "project '%s' has no table '%s'", p->named.key,
                    r->tables[i]);
            cycle_refuse(y, ev->call, &e);
            return;
        }
    tables.verify_tables = r->tables;
    tables.n_verify_tables = r->n_tables;
    detail_new_round(p, &tables);
    p->version++;
    struct component *x = project_component(y->c, p, STEP_VERIFICATION);
    struct step *s = &p->steps[STEP_VERIFICATION];
    kept_set(&s->progress, NULL);
    if (x) {
        if (s->state == STEP_FAILED)
            component_restart(y, x);
        component_live_changed(y, x);
        step_set(p, STEP_VERIFICATION, STEP_RUNNING);
    } else {
        step_set(p, STEP_VERIFICATION, STEP_PENDING); /* also one that was skipped */
    }
    cycle_event(y, "verification.asked", p->named.key, 0, "a person asks for round %" PRIu64,
                p->verify_round);
    cycle_say(y, ev->call, "verification of project '%s' starts, round %" PRIu64, p->named.key,
              p->verify_round);
}

static void restart(struct cycle *y, const struct cluster_event *ev)
{
    const char *id = text_or_empty(((const Oms__NameRequest *)ev->request)->name);
    struct component *x = cluster_component(y->c, id);
    struct err e = ERR_INIT;

    if (!x || !x->goal_run) {
        err_set(&e, x ? ERR_WRONG_STATE : ERR_NOT_FOUND,
                x ? "component '%s' is not wanted to run: resume its project"
                  : "there is no component '%s'",
                id);
        cycle_refuse(y, ev->call, &e);
        return;
    }
    component_restart(y, x);
    cycle_event(y, "component.restart", id, 0, "a person asks to restart");
    cycle_say(y, ev->call, "component '%s' stops and starts again", id);
}

static void resolve(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__IncidentRequest *r = (const Oms__IncidentRequest *)ev->request;
    struct incident *i = cluster_incident(y->c, r->id);
    struct project *p = i ? cluster_project(y->c, incident_row(i)->project) : NULL;
    struct err e = ERR_INIT;

    if (!i)
        err_set(&e, ERR_NOT_FOUND, "there is no incident %" PRIu64, r->id);
    if (!i || !incident_may_choose(i, r->choice, r->text, &e) ||
        !incident_may_change(y, i, r->choice, r->text, &e) ||
        (p && text_is(r->choice, CHOICE_COPY_AGAIN) && !again_ask(y, p, incident_row(i), &e))) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    incident_answer(y, i, r->choice, r->text);
    if (p)
        p->version++;
    cycle_event(y, "incident.answered", incident_row(i)->component_id, 0,
                "a person answers incident %" PRIu64 ": %s", i->id, r->choice);
    cycle_say(y, ev->call, "incident %" PRIu64 " is answered: %s", i->id, r->choice);
}

typedef void command_fn(struct cycle *y, const struct cluster_event *ev);
static command_fn *const commands[COMMAND_COUNT] = {
    [COMMAND_SOURCE_ADD] = command_source_add,
    [COMMAND_SOURCE_REMOVE] = command_source_remove,
    [COMMAND_SOURCE_TEST] = command_source_test,
    [COMMAND_PROJECT_CREATE] = command_project_create,
    [COMMAND_PROJECT_START] = project_start,
    [COMMAND_PROJECT_PAUSE] = project_pause,
    [COMMAND_PROJECT_RESUME] = project_resume,
    [COMMAND_PROJECT_RELEASE] = project_release,
    [COMMAND_PROJECT_REMOVE] = command_project_remove,
    [COMMAND_PROJECT_SET] = command_project_set,
    [COMMAND_VERIFY_START] = verify_start,
    [COMMAND_COMPONENT_RESTART] = restart,
    [COMMAND_INCIDENT_RESOLVE] = resolve,
};

void command_do(struct cycle *y, const struct cluster_event *ev)
{
    commands[ev->command](y, ev);
}
