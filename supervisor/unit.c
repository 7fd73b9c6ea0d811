/* Units: one component each, driven by the matrix of goal.h once a tick and at every event. */
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crypto/token.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "supervisor/supervisor_priv.h"

struct unit *unit_find(struct supervisor *sv, const char *id)
{
    for (size_t i = 0; i < sv->units.n; i++)
        if (strcmp(sv->units.at[i]->id, id) == 0)
            return sv->units.at[i];
    return NULL;
}

struct unit *unit_by_nonce(struct supervisor *sv, const char *nonce)
{
    for (size_t i = 0; i < sv->units.n; i++)
        if (sv->units.at[i]->pid && token_equal(sv->units.at[i]->nonce, nonce))
            return sv->units.at[i];
    return NULL;
}

struct unit *unit_new(struct supervisor *sv, const char *id)
{
    struct unit *u = must_calloc(1, sizeof *u);
    size_t n = strlen(sv->dir) + strlen(id) + 20;

    u->sv = sv;
    u->id = must_strdup(id);
    u->dir = must_alloc(n);
    snprintf(u->dir, n, "%s/components/%s", sv->dir, id);
    u->pidfd = -1;
    u->exit_code = -1;
    u->cpu = -1;
    u->goal = GOAL_RUN;
    u->since = clock_wall();
    vec_push(&sv->units, u);
    return u;
}

