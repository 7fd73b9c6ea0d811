#include "components/incr_sync/core/intake.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/intake_priv.h"

struct intake *intake_new(const struct intake_params *p)
{
    struct intake *in = must_calloc(1, sizeof *in);

    in->p = *p;
    txn_set_init(&in->seen);
    txn_set_init(&in->done);
    txn_set_assign(&in->seen, p->low);
    txn_set_assign(&in->done, p->done);
    if (p->ends)
        txn_set_copy(&in->ends, p->ends);
    else
        txn_set_init(&in->ends);
    in->p.ends = NULL; /* ours is the copy */
    return in;
}

void intake_free(struct intake *in)
{
    if (!in)
        return;
    for (size_t i = 0; i < in->by_id.n; i++) {
        struct sync_table *t = in->by_id.at[i];

        if (!t)
            continue;
        table_deps_fini(&t->deps);
        table_def_unref(t->def);
        free((char *)t->key);
        free((char *)t->to_db);
        free((char *)t->to_name);
        free(t);
    }
    for (size_t i = 0; i < in->names.n; i++)
        free(in->names.at[i]);
    vec_fini(&in->by_id);
    vec_fini(&in->names);
    vec_fini(&in->row);
    vec_fini(&in->open.parts);
    vec_fini(&in->open.tables);
    vec_fini(&in->open.keys);
    vec_fini(&in->scratch);
    txn_set_fini(&in->seen);
    txn_set_fini(&in->done);
    txn_set_fini(&in->ends);
    free(in);
}

const struct txn_set *intake_seen(const struct intake *in)
{
    return &in->seen;
}

bool intake_is_open(const struct intake *in)
{
    return in->open.active;
}

void intake_drop_open(struct intake *in, source_block_idle *idle, void *arg)
{
    for (size_t i = 0; i < in->open.parts.n; i++)
        if (source_block_unref(in->open.parts.at[i].block))
            idle(arg, in->open.parts.at[i].block);
    in->open.parts.n = 0;
    in->open.active = false;
    in->open.piped = NULL;
}

bool intake_is_piped(const struct intake *in)
{
    return in->open.active && in->open.piped;
}

/* --- tables ----------------------------------------------------------------------------------
 */

static enum table_use use_of(const struct sync_table *t, struct txn_id id)
{
    if (!t->in_scope || (t->begin && txn_set_has(t->begin, id)))
        return USE_SKIP;
    return t->end && txn_set_has(t->end, id) ? USE_OVERLAP : USE_EXACT;
}

/* A table_resolver: finds the run's table and remembers where, for the rows that follow. */
static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct intake *in = arg;
    struct open_txn *o = &in->open;
    struct sync_table *t;
    struct txn_table entry;

    for (size_t i = 0; i < o->tables.n; i++)
        if (o->tables.at[i].id == id) {
            in->current = i;
            return o->tables.at[i].table->def;
        }
    t = id < in->by_id.n ? in->by_id.at[id] : NULL;
    if (!t)
        return NULL;
    entry = (struct txn_table){id, o->committed ? USE_SKIP : use_of(t, o->id), t};
    /* Keys of two versions of one table must not meet in flight. */
    if (entry.use != USE_SKIP && *t->current != t)
        o->own_tables |= *t->current != NULL;
    in->current = o->tables.n;
    vec_push(&o->tables, entry);
    return t->def;
}

/* --- rows --------------------------------------------------------------------------------------
 */

static bool row_keys(struct intake *in, struct sync_table *t, const struct change *ch,
                     struct view row, struct dep_keys *out, bool *known, struct err *e)
{
    if (sync_table_is_one_key(t)) { /* the row itself does not matter */
        table_deps_add_table(&t->deps, out);
        return true;
    }
    vec_reserve(&in->row, t->def->n_columns);
    if (!row_read(t->def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, row, in->row.at))
        return err_set(e, ERR_CORRUPT, "a row of '%s.%s' does not have its table's form",
                       t->def->db, t->def->name);
    if (!table_deps_add(&t->deps, in->row.at, out)) {
        t->wide_seen |= t->deps.letters;
        *known = false;
    }
    return true;
}

static bool change_keys(struct intake *in, struct sync_table *t, const struct change *ch,
                        struct err *e)
{
    struct open_txn *o = &in->open;
    size_t at = o->keys.n, n;
    bool known = true;

