/*
 * Full-Import's shared state: the tables, their chunk trees, the claim. One process, one task.
 *
 * Threads: main (sets up, watches progress, creates indexes) and a few workers that live from
 * workers_start to workers_stop. `lock` guards tables' trees and states and the first error; it is
 * never held across a call to a server. `claim_lock` guards the claim, whose calls do go to the
 * target; no other lock is taken while it is held. So nobody waits in a circle.
 */
#ifndef OMS_COMPONENTS_FULL_IMPORT_IMPORT_PRIV_H
#define OMS_COMPONENTS_FULL_IMPORT_IMPORT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/vec.h"
#include "common/os/thread.h"
#include "common/scope/scope.h"
#include "components/convert/translate.h"
#include "components/endpoint/endpoint.h"
#include "components/full_import/core/chunk_tree.h"
#include "components/full_import/core/pacing.h"
#include "components/runtime/component.h"

enum table_state {
    TABLE_WAITING,  /* nothing planted yet */
    TABLE_PLANTING, /* one worker takes its begin position and plants the root */
    TABLE_COPYING,
    TABLE_CLOSING, /* every chunk is done; one worker takes its end position */
    TABLE_COPIED,
    TABLE_INDEXED,
};

struct import_table {
    const struct table_def *def;
    const char *key; /* "db.name" of the source */
    const char *to_db, *to_name;
    struct target_table *target;
    struct chunk_tree tree; /* lock */
    enum table_state state; /* lock */
    struct position begin;  /* set once before COPYING */
    uint64_t rows_total;    /* estimate */
    atomic_uint_fast64_t rows_done;
    bool anew;          /* made again in this run: what is recorded of it is of the older copy */
    bool to_make;       /* it must be */
    bool recorded_done; /* an earlier run recorded its end */
    bool family_begun;  /* rows of an unfinished pass may be there; its leader's worker */
    bool keyless;       /* one consistent pass, strictly before the log (A11) */
};

struct import {
    struct component *c;
    struct arena arena;
    const struct scope *scope;
    struct endpoint_address source_at, target_at;
    enum convert_way way; /* from the source's family to the target's */
    const struct endpoint *source, *target;
    struct claim *claim; /* claim_lock */
    pthread_mutex_t claim_lock;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* with lock: a chunk may be free, a table done, an error set */
    VEC(struct import_table *) tables;
    struct err error;     /* lock; the first that stops everything */
    bool stopping;        /* lock */
    struct pacing pacing; /* lock */
    _Atomic uint64_t cap_rows_per_s;
    atomic_uint_fast64_t bytes_done;
    struct table_pos *recorded; /* as found at the start of this run */
    size_t n_recorded;
    uint32_t n_workers;
    struct worker *workers;
};

struct worker {
    struct import *im;
    uint32_t number; /* of its slot */
    struct thread thread;
    struct reader *reader;
    struct slot *slot;
    struct backoff backoff;
};

/* --- plan.c -------------------------------------------------------------------------------------
 */
enum job_kind { JOB_NONE, JOB_PLANT, JOB_CHUNK, JOB_CLOSE, JOB_ALL_DONE };
struct job {
    enum job_kind kind;
    struct import_table *table;
    struct node node; /* JOB_CHUNK */
};
/* The next job; waits a moment when others may still make one. */
struct job plan_take(struct import *im);
void plan_give_back(struct import *im, const struct job *job);
bool plan_is_stopping(struct import *im);
/* The first error that is not retried stops everything. */
void plan_fail(struct import *im, const struct err *e);
void plan_stop(struct import *im);
bool plan_all_copied(struct import *im);
bool plan_error(struct import *im, struct err *e); /* true: there is one */
/* Durable steps; each writes to the target first, then changes the tree. */
bool plan_plant(struct import *im, struct import_table *t, struct view hi, enum table_state then,
                struct err *e) MUST_CHECK;
bool plan_split(struct import *im, struct import_table *t, struct node *node, struct view bound,
                struct err *e) MUST_CHECK;
void plan_chunk_done(struct import *im, struct import_table *t, uint64_t id);
bool plan_close(struct import *im, struct import_table *t, const struct position *end,
                struct err *e) MUST_CHECK;
void plan_set_state(struct import *im, struct import_table *t, enum table_state s);
struct chunk plan_chunk_of(const struct import_table *t, const struct node *n);

/* --- worker.c -----------------------------------------------------------------------------------
 */
bool workers_start(struct import *im, struct err *e) MUST_CHECK;
void workers_stop(struct import *im); /* waits */
/* --- keyless.c: a table without any key, in one consistent pass (A11)
 * ----------------------------- */
