/* Strict order (correctness E2): the gate's life, and who gives way when the next one waits. */
#include "common/log/log.h"
#include "components/incr_sync/sync_priv.h"

/* What the server tells may be old: after so many times the later ones give way anyway, which costs
 * time and nothing else. */
#define ASK_MOST 10

bool strict_look(struct sync *s, struct err *e)
{
    bool waits = true;
    uint64_t turn;

    if (!s->gate)
        return true;
    if (window_in_flight(s->window) == 0) {
        gate_open(s->gate, window_next_turn(s->window));
        return true;
    }
    if (!gate_is_stuck(s->gate, GATE_LOCK_WAIT_MS, &turn))
        return true;
    for (uint32_t i = 0; i < s->n_slots; i++) {
        struct worker *w = &s->workers[i];

        if (!w->busy || window_group_of(s->window, i)->turn != turn)
            continue;
        if (w->target->slot_waits && !w->target->slot_waits(s->claim, w->slot, &waits, e))
            return err_wrap(e, "ask whether the earliest transaction waits for a lock");
        s->asked = s->asked_turn == turn ? s->asked + 1 : 1;
        s->asked_turn = turn;
        if (!waits && s->asked < ASK_MOST)
            return true;
        log_event(LOG_DEBUG, "incr_sync.gives_way",
                  "the group whose turn it is waits for a lock: later ones roll back");
        gate_give_way(s->gate, turn);
        return true;
    }
    return true;
}

int64_t strict_wait_ms(const struct sync *s, int64_t otherwise)
{
    return s->gate && window_in_flight(s->window) > 1 ? GATE_LOCK_WAIT_MS / 4 : otherwise;
}
