/* A CM in a process of its own (cm_world.h). */
#include "test/lib/cm_world.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cm/cm.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/os/spawn.h"

#define ADMIN_TOKEN "admin-token-of-the-test"
#define HOST_TOKEN "host-token-of-the-test"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define START_MS 20000
#define CALL_MS 5000

bool cm_world_main(int argc, char **argv, int *code)
{
    struct err e = ERR_INIT;

    if (argc != 3 || strcmp(argv[1], "--cm") != 0)
        return false;
    *code = cm_run(argv[2], &e) ? 0 : 1;
    if (*code)
        fprintf(stderr, "cm: %s\n", e.message);
    return true;
}

static bool write_file(struct cm_world *w, const char *name, const char *text, struct err *e)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
    return durable_write_file(path, text, strlen(text), 0600, e);
}

bool cm_world_open(struct cm_world *w, const char *name, const char *parent_dir,
                   const char *conninfo, struct err *e)
{
    char text[1000];

    memset(w, 0, sizeof *w);
    arena_init(&w->arena, 0);
    (void)snprintf(w->dir, sizeof w->dir, "%s/%s", parent_dir, name);
    (void)snprintf(w->config, sizeof w->config, "%s/cm.yaml", w->dir);
    (void)snprintf(text, sizeof text,
                   "dir: %s\nmetadb: \"%s\"\nmaster_key_file: %s/master.key\n"
                   "admin_token_file: %s/admin.token\nhost_token_file: %s/host.token\n",
                   w->dir, conninfo, w->dir, w->dir, w->dir);
    return durable_mkdirs(w->dir, 0755, e) && write_file(w, "master.key", KEY "\n", e) &&
           write_file(w, "admin.token", ADMIN_TOKEN "\n", e) &&
           write_file(w, "host.token", HOST_TOKEN "\n", e) && write_file(w, "cm.yaml", text, e);
}

static void disconnect(struct cm_world *w)
{
    if (w->admin)
        rpc_client_close(w->admin);
    if (w->host)
        rpc_client_close(w->host);
    w->admin = w->host = NULL;
}

static bool connect_clients(struct cm_world *w, struct err *e)
{
    struct rpc_client_options o = {
        .url = w->url, .token = ADMIN_TOKEN, .max_message_bytes = CM_MESSAGE_MAX};

    if (!rpc_client_open(&o, &w->admin, e))
        return false;
    o.token = HOST_TOKEN;
    return rpc_client_open(&o, &w->host, e);
}

static bool read_address(struct cm_world *w)
{
    char path[128];
    struct buf text;
    struct err e = ERR_INIT;

    (void)snprintf(path, sizeof path, "%s/address", w->dir);
    buf_init(&text, 1024);
    bool ok = durable_read_file(path, &text, &e);
    if (ok) {
        (void)snprintf(w->url, sizeof w->url, "%s", buf_cstr(&text));
        w->url[strcspn(w->url, "\n")] = '\0';
    }
    buf_fini(&text);
    return ok;
}

static bool has_ended(struct cm_world *w)
{
    if (waitpid(w->pid, NULL, WNOHANG) == 0)
        return false;
    w->pid = 0;
    return true;
}

static bool spawn(struct cm_world *w, const char *fault, struct err *e)
{
    char self[512], log[128], setting[128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *argv[] = {self, "--cm", w->config, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", setting, NULL};

    must(n > 0);
    self[n] = '\0';
    (void)snprintf(log, sizeof log, "%s/out", w->dir);
    (void)snprintf(setting, sizeof setting, "OMS_FAULT=%s", fault ? fault : "");
    struct spawn_options o = {.argv = argv, .env = env, .cwd = w->dir, .stdout_path = log};
    return spawn_process(&o, &w->pid, e);
}

bool cm_world_start(struct cm_world *w, const char *fault, bool awaits, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), START_MS);
    char path[128];

    (void)snprintf(path, sizeof path, "%s/address", w->dir);
    if (!durable_unlink(path, e) || !spawn(w, fault, e))
        return false;
    while (!read_address(w)) {
        if (has_ended(w))
            return err_set(e, ERR_SYSTEM, "the CM ended at once, see '%s/out'", w->dir);
        if (mono_cmp(clock_mono(), until) > 0)
            return err_set(e, ERR_TIMEOUT, "the CM does not listen");
        (void)poll(NULL, 0, 10);
    }
    return connect_clients(w, e) && (!awaits || cm_world_await(w, START_MS, e));
}

bool cm_world_leads(struct cm_world *w)
{
    Oms__Empty empty = OMS__EMPTY__INIT;
    Oms__StatusReply *status;
    struct err e = ERR_INIT;

    if (!cm_world_admin(w, "Status", &empty.base, NULL, &status, &e))
        return false;
    (void)snprintf(w->metadb_id, sizeof w->metadb_id, "%s", status->metadb_id);
    return true;
}

bool cm_world_await(struct cm_world *w, int64_t timeout_ms, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);

    while (!cm_world_leads(w)) {
        if (mono_cmp(clock_mono(), until) > 0)
            return err_set(e, ERR_TIMEOUT, "the CM does not lead");
        (void)poll(NULL, 0, 10);
    }
    return true;
}

int cm_world_end(struct cm_world *w, int sig)
{
    int status = 0;

    disconnect(w);
    if (w->pid == 0)
        return 0;
    if (sig)
        (void)kill(w->pid, sig);
    while (waitpid(w->pid, &status, 0) < 0)
        must(errno == EINTR);
    w->pid = 0;
    return status;
}

void cm_world_close(struct cm_world *w)
{
    (void)cm_world_end(w, SIGKILL);
    arena_fini(&w->arena);
}

bool cm_world_admin(struct cm_world *w, const char *method, const ProtobufCMessage *m,
                    const struct id *id, void *reply, struct err *e)
{
    return rpc_client_call_sync(w->admin, &oms__admin_service__descriptor, method, m, id, CALL_MS,
                                &w->arena, reply, e);
}

bool cm_world_host(struct cm_world *w, const char *method, const ProtobufCMessage *m, void *reply,
                   struct err *e)
{
    return rpc_client_call_sync(w->host, &oms__host_service__descriptor, method, m, NULL, CALL_MS,
                                &w->arena, reply, e);
}

bool cm_world_add_source(struct cm_world *w, const char *name, const struct id *id,
                         Oms__CommandReply **reply, struct err *e)
{
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
    Oms__DataSourceFile f = OMS__DATA_SOURCE_FILE__INIT;

    f.name = (char *)name;
    f.kind = (char *)"mariadb";
    f.host = (char *)"127.0.0.1";
    f.user = (char *)"oms";
    r.file = &f;
    r.has_password = true;
    r.password.data = (uint8_t *)"s3cret-of-the-test";
    r.password.len = 18;
    return cm_world_admin(w, "DataSourceAdd", &r.base, id, reply, e);
}
