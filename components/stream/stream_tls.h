/*
 * TLS of the stream: version 1.3 only. A Store makes its key and a self-signed certificate once, in
 * its own directory; who reads it knows the certificate by its SHA-256, which travels with the
 * Store's address through the CM. Names, issuers and dates say nothing here and are not looked at:
 * the certificate with that fingerprint, or none.
 */
#ifndef OMS_COMPONENTS_STREAM_STREAM_TLS_H
#define OMS_COMPONENTS_STREAM_STREAM_TLS_H

#include <stdbool.h>

#include "common/base/err.h"
#include "components/stream/stream_io.h"

#define STREAM_PRINT_TEXT 65 /* 64 hexadecimal digits and NUL */

struct stream_tls; /* a Store's side. Thread: any once it is open */
/* Key and certificate of DIR/stream.pem, made (0600, durable) when absent. */
bool stream_tls_open(const char *dir, struct stream_tls **t, struct err *e) MUST_CHECK;
void stream_tls_close(struct stream_tls *t); /* NULL is fine */
const char *stream_tls_print(const struct stream_tls *t);

/* Handshakes on a connected socket, within timeout_ms. */
bool stream_tls_accept(struct stream_tls *t, struct stream_io *io, int64_t timeout_ms,
                       struct err *e) MUST_CHECK;
/* ERR_DENIED: the other side has another certificate. */
bool stream_tls_connect(struct stream_io *io, const char *print, int64_t timeout_ms,
                        struct err *e) MUST_CHECK;

#endif
