#include "components/incr_sync/core/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

#define KEYSET_FIRST 1024
#define KEYSET_KEEP 65536 /* places kept by keyset_clear */

void keyset_init(struct keyset *s)
{
    *s = (struct keyset){0};
}

void keyset_fini(struct keyset *s)
{
    free(s->at);
    keyset_init(s);
}

void keyset_clear(struct keyset *s)
{
    if (s->cap > KEYSET_KEEP)
        keyset_fini(s);
    else if (s->n > 0)
        memset(s->at, 0, s->cap * sizeof *s->at);
    s->n = 0;
}

/* Keys are hashes already; the multiplication only protects against a poor low half. */
static size_t place_of(const struct keyset *s, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (s->cap - 1);
}

static uint64_t nonzero(uint64_t key)
{
    return key == 0 ? 1 : key;
}

static void put(struct keyset *s, uint64_t key)
{
    size_t i = place_of(s, key);

    while (s->at[i] != 0) {
        if (s->at[i] == key)
            return;
        i = (i + 1) & (s->cap - 1);
    }
    s->at[i] = key;
    s->n++;
}

static void grow(struct keyset *s, size_t more)
{
    size_t cap = s->cap ? s->cap : KEYSET_FIRST;
    struct keyset old = *s;

    while ((s->n + more) * 2 > cap)
        cap *= 2;
    if (cap == s->cap)
        return;
    *s = (struct keyset){.at = must_calloc(cap, sizeof *s->at), .cap = cap};
    for (size_t i = 0; i < old.cap; i++)
        if (old.at[i] != 0)
            put(s, old.at[i]);
    free(old.at);
}

void keyset_add(struct keyset *s, const uint64_t *keys, size_t n)
{
    if (n == 0)
        return;
    grow(s, n);
    for (size_t i = 0; i < n; i++)
        put(s, nonzero(keys[i]));
}

/* Takes one key out and closes the gap, so that probing never needs tombstones. */
static void take_out(struct keyset *s, size_t i)
{
    size_t mask = s->cap - 1, gap = i;

    for (size_t j = (i + 1) & mask; s->at[j] != 0; j = (j + 1) & mask) {
        size_t home = place_of(s, s->at[j]);
        if (((j - home) & mask) >= ((j - gap) & mask)) {
            s->at[gap] = s->at[j];
            gap = j;
        }
    }
    s->at[gap] = 0;
    s->n--;
}

void keyset_remove(struct keyset *s, const uint64_t *keys, size_t n)
{
    for (size_t k = 0; k < n && s->n > 0; k++) {
        uint64_t key = nonzero(keys[k]);
        size_t i = place_of(s, key);

        while (s->at[i] != 0 && s->at[i] != key)
            i = (i + 1) & (s->cap - 1);
        if (s->at[i] == key)
            take_out(s, i);
    }
}

bool keyset_has_any(const struct keyset *s, const uint64_t *keys, size_t n)
{
    if (s->n == 0)
        return false;
    for (size_t k = 0; k < n; k++) {
        uint64_t key = nonzero(keys[k]);

        for (size_t i = place_of(s, key); s->at[i] != 0; i = (i + 1) & (s->cap - 1))
            if (s->at[i] == key)
                return true;
    }
    return false;
}
