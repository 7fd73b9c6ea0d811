/*
 * Positions as servers tell them: GTID sets as text into txn_set. Origins are "mariadb:<domain>"
 * and "mysql:<uuid>". Pure. Thread: any.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_POSITION_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_POSITION_H

#include "common/base/err.h"
#include "components/record/txn_id.h"

/* "0-1-100,1-2-33": a MariaDB GTID state. Adds 1..seq of each domain: within a domain sequence
 * numbers grow (the log checks that). */
bool position_add_mariadb(const char *text, struct txn_set *out, struct err *e) MUST_CHECK;
/* "uuid:1-5:7,\nuuid:tag:1-3": a MySQL GTID set. */
bool position_add_mysql(const char *text, struct txn_set *out, struct err *e) MUST_CHECK;
/* "uuid:1#12:2#13uuid2:tag:5#14": MySQL's @@global.gtid_owned, what sessions are about to commit,
 * each number with its session's. Nothing stands between one source and the next. */
bool position_add_owned(const char *text, struct txn_set *out, struct err *e) MUST_CHECK;

#endif
