/*
 * Growing byte buffer, born with its ceiling. Appending beyond the ceiling sets the sticky flag
 * `overflow` and appends nothing more; check buf_ok() once per record. Single-threaded.
 */
#ifndef OMS_COMMON_BASE_BUF_H
#define OMS_COMMON_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/compiler.h"

struct buf {
    uint8_t *p;
    size_t len;
    size_t cap;
    size_t max;    /* ceiling in bytes */
    bool overflow; /* sticky */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps memory, clears overflow */
static inline bool buf_ok(const struct buf *b)
{
    return !b->overflow;
}
/* Makes room for n more bytes; false (and sticky) beyond the ceiling. */
bool buf_grow(struct buf *b, size_t n);
static inline bool buf_reserve(struct buf *b, size_t n)
{
    return b->cap - b->len >= n ? true : buf_grow(b, n);
}
static inline void buf_append(struct buf *b, const void *p, size_t n)
{
    if (n > 0 && buf_reserve(b, n)) {
        memcpy(b->p + b->len, p, n);
        b->len += n;
    }
}
static inline void buf_u8(struct buf *b, uint8_t v)
{
    if (buf_reserve(b, 1))
        b->p[b->len++] = v;
}
/* Little endian. */
static inline void buf_u16(struct buf *b, uint16_t v)
{
    buf_append(b, &v, 2);
}
static inline void buf_u32(struct buf *b, uint32_t v)
{
    buf_append(b, &v, 4);
}
static inline void buf_u64(struct buf *b, uint64_t v)
{
    buf_append(b, &v, 8);
}
/* LEB128: 7 bits a byte, low first, at most 10 bytes. */
void buf_varint(struct buf *b, uint64_t v);
/* varint length, then the bytes. */
static inline void buf_bytes(struct buf *b, const void *p, size_t n)
{
    buf_varint(b, n);
    buf_append(b, p, n);
}
static inline void buf_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Terminates with NUL (not counted in len) and returns the text; "" on overflow of an empty one. */
const char *buf_cstr(struct buf *b);

#endif
