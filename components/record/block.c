/* Blocks: header, compression, chained checksum. See block.h; the bytes are in
 * docs/format/store.md. */
#include "components/record/block.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY /* for the name of one setting */
#include <zstd.h>

#include "common/base/must.h"

#define LEVEL_OF_HASTE (-20)
#define TABLE_OF_HASTE 12 /* log2 of zstd's hash table: 16 KB, which stays in the nearest cache */
#define MATCH_OF_HASTE 7  /* bytes at least */
#define CRC_AT 60         /* the last four bytes of the header */

static void put_header(const struct block_head *h, uint8_t out[BLOCK_HEADER_SIZE])
{
    const uint32_t magic = BLOCK_MAGIC;

    memset(out, 0, BLOCK_HEADER_SIZE);
    memcpy(out, &magic, 4);
    out[4] = h->codec;
    out[5] = h->flags;
    memcpy(out + 8, &h->number, 8);
    memcpy(out + 16, &h->prev_durable, 8);
    memcpy(out + 24, &h->raw_len, 4);
    memcpy(out + 28, &h->stored_len, 4);
    memcpy(out + 32, &h->n_records, 4);
    memcpy(out + 40, &h->first_commit_us, 8);
    memcpy(out + 48, &h->last_commit_us, 8);
    memcpy(out + 56, &h->prev_crc, 4);
    memcpy(out + CRC_AT, &h->crc, 4);
}

static uint32_t checksum(uint32_t prev_crc, const uint8_t *header, struct view payload)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(prev_crc, header, CRC_AT);

    crc = crc32c(crc, zero, sizeof zero);
    return crc32c(crc, payload.p, payload.len);
}

struct block_packer {
    ZSTD_CCtx *zstd;
};

struct block_packer *block_packer_new(void)
{
    struct block_packer *p = must_calloc(1, sizeof *p);

    p->zstd = ZSTD_createCCtx();
    must(p->zstd != NULL);
    return p;
}

void block_packer_free(struct block_packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->zstd);
    free(p);
}

/* Fast levels skip both the search for matches and the entropy coding of the rest. The second is
 * half of the bytes for three quarters of the time: only who is in haste goes without. A library
 * that does not know a setting only compresses otherwise; 0 is the level's own. */
static size_t set_level(ZSTD_CCtx *z, int level)
{
    bool haste = level == BLOCK_LEVEL_HASTE;

    (void)ZSTD_CCtx_setParameter(z, ZSTD_c_literalCompressionMode,
                                 haste ? ZSTD_lcm_uncompressed : ZSTD_lcm_huffman);
    (void)ZSTD_CCtx_setParameter(z, ZSTD_c_hashLog, haste ? TABLE_OF_HASTE : 0);
    (void)ZSTD_CCtx_setParameter(z, ZSTD_c_minMatch, haste ? MATCH_OF_HASTE : 0);
    return ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, haste ? LEVEL_OF_HASTE : level);
}

static bool compress(struct block_packer *p, struct block_head *h, struct view raw, int level,
                     struct buf *out, struct err *e)
{
    size_t room = ZSTD_compressBound(raw.len), n;

    if (!buf_reserve(out, room))
        return err_set(e, ERR_LIMIT, "a block of %zu bytes does not fit its buffer", raw.len);
    n = set_level(p->zstd, level);
    if (!ZSTD_isError(n))
        n = ZSTD_compress2(p->zstd, out->p + out->len, room, raw.p, raw.len);
    if (ZSTD_isError(n))
        return err_set(e, ERR_BUG, "cannot compress a block: %s", ZSTD_getErrorName(n));
    h->codec = BLOCK_ZSTD;
    h->stored_len = (uint32_t)n;
    out->len += n;
    return true;
}

