/*
 * Records of the log: what a Store writes, sends and a reader walks. A payload (of a block) is a
 * sequence of records; a record is u8 type, u32 length, body. Encoded by the log endpoint
 * straight into the Store's buffer, decoded as views. The format is docs/format/store.md. Pure.
 */
#ifndef OMS_COMPONENTS_RECORD_TXN_H
#define OMS_COMPONENTS_RECORD_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/time.h"
#include "components/record/rows.h"
#include "components/record/txn_id.h"

enum record_type {
    RECORD_TABLE_VERSION = 1, /* body: table_def_encode */
    RECORD_TXN = 2,           /* a whole transaction, or its last part (TXN_F_LAST) */
    RECORD_TXN_PART = 3,      /* a part that is not the last */
    RECORD_DDL = 4,
    RECORD_HEARTBEAT = 5,
    RECORD_DDL_PART = 6, /* rows of the same transaction follow it as further parts */
};

enum {                       /* txn_head.flags */
       TXN_F_LAST = 1,       /* with RECORD_TXN always */
       TXN_F_XA = 2,         /* published at XA COMMIT; xid is set */
       TXN_F_FILTERED = 4,   /* nothing of it is in scope: only moves the position */
       TXN_F_NOT_ATOMIC = 8, /* non-transactional engine */
};

/* Every TXN, TXN_PART and DDL record begins with a head. */
struct txn_head {
    struct txn_id id;
    uint64_t covers_from; /* the record covers seq covers_from .. id.seq of its origin (holes
                             included) */
    struct wall commit;   /* the source's commit time; microseconds where it tells them */
    uint32_t part;        /* from 0 */
    uint32_t flags;
    uint32_t server_id;      /* the originating server */
    struct view server_uuid; /* text; empty where unknown */
    struct view xid;         /* XA: opaque */
    struct view native;      /* resume hint for people and tools: "file:offset gtid" */
};

enum change_op { CHANGE_INSERT = 1, CHANGE_UPDATE = 2, CHANGE_DELETE = 3 };
enum image_kind { IMAGE_FULL = 0, IMAGE_MINIMAL = 1, IMAGE_NOBLOB = 2 };
enum {                               /* change.flags, from the event */
       CHANGE_F_NO_FK = 1,           /* foreign key checks were off in the session */
       CHANGE_F_RELAXED_UNIQUE = 2,  /* unique checks were off */
       CHANGE_F_ABSENT = 4,          /* images carry the absent bitmap */
       CHANGE_F_CASCADES_LOGGED = 8, /* what foreign keys changed is in the log by itself */
};

/* The body after the head: runs. A run = varint table id, u8 op, u8 flags, u8 image kind, u32
 * count, then count times: UPDATE: before, after; INSERT: after; DELETE: before; each u32 length +
 * row. */
struct change {
    enum change_op op;
    const struct table_def *table; /* borrowed from the resolver */
    uint8_t flags;
    enum image_kind image;
    struct view before; /* p = NULL for INSERT */
    struct view after;  /* p = NULL for DELETE */
};

