/* See log_walk.h. */
#include "components/store/log_walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"

#define FOLLOW_MS 1000
#define TABLE_ID_MAX (1u << 22)

struct walk {
    const struct log_walk_params *p;
    struct store_reader *reader;
    struct buf stored, raw;
    VEC(const struct table_def *) tables; /* by id; NULL = unknown */
    bool begun;                           /* `from` was met */
    bool past;                            /* `to` was passed */
};

const struct table_def *log_walk_table(void *walk, uint32_t id)
{
    struct walk *w = walk;

    return id < w->tables.n ? w->tables.at[id] : NULL;
}

static bool learn_table(struct walk *w, struct view body, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    const struct table_def *t;

    if (!table_def_decode(&c, &t, e))
        return err_wrap(e, "read a table version");
    if (t->id > TABLE_ID_MAX) {
        table_def_unref(t);
        return err_set(e, ERR_STORE_CORRUPT, "a table version has no usable number");
    }
    while (w->tables.n <= t->id)
        vec_push(&w->tables, (const struct table_def *)NULL);
    table_def_unref(w->tables.at[t->id]);
    w->tables.at[t->id] = t;
    return true;
}

static bool learn_tables(struct walk *w, struct view records, struct err *e)
{
    struct cursor c = cursor_of(records.p, records.len);
    struct record r;

    while (record_next(&c, &r))
        if (r.type == RECORD_TABLE_VERSION && !learn_table(w, r.body, e))
            return false;
    return !c.failed || err_set(e, ERR_STORE_CORRUPT, "table versions do not have their form");
}

/* --- where it begins and ends -------------------------------------------------------------------
 */

static bool is_at(const struct store_place *p, const struct walk_record *r)
{
    if (r->type == RECORD_HEARTBEAT)
        return p->is_time && r->time.us >= p->time.us;
    if (p->is_time)
        return r->head.commit.us >= p->time.us;
    return r->head.id.origin == p->id.origin && r->head.id.seq >= p->id.seq;
}

static bool is_beyond(const struct store_place *p, const struct walk_record *r)
{
    if (p->is_time)
        return (r->type == RECORD_HEARTBEAT ? r->time.us : r->head.commit.us) > p->time.us;
    return r->type != RECORD_HEARTBEAT && r->head.id.origin == p->id.origin &&
           r->head.covers_from > p->id.seq;
}

static enum walk_answer give(struct walk *w, const struct walk_record *r, struct err *e)
{
    w->begun |= !w->p->from.given || is_at(&w->p->from, r);
    w->past |= w->p->to.given && is_beyond(&w->p->to, r);
    if (w->past)
        return WALK_ENOUGH;
    return w->begun ? w->p->each(w->p->arg, r, e) : WALK_ON;
}

/* --- records ------------------------------------------------------------------------------------
 */

static bool read_record(struct walk *w, const struct record *raw, struct walk_record *r,
                        struct err *e)
{
    struct cursor c = cursor_of(raw->body.p, raw->body.len);
    bool fine;

    *r = (struct walk_record){.type = raw->type, .walk = w};
    if (raw->type == RECORD_HEARTBEAT) {
        r->time.us = (int64_t)cursor_u64(&c);
        r->native = cursor_bytes(&c);
        fine = !c.failed;
    } else {
        fine = txn_head_read(&c, &r->head) &&
               ((raw->type != RECORD_DDL && raw->type != RECORD_DDL_PART) ||
                ddl_record_read(&c, &r->ddl));
        r->changes = (struct view){c.p, cursor_left(&c)};
    }
    return fine || err_set(e, ERR_STORE_CORRUPT, "a record does not have its form");
}

static enum walk_answer walk_block(struct walk *w, struct err *e)
{
    struct cursor c = cursor_of(w->raw.p, w->raw.len);
    struct record raw;

    while (record_next(&c, &raw)) {
        struct walk_record r;
        enum walk_answer a;

        if (raw.type == RECORD_TABLE_VERSION) {
            if (!learn_table(w, raw.body, e))
                return WALK_FAILED;
            continue;
        }
        if (!read_record(w, &raw, &r, e))
            return WALK_FAILED;
        a = give(w, &r, e);
        if (a != WALK_ON)
            return a;
    }
    if (c.failed) {
        (void)err_set(e, ERR_STORE_CORRUPT, "records do not have their form");
        return WALK_FAILED;
    }
    return w->p->pause(w->p->arg, e);
}

static enum walk_answer walk_next(struct walk *w, struct err *e)
{
    struct block_head h;
    bool got;

    if (!store_reader_next(w->reader, w->p->follow ? FOLLOW_MS : 0, &h, &w->stored, &got, e))
        return WALK_FAILED;
    if (!got)
        return w->p->follow ? w->p->pause(w->p->arg, e) : WALK_ENOUGH;
    if (!block_decode(&h, (struct view){w->stored.p + BLOCK_HEADER_SIZE, h.stored_len}, &w->raw, e))
        return WALK_FAILED;
    return walk_block(w, e);
}

static bool open_walk(struct walk *w, struct err *e)
{
    struct txn_set after;
    struct buf tables;
    bool ok;

    if (!store_after_for(w->p->store, &w->p->from, &after, e))
        return false;
    buf_init(&tables, 64u << 20);
    ok = store_reader_open(w->p->store, &after, &tables, &w->reader, e) &&
         learn_tables(w, (struct view){tables.p, tables.len}, e);
    buf_fini(&tables);
    txn_set_fini(&after);
    return ok;
}

bool log_walk(const struct log_walk_params *p, struct err *e)
{
    struct walk w = {.p = p};
    enum walk_answer a = WALK_ON;
    bool ok;

    buf_init(&w.stored, BLOCK_RAW_MAX + (1u << 20));
    buf_init(&w.raw, BLOCK_RAW_MAX);
    ok = open_walk(&w, e);
    while (ok && a == WALK_ON)
        a = walk_next(&w, e);
    store_reader_close(w.reader);
    for (size_t i = 0; i < w.tables.n; i++)
        table_def_unref(w.tables.at[i]);
    vec_fini(&w.tables);
    buf_fini(&w.stored);
    buf_fini(&w.raw);
    return ok && a != WALK_FAILED;
}

enum walk_answer log_walk_damaged(const struct walk_record *r, struct err *e)
{
    (void)err_set(e, ERR_STORE_CORRUPT,
                  "transaction %s=%" PRIu64 " has damaged rows or an unknown table",
                  r->head.id.origin, r->head.id.seq);
    return WALK_FAILED;
}
