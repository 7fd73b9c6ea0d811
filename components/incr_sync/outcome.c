/* What became of a group: the window is told, figures are counted, holds and pauses follow. Main.
 */
#include <inttypes.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000

static void group_committed(struct sync *s, const struct worker *w, const struct window_group *g)
{
    for (size_t i = 0; i < g->txns.n; i++)
        if (g->txns.at[i]->commit.us > s->newest_commit.us)
            s->newest_commit = g->txns.at[i]->commit;
    account_book_add(&s->carry->rows, &w->account);
    s->counters.rows += w->changes;
    s->counters.cancelled += w->cancelled;
    s->counters.txns += g->txns.n;
    s->counters.groups++;
    meter_group(s, w);
    if (g->txns.n > 0)
        s->committed_at = clock_mono();
    s->pauses = 0;
    if (g->txns.n > 0)
        holds_clear(s); /* a conflict, if there was one: nothing else commits while it is held */
    if (s->error_shown) {
        component_error(s->c, NULL);
        s->error_shown = false;
    }
}

static bool is_piped(const struct window_group *g)
{
    return g->txns.n == 1 && g->txns.at[0]->pipe;
}

/* Its parts are gone: the next claim begins with the first of them. */
static bool comes_again(const struct apply_result *r, struct err *e)
{
    return err_set_sys(e, ERR_SERVER_BUSY, r->conflict_errno,
                       "a large transaction was rolled back, it is read again: %s",
                       r->conflict_text[0] ? r->conflict_text : "the connection broke");
}

void close_pipes(struct sync *s)
{
    for (uint32_t i = 0; s->workers && i < s->n_slots_open; i++)
        if (s->workers[i].busy && is_piped(window_group_of(s->window, i)))
            txn_pipe_close(window_group_of(s->window, i)->txns.at[0]->pipe);
}

bool worker_answered(struct sync *s, struct worker *w, struct err *e)
{
    static const enum window_outcome outcome_of[] = {[APPLY_COMMITTED] = WINDOW_COMMITTED,
                                                     [APPLY_RETRY] = WINDOW_RETRY,
                                                     [APPLY_CONFLICT] = WINDOW_CONFLICT,
                                                     [APPLY_YIELDED] = WINDOW_YIELDED};
    uint32_t slot = (uint32_t)(w - s->workers);
    int64_t pause;

    w->busy = false;
    throttle_answered(s, w, window_group_of(s->window, slot));
    if (!w->ok) {
        *e = w->err;
        return false;
    }
    s->counters.gave_way += w->result.outcome == APPLY_YIELDED;
    if (w->result.outcome == APPLY_COMMITTED)
        group_committed(s, w, window_group_of(s->window, slot));
    else
        log_event(LOG_DEBUG, "incr_sync.rolled_back", "%s: %s",
                  w->result.outcome == APPLY_RETRY ? "retry" : "conflict", w->result.conflict_text);
    if (w->result.outcome == APPLY_RETRY && is_piped(window_group_of(s->window, slot)))
        return comes_again(&w->result, e);
    switch (window_outcome(s->window, slot, outcome_of[w->result.outcome])) {
    case WINDOW_ON:
        break;
    case WINDOW_BACK_OFF:
        pause = PAUSE_FIRST_MS << (s->pauses < 6 ? s->pauses : 6);
        s->pauses++;
        s->pause_until = mono_add_ms(clock_mono(), pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
        report_retry(s, w);
        break;
    case WINDOW_HELD:
        holds_conflict(s, w);
        break;
    }
    return true;
}
