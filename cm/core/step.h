/* The table of steps: one row is all that a new step of a project needs. Pure. */
#ifndef OMS_CM_CORE_STEP_H
#define OMS_CM_CORE_STEP_H

#include <stdbool.h>

enum step_kind {
    STEP_PRECHECK,
    STEP_SCHEMA,
    STEP_LOG_PULL,
    STEP_FULL,
    STEP_INCREMENTAL,
    STEP_VERIFICATION,
    STEP_SEAL,
    STEP_FINISH,
    STEP_COUNT,
    STEP_NONE = STEP_COUNT /* a component of no step: the test of a data source */
};
enum step_phase { PHASE_RUN, PHASE_RELEASE, PHASE_FINISH };

struct facts;
struct project;
struct spec_builder;

struct step_row {
    const char *name;      /* "log pull" */
    const char *component; /* suffix of the component's id: "store" */
    const char *kind;      /* of the component */
    const char *task;      /* suffix of its fence key on the target; NULL: writes nothing */
    const char *verb;      /* of an oms-task */
    unsigned after;        /* bits 1u << step_kind that must be done or skipped */
    enum step_phase phase;
    bool stays;                                /* its component runs on after the step is done */
    bool yields;                               /* stops while a step before it runs again */
    bool at_source;                            /* placed near the source, else near the target */
    bool is_bound;                             /* its directory holds what cannot be moved */
    bool (*may_start)(const struct facts *f);  /* beyond `after`; NULL: always */
    bool (*is_skipped)(const struct facts *f); /* NULL: never */
    bool (*is_done)(const struct facts *f);
    void (*spec)(struct spec_builder *b);
};
extern const struct step_row step_rows[STEP_COUNT];

/* STEP_COUNT: no step of that name. */
enum step_kind step_from_name(const char *name);

#endif
