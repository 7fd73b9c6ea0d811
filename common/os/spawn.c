/* Processes. See spawn.h. */
#include "common/os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/base/vec.h"

extern char **environ;

struct plan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    VEC(const char *) argv;
};

static void plan_fini(struct plan *p)
{
    posix_spawn_file_actions_destroy(&p->actions);
    posix_spawnattr_destroy(&p->attr);
    vec_fini(&p->argv);
}

static void plan_streams(struct plan *p, const struct spawn_options *o)
{
    const char *out = o->stdout_path ? o->stdout_path : "/dev/null";
    int flags = O_WRONLY | O_CREAT | O_APPEND;

    posix_spawn_file_actions_addopen(&p->actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&p->actions, 1, out, flags, 0640);
    if (o->stderr_path)
        posix_spawn_file_actions_addopen(&p->actions, 2, o->stderr_path, flags, 0640);
    else
        posix_spawn_file_actions_adddup2(&p->actions, 1, 2);
    posix_spawn_file_actions_addclosefrom_np(&p->actions, 3);
}

static void plan_attr(struct plan *p, const struct spawn_options *o)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&p->attr, &none);
    posix_spawnattr_setsigdefault(&p->attr, &all);
    if (o->new_session)
        flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&p->attr, flags);
}

/* posix_spawn cannot change the user: setpriv (util-linux, always there on Debian) does it. */
static void plan_argv(struct plan *p, const struct spawn_options *o, char *reuid, char *regid)
{
    if (o->run_as && geteuid() == 0) {
        vec_push(&p->argv, "/usr/bin/setpriv");
        vec_push(&p->argv, reuid);
        vec_push(&p->argv, regid);
        vec_push(&p->argv, "--clear-groups");
        vec_push(&p->argv, "--");
    }
    for (const char *const *a = o->argv; *a; a++)
        vec_push(&p->argv, *a);
    vec_push(&p->argv, NULL);
}

bool spawn_process(const struct spawn_options *o, pid_t *pid, struct err *e)
{
    CLEANUP(plan_fini) struct plan p = {0};
    char reuid[64] = "", regid[64] = "";
    int rc;

    must(posix_spawn_file_actions_init(&p.actions) == 0);
    must(posix_spawnattr_init(&p.attr) == 0);
    if (o->run_as) {
        struct passwd *pw = getpwnam(o->run_as);

        if (!pw)
            return err_set(e, ERR_NOT_FOUND, "no user '%s' on this host", o->run_as);
        snprintf(reuid, sizeof reuid, "--reuid=%u", (unsigned)pw->pw_uid);
        snprintf(regid, sizeof regid, "--regid=%u", (unsigned)pw->pw_gid);
    }
    plan_argv(&p, o, reuid, regid);
    plan_streams(&p, o);
    plan_attr(&p, o);
    if (o->cwd)
        posix_spawn_file_actions_addchdir_np(&p.actions, o->cwd);
    rc = posix_spawn(pid, p.argv.at[0], &p.actions, &p.attr, (char *const *)p.argv.at,
                     o->env ? (char *const *)o->env : environ);
    if (rc != 0)
        return err_set_errno(e, ERR_SYSTEM, rc, "cannot start '%s'", o->argv[0]);
    return true;
}

bool pidfd_open_pid(pid_t pid, int *fd, struct err *e)
{
    int f = (int)syscall(SYS_pidfd_open, pid, 0);

    if (f < 0)
        return err_set_errno(e, errno == ESRCH ? ERR_NOT_FOUND : ERR_SYSTEM, errno,
                             "cannot open pidfd of process %d", (int)pid);
    *fd = f;
    return true;
}

bool pidfd_signal(int fd, int sig, struct err *e)
{
    if (syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) != 0)
        return err_set_errno(e, errno == ESRCH ? ERR_NOT_FOUND : ERR_SYSTEM, errno,
                             "cannot send signal %d", sig);
    return true;
}

bool process_start_time(pid_t pid, uint64_t *ticks, struct err *e)
{
    char path[64], line[2048], *p;
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return err_set(e, ERR_NOT_FOUND, "no process %d", (int)pid);
    n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    p = strrchr(line, ')'); /* the name may hold spaces and parentheses; field 3 follows the last */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return err_set(e, ERR_NOT_FOUND, "process %d is gone", (int)pid);
    *ticks = strtoull(p + 1, NULL, 10);
    return true;
}
