/*
 * Objects beside tables' rows: databases, triggers, foreign keys; and running DDL. The schema and
 * release steps (oms-task) use it. Thread: one at a time per session.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_OBJECTS_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/endpoint/endpoint.h"

/* A session whose statement text is utf8mb4, foreign key checks off; close with the catalog's
 * close. */
bool objects_connect(const struct endpoint_address *a, struct session **s,
                     struct err *e) MUST_CHECK;
bool objects_run(struct session *s, const char *sql, struct err *e) MUST_CHECK;

/* The database's own character set and collation. */
bool objects_database_charset(struct session *source, const char *db, char charset[64],
                              char collation[64], struct err *e) MUST_CHECK;
/* "CREATE DATABASE IF NOT EXISTS to_db ..." */
void objects_database_ddl(const char *to_db, const char *charset, const char *collation,
                          struct buf *ddl);

struct trigger_def { /* borrowed; valid during the call */
    const char *db, *table, *name;
    const char *timing, *event, *statement, *definer, *sql_mode;
};
typedef bool trigger_each(void *arg, const struct trigger_def *t, struct err *e);
/* A table's triggers in the order in which they fire. */
bool objects_triggers(struct session *s, const char *db, const char *table, trigger_each *each,
                      void *arg, struct err *e) MUST_CHECK;
/* The statement that creates it on the target, under the names given. */
void objects_trigger_ddl(const struct trigger_def *t, const char *to_db, const char *to_table,
                         struct buf *ddl);
/* Runs it under the trigger's own sql_mode and puts ours back. */
bool objects_create_trigger(struct session *s, const char *sql_mode, const char *ddl,
                            struct err *e) MUST_CHECK;

bool objects_has_table(struct session *s, const char *db, const char *name, bool *has,
                       struct err *e) MUST_CHECK;
bool objects_has_trigger(struct session *s, const char *db, const char *name, bool *has,
                         struct err *e) MUST_CHECK;
bool objects_has_foreign_key(struct session *s, const char *db, const char *table, const char *name,
                             bool *has, struct err *e) MUST_CHECK;

struct kept_record {      /* what the copy `task` recorded of a target's unique keys (MEMO_KEYS) */
    const char *table;    /* "db.name" of the source */
    struct view keys;     /* kept_keys.h */
    bool made;            /* the incremental step has made them ... */
    const char *given_up; /* ... but for these, whose statements stand here */
};
typedef bool kept_each(void *arg, const struct kept_record *r, struct err *e);
/* Absent tables mean "none". */
bool objects_kept_keys(struct session *s, const char *task, kept_each *each, void *arg,
                       struct err *e) MUST_CHECK;

struct fence_state {
    bool there;
    uint64_t epoch;
    bool sealed;
};
/* The fence row of a task on a target, as it stands. Absent tables mean "not there". */
bool objects_fence(struct session *s, const char *task, struct fence_state *out,
                   struct err *e) MUST_CHECK;

#endif
