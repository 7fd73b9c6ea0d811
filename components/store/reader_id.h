/*
 * Under which number a Store reads its source's log (correctness B4): one of a range, that nobody
 * uses whom the source knows of, and another one after each connection that was thrown out. No I/O.
 * Thread: the puller.
 */
#ifndef OMS_COMPONENTS_STORE_READER_ID_H
#define OMS_COMPONENTS_STORE_READER_ID_H

#include "components/endpoint/endpoint.h"

struct reader_ids {
    uint32_t from, to;
    uint32_t wanted; /* for the first connection; 0: none */
    uint32_t dump;   /* the number of the connection that follows the log */
    uint32_t look;   /* ... of a second, short one beside it */
};

/* `dice` gives any number. ERR_LOG_DUPLICATE_READER: none of the range is free. */
bool reader_ids_choose(struct reader_ids *r, const struct reader_numbers *taken,
                       uint32_t (*dice)(void), struct err *e) MUST_CHECK;

#endif
