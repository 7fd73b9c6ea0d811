/*
 * Event groups (log_priv.h). In MariaDB's log a group begins with its GTID. A standalone one is a
 * single statement; any other goes on until XID, COMMIT, ROLLBACK or an XA PREPARE. A group becomes
 * one TXN record, or several parts when it is large; one that changes nothing followed becomes an
 * empty record that moves the position, and a DDL on followed tables a DDL record.
 *
 * The record is opened with the first row, so that nothing has to be taken back when there is none.
 * A group that is cut (the source crashed while writing it, and a new file begins) never happened:
 * its record is dropped. If parts of it have left already, that can only be said: ERR_LOG_DAMAGED.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/os/clock.h"
#include "components/endpoint/mysql/log_priv.h"

#define SHOWN_BYTES 32

/* --- the record ---------------------------------------------------------------------------------
 */

struct txn_head group_head(const struct log *l)
{
    const struct group *g = &l->group;

    return (struct txn_head){.id = {g->domain->origin, g->seq},
                             .covers_from = g->domain->last + 1,
                             .commit = g->commit,
                             .part = g->parts,
                             .flags = g->transactional ? 0 : TXN_F_NOT_ATOMIC,
                             .server_id = g->server_id,
                             .native = {(const uint8_t *)g->native, strlen(g->native)}};
}

static void open_record(struct log *l, uint32_t flags)
{
    struct buf *out = l->writer.out;
    struct txn_head h = group_head(l);

    h.flags |= flags;
    txn_writer_init(&l->writer, out);
    txn_write_begin(&l->writer, RECORD_TXN_PART, &h);
}

void group_open_record(struct log *l)
{
    if (!l->writer.open)
        open_record(l, 0);
}

static void close_record(struct log *l, bool last)
{
    txn_write_set_last(&l->writer, last);
    txn_write_end(&l->writer);
}

static void drop_record(struct log *l)
{
    struct buf *out = l->writer.out;

    if (l->writer.open)
        out->len = l->writer.record_at - 1;
    txn_writer_init(&l->writer, out);
}

void group_done(struct log *l)
{
    l->group.domain->last = l->group.seq;
    l->group.open = false;
    l->progress->txns++;
    l->progress->last_commit = l->group.commit;
    if (l->group.commit.us > l->progress->source_time.us)
        l->progress->source_time = l->group.commit;
}

void group_commit(struct log *l)
{
    if (!l->writer.open)
        open_record(l, l->group.parts == 0 ? TXN_F_FILTERED : 0);
    close_record(l, true);
    group_done(l);
}

bool group_rollback(struct log *l, struct err *e)
{
    if (l->group.has_rows && (!l->group.transactional || l->group.parts > 0))
        return err_set(e, ERR_LOG_ROLLBACK,
                       "transaction %s was rolled back after it had changed followed tables%s",
                       l->group.native, l->group.transactional ? "" : " without transactions");
    drop_record(l);
    l->group.has_rows = false;
    group_commit(l);
    return true;
}

static bool group_cut(struct log *l, struct err *e)
{
    if (!l->group.open)
        return true;
    if (l->group.parts > 0)
        return err_set(e, ERR_LOG_DAMAGED, "transaction %s ends in the middle", l->group.native);
    drop_record(l);
    l->group.open = false;
    return true;
}

/* --- events of a group --------------------------------------------------------------------------
 */

static struct domain *domain_of(struct log *l, uint32_t id)
{
    char origin[40];

    for (size_t i = 0; i < l->domains.n; i++)
        if (l->domains.at[i]->id == id)
            return l->domains.at[i];
    struct domain *d = must_calloc(1, sizeof *d);
    int n = snprintf(origin, sizeof origin, "mariadb:%u", id);
    d->id = id;
    d->origin = origin_intern(origin, (size_t)n);
    vec_push(&l->domains, d);
    return d;
}

static char *put_number(char *w, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n > 0)
        *w++ = digits[--n];
    return w;
}

/* "file:offset domain-server-seq": once a transaction, so not by printf. */
static void put_native(struct log *l, const struct binlog_gtid *g)
{
    char *w = l->group.native;
    size_t n = strnlen(l->file, 80);

    memcpy(w, l->file, n);
    w += n;
    *w++ = ':';
    w = put_number(w, l->event_at);
    *w++ = ' ';
    w = put_number(w, g->domain);
    *w++ = '-';
    w = put_number(w, g->server_id);
    *w++ = '-';
    w = put_number(w, g->seq);
    *w = '\0';
}