    if (ch->before.p && !row_keys(in, t, ch, ch->before, &o->keys, &known, e))
        return false;
    if (ch->after.p) {
        in->scratch.n = 0;
        if (!row_keys(in, t, ch, ch->after, &in->scratch, &known, e))
            return false;
        n = in->scratch.n;
        /* An update that leaves every key alone adds nothing. */
        if (!(o->keys.n - at == n && n > 0 &&
              memcmp(o->keys.at + at, in->scratch.at, n * sizeof *o->keys.at) == 0))
            for (size_t i = 0; i < n; i++)
                vec_push(&o->keys, in->scratch.at[i]);
    }
    o->own_tables |= !known;
    o->barrier |= o->keys.n > in->p.barrier_keys;
    return true;
}

/* A heartbeat's row: of our Store, it says when it was written. */
static bool read_beat(struct intake *in, const struct table_def *def, const struct change *ch,
                      struct err *e)
{
    int name = table_def_column(def, HEARTBEAT_NAME_COLUMN),
        at = table_def_column(def, HEARTBEAT_TIME_COLUMN);
    const struct value *v;
    size_t len = in->p.store_id ? strlen(in->p.store_id) : 0;
    struct cursor c;

    if (name < 0 || at < 0 || def->columns[at].kind != KIND_I64)
        return true; /* somebody else's table of that name */
    vec_reserve(&in->row, def->n_columns);
    v = in->row.at;
    if (!row_read(def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, ch->after, in->row.at))
        return err_set(e, ERR_CORRUPT, "a heartbeat does not have its table's form");
    if (v[at].state != VALUE_SET || v[at].len != 8)
        return true;
    c = cursor_of(v[at].p, 8);
    if (v[name].state == VALUE_ABSENT && ch->before.p && /* an image with what changed alone */
        !row_read(def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, ch->before, in->row.at))
        return err_set(e, ERR_CORRUPT, "a heartbeat does not have its table's form");
    if (len > 0 && v[name].state == VALUE_SET && v[name].len == len &&
        memcmp(v[name].p, in->p.store_id, len) == 0)
        in->open.beat.us = (int64_t)cursor_u64(&c);
    return true;
}

static bool read_changes(struct intake *in, struct view changes, uint64_t *used, struct err *e)
{
    struct open_txn *o = &in->open;
    struct change_iter it;
    struct change ch;

    *used = 0;
    o->barrier |= o->bytes + changes.len > in->p.barrier_bytes;
    change_iter_init(&it, changes, resolve, in);
    while (change_next(&it, &ch)) {
        const struct txn_table *t = &o->tables.at[in->current];

        if (t->table->heartbeat && ch.after.p && !read_beat(in, t->table->def, &ch, e))
            return false;
        if (t->use == USE_SKIP)
            continue;
        ++*used;
        if (!o->barrier && !o->own_tables && !change_keys(in, t->table, &ch, e))
            return false;
    }
    if (it.c.failed)
        return err_set(e, ERR_CORRUPT,
                       "transaction %s=%" PRIu64 " has damaged rows or an unknown table",
                       o->id.origin, o->id.seq);
    return true;
}

/* --- transactions ------------------------------------------------------------------------------
 */

void *intake_dup(struct source_block *b, const void *p, size_t size_bytes)
{
    return size_bytes ? arena_memdup(&b->arena, p, size_bytes) : NULL;
}

static void finished(struct intake *in, const struct txn_head *h)
{
    struct open_txn *o = &in->open;

    /* Only now: an unfinished transaction may be dropped and come again, a barrier as before. */
    for (size_t i = 0; i < o->tables.n; i++) {
        struct sync_table *t = o->tables.at[i].table;

        if (o->tables.at[i].use != USE_SKIP)
            *t->current = t;
        /* Keys of rows and the table's key do not meet: this transaction parts them. */
        if (t->wide_seen && (o->barrier || o->own_tables))
            atomic_store_explicit(&t->wide, true, memory_order_relaxed);
    }
    o->active = false;
    o->piped = NULL;
    txn_set_add(&in->seen, h->id.origin, h->covers_from, h->id.seq);
}

