/*
 * A unit's process: started by posix_spawn in a session of its own, watched by pidfd, found again
 * after a restart of the Supervisor by the directory on its command line and the nonce in its
 * environment (C8). An adopted process is not our child: how it ended is read from its last word.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/crypto/token.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/os/spawn.h"
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor_priv.h"

#define PATH_CAP 4096
#define TEXT_MAX (1u << 20)
#define EXIT_STOPPED 10 /* to be started again while the goal is RUN */

extern char **environ;

/* --- how it ended --------------------------------------------------------------------------------
 */

static bool read_last_word(struct unit *u)
{
    char path[PATH_CAP];
    struct err e = ERR_INIT;
    struct arena arena;
    ProtobufCMessage *m;
    struct buf text;
    bool ok;

    snprintf(path, sizeof path, "%s/last_word", u->dir);
    buf_init(&text, TEXT_MAX);
    arena_init(&arena, 0);
    ok = durable_read_file(path, &text, &e) &&
         pbtext_parse_json(path, (const char *)text.p, text.len, &oms__error__descriptor, &arena,
                           &m, &e);
    if (ok)
        keep_message(&u->last_word, m);
    else if (e.code != ERR_NOT_FOUND)
        log_err(LOG_WARN, "component.last_word", &e);
    arena_fini(&arena);
    buf_fini(&text);
    return ok;
}

static int code_of_class(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } classes[] = {{"RETRY", 10}, {"STOP", 11}, {"FENCE", 12}, {"BUG", 13}};

    for (size_t i = 0; name && i < ARRAY_LEN(classes); i++)
        if (strcmp(classes[i].name, name) == 0)
            return classes[i].code;
    return 0;
}

/* It ended because somebody told it to: that is no end of its work. */
static bool says_stopped(const struct unit *u)
{
    const Oms__Error *word = (const Oms__Error *)u->last_word.m;

    return word->message && strcmp(word->message, "stopped") == 0;
}

static struct end end_of(struct unit *u)
{
    struct end end = {.kind = END_UNKNOWN};
    int status = 0;

    keep_message(&u->last_word, NULL);
    bool word = read_last_word(u);
    if (!u->adopted && waitpid(u->pid, &status, WNOHANG) == u->pid) {
        end.kind = WIFEXITED(status) ? END_EXIT : END_SIGNAL;
        end.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    } else if (word) {
        const Oms__Error *e = (const Oms__Error *)u->last_word.m;

        end.kind = END_EXIT;
        end.code = code_of_class(e->class_name);
    }
    u->exit_code = end.kind == END_EXIT ? end.code : end.kind == END_SIGNAL ? 128 + end.code : -1;
    if (end.kind == END_EXIT && end.code == 0 && word && says_stopped(u))
        end.code = EXIT_STOPPED;
    return end;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void let_go(struct unit *u)
{
    uv_poll_stop(u->poll);
    uv_close((uv_handle_t *)u->poll, free_handle);
    u->poll = NULL;
    close(u->pidfd);
    u->pidfd = -1;
    u->pid = 0;
    component_drop_parked(u);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
    struct unit *u = poll->data;
    struct mono now = clock_mono();
    struct end end = end_of(u);
    enum goal g = u->sv->stopping_all ? GOAL_STOP : u->goal;
    enum unit_state next = goal_after_end(u->state, g, end, u->restart_wanted);

    (void)status;
    (void)events;
    log_event(next == UNIT_BACKOFF ? LOG_WARN : LOG_INFO, "component.ended",
              "id=%s pid=%d exit=%d then=%s", u->id, (int)u->pid, u->exit_code,
              unit_state_name(next));
    if (mono_ms_between(u->started, now) > BACKOFF_RESET_MS)
        u->crashes = 0;
    if (next == UNIT_BACKOFF)
        u->due = mono_add_ms(now, backoff_ms(u->crashes++, (uint32_t)random()));
    u->restart_wanted = false;
    let_go(u);
    u->state = next;
    u->since = clock_wall();
    u->sv->news = true;
    if (!unit_directive(u) && next != UNIT_BACKOFF)
        return;
    if (!unit_directive(u))
        u->state = UNIT_STOPPED; /* an orphan that ended stays ended */
}

static bool watch(struct unit *u, struct err *e)
{
    if (!pidfd_open_pid(u->pid, &u->pidfd, e))
        return false;
    u->poll = must_calloc(1, sizeof *u->poll);
    u->poll->data = u;
    must(uv_poll_init(&u->sv->loop, u->poll, u->pidfd) == 0);
    must(uv_poll_start(u->poll, UV_READABLE, on_end) == 0);
    return true;
}

/* --- starting ------------------------------------------------------------------------------------
 */

static bool write_spec(struct unit *u, const char *path, struct err *e)
{
    struct buf text;
    bool ok;

    buf_init(&text, 16u << 20);
    pbtext_format_yaml(&unit_directive(u)->spec->base, &text);
    ok = buf_ok(&text) ? durable_write_file(path, text.p, text.len, 0640, e)
                       : err_set(e, ERR_LIMIT, "the specification of '%s' is too large", u->id);
    buf_fini(&text);
    return ok;
}

static bool make_env(struct unit *u, struct arena *a, const char *const **out, struct err *e)
{
    size_t n = 0, k = 0;
    const char **env;

    if (!token_make(u->nonce, e))
        return false;
    while (environ[n])
        n++;
    env = arena_calloc(a, n + 5, sizeof *env);
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "OMS_NONCE=", 10) != 0 &&
            strncmp(environ[i], "OMS_LOG_BYTES=", 14) != 0 &&
            strncmp(environ[i], "OMS_AWAY_MS=", 12) != 0 &&
            strncmp(environ[i], "OMS_ADDRESS=", 12) != 0)
            env[k++] = environ[i];
    env[k++] = arena_printf(a, "OMS_NONCE=%s", u->nonce);
    env[k++] = arena_printf(a, "OMS_LOG_BYTES=%" PRIu64, u->sv->config->log_max_bytes);
    env[k++] = arena_printf(a, "OMS_AWAY_MS=%u", u->sv->config->away_ms);
    env[k++] = arena_printf(a, "OMS_ADDRESS=%s", u->sv->config->address);
    *out = env;
    return true;
}

