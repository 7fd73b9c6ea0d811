/*
 * CRC-32 by folding (crc.h). The bytes are a polynomial over GF(2); 64 of them at a time are
 * multiplied by x^n mod P, until 16 are left, which a Barrett reduction brings to 32 bits. All
 * constants are bit-reflected powers of x modulo 0x04C11DB7, as the format is. A tail under 16
 * bytes joins the 16 before it: what they push out in front is multiplied once more. Fewer than 16
 * bytes in all are zlib's.
 */
#include "components/endpoint/mysql/binlog/crc.h"

#include <zlib.h>

#include "components/record/fold128.h"

#if defined(__x86_64__)

#define FOLD_MIN 16

#define TARGET __attribute__((target("pclmul,sse4.1")))

/* 16 bytes of remainder to 32 bits. */
TARGET static uint32_t reduce(__m128i x)
{
    const __m128i k5 = _mm_set_epi64x(0, 0x163cd6124);
    const __m128i k34 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);
    const __m128i mask = _mm_set_epi32(0, -1, 0, -1);
    __m128i t;

    t = _mm_clmulepi64_si128(x, k34, 0x10);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), t);
    t = _mm_srli_si128(x, 4);
    x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, mask), k5, 0x00), t);
    t = _mm_clmulepi64_si128(_mm_and_si128(x, mask), barrett, 0x10);
    t = _mm_clmulepi64_si128(_mm_and_si128(t, mask), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, t), 1);
}

/* Bytes k .. k+15 of this, as indices of a shuffle, move a vector by k-16 bytes; others are zero.
 */
static const uint8_t moves[48] = {
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
};

/* The last n bytes, 1 to 15, before `end`; the 16 bytes before `end` may be read. */
TARGET static __m128i fold_tail(__m128i a, __m128i by1, const uint8_t *end, size_t n)
{
    __m128i out = _mm_shuffle_epi8(a, load128(moves + n));       /* the first n of a, at the end */
    __m128i kept = _mm_shuffle_epi8(a, load128(moves + 16 + n)); /* the others, at the beginning */
    __m128i behind = _mm_cmpgt_epi8(_mm_setzero_si128(), load128(moves + 16 + n));
    __m128i last = _mm_and_si128(load128(end - 16), behind);

    return fold128(out, by1, _mm_or_si128(kept, last));
}

/* n is at least 16; crc is not inverted here. */
TARGET static uint32_t fold_all(uint32_t crc, const uint8_t *p, size_t n)
{
    const __m128i by4 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by1 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i a;

    if (n >= 64) {
        a = fold128_by64(crc, &p, &n, by4, by1);
    } else {
        a = _mm_xor_si128(load128(p), _mm_cvtsi32_si128((int)crc));
        p += 16;
        n -= 16;
    }
    for (; n >= 16; p += 16, n -= 16)
        a = fold128(a, by1, load128(p));
    return reduce(n > 0 ? fold_tail(a, by1, p + n, n) : a);
}

uint32_t binlog_crc(uint32_t seed, const void *p, size_t n)
{
    if (n >= FOLD_MIN && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        return ~fold_all(~seed, p, n);
    return (uint32_t)crc32_z(seed, p, n);
}
#else
uint32_t binlog_crc(uint32_t seed, const void *p, size_t n)
{
    return (uint32_t)crc32_z(seed, p, n);
}
#endif
