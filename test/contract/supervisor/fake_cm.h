/*
 * A CM of a few lines, and a real Supervisor below it: this program started again with --config.
 * Its components are this program too, started with --spec (test_component.h). One component,
 * "p.test". Single-threaded: everything happens inside `eventually`.
 */
#ifndef OMS_TEST_CONTRACT_SUPERVISOR_FAKE_CM_H
#define OMS_TEST_CONTRACT_SUPERVISOR_FAKE_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/vec.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/os/spawn.h"
#include "common/pbtext/pbtext.h"
#include "common/rpc/rpc.h"
#include "proto/host.pb-c.h"
#include "test/lib/scratch_dir.h"

#define ID "p.test"
#define SECRET "a very secret word"
#define PATIENCE_MS 20000

struct world;
struct fake_service {
    Oms__HostService_Service base;
    struct world *w;
};
struct waiting {
    struct rpc_call *call;
    uint64_t kept;
};

struct world {
    struct scratch_dir dir;
    uv_loop_t loop;
    uv_timer_t tick;
    struct fake_service service;
    struct rpc_server *server; /* NULL: the CM is away */
    VEC(struct waiting) waiting;
    /* what it says */
    uint64_t cm_epoch;
    const char *metadb_id;
    uint64_t revision; /* of the directive; 0: it has none */
    const char *goal;
    uint64_t spec_revision, live_revision, round;
    const char *choice; /* for the incident "hold" */
    bool forget;
    Oms__Ask *ask; /* given once */
    /* what it heard */
    uint64_t syncs, kept, epoch_seen;
    struct arena arena;
    Oms__HostReport *report;
    struct buf answer;
    bool answered;
    char answer_code[64];
    pid_t supervisor;
};

