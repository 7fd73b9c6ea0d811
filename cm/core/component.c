/* A component's numbers: goal, epoch, revisions. Every change is a new directive. */
#include <stdlib.h>

#include "cm/core/cycle.h"

const struct step_row *component_row(const struct component *x)
{
    return x->step < STEP_COUNT ? &step_rows[x->step] : NULL;
}

static void give_directive(struct cycle *y, struct component *x)
{
    x->directive = ++y->c->revision;
    y->c->revision_dirty = true;
    x->named.dirty = true;
}

struct component *component_new(struct cycle *y, const char *id, const char *project,
                                enum step_kind step)
{
    struct component *x = must_calloc(1, sizeof *x);

    text_set(&x->named.key, id);
    text_set(&x->project, project);
    text_set(&x->host, "");
    text_set(&x->address, "");
    x->step = step;
    x->epoch = x->revision = 1;
    named_add(&y->c->components, &x->named);
    give_directive(y, x);
    x->live = x->directive;
    return x;
}

void component_free(struct component *x)
{
    free(x->named.key);
    free(x->project);
    free(x->host);
    free(x->address);
    free(x->test_source);
    kept_fini(&x->status);
    kept_fini(&x->outcome);
    free(x);
}

void component_remove(struct cycle *y, struct component *x)
{
    struct host *h = cluster_host(y->c, x->host);

    if (h) {
        char *id = must_strdup(x->named.key);

        vec_push(&h->removed, id);
    }
    cycle_remove(y, "component", x->named.key);
    named_drop(&y->c->components, &x->named);
    component_free(x);
}

void component_set_goal(struct cycle *y, struct component *x, bool run)
{
    if (x->goal_run == run)
        return;
    x->goal_run = run;
    give_directive(y, x);
}

/* What was said by the older one no longer counts. */
static void forget_reports(struct component *x)
{
    kept_set(&x->status, NULL);
    kept_set(&x->outcome, NULL);
    x->has_report = x->restarts_known = false;
    x->crashes = 0;
}

void component_tell_readers(struct cycle *y, struct component *x)
{
    static const enum step_kind readers[] = {STEP_INCREMENTAL, STEP_VERIFICATION};
    const struct project *p = cluster_project(y->c, x->project);

    for (size_t i = 0; p && x->step == STEP_LOG_PULL && i < ARRAY_LEN(readers); i++) {
        struct component *reader = project_component(y->c, p, readers[i]);

        if (reader)
            component_live_changed(y, reader);
    }
}

void component_tell_copy(struct cycle *y, const struct project *p)
{
    static const enum step_kind told[] = {STEP_LOG_PULL, STEP_INCREMENTAL};

    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct component *x = project_component(y->c, p, told[i]);

        if (x)
            component_live_changed(y, x);
    }
}

void component_raise_epoch(struct cycle *y, struct component *x, uint64_t reported)
{
    x->epoch = (reported > x->epoch ? reported : x->epoch) + 1;
    forget_reports(x);
    give_directive(y, x);
    component_tell_readers(y, x);
}

void component_restart(struct cycle *y, struct component *x)
{
    x->revision++;
    forget_reports(x);
    give_directive(y, x);
}

void component_live_changed(struct cycle *y, struct component *x)
{
    give_directive(y, x);
    x->live = x->directive;
}

void component_send_again(struct cycle *y, struct component *x)
{
    give_directive(y, x);
}

void component_put(struct cycle *y, struct component *x, struct host *h)
{
    bool moved = !text_is(x->host, "");

    text_set(&x->host, h->named.key);
    text_set(&x->address, "");
    if (moved)
        component_raise_epoch(y, x, x->epoch);
    else
        give_directive(y, x);
}
