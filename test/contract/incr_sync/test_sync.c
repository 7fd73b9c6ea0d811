/*
 * Incr-Sync's shell as a whole: its real threads, queues and core between a fake Store and a fake
 * target. Runs under ThreadSanitizer too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/contract/incr_sync/fake_world.h"

#define WAIT_MS 20000

/* --- the world ----------------------------------------------------------------------------------
 */

static const struct table_def *make_def(void)
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

static void make_spec(struct component *c)
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

static int setup(void **state)
{
    struct component *c = must_calloc(1, sizeof *c);
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    must(pthread_mutex_init(&c->lock, NULL) == 0);
    c->def = make_def();
    make_spec(c);
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

static int teardown(void **state)
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

static void put_image(struct component *c, struct txn_writer *w, int64_t id, int64_t v)
{
    struct row_writer rw;
    size_t mark = txn_image_begin(w);

    row_begin(&rw, w->out, c->def, ROWS_CANONICAL, false);
    row_put_u64(&rw, (uint64_t)id);
    row_put_u64(&rw, (uint64_t)v);
    row_end(&rw);
    txn_image_end(w, mark);
}

static void change(struct component *c, struct txn_writer *w, int64_t id, int64_t v)
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

static struct txn_head next_head(struct component *c, uint32_t flags)
{
    c->seq++;
    return (struct txn_head){.id = {origin_intern(ORIGIN, strlen(ORIGIN)), c->seq},
                             .covers_from = c->seq,
                             .commit = clock_wall(),
                             .flags = flags};
}

static struct buf *new_block(struct component *c)
{
    struct buf *b = must_calloc(1, sizeof *b);

    buf_init(b, 1u << 20);
    record_write_table(b, c->def);
    return b;
}

static void publish(struct component *c, struct buf *b)
{
    world_lock();
    vec_push(&c->blocks, b);
    world_unlock();
}

static void publish_txns(struct component *c, uint32_t n, uint32_t *seed)
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

static void publish_one(struct component *c, int64_t id, int64_t v)
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

static void publish_ddl(struct component *c)
{
    struct buf *b = new_block(c);
    struct txn_head h = next_head(c, TXN_F_LAST);
    const char *sql = "ALTER TABLE t ADD c INT";
    struct ddl_record d = {.sql = {(const uint8_t *)sql, strlen(sql)},
                           .default_db = {(const uint8_t *)"shop", 4},
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
    bool ok;
    struct err err;
    atomic_bool ended;
};

static void *run(void *arg)
{
    struct running *r = arg;

    r->ok = sync_run(r->c, &r->err);
    atomic_store(&r->ended, true);
    return NULL;
}

static void start(struct running *r, struct component *c)
{
    *r = (struct running){.c = c, .err = ERR_INIT};
    atomic_store(&c->stop, false);
    must(pthread_create(&r->thread, NULL, run, r) == 0);
}

static void stop(struct running *r)
{
    atomic_store(&r->c->stop, true);
    must(pthread_join(r->thread, NULL) == 0);
}

/* Every transaction so far is named by the progress rows. */
static bool all_committed(struct component *c)
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

static bool is_caught_up(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->caught_up;
    world_unlock();
    return yes;
}

static bool has_incident(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->incident[0] != '\0';
    world_unlock();
    return yes;
}

static bool is_asked_again(struct component *c)
{
    bool yes;

    world_lock();
    yes = strcmp(c->incident, "conflict:mariadb:0=131:1") == 0;
    world_unlock();
    return yes;
}

static bool wait_for(bool (*what)(struct component *), struct component *c)
{
    struct mono until = mono_add_ms(clock_mono(), WAIT_MS);

    while (!what(c) && mono_cmp(clock_mono(), until) < 0)
        sched_yield();
    return what(c);
}

static void answer(struct component *c, const char *choice)
{
    world_lock();
    snprintf(c->choice, sizeof c->choice, "%s", choice);
    world_unlock();
}

static void assert_equal_sides(struct component *c)
{
    assert_memory_equal(c->source, c->target, sizeof c->source);
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void everything_published_reaches_the_target_once(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 7;

    for (int i = 0; i < 30; i++)
        publish_txns(c, 40, &seed);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    for (int i = 0; i < 10; i++)
        publish_txns(c, 3, &seed);
    assert_true(wait_for(all_committed, c));
    assert_true(wait_for(is_caught_up, c));
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->conflicts, 0);
    assert_true(c->lag >= 0 && c->lag < 5000);
    assert_equal_sides(c);
}

static void a_broken_stream_loses_and_doubles_nothing(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 9;

    for (int i = 0; i < 25; i++)
        publish_txns(c, 20, &seed);
    c->break_every = 60;
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void rolled_back_groups_are_tried_again(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 11;

    c->retry_every = 7;
    for (int i = 0; i < 20; i++)
        publish_txns(c, 40, &seed);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void an_error_ends_the_claim_and_the_next_one_goes_on_from_the_rows(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 13;
    uint32_t claims = 0;

    c->fail_every = 10;
    c->fail_code = ERR_UNAVAILABLE;
    for (int i = 0; i < 20; i++)
        publish_txns(c, 30, &seed);
    while (!all_committed(c) && claims++ < 1000) {
        start(&r, c);
        while (!atomic_load(&r.ended) && !all_committed(c))
            sched_yield();
        stop(&r);
        assert_true(r.ok || r.err.code == ERR_UNAVAILABLE);
    }
    assert_true(claims > 1);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void a_fenced_claim_ends_with_fenced(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 17;

    c->fail_every = 1;
    c->fail_code = ERR_FENCED;
    publish_txns(c, 30, &seed);
    start(&r, c);
    must(pthread_join(r.thread, NULL) == 0);
    assert_false(r.ok);
    assert_int_equal(r.err.code, ERR_FENCED);
}

static void a_ddl_holds_what_is_behind_it_until_it_is_answered(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 19;
    uint32_t plans;

    publish_txns(c, 50, &seed);
    publish_ddl(c);
    publish_one(c, 0, 77);
    start(&r, c);
    assert_true(wait_for(has_incident, c));
    assert_string_equal(c->incident, "ddl:mariadb:0=151");
    assert_string_equal(c->incident_code, "DDL_HELD");
    stop(&r); /* a restart asks again, and finds the answer later */
    assert_true(r.ok);
    assert_int_equal(c->target[0].v, 0);
    plans = c->plans;
    start(&r, c);
    answer(c, "done-by-hand");
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_string_equal(c->ddl_state, "by-hand");
    assert_true(c->plans > plans);
    assert_equal_sides(c);
    assert_false(has_incident(c));
}

static void a_recorded_answer_is_not_asked_for_again(void **state)
{
    struct component *c = *state;
    struct running r;

    snprintf(c->ddl_state, sizeof c->ddl_state, "skipped");
    publish_ddl(c);
    publish_one(c, 0, 77);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_int_equal(c->incidents, 0);
    assert_equal_sides(c);
}

static void a_conflict_holds_and_goes_on_when_its_cause_is_gone(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 23;

    c->blocked = true;
    publish_txns(c, 30, &seed);
    publish_one(c, 0, 77);
    publish_txns(c, 30, &seed);
    start(&r, c);
    assert_true(wait_for(has_incident, c));
    assert_string_equal(c->incident_code, "TARGET_CONFLICT");
    assert_string_equal(c->incident, "conflict:mariadb:0=131");
    answer(c, "retry"); /* in vain: asked again under another key */
    assert_true(wait_for(is_asked_again, c));
    world_lock();
    c->blocked = false;
    world_unlock();
    answer(c, "retry");
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_true(r.ok);
    assert_false(has_incident(c));
    assert_equal_sides(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(everything_published_reaches_the_target_once),
        TEST(a_broken_stream_loses_and_doubles_nothing),
        TEST(rolled_back_groups_are_tried_again),
        TEST(an_error_ends_the_claim_and_the_next_one_goes_on_from_the_rows),
        TEST(a_fenced_claim_ends_with_fenced),
        TEST(a_ddl_holds_what_is_behind_it_until_it_is_answered),
        TEST(a_recorded_answer_is_not_asked_for_again),
        TEST(a_conflict_holds_and_goes_on_when_its_cause_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
