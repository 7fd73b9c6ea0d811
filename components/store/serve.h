/*
 * The Store's server: a thread that accepts and one thread a connection, at most CONNECTIONS_MAX.
 * A reader's connections share a conversation (session.h). Blocks go out as stored; the end of the
 * log is waited for; what was heard of the source is told five times a second.
 */
#ifndef OMS_COMPONENTS_STORE_SERVE_H
#define OMS_COMPONENTS_STORE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "components/store/store.h"

struct serve;

struct serve_options {
    struct store *store;
    const char *address; /* "127.0.0.1:0": a free port. Loopback, or one that readers can reach */
    const char *dir;     /* where key and certificate are kept */
    bool tls;            /* on loopback too; on any other address always */
    const char *token;   /* what readers must say */
    const char *store_id;
    uint64_t epoch;
};
bool serve_start(const struct serve_options *o, struct serve **s, struct err *e) MUST_CHECK;
void serve_stop(struct serve *s); /* waits; NULL is fine */
/* "127.0.0.1:4321", with TLS "10.0.0.7:4321#FINGERPRINT"; valid while it runs. */
const char *serve_address(const struct serve *s);
/* What the puller knows of the source. Thread: any. */
void serve_heard(struct serve *s, int64_t source_heard_us, int64_t source_time_us);

#endif
