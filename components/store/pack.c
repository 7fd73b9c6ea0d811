/* Packing blocks. See pack.h. */
#include "components/store/pack.h"

#include <string.h>

#include "common/base/vec.h"
#include "components/record/txn.h"
#include "components/store/store.h"

#define STORED_MAX (BLOCK_RAW_MAX + (BLOCK_RAW_MAX >> 7) + 4096)

void table_list_forget(struct table_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        table_def_unref(l->at[i]);
    l->n = 0;
}

static bool scan_head(struct record *r, struct txn_set *complete, struct block_facts *f,
                      struct err *e)
{
    struct cursor body = cursor_of(r->body.p, r->body.len);
    struct txn_head h;

    if (!txn_head_read(&body, &h))
        return err_set(e, ERR_CORRUPT, "a transaction's head does not have its form");
    if (f->first_commit_us == 0)
        f->first_commit_us = h.commit.us;
    if (h.commit.us > f->last_commit_us)
        f->last_commit_us = h.commit.us;
    if (h.part == 0)
        f->txn_start = true;
    if (r->type == RECORD_TXN_PART || r->type == RECORD_DDL_PART)
        return true;
    f->n_txns++;
    f->last_id = h.id;
    txn_set_add(complete, h.id.origin, h.covers_from, h.id.seq);
    return true;
}

bool store_scan_records(struct view records, struct txn_set *complete, struct table_list *tables,
                        struct block_facts *f, struct err *e)
{
    struct cursor c = cursor_of(records.p, records.len);
    struct record r;

    *f = (struct block_facts){0};
    while (record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);
        const struct table_def *t;

        f->n_records++;
        if (r.type == RECORD_TABLE_VERSION) {
            if (!table_def_decode(&body, &t, e))
                return false;
            vec_push(tables, t);
        } else if (r.type != RECORD_HEARTBEAT && !scan_head(&r, complete, f, e)) {
            return false;
        }
    }
    return !c.failed ||
           err_set(e, ERR_CORRUPT, "records do not have their form at byte %zu", cursor_at(&c));
}

size_t store_whole_part(struct view records)
{
    struct cursor c = cursor_of(records.p, records.len);
    struct record r;
    size_t whole = 0;

    while (record_next(&c, &r))
        if (r.type == RECORD_TXN || r.type == RECORD_DDL)
            whole = cursor_at(&c);
    return whole;
}

void store_packed_init(struct store_packed *b)
{
    *b = (struct store_packed){.inside_txn = false};
    buf_init(&b->bytes, STORED_MAX);
    txn_set_init(&b->complete);
}

void store_packed_clear(struct store_packed *b, size_t keep)
{
    if (b->bytes.cap > keep) {
        buf_fini(&b->bytes);
        buf_init(&b->bytes, STORED_MAX);
    }
    buf_clear(&b->bytes);
    txn_set_fini(&b->complete);
    table_list_forget(&b->tables);
}

void store_packed_fini(struct store_packed *b)
{
    store_packed_clear(b, 0);
    vec_fini(&b->tables);
    buf_fini(&b->bytes);
}

bool store_pack(struct block_packer *p, struct view records, bool inside_txn, int level,
                struct store_packed *b, struct err *e)
{
    store_packed_clear(b, SIZE_MAX);
    b->inside_txn = inside_txn;
    return store_scan_records(records, &b->complete, &b->tables, &b->facts, e) &&
           block_pack(p, &b->head, records, level, &b->bytes, e);
}