static bool gtid_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    struct binlog_gtid g;

    if (!binlog_read_gtid(h, body, &g, e) || !group_cut(l, e))
        return false;
    struct domain *d = domain_of(l, g.domain);
    if (g.seq <= d->last)
        return err_set(e, ERR_LOG_ORDER,
                       "transaction %u-%u-%" PRIu64 " comes after number %" PRIu64
                       " of GTID domain %u",
                       g.domain, g.server_id, g.seq, d->last, g.domain);
    l->group = (struct group){.open = true,
                              .standalone = g.flags & BINLOG_GTID_STANDALONE,
                              .transactional = g.flags & BINLOG_GTID_TRANSACTIONAL,
                              .prepared_xa = g.flags & BINLOG_GTID_PREPARED_XA,
                              .completed_xa = g.flags & BINLOG_GTID_COMPLETED_XA,
                              .domain = d,
                              .seq = g.seq,
                              .server_id = g.server_id,
                              .commit = {(int64_t)h->timestamp * 1000000}};
    put_native(l, &g);
    l->maps.n = 0;
    return true;
}

static bool need_group(struct log *l, const struct binlog_header *h, struct err *e)
{
    return l->group.open || err_set(e, ERR_LOG_DAMAGED, "a %s event stands outside a transaction",
                                    binlog_type_name(h->type));
}

static bool decode_rows(struct log *l, struct tracked *t, struct rows_event *r, struct err *e)
{
    while (cursor_left(&r->rows) > 0) {
        group_open_record(l);
        size_t stop_at = l->writer.record_at + l->part_bytes;
        if (!rows_decode(r, &t->plan, &l->z, &l->writer, stop_at, e))
            return false;
        if (l->writer.out->len >= stop_at) {
            close_record(l, false);
            l->group.parts++;
        }
    }
    return true;
}

static bool rows_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    struct rows_event r;
    uint64_t id;

    if (!need_group(l, h, e) || !rows_event_table(&l->format, h, body, &id, e))
        return false;
    struct tracked *t = tables_by_id(l, id);
    if (!t && id == ROWS_DUMMY_TABLE)
        return true;
    if (!t)
        return err_set(e, ERR_LOG_DAMAGED, "rows of table id %" PRIu64 " come without its map", id);
    if (!t->followed)
        return true;
    if (l->group.prepared_xa)
        return err_set(e, ERR_LOG_XA, "an XA transaction changes table '%s.%s'", t->db, t->name);
    l->group.has_rows = true;
    return rows_event_open(&l->format, h, body, &l->z, &l->scratch, &r, e) &&
           decode_rows(l, t, &r, e);
}

static bool xa_prepare_in(struct log *l, const struct binlog_header *h, struct view body,
                          struct err *e)
{
    struct xid_key key = {.format = 0};
    struct binlog_xid xid;
    bool one_phase;

    if (!need_group(l, h, e) || !binlog_read_xa_prepare(body, &one_phase, &xid, e))
        return false;
    if (xid.gtrid.len + xid.bqual.len > sizeof key.bytes)
        return err_set(e, ERR_LOG_DAMAGED, "an XA identifier is too long");
    if (!one_phase) { /* rows of followed tables were refused before */
        key.format = xid.format;
        key.len_gtrid = (uint8_t)xid.gtrid.len;
        key.len_bqual = (uint8_t)xid.bqual.len;
        memcpy(key.bytes, xid.gtrid.p, xid.gtrid.len);
        memcpy(key.bytes + xid.gtrid.len, xid.bqual.p, xid.bqual.len);
        vec_push(&l->prepared, key);
    }
    group_commit(l);
    return true;
}

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

static bool format_in(struct log *l, struct view body, struct err *e)
{
    l->maps.n = 0;
    return binlog_read_format(body, &l->format, e) && group_cut(l, e);
}

/* The log had nothing more at a moment since we last found nothing waiting; that moment is sure.
 * What waited here while we stood still proves nothing about now. */
static void heartbeat_in(struct log *l)
{
    int64_t then = l->drained.us ? l->drained.us + l->clock_ahead_us : 0;

    if (then > l->progress->source_time.us)
        l->progress->source_time.us = then;
}

static bool use_event(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    uint64_t xid;

    if (binlog_is_rows(h->type))
        return rows_in(l, h, body, e);
    switch (h->type) {
    case BINLOG_TABLE_MAP:
        return need_group(l, h, e) && tables_map(l, body, e);
    case BINLOG_XID:
        if (!need_group(l, h, e) || !binlog_read_xid(body, &xid, e))
            return false;
        group_commit(l);
        return true;
    case BINLOG_MARIADB_GTID:
        return gtid_in(l, h, body, e);
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return need_group(l, h, e) && log_query_in(l, h, body, e);
    case BINLOG_XA_PREPARE:
        return xa_prepare_in(l, h, body, e);
    case BINLOG_ROTATE:
        return rotate_in(l, body, e);
    case BINLOG_FORMAT:
        return format_in(l, body, e);
    case BINLOG_HEARTBEAT:
    case BINLOG_HEARTBEAT_V2:
        heartbeat_in(l);
        return true;
    case BINLOG_GTID_LIST:
        return true;
    default:
        return err_set(e, ERR_LOG_UNKNOWN_EVENT, "a %s event is not one of MariaDB's log",
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
static void move_position(struct log *l, const struct binlog_header *h)
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
    move_position(l, &h);
    return event_of_kind(l, &h, event, body, e) || log_at(l, e);
}
