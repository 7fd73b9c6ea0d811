/*
 * Where a fresh Store begins: the set before its first block. It is found once and durable before
 * anything is pulled; a crash before finds it again. Thread: the puller.
 */
#ifndef OMS_COMPONENTS_STORE_BEGIN_H
#define OMS_COMPONENTS_STORE_BEGIN_H

#include "components/endpoint/endpoint.h"
#include "components/runtime/component.h"
#include "components/store/store.h"

struct begin_params {
    const Oms__ComponentFixed *fixed;
    const struct endpoint *source;
    const struct endpoint_address *at;
    struct session *session; /* to it */
    uint32_t look_id;        /* a number to look into the log under */
    struct store *store;
};
/* A Store that has a begin keeps it. */
bool begin_find(const struct begin_params *p, struct err *e) MUST_CHECK;

#endif
