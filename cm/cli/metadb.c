/* The private PostgreSQL. See metadb.h. */
#include "cm/cli/metadb.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cm/cli/process.h"
#include "common/os/durable.h"

#define PG_ROOT "/usr/lib/postgresql"
#define RUN_MS 120000
#define LOG_TAIL 1500u

bool metadb_choose_user(struct cli *c, const char **user)
{
    *user = NULL;
    if (geteuid() != 0)
        return true;
    *user = getpwnam("postgres") ? "postgres" : "nobody";
    return getpwnam(*user) || err_set(&c->e, ERR_NOT_FOUND,
                                      "PostgreSQL refuses to run as root, and there is neither a "
                                      "user 'postgres' nor 'nobody'");
}

bool metadb_is_reachable(const char *dir, const char *user)
{
    struct passwd *pw = user ? getpwnam(user) : NULL;
    char path[4096];
    struct stat st;

    if (!pw)
        return true;
    snprintf(path, sizeof path, "%s", dir);
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        mode_t bit;

        slash[slash == path] = '\0'; /* the root keeps its slash */
        if (stat(path, &st) == 0) {
            bit = st.st_uid == pw->pw_uid ? S_IXUSR : st.st_gid == pw->pw_gid ? S_IXGRP : S_IXOTH;
            if (!(st.st_mode & bit))
                return false;
        }
        if (slash == path)
            return true;
    }
    return true;
}

/* Highest version below PG_ROOT that has initdb, or the one of the cluster that exists. */
static bool find_programs(struct cli *c, struct metadb *m)
{
    CLEANUP(buf_fini) struct buf version;
    const char *made = arena_printf(&c->arena, "%s/data/PG_VERSION", m->dir);
    long best = 0, wanted = 0;
    DIR *d = opendir(PG_ROOT);
    struct dirent *entry;

    buf_init(&version, 64);
    if (durable_read_file(made, &version, &c->e))
        wanted = strtol(buf_cstr(&version), NULL, 10);
    while (d && (entry = readdir(d)) != NULL) {
        long n = strtol(entry->d_name, NULL, 10);
        const char *initdb = arena_printf(&c->arena, PG_ROOT "/%s/bin/initdb", entry->d_name);

        if (n > best && (wanted == 0 || n == wanted) && access(initdb, X_OK) == 0) {
            best = n;
            m->bin = arena_printf(&c->arena, PG_ROOT "/%s/bin", entry->d_name);
        }
    }
    if (d)
        closedir(d);
    if (best == 0 && wanted)
        return err_set(&c->e, ERR_NOT_FOUND,
                       "'%s' was made by PostgreSQL %ld, which is not in " PG_ROOT, m->dir, wanted);
    return best > 0 || err_set(&c->e, ERR_NOT_FOUND,
                               "no PostgreSQL in " PG_ROOT "; install the package postgresql");
}

/* The end of a log, for an error that a person can act on. */
static const char *log_tail(struct cli *c, const char *path)
{
    CLEANUP(buf_fini) struct buf b;
    struct err e = ERR_INIT;
    const char *text;

    buf_init(&b, 64u << 20);
    if (!durable_read_file(path, &b, &e))
        return "";
    text = buf_cstr(&b);
    return arena_strdup(&c->arena, b.len > LOG_TAIL ? text + b.len - LOG_TAIL : text);
}

/* Runs one of PostgreSQL's programs as its user, output appended to DIR/oms.log. */
static bool run_program(struct cli *c, const struct metadb *m, const char *const *argv, int *code)
{
    static const char *const env[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
    struct spawn_options o = {.argv = argv,
                              .env = env,
                              .cwd = "/",
                              .stdout_path = arena_printf(&c->arena, "%s/oms.log", m->dir),
                              .new_session = true,
                              .run_as = m->user};

    return process_run(c, &o, RUN_MS, code);
}

static bool give_to_user(struct cli *c, const struct metadb *m, const char *path)
{
    struct passwd *pw = m->user ? getpwnam(m->user) : NULL;

    if (pw && chown(path, pw->pw_uid, pw->pw_gid) != 0)
        return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot give '%s' to user '%s'", path,
                             m->user);
    return true;
}

/* A directory of the user's own that nobody else can enter. */
static bool make_private_dir(struct cli *c, const struct metadb *m, const char *path)
{
    struct passwd *pw = m->user ? getpwnam(m->user) : NULL;
    struct stat st;

    if (!durable_mkdirs(path, 0755, &c->e) || !give_to_user(c, m, path))
        return false;
    if (chmod(path, 0700) != 0 || lstat(path, &st) != 0)
        return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot close '%s' to others", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != (pw ? pw->pw_uid : geteuid()))
        return err_set(&c->e, ERR_DENIED, "'%s' is not a directory of our own", path);
    return true;
}

