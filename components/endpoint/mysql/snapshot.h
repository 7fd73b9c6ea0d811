/*
 * Consistent snapshots and where they stand in the source's log (correctness A6). Thread: one at a
 * time per session.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_SNAPSHOT_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_SNAPSHOT_H

#include "components/endpoint/endpoint.h"
#include "components/endpoint/mysql/session.h"

struct log_place { /* in the source's log files */
    char file[256];
    uint64_t offset;
};
/* Where the source writes next. */
bool log_place_end(struct session *s, struct log_place *out, struct err *e) MUST_CHECK;
/* The present end of the log: everything committed before the call is in it. */
bool snapshot_log_end(struct session *s, struct position *pos, struct err *e) MUST_CHECK;
/* A position with all that any snapshot opened before the call may see: MySQL shows rows a moment
 * before their GTID is in the executed set, so what is being committed is in it too. */
bool snapshot_past(struct session *s, struct position *pos, struct err *e) MUST_CHECK;
/* Opens a snapshot in the session. MariaDB: *exact, the set is what the snapshot sees. MySQL: all
 * of the set is visible, and maybe more. */
bool snapshot_open(struct session *s, struct position *pos, bool *exact, struct err *e) MUST_CHECK;
/* The same, with *exact true of the one table on MySQL too: a second session to `a` holds the table
 * against writers while the position is read and the snapshot opens. */
bool snapshot_open_of(struct session *s, const struct endpoint_address *a,
                      const struct table_def *t, struct position *pos, bool *exact,
                      struct err *e) MUST_CHECK;

#endif
