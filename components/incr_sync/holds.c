/*
 * What needs a person: a DDL at the gate (ddl_gate.c), a conflict. A conflict holds the window, a
 * DDL what touches its tables; nothing is lost, because low stays before them. Answers to a
 * conflict: retry, source-wins, skip, for the one change it names (conflict.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

/* --- conflicts -----------------------------------------------------------------------------------
 */

static void close_incident(struct sync *s)
{
    if (s->hold.key[0] != '\0')
        component_incident_gone(s->c, s->hold.key);
    s->hold.key[0] = '\0';
}

/* What a person is told when the endpoint has said no more than its number. */
static const char *evidence_of(const struct worker *w)
{
    return w->conflicts.open && w->conflicts.evidence[0] ? w->conflicts.evidence
                                                         : w->result.conflict_text;
}

void holds_conflict(struct sync *s, const struct worker *w)
{
    const struct source_txn *t = window_held(s->window);
    uint64_t at = w->conflicts.open ? w->conflicts.at : w->result.conflict_at;
    char id[TXN_TEXT_MAX];
    struct err e = ERR_INIT;

    s->hold.retry_at = mono_add_ms(clock_mono(), CONFLICT_RETRY_MS);
    if (s->hold.key[0] != '\0' && s->hold.at == at)
        return; /* a silent retry met the same thing */
    close_incident(s);
    s->hold.at = at;
    snprintf(s->hold.key, sizeof s->hold.key, "conflict:%s:%" PRIu64, txn_text(t->id, id), at);
    if (conflict_round(&s->carry->book, t->id) > 0)
        snprintf(s->hold.key, sizeof s->hold.key, "conflict:%s:%" PRIu64 ":%" PRIu32, id, at,
                 conflict_round(&s->carry->book, t->id));
    err_set_sys(&e, ERR_TARGET_CONFLICT, w->result.conflict_errno, "%s", evidence_of(w));
    component_incident(s->c, s->hold.key, err_name(ERR_TARGET_CONFLICT),
                       "the target does not take a transaction of the source; everything after "
                       "it waits",
                       evidence_of(w),
                       w->conflicts.open && w->conflicts.can_win ? "retry,source-wins,skip"
                                                                 : "retry,skip");
    component_error(s->c, &e);
    s->error_shown = true;
    log_err(LOG_ERROR, "incr_sync.conflict", &e);
}

/* Asked to, or by itself every few seconds: the cause may have been removed. */
static void conflict_step(struct sync *s)
{
    char choice[32];

    if (component_incident_choice(s->c, s->hold.key, choice, sizeof choice)) {
        conflict_choose(&s->carry->book, window_held(s->window)->id, s->hold.at,
                        strcmp(choice, "source-wins") == 0 ? FIX_SOURCE_WINS
                        : strcmp(choice, "skip") == 0      ? FIX_SKIP
                                                           : FIX_NONE);
        log_event(LOG_INFO, "incr_sync.answer", "%s: %s", s->hold.key, choice);
        close_incident(s);
        if (window_held(s->window)->pipe)
            s->again = true; /* its parts are gone */
        else
            window_retry(s->window);
    } else if (!window_held(s->window)->pipe && mono_cmp(clock_mono(), s->hold.retry_at) >= 0) {
        s->hold.retry_at = mono_add_ms(clock_mono(), CONFLICT_RETRY_MS);
        window_retry(s->window);
    }
}

/* --- both ----------------------------------------------------------------------------------------
 */

void holds_clear(struct sync *s)
{
    close_incident(s);
    s->hold = (struct hold){0};
}

bool holds_step(struct sync *s, struct err *e)
{
    const struct source_txn *t = window_gate(s->window);

    if (window_held(s->window))
        conflict_step(s);
    return !t || gate_step(s, t, e);
}
