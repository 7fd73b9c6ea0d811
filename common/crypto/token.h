/* Random bytes and tokens; hexadecimal; comparison in constant time. Thread: any. */
#ifndef OMS_COMMON_CRYPTO_TOKEN_H
#define OMS_COMMON_CRYPTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define TOKEN_TEXT_MAX 65 /* 64 hexadecimal digits and NUL */

bool token_random_bytes(void *p, size_t n, struct err *e) MUST_CHECK;
/* 256 random bits as text. */
bool token_make(char out[TOKEN_TEXT_MAX], struct err *e) MUST_CHECK;
/* Takes the same time wherever they differ. */
bool token_equal(const char *a, const char *b);
/* 2 * n digits and NUL into out. */
void token_to_hex(const void *p, size_t n, char *out);
/* Exactly 2 * n digits, white space at the end is fine. */
bool token_from_hex(const char *text, size_t len, void *out, size_t n);
/* The first line of a file, without its end; ERR_DENIED when others may read the file. */
bool token_read_file(const char *path, char *out, size_t cap, struct err *e) MUST_CHECK;

#endif
