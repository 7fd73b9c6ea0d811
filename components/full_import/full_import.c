/*
 * The life of one Full-Import: set up, let workers copy, show progress, create indexes, done.
 * See full_import.h and, for threads and locks, import_priv.h.
 */
#include "components/full_import/full_import.h"

#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/cond.h"
#include "components/full_import/import_priv.h"

#define SHOW_MS 500
#define LOOK_MS 20
#define RATE_SMOOTHING 0.3

static const char *const state_names[] = {
    [TABLE_WAITING] = "waiting", [TABLE_PLANTING] = "copying", [TABLE_COPYING] = "copying",
    [TABLE_CLOSING] = "copying", [TABLE_COPIED] = "copied",    [TABLE_INDEXED] = "done"};

struct gauge { /* a smoothed rate */
    uint64_t last;
    double per_s;
    struct mono at;
};

static double gauge_update(struct gauge *g, uint64_t value, struct mono now)
{
    int64_t ms = mono_ms_between(g->at, now);

    if (g->at.ns == 0 || ms <= 0) {
        g->last = value;
        g->at = now;
        return 0;
    }
    double now_per_s = value > g->last ? (double)(value - g->last) * 1000 / (double)ms : 0;
    g->per_s =
        g->per_s <= 0 ? now_per_s : g->per_s * (1 - RATE_SMOOTHING) + now_per_s * RATE_SMOOTHING;
    g->last = value;
    g->at = now;
    return g->per_s;
}

/* The estimate of a table's rows never falls below what is there already, and is exact at its end.
 */
static void show(struct import *im, struct gauge *rows, struct gauge *bytes)
{
    uint64_t done = 0, total = 0;
    double rate;

    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];
        uint64_t d = atomic_load(&t->rows_done), all = t->rows_total > d ? t->rows_total : d;
        enum table_state s;

        pthread_mutex_lock(&im->lock);
        s = t->state;
        pthread_mutex_unlock(&im->lock);
        if (s >= TABLE_COPIED)
            all = d;
        done += d;
        total += all;
        component_table(im->c, "full", t->key, state_names[s], d, all, NULL);
    }
    rate = gauge_update(rows, done, clock_mono());
    component_progress(im->c, "full", "rows", done, total, rate,
                       rate > 0 ? (int64_t)((double)(total - done) / rate) : -1);
    component_metric(im->c, "full.bytes_rate",
                     gauge_update(bytes, atomic_load(&im->bytes_done), clock_mono()));
}

static void follow_live(struct import *im)
{
    Oms__ComponentLive *live = component_live(im->c);

    if (live && live->has_max_rows_per_second)
        im->cap_rows_per_s = live->max_rows_per_second;
    component_live_free(live);
}

static bool copy_goes_on(struct import *im)
{
    return !plan_all_copied(im) && !plan_is_stopping(im) && !component_stopping(im->c);
}

/* Until figures are due again; the end of the copy is not waited past. */
static void wait_while_copying(struct import *im)
{
    for (int64_t left = SHOW_MS; left > 0 && copy_goes_on(im); left -= LOOK_MS)
        if (component_wait(im->c, LOOK_MS))
            return;
}

static bool copy(struct import *im, struct err *e)
{
    struct gauge rows = {0}, bytes = {0};
    bool ok = workers_start(im, e);

    while (ok && copy_goes_on(im)) {
        follow_live(im);
        show(im, &rows, &bytes);
        wait_while_copying(im);
    }
    workers_stop(im);
    show(im, &rows, &bytes);
    if (ok && plan_error(im, e))
        return false;
    return ok;
}

static bool run(struct import *im, struct err *e)
{
    struct gauge rows = {0}, bytes = {0};

    if (!import_setup(im, e) || !copy(im, e))
        return false;
    if (!plan_all_copied(im))
        return true; /* told to stop; what is done is kept */
    if (!import_indexes(im, e))
        return component_stopping(im->c);
    show(im, &rows, &bytes);
    component_step_done(im->c, "full");
    log_event(LOG_INFO, "full.done", "tables=%zu", im->tables.n);
    return true;
}

bool full_import_run(struct component *c, struct err *e)
{
    struct import im = {.c = c};
    bool ok;

    arena_init(&im.arena, 0);
    pthread_mutex_init(&im.lock, NULL);
    pthread_mutex_init(&im.claim_lock, NULL);
    cond_init(&im.changed);
    ok = run(&im, e);
    import_fini(&im);
    return ok;
}
