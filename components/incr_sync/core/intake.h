/*
 * Intake: from the bytes of the Store's blocks to transactions with their dependency keys. Puts
 * parts together, drops what is committed already by identity, decides per table and transaction
 * what its rows are (skipped, overlap, exact), and refuses a transaction beyond its limit before
 * memory is gone.
 *
 * Invariant: every identity that the stream delivers comes out exactly once, in the stream's order,
 * also when it has nothing for this project (SOURCE_EMPTY), since `low` must pass it; except those
 * inside `seen`. Called by the reader thread only. Pure. Errors: ERR_CORRUPT (the bytes are not
 * records), ERR_LIMIT (transaction too large, no pipe): both end the session.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_INTAKE_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "components/incr_sync/core/source_block.h"

struct intake_scope { /* what the project says of a source table */
    bool in_scope;
    const char *to_db, *to_name;       /* copied */
    const char *family;                /* of the target's table; NULL: none */
    bool exclusive;                    /* the target's keys are known to find more in common */
    const struct txn_set *begin, *end; /* outlive the intake */
    bool heartbeat;                    /* the table of heartbeats: read, never written */
};
struct intake_params {
    const struct txn_set *low;  /* committed, with everything before: dropped */
    const struct txn_set *done; /* committed above low: become empty, so that low passes them */
    /* The union of all copies' ends, or NULL. A place of one server's log that is not reached when
     * the log goes on at another one never will be: ERR_COPY_PLACE. */
    const struct txn_set *ends;
    void (*scope)(void *arg, const struct table_def *t, struct intake_scope *out);
    /* Must this DDL be held for a person? The Store's in_scope is a first, wider answer. */
    bool (*ddl_in_scope)(void *arg, const struct ddl_record *d);
    /* Adds the tags (dep_key.h) of all tables on the target that the DDL touches. False: it may
     * touch others, or nobody knows; everything waits for it. NULL: always so. */
    bool (*ddl_tables)(void *arg, const struct ddl_record *d, struct dep_keys *tags);
    const char *store_id; /* whose heartbeat counts; may be NULL */
    dep_fold *fold;
    /* Beyond txn_limit_bytes a transaction comes out at once, with a pipe that later parts are put
     * into as they arrive. NULL: ERR_LIMIT. */
    struct txn_pipe *(*pipe)(void *arg);
    void (*put)(struct txn_pipe *p, struct source_piece *piece);
    void *arg;
    uint64_t txn_limit_bytes; /* rows count with their bookkeeping */
    uint64_t barrier_bytes;   /* a barrier beyond it, without hashing */
    uint32_t barrier_keys;
};
/* What a row costs beside its bytes while its transaction is in flight. */
#define INTAKE_ROW_COST 64

struct intake;
struct intake *intake_new(const struct intake_params *p);
void intake_free(struct intake *in);
/* Everything committed or delivered: what a new connection asks to be sent after. */
const struct txn_set *intake_seen(const struct intake *in);
/* Inside a transaction whose last part has not come. */
bool intake_is_open(const struct intake *in);
/* Inside a transaction whose parts are on their way already: none of them waits here. */
bool intake_is_piped(const struct intake *in);
/* Forgets the parts of an unfinished transaction (the connection broke): idle() gets the blocks
 * that became idle. */
void intake_drop_open(struct intake *in, source_block_idle *idle, void *arg);
/* Reads b->raw: finished transactions are appended to b->txns, b->live counts them. */
bool intake_block(struct intake *in, struct source_block *b, struct err *e) MUST_CHECK;
/* Table versions sent before the first block. */
bool intake_tables(struct intake *in, struct view raw, struct err *e) MUST_CHECK;

#endif
