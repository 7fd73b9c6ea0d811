/*
 * oms up: a one-host installation, or what is missing of it. Order: directories and secrets,
 * MetaDB, configuration, CM (until it answers), Supervisor (until its host is up). Each part is
 * looked at first, so a second run starts only what does not run. A lock keeps two runs apart.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cm/cli/cli.h"
#include "cm/cli/installation.h"
#include "cm/cli/metadb.h"
#include "cm/cli/process.h"
#include "common/crypto/token.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

#define DAEMON_MS 60000
#define LOOK_EVERY_MS 100

struct up {
    struct cli *c;
    const char *dir, *bin, *supervisor_dir;
    const char *cm_config, *supervisor_config;
    Oms__Installation *i;
    bool old; /* the installation was there before */
};

static const char *path_of(struct up *u, const char *name)
{
    return arena_printf(&u->c->arena, "%s/%s", u->dir, name);
}

/* Eight digits that make a name new. */
static bool random_tail(struct cli *c, const char **out)
{
    unsigned char raw[4];
    char *text = arena_alloc(&c->arena, 2 * sizeof raw + 1);

    if (!token_random_bytes(raw, sizeof raw, &c->e))
        return false;
    token_to_hex(raw, sizeof raw, text);
    *out = text;
    return true;
}

/* Secrets that are there stay: everything sealed with them depends on it. */
static bool make_secrets(struct up *u)
{
    static const char *const names[] = {"secret/master.key", "secret/admin.token",
                                        "secret/host.token"};
    struct cli *c = u->c;

    if (!durable_mkdirs(path_of(u, "secret"), 0700, &c->e))
        return false;
    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        const char *path = path_of(u, names[k]);
        char secret[TOKEN_TEXT_MAX];

        if (access(path, F_OK) == 0)
            continue;
        if (!token_make(secret, &c->e) ||
            !durable_write_file(path, secret, strlen(secret), 0600, &c->e))
            return false;
    }
    return true;
}

/* Where sockets go: the installation itself, or a short directory beside it where that is too deep
 * for sun_path. */
static bool choose_places(struct up *u)
{
    struct cli *c = u->c;
    const char *user, *tail;

    if (!metadb_choose_user(c, &user))
        return false;
    u->i->metadb_user = (char *)(user ? user : "");
    u->i->metadb_dir = (char *)path_of(u, "metadb");
    if (!metadb_is_reachable(u->dir, user)) {
        if (!random_tail(c, &tail))
            return false;
        u->i->metadb_dir = arena_printf(&c->arena, "/var/lib/oms-%s/metadb", tail);
        cli_say(c, "user '%s' cannot enter %s: the MetaDB goes to %s", user, u->dir,
                u->i->metadb_dir);
    }
    u->i->runtime_dir = (char *)u->dir;
    if (!installation_is_short(path_of(u, "supervisor")) ||
        !installation_is_short(u->i->metadb_dir)) {
        if (!random_tail(c, &tail))
            return false;
        u->i->runtime_dir = arena_printf(&c->arena, "/tmp/oms-%s", tail);
    }
    return true;
}

static bool open_installation(struct up *u)
{
    struct cli *c = u->c;

    if (installation_read(c, u->dir, &u->i)) {
        u->old = true;
    } else {
        if (c->e.code != ERR_NOT_FOUND)
            return false;
        u->i = arena_alloc(&c->arena, sizeof *u->i);
        oms__installation__init(u->i);
        u->i->dir = (char *)u->dir;
        if (!choose_places(u))
            return false;
    }
    u->i->cm_address_file = (char *)path_of(u, "cm/address");
    u->i->admin_token_file = (char *)path_of(u, "secret/admin.token");
    u->i->has_started_us = true;
    u->i->started_us = (uint64_t)clock_wall().us;
    return installation_write(c, u->i);
}

/* The Supervisor's directory under a name short enough for its socket. */
static bool make_supervisor_dir(struct up *u)
{
    struct cli *c = u->c;
    const char *real = path_of(u, "supervisor");

    if (!durable_mkdirs(real, 0755, &c->e))
        return false;
    u->supervisor_dir = real;
    if (installation_is_short(real))
        return true;
    u->supervisor_dir = arena_printf(&c->arena, "%s/supervisor", u->i->runtime_dir);
    if (!durable_mkdirs(u->i->runtime_dir, 0755, &c->e))
        return false;
    if (symlink(real, u->supervisor_dir) != 0 && errno != EEXIST)
        return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot make '%s'", u->supervisor_dir);
    return true;
}

