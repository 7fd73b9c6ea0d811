/* The Supervisor's life: configuration, directory, loop, end. See supervisor.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crypto/token.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor.h"
#include "supervisor/supervisor_priv.h"

#define TICK_MS 50
#define ASLEEP_MS 5000 /* a longer gap between two ticks: this process was held */
#define LOG_BYTES (16u << 20)
#define PATH_CAP 4096

/* After the Supervisor itself was held (a stopped machine), nobody's silence counts. */
static void forgive_silence(struct supervisor *sv, struct mono now)
{
    if (mono_ms_between(sv->ticked, now) > ASLEEP_MS) {
        log_event(LOG_WARN, "supervisor.held", "no turn for %lld ms",
                  (long long)mono_ms_between(sv->ticked, now));
        for (size_t i = 0; i < sv->units.n; i++)
            sv->units.at[i]->synced = now;
    }
    sv->ticked = now;
}

static void on_tick(uv_timer_t *t)
{
    struct supervisor *sv = t->data;
    struct mono now = clock_mono();
    bool any = false;

    forgive_silence(sv, now);
    for (size_t i = 0; i < sv->units.n; i++) {
        unit_tick(sv->units.at[i], now);
        any |= sv->units.at[i]->pid != 0;
    }
    if (sv->leaving || (sv->stopping_all && !any)) {
        uv_stop(&sv->loop);
        return;
    }
    link_tick(sv, now);
    logs_tick(sv, now);
}

static void on_signal(uv_signal_t *s, int signum)
{
    struct supervisor *sv = s->data;

    if (signum == SIGUSR1) {
        log_event(LOG_INFO, "supervisor.stop_all", "told to stop every component and go");
        sv->stopping_all = true;
    } else {
        log_event(LOG_INFO, "supervisor.leave", "told to go; components stay");
        sv->leaving = true;
    }
}

static bool load_config(struct supervisor *sv, const char *path, struct err *e)
{
    ProtobufCMessage *m;
    struct buf text;
    bool ok;

    buf_init(&text, 1u << 20);
    ok = durable_read_file(path, &text, e) &&
         pbtext_parse_yaml(path, (const char *)text.p, text.len,
                           &oms__supervisor_config__descriptor, &sv->arena, &m, e);
    buf_fini(&text);
    if (!ok)
        return false;
    pbtext_fill_standard(m, &sv->arena);
    sv->config = (Oms__SupervisorConfig *)m;
    return true;
}

static char *own_folder(void)
{
    char path[PATH_CAP];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    must(n > 0);
    path[n] = '\0';
    slash = strrchr(path, '/');
    *slash = '\0';
    return must_strdup(path);
}

static bool write_pid(struct supervisor *sv, struct err *e)
{
    char path[PATH_CAP], text[32];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());

    snprintf(path, sizeof path, "%s/pid", sv->dir);
    return durable_write_file(path, text, (size_t)n, 0644, e);
}

static bool open_dir(struct supervisor *sv, struct err *e)
{
    char path[PATH_CAP], host[256] = "", token[4096];
    int lock;

    sv->dir = must_strdup(sv->config->dir);
    if (!durable_mkdirs(sv->dir, 0750, e))
        return false;
    snprintf(path, sizeof path, "%s/lock", sv->dir);
    if (!durable_lock(path, &lock, e)) /* held until the process ends */
        return err_wrap(e, "another supervisor uses '%s'", sv->dir);
    snprintf(path, sizeof path, "%s/supervisor.log", sv->dir);
    if (!log_open(path, LOG_BYTES, 3, LOG_INFO, e))
        return false;
    snprintf(path, sizeof path, "%s/host.key", sv->dir);
    if (!seal_key_load(path, true, &sv->key, e) ||
        !token_read_file(sv->config->host_token_file, token, sizeof token, e))
        return false;
    sv->cm_token = must_strdup(token);
    gethostname(host, sizeof host - 1);
    sv->name = must_strdup(sv->config->name && *sv->config->name ? sv->config->name : host);
    sv->bin_dir = sv->config->bin_dir && *sv->config->bin_dir ? must_strdup(sv->config->bin_dir)
                                                              : own_folder();
    return true;
}

static void watch_signals(struct supervisor *sv)
{
    struct {
        uv_signal_t *handle;
        int signum;
    } signals[] = {{&sv->on_term, SIGTERM}, {&sv->on_int, SIGINT}, {&sv->on_usr1, SIGUSR1}};

    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        uv_signal_init(&sv->loop, signals[i].handle);
        signals[i].handle->data = sv;
        uv_signal_start(signals[i].handle, on_signal, signals[i].signum);
    }
}

static bool run(struct supervisor *sv, const char *config, struct err *e)
{
    if (!load_config(sv, config, e) || !open_dir(sv, e))
        return false;
    must(uv_loop_init(&sv->loop) == 0);
    srandom((unsigned)clock_mono().ns ^ (unsigned)getpid());
    if (!state_load(sv, e) || !component_service_start(sv, e) || !write_pid(sv, e))
        return false;
    process_adopt_all(sv);
    watch_signals(sv);
    uv_timer_init(&sv->loop, &sv->tick);
    sv->tick.data = sv;
    sv->ticked = clock_mono();
    uv_timer_start(&sv->tick, on_tick, 0, TICK_MS);
    log_event(LOG_INFO, "supervisor.start", "host=%s id=%s pid=%d", sv->name, sv->host_id,
              (int)getpid());
    uv_run(&sv->loop, UV_RUN_DEFAULT);
    return true;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void fini(struct supervisor *sv)
{
    link_close(sv);
    rpc_server_stop(sv->server);
    for (size_t i = 0; i < sv->units.n; i++) {
        sv->units.at[i]->parked = NULL;
        unit_free(sv->units.at[i]);
    }
    vec_fini(&sv->units);
    logs_fini(sv);
    if (sv->tick.loop) {
        uv_walk(&sv->loop, close_handle, NULL);
        uv_run(&sv->loop, UV_RUN_DEFAULT);
        uv_loop_close(&sv->loop);
    }
    if (sv->sync_dir) {
        char path[PATH_CAP];

        snprintf(path, sizeof path, "%s/sync.sock", sv->sync_dir);
        unlink(path);
        rmdir(sv->sync_dir);
    }
    seal_key_wipe(&sv->key);
    free(sv->dir);
    free(sv->host_id);
    free(sv->name);
    free(sv->sync_url);
    free(sv->sync_dir);
    free(sv->bin_dir);
    free(sv->metadb_id);
    free(sv->cm_token);
    free(sv->sync_token);
    arena_fini(&sv->arena);
}

int supervisor_main(int argc, char **argv)
{
    struct supervisor sv = {0};
    struct err e = ERR_INIT;
    bool ok;

    if (argc != 3 || strcmp(argv[1], "--config") != 0) {
        FILE *to = argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr;

        fprintf(to, "oms-supervisor: starts, watches and reports the components of one host\n"
                    "usage: oms-supervisor --config FILE   (YAML, see docs/reference/files.md)\n"
                    "signals: SIGTERM ends it, components stay; SIGUSR1 stops them first\n"
                    "example: oms-supervisor --config var/supervisor/supervisor.yaml\n");
        return to == stdout ? 0 : 2;
    }
    signal(SIGPIPE, SIG_IGN);
    arena_init(&sv.arena, 0);
    ok = run(&sv, argv[2], &e);
    if (!ok) {
        log_err(LOG_ERROR, "supervisor.failed", &e);
        fprintf(stderr, "oms-supervisor: %s\n", e.message);
    }
    fini(&sv);
    log_close();
    return ok ? 0 : 1;
}