static bool spawn(struct unit *u, struct arena *a, struct err *e)
{
    struct supervisor *sv = u->sv;
    const Oms__ComponentSpec *spec = unit_directive(u)->spec;
    const char *program = arena_printf(a, "%s/oms-%s", sv->bin_dir, spec->kind);
    const char *spec_path = arena_printf(a, "%s/spec.yaml", u->dir);
    const char *out = arena_printf(a, "%s/output", u->dir);
    const char *word = arena_printf(a, "%s/last_word", u->dir); /* the last run's */
    const char *const argv[] = {program, "--spec",       spec_path,    "--dir",
                                u->dir,  "--supervisor", sv->sync_url, NULL};
    struct spawn_options o = {.argv = argv, .stdout_path = out, .new_session = true};

    /* what a sanitizer or a library prints; kept small: only the last run's */
    if (unlink(out) != 0 && errno != ENOENT)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot remove '%s'", out);
    return durable_mkdirs(u->dir, 0750, e) && durable_unlink(word, e) &&
           write_spec(u, spec_path, e) && make_env(u, a, &o.env, e) &&
           spawn_process(&o, &u->pid, e);
}

bool process_start(struct unit *u, struct err *e)
{
    const Oms__ComponentSpec *spec = unit_directive(u)->spec;
    struct arena arena;
    bool ok;

    if (strchr(spec->kind ? spec->kind : "/", '/') || strchr(u->id, '/'))
        return err_set(e, ERR_INVALID, "component '%s' of kind '%s' cannot be started", u->id,
                       spec->kind ? spec->kind : "");
    arena_init(&arena, 0);
    ok = spawn(u, &arena, e);
    arena_fini(&arena);
    if (!ok)
        return err_wrap(e, "start '%s'", u->id);
    u->adopted = false;
    u->ran_epoch = spec->epoch;
    u->ran_revision = spec->revision;
    u->started = u->synced = clock_mono();
    u->live_known = false;
    u->cpu = -1;
    u->cpu_at = u->started;
    u->cpu_ticks = 0;
    keep_message(&u->report, NULL);
    keep_message(&u->last_word, NULL);
    if (!process_start_time(u->pid, &u->start_ticks, e))
        u->start_ticks = 0; /* it has ended already; its pidfd says so */
    log_event(LOG_INFO, "component.started", "id=%s pid=%d epoch=%" PRIu64 " revision=%" PRIu64,
              u->id, (int)u->pid, u->ran_epoch, u->ran_revision);
    err_clear(e);
    if (watch(u, e))
        return true;
    /* A process that nobody watches would live beside the next one: it ends now. Its number is
     * ours until we have waited for it. */
    (void)kill(u->pid, SIGKILL);
    (void)waitpid(u->pid, NULL, 0);
    u->pid = 0;
    return err_wrap(e, "watch '%s'", u->id);
}

void process_signal(struct unit *u, int sig)
{
    struct err e = ERR_INIT;

    if (u->pidfd >= 0 && !pidfd_signal(u->pidfd, sig, &e))
        log_err(LOG_WARN, "component.signal", &e);
}

/* --- adopting ------------------------------------------------------------------------------------
 */

static bool read_proc(pid_t pid, const char *what, struct buf *out)
{
    char path[64];
    struct err e = ERR_INIT;

    buf_clear(out);
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    return durable_read_file(path, out, &e) && out->len > 0; /* gone or another's: not ours */
}

/* The value after `name` among NUL-separated words (name "--dir") or with it as prefix
 * ("OMS_NONCE="). */
