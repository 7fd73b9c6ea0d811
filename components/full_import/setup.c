/*
 * Before the first row: the tables in scope, the claim (takeover, F1), what an earlier run has
 * done, and the position that everything begins after: table_pos("*"), taken before anything is
 * read. Called by the main thread alone.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/fault.h"
#include "components/full_import/import_priv.h"
#include "components/transform/transform.h"

/* Always false. It was listed a moment ago: the next run finds what has become of it. */
static bool went_meanwhile(struct err *e)
{
    if (e->code == ERR_SERVER_NO_OBJECT)
        e->code = ERR_SERVER_TABLE_CHANGED;
    return false;
}

static bool load_one(struct import *im, struct session *s, const struct table_name *name,
                     struct err *e)
{
    const struct catalog_ops *cat = im->source->catalog;
    struct import_table *t = must_calloc(1, sizeof *t);
    uint64_t bytes = 0;

    tree_init(&t->tree);
    txn_set_init(&t->begin.set);
    vec_push(&im->tables, t);
    if (!cat->load_table(s, name->db, name->name, &t->def, e) ||
        !cat->estimate(s, name->db, name->name, &t->rows_total, &bytes, e))
        return went_meanwhile(e) ||
               err_wrap(e, "read the definition of '%s.%s'", name->db, name->name);
    t->key = transform_table_key(&im->arena, name->db, name->name);
    scope_map(im->scope, name->db, name->name, &t->to_db, &t->to_name);
    t->keyless = t->def->row_key < 0;
    return true;
}

/* A table made after the first copy is the log's: a run for a few tables looks at no other. */
static bool is_wanted(void *arg, const char *db, const char *name)
{
    struct import *im = arg;

    return scope_has(im->scope, db, name) && (!again_is_asked(im) || again_wants(im, db, name));
}

static bool load_tables(struct import *im, struct err *e)
{
    const struct catalog_ops *cat = im->source->catalog;
    struct table_name *names = NULL;
    struct session *s = NULL;
    size_t n = 0;
    bool ok;

    if (!cat->connect(&im->source_at, &s, e))
        return err_wrap(e, "connect to the source");
    ok = cat->list_tables(s, is_wanted, im, &im->arena, &names, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = load_one(im, s, &names[i], e);
    cat->close(s);
    return ok;
}

/* Nothing of it is written any more; its definition may be of a DDL that is the log's. */
static bool is_whole(const struct import *im, const struct import_table *t)
{
    bool whole = t->recorded_done && !t->anew;

    for (size_t i = 0; t->def->family[0] && i < im->tables.n; i++)
        whole &= strcmp(im->tables.at[i]->def->family, t->def->family) != 0 ||
                 im->tables.at[i]->recorded_done;
    return whole;
}

static bool open_plans(struct import *im, struct err *e)
{
    for (size_t i = 0; i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];

        if (is_whole(im, t))
            continue;
        if (!im->target->target->table_open(im->claim, t->def, t->to_db, t->to_name, &t->target, e))
            return err_wrap(e, "match '%s' with '%s.%s' on the target", t->key, t->to_db,
                            t->to_name);
    }
    return true;
}

/* The begin of everything: all of it is visible to every snapshot opened from now on. */
static bool put_common_begin(struct import *im, struct err *e)
{
    const struct reader_ops *ro = im->source->reader;
    struct table_pos pos = {.db = "*", .name = "*", .mode = TABLE_MODE_OVERLAP, .done = true};
    struct position at = {0};
    struct reader *r = NULL;
    bool exact, ok;

    if (!ro->open(&im->source_at, &r, e))
        return err_wrap(e, "connect to the source");
    txn_set_init(&at.set);
    ok = ro->begin_snapshot(r, &at, &exact, e) && ro->end_snapshot(r, e);
    pos.begin = pos.end = at.set;
    ok = ok && im->target->target->table_pos_put(im->claim, &pos, e);
    ro->close(r);
    if (ok)
        log_event(LOG_INFO, "full.begin", "position=%s", at.native);
    txn_set_fini(&at.set);
    return ok ? true : err_wrap(e, "record the begin of the copy");
}

static struct import_table *find_table(struct import *im, const char *db, const char *name)
{
    for (size_t i = 0; i < im->tables.n; i++)
        if (strcmp(im->tables.at[i]->def->db, db) == 0 &&
            strcmp(im->tables.at[i]->def->name, name) == 0)
            return im->tables.at[i];
    return NULL;
}

static bool resume_chunks(struct import *im, struct import_table *t, struct err *e)
{
    static const enum node_state states[] = {
        [CHUNK_OPEN] = NODE_OPEN, [CHUNK_SPLIT] = NODE_SPLIT, [CHUNK_DONE] = NODE_DONE};
    struct chunk *chunks = NULL;
    struct arena scratch;
    size_t n = 0;
    bool ok;

    arena_init(&scratch, 0);
    ok = im->target->target->chunk_list(im->claim, t->key, &scratch, &chunks, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        if (chunks[i].state > CHUNK_DONE)
            ok = err_set(e, ERR_CORRUPT, "a chunk of '%s' has state %u", t->key, chunks[i].state);
        else
            tree_add(&t->tree, chunks[i].node, chunks[i].parent, chunks[i].lo, chunks[i].hi,
                     states[chunks[i].state]);
    }
    ok = ok && tree_check(&t->tree, e);
    arena_fini(&scratch);
    if (ok && !tree_is_empty(&t->tree) && !t->keyless)
        t->state = TABLE_COPYING;
    return ok ? true : err_wrap(e, "read the chunks of '%s'", t->key);
}

