/*
 * Incr-Sync's shell: reads a Store, applies to one target. One `struct sync` is one claim on the
 * target: from a takeover to the first error that ends it; then everything is forgotten and a new
 * takeover begins from the rows (correctness A14). Private to this folder.
 *
 * Threads, fixed at start, joined by bounded queues that pass ownership:
 *   main     owns the claim, the window, plans, incidents, reports; waits only on `events`
 *   reader   owns the stream and the intake; waits on the socket and on the budget
 *   worker   one a slot: owns the slot while a group is in flight; waits on its queue and the
 * target ddl      one at a time, while a DDL is tried and run (ddl_job.c); waits on the target
 * Blocks go reader -> events -> window -> freed by main. Groups go main -> worker.queue -> events.
 *
 * Why nobody waits for ever: `events` has room for every block the budget allows, one HEARD, one
 * result a worker and one of a DDL, so pushing there never waits; a worker's queue has room for the
 * one group its slot may have. So main never waits for a worker or the reader except on `events`,
 * workers wait only for the target (which has time limits), the reader for the budget, which main
 * gives back as transactions commit; inside a half-read transaction, whose blocks cannot come back
 * before its end is read, the reader takes without waiting, up to PIECES_BYTES. A larger one goes
 * to its worker in pieces (txn_pipe.h), which give their blocks back one by one. Why nothing is
 * reordered: one reader, one queue, one window; order after that is the window's (core/window.h).
 * Rejected: a queue of rows per worker (order per key would be the queue's), locks on a shared
 * window (the scan is short and cheap).
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_SYNC_PRIV_H
#define OMS_COMPONENTS_INCR_SYNC_SYNC_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "common/base/vec.h"
#include "common/os/queue.h"
#include "common/os/thread.h"
#include "common/scope/scope.h"
#include "components/endpoint/endpoint.h"
#include "components/incr_sync/budget.h"
#include "components/incr_sync/conflict.h"
#include "components/incr_sync/core/account.h"
#include "components/incr_sync/core/intake.h"
#include "components/incr_sync/core/lag.h"
#include "components/incr_sync/core/net.h"
#include "components/incr_sync/core/pace.h"
#include "components/incr_sync/core/pressure.h"
#include "components/incr_sync/core/window.h"
#include "components/incr_sync/gate.h"
#include "components/incr_sync/reread.h"
#include "components/incr_sync/txn_pipe.h"
#include "components/runtime/component.h"
#include "components/stream/stream.h"

#define STEP_NAME "incremental"
#define BLOCK_BUDGET_BYTES (16u << 20)
#define BLOCK_BUDGET_ITEMS 1024
#define BARRIER_BYTES (16u << 20)
#define PIECES_BYTES BARRIER_BYTES /* beyond it a transaction is not kept whole in memory */
#define WINDOW_BYTES (64u << 20)
#define SPLIT_BYTES (32u << 20) /* of a split transaction, in one target transaction */
#define BARRIER_KEYS 100000
#define GROUP_BYTES (1u << 20)
#define BULK_BYTES (256u << 10)
#define SCAN_SKIPS 512
#define TICK_MS 500
#define PROGRESS_MS 200
#define SETTLE_MS 1000 /* of rest, before the position is written although slots' rows imply it */
#define CONFLICT_RETRY_MS 10000
#define TXN_TEXT_MAX (ORIGIN_MAX + 24)

/* "mariadb:0=123" */
const char *txn_text(struct txn_id id, char out[TXN_TEXT_MAX]);

/* --- events: to main --- */
enum event_kind { EVENT_BLOCK, EVENT_HEARD, EVENT_WORKER, EVENT_DDL, EVENT_READER_FAILED };
struct event {
    enum event_kind kind;
    struct event *next;         /* in main's inbox */
    struct source_block *block; /* BLOCK: one reference */
    size_t at;                  /* BLOCK: the next of its transactions */
    struct worker *worker;      /* WORKER: the event lives in the worker */
    struct stream_heard heard;  /* HEARD */
    struct wall heard_at;
};

