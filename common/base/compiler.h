/* Attributes and small macros every file may use. Pure. */
#ifndef OMS_COMMON_BASE_COMPILER_H
#define OMS_COMMON_BASE_COMPILER_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#define NORETURN __attribute__((noreturn))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
/* Gives away a scope-bound pointer: returns it and leaves NULL behind. */
#define take(p)                    \
    __extension__({                \
        __typeof__(p) take_ = (p); \
        (p) = NULL;                \
        take_;                     \
    })

#endif
