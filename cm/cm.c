/*
 * The life of oms-cm: configuration, keys, listener, address file, loop, end. The pid file is a
 * lock: a second CM on one directory is refused.
 */
#include "cm/cm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"

#define CONFIG_MAX (1u << 20)
#define LOG_BYTES (16u << 20)
#define LOG_KEEP 3

static bool read_config(struct cm *cm, const char *path, struct err *e)
{
    struct buf text CLEANUP(buf_fini);
    ProtobufCMessage *m;

    buf_init(&text, CONFIG_MAX);
    if (!durable_read_file(path, &text, e) ||
        !pbtext_parse_yaml(path, buf_cstr(&text), text.len, &oms__cm_config__descriptor, &cm->arena,
                           &m, e))
        return false;
    pbtext_fill_standard(m, &cm->arena);
    cm->config = (const Oms__CmConfig *)m;
    if (cm->config->lease_renew_ms * 2 > cm->config->lease_ms)
        return err_set(e, ERR_INVALID, "%s: lease_renew_ms must be at most half of lease_ms", path);
    return true;
}

static bool read_keys(struct cm *cm, struct err *e)
{
    const Oms__CmConfig *c = cm->config;

    return seal_key_load(c->master_key_file, false, &cm->master, e) &&
           token_read_file(c->admin_token_file, cm->admin_token, sizeof cm->admin_token, e) &&
           token_read_file(c->host_token_file, cm->host_token, sizeof cm->host_token, e);
}

/* The role of the method says which token opens it. */
static bool authorize(void *arg, struct rpc_call *call, struct err *e)
{
    struct cm *cm = arg;
    const char *dot = strchr(call->method, '.');
    const struct pbtext_method *m = NULL;

    if (dot) {
        char *service = arena_strndup(&call->arena, call->method, (size_t)(dot - call->method));
        m = pbtext_method_find(service, dot + 1);
    }
    if (!m)
        return err_set(e, ERR_NOT_FOUND, "there is no method '%s'", call->method);
    const char *want = m->role == ROLE_HOST        ? cm->host_token
                       : m->role == ROLE_COMPONENT ? NULL
                                                   : cm->admin_token;
    if (m->role == ROLE_ANY || (want && want[0] != '\0' && token_equal(call->token, want)))
        return true;
    return err_set(e, ERR_DENIED, "the token does not open '%s'", call->method);
}

/* --- listening ---------------------------------------------------------------------------------
 */

/* "tcp://host:0" with the port that was really bound. */
static char *bound_url(const struct cm *cm)
{
    const char *listen = cm->config->listen;
    const char *colon = strrchr(listen, ':');
    uint16_t port = rpc_server_port(cm->server);
    struct buf url CLEANUP(buf_fini);

    buf_init(&url, 1024);
    if (port == 0 || !colon || strncmp(listen, "tcp://", 6) != 0)
        return must_strdup(listen);
    buf_append(&url, listen, (size_t)(colon - listen));
    buf_printf(&url, ":%u", port);
    return must_strdup(buf_cstr(&url));
}

static bool listen_on(struct cm *cm, struct err *e)
{
    ProtobufCService *services[] = {&cm->host.base.base, &cm->admin.base.base};
    struct rpc_server_options o = {.loop = &cm->loop,
                                   .url = cm->config->listen,
                                   .max_message_bytes = CM_MESSAGE_MAX,
                                   .services = services,
                                   .n_services = ARRAY_LEN(services),
                                   .authorize = authorize,
                                   .authorize_arg = cm};

    if (!rpc_server_start(&o, &cm->server, e))
        return false;
    cm->address = bound_url(cm);
    return true;
}

static bool write_address(struct cm *cm, struct err *e)
{
    char *path = arena_printf(&cm->arena, "%s/address", cm->config->dir);
    char *line = arena_printf(&cm->arena, "%s\n", cm->address);

    return durable_write_file(path, line, strlen(line), 0644, e);
}

/* Locked for life; holds our number for those who look. */
static bool take_pid_file(struct cm *cm, int *fd, struct err *e)
{
    char *path = arena_printf(&cm->arena, "%s/pid", cm->config->dir);
    char line[32];
    int n = snprintf(line, sizeof line, "%ld\n", (long)getpid());

    if (!durable_lock(path, fd, e))
        return err_wrap(e, "another CM runs in '%s'", cm->config->dir);
    if (ftruncate(*fd, 0) != 0 || pwrite(*fd, line, (size_t)n, 0) != n)
        return err_set(e, ERR_SYSTEM, "cannot write '%s'", path);
    return true;
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static void on_signal(uv_signal_t *s, int number)
{
    struct cm *cm = s->data;

    log_event(LOG_INFO, "cm.stopping", "signal=%d", number);
    uv_stop(&cm->loop);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static bool serve(struct cm *cm, struct err *e)
{
    must(uv_signal_init(&cm->loop, &cm->terminate) == 0 &&
         uv_signal_init(&cm->loop, &cm->interrupt) == 0);
    cm->terminate.data = cm->interrupt.data = cm;
    must(uv_signal_start(&cm->terminate, on_signal, SIGTERM) == 0 &&
         uv_signal_start(&cm->interrupt, on_signal, SIGINT) == 0);
    serve_host_init(cm);
    serve_admin_init(cm);
    cm->relay = relay_new(cm);
    if (!listen_on(cm, e) || !lead_start(cm, &cm->lead, e) || !write_address(cm, e))
        return false;
    log_event(LOG_INFO, "cm.started", "address=%s pid=%ld", cm->address, (long)getpid());
    uv_run(&cm->loop, UV_RUN_DEFAULT);
    return true;
}

/* Parked calls are answered before the server goes. */
static void shut(struct cm *cm)
{
    lead_stop(cm->lead);
    cm->lead = NULL;
    relay_free(cm->relay);
    cm->relay = NULL;
    rpc_server_stop(cm->server);
    cm->server = NULL;
    serve_admin_fini(cm);
    serve_host_fini(cm);
    uv_walk(&cm->loop, close_handle, NULL);
    while (uv_run(&cm->loop, UV_RUN_DEFAULT) != 0)
        ;
}

static bool run_in_dir(struct cm *cm, struct err *e)
{
    int fd = -1;

    if (!durable_mkdirs(cm->config->dir, 0755, e) || !take_pid_file(cm, &fd, e))
        return false;
    char *log = arena_printf(&cm->arena, "%s/cm.log", cm->config->dir);
    if (!log_open(log, LOG_BYTES, LOG_KEEP, LOG_INFO, e))
        return false;
    must(uv_loop_init(&cm->loop) == 0);
    bool ok = read_keys(cm, e) && serve(cm, e);
    if (!ok)
        log_err(LOG_ERROR, "cm.failed", e);
    shut(cm);
    must(uv_loop_close(&cm->loop) == 0);
    log_event(LOG_INFO, "cm.stopped", "pid=%ld", (long)getpid());
    log_close();
    close(fd);
    return ok;
}

bool cm_run(const char *config_file, struct err *e)
{
    struct cm *cm = must_calloc(1, sizeof *cm);

    arena_init(&cm->arena, 0);
    signal(SIGPIPE, SIG_IGN);
    bool ok = read_config(cm, config_file, e) && run_in_dir(cm, e);
    seal_key_wipe(&cm->master);
    free(cm->address);
    arena_fini(&cm->arena);
    free(cm);
    return ok;
}
