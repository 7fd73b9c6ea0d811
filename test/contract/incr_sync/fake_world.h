/*
 * What Incr-Sync's shell meets, in memory and in one process: a component (specification, stop,
 * incidents, reports), a Store's stream that can break, and a target with fence, progress and one
 * table, that rolls back, refuses and dies as the test asks. Included by test_sync.c alone; its
 * functions take the place of components/runtime and components/stream at link time.
 */
#ifndef OMS_TEST_CONTRACT_INCR_SYNC_FAKE_WORLD_H
#define OMS_TEST_CONTRACT_INCR_SYNC_FAKE_WORLD_H

#include "test/contract/incr_sync/fake_reader.h"

/* --- components/stream --------------------------------------------------------------------------
 */

struct stream_client {
    size_t next;
    uint32_t reads;
    bool told;
};
bool stream_connect(const struct stream_client_params *p, struct stream_client **s, struct err *e)
{
    (void)e;
    *s = must_calloc(1, sizeof **s);
    world_lock();
    world->connects++;
    txn_set_assign(&world->asked_after, p->after);
    world_unlock();
    return true;
}
bool stream_begin(const struct stream_client_params *p, struct txn_set *out, struct err *e)
{
    (void)p;
    world_lock();
    bool has = !txn_set_is_empty(&world->store_begin);
    txn_set_copy(out, &world->store_begin);
    world_unlock();
    return has || err_set(e, ERR_UNAVAILABLE, "no begin yet");
}
uint64_t stream_store_epoch(const struct stream_client *s)
{
    (void)s;
    return 1;
}
/* Every connection begins with the first block: what was delivered must be dropped by identity. */
bool stream_read(struct stream_client *s, int64_t timeout_ms, enum stream_event *ev,
                 struct block_head *head, struct buf *raw, struct stream_heard *heard,
                 struct err *e)
{
    bool ok = true;

    (void)timeout_ms;
    world_lock();
    if (world->break_every && ++s->reads > world->break_every) {
        ok = err_set(e, ERR_UNAVAILABLE, "the stream broke");
    } else if (s->next < world->blocks.n) {
        const struct buf *b = world->blocks.at[s->next++];

        s->told = false;
        buf_clear(raw);
        buf_append(raw, b->p, b->len);
        *head = (struct block_head){.number = s->next};
        *ev = STREAM_BLOCK;
    } else if (!s->told) {
        *heard = (struct stream_heard){.source_heard = clock_wall(),
                                       .source_time = clock_wall(),
                                       .last_number = world->blocks.n};
        *ev = STREAM_HEARD;
        s->told = true;
    } else {
        *ev = STREAM_NOTHING;
    }
    world_unlock();
    sched_yield();
    return ok;
}
bool stream_send_position(struct stream_client *s, const struct txn_set *low, struct err *e)
{
    (void)s, (void)low, (void)e;
    return true;
}
void stream_close(struct stream_client *s)
{
    free(s);
}

/* --- the target ---------------------------------------------------------------------------------
 */

struct claim {
    struct txn_set low, done;
};
struct slot {
    uint32_t n;
};
struct target_table {
    const struct table_def *def;
};