static const char *word_after(const struct buf *words, const char *name, bool prefix)
{
    size_t n = strlen(name);

    for (size_t at = 0; at < words->len;) {
        const char *w = (const char *)words->p + at;
        size_t len = strnlen(w, words->len - at);

        if (prefix && len > n && memcmp(w, name, n) == 0)
            return w + n;
        if (!prefix && len == n && memcmp(w, name, n) == 0 && at + len + 1 < words->len)
            return w + len + 1;
        at += len + 1;
    }
    return NULL;
}

/* ticks: when the process started that the caller has looked at. The pidfd may be another's, if
 * that one ended meanwhile and its number was given away. */
static void adopt(struct supervisor *sv, pid_t pid, uint64_t ticks, const char *id,
                  const char *nonce)
{
    struct unit *u = unit_find(sv, id);
    struct err e = ERR_INIT;

    if (!u)
        u = unit_new(sv, id); /* an orphan: reported, and CM answers (C5) */
    if (u->pid) {
        if (u->pid != pid)
            log_event(LOG_ERROR, "component.twice", "id=%s pid=%d lives beside pid=%d", id,
                      (int)pid, (int)u->pid);
        return;
    }
    u->pid = pid;
    u->adopted = true;
    snprintf(u->nonce, sizeof u->nonce, "%s", nonce);
    u->started = u->synced = clock_mono();
    if (!watch(u, &e)) {
        log_err(LOG_WARN, "component.adopt", &e);
        u->pid = 0;
        return;
    }
    if (!process_start_time(pid, &u->start_ticks, &e) || u->start_ticks != ticks) {
        log_event(LOG_WARN, "component.adopt", "id=%s pid=%d ended meanwhile", id, (int)pid);
        let_go(u);
        return;
    }
    u->state = UNIT_RUNNING;
    log_event(LOG_INFO, "component.adopted", "id=%s pid=%d%s", id, (int)pid,
              unit_directive(u) ? "" : " (orphan)");
}

/* Which epoch and revision it runs is in the specification it was started with. */
static void learn_spec(struct unit *u)
{
    char path[PATH_CAP];
    struct err e = ERR_INIT;
    struct arena arena;
    struct buf text;
    ProtobufCMessage *m;

    snprintf(path, sizeof path, "%s/spec.yaml", u->dir);
    buf_init(&text, 16u << 20);
    arena_init(&arena, 0);
    if (durable_read_file(path, &text, &e) &&
        pbtext_parse_yaml(path, (const char *)text.p, text.len, &oms__component_spec__descriptor,
                          &arena, &m, &e)) {
        u->ran_epoch = ((Oms__ComponentSpec *)m)->epoch;
        u->ran_revision = ((Oms__ComponentSpec *)m)->revision;
    } else if (e.code != ERR_NOT_FOUND) {
        log_err(LOG_WARN, "component.spec", &e);
    }
    arena_fini(&arena);
    buf_fini(&text);
}

static void look_at(struct supervisor *sv, pid_t pid, struct buf *cmdline, struct buf *env)
{
    const char *dir, *nonce;
    char prefix[PATH_CAP];
    struct err gone = ERR_INIT;
    uint64_t ticks;
    size_t n;

    if (!process_start_time(pid, &ticks, &gone) || !read_proc(pid, "cmdline", cmdline))
        return;
    (void)buf_cstr(cmdline);
    n = (size_t)snprintf(prefix, sizeof prefix, "%s/components/", sv->dir);
    dir = word_after(cmdline, "--dir", false);
    if (!dir || strncmp(dir, prefix, n) != 0 || strchr(dir + n, '/') ||
        !read_proc(pid, "environ", env))
        return;
    (void)buf_cstr(env);
    nonce = word_after(env, "OMS_NONCE=", true);
    if (nonce)
        adopt(sv, pid, ticks, dir + n, nonce);
}

void process_adopt_all(struct supervisor *sv)
{
    struct buf cmdline, env;
    struct dirent *d;
    DIR *proc = opendir("/proc");

    buf_init(&cmdline, TEXT_MAX);
    buf_init(&env, TEXT_MAX);
    while (proc && (d = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

        if (pid > 0 && pid != getpid())
            look_at(sv, pid, &cmdline, &env);
    }
    if (proc)
        closedir(proc);
    buf_fini(&cmdline);
    buf_fini(&env);
    for (size_t i = 0; i < sv->units.n; i++) {
        struct unit *u = sv->units.at[i];

        learn_spec(u);
        if (!u->pid && unit_directive(u) && read_last_word(u)) { /* ended while we were away */
            const Oms__Error *word = (const Oms__Error *)u->last_word.m;
            struct end end = {END_EXIT, code_of_class(word->class_name)};

            u->exit_code = end.code;
            if (says_stopped(u))
                end.code = EXIT_STOPPED;
            u->state = goal_after_end(UNIT_RUNNING, u->goal, end, false);
        }
        if (unit_directive(u))
            unit_directed(u);
    }
}
