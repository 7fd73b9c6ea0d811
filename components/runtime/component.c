/* A component's life: arguments, specification, threads, run, last word. See component.h. */
#include "components/runtime/component.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/cond.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "components/runtime/runtime_priv.h"
#include "proto/common.pb-c.h"

#define LOG_BYTES (16u << 20) /* unless the Supervisor says otherwise in OMS_LOG_BYTES */
#define LOG_KEEP 3
#define BACKOFF_FIRST_MS 100
#define BACKOFF_CAP_MS 10000
enum { EXIT_RETRY = 10, EXIT_STOP = 11, EXIT_FENCE = 12, EXIT_BUG = 13, EXIT_USAGE = 2 };

const Oms__ComponentSpec *component_spec(const struct component *c)
{
    return c->spec;
}

const char *component_dir(const struct component *c)
{
    return c->dir;
}

uint64_t component_epoch(const struct component *c)
{
    return c->spec->epoch;
}

bool component_stopping(const struct component *c)
{
    struct component *m = (struct component *)c;
    bool stopping;

    pthread_mutex_lock(&m->lock);
    stopping = m->stopping;
    pthread_mutex_unlock(&m->lock);
    return stopping;
}

void component_stop(struct component *c)
{
    pthread_mutex_lock(&c->lock);
    if (!c->stopping)
        log_event(LOG_INFO, "component.stop", "a stop was asked for");
    c->stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool component_wait(struct component *c, int64_t ms)
{
    struct timespec until = cond_deadline(ms);
    uint64_t seen;
    bool stopping;

    pthread_mutex_lock(&c->lock);
    seen = c->live_seen;
    while (!c->stopping && c->live_seen == seen && ms > 0)
        if (pthread_cond_timedwait(&c->changed, &c->lock, &until) == ETIMEDOUT)
            break;
    stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return stopping;
}

bool component_backoff(struct component *c, struct backoff *b)
{
    int64_t ms = BACKOFF_FIRST_MS;
    struct mono until;

    for (uint32_t i = 0; i < b->tries && ms < BACKOFF_CAP_MS; i++)
        ms *= 2;
    if (ms > BACKOFF_CAP_MS)
        ms = BACKOFF_CAP_MS;
    ms = ms / 2 + (int64_t)((uint64_t)clock_mono().ns / 1000 % (uint64_t)(ms / 2 + 1)); /* jitter */
    b->tries++;
    until = mono_add_ms(clock_mono(), ms);
    while (mono_cmp(clock_mono(), until) < 0)
        if (component_wait(c, mono_ms_between(clock_mono(), until) + 1))
            return false;
    return true;
}

/* --- the live part
 * -------------------------------------------------------------------------------- */

struct held_live {
    struct arena arena;
    Oms__ComponentLive *live;
};

Oms__ComponentLive *component_live(struct component *c)
{
    struct held_live *h = must_calloc(1, sizeof *h);
    ProtobufCMessage *m = NULL;
    Oms__ComponentLive *copy;
    struct held_live **back;
    struct err e = ERR_INIT;

    arena_init(&h->arena, 0);
    pthread_mutex_lock(&c->lock);
    if (c->live &&
        !pbtext_unpack(&oms__component_live__descriptor, c->live, c->live_len, &h->arena, &m, &e))
        log_err(LOG_ERROR, "component.live", &e);
    pthread_mutex_unlock(&c->lock);
    back = arena_alloc(&h->arena, sizeof *back + sizeof *copy + 16);
    *back = h;
    copy = (Oms__ComponentLive *)((char *)back + 16);
    oms__component_live__init(copy);
    if (m)
        *copy = *(Oms__ComponentLive *)m;
    else if (c->spec->live)
        *copy = *c->spec->live;
    return copy;
}

void component_live_free(Oms__ComponentLive *l)
{
    struct held_live *h;

    if (!l)
        return;
    h = *(struct held_live **)((char *)l - 16);
    arena_fini(&h->arena);
    free(h);
}

bool component_incident_choice(struct component *c, const char *key, char *choice, size_t cap)
{
    return component_incident_answer(c, key, choice, cap, NULL);
}

bool component_incident_answer(struct component *c, const char *key, char *choice, size_t cap,
                               struct buf *text)
{
    Oms__ComponentLive *live = component_live(c);
    bool found = false;

    for (size_t i = 0; i < live->n_answers && !found; i++) {
        const Oms__IncidentAnswer *a = live->answers[i];

        if (!a->key || !a->choice || strcmp(a->key, key) != 0)
            continue;
        snprintf(choice, cap, "%s", a->choice);
        if (text && a->text)
            buf_str(text, a->text);
        found = true;
    }
    component_live_free(live);
    return found;
}

/* --- main
 * ----------------------------------------------------------------------------------------- */

static int usage(const struct component_ops *ops, FILE *to, int code)
{
    fprintf(
        to,
        "oms-%s: %s\n"
        "usage: oms-%s --spec FILE [--dir DIR] [--supervisor URL]\n"
        "  --spec FILE        specification (YAML or JSON form of oms.ComponentSpec)\n"
        "  --dir DIR          directory of its own: state, log (default: the working directory)\n"
        "  --supervisor URL   where its supervisor listens; without it the program runs by hand "
        "and\n"
        "                     takes its secrets from the file named in OMS_SECRETS (name: value "
        "lines)\n"
        "example: oms-%s --spec spec.yaml --dir ./work\n"
        "exit: 0 done or stopped, 10 try again, 11 a person is needed, 12 fenced, 13 defect\n",
        ops->kind, ops->summary, ops->kind, ops->kind);
    return code;
}

static bool parse(struct component *c, int argc, char **argv)
{
    const char *nonce = getenv("OMS_NONCE");
    struct {
        const char *name;
        char **to;
    } options[] = {
        {"--spec", &c->spec_path}, {"--dir", &c->dir}, {"--supervisor", &c->supervisor_url}};

    for (int i = 1; i < argc; i++) {
        bool known = false;

        for (size_t k = 0; k < ARRAY_LEN(options) && !known; k++)
            if (strcmp(argv[i], options[k].name) == 0 && i + 1 < argc) {
                free(*options[k].to);
                *options[k].to = must_strdup(argv[++i]);
                known = true;
            }
        if (!known) {
            fprintf(stderr, "unknown or incomplete argument '%s'\n", argv[i]);
            return false;
        }
    }
    if (!c->dir)
        c->dir = must_strdup(".");
    c->nonce = must_strdup(nonce ? nonce : "by-hand");
    return c->spec_path != NULL;
}

static void wait_for_signals(void *arg)
{
    struct component *c = arg;
    struct timespec step = {0, 200000000};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    for (;;) {
        bool ended;

        if (sigtimedwait(&set, NULL, &step) > 0)
            component_stop(c);
        pthread_mutex_lock(&c->lock);
        ended = c->ended;
        pthread_mutex_unlock(&c->lock);
        if (ended)
            return;
    }
}

static void set_state(struct component *c, const char *state, const struct err *e)
{
    pthread_mutex_lock(&c->lock);
    c->state = state;
    if (e)
        c->error = *e;
    else
        err_clear(&c->error);
    pthread_mutex_unlock(&c->lock);
}

static int exit_code_of(const struct err *e)
{
    static const int codes[] = {[ERR_CLASS_RETRY] = EXIT_RETRY,
                                [ERR_CLASS_STOP] = EXIT_STOP,
                                [ERR_CLASS_FENCE] = EXIT_FENCE,
                                [ERR_CLASS_BUG] = EXIT_BUG};

    return codes[err_class_of(e->code)];
}

/* An adopted process' exit status cannot be read by anybody, so the reason is kept in a file (C8).
 */
static void write_last_word(struct component *c, const struct err *e)
{
    static const char *const classes[] = {"RETRY", "STOP", "FENCE", "BUG"};
    Oms__Error word = OMS__ERROR__INIT;
    struct err failed = ERR_INIT;
    struct buf text;
    char path[4096];

    if (e) {
        word.code = (char *)err_name(e->code);
        word.class_name = (char *)classes[err_class_of(e->code)];
        word.message = (char *)e->message;
    } else {
        word.code = (char *)"";
        word.message = (char *)c->state;
    }
    buf_init(&text, 65536);
    pbtext_format_json(&word.base, 0, &text);
    buf_u8(&text, '\n');
    snprintf(path, sizeof path, "%s/last_word", c->dir);
    if (!durable_write_file(path, text.p, text.len, 0640, &failed))
        log_err(LOG_ERROR, "component.last_word", &failed);
    buf_fini(&text);
}

static size_t log_bytes(void)
{
    const char *given = getenv("OMS_LOG_BYTES");
    unsigned long long n = given ? strtoull(given, NULL, 10) : 0;

    return n >= 4096 ? (size_t)n : LOG_BYTES;
}

static bool start(struct component *c, struct err *e)
{
    char path[4096];

    if (!durable_mkdirs(c->dir, 0750, e))
        return false;
    snprintf(path, sizeof path, "%s/component.log", c->dir);
    if (c->supervisor_url && !log_open(path, log_bytes(), LOG_KEEP, LOG_INFO, e))
        return false;
    snprintf(path, sizeof path, "%s/last_word", c->dir);
    if (!spec_load(c, e) || !durable_unlink(path, e))
        return false;
    if (!thread_start(&c->signal_thread, "signal", wait_for_signals, c, e))
        return false;
    if (!c->supervisor_url && !spec_load_secrets_by_hand(c, e))
        return false;
    log_event(LOG_INFO, "component.start", "id=%s kind=%s epoch=%llu pid=%d", c->spec->id,
              c->ops->kind, (unsigned long long)c->spec->epoch, (int)getpid());
    return sync_start(c, e);
}

static int run(struct component *c)
{
    struct err e = ERR_INIT;
    bool ok = start(c, &e);

    if (ok) {
        set_state(c, "running", NULL);
        ok = c->ops->run(c, &e);
    }
    if (ok)
        set_state(c, component_stopping(c) ? "stopped" : "done", NULL);
    else
        set_state(c, "failed", &e);
    if (ok)
        log_event(LOG_INFO, "component.end", "state=%s", c->state);
    else
        log_err(LOG_ERROR, "component.failed", &e);
    if (!ok && !c->supervisor_url)
        fprintf(stderr, "%s: %s\n", err_name(e.code), e.message);
    write_last_word(c, ok ? NULL : &e);
    if (c->spec)
        sync_stop(c);
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    pthread_mutex_unlock(&c->lock);
    thread_join(&c->signal_thread);
    return ok ? 0 : exit_code_of(&e);
}

int component_main(const struct component_ops *ops, int argc, char **argv)
{
    struct component c = {.ops = ops, .state = "starting", .lag_ms = -1, .backlog_bytes = -1};
    sigset_t set;
    int code;

    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return usage(ops, stdout, 0);
    arena_init(&c.arena, 0);
    pthread_mutex_init(&c.lock, NULL);
    cond_init(&c.changed);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    code = parse(&c, argc, argv) ? run(&c) : usage(ops, stderr, EXIT_USAGE);
    report_fini(&c);
    secrets_fini(&c);
    free(c.live);
    free(c.dir);
    free(c.spec_path);
    free(c.supervisor_url);
    free(c.nonce);
    arena_fini(&c.arena);
    log_close();
    return code;
}
