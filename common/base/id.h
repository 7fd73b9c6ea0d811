/* 128-bit random identifiers, as 32 hexadecimal digits in text. Pure (the random bytes are given).
 */
#ifndef OMS_COMMON_BASE_ID_H
#define OMS_COMMON_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

struct id {
    uint8_t b[16];
};
#define ID_TEXT_MAX 33

static inline bool id_eq(struct id a, struct id b)
{
    return __builtin_memcmp(a.b, b.b, sizeof a.b) == 0;
}
bool id_is_zero(struct id i);
const char *id_format(struct id i, char out[ID_TEXT_MAX]);
bool id_parse(const char *text, struct id *out); /* false: not 32 hexadecimal digits */

#endif