static bool fake_takeover(const struct takeover_params *p, struct claim **c, struct err *e)
{
    (void)p, (void)e;
    *c = must_calloc(1, sizeof **c);
    world_lock();
    txn_set_assign(&(*c)->low, &world->low);
    txn_set_assign(&(*c)->done, &world->done);
    world_unlock();
    return true;
}
static void fake_claim_close(struct claim *c)
{
    txn_set_fini(&c->low);
    txn_set_fini(&c->done);
    free(c);
}
static const struct txn_set *fake_low(const struct claim *c)
{
    return &c->low;
}
static const struct txn_set *fake_done(const struct claim *c)
{
    return &c->done;
}
static bool fake_slot_open(struct claim *c, uint32_t n, struct slot **s, struct err *e)
{
    (void)c, (void)e;
    *s = must_calloc(1, sizeof **s);
    (*s)->n = n;
    return true;
}
static void fake_slot_close(struct slot *s)
{
    free(s);
}
static bool fake_table_open(struct claim *c, const struct table_def *def, const char *db,
                            const char *name, struct target_table **t, struct err *e)
{
    (void)c, (void)db, (void)name, (void)e;
    *t = must_calloc(1, sizeof **t);
    (*t)->def = def;
    world_lock();
    world->plans++;
    world_unlock();
    return true;
}
static void fake_table_close(struct target_table *t)
{
    free(t);
}
static void read_cells(const struct write *w, struct view row, int64_t *id, int64_t *v)
{
    struct value values[2];

    must(row_read(w->table->def, w->encoding, w->has_absent, row, values));
    memcpy(id, values[0].p, 8);
    memcpy(v, values[1].p, 8);
}
static int64_t number_in(const struct value *v)
{
    char text[32];

    snprintf(text, sizeof text, "%.*s", (int)v->len, (const char *)v->p);
    return strtoll(text, NULL, 10);
}
/* Images of a change whose row was read again hold a key; the row is the source's. */
static void write_again(struct row *rows, const struct write *w)
{
    struct value values[2];
    int64_t id;

    must(w->overlap && w->has_absent);
    for (int i = 0; i < 2; i++) {
        struct view image = i ? w->after : w->before;
        if (!image.p)
            continue;
        must(row_read(w->table->def, ROWS_CANONICAL, true, image, values));
        memcpy(&id, values[0].p, 8);
        rows[id].v = 0;
    }
    if (!w->row.p)
        return;
    must(row_read(w->table->def, ROWS_MYSQL_TEXT, false, w->row, values));
    must(number_in(&values[0]) == id);
    rows[id].v = number_in(&values[1]);
}
/* Of an image that lacks columns, outside the overlap: only what it has is set. */
static bool write_sparse(struct row *rows, const struct write *w)
{
    struct value before[2], after[2];
    int64_t id0, id, v;

    must(row_read(w->table->def, ROWS_CANONICAL, true, w->before, before));
    memcpy(&id0, before[0].p, 8);
    if (rows[id0].v == 0)
        return w->overlap && w->op == CHANGE_DELETE;
    v = rows[id0].v;
    rows[id0].v = 0;
    if (w->op == CHANGE_DELETE)
        return true;
    must(!w->overlap && w->op == CHANGE_UPDATE);
    must(row_read(w->table->def, ROWS_CANONICAL, true, w->after, after));
    id = id0;
    if (after[0].state == VALUE_SET)
        memcpy(&id, after[0].p, 8);
    if (after[1].state == VALUE_SET)
        memcpy(&v, after[1].p, 8);
    if (rows[id].v != 0)
        return false;
    rows[id].v = v;
    return true;
}
static bool write_row(struct row *rows, const struct write *w)
{
    int64_t id, v, id0, v0;

    if (w->again)
        return write_again(rows, w), true;
    if (w->has_absent)
        return write_sparse(rows, w);

    if (w->before.p)
        read_cells(w, w->before, &id0, &v0);
    if (w->after.p)
        read_cells(w, w->after, &id, &v);
    if (w->before.p) {
        if (rows[id0].v == 0 && !w->overlap)
            return false;
        rows[id0].v = 0;
    }
    if (w->after.p) {
        if ((rows[id].v != 0 && !w->overlap) || (world->blocked && id == 0))
            return false;
        rows[id].v = v;
    }
    return true;
}
static bool fake_apply(struct slot *s, const struct slot_commit *commit, const struct write *writes,
                       size_t n, struct apply_result *r, struct err *e)
{
    struct row rows[N_IDS];
    bool ok = true;

    (void)s;
    sched_yield();
    world_lock();
    world->applies++;
    memcpy(rows, world->target, sizeof rows);
    r->outcome = APPLY_COMMITTED;
    if (world->fail_every && world->applies % world->fail_every == 0)
        ok = err_set(e, world->fail_code, "the target fails as asked");
    else if (world->retry_every && world->applies % world->retry_every == 0)
        r->outcome = APPLY_RETRY;
    for (size_t i = 0; ok && r->outcome == APPLY_COMMITTED && i < n; i++)
        if (!write_row(rows, &writes[i])) {
            r->outcome = APPLY_CONFLICT;
            r->conflict_at = i;
            r->conflict_errno = 1062;
            snprintf(r->conflict_text, sizeof r->conflict_text, "duplicate entry");
            world->conflicts++;
        }
    if (ok && r->outcome == APPLY_COMMITTED) {
        r->rows_matched = n;
        for (size_t i = 0; i < n; i++)
            r->rows_matched -= writes[i].again && !writes[i].row.p;
        memcpy(world->target, rows, sizeof rows);
        txn_set_union(&world->low, commit->low);
        txn_set_union(&world->done, commit->done);
    }
    world_unlock();
    return ok;
}

