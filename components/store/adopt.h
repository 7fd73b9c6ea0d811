/*
 * A source without GTIDs whose place another server has taken (correctness A13). Places of one
 * server's log say nothing about another's, so where the new one's log goes on is found by content:
 * the last heartbeat that the Store holds is looked for in the new log, from its newest file
 * backwards, and every transaction behind it must be the Store's, one by one, until the Store's are
 * used up. There the new server's log goes on: two empty transactions with places of the new
 * server say so durably, and what was pulled of the old one stays in the set.
 *
 * Invariant: what the Store holds in front of that place is what the new server committed there, in
 * the same order, as far as it is followed. What cannot be shown so stops. Thread: the puller.
 */
#ifndef OMS_COMPONENTS_STORE_ADOPT_H
#define OMS_COMPONENTS_STORE_ADOPT_H

#include "components/endpoint/endpoint.h"
#include "components/store/store.h"

struct adopt_params {
    const struct endpoint *source;
    struct session *session;         /* to the server */
    const struct log_params *params; /* as for the log that will be opened, with a server_id that
                                        nobody else has; after is not looked at */
    struct store *store;             /* nobody appends meanwhile */
    const char *heartbeat_schema;    /* NULL: there is no heartbeat */
    bool copy_runs;                  /* its positions are places of the server that was read */
};
/* Does nothing where the server is the one that was read last, or has GTIDs. ERR_COPY_PLACE: not
 * while the copy runs, whose positions would never be reached; ERR_SOURCE_DIVERGED with the
 * transaction; ERR_SOURCE_BEHIND: a replica that may still get what it lacks. */
bool adopt_source(const struct adopt_params *p, struct err *e) MUST_CHECK;

#endif
