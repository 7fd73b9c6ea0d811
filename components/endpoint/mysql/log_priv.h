/*
 * The log of a MariaDB server, as a replica reads it. Shared by log*.c only:
 *   log.c          the interface: open, close, read; executed
 *   log_start.c    where to begin: the connect state from a set; the dump command
 *   log_seek.c     where to begin when nothing was read yet; log_look.c reads for it
 *   log_packets.c  packets from the connection, with a deadline
 *   log_event.c    events: what each kind does, positions, what is not known
 *   log_gtid.c     the beginnings of event groups: identities
 *   log_place.c    identities by place, where a MySQL server has no GTIDs
 *   log_group.c    event groups: from GTID to the end, into records
 *   log_xa.c       XA transactions: rows that wait for their commit (A7)
 *   log_query.c    statements in the log: which end a group, which are DDL, which stop us
 *   log_ahead.c    DDL that lies ahead, where the log does not name columns
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
#include "components/endpoint/mysql/snapshot.h"

/* --- packets ------------------------------------------------------------------------------------
 */
struct packets { /* after the dump command nothing else uses the connection */
    struct session *s;
    int fd;
    void *tls; /* SSL *, or NULL */
    uint8_t *buf;
    size_t cap, start, end;
    struct buf joined; /* an event that came in several packets */
    struct wall asked; /* the last time that the connection was asked for more */
    uint8_t seq;
    bool may_end; /* the server was asked to stop at the log's end ... */
    bool ended;   /* ... and did: *got stays false */
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
#define RECENT_MAPS 8
struct tables {
    struct tracked **slots; /* open addressing; n_slots is a power of two */
    size_t n, n_slots;
    struct tracked *recent[RECENT_MAPS]; /* by the map's number: guesses of which table it is */
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
    uint64_t ends_at; /* by place: the offset behind its last event; 0 = not to be proven */
    bool transactional;
    bool is_xa;        /* its rows wait for an XA COMMIT */
    bool completed_xa; /* ends a prepared one */
    bool known;        /* published before: only passed over */
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
#define XID_PART_MAX 64
struct xid_key { /* X'67',X'62',1: as it stands in statements, with small letters */
    char text[2 * (2 * XID_PART_MAX + 4) + 12];
};
struct xa_rows { /* parts of a transaction: u64 length, changes; all of them in one of the two */
    struct buf memory;
    int fd; /* -1: none */
    uint32_t parts;
};
struct xa_open { /* prepared and not ended yet, or being published */
    struct xid_key key;
    struct group group;
    struct xa_rows rows;
    bool is_prepare; /* has an identity of its own to be covered at the end */
    uint64_t at;     /* bytes published */
};
struct xa {
    VEC(struct xa_open *) open;
    struct xa_rows rows;    /* of the group being read */
    struct xa_open *ending; /* its rows are being published */
    struct buf part;
    size_t memory; /* bytes of rows in memory */
};
struct log {
    struct endpoint_address address; /* borrowed strings */
    struct session *s;               /* the dump */
    struct session *catalog;         /* opened when a definition is needed */
    struct packets packets;
    struct inflater z;
    struct payload payload; /* a compressed transaction */
    bool in_payload;        /* ... is being read */
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
    uint64_t pos;        /* behind the event being read */
    uint64_t event_at;   /* where it begins */
    const char *places;  /* the origin of identities by place; NULL: GTIDs */
    uint32_t file_begun; /* the time in the file's format event */

    struct tables tables;
    VEC(struct open_map) maps;
    VEC(struct domain *) domains;
    struct txn_set after; /* published before this log was opened */
    bool after_has_holes; /* open prepares: what lies behind the first one is read again */
    struct xa xa;
    struct ahead *ahead;   /* NULL: never asked for */
    uint32_t look_id;      /* ... reads under that number */
    bool trust_known;      /* log_params */
    bool small_names;      /* the server has all names in small letters, whatever a text says */
    const char *spill_dir; /* borrowed; or NULL */
    struct group group;

