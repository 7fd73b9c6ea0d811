/* See heartbeat.h. */
#include "components/store/heartbeat.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/queue.h"
#include "common/os/thread.h"

#define ANSWER_MS 3000
#define DENIED_AGAIN_MS 30000

struct heart {
    struct heart_params p;
    pthread_mutex_t lock;
    struct endpoint_address wanted; /* lock */
    bool waits, moved;              /* lock; no server is known to be the source yet; another is */
    struct endpoint_address address;
    struct thread thread;
    struct queue *stop; /* nothing is ever put in; closed by heart_stop, so a wait on it ends */
    struct heartbeat *session;
    enum err_code told; /* of the note that is shown */
};

static void tell(struct heart *h, const struct err *e)
{
    char note[sizeof e->message + 80];

    if (h->told == e->code)
        return;
    h->told = e->code;
    if (e->code == ERR_NONE) {
        component_lag_note(h->p.component, NULL);
        return;
    }
    snprintf(note, sizeof note, "no heartbeat: %s: %s", err_name(e->code), e->message);
    component_lag_note(h->p.component, note);
    log_err(LOG_WARN, "store.heartbeat", e);
}

/* The server that is written to. False: none yet. */
static bool take_place(struct heart *h)
{
    pthread_mutex_lock(&h->lock);
    bool waits = h->waits, moved = h->moved;
    h->moved = false;
    h->address = h->wanted;
    pthread_mutex_unlock(&h->lock);
    if (moved) {
        h->p.endpoint->heartbeat->close(h->session);
        h->session = NULL;
    }
    return !waits;
}

/* One beat, on a new session if need be; says how long to wait for the next. */
static int64_t beat(struct heart *h)
{
    const struct heartbeat_ops *ops = h->p.endpoint->heartbeat;
    struct err e = ERR_INIT;

    if (!take_place(h))
        return h->p.interval_ms;
    if ((h->session || ops->open(&h->address, h->p.schema, &h->session, &e)) &&
        ops->beat(h->session, h->p.name, clock_wall(), &e)) {
        tell(h, &e);
        return h->p.interval_ms;
    }
    ops->close(h->session);
    h->session = NULL;
    tell(h, &e);
    return err_class_of(e.code) == ERR_CLASS_RETRY ? h->p.interval_ms : DENIED_AGAIN_MS;
}

static void beat_on(void *arg)
{
    struct heart *h = arg;
    int64_t wait_ms = h->p.interval_ms;
    void *none;

    while (queue_pop(h->stop, wait_ms, &none) == QUEUE_TIMEOUT) {
        struct mono began = clock_mono();
        int64_t took;

        wait_ms = beat(h);
        took = mono_ms_between(began, clock_mono());
        wait_ms = wait_ms > took + 10 ? wait_ms - took : 10;
    }
}

static void put_place(struct heart *h, const struct endpoint_address *a)
{
    h->wanted = *a;
    h->wanted.connect_timeout_ms = h->wanted.answer_timeout_ms = ANSWER_MS;
}

void heart_at(struct heart *h, const struct endpoint_address *a)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->moved = h->waits || h->wanted.host != a->host || h->wanted.port != a->port ||
               h->wanted.socket != a->socket;
    h->waits = false;
    put_place(h, a);
    pthread_mutex_unlock(&h->lock);
}

bool heart_start(const struct heart_params *p, struct heart **out, struct err *e)
{
    struct heart *h = must_calloc(1, sizeof *h);

    h->p = *p;
    pthread_mutex_init(&h->lock, NULL);
    h->waits = p->waits;
    put_place(h, p->address);
    h->stop = queue_new(1);
    *out = h;
    (void)beat(h); /* what it says of the source is told; it is tried again */
    return thread_start(&h->thread, "heartbeat", beat_on, h, e);
}

void heart_stop(struct heart *h)
{
    if (!h)
        return;
    queue_close(h->stop);
    thread_join(&h->thread);
    if (h->p.endpoint->heartbeat)
        h->p.endpoint->heartbeat->close(h->session);
    queue_free(h->stop);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
