/*
 * MetaDB: every durable fact of the control plane, in PostgreSQL. Rows of one shape (key, state,
 * body) in one table a kind, events, the stored replies of commands, the leader's lease.
 *
 * Invariant: nothing is written but inside meta_begin ... meta_commit, and meta_begin holds FOR KEY
 * SHARE on the lease row of the caller's epoch and holder (C1): a CM that lost its lease writes
 * nothing.
 *
 * Calls block, each bounded by connect, statement, lock and idle timeouts set on the session
 * (META_STATEMENT_MS), and by a deadline of our own for a server that says nothing: the leader has
 * nothing to do that may overtake its commit, and MetaDB is near. The interface hands out no libpq
 * type, so that it can become asynchronous behind it. Errors: ERR_UNAVAILABLE: no connection or the
 * server went away (open again after a while); ERR_NOT_LEADER: the lease is another's; ERR_METADB:
 * the server refused a statement. Called by cm/lead.c. Thread: loop.
 */
#ifndef OMS_CM_META_META_H
#define OMS_CM_META_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "proto/admin.pb-c.h"

#define META_STATEMENT_MS 5000
#define META_CONNECT_S 3

struct meta;

/* Connects, sets the session up and brings the schema to this program's version. */
bool meta_open(const char *conninfo, struct meta **m, struct err *e) MUST_CHECK;
void meta_close(struct meta *m); /* NULL is fine */
const char *meta_id(const struct meta *m);
int meta_backend(const struct meta *m); /* process id of the server's side */
bool meta_is_alive(struct meta *m);     /* false: close it and open again */

/* --- lease (C2): a counter, compared and set; time is the caller's own clock -------------------
 */
struct meta_lease {
    uint64_t epoch, counter;
    char holder[ID_TEXT_MAX]; /* "" = never taken */
    char address[256];        /* of the holder */
};
bool meta_lease_read(struct meta *m, struct meta_lease *out, struct err *e) MUST_CHECK;
/* Takes the lease with epoch max(seen->epoch, least) + 1 if it is still as `seen`, and ends the old
 * holder's recorded backend. *taken false: somebody was faster. */
bool meta_lease_take(struct meta *m, const struct meta_lease *seen, uint64_t least,
                     const char *holder, const char *address, struct meta_lease *out, bool *taken,
                     struct err *e) MUST_CHECK;
/* Clean end: nobody has to wait for the lease to run out. */
bool meta_lease_give(struct meta *m, const struct meta_lease *mine, struct err *e) MUST_CHECK;
/* Counts on. *held false: it is another's. */
bool meta_lease_renew(struct meta *m, struct meta_lease *mine, bool *held,
                      struct err *e) MUST_CHECK;

/* --- writing -----------------------------------------------------------------------------------
 */
struct meta_row {
    const char *table; /* host source project step component incident detail */
    const char *key;
    const char *state; /* for people who look with psql */
    const void *body;
    size_t len;
};
bool meta_begin(struct meta *m, const struct meta_lease *mine, struct err *e) MUST_CHECK;
bool meta_put(struct meta *m, const struct meta_row *row, struct err *e) MUST_CHECK;
bool meta_delete(struct meta *m, const char *table, const char *key, struct err *e) MUST_CHECK;
bool meta_put_revision(struct meta *m, uint64_t revision, struct err *e) MUST_CHECK;
bool meta_put_event(struct meta *m, const Oms__Event *ev, struct err *e) MUST_CHECK;
bool meta_put_reply(struct meta *m, struct id id, const char *method, const void *reply, size_t len,
                    struct err *e) MUST_CHECK;
/* On an error the transaction is rolled back already and nothing was written, or (the answer to
 * COMMIT was lost) nobody knows: load again. */
bool meta_commit(struct meta *m, struct err *e) MUST_CHECK;
void meta_rollback(struct meta *m);

/* --- reading -----------------------------------------------------------------------------------
 */
typedef bool meta_row_fn(void *arg, const struct meta_row *row, struct err *e);
bool meta_load(struct meta *m, const char *table, meta_row_fn *fn, void *arg,
               struct err *e) MUST_CHECK;
bool meta_revision(struct meta *m, uint64_t *revision, uint64_t *last_event,
                   struct err *e) MUST_CHECK;
/* after 0: the newest `most`; else the first `most` behind it. Ascending. subject "" = any, else
 * the subject itself and what begins with "subject.". */
typedef void meta_event_fn(void *arg, const Oms__Event *ev);
bool meta_events(struct meta *m, uint64_t after, uint32_t most, const char *subject,
                 meta_event_fn *fn, void *arg, struct err *e) MUST_CHECK;
/* The reply that was stored for a command's id. */
bool meta_find_reply(struct meta *m, struct id id, struct buf *reply, bool *found,
                     struct err *e) MUST_CHECK;
/* Removes replies and events that are old; a few thousand at a time. */
bool meta_prune(struct meta *m, const struct meta_lease *mine, uint64_t events_kept,
                struct err *e) MUST_CHECK;

#endif
