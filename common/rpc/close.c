/* Closing sockets. See close.h. */
#include "common/rpc/close.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/cond.h"

#define WAIT_S 1

struct ending {
    nng_socket s;
    void *to_free;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, left_behind; /* lock */
};

static void ending_free(struct ending *end)
{
    pthread_mutex_destroy(&end->lock);
    pthread_cond_destroy(&end->changed);
    free(end);
}

static void *close_it(void *arg)
{
    struct ending *end = arg;
    bool left_behind;

    nng_close(end->s);
    free(end->to_free);
    pthread_mutex_lock(&end->lock);
    end->done = true;
    left_behind = end->left_behind;
    pthread_cond_signal(&end->changed);
    pthread_mutex_unlock(&end->lock);
    if (left_behind)
        ending_free(end);
    return NULL;
}

static bool wait_done(struct ending *end)
{
    struct timespec until = cond_deadline(WAIT_S * 1000);
    bool done;
    int rc = 0;

    pthread_mutex_lock(&end->lock);
    while (!end->done && rc == 0)
        rc = pthread_cond_timedwait(&end->changed, &end->lock, &until);
    done = end->done;
    end->left_behind = !done;
    pthread_mutex_unlock(&end->lock);
    return done;
}

void socket_end(nng_socket s, void *to_free)
{
    struct ending *end = must_calloc(1, sizeof *end);
    pthread_t thread;

    end->s = s;
    end->to_free = to_free;
    pthread_mutex_init(&end->lock, NULL);
    cond_init(&end->changed);
    must(pthread_create(&thread, NULL, close_it, end) == 0);
    if (wait_done(end)) {
        must(pthread_join(thread, NULL) == 0);
        ending_free(end);
        return;
    }
    log_event(LOG_WARN, "rpc.close", "a connection does not end; it is left behind");
    pthread_detach(thread);
}
