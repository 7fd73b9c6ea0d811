/* Shared by the files of cm/core that change the cluster: one step in progress. Pure. */
#ifndef OMS_CM_CORE_CYCLE_H
#define OMS_CM_CORE_CYCLE_H

#include "cm/core/cluster.h"

struct cycle {
    struct cluster *c;
    struct cluster_now now;
    struct arena *a;
    struct effects *out;
};

/* --- effects (cycle.c) -------------------------------------------------------------------------
 */
void cycle_event(struct cycle *y, const char *name, const char *subject, unsigned rule,
                 const char *fmt, ...) PRINTF(5, 6);
void cycle_answer(struct cycle *y, void *call, const ProtobufCMessage *m);
void cycle_say(struct cycle *y, void *call, const char *fmt, ...) PRINTF(3, 4); /* CommandReply */
void cycle_refuse(struct cycle *y, void *call, const struct err *e);
void cycle_remove(struct cycle *y, const char *table, const char *key);

/* --- components (component.c) ------------------------------------------------------------------
 */
/* A new component, not placed, goal STOP, epoch and revision 1. */
struct component *component_new(struct cycle *y, const char *id, const char *project,
                                enum step_kind step);
void component_free(struct component *x);
void component_remove(struct cycle *y, struct component *x);
/* Each of these gives the component a new directive. */
void component_set_goal(struct cycle *y, struct component *x, bool run);
void component_raise_epoch(struct cycle *y, struct component *x, uint64_t reported);
void component_restart(struct cycle *y, struct component *x); /* new fixed revision */
void component_live_changed(struct cycle *y, struct component *x);
/* Whether the copy is over has changed: the Store and who applies its log are told. */
void component_tell_copy(struct cycle *y, const struct project *p);
/* x is a Store: those that read its stream are told where it is, and its epoch (correctness B5). */
void component_tell_readers(struct cycle *y, struct component *x);
void component_send_again(struct cycle *y,
                          struct component *x); /* a new revision, else as before */
void component_put(struct cycle *y, struct component *x, struct host *h);
const struct step_row *component_row(const struct component *x); /* NULL: a test */

/* --- parts of a step ---------------------------------------------------------------------------
 */
void report_sync(struct cycle *y, const struct cluster_event *ev); /* report.c */
void hosts_judge(struct cycle *y);                                 /* host.c: who is silent */
void command_do(struct cycle *y, const struct cluster_event *ev);  /* command.c */
void tests_judge(struct cycle *y);                                 /* command_source.c */
void rules_apply(struct cycle *y);                                 /* rule.c */
void rows_write(struct cycle *y);                                  /* row.c: dirty things */

/* Numbers of the rules that are not in rule.c's array. */
enum {
    RULE_HOST_JOINED = 1,
    RULE_HOST_UP = 2,
    RULE_HOST_SILENT = 3,
    RULE_HOST_DUPLICATE = 4,
    RULE_ORPHAN = 5,
    RULE_EPOCH_REPORTED = 6,
    RULE_MISSING = 7,
    RULE_INCIDENT_OPEN = 8,
    RULE_INCIDENT_CLOSED = 9,
};

/* --- commands (command_source.c, command_project.c): an answer is given in any case -------------
 */
/* What may be a name: [a-z0-9-], not beginning with '-'. */
bool command_check_start(const Oms__ProjectFile *f, struct err *e) MUST_CHECK;
bool command_check_name(const char *what, const char *name, struct err *e) MUST_CHECK;
void command_source_add(struct cycle *y, const struct cluster_event *ev);
void command_source_remove(struct cycle *y, const struct cluster_event *ev);
void command_source_test(struct cycle *y, const struct cluster_event *ev);
void command_project_create(struct cycle *y, const struct cluster_event *ev);
void command_project_remove(struct cycle *y, const struct cluster_event *ev);
void command_project_set(struct cycle *y, const struct cluster_event *ev);
/* The caps of a step, for the live part of its component (setting.c). */
void setting_live(const struct project *p, enum step_kind k, Oms__ComponentLive *live);

/* --- hosts (host.c) ----------------------------------------------------------------------------
 */
/* Where a component could run now; NULL: nowhere. */
struct host *host_choose(const struct cycle *y, const struct component *x);
/* The identity of a Sync; NULL and *e set: refused. */
struct host *host_hear(struct cycle *y, const Oms__HostSyncRequest *r, struct id fresh,
                       struct err *e);
void host_free(struct host *h);
void host_note_orphan(struct cycle *y, struct host *h, const Oms__ComponentStatus *st);

/* --- a project's parts -------------------------------------------------------------------------
 */
struct project *project_new(struct cluster *c, const char *name);
void project_free(struct project *p);
void step_set(struct project *p, enum step_kind k, enum step_state s);
void step_fail(struct project *p, enum step_kind k, const char *code, const char *message);
/* Verdicts count while verification is open; whole_round: all of them are of the present round. */
void detail_tables(struct project *p, const Oms__ComponentReport *r, bool verification_open,
                   bool whole_round);
void detail_outcome(struct project *p, enum step_kind k, const Oms__TaskOutcome *o);
void detail_new_round(struct project *p, const Oms__ComponentLive *tables);
struct table *project_table(struct project *p, const char *name); /* made if absent */

#define CHOICE_COPY_AGAIN "copy-again"
#define CHOICE_RUN_INSTEAD "run-instead" /* comes with a statement */

/* --- a table copied anew while the flow holds (again.c) ----------------------------------------
 */
/* The choice of this incident: full runs again for its table. An error: it cannot now. */
bool again_ask(struct cycle *y, struct project *p, const Oms__Incident *in,
               struct err *e) MUST_CHECK;
void again_done(struct project *p); /* full has ended */
/* Oms__CopyAgain of the project; only those that full has not ended, or all. */
size_t again_list(const struct project *p, bool all, struct arena *a, Oms__CopyAgain ***out);

/* --- incidents (incident.c) --------------------------------------------------------------------
 */
void incident_free(struct incident *i);
void incidents_take(struct cycle *y, struct component *x, const Oms__ComponentReport *r);
void incidents_of_project_gone(struct cycle *y, const char *project);
bool incident_is_open(const struct incident *i);
const Oms__Incident *incident_row(const struct incident *i);
/* Is it open, or answered in another way, and does it offer this choice? */
bool incident_may_choose(const struct incident *i, const char *choice, const char *with,
                         struct err *e) MUST_CHECK;
/* An answer may be at work: what is recorded must be what was done. */
bool incident_may_change(struct cycle *y, const struct incident *i, const char *choice,
                         const char *with, struct err *e) MUST_CHECK;
void incident_answer(struct cycle *y, struct incident *i, const char *choice, const char *with);

#endif
