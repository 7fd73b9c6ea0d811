/*
 * Folding a CRC's remainder along its input with the processor's carry-less multiplication: what
 * both polynomials share. For functions whose target has pclmul. Pure. Thread: any.
 */
#ifndef OMS_COMPONENTS_RECORD_FOLD128_H
#define OMS_COMPONENTS_RECORD_FOLD128_H

#if defined(__x86_64__)

#include <stddef.h>
#include <stdint.h>

#include <immintrin.h>

#define FOLD128_TARGET __attribute__((target("pclmul")))

/* a times x^n and the 16 bytes that lie there; k: x^n's two constants, bit-reflected. */
FOLD128_TARGET static inline __m128i fold128(__m128i a, __m128i k, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(a, k, 0x00);
    __m128i high = _mm_clmulepi64_si128(a, k, 0x11);

    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLD128_TARGET static inline __m128i load128(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* Folds all whole 64 bytes, of which there is at least one, to 16; what is left begins at *p. seed:
 * joins the first four bytes. */
FOLD128_TARGET static inline __m128i fold128_by64(uint32_t seed, const uint8_t **p, size_t *n,
                                                  __m128i by4, __m128i by1)
{
    const uint8_t *at = *p;
    size_t left = *n;
    __m128i a = _mm_xor_si128(load128(at), _mm_cvtsi32_si128((int)seed));
    __m128i b = load128(at + 16), c = load128(at + 32), d = load128(at + 48);

    for (at += 64, left -= 64; left >= 64; at += 64, left -= 64) {
        a = fold128(a, by4, load128(at));
        b = fold128(b, by4, load128(at + 16));
        c = fold128(c, by4, load128(at + 32));
        d = fold128(d, by4, load128(at + 48));
    }
    a = fold128(a, by1, b);
    a = fold128(a, by1, c);
    a = fold128(a, by1, d);
    *p = at;
    *n = left;
    return a;
}

#endif
#endif
