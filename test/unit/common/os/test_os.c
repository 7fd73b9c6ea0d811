/* Queues, threads, durable files, processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/os/queue.h"
#include "common/os/spawn.h"
#include "common/os/thread.h"

#define ITEMS 20000

static void produce(void *arg)
{
    struct queue *q = arg;

    for (uintptr_t i = 1; i <= ITEMS; i++)
        assert_int_equal(queue_push(q, (void *)i, 10000), QUEUE_OK);
}

static void two_producers_lose_and_double_nothing(void **state)
{
    struct queue *q = queue_new(16);
    struct thread t[2] = {0};
    struct err e = ERR_INIT;
    uint64_t sum = 0;
    void *item = NULL;

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_true(thread_start(&t[i], "producer", produce, q, &e));
    for (int i = 0; i < 2 * ITEMS; i++) {
        assert_int_equal(queue_pop(q, 10000, &item), QUEUE_OK);
        sum += (uintptr_t)item;
    }
    for (int i = 0; i < 2; i++)
        thread_join(&t[i]);
    assert_int_equal(sum, 2ull * ITEMS * (ITEMS + 1) / 2);
    assert_int_equal(queue_len(q), 0);
    queue_free(q);
}

static void a_full_queue_times_out_and_a_closed_one_drains(void **state)
{
    struct queue *q = queue_new(1);
    void *item = NULL;

    (void)state;
    assert_int_equal(queue_pop(q, 0, &item), QUEUE_TIMEOUT);
    assert_int_equal(queue_push(q, &q, 0), QUEUE_OK);
    assert_int_equal(queue_push(q, &q, 20), QUEUE_TIMEOUT);
    queue_close(q);
    queue_close(q);
    assert_int_equal(queue_push(q, &q, 20), QUEUE_CLOSED);
    assert_int_equal(queue_pop(q, 0, &item), QUEUE_OK);
    assert_int_equal(queue_pop(q, 1000, &item), QUEUE_CLOSED);
    queue_free(q);
}

static void a_file_is_replaced_whole(void **state)
{
    char dir[] = "/tmp/oms-unit-XXXXXX", path[200], missing[200];
    struct err e = ERR_INIT;
    struct buf b;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a/b/f", dir);
    snprintf(missing, sizeof missing, "%s/a/b", dir);
    assert_true(durable_mkdirs(missing, 0700, &e));
    assert_true(durable_write_file(path, "one", 3, 0600, &e));
    assert_true(durable_write_file(path, "second", 6, 0600, &e));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_init(&b, 100);
    assert_true(durable_read_file(path, &b, &e));
    assert_string_equal(buf_cstr(&b), "second");
    buf_fini(&b);
    buf_init(&b, 3);
    assert_false(durable_read_file(path, &b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(durable_unlink(path, &e));
    assert_true(durable_unlink(path, &e));
    assert_false(durable_read_file(path, &b, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    buf_fini(&b);
    rmdir(missing);
    snprintf(missing, sizeof missing, "%s/a", dir);
    rmdir(missing);
    rmdir(dir);
}

static void a_lock_keeps_a_second_holder_out(void **state)
{
    char path[] = "/tmp/oms-unit-lock-XXXXXX";
    struct err e = ERR_INIT;
    int fd = mkstemp(path), a = -1, b = -1;

    (void)state;
    close(fd);
    assert_true(durable_lock(path, &a, &e));
    assert_false(durable_lock(path, &b, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    close(a);
    assert_true(durable_lock(path, &b, &e));
    close(b);
    unlink(path);
}

static void let_go_later(void *arg)
{
    struct queue *never = queue_new(1);
    void *item = NULL;

    assert_int_equal(queue_pop(never, 300, &item), QUEUE_TIMEOUT); /* a wait with a deadline */
    queue_free(never);
    close(*(int *)arg);
}

static void a_lock_is_waited_for_while_its_holder_goes(void **state)
{
    char path[] = "/tmp/oms-unit-lock-XXXXXX";
    struct thread t = {0};
    struct err e = ERR_INIT;
    int fd = mkstemp(path), a = -1, b = -1;

    (void)state;
    close(fd);
    assert_true(durable_lock(path, &a, &e));
    assert_true(thread_start(&t, "holder", let_go_later, &a, &e));
    assert_true(durable_lock(path, &b, &e));
    thread_join(&t);
    close(b);
    unlink(path);
}

static void a_child_is_started_and_named(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", "exit 7", NULL};
    struct spawn_options o = {.argv = argv, .new_session = true};
    struct err e = ERR_INIT;
    uint64_t ticks = 0;
    pid_t pid;
    int fd = -1, status = 0;

    (void)state;
    assert_true(process_start_time(getpid(), &ticks, &e));
    assert_true(ticks > 0);
    assert_true(spawn_process(&o, &pid, &e));
    assert_true(pidfd_open_pid(pid, &fd, &e));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
    close(fd);
    const char *const missing[] = {"/nonexistent/program", NULL};
    o.argv = missing;
    assert_false(spawn_process(&o, &pid, &e));
    assert_non_null(strstr(e.message, "/nonexistent/program"));
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
    struct mono a = clock_mono(), b = clock_mono();

    (void)state;
    assert_true(mono_cmp(a, b) <= 0);
    assert_true(clock_wall().us > 1600000000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_producers_lose_and_double_nothing),
        cmocka_unit_test(a_full_queue_times_out_and_a_closed_one_drains),
        cmocka_unit_test(a_file_is_replaced_whole),
        cmocka_unit_test(a_lock_keeps_a_second_holder_out),
        cmocka_unit_test(a_lock_is_waited_for_while_its_holder_goes),
        cmocka_unit_test(a_child_is_started_and_named),
        cmocka_unit_test(the_monotonic_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
