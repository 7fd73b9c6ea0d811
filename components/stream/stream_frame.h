/*
 * Frames of the Store's wire, for both ends: docs/protocol/stream.md. A frame is u32 length of what
 * follows (type and body), u8 type, body; little endian. Pure: bytes only.
 */
#ifndef OMS_COMPONENTS_STREAM_STREAM_FRAME_H
#define OMS_COMPONENTS_STREAM_STREAM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"
#include "components/record/txn_id.h"

#define STREAM_PROTOCOL 2
#define STREAM_KEY_SIZE 16           /* names a reader's conversation to its further connections */
#define STREAM_LANES_MAX 8           /* connections of one reader */
#define STREAM_FRAME_MAX (80u << 20) /* a block at its ceiling, and its header */
#define STREAM_SMALL_MAX (4u << 20)  /* any other frame */
#define STREAM_HEADER_SIZE 5

enum stream_frame {
    FRAME_HELLO = 1,    /* reader: who I am, what I have */
    FRAME_GREETING = 2, /* Store: who I am */
    FRAME_REFUSAL = 3,  /* Store: why not; closes */
    FRAME_TABLES = 4,   /* Store: table versions as records */
    FRAME_BLOCK = 5,    /* Store: block header and payload as stored */
    FRAME_HEARD = 6,    /* Store: when it last heard its source */
    FRAME_POSITION = 7, /* reader: committed; holds retention back */
    FRAME_JOIN = 8,     /* reader: another connection of the same conversation */
    FRAME_ASK = 9,      /* reader: where does your log begin? */
    FRAME_BEGIN = 10,   /* Store: there; closes */
};

struct frame_hello {
    uint32_t protocol;
    struct view token, reader;
    uint64_t least_epoch;
    uint64_t from; /* go on with this block, after one with this checksum; 0: by the set */
    uint32_t from_crc;
    struct view after; /* bytes of a set, to be decoded once the token is known to be right */
};
struct frame_join {
    uint32_t protocol;
    struct view token, key;
};
struct frame_ask {
    uint32_t protocol;
    struct view token;
};
struct frame_greeting {
    uint32_t protocol;
    struct view store_id;
    uint64_t epoch;
    struct view key; /* STREAM_KEY_SIZE bytes */
    uint64_t next;   /* number of the block that comes next */
};
struct frame_heard {
    int64_t source_heard_us, source_time_us;
    uint64_t last_number, backlog_bytes, txns;
};

/* Begins a frame in out and gives its mark; frame_end puts the length in. */
size_t frame_begin(struct buf *out, enum stream_frame type);
void frame_end(struct buf *out, size_t mark);

void frame_put_hello(struct buf *out, const struct frame_hello *h, const struct txn_set *after);
/* Of another protocol only number and token are read. */
bool frame_get_hello(struct view body, struct frame_hello *h, struct err *e) MUST_CHECK;
void frame_put_join(struct buf *out, const struct frame_join *j);
bool frame_get_join(struct view body, struct frame_join *j, struct err *e) MUST_CHECK;
void frame_put_ask(struct buf *out, const struct frame_ask *a);
bool frame_get_ask(struct view body, struct frame_ask *a, struct err *e) MUST_CHECK;
void frame_put_begin(struct buf *out, uint64_t epoch, const struct txn_set *begin);
bool frame_get_begin(struct view body, uint64_t *epoch, struct txn_set *begin,
                     struct err *e) MUST_CHECK;
void frame_put_greeting(struct buf *out, const struct frame_greeting *g);
bool frame_get_greeting(struct view body, struct frame_greeting *g, struct err *e) MUST_CHECK;
void frame_put_refusal(struct buf *out, const struct err *why);
/* Always false: *e becomes what the other side said. */
bool frame_get_refusal(struct view body, struct err *e);
void frame_put_heard(struct buf *out, const struct frame_heard *h);
bool frame_get_heard(struct view body, struct frame_heard *h, struct err *e) MUST_CHECK;
void frame_put_position(struct buf *out, const struct txn_set *low);
bool frame_get_position(struct view body, struct txn_set *low, struct err *e) MUST_CHECK;

#endif
