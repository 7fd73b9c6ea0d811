/* Private servers for tests (mariadb.h), MariaDB's or MySQL's. A server that does not come up
 * within 60 s fails the test with the end of its error log. */
#include "test/lib/mariadb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
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
#include "common/base/vec.h"
#include "common/os/clock.h"
#include "common/os/spawn.h"

#define START_MS 60000
#define STEP_MS 20

typedef VEC(const char *) words;

/* A server does not run as root; the packages of the bare server make no user of its own. */
static const char *run_as(void)
{
    if (geteuid() != 0)
        return NULL;
    return getpwnam("mysql") ? "mysql" : "nobody";
}

static bool free_port(uint16_t *port, struct err *e)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
              getsockname(fd, (struct sockaddr *)&a, &len) == 0;

    if (!ok)
        (void)err_set_errno(e, ERR_SYSTEM, errno, "cannot find a free port");
    else
        *port = ntohs(a.sin_port);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The end of a log file, into the message. */
static bool fail_with_log(struct mariadb *m, const char *what, struct err *e)
{
    char path[128], tail[601] = "";

    (void)snprintf(path, sizeof path, "%s/log", m->dir);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fseek(f, -600, SEEK_END) != 0)
            rewind(f);
        tail[fread(tail, 1, sizeof tail - 1, f)] = '\0';
        fclose(f);
    }
    return err_set(e, ERR_SYSTEM, "%s: %s", what, tail);
}

static bool spawn_in(struct mariadb *m, words *argv, struct err *e)
{
    char log[128];

    (void)snprintf(log, sizeof log, "%s/log", m->dir);
    vec_push(argv, NULL);
    struct spawn_options o = {
        .argv = argv->at, .cwd = m->dir, .stdout_path = log, .run_as = run_as()};
    return spawn_process(&o, &m->pid, e);
}

/* Waits for a program that was started with spawn_in. */
static bool ended_well(struct mariadb *m)
{
    int status;

    while (waitpid(m->pid, &status, 0) < 0)
        must(errno == EINTR);
    m->pid = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static const char *mysql_program(void)
{
    static char path[PATH_MAX];

    if (!path[0] && !realpath("deploy/sample/mysql-server", path))
        path[0] = '\0';
    return path;
}

bool mysql_available(void)
{
    static int known; /* 1 yes, 2 no */
    struct mariadb asking = {.dir = "/tmp"};
    struct err e = ERR_INIT;

    if (known)
        return known == 1;
    const char *const argv[] = {mysql_program(), "root", NULL};
    struct spawn_options o = {.argv = argv, .cwd = "/"};
    known = argv[0][0] && spawn_process(&o, &asking.pid, &e) && ended_well(&asking) ? 1 : 2;
    if (known == 2)
        (void)fprintf(
            stderr,
            "SKIPPED: no MySQL server can be had here (deploy/sample/mysql-server root tells why): "
            "its tests do not run %s\n",
            e.message);
    return known == 1;
}

static bool install_mysql(struct mariadb *m, struct err *e)
{
    words argv = {0};
    char datadir[128];

    (void)snprintf(datadir, sizeof datadir, "--datadir=%s/data", m->dir);
    vec_push(&argv, mysql_program());
    vec_push(&argv, "run");
    vec_push(&argv, datadir);
    vec_push(&argv, "--initialize-insecure");
    vec_push(&argv, "--innodb-redo-log-capacity=64M");
    bool ok = spawn_in(m, &argv, e);
    vec_fini(&argv);
    if (!ok)
        return false;
    return ended_well(m) || fail_with_log(m, "mysqld --initialize failed", e);
}

static bool install(struct mariadb *m, struct err *e)
{
    words argv = {0};
    char datadir[128], tmpdir[128];

    if (m->is_mysql)
        return install_mysql(m, e);
    (void)snprintf(datadir, sizeof datadir, "--datadir=%s/data", m->dir);
    /* Who begins removes temporary tables of others from a directory that they share. */
    (void)snprintf(tmpdir, sizeof tmpdir, "--tmpdir=%s", m->dir);
    vec_push(&argv, "/usr/bin/mariadb-install-db");
    vec_push(&argv, "--no-defaults");
    vec_push(&argv, datadir);
    vec_push(&argv, "--auth-root-authentication-method=normal");
    vec_push(&argv, "--skip-test-db");
    vec_push(&argv, tmpdir);
    vec_push(&argv, "--innodb-log-file-size=64M");
    bool ok = spawn_in(m, &argv, e);
    vec_fini(&argv);
    if (!ok)
        return false;
    return ended_well(m) || fail_with_log(m, "mariadb-install-db failed", e);
}

/* Connecting works: the init file has run and the server serves. */
static bool answers(const struct mariadb *m)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", m->socket);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool wait_ready(struct mariadb *m, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), START_MS);

    while (!answers(m)) {
        if (waitpid(m->pid, NULL, WNOHANG) != 0) {
            m->pid = 0;
            return fail_with_log(m, "the server ended at once", e);
        }
        if (mono_cmp(clock_mono(), until) > 0)
            return fail_with_log(m, "the server does not answer", e);
        (void)poll(NULL, 0, STEP_MS);
    }
    return true;
}

