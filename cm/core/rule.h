/*
 * What the CM does by itself, as one ordered array: for each step of each project the first rule
 * whose condition holds acts, then the facts are looked at again. Each row has a stable number,
 * which is in the event it writes. Pure.
 */
#ifndef OMS_CM_CORE_RULE_H
#define OMS_CM_CORE_RULE_H

#include "cm/core/facts.h"

struct rule {
    unsigned number;
    const char *event; /* "step.started" */
    bool (*when)(const struct facts *f);
    void (*effect)(struct cycle *y, struct facts *f);
    const char *sentence; /* what goes to the event log */
};
extern const struct rule rules[];
extern const unsigned n_rules;

/* Decides about one step until no rule holds. */
void rules_apply_step(struct cycle *y, struct project *p, enum step_kind k);

/* Crashes within CRASH_WINDOW_MS after which a component is given up. */
#define CRASHES_MAX 20
#define CRASH_WINDOW_MS 300000
/* A component without a report for so long hangs. */
#define HANG_MS 60000
/* Epochs tried when the target refuses. */
#define REFUSALS_MAX 6

#endif
