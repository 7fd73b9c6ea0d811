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
    if (type < RECORD_TABLE_VERSION || type > RECORD_DDL_PART)
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

bool ddl_table_next(struct cursor *c, struct ddl_table *t)
{
    if (c->failed || cursor_left(c) == 0)
        return false;
    t->db = cursor_bytes(c);
    t->name = cursor_bytes(c);
    t->role = cursor_u8(c);
    t->at = (uint32_t)cursor_varint(c);
    t->len = (uint32_t)cursor_varint(c);
    t->version = (uint32_t)cursor_varint(c);
    return !c->failed;
}

bool ddl_cut_next(struct cursor *c, struct ddl_cut *cut)
{
    if (c->failed || cursor_left(c) == 0)
        return false;
    cut->at = (uint32_t)cursor_varint(c);
    cut->len = (uint32_t)cursor_varint(c);
    return !c->failed;
}

static bool is_inside(const struct ddl_record *d, uint32_t at, uint32_t len)
{
    return at <= d->sql.len && len <= d->sql.len - at;
}

/* The lists have their length, and every span lies inside the text. */
static bool check_lists(const struct ddl_record *d)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    struct ddl_table t;
    struct ddl_cut cut;
    uint32_t n = 0;

    for (; ddl_table_next(&c, &t); n++)
        if (t.role > DDL_ROLE_DATABASE || t.db.len == 0 || !is_inside(d, t.at, t.len))
            return false;
    if (c.failed || (d->flags & DDL_F_READ && n != d->n_tables))
        return false;
    c = cursor_of(d->cuts.p, d->cuts.len);
    for (n = 0; ddl_cut_next(&c, &cut); n++)
        if (!is_inside(d, cut.at, cut.len))
            return false;
    return !c.failed && n == d->n_cuts;
}

static bool read_reading(struct cursor *c, struct ddl_record *d)
{
    d->flags = cursor_u32(c);
    d->invents = cursor_bytes(c);
    d->auto_column = cursor_bytes(c);
    d->engine = cursor_bytes(c);
    d->collation_connection_name = cursor_bytes(c);
    d->collation_server_name = cursor_bytes(c);
    d->tables = cursor_bytes(c);
    d->n_cuts = (uint32_t)cursor_varint(c);
    d->cuts = cursor_bytes(c);
    return !c->failed && check_lists(d);
}

bool ddl_record_read(struct cursor *c, struct ddl_record *d)
{
    *d = (struct ddl_record){.flags = 0};
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
    if (!c->failed && cursor_left(c) == 0)
        return true; /* written by a program that told no more */
    return !c->failed && read_reading(c, d);
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
