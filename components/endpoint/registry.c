/* The registry of endpoints: one static array that names each. endpoint_find() alone reads it. */
#include <string.h>

#include "components/endpoint/endpoint.h"
#include "components/endpoint/mysql/endpoint.h"

static const struct endpoint *const endpoints[] = {&mysql_endpoint};

const struct endpoint *endpoint_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++)
        for (const char *const *f = endpoints[i]->flavours; *f; f++)
            if (strcmp(*f, kind) == 0)
                return endpoints[i];
    return NULL;
}

struct endpoint_address endpoint_place(const struct endpoint_address *a, size_t n)
{
    struct endpoint_address one = *a;

    one.others = NULL;
    one.n_others = 0;
    if (n == 0)
        return one;
    one.host = a->others[n - 1].host;
    one.port = a->others[n - 1].port;
    one.socket = NULL;
    return one;
}

bool endpoint_first(const struct endpoint *ep, struct endpoint_address *a, struct err *e)
{
    struct endpoint_address one;
    struct session *s;

    for (size_t i = 0; a->n_others > 0 && i <= a->n_others; i++) {
        struct err *why = i == 0 ? e : &(struct err)ERR_INIT;
        one = endpoint_place(a, i);
        if (!ep->catalog->connect(&one, &s, why))
            continue;
        ep->catalog->close(s);
        err_clear(e);
        *a = one;
        return true;
    }
    return a->n_others == 0;
}
