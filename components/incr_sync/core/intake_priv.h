/* The intake's inside; see intake.h. */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_INTAKE_PRIV_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_INTAKE_PRIV_H

#include "common/base/must.h"
#include "common/base/vec.h"
#include "components/incr_sync/core/intake.h"

struct open_txn { /* a transaction whose last part has not come; keeps its arrays for the next */
    bool active;
    bool dropped;   /* inside `seen`: its parts are ignored */
    bool committed; /* inside `done`: becomes empty */
    bool barrier;
    bool own_tables;        /* nothing else of its tables may be in flight with it */
    struct ddl_record *ddl; /* a table is made, its rows are further parts */
    uint32_t next_part;
    struct txn_id id;
    uint64_t bytes, changes;
    struct wall beat;
    struct source_txn *piped; /* it has come out, its parts go into its pipe */
    VEC(struct txn_part) parts;
    VEC(struct txn_table) tables;
    struct dep_keys keys;
};
struct table_name_entry { /* one name of the source; all its versions point here */
    const struct table_def *def;
    struct sync_table *current;
};
struct intake {
    struct intake_params p;
    struct txn_set seen, done;
    struct txn_set ends;
    const char *place;              /* the origin of the last transaction; NULL: it has no place */
    VEC(struct sync_table *) by_id; /* NULL = unknown */
    VEC(struct table_name_entry *) names;
    VEC(struct value) row; /* of the image being read */
    struct open_txn open;
    struct dep_keys scratch;
    size_t current; /* index into open.tables of the run being read */
};

/* --- intake_tables.c --- */
bool intake_table_version(struct intake *in, struct view body, struct err *e) MUST_CHECK;
/* Appends a tag for each of the target's tables that it touches. */
void intake_txn_tags(const struct open_txn *o, struct dep_keys *tags);
/* None: every table may be touched. */
void intake_ddl_tags(const struct intake *in, const struct ddl_record *d, struct dep_keys *tags);

void *intake_dup(struct source_block *b, const void *p, size_t size_bytes);
/* The part has been read; part.block is NULL when nothing of it is for the target. */
bool intake_keep_part(struct intake *in, struct source_block *b, const struct record *r,
                      const struct txn_head *h, struct txn_part part, struct err *e) MUST_CHECK;

#endif
