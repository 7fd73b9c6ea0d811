/*
 * Identities of MySQL's transactions: the events GTID, ANONYMOUS_GTID and GTID_TAGGED, and sets of
 * them in the two binary forms that PREVIOUS_GTIDS and COM_BINLOG_DUMP_GTID share. In a txn_set the
 * origin is "mysql:<uuid>[:tag]" with the uuid in small letters, and seq the number. Pure.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_MYSQL_GTID_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_MYSQL_GTID_H

#include "components/endpoint/mysql/binlog/event.h"
#include "components/record/txn_id.h"

#define MYSQL_TAG_MAX 32
#define MYSQL_UUID_TEXT 36

struct binlog_mysql_gtid {
    bool anonymous; /* gtid_mode is off: uuid, tag and seq say nothing */
    uint8_t flags;  /* 1: statements logged as text may be in the transaction */
    uint8_t uuid[16];
    struct view tag; /* in the event; empty: none */
    uint64_t seq;
    int64_t last_committed, sequence; /* the source's own order of commits; 0 = not told */
    uint64_t commit_us;   /* microseconds since the epoch, on this server; 0 = not told */
    uint64_t original_us; /* on the server where it came from; 0 = not told */
    uint64_t length;      /* of the whole transaction in the log; 0 = not told */
    uint32_t version;     /* of this server, 90704; 0 = not told */
};
bool binlog_is_mysql_gtid(uint8_t type);
bool binlog_read_mysql_gtid(const struct binlog_header *h, struct view body,
                            struct binlog_mysql_gtid *g, struct err *e) MUST_CHECK;

/* "mysql:<uuid>[:tag]", interned. The tag has at most MYSQL_TAG_MAX bytes. */
const char *mysql_gtid_origin(const uint8_t uuid[16], struct view tag);
/* Writes MYSQL_UUID_TEXT characters and a zero. */
void mysql_uuid_text(const uint8_t uuid[16], char text[MYSQL_UUID_TEXT + 1]);
/* The reverse; false: the origin is not one of MySQL's. tag: a view into origin, may be empty. */
bool mysql_origin_split(const char *origin, uint8_t uuid[16], struct view *tag);

/* Adds what the bytes say; both forms. ERR_LOG_DAMAGED. */
bool mysql_gtid_set_read(struct view data, struct txn_set *out, struct err *e) MUST_CHECK;
/* Appends the set, in the form with tags only if there is one: servers before 8.3 do not read it.
 * ERR_INVALID: an origin that is not MySQL's. */
bool mysql_gtid_set_write(const struct txn_set *s, struct buf *out, struct err *e) MUST_CHECK;
/* Appends "uuid:1-5:7,uuid:tag:1-3", as the server's functions take it. ERR_INVALID. */
bool mysql_gtid_set_text(const struct txn_set *s, struct buf *out, struct err *e) MUST_CHECK;

#endif