    struct txn_writer writer; /* writer.open: a record is being written at the end of out */
    struct buf stash;         /* the record that a read() had to leave unfinished */
    size_t stash_run_at;      /* writer.run_count_at within it */
    struct log_progress *progress;
};

#define LOOK_ID_BIT 0x20000000u
/* log_replicas.c: what a source knows of its readers (B4). A session that will ask for the log says
 * its number first, so that others see that it is taken. */
bool log_register(struct session *s, uint32_t server_id, struct err *e) MUST_CHECK;
bool log_readers(struct session *s, struct reader_numbers *out, struct err *e) MUST_CHECK;

bool log_find_start(const struct endpoint_address *a, uint32_t number, const struct start_at *at,
                    struct position *out, struct err *e) MUST_CHECK;

/* Sets up the session, the connect state and sends the dump command. */
bool log_start(struct log *l, const struct log_params *p, struct err *e) MUST_CHECK;
/* Both of MySQL's parts of it. */
bool log_mysql_settings(struct session *s, uint64_t heartbeat_ns, struct err *e) MUST_CHECK;
bool log_mysql_dump(struct log *l, uint32_t server_id, const struct txn_set *after,
                    struct err *e) MUST_CHECK;
/* The dump from a file and an offset; a file beyond 4 GB from its beginning: the command has no
 * room for a larger number. flags: of the command. */
bool log_dump_at(struct session *s, uint32_t server_id, const char *file, uint64_t *offset,
                 uint16_t flags, struct err *e) MUST_CHECK;
/* Adds "file:position" to an error. Always false. */
bool log_at(struct log *l, struct err *e);

/* There is something to do before the next event is read: a compressed transaction or the rows of
 * an XA transaction go on. One step of it. */
bool log_is_busy(const struct log *l);
bool log_busy_step(struct log *l, struct err *e) MUST_CHECK;
/* l->pos and l->event_at after a header. */
void log_move_position(struct log *l, const struct binlog_header *h);
/* One event into l->writer.out. */
bool log_event_in(struct log *l, struct view event, struct err *e) MUST_CHECK;
/* GTID events of either server: a group begins. */
bool log_gtid_in(struct log *l, const struct binlog_header *h, struct view body,
                 struct err *e) MUST_CHECK;
/* "file:offset " of the event being read: once a transaction, so not by printf. Both return the end
 * of what they wrote. */
char *log_put_place(struct log *l, char *w);
char *log_put_number(char *w, uint64_t v);

/* --- identities by place (place.h) --------------------------------------------------------------
 */
/* Begins a dump behind the place that is known of the connected server. */
bool log_place_start(struct log *l, const struct log_params *p, struct err *e) MUST_CHECK;
/* l->pos and l->event_at after a header: counted, and proven by what the event says. */
bool log_place_move(struct log *l, const struct binlog_header *h, struct err *e) MUST_CHECK;
bool log_place_group(struct log *l, const struct binlog_header *h,
                     const struct binlog_mysql_gtid *g, struct err *e) MUST_CHECK;
/* The log has come as far as `offset`, and no transaction lies between: an empty one says so. */
bool log_place_mark(struct log *l, const struct binlog_header *h, uint64_t offset,
                    struct err *e) MUST_CHECK;
/* A group that is over ended where its first event said. */
bool log_place_proven(struct log *l, struct err *e) MUST_CHECK;

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
/* The open record is a part of the group and not its last. */
bool group_part_over(struct log *l, struct err *e) MUST_CHECK;
/* The group is over, and nothing of it is published. */
void group_over(struct log *l);

/* --- XA -----------------------------------------------------------------------------------------
 */
void xa_init(struct log *l);
void xa_fini(struct log *l);
/* The record at the end of out, which was just closed, waits with the rows of its transaction. */
bool xa_put_aside(struct log *l, struct err *e) MUST_CHECK;
void xa_forget_rows(struct log *l); /* of the group being read */
bool xa_prepare_in(struct log *l, const struct binlog_header *h, struct view body,
                   struct err *e) MUST_CHECK;
/* XA COMMIT or ROLLBACK of a prepared transaction. */
bool xa_end_in(struct log *l, struct view sql, bool commits, struct err *e) MUST_CHECK;
/* The identifier of an event, in the same form; false: it is too long. */
bool xa_key_of_xid(const struct binlog_xid *xid, struct xid_key *key);
/* The identifier in a statement; false: there is none. */
bool xa_key_of_text(struct view sql, struct xid_key *key);
/* A transaction is being published; one part of it. */
bool xa_is_ending(const struct log *l);
bool xa_end_step(struct log *l, struct err *e) MUST_CHECK;

/* log_text.c: the text of a QUERY event in utf8, in the arena's or out's memory. q->sql_mode
 * becomes that by which the text is to be read. *unsure: a literal may not be carried over exactly.
 */
bool log_text(struct log *l, struct binlog_query *q, struct buf *out, struct view *sql,
              bool *unsure, struct err *e) MUST_CHECK;

bool log_query_in(struct log *l, const struct binlog_header *h, struct view body,
                  struct err *e) MUST_CHECK;
/* A table whose definition a statement may have changed; name NULL: all of db; db NULL: all. */
typedef void touched_table(void *arg, const char *db, const char *name, struct view sql);
/* Only that: nothing of the log changes but its scratch buffers. */
bool log_query_touches(struct log *l, const struct binlog_header *h, struct view body,
                       touched_table *touched, void *arg, struct err *e) MUST_CHECK;

/* --- what lies ahead ----------------------------------------------------------------------------
 * Without full metadata the catalog alone knows a table's columns, and it is ahead of the log. */
/* No DDL on the table stands in the log behind the event being read and up to `end`, which the
 * log has reached; else ERR_LOG_METADATA with the statement. */
bool ahead_is_clear(struct log *l, const struct tracked *t, const struct log_place *end,
                    struct err *e) MUST_CHECK;
void ahead_fini(struct log *l);

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
