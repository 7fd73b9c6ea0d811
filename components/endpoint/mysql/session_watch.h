/*
 * A server that stands still (stopped, frozen with its machine, stuck on its disk) keeps its
 * connections, and the client library waits for it without end. One thread of the process watches
 * all sessions: when a session has waited for its server longer than the data source's
 * silent_after_ms, and a new connection gets no answer either, the session's socket is shut, and
 * whoever waits gets the error of a lost connection (class RETRY). A server that does answer a new
 * connection is slow, not still: a long DDL, an index, a lock are waited for as before. So no
 * statement needs a time limit of its own.
 *
 * What the frozen server has already received it may still run when it wakes: rows and COMMIT are
 * fenced (F3 to F5), sessions of an older generation are killed at the next takeover.
 *
 * Thread: a session's functions by the session's thread; the watcher has the list's lock only
 * while it looks, never while it connects, so nobody waits for it.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_SESSION_WATCH_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_SESSION_WATCH_H

#include <stdatomic.h>

#include "components/endpoint/mysql/session.h"

struct watched {
    struct watched *next;
    uint32_t refs; /* under the lock */
    int fd;        /* a duplicate of ours: the library may close its own at any time */
    struct endpoint_address address;
    char where[200];
    int64_t limit_ms;
    _Atomic uint32_t calls; /* odd: the session waits for its server. Written by its thread only */
    atomic_bool given_up;
    uint32_t seen;     /* the watcher's: calls, */
    struct mono since; /* and since when they have not changed */
};

/* The session is connected to `a`. */
void session_watch(struct session *s, const struct endpoint_address *a);
void session_unwatch(struct session *s); /* never watched is fine */

/* Around whatever waits for the server. */
static inline void session_waits(struct session *s)
{
    if (s->watched)
        atomic_store_explicit(&s->watched->calls,
                              atomic_load_explicit(&s->watched->calls, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}
static inline void session_waited(struct session *s)
{
    session_waits(s);
}
static inline bool session_was_given_up(const struct session *s)
{
    return s->watched && atomic_load(&s->watched->given_up);
}

#endif
