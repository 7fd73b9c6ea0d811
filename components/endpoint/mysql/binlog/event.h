/*
 * Events of the binary log, version 4, of MariaDB and MySQL: from bytes to values, nothing else.
 * The folder is pure: no I/O, no clock, no log. Bytes are read through a bounds-checked cursor;
 * what comes out are views into the event, which die with it. Errors are ERR_LOG_DAMAGED; the
 * caller adds file and position.
 *
 * The checksum's presence is what the format description event says, never what was asked for:
 * servers accept "NONE" and send checksums all the same.
 *
 * Called by log*.c and by tests. Thread: any; values belong to one.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_EVENT_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"

#define BINLOG_HEADER_SIZE 19
#define BINLOG_CRC_SIZE 4

/* X(name, number, text, what the log does with it) */
#define BINLOG_EVENT_TABLE(X)                                  \
    X(START_V3, 1, "START_V3", REFUSE)                         \
    X(QUERY, 2, "QUERY", USE)                                  \
    X(STOP, 3, "STOP", NO_DATA)                                \
    X(ROTATE, 4, "ROTATE", USE)                                \
    X(INTVAR, 5, "INTVAR", STATEMENT)                          \
    X(LOAD, 6, "LOAD", STATEMENT)                              \
    X(CREATE_FILE, 8, "CREATE_FILE", STATEMENT)                \
    X(APPEND_BLOCK, 9, "APPEND_BLOCK", STATEMENT)              \
    X(EXEC_LOAD, 10, "EXEC_LOAD", STATEMENT)                   \
    X(DELETE_FILE, 11, "DELETE_FILE", STATEMENT)               \
    X(NEW_LOAD, 12, "NEW_LOAD", STATEMENT)                     \
    X(RAND, 13, "RAND", STATEMENT)                             \
    X(USER_VAR, 14, "USER_VAR", STATEMENT)                     \
    X(FORMAT, 15, "FORMAT_DESCRIPTION", USE)                   \
    X(XID, 16, "XID", USE)                                     \
    X(BEGIN_LOAD_QUERY, 17, "BEGIN_LOAD_QUERY", STATEMENT)     \
    X(EXECUTE_LOAD_QUERY, 18, "EXECUTE_LOAD_QUERY", STATEMENT) \
    X(TABLE_MAP, 19, "TABLE_MAP", USE)                         \
    X(WRITE_ROWS_V1, 23, "WRITE_ROWS_V1", USE)                 \
    X(UPDATE_ROWS_V1, 24, "UPDATE_ROWS_V1", USE)               \
    X(DELETE_ROWS_V1, 25, "DELETE_ROWS_V1", USE)               \
    X(INCIDENT, 26, "INCIDENT", REFUSE)                        \
    X(HEARTBEAT, 27, "HEARTBEAT", USE)                         \
    X(IGNORABLE, 28, "IGNORABLE", NO_DATA)                     \
    X(ROWS_QUERY, 29, "ROWS_QUERY", NO_DATA)                   \
    X(WRITE_ROWS, 30, "WRITE_ROWS", USE)                       \
    X(UPDATE_ROWS, 31, "UPDATE_ROWS", USE)                     \
    X(DELETE_ROWS, 32, "DELETE_ROWS", USE)                     \
    X(GTID, 33, "GTID", USE)                                   \
    X(ANONYMOUS_GTID, 34, "ANONYMOUS_GTID", USE)               \
    X(PREVIOUS_GTIDS, 35, "PREVIOUS_GTIDS", NO_DATA)           \
    X(TRANSACTION_CONTEXT, 36, "TRANSACTION_CONTEXT", NO_DATA) \
    X(VIEW_CHANGE, 37, "VIEW_CHANGE", NO_DATA)                 \
    X(XA_PREPARE, 38, "XA_PREPARE", USE)                       \
    X(PARTIAL_UPDATE_ROWS, 39, "PARTIAL_UPDATE_ROWS", USE)     \
    X(TRANSACTION_PAYLOAD, 40, "TRANSACTION_PAYLOAD", USE)     \
    X(HEARTBEAT_V2, 41, "HEARTBEAT_V2", USE)                   \
    X(GTID_TAGGED, 42, "GTID_TAGGED", USE)                     \
    X(ANNOTATE_ROWS, 160, "ANNOTATE_ROWS", NO_DATA)            \
    X(BINLOG_CHECKPOINT, 161, "BINLOG_CHECKPOINT", NO_DATA)    \
    X(MARIADB_GTID, 162, "MARIADB_GTID", USE)                  \
    X(GTID_LIST, 163, "GTID_LIST", USE)                        \
    X(START_ENCRYPTION, 164, "START_ENCRYPTION", NO_DATA)      \
    X(QUERY_COMPRESSED, 165, "QUERY_COMPRESSED", USE)          \
    X(WRITE_ROWS_Z1, 166, "WRITE_ROWS_COMPRESSED_V1", USE)     \
    X(UPDATE_ROWS_Z1, 167, "UPDATE_ROWS_COMPRESSED_V1", USE)   \
    X(DELETE_ROWS_Z1, 168, "DELETE_ROWS_COMPRESSED_V1", USE)   \
    X(WRITE_ROWS_Z, 169, "WRITE_ROWS_COMPRESSED", USE)         \
    X(UPDATE_ROWS_Z, 170, "UPDATE_ROWS_COMPRESSED", USE)       \
    X(DELETE_ROWS_Z, 171, "DELETE_ROWS_COMPRESSED", USE)

