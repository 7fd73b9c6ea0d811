/*
 * A TCP proxy in a thread that can cut its connections at a chosen moment: when a request that
 * contains a given text comes by, either before the server sees it or once the server has answered
 * it and the answer is to pass. For tests of lost answers. One thread serves all connections.
 */
#ifndef OMS_TEST_LIB_CUTPROXY_H
#define OMS_TEST_LIB_CUTPROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct cutproxy;
enum cut_when {
    CUT_BEFORE, /* the request is swallowed */
    CUT_AFTER,  /* the request is forwarded, its answer is not */
    CUT_REFUSE, /* the proxy answers it with an error by itself, as some do; every one */
};

/* Listens on 127.0.0.1, *port; forwards to 127.0.0.1:to_port. */
bool cutproxy_start(uint16_t to_port, struct cutproxy **p, uint16_t *port,
                    struct err *e) MUST_CHECK;
void cutproxy_stop(struct cutproxy *p); /* NULL is fine */
/* The next request that contains `text` is cut, once, or refused, each. Thread: any. */
void cutproxy_arm(struct cutproxy *p, const char *text, enum cut_when when);
/* How many requests were cut so far. Thread: any. */
unsigned cutproxy_cuts(struct cutproxy *p);

#endif
