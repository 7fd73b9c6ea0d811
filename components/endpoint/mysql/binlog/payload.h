/*
 * TRANSACTION_PAYLOAD events of MySQL: the events of one transaction, compressed. They are unpacked
 * one after the other; what is in memory is the packed event, the decompressor's window and the
 * largest event inside, whatever the transaction's size. Pure, single-threaded.
 *
 * Events inside have no checksum, whatever the format description says, and no position of their
 * own: the position is that of the outer event.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_PAYLOAD_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_PAYLOAD_H

#include "components/endpoint/mysql/binlog/event.h"

struct payload { /* {.zstd = NULL} before its first use; kept and used again */
    void *zstd;
    struct buf out; /* unpacked bytes that were not yet taken, from `taken` on */
    size_t taken;
    const uint8_t *p, *end; /* packed bytes */
    bool packed;            /* false: the events lie there as they are */
    bool frame_open;
    uint64_t left; /* unpacked bytes that must still come */
};
/* `event_max`: ceiling of one event inside. */
void payload_init(struct payload *p, size_t event_max);
void payload_fini(struct payload *p);
/* Begins; the view must live until the last event was taken. ERR_LOG_DAMAGED; ERR_UNSUPPORTED: a
 * way of compressing that is not known. */
bool payload_open(struct payload *p, struct view body, struct err *e) MUST_CHECK;
/* The next event, whole, with its header; it lives until the next call. *got false: that was the
 * last one. */
bool payload_next(struct payload *p, struct view *event, bool *got, struct err *e) MUST_CHECK;

#endif
