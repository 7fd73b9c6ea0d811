/*
 * A real component of few lines. Its live part's verify_round says what it does: 0 goes on, DONE
 * ends with its work done, REFUSE ends with an error that needs a person, RETRY with one that does
 * not, STUBBORN does not stop. It reports the round it has seen, its secret as position, and an
 * incident "hold" whose answer "go" it reports as the metric "gone".
 */
#ifndef OMS_TEST_CONTRACT_SUPERVISOR_TEST_COMPONENT_H
#define OMS_TEST_CONTRACT_SUPERVISOR_TEST_COMPONENT_H

#include <string.h>

#include "common/log/log.h"
#include "components/runtime/component.h"

enum { ROUND_DONE = 101, ROUND_REFUSE, ROUND_RETRY, ROUND_STUBBORN };

static inline void look_at_incident(struct component *c)
{
    char choice[32];

    if (!component_incident_choice(c, "hold", choice, sizeof choice)) {
        component_incident(c, "hold", "HOLD", "may it go on?", "none", "go, stay");
        return;
    }
    component_incident_gone(c, "hold");
    component_metric(c, "gone", strcmp(choice, "go") == 0);
}

static inline bool test_component_run(struct component *c, struct err *e)
{
    char word[64];

    if (!component_secret(c, "word", word, sizeof word, e))
        return false;
    component_position(c, word, 7, true, -1);
    component_listening(c, "127.0.0.1:1");
    log_event(LOG_INFO, "test.began", "first of all");
    for (uint64_t n = 0, last = 0; !component_wait(c, 20) || last == ROUND_STUBBORN; n++) {
        Oms__ComponentLive *live = component_live(c);
        uint64_t round = live->verify_round;

        component_live_free(live);
        last = round;
        component_metric(c, "round", (double)round);
        component_progress(c, "full", "rows", n, 0, 1.0, -1);
        look_at_incident(c);
        if (round == ROUND_DONE) {
            component_result(c, "{\"checks\":[]}");
            return true;
        }
        if (round == ROUND_REFUSE)
            return err_set(e, ERR_DENIED, "told to refuse");
        if (round == ROUND_RETRY)
            return err_set(e, ERR_TIMEOUT, "told to try again");
    }
    return true;
}

static inline void test_component_ask(struct component *c, const Oms__Ask *ask)
{
    for (size_t i = 0; i < ask->n_args; i++)
        (void)component_answer(c, ask->id, ask->args[i], strlen(ask->args[i]),
                               i + 1 == ask->n_args);
}

static const struct component_ops test_component_ops = {
    .kind = "test",
    .summary = "does what it is told",
    .run = test_component_run,
    .ask = test_component_ask,
};

#endif
