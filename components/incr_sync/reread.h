/*
 * Rows that are read again from the source (correctness A9, decisions/0016): a change within a
 * table's copy whose image lacks columns (binlog_row_image MINIMAL or NOBLOB) cannot write the
 * whole row, so the source's row as one snapshot shows it is written in its place.
 *
 * Invariant: a row as of the snapshot is written only by a claim that found the table's end at or
 * behind the snapshot on the target, and only for a change that the snapshot has. So whatever the
 * log has of that row behind the change, up to the snapshot, is replayed over it by this claim or a
 * later one as over any copied row.
 *
 * The snapshot outlives claims and serves every such change up to it, so the ends move once for all
 * tables, not once a row. Whatever loses it (a restart, the source's session, its age where it
 * holds tables against DDL) moves them once more. What cannot be read so is asked of a person, with
 * the choice to copy the table again. Thread: reread_fill by workers, which take turns; the rest by
 * main while no worker runs, unless said.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_REREAD_H
#define OMS_COMPONENTS_INCR_SYNC_REREAD_H

#include "common/base/arena.h"
#include "common/base/vec.h"
#include "components/endpoint/endpoint.h"
#include "components/incr_sync/core/source_block.h"

struct sync;
struct reread; /* of a process */
struct reread *reread_new(void);
void reread_free(struct reread *r); /* NULL is fine */

struct stray { /* a write whose image lacks columns */
    size_t at;
    const struct sync_table *table;
};
struct reread_work { /* a worker's, of the writes of one group or piece; zero is valid */
    VEC(struct stray) strays;
    VEC(struct txn_id) ids; /* of their transactions */
    VEC(struct rows *) rows;
    struct arena images;
    bool ready;
    bool uses; /* its transaction has rows of the snapshot: that stays until reread_done */
};
void reread_begin(struct reread_work *w); /* forgets; what reread_fill gave ends here */
void reread_fini(struct reread_work *w);
static inline bool reread_is_needed(enum change_op op, bool overlap, bool has_absent)
{
    return overlap && has_absent && op != CHANGE_DELETE;
}
void reread_add_txn(struct reread_work *w, struct txn_id id);
void reread_add(struct reread_work *w, size_t at, const struct sync_table *table);
/* Gives the writes their rows. ERR_SERVER_BUSY: the ends move first, the claim ends. ERR_IMAGE:
 * they cannot be read; it is asked. */
bool reread_fill(struct sync *s, struct reread_work *w, struct write *writes,
                 struct err *e) MUST_CHECK;
/* The transaction is over, one way or the other. */
void reread_done(struct sync *s, struct reread_work *w);

/* A claim begins: if its predecessor asked for it, opens the snapshot and moves ends, durably, so
 * that the claim finds them. */
bool reread_open(struct sync *s, struct err *e) MUST_CHECK;
/* The claim ended because ends move: the next one need not wait. */
struct carry;
bool reread_is_asked(const struct carry *carry);
/* Now and then: a snapshot that holds tables against DDL is dropped soon. Thread: main; workers may
 * run. */
void reread_look(struct sync *s);
/* Every end was passed: no such change can come. Thread: main; workers may run. */
void reread_close(struct sync *s);

#endif
