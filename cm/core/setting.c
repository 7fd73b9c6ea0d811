/*
 * Caps of speed, changed while a project runs: they stand in the project's file, which a component
 * that starts gets, and in the live part, which the running one follows. The shell has checked that
 * nothing else is in the request. Pure.
 */
#include "cm/core/cycle.h"

/* One field of both messages; `was` has it already. */
#define TAKE(was, now, field)            \
    do {                                 \
        if ((now)->has_##field) {        \
            (was)->has_##field = true;   \
            (was)->field = (now)->field; \
            n++;                         \
        }                                \
    } while (0)

static unsigned take_full(Oms__FullOptions *was, const Oms__FullOptions *now)
{
    unsigned n = 0;

    TAKE(was, now, max_rows_per_second);
    return n;
}

static unsigned take_incremental(Oms__IncrementalOptions *was, const Oms__IncrementalOptions *now)
{
    unsigned n = 0;

    TAKE(was, now, max_rows_per_second);
    TAKE(was, now, max_mb_per_second);
    return n;
}

static unsigned take_all(struct project *p, const Oms__ProjectSetRequest *r)
{
    Oms__ProjectFile f = *project_file(p);
    Oms__FullOptions full = OMS__FULL_OPTIONS__INIT;
    Oms__IncrementalOptions incremental = OMS__INCREMENTAL_OPTIONS__INIT;
    unsigned n = 0;

    if (r->full) {
        full = f.full ? *f.full : full;
        n += take_full(&full, r->full);
        f.full = &full;
    }
    if (r->incremental) {
        incremental = f.incremental ? *f.incremental : incremental;
        n += take_incremental(&incremental, r->incremental);
        f.incremental = &incremental;
    }
    if (n > 0)
        kept_set(&p->file, &f.base);
    return n;
}

static void tell(struct cycle *y, struct project *p, enum step_kind k)
{
    struct component *x = project_component(y->c, p, k);

    if (x)
        component_live_changed(y, x);
}

void command_project_set(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__ProjectSetRequest *r = (const Oms__ProjectSetRequest *)ev->request;
    struct project *p = cluster_project(y->c, text_or_empty(r->name));
    struct err e = ERR_INIT;

    if (!p)
        err_set(&e, ERR_NOT_FOUND, "there is no project '%s'", text_or_empty(r->name));
    else if (project_is_released(p))
        err_set(&e, ERR_WRONG_STATE, "cannot change project '%s': it is released", p->named.key);
    else if (take_all(p, r) == 0)
        err_set(&e, ERR_INVALID, "there is nothing to change in the request");
    if (e.code != ERR_NONE) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    p->named.dirty = true;
    p->version++;
    if (r->full)
        tell(y, p, STEP_FULL);
    if (r->incremental)
        tell(y, p, STEP_INCREMENTAL);
    cycle_event(y, "project.set", p->named.key, 0, "a person changes the caps of speed");
    cycle_say(y, ev->call, "project '%s' is changed; what runs follows at once", p->named.key);
}

void setting_live(const struct project *p, enum step_kind k, Oms__ComponentLive *live)
{
    const Oms__FullOptions *full = project_file(p)->full;
    const Oms__IncrementalOptions *incremental = project_file(p)->incremental;

    if (k == STEP_FULL && full) {
        live->has_max_rows_per_second = full->has_max_rows_per_second;
        live->max_rows_per_second = full->max_rows_per_second;
    }
    if (k == STEP_INCREMENTAL && incremental) {
        live->has_max_rows_per_second = incremental->has_max_rows_per_second;
        live->max_rows_per_second = incremental->max_rows_per_second;
        live->has_max_mb_per_second = incremental->has_max_mb_per_second;
        live->max_mb_per_second = incremental->max_mb_per_second;
    }
}
