/* The rules (rule.h). */
#include "cm/core/rule.h"

#include <inttypes.h>

#define STEP_ROUNDS_MAX 16 /* rules that may fire for one step in one cycle */

/* --- conditions --------------------------------------------------------------------------------
 */

static bool is_unwanted(const struct facts *f)
{
    return f->x && f->x->goal_run && !f->wanted;
}

static bool is_skipped(const struct facts *f)
{
    return f->s->state == STEP_PENDING && f->row->is_skipped && f->row->is_skipped(f);
}

static bool is_running(const struct facts *f)
{
    return f->s->state == STEP_RUNNING && f->x;
}

static bool stays_or_runs(const struct facts *f)
{
    return f->x && f->x->goal_run && (is_running(f) || f->row->stays);
}

static bool is_done(const struct facts *f)
{
    return is_running(f) && f->row->is_done(f);
}

static bool found_failed_checks(const struct facts *f)
{
    return is_running(f) && f->kind == STEP_PRECHECK && facts_ended_well(f) &&
           f->x->outcome.m != NULL;
}

static bool was_refused(const struct facts *f)
{
    return stays_or_runs(f) && facts_was_refused(f);
}

static bool was_refused_for_good(const struct facts *f)
{
    return was_refused(f) && f->x->refusals >= REFUSALS_MAX;
}

static bool ended_badly(const struct facts *f)
{
    return stays_or_runs(f) && facts_ended_badly(f) && f->s->state != STEP_FAILED;
}

static bool crashes_too_often(const struct facts *f)
{
    return stays_or_runs(f) && f->x->crashes >= CRASHES_MAX && f->s->state != STEP_FAILED;
}

/* Its last report was lost with its Supervisor, or it ended before its work did. */
static bool ended_without_word(const struct facts *f)
{
    return stays_or_runs(f) && f->s->state != STEP_FAILED && facts_ended_well(f);
}

/* Alive, but its report has not come for long, though its Supervisor speaks. */
static bool hangs(const struct facts *f)
{
    return stays_or_runs(f) && f->host && f->host->is_up && f->st &&
           text_is(f->st->state, "running") && f->st->has_report_age_ms &&
           f->st->report_age_ms > HANG_MS;
}

static bool is_over(const struct facts *f)
{
    return f->x && f->x->goal_run && f->s->state == STEP_DONE && !f->row->stays;
}

static bool may_start(const struct facts *f)
{
    return f->s->state == STEP_PENDING && f->wanted && f->ready && !project_is_failed(f->p) &&
           (!f->row->may_start || f->row->may_start(f));
}

static bool should_run(const struct facts *f)
{
    return f->x && !f->x->goal_run && f->wanted &&
           (f->s->state == STEP_RUNNING || (f->s->state == STEP_DONE && f->row->stays));
}

static bool has_no_place(const struct facts *f)
{
    return f->x && f->x->goal_run && !f->host && f->elsewhere;
}

static bool lost_its_host(const struct facts *f)
{
    return stays_or_runs(f) && f->host && !f->host->is_up && !f->row->is_bound && f->elsewhere &&
           f->elsewhere != f->host;
}

/* --- effects -----------------------------------------------------------------------------------
 */

static void stop(struct cycle *y, struct facts *f)
{
    component_set_goal(y, f->x, false);
}

static void skip(struct cycle *y, struct facts *f)
{
    (void)y;
    step_set(f->p, f->kind, STEP_SKIPPED);
}

static void take_outcome(struct facts *f)
{
    if (f->x->outcome.m)
        detail_outcome(f->p, f->kind, (const Oms__TaskOutcome *)f->x->outcome.m);
}

static void finish(struct cycle *y, struct facts *f)
{
    take_outcome(f);
    step_set(f->p, f->kind, STEP_DONE);
    f->p->tables_dirty |= f->p->tables.n > 0;
    /* Who waits for the copy is told. */
    if (f->kind == STEP_FULL) {
        again_done(f->p);
        component_tell_copy(y, f->p);
    }
    if (project_is_released(f->p))
        cycle_event(y, "project.released", f->p->named.key, 0, "project '%s' is released",
                    f->p->named.key);
}

static void fail(struct cycle *y, struct facts *f, const char *code, const char *message)
{
    take_outcome(f);
    step_fail(f->p, f->kind, code, message);
    component_set_goal(y, f->x, false);
    cycle_event(y, "project.failed", f->p->named.key, 0, "step '%s': %s: %s", f->row->name, code,
                message);
}

static void fail_precheck(struct cycle *y, struct facts *f)
{
    const Oms__TaskOutcome *o = (const Oms__TaskOutcome *)f->x->outcome.m;
    const char *first = "";
    unsigned n = 0;

    for (size_t i = 0; i < o->n_checks; i++)
        if (text_is(o->checks[i]->verdict, "failed") && n++ == 0)
            first = arena_printf(y->a, "%s: %s", text_or_empty(o->checks[i]->id),
                                 text_or_empty(o->checks[i]->reason));
    fail(y, f, "PRECHECK_FAILED",
         arena_printf(y->a, n > 1 ? "%u checks failed; the first: %s" : "%u check failed: %s", n,
                      first));
}

