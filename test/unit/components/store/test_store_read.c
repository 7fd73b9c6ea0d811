/* Reading at a position, waiting at the end, retention. */
#include "test/unit/components/store/store_fixture.h"

#include <pthread.h>

static void a_reader_begins_at_the_first_block_it_needs(void **state)
{
    struct fixture *f = fixture_new(600);
    struct store_figures g;

    (void)state;
    for (int i = 0; i < 30; i++) { /* blocks of 101-104, 105-108 ... */
        append(f, 4, 100);
        sync_store(f);
    }
    store_figures(f->s, &g);
    assert_true(g.segments > 5);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-220");
    assert_reads(f, ORIGIN "=1-104", ORIGIN "=105-220");
    assert_reads(f, ORIGIN "=1-106", ORIGIN "=105-220"); /* the block that has 107 */
    assert_reads(f, ORIGIN "=1-105,107-220", ORIGIN "=105-220");
    assert_reads(f, ORIGIN "=1-216", ORIGIN "=217-220");
    assert_reads(f, ORIGIN "=1-220", "");
    assert_reads(f, ORIGIN "=1-500", ""); /* beyond the tail: it waits */
    assert_reads(f, "other:1=1-7;" ORIGIN "=1-216", ORIGIN "=217-220");
    fixture_free(f);
}

/* Number of TABLE_VERSION records. */
static unsigned count_tables(const struct buf *tables)
{
    struct cursor c = cursor_of(tables->p, tables->len);
    struct record r;
    unsigned n = 0;

    while (record_next(&c, &r)) {
        assert_int_equal(r.type, RECORD_TABLE_VERSION);
        n++;
    }
    assert_false(c.failed);
    return n;
}

static void a_reader_gets_the_table_versions_it_has_skipped(void **state)
{
    struct fixture *f = fixture_new(0);
    struct txn_set ids;

    (void)state;
    append(f, 4, 100);
    append(f, 4, 100);
    sync_store(f);
    for (int segment = 0; segment < 2;
         segment++) { /* skipped in a block; then in a segment's head */
        struct store_reader *r;
        struct buf tables;

        buf_init(&tables, 1u << 20);
        r = reader_after(f, segment ? ORIGIN "=1-112" : ORIGIN "=1-104", &tables);
        assert_int_equal(count_tables(&tables), 1);
        txn_set_init(&ids);
        assert_int_equal(read_all(r, &ids), 1);
        txn_set_fini(&ids);
        store_reader_close(r);
        buf_fini(&tables);
        if (segment)
            break;
        f->o.segment_bytes = 1;
        reopen(f);
        append(f, 4, 100); /* a new segment each */
        append(f, 4, 100);
        sync_store(f);
    }
    fixture_free(f);
}

static void a_reader_that_lacks_what_was_never_stored_is_refused(void **state)
{
    struct fixture *f = fixture_new(0);
    struct txn_set after = log_set(ORIGIN "=1-99");
    struct store_reader *r = NULL;
    struct err e = ERR_INIT;
    struct buf tables;

    (void)state;
    buf_init(&tables, 1u << 20);
    for (int stored = 0; stored < 2; stored++) {
        assert_false(store_reader_open(f->s, &after, &tables, &r, &e));
        assert_int_equal(e.code, ERR_STORE_POSITION);
        append(f, 1, 10);
        sync_store(f);
    }
    txn_set_fini(&after);
    buf_fini(&tables);
    fixture_free(f);
}

static void a_reader_from_before_the_first_block_sees_it_come(void **state)
{
    struct fixture *f = fixture_new(1);
    struct txn_set ids, want = log_set(ORIGIN "=101-120");
    struct store_reader *r;
    struct buf tables;

    (void)state;
    buf_init(&tables, 1u << 20);
    txn_set_init(&ids);
    r = reader_after(f, ORIGIN "=1-100", &tables);
    for (int i = 0; i < 10; i++) { /* each block begins a segment */
        assert_int_equal(store_reader_backlog(r), 0);
        append(f, 2, 10);
        sync_store(f);
        assert_true(store_reader_backlog(r) > 0);
        assert_int_equal(read_all(r, &ids), 1);
    }
    assert_true(txn_set_equal(&ids, &want));
    store_reader_close(r);
    txn_set_fini(&ids);
    txn_set_fini(&want);
    buf_fini(&tables);
    fixture_free(f);
}

