/* UTF-8: lengths, code points, validity. Pure. */
#include "common/pbtext/pbtext_priv.h"

/* What the first byte promises; 0: it begins nothing. */
static size_t promised_len(unsigned char c)
{
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t utf8_len(const unsigned char *p, size_t n)
{
    size_t len = n ? promised_len(p[0]) : 0;
    uint32_t c;

    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    c = utf8_decode(p, len);
    if (len == 3 && (c < 0x800 || c >> 11 == 0x1b)) /* too long a form, half a surrogate pair */
        return 0;
    return len == 4 && (c < 0x10000 || c > 0x10ffff) ? 0 : len;
}

uint32_t utf8_decode(const unsigned char *p, size_t len)
{
    static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = p[0] & mask[len];

    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

bool utf8_is_valid(const char *p, size_t n)
{
    const unsigned char *q = (const unsigned char *)p;

    while (n > 0) {
        size_t len = utf8_len(q, n);

        if (len == 0)
            return false;
        q += len;
        n -= len;
    }
    return true;
}
