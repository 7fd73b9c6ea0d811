/*
 * A store is killed at each fault point of its write path, again and again, and the disk forgets
 * some of what was not synced; after each death it must hold a prefix of what was sent to it, with
 * everything that it had acknowledged, and go on. Needs a build with fault points.
 */
#include "test/unit/components/store/store_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/os/fault.h"

#define ROUNDS 12

struct shared { /* what the dying process has been told is durable */
    uint64_t acknowledged;
    char path[256]; /* of the last segment, and how much of it was synced */
    off_t synced;
};

static void sync_and_tell(struct fixture *f, struct shared *sh)
{
    sync_store(f);
    sh->acknowledged = f->seq;
    if (scratch_dir_files(&f->dir, "log", ".seg", 0, NULL, 0) > 0)
        sh->synced = last_segment(f, sh->path, sizeof sh->path);
}

/* A source's connection that breaks inside a transaction; the next one brings it again. */
static void cut(struct fixture *f, struct shared *sh)
{
    struct err e = ERR_INIT;

    append_part(f, 0, false);
    append_part(f, 1, false);
    if (random() % 2)
        sync_and_tell(f, sh);
    if (!store_cut_open(f->s, &e))
        _exit(2);
    sync_and_tell(f, sh);
}

/* Appends for ever, in blocks of random size, some of them parts; dies at the fault. Blocks that
 * are stored as they are are large ones at times, which take another way to the disk. */
static void fill(struct fixture *f, struct shared *sh, unsigned seed)
{
    srandom(seed);
    for (;;) {
        unsigned what = (unsigned)random() % 8;

        if (what < 5 && f->o.zstd_level == 0 && random() % 3 == 0)
            append(f, 1, (260u << 10) + (size_t)random() % (400u << 10));
        if (what < 5)
            append(f, 1 + what, 50 + (size_t)random() % 400);
        for (uint32_t part = 0; what >= 5 && what < 7 && part < what; part++) {
            append_part(f, part, part + 1 == what);
            if (random() % 3 == 0)
                sync_and_tell(f, sh);
        }
        if (what >= 3)
            sync_and_tell(f, sh);
        if (what == 7)
            cut(f, sh);
    }
}

static void die_once(struct fixture *f, struct shared *sh, const char *fault, unsigned seed)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        setenv("OMS_FAULT", fault, 1);
        f->s = NULL;
        reopen(f);
        fill(f, sh, seed);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* What was written after the last sync may be on the disk, in part or changed, or not. A segment
 * that has a successor was synced before it. */
static void forget(struct fixture *f, const struct shared *sh)
{
    char last[256];
    struct stat st;
    off_t extra;

    if (!*sh->path || stat(sh->path, &st) != 0 || st.st_size <= sh->synced)
        return;
    (void)last_segment(f, last, sizeof last);
    if (strcmp(last, sh->path) != 0)
        return;
    extra = st.st_size - sh->synced;
    if (random() % 2)
        assert_int_equal(truncate(sh->path, sh->synced + random() % (extra + 1)), 0);
    else
        flip_byte(sh->path, sh->synced + random() % extra);
}

/* The store holds 1 .. n for one n, and n is not less than what was acknowledged. */
static void check(struct fixture *f, const struct shared *sh)
{
    struct txn_set set, ids, begin = log_set(ORIGIN "=1-100");
    struct store_reader *r;
    struct buf tables;

    reopen(f);
    store_set(f->s, &set);
    assert_int_equal(set.origins.n, 1);
    assert_int_equal(set.origins.at[0].iv.n, 1);
    f->seq = txn_set_last(&set, origin_intern(ORIGIN, strlen(ORIGIN)));
    assert_true(f->seq >= sh->acknowledged);
    buf_init(&tables, 1u << 20);
    txn_set_init(&ids);
    r = reader_after(f, ORIGIN "=1-100", &tables);
    (void)read_all(r, &ids);
    txn_set_union(&ids, &begin);
    assert_true(txn_set_equal(&ids, &set));
    store_reader_close(r);
    buf_fini(&tables);
    txn_set_fini(&ids);
    txn_set_fini(&set);
    txn_set_fini(&begin);
}

