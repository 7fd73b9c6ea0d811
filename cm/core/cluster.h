/*
 * The cluster as the CM knows it, and the one function that changes it. cluster_step() takes events
 * (a host's Sync, a person's command, the passing of time), changes the cluster in memory and
 * gives effects: rows to write, answers, events. The shell commits the writes and only then sends
 * answers and directives; if the commit fails it drops the cluster and loads it again.
 *
 * Invariant: what a row holds (row.c) is enough to go on after a crash; everything else (reports,
 * hearing times, tokens) comes again by itself. Each fact is stored once: the state of a project,
 * held steps, lag, specifications are functions of what is here (view.c, spec.c).
 * Owner: cm/lead.c. Thread: loop. Pure.
 */
#ifndef OMS_CM_CORE_CLUSTER_H
#define OMS_CM_CORE_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "cm/core/effects.h"
#include "cm/core/message.h"
#include "cm/core/named.h"
#include "cm/core/step.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/base/vec.h"
#include "proto/cm.pb-c.h"

/* A report older than this says nothing about the present. */
#define REPORT_FRESH_MS 5000
#define REPORT_USUAL_MS 2000 /* a report is rarely older */
/* A project's name, a dot, a step's suffix. */
#define PROJECT_NAME_MAX 48
#define COMPONENT_ID_MAX (PROJECT_NAME_MAX + 32)

struct source { /* data source */
    struct named named;
    struct kept row; /* Oms__SourceRow */
};

struct orphan { /* reported by a host that must not run it */
    char *id;
    uint64_t epoch, directive;
};

struct host {
    struct named named;   /* key: host_id */
    struct kept identity; /* Oms__HostIdentity */
    struct mono heard;
    struct wall heard_at;
    bool is_up, was_heard;
    double load;
    uint64_t kept_revision;      /* of directives the Supervisor keeps durably */
    char token[ID_TEXT_MAX];     /* in the next answer */
    char accepted[ID_TEXT_MAX];  /* the last that came back */
    struct mono duplicate_until; /* no new work before (C7) */
    VEC(struct orphan) orphans;
    VEC(char *) forget;  /* reported, unknown here and not running */
    VEC(char *) removed; /* a person removed them, and the host still reports them */
};

enum want { WANT_INIT, WANT_RUN, WANT_PAUSE, WANT_RELEASE, WANT_FINISH, WANT_COUNT };

enum step_state { STEP_PENDING, STEP_RUNNING, STEP_FAILED, STEP_DONE, STEP_SKIPPED, STEP_STATES };

struct step {
    enum step_state state;
    bool dirty;
    char *error_code, *error_message;
    struct kept progress; /* Oms__StepProgress */
};

struct table {
    struct named named; /* key: "db.name" on the source */
    char *copy, *verification, *schema, *detail;
    uint64_t rows_done, rows_total;
    bool compared; /* in the present round */
};

struct project {
    struct named named;
    struct kept file; /* Oms__ProjectFile */
    enum want want;
    int64_t created_us;
    uint32_t number;
    uint64_t verify_round;
    struct kept verify_tables; /* Oms__ComponentLive, its verify_tables alone */
    struct kept stream_token;  /* Oms__Secret: name, sealed value */
    struct kept copy_again;    /* Oms__ComponentLive, its copied_again alone */
    struct step steps[STEP_COUNT];
    struct named_set tables;
    struct kept checks, objects; /* Oms__DetailRow */
    bool checks_dirty, objects_dirty, tables_dirty;
    struct mono tables_saved;
    uint64_t version; /* grows with each change a watcher may want to see */
};

struct component {
    struct named named;
    char *project; /* "" = a test of a data source */
    enum step_kind step;
    char *host; /* "" = not placed */
    bool goal_run;
    uint64_t epoch, revision; /* revision: of the fixed part */
    uint64_t directive, live; /* revisions of the directive and the live part */
    char *address;
    /* Not in its row: */
    struct kept status;      /* Oms__ComponentStatus of this epoch */
    struct kept outcome;     /* Oms__TaskOutcome */
    struct wall report_wall; /* the same by our clock */
    struct mono report_at;   /* when the report in it was made; meaningful if has_report */
    bool has_report, restarts_known;
    uint32_t restarts, crashes, refusals;
    struct mono crashes_from;
    struct mono missing_from; /* its host keeps its directive but does not report it; 0 = fine */
    char *test_source;        /* of a test */
    void *test_call;
    struct mono test_until;
};

struct incident {
    uint64_t id;
    bool dirty;
    struct kept row; /* Oms__Incident, whole */
    char *nonce;     /* of the process that reported it last */
    struct mono absent_from;
};

struct cluster_options {
    uint32_t host_lease_ms;
};

struct cluster {
    struct cluster_options options;
    struct named_set sources, hosts, projects, components;
    VEC(struct incident *) incidents; /* by id */
    uint64_t revision;                /* the last given to a directive */
    bool revision_dirty;
    uint64_t last_event, last_incident;
    uint32_t last_project;
    struct mono awake; /* all timers count from here at the earliest (C6) */
    uint64_t version;
};

struct cluster *cluster_new(const struct cluster_options *o);
void cluster_free(struct cluster *c);
/* Puts a row of MetaDB in; before the first step. ERR_CORRUPT: not such a row. */
bool cluster_load_row(struct cluster *c, const char *table, const char *key, const char *state,
                      const void *body, size_t len, struct err *e) MUST_CHECK;
/* After the last row: what belongs together must be there. */
bool cluster_loaded(struct cluster *c, uint64_t revision, uint64_t last_event,
                    struct err *e) MUST_CHECK;

