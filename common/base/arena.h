/*
 * Arena: memory by unit of work. Allocate freely, free all at once. Not shared between threads.
 */
#ifndef OMS_COMMON_BASE_ARENA_H
#define OMS_COMMON_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

struct arena {
    struct arena_chunk *head;
    size_t used_bytes;  /* handed out since the last reset */
    size_t limit_bytes; /* 0 = none; arena_try_alloc fails beyond it, arena_alloc aborts */
};

void arena_init(struct arena *a, size_t limit_bytes);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);                     /* keeps one chunk */
void *arena_alloc(struct arena *a, size_t size_bytes); /* 16-aligned, not zeroed */
void *arena_calloc(struct arena *a, size_t n, size_t size_bytes);
/* For sizes that input decides: ERR_LIMIT instead of abort. */
bool arena_try_alloc(struct arena *a, size_t size_bytes, void **out, struct err *e) MUST_CHECK;
void *arena_memdup(struct arena *a, const void *p, size_t size_bytes);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#endif
