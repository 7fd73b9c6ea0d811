/*
 * What a server must be like before a project may use it: one item per fact, with a stable id, a
 * verdict, a reason, a remedy, and whether a person may decide to go on all the same. Objects that
 * cannot be carried are named, one item each. Nothing of the source is changed; on the target only
 * oms_meta is touched (correctness F6: KILL of an own session is proven by doing it).
 * Called by oms-task precheck. Thread: one at a time per session.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_CHECKS_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_CHECKS_H

#include <stdbool.h>

#include "common/base/err.h"
#include "components/endpoint/endpoint.h"

enum check_verdict { CHECK_OK, CHECK_WARNING, CHECK_FAILED };
struct check_item {     /* borrowed; valid during the call of the sink */
    const char *id;     /* "source.log_bin" */
    const char *object; /* "db.table", or "" */
    enum check_verdict verdict;
    bool may_skip;
    const char *reason; /* what was found */
    const char *remedy; /* what to do; "" when ok */
};
typedef void check_sink(void *arg, const struct check_item *item);
/* Does any table of this database belong to the scope? */
typedef bool db_filter(void *arg, const char *db);

struct check_scope {
    name_filter *table;
    db_filter *db;
    void *arg;
};

/* Version, log settings, privileges for reading rows and the log, open XA transactions. */
bool checks_source(struct session *s, check_sink *sink, void *arg, struct err *e) MUST_CHECK;
/* Objects of the source in scope that are not carried, by name: views, sequences, routines, events,
 * system-versioned tables; triggers and foreign keys are told as held back. */
bool checks_objects(struct session *s, const struct check_scope *scope, check_sink *sink, void *arg,
                    struct err *e) MUST_CHECK;
/* One table of the source: key, engine, cascades (its whole family must be in scope), periods. */
bool checks_table(struct session *s, const struct table_def *t, const struct check_scope *scope,
                  check_sink *sink, void *arg, struct err *e) MUST_CHECK;
/* Version, writability, privileges, KILL of an own session. `dbs`: databases on the target. */
bool checks_target(const struct endpoint_address *a, struct session *s, const char *const *dbs,
                   size_t n, check_sink *sink, void *arg, struct err *e) MUST_CHECK;
/* May the user create the scope's triggers in their definers' names at the handover? Asked only
 * where the source has any. */
bool checks_trigger_rights(struct session *source, struct session *target,
                           const struct check_scope *scope, check_sink *sink, void *arg,
                           struct err *e) MUST_CHECK;
/* One table on the target for a table of the source: is it there, empty unless it is said to be
 * filled, without triggers? Sets *exists. Its shape is the caller's to compare. */
bool checks_target_table(struct session *s, const struct table_def *source, const char *db,
                         const char *name, bool filled, bool *exists, check_sink *sink, void *arg,
                         struct err *e) MUST_CHECK;
/* Both servers beside one another: not the same one, clocks, sql_mode, name case, packet size. */
bool checks_pair(struct session *source, struct session *target, check_sink *sink, void *arg,
                 struct err *e) MUST_CHECK;

#endif