/* --- reader.c --- */
struct store_reader;
struct store_reader_params {
    struct component *component;
    const char *store_id, *task;
    uint64_t least_epoch;
    struct intake *intake; /* the reader's own until it has stopped */
    struct queue *events;
    struct budget *budget;
};
bool store_reader_start(const struct store_reader_params *p, struct store_reader **r,
                        struct err *e) MUST_CHECK;
void store_reader_stop(struct store_reader *r); /* waits; NULL is fine */
/* After its events have been taken from the queue: some live in it. */
void store_reader_free(struct store_reader *r);
/* What the Store may forget. Thread: main. */
void store_reader_position(struct store_reader *r, const struct txn_set *low);
struct reader_heard {
    struct stream_heard heard; /* the newest */
    int64_t silent_ms;         /* since the Store said anything */
    uint64_t txns_to_come;     /* in the Store's set, and not delivered */
};
/* False: not connected. Thread: main. */
bool store_reader_heard(struct store_reader *r, struct reader_heard *out);
/* main has taken the HEARD event. */
void store_reader_heard_taken(struct store_reader *r);
/* The error of EVENT_READER_FAILED. */
const struct err *store_reader_error(const struct store_reader *r);
/* The Store's peer entry, false: CM has not told it yet. Copies. */
struct store_peer {
    char address[256], token_secret[128];
    uint64_t epoch;
};
bool store_peer_find(struct component *c, const char *store_id, struct store_peer *out);
void block_idle(void *budget, struct source_block *b); /* a source_block_idle: frees */
/* Nothing needs the transaction any more. */
void txn_give_back(struct budget *budget, struct source_txn *t);

/* --- worker.c --- */
struct worker {
    struct event event;
    struct thread thread;
    struct queue *queue;  /* of struct window_group *, room for one */
    struct queue *events; /* main's */
    const struct target_ops *target;
    struct slot *slot;
    bool busy;         /* main's */
    struct mono began; /* main's: its group */
    struct gate *gate; /* strict order: main's; else NULL */
    uint64_t turn;
    struct net *net;
    uint64_t cancelled; /* changes of the last group that others took back or stand for */
    VEC(struct write) writes;
    struct reread_work again; /* of `writes` */
    /* the result of the last group: main's after the event */
    bool ok;
    struct err err; /* when not ok */
    struct apply_result result;
    uint64_t changes;  /* that were applied */
    uint64_t bytes;    /* of a transaction in pieces: of them */
    struct sync *sync; /* while its group is alone: plans; else what never changes */
    struct conflict_case conflicts;
    struct account account; /* of the last group; of what was committed */
};
bool worker_start(struct worker *w, uint32_t n, struct err *e) MUST_CHECK;
void worker_stop(struct worker *w); /* waits; never started is fine */

/* --- pieces.c --- */
/* The group is one transaction with a pipe. w->result says what became of it. */
bool pieces_apply(struct worker *w, const struct window_group *g, struct err *e) MUST_CHECK;

/* --- evidence.c: rows for people --- */
/* "id=17, code='x'": the values of the table's row key, or its first columns where it has none. */
void evidence_key(const struct table_def *t, bool has_absent, struct view row, struct buf *out);
#define EVIDENCE_SHOWN 64        /* bytes of a long value */
#define RECORD_SHOWN (64u << 10) /* in oms_meta.skipped */
/* Every column that the image has. */
void evidence_row(const struct table_def *t, bool has_absent, struct view row, size_t shown,
                  struct buf *out);
const char *evidence_op(enum change_op op);

