/*
 * A walk over a Store's records from one place to another, one record at a time: what dump and
 * trace are made of. One block is in memory. Thread: one at a time; a Store may append and purge
 * meanwhile.
 */
#ifndef OMS_COMPONENTS_STORE_LOG_WALK_H
#define OMS_COMPONENTS_STORE_LOG_WALK_H

#include "components/record/txn.h"
#include "components/store/store_view.h"

struct walk_record {
    enum record_type type; /* TXN, TXN_PART, DDL, HEARTBEAT */
    struct txn_head head;  /* not of a heartbeat */
    struct view changes;   /* TXN, TXN_PART */
    struct ddl_record ddl; /* DDL */
    struct wall time;      /* HEARTBEAT */
    struct view native;    /* HEARTBEAT */
    void *walk;            /* for log_walk_table */
};
enum walk_answer { WALK_ON, WALK_ENOUGH, WALK_FAILED /* *e is set */ };

struct log_walk_params {
    struct store *store;
    struct store_place from, to;
    bool follow;
    /* A record, in the log's order. */
    enum walk_answer (*each)(void *arg, const struct walk_record *r, struct err *e);
    /* After each block, and every second while it follows. */
    enum walk_answer (*pause)(void *arg, struct err *e);
    void *arg;
};
bool log_walk(const struct log_walk_params *p, struct err *e) MUST_CHECK;
/* Inside each(): a table_resolver whose argument is the record's walk. */
const struct table_def *log_walk_table(void *walk, uint32_t id);
/* What each() answers where the record's changes cannot be read. */
enum walk_answer log_walk_damaged(const struct walk_record *r, struct err *e);

#endif
