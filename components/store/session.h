/*
 * Conversations with readers: one reader of the log each, shared by the reader's connections. Each
 * connection's thread takes the next block in order and sends it on its own; whoever is free takes
 * the next. When one of the connections ends, the conversation is over for all of them.
 */
#ifndef OMS_COMPONENTS_STORE_SESSION_H
#define OMS_COMPONENTS_STORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "components/store/store.h"
#include "components/stream/stream_frame.h"

#define SESSIONS_MAX 32
#define SESSION_NAME_MAX 256

struct sessions; /* Thread: any */
struct session;
struct sessions *sessions_new(struct store *s);
void sessions_free(struct sessions *t); /* every session was left */

/* A new conversation with one connection, the caller's; takes the reader. ERR_UNAVAILABLE: there
 * are SESSIONS_MAX already. */
bool session_begin(struct sessions *t, const char *name, struct store_reader *r,
                   struct session **out, struct err *e) MUST_CHECK;
/* Another connection of the conversation with that key; ERR_UNAVAILABLE: there is none. */
bool session_join(struct sessions *t, struct view key, struct session **out,
                  struct err *e) MUST_CHECK;
/* The connection ended: the others will end, the last one closes the reader. NULL is fine. */
void session_leave(struct session *s);
bool session_over(struct session *s); /* one has left */
const char *session_name(const struct session *s);
const uint8_t *session_key(const struct session *s); /* STREAM_KEY_SIZE bytes */
uint64_t session_next(struct session *s);            /* number of the block that comes next */
uint64_t session_backlog(struct session *s);
/* The next block, which is then the caller's to send; *got false after timeout_ms. */
bool session_take(struct session *s, int64_t timeout_ms, struct buf *stored, bool *got,
                  struct err *e) MUST_CHECK;

#endif
