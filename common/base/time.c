/* Time in text. See time.h. */
#include "common/base/time.h"

#include <stdio.h>
#include <time.h>

const char *wall_format(struct wall t, char out[WALL_TEXT_MAX])
{
    time_t s = (time_t)(t.us / 1000000);
    long us = (long)(t.us % 1000000);
    struct tm tm;

    if (us < 0) {
        us += 1000000;
        s -= 1;
    }
    gmtime_r(&s, &tm);
    size_t n = strftime(out, WALL_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, WALL_TEXT_MAX - n, ".%06ldZ", us);
    return out;
}

const char *duration_format(int64_t ms, char *out, size_t cap)
{
    int64_t s = ms / 1000;

    if (ms < 0)
        snprintf(out, cap, "unknown");
    else if (ms < 1000)
        snprintf(out, cap, "%d ms", (int)ms);
    else if (s < 60)
        snprintf(out, cap, "%d.%d s", (int)s, (int)(ms % 1000 / 100));
    else if (s < 3600)
        snprintf(out, cap, "%d min %d s", (int)(s / 60), (int)(s % 60));
    else if (s < 48 * 3600)
        snprintf(out, cap, "%d h %d min", (int)(s / 3600), (int)(s % 3600 / 60));
    else
        snprintf(out, cap, "%lld d %d h", (long long)(s / 86400), (int)(s % 86400 / 3600));
    return out;
}
