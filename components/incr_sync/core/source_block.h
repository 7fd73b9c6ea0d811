/*
 * The block is the arena: the decompressed bytes of one block and the transactions that end in it.
 * Rows are views into it. A block is counted: one for whoever walks its list of transactions, one
 * for each transaction (part) with bytes in it; at zero it is idle and freed.
 *
 * Threads: filled by the reader; then owned by the window's thread, read by workers while their
 * transactions are in flight; the count is atomic because the reader may drop the parts of an
 * unfinished transaction while earlier ones of the same block commit. Pure otherwise.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_SOURCE_BLOCK_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_SOURCE_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "components/incr_sync/core/dep_key.h"
#include "components/record/block.h"
#include "components/record/txn.h"

/* Replaces a set that holds a value already (txn_set_copy begins with one that does not). */
static inline void txn_set_assign(struct txn_set *to, const struct txn_set *from)
{
    txn_set_fini(to);
    txn_set_copy(to, from);
}

struct source_block {
    struct buf raw;      /* whole records */
    struct arena arena;  /* the transactions that end here, their keys */
    uint64_t number;     /* of the Store's block */
    atomic_uint live;    /* references */
    size_t counted;      /* bytes, as its pool accounts them */
    struct source_txns { /* transactions that end here, in order */
        struct source_txn **at;
        size_t n, cap;
    } txns;
};

/* What becomes of a table's rows in one transaction (correctness A9, A11). */
enum table_use {
    USE_SKIP,    /* not in scope, or the copy holds them already: inside B */
    USE_OVERLAP, /* not in B, inside E */
    USE_EXACT,
};

/* One version of a source's table, with what the project makes of it. Made by the intake; lives as
 * long as the intake. `plan` belongs to the window's thread, which sets it only while no
 * transaction of the table is in flight. */
struct sync_table {
    const struct table_def *def;
    bool in_scope;
    const char *key;                   /* "db.name" of the source; only in scope */
    bool heartbeat;                    /* never in scope; see intake_scope */
    const char *to_db, *to_name;       /* on the target */
    const struct txn_set *begin, *end; /* B and E; NULL = none: exact from the start */
    struct table_deps deps;            /* only in scope */
    struct sync_table **current;       /* the newest version of this name that had rows */
    /* A transaction had a wide value in a key (fold.h). After the barrier that it was, the table is
     * one key. The intake writes both. */
    bool wide_seen;
    atomic_bool wide;
    void *plan; /* the shell's */
};
static inline bool sync_table_is_one_key(const struct sync_table *t)
{
    return t->deps.exclusive || atomic_load_explicit(&t->wide, memory_order_relaxed);
}
struct txn_table { /* a table that a transaction touches */
    uint32_t id;
    enum table_use use;
    struct sync_table *table;
};
struct txn_part {
    struct source_block *block;
    struct view changes;
};

/* A part of a transaction that is given to the target while later ones are still on their way (E1).
 * Lives in its block's arena; holds one reference of the block. */
struct source_piece {
    struct source_piece *next; /* whoever holds them */
    struct txn_part part;
    const struct txn_table *tables; /* all that the transaction has touched so far */
    uint32_t n_tables;
    bool last;
};
struct txn_pipe; /* the shell's: pieces on their way */

enum source_class {
    SOURCE_EMPTY,   /* nothing to write: only moves the position */
    SOURCE_ROWS,    /* ordered by its keys */
    SOURCE_TABLES,  /* ordered by its tables: nothing else of them is in flight with it */
    SOURCE_BARRIER, /* alone, after everything before and before everything after (E1) */
    SOURCE_DDL,     /* in scope: waits at the gate; with rows, it is a barrier behind it */
};
enum source_state { SOURCE_WAITING, SOURCE_FLYING, SOURCE_DONE };
enum source_care {
    CARE_NONE,  /* may be grouped */
    CARE_SOLO,  /* a group with it failed: a group of its own */
    CARE_ALONE, /* failed by itself: after everything before, with nothing in flight (A17) */
};

struct source_txn {
    struct txn_id id;
    uint64_t covers_from;
    struct wall commit;
    struct wall beat; /* the time in our Store's heartbeat, if it has one; 0 = none */
    struct view native;
    enum source_class class_;
    uint64_t bytes;   /* of its parts */
    uint64_t changes; /* rows in scope */
    const uint64_t *keys;
    /* The target's tables that it touches (dep_key.h: table_tag); of a DDL without: all. Who has a
     * key in common has a tag in common. */
    const uint64_t *tags;
    uint32_t n_keys, n_tags, n_tables, n_parts;
    struct txn_table *tables;
    struct txn_part *parts;
    const struct ddl_record *ddl;
    struct txn_pipe *pipe; /* its parts come here as they arrive; NULL: they are all in `parts` */
    /* The window's: */
    enum source_state state;
    enum source_care care;
    uint32_t failures;
    uint64_t order;
};

/* raw_max: ceiling of the decompressed bytes. live = 1: the caller's. */
struct source_block *source_block_new(size_t raw_max);
void source_block_free(struct source_block *b);
static inline void source_block_ref(struct source_block *b)
{
    atomic_fetch_add_explicit(&b->live, 1, memory_order_relaxed);
}
/* True: that was the last reference, the block is idle and the caller's. */
static inline bool source_block_unref(struct source_block *b)
{
    return atomic_fetch_sub_explicit(&b->live, 1, memory_order_acq_rel) == 1;
}
/* A transaction with a pipe: it lives by itself, since its blocks come and go. */
struct source_txn *source_txn_alone(void);
/* Drops the references of a transaction's parts; idle() gets each block that becomes idle, last the
 * one the transaction itself lives in. */
typedef void source_block_idle(void *arg, struct source_block *b);
void source_txn_release(struct source_txn *t, source_block_idle *idle, void *arg);

#endif
