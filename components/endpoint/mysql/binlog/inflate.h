/*
 * Compressed bytes in the log: MariaDB's compressed events (log_bin_compress) and compressed
 * columns. One z_stream is kept and used again. Sizes are what the bytes say, limited by the
 * caller's buffer: a lie ends in an error, not in memory. Pure, single-threaded.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_INFLATE_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_INFLATE_H

#include <stdbool.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"

struct inflater {
    z_stream z;
    bool open;
    bool raw; /* the stream is open for raw deflate */
};
void inflater_fini(struct inflater *i); /* an untouched {0} is fine */

/* An event's block: u8 0x80 | algorithm << 4 | n, n bytes of length (big endian), zlib stream.
 * Appends the bytes to out. False: it is not one, or it does not fit. */
bool inflate_event(struct inflater *i, struct view block, struct buf *out);
/* The length that a compressed column's value has when it is unpacked; false: not one. An empty
 * value has length 0. */
bool inflate_column_len(struct view value, size_t *len);
/* Unpacks into exactly len bytes at to. */
bool inflate_column(struct inflater *i, struct view value, uint8_t *to, size_t len);

#endif
