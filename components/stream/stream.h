/*
 * The Store's wire, both ends. Frames: u32 length, u8 type, body. The reader says HELLO (protocol
 * version, token, reader name, "after this set", least acceptable store epoch); the Store answers
 * GREETING (protocol version, store id, epoch, incarnation, its set) or REFUSAL (error code, text);
 * then TABLES (the table versions a reader needs before its first block), BLOCKs as stored, CONTROL
 * both ways: the reader sends its position (low set: holds retention back), the Store sends HEARD
 * (when it last heard its source, backlog, source time). The wire is docs/protocol/stream.md.
 */
#ifndef OMS_COMPONENTS_STREAM_STREAM_H
#define OMS_COMPONENTS_STREAM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/time.h"
#include "components/record/block.h"
#include "components/record/txn_id.h"

struct stream_client; /* Thread: one at a time */
struct stream_client_params {
    const char *address; /* "127.0.0.1:4321" */
    const char *token;
    const char *reader; /* the reader's task: its name in the retention table */
    const struct txn_set *after;
    uint64_t least_epoch; /* B5: refuse a Store with less */
    uint32_t timeout_ms;
};
struct stream_heard {
    struct wall source_heard; /* when the Store last heard its source; 0 = not since it started */
    struct wall source_time;  /* the newest commit or heartbeat time known */
    uint64_t backlog_bytes;   /* published and not yet sent to this reader */
    uint64_t last_number;     /* newest published block */
    uint64_t txns;            /* numbers in the Store's set, its begin included */
};
enum stream_event { STREAM_BLOCK, STREAM_TABLES, STREAM_HEARD, STREAM_NOTHING };
bool stream_connect(const struct stream_client_params *p, struct stream_client **s,
                    struct err *e) MUST_CHECK;
uint64_t stream_store_epoch(const struct stream_client *s);
/* Next frame within timeout_ms: BLOCK: `raw` holds the decompressed records (cleared first), head
 * its header, chain and number checked; TABLES: raw holds TABLE_VERSION records. The first block
 * after a connect may hold transactions inside `after`: the reader drops those by identity. */
bool stream_read(struct stream_client *s, int64_t timeout_ms, enum stream_event *ev,
                 struct block_head *head, struct buf *raw, struct stream_heard *heard,
                 struct err *e) MUST_CHECK;
/* Tells the Store how far the reader has committed (retention). */
bool stream_send_position(struct stream_client *s, const struct txn_set *low,
                          struct err *e) MUST_CHECK;
void stream_close(struct stream_client *s);

#endif