static bool fake_pos_list(struct claim *c, const char *task, struct arena *a,
                          struct table_pos **pos, size_t *n, struct err *e)
{
    (void)c, (void)e;
    if (world->alone) {
        must(strcmp(task, "p/incremental") == 0);
        *pos = arena_memdup(a, &world->own, sizeof world->own);
        txn_set_copy(&(*pos)->begin, &world->own.begin);
        txn_set_copy(&(*pos)->end, &world->own.begin);
        *n = world->n_own;
        return true;
    }
    *pos = arena_memdup(a, world->pos, sizeof world->pos);
    for (int i = 0; i < 2; i++) {
        txn_set_copy(&(*pos)[i].begin, &world->pos[i].begin);
        txn_set_copy(&(*pos)[i].end, &world->pos[i].end);
    }
    *n = 2;
    return true;
}
static bool fake_end_move(struct claim *c, const char *task, const struct table_pos *pos,
                          const struct txn_set *end, struct err *e)
{
    (void)c, (void)task, (void)e;
    world_lock();
    must(strcmp(pos->name, "t") == 0 && txn_set_equal(&pos->end, &world->pos[1].end));
    txn_set_assign(&world->pos[1].end, end);
    world->end_moves++;
    world_unlock();
    return true;
}
static bool fake_pos_put(struct claim *c, const struct table_pos *pos, struct err *e)
{
    (void)c, (void)e;
    must(world->alone && world->n_own == 0 && world->applies == 0);
    world->own = (struct table_pos){.db = "*", .name = "*", .done = pos->done};
    txn_set_copy(&world->own.begin, &pos->begin);
    world->n_own = 1;
    return true;
}
static bool fake_memo_put(struct claim *c, const char *key, const struct memo *m, struct err *e)
{
    (void)c, (void)e;
    if (strncmp(key, "mariadb", 7) == 0)
        snprintf(world->ddl_state, sizeof world->ddl_state, "%s", m->state);
    return true;
}
static bool fake_memo_get(struct claim *c, const char *task, const char *key, struct arena *a,
                          struct memo *m, bool *found, struct err *e)
{
    (void)c, (void)task, (void)e, *m = (struct memo){.state = arena_strdup(a, world->ddl_state)};
    return *found = world->ddl_state[0] != '\0' && strncmp(key, "mariadb", 7) == 0, true;
}
static const struct target_ops fake_target = {.takeover = fake_takeover,
                                              .claim_close = fake_claim_close,
                                              .claim_low = fake_low,
                                              .claim_done = fake_done,
                                              .slot_open = fake_slot_open,
                                              .slot_close = fake_slot_close,
                                              .table_open = fake_table_open,
                                              .table_close = fake_table_close,
                                              .apply = fake_apply,
                                              .table_pos_list = fake_pos_list,
                                              .table_end_move = fake_end_move,
                                              .table_pos_put = fake_pos_put,
                                              .memo_put = fake_memo_put,
                                              .memo_get = fake_memo_get};

static bool fake_connect(const struct endpoint_address *a, struct session **s, struct err *e)
{
    (void)a, (void)e;
    *s = NULL;
    return true;
}
static void fake_close(struct session *s)
{
    (void)s;
}
static bool fake_load_table(struct session *s, const char *db, const char *name,
                            const struct table_def **out, struct err *e)
{
    (void)s, (void)db, (void)name, (void)e;
    *out = table_def_ref(world->def);
    return true;
}
static bool fake_list_families(struct session *s, struct arena *arena, struct family_member **out,
                               size_t *n, struct err *e)
{
    bool dies;

    (void)s, (void)arena, (void)out;
    *n = 0;
    world_lock();
    dies = world->dies_after_move && world->end_moves > 0;
    world->dies_after_move &= !dies;
    world_unlock();
    return !dies || err_set(e, ERR_UNAVAILABLE, "the process dies behind the move");
}
static enum fold fake_fold(const struct column_def *c)
{
    (void)c;
    return FOLD_EXACT;
}
static const struct catalog_ops fake_catalog = {.connect = fake_connect,
                                                .close = fake_close,
                                                .load_table = fake_load_table,
                                                .list_families = fake_list_families};
static const struct dialect_ops fake_dialect = {.key_fold = fake_fold};
static const struct endpoint fake_endpoint = {.name = "fake",
                                              .catalog = &fake_catalog,
                                              .reader = &fake_reader,
                                              .target = &fake_target,
                                              .dialect = &fake_dialect};

bool component_address(struct component *c, const char *id, struct endpoint_address *out,
                       const struct endpoint **endpoint, struct err *e)
{
    bool real = c->real_endpoint && (c->real_source || strcmp(id, "b") == 0);

    (void)e;
    *out = real ? c->real_address : (struct endpoint_address){.kind = "fake"};
    *endpoint = real ? c->real_endpoint : &fake_endpoint;
    return true;
}

#endif