static void killed_in(const char *point, uint64_t segment_bytes, int zstd_level)
{
#ifndef OMS_FAULTS
    print_message("%s: this build has no fault points\n", point);
    skip();
#endif
    struct fixture *f = fixture_new(segment_bytes);
    struct shared *sh =
        mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(sh, MAP_FAILED);
    f->o.zstd_level = zstd_level;
    sh->acknowledged = 100;
    for (unsigned round = 0; round < ROUNDS; round++) {
        char fault[64];
        uint64_t before = f->seq;

        srandom(round);
        snprintf(fault, sizeof fault, "%s:%d", point, round == 0 ? 1 : 1 + (int)(random() % 60));
        print_message("%s, seed %u\n", fault, round);
        store_close(f->s); /* its lock would be the child's, too */
        f->s = NULL;
        *sh->path = '\0';
        die_once(f, sh, fault, round);
        forget(f, sh);
        check(f, sh);
        assert_true(round == 0 || f->seq >= before);
        sh->acknowledged = f->seq;
    }
    assert_true(f->seq > 150);
    munmap(sh, sizeof *sh);
    fixture_free(f);
}

static void killed_at(const char *point)
{
    killed_in(point, 3000, 1);
}

static void a_store_killed_before_a_write_keeps_all_it_acknowledged(void **state)
{
    (void)state;
    killed_at("STORE_BEFORE_WRITE");
}

static void a_store_killed_between_write_and_sync_keeps_all_it_acknowledged(void **state)
{
    (void)state;
    killed_at("STORE_AFTER_WRITE");
}

static void a_store_killed_between_sync_and_publishing_keeps_all_it_acknowledged(void **state)
{
    (void)state;
    killed_at("STORE_AFTER_SYNC");
}

static void a_store_killed_when_it_has_made_a_segment_keeps_all_it_acknowledged(void **state)
{
    (void)state;
    killed_at("STORE_SEGMENT_MADE");
}

static void a_store_killed_when_it_cuts_a_transaction_keeps_all_it_acknowledged(void **state)
{
    (void)state;
    killed_at("STORE_CUT");
}

static void a_store_killed_between_large_blocks_keeps_all_it_acknowledged(void **state)
{
    (void)state;
    killed_in("STORE_AFTER_WRITE", 4u << 20, 0);
}

/* In a process of its own, since the plan of faults is read once. */
static void fail_a_sync(struct fixture *f)
{
    struct err e = ERR_INIT;
    bool right;

    setenv("OMS_FAULT", "STORE_SYNC_FAILS:2=err", 1);
    reopen(f);
    append(f, 2, 30);
    sync_store(f);
    append(f, 2, 30);
    right = !store_sync(f->s, &e) && e.code == ERR_SYSTEM;
    right = right && !store_sync(f->s, &e); /* the fault comes once, the refusal stays */
    right = right && !store_append(f->s, (struct view){NULL, 0}, false, &e);
    right = right && !store_cut_open(f->s, &e);
    assert_set(f->s, ORIGIN "=1-102");
    _exit(right ? 0 : 1);
}

static void after_a_failed_sync_nothing_is_published_or_synced(void **state)
{
#ifndef OMS_FAULTS
    skip();
#endif
    struct fixture *f = fixture_new(0);
    int status = 0;
    pid_t pid;

    (void)state;
    store_close(f->s);
    f->s = NULL;
    pid = fork();
    if (pid == 0)
        fail_a_sync(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    reopen(f); /* what is there is read anew, and checked */
    f->seq = 104;
    append(f, 1, 30);
    sync_store(f);
    assert_reads(f, ORIGIN "=1-100", ORIGIN "=101-105");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_killed_before_a_write_keeps_all_it_acknowledged),
        cmocka_unit_test(a_store_killed_between_write_and_sync_keeps_all_it_acknowledged),
        cmocka_unit_test(a_store_killed_between_sync_and_publishing_keeps_all_it_acknowledged),
        cmocka_unit_test(a_store_killed_when_it_has_made_a_segment_keeps_all_it_acknowledged),
        cmocka_unit_test(a_store_killed_when_it_cuts_a_transaction_keeps_all_it_acknowledged),
        cmocka_unit_test(a_store_killed_between_large_blocks_keeps_all_it_acknowledged),
        cmocka_unit_test(after_a_failed_sync_nothing_is_published_or_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
