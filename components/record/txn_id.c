/*
 * Sets of transaction identities: per origin a sorted array of closed intervals. The usual case,
 * adding the next number at the end of the only interval, costs a comparison. Texts are in
 * txn_id_text.c.
 */
#include "components/record/txn_id.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"

/* Origins live for ever and are few (one a GTID domain or server). */
struct origins {
    pthread_mutex_t lock;
    VEC(char *) texts;
};
static struct origins interned = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *origin_intern(const char *text, size_t len)
{
    static _Thread_local const char *last; /* nearly all that a thread asks for */
    static _Thread_local size_t last_len;
    const char *found = NULL;

    if (len > ORIGIN_MAX)
        len = ORIGIN_MAX;
    if (last && len == last_len && memcmp(last, text, len) == 0)
        return last;
    pthread_mutex_lock(&interned.lock);
    for (size_t i = 0; i < interned.texts.n && !found; i++)
        if (strlen(interned.texts.at[i]) == len && memcmp(interned.texts.at[i], text, len) == 0)
            found = interned.texts.at[i];
    if (!found) {
        char *copy = must_alloc(len + 1);

        memcpy(copy, text, len);
        copy[len] = '\0';
        vec_push(&interned.texts, copy);
        found = copy;
    }
    pthread_mutex_unlock(&interned.lock);
    last = found;
    last_len = len;
    return found;
}

void txn_set_init(struct txn_set *s)
{
    memset(s, 0, sizeof *s);
}

void txn_set_fini(struct txn_set *s)
{
    for (size_t i = 0; i < s->origins.n; i++)
        vec_fini(&s->origins.at[i].iv);
    vec_fini(&s->origins);
}

void txn_set_copy(struct txn_set *to, const struct txn_set *from)
{
    txn_set_init(to);
    txn_set_union(to, from);
}

static struct txn_set_origin *find(const struct txn_set *s, const char *origin)
{
    for (size_t i = 0; i < s->origins.n; i++)
        if (s->origins.at[i].origin == origin)
            return &s->origins.at[i];
    return NULL;
}

static struct txn_set_origin *find_or_add(struct txn_set *s, const char *origin)
{
    struct txn_set_origin *o = find(s, origin), fresh = {.origin = origin};
    size_t at = s->origins.n;

    if (o)
        return o;
    vec_push(&s->origins, fresh);
    while (at > 0 && strcmp(s->origins.at[at - 1].origin, origin) > 0) {
        s->origins.at[at] = s->origins.at[at - 1];
        at--;
    }
    s->origins.at[at] = fresh;
    return &s->origins.at[at];
}