/* --- start.c: where to begin, and what the copy left --- */
struct copied_table {
    const char *key; /* "db.table" of the source */
    const struct table_pos *pos;
};
struct start_facts {                 /* immutable once loaded: read by reader and main */
    VEC(struct copied_table) tables; /* ascending by key; without "*" */
    struct txn_set begin;            /* the intersection of all begins */
    struct txn_set end;              /* the union of all ends */
    const char *place;               /* the server whose log they are places of, or NULL */
    bool any;
    struct family_member *families; /* of the target, by name; in the arena */
    size_t n_families;
    struct table_pos *pos; /* n_pos of them, in the arena; their sets are not */
    size_t n_pos;
};
struct sync;
bool start_load(struct sync *s, struct err *e) MUST_CHECK;
void start_fini(struct start_facts *f);
/* The family of a target's table as the claim found it; NULL: none. */
const char *start_family(const struct start_facts *f, const char *to_db, const char *to_name);
const struct table_pos *start_find(const struct start_facts *f, const char *db, const char *name);

/* --- sync.c --- */
struct counters {
    uint64_t rows, cancelled, txns, groups, gave_way, rows_at_tick, txns_at_tick;
    double rows_rate, txns_rate;
    uint64_t published_at_tick; /* transactions in the Store's set */
    double published_rate;
    uint64_t passed_at_tick; /* transactions in low */
    double passed_rate;
};
/* What main waits for, from one look to the next; see meter.c. */
enum work_state {
    WORK_IDLE,     /* nothing to do */
    WORK_STREAM,   /* the Store has more, and it has not come */
    WORK_KEYS,     /* a slot is free and what waits may not overtake */
    WORK_TARGET,   /* the slots are busy */
    WORK_HELD,     /* a DDL or a conflict waits for a person */
    WORK_BACK_OFF, /* the target rolled back: a pause, or fewer slots than are wanted */
    WORK_LIMITED,  /* the project's limits of speed ask to wait */
    WORK_STATES
};
struct hot_row {
    uint64_t key;
    uint32_t seen;
    char table[300], row[200];
};
struct meter {
    struct mono since, sampled;
    enum work_state state;
    int64_t ns[WORK_STATES];
    double part[WORK_STATES];
    int64_t apply_ns, commit_ns;
    uint32_t samples;
    struct hot_row hot[8];
    VEC(struct value) values;
};

#define HOLD_KEY_MAX (TXN_TEXT_MAX + 32)
struct hold { /* a conflict that a person is asked about; key "" = none */
    char key[HOLD_KEY_MAX];
    uint64_t at;          /* which change of the transaction */
    struct mono retry_at; /* the next try without being asked */
};

