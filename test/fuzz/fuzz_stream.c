/* Frames as anybody who reaches the port could send them, and as a false Store could. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/must.h"
#include "components/stream/stream_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hello(struct view body)
{
    struct err e = ERR_INIT;
    struct frame_hello h;
    struct txn_set set;
    struct cursor c;

    if (!frame_get_hello(body, &h, &e))
        return;
    must(h.token.len + h.reader.len <= body.len);
    must(h.protocol == STREAM_PROTOCOL || h.after.len == 0);
    c = cursor_of(h.after.p, h.after.len);
    if (txn_set_decode(&c, &set, &e))
        txn_set_fini(&set);
}

static void position(struct view body)
{
    struct err e = ERR_INIT;
    struct txn_set low;

    if (frame_get_position(body, &low, &e))
        txn_set_fini(&low);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    struct frame_greeting g;
    struct frame_heard heard;
    struct frame_join join;
    struct frame_ask ask;
    struct txn_set begin;
    struct view body;
    uint64_t epoch;

    if (size == 0)
        return 0;
    body = (struct view){data + 1, size - 1};
    switch (data[0] % 8) {
    case 0:
        hello(body);
        break;
    case 1:
        if (frame_get_greeting(body, &g, &e))
            must(g.store_id.len <= body.len);
        break;
    case 2:
        must(!frame_get_refusal(body, &e) && e.code != ERR_NONE);
        break;
    case 3:
        if (frame_get_heard(body, &heard, &e))
            must(body.len >= 32);
        break;
    case 4:
        if (frame_get_join(body, &join, &e))
            must(join.key.len == STREAM_KEY_SIZE && join.token.len <= body.len);
        break;
    case 6:
        if (frame_get_ask(body, &ask, &e))
            must(ask.token.len <= body.len);
        break;
    case 7:
        if (frame_get_begin(body, &epoch, &begin, &e))
            txn_set_fini(&begin);
        break;
    default:
        position(body);
    }
    return 0;
}
