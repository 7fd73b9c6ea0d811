/* Appending, publishing, recovering. */
#include "test/unit/components/store/store_fixture.h"

static void nothing_is_published_before_it_is_synced(void **state)
{
    struct fixture *f = fixture_new(0);

    (void)state;
    append(f, 3, 10);
    assert_set(f->s, ORIGIN "=1-100");
    assert_reads(f, ORIGIN "=1-100", "");
    sync_store(f);
    assert_set(f->s, ORIGIN "=1-103");
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-103");
    fixture_free(f);
}

static void an_unfinished_transaction_is_published_when_it_is_whole(void **state)
{
    struct fixture *f = fixture_new(0);

    (void)state;
    append(f, 1, 10);
    append_part(f, 0, false);
    append_part(f, 1, false);
    sync_store(f);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101");
    append_part(f, 2, true);
    sync_store(f);
    assert_set(f->s, ORIGIN "=1-102");
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-102");
    fixture_free(f);
}

static void an_unfinished_transaction_is_cut_and_can_come_again(void **state)
{
    struct fixture *f = fixture_new(0);
    struct err e = ERR_INIT;

    (void)state;
    for (int by_crash = 0; by_crash < 2; by_crash++) {
        append(f, 1, 10);
        append_part(f, 0, false);
        append_part(f, 1, false);
        if (by_crash) {
            sync_store(f);
            reopen(f);
        } else {
            assert_true(store_cut_open(f->s, &e));
        }
        append(f, 1, 10); /* the same identity again */
        sync_store(f);
    }
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-104");
    reopen(f);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-104");
    fixture_free(f);
}

static void what_was_published_is_there_after_opening_again(void **state)
{
    struct fixture *f = fixture_new(1000);
    const struct table_def *const *tables;
    struct store_figures a, b;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        append(f, 10, 200);
        sync_store(f);
    }
    store_figures(f->s, &a);
    assert_true(a.segments > 3);
    reopen(f);
    assert_true(store_has_begin(f->s));
    assert_set(f->s, ORIGIN "=1-300");
    store_figures(f->s, &b);
    assert_int_equal(a.bytes, b.bytes);
    assert_int_equal(a.last_number, b.last_number);
    assert_int_equal(a.segments, b.segments);
    assert_int_equal(a.last_commit_us, b.last_commit_us);
    tables = store_tables(f->s, &n);
    assert_int_equal(n, 1);
    assert_string_equal(tables[0]->name, "t");
    append(f, 1, 10);
    sync_store(f);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-301");
    fixture_free(f);
}

static void a_tail_cut_at_any_byte_leaves_a_prefix(void **state)
{
    struct fixture *f = fixture_new(0);
    char path[256];
    off_t one, all;

    (void)state;
    append(f, 2, 30);
    sync_store(f);
    one = last_segment(f, path, sizeof path);
    append(f, 2, 30);
    sync_store(f);
    all = last_segment(f, path, sizeof path);
    for (off_t cut = all - 1; cut >= one; cut--) {
        store_close(f->s);
        f->s = NULL;
        assert_int_equal(truncate(path, cut), 0);
        reopen(f);
        assert_set(f->s, ORIGIN "=1-102");
        assert_int_equal(last_segment(f, path, sizeof path), one);
        f->seq = 102; /* what was cut comes again */
        append(f, 2, 30);
        sync_store(f);
        assert_int_equal(last_segment(f, path, sizeof path), all);
    }
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-104");
    fixture_free(f);
}

static void garbage_behind_the_last_block_is_cut(void **state)
{
    struct fixture *f = fixture_new(0);
    char path[256];
    off_t size;
    int fd;

    (void)state;
    append(f, 2, 30);
    sync_store(f);
    size = last_segment(f, path, sizeof path);
    fd = open(path, O_WRONLY | O_APPEND);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(write(fd, "BLK1", 4), 4);
    close(fd);
    reopen(f);
    assert_set(f->s, ORIGIN "=1-102");
    assert_int_equal(last_segment(f, path, sizeof path), size);
    fixture_free(f);
}

