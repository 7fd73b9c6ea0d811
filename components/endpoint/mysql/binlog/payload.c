/* Compressed transactions (payload.h). */
#include "components/endpoint/mysql/binlog/payload.h"

#include <string.h>
#include <zstd.h>

#include "common/base/must.h"

enum { FIELD_END = 0, FIELD_SIZE = 1, FIELD_COMPRESSION = 2, FIELD_UNPACKED = 3 };
enum { COMPRESSION_ZSTD = 0, COMPRESSION_NONE = 255 };
#define STEP (128u << 10)
#define SIZE_AT 9 /* where a header tells the event's size */

void payload_init(struct payload *p, size_t event_max)
{
    *p = (struct payload){.zstd = NULL};
    buf_init(&p->out, event_max + STEP);
}

void payload_fini(struct payload *p)
{
    ZSTD_freeDStream(p->zstd);
    p->zstd = NULL;
    buf_fini(&p->out);
}

static bool damaged(struct err *e, const char *why)
{
    return err_set(e, ERR_LOG_DAMAGED, "the TRANSACTION_PAYLOAD event %s", why);
}

struct fields {
    uint64_t size, compression, unpacked;
    bool has_size, has_compression;
};

static bool read_fields(struct cursor *c, struct fields *f)
{
    for (;;) {
        uint64_t type = binlog_lenenc(c);
        if (c->failed || type == FIELD_END)
            return !c->failed && f->has_size && f->has_compression;
        struct view v = cursor_take(c, (size_t)binlog_lenenc(c));
        struct cursor value = cursor_of(v.p, v.len);
        uint64_t number = binlog_lenenc(&value);
        if (c->failed || value.failed)
            return false;
        if (type == FIELD_SIZE) {
            f->size = number;
            f->has_size = true;
        } else if (type == FIELD_COMPRESSION) {
            f->compression = number;
            f->has_compression = true;
        } else if (type == FIELD_UNPACKED) {
            f->unpacked = number;
        }
    }
}

bool payload_open(struct payload *p, struct view body, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct fields f = {.has_size = false};

    if (!read_fields(&c, &f) || f.size != cursor_left(&c))
        return damaged(e, "does not have the form it must have");
    if (f.compression != COMPRESSION_ZSTD && f.compression != COMPRESSION_NONE)
        return err_set(e, ERR_UNSUPPORTED, "a transaction is compressed in way %u, not by zstd",
                       (unsigned)f.compression);
    p->packed = f.compression == COMPRESSION_ZSTD;
    p->p = c.p;
    p->end = c.end;
    p->left = p->packed ? f.unpacked : f.size;
    p->taken = 0;
    p->frame_open = false;
    buf_clear(&p->out);
    if (p->packed && !p->zstd)
        p->zstd = ZSTD_createDStream();
    must(!p->packed || p->zstd);
    if (p->packed)
        (void)ZSTD_DCtx_reset(p->zstd, ZSTD_reset_session_only);
    return true;
}

/* Unpacks some more behind what is there. False: nothing more, or it is damaged. */
static bool unpack(struct payload *p, bool *ended, struct err *e)
{
    struct buf *b = &p->out;
    ZSTD_inBuffer in = {p->p, (size_t)(p->end - p->p), 0};

    *ended = in.size == 0 && !p->frame_open;
    if (*ended)
        return true;
    if (!buf_reserve(b, STEP))
        return err_set(e, ERR_LIMIT, "an event in a compressed transaction is larger than %zu",
                       b->max);
    ZSTD_outBuffer out = {b->p + b->len, STEP, 0};
    size_t more = ZSTD_decompressStream(p->zstd, &out, &in);
    if (ZSTD_isError(more))
        return damaged(e, ZSTD_getErrorName(more));
    if (out.pos == 0 && in.pos == 0)
        return damaged(e, "ends too early");
    p->p += in.pos;
    b->len += out.pos;
    p->frame_open = more != 0;
    return true;
}

/* Moves what was not taken to the front, so that the buffer stays small. */
static void make_front(struct payload *p)
{
    struct buf *b = &p->out;

    if (p->taken == 0)
        return;
    memmove(b->p, b->p + p->taken, b->len - p->taken);
    b->len -= p->taken;
    p->taken = 0;
}

/* At least n bytes from `taken` on, or *have false: the events end here. */
static bool want(struct payload *p, size_t n, bool *have, struct err *e)
{
    bool ended = false;

    if (p->out.len - p->taken < n)
        make_front(p);
    while (p->out.len - p->taken < n) {
        if (!unpack(p, &ended, e))
            return false;
        if (ended && p->out.len != p->taken)
            return damaged(e, "ends inside an event");
        if (ended)
            break;
    }
    *have = !ended;
    return true;
}

static uint32_t event_size(const uint8_t *p)
{
    uint32_t size;

    memcpy(&size, p + SIZE_AT, sizeof size);
    return size;
}

static bool next_plain(struct payload *p, struct view *event, bool *got, struct err *e)
{
    size_t left = (size_t)(p->end - p->p);

    *got = left > 0;
    if (left == 0)
        return true;
    if (left < BINLOG_HEADER_SIZE || event_size(p->p) < BINLOG_HEADER_SIZE ||
        event_size(p->p) > left)
        return damaged(e, "ends inside an event");
    *event = (struct view){p->p, event_size(p->p)};
    p->p += event->len;
    return true;
}

bool payload_next(struct payload *p, struct view *event, bool *got, struct err *e)
{
    bool have = false;

    if (!p->packed)
        return next_plain(p, event, got, e);
    if (!want(p, BINLOG_HEADER_SIZE, &have, e))
        return false;
    if (!have) {
        *got = false;
        return p->left == 0 || damaged(e, "has not as many bytes as it says");
    }
    uint32_t size = event_size(p->out.p + p->taken);
    if (size < BINLOG_HEADER_SIZE || size > p->left)
        return damaged(e, "has an event of a size that cannot be");
    if (!want(p, size, &have, e))
        return false;
    if (!have)
        return damaged(e, "ends inside an event");
    *event = (struct view){p->out.p + p->taken, size};
    p->taken += size;
    p->left -= size;
    *got = true;
    return true;
}
