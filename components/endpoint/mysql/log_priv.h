/*
 * The log of a MariaDB server, as a replica reads it. Shared by log*.c only:
 *   log.c          the interface: open, close, read; executed
 *   log_start.c    where to begin: the connect state from a set; the dump command
 *   log_packets.c  packets from the connection, with a deadline
 *   log_event.c    events: what each kind does, positions, what is not known
 *   log_gtid.c     the beginnings of event groups: identities
 *   log_group.c    event groups: from GTID to the end, into records
 *   log_query.c    statements in the log: which end a group, which are DDL, which stop us
 *   log_table.c    which table a map belongs to, and which version of it (A15)
 *
 * Thread: one at a time per log.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_LOG_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_LOG_PRIV_H

#include "common/base/arena.h"
#include "common/base/vec.h"
#include "components/endpoint/endpoint.h"
#include "components/endpoint/mysql/binlog/event.h"
#include "components/endpoint/mysql/binlog/inflate.h"
#include "components/endpoint/mysql/binlog/map_def.h"
#include "components/endpoint/mysql/binlog/mysql_gtid.h"
#include "components/endpoint/mysql/binlog/payload.h"
#include "components/endpoint/mysql/binlog/query.h"
#include "components/endpoint/mysql/binlog/rows_event.h"
#include "components/endpoint/mysql/session.h"

/* --- packets ------------------------------------------------------------------------------------
 */
struct packets { /* after the dump command nothing else uses the connection */
    struct session *s;
    int fd;
    void *tls; /* SSL *, or NULL */
    uint8_t *buf;
    size_t cap, start, end;
    struct buf joined; /* an event that came in several packets */
    uint8_t seq;
};
void packets_init(struct packets *p, struct session *s);
void packets_fini(struct packets *p);
/* The next event. Waits at most wait_ms; *got false: nothing came. The view lives until the next
 * call. Errors that the server sends become ERR_LOG_LOST, ERR_LOG_DUPLICATE_READER ... */
bool packets_next(struct packets *p, int64_t wait_ms, struct view *event, bool *got,
                  struct err *e) MUST_CHECK;

/* --- tables -------------------------------------------------------------------------------------
 */
struct tracked { /* a table whose name the log told */
    char *db, *name;
    uint64_t hash;
    bool followed;
    bool stale;                  /* a DDL touched it: look again, even if the shape is the same */
    const struct table_def *def; /* the version now, one reference; NULL: none yet */
    struct rows_plan plan;       /* for `shape` */
    struct buf shape;            /* the table map's bytes that the plan was made for */
};
struct tables {
    struct tracked **slots; /* open addressing; n_slots is a power of two */
    size_t n, n_slots;
};
struct open_map { /* of the group being read */
    uint64_t id;
    struct tracked *table;
};

/* --- the log ------------------------------------------------------------------------------------
 */
struct domain {  /* of GTIDs: MariaDB's, or one server uuid and tag of MySQL's */
    uint32_t id; /* MariaDB's */
    const char *origin;
    uint64_t last; /* MariaDB's numbers grow within a domain; MySQL's may come in any order */
};
struct group { /* an event group: a transaction, or one DDL */
    bool open;
    bool standalone; /* one statement and no end mark (MySQL: as far as it is known yet) */
    bool is_mysql;
    bool transactional;
    bool prepared_xa, completed_xa;
    struct domain *domain;
    uint64_t seq;
    uint64_t covers_from;
    uint32_t server_id;
    struct wall commit;
    uint32_t parts;                 /* written */
    bool has_rows;                  /* of followed tables */
    char uuid[MYSQL_UUID_TEXT + 1]; /* MySQL's */
    char native[200];
};
struct xid_key {
    uint32_t format;
    uint8_t len_gtrid, len_bqual;
    uint8_t bytes[128];
};
struct log {
    struct endpoint_address address; /* borrowed strings */
    struct session *s;               /* the dump */
    struct session *catalog;         /* opened when a definition is needed */
    struct packets packets;
    struct inflater z;
    struct payload payload; /* a compressed transaction */
    struct buf scratch;     /* unpacked events */
    struct buf text;        /* small texts */
    struct arena arena;     /* one event */
    struct arena static_;   /* collations */
    struct collations collations;
    name_filter *filter;
    void *filter_arg;
    uint32_t next_table_id;
    size_t part_bytes;
    int64_t clock_ahead_us; /* the source's clock minus ours */
    struct mono heard;      /* last time anything came */
    struct wall drained;    /* last time nothing was waiting to be read; 0 = not yet */