#define COPY_TABLE_MAX 600
struct ddl_answer {
    bool passed;     /* it is on the target, or need not be: the window may go on */
    char text[1500]; /* how it passed, or why a person must decide */
    bool may_retry;
    char copy_table[COPY_TABLE_MAX]; /* "db.name" of the source that may be copied again; or "" */
};
struct ddl_job { /* a DDL that is tried and run on a thread of its own */
    struct event event;
    struct thread thread;
    struct sync *sync;
    const struct source_txn *txn;
    const char *instead; /* a person's statement; NULL: its own */
    bool busy;           /* main's: from its start until main has heard of its end */
    /* the result: main's after the event */
    bool ok;
    struct err err;
    struct ddl_answer answer;
};
struct ddl_gate {           /* the DDL at the gate */
    char key[HOLD_KEY_MAX]; /* of its incident */
    bool looked_up;         /* it was tried, or is being tried */
    bool found;             /* job.answer is not acted on yet */
    bool quiet;             /* an answer came: nothing is started until it is acted on */
    uint32_t round;         /* how often a person answered and it is asked again */
    char tables[600];       /* of the source, for people: what touches them waits; "" = all */
    char choice[32];
    struct buf text; /* that came with the choice */
    struct ddl_job job;
};
struct coarse_table { /* its unique keys find more in common than the source's */
    char *to_db, *to_name;
};
#define KEYS_ASK_MAX 760
struct keys_ask { /* unique keys that the target does not make: a person was asked */
    char *table;  /* "db.name" of the source */
    uint32_t round;
    bool open;
};
struct carry {                 /* outlives a claim */
    struct conflict_book book; /* what a person chose for a held transaction */
    struct txn_id split;       /* this one is committed in several ... */
    uint64_t split_bytes;      /* ... of about this size; 0 = none */
    struct pressure pressure;  /* on the target */
    struct account_book rows;  /* of this process */
    struct wall rows_since;
    VEC(struct coarse_table) coarse;
    struct reread *reread;
    VEC(struct keys_ask) asks;
};
struct sync {
    struct component *c;
    const Oms__ComponentSpec *spec;
    Oms__IncrementalOptions *options;
    struct arena arena;
    const struct scope *scope;
    const struct endpoint *endpoint, *source_endpoint;
    struct endpoint_address address, source_address;
    struct claim *claim;
    struct start_facts start;
    struct intake *intake;
    struct window *window;
    struct budget *budget;
    struct queue *events;
    struct store_reader *reader;
    struct gate *gate;   /* NULL: order by keys */
    uint64_t asked_turn; /* whether it waits for a lock: asked so often */
    uint32_t asked;
    struct worker *workers;
    uint32_t n_slots, n_slots_open;
    struct event *inbox, **inbox_end;
    VEC(struct sync_table *) planned; /* tables with an open plan */
    struct coarse_table coarse;       /* found by this claim, which ends by it */
    struct hold hold;
    struct ddl_gate at_gate;
    struct carry *carry;
    bool again; /* the held transaction must come again from the Store: this claim ends */
    bool indexes_done, draining;
    bool keys_lack; /* some could not be made: a person is asked */
    bool copy_runs; /* a table is copied again: this claim ends */
    struct pace pace;
    bool limited; /* something could start, and the limits of speed ask to wait */
    struct mono pause_until, next_tick, next_progress, last_tick;
    uint32_t pauses;
    struct mono committed_at; /* the last group with transactions */
    bool error_shown;
    /* level: see lag.h */
    uint64_t last_number;
    bool mark_set;
    bool mark_known; /* mark_order is */
    uint64_t mark_number, mark_order;
    struct wall mark_at, level_at, newest_commit;
    struct wall beat_at; /* see lag.h */
    int64_t beat_delay_ms;
    struct wall unknown_since; /* 0 = the lag is known */
    struct counters counters;
    struct meter meter;
};
/* One claim: from takeover to a stop or to a copy that runs again (true), or an error. */
bool sync_run(struct component *c, struct carry *carry, struct err *e) MUST_CHECK;
void carry_fini(struct carry *carry);

/* --- ask.c --- */
void incr_ask(struct component *c, const Oms__Ask *ask); /* a component_ops.ask */
void incr_asks_end(void);                                /* nothing asks any more */

/* --- outcome.c --- */
bool worker_answered(struct sync *s, struct worker *w, struct err *e) MUST_CHECK;
/* Gives up what is applied in pieces: it would take as long as it takes. */
void close_pipes(struct sync *s);

/* --- throttle.c: limits of speed, and slots at work under pressure --- */
void throttle_open(struct sync *s);
void throttle_follow(struct sync *s); /* at each tick: the live part, the target's state */
/* Forms the next group for a slot within the limits; NULL: nothing may start. */
struct window_group *throttle_group(struct sync *s, uint32_t slot);
uint32_t throttle_slots(const struct sync *s); /* at work, of n_slots */
void throttle_answered(struct sync *s, const struct worker *w, const struct window_group *g);
/* How long main may wait for events. */
int64_t throttle_wait_ms(const struct sync *s, int64_t otherwise);

/* --- strict.c --- */
/* Opens the gate when nothing is in flight; lets later groups give way to one that waits. */
bool strict_look(struct sync *s, struct err *e) MUST_CHECK;
int64_t strict_wait_ms(const struct sync *s, int64_t otherwise);