static void damage_before_the_last_durable_mark_is_never_cut(void **state)
{
    struct fixture *f = fixture_new(0);
    struct err e = ERR_INIT;
    char path[256];
    off_t first, second, all;

    (void)state;
    append(f, 2, 30);
    sync_store(f);
    first = last_segment(f, path, sizeof path);
    append(f, 2, 30);
    sync_store(f);
    second = last_segment(f, path, sizeof path);
    append(f, 2, 30); /* says that the second was durable */
    sync_store(f);
    all = last_segment(f, path, sizeof path);
    store_close(f->s);
    f->s = NULL;
    for (off_t at = first; at < second; at++) {
        flip_byte(path, at);
        if (store_open(&f->o, &f->s, &e))
            fail_msg("damage at byte %jd passed", (intmax_t)at);
        assert_int_equal(e.code, ERR_STORE_CORRUPT);
        assert_int_equal(last_segment(f, path, sizeof path), all);
        flip_byte(path, at);
    }
    reopen(f);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-106");
    fixture_free(f);
}

static void a_damaged_head_of_a_segment_is_never_cut(void **state)
{
    struct fixture *f = fixture_new(0);
    struct err e = ERR_INIT;
    char path[256];

    (void)state;
    append(f, 2, 30);
    sync_store(f);
    (void)last_segment(f, path, sizeof path);
    store_close(f->s);
    f->s = NULL;
    flip_byte(path, SEGMENT_HEADER_SIZE + 3);
    assert_false(store_open(&f->o, &f->s, &e));
    assert_int_equal(e.code, ERR_STORE_CORRUPT);
    fixture_free(f);
}

static void transactions_that_are_in_the_log_are_refused(void **state)
{
    struct fixture *f = fixture_new(0);
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    append(f, 2, 30);
    for (int synced = 0; synced < 2; synced++) {
        buf_init(&b, 1u << 20);
        log_txn(&b, ORIGIN, 101, f->t, 10);
        assert_false(store_append(f->s, (struct view){b.p, b.len}, false, &e));
        assert_int_equal(e.code, ERR_STORE_REPEATED);
        buf_fini(&b);
        sync_store(f);
    }
    append(f, 1, 10);
    sync_store(f);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-103");
    fixture_free(f);
}

static void bytes_that_are_not_records_are_refused(void **state)
{
    struct fixture *f = fixture_new(0);
    struct err e = ERR_INIT;

    (void)state;
    append(f, 1, 30);
    assert_false(store_append(f->s, (struct view){(const uint8_t *)"nonsense", 8}, false, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    append(f, 1, 30);
    sync_store(f);
    reopen(f);
    assert_set(f->s, ORIGIN "=1-102");
    fixture_free(f);
}

static void a_second_process_is_kept_out(void **state)
{
    struct fixture *f = fixture_new(0);
    struct store *second = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_false(store_open(&f->o, &second, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_published_before_it_is_synced),
        cmocka_unit_test(an_unfinished_transaction_is_published_when_it_is_whole),
        cmocka_unit_test(an_unfinished_transaction_is_cut_and_can_come_again),
        cmocka_unit_test(what_was_published_is_there_after_opening_again),
        cmocka_unit_test(a_tail_cut_at_any_byte_leaves_a_prefix),
        cmocka_unit_test(garbage_behind_the_last_block_is_cut),
        cmocka_unit_test(damage_before_the_last_durable_mark_is_never_cut),
        cmocka_unit_test(a_damaged_head_of_a_segment_is_never_cut),
        cmocka_unit_test(transactions_that_are_in_the_log_are_refused),
        cmocka_unit_test(bytes_that_are_not_records_are_refused),
        cmocka_unit_test(a_second_process_is_kept_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
