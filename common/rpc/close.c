/* Closing sockets. See close.h. */
#include "common/rpc/close.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/must.h"
#include "common/log/log.h"

#define WAIT_S 1

struct ending {
    nng_socket s;
    void *to_free;
};

static void *close_it(void *arg)
{
    struct ending *end = arg;

    nng_close(end->s);
    free(end->to_free);
    free(end);
    return NULL;
}

void socket_end(nng_socket s, void *to_free)
{
    struct ending *end = must_calloc(1, sizeof *end);
    struct timespec until;
    pthread_t thread;

    *end = (struct ending){s, to_free};
    must(pthread_create(&thread, NULL, close_it, end) == 0);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
        return;
    log_event(LOG_WARN, "rpc.close", "a connection does not end; it is left behind");
    pthread_detach(thread);
}
