/* Monotonic and wall time are different types, so that nobody subtracts one from the other. Pure.
 */
#ifndef OMS_COMMON_BASE_TIME_H
#define OMS_COMMON_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mono { /* nanoseconds of CLOCK_BOOTTIME; read by common/os/clock.h */
    int64_t ns;
};
struct wall { /* microseconds since 1970-01-01 UTC */
    int64_t us;
};

static inline int64_t mono_ms_between(struct mono from, struct mono to)
{
    return (to.ns - from.ns) / 1000000;
}
static inline struct mono mono_add_ms(struct mono t, int64_t ms)
{
    return (struct mono){t.ns + ms * 1000000};
}
static inline int mono_cmp(struct mono a, struct mono b)
{
    return a.ns < b.ns ? -1 : a.ns > b.ns;
}

#define WALL_TEXT_MAX 32
/* "2026-11-21T04:52:01.123456Z" into out; returns out. */
const char *wall_format(struct wall t, char out[WALL_TEXT_MAX]);
/* "2026-11-21T04:52:01Z", a blank for the T, seconds, fraction and Z may lack; UTC. False: no time.
 */
bool wall_parse(const char *text, struct wall *out);
/* "1.5 s", "2 min 3 s", "4 h 10 min"; for people. */
const char *duration_format(int64_t ms, char *out, size_t cap);

#endif