    struct binlog_format format;
    char file[256];
    uint64_t pos;      /* behind the event being read */
    uint64_t event_at; /* where it begins */

    struct tables tables;
    VEC(struct open_map) maps;
    VEC(struct domain *) domains;
    VEC(struct xid_key) prepared; /* XA transactions without rows of followed tables */
    struct group group;

    struct txn_writer writer; /* writer.open: a record is being written at the end of out */
    struct buf stash;         /* the record that a read() had to leave unfinished */
    size_t stash_run_at;      /* writer.run_count_at within it */
    struct log_progress *progress;
};

/* Sets up the session, the connect state and sends the dump command. */
bool log_start(struct log *l, const struct log_params *p, struct err *e) MUST_CHECK;
/* Both of MySQL's parts of it. */
bool log_mysql_settings(struct log *l, uint64_t heartbeat_ns, struct err *e) MUST_CHECK;
bool log_mysql_dump(struct log *l, uint32_t server_id, const struct txn_set *after,
                    struct err *e) MUST_CHECK;
/* Adds "file:position" to an error. Always false. */
bool log_at(struct log *l, struct err *e);

/* One event into l->writer.out. */
bool log_event_in(struct log *l, struct view event, struct err *e) MUST_CHECK;
/* GTID events of either server: a group begins. */
bool log_gtid_in(struct log *l, const struct binlog_header *h, struct view body,
                 struct err *e) MUST_CHECK;
/* An origin of MySQL's whose transactions are known already. */
void log_add_origin(struct log *l, const char *origin, uint32_t id, uint64_t last);
/* Opens the record of the group if none is open. */
void group_open_record(struct log *l);
/* The group is over; without rows of followed tables only the position moves. */
void group_commit(struct log *l);
bool group_rollback(struct log *l, struct err *e) MUST_CHECK;
struct txn_head group_head(const struct log *l);
/* The group is over and its own record is written (a DDL). */
void group_done(struct log *l);
/* The log goes on elsewhere: a group that is open never happened. */
bool group_cut(struct log *l, struct err *e) MUST_CHECK;
bool group_needed(struct log *l, const struct binlog_header *h, struct err *e) MUST_CHECK;
bool group_rows_in(struct log *l, const struct binlog_header *h, struct view body,
                   struct err *e) MUST_CHECK;
bool group_xa_prepare_in(struct log *l, const struct binlog_header *h, struct view body,
                         struct err *e) MUST_CHECK;

bool log_query_in(struct log *l, const struct binlog_header *h, struct view body,
                  struct err *e) MUST_CHECK;

bool tables_init(struct log *l, const struct log_params *p, struct err *e) MUST_CHECK;
void tables_fini(struct tables *t);
/* Finds or makes the entry of a name. */
struct tracked *tables_get(struct log *l, struct view db, struct view name);
/* The entry of a table map; a followed one is ready for rows of this map. May write a TABLE_VERSION
 * record before the open record. */
bool tables_map(struct log *l, struct view body, struct err *e) MUST_CHECK;
/* NULL: no such map in this group. */
struct tracked *tables_by_id(struct log *l, uint64_t id);
void tables_stale(struct log *l, const char *db, const char *name); /* name NULL: all of db; db
                                                                       NULL: all */
bool tables_any_followed_in(struct log *l, const char *db);

#endif
