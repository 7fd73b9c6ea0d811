/* See place.h. */
#include "common/base/place.h"

#include <string.h>

#define PORT_MAX 65535u
#define PORT_DIGITS 5

static bool port_of(const char *text, uint16_t *port)
{
    size_t n = strspn(text, "0123456789");
    uint32_t value = 0;

    if (n == 0 || n > PORT_DIGITS || text[n] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        value = 10 * value + (uint32_t)(text[i] - '0');
    if (value == 0 || value > PORT_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

bool place_parse(const char *text, char host[PLACE_HOST_MAX], uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *from = text;
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
    uint16_t got;

    if (bracketed) {
        from++;
        n -= 2;
    }
    if (n == 0 || n >= PLACE_HOST_MAX || (!bracketed && memchr(from, ':', n)) ||
        strcspn(from, " \t[]/@") < n || !port_of(colon + 1, &got))
        return false;
    memcpy(host, from, n);
    host[n] = '\0';
    *port = got;
    return true;
}
