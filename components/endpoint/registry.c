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
