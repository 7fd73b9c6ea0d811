/* What the files of ddl_plan.h share: one statement while its plan is made. Pure. */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_DDL_PLAN_PRIV_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_DDL_PLAN_PRIV_H

#include "components/incr_sync/core/ddl_plan.h"

#define LATER                                                                                    \
    "the copy of a table of that name began behind it: what is on the target is later than the " \
    "statement"

struct named { /* a table of the record, with its place */
    struct ddl_table t;
    const char *db, *name; /* of the source */
    struct ddl_place place;
};
struct planning {
    struct ddl_plan *plan;
    const struct ddl_record *d;
    const struct ddl_plan_params *p;
    struct named *named;
    size_t n;
    bool for_trial; /* splice: subjects become the trial's tables */
};

/* Always false: the verdict. */
bool plan_hold(struct planning *g, const char *why);
bool plan_pass(struct planning *g, const char *why);
const char *plan_key_of(struct planning *g, const struct named *n);
struct ddl_object *plan_add_object(struct planning *g, const struct named *n);

/* --- ddl_moves.c: true: it is to run ------------------------------------------------------------
 */
bool plan_drop(struct planning *g);
bool plan_rename(struct planning *g);
/* An ALTER that also renames, where the copy of one of both names began behind it. */
bool plan_alter_behind_copies(struct planning *g, const struct named *subject,
                              const struct named *to);
/* "db.name" of the table that a swap brings in from outside, and that another copy would mend. */
const char *plan_table_that_enters(struct planning *g);

#endif
