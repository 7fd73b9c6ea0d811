/* The clocks. See clock.h. */
#include "common/os/clock.h"

#include <time.h>

#include "common/base/must.h"

struct mono clock_mono(void)
{
    struct timespec ts;

    must(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
    return (struct mono){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}

struct wall clock_wall(void)
{
    struct timespec ts;

    must(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    return (struct wall){(int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}