/* --- plans.c --- */
/* Thread: any, while a claim runs. */
bool plans_is_coarse(const struct carry *carry, const char *to_db, const char *to_name);
/* Keeps what the claim found; its threads have ended. */
void plans_keep_coarse(struct sync *s);
bool plans_for_group(struct sync *s, const struct window_group *g, struct err *e) MUST_CHECK;
bool plans_for_tables(struct sync *s, const struct txn_table *tables, uint32_t n,
                      struct err *e) MUST_CHECK;
void plans_close(struct sync *s); /* nothing in flight; they are opened again when needed */
/* Those of the tables that the DDL touches: nothing of them is in flight. */
void plans_close_of(struct sync *s, const struct source_txn *ddl);

/* --- ddl_gate.c --- */
/* Does the statement touch what this project moves? Thread: reader. */
bool gate_concerns(const struct sync *s, const struct ddl_record *d);
/* An intake_params.ddl_tables. Thread: reader. */
bool gate_tables(const struct sync *s, const struct ddl_record *d, struct dep_keys *tags);
void ddl_gate_open(struct sync *s);
/* Looks after the DDL at the gate. */
bool gate_step(struct sync *s, const struct source_txn *t, struct err *e) MUST_CHECK;
void ddl_gate_clear(struct sync *s); /* its incident goes; no job runs */
void ddl_gate_shut(struct sync *s);  /* waits for the statement that runs */

/* --- ddl_job.c --- */
/* Main goes on; EVENT_DDL tells the end. */
bool ddl_job_start(struct sync *s, const struct source_txn *t, const char *instead,
                   struct err *e) MUST_CHECK;
bool ddl_job_ended(struct sync *s, struct err *e) MUST_CHECK; /* main has taken the event */
void ddl_job_wait(struct sync *s);

/* --- ddl.c: running it once (A1, A2, A3). Thread: the job's; reads what a claim never changes ---
 */
/* The row of oms_meta.ddl of this transaction. */
const char *ddl_key(struct txn_id id, char out[TXN_TEXT_MAX]);
/* The session in which it is run; from one product to another, what means the same in both. */
struct ddl_session ddl_session_of(const struct source_txn *t, bool same_product);
bool ddl_try(struct sync *s, const struct source_txn *t, struct ddl_answer *a,
             struct err *e) MUST_CHECK;
/* A person's statement instead of it. */
bool ddl_instead(struct sync *s, const struct source_txn *t, const char *sql, struct ddl_answer *a,
                 struct err *e) MUST_CHECK;

/* --- holds.c --- */
/* Looks after the DDL gate and a held conflict: opens incidents, acts on answers. */
bool holds_step(struct sync *s, struct err *e) MUST_CHECK;
void holds_conflict(struct sync *s, const struct worker *w);
void holds_clear(struct sync *s); /* what was in conflict is committed */

/* --- indexes.c --- */
/* Creates the unique secondary indexes that the target lacks; nothing in flight (A10). keys_lack:
 * not all of them, and a person is asked. */
bool indexes_create(struct sync *s, struct err *e) MUST_CHECK;
/* Some could not be made, and no answer has come. */
bool indexes_are_asked(const struct sync *s);

/* --- meter.c --- */
void meter_look(struct sync *s);                          /* at the end of each turn */
void meter_group(struct sync *s, const struct worker *w); /* a group was committed */
void meter_report(struct sync *s);                        /* at each tick */
void meter_fini(struct sync *s);

/* --- report.c --- */
void report_tick(struct sync *s);
/* Everything is committed and rests, and no row on the target says so. */
bool report_position_is_late(const struct sync *s, struct mono now);
void report_retry(struct sync *s, const struct worker *w); /* shown until something commits */
void report_blind(struct sync *s);                         /* before what takes long: lag unknown */
void report_lost(
    struct sync *s); /* the claim ended with an error: nothing is known until the next */
void report_mark(struct sync *s, const struct event *ev);
/* Looks whether low has passed the mark, or a heartbeat. */
void report_passed(struct sync *s);

#endif
