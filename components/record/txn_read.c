/* Walking records as views into a block's bytes. */
#include <string.h>

#include "components/record/txn.h"

bool record_next(struct cursor *c, struct record *r)
{
    unsigned type;
    uint32_t len;

    if (c->failed || cursor_left(c) == 0)
        return false;
    type = cursor_u8(c);
    len = cursor_u32(c);
    r->body = cursor_take(c, len);
    if (type < RECORD_TABLE_VERSION || type > RECORD_HEARTBEAT)
        c->failed = true;
    r->type = (enum record_type)type;
    return !c->failed;
}

bool txn_head_read(struct cursor *c, struct txn_head *h)
{
    struct view origin;
    uint64_t holes;

    h->flags = cursor_u32(c);
    origin = cursor_bytes(c);
    h->id.seq = cursor_varint(c);
    holes = cursor_varint(c);
    h->commit.us = (int64_t)cursor_u64(c);
    h->part = (uint32_t)cursor_varint(c);
    h->server_id = cursor_u32(c);
    h->server_uuid = cursor_bytes(c);
    h->xid = cursor_bytes(c);
    h->native = cursor_bytes(c);
    if (c->failed || origin.len == 0 || origin.len > ORIGIN_MAX || holes > h->id.seq)
        return false;
    h->covers_from = h->id.seq - holes;
    h->id.origin = origin_intern((const char *)origin.p, origin.len);
    return true;
}

bool ddl_record_read(struct cursor *c, struct ddl_record *d)
{
    d->ddl_kind = cursor_u8(c);
    d->in_scope = cursor_u8(c);
    d->sql = cursor_bytes(c);
    d->default_db = cursor_bytes(c);
    d->sql_mode = cursor_u64(c);
    d->charset_client = cursor_u16(c);
    d->collation_connection = cursor_u16(c);
    d->collation_server = cursor_u16(c);
    d->time_zone = cursor_bytes(c);
    d->vars = cursor_bytes(c);
    d->db = cursor_bytes(c);
    d->table = cursor_bytes(c);
    d->n_tables = cursor_u16(c);
    return !c->failed;
}

void change_iter_init(struct change_iter *it, struct view changes, table_resolver *resolve,
                      void *arg)
{
    *it = (struct change_iter){
        .c = cursor_of(changes.p, changes.len), .resolve = resolve, .resolve_arg = arg};
}

static bool next_run(struct change_iter *it)
{
    uint32_t table_id = (uint32_t)cursor_varint(&it->c);
    unsigned op = cursor_u8(&it->c), image;

    it->run.flags = cursor_u8(&it->c);
    image = cursor_u8(&it->c);
    it->left_in_run = cursor_u32(&it->c);
    if (op < CHANGE_INSERT || op > CHANGE_DELETE || image > IMAGE_NOBLOB || it->left_in_run == 0)
        it->c.failed = true;
    if (it->c.failed)
        return false;
    it->run.op = (enum change_op)op;
    it->run.image = (enum image_kind)image;
    it->run.table = it->resolve(it->resolve_arg, table_id);
    if (!it->run.table)
        it->c.failed = true;
    return !it->c.failed;
}

bool change_next(struct change_iter *it, struct change *out)
{
    static const struct view none = {NULL, 0};

    if (it->c.failed)
        return false;
    if (it->left_in_run == 0 && (cursor_left(&it->c) == 0 || !next_run(it)))
        return false;
    it->left_in_run--;
    *out = it->run;
    out->before = out->after = none;
    if (out->op != CHANGE_INSERT)
        out->before = cursor_take(&it->c, cursor_u32(&it->c));
    if (out->op != CHANGE_DELETE)
        out->after = cursor_take(&it->c, cursor_u32(&it->c));
    return !it->c.failed;
}