bool block_pack(struct block_packer *p, struct block_head *h, struct view raw, int level,
                struct buf *out, struct err *e)
{
    if (raw.len > BLOCK_RAW_MAX)
        return err_set(e, ERR_LIMIT, "a block of %zu bytes is larger than %u", raw.len,
                       BLOCK_RAW_MAX);
    if (!buf_reserve(out, BLOCK_HEADER_SIZE))
        return err_set(e, ERR_LIMIT, "a block does not fit its buffer of %zu bytes", out->max);
    out->len += BLOCK_HEADER_SIZE;
    h->raw_len = (uint32_t)raw.len;
    if (level != 0)
        return compress(p, h, raw, level, out, e);
    h->codec = BLOCK_RAW;
    h->stored_len = h->raw_len;
    buf_append(out, raw.p, raw.len);
    return buf_ok(out) ||
           err_set(e, ERR_LIMIT, "a block of %zu bytes does not fit its buffer", raw.len);
}

void block_seal(struct block_head *h, uint8_t *bytes)
{
    h->crc = 0;
    put_header(h, bytes);
    h->crc = checksum(h->prev_crc, bytes, (struct view){bytes + BLOCK_HEADER_SIZE, h->stored_len});
    put_header(h, bytes);
}

bool block_encode(struct block_head *h, struct view raw, int level, struct buf *out, struct err *e)
{
    struct block_packer *p = block_packer_new();
    size_t at = out->len;
    bool ok = block_pack(p, h, raw, level, out, e);

    block_packer_free(p);
    if (ok)
        block_seal(h, out->p + at);
    return ok;
}

bool block_head_read(struct view bytes, struct block_head *h)
{
    uint32_t magic;

    if (bytes.len < BLOCK_HEADER_SIZE)
        return false;
    memcpy(&magic, bytes.p, 4);
    h->codec = bytes.p[4];
    h->flags = bytes.p[5];
    memcpy(&h->number, bytes.p + 8, 8);
    memcpy(&h->prev_durable, bytes.p + 16, 8);
    memcpy(&h->raw_len, bytes.p + 24, 4);
    memcpy(&h->stored_len, bytes.p + 28, 4);
    memcpy(&h->n_records, bytes.p + 32, 4);
    memcpy(&h->first_commit_us, bytes.p + 40, 8);
    memcpy(&h->last_commit_us, bytes.p + 48, 8);
    memcpy(&h->prev_crc, bytes.p + 56, 4);
    memcpy(&h->crc, bytes.p + CRC_AT, 4);
    return magic == BLOCK_MAGIC && h->codec <= BLOCK_ZSTD && h->raw_len <= BLOCK_RAW_MAX &&
           h->stored_len <= ZSTD_compressBound(BLOCK_RAW_MAX);
}

bool block_check(const struct block_head *h, struct view header, struct view payload)
{
    return header.len >= BLOCK_HEADER_SIZE && payload.len == h->stored_len &&
           checksum(h->prev_crc, header.p, payload) == h->crc;
}

bool block_decode(const struct block_head *h, struct view payload, struct buf *out, struct err *e)
{
    size_t n;

    buf_clear(out);
    if (!buf_reserve(out, h->raw_len ? h->raw_len : 1))
        return err_set(e, ERR_LIMIT, "block %" PRIu64 " needs %u bytes, limit %zu", h->number,
                       h->raw_len, out->max);
    if (h->codec == BLOCK_RAW) {
        if (payload.len != h->raw_len)
            return err_set(e, ERR_CORRUPT, "block %" PRIu64 " has the wrong length", h->number);
        buf_append(out, payload.p, payload.len);
        return true;
    }
    n = ZSTD_decompress(out->p, h->raw_len, payload.p, payload.len);
    if (ZSTD_isError(n) || n != h->raw_len)
        return err_set(e, ERR_CORRUPT, "cannot decompress block %" PRIu64 ": %s", h->number,
                       ZSTD_isError(n) ? ZSTD_getErrorName(n) : "another length");
    out->len = n;
    return true;
}
