/* Facts before rules (facts.h). */
#include "cm/core/facts.h"

#include <string.h>

/* Exit codes of components, by the class of their error. */
enum { EXIT_STOP = 11, EXIT_FENCE = 12, EXIT_BUG = 13 };

static bool phase_is_wanted(const struct project *p, enum step_phase phase)
{
    switch (p->want) {
    case WANT_RUN:
        return phase == PHASE_RUN;
    case WANT_RELEASE:
        return phase == PHASE_RELEASE;
    case WANT_FINISH:
        return phase == PHASE_RELEASE || phase == PHASE_FINISH;
    default:
        return false;
    }
}

static bool component_has_stopped(const struct cluster *c, const struct component *x)
{
    const Oms__ComponentStatus *st = component_status(x);
    const struct host *h = cluster_host(c, x->host);

    if (x->goal_run)
        return false;
    /* Nothing heard of it: its host is silent, and the seal's takeover ends what still writes. */
    if (!h || !h->is_up || !st)
        return !h || !h->is_up;
    return !status_is_alive(st);
}

static bool is_settled(const struct cluster *c, const struct project *p, enum step_phase phase)
{
    for (int k = 0; k < STEP_COUNT; k++) {
        const struct component *x = project_component(c, p, (enum step_kind)k);
        if (x && step_rows[k].phase < phase && !component_has_stopped(c, x))
            return false;
    }
    return true;
}

void facts_of(const struct cycle *y, struct project *p, enum step_kind k, struct facts *f)
{
    *f = (struct facts){.c = y->c,
                        .now = y->now,
                        .p = p,
                        .kind = k,
                        .row = &step_rows[k],
                        .s = &p->steps[k],
                        .x = project_component(y->c, p, k)};
    f->wanted = phase_is_wanted(p, f->row->phase);
    f->ready = true;
    for (int i = 0; i < STEP_COUNT; i++)
        if (f->row->after & 1u << i)
            f->ready &= step_is_over(p->steps[i].state);
    f->wanted &= f->ready || !f->row->yields;
    f->settled = f->row->phase == PHASE_RUN || is_settled(y->c, p, f->row->phase);
    f->caught_up = project_is_caught_up(y->c, p, y->now.mono);
    if (!f->x)
        return;
    f->host = cluster_host(y->c, f->x->host);
    f->elsewhere = host_choose(y, f->x);
    f->st = component_status(f->x);
    if (f->st && (f->st->epoch != f->x->epoch || f->st->revision != f->x->revision))
        f->st = NULL;
    f->rp = f->st ? f->st->report : NULL;
}

bool facts_ended(const struct facts *f)
{
    return f->st && !status_is_alive(f->st);
}

/* A Supervisor calls it "done" (exit 0, not asked for) or "refused" (classes STOP, FENCE, BUG);
 * "stopped" with goal RUN is about to be started. */
bool facts_ended_well(const struct facts *f)
{
    return facts_ended(f) && f->x->goal_run && text_is(f->st->state, "done");
}

static bool ended_with(const struct facts *f, int code)
{
    return facts_ended(f) && f->x->goal_run && text_is(f->st->state, "refused") &&
           f->st->has_exit_code && f->st->exit_code == code;
}

bool facts_ended_badly(const struct facts *f)
{
    return ended_with(f, EXIT_STOP) || ended_with(f, EXIT_BUG);
}

bool facts_was_refused(const struct facts *f)
{
    return ended_with(f, EXIT_FENCE);
}

const Oms__StepProgress *facts_progress(const struct facts *f)
{
    for (size_t i = 0; f->rp && i < f->rp->n_steps; i++)
        if (text_is(f->rp->steps[i]->step, f->row->name))
            return f->rp->steps[i];
    return NULL;
}
