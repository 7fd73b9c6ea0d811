/*
 * The source of the shell's tests: one table of two numbers, a history that is written as blocks of
 * the Store, and starting and waiting for Incr-Sync. Included by test_sync*.c.
 */
#ifndef OMS_TEST_CONTRACT_INCR_SYNC_FAKE_SOURCE_H
#define OMS_TEST_CONTRACT_INCR_SYNC_FAKE_SOURCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/contract/incr_sync/fake_world.h"

#define WAIT_MS 20000

/* --- the world ----------------------------------------------------------------------------------
 */

static inline const struct table_def *make_def(void)
{
    static const struct column_def columns[] = {
        {.name = "id", .kind = KIND_I64, .charset = "", .collation = "", .native = "bigint(20)"},
        {.name = "v", .kind = KIND_I64, .charset = "", .collation = "", .native = "bigint(20)"},
    };
    static const struct key_part part[] = {{.column = 0}};
    static const struct key_def keys[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = part}};
    struct table_def_builder b;
    const struct table_def *t;
    struct err e = ERR_INIT;

    table_def_builder_init(&b);
    b.def.id = 1;
    b.def.db = "shop";
    b.def.name = "t";
    b.def.engine = b.def.charset = b.def.collation = b.def.create_text = "";
    b.def.n_columns = 2;
    b.def.columns = columns;
    b.def.n_keys = 1;
    b.def.keys = keys;
    assert_true(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

static inline void make_spec(struct component *c)
{
    oms__component_spec__init(&c->spec);
    oms__component_fixed__init(&c->fixed);
    oms__object_scope__init(&c->scope);
    oms__endpoint__init(&c->source_endpoint);
    oms__endpoint__init(&c->target_endpoint);
    oms__incremental_options__init(&c->options);
    c->include[0] = (char *)"shop.*";
    c->scope.n_include = 1;
    c->scope.include = c->include;
    c->source_endpoint.id = (char *)"a";
    c->target_endpoint.id = (char *)"b";
    c->options.has_slots = c->options.has_group = c->options.has_caught_up_lag_ms = true;
    c->options.slots = 4;
    c->options.group = 20;
    c->options.caught_up_lag_ms = 5000;
    c->fixed.source = &c->source_endpoint;
    c->fixed.target = &c->target_endpoint;
    c->fixed.scope = &c->scope;
    c->fixed.incremental = &c->options;
    c->fixed.store_id = (char *)"p.store";
    c->fixed.full_task = (char *)"p/full";
    c->spec.id = (char *)"p.incremental";
    c->spec.task = (char *)"p/incremental";
    c->spec.fixed = &c->fixed;
}

static inline int setup(void **state)
{
    struct component *c = must_calloc(1, sizeof *c);
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    must(pthread_mutex_init(&c->lock, NULL) == 0);
    c->def = make_def();
    make_spec(c);
    oms__copy_again__init(&c->copied_again);
    c->copied_list[0] = &c->copied_again;
    c->pos[0] = (struct table_pos){.db = "*", .name = "*"};
    c->pos[1] =
        (struct table_pos){.db = "shop", .name = "t", .mode = TABLE_MODE_OVERLAP, .done = true};
    for (int i = 0; i < 2; i++)
        txn_set_add(&c->pos[i].begin, origin, 1, 100);
    txn_set_add(&c->pos[1].end, origin, 1, 110);
    c->seq = 100;
    world = c;
    *state = c;
    return 0;
}

static inline int teardown(void **state)
{
    struct component *c = *state;

    for (size_t i = 0; i < c->blocks.n; i++) {
        buf_fini(c->blocks.at[i]);
        free(c->blocks.at[i]);
    }
    vec_fini(&c->blocks);
    for (int i = 0; i < 2; i++) {
        txn_set_fini(&c->pos[i].begin);
        txn_set_fini(&c->pos[i].end);
    }
    txn_set_fini(&c->store_begin);
    txn_set_fini(&c->own.begin);
    txn_set_fini(&c->low);
    txn_set_fini(&c->done);
    txn_set_fini(&c->asked_after);
    table_def_unref(c->def);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return 0;
}

/* --- the source ---------------------------------------------------------------------------------
 */

static inline void put_image(struct component *c, struct txn_writer *w, int64_t id, int64_t v)
{
    struct row_writer rw;
    size_t mark = txn_image_begin(w);

    row_begin(&rw, w->out, c->def, ROWS_CANONICAL, false);
    row_put_u64(&rw, (uint64_t)id);
    row_put_u64(&rw, (uint64_t)v);
    row_end(&rw);
    txn_image_end(w, mark);
}

static inline void change(struct component *c, struct txn_writer *w, int64_t id, int64_t v)
{
    struct row *r = &c->source[id];
    enum change_op op = r->v == 0 ? CHANGE_INSERT : v == 0 ? CHANGE_DELETE : CHANGE_UPDATE;

    if (r->v == 0 && v == 0)
        return;
    txn_write_change(w, 1, op, 0, IMAGE_FULL);
    if (op != CHANGE_INSERT)
        put_image(c, w, id, r->v);
    if (op != CHANGE_DELETE)
        put_image(c, w, id, v);
    r->v = v;
}

static inline struct txn_head next_head(struct component *c, uint32_t flags)
{
    c->seq++;
    return (struct txn_head){.id = {origin_intern(ORIGIN, strlen(ORIGIN)), c->seq},
                             .covers_from = c->seq,
                             .commit = clock_wall(),
                             .flags = flags};
}

static inline struct buf *new_block(struct component *c)
{
    struct buf *b = must_calloc(1, sizeof *b);

    buf_init(b, 1u << 20);
    record_write_table(b, c->def);
    return b;
}

static inline void publish(struct component *c, struct buf *b)
{
    world_lock();
    vec_push(&c->blocks, b);
    memcpy(c->shown, c->source, sizeof c->shown);
    c->shown_seq = c->seq;
    world_unlock();
}

static inline void publish_txns(struct component *c, uint32_t n, uint32_t *seed)
{
    struct buf *b = new_block(c);
    struct txn_writer w;

    txn_writer_init(&w, b);
    for (uint32_t i = 0; i < n; i++) {
        struct txn_head h = next_head(c, TXN_F_LAST);

        txn_write_begin(&w, RECORD_TXN, &h);
        for (int k = 0; k < 3; k++) {
            *seed = *seed * 1664525u + 1013904223u;
            change(c, &w, 1 + (*seed >> 10) % (N_IDS - 1),
                   (*seed >> 20) % 5 == 0 ? 0 : (int64_t)c->seq * 10 + k + 1);
        }
        txn_write_end(&w);
    }
    publish(c, b);
}

static inline void publish_one(struct component *c, int64_t id, int64_t v)
{
    struct buf *b = new_block(c);
    struct txn_writer w;
    struct txn_head h = next_head(c, TXN_F_LAST);

    txn_writer_init(&w, b);
    txn_write_begin(&w, RECORD_TXN, &h);
    change(c, &w, id, v);
    txn_write_end(&w);
    publish(c, b);
}

static inline void publish_ddl(struct component *c)
{
    struct buf *b = new_block(c);
    struct txn_head h = next_head(c, TXN_F_LAST);
    const char *sql = "ALTER TABLE t ADD c INT";
    struct ddl_record d = {.sql = {(const uint8_t *)sql, strlen(sql)},
                           .default_db = {(const uint8_t *)"shop", 4},
                           .db = {(const uint8_t *)"shop", 4},
                           .table = {(const uint8_t *)"t", 1},
                           .n_tables = 1,
                           .ddl_kind = DDL_ALTER_TABLE,
                           .in_scope = true};

    record_write_ddl(b, &h, &d);
    publish(c, b);
}

/* --- running ------------------------------------------------------------------------------------
 */

struct running {
    pthread_t thread;
    struct component *c;
    struct carry carry;
    bool ok;
    struct err err;
    atomic_bool ended;
};

static inline void *run(void *arg)
{
    struct running *r = arg;

    r->ok = sync_run(r->c, &r->carry, &r->err);
    atomic_store(&r->ended, true);
    return NULL;
}

static inline void start(struct running *r, struct component *c)
{
    *r = (struct running){.c = c, .err = ERR_INIT};
    atomic_store(&c->stop, false);
    must(pthread_create(&r->thread, NULL, run, r) == 0);
}

/* The next claim of the same process, after one that ends by itself. */
static inline void start_next_claim(struct running *r)
{
    must(pthread_join(r->thread, NULL) == 0);
    assert_int_equal(r->err.code, ERR_SERVER_BUSY);
    assert_false(r->ok);
    r->err = (struct err)ERR_INIT;
    atomic_store(&r->ended, false);
    must(pthread_create(&r->thread, NULL, run, r) == 0);
}

/* It ends by itself. */
static inline void join(struct running *r)
{
    must(pthread_join(r->thread, NULL) == 0);
    carry_fini(&r->carry);
}

static inline void stop(struct running *r)
{
    atomic_store(&r->c->stop, true);
    join(r);
}

/* Every transaction so far is named by the progress rows. */
static inline bool all_committed(struct component *c)
{
    struct txn_set want;
    bool yes;

    txn_set_init(&want);
    txn_set_add(&want, origin_intern(ORIGIN, strlen(ORIGIN)), 1, c->seq);
    world_lock();
    txn_set_subtract(&want, &c->low);
    txn_set_subtract(&want, &c->done);
    world_unlock();
    yes = txn_set_is_empty(&want);
    txn_set_fini(&want);
    return yes;
}

static inline bool is_caught_up(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->caught_up;
    world_unlock();
    return yes;
}

static inline bool has_incident(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->incident[0] != '\0';
    world_unlock();
    return yes;
}

static inline bool is_asked_again(struct component *c)
{
    bool yes;

    world_lock();
    yes = strcmp(c->incident, "conflict:mariadb:0=131:0:1") == 0;
    world_unlock();
    return yes;
}

static inline bool wait_for(bool (*what)(struct component *), struct component *c)
{
    struct mono until = mono_add_ms(clock_mono(), WAIT_MS);

    while (!what(c) && mono_cmp(clock_mono(), until) < 0)
        sched_yield();
    return what(c);
}

static inline void answer(struct component *c, const char *choice)
{
    world_lock();
    snprintf(c->choice, sizeof c->choice, "%s", choice);
    world_unlock();
}

static inline void assert_equal_sides(struct component *c)
{
    assert_memory_equal(c->source, c->target, sizeof c->source);
}

#endif
