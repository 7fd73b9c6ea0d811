/*
 * The heartbeat's writer: a thread that says "now" in one row on the source, again and again, on a
 * session of its own. A source that does not let it, or does not answer, is tried again; why there
 * is no heartbeat is told in the report. It waits for nobody but its server, whose answers have a
 * time limit; the end of it is waited for by heart_stop.
 */
#ifndef OMS_COMPONENTS_STORE_HEARTBEAT_H
#define OMS_COMPONENTS_STORE_HEARTBEAT_H

#include "components/endpoint/endpoint.h"
#include "components/runtime/component.h"

struct heart;
struct heart_params {
    struct component *component;
    const struct endpoint *endpoint;
    const struct endpoint_address *address; /* outlives it */
    const char *schema, *name;
    uint32_t interval_ms;
    bool waits; /* the source has several servers: none is written to before heart_at */
};
/* Tries once before it returns, so that the table is made before the log is read; never fails for
 * what the source says. */
bool heart_start(const struct heart_params *p, struct heart **h, struct err *e) MUST_CHECK;
/* The server whose log is read now; its strings outlive the heart. NULL heart is fine. */
void heart_at(struct heart *h, const struct endpoint_address *a);
void heart_stop(struct heart *h); /* waits; NULL is fine */

#endif
