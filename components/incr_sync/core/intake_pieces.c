/* Parts of a transaction: kept until the last has come, or, beyond a size, handed on as pieces as
 * they arrive (correctness E1). See intake.h. */
#include <inttypes.h>
#include <string.h>

#include "components/incr_sync/core/intake_priv.h"

/* The part's reference becomes the piece's. */
static void put_piece(struct intake *in, struct txn_part part, bool last)
{
    struct open_txn *o = &in->open;
    struct source_piece *p = arena_calloc(&part.block->arena, 1, sizeof *p);

    p->part = part;
    p->tables = intake_dup(part.block, o->tables.at, o->tables.n * sizeof *o->tables.at);
    p->n_tables = (uint32_t)o->tables.n;
    p->last = last;
    in->p.put(o->piped->pipe, p);
}

static void begin_pieces(struct intake *in, struct source_block *b, const struct txn_head *h)
{
    struct open_txn *o = &in->open;
    struct source_txn *t = source_txn_alone();
    uint8_t *native = must_calloc(h->native.len + 1, 1);

    if (h->native.len > 0)
        memcpy(native, h->native.p, h->native.len);
    t->pipe = in->p.pipe(in->p.arg);
    t->id = h->id;
    t->covers_from = h->covers_from;
    t->commit = h->commit;
    t->native = (struct view){native, h->native.len};
    t->class_ = SOURCE_BARRIER;
    t->bytes = o->bytes;
    t->changes = o->changes;
    o->piped = t;
    o->barrier = true;
    for (size_t i = 0; i < o->parts.n; i++)
        put_piece(in, o->parts.at[i], false);
    o->parts.n = 0;
    vec_push(&b->txns, t);
}

/* The part has been read; `changes` of it are for the target if used is not 0. */
bool intake_keep_part(struct intake *in, struct source_block *b, const struct record *r,
                      const struct txn_head *h, struct txn_part part, struct err *e)
{
    struct open_txn *o = &in->open;
    bool last = r->type != RECORD_TXN_PART;
    bool pipe = in->p.pipe && !o->ddl; /* rows that make up a new table come after it, whole */

    if (o->piped) {
        if (h->covers_from != o->piped->covers_from)
            return err_set(e, ERR_CORRUPT, "the parts of transaction %s=%" PRIu64 " disagree",
                           h->id.origin, h->id.seq);
        if (last && !part.block)
            part = (struct txn_part){.block = b};
        else if (!part.block)
            return true;
        source_block_ref(part.block);
        put_piece(in, part, last);
        return true;
    }
    if (part.block) {
        source_block_ref(b);
        vec_push(&o->parts, part);
    }
    if (o->bytes + o->changes * INTAKE_ROW_COST <= in->p.txn_limit_bytes)
        return true;
    if (pipe && !last)
        begin_pieces(in, b, h);
    return pipe || err_set(e, ERR_LIMIT,
                           "transaction %s=%" PRIu64 " has more than %" PRIu64 " bytes and %" PRIu64
                           " rows so far; the limit for one transaction is %" PRIu64 " bytes",
                           o->id.origin, o->id.seq, o->bytes, o->changes, in->p.txn_limit_bytes);
}
