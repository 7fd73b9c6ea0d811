/*
 * What people ask a Store: "store-show", "store-dump", "store-trace" (oms store ...). Each ask has
 * a thread of its own, at most ASKS_AT_ONCE, which walks the published log with a reader of its own
 * and answers in pieces; it ends when whoever asked has gone, or the Store stops. It appends
 * nothing and holds no retention back.
 */
#ifndef OMS_COMPONENTS_STORE_ASK_H
#define OMS_COMPONENTS_STORE_ASK_H

#include "components/runtime/component.h"
#include "components/store/store.h"

#define ASKS_AT_ONCE 4

/* component_ops.ask. Thread: Sync. */
void store_ask(struct component *c, const Oms__Ask *ask);
/* From begin to end asks are answered. Thread: main. end waits for those that are being answered.
 */
void store_asks_begin(struct component *c, struct store *s);
void store_asks_end(void);

#endif