static void *sync_later(void *arg)
{
    sync_store(arg);
    return NULL;
}

static void a_waiting_reader_is_woken_by_publishing(void **state)
{
    struct fixture *f = fixture_new(0);
    struct store_reader *r;
    struct block_head h;
    struct err e = ERR_INIT;
    struct buf tables, stored;
    pthread_t thread;
    bool got = false;

    (void)state;
    buf_init(&tables, 1u << 20);
    buf_init(&stored, 1u << 20);
    r = reader_after(f, ORIGIN "=1-100", &tables);
    append(f, 1, 10);
    assert_true(store_reader_next(r, 20, &h, &stored, &got, &e));
    assert_false(got);
    pthread_create(&thread, NULL, sync_later, f);
    assert_true(store_reader_next(r, 60000, &h, &stored, &got, &e));
    assert_true(got);
    pthread_join(thread, NULL);
    store_reader_close(r);
    buf_fini(&tables);
    buf_fini(&stored);
    fixture_free(f);
}

static uint32_t purge(struct fixture *f, bool *loud)
{
    struct err e = ERR_INIT;
    uint32_t removed = 0;

    if (!store_purge(f->s, (struct wall){400000000}, &removed, loud, &e))
        fail_msg("%s", e.message);
    return removed;
}

static void register_at(struct fixture *f, const char *name, const char *low)
{
    struct txn_set set = log_set(low);
    struct err e = ERR_INIT;

    assert_true(store_register(f->s, name, &set, &e));
    txn_set_fini(&set);
}

/* Ten segments of two transactions each: 101-102, 103-104 ... */
static struct fixture *ten_segments(void)
{
    struct fixture *f = fixture_new(1);

    for (int i = 0; i < 10; i++)
        append(f, 2, 500);
    sync_store(f);
    return f;
}

static void retention_stops_at_the_slowest_reader(void **state)
{
    struct fixture *f = ten_segments();
    char path[256];
    bool loud;

    (void)state;
    f->o.retention_bytes = 1;
    reopen(f);
    assert_int_equal(purge(f, &loud), 0); /* the first reader has yet to come */
    register_at(f, "fast", ORIGIN "=1-120");
    register_at(f, "slow", ORIGIN "=1-105");
    assert_int_equal(purge(f, &loud), 2);
    assert_false(loud);
    assert_int_equal(scratch_dir_files(&f->dir, "log", ".seg", 0, path, sizeof path), 8);
    assert_reads(f, ORIGIN "=1-105", ORIGIN "=105-120");
    reopen(f); /* both are remembered */
    assert_int_equal(purge(f, &loud), 0);
    register_at(f, "slow", ORIGIN "=1-120");
    assert_int_equal(purge(f, &loud), 7); /* the last one stays */
    append(f, 2, 10);
    sync_store(f);
    assert_reads(f, ORIGIN "=1-120", ORIGIN "=121-122");
    fixture_free(f);
}

/* The files are made now; the commits in them are of 1970. */
static void age_is_that_of_the_commits_after_a_restart_too(void **state)
{
    struct fixture *f = fixture_new(1);
    bool loud;

    (void)state;
    for (int i = 0; i < 10; i++) /* 101-102 ... 119-120 */
        append(f, 2, 500);
    sync_store(f);
    register_at(f, "r", ORIGIN "=1-120");
    f->o.retention_us = 290ull * 1000000; /* commit times are seq seconds, now is 400 s */
    reopen(f);
    assert_int_equal(purge(f, &loud), 4); /* those that end before 110 */
    assert_reads(f, ORIGIN "=1-108", ORIGIN "=109-120");
    fixture_free(f);
}

