/* Blocks as a disk could give them back. With a checksum that is made right, so that the
 * decompression is reached; what a block holds after that is within what it said. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/must.h"
#include "components/record/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct block_head *h, struct view payload)
{
    struct err e = ERR_INIT;
    struct buf out;

    buf_init(&out, 1u << 20); /* a reader's own limit */
    if (block_decode(h, payload, &out, &e))
        must(out.len == h->raw_len);
    buf_fini(&out);
}

/* What was encoded is read back. */
static void round_trip(const uint8_t *data, size_t size)
{
    struct block_head h = {.number = size, .prev_crc = (uint32_t)size * 17}, back;
    struct err e = ERR_INIT;
    struct buf out, raw;
    struct view payload;

    buf_init(&out, BLOCK_RAW_MAX);
    buf_init(&raw, BLOCK_RAW_MAX);
    must(block_encode(&h, (struct view){data, size}, size & 1, &out, &e));
    must(block_head_read((struct view){out.p, out.len}, &back));
    payload = (struct view){out.p + BLOCK_HEADER_SIZE, out.len - BLOCK_HEADER_SIZE};
    must(block_check(&back, (struct view){out.p, BLOCK_HEADER_SIZE}, payload));
    must(block_decode(&back, payload, &raw, &e));
    must(raw.len == size && (size == 0 || memcmp(raw.p, data, size) == 0));
    buf_fini(&out);
    buf_fini(&raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_head h;
    struct view payload;

    round_trip(data, size);
    if (!block_head_read((struct view){data, size}, &h))
        return 0;
    payload = (struct view){data + BLOCK_HEADER_SIZE, size - BLOCK_HEADER_SIZE};
    (void)block_check(&h, (struct view){data, BLOCK_HEADER_SIZE}, payload);
    decode(&h, payload);
    return 0;
}
