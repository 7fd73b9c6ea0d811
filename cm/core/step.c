/* The table of steps: what runs, after what, and when it is done. */
#include "cm/core/step.h"

#include <string.h>

#include "cm/core/facts.h"
#include "cm/core/spec.h"

static bool task_is_done(const struct facts *f)
{
    return facts_ended_well(f) && f->x->outcome.m != NULL;
}

static bool precheck_is_done(const struct facts *f)
{
    if (!task_is_done(f))
        return false;
    const Oms__TaskOutcome *o = (const Oms__TaskOutcome *)f->x->outcome.m;
    for (size_t i = 0; i < o->n_checks; i++)
        if (text_is(o->checks[i]->verdict, "failed"))
            return false;
    return true;
}

/* An end without this word is no end: told to stop, a component also ends well. */
static bool progress_is_finished(const struct facts *f)
{
    const Oms__StepProgress *g = facts_progress(f);

    return g && g->finished;
}

static bool never(const struct facts *f)
{
    (void)f;
    return false;
}

static bool verification_is_done(const struct facts *f)
{
    if (!progress_is_finished(f))
        return false;
    for (size_t i = 0; i < f->rp->n_metrics; i++)
        if (text_is(f->rp->metrics[i]->name, "verification.round"))
            return f->rp->metrics[i]->value >= (double)f->p->verify_round;
    return false;
}

static bool verification_is_off(const struct facts *f)
{
    const Oms__VerificationOptions *o = project_file(f->p)->verification;

    return o && o->has_enabled && !o->enabled && f->p->verify_round <= 1;
}

static bool full_is_off(const struct facts *f)
{
    return !project_copies(f->p);
}

static bool is_caught_up(const struct facts *f)
{
    return f->caught_up;
}

static bool has_settled(const struct facts *f)
{
    return f->settled;
}

static bool nothing_was_written(const struct facts *f)
{
    const struct step *full = &f->p->steps[STEP_FULL];

    return f->wanted && (full->state == STEP_PENDING || full->state == STEP_SKIPPED) &&
           f->p->steps[STEP_INCREMENTAL].state == STEP_PENDING;
}

#define AFTER(k) (1u << STEP_##k)

const struct step_row step_rows[STEP_COUNT] = {
    [STEP_PRECHECK] = {.name = "precheck",
                       .component = "task-precheck",
                       .kind = "task",
                       .verb = "precheck",
                       .at_source = true,
                       .is_done = precheck_is_done,
                       .spec = spec_precheck},
    [STEP_SCHEMA] = {.name = "schema",
                     .component = "task-schema",
                     .kind = "task",
                     .verb = "schema",
                     .task = "schema",
                     .after = AFTER(PRECHECK),
                     .is_done = task_is_done,
                     .spec = spec_task},
    [STEP_LOG_PULL] = {.name = "log pull",
                       .component = "store",
                       .kind = "store",
                       .after = AFTER(SCHEMA),
                       .stays = true,
                       .at_source = true,
                       .is_bound = true,
                       .is_done = progress_is_finished,
                       .spec = spec_store},
    [STEP_FULL] = {.name = "full",
                   .component = "full",
                   .kind = "full-import",
                   .task = "full",
                   .after = AFTER(LOG_PULL),
                   .is_skipped = full_is_off,
                   .is_done = progress_is_finished,
                   .spec = spec_full},
    [STEP_INCREMENTAL] = {.name = "incremental",
                          .component = "incremental",
                          .kind = "incr-sync",
                          .task = "incremental",
                          .after = AFTER(LOG_PULL) | AFTER(FULL),
                          .stays = true,
                          .is_done = never,
                          .spec = spec_incremental},
    [STEP_VERIFICATION] = {.name = "verification",
                           .component = "verification",
                           .kind = "full-verification",
                           .after = AFTER(FULL),
                           .stays = true,
                           .yields = true,
                           .may_start = is_caught_up,
                           .is_skipped = verification_is_off,
                           .is_done = verification_is_done,
                           .spec = spec_verification},
    [STEP_SEAL] = {.name = "seal",
                   .component = "task-seal",
                   .kind = "task",
                   .verb = "seal",
                   .phase = PHASE_RELEASE,
                   .may_start = has_settled,
                   .is_skipped = nothing_was_written,
                   .is_done = task_is_done,
                   .spec = spec_seal},
    [STEP_FINISH] = {.name = "finish",
                     .component = "task-finish",
                     .kind = "task",
                     .verb = "finish",
                     .after = AFTER(SEAL),
                     .phase = PHASE_FINISH,
                     .is_done = task_is_done,
                     .spec = spec_task},
};

enum step_kind step_from_name(const char *name)
{
    for (int k = 0; k < STEP_COUNT; k++)
        if (text_is(step_rows[k].name, name))
            return (enum step_kind)k;
    return STEP_NONE;
}