static void put_tags(struct intake *in, struct source_block *b, struct source_txn *t)
{
    struct dep_keys *tags = &in->scratch;

    tags->n = 0;
    if (t->class_ == SOURCE_DDL)
        intake_ddl_tags(in, t->ddl, tags);
    else if (t->class_ == SOURCE_ROWS || t->class_ == SOURCE_TABLES)
        intake_txn_tags(&in->open, tags);
    t->n_tags = (uint32_t)tags->n;
    t->tags = intake_dup(b, tags->at, tags->n * sizeof *tags->at);
}

static void finish(struct intake *in, struct source_block *b, const struct txn_head *h,
                   struct ddl_record *ddl)
{
    struct open_txn *o = &in->open;
    struct source_txn *t = arena_calloc(&b->arena, 1, sizeof *t);

    if (o->parts.n == 0 || o->parts.at[o->parts.n - 1].block != b) {
        source_block_ref(b);
        vec_push(&o->parts, ((struct txn_part){.block = b}));
    }
    t->id = h->id;
    t->covers_from = h->covers_from;
    t->commit = h->commit;
    t->native = h->native;
    t->beat = o->beat;
    t->bytes = o->bytes;
    t->changes = o->changes;
    t->class_ = ddl               ? SOURCE_DDL
                : o->changes == 0 ? SOURCE_EMPTY
                : o->barrier      ? SOURCE_BARRIER
                : o->own_tables   ? SOURCE_TABLES
                                  : SOURCE_ROWS;
    t->ddl = ddl;
    put_tags(in, b, t);
    if (t->class_ == SOURCE_ROWS) {
        t->n_keys = (uint32_t)o->keys.n;
        t->keys = intake_dup(b, o->keys.at, o->keys.n * sizeof *o->keys.at);
    }
    t->n_tables = (uint32_t)o->tables.n;
    t->tables = intake_dup(b, o->tables.at, o->tables.n * sizeof *o->tables.at);
    t->n_parts = (uint32_t)o->parts.n;
    t->parts = intake_dup(b, o->parts.at, o->parts.n * sizeof *o->parts.at);
    vec_push(&b->txns, t);
    o->parts.n = 0; /* the references are the transaction's now */
    finished(in, h);
}

/* Where a log of places goes on at another server, all of the ones before it was read. `seen` is
 * all that precedes something, so what it has nothing of may come yet. */
static bool is_reached(struct intake *in, const char *origin, struct err *e)
{
    if (!origin_is_place(origin))
        return true;
    for (size_t i = 0; i < in->ends.origins.n; i++) {
        const char *one = in->ends.origins.at[i].origin;
        uint64_t to = txn_set_last(&in->ends, one), seen = txn_set_last(&in->seen, one);

        if (one == origin || !origin_is_place(one) || seen == 0 || seen >= to)
            continue;
        return err_set(e, ERR_COPY_PLACE,
                       "the copy ends at %s=%" PRIu64 ", and the log goes on behind %s=%" PRIu64
                       " at another server, %s: nothing proves where the copy's end lies there",
                       one, to, one, seen, origin);
    }
    in->place = origin;
    return true;
}

static bool begin_part(struct intake *in, const struct txn_head *h, struct err *e)
{
    struct open_txn *o = &in->open;

    if (h->covers_from == 0 || h->covers_from > h->id.seq)
        return err_set(e, ERR_CORRUPT, "transaction %s=%" PRIu64 " covers from %" PRIu64,
                       h->id.origin, h->id.seq, h->covers_from);
    if (o->active) {
        if (h->id.origin != o->id.origin || h->id.seq != o->id.seq || h->part != o->next_part)
            return err_set(e, ERR_CORRUPT,
                           "part %" PRIu32 " of transaction %s=%" PRIu64 " where part %" PRIu32
                           " of %s=%" PRIu64 " belongs",
                           h->part, h->id.origin, h->id.seq, o->next_part, o->id.origin, o->id.seq);
        o->next_part++;
        return true;
    }
    if (h->part != 0)
        return err_set(e, ERR_CORRUPT,
                       "part %" PRIu32 " of transaction %s=%" PRIu64 " without its beginning",
                       h->part, h->id.origin, h->id.seq);
    o->dropped = txn_set_has(&in->seen, h->id);
    if (!o->dropped && h->id.origin != in->place && !is_reached(in, h->id.origin, e))
        return false;
    o->active = true;
    o->id = h->id;
    o->next_part = 1;
    o->committed = txn_set_has(&in->done, h->id);
    o->barrier = o->own_tables = false;
    o->piped = NULL;
    o->ddl = NULL;
    o->bytes = o->changes = 0;
    o->beat = (struct wall){0};
    o->parts.n = o->tables.n = o->keys.n = 0;
    return true;
}