/* The first interval whose last is >= seq. */
static size_t first_reaching(const struct txn_set_origin *o, uint64_t seq)
{
    size_t lo = 0, hi = o->iv.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (o->iv.at[mid].last < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void replace(struct txn_set_origin *o, size_t at, size_t n, const struct txn_interval *with,
                    size_t n_with)
{
    size_t tail = o->iv.n - at - n;

    vec_reserve(&o->iv, o->iv.n - n + n_with);
    memmove(o->iv.at + at + n_with, o->iv.at + at + n, tail * sizeof *o->iv.at);
    if (n_with > 0)
        memcpy(o->iv.at + at, with, n_with * sizeof *with);
    o->iv.n = o->iv.n - n + n_with;
}

void txn_set_add(struct txn_set *s, const char *origin, uint64_t first, uint64_t last)
{
    struct txn_set_origin *o;
    struct txn_interval merged = {first, last};
    size_t at, n = 0;

    must(first <= last);
    o = find_or_add(s, origin);
    if (o->iv.n > 0 && o->iv.at[o->iv.n - 1].last != UINT64_MAX &&
        o->iv.at[o->iv.n - 1].last + 1 == first) {
        o->iv.at[o->iv.n - 1].last = last;
        return;
    }
    at = first_reaching(o, first > 0 ? first - 1 : 0);
    while (at + n < o->iv.n && (last == UINT64_MAX || o->iv.at[at + n].first <= last + 1)) {
        if (o->iv.at[at + n].first < merged.first)
            merged.first = o->iv.at[at + n].first;
        if (o->iv.at[at + n].last > merged.last)
            merged.last = o->iv.at[at + n].last;
        n++;
    }
    replace(o, at, n, &merged, 1);
}

static void drop_origin(struct txn_set *s, struct txn_set_origin *o)
{
    size_t at = (size_t)(o - s->origins.at);

    vec_fini(&o->iv);
    memmove(o, o + 1, (s->origins.n - at - 1) * sizeof *o);
    s->origins.n--;
}

void txn_set_remove(struct txn_set *s, const char *origin, uint64_t first, uint64_t last)
{
    struct txn_set_origin *o = find(s, origin);
    struct txn_interval rest[2];
    size_t at, n = 0, n_rest = 0;

    must(first <= last);
    if (!o)
        return;
    at = first_reaching(o, first);
    while (at + n < o->iv.n && o->iv.at[at + n].first <= last) {
        const struct txn_interval *i = &o->iv.at[at + n];

        if (i->first < first)
            rest[n_rest++] = (struct txn_interval){i->first, first - 1};
        if (i->last > last)
            rest[n_rest++] = (struct txn_interval){last + 1, i->last};
        n++;
    }
    replace(o, at, n, rest, n_rest);
    if (o->iv.n == 0)
        drop_origin(s, o);
}

static bool has_range(const struct txn_set_origin *o, uint64_t first, uint64_t last)
{
    size_t at = first_reaching(o, first);

    return at < o->iv.n && o->iv.at[at].first <= first && o->iv.at[at].last >= last;
}

bool txn_set_has(const struct txn_set *s, struct txn_id id)
{
    const struct txn_set_origin *o = find(s, id.origin);

    return o && has_range(o, id.seq, id.seq);
}

bool txn_set_contains(const struct txn_set *s, const struct txn_set *sub)
{
    for (size_t i = 0; i < sub->origins.n; i++) {
        const struct txn_set_origin *b = &sub->origins.at[i], *a = find(s, b->origin);

        for (size_t k = 0; k < b->iv.n; k++)
            if (!a || !has_range(a, b->iv.at[k].first, b->iv.at[k].last))
                return false;
    }
    return true;
}

bool txn_set_is_empty(const struct txn_set *s)
{
    for (size_t i = 0; i < s->origins.n; i++)
        if (s->origins.at[i].iv.n > 0)
            return false;
    return true;
}

bool txn_set_equal(const struct txn_set *a, const struct txn_set *b)
{
    return txn_set_contains(a, b) && txn_set_contains(b, a);
}

void txn_set_union(struct txn_set *s, const struct txn_set *other)
{
    for (size_t i = 0; i < other->origins.n; i++) {
        const struct txn_set_origin *o = &other->origins.at[i];

        for (size_t k = 0; k < o->iv.n; k++)
            txn_set_add(s, o->origin, o->iv.at[k].first, o->iv.at[k].last);
    }
}

void txn_set_subtract(struct txn_set *s, const struct txn_set *other)
{
    for (size_t i = 0; i < other->origins.n; i++) {
        const struct txn_set_origin *o = &other->origins.at[i];

        for (size_t k = 0; k < o->iv.n; k++)
            txn_set_remove(s, o->origin, o->iv.at[k].first, o->iv.at[k].last);
    }
}

void txn_set_intersect(struct txn_set *s, const struct txn_set *other)
{
    struct txn_set outside;

    txn_set_copy(&outside, s);
    txn_set_subtract(&outside, other);
    txn_set_subtract(s, &outside);
    txn_set_fini(&outside);
}

uint64_t txn_set_last(const struct txn_set *s, const char *origin)
{
    const struct txn_set_origin *o = find(s, origin);

    return o && o->iv.n > 0 ? o->iv.at[o->iv.n - 1].last : 0;
}

bool origin_is_place(const char *origin)
{
    return strncmp(origin, ORIGIN_PLACE, strlen(ORIGIN_PLACE)) == 0;
}

bool txn_set_has_places(const struct txn_set *s)
{
    for (size_t i = 0; i < s->origins.n; i++)
        if (origin_is_place(s->origins.at[i].origin))
            return true;
    return false;
}

uint64_t txn_set_count(const struct txn_set *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s->origins.n; i++)
        for (size_t k = 0; k < s->origins.at[i].iv.n && !origin_is_place(s->origins.at[i].origin);
             k++)
            n += s->origins.at[i].iv.at[k].last - s->origins.at[i].iv.at[k].first + 1;
    return n;
}
