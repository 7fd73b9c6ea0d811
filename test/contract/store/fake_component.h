/* The component that a Store runs in, for tests: what it would be given, and what it reports. Its
 * functions take the place of components/runtime at link time. Included by test_pull*.c alone. */
#ifndef OMS_TEST_CONTRACT_STORE_FAKE_COMPONENT_H
#define OMS_TEST_CONTRACT_STORE_FAKE_COMPONENT_H

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/runtime/component.h"
#include "components/store/pull.h"

struct component {
    const char *dir;
    Oms__ComponentSpec spec;
    Oms__ComponentFixed fixed;
    Oms__ObjectScope scope;
    Oms__Endpoint source;
    Oms__StoreOptions options;
    char *include[1];
    const struct endpoint *endpoint;
    struct endpoint_address address;
    atomic_bool copy_runs;
    atomic_bool stop;
    pthread_mutex_t lock;
    char listening[64], position[4096]; /* lock */
    bool done;                          /* lock; "log pull" */
    struct err error;                   /* lock; ERR_NONE: none now */
    enum err_code worst;                /* lock; of the last error that was reported */
    uint32_t retries;                   /* lock */
    pthread_t thread;
    bool running, result;
    struct err ended;
};

static void component_init(struct component *c, const char *dir, const struct endpoint *endpoint)
{
    *c = (struct component){.dir = dir, .endpoint = endpoint};
    must(pthread_mutex_init(&c->lock, NULL) == 0);
    oms__component_spec__init(&c->spec);
    oms__component_fixed__init(&c->fixed);
    oms__object_scope__init(&c->scope);
    oms__endpoint__init(&c->source);
    oms__store_options__init(&c->options);
    c->include[0] = (char *)"shop.*";
    c->scope.include = c->include;
    c->scope.n_include = 1;
    c->source.id = (char *)"src";
    c->fixed.source = &c->source;
    c->fixed.scope = &c->scope;
    c->fixed.store = &c->options;
    c->spec.id = (char *)"p.store";
    c->spec.fixed = &c->fixed;
}

static void *component_thread(void *arg)
{
    struct component *c = arg;

    c->result = store_run(c, &c->ended);
    return NULL;
}

static void component_start(struct component *c)
{
    c->stop = false;
    c->listening[0] = '\0';
    c->done = false;
    c->ended = (struct err)ERR_INIT;
    must(pthread_create(&c->thread, NULL, component_thread, c) == 0);
    c->running = true;
}

/* Waits for its end; true: it ended well. */
static bool component_stop(struct component *c)
{
    c->stop = true;
    pthread_join(c->thread, NULL);
    c->running = false;
    return c->result;
}

const Oms__ComponentSpec *component_spec(const struct component *c)
{
    return &c->spec;
}
const char *component_dir(const struct component *c)
{
    return c->dir;
}
uint64_t component_epoch(const struct component *c)
{
    (void)c;
    return 3;
}
bool component_address(struct component *c, const char *id, struct endpoint_address *out,
                       const struct endpoint **endpoint, struct err *e)
{
    (void)e;
    must(strcmp(id, "src") == 0);
    *out = c->address;
    *endpoint = c->endpoint;
    return true;
}
bool component_secret(struct component *c, const char *name, char *out, size_t cap, struct err *e)
{
    (void)c, (void)e;
    must(strcmp(name, "stream-token:p.store") == 0);
    snprintf(out, cap, "secret");
    return true;
}
Oms__ComponentLive *component_live(struct component *c)
{
    Oms__ComponentLive *live = must_calloc(1, sizeof *live);

    oms__component_live__init(live);
    live->has_full_done = true;
    live->full_done = !c->copy_runs;
    return live;
}
void component_live_free(Oms__ComponentLive *l)
{
    free(l);
}
bool component_stopping(const struct component *c)
{
    return c->stop;
}
bool component_wait(struct component *c, int64_t ms)
{
    (void)ms;
    sched_yield();
    return c->stop;
}
bool component_backoff(struct component *c, struct backoff *b)
{
    b->tries++;
    (void)poll(NULL, 0, 5); /* the real one waits longer */
    return !c->stop;
}
void component_progress(struct component *c, const char *step, const char *unit, uint64_t done,
                        uint64_t total, double rate, int64_t eta_s)
{
    (void)c, (void)done, (void)total, (void)rate, (void)eta_s;
    must(strcmp(step, "log pull") == 0 && strcmp(unit, "bytes") == 0);
}
void component_lag_note(struct component *c, const char *note)
{
    (void)c, (void)note;
}
void component_metric(struct component *c, const char *name, double value)
{
    (void)c, (void)name, (void)value;
}
void component_position(struct component *c, const char *position, int64_t lag, bool caught_up,
                        int64_t backlog)
{
    (void)lag, (void)caught_up, (void)backlog;
    pthread_mutex_lock(&c->lock);
    snprintf(c->position, sizeof c->position, "%s", position);
    pthread_mutex_unlock(&c->lock);
}
void component_listening(struct component *c, const char *address)
{
    pthread_mutex_lock(&c->lock);
    snprintf(c->listening, sizeof c->listening, "%s", address);
    pthread_mutex_unlock(&c->lock);
}
void component_step_done(struct component *c, const char *step)
{
    must(strcmp(step, "log pull") == 0);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_mutex_unlock(&c->lock);
}
void component_incident(struct component *c, const char *key, const char *code, const char *summary,
                        const char *evidence, const char *choices)
{
    (void)c, (void)key, (void)code, (void)summary, (void)evidence, (void)choices;
}
void component_incident_gone(struct component *c, const char *key)
{
    (void)c, (void)key;
}
void component_error(struct component *c, const struct err *e)
{
    pthread_mutex_lock(&c->lock);
    if (e) {
        c->error = *e;
        c->worst = e->code;
        c->retries++;
    } else {
        c->error.code = ERR_NONE;
    }
    pthread_mutex_unlock(&c->lock);
}
bool component_answer(struct component *c, const char *ask_id, const void *chunk, size_t n,
                      bool last)
{
    (void)c, (void)ask_id, (void)chunk, (void)n, (void)last;
    return false;
}
void component_refuse(struct component *c, const char *ask_id, const struct err *why)
{
    (void)c, (void)ask_id, (void)why;
}
int component_main(const struct component_ops *ops, int argc, char **argv)
{
    (void)ops, (void)argc, (void)argv;
    return 1;
}

/* Copies of what was reported. */
static inline void component_listens(struct component *c, char out[64])
{
    pthread_mutex_lock(&c->lock);
    memcpy(out, c->listening, 64);
    pthread_mutex_unlock(&c->lock);
}
static inline bool component_is_done(struct component *c)
{
    bool done;

    pthread_mutex_lock(&c->lock);
    done = c->done;
    pthread_mutex_unlock(&c->lock);
    return done;
}
static inline enum err_code component_has_error(struct component *c)
{
    enum err_code code;

    pthread_mutex_lock(&c->lock);
    code = c->error.code;
    pthread_mutex_unlock(&c->lock);
    return code;
}

#endif