enum ddl_role {                   /* what a statement does with a table that it names */
                DDL_ROLE_SUBJECT, /* created, altered, dropped, emptied */
                DDL_ROLE_FROM,    /* renamed; the next one is its TO */
                DDL_ROLE_TO,
                DDL_ROLE_MODEL,     /* CREATE TABLE ... LIKE it */
                DDL_ROLE_REFERENCE, /* named otherwise: a foreign key's parent ... */
                DDL_ROLE_DATABASE,  /* db alone */
};
struct ddl_table {
    struct view db, name;
    uint8_t role;     /* enum ddl_role */
    uint32_t at, len; /* its whole name in sql; len 0: left out there */
    uint32_t version; /* number of the definition known before; 0 = none */
};
struct ddl_cut { /* what another server does not get: foreign keys, held until release */
    uint32_t at, len;
};
enum {                          /* ddl_record.flags */
       DDL_F_READ = 1,          /* understood to its end, and what follows is told */
       DDL_F_ROWS = 2,          /* rows come with it, as parts behind the record */
       DDL_F_DROPS = 4,         /* DDL_INDEX: DROP INDEX; DDL_DATABASE: DROP DATABASE */
       DDL_F_CREATES = 8,       /* DDL_DATABASE: CREATE DATABASE */
       DDL_F_REPLACES = 16,     /* CREATE OR REPLACE */
       DDL_F_IF_EXISTS = 32,    /* IF EXISTS, IF NOT EXISTS */
       DDL_F_HAS_BODY = 64,     /* CREATE TABLE with columns of its own */
       DDL_F_CASCADES = 128,    /* a foreign key whose action changes rows without the log (A8) */
       DDL_F_ONLY_CUTS = 256,   /* nothing is left without the cuts */
       DDL_F_RENAMES = 512,     /* columns or indexes change their names */
       DDL_F_SELECTS = 1024,    /* its text selects rows */
       DDL_F_TIMESTAMPS = 2048, /* the session's explicit_defaults_for_timestamp is told: */
       DDL_F_EXPLICIT = 4096,
};
struct ddl_record {
    struct view sql;        /* utf8mb4 */
    struct view default_db; /* the session's database */
    uint64_t sql_mode;
    uint16_t charset_client, collation_connection, collation_server; /* numbers of the source */
    struct view time_zone;
    struct view vars;      /* every other session variable of the event, verbatim */
    struct view db, table; /* the first table it names, if known; "" otherwise */
    uint16_t n_tables;     /* how many tables it names */
    uint8_t ddl_kind;      /* enum ddl_kind */
    bool in_scope;         /* touches a table the Store follows */
    /* What the statement says, as the endpoint read it; all empty without DDL_F_READ. */
    uint32_t flags;
    struct view invents;     /* why a filled table would get data of the server's own (A3); or "" */
    struct view auto_column; /* it would, unless this column counts by itself already; or "" */
    struct view engine;      /* told; or "" */
    struct view collation_connection_name, collation_server_name; /* "" where not told */
    uint32_t n_cuts;
    struct view tables, cuts; /* encoded: ddl_table_next, ddl_cut_next */
};
enum ddl_kind {
    DDL_UNKNOWN,
    DDL_CREATE_TABLE,
    DDL_ALTER_TABLE,
    DDL_DROP_TABLE,
    DDL_RENAME_TABLE,
    DDL_TRUNCATE,
    DDL_INDEX,
    DDL_DATABASE,
    DDL_OTHER
};

/* --- writing ------------------------------------------------------------------------------------
 */
struct txn_writer { /* one record at a time into out; the length is patched at the end */
    struct buf *out;
    size_t record_at, run_count_at;
    uint32_t run_n, n_changes;
    uint32_t run_table;
    uint8_t run_op, run_flags, run_image;
    bool open;
};
void txn_writer_init(struct txn_writer *w, struct buf *out);
void txn_write_begin(struct txn_writer *w, enum record_type type, const struct txn_head *h);
/* Starts or continues a run, then the caller writes each image with txn_image_begin/end around
 * row_begin .. row_end on w->out. */
void txn_write_change(struct txn_writer *w, uint32_t table_id, enum change_op op, uint8_t flags,
                      enum image_kind image);
size_t txn_image_begin(struct txn_writer *w);
void txn_image_end(struct txn_writer *w, size_t mark);
void txn_write_end(struct txn_writer *w);
/* Turns the still open TXN_PART into the last one or the reverse before txn_write_end. */
void txn_write_set_last(struct txn_writer *w, bool last);
void record_write_table(struct buf *out, const struct table_def *t);
void ddl_table_put(struct buf *out, const struct ddl_table *t); /* appends to `tables` */
void ddl_cut_put(struct buf *out, const struct ddl_cut *cut);
/* A DDL_PART unless the head says LAST. */
void record_write_ddl(struct buf *out, const struct txn_head *h, const struct ddl_record *d);
void record_write_heartbeat(struct buf *out, struct wall source_time, struct view native);

/* The row that a Store writes on its source and that comes back in the log: database of the
 * project's choice, these names. */
#define HEARTBEAT_TABLE "beat"
#define HEARTBEAT_NAME_COLUMN "store" /* the Store's id */
#define HEARTBEAT_TIME_COLUMN "at_us" /* BIGINT: when it was written, microseconds since 1970 */

/* --- reading ------------------------------------------------------------------------------------
 */
struct record {
    enum record_type type;
    struct view body;
};
bool record_next(struct cursor *c, struct record *r); /* false: at the end, or c->failed */
bool txn_head_read(struct cursor *body, struct txn_head *h);
bool ddl_record_read(struct cursor *body, struct ddl_record *d);
/* Walk what ddl_record_read has checked: c begins as cursor_of(d->tables ...). False: at the end.
 */
bool ddl_table_next(struct cursor *c, struct ddl_table *t);
bool ddl_cut_next(struct cursor *c, struct ddl_cut *cut);

typedef const struct table_def *table_resolver(void *arg, uint32_t table_id);
struct change_iter {
    struct cursor c;
    table_resolver *resolve;
    void *resolve_arg;
    uint64_t left_in_run;
    struct change run;
};
void change_iter_init(struct change_iter *it, struct view changes, table_resolver *resolve,
                      void *arg);
/* False at the end; then it->c.failed tells whether the bytes were bad (or a table was unknown). */
bool change_next(struct change_iter *it, struct change *out);

#endif
