/* must(cond): an assertion that stays on in production. For what cannot be, never for input. */
#ifndef OMS_COMMON_BASE_MUST_H
#define OMS_COMMON_BASE_MUST_H

#include "common/base/compiler.h"

/* Prints the condition and place to standard error and aborts. Thread: any. */
NORETURN void must_failed(const char *cond, const char *file, int line);

#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))

/* Allocators that abort when memory is gone: for small, bounded sizes only. Free with free(). */
void *must_alloc(size_t size_bytes);
void *must_calloc(size_t n, size_t size_bytes);
void *must_realloc(void *p, size_t size_bytes);
char *must_strdup(const char *s);

#endif
