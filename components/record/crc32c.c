/*
 * CRC-32C (Castagnoli): the processor's instruction where it has one, else four bits at a time. The
 * instruction waits for its own last answer; long inputs are folded, 64 bytes at a time, to 16 of
 * the same remainder (as in endpoint/mysql/binlog/crc.c), which takes a third of the time.
 */
#include <string.h>

#include "components/record/block.h"
#include "components/record/fold128.h"

/* The remainder of each four bits under the reflected polynomial 0x82f63b78. */
static const uint32_t nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

static uint32_t crc_software(uint32_t crc, const uint8_t *p, size_t n)
{
    while (n-- > 0) {
        crc ^= *p++;
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const uint8_t *p,
                                                               size_t n)
{
    uint64_t c = crc;

    while (n >= 8) {
        uint64_t v;

        memcpy(&v, p, 8);
        c = __builtin_ia32_crc32di(c, v);
        p += 8;
        n -= 8;
    }
    crc = (uint32_t)c;
    while (n-- > 0)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}

#define FOLD_MIN 256
#define FOLDS __attribute__((target("pclmul,sse4.2")))

/* The constants are x^n mod P, bit-reflected, for what lies 64 and 16 bytes ahead. n is at least
 * 64. */
FOLDS static uint32_t crc_folded(uint32_t crc, const uint8_t *p, size_t n)
{
    const __m128i by4 = _mm_set_epi64x(0x9e4addf8, 0x740eef02);
    const __m128i by1 = _mm_set_epi64x(0x493c7d27, 0xf20c0dfe);
    __m128i a = fold128_by64(crc, &p, &n, by4, by1);
    uint64_t left = _mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(a, 0));
    left = _mm_crc32_u64(left, (uint64_t)_mm_extract_epi64(a, 1));
    return crc_hardware((uint32_t)left, p, n);
}
#endif

uint32_t crc32c_table(uint32_t seed, const void *p, size_t n)
{
    return ~crc_software(~seed, p, n);
}

uint32_t crc32c(uint32_t seed, const void *p, size_t n)
{
#ifdef __x86_64__
    if (n >= FOLD_MIN && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2"))
        return ~crc_folded(~seed, p, n);
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_hardware(~seed, p, n);
#endif
    return crc32c_table(seed, p, n);
}
