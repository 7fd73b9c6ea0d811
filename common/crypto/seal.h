/*
 * Sealing of secrets: AES-256-GCM with a random nonce; the secret's name is authenticated with it,
 * so a sealed value cannot be put under another name. A sealed value is u8 version, 12 bytes nonce,
 * 16 bytes tag, ciphertext. Keys live in files of 64 hexadecimal digits, mode 0600. Thread: any.
 */
#ifndef OMS_COMMON_CRYPTO_SEAL_H
#define OMS_COMMON_CRYPTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct seal_key {
    uint8_t b[32];
};
/* Reads a key file; create: makes one (0600, durable) when it is absent. A file that others may
 * read is refused (ERR_DENIED). */
bool seal_key_load(const char *path, bool create, struct seal_key *k, struct err *e) MUST_CHECK;
void seal_key_wipe(struct seal_key *k);
/* Appends the sealed value to out. */
bool seal_close(const struct seal_key *k, const char *name, const void *p, size_t n,
                struct buf *out, struct err *e) MUST_CHECK;
/* Appends the plain value to out; ERR_DENIED: another key, another name, or changed bytes. */
bool seal_open(const struct seal_key *k, const char *name, const void *p, size_t n, struct buf *out,
               struct err *e) MUST_CHECK;

#endif