#define BINLOG_ENUM_ROW(name, number, text, what) BINLOG_##name = number,
enum binlog_type { BINLOG_EVENT_TABLE(BINLOG_ENUM_ROW) };
#undef BINLOG_ENUM_ROW

enum binlog_use {
    BINLOG_UNKNOWN,   /* not in the table: stop, unless the event itself says it is ignorable */
    BINLOG_USE,       /* it is decoded */
    BINLOG_NO_DATA,   /* known to change no data */
    BINLOG_STATEMENT, /* part of a change logged as a statement: stop */
    BINLOG_REFUSE,    /* known, changes data, not decoded: stop */
};
enum binlog_use binlog_use_of(uint8_t type);
const char *binlog_type_name(uint8_t type); /* "?" for an unknown one */

enum { /* binlog_header.flags */
       BINLOG_F_IN_USE = 1,
       BINLOG_F_ARTIFICIAL = 0x20,
       BINLOG_F_IGNORABLE = 0x80,
};

struct binlog_header {
    uint32_t timestamp;
    uint8_t type;
    uint32_t server_id;
    uint32_t size;     /* with header and checksum */
    uint32_t next_pos; /* the low 32 bits; 0 in artificial events */
    uint16_t flags;
};

struct binlog_format { /* what the last format description event said */
    char server_version[51];
    bool is_mariadb;
    bool has_crc;
    uint8_t post_header[256]; /* by type; 0 where it said nothing */
};
/* The number of a table that an event of this type begins with. */
static inline uint64_t binlog_table_id(const struct binlog_format *f, uint8_t type,
                                       struct cursor *c)
{
    return f->post_header[type] == 6 ? cursor_le(c, 4) : cursor_le(c, 6);
}
/* Before the first format description event: what every server of today begins with. */
void binlog_format_init(struct binlog_format *f);

/* Splits one event. Checks its length and, when there is one, its checksum. `body` is what lies
 * between header and checksum. A format description event is judged by its own bytes. */
bool binlog_event_open(const struct binlog_format *f, struct view event, struct binlog_header *h,
                       struct view *body, struct err *e) MUST_CHECK;
bool binlog_read_format(struct view body, struct binlog_format *f, struct err *e) MUST_CHECK;

struct binlog_rotate {
    uint64_t pos;
    struct view file;
};
bool binlog_read_rotate(struct view body, struct binlog_rotate *r, struct err *e) MUST_CHECK;

enum { /* binlog_gtid.flags of MariaDB */
       BINLOG_GTID_STANDALONE = 1,
       BINLOG_GTID_GROUP_COMMIT = 2,
       BINLOG_GTID_TRANSACTIONAL = 4,
       BINLOG_GTID_DDL = 0x20,
       BINLOG_GTID_PREPARED_XA = 0x40,
       BINLOG_GTID_COMPLETED_XA = 0x80,
};
struct binlog_xid { /* of an XA transaction */
    uint32_t format;
    struct view gtrid, bqual;
};
struct binlog_gtid {
    uint64_t seq;
    uint32_t domain;
    uint32_t server_id;
    uint8_t flags;
    uint64_t commit_id;
    struct binlog_xid xid; /* with one of the XA flags */
};
bool binlog_read_gtid(const struct binlog_header *h, struct view body, struct binlog_gtid *g,
                      struct err *e) MUST_CHECK;

struct binlog_gtid_list {
    uint32_t n;
    struct cursor entries;
};
bool binlog_read_gtid_list(struct view body, struct binlog_gtid_list *l, struct err *e) MUST_CHECK;
/* False at the end. */
bool binlog_gtid_list_next(struct binlog_gtid_list *l, struct binlog_gtid *g);

bool binlog_read_xid(struct view body, uint64_t *xid, struct err *e) MUST_CHECK;
bool binlog_read_xa_prepare(struct view body, bool *one_phase, struct binlog_xid *xid,
                            struct err *e) MUST_CHECK;
/* File name of a heartbeat of either form. */
bool binlog_read_heartbeat(const struct binlog_header *h, struct view body, struct view *file,
                           struct err *e) MUST_CHECK;

/* A length as the protocol packs it (251: NULL, which fails here). */
uint64_t binlog_lenenc(struct cursor *c);

#endif