/* Rows that an earlier run committed, by the target's statistics: for the progress shown only. */
static void guess_rows_done(struct import *im, struct import_table *t)
{
    struct session *s = NULL;
    struct err e = ERR_INIT;
    uint64_t rows = 0, bytes = 0;

    if (t->state == TABLE_COPIED)
        rows = t->rows_total;
    else if (!im->target->catalog->connect(&im->target_at, &s, &e) ||
             !im->target->catalog->estimate(s, t->to_db, t->to_name, &rows, &bytes, &e))
        log_err(LOG_WARN, "full.estimate", &e);
    im->target->catalog->close(s);
    atomic_store(&t->rows_done, rows);
}

/* The begin of everything is durable before the tables are listed: whatever is created or altered
 * from now on has its DDL in the log that Incr-Sync follows. */
static bool begin_once(struct import *im, struct err *e)
{
    const char *task = component_spec(im->c)->task;
    struct table_pos *pos = NULL;
    struct arena scratch;
    size_t n = 0;
    bool common = false, ok;

    arena_init(&scratch, 0);
    ok = im->target->target->table_pos_list(im->claim, task, &scratch, &pos, &n, e);
    for (size_t i = 0; i < n; i++) {
        common |= strcmp(pos[i].db, "*") == 0;
        txn_set_fini(&pos[i].begin);
        txn_set_fini(&pos[i].end);
    }
    arena_fini(&scratch);
    if (ok && !common) {
        ok = put_common_begin(im, e);
        FAULT(FULL_AFTER_COMMON);
    }
    return ok;
}

static bool resume(struct import *im, struct err *e)
{
    const char *task = component_spec(im->c)->task;
    struct table_pos *pos = NULL;
    struct arena scratch;
    size_t n = 0;
    bool ok;

    arena_init(&scratch, 0);
    ok = im->target->target->table_pos_list(im->claim, task, &scratch, &pos, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        struct import_table *t = find_table(im, pos[i].db, pos[i].name);

        if (!t || t->anew)
            continue;
        txn_set_fini(&t->begin.set);
        txn_set_copy(&t->begin.set, &pos[i].begin);
        ok = resume_chunks(im, t, e);
        t->recorded_done = pos[i].done;
        if (pos[i].done)
            t->state = TABLE_COPIED;
        if (ok && !tree_is_empty(&t->tree))
            guess_rows_done(im, t);
    }
    for (size_t i = 0; i < n; i++) {
        txn_set_fini(&pos[i].begin);
        txn_set_fini(&pos[i].end);
    }
    arena_fini(&scratch);
    family_settle(im);
    return ok;
}

static bool settle_tables(struct import *im, struct err *e)
{
    bool first = false;

    return load_tables(im, e) && changed_find(im, e) && listed_settle(im, &first, e) &&
           again_make(im, e) && changed_make(im, e) && elder_keys_off(im, e) && open_plans(im, e) &&
           (!first || listed_put(im, e));
}

bool import_setup(struct import *im, struct err *e)
{
    const Oms__ComponentSpec *spec = component_spec(im->c);
    const Oms__FullOptions *full = spec->fixed->full;
    struct takeover_params p = {
        .address = &im->target_at, .task = spec->task, .epoch = spec->epoch};

    im->n_workers = full && full->has_workers ? full->workers : 2;
    p.slots = im->n_workers;
    pacing_init(&im->pacing, full && full->has_chunk_target_ms ? full->chunk_target_ms : 500,
                clock_mono());
    im->cap_rows_per_s = full && full->has_max_rows_per_second ? full->max_rows_per_second : 0;
    if (!component_address(im->c, spec->fixed->source->id, &im->source_at, &im->source, e) ||
        !component_address(im->c, spec->fixed->target->id, &im->target_at, &im->target, e) ||
        !transform_scope(spec->fixed->scope, &im->arena, &im->scope, e))
        return false;
    im->way = convert_way_of(im->source_at.kind, im->target_at.kind);
    return im->target->target->takeover(&p, &im->claim, e) && begin_once(im, e) &&
           settle_tables(im, e) && resume(im, e);
}

void import_table_free(struct import *im, struct import_table *t)
{
    if (t->target)
        im->target->target->table_close(t->target);
    table_def_unref(t->def);
    tree_fini(&t->tree);
    txn_set_fini(&t->begin.set);
    free(t);
}

void import_fini(struct import *im)
{
    for (size_t i = 0; i < im->tables.n; i++)
        import_table_free(im, im->tables.at[i]);
    vec_fini(&im->tables);
    for (size_t i = 0; i < im->n_recorded; i++) {
        txn_set_fini(&im->recorded[i].begin);
        txn_set_fini(&im->recorded[i].end);
    }
    if (im->claim)
        im->target->target->claim_close(im->claim);
    pthread_cond_destroy(&im->changed);
    pthread_mutex_destroy(&im->lock);
    pthread_mutex_destroy(&im->claim_lock);
    arena_fini(&im->arena);
}
