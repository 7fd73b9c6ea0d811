/*
 * The choice copy-again of a held DDL: one table is dropped on the target, made from its present
 * definition and copied anew, while Incr-Sync waits with its claim given back. The list of such
 * tables is kept with the project: Full-Import is told those that are not done, Incr-Sync all of
 * them, so that it knows which DDL is part of a copy. Incr-Sync is told in the same live part that
 * full runs again, and that is level: it never goes on beside the copy.
 */
#include "cm/core/cycle.h"

static const Oms__ComponentLive *kept_list(const struct project *p)
{
    static const Oms__ComponentLive none = OMS__COMPONENT_LIVE__INIT;

    return p->copy_again.m ? (const Oms__ComponentLive *)p->copy_again.m : &none;
}

static void keep(struct project *p, Oms__CopyAgain **list, size_t n)
{
    Oms__ComponentLive live = OMS__COMPONENT_LIVE__INIT;

    live.copied_again = list;
    live.n_copied_again = n;
    kept_set(&p->copy_again, &live.base);
    p->named.dirty = true;
}

size_t again_list(const struct project *p, bool all, struct arena *a, Oms__CopyAgain ***out)
{
    const Oms__ComponentLive *had = kept_list(p);
    size_t n = 0;

    *out = arena_calloc(a, had->n_copied_again + 2, sizeof(void *));
    for (size_t i = 0; i < had->n_copied_again; i++)
        if (all || !had->copied_again[i]->done)
            (*out)[n++] = had->copied_again[i];
    return n;
}

static bool is_asked(const struct project *p, const Oms__Incident *in)
{
    const Oms__ComponentLive *had = kept_list(p);

    for (size_t i = 0; i < had->n_copied_again; i++)
        if (text_is(had->copied_again[i]->table, in->table) &&
            text_is(had->copied_again[i]->transaction, in->transaction))
            return true;
    return false;
}

static void forget_verdict(struct project *p, const char *name)
{
    struct table *t = project_table(p, name);

    text_set(&t->copy, "waiting");
    text_set(&t->verification, "");
    text_set(&t->detail, "");
    t->rows_done = 0;
    t->compared = false;
    p->tables_dirty = true;
}

bool again_ask(struct cycle *y, struct project *p, const Oms__Incident *in, struct err *e)
{
    struct component *full = project_component(y->c, p, STEP_FULL),
                     *reader = project_component(y->c, p, STEP_INCREMENTAL);
    Oms__CopyAgain one = OMS__COPY_AGAIN__INIT, **list;
    size_t n;

    if (text_is(in->table, "") || text_is(in->transaction, ""))
        return err_set(e, ERR_INVALID, "the incident names no table to copy again");
    if (is_asked(p, in))
        return true;
    if ((p->want != WANT_RUN && p->want != WANT_PAUSE) || !full || !reader ||
        p->steps[STEP_FULL].state != STEP_DONE)
        return err_set(e, ERR_WRONG_STATE,
                       "cannot copy '%s' again: project '%s' is %s, and its full step %s",
                       in->table, p->named.key, project_state_name(p),
                       step_state_name(p->steps[STEP_FULL].state));
    n = again_list(p, true, y->a, &list);
    one.table = in->table;
    one.transaction = in->transaction;
    list[n++] = &one;
    keep(p, list, n);
    forget_verdict(p, in->table);
    step_set(p, STEP_FULL, STEP_RUNNING);
    kept_set(&p->steps[STEP_FULL].progress, NULL);
    component_restart(y, full);
    component_tell_copy(y, p);
    cycle_event(y, "copy.again", p->named.key, 0, "table '%s' is made and copied anew", in->table);
    return true;
}

void again_done(struct project *p)
{
    const Oms__ComponentLive *had = kept_list(p);
    size_t open = 0;

    for (size_t i = 0; i < had->n_copied_again; i++) {
        open += !had->copied_again[i]->done;
        had->copied_again[i]->has_done = true;
        had->copied_again[i]->done = true;
    }
    p->named.dirty |= open > 0;
}
