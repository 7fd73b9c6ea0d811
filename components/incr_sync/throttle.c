/*
 * What slows main down on purpose: the project's limits of speed (core/pace.h) and pressure on the
 * target (core/pressure.h). A limit is asked where groups are formed: what may not start stays in
 * the window, the window fills, blocks keep their share of the budget, and the reader stops
 * reading. So a slow rate costs no memory. Each attempt is paid for, a repeated one again: the
 * limit spares the target. What is applied in pieces is paid for at its end, because nobody knew
 * its size.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define BYTES_PER_MB 1000000

void throttle_open(struct sync *s)
{
    struct mono now = clock_mono();

    pace_init(&s->pace, now);
    pressure_init(&s->carry->pressure, s->n_slots, now);
    throttle_follow(s);
}

uint32_t throttle_slots(const struct sync *s)
{
    return s->carry->pressure.active;
}

static void follow_limits(struct sync *s)
{
    Oms__ComponentLive *live = component_live(s->c);
    uint64_t rows = s->options->max_rows_per_second, mb = s->options->max_mb_per_second;

    if (live && live->has_max_rows_per_second)
        rows = live->max_rows_per_second;
    if (live && live->has_max_mb_per_second)
        mb = live->max_mb_per_second;
    component_live_free(live);
    pace_set(&s->pace, rows, mb * BYTES_PER_MB, clock_mono());
}

static void follow_pressure(struct sync *s)
{
    struct pressure *p = &s->carry->pressure;
    uint32_t busy = 0, was = p->active;

    for (uint32_t i = 0; s->workers && i < s->n_slots; i++)
        busy += s->workers[i].busy;
    if (pressure_tick(p, busy >= p->active && window_waiting(s->window), clock_mono()))
        log_event(LOG_INFO, "incr_sync.slots", "%" PRIu32 " of %" PRIu32 " slots at work, %s",
                  p->active, p->most,
                  p->active > was ? "one more" : "fewer: the target became slower");
    if (p->active == p->most)
        component_note(s->c, "pressure", NULL);
}

void throttle_follow(struct sync *s)
{
    follow_limits(s);
    follow_pressure(s);
}

struct window_group *throttle_group(struct sync *s, uint32_t slot)
{
    struct window_allowance allowed;
    struct window_group *g;
    const struct source_txn *refused;

    if (!pace_allows(&s->pace, clock_mono(), &allowed)) {
        s->limited = true;
        return NULL;
    }
    window_allow(s->window, &allowed);
    g = window_group(s->window, slot);
    refused = window_refused(s->window);
    if (g) {
        pace_take(&s->pace, g->changes, g->bytes);
    } else if (refused) {
        pace_shut(&s->pace, refused->changes, refused->bytes);
        s->limited = true;
    }
    return g;
}

static void note_pressure(struct sync *s, int number, const char *text)
{
    const struct pressure *p = &s->carry->pressure;
    char note[300];

    snprintf(note, sizeof note, "the target's error %d: %.200s", number, text);
    component_note(s->c, "pressure", note);
    log_event(LOG_INFO, "incr_sync.slots",
              "%" PRIu32 " of %" PRIu32 " slots at work after the target's error %d: %s", p->active,
              p->most, number, text);
}

void throttle_answered(struct sync *s, const struct worker *w, const struct window_group *g)
{
    static const enum pressure_sign sign_of[] = {[TARGET_CALM] = PRESSURE_NONE,
                                                 [TARGET_DEADLOCK] = PRESSURE_DEADLOCK,
                                                 [TARGET_PRESSED] = PRESSURE_HARD};
    struct mono now = clock_mono();
    bool failed = !w->ok || w->result.outcome == APPLY_RETRY;
    int number = w->ok ? w->result.conflict_errno : w->err.sys;

    if (g->txns.n == 1 && g->txns.at[0]->pipe)
        pace_take(&s->pace, w->changes, w->bytes);
    else if (!failed && g->txns.n > 0)
        pressure_committed(&s->carry->pressure, w->changes, now.ns - w->began.ns);
    if (failed && w->target->pressure_of &&
        pressure_failed(&s->carry->pressure, sign_of[w->target->pressure_of(number)], now))
        note_pressure(s, number, w->ok ? w->result.conflict_text : w->err.message);
}

int64_t throttle_wait_ms(const struct sync *s, int64_t otherwise)
{
    int64_t ms = s->limited ? pace_wait_ms(&s->pace, clock_mono()) : otherwise;

    return ms < otherwise ? ms : otherwise;
}
