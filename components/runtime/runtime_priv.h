/*
 * The inside of a component's runtime. Threads: main (runs the component), "sync" (talks to the
 * Supervisor), "signal" (turns SIGTERM into a stop); the component's own threads call the report
 * functions. `lock` guards everything below it and is never held across a call.
 */
#ifndef OMS_COMPONENTS_RUNTIME_RUNTIME_PRIV_H
#define OMS_COMPONENTS_RUNTIME_RUNTIME_PRIV_H

#include <pthread.h>

#include "common/base/arena.h"
#include "common/base/vec.h"
#include "common/os/thread.h"
#include "common/rpc/rpc.h"
#include "components/runtime/component.h"
#include "proto/component.pb-c.h"

struct step_row {
    char *step, *unit;
    uint64_t done, total;
    double rate;
    int64_t eta_s;
    bool finished;
};
struct table_row {
    char *step, *table, *state, *detail;
    uint64_t done, total;
};
struct metric_row {
    char *name;
    double value;
};
struct note_row {
    char *name, *text; /* text NULL: none now */
};
struct incident_row {
    char *key, *code, *summary, *evidence, *choices, *table, *transaction;
};
struct secret_row {
    char *name;
    size_t len;
    uint8_t *value;
};

struct component {
    const struct component_ops *ops;
    struct arena arena; /* of the process's life; main before the threads start, then under lock */
    const Oms__ComponentSpec *spec;
    char *dir, *spec_path, *supervisor_url, *nonce;
    struct rpc_client *client; /* NULL: run by hand */
    struct thread sync_thread, signal_thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping, ended;
    uint64_t live_seen; /* grows with each new live part; component_wait returns on it */
    uint8_t *live;      /* packed ComponentLive */
    size_t live_len;
    uint64_t live_revision;
    VEC(struct secret_row) secrets;

    uint64_t seq;
    const char *state; /* a literal: starting running done stopped failed */
    VEC(struct step_row) steps;
    VEC(struct table_row) tables;
    VEC(struct component_rows) row_counts; /* the tables' names are ours */
    struct wall rows_since;
    VEC(struct metric_row) metrics;
    VEC(struct note_row) notes;
    VEC(struct incident_row) incidents;
    char *position, *address, *result;
    int64_t lag_ms, backlog_bytes;
    bool caught_up, has_position, has_lag;
    struct mono position_at; /* when position and lag were last set */
    struct component_lag lag;
    char *lag_note;
    struct err error;
};

/* --- report.c: builds the newest report in an arena; takes the lock ------------------------------
 */
Oms__ComponentReport *report_build(struct component *c, struct arena *arena);
void report_fini(struct component *c);
/* --- sync.c -------------------------------------------------------------------------------------
 */
/* Connects and does the first Sync (secrets, live part); then the thread goes on. */
bool sync_start(struct component *c, struct err *e) MUST_CHECK;
/* The last report, given a few seconds to arrive; then the thread and the connection end. */
void sync_stop(struct component *c);
/* --- spec.c -------------------------------------------------------------------------------------
 */
bool spec_load(struct component *c, struct err *e) MUST_CHECK;
bool spec_load_secrets_by_hand(struct component *c, struct err *e) MUST_CHECK;
void secrets_put(struct component *c, const char *name, const void *value, size_t len);
void secrets_fini(struct component *c);
void component_stop(struct component *c);

/* report_rows.c; the first two under the lock. What was said of the step's tables is no longer. */
void tables_forget(struct component *c, const char *step);
void rows_build(const struct component *c, struct arena *a, Oms__ComponentReport *out);
void rows_fini(struct component *c);

#endif
