/* Growing byte buffer with a ceiling. See buf.h. */
#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/must.h"

#define BUF_MIN 64u

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
}

bool buf_grow(struct buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : BUF_MIN;

    if (b->overflow || n > b->max || b->len > b->max - n) {
        b->overflow = true;
        return false;
    }
    while (cap - b->len < n)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    b->p = must_realloc(b->p, cap);
    b->cap = cap;
    return true;
}

void buf_varint(struct buf *b, uint64_t v)
{
    uint8_t tmp[10];
    size_t n = 0;

    while (v >= 0x80) {
        tmp[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    tmp[n++] = (uint8_t)v;
    buf_append(b, tmp, n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (b->overflow)
        return;
    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    if (!buf_reserve(b, (size_t)n + 1))
        return;
    va_start(ap, fmt);
    vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
    if (b->len < b->cap || (!b->overflow && buf_grow(b, 1))) {
        b->p[b->len] = '\0';
        return (const char *)b->p;
    }
    if (b->cap == 0)
        return "";
    b->p[b->cap - 1] = '\0'; /* full to the ceiling: the text is cut, overflow says so */
    b->overflow = true;
    return (const char *)b->p;
}