static bool make_cluster(struct cli *c, const struct metadb *m, const char *data)
{
    const char *initdb = arena_printf(&c->arena, "%s/initdb", m->bin);
    const char *const argv[] = {initdb,
                                "-D",
                                data,
                                "-U",
                                "oms",
                                "--auth=trust",
                                "--encoding=UTF8",
                                "--locale=C",
                                "--no-instructions",
                                NULL};
    int code;

    if (!run_program(c, m, argv, &code))
        return false;
    return code == 0 || err_set(&c->e, ERR_SYSTEM, "initdb left with %d: %s", code,
                                log_tail(c, arena_printf(&c->arena, "%s/oms.log", m->dir)));
}

/* What differs from PostgreSQL's own standard: small, private, on a unix socket alone. */
static bool write_settings(struct cli *c, const struct metadb *m, const char *data)
{
    const char *path = arena_printf(&c->arena, "%s/postgresql.auto.conf", data);
    const char *text = arena_printf(&c->arena,
                                    "listen_addresses = ''\n"
                                    "unix_socket_directories = '\"%s\"'\n"
                                    "unix_socket_permissions = 0700\n"
                                    "max_connections = 40\n"
                                    "shared_buffers = 32MB\n"
                                    "max_wal_size = 256MB\n"
                                    "jit = off\n"
                                    "log_line_prefix = '%%m [%%p] '\n",
                                    m->socket_dir);

    return durable_write_file(path, text, strlen(text), 0600, &c->e) && give_to_user(c, m, path);
}

static bool is_running(struct cli *c, const struct metadb *m, const char *data, bool *running)
{
    const char *pg_ctl = arena_printf(&c->arena, "%s/pg_ctl", m->bin);
    const char *const argv[] = {pg_ctl, "status", "-D", data, NULL};
    int code;

    if (!run_program(c, m, argv, &code))
        return false;
    *running = code == 0;
    return true;
}

static bool start_server(struct cli *c, const struct metadb *m, const char *data)
{
    const char *pg_ctl = arena_printf(&c->arena, "%s/pg_ctl", m->bin);
    const char *log = arena_printf(&c->arena, "%s/log", m->dir);
    const char *const argv[] = {pg_ctl, "start", "-D", data, "-l", log, "-w", "-t", "60", NULL};
    int code;

    if (!write_settings(c, m, data) || !run_program(c, m, argv, &code))
        return false;
    return code == 0 || err_set(&c->e, ERR_SYSTEM, "PostgreSQL does not start (log '%s'): %s", log,
                                log_tail(c, log));
}

static bool make_database(struct cli *c, const struct metadb *m)
{
    const char *createdb = arena_printf(&c->arena, "%s/createdb", m->bin);
    const char *const argv[] = {createdb, "-h", m->socket_dir, "-U", "oms", "oms", NULL};
    const char *log = arena_printf(&c->arena, "%s/oms.log", m->dir), *text;
    int code;

    if (!run_program(c, m, argv, &code))
        return false;
    if (code == 0)
        return true;
    text = log_tail(c, log);
    return strstr(text, "already exists") != NULL ||
           err_set(&c->e, ERR_SYSTEM, "createdb left with %d: %s", code, text);
}

bool metadb_up(struct cli *c, struct metadb *m, bool *started)
{
    const char *data = arena_printf(&c->arena, "%s/data", m->dir);
    bool running;

    *started = false;
    if (!find_programs(c, m) || !make_private_dir(c, m, m->dir) ||
        !make_private_dir(c, m, m->socket_dir))
        return false;
    if (access(arena_printf(&c->arena, "%s/PG_VERSION", data), F_OK) != 0) {
        cli_say(c, "making the MetaDB in %s", m->dir);
        if (!make_cluster(c, m, data))
            return false;
    }
    if (!is_running(c, m, data, &running))
        return false;
    if (running)
        return true;
    *started = true;
    return start_server(c, m, data) && make_database(c, m);
}

bool metadb_down(struct cli *c, struct metadb *m, bool *stopped)
{
    const char *data = arena_printf(&c->arena, "%s/data", m->dir), *pg_ctl;
    bool running;
    int code;

    *stopped = false;
    if (access(arena_printf(&c->arena, "%s/PG_VERSION", data), F_OK) != 0)
        return true;
    if (!find_programs(c, m) || !is_running(c, m, data, &running))
        return false;
    if (!running)
        return true;
    pg_ctl = arena_printf(&c->arena, "%s/pg_ctl", m->bin);
    const char *const argv[] = {pg_ctl, "stop", "-D", data, "-m", "fast", "-w", "-t", "60", NULL};
    if (!run_program(c, m, argv, &code))
        return false;
    *stopped = code == 0;
    return *stopped || err_set(&c->e, ERR_SYSTEM, "PostgreSQL in '%s' does not stop", m->dir);
}