static bool start_metadb(struct up *u, struct metadb *m)
{
    struct cli *c = u->c;
    bool started;

    m->dir = u->i->metadb_dir;
    m->user = u->i->metadb_user && *u->i->metadb_user ? u->i->metadb_user : NULL;
    m->socket_dir = arena_printf(
        &c->arena, "%s/pg", strcmp(u->i->runtime_dir, u->dir) == 0 ? m->dir : u->i->runtime_dir);
    if (!metadb_up(c, m, &started))
        return err_wrap(&c->e, "MetaDB");
    cli_say(c, "MetaDB: %s", started ? "started" : "runs already");
    return true;
}

/* What the file says already, or an empty message. */
static bool read_config(struct up *u, const char *path, const ProtobufCMessageDescriptor *d,
                        ProtobufCMessage **out)
{
    CLEANUP(buf_fini) struct buf text;
    struct cli *c = u->c;

    buf_init(&text, 1u << 20);
    if (durable_read_file(path, &text, &c->e))
        return pbtext_parse_yaml(path, (const char *)text.p, text.len, d, &c->arena, out, &c->e);
    *out = arena_alloc(&c->arena, d->sizeof_message);
    protobuf_c_message_init(d, *out);
    return c->e.code == ERR_NOT_FOUND;
}

static bool write_config(struct up *u, const char *path, const ProtobufCMessage *m)
{
    CLEANUP(buf_fini) struct buf text;

    buf_init(&text, 1u << 20);
    buf_str(&text, "# Written by oms up; other settings may be added, see the reference.\n");
    pbtext_format_yaml(m, &text);
    return durable_write_file(path, text.p, text.len, 0640, &u->c->e);
}

/* A command line's option goes into the file; what the file says otherwise stays. */
static void set_from_option(struct up *u, const char *option, char **member)
{
    const char *value = cli_value(u->c, option);

    if (value)
        *member = (char *)value;
}

static bool write_configs(struct up *u, const struct metadb *m)
{
    struct cli *c = u->c;
    Oms__CmConfig *cm;
    Oms__SupervisorConfig *sv;
    ProtobufCMessage *x, *y;
    char *cms[1];

    u->cm_config = path_of(u, "cm/cm.yaml");
    u->supervisor_config = path_of(u, "supervisor/supervisor.yaml");
    if (!durable_mkdirs(path_of(u, "cm"), 0755, &c->e) ||
        !read_config(u, u->cm_config, &oms__cm_config__descriptor, &x) ||
        !read_config(u, u->supervisor_config, &oms__supervisor_config__descriptor, &y))
        return false;
    cm = (Oms__CmConfig *)x;
    cm->dir = (char *)path_of(u, "cm");
    cm->metadb = arena_printf(&c->arena, "host=%s dbname=oms user=oms", m->socket_dir);
    cm->master_key_file = (char *)path_of(u, "secret/master.key");
    cm->admin_token_file = u->i->admin_token_file;
    cm->host_token_file = (char *)path_of(u, "secret/host.token");
    set_from_option(u, "listen", &cm->listen);
    sv = (Oms__SupervisorConfig *)y;
    sv->dir = (char *)u->supervisor_dir;
    sv->host_token_file = cm->host_token_file;
    cms[0] = arena_printf(&c->arena, "file:%s", u->i->cm_address_file);
    sv->cm = cms;
    sv->n_cm = 1;
    set_from_option(u, "name", &sv->name);
    set_from_option(u, "idc", &sv->idc);
    set_from_option(u, "region", &sv->region);
    return write_config(u, u->cm_config, x) && write_config(u, u->supervisor_config, y);
}

static bool start_daemon(struct up *u, const char *program, const char *config, const char *dir,
                         pid_t *pid)
{
    struct cli *c = u->c;
    const char *path = arena_printf(&c->arena, "%s/%s", u->bin, program);
    const char *const argv[] = {path, "--config", config, NULL};
    struct spawn_options o = {.argv = argv,
                              .cwd = "/",
                              .stdout_path = arena_printf(&c->arena, "%s/out", dir),
                              .new_session = true};

    *pid = process_find(program, "--config", config, 0);
    if (*pid) {
        cli_say(c, "%s: runs already (pid %d)", program, (int)*pid);
        return true;
    }
    if (access(path, X_OK) != 0)
        return err_set_errno(&c->e, ERR_NOT_FOUND, errno, "no program '%s'", path);
    if (!spawn_process(&o, pid, &c->e))
        return false;
    cli_say(c, "%s: started (pid %d)", program, (int)*pid);
    return true;
}

