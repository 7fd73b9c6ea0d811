/* Sorted sets and owned texts (named.h). */
#include "cm/core/named.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

/* The place of key, or where it would stand. */
static size_t place_of(const struct named_set *s, const char *key, bool *found)
{
    size_t low = 0, high = s->n;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(s->at[mid]->key, key);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct named *named_find(const struct named_set *s, const char *key)
{
    bool found;
    size_t i = place_of(s, text_or_empty(key), &found);

    return found ? s->at[i] : NULL;
}

void named_add(struct named_set *s, struct named *x)
{
    bool found;
    size_t i = place_of(s, x->key, &found);

    must(!found);
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->at = must_realloc(s->at, s->cap * sizeof *s->at);
    }
    memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof *s->at);
    s->at[i] = x;
    s->n++;
}

void named_drop(struct named_set *s, const struct named *x)
{
    bool found;
    size_t i = place_of(s, x->key, &found);

    must(found && s->at[i] == x);
    memmove(s->at + i, s->at + i + 1, (s->n - i - 1) * sizeof *s->at);
    s->n--;
}

void named_fini(struct named_set *s)
{
    free(s->at);
    *s = (struct named_set){0};
}

bool text_set(char **owned, const char *text)
{
    if (*owned && strcmp(*owned, text_or_empty(text)) == 0)
        return false;
    free(*owned);
    *owned = must_strdup(text_or_empty(text));
    return true;
}

bool text_is(const char *a, const char *b)
{
    return strcmp(text_or_empty(a), text_or_empty(b)) == 0;
}

/* Length of the valid UTF-8 sequence at s; 0: none. Neither overlong ones nor surrogates. */
static size_t sequence(const unsigned char *s)
{
    static const struct {
        unsigned char first, last, second_first, second_last;
        size_t n;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last)
            continue;
        if (forms[i].n > 1 && (s[1] < forms[i].second_first || s[1] > forms[i].second_last))
            return 0;
        for (size_t k = 2; k < forms[i].n; k++)
            if (s[k] < 0x80 || s[k] > 0xbf)
                return 0;
        return forms[i].n;
    }
    return 0;
}

void text_clean(char *s)
{
    while (*s != '\0') {
        size_t n = sequence((const unsigned char *)s);
        if (n == 0)
            *s = '?';
        s += n > 0 ? n : 1;
    }
}
