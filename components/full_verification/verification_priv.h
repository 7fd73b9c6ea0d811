/*
 * Shared state of one verification. Threads: main (sets up, shows) and workers that take one table
 * at a time; `lock` guards the tables' states and the first error and is never held across a
 * server's call.
 */
#ifndef OMS_COMPONENTS_FULL_VERIFICATION_VERIFICATION_PRIV_H
#define OMS_COMPONENTS_FULL_VERIFICATION_VERIFICATION_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/vec.h"
#include "common/os/thread.h"
#include "common/scope/scope.h"
#include "components/endpoint/endpoint.h"
#include "components/full_verification/core/compare.h"
#include "components/runtime/component.h"

#define EXAMPLES_MAX 10
#define EXAMPLES_LEN 1200

enum check_state { CHECK_WAITING, CHECK_RUNNING, CHECK_DONE };

struct check_table {
    const struct table_def *def;   /* of the source: decides the columns on both sides */
    const struct table_def *there; /* the same under the target's names; sealed, rows count on it */
    const char *key;               /* "db.name" of the source */
    enum check_state state;        /* lock */
    uint64_t rows_total;           /* estimate */
    atomic_uint_fast64_t rows_done;
    struct tally tally;          /* the worker that has the table */
    char examples[EXAMPLES_LEN]; /* the first rows that differ, by their keys; the worker's */
    unsigned n_examples;
    uint32_t absent;   /* so often the target lacked what the source has; the worker's */
    char log_at[200];  /* where the last row was equal by the log; the worker's */
    char log_why[300]; /* why the log could not tell; the worker's */
    uint32_t log_failures, log_shown;
};

struct verification {
    struct component *c;
    struct arena arena;
    const struct scope *scope;
    struct endpoint_address source_at, target_at;
    const struct endpoint *source, *target;
    const char *incr_task; /* NULL: nothing follows the source, no waiting */
    const char *store_id;  /* whose log is asked; NULL: none */
    pthread_mutex_t lock;
    VEC(struct check_table *) tables;
    struct err error; /* lock */
    bool stopping;    /* lock */
    uint32_t n_workers;
};

struct checker { /* one worker's connections */
    struct verification *v;
    struct thread thread;
    struct reader *source, *target;
    struct txn_set passed; /* what the target is known to have passed */
};

bool verification_is_stopping(struct verification *v);
/* --- table_check.c ------------------------------------------------------------------------------
 */
/* Compares one table from its beginning; the verdict goes into t->tally. */
bool table_check(struct checker *k, struct check_table *t, struct err *e) MUST_CHECK;
/* One range of it: source, the source's position, the wait, target. */
struct read_rows { /* each row as it is read; `side` has key and hash of it already */
    void (*each)(void *arg, bool of_source, struct view key, struct view row);
    void *arg;
};
bool read_source(struct checker *k, struct check_table *t, struct key_range range,
                 struct side *side, const struct read_rows *also, struct err *e) MUST_CHECK;
bool read_target(struct checker *k, struct check_table *t, struct key_range range,
                 struct side *side, const struct read_rows *also, struct err *e) MUST_CHECK;
/* column='value' of each part of a key, as people read it; what is not text as its bytes. */
void put_key_text(struct buf *out, const struct table_def *t, struct view key);
/* --- settle.c -----------------------------------------------------------------------------------
 */
/* The range once more, and what the log says of the suspects between the positions: those that
 * were equal at one of them leave the list. What the log cannot tell is no error. */
bool settle_by_log(struct checker *k, struct check_table *t, struct key_range range,
                   struct suspects *s, struct err *e) MUST_CHECK;
/* --- log_images.c -------------------------------------------------------------------------------
 */
struct log_span {
    const struct txn_set *p0; /* all of it is in the source's image */
    const struct txn_set *p1; /* passed by the target before its image was read */
    const struct txn_set *p2; /* all that the target's image may have */
};
/* Feeds h with the table's changes behind p0 up to p2. False: *e says why the log cannot tell. */
bool log_images(struct verification *v, struct check_table *t, const struct log_span *span,
                struct history *h, struct err *e) MUST_CHECK;
/* --- definition.c -------------------------------------------------------------------------------
 */
enum definition_is { DEFINITION_SAME, DEFINITION_OTHER, DEFINITION_GONE };
/* The table's columns and names from now on; takes def. */
bool definition_take(struct verification *v, struct check_table *t, const struct table_def *def,
                     struct err *e) MUST_CHECK;
/* Is the source's table still the one that was compared? OTHER: t has the new definition. */
bool definition_look(struct verification *v, struct check_table *t, enum definition_is *is,
                     struct err *e) MUST_CHECK;
/* Does a change of definition, under way or done, explain the failure *e? Then the comparison is
 * made again once the target has passed the source's present position, or, GONE, is pointless. */
bool definition_explains(struct verification *v, struct check_table *t, enum definition_is *is,
                         struct err *e) MUST_CHECK;
/* --- passed.c -----------------------------------------------------------------------------------
 */
/* Reads the source's position now (p1) and returns once the target has committed all of it. */
bool wait_until_passed(struct checker *k, struct position *p1, struct err *e) MUST_CHECK;
/* All of the source's log that the target has committed by now. */
bool read_passed(struct checker *k, struct txn_set *p2, struct err *e) MUST_CHECK;

#endif