static bool txn_record(struct intake *in, struct source_block *b, const struct record *r,
                       struct err *e)
{
    struct cursor c = cursor_of(r->body.p, r->body.len);
    struct open_txn *o = &in->open;
    struct txn_head h;
    struct view changes;
    struct txn_part part = {0};
    uint64_t used;

    if (!txn_head_read(&c, &h))
        return err_set(e, ERR_CORRUPT, "a transaction's head is damaged");
    if (!begin_part(in, &h, e))
        return false;
    changes = (struct view){c.p, cursor_left(&c)};
    if (!o->dropped) {
        if (!read_changes(in, changes, &used, e))
            return false;
        if (used > 0) {
            part = (struct txn_part){b, changes};
            o->bytes += changes.len;
            o->changes += used;
        }
        if (!intake_keep_part(in, b, r, &h, part, e))
            return false;
    }
    if (r->type == RECORD_TXN_PART)
        return true;
    if (o->dropped)
        o->active = false;
    else if (o->piped)
        finished(in, &h);
    else
        finish(in, b, &h, o->ddl);
    return true;
}

static bool ddl_record(struct intake *in, struct source_block *b, struct view body, bool is_part,
                       struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct ddl_record *d = arena_calloc(&b->arena, 1, sizeof *d);
    struct open_txn *o = &in->open;
    struct txn_head h;

    if (!txn_head_read(&c, &h) || !ddl_record_read(&c, d))
        return err_set(e, ERR_CORRUPT, "a DDL record is damaged");
    if (o->active)
        return err_set(e, ERR_CORRUPT, "a DDL inside transaction %s=%" PRIu64, o->id.origin,
                       o->id.seq);
    if (!begin_part(in, &h, e))
        return false;
    o->active = is_part || !o->dropped;
    if (o->dropped)
        return true;
    o->ddl = !o->committed && in->p.ddl_in_scope(in->p.arg, d) ? d : NULL;
    if (!is_part) {
        finish(in, b, &h, o->ddl);
    } else { /* rows follow: the block with the statement stays until they have come */
        source_block_ref(b);
        vec_push(&o->parts, ((struct txn_part){.block = b}));
    }
    return true;
}

static bool one_record(struct intake *in, struct source_block *b, const struct record *r,
                       struct err *e)
{
    switch (r->type) {
    case RECORD_TABLE_VERSION:
        return intake_table_version(in, r->body, e);
    case RECORD_TXN:
    case RECORD_TXN_PART:
        return txn_record(in, b, r, e);
    case RECORD_DDL:
    case RECORD_DDL_PART:
        return ddl_record(in, b, r->body, r->type == RECORD_DDL_PART, e);
    case RECORD_HEARTBEAT:
        return true;
    }
    return err_set(e, ERR_CORRUPT, "a record of unknown type %d", (int)r->type);
}

bool intake_block(struct intake *in, struct source_block *b, struct err *e)
{
    struct cursor c = cursor_of(b->raw.p, b->raw.len);
    struct record r;

    while (record_next(&c, &r))
        if (!one_record(in, b, &r, e))
            return err_wrap(e, "block %" PRIu64, b->number);
    if (c.failed)
        return err_set(e, ERR_CORRUPT, "block %" PRIu64 " is damaged at byte %zu", b->number,
                       cursor_at(&c));
    return true;
}

bool intake_tables(struct intake *in, struct view raw, struct err *e)
{
    struct cursor c = cursor_of(raw.p, raw.len);
    struct record r;

    while (record_next(&c, &r))
        if (r.type != RECORD_TABLE_VERSION || !intake_table_version(in, r.body, e))
            return r.type == RECORD_TABLE_VERSION
                       ? false
                       : err_set(e, ERR_CORRUPT, "a record of type %d among table versions",
                                 (int)r.type);
    return c.failed ? err_set(e, ERR_CORRUPT, "the table versions are damaged") : true;
}
