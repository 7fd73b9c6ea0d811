/*
 * One segment file of a Store: a header, a preamble (the set of transactions before it and every
 * table version a reader of it needs), then blocks. Immutable once a later segment exists. The
 * bytes are in docs/format/store.md. Thread: one at a time per struct.
 */
#ifndef OMS_COMPONENTS_STORE_SEGMENT_H
#define OMS_COMPONENTS_STORE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/record/block.h"
#include "components/record/table_def.h"
#include "components/record/txn_id.h"

#define SEGMENT_FORMAT 2
#define SEGMENT_HEADER_SIZE 64

struct segment_head {
    uint32_t format;
    uint64_t first_number; /* of its first block */
    uint32_t prev_crc;     /* of the block before its first; 0 for the first segment */
    uint32_t preamble_len;
    int64_t newest_us; /* commit time of the newest transaction before it; 0: none */
    struct txn_set before;
    struct {
        const struct table_def **at; /* one reference each */
        size_t n, cap;
    } tables;
};

void segment_head_init(struct segment_head *h);
void segment_head_fini(struct segment_head *h);
/* "DIR/log/00000000000000000042.seg" */
void segment_path(const char *dir, uint64_t first_number, char *out, size_t cap);
/* Header and preamble as bytes. */
void segment_head_encode(const struct segment_head *h, struct buf *out);
/* Reads them from an open file. */
bool segment_head_read(int fd, const char *path, struct segment_head *h, struct err *e) MUST_CHECK;
static inline uint64_t segment_blocks_at(const struct segment_head *h)
{
    return SEGMENT_HEADER_SIZE + (uint64_t)h->preamble_len;
}

/* A block as stored, read at an offset. Fewer bytes than a block or a wrong checksum: *whole false.
 */
bool segment_read_block(int fd, const char *path, uint64_t offset, uint32_t prev_crc,
                        struct block_head *h, struct buf *stored, bool *whole,
                        struct err *e) MUST_CHECK;

#endif
