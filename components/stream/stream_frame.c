/* Frames as bytes. See stream_frame.h. */
#include "components/stream/stream_frame.h"

#include <string.h>

size_t frame_begin(struct buf *out, enum stream_frame type)
{
    size_t mark = out->len;

    buf_u32(out, 0);
    buf_u8(out, (uint8_t)type);
    return mark;
}

void frame_end(struct buf *out, size_t mark)
{
    uint32_t n = (uint32_t)(out->len - mark - 4);

    if (buf_ok(out))
        memcpy(out->p + mark, &n, sizeof n);
}

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "a %s frame does not have its form", what);
}

void frame_put_hello(struct buf *out, const struct frame_hello *h, const struct txn_set *after)
{
    size_t mark = frame_begin(out, FRAME_HELLO);

    buf_u32(out, h->protocol);
    buf_bytes(out, h->token.p, h->token.len);
    buf_bytes(out, h->reader.p, h->reader.len);
    buf_u64(out, h->least_epoch);
    buf_u64(out, h->from);
    buf_u32(out, h->from_crc);
    txn_set_encode(after, out);
    frame_end(out, mark);
}

bool frame_get_hello(struct view body, struct frame_hello *h, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    *h = (struct frame_hello){.protocol = cursor_u32(&c)};
    h->token = cursor_bytes(&c);
    if (h->protocol != STREAM_PROTOCOL)
        return !c.failed || bad(e, "hello");
    h->reader = cursor_bytes(&c);
    h->least_epoch = cursor_u64(&c);
    h->from = cursor_u64(&c);
    h->from_crc = cursor_u32(&c);
    h->after = (struct view){c.p, cursor_left(&c)};
    return !c.failed || bad(e, "hello");
}

void frame_put_join(struct buf *out, const struct frame_join *j)
{
    size_t mark = frame_begin(out, FRAME_JOIN);

    buf_u32(out, j->protocol);
    buf_bytes(out, j->token.p, j->token.len);
    buf_bytes(out, j->key.p, j->key.len);
    frame_end(out, mark);
}

bool frame_get_join(struct view body, struct frame_join *j, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    j->protocol = cursor_u32(&c);
    j->token = cursor_bytes(&c);
    j->key = cursor_bytes(&c);
    return (!c.failed && j->key.len == STREAM_KEY_SIZE) || bad(e, "join");
}

void frame_put_ask(struct buf *out, const struct frame_ask *a)
{
    size_t mark = frame_begin(out, FRAME_ASK);

    buf_u32(out, a->protocol);
    buf_bytes(out, a->token.p, a->token.len);
    frame_end(out, mark);
}

bool frame_get_ask(struct view body, struct frame_ask *a, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    a->protocol = cursor_u32(&c);
    a->token = cursor_bytes(&c);
    return !c.failed || bad(e, "ask");
}

void frame_put_begin(struct buf *out, uint64_t epoch, const struct txn_set *begin)
{
    size_t mark = frame_begin(out, FRAME_BEGIN);

    buf_u64(out, epoch);
    txn_set_encode(begin, out);
    frame_end(out, mark);
}

bool frame_get_begin(struct view body, uint64_t *epoch, struct txn_set *begin, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    *epoch = cursor_u64(&c);
    return txn_set_decode(&c, begin, e);
}

void frame_put_greeting(struct buf *out, const struct frame_greeting *g)
{
    size_t mark = frame_begin(out, FRAME_GREETING);

    buf_u32(out, g->protocol);
    buf_bytes(out, g->store_id.p, g->store_id.len);
    buf_u64(out, g->epoch);
    buf_bytes(out, g->key.p, g->key.len);
    buf_u64(out, g->next);
    frame_end(out, mark);
}

bool frame_get_greeting(struct view body, struct frame_greeting *g, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    g->protocol = cursor_u32(&c);
    g->store_id = cursor_bytes(&c);
    g->epoch = cursor_u64(&c);
    if (!c.failed && g->protocol != STREAM_PROTOCOL)
        return true;
    g->key = cursor_bytes(&c);
    g->next = cursor_u64(&c);
    return (!c.failed && g->key.len == STREAM_KEY_SIZE) || bad(e, "greeting");
}

void frame_put_refusal(struct buf *out, const struct err *why)
{
    size_t mark = frame_begin(out, FRAME_REFUSAL);
    const char *code = err_name(why->code);

    buf_bytes(out, code, strlen(code));
    buf_bytes(out, why->message, strlen(why->message));
    frame_end(out, mark);
}

bool frame_get_refusal(struct view body, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct view code = cursor_bytes(&c), text = cursor_bytes(&c);
    enum err_code known = ERR_UNAVAILABLE;
    char name[64] = "";

    if (c.failed)
        return bad(e, "refusal");
    if (code.len < sizeof name)
        memcpy(name, code.p, code.len);
    if (!err_code_from_name(name, &known))
        known = ERR_UNAVAILABLE; /* a newer Store's code: try again later */
    return err_set(e, known, "the store refuses: %.*s", (int)text.len, (const char *)text.p);
}

void frame_put_heard(struct buf *out, const struct frame_heard *h)
{
    size_t mark = frame_begin(out, FRAME_HEARD);

    buf_u64(out, (uint64_t)h->source_heard_us);
    buf_u64(out, (uint64_t)h->source_time_us);
    buf_u64(out, h->last_number);
    buf_u64(out, h->backlog_bytes);
    buf_u64(out, h->txns);
    frame_end(out, mark);
}

bool frame_get_heard(struct view body, struct frame_heard *h, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    h->source_heard_us = (int64_t)cursor_u64(&c);
    h->source_time_us = (int64_t)cursor_u64(&c);
    h->last_number = cursor_u64(&c);
    h->backlog_bytes = cursor_u64(&c);
    h->txns = cursor_u64(&c);
    return !c.failed || bad(e, "heard");
}

void frame_put_position(struct buf *out, const struct txn_set *low)
{
    size_t mark = frame_begin(out, FRAME_POSITION);

    txn_set_encode(low, out);
    frame_end(out, mark);
}

bool frame_get_position(struct view body, struct txn_set *low, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);

    return txn_set_decode(&c, low, e);
}
