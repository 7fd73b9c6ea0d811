/*
 * A set of 64-bit dependency keys: open addressing with linear probing, full keys (a smaller
 * fingerprint gives false conflicts with transactions of a thousand rows). Removing a key that is
 * absent does nothing. Pure, single-threaded.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_KEYSET_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_KEYSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyset {
    uint64_t *at; /* 0 = empty place */
    size_t cap;   /* a power of two, or 0 */
    size_t n;
};

void keyset_init(struct keyset *s);
void keyset_fini(struct keyset *s);
void keyset_clear(struct keyset *s); /* gives memory back when it had grown large */
void keyset_add(struct keyset *s, const uint64_t *keys, size_t n);
void keyset_remove(struct keyset *s, const uint64_t *keys, size_t n);
bool keyset_has_any(const struct keyset *s, const uint64_t *keys, size_t n);

#endif
