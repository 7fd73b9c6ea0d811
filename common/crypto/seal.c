/* Sealing by OpenSSL's AES-256-GCM. See seal.h. */
#include "common/crypto/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crypto/token.h"
#include "common/os/durable.h"

#define VERSION 1
#define NONCE 12
#define TAG 16
#define HEAD (1 + NONCE + TAG)

static bool read_key(const char *path, struct seal_key *k, struct err *e)
{
    struct stat st;
    struct buf text;
    bool ok;

    buf_init(&text, 4096);
    ok = durable_read_file(path, &text, e);
    if (ok && (stat(path, &st) != 0 || (st.st_mode & 077) != 0))
        ok = err_set(e, ERR_DENIED, "key file '%s' may be read by others: chmod 600 it", path);
    if (ok && !token_from_hex((const char *)text.p, text.len, k->b, sizeof k->b))
        ok = err_set(e, ERR_INVALID, "key file '%s' does not hold %zu hexadecimal digits", path,
                     2 * sizeof k->b);
    if (text.p)
        OPENSSL_cleanse(text.p, text.len);
    buf_fini(&text);
    return ok;
}

bool seal_key_load(const char *path, bool create, struct seal_key *k, struct err *e)
{
    char text[2 * sizeof k->b + 2];

    if (read_key(path, k, e))
        return true;
    if (!create || e->code != ERR_NOT_FOUND)
        return err_wrap(e, "load a key");
    err_clear(e);
    if (!token_random_bytes(k->b, sizeof k->b, e))
        return false;
    token_to_hex(k->b, sizeof k->b, text);
    text[2 * sizeof k->b] = '\n';
    if (!durable_write_file(path, text, 2 * sizeof k->b + 1, 0600, e))
        return err_wrap(e, "make a key");
    OPENSSL_cleanse(text, sizeof text);
    return true;
}

void seal_key_wipe(struct seal_key *k)
{
    OPENSSL_cleanse(k->b, sizeof k->b);
}

static void free_cipher(EVP_CIPHER_CTX **c)
{
    EVP_CIPHER_CTX_free(*c);
}

bool seal_close(const struct seal_key *k, const char *name, const void *p, size_t n,
                struct buf *out, struct err *e)
{
    CLEANUP(free_cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    size_t at = out->len;
    int len = 0;
    uint8_t *head;

    if (n > INT32_MAX || !buf_reserve(out, HEAD + n))
        return err_set(e, ERR_LIMIT, "a secret of %zu bytes is too large", n);
    head = out->p + at;
    head[0] = VERSION;
    if (!token_random_bytes(head + 1, NONCE, e))
        return false;
    if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->b, head + 1) != 1 ||
        EVP_EncryptUpdate(c, NULL, &len, (const uint8_t *)name, (int)strlen(name)) != 1 ||
        EVP_EncryptUpdate(c, head + HEAD, &len, p, (int)n) != 1 ||
        EVP_EncryptFinal_ex(c, head + HEAD + len, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, head + 1 + NONCE) != 1)
        return err_set(e, ERR_BUG, "cannot seal secret '%s'", name);
    out->len += HEAD + n;
    return true;
}

bool seal_open(const struct seal_key *k, const char *name, const void *p, size_t n, struct buf *out,
               struct err *e)
{
    CLEANUP(free_cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const uint8_t *head = p;
    int len = 0;

    if (n < HEAD || n > INT32_MAX || head[0] != VERSION)
        return err_set(e, ERR_DENIED, "secret '%s' is not a sealed value", name);
    if (!buf_reserve(out, n - HEAD + 1))
        return err_set(e, ERR_LIMIT, "secret '%s' of %zu bytes is too large", name, n);
    if (!c || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->b, head + 1) != 1 ||
        EVP_DecryptUpdate(c, NULL, &len, (const uint8_t *)name, (int)strlen(name)) != 1 ||
        EVP_DecryptUpdate(c, out->p + out->len, &len, head + HEAD, (int)(n - HEAD)) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, (void *)(head + 1 + NONCE)) != 1 ||
        EVP_DecryptFinal_ex(c, out->p + out->len + len, &len) != 1)
        return err_set(e, ERR_DENIED,
                       "secret '%s' was sealed under another key or name, or changed", name);
    out->len += n - HEAD;
    return true;
}
