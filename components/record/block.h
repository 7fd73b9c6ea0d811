/*
 * Blocks: the unit of compression, checksum, disk write and stream frame. A block holds whole
 * records (a transaction of several parts may span blocks). The stored bytes go unchanged to
 * readers. Header (little endian, 64 bytes): see docs/format/store.md. The checksum is CRC-32C over
 * header (crc field zero) and stored payload, chained: seeded with the previous block's crc. Pure.
 */
#ifndef OMS_COMPONENTS_RECORD_BLOCK_H
#define OMS_COMPONENTS_RECORD_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"

#define BLOCK_MAGIC 0x314b4c42u /* "BLK1" */
#define BLOCK_HEADER_SIZE 64
#define BLOCK_RAW_MAX (64u << 20) /* ceiling of one block's uncompressed payload */

enum block_codec { BLOCK_RAW = 0, BLOCK_ZSTD = 1 };
enum {
    BLOCK_F_TXN_START = 1, /* a transaction (not a later part) begins in it */
    BLOCK_F_OPEN_TAIL = 2  /* it ends inside a transaction of several parts */
};

struct block_head {
    uint64_t number; /* from 1, without holes, over all segments */
    uint64_t
        prev_durable; /* number of the last block known durable when this one was written (B2) */
    uint32_t raw_len, stored_len;
    uint32_t n_records;
    uint8_t codec, flags;
    int64_t first_commit_us, last_commit_us; /* 0 where it has no transaction */
    uint32_t prev_crc, crc;
};

uint32_t crc32c(uint32_t seed, const void *p, size_t n);       /* hardware where there is one */
uint32_t crc32c_table(uint32_t seed, const void *p, size_t n); /* without it */

/* A compressor's memory, used again for every block. Thread: one at a time. */
struct block_packer;
struct block_packer *block_packer_new(void);
void block_packer_free(struct block_packer *p); /* NULL is fine */
/* The half that needs nothing of other blocks: appends room for a header and the payload to out;
 * sets h->codec, raw_len, stored_len. level 0 = BLOCK_RAW, below 0: zstd's fast levels, of which
 * BLOCK_LEVEL_HASTE takes the least time and leaves nearly twice the bytes. */
#define BLOCK_LEVEL_HASTE (-1000)
bool block_pack(struct block_packer *p, struct block_head *h, struct view raw, int level,
                struct buf *out, struct err *e) MUST_CHECK;
/* The other half: checksum and header, in place. `bytes`: where block_pack put it. */
void block_seal(struct block_head *h, uint8_t *bytes);
/* Both: appends header and payload to out; sets h->stored_len, h->crc. */
bool block_encode(struct block_head *h, struct view raw, int level, struct buf *out,
                  struct err *e) MUST_CHECK;
/* Reads a header at c; false: fewer bytes than a header, or no header (c->failed not set for
 * short). */
bool block_head_read(struct view bytes, struct block_head *h);
/* Checks the chained crc of header + payload. */
bool block_check(const struct block_head *h, struct view header, struct view payload);
/* Decompresses into out (cleared first). */
bool block_decode(const struct block_head *h, struct view payload, struct buf *out,
                  struct err *e) MUST_CHECK;

#endif
