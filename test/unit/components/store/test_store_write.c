/* Large blocks, which go past the kernel's cache, among small ones, which do not. */
#include "test/unit/components/store/store_fixture.h"

#include <stdio.h>

#include "components/store/store_priv.h"

#define LARGE (300u << 10)
#define PAGE 4096

static struct fixture *stored_as_they_are(void)
{
    struct fixture *f = fixture_new(16u << 20);

    f->o.zstd_level = 0; /* so that a block's size is known */
    reopen(f);
    return f;
}

static bool goes_past_the_cache_here(struct fixture *f)
{
    char path[256];
    int fd;

    (void)last_segment(f, path, sizeof path);
    fd = open(path, O_RDWR | O_DIRECT);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void assert_reads_all(struct fixture *f)
{
    char want[64];

    snprintf(want, sizeof want, ORIGIN "=101-%llu", (unsigned long long)f->seq);
    assert_reads(f, ORIGIN "=1-100", want);
}

static void large_and_small_blocks_in_any_order_are_read_as_they_were_written(void **state)
{
    struct fixture *f = stored_as_they_are();

    (void)state;
    srandom(1);
    for (int i = 0; i < 80; i++) {
        append(f, 1,
               random() % 2 ? LARGE + (size_t)random() % (2u << 20) : (size_t)random() % 9000);
        if (random() % 3 == 0)
            sync_store(f);
    }
    sync_store(f);
    assert_reads_all(f);
    assert_int_equal(f->s->no_direct, !goes_past_the_cache_here(f));
    reopen(f);
    assert_reads_all(f);
    fixture_free(f);
}

static void a_large_block_may_end_at_any_byte_of_a_page(void **state)
{
    struct fixture *f = stored_as_they_are();

    (void)state;
    append(f, 1, LARGE);
    for (uint64_t end = 0; end < PAGE; end += end < 4 || end >= PAGE - 5 ? 1 : 411) {
        uint64_t from = f->s->offset;
        append(f, 1, LARGE);
        uint64_t around = f->s->offset - from - LARGE; /* a text's bytes in its block */
        uint64_t gap = (end + 2 * PAGE - (f->s->offset + around) % PAGE) % PAGE;
        append(f, 1, LARGE + gap);
        assert_int_equal(f->s->offset % PAGE, end);
        append(f, 1, 1);
    }
    sync_store(f);
    reopen(f);
    assert_reads_all(f);
    fixture_free(f);
}

static void an_unfinished_transaction_behind_a_large_block_is_cut(void **state)
{
    struct fixture *f = stored_as_they_are();

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct err e = ERR_INIT;

        append(f, 1, LARGE + 1000u * (unsigned)i);
        append_part(f, 0, false);
        assert_true(store_cut_open(f->s, &e));
        append(f, 1, LARGE);
    }
    sync_store(f);
    reopen(f);
    assert_reads_all(f);
    fixture_free(f);
}

static void a_reader_at_the_end_sees_large_blocks_whole(void **state)
{
    struct fixture *f = stored_as_they_are();
    struct txn_set ids, want;
    struct store_reader *r;
    struct buf tables;
    char text[64];

    (void)state;
    buf_init(&tables, 1u << 20);
    txn_set_init(&ids);
    append(f, 1, 10);
    sync_store(f);
    r = reader_after(f, ORIGIN "=1-100", &tables);
    for (int i = 0; i < 20; i++) { /* its reading puts the last page into the cache each time */
        append(f, 1, i % 3 ? LARGE + 77u * (unsigned)i : 50);
        sync_store(f);
        assert_true(read_all(r, &ids) > 0);
    }
    snprintf(text, sizeof text, ORIGIN "=101-%llu", (unsigned long long)f->seq);
    want = log_set(text);
    assert_true(txn_set_equal(&ids, &want));
    assert_int_equal(f->s->no_direct, !goes_past_the_cache_here(f));
    store_reader_close(r);
    buf_fini(&tables);
    txn_set_fini(&ids);
    txn_set_fini(&want);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_and_small_blocks_in_any_order_are_read_as_they_were_written),
        cmocka_unit_test(a_large_block_may_end_at_any_byte_of_a_page),
        cmocka_unit_test(an_unfinished_transaction_behind_a_large_block_is_cut),
        cmocka_unit_test(a_reader_at_the_end_sees_large_blocks_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
