/* Segment files. See segment.h. */
#include "components/store/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/vec.h"
#include "common/os/fileio.h"
#include "components/record/txn.h"

#define PREAMBLE_MAX (256u << 20)
static const char magic[8] = "OMSLOG1";

void segment_head_init(struct segment_head *h)
{
    memset(h, 0, sizeof *h);
    h->format = SEGMENT_FORMAT;
    txn_set_init(&h->before);
}

void segment_head_fini(struct segment_head *h)
{
    txn_set_fini(&h->before);
    for (size_t i = 0; i < h->tables.n; i++)
        table_def_unref(h->tables.at[i]);
    vec_fini(&h->tables);
}

void segment_path(const char *dir, uint64_t first_number, char *out, size_t cap)
{
    snprintf(out, cap, "%s/log/%020" PRIu64 ".seg", dir, first_number);
}

void segment_head_encode(const struct segment_head *h, struct buf *out)
{
    uint8_t head[SEGMENT_HEADER_SIZE] = {0};
    size_t at = out->len;
    uint32_t crc, preamble_len;

    buf_append(out, head, sizeof head);
    txn_set_encode(&h->before, out);
    for (size_t i = 0; i < h->tables.n; i++)
        record_write_table(out, h->tables.at[i]);
    if (!buf_ok(out))
        return;
    preamble_len = (uint32_t)(out->len - at - sizeof head);
    memcpy(head, magic, sizeof magic);
    memcpy(head + 8, &h->format, 4);
    memcpy(head + 12, &h->prev_crc, 4);
    memcpy(head + 16, &h->first_number, 8);
    memcpy(head + 24, &preamble_len, 4);
    memcpy(head + 28, &h->newest_us, 8);
    crc = crc32c(crc32c(0, head, 60), out->p + at + sizeof head, preamble_len);
    memcpy(head + 60, &crc, 4);
    memcpy(out->p + at, head, sizeof head);
}

/* Exactly n bytes, or *got fewer at the end of the file. */
static bool read_at(int fd, const char *path, uint64_t offset, void *p, size_t n, size_t *got,
                    struct err *e)
{
    return file_read_at(fd, p, n, offset, got) ||
           err_set_errno(e, ERR_SYSTEM, errno, "cannot read '%s'", path);
}

static bool read_preamble(struct view preamble, struct segment_head *h, struct err *e)
{
    struct cursor c = cursor_of(preamble.p, preamble.len);
    struct record r;

    txn_set_fini(&h->before);
    if (!txn_set_decode(&c, &h->before, e))
        return false;
    while (record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);
        const struct table_def *t;

        if (r.type != RECORD_TABLE_VERSION)
            return err_set(e, ERR_STORE_CORRUPT, "a record of type %u in the preamble", r.type);
        if (!table_def_decode(&body, &t, e))
            return false;
        vec_push(&h->tables, t);
    }
    return !c.failed || err_set(e, ERR_STORE_CORRUPT, "the preamble does not have its form");
}

bool segment_head_read(int fd, const char *path, struct segment_head *h, struct err *e)
{
    uint8_t head[SEGMENT_HEADER_SIZE];
    struct buf preamble;
    uint32_t crc;
    size_t got;
    bool ok;

    if (!read_at(fd, path, 0, head, sizeof head, &got, e))
        return false;
    if (got < sizeof head || memcmp(head, magic, sizeof magic) != 0)
        return err_set(e, ERR_STORE_CORRUPT, "'%s' is not a segment", path);
    memcpy(&h->format, head + 8, 4);
    memcpy(&h->prev_crc, head + 12, 4);
    memcpy(&h->first_number, head + 16, 8);
    memcpy(&h->preamble_len, head + 24, 4);
    memcpy(&h->newest_us, head + 28, 8);
    memcpy(&crc, head + 60, 4);
    if (h->format != SEGMENT_FORMAT)
        return err_set(e, ERR_UNSUPPORTED, "'%s' has format %u, this program reads %u", path,
                       h->format, SEGMENT_FORMAT);
    if (h->preamble_len > PREAMBLE_MAX)
        return err_set(e, ERR_STORE_CORRUPT, "'%s' has a preamble of %u bytes", path,
                       h->preamble_len);
    buf_init(&preamble, PREAMBLE_MAX);
    ok = buf_reserve(&preamble, h->preamble_len ? h->preamble_len : 1) &&
         read_at(fd, path, sizeof head, preamble.p, h->preamble_len, &got, e);
    if (ok &&
        (got < h->preamble_len || crc32c(crc32c(0, head, 60), preamble.p, h->preamble_len) != crc))
        ok = err_set(e, ERR_STORE_CORRUPT, "the preamble of '%s' has a wrong checksum", path);
    ok = ok && read_preamble((struct view){preamble.p, h->preamble_len}, h, e);
    buf_fini(&preamble);
    return ok ? true : err_wrap(e, "segment '%s'", path);
}

bool segment_read_block(int fd, const char *path, uint64_t offset, uint32_t prev_crc,
                        struct block_head *h, struct buf *stored, bool *whole, struct err *e)
{
    size_t got;

    *whole = false;
    buf_clear(stored);
    if (!buf_reserve(stored, BLOCK_HEADER_SIZE))
        return err_set(e, ERR_LIMIT, "no room for a block header");
    if (!read_at(fd, path, offset, stored->p, BLOCK_HEADER_SIZE, &got, e))
        return false;
    stored->len = got;
    if (!block_head_read((struct view){stored->p, got}, h) || h->prev_crc != prev_crc)
        return true;
    if (!buf_reserve(stored, h->stored_len))
        return err_set(e, ERR_LIMIT, "block %" PRIu64 " of '%s' needs %u bytes", h->number, path,
                       h->stored_len);
    if (!read_at(fd, path, offset + BLOCK_HEADER_SIZE, stored->p + BLOCK_HEADER_SIZE, h->stored_len,
                 &got, e))
        return false;
    stored->len += got;
    *whole = got == h->stored_len && block_check(h, (struct view){stored->p, BLOCK_HEADER_SIZE},
                                                 (struct view){stored->p + BLOCK_HEADER_SIZE, got});
    return true;
}
