/* Writing records. A record's length is a u32 put in at its end, so that nothing is moved. */
#include <string.h>

#include "common/base/must.h"
#include "components/record/txn.h"

void txn_writer_init(struct txn_writer *w, struct buf *out)
{
    *w = (struct txn_writer){.out = out};
}

/* Fixed-width places are written as u32 and patched. */
static void patch_u32(struct buf *b, size_t at, uint32_t v)
{
    if (buf_ok(b))
        memcpy(b->p + at, &v, sizeof v);
}

static size_t record_begin(struct buf *out, enum record_type type)
{
    size_t at;

    buf_u8(out, (uint8_t)type);
    at = out->len;
    buf_u32(out, 0);
    return at;
}

static void record_end(struct buf *out, size_t at)
{
    patch_u32(out, at, (uint32_t)(out->len - at - 4));
}

static void put_head(struct buf *out, const struct txn_head *h)
{
    buf_u32(out, h->flags); /* first, so that txn_write_set_last finds it */
    buf_bytes(out, h->id.origin, strlen(h->id.origin));
    buf_varint(out, h->id.seq);
    buf_varint(out, h->id.seq - h->covers_from);
    buf_u64(out, (uint64_t)h->commit.us);
    buf_varint(out, h->part);
    buf_u32(out, h->server_id);
    buf_bytes(out, h->server_uuid.p, h->server_uuid.len);
    buf_bytes(out, h->xid.p, h->xid.len);
    buf_bytes(out, h->native.p, h->native.len);
}

void txn_write_begin(struct txn_writer *w, enum record_type type, const struct txn_head *h)
{
    must(!w->open && (type == RECORD_TXN || type == RECORD_TXN_PART));
    must(h->covers_from <= h->id.seq);
    w->record_at = record_begin(w->out, type);
    put_head(w->out, h);
    w->open = true;
    w->run_n = 0;
    w->n_changes = 0;
    txn_write_set_last(w, type == RECORD_TXN);
}

void txn_write_set_last(struct txn_writer *w, bool last)
{
    uint32_t flags;

    if (!buf_ok(w->out))
        return;
    w->out->p[w->record_at - 1] = last ? RECORD_TXN : RECORD_TXN_PART;
    memcpy(&flags, w->out->p + w->record_at + 4, sizeof flags);
    flags = last ? flags | TXN_F_LAST : flags & ~(uint32_t)TXN_F_LAST;
    patch_u32(w->out, w->record_at + 4, flags);
}

static void close_run(struct txn_writer *w)
{
    if (w->run_n > 0)
        patch_u32(w->out, w->run_count_at, w->run_n);
    w->run_n = 0;
}

void txn_write_change(struct txn_writer *w, uint32_t table_id, enum change_op op, uint8_t flags,
                      enum image_kind image)
{
    must(w->open);
    w->n_changes++;
    if (w->run_n > 0 && w->run_table == table_id && w->run_op == op && w->run_flags == flags &&
        w->run_image == image) {
        w->run_n++;
        return;
    }
    close_run(w);
    buf_varint(w->out, table_id);
    buf_u8(w->out, (uint8_t)op);
    buf_u8(w->out, flags);
    buf_u8(w->out, (uint8_t)image);
    w->run_count_at = w->out->len;
    buf_u32(w->out, 0);
    w->run_table = table_id;
    w->run_op = (uint8_t)op;
    w->run_flags = flags;
    w->run_image = (uint8_t)image;
    w->run_n = 1;
}

size_t txn_image_begin(struct txn_writer *w)
{
    size_t mark = w->out->len;

    buf_u32(w->out, 0);
    return mark;
}

void txn_image_end(struct txn_writer *w, size_t mark)
{
    patch_u32(w->out, mark, (uint32_t)(w->out->len - mark - 4));
}

void txn_write_end(struct txn_writer *w)
{
    must(w->open);
    close_run(w);
    record_end(w->out, w->record_at);
    w->open = false;
}

void record_write_table(struct buf *out, const struct table_def *t)
{
    size_t at = record_begin(out, RECORD_TABLE_VERSION);

    table_def_encode(t, out);
    record_end(out, at);
}

void ddl_table_put(struct buf *out, const struct ddl_table *t)
{
    buf_bytes(out, t->db.p, t->db.len);
    buf_bytes(out, t->name.p, t->name.len);
    buf_u8(out, t->role);
    buf_varint(out, t->at);
    buf_varint(out, t->len);
    buf_varint(out, t->version);
}

void ddl_cut_put(struct buf *out, const struct ddl_cut *cut)
{
    buf_varint(out, cut->at);
    buf_varint(out, cut->len);
}

static void put_reading(struct buf *out, const struct ddl_record *d)
{
    buf_u32(out, d->flags);
    buf_bytes(out, d->invents.p, d->invents.len);
    buf_bytes(out, d->auto_column.p, d->auto_column.len);
    buf_bytes(out, d->engine.p, d->engine.len);
    buf_bytes(out, d->collation_connection_name.p, d->collation_connection_name.len);
    buf_bytes(out, d->collation_server_name.p, d->collation_server_name.len);
    buf_bytes(out, d->tables.p, d->tables.len);
    buf_varint(out, d->n_cuts);
    buf_bytes(out, d->cuts.p, d->cuts.len);
}

void record_write_ddl(struct buf *out, const struct txn_head *h, const struct ddl_record *d)
{
    size_t at = record_begin(out, h->flags & TXN_F_LAST ? RECORD_DDL : RECORD_DDL_PART);

    put_head(out, h);
    buf_u8(out, d->ddl_kind);
    buf_u8(out, d->in_scope);
    buf_bytes(out, d->sql.p, d->sql.len);
    buf_bytes(out, d->default_db.p, d->default_db.len);
    buf_u64(out, d->sql_mode);
    buf_u16(out, d->charset_client);
    buf_u16(out, d->collation_connection);
    buf_u16(out, d->collation_server);
    buf_bytes(out, d->time_zone.p, d->time_zone.len);
    buf_bytes(out, d->vars.p, d->vars.len);
    buf_bytes(out, d->db.p, d->db.len);
    buf_bytes(out, d->table.p, d->table.len);
    buf_u16(out, d->n_tables);
    put_reading(out, d);
    record_end(out, at);
}

void record_write_heartbeat(struct buf *out, struct wall source_time, struct view native)
{
    size_t at = record_begin(out, RECORD_HEARTBEAT);

    buf_u64(out, (uint64_t)source_time.us);
    buf_bytes(out, native.p, native.len);
    record_end(out, at);
}
