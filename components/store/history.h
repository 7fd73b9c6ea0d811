/*
 * Is the source's history still the one that was pulled (correctness A13)? Asked at every connect:
 * everything that the Store holds must have been executed there, and the last transaction, read
 * once more, must have the same content and the same origin. Thread: the puller.
 */
#ifndef OMS_COMPONENTS_STORE_HISTORY_H
#define OMS_COMPONENTS_STORE_HISTORY_H

#include "common/os/clock.h"
#include "components/endpoint/endpoint.h"
#include "components/store/store.h"

/* The containment alone, on a session. ERR_SOURCE_DIVERGED with the transactions that are missing;
 * ERR_SOURCE_BEHIND if the server is a replica that may still get them. */
bool history_contained(const struct endpoint *source, struct session *session, struct store *s,
                       struct err *e) MUST_CHECK;
/* The last transaction, over a connection of its own: `params` as for the log that will be opened,
 * with a server_id that nobody else has; what it says about where to begin is not looked at. A
 * source that does not keep it any more proves nothing, which is told in our log and no error. */
bool history_same_last(const struct endpoint *source, const struct log_params *params,
                       struct store *s, struct err *e) MUST_CHECK;

/* A log that was reset while it is read may fall silent for ever without a word: a server goes on
 * waiting in the file of the same name. So the containment is asked for also between connects: with
 * GTIDs while nothing but heartbeats comes, and without every few seconds. */
struct history_watch {
    struct mono heard, asked;
};
/* After each read of the log; `got`: it brought something. False, ERR_SERVER_UNREACHABLE with what
 * is missing: connect anew, where it is decided what that means. Behind the address there may be
 * another server by now, and another one of a list may have it all. A server that cannot be asked
 * proves nothing. */
bool history_watch(struct history_watch *w, bool got, const struct endpoint *source,
                   const struct endpoint_address *at, struct store *s, struct err *e) MUST_CHECK;

#endif
