/* Conditions on CLOCK_MONOTONIC. See cond.h. */
#include "common/os/cond.h"

#include "common/base/must.h"

void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(c, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

struct timespec cond_deadline(int64_t timeout_ms)
{
    struct timespec t;

    must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    if (timeout_ms < 0)
        timeout_ms = 0;
    t.tv_sec += (time_t)(timeout_ms / 1000);
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}
