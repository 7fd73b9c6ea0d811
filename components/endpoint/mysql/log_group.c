/*
 * Event groups (log_priv.h). A group begins with its GTID. In MariaDB's log a standalone one is a
 * single statement, and the GTID says so; in MySQL's a group is one if BEGIN or XA START does not
 * follow. Any other goes on until XID, COMMIT, ROLLBACK or an XA PREPARE. A group becomes
 * one TXN record, or several parts when it is large; one that changes nothing followed becomes an
 * empty record that moves the position, and a DDL on followed tables a DDL record.
 *
 * The record is opened with the first row, so that nothing has to be taken back when there is none.
 * A group that is cut (the source crashed while writing it, and a new file begins) never happened:
 * its record is dropped. If parts of it have left already, that can only be said: ERR_LOG_DAMAGED.
 */
#include <inttypes.h>
#include <string.h>

#include "components/endpoint/mysql/log_priv.h"

/* --- the record ---------------------------------------------------------------------------------
 */

struct txn_head group_head(const struct log *l)
{
    const struct group *g = &l->group;

    return (struct txn_head){.id = {g->domain->origin, g->seq},
                             .covers_from = g->covers_from,
                             .commit = g->commit,
                             .part = g->parts,
                             .flags = g->transactional ? 0 : TXN_F_NOT_ATOMIC,
                             .server_id = g->server_id,
                             .server_uuid = {(const uint8_t *)g->uuid, strlen(g->uuid)},
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

void group_over(struct log *l)
{
    if (l->group.seq > l->group.domain->last) /* what is known may come once more */
        l->group.domain->last = l->group.seq;
    l->group.open = false;
}

void group_done(struct log *l)
{
    group_over(l);
    l->progress->txns++;
    l->progress->last_commit = l->group.commit;
    if (l->group.commit.us > l->progress->source_time.us)
        l->progress->source_time = l->group.commit;
}

void group_commit(struct log *l)
{
    if (l->group.known) {
        group_over(l);
        return;
    }
    if (!l->writer.open)
        open_record(l, l->group.parts == 0 ? TXN_F_FILTERED : 0);
    close_record(l, true);
    group_done(l);
}

bool group_part_over(struct log *l, struct err *e)
{
    close_record(l, false);
    if (l->group.is_xa)
        return xa_put_aside(l, e);
    l->group.parts++;
    return true;
}

/* MySQL logs a group that ends so only if something in it cannot be taken back. */
bool group_rollback(struct log *l, struct err *e)
{
    if (l->group.has_rows && (!l->group.transactional || l->group.is_mysql || l->group.parts > 0))
        return err_set(e, ERR_LOG_ROLLBACK,
                       "transaction %s was rolled back after it had changed followed tables%s",
                       l->group.native,
                       l->group.transactional && !l->group.is_mysql ? "" : " without transactions");
    drop_record(l);
    xa_forget_rows(l);
    l->group.has_rows = false;
    group_commit(l);
    return true;
}

bool group_cut(struct log *l, struct err *e)
{
    if (!l->group.open)
        return true;
    if (l->group.parts > 0)
        return err_set(e, ERR_LOG_DAMAGED, "transaction %s ends in the middle", l->group.native);
    drop_record(l);
    xa_forget_rows(l);
    l->group.open = false;
    l->group.ends_at = 0;
    return true;
}

/* --- events of a group --------------------------------------------------------------------------
 */

bool group_needed(struct log *l, const struct binlog_header *h, struct err *e)
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
        if (l->writer.out->len >= stop_at && !group_part_over(l, e))
            return false;
    }
    return true;
}

bool group_rows_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    struct rows_event r;
    uint64_t id;

    if (!group_needed(l, h, e) || !rows_event_table(&l->format, h, body, &id, e))
        return false;
    if (l->group.known)
        return true;
    struct tracked *t = tables_by_id(l, id);
    if (!t && id == ROWS_DUMMY_TABLE)
        return true;
    if (!t)
        return err_set(e, ERR_LOG_DAMAGED, "rows of table id %" PRIu64 " come without its map", id);
    if (!t->followed)
        return true;
    l->group.has_rows = true;
    return rows_event_open(&l->format, h, body, &l->z, &l->scratch, &r, e) &&
           decode_rows(l, t, &r, e);
}