bool keyless_copy(struct worker *w, struct import_table *t, struct err *e) MUST_CHECK;
/* ERR_TARGET_NOT_EMPTY names the table; target_empty makes it so. */
bool target_is_empty(struct import *im, struct import_table *t, struct err *e) MUST_CHECK;
bool target_empty(struct import *im, struct import_table *t, struct err *e) MUST_CHECK;
/* --- family.c: tables joined by foreign keys that act, in one snapshot (A8)
 * -----------------------
 */
/* After what an earlier run did is known: one leader a family, the others wait for it. */
void family_settle(struct import *im);
bool family_copy(struct worker *w, struct import_table *leader, struct err *e) MUST_CHECK;
/* What one chunk's rows go through on their way: pacing, figures, target. */
struct pump {
    struct worker *w;
    struct import_table *t;
    uint64_t rows;
    uint64_t rows_since_commit;
};
bool pump_take(void *arg, struct rows *batch, struct err *e);
/* The whole table inside the reader's open snapshot; the last commit has the root chunk, and with
 * `end` the table's position, begin = end. */
bool pass_table(struct pump *p, bool end, struct err *e) MUST_CHECK;
/* After the begin was taken: is the definition still the one that was loaded, so that no change of
 * it lies in what the log will skip? ERR_SERVER_TABLE_CHANGED. */
bool definition_holds(struct worker *w, struct import_table *t, struct err *e) MUST_CHECK;
/* Behind a reading: the same question, with the definition as text. */
bool still_defined(struct worker *w, struct import_table *t, struct err *e) MUST_CHECK;

/* --- setup.c ------------------------------------------------------------------------------------
 */
bool import_setup(struct import *im, struct err *e) MUST_CHECK;
void import_fini(struct import *im);
void import_table_free(struct import *im, struct import_table *t);
/* --- listed.c: which tables the copy is of ------------------------------------------------------
 */
/* Leaves tables that were made later to the log, where it tells all of them, and settles those that
 * are gone. *first: nothing was recorded yet, listed_put follows once every table is known to be on
 * the target. */
bool listed_settle(struct import *im, bool *first, struct err *e) MUST_CHECK;
bool listed_put(struct import *im, struct err *e) MUST_CHECK;
/* --- changed.c: tables whose definition is another one than their copy's ------------------------
 */
bool changed_find(struct import *im, struct err *e) MUST_CHECK; /* sets recorded_done and to_make */
bool changed_make(struct import *im, struct err *e) MUST_CHECK;
const struct table_pos *changed_recorded(const struct import *im, const char *db, const char *name);
/* --- anew.c: making one table anew --------------------------------------------------------------
 */
struct anew_record {
    bool ours;                     /* the target's table was made by OMS */
    bool unfinished;               /* it is being made anew: nothing else of it counts */
    const struct table_def *after; /* what it was made after, or NULL; unref */
};
bool anew_look(struct import *im, const char *key, struct anew_record *out,
               struct err *e) MUST_CHECK;
bool anew_make(struct import *im, struct import_table *t, struct err *e) MUST_CHECK;
/* Its new begin is durable, and nothing was read yet. Thread: a worker. */
bool anew_has_begun(struct import *im, const struct import_table *t, struct err *e) MUST_CHECK;
/* A table of the copy that the source has no more: the target's is dropped if it is ours, and what
 * the log says of it up to now is skipped. The names live as long as the import. */
bool anew_gone(struct import *im, const char *db, const char *name, bool ours,
               struct err *e) MUST_CHECK;
/* --- again.c: tables that a person wants copied again -------------------------------------------
 */
bool again_is_asked(const struct import *im); /* this run is for those alone */
bool again_wants(const struct import *im, const char *db, const char *name);
/* Makes anew what has not begun anew; before plans are opened and an earlier run is resumed. */
bool again_make(struct import *im, struct err *e) MUST_CHECK;
/* --- elder_keys.c: further unique keys that the target's tables have already (A10) --------------
 */
/* Records them and takes them off; before plans are opened, after again_make. */
bool elder_keys_off(struct import *im, struct err *e) MUST_CHECK;
/* Before the target's table is dropped: logs what is not made again. */
bool elder_keys_tell_lost(struct import *im, const struct import_table *t,
                          struct err *e) MUST_CHECK;
/* --- indexes.c ----------------------------------------------------------------------------------
 */
bool import_indexes(struct import *im, struct err *e) MUST_CHECK;

#define BATCH_BYTES (1u << 20)

#endif
