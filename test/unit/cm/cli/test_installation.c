/* The installation's file, its paths, and the processes that belong to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cm/cli/installation.h"
#include "cm/cli/metadb.h"
#include "cm/cli/process.h"

struct fixture {
    struct cli c;
    char dir[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    arena_init(&f->c.arena, 0);
    snprintf(f->dir, sizeof f->dir, "/tmp/test_installation.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    setenv("XDG_STATE_HOME", f->dir, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/oms.yaml", f->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/oms/installation", f->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/oms", f->dir);
    rmdir(path);
    rmdir(f->dir);
    arena_fini(&f->c.arena);
    free(f);
    return 0;
}

static void paths_become_absolute_and_clean(void **state)
{
    static const char *const pairs[][2] = {{"/a/./b//c/", "/a/b/c"},
                                           {"/a/../b", "/b"},
                                           {"/../..", "/"},
                                           {"/", "/"},
                                           {"/a/b/..", "/a"}};
    struct fixture *f = *state;
    const char *out;

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_true(installation_absolute(&f->c, pairs[i][0], &out));
        assert_string_equal(out, pairs[i][1]);
    }
    assert_true(installation_absolute(&f->c, "./var", &out));
    assert_true(out[0] == '/' && !strstr(out, "/./"));
}

static void an_installation_is_written_read_and_remembered(void **state)
{
    struct fixture *f = *state;
    Oms__Installation i = OMS__INSTALLATION__INIT, *back;
    const char *dir;

    assert_false(installation_read(&f->c, f->dir, &back));
    assert_int_equal(f->c.e.code, ERR_NOT_FOUND);
    assert_false(installation_remembered(&f->c, &dir));
    assert_int_equal(f->c.e.code, ERR_UNAVAILABLE);
    i.dir = f->dir;
    i.metadb_dir = (char *)"/x y/#z";
    assert_true(installation_write(&f->c, &i));
    assert_true(installation_read(&f->c, f->dir, &back));
    assert_string_equal(back->metadb_dir, "/x y/#z");
    assert_true(installation_remember(&f->c, f->dir));
    assert_true(installation_remembered(&f->c, &dir));
    assert_string_equal(dir, f->dir);
}

static void deep_directories_are_too_long_for_sockets(void **state)
{
    char deep[200];

    (void)state;
    memset(deep, 'a', sizeof deep - 1);
    deep[0] = '/';
    deep[sizeof deep - 1] = '\0';
    assert_false(installation_is_short(deep));
    assert_true(installation_is_short("/srv/oms/var/supervisor"));
}

static void a_process_is_found_by_its_command_line_and_stopped(void **state)
{
    struct fixture *f = *state;
    const char *unique = arena_printf(&f->c.arena, "%s/x", f->dir);
    const char *const argv[] = {"/usr/bin/tail", "-f", "/dev/null", "--pid", "1", "-s", "60", "--",
                                unique,          NULL};
    struct spawn_options o = {.argv = argv};
    pid_t pid;
    int fd;

    assert_int_equal(process_find("tail", "--", unique, 0), 0);
    assert_true(spawn_process(&o, &pid, &f->c.e));
    assert_true(pidfd_open_pid(pid, &fd, &f->c.e));
    /* the command line appears a moment after the start */
    for (int i = 0; i < 1000 && process_find("tail", "--", unique, 0) == 0; i++)
        assert_false(process_ended(fd, 10));
    close(fd);
    assert_int_equal(process_find("tail", "--", unique, 0), pid);
    assert_int_equal(process_find("tail", "--", arena_printf(&f->c.arena, "%s/", f->dir), 0), pid);
    assert_int_equal(process_find("tail", "--", f->dir, 0), 0);
    assert_int_equal(process_find("head", "--", unique, 0), 0);
    assert_int_equal(process_find("tail", "--", unique, pid), 0);
    assert_true(process_stop(pid, SIGTERM, 10000));
    waitpid(pid, NULL, 0);
    assert_true(process_stop(pid, SIGTERM, 10));
}

static void a_program_that_hangs_is_killed(void **state)
{
    struct fixture *f = *state;
    const char *const hang[] = {"/usr/bin/tail", "-f", "/dev/null", NULL};
    const char *const fail[] = {"/bin/false", NULL};
    struct spawn_options o = {.argv = hang};
    int code = 0;

    assert_false(process_run(&f->c, &o, 50, &code));
    assert_int_equal(f->c.e.code, ERR_TIMEOUT);
    o.argv = fail;
    assert_true(process_run(&f->c, &o, 10000, &code));
    assert_int_equal(code, 1);
}

static void directories_closed_to_the_metadbs_user_are_seen(void **state)
{
    (void)state;
    assert_true(metadb_is_reachable("/tmp/a/b", "nobody"));
    assert_true(metadb_is_reachable("/root/a", NULL));
    if (geteuid() == 0) {
        char dir[] = "/tmp/test_installation.XXXXXX", below[64];

        assert_non_null(mkdtemp(dir)); /* 0700 */
        snprintf(below, sizeof below, "%s/var", dir);
        assert_false(metadb_is_reachable(below, "nobody"));
        rmdir(dir);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(paths_become_absolute_and_clean),
        T(an_installation_is_written_read_and_remembered),
        T(deep_directories_are_too_long_for_sockets),
        T(a_process_is_found_by_its_command_line_and_stopped),
        T(a_program_that_hangs_is_killed),
        T(directories_closed_to_the_metadbs_user_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
