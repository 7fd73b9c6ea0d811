/*
 * Which of a source's servers is read, and which were read and left for another one (correctness
 * A13). Durable in the Store's file `servers`, before anything of another server is pulled, so that
 * no crash makes one that was left a stranger.
 *
 * A server that was left stands still: it lacks what came behind, and that says nothing of lost
 * transactions (ERR_SOURCE_LEFT). It is believed only while it can be shown: of what the Store
 * holds it may have nothing that came after it was left (then it followed the others, and what it
 * lacks was lost on the way back), and it executes nothing while the one that is read is away.
 * Thread: the puller.
 */
#ifndef OMS_COMPONENTS_STORE_LEFT_H
#define OMS_COMPONENTS_STORE_LEFT_H

#include "components/endpoint/endpoint.h"
#include "components/store/places.h"
#include "components/store/store.h"

#define LEFT_NAME_MAX 300
struct left;

/* "host:port" of the one that a connection goes to */
void left_name(const struct endpoint_address *at, char out[LEFT_NAME_MAX]);
/* DIR/servers; absent is fine. */
bool left_open(const char *dir, struct left **out, struct err *e) MUST_CHECK;
void left_close(struct left *l); /* NULL is fine */
/* The name of the one that was read last; "": not known. */
const char *left_last(const struct left *l);
/* `at` is read from now on, where the Store holds `held`. Durable when it returns. */
bool left_change(struct left *l, const struct endpoint_address *at, const struct txn_set *held,
                 struct err *e) MUST_CHECK;
/* Was `at`, which has executed this and lacks something of `held`, left and stood still since? */
bool left_stands(struct left *l, const struct endpoint_address *at, const struct txn_set *held,
                 const struct txn_set *executed);
/* history_contained() with that: ERR_SOURCE_LEFT instead of ERR_SOURCE_DIVERGED. */
bool left_contained(struct left *l, const struct endpoint_address *at,
                    const struct endpoint *source, struct session *session, struct store *s,
                    struct err *e) MUST_CHECK;
/* The one that was read last is tried first. */
void left_begin(const struct left *l, struct places *p);

#endif