static void free_asks(struct unit *u)
{
    for (size_t i = 0; i < u->asks.n; i++) {
        free(u->asks.at[i].id);
        free(u->asks.at[i].what);
        for (size_t k = 0; k < u->asks.at[i].args.n; k++)
            free(u->asks.at[i].args.at[k]);
        vec_fini(&u->asks.at[i].args);
    }
    u->asks.n = 0;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void unit_free(struct unit *u)
{
    if (u->poll) {
        uv_poll_stop(u->poll);
        uv_close((uv_handle_t *)u->poll, free_handle);
    }
    if (u->pidfd >= 0)
        close(u->pidfd);
    free_asks(u);
    vec_fini(&u->asks);
    drop_message(&u->directive);
    drop_message(&u->last_word);
    drop_message(&u->report);
    free(u->id);
    free(u->dir);
    free(u);
}

const Oms__Directive *unit_directive(const struct unit *u)
{
    return (const Oms__Directive *)u->directive.m;
}

static void set_state(struct unit *u, enum unit_state s)
{
    if (u->state == s)
        return;
    log_event(LOG_INFO, "component.state", "id=%s from=%s to=%s", u->id, unit_state_name(u->state),
              unit_state_name(s));
    u->state = s;
    u->since = clock_wall();
    u->sv->news = true;
}

static bool ran_another(const struct unit *u)
{
    const Oms__Directive *d = unit_directive(u);

    return d && (d->spec->epoch != u->ran_epoch || d->spec->revision != u->ran_revision);
}

void unit_directed(struct unit *u)
{
    const Oms__Directive *d = unit_directive(u);

    u->goal = d->goal && strcmp(d->goal, "STOP") == 0 ? GOAL_STOP : GOAL_RUN;
    u->sv->news = true;
    if (u->goal == GOAL_STOP)
        return;
    if (!ran_another(u))
        return;
    if (u->state == UNIT_RUNNING) {
        u->restart_wanted = true;
    } else if (u->state == UNIT_DONE || u->state == UNIT_REFUSED || u->state == UNIT_BACKOFF) {
        u->crashes = 0;
        set_state(u, UNIT_STOPPED);
    }
}

static void start(struct unit *u)
{
    struct err e = ERR_INIT;

    if (!unit_directive(u))
        return; /* an orphan is never started */
    if (process_start(u, &e)) {
        set_state(u, UNIT_RUNNING);
        return;
    }
    log_err(LOG_ERROR, "component.start_failed", &e);
    Oms__Error word = OMS__ERROR__INIT;
    word.code = (char *)err_name(e.code);
    word.message = e.message;
    keep_message(&u->last_word, &word.base);
    u->due = mono_add_ms(clock_mono(), backoff_ms(u->crashes++, (uint32_t)random()));
    set_state(u, UNIT_BACKOFF);
}

static void terminate(struct unit *u, struct mono now)
{
    process_signal(u, SIGTERM);
    u->kill_at = mono_add_ms(now, u->sv->config->stop_ms);
    set_state(u, UNIT_STOPPING);
}

/* Alive, but it has not said anything for long: it hangs. */
static void look_for_hang(struct unit *u, struct mono now)
{
    if (u->state != UNIT_RUNNING || mono_ms_between(u->synced, now) <= u->sv->config->hang_ms)
        return;
    log_event(LOG_ERROR, "component.hangs", "id=%s pid=%d silent for %u ms: killed", u->id,
              (int)u->pid, u->sv->config->hang_ms);
    u->synced = now;
    process_signal(u, SIGKILL);
}

void unit_tick(struct unit *u, struct mono now)
{
    enum goal g = u->sv->stopping_all ? GOAL_STOP : u->goal;

    look_for_hang(u, now);
    if (u->state == UNIT_RUNNING && u->restart_wanted && g == GOAL_RUN)
        terminate(u, now);
    switch (goal_action(u->state, g)) {
    case ACT_UNSET:
        must(false);
    case ACT_NOTHING:
        break;
    case ACT_START:
        start(u);
        break;
    case ACT_START_DUE:
        if (mono_cmp(now, u->due) >= 0) {
            u->restarts++;
            start(u);
        }
        break;
    case ACT_TERM:
        terminate(u, now);
        break;
    case ACT_KILL_LATE:
        if (mono_cmp(now, u->kill_at) >= 0) {
            log_event(LOG_WARN, "component.killed", "id=%s did not end in %u ms", u->id,
                      u->sv->config->stop_ms);
            process_signal(u, SIGKILL);
            u->kill_at = mono_add_ms(now, u->sv->config->stop_ms);
        }
        break;
    case ACT_FORGET:
        set_state(u, UNIT_STOPPED);
        break;
    }
    component_answer_parked(u, now);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    const char *name = path + at->base;

    (void)st;
    if (at->level == 0 || strncmp(name, "component.log", 13) == 0)
        return 0;
    if (type == FTW_DP ? rmdir(path) : unlink(path))
        log_event(LOG_WARN, "component.remains", "cannot remove '%s'", path);
    return 0;
}

void unit_clear_dir(const char *dir)
{
    (void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* absent: nothing to clear */
}

static int remove_any(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    if (type == FTW_DP ? rmdir(path) : unlink(path))
        log_event(LOG_WARN, "component.remains", "cannot remove '%s'", path);
    return 0;
}

/* The directory itself, with the logs that unit_clear_dir leaves. */
static void remove_logs(const char *dir)
{
    (void)nftw(dir, remove_any, 16, FTW_DEPTH | FTW_PHYS);
}

/* CM has removed a component: its directive goes, and what it wrote except its logs. One
 * that a person removed leaves nothing at all. What an orphan wrote stays: that CM does not know it
 * may be CM's loss of memory. */
void unit_forget(struct supervisor *sv, const char *id, bool removed)
{
    for (size_t i = 0; i < sv->units.n; i++) {
        struct unit *u = sv->units.at[i];

        if (strcmp(u->id, id) != 0 || u->pid)
            continue;
        const Oms__Directive *d = unit_directive(u);
        bool known = d && d->spec->kind && *d->spec->kind && u->goal == GOAL_STOP;

        log_event(LOG_INFO, "component.forgotten", "id=%s%s", id, known ? "" : " (files stay)");
        if (removed || known)
            unit_clear_dir(u->dir);
        if (removed)
            remove_logs(u->dir);
        component_drop_parked(u);
        unit_free(u);
        sv->units.at[i] = sv->units.at[--sv->units.n];
        sv->news = true;
        return;
    }
}
