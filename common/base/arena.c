/* Arena: a list of chunks, the newest first. See arena.h. */
#include "common/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

#define CHUNK_MIN 4096u
#define CHUNK_GROW_MAX (256u << 10) /* chunks double up to this size */
#define ALIGN 16u

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap, used; /* bytes of data */
    _Alignas(16) unsigned char data[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
    *a = (struct arena){.limit_bytes = limit_bytes};
}

void arena_fini(struct arena *a)
{
    for (struct arena_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    a->head = NULL;
    a->used_bytes = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *keep = a->head;

    if (!keep)
        return;
    a->head = keep->next;
    arena_fini(a);
    keep->next = NULL;
    keep->used = 0;
    a->head = keep;
}

static void *arena_take(struct arena *a, size_t size_bytes)
{
    size_t need = (size_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_chunk *c = a->head;

    if (!c || c->cap - c->used < need) {
        size_t cap = c && c->cap * 2 <= CHUNK_GROW_MAX ? c->cap * 2 : CHUNK_MIN;

        if (c && c->cap > CHUNK_GROW_MAX / 2)
            cap = CHUNK_GROW_MAX;
        if (cap < need)
            cap = need;
        c = must_alloc(sizeof *c + cap);
        *c = (struct arena_chunk){.next = a->head, .cap = cap};
        a->head = c;
    }
    void *p = c->data + c->used;
    c->used += need;
    a->used_bytes += need;
    return p;
}

static bool within_limit(const struct arena *a, size_t size_bytes)
{
    if (size_bytes > SIZE_MAX / 2)
        return false;
    return a->limit_bytes == 0 || (a->used_bytes <= a->limit_bytes &&
                                   size_bytes + ALIGN <= a->limit_bytes - a->used_bytes);
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    must(within_limit(a, size_bytes));
    return arena_take(a, size_bytes);
}

void *arena_calloc(struct arena *a, size_t n, size_t size_bytes)
{
    size_t total;

    must(!__builtin_mul_overflow(n, size_bytes, &total));
    return memset(arena_alloc(a, total), 0, total);
}

bool arena_try_alloc(struct arena *a, size_t size_bytes, void **out, struct err *e)
{
    if (!within_limit(a, size_bytes))
        return err_set(e, ERR_LIMIT, "%zu bytes asked for, limit %zu bytes, %zu in use", size_bytes,
                       a->limit_bytes, a->used_bytes);
    *out = arena_take(a, size_bytes);
    return true;
}

void *arena_memdup(struct arena *a, const void *p, size_t size_bytes)
{
    void *q = arena_alloc(a, size_bytes);

    if (size_bytes > 0)
        memcpy(q, p, size_bytes);
    return q;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *q = arena_alloc(a, n + 1);

    if (n > 0)
        memcpy(q, s, n);
    q[n] = '\0';
    return q;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *s;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    s = arena_alloc(a, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}