#define eventually(w, cond)                                           \
    do {                                                              \
        struct mono until_ = mono_add_ms(clock_mono(), PATIENCE_MS);  \
        bool is_ = false;                                             \
        while (!(is_ = (cond)) && mono_cmp(clock_mono(), until_) < 0) \
            uv_run(&(w)->loop, UV_RUN_ONCE);                          \
        if (!is_)                                                     \
            fail_msg("not within %d ms: %s", PATIENCE_MS, #cond);     \
    } while (0)

/* Long enough for whatever would happen wrongly. */
static inline void for_a_while(struct world *w, int64_t ms)
{
    struct mono until = mono_add_ms(clock_mono(), ms);

    while (mono_cmp(clock_mono(), until) < 0)
        uv_run(&w->loop, UV_RUN_ONCE);
}

/* --- what was heard ------------------------------------------------------------------------------
 */

static inline const Oms__ComponentStatus *status(const struct world *w)
{
    static const Oms__ComponentStatus none = OMS__COMPONENT_STATUS__INIT;

    for (size_t i = 0; w->report && i < w->report->n_components; i++)
        if (strcmp(w->report->components[i]->id, ID) == 0)
            return w->report->components[i];
    return &none;
}

static inline bool is_state(const struct world *w, const char *state)
{
    return status(w)->state && strcmp(status(w)->state, state) == 0;
}

/* -1: not reported. */
static inline double metric(const struct world *w, const char *name)
{
    const Oms__ComponentReport *r = status(w)->report;

    for (size_t i = 0; r && i < r->n_metrics; i++)
        if (strcmp(r->metrics[i]->name, name) == 0)
            return r->metrics[i]->value;
    return -1;
}

/* It runs, and has reported since it was started. */
static inline bool is_well(const struct world *w)
{
    const Oms__ComponentReport *r = status(w)->report;

    return is_state(w, "running") && r && r->state && strcmp(r->state, "running") == 0 &&
           metric(w, "round") >= 0;
}

static inline void copy_report(struct world *w, const Oms__HostReport *r)
{
    arena_reset(&w->arena);
    w->report = (Oms__HostReport *)pbtext_copy(&r->base, &w->arena);
}

/* --- the CM --------------------------------------------------------------------------------------
 */

static inline void cm_sync(Oms__HostService_Service *s, const Oms__HostSyncRequest *q,
                           Oms__HostSyncReply_Closure closure, void *data)
{
    struct world *w = CONTAINER_OF(s, struct fake_service, base)->w;
    struct waiting call = {rpc_call_of(data), q->directives_revision};

    (void)closure;
    w->syncs++;
    w->kept = q->directives_revision;
    w->epoch_seen = q->cm_epoch;
    copy_report(w, q->report);
    vec_push(&w->waiting, call);
}

static inline void cm_answer(Oms__HostService_Service *s, const Oms__AnswerRequest *q,
                             Oms__Empty_Closure closure, void *data)
{
    struct world *w = CONTAINER_OF(s, struct fake_service, base)->w;
    Oms__Empty ok = OMS__EMPTY__INIT;

    buf_append(&w->answer, q->chunk.data, q->chunk.len);
    w->answered |= q->last;
    if (q->error)
        snprintf(w->answer_code, sizeof w->answer_code, "%s", q->error->code);
    closure(&ok, data);
}

static inline Oms__Directive *directive(struct world *w, struct arena *a)
{
    Oms__Directive *d = arena_alloc(a, sizeof *d);
    Oms__ComponentSpec *spec = arena_alloc(a, sizeof *spec);
    Oms__ComponentFixed *fixed = arena_alloc(a, sizeof *fixed);
    Oms__ComponentLive *live = arena_alloc(a, sizeof *live);
    Oms__IncidentAnswer *answer = arena_alloc(a, sizeof *answer);
    Oms__Secret *secret = arena_alloc(a, sizeof *secret);

    oms__directive__init(d);
    oms__component_spec__init(spec);
    oms__component_fixed__init(fixed);
    oms__component_live__init(live);
    oms__incident_answer__init(answer);
    oms__secret__init(secret);
    d->goal = (char *)w->goal;
    d->has_revision = live->has_revision = spec->has_revision = spec->has_epoch = 1;
    d->revision = w->revision;
    d->spec = spec;
    spec->id = (char *)ID;
    spec->kind = (char *)"test";
    spec->epoch = 1;
    spec->revision = w->spec_revision;
    spec->fixed = fixed;
    fixed->verb = (char *)"test";
    spec->live = live;
    live->revision = w->live_revision;
    live->has_verify_round = 1;
    live->verify_round = w->round;
    if (w->choice) {
        answer->key = (char *)"hold";
        answer->choice = (char *)w->choice;
        live->n_answers = 1;
        live->answers = arena_memdup(a, &answer, sizeof answer);
    }
    secret->name = (char *)"word";
    secret->has_value = 1;
    secret->value = (ProtobufCBinaryData){sizeof SECRET - 1, (uint8_t *)SECRET};
    d->n_secrets = 1;
    d->secrets = arena_memdup(a, &secret, sizeof secret);
    return d;
}

static inline void cm_reply(struct world *w, struct waiting p)
{
    Oms__HostSyncReply r = OMS__HOST_SYNC_REPLY__INIT;
    struct arena *a = &p.call->arena;
    Oms__Directive *d;
    char *id = (char *)ID;

    r.has_protocol = r.has_cm_epoch = r.has_revision = 1;
    r.protocol = 1;
    r.token = (char *)"t";
    r.cm_epoch = w->cm_epoch;
    r.metadb_id = (char *)w->metadb_id;
    r.revision = w->revision > p.kept ? w->revision : p.kept;
    if (w->revision > p.kept) {
        d = directive(w, a);
        r.n_directives = 1;
        r.directives = &d;
    }
    if (w->forget) {
        r.n_forget = 1;
        r.forget = &id;
    }
    if (w->ask) {
        r.n_asks = 1;
        r.asks = &w->ask;
    }
    rpc_reply(p.call, &r.base);
    w->ask = NULL;
}

static inline void cm_tick(uv_timer_t *t)
{
    struct world *w = t->data;

    for (size_t i = 0; i < w->waiting.n; i++)
        cm_reply(w, w->waiting.at[i]);
    w->waiting.n = 0;
}

/* On another port each time; its address file says which. */
static inline void cm_start(struct world *w)
{
    ProtobufCService *services[] = {&w->service.base.base};
    struct rpc_server_options o = {.loop = &w->loop,
                                   .url = "tcp://127.0.0.1:0",
                                   .max_message_bytes = 8 << 20,
                                   .services = services,
                                   .n_services = 1};
    struct err e = ERR_INIT;
    char path[128], url[64];

    w->service.base = (Oms__HostService_Service)OMS__HOST_SERVICE__INIT(cm_);
    w->service.w = w;
    assert_true(rpc_server_start(&o, &w->server, &e));
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u\n", rpc_server_port(w->server));
    snprintf(path, sizeof path, "%s/address", w->dir.path);
    assert_true(durable_write_file(path, url, strlen(url), 0644, &e));
}

static inline void cm_stop(struct world *w)
{
    w->waiting.n = 0;
    rpc_server_stop(w->server);
    w->server = NULL;
    w->report = NULL;
}

/* A new directive. */
static inline void direct(struct world *w, const char *goal)
{
    w->goal = goal;
    w->revision++;
}

/* --- the Supervisor ------------------------------------------------------------------------------
 */

static inline void supervisor_start(struct world *w)
{
    char self[4096] = "", config[128], out[128];
    const char *const argv[] = {self, "--config", config, NULL};
    struct spawn_options o = {.argv = argv, .stdout_path = out, .new_session = true};
    struct err e = ERR_INIT;

    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(config, sizeof config, "%s/supervisor.yaml", w->dir.path);
    snprintf(out, sizeof out, "%s/out", w->dir.path);
    w->report = NULL;
    assert_true(spawn_process(&o, &w->supervisor, &e));
}

static inline int supervisor_wait(struct world *w)
{
    pid_t pid = 0;
    int how = 0;

    eventually(w, (pid = waitpid(w->supervisor, &how, WNOHANG)) == w->supervisor);
    w->supervisor = 0;
    w->report = NULL;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}

static inline void supervisor_kill(struct world *w)
{
    assert_int_equal(kill(w->supervisor, SIGKILL), 0);
    assert_int_equal(supervisor_wait(w), 128 + SIGKILL);
}

static inline bool is_alive(pid_t pid)
{
    char path[64], state = 'X';
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    if (fscanf(f, "%*d %*s %c", &state) != 1) /* the name of a test has no spaces */
        state = 'X';
    fclose(f);
    return state != 'Z' && state != 'X';
}

/* Of the newest process that began its log; 0: none. */
static inline pid_t pid_in_log(const struct world *w)
{
    char path[256], line[1024], *at;
    pid_t pid = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/sv/components/" ID "/component.log", w->dir.path);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, "component.start") && (at = strstr(line, "pid=")) != NULL)
            pid = (pid_t)strtol(at + 4, NULL, 10);
    if (f)
        fclose(f);
    return pid;
}

/* --- set up --------------------------------------------------------------------------------------
 */

static inline void write_text(struct world *w, const char *name, const char *text, unsigned mode)
{
    struct err e = ERR_INIT;
    char path[128];

    snprintf(path, sizeof path, "%s/%s", w->dir.path, name);
    assert_true(durable_write_file(path, text, strlen(text), mode, &e));
}

/* more: further lines of the Supervisor's configuration */
static inline int world_open_with(void **state, const char *more)
{
    struct world *w = must_calloc(1, sizeof *w);
    char self[4096] = "", path[128], config[1024];

    scratch_dir_make(&w->dir);
    w->cm_epoch = 5;
    w->metadb_id = "m1";
    w->spec_revision = w->live_revision = 1;
    arena_init(&w->arena, 0);
    buf_init(&w->answer, 8 << 20);
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->tick);
    w->tick.data = w;
    uv_timer_start(&w->tick, cm_tick, 20, 20);
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(path, sizeof path, "%s/bin", w->dir.path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/bin/oms-test", w->dir.path);
    assert_int_equal(symlink(self, path), 0);
    write_text(w, "token", "host-token\n", 0600);
    snprintf(config, sizeof config,
             "dir: %s/sv\ncm: ['file:%s/address']\nhost_token_file: %s/token\n"
             "bin_dir: %s/bin\nname: testhost\n%s",
             w->dir.path, w->dir.path, w->dir.path, w->dir.path, more);
    write_text(w, "supervisor.yaml", config, 0600);
    cm_start(w);
    supervisor_start(w);
    *state = w;
    return 0;
}

static inline int world_open(void **state)
{
    return world_open_with(state, "");
}

static inline void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static inline int world_close(void **state)
{
    struct world *w = *state;
    pid_t component;

    if (w->supervisor) {
        kill(w->supervisor, SIGKILL);
        (void)waitpid(w->supervisor, NULL, 0);
    }
    component = pid_in_log(w); /* after a failed test too, nothing may stay behind */
    if (component && is_alive(component))
        kill(component, SIGKILL);
    rpc_server_stop(w->server);
    uv_walk(&w->loop, close_handle, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    vec_fini(&w->waiting);
    buf_fini(&w->answer);
    arena_fini(&w->arena);
    scratch_dir_remove(&w->dir);
    free(w);
    return 0;
}

#endif
