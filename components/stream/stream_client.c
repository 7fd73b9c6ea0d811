/*
 * The reader's end of the stream. Blocks must come in number order and chained: the checksum of
 * each is seeded with the one before, so a lost, doubled or changed block cannot pass (B3). See
 * stream.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/stream/stream.h"
#include "components/stream/stream_io.h"

#define WRITE_MS 10000

struct stream_client {
    struct stream_io io;
    uint64_t epoch;
    uint64_t last_number; /* 0: none yet */
    uint32_t last_crc;
    uint32_t timeout_ms;
};

static bool say_hello(struct stream_client *s, const struct stream_client_params *p, struct err *e)
{
    struct frame_hello h = {
        .protocol = STREAM_PROTOCOL,
        .token = {(const uint8_t *)p->token, p->token ? strlen(p->token) : 0},
        .reader = {(const uint8_t *)p->reader, strlen(p->reader)},
        .least_epoch = p->least_epoch,
    };
    struct buf out;
    bool ok;

    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_hello(&out, &h, p->after);
    ok = buf_ok(&out)
             ? stream_io_write(&s->io, out.p, out.len, WRITE_MS, e)
             : err_set(e, ERR_LIMIT, "the position does not fit %u bytes", STREAM_SMALL_MAX);
    buf_fini(&out);
    return ok;
}

static bool hear_greeting(struct stream_client *s, const struct stream_client_params *p,
                          struct err *e)
{
    struct frame_greeting g;
    struct view body;
    uint8_t type;
    bool got;

    if (!stream_io_read(&s->io, p->timeout_ms, STREAM_SMALL_MAX, &got, &type, &body, e))
        return false;
    if (!got)
        return err_set(e, ERR_TIMEOUT, "the store does not answer within %u ms", p->timeout_ms);
    if (type == FRAME_REFUSAL)
        return frame_get_refusal(body, e);
    if (type != FRAME_GREETING || !frame_get_greeting(body, &g, e))
        return err_set(e, ERR_CORRUPT, "the store answers with frame type %u, not a greeting",
                       type);
    if (g.protocol != STREAM_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "the store speaks stream protocol %u, this program %u",
                       g.protocol, STREAM_PROTOCOL);
    if (g.epoch < p->least_epoch)
        return err_set(e, ERR_UNAVAILABLE,
                       "the store is of epoch %" PRIu64 ", at least %" PRIu64 " is needed", g.epoch,
                       p->least_epoch);
    s->epoch = g.epoch;
    return true;
}

bool stream_connect(const struct stream_client_params *p, struct stream_client **out, struct err *e)
{
    struct stream_client *s;
    int fd = -1;

    if (!stream_dial(p->address, p->timeout_ms, &fd, e))
        return false;
    s = must_calloc(1, sizeof *s);
    stream_io_init(&s->io, fd);
    s->timeout_ms = p->timeout_ms;
    if (!say_hello(s, p, e) || !hear_greeting(s, p, e)) {
        stream_close(s);
        return err_wrap(e, "store '%s'", p->address);
    }
    *out = s;
    return true;
}

uint64_t stream_store_epoch(const struct stream_client *s)
{
    return s->epoch;
}

static bool take_block(struct stream_client *s, struct view body, struct block_head *head,
                       struct buf *raw, struct err *e)
{
    struct view header = {body.p, BLOCK_HEADER_SIZE}, payload;

    if (!block_head_read(body, head))
        return err_set(e, ERR_CORRUPT, "a block frame without a block");
    payload = (struct view){body.p + BLOCK_HEADER_SIZE, body.len - BLOCK_HEADER_SIZE};
    if (!block_check(head, header, payload))
        return err_set(e, ERR_CORRUPT, "block %" PRIu64 " has a wrong checksum", head->number);
    if (s->last_number != 0 &&
        (head->number != s->last_number + 1 || head->prev_crc != s->last_crc))
        return err_set(e, ERR_CORRUPT, "block %" PRIu64 " does not follow block %" PRIu64,
                       head->number, s->last_number);
    if (!block_decode(head, payload, raw, e))
        return false;
    s->last_number = head->number;
    s->last_crc = head->crc;
    return true;
}

static bool take_frame(struct stream_client *s, uint8_t type, struct view body,
                       enum stream_event *ev, struct block_head *head, struct buf *raw,
                       struct stream_heard *heard, struct err *e)
{
    struct frame_heard h;

    switch (type) {
    case FRAME_BLOCK:
        *ev = STREAM_BLOCK;
        return take_block(s, body, head, raw, e);
    case FRAME_TABLES:
        *ev = STREAM_TABLES;
        buf_clear(raw);
        buf_append(raw, body.p, body.len);
        return buf_ok(raw) || err_set(e, ERR_LIMIT, "table versions of %zu bytes", body.len);
    case FRAME_HEARD:
        *ev = STREAM_HEARD;
        if (!frame_get_heard(body, &h, e))
            return false;
        *heard = (struct stream_heard){.source_heard = {h.source_heard_us},
                                       .source_time = {h.source_time_us},
                                       .backlog_bytes = h.backlog_bytes,
                                       .last_number = h.last_number,
                                       .txns = h.txns};
        return true;
    case FRAME_REFUSAL:
        return frame_get_refusal(body, e);
    default:
        return err_set(e, ERR_CORRUPT, "the store sends frame type %u", type);
    }
}

bool stream_read(struct stream_client *s, int64_t timeout_ms, enum stream_event *ev,
                 struct block_head *head, struct buf *raw, struct stream_heard *heard,
                 struct err *e)
{
    struct view body;
    uint8_t type;
    bool got;

    *ev = STREAM_NOTHING;
    if (!stream_io_read(&s->io, timeout_ms, STREAM_FRAME_MAX, &got, &type, &body, e))
        return false;
    return !got || take_frame(s, type, body, ev, head, raw, heard, e);
}

bool stream_send_position(struct stream_client *s, const struct txn_set *low, struct err *e)
{
    struct buf out;
    bool ok;

    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_position(&out, low);
    ok = buf_ok(&out)
             ? stream_io_write(&s->io, out.p, out.len, WRITE_MS, e)
             : err_set(e, ERR_LIMIT, "the position does not fit %u bytes", STREAM_SMALL_MAX);
    buf_fini(&out);
    return ok;
}

void stream_close(struct stream_client *s)
{
    if (!s)
        return;
    stream_io_fini(&s->io);
    free(s);
}
