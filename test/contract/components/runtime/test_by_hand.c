/*
 * A component run by hand, without a Supervisor: secrets from a file, reports as log lines, an exit
 * code and a last word for each way to end. This program is the component when it is given --spec.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/vec.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/os/spawn.h"
#include "test/contract/supervisor/test_component.h"
#include "test/lib/scratch_dir.h"

#define PATIENCE_MS 20000

struct run {
    struct scratch_dir dir;
    pid_t pid;
    int code;
    struct buf said, word;
};

static int open_run(void **state)
{
    struct run *r = must_calloc(1, sizeof *r);

    scratch_dir_make(&r->dir);
    buf_init(&r->said, 1u << 20);
    buf_init(&r->word, 1u << 16);
    *state = r;
    return 0;
}

static int close_run(void **state)
{
    struct run *r = *state;

    buf_fini(&r->said);
    buf_fini(&r->word);
    scratch_dir_remove(&r->dir);
    free(r);
    return 0;
}

static void put(struct run *r, const char *name, const char *text)
{
    struct err e = ERR_INIT;
    char path[128];

    snprintf(path, sizeof path, "%s/%s", r->dir.path, name);
    assert_true(durable_write_file(path, text, strlen(text), 0600, &e));
}

static void get(struct run *r, const char *name, struct buf *out)
{
    struct err e = ERR_INIT;
    char path[128];

    buf_clear(out);
    snprintf(path, sizeof path, "%s/%s", r->dir.path, name);
    if (!durable_read_file(path, out, &e))
        buf_clear(out);
    (void)buf_cstr(out);
}

static void start(struct run *r, const char *spec_text, const char *secrets)
{
    char self[4096] = "", spec[128], out[128], env[160];
    const char *const argv[] = {self, "--spec", spec, "--dir", r->dir.path, NULL};
    const char *const envp[] = {env, NULL};
    struct spawn_options o = {.argv = argv, .env = envp, .stdout_path = out};
    struct err e = ERR_INIT;

    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(spec, sizeof spec, "%s/spec.yaml", r->dir.path);
    snprintf(out, sizeof out, "%s/said", r->dir.path);
    snprintf(env, sizeof env, "OMS_SECRETS=%s/secrets", r->dir.path);
    put(r, "spec.yaml", spec_text);
    put(r, "secrets", secrets);
    assert_true(spawn_process(&o, &r->pid, &e));
}

static void start_round(struct run *r, int round, const char *secrets)
{
    char text[256];

    snprintf(text, sizeof text,
             "id: x.test\nkind: test\nepoch: 1\nfixed: {verb: test}\nlive: {verify_round: %d}\n",
             round);
    start(r, text, secrets);
}

static void wait_end(struct run *r)
{
    struct mono until = mono_add_ms(clock_mono(), PATIENCE_MS);
    pid_t pid;
    int how = 0;

    while ((pid = waitpid(r->pid, &how, WNOHANG)) == 0 && mono_cmp(clock_mono(), until) < 0)
        poll(NULL, 0, 10);
    assert_int_equal(pid, r->pid);
    assert_true(WIFEXITED(how));
    r->code = WEXITSTATUS(how);
    get(r, "last_word", &r->word);
    get(r, "said", &r->said);
}

static void done_work_exits_0_with_its_result_said(void **state)
{
    struct run *r = *state;

    start_round(r, ROUND_DONE, "word: by hand\n");
    wait_end(r);
    assert_int_equal(r->code, 0);
    assert_non_null(strstr((char *)r->word.p, "done"));
    assert_non_null(strstr((char *)r->said.p, "component.report state=done"));
    assert_non_null(strstr((char *)r->said.p, "position=by hand"));
    assert_non_null(strstr((char *)r->said.p, "result={\"checks\":[]}"));
}

static void a_stop_exits_0_and_says_stopped(void **state)
{
    struct run *r = *state;
    struct mono until = mono_add_ms(clock_mono(), PATIENCE_MS);

    start_round(r, 0, "word: by hand\n");
    do {
        poll(NULL, 0, 10);
        get(r, "said", &r->said);
    } while (!strstr((char *)r->said.p, "test.began") && mono_cmp(clock_mono(), until) < 0);
    assert_int_equal(kill(r->pid, SIGTERM), 0);
    wait_end(r);
    assert_int_equal(r->code, 0);
    assert_non_null(strstr((char *)r->word.p, "stopped"));
}

static void an_error_exits_with_its_class_and_leaves_its_reason(void **state)
{
    struct run *r = *state;

    start_round(r, ROUND_REFUSE, "word: by hand\n");
    wait_end(r);
    assert_int_equal(r->code, 11);
    assert_non_null(strstr((char *)r->word.p, "\"DENIED\""));
    assert_non_null(strstr((char *)r->word.p, "told to refuse"));
    start_round(r, ROUND_RETRY, "word: by hand\n");
    wait_end(r);
    assert_int_equal(r->code, 10);
    assert_non_null(strstr((char *)r->word.p, "\"TIMEOUT\""));
}

static void a_secret_that_is_not_there_is_named(void **state)
{
    struct run *r = *state;

    start_round(r, ROUND_DONE, "other: x\n");
    wait_end(r);
    assert_int_equal(r->code, 10);
    assert_non_null(strstr((char *)r->said.p, "secret 'word' has not arrived"));
}

static void a_specification_of_another_kind_is_refused(void **state)
{
    struct run *r = *state;

    start(r, "id: x.store\nkind: store\nepoch: 1\nfixed: {}\n", "word: by hand\n");
    wait_end(r);
    assert_int_equal(r->code, 11);
    assert_non_null(strstr((char *)r->said.p, "kind 'store'"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(done_work_exits_0_with_its_result_said, open_run,
                                        close_run),
        cmocka_unit_test_setup_teardown(a_stop_exits_0_and_says_stopped, open_run, close_run),
        cmocka_unit_test_setup_teardown(an_error_exits_with_its_class_and_leaves_its_reason,
                                        open_run, close_run),
        cmocka_unit_test_setup_teardown(a_secret_that_is_not_there_is_named, open_run, close_run),
        cmocka_unit_test_setup_teardown(a_specification_of_another_kind_is_refused, open_run,
                                        close_run),
    };

    if (argc > 1 && strcmp(argv[1], "--spec") == 0)
        return component_main(&test_component_ops, argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
