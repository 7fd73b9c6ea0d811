/*
 * A Store's log: what one source committed, durable, in order, served to any number of readers.
 *
 * Invariant (B1): published = served = acknowledged = fsynced, whole transactions only. A block
 * that is written but not synced, and an unfinished transaction, are visible to nobody and are cut
 * after a crash.
 *
 * Threads: one appender (store_append, then store_sync), any number of readers (store_read_*), each
 * on its own thread. `lock` guards what is published and the list of segments and is never held
 * across disk I/O but the unlink of old segments.
 */
#ifndef OMS_COMPONENTS_STORE_STORE_H
#define OMS_COMPONENTS_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/time.h"
#include "components/record/block.h"
#include "components/record/table_def.h"
#include "components/record/txn_id.h"

struct store;

struct store_options {
    const char *dir;
    uint64_t epoch;
    uint64_t segment_bytes;         /* a new segment after this many; 0 = 64 MiB */
    uint64_t retention_bytes;       /* 0 = no limit by size */
    uint64_t retention_us;          /* 0 = no limit by age */
    uint64_t retention_limit_bytes; /* beyond it even what readers need goes, loudly; 0 = never */
    int zstd_level;                 /* 0 = stored as it is */
};
/* Opens DIR (made if absent), takes its lock (B5), recovers (B2). ERR_STORE_CORRUPT when bytes
 * before the last durable mark are damaged; ERR_EXISTS when another process has the directory. */
bool store_open(const struct store_options *o, struct store **s, struct err *e) MUST_CHECK;
void store_close(struct store *s);

/* The begin: the set before the first block. Written durably once, before anything is pulled. */
bool store_has_begin(const struct store *s); /* Thread: appender */
bool store_set_begin(struct store *s, const struct txn_set *begin, struct err *e) MUST_CHECK;

/* --- appending ----------------------------------------------------------------------------------
 */
/* One block of whole records. inside_txn: it ends inside a transaction of several parts. Written,
 * not yet durable. */
bool store_append(struct store *s, struct view records, bool inside_txn, struct err *e) MUST_CHECK;
/* The same of a block made ready by store_pack(). After ERR_NO_SPACE it may be tried again. */
struct store_packed;
bool store_append_packed(struct store *s, struct store_packed *b, struct err *e) MUST_CHECK;
/* Where these records are outside any transaction for the last time, in bytes; 0: nowhere. A batch
 * that ends inside one is appended as two blocks, so that what is whole is not held up. */
size_t store_whole_part(struct view records);
/* fdatasync, then publishes everything up to the last whole transaction. An error is final: close
 * and recover (B2). */
bool store_sync(struct store *s, struct err *e) MUST_CHECK;
/* Cuts what was appended of an unfinished transaction, so that it can be pulled again. Syncs first.
 */
bool store_cut_open(struct store *s, struct err *e) MUST_CHECK;
/* The table versions known at the end of what is written; borrowed, n of them. Thread: appender. */
const struct table_def *const *store_tables(const struct store *s, size_t *n);
/* The begin. False: there is none yet. Copies. Thread: any. */
bool store_begin(struct store *s, struct txn_set *out);
/* Everything stored: begin and published. Copies. */
void store_set(struct store *s, struct txn_set *out);
/* The transaction that was published last. False: no segment that is kept has one. Thread: any. */
bool store_last_id(struct store *s, struct txn_id *id);
struct store_figures {
    uint64_t first_number, last_number; /* published; 0, 0: nothing */
    uint64_t bytes, raw_bytes; /* stored on disk; of the published blocks of this run, raw */
    uint64_t txns;             /* appended in this run */
    uint32_t segments;
    int64_t last_commit_us;
};
void store_figures(struct store *s, struct store_figures *f);

/* --- reading ------------------------------------------------------------------------------------
 */
struct store_reader;
/* Begins with the first block that may hold something not in `after`; tables: versions it needs, as
 * records. ERR_UNAVAILABLE before there is a begin; ERR_STORE_POSITION when `after` lacks something
 * from before the oldest block kept. */
bool store_reader_open(struct store *s, const struct txn_set *after, struct buf *tables,
                       struct store_reader **r, struct err *e) MUST_CHECK;
/* Begins with block `number`, which must follow one whose checksum is `crc`: a reader that was cut
 * goes on. ERR_STORE_POSITION: it is not kept any more, or this is another log. */
bool store_reader_open_at(struct store *s, uint64_t number, uint32_t crc, struct store_reader **r,
                          struct err *e) MUST_CHECK;
uint64_t store_reader_at(const struct store_reader *r); /* number of its next block */
void store_reader_close(struct store_reader *r);
/* True once block `number` is published; false after timeout_ms. */
bool store_wait_published(struct store *s, uint64_t number, int64_t timeout_ms);
/* The next published block as stored (header and payload), or *got false after timeout_ms. */
bool store_reader_next(struct store_reader *r, int64_t timeout_ms, struct block_head *h,
                       struct buf *stored, bool *got, struct err *e) MUST_CHECK;
/* Bytes published and not yet read. */
uint64_t store_reader_backlog(struct store_reader *r);

/* --- retention ----------------------------------------------------------------------------------
 */
/* What a named reader has committed, kept durably (at most once a second): holds retention back. */
bool store_register(struct store *s, const char *reader, const struct txn_set *low,
                    struct err *e) MUST_CHECK;
/* Removes old segments as the options say. *loud: one was removed although a reader needs it. */
bool store_purge(struct store *s, struct wall now, uint32_t *removed, bool *loud,
                 struct err *e) MUST_CHECK;
/* The log is near its limit (four fifths of retention_limit_bytes) and a reader holds it there. */
struct store_held {
    char reader[256]; /* the one that is furthest behind */
    uint64_t bytes, limit;
};
bool store_held_back(struct store *s, struct store_held *h);

#endif
