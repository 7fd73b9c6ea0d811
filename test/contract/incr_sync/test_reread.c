/*
 * Images that lack columns within a table's copy: the protocol that reads their rows again, through
 * deaths at its steps, against a source in memory whose copy is a mixture of moments.
 */
#include "test/contract/incr_sync/fake_source.h"

#define BEGIN 100
#define FIRST 40 /* transactions in the log before anything is applied */

struct lab {
    struct component *c;
    uint32_t seed;
    struct row history[FIRST + 1][N_IDS]; /* after each of them */
};

static uint32_t draw(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

/* --- sparse images
 * --------------------------------------------------------------------------------
 */

static void put_sparse(struct component *c, struct txn_writer *w, int64_t id, int64_t v)
{
    struct row_writer rw;
    size_t mark = txn_image_begin(w);

    row_begin(&rw, w->out, c->def, ROWS_CANONICAL, true);
    if (id >= 0)
        row_put_u64(&rw, (uint64_t)id);
    else
        row_put_absent(&rw);
    if (v > 0)
        row_put_u64(&rw, (uint64_t)v);
    else
        row_put_absent(&rw);
    row_end(&rw);
    txn_image_end(w, mark);
}

/* The row gets another value, or moves to a free key, or goes. */
static void sparse_change(struct component *c, struct txn_writer *w, int64_t id, int64_t to,
                          int64_t v)
{
    if (c->source[id].v == 0)
        return;
    if (v == 0) {
        txn_write_change(w, 1, CHANGE_DELETE, CHANGE_F_ABSENT, IMAGE_MINIMAL);
        put_sparse(c, w, id, 0);
        c->source[id].v = 0;
    } else if (to != id && c->source[to].v == 0) {
        txn_write_change(w, 1, CHANGE_UPDATE, CHANGE_F_ABSENT, IMAGE_MINIMAL);
        put_sparse(c, w, id, 0);
        put_sparse(c, w, to, 0);
        c->source[to] = c->source[id];
        c->source[id].v = 0;
    } else {
        txn_write_change(w, 1, CHANGE_UPDATE, CHANGE_F_ABSENT, IMAGE_MINIMAL);
        put_sparse(c, w, id, 0);
        put_sparse(c, w, -1, v);
        c->source[id].v = v;
    }
}

static void publish_mixed(struct lab *l, uint32_t n)
{
    struct component *c = l->c;
    struct buf *b = new_block(c);
    struct txn_writer w;

    txn_writer_init(&w, b);
    for (uint32_t i = 0; i < n; i++) {
        struct txn_head h = next_head(c, TXN_F_LAST);
        bool sparse = draw(&l->seed, 3) == 0;

        txn_write_begin(&w, RECORD_TXN, &h);
        for (int k = 0; k < 4; k++) {
            int64_t id = draw(&l->seed, N_IDS), to = draw(&l->seed, N_IDS);
            int64_t v = draw(&l->seed, 5) == 0 ? 0 : (int64_t)c->seq * 10 + k + 1;

            if (sparse)
                sparse_change(c, &w, id, draw(&l->seed, 2) ? id : to, v);
            else
                change(c, &w, id, v);
        }
        txn_write_end(&w);
        if (c->seq - BEGIN <= FIRST)
            memcpy(l->history[c->seq - BEGIN], c->source, sizeof c->source);
    }
    publish(c, b);
}

/* Each row as it was at some moment between the copy's begin and its end. */
static void copy_at_moments(struct lab *l, uint64_t end)
{
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    txn_set_fini(&l->c->pos[1].end);
    txn_set_init(&l->c->pos[1].end);
    txn_set_add(&l->c->pos[1].end, origin, 1, end);
    for (int i = 0; i < N_IDS; i++)
        l->c->target[i] = l->history[draw(&l->seed, (uint32_t)(end - BEGIN) + 1)][i];
}

static void lay_out(struct lab *l, struct component *c, uint32_t seed, uint64_t end)
{
    *l = (struct lab){.c = c, .seed = seed};
    for (int i = 0; i < N_IDS; i++)
        c->source[i].v = draw(&l->seed, 2) ? i + 1 : 0;
    memcpy(l->history[0], c->source, sizeof c->source);
    publish_mixed(l, FIRST);
    copy_at_moments(l, end);
}

/* --- a life of processes
 * ---------------------------------------------------------------------------
 */

struct life {
    pthread_t thread;
    struct component *c;
    uint32_t seed, deaths_in; /* one of so many failed claims is a process's end; 0: none */
    uint32_t claims;
    enum err_code last;
};

/* Between claims, as in the program. */
static bool copy_runs(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->full_runs;
    world_unlock();
    return yes;
}

static void *live(void *arg)
{
    struct life *l = arg;
    struct carry carry = {0};

    while (!component_stopping(l->c) && !copy_runs(l->c)) {
        struct err e = ERR_INIT;

        l->claims++;
        if (sync_run(l->c, &carry, &e))
            break; /* stopped, or a copy runs again */
        l->last = e.code;
        must(err_class_of(e.code) == ERR_CLASS_RETRY);
        if (l->deaths_in && draw(&l->seed, l->deaths_in) == 0) {
            carry_fini(&carry);
            carry = (struct carry){0};
        }
    }
    carry_fini(&carry);
    return NULL;
}

static void begin_life(struct life *l, struct component *c, uint32_t seed, uint32_t deaths_in)
{
    *l = (struct life){.c = c, .seed = seed, .deaths_in = deaths_in};
    atomic_store(&c->stop, false);
    must(pthread_create(&l->thread, NULL, live, l) == 0);
}

static void end_life(struct life *l)
{
    atomic_store(&l->c->stop, true);
    must(pthread_join(l->thread, NULL) == 0);
}

/* --- tests
 * ----------------------------------------------------------------------------------------
 */

static void rows_are_made_whole_through_deaths(void **state)
{
    struct component *c = *state;

    for (uint32_t round = 0; round < 40; round++) {
        static struct lab lab;
        struct life life;

        if (round > 0) {
            teardown(state);
            setup(state);
            c = *state;
        }
        lay_out(&lab, c, round * 7919 + 1, BEGIN + 5 + round % 30);
        c->unsure = round % 3 == 0 ? 12 : 0;
        c->fail_every = round % 2 ? 5 + round % 7 : 0;
        c->fail_reads_every = round % 5 == 0 ? 3 : 0;
        c->fail_code = c->read_code = ERR_UNAVAILABLE;
        c->dies_after_move = round % 4 == 1;
        begin_life(&life, c, round, 2 + round % 3);
        for (int i = 0; i < 5; i++)
            publish_mixed(&lab, 10);
        assert_true(wait_for(all_committed, c));
        end_life(&life);
        assert_int_equal(c->conflicts, 0);
        assert_int_equal(c->incidents, 0);
        assert_true(c->end_moves > 0);
        assert_false(c->dies_after_move);
        assert_equal_sides(c);
    }
}

static void the_end_moves_once_for_all_rows(void **state)
{
    struct component *c = *state;
    static struct lab lab;
    struct life life;

    lay_out(&lab, c, 77, BEGIN + FIRST - 10);
    begin_life(&life, c, 1, 0);
    assert_true(wait_for(all_committed, c));
    assert_true(wait_for(is_caught_up, c));
    publish_mixed(&lab, 200); /* behind the end their images are exact */
    assert_true(wait_for(all_committed, c));
    end_life(&life);
    assert_int_equal(c->opens, 1);
    assert_int_equal(c->end_moves, 1);
    assert_int_equal(life.claims, 2);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void what_cannot_be_read_is_asked_and_copied_again(void **state)
{
    struct component *c = *state;
    static struct lab lab;
    struct life life;
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    lay_out(&lab, c, 5, BEGIN + FIRST);
    c->fail_reads_every = 1;
    c->read_code = ERR_UNSUPPORTED;
    begin_life(&life, c, 1, 0);
    assert_true(wait_for(has_incident, c));
    assert_string_equal(c->incident_code, "IMAGE");
    assert_string_equal(c->incident_table, "shop.t");
    assert_int_equal(strncmp(c->incident_transaction, "mariadb:0=", 10), 0);
    world_lock();
    c->full_runs = true;
    world_unlock();
    must(pthread_join(life.thread, NULL) == 0);
    world_lock(); /* as Full-Import leaves it */
    memcpy(c->target, c->source, sizeof c->target);
    txn_set_add(&c->pos[1].begin, origin, 1, c->seq);
    txn_set_add(&c->pos[1].end, origin, 1, c->seq);
    c->full_runs = false;
    world_unlock();
    begin_life(&life, c, 1, 0);
    publish_mixed(&lab, 50);
    assert_true(wait_for(all_committed, c));
    end_life(&life);
    assert_int_equal(c->incidents, 1);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void a_source_that_breaks_often_is_asked_about_and_the_incident_goes(void **state)
{
    struct component *c = *state;
    static struct lab lab;
    struct life life;

    lay_out(&lab, c, 6, BEGIN + FIRST);
    c->fail_reads_every = 1;
    c->read_code = ERR_UNAVAILABLE;
    begin_life(&life, c, 1, 0);
    assert_true(wait_for(has_incident, c));
    answer(c, "retry");
    world_lock();
    c->fail_reads_every = 0;
    world_unlock();
    assert_true(wait_for(all_committed, c));
    end_life(&life);
    assert_true(life.claims > 10);
    assert_false(has_incident(c));
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static bool is_let_go(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->opens == 1 && c->closes == 1;
    world_unlock();
    return yes;
}

static void a_snapshot_that_holds_tables_does_not_last(void **state)
{
    struct component *c = *state;
    static struct lab lab;
    struct life life;
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    lay_out(&lab, c, 9, BEGIN + FIRST - 5);
    txn_set_add(&c->pos[1].end, origin, 1, BEGIN + FIRST + 30); /* more is to come within it */
    c->holds = true;
    begin_life(&life, c, 1, 0);
    assert_true(wait_for(is_let_go, c));
    assert_true(all_committed(c)); /* it was of use before */
    publish_mixed(&lab, 60);
    assert_true(wait_for(all_committed, c));
    assert_true(wait_for(is_caught_up, c));
    end_life(&life);
    assert_int_equal(c->opens, 2);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(rows_are_made_whole_through_deaths),
        TEST(the_end_moves_once_for_all_rows),
        TEST(what_cannot_be_read_is_asked_and_copied_again),
        TEST(a_snapshot_that_holds_tables_does_not_last),
        TEST(a_source_that_breaks_often_is_asked_about_and_the_incident_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
