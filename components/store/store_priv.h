/* The inside of a Store, shared by store_open.c, store_append.c, store_write.c, store_read.c,
 * store_retain.c. */
#ifndef OMS_COMPONENTS_STORE_STORE_PRIV_H
#define OMS_COMPONENTS_STORE_STORE_PRIV_H

#include <pthread.h>

#include "common/base/buf.h"
#include "common/base/vec.h"
#include "components/store/pack.h"
#include "components/store/segment.h"
#include "components/store/store.h"

struct store_segment {
    struct segment_head head;
    uint64_t bytes;         /* of the file; the last one: written so far */
    int64_t last_commit_us; /* the newest commit time in it or before it */
};

struct registered {
    char *name;
    struct txn_set low;
};

struct store {
    struct store_options o;
    char *dir;
    int lock_fd;
    bool has_begin; /* lock, once it is open */
    struct txn_set begin;

    pthread_mutex_t lock;
    pthread_cond_t published;
    VEC(struct store_segment *) segments; /* lock; ascending; the last is open for writing */
    struct txn_set set;                   /* lock; begin and everything published */
    uint64_t last_number;                 /* lock; published */
    uint64_t end_offset;      /* lock; of the published bytes in the last segment that has any */
    uint64_t end_segment;     /* lock; first_number of that segment */
    int64_t last_commit_us;   /* lock */
    struct txn_id last_id;    /* lock; of the last published transaction; origin NULL: none here */
    uint64_t raw_bytes, txns; /* lock */
    VEC(struct registered) readers; /* lock */
    bool readers_dirty;             /* lock */
    struct mono readers_at;         /* lock; when they were last made durable */
    pthread_mutex_t readers_file;   /* held while the file is written; never inside `lock` */

    /* Appender only. */
    struct store_segment *tail; /* the last segment; retention never takes it */
    bool broken;                /* a sync failed: nothing is written or synced any more (B2) */
    int fd;                     /* of the last segment; -1: none yet */
    uint64_t offset;            /* where the next block goes */
    uint64_t cached_from;       /* before it nothing is kept in the kernel's cache */
    uint64_t cached_left;       /* first_number of an earlier segment that still is; 0: none */
    uint8_t *stage;             /* store_write.c's; NULL: not needed yet */
    bool no_direct;             /* writing past the kernel's cache did not work */
    uint64_t next_number;
    uint32_t prev_crc;
    uint64_t durable_number;
    struct txn_set pending;      /* complete and whole, not yet published */
    struct txn_set pending_open; /* complete, in blocks that end inside another transaction */
    uint32_t whole_crc;
    uint64_t whole_number, whole_offset; /* end of the last block that ends outside a transaction */
    int64_t pending_commit_us;
    struct txn_id pending_id, open_id; /* last ones of pending and of pending_open */
    uint64_t pending_txns, pending_raw;
    bool inside_txn;
    struct table_list tables;         /* newest version of each table, one reference each */
    struct table_list pending_tables; /* learned since the last whole block */
    struct buf scratch;               /* recovery: blocks as stored */
    struct block_packer *packer;      /* store_append's own */
};

/* Puts a block's bytes at s->offset of the open segment, which stays as it is. ERR_NO_SPACE:
 * nothing of it is left there. Thread: appender. */
bool store_write_block(struct store *s, const struct buf *bytes, struct err *e) MUST_CHECK;
/* Everything written is on the disk: all but the end leaves the kernel's cache. Thread: appender.
 */
void store_cache_synced(struct store *s);
/* The open segment is whole and synced, another takes its place. Thread: appender. */
void store_cache_leave(struct store *s);

void store_settle_tables(struct store *s); /* a block was whole */
void store_forget_tables(struct store *s); /* it was cut */
/* Starts a new segment file, durable with its directory entry. Thread: appender. */
bool store_new_segment(struct store *s, struct err *e) MUST_CHECK;
bool store_load_readers(struct store *s, struct err *e) MUST_CHECK;
void store_free_segment(struct store_segment *g);

#endif
