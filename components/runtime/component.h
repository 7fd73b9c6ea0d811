/*
 * What every component gets: a specification, a channel to report on, a stop signal, limits, and
 * the one reaction to errors. Components do not know that a cluster exists.
 *
 *   oms-KIND --spec FILE [--dir DIR] [--supervisor ipc://...]     by hand: no --supervisor
 *
 * component_main() parses arguments, reads the spec (text form of ComponentSpec) and its secrets
 * (from the Supervisor's Sync, or by hand from the file named in OMS_SECRETS), opens the log in
 * DIR, starts the Sync thread, calls ops->run on the main thread, writes the last word (code,
 * reason) durably in DIR (C8), exits. run() returns true when its work is done or a stop was asked
 * for.
 */
#ifndef OMS_COMPONENTS_RUNTIME_COMPONENT_H
#define OMS_COMPONENTS_RUNTIME_COMPONENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "components/endpoint/endpoint.h"
#include "proto/component.pb-c.h"

struct component; /* the running component; its functions are Thread: any unless said */

struct component_ops {
    const char *kind;    /* "store", "incr-sync" ... */
    const char *summary; /* one line for --help */
    bool (*run)(struct component *c, struct err *e);
    /* A new live part arrived (peers, limits, answers to incidents). Called on the Sync thread;
     * NULL: read component_live() instead. */
    void (*live_changed)(struct component *c);
    /* An ask came in (store dump, verification rows ...): answer with component_answer. NULL:
     * refused. */
    void (*ask)(struct component *c, const Oms__Ask *ask);
};
int component_main(const struct component_ops *ops, int argc, char **argv);

const Oms__ComponentSpec *component_spec(
    const struct component *c); /* fixed for the process's life */
const char *component_dir(const struct component *c);
uint64_t component_epoch(const struct component *c);
/* The data source `name` of the spec with its secret filled in; valid for the process's life. */
bool component_address(struct component *c, const char *datasource_id, struct endpoint_address *out,
                       const struct endpoint **endpoint, struct err *e) MUST_CHECK;
/* A secret that travels beside the spec or a newer live part (a peer's token), as text. False: it
 * has not arrived (ERR_UNAVAILABLE), or is longer than cap - 1. */
bool component_secret(struct component *c, const char *name, char *out, size_t cap,
                      struct err *e) MUST_CHECK;

bool component_stopping(const struct component *c);
/* Waits at most ms, or until a stop or a new live part arrives; true: stop was asked for. */
bool component_wait(struct component *c, int64_t ms);

/* The newest live part, as a private copy; free with component_live_free. */
Oms__ComponentLive *component_live(struct component *c);
void component_live_free(Oms__ComponentLive *l);

/* --- reporting: the Sync thread sends what was last set, at once when a state changes ------------
 */
/* Progress of a step in generic form; step is the step's name ("full"), unit "rows" ... */
void component_progress(struct component *c, const char *step, const char *unit, uint64_t done,
                        uint64_t total, double rate_per_s, int64_t eta_s /* -1 unknown */);
/* A table's state for a step ("copying", "done", "equal", "different", "moving" ...). */
void component_table(struct component *c, const char *step, const char *table, const char *state,
                     uint64_t done, uint64_t total, const char *detail);
/* Row accounting of the changes since a time, per table of the source: source = applied + merged +
 * skipped. Ascending by table; no fewer rows than before. Copied. */
struct component_rows {
    const char *table;
    uint64_t source, applied, merged, skipped;
};
void component_row_counts(struct component *c, struct wall since, const struct component_rows *rows,
                          size_t n);
/* Position: text of the set, lag by commit time (-1: unknown), caught up, backlog bytes (-1
 * unknown). */
void component_position(struct component *c, const char *position, int64_t lag_ms, bool caught_up,
                        int64_t backlog_bytes);
/* What the lag is measured by, and what is still to do. */
struct component_lag {
    const char *kind;         /* "heartbeat", "commit-time"; a literal */
    int64_t unknown_since_us; /* 0: it is known */
    int64_t backlog_txns;     /* -1 unknown */
    int64_t drain_ms;         /* -1 unknown, or the backlog grows */
};
void component_lag(struct component *c, const struct component_lag *l);
/* Why there is no heartbeat; NULL: nothing to say. */
void component_lag_note(struct component *c, const char *note);
/* A figure in words ("hot_table"); NULL: none now. */
void component_note(struct component *c, const char *name, const char *text);
void component_metric(struct component *c, const char *name, double value);
/* Where the component's own service listens (a Store's stream), "127.0.0.1:4321"; for its peers. */
void component_listening(struct component *c, const char *address);
/* The step's work is finished (log pull: connected and heard; full: every chunk done ...). */
void component_step_done(struct component *c, const char *step);
/* It begins anew (another round of verification); nothing is said of its tables any more. */
void component_step_begin(struct component *c, const char *step);
/* A hold that needs a person (DDL, conflict). key names it uniquely within the component, so that
 * reporting it again is harmless; choices are comma separated. */
void component_incident(struct component *c, const char *key, const char *code, const char *summary,
                        const char *evidence, const char *choices);
/* The same with the choice copy-again added: what is copied again is the source's table "db.name",
 * and the new copy must contain the transaction, given as a set. */
void component_incident_table(struct component *c, const char *key, const char *code,
                              const char *summary, const char *evidence, const char *choices,
                              const char *table, const char *transaction);
void component_incident_gone(struct component *c, const char *key);
/* The person's choice, once it has arrived through the live part: copies it; false: none yet. */
bool component_incident_choice(struct component *c, const char *key, char *choice, size_t cap);
/* The same with what came with it (run-instead: a statement), appended to text. */
bool component_incident_answer(struct component *c, const char *key, char *choice, size_t cap,
                               struct buf *text);
/* The result of an oms-task as JSON of oms.TaskOutcome (ComponentReport.result); copied. It is
 * reported before the process ends. */
void component_result(struct component *c, const char *json);
/* An error that is being retried (class RETRY), shown as the component's present error; NULL
 * clears. */
void component_error(struct component *c, const struct err *e);
/* A piece of the answer to an ask; waits while whoever asked is behind. False: nobody reads it any
 * more, or it cannot be told: stop. Thread: any, one at a time per ask; not the Sync thread for
 * more than one small piece. */
bool component_answer(struct component *c, const char *ask_id, const void *chunk, size_t n,
                      bool last);
/* Ends the answer with an error, after whatever pieces were given. */
void component_refuse(struct component *c, const char *ask_id, const struct err *why);
/* A durable note in DIR with the reason; the exit code carries the class. Called by component_main
 * for the error run() returned. */

/* Back-off for class RETRY: waits with cap and jitter; false: stop was asked for. */
struct backoff {
    uint32_t tries;
};
bool component_backoff(struct component *c, struct backoff *b);

#endif
