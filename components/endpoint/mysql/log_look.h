/*
 * A look at a server's log: its events from the beginning of one file on, not followed but asked
 * what lies where. It reads to the present end and no further, and changes nothing.
 * Thread: one at a time per look.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_LOG_LOOK_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_LOG_LOOK_H

#include "components/endpoint/mysql/log_priv.h"

struct look_for {
    bool head;      /* what the first file's beginning says, and no more */
    bool time;      /* or the first transaction of at least this time ... */
    int64_t us;     /* ... in microseconds; in seconds where the log tells no more */
    uint64_t place; /* or an offset in the first file, between two transactions; 0: none */
    bool one_file;  /* not beyond the first file */
    /* Sees every event; at: file, pos behind it, event_at, format. NULL: nobody does. */
    bool (*each)(void *arg, const struct log *at, const struct binlog_header *h, struct view body,
                 struct err *e);
    void *each_arg;
};
struct look_seen {
    bool found;            /* false: it came to the end */
    struct log_place at;   /* before what was found, or the end */
    struct txn_set before; /* the GTIDs that lie before it; of a log without them: empty */
    struct wall commit;    /* of what was found by time */
    uint32_t begun;        /* when the first file was begun, in seconds, by its own word */
    bool has_before;       /* the first file's head names transactions of files before it */
    uint64_t txns;         /* that were passed in the first file */
};
/* number: the replica's, for the dump. ERR_START where `place` is not between transactions. */
bool log_look(const struct endpoint_address *a, uint32_t number, const char *file,
              const struct look_for *want, struct look_seen *out, struct err *e) MUST_CHECK;
void look_seen_fini(struct look_seen *l);

#endif
