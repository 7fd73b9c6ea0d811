/*
 * XA transactions that were prepared before a start and not ended before it (decision 0014). Their
 * rows stand before the start and count from behind it, so the start's set gets a hole for each:
 * then the log is read from its prepare on, and the whole transaction comes at its end.
 * Thread: one at a time.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_LOG_PREPARED_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_LOG_PREPARED_H

#include "components/endpoint/mysql/log_look.h"
#include "components/endpoint/mysql/place.h"

struct prepared_params {
    const struct endpoint_address *address;
    uint32_t number;   /* the replica's, for the dumps */
    struct session *s; /* for questions */
    const struct log_files *files;
    size_t from;         /* the file that the start lies in, or an older one */
    const char *place;   /* the origin of a log without GTIDs, or NULL */
    bool begins_history; /* nothing was ever before the oldest file */
};
/* Reads the log from that file to its end: what ends behind the start and is not prepared there,
 * and what XA RECOVER shows, is looked for in older files, until it is found. ERR_START: the log
 * does not have the prepare any more. An account that may not run XA RECOVER knows only of what has
 * ended. */
bool log_prepared(const struct prepared_params *p, struct txn_set *before,
                  struct err *e) MUST_CHECK;

#endif
