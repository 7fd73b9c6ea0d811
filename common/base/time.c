/* Time in text. See time.h. */
#include "common/base/time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
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

static const char *parse_fraction(const char *at, int64_t *us)
{
    int64_t unit = 100000;

    for (at++; isdigit((unsigned char)*at); at++, unit /= 10)
        *us += unit * (*at - '0');
    return at;
}

bool wall_parse(const char *text, struct wall *out)
{
    struct tm tm = {0};
    const char *at = strptime(text, "%Y-%m-%d", &tm);
    int64_t us = 0;

    if (at && (*at == 'T' || *at == ' ')) {
        const char *clock = at + 1;

        at = strptime(clock, "%H:%M:%S", &tm);
        if (!at)
            at = strptime(clock, "%H:%M", &tm);
    }
    if (at && *at == '.')
        at = parse_fraction(at, &us);
    if (at && *at == 'Z')
        at++;
    if (!at || *at != '\0')
        return false;
    out->us = (int64_t)timegm(&tm) * 1000000 + us;
    return true;
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
