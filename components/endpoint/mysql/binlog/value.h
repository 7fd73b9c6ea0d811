/*
 * Values whose bytes in the log are not their canonical bytes (components/record/kind.h): decimal
 * and temporal ones. The caller has checked that the bytes are there. Pure.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_VALUE_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DECIMAL_TEXT_MAX 72 /* sign, 65 digits, a zero before the point, the point */

static inline uint64_t be_bytes(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static inline uint64_t le_bytes(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    memcpy(&v, p, n);
    return v;
}

/* The same by whole loads, n <= 4: a copy of as many bytes as a variable says goes through memory.
 */
static inline uint32_t le_length(const uint8_t *p, unsigned n)
{
    switch (n) {
    case 1:
        return p[0];
    case 2:
        return p[0] | (uint32_t)p[1] << 8;
    case 3:
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    default:
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    }
}

/* Bytes of a fraction of so many digits, and what one unit of it is in microseconds. */
static inline unsigned fraction_bytes(unsigned digits)
{
    return (digits + 1) / 2;
}
static inline uint32_t fraction_us(const uint8_t *p, unsigned bytes)
{
    static const uint32_t unit[] = {0, 10000, 100, 1};

    return (uint32_t)be_bytes(p, bytes) * unit[bytes];
}

/* Bytes of a packed decimal. */
unsigned decimal_size(unsigned precision, unsigned scale);
/* Writes the text (at most DECIMAL_TEXT_MAX bytes); its length, or 0: the bytes are not a decimal.
 */
unsigned decimal_text(const uint8_t *p, unsigned precision, unsigned scale, uint8_t *to);

/* Signed microseconds of a TIME2 value; false: hours, minutes or seconds out of range. */
bool time2_us(const uint8_t *p, unsigned fraction_digits, int64_t *us);
/* The forms before MySQL 5.6, without fractions. */
int64_t time_old_us(const uint8_t *p);
uint64_t datetime_old(const uint8_t *p);

#endif