static const char *const mysql_options[] = {
    "--bind-address=127.0.0.1",
    "--log-bin=bin",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--binlog-row-metadata=FULL",
    "--mysqlx=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-redo-log-capacity=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--performance-schema=OFF",
    "--max-allowed-packet=256M",
    "--local-infile=1",
    "--secure-file-priv=",
    "--skip-name-resolve",
    NULL,
};

static const char *const fixed_options[] = {
    "--gtid-strict-mode=1",
    "--bind-address=127.0.0.1",
    "--log-bin=bin",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--binlog-checksum=CRC32",
    "--log-slave-updates=1",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--max-allowed-packet=256M",
    "--max-connections=200",
    "--local-infile=1",
    "--skip-name-resolve",
    NULL,
};

bool mariadb_again(struct mariadb *m, const char *const *extra, struct err *e)
{
    char own[7][160];
    words argv = {0};

    /* setpriv: the server dies with the test, whatever happens to it. */
    vec_push(&argv, "/usr/bin/setpriv");
    vec_push(&argv, "--pdeathsig");
    vec_push(&argv, "KILL");
    vec_push(&argv, "--");
    vec_push(&argv, m->is_mysql ? mysql_program() : "/usr/sbin/mariadbd");
    vec_push(&argv, m->is_mysql ? "run" : "--no-defaults");
    (void)snprintf(own[0], sizeof own[0], "--datadir=%s/data", m->dir);
    (void)snprintf(own[1], sizeof own[1], "--socket=%s", m->socket);
    (void)snprintf(own[2], sizeof own[2], "--pid-file=%s/pid", m->dir);
    (void)snprintf(own[3], sizeof own[3], "--port=%u", m->port);
    (void)snprintf(own[4], sizeof own[4], "--server-id=%u", m->server_id);
    (void)snprintf(own[5], sizeof own[5], "--init-file=%s/init.sql", m->dir);
    /* Temporary tables lie with the rest and go with it. */
    (void)snprintf(own[6], sizeof own[6], "--tmpdir=%s/data", m->dir);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        vec_push(&argv, own[i]);
    for (const char *const *o = m->is_mysql ? mysql_options : fixed_options; *o; o++)
        vec_push(&argv, *o);
    for (; extra && *extra; extra++)
        vec_push(&argv, *extra);
    bool ok = spawn_in(m, &argv, e);
    vec_fini(&argv);
    return ok && wait_ready(m, e);
}

static bool make_dir(struct mariadb *m, struct err *e)
{
    char path[128];
    struct passwd *pw = run_as() ? getpwnam(run_as()) : NULL;

    (void)snprintf(m->dir, sizeof m->dir, "/tmp/oms-mariadb-XXXXXX");
    if (!mkdtemp(m->dir))
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot make '%s'", m->dir);
    if (pw && chown(m->dir, pw->pw_uid, pw->pw_gid) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot give '%s' to its user", m->dir);
    (void)snprintf(m->socket, sizeof m->socket, "%s/sock", m->dir);
    (void)snprintf(path, sizeof path, "%s/init.sql", m->dir);
    FILE *f = fopen(path, "we");
    if (!f)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot write '%s'", path);
    /* Not in the binary log: it begins empty, and is the same after each start. */
    fputs("SET sql_log_bin=0;\n"
          "CREATE USER IF NOT EXISTS 'oms'@'%' IDENTIFIED BY 'oms';\n"
          "GRANT ALL PRIVILEGES ON *.* TO 'oms'@'%' WITH GRANT OPTION;\n",
          f);
    fclose(f);
    return chmod(path, 0644) == 0 || err_set_errno(e, ERR_SYSTEM, errno, "cannot show '%s'", path);
}

static bool start(struct mariadb *m, const char *const *extra, struct err *e)
{
    if (make_dir(m, e) && install(m, e) && free_port(&m->port, e) && mariadb_again(m, extra, e))
        return true;
    mariadb_stop(m);
    return false;
}

bool mariadb_start(struct mariadb *m, uint32_t server_id, const char *const *extra, struct err *e)
{
    *m = (struct mariadb){.server_id = server_id};
    return start(m, extra, e);
}

bool mysql_start(struct mariadb *m, uint32_t server_id, const char *const *extra, struct err *e)
{
    *m = (struct mariadb){.server_id = server_id, .is_mysql = true};
    return start(m, extra, e);
}

static void end(struct mariadb *m, int sig)
{
    if (m->pid == 0)
        return;
    (void)kill(m->pid, sig);
    while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    m->pid = 0;
    (void)unlink(m->socket);
}

void mariadb_kill(struct mariadb *m)
{
    end(m, SIGKILL);
}

void mariadb_shutdown(struct mariadb *m)
{
    end(m, SIGTERM);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void mariadb_stop(struct mariadb *m)
{
    mariadb_kill(m);
    if (m->dir[0])
        (void)nftw(m->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    m->dir[0] = '\0';
}

struct endpoint_address mariadb_address(const struct mariadb *m)
{
    return (struct endpoint_address){.kind = m->is_mysql ? "mysql" : "mariadb",
                                     .host = "127.0.0.1",
                                     .port = m->port,
                                     .user = "oms",
                                     .password = "oms",
                                     .tls_mode = "off"};
}
