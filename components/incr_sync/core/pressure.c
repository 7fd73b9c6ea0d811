/* Slots at work under pressure. See pressure.h. */
#include "components/incr_sync/core/pressure.h"

#define LOWER_MS 1000
#define RAISE_MS 3000
#define RAISE_MOST_MS 60000
#define PERIOD_MS 3000
#define DEADLOCKS_MANY 3.0
#define DEADLOCK_FADES 0.02 /* a commit */
#define SLOWER 4.0
#define SLOW_GROUP_NS 250000000 /* shorter ones are no reason to look */
#define PAYS 1.25               /* the time a change may grow more than the slots do */
#define GROUPS_LEAST 8
#define USUAL_KEEP 0.7

static void measure_anew(struct pressure *p, struct mono now)
{
    p->period = now;
    p->ticks = p->ticks_busy = 0;
    p->groups = p->changes = 0;
    p->busy_ns = 0;
}

void pressure_init(struct pressure *p, uint32_t slots, struct mono now)
{
    if (p->most == slots)
        return;
    *p = (struct pressure){.most = slots, .active = slots, .raise_ms = RAISE_MS};
    measure_anew(p, now);
}

static bool lower(struct pressure *p, uint32_t to, struct mono now)
{
    bool fewer = to < p->active;

    p->active = to > 0 ? to : 1;
    p->lowered = now;
    p->next = mono_add_ms(now, p->raise_ms);
    p->before = 0;
    p->deadlocks = 0;
    measure_anew(p, now);
    return fewer;
}

bool pressure_failed(struct pressure *p, enum pressure_sign sign, struct mono now)
{
    if (sign == PRESSURE_NONE)
        return false;
    if (sign == PRESSURE_DEADLOCK) {
        p->deadlocks += 1;
        if (p->deadlocks < DEADLOCKS_MANY)
            return false;
    }
    p->next = mono_add_ms(now, p->raise_ms);
    if (p->lowered.ns != 0 && mono_ms_between(p->lowered, now) < LOWER_MS)
        return false;
    return p->active > 1 && lower(p, p->active / 2, now);
}

void pressure_committed(struct pressure *p, uint64_t changes, int64_t took_ns)
{
    p->deadlocks = p->deadlocks > DEADLOCK_FADES ? p->deadlocks - DEADLOCK_FADES : 0;
    p->groups++;
    p->changes += changes;
    p->busy_ns += took_ns;
}

/* The slots were busy nearly all the time, and enough was done to tell. 0: cannot tell. */
static double ns_a_change(const struct pressure *p)
{
    if (p->groups < GROUPS_LEAST || p->changes == 0 || p->ticks_busy * 5 < p->ticks * 4)
        return 0;
    return (double)p->busy_ns / (double)p->changes;
}

static bool did_not_pay(const struct pressure *p, double now_ns)
{
    double slots = (double)p->active / (double)(p->active - 1);

    return now_ns > p->before * slots * PAYS;
}

static bool is_much_slower(const struct pressure *p, double now_ns)
{
    return p->usual > 0 && now_ns > SLOWER * p->usual &&
           p->busy_ns / (int64_t)p->groups > SLOW_GROUP_NS;
}

static bool add_one(struct pressure *p, double now_ns, struct mono now)
{
    if (p->active == p->most || mono_cmp(now, p->next) < 0)
        return false;
    p->active++;
    p->before = now_ns;
    p->next = mono_add_ms(now, p->raise_ms);
    return true;
}

/* *changed: the number of slots. */
static void end_trial(struct pressure *p, double now_ns, struct mono now, bool *changed)
{
    if (now_ns <= 0)
        return; /* not busy: nothing speaks against it */
    if (!did_not_pay(p, now_ns)) {
        p->raise_ms = RAISE_MS;
        return;
    }
    p->raise_ms = p->raise_ms * 2 < RAISE_MOST_MS ? p->raise_ms * 2 : RAISE_MOST_MS;
    *changed = lower(p, p->active - 1, now);
}

bool pressure_tick(struct pressure *p, bool all_busy, struct mono now)
{
    bool changed = false;
    double ns;

    p->ticks++;
    p->ticks_busy += all_busy;
    if (mono_ms_between(p->period, now) < PERIOD_MS)
        return false;
    ns = ns_a_change(p);
    if (p->before > 0)
        end_trial(p, ns, now, &changed);
    p->before = 0;
    if (!changed && p->active > 1 && ns > 0 && is_much_slower(p, ns)) {
        p->usual = ns; /* if it stays so slow with fewer, it is not for their number */
        changed = lower(p, p->active / 2, now);
    }
    if (ns > 0)
        p->usual = p->usual > 0 ? USUAL_KEEP * p->usual + (1 - USUAL_KEEP) * ns : ns;
    if (!changed)
        changed = add_one(p, ns, now);
    measure_anew(p, now);
    return changed;
}
