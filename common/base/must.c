/* must() and the allocators that abort. See must.h. */
#include "common/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "fatal: %s:%d: must(%s) failed\n", file, line, cond);
    abort();
}

void *must_alloc(size_t size_bytes)
{
    void *p = malloc(size_bytes ? size_bytes : 1);

    must(p != NULL);
    return p;
}

void *must_calloc(size_t n, size_t size_bytes)
{
    void *p = calloc(n ? n : 1, size_bytes ? size_bytes : 1);

    must(p != NULL);
    return p;
}

void *must_realloc(void *p, size_t size_bytes)
{
    void *q = realloc(p, size_bytes ? size_bytes : 1);

    must(q != NULL);
    return q;
}

char *must_strdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(must_alloc(n), s, n);
}