static void fail_with_word(struct cycle *y, struct facts *f)
{
    const Oms__Error *e = f->st->last_word;

    if ((!e || text_is(e->code, "")) && f->rp)
        e = f->rp->error;
    if (e && !text_is(e->code, ""))
        fail(y, f, e->code, text_or_empty(e->message));
    else
        fail(y, f, "BUG",
             arena_printf(y->a, "component '%s' ended with exit code %d and no word of why",
                          f->x->named.key, f->st->exit_code));
}

static void fail_crashes(struct cycle *y, struct facts *f)
{
    fail(y, f, "COMPONENT_CRASHES",
         arena_printf(y->a, "component '%s' crashed %" PRIu32 " times within %d minutes",
                      f->x->named.key, f->x->crashes, CRASH_WINDOW_MS / 60000));
}

/* Steps grow, so that an epoch that was lost with MetaDB is passed soon. */
static void raise_epoch(struct cycle *y, struct facts *f)
{
    uint64_t reported = f->st->epoch + ((1ull << f->x->refusals) - 1);

    f->x->refusals++;
    component_raise_epoch(y, f->x, reported);
}

static void again(struct cycle *y, struct facts *f)
{
    uint32_t crashes = f->x->crashes + 1; /* counts as one: it must not go on for ever */

    component_restart(y, f->x);
    f->x->crashes = crashes;
}

static void start(struct cycle *y, struct facts *f)
{
    if (!f->x)
        f->x = component_new(y, arena_printf(y->a, "%s.%s", f->p->named.key, f->row->component),
                             f->p->named.key, f->kind);
    component_set_goal(y, f->x, true);
    step_set(f->p, f->kind, STEP_RUNNING);
}

static void run(struct cycle *y, struct facts *f)
{
    component_set_goal(y, f->x, true);
}

static void place(struct cycle *y, struct facts *f)
{
    component_put(y, f->x, f->elsewhere);
}

const struct rule rules[] = {
    {101, "component.stopped", is_unwanted, stop,
     "is told to stop: the project does not want it to run now"},
    {102, "step.skipped", is_skipped, skip, "has nothing to do"},
    {103, "step.done", is_done, finish, "is done"},
    {104, "step.failed", found_failed_checks, fail_precheck, "found what must be removed first"},
    {105, "step.failed", was_refused_for_good, fail_with_word,
     "is refused by the target whatever epoch it has"},
    {106, "component.epoch", was_refused, raise_epoch,
     "was refused by the target and gets a higher epoch"},
    {107, "step.failed", ended_badly, fail_with_word, "ended with an error that a person removes"},
    {108, "step.failed", crashes_too_often, fail_crashes, "crashes too often"},
    {109, "component.stopped", is_over, stop, "has done its work"},
    {110, "component.again", ended_without_word, again,
     "ended before its step was done, and runs again"},
    {115, "component.again", hangs, again, "gives no report any more, and is started again"},
    {111, "step.started", may_start, start, "is started: all it starts after is done"},
    {112, "component.started", should_run, run, "is told to run"},
    {113, "component.placed", has_no_place, place, "is given a host"},
    {114, "component.moved", lost_its_host, place, "moves: its host is silent"},
};
const unsigned n_rules = ARRAY_LEN(rules);

static void tell(struct cycle *y, const struct rule *r, const struct facts *f)
{
    const struct component *x = f->x ? f->x : project_component(y->c, f->p, f->kind);
    bool of_step = r->event[0] == 's';
    const char *subject =
        of_step || !x ? f->p->named.key : x->named.key; /* component ids begin with the project */

    if (of_step)
        cycle_event(y, r->event, subject, r->number, "step '%s' %s", f->row->name, r->sentence);
    else
        cycle_event(y, r->event, subject, r->number, "component '%s' %s%s%s", subject, r->sentence,
                    x && !text_is(x->host, "") ? ", host " : "",
                    x && cluster_host(y->c, x->host)
                        ? text_or_empty(host_identity(cluster_host(y->c, x->host))->name)
                        : "");
}

void rules_apply_step(struct cycle *y, struct project *p, enum step_kind k)
{
    for (int round = 0; round < STEP_ROUNDS_MAX; round++) {
        const struct rule *hit = NULL;
        struct facts f;

        facts_of(y, p, k, &f);
        for (unsigned i = 0; i < n_rules && !hit; i++)
            if (rules[i].when(&f))
                hit = &rules[i];
        if (!hit)
            return;
        hit->effect(y, &f);
        tell(y, hit, &f);
        p->version++;
    }
}

void rules_apply(struct cycle *y)
{
    for (size_t i = 0; i < y->c->projects.n; i++)
        for (int k = 0; k < STEP_COUNT; k++)
            rules_apply_step(y, (struct project *)y->c->projects.at[i], (enum step_kind)k);
}
