/*
 * Bounds-checked reading of foreign bytes. Failure is sticky: after the first read past the end
 * `failed` stays set, reads return 0 / empty views, and the caller turns it into one struct err per
 * record. Never copies. Single-threaded.
 */
#ifndef OMS_COMMON_BASE_CURSOR_H
#define OMS_COMMON_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct view { /* borrowed bytes */
    const uint8_t *p;
    size_t len;
};

struct cursor {
    const uint8_t *p;
    const uint8_t *end;
    const uint8_t *start;
    bool failed;
};

static inline struct cursor cursor_of(const void *p, size_t len)
{
    const uint8_t *b = p;
    return (struct cursor){.p = b, .end = len ? b + len : b, .start = b, .failed = false};
}
static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->p);
}
static inline size_t cursor_at(const struct cursor *c)
{
    return (size_t)(c->p - c->start);
}
static inline bool cursor_need(struct cursor *c, size_t n)
{
    if (c->failed || cursor_left(c) < n) {
        c->failed = true;
        return false;
    }
    return true;
}
/* n bytes, or a view of length 0 with p = NULL on failure. */
static inline struct view cursor_take(struct cursor *c, size_t n)
{
    if (!cursor_need(c, n))
        return (struct view){NULL, 0};
    struct view v = {c->p, n};
    c->p += n;
    return v;
}
static inline void cursor_skip(struct cursor *c, size_t n)
{
    (void)cursor_take(c, n);
}
/* n little-endian bytes, 1 <= n <= 8. */
static inline uint64_t cursor_le(struct cursor *c, unsigned n)
{
    uint64_t v = 0;
    if (!cursor_need(c, n))
        return 0;
    memcpy(&v, c->p, n);
    c->p += n;
    return v;
}
/* n big-endian bytes, 1 <= n <= 8. */
static inline uint64_t cursor_be(struct cursor *c, unsigned n)
{
    uint64_t v = 0;
    if (!cursor_need(c, n))
        return 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | c->p[i];
    c->p += n;
    return v;
}
static inline uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)cursor_le(c, 1);
}
static inline uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)cursor_le(c, 2);
}
static inline uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)cursor_le(c, 4);
}
static inline uint64_t cursor_u64(struct cursor *c)
{
    return cursor_le(c, 8);
}
/* LEB128 as buf_varint writes it; more than 10 bytes fails. */
static inline uint64_t cursor_varint(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!cursor_need(c, 1))
            return 0;
        uint8_t b = *c->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    c->failed = true;
    return 0;
}
/* varint length, then that many bytes. */
static inline struct view cursor_bytes(struct cursor *c)
{
    uint64_t n = cursor_varint(c);
    if (n > cursor_left(c)) {
        c->failed = true;
        return (struct view){NULL, 0};
    }
    return cursor_take(c, (size_t)n);
}

#endif
