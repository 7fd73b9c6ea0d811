/* What a rule may look at: computed anew before the rules of one step of one project. Pure. */
#ifndef OMS_CM_CORE_FACTS_H
#define OMS_CM_CORE_FACTS_H

#include "cm/core/cycle.h"

struct facts {
    const struct cluster *c;
    struct cluster_now now;
    struct project *p;
    enum step_kind kind;
    const struct step_row *row;
    struct step *s;
    struct component *x;            /* NULL: not made yet */
    const Oms__ComponentStatus *st; /* of the present epoch and revision; NULL: none */
    const Oms__ComponentReport *rp; /* in it; NULL: none */
    struct host *host;              /* where x is; NULL: nowhere */
    struct host *elsewhere;         /* where x could run instead; NULL: nowhere */
    bool wanted;                    /* the project wants this step's phase now */
    bool ready;                     /* what it starts after is done or skipped */
    bool settled;                   /* no component of another phase runs any more */
    bool caught_up;                 /* incremental, now */
};

void facts_of(const struct cycle *y, struct project *p, enum step_kind k, struct facts *f);

/* Of the component's process. */
bool facts_ended(const struct facts *f);       /* not running, and not going to by itself */
bool facts_ended_well(const struct facts *f);  /* exit 0 with goal RUN */
bool facts_ended_badly(const struct facts *f); /* class STOP or BUG */
bool facts_was_refused(const struct facts *f); /* class FENCE */
const Oms__StepProgress *facts_progress(const struct facts *f); /* of this step; NULL: none */

#endif
