/* Segment files as a disk could give them back: head, preamble, blocks and what their records say.
 * The first byte says whether the checksums are made right, so that what lies behind is reached. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/must.h"
#include "components/store/pack.h"
#include "components/store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_head_right(uint8_t *p, size_t n)
{
    uint32_t preamble, crc;

    if (n < SEGMENT_HEADER_SIZE)
        return;
    memcpy(p, "OMSLOG1", 8);
    p[8] = SEGMENT_FORMAT;
    p[9] = p[10] = p[11] = 0;
    memcpy(&preamble, p + 24, 4);
    preamble %= 256;
    if (preamble > n - SEGMENT_HEADER_SIZE)
        preamble = (uint32_t)(n - SEGMENT_HEADER_SIZE);
    memcpy(p + 24, &preamble, 4);
    crc = crc32c(crc32c(0, p, 60), p + SEGMENT_HEADER_SIZE, preamble);
    memcpy(p + 60, &crc, 4);
}

/* Records of a block come to the scan without a checksum in their way. */
static void scan(struct view records)
{
    struct table_list tables = {0};
    struct err e = ERR_INIT;
    struct txn_set complete;
    struct block_facts f;

    txn_set_init(&complete);
    if (store_scan_records(records, &complete, &tables, &f, &e))
        must(f.n_txns <= f.n_records && tables.n <= f.n_records);
    (void)store_whole_part(records);
    txn_set_fini(&complete);
    table_list_forget(&tables);
    free(tables.at);
}

static void read_file(int fd)
{
    struct segment_head h;
    struct err e = ERR_INIT;
    struct buf stored;

    segment_head_init(&h);
    buf_init(&stored, 1u << 20);
    if (segment_head_read(fd, "fuzz", &h, &e)) {
        uint64_t at = segment_blocks_at(&h);
        uint32_t crc = h.prev_crc;
        bool whole = true;

        while (whole) {
            struct block_head b;

            if (!segment_read_block(fd, "fuzz", at, crc, &b, &stored, &whole, &e))
                break;
            at += stored.len;
            crc = b.crc;
        }
    }
    buf_fini(&stored);
    segment_head_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    int fd;

    if (size == 0)
        return 0;
    scan((struct view){data + 1, size - 1});
    copy = must_alloc(size);
    memcpy(copy, data + 1, size - 1);
    if (data[0] & 1)
        make_head_right(copy, size - 1);
    fd = memfd_create("segment", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, copy, size - 1) == (ssize_t)(size - 1));
    read_file(fd);
    close(fd);
    free(copy);
    return 0;
}
