/*
 * What a DDL of the source means for one target: the statement with the project's names spliced in,
 * which tables it changes there, a trial that leads to the definition expected afterwards, or why a
 * person must decide. It never makes a statement anew out of parts except for DROP and RENAME,
 * where tables outside the scope are left out. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_DDL_PLAN_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_DDL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/vec.h"
#include "components/record/txn.h"

struct ddl_place { /* what the project says of a table of the source */
    bool in_scope;
    const char *to_db, *to_name;
    bool in_copy;     /* the table's copy began behind the statement: it has its effect already */
    bool during_copy; /* the statement came while the table was copied */
    bool of_family;   /* foreign keys' actions join it with other tables (A8) */
};
struct ddl_plan_params {
    bool sync;
    bool
        other_product; /* the target is another one than the source: few statements mean the same */
    const char *const *allow, *const *deny; /* kinds; allow empty: all */
    size_t n_allow, n_deny;
    void (*place)(void *arg, const char *db, const char *name, struct ddl_place *out);
    /* The database on the target, or NULL: out of scope. */
    const char *(*place_db)(void *arg, const char *db);
    void *arg;
    void (*quote)(struct buf *out, const char *db, const char *name);
    void (*quote_name)(struct buf *out, const char *name);
    const char *trial; /* name for tables of trials; a second one has "_2" behind it */
};

struct ddl_object { /* a table on the target that the statement touches */
    const char *db, *name;
    const char *key; /* "db.name" of the source */
    bool must_exist; /* before; else it must not, unless `may_exist` */
    bool may_exist;
    bool gone;  /* afterwards */
    bool tried; /* afterwards it is as the trial's table */
    int from;   /* afterwards it is what that object was; -1: none */
};
enum ddl_verdict { DDL_PASS, DDL_RUN, DDL_HOLD };
struct ddl_plan {
    enum ddl_verdict verdict;
    const char *why; /* HOLD, and PASS for the log */
    const char
        *copy_table;     /* a copy of this table ("db.name" of the source) would mend it; or NULL */
    const char *invents; /* RUN only if the first object is empty, or auto_column counts already */
    const char *auto_column;
    bool moves;      /* names change places: a definition alone does not tell a table */
    bool runs_blind; /* a database: running it again does no harm */
    struct buf sql;
    struct buf trial;                /* empty: none is needed */
    const char *like_db, *like_name; /* the trial begins as an empty table like this one; or NULL */
    const char *trial_db, *trial_result; /* the table to look at after the trial */
    VEC(struct ddl_object) objects;
    struct arena arena;
};
void ddl_plan_init(struct ddl_plan *p);
void ddl_plan_fini(struct ddl_plan *p);
void ddl_plan_make(struct ddl_plan *p, const struct ddl_record *d,
                   const struct ddl_plan_params *params);
/* Between MariaDB and MySQL: it says nothing of a definition. Tables that go, are emptied or change
 * names, indexes that go, and a table like one that the target has. */
bool ddl_means_the_same(const struct ddl_record *d);
/* The word for a kind of statement in allow and deny lists. */
const char *ddl_kind_word(const struct ddl_record *d);

#endif
