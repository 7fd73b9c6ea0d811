/* Identifiers in text. See id.h. */
#include "common/base/id.h"

#include <string.h>

bool id_is_zero(struct id i)
{
    static const struct id zero;

    return id_eq(i, zero);
}

const char *id_format(struct id i, char out[ID_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned k = 0; k < sizeof i.b; k++) {
        out[2 * k] = digits[i.b[k] >> 4];
        out[2 * k + 1] = digits[i.b[k] & 15];
    }
    out[2 * sizeof i.b] = '\0';
    return out;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool id_parse(const char *text, struct id *out)
{
    struct id i;

    if (strlen(text) != 2 * sizeof i.b)
        return false;
    for (unsigned k = 0; k < sizeof i.b; k++) {
        int hi = digit_of(text[2 * k]), lo = digit_of(text[2 * k + 1]);

        if (hi < 0 || lo < 0)
            return false;
        i.b[k] = (uint8_t)(hi << 4 | lo);
    }
    *out = i;
    return true;
}
