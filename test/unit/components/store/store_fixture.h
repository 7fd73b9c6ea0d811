/* A store in a directory of its own, filled by hand. Included by test_store*.c and the store's
 * contract tests. */
#ifndef OMS_TEST_UNIT_STORE_FIXTURE_H
#define OMS_TEST_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "components/store/segment.h"
#include "components/store/store.h"
#include "test/lib/log_records.h"
#include "test/lib/scratch_dir.h"

#define ORIGIN "mariadb:0"

struct fixture {
    struct scratch_dir dir;
    struct store_options o;
    struct store *s;
    const struct table_def *t;
    uint64_t seq; /* of the last transaction appended */
};

static inline void reopen(struct fixture *f)
{
    struct err e = ERR_INIT;

    store_close(f->s);
    f->s = NULL;
    if (!store_open(&f->o, &f->s, &e))
        fail_msg("%s", e.message);
}

static inline struct fixture *fixture_new(uint64_t segment_bytes)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct txn_set begin = log_set(ORIGIN "=1-100");
    struct err e = ERR_INIT;

    scratch_dir_make(&f->dir);
    f->o = (struct store_options){
        .dir = f->dir.path, .epoch = 1, .segment_bytes = segment_bytes, .zstd_level = 1};
    f->t = log_table(1, "t");
    f->seq = 100;
    reopen(f);
    assert_false(store_has_begin(f->s));
    assert_true(store_set_begin(f->s, &begin, &e));
    txn_set_fini(&begin);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    store_close(f->s);
    table_def_unref(f->t);
    scratch_dir_remove(&f->dir);
    free(f);
}

/* One block of n whole transactions; the first of a store brings its table version. */
static inline void append(struct fixture *f, unsigned n, size_t text_len)
{
    struct err e = ERR_INIT;
    struct buf b;

    buf_init(&b, 8u << 20);
    if (f->seq == 100)
        record_write_table(&b, f->t);
    while (n-- > 0)
        log_txn(&b, ORIGIN, ++f->seq, f->t, text_len);
    if (!store_append(f->s, (struct view){b.p, b.len}, false, &e))
        fail_msg("%s", e.message);
    buf_fini(&b);
}

/* One block with one part of the next transaction. */
static inline void append_part(struct fixture *f, uint32_t part, bool last)
{
    struct err e = ERR_INIT;
    struct buf b;

    buf_init(&b, 1u << 20);
    log_txn_part(&b, ORIGIN, f->seq + 1, part, last, f->t, 100);
    assert_true(store_append(f->s, (struct view){b.p, b.len}, !last, &e));
    f->seq += last;
    buf_fini(&b);
}

static inline void sync_store(struct fixture *f)
{
    struct err e = ERR_INIT;

    if (!store_sync(f->s, &e))
        fail_msg("%s", e.message);
}

static inline void assert_set(struct store *s, const char *want)
{
    struct txn_set set, w = log_set(want);
    struct buf b;

    store_set(s, &set);
    buf_init(&b, 4096);
    txn_set_format(&set, &b);
    if (!txn_set_equal(&set, &w))
        fail_msg("the store has %s, not %s", buf_cstr(&b), want);
    buf_fini(&b);
    txn_set_fini(&set);
    txn_set_fini(&w);
}

static inline struct store_reader *reader_after(struct fixture *f, const char *after,
                                                struct buf *tables)
{
    struct txn_set set = log_set(after);
    struct store_reader *r = NULL;
    struct err e = ERR_INIT;

    if (!store_reader_open(f->s, &set, tables, &r, &e))
        fail_msg("%s", e.message);
    txn_set_fini(&set);
    return r;
}

/* Reads what is published to its end: the identities, and how many blocks there were. */
static inline unsigned read_all(struct store_reader *r, struct txn_set *ids)
{
    struct buf stored, raw;
    struct err e = ERR_INIT;
    unsigned n = 0;

    buf_init(&stored, 8u << 20);
    buf_init(&raw, 8u << 20);
    for (bool got = true; got;) {
        struct block_head h;

        if (!store_reader_next(r, 0, &h, &stored, &got, &e))
            fail_msg("%s", e.message);
        if (!got)
            break;
        n++;
        assert_true(
            block_decode(&h, (struct view){stored.p + BLOCK_HEADER_SIZE, h.stored_len}, &raw, &e));
        (void)log_ids((struct view){raw.p, raw.len}, ids);
    }
    buf_fini(&stored);
    buf_fini(&raw);
    return n;
}

/* Everything a reader after `after` gets, as text. */
static inline void assert_reads(struct fixture *f, const char *after, const char *want)
{
    struct txn_set ids, w = log_set(want);
    struct store_reader *r;
    struct buf tables, text;

    txn_set_init(&ids);
    buf_init(&tables, 1u << 20);
    buf_init(&text, 1u << 16);
    r = reader_after(f, after, &tables);
    (void)read_all(r, &ids);
    txn_set_format(&ids, &text);
    if (!txn_set_equal(&ids, &w))
        fail_msg("read %s, not %s", buf_cstr(&text), want);
    store_reader_close(r);
    txn_set_fini(&ids);
    txn_set_fini(&w);
    buf_fini(&tables);
    buf_fini(&text);
}

/* The path and size of the last segment. */
static inline off_t last_segment(struct fixture *f, char *path, size_t cap)
{
    struct stat st;

    assert_true(scratch_dir_files(&f->dir, "log", ".seg", -1, path, cap) > 0);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static inline void flip_byte(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);

    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

#endif
