/*
 * A stream's socket: frames in and out with deadlines; a connection that is lost or cut is
 * ERR_UNAVAILABLE. Thread: one at a time.
 */
#ifndef OMS_COMPONENTS_STREAM_STREAM_IO_H
#define OMS_COMPONENTS_STREAM_STREAM_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "components/stream/stream_frame.h"

struct stream_io {
    int fd;
    struct buf in; /* received, not yet taken */
    size_t taken;  /* bytes of `in` given out already */
    void *tls;     /* SSL *, once stream_tls_* has begun; NULL: plain */
};

void stream_io_init(struct stream_io *io, int fd); /* owns fd */
void stream_io_fini(struct stream_io *io);
/* "host:port" -> a connected socket. *loopback: the other end is this machine. */
bool stream_dial(const char *address, uint32_t timeout_ms, int *fd, bool *loopback,
                 struct err *e) MUST_CHECK;
/* Until there is something to read, or room to write; ERR_TIMEOUT at the deadline. */
bool stream_io_wait(struct stream_io *io, bool to_write, struct mono until,
                    struct err *e) MUST_CHECK;
/* All bytes, within timeout_ms. */
bool stream_io_write(struct stream_io *io, const void *p, size_t n, int64_t timeout_ms,
                     struct err *e) MUST_CHECK;
/* The next frame, or *got false when none was complete within timeout_ms. The body is valid until
 * the next call. limit: most bytes of a frame. */
bool stream_io_read(struct stream_io *io, int64_t timeout_ms, size_t limit, bool *got,
                    uint8_t *type, struct view *body, struct err *e) MUST_CHECK;

#endif
