/* Private PostgreSQL servers for tests (postgres.h). */
#include "test/lib/postgres.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "common/os/spawn.h"

#define START_MS 60000
#define STEP_MS 20

static const char *run_as(void)
{
    if (geteuid() != 0)
        return NULL;
    return getpwnam("postgres") ? "postgres" : "nobody";
}

/* The newest version's program. */
static bool program(const char *name, char *path, size_t cap, struct err *e)
{
    char pattern[128];
    glob_t found;

    (void)snprintf(pattern, sizeof pattern, "/usr/lib/postgresql/*/bin/%s", name);
    if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0)
        return err_set(e, ERR_NOT_FOUND, "no '%s'", pattern);
    (void)snprintf(path, cap, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return true;
}

static bool spawn_in(struct postgres *p, const char *const *argv, struct err *e)
{
    char log[96];

    (void)snprintf(log, sizeof log, "%s/log", p->dir);
    struct spawn_options o = {.argv = argv, .cwd = p->dir, .stdout_path = log, .run_as = run_as()};
    return spawn_process(&o, &p->pid, e);
}

static bool make_dir(struct postgres *p, struct err *e)
{
    struct passwd *pw = run_as() ? getpwnam(run_as()) : NULL;

    (void)snprintf(p->dir, sizeof p->dir, "/tmp/oms-postgres-XXXXXX");
    if (!mkdtemp(p->dir))
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot make '%s'", p->dir);
    if (pw && chown(p->dir, pw->pw_uid, pw->pw_gid) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot give '%s' to its user", p->dir);
    (void)snprintf(p->conninfo, sizeof p->conninfo, "host=%s dbname=postgres user=oms", p->dir);
    return true;
}

static bool init(struct postgres *p, struct err *e)
{
    char initdb[128], data[96];
    int status;

    if (!program("initdb", initdb, sizeof initdb, e))
        return false;
    (void)snprintf(data, sizeof data, "%s/data", p->dir);
    const char *argv[] = {initdb,  "-D", data,   "-U",        "oms",        "-A",
                          "trust", "-E", "UTF8", "--no-sync", "--locale=C", NULL};
    if (!spawn_in(p, argv, e))
        return false;
    while (waitpid(p->pid, &status, 0) < 0)
        must(errno == EINTR);
    p->pid = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? true
               : err_set(e, ERR_SYSTEM, "initdb failed, see '%s/log'", p->dir);
}

/* The server listens before it is ready; a client's first bytes are then answered with an error,
 * so readiness is what its own pid file says. */
static bool is_ready(const struct postgres *p)
{
    char path[96], line[64];
    bool ready = false;

    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", p->dir);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f))
        ready |= strncmp(line, "ready", 5) == 0;
    fclose(f);
    return ready;
}

bool postgres_again(struct postgres *p, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), START_MS);
    char server[128], data[96];

    if (!program("postgres", server, sizeof server, e))
        return false;
    (void)snprintf(data, sizeof data, "%s/data", p->dir);
    /* setpriv: the server dies with the test, whatever happens to it. */
    const char *argv[] = {
        "/usr/bin/setpriv",  "--pdeathsig", "KILL", "--", server,      "-D", data, "-c",
        "listen_addresses=", "-k",          p->dir, "-c", "fsync=off", NULL};
    if (!spawn_in(p, argv, e))
        return false;
    while (!is_ready(p)) {
        if (waitpid(p->pid, NULL, WNOHANG) != 0) {
            p->pid = 0;
            return err_set(e, ERR_SYSTEM, "postgres ended at once, see '%s/log'", p->dir);
        }
        if (mono_cmp(clock_mono(), until) > 0)
            return err_set(e, ERR_TIMEOUT, "postgres does not answer");
        (void)poll(NULL, 0, STEP_MS);
    }
    return true;
}

bool postgres_start(struct postgres *p, struct err *e)
{
    memset(p, 0, sizeof *p);
    if (make_dir(p, e) && init(p, e) && postgres_again(p, e))
        return true;
    postgres_stop(p);
    return false;
}

void postgres_kill(struct postgres *p)
{
    char path[96];

    if (p->pid == 0)
        return;
    (void)kill(p->pid, SIGQUIT);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    p->pid = 0;
    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", p->dir);
    (void)unlink(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void postgres_stop(struct postgres *p)
{
    postgres_kill(p);
    if (p->dir[0])
        (void)nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    p->dir[0] = '\0';
}
