/*
 * The reader's end of the Store's wire: docs/protocol/stream.md. One conversation over one or more
 * connections, with TLS 1.3 where the address has a fingerprint; what comes out is one ordered
 * sequence of blocks.
 */
#ifndef OMS_COMPONENTS_STREAM_STREAM_H
#define OMS_COMPONENTS_STREAM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/time.h"
#include "components/record/block.h"
#include "components/record/txn_id.h"

#define STREAM_ADDRESS_MAX 256

struct stream_client; /* Thread: one at a time */
struct stream_client_params {
    const char *address; /* "127.0.0.1:4321", "10.0.0.7:4321#FINGERPRINT": TLS, this certificate */
    const char *token;
    const char *reader; /* the reader's task: its name in the retention table; "": a passing reader,
                         * that no log is kept for */
    const struct txn_set *after;
    uint64_t least_epoch; /* B5: refuse a Store with less */
    uint32_t timeout_ms;
    uint32_t connections; /* in parallel; 0: one without TLS, four with it; at most 8 */
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
/* Where the Store's log begins: the set before its first block. Of p, address, token, least_epoch
 * and timeout_ms count. ERR_UNAVAILABLE: it has no begin yet. */
bool stream_begin(const struct stream_client_params *p, struct txn_set *out,
                  struct err *e) MUST_CHECK;
uint64_t stream_store_epoch(const struct stream_client *s);
/* A connection that is lost is made again at once, from the next block on; an error comes when that
 * fails. Next frame within timeout_ms: BLOCK: `raw` holds the decompressed records (cleared first),
 * head its header, chain and number checked; TABLES: raw holds TABLE_VERSION records. The first
 * block after a connect may hold transactions inside `after`: the reader drops those by identity.
 */
bool stream_read(struct stream_client *s, int64_t timeout_ms, enum stream_event *ev,
                 struct block_head *head, struct buf *raw, struct stream_heard *heard,
                 struct err *e) MUST_CHECK;
/* Tells the Store how far the reader has committed (retention). */
bool stream_send_position(struct stream_client *s, const struct txn_set *low,
                          struct err *e) MUST_CHECK;
void stream_close(struct stream_client *s);

#endif
