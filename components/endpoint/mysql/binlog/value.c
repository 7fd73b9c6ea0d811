/* Decimal and temporal values (value.h). */
#include "components/endpoint/mysql/binlog/value.h"

#define GROUP 9 /* digits in a whole group of four bytes */
#define SECOND_US 1000000ll

static const uint8_t bytes_of[GROUP + 1] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
static const uint32_t limit_of[GROUP + 1] = {1,      10,      100,      1000,      10000,
                                             100000, 1000000, 10000000, 100000000, 1000000000};

unsigned decimal_size(unsigned precision, unsigned scale)
{
    unsigned whole = precision - scale;

    return whole / GROUP * 4 + bytes_of[whole % GROUP] + scale / GROUP * 4 +
           bytes_of[scale % GROUP];
}

struct digits {
    const uint8_t *p;
    uint8_t flip; /* negative values have all bits inverted */
    bool first;   /* the sign bit is still to come */
    bool ok, any; /* any digit but zero */
};

/* One group of n digits, written with leading zeros. */
static uint8_t *put_group(struct digits *d, unsigned n, uint8_t *to)
{
    unsigned bytes = bytes_of[n];
    uint32_t v = 0;

    for (unsigned i = 0; i < bytes; i++) {
        uint8_t b = d->p[i] ^ d->flip;
        if (d->first) {
            b ^= 0x80;
            d->first = false;
        }
        v = v << 8 | b;
    }
    d->p += bytes;
    d->ok = d->ok && v < limit_of[n];
    d->any = d->any || v != 0;
    for (unsigned i = n; i-- > 0; v /= 10)
        to[i] = (uint8_t)('0' + v % 10);
    return to + n;
}

unsigned decimal_text(const uint8_t *p, unsigned precision, unsigned scale, uint8_t *to)
{
    uint8_t text[DECIMAL_TEXT_MAX];
    uint8_t *w = text, *out = to;
    unsigned whole = precision - scale;
    struct digits d = {.p = p, .flip = p[0] & 0x80 ? 0 : 0xff, .first = true, .ok = true};

    if (whole % GROUP)
        w = put_group(&d, whole % GROUP, w);
    for (unsigned i = 0; i < whole / GROUP; i++)
        w = put_group(&d, GROUP, w);
    uint8_t *point = w;
    for (unsigned i = 0; i < scale / GROUP; i++)
        w = put_group(&d, GROUP, w);
    if (scale % GROUP)
        w = put_group(&d, scale % GROUP, w);
    if (!d.ok)
        return 0;
    uint8_t *start = text;
    while (start < point && *start == '0')
        start++;
    if (d.flip && d.any)
        *out++ = '-';
    if (start == point)
        *out++ = '0';
    memcpy(out, start, (size_t)(point - start));
    out += point - start;
    if (scale > 0) {
        *out++ = '.';
        memcpy(out, point, scale);
        out += scale;
    }
    return (unsigned)(out - to);
}

static int64_t clock_us(int64_t hours, unsigned minutes, unsigned seconds)
{
    return ((hours * 60 + minutes) * 60 + seconds) * SECOND_US;
}

bool time2_us(const uint8_t *p, unsigned fraction_digits, int64_t *us)
{
    unsigned fb = fraction_bytes(fraction_digits);
    uint8_t fraction[3];
    int64_t v = (int64_t)be_bytes(p, 3 + fb) - ((int64_t)0x800000 << 8 * fb);
    bool negative = v < 0;

    v = negative ? -v : v;
    for (unsigned i = 0; i < fb; i++)
        fraction[i] = (uint8_t)(v >> 8 * (fb - 1 - i));
    int64_t clock = v >> 8 * fb;
    unsigned minutes = (unsigned)(clock >> 6) & 63, seconds = (unsigned)clock & 63;
    int64_t got = clock_us(clock >> 12 & 0x3ff, minutes, seconds) + fraction_us(fraction, fb);
    *us = negative ? -got : got;
    return minutes < 60 && seconds < 60;
}

int64_t time_old_us(const uint8_t *p)
{
    int32_t v = (int32_t)le_bytes(p, 3);

    if (v & 0x800000)
        v -= 0x1000000;
    int32_t a = v < 0 ? -v : v;
    int64_t got = clock_us(a / 10000, (unsigned)(a / 100 % 100), (unsigned)(a % 100));
    return v < 0 ? -got : got;
}

uint64_t datetime_old(const uint8_t *p)
{
    uint64_t v = le_bytes(p, 8);
    uint64_t date = v / 1000000, clock = v % 1000000;
    uint64_t month = date / 10000 * 13 + date / 100 % 100;

    return (((month << 5 | date % 100) << 17) | clock / 10000 << 12 | clock / 100 % 100 << 6 |
            clock % 100)
           << 24;
}
