/*
 * Events (log_priv.h): the position they move, and which part of the log each kind goes to. What is
 * not known stops the log with its type, place and first bytes, unless the event itself says that
 * it may be passed over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "components/endpoint/mysql/log_priv.h"

#define SHOWN_BYTES 32

/* --- events between groups ----------------------------------------------------------------------
 */

static bool rotate_in(struct log *l, struct view body, struct err *e)
{
    struct binlog_rotate r;

    if (!binlog_read_rotate(body, &r, e) || !group_cut(l, e))
        return false;
    size_t n = r.file.len < sizeof l->file ? r.file.len : sizeof l->file - 1;
    memcpy(l->file, r.file.p, n);
    l->file[n] = '\0';
    l->pos = r.pos;
    l->maps.n = 0;
    return true;
}

static bool format_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    l->maps.n = 0;
    l->file_begun = h->timestamp;
    return binlog_read_format(body, &l->format, e) && group_cut(l, e) &&
           (!l->places || h->next_pos == 0 || log_place_mark(l, h, l->event_at, e));
}

/* The log had nothing more at a moment since we last found nothing waiting; that moment is sure.
 * What waited here while we stood still proves nothing about now. */
static void heartbeat_in(struct log *l)
{
    int64_t then = l->drained.us ? l->drained.us + l->clock_ahead_us : 0;

    if (then > l->progress->source_time.us)
        l->progress->source_time.us = then;
}

static bool event_of_kind(struct log *l, const struct binlog_header *h, struct view event,
                          struct view body, struct err *e);

/* --- compressed transactions --------------------------------------------------------------------
 */

static bool payload_in(struct log *l, struct view body, struct err *e)
{
    l->in_payload = payload_open(&l->payload, body, e);
    return l->in_payload;
}

/* One event of it; they have neither checksum nor position. */
static bool payload_step(struct log *l, struct err *e)
{
    struct binlog_format bare = l->format;
    struct binlog_header h;
    struct view event, inside;

    bare.has_crc = false;
    if (!payload_next(&l->payload, &event, &l->in_payload, e))
        return false;
    if (!l->in_payload)
        return true;
    if (!binlog_event_open(&bare, event, &h, &inside, e))
        return false;
    if (h.type == BINLOG_TRANSACTION_PAYLOAD || h.type == BINLOG_FORMAT || h.type == BINLOG_ROTATE)
        return err_set(e, ERR_LOG_DAMAGED, "a compressed transaction holds a %s event",
                       binlog_type_name(h.type));
    return event_of_kind(l, &h, event, inside, e) || err_wrap(e, "inside a compressed transaction");
}

bool log_is_busy(const struct log *l)
{
    return xa_is_ending(l) || l->in_payload;
}

bool log_busy_step(struct log *l, struct err *e)
{
    bool ok = xa_is_ending(l) ? xa_end_step(l, e) : payload_step(l, e);

    return (ok && log_place_proven(l, e)) || log_at(l, e);
}

static bool use_event(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    uint64_t xid;

    if (binlog_is_rows(h->type))
        return group_rows_in(l, h, body, e);
    switch (h->type) {
    case BINLOG_TABLE_MAP:
        return group_needed(l, h, e) && (l->group.known || tables_map(l, body, e));
    case BINLOG_XID:
        if (!group_needed(l, h, e) || !binlog_read_xid(body, &xid, e))
            return false;
        group_commit(l);
        return true;
    case BINLOG_MARIADB_GTID:
    case BINLOG_GTID:
    case BINLOG_ANONYMOUS_GTID:
    case BINLOG_GTID_TAGGED:
        return log_gtid_in(l, h, body, e);
    case BINLOG_TRANSACTION_PAYLOAD:
        return group_needed(l, h, e) && payload_in(l, body, e);
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return group_needed(l, h, e) && log_query_in(l, h, body, e);
    case BINLOG_XA_PREPARE:
        return xa_prepare_in(l, h, body, e);
    case BINLOG_ROTATE:
        return rotate_in(l, body, e);
    case BINLOG_FORMAT:
        return format_in(l, h, body, e);
    case BINLOG_HEARTBEAT:
    case BINLOG_HEARTBEAT_V2:
        heartbeat_in(l);
        return true;
    case BINLOG_GTID_LIST:
        return true;
    default:
        return err_set(e, ERR_LOG_UNKNOWN_EVENT, "a %s event is not one of a log",
                       binlog_type_name(h->type));
    }
}

static bool unknown_event(const struct binlog_header *h, struct view event, struct err *e)
{
    char hex[2 * SHOWN_BYTES + 1] = "";
    size_t n = event.len < SHOWN_BYTES ? event.len : SHOWN_BYTES;

    for (size_t i = 0; i < n; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", event.p[i]);
    return err_set(e, ERR_LOG_UNKNOWN_EVENT,
                   "event of type %u (%s), %u bytes, that begins with %s, is not supported",
                   h->type, binlog_type_name(h->type), h->size, hex);
}

static bool event_of_kind(struct log *l, const struct binlog_header *h, struct view event,
                          struct view body, struct err *e)
{
    switch (binlog_use_of(h->type)) {
    case BINLOG_USE:
        return use_event(l, h, body, e);
    case BINLOG_NO_DATA:
        if (h->type == BINLOG_PREVIOUS_GTIDS && l->places)
            return log_place_mark(l, h, l->pos, e);
        return h->type != BINLOG_STOP || group_cut(l, e);
    case BINLOG_STATEMENT:
        return err_set(
            e, ERR_LOG_STATEMENT,
            "a %s event belongs to a change logged as a statement: binlog_format was not "
            "ROW in the session that made it",
            binlog_type_name(h->type));
    case BINLOG_UNKNOWN:
        if (h->flags & BINLOG_F_IGNORABLE)
            return true;
        return unknown_event(h, event, e);
    default:
        return unknown_event(h, event, e);
    }
}

/* Positions in headers have 32 bits; files may be longer, so the upper half is ours. */
void log_move_position(struct log *l, const struct binlog_header *h)
{
    if (h->next_pos == 0 || h->flags & BINLOG_F_ARTIFICIAL)
        return;
    uint64_t upper = l->pos & ~(uint64_t)UINT32_MAX;
    if (h->next_pos < (uint32_t)l->pos)
        upper += (uint64_t)1 << 32;
    l->pos = upper | h->next_pos;
    l->event_at = l->pos - h->size;
}

bool log_event_in(struct log *l, struct view event, struct err *e)
{
    struct binlog_header h;
    struct view body;

    if (!binlog_event_open(&l->format, event, &h, &body, e))
        return log_at(l, e);
    if (l->places && !log_place_move(l, &h, e))
        return log_at(l, e);
    if (!l->places)
        log_move_position(l, &h);
    return (event_of_kind(l, &h, event, body, e) && log_place_proven(l, e)) || log_at(l, e);
}
