/*
 * oms-task VERB: short jobs that need a database. One file per verb; each is a function over a
 * struct task, which holds the specification, the compiled scope and the outcome (checks, objects,
 * one sentence) that is reported as JSON of oms.TaskOutcome. A verb may be run again from its
 * beginning at any time. Thread: main.
 */
#ifndef OMS_COMPONENTS_TASK_TASK_H
#define OMS_COMPONENTS_TASK_TASK_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/vec.h"
#include "common/scope/scope.h"
#include "components/convert/translate.h"
#include "components/endpoint/endpoint.h"
#include "components/endpoint/mysql/checks.h"
#include "components/endpoint/mysql/objects.h"
#include "components/runtime/component.h"
#include "proto/admin.pb-c.h"

struct task_side { /* one data source of the specification */
    const char *id;
    struct endpoint_address address;
    const struct endpoint *endpoint;
};

struct task {
    struct component *component;
    const Oms__ComponentFixed *fixed;
    struct arena arena;
    const struct scope *scope;       /* NULL when the verb needs none */
    struct task_side source, target; /* id NULL: not in the specification */
    VEC(Oms__CheckView *) checks;
    VEC(Oms__ObjectView *) objects;
    const char *text;
};

typedef bool task_verb(struct task *t, struct err *e);
task_verb task_test, task_precheck, task_schema, task_seal, task_finish;

/* From the source's family to the target's. */
enum convert_way task_way(const struct task *t);

/* Adds a check; a failed one that may be skipped and is named in skip_checks becomes "skipped". */
void task_check(struct task *t, const struct check_item *item);
/* The same as a check_sink; arg is the task. */
void task_check_sink(void *arg, const struct check_item *item);
/* One check of a fact that is an error: the reason is "CODE: message". */
void task_check_error(struct task *t, const char *id, const char *object, bool may_skip,
                      const char *remedy, const struct err *e);
/* Checks with verdict "failed". */
size_t task_failed(const struct task *t);
/* Adds an object; texts are copied, NULL = "". */
void task_object(struct task *t, const char *type, const char *name, const char *state,
                 const char *ddl, const char *reason);
void task_say(struct task *t, const char *fmt, ...) PRINTF(2, 3);

/* The project copies rows; false: the target's tables are there and hold them. */
bool task_copies(const struct task *t);
/* Of a project without a copy: does the source's log have its start? */
bool task_precheck_start(struct task *t, struct session *source, struct err *e) MUST_CHECK;

/* ERR_INVALID when the specification lacks the side or the scope. */
bool task_need(const struct task *t, bool source, bool target, bool scope,
               struct err *e) MUST_CHECK;
/* Name of a source table for people and progress: "db.table". Lives in the task's arena. */
const char *task_table_key(struct task *t, const char *db, const char *table);
/* The scope's tables on the source. */
bool task_tables(struct task *t, struct session *source, struct table_name **names, size_t *n,
                 struct err *e) MUST_CHECK;
/* A name_filter and db_filter over the scope; arg is the task. */
bool task_has_table(void *arg, const char *db, const char *table);
bool task_has_db(void *arg, const char *db);

/* --- made.c: which tables of the target are ours
 * ------------------------------------------------ */
struct made;
struct made *task_made_new(struct task *t);
void task_made_free(struct made *m);
/* Before the target's table is made after `source`, and again when it is (done). s: of the target.
 */
bool task_made_put(struct made *m, struct session *s, const struct table_def *source, bool done,
                   struct err *e) MUST_CHECK;

/* Does `target` hold every row of `source` unchanged? False: the first difference in `why`. */
bool task_same_shape(const struct table_def *source, const struct table_def *target,
                     struct buf *why);

/* Foreign keys and triggers of the scope: held back until the end. */
struct held_object {
    const char *type; /* "foreign key", "trigger" */
    const char *name; /* "db.table.name" on the source */
    const char *to_db, *to_table, *to_name;
    const char *ddl;
    const char *sql_mode; /* triggers */
    bool cascades;        /* a foreign key that changes rows: the schema step creates it (A8) */
    const char *warning;  /* why it cannot be created by us; NULL: it can */
};
struct held_list {
    VEC(struct held_object) list;
};
/* Foreign keys first. Everything lives in the task's arena but the list (vec_fini). */
bool task_held(struct task *t, struct session *source, struct held_list *out,
               struct err *e) MUST_CHECK;

#endif
