/* Fault points. See fault.h. */
#include "common/os/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/must.h"

#define FAULT_ROW(name, text) {#name, text},
static const struct {
    const char *name, *text;
} points[] = {FAULT_TABLE(FAULT_ROW)};
#undef FAULT_ROW

const char *fault_name(enum fault_point p)
{
    return points[p].name;
}

const char *fault_text(enum fault_point p)
{
    return points[p].text;
}

#ifdef OMS_FAULTS
enum action { ACTION_NONE, ACTION_KILL, ACTION_STOP, ACTION_ERR, ACTION_DELAY };
struct plan {
    enum action action;
    long nth, hits, delay_ms;
};
static struct plan plans[FAULT_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* One entry: name[:nth][=action]; what cannot be understood aborts, for a test that plans nothing
 * would pass for the wrong reason. */
static void plan_one(char *entry)
{
    char *action = strchr(entry, '=');
    char *nth;

    if (action)
        *action++ = '\0';
    nth = strchr(entry, ':');
    if (nth)
        *nth++ = '\0';
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (strcmp(points[i].name, entry) != 0)
            continue;
        plans[i].nth = nth ? strtol(nth, NULL, 10) : 1;
        if (!action || strcmp(action, "kill") == 0)
            plans[i].action = ACTION_KILL;
        else if (strcmp(action, "stop") == 0)
            plans[i].action = ACTION_STOP;
        else if (strcmp(action, "err") == 0)
            plans[i].action = ACTION_ERR;
        else if (strncmp(action, "delay:", 6) == 0)
            plans[i].action = ACTION_DELAY, plans[i].delay_ms = strtol(action + 6, NULL, 10);
        must(plans[i].action != ACTION_NONE);
        return;
    }
    must(!"OMS_FAULT names an unknown fault point");
}

static void read_plans(void)
{
    const char *env = getenv("OMS_FAULT");
    char *copy, *at, *entry;

    if (!env || !*env)
        return;
    at = copy = must_strdup(env);
    while ((entry = strsep(&at, ",")) != NULL)
        plan_one(entry);
    free(copy);
}

bool fault_hit(enum fault_point p)
{
    struct plan plan;
    bool now;

    pthread_once(&once, read_plans);
    if (plans[p].action == ACTION_NONE)
        return false;
    pthread_mutex_lock(&lock);
    plans[p].hits++;
    plan = plans[p];
    now = plan.hits == plan.nth;
    pthread_mutex_unlock(&lock);
    if (!now)
        return false;
    if (plan.action == ACTION_KILL)
        kill(getpid(), SIGKILL);
    if (plan.action == ACTION_STOP)
        kill(getpid(), SIGSTOP);
    if (plan.action == ACTION_DELAY) {
        struct timespec ts = {plan.delay_ms / 1000, plan.delay_ms % 1000 * 1000000};

        clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
    }
    return plan.action == ACTION_ERR;
}
#endif