struct cluster_now {
    struct mono mono;
    struct wall wall;
};

/* This CM begins to lead, or was asleep: nobody is late before he had a full lease from now (C6).
 */
void cluster_awake(struct cluster *c, struct mono now);

enum command {
    COMMAND_SOURCE_ADD,
    COMMAND_SOURCE_REMOVE,
    COMMAND_SOURCE_TEST,
    COMMAND_PROJECT_CREATE,
    COMMAND_PROJECT_START,
    COMMAND_PROJECT_PAUSE,
    COMMAND_PROJECT_RESUME,
    COMMAND_PROJECT_RELEASE,
    COMMAND_PROJECT_REMOVE,
    COMMAND_PROJECT_SET,
    COMMAND_VERIFY_START,
    COMMAND_COMPONENT_RESTART,
    COMMAND_INCIDENT_RESOLVE,
    COMMAND_COUNT
};
enum cluster_event_kind { EVENT_TICK, EVENT_SYNC, EVENT_COMMAND };

struct cluster_event {
    enum cluster_event_kind kind;
    enum command command;
    const ProtobufCMessage *request; /* HostSyncRequest, or the command's */
    void *call;                      /* given back with the answer */
    struct id fresh;                 /* random: a token, a name */
    const void *sealed;              /* SOURCE_ADD: password; PROJECT_CREATE: stream token */
    size_t sealed_len;
    /* SYNC: one for each component of the report, NULL where it has no result. */
    const Oms__TaskOutcome *const *outcomes;
};

/* Every command gets exactly one answer, now or (SOURCE_TEST) in a later step. A refused Sync is
 * answered with an error at once; an accepted one is answered by the shell (sync_reply). */
void cluster_step(struct cluster *c, const struct cluster_event *events, size_t n,
                  struct cluster_now now, struct arena *arena, struct effects *out);

struct source *cluster_source(const struct cluster *c, const char *name);
struct host *cluster_host(const struct cluster *c, const char *host_id);
struct host *cluster_host_named(const struct cluster *c, const char *name_or_id);
struct project *cluster_project(const struct cluster *c, const char *name);
struct component *cluster_component(const struct cluster *c, const char *id);
struct component *project_component(const struct cluster *c, const struct project *p,
                                    enum step_kind k);
struct incident *cluster_incident(const struct cluster *c, uint64_t id);

/* --- what follows from the facts ---------------------------------------------------------------
 */
const Oms__ProjectFile *project_file(const struct project *p);
const Oms__SourceRow *source_row(const struct source *s);
const Oms__HostIdentity *host_identity(const struct host *h);
const Oms__ComponentStatus *component_status(const struct component *c); /* NULL: none yet */
const Oms__ComponentReport *component_report(const struct component *c); /* NULL: none yet */
/* It has a process, or will have one by itself. */
bool status_is_alive(const Oms__ComponentStatus *st);
bool component_is_fresh(const struct component *c, struct mono now);
const char *project_state_name(const struct project *p);
/* It copies the rows that exist; false: it follows the log from a start that its file names. */
bool project_copies(const struct project *p);
bool project_is_released(const struct project *p);
bool project_is_failed(const struct project *p);
/* Of the phase that the project is in: before a release, or the release itself. */
bool step_is_in_play(const struct project *p, enum step_kind k);
/* For how long the source has said nothing to the Store, by the Store's last report and grown
 * since; 0: by a fresh report it speaks, or nobody can tell. */
int64_t project_source_silent_ms(const struct cluster *c, const struct project *p, struct mono now);
bool project_store_is_full(const struct cluster *c, const struct project *p);
bool project_is_caught_up(const struct cluster *c, const struct project *p, struct mono now);
const char *step_state_name(enum step_state s);
bool step_is_over(enum step_state s); /* done or skipped */
bool step_is_held(const struct cluster *c, const struct project *p, enum step_kind k);
bool host_has_trouble(const struct host *h, struct mono now); /* duplicate: no new work */

/* --- specifications (spec.c) -------------------------------------------------------------------
 */
Oms__ComponentSpec *spec_build(const struct cluster *c, const struct component *x,
                               struct arena *arena);
/* Name of a data source's password, of a Store's stream token, among the secrets. */
const char *secret_of_source(const char *source, struct arena *arena);
const char *secret_of_store(const char *store_id, struct arena *arena);
/* Sealed value of a secret that was named by the two above; NULL: none. */
const ProtobufCBinaryData *secret_find(const struct cluster *c, const char *name);

/* --- answers to a host (sync.c) ----------------------------------------------------------------
 */
/* Directives newer than `kept`, what may be forgotten, the token; without secrets and asks. */
Oms__HostSyncReply *sync_reply(const struct cluster *c, const struct host *h, uint64_t kept,
                               struct arena *arena);
/* The highest revision of a directive for this host. */
uint64_t sync_revision(const struct cluster *c, const struct host *h);

/* --- views (view.c) ----------------------------------------------------------------------------
 */
/* lag_explain.c: what limits a project now. */
Oms__LagExplanation *lag_explain(const struct cluster *c, const struct project *p, struct mono now,
                                 struct arena *a);
Oms__ProjectView *view_project(const struct cluster *c, const struct project *p, bool whole,
                               struct mono now, struct arena *arena);
Oms__DataSourceView *view_source(const struct cluster *c, const struct source *s,
                                 struct arena *arena);
Oms__HostView *view_host(const struct cluster *c, const struct host *h, struct arena *arena);
Oms__ComponentView *view_component(const struct component *x, struct arena *arena);

#endif