/* Asked again and again until it is true. */
typedef bool ready_fn(struct up *u, pid_t pid);

static bool wait_ready(struct up *u, const char *program, const char *dir, pid_t pid,
                       ready_fn *ready)
{
    struct cli *c = u->c;
    struct mono end = mono_add_ms(clock_mono(), DAEMON_MS);
    bool done = false, ended = false;
    int fd;

    if (!pidfd_open_pid(pid, &fd, &c->e))
        return err_set(&c->e, ERR_SYSTEM, "%s ended at once; see the logs in %s", program, dir);
    while (!done && !ended && mono_cmp(clock_mono(), end) < 0) {
        done = ready(u, pid);
        ended = !done && process_ended(fd, LOOK_EVERY_MS);
    }
    close(fd);
    if (ended)
        return err_set(&c->e, ERR_SYSTEM, "%s ended by itself; see the logs in %s", program, dir);
    return done ||
           err_set(&c->e, ERR_TIMEOUT, "%s is not ready after %d seconds; see the logs in %s",
                   program, DAEMON_MS / 1000, dir);
}

static bool cm_answers(struct up *u, pid_t pid)
{
    struct cli *c = u->c;
    Oms__StatusReply *s;
    const char *url;

    if (!installation_read_line(c, u->i->cm_address_file, &url) || !*url)
        return false;
    if (!cli_connect_to(c, url, u->i->admin_token_file) || !cli_call_empty(c, "Status", &s))
        return false;
    return (pid_t)s->pid == pid || !s->has_pid;
}

static bool host_is_up(struct up *u, pid_t pid)
{
    Oms__StatusReply *s;

    (void)pid;
    return cli_call_empty(u->c, "Status", &s) && s->hosts_up > 0;
}

static bool start_daemons(struct up *u)
{
    struct cli *c = u->c;
    const char *cm_dir = path_of(u, "cm");
    pid_t pid;

    if (!process_find("oms-cm", "--config", u->cm_config, 0) &&
        !durable_unlink(u->i->cm_address_file, &c->e))
        return false; /* an old address would be believed */
    return start_daemon(u, "oms-cm", u->cm_config, cm_dir, &pid) &&
           wait_ready(u, "oms-cm", cm_dir, pid, cm_answers) &&
           start_daemon(u, "oms-supervisor", u->supervisor_config, u->supervisor_dir, &pid) &&
           wait_ready(u, "oms-supervisor", u->supervisor_dir, pid, host_is_up);
}

static bool bring_up(struct up *u)
{
    struct cli *c = u->c;
    struct metadb m = {0};
    int lock;

    if (!process_own_dir(c, &u->bin) || !durable_mkdirs(u->dir, 0755, &c->e) ||
        !durable_lock(path_of(u, "lock"), &lock, &c->e))
        return false;
    return open_installation(u) && make_secrets(u) && make_supervisor_dir(u) &&
           start_metadb(u, &m) && write_configs(u, &m) && start_daemons(u) &&
           installation_remember(c, u->dir);
}

/* --dir, else ./var if it is an installation, else the one last started, else ./var. */
static bool choose_dir(struct cli *c, const char **dir)
{
    const char *given = cli_value(c, "dir"), *remembered;
    Oms__Installation *i;

    if (!installation_absolute(c, given ? given : "./var", dir))
        return false;
    if (given || installation_read(c, *dir, &i))
        return true;
    if (installation_remembered(c, &remembered) && installation_read(c, remembered, &i))
        *dir = remembered;
    return true;
}

enum cli_exit cli_up(struct cli *c)
{
    struct up u = {.c = c};

    if (!choose_dir(c, &u.dir) || !bring_up(&u))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON)
        return cli_status(c);
    buf_printf(&c->out, "OMS is up in %s; its CM listens on %s\n%s", u.dir, c->url,
               u.old ? ""
                     : "next: oms datasource add --example > shop.yaml, edit, and "
                       "oms datasource add -f shop.yaml\n");
    return CLI_FINE;
}
