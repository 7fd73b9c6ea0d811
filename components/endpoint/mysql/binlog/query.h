/*
 * QUERY events: the text of a statement and the session it ran in. Pure.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_QUERY_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_QUERY_H

#include "components/endpoint/mysql/binlog/event.h"
#include "components/endpoint/mysql/binlog/inflate.h"

enum binlog_alter_phase { /* of an ALTER that is logged when it begins and when it ends */
                          BINLOG_ALTER_WHOLE,
                          BINLOG_ALTER_START = 2,
                          BINLOG_ALTER_COMMIT = 4,
                          BINLOG_ALTER_ROLLBACK = 8,
};
struct binlog_query {
    uint32_t thread_id;
    uint16_t error;
    struct view db;     /* the session's database; empty: none */
    struct view sql;    /* in the client's charset */
    struct view status; /* all status variables, verbatim */
    /* Those of them that are understood; `told` says which were there. */
    uint32_t told; /* bit BINLOG_Q_... */
    uint32_t flags2;
    uint64_t sql_mode;
    uint16_t charset_client, collation_connection, collation_server;
    struct view time_zone;
    uint32_t microseconds;         /* of the statement's start, to add to the header's timestamp */
    uint64_t xid;                  /* DDL: its transaction number */
    bool explicit_timestamps;      /* MySQL: explicit_defaults_for_timestamp */
    uint16_t utf8mb4_collation;    /* MySQL: default_collation_for_utf8mb4 */
    enum binlog_alter_phase phase; /* MariaDB's binlog_alter_two_phase */
};
enum {
    BINLOG_Q_FLAGS2 = 1,
    BINLOG_Q_SQL_MODE = 2,
    BINLOG_Q_CHARSET = 4,
    BINLOG_Q_TIME_ZONE = 8,
    BINLOG_Q_MICROSECONDS = 16,
    BINLOG_Q_TIMESTAMPS = 32,
    BINLOG_Q_UTF8MB4 = 64,
};

/* QUERY and QUERY_COMPRESSED; the text of a compressed one is unpacked into scratch (cleared). */
bool binlog_read_query(const struct binlog_header *h, struct view body, struct inflater *z,
                       struct buf *scratch, struct binlog_query *q, struct err *e) MUST_CHECK;

/* The status variables alone; the rest of q stays. */
void binlog_read_status(struct view status, struct binlog_query *q);

#endif
