/*
 * Typed growing arrays: VEC(struct foo) v = {0}; vec_push(&v, x); v.at[i]; v.n; vec_fini(&v).
 * For sizes the program bounds itself; aborts when memory is gone. Single-threaded.
 */
#ifndef OMS_COMMON_BASE_VEC_H
#define OMS_COMMON_BASE_VEC_H

#include <stdlib.h>

#include "common/base/must.h"

#define VEC(type)   \
    struct {        \
        type *at;   \
        size_t n;   \
        size_t cap; \
    }
#define vec_reserve(v, want)                                                \
    do {                                                                    \
        size_t vec_want_ = (want);                                          \
        if (vec_want_ > (v)->cap) {                                         \
            (v)->cap = vec_want_ > 2 * (v)->cap ? vec_want_ : 2 * (v)->cap; \
            (v)->at = must_realloc((v)->at, (v)->cap * sizeof *(v)->at);    \
        }                                                                   \
    } while (0)
#define vec_push(v, x)                \
    do {                              \
        vec_reserve((v), (v)->n + 1); \
        (v)->at[(v)->n++] = (x);      \
    } while (0)
#define vec_fini(v)            \
    do {                       \
        free((v)->at);         \
        (v)->at = NULL;        \
        (v)->n = (v)->cap = 0; \
    } while (0)

#endif
