/* Tokens. See token.h. */
#include "common/crypto/token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/os/durable.h"

bool token_random_bytes(void *p, size_t n, struct err *e)
{
    if (RAND_bytes(p, (int)n) != 1)
        return err_set(e, ERR_SYSTEM, "no random bytes");
    return true;
}

void token_to_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = '\0';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool token_from_hex(const char *text, size_t len, void *out, size_t n)
{
    uint8_t *b = out;

    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = digit_of(text[2 * i]), lo = digit_of(text[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        b[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

bool token_make(char out[TOKEN_TEXT_MAX], struct err *e)
{
    uint8_t b[32];

    if (!token_random_bytes(b, sizeof b, e))
        return false;
    token_to_hex(b, sizeof b, out);
    return true;
}

bool token_equal(const char *a, const char *b)
{
    size_t n = strlen(a);

    return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

bool token_read_file(const char *path, char *out, size_t cap, struct err *e)
{
    struct stat st;
    struct buf text;
    size_t n;
    bool ok;

    buf_init(&text, 65536);
    ok = durable_read_file(path, &text, e);
    if (ok && (stat(path, &st) != 0 || (st.st_mode & 077) != 0))
        ok = err_set(e, ERR_DENIED, "'%s' may be read by others: chmod 600 it", path);
    n = ok ? strcspn(buf_cstr(&text), "\r\n") : 0;
    if (ok && (n == 0 || n >= cap))
        ok = err_set(e, ERR_INVALID, "the first line of '%s' is empty or too long", path);
    if (ok) {
        memcpy(out, text.p, n);
        out[n] = '\0';
    }
    if (text.p)
        OPENSSL_cleanse(text.p, text.len);
    buf_fini(&text);
    return ok;
}