static void what_a_reader_holds_near_the_limit_is_told_before(void **state)
{
    struct fixture *f = ten_segments();
    struct store_figures all;
    struct store_held held;

    (void)state;
    store_figures(f->s, &all);
    f->o.retention_limit_bytes = all.bytes + 1;
    reopen(f);
    assert_false(store_held_back(f->s, &held)); /* nobody holds it */
    register_at(f, "fast", ORIGIN "=1-120");
    assert_false(store_held_back(f->s, &held));
    register_at(f, "slow", ORIGIN "=1-101");
    assert_true(store_held_back(f->s, &held));
    assert_string_equal(held.reader, "slow");
    assert_true(held.bytes == all.bytes);
    f->o.retention_limit_bytes = 2 * all.bytes;
    reopen(f);
    assert_false(store_held_back(f->s, &held)); /* far from it */
    fixture_free(f);
}

static void retention_by_age_leaves_what_is_young(void **state)
{
    struct fixture *f = fixture_new(1);
    bool loud;

    (void)state;
    store_close(f->s);
    f->s = NULL;
    f->o.retention_us = 290ull * 1000000; /* commit times are seq seconds, now is 400 s */
    reopen(f);
    for (int i = 0; i < 10; i++) /* 101-102 ... 119-120 */
        append(f, 2, 500);
    sync_store(f);
    register_at(f, "r", ORIGIN "=1-120");
    assert_int_equal(purge(f, &loud), 4); /* those that end before 110 */
    reopen(f);
    assert_int_equal(purge(f, &loud), 0); /* what is younger stays young */
    assert_reads(f, ORIGIN "=1-108", ORIGIN "=109-120");
    fixture_free(f);
}

static void the_limit_removes_what_a_reader_needs_and_says_so(void **state)
{
    struct fixture *f = ten_segments();
    struct txn_set after = log_set(ORIGIN "=1-101");
    struct store_reader *r = NULL;
    struct err e = ERR_INIT;
    struct buf tables;
    bool loud;

    (void)state;
    register_at(f, "slow", ORIGIN "=1-101");
    f->o.retention_bytes = 1;
    f->o.retention_limit_bytes = 1;
    reopen(f);
    assert_int_equal(purge(f, &loud), 9);
    assert_true(loud);
    buf_init(&tables, 1u << 20);
    assert_false(store_reader_open(f->s, &after, &tables, &r, &e));
    assert_int_equal(e.code, ERR_STORE_POSITION);
    txn_set_fini(&after);
    buf_fini(&tables);
    fixture_free(f);
}

static void a_reader_keeps_the_segment_it_reads(void **state)
{
    struct fixture *f = ten_segments();
    struct txn_set ids;
    struct store_reader *r;
    struct buf tables;
    bool loud;

    (void)state;
    f->o.retention_bytes = 1;
    reopen(f);
    buf_init(&tables, 1u << 20);
    txn_set_init(&ids);
    r = reader_after(f, ORIGIN "=1-118", &tables);
    register_at(f, "r", ORIGIN "=1-118");
    assert_int_equal(purge(f, &loud), 9);
    assert_int_equal(read_all(r, &ids), 1);
    assert_int_equal(txn_set_count(&ids), 2);
    store_reader_close(r);
    txn_set_fini(&ids);
    buf_fini(&tables);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_begins_at_the_first_block_it_needs),
        cmocka_unit_test(a_reader_gets_the_table_versions_it_has_skipped),
        cmocka_unit_test(a_reader_that_lacks_what_was_never_stored_is_refused),
        cmocka_unit_test(a_reader_from_before_the_first_block_sees_it_come),
        cmocka_unit_test(a_waiting_reader_is_woken_by_publishing),
        cmocka_unit_test(retention_stops_at_the_slowest_reader),
        cmocka_unit_test(age_is_that_of_the_commits_after_a_restart_too),
        cmocka_unit_test(what_a_reader_holds_near_the_limit_is_told_before),
        cmocka_unit_test(retention_by_age_leaves_what_is_young),
        cmocka_unit_test(the_limit_removes_what_a_reader_needs_and_says_so),
        cmocka_unit_test(a_reader_keeps_the_segment_it_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
