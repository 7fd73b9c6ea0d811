/* Comparison of one chunk's rows. See compare.h. */
#include "components/full_verification/core/compare.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/vec.h"

void side_init(struct side *s, size_t max_key_bytes)
{
    *s = (struct side){0};
    buf_init(&s->keys, max_key_bytes);
}

void side_fini(struct side *s)
{
    buf_fini(&s->keys);
    vec_fini(&s->rows);
}

void side_clear(struct side *s)
{
    buf_clear(&s->keys);
    s->rows.n = 0;
}

void side_add(struct side *s, struct view key, struct view row)
{
    XXH128_hash_t h = XXH3_128bits(row.p, row.len);
    struct row_print p = {
        .key_at = s->keys.len, .key_len = (uint32_t)key.len, .hash = {h.low64, h.high64}};

    buf_append(&s->keys, key.p, key.len);
    vec_push(&s->rows, p);
}

static struct view key_of(const struct side *s, const struct row_print *p)
{
    return (struct view){s->keys.p + p->key_at, p->key_len};
}

static int compare_keys(struct view a, struct view b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int by_key(const void *a, const void *b, void *side)
{
    return compare_keys(key_of(side, a), key_of(side, b));
}

static void sort(struct side *s)
{
    if (s->rows.n > 1)
        qsort_r(s->rows.at, s->rows.n, sizeof *s->rows.at, by_key, s);
}

static bool same(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] == b[0] && a[1] == b[1];
}

void suspects_init(struct suspects *s, size_t max_key_bytes)
{
    *s = (struct suspects){0};
    buf_init(&s->keys, max_key_bytes);
}

void suspects_fini(struct suspects *s)
{
    buf_fini(&s->keys);
    vec_fini(&s->list);
}

static void add(struct suspects *s, const struct side *from, const struct row_print *p,
                enum suspect_kind kind, const uint64_t source[2], const uint64_t target[2])
{
    struct suspect x = {.kind = kind, .key = {NULL, p->key_len}};

    if (source)
        memcpy(x.source, source, sizeof x.source);
    if (target)
        memcpy(x.target, target, sizeof x.target);
    buf_append(&s->keys, from->keys.p + p->key_at, p->key_len);
    vec_push(&s->list, x);
}

void suspects_find(struct suspects *s, struct side *source, struct side *target)
{
    size_t i = 0, k = 0, at = 0;

    sort(source);
    sort(target);
    while (i < source->rows.n || k < target->rows.n) {
        const struct row_print *a = i < source->rows.n ? &source->rows.at[i] : NULL;
        const struct row_print *b = k < target->rows.n ? &target->rows.at[k] : NULL;
        int c = !a ? 1 : !b ? -1 : compare_keys(key_of(source, a), key_of(target, b));

        if (c < 0)
            add(s, source, a, SUSPECT_MISSING, a->hash, NULL);
        else if (c > 0)
            add(s, target, b, SUSPECT_EXTRA, NULL, b->hash);
        else if (!same(a->hash, b->hash))
            add(s, source, a, SUSPECT_DIFFERENT, a->hash, b->hash);
        i += c <= 0;
        k += c >= 0;
    }
    for (size_t n = 0; n < s->list.n; n++) { /* the buffer no longer moves */
        s->list.at[n].key.p = s->keys.p + at;
        at += s->list.at[n].key.len;
    }
}

static const struct row_print *find(const struct side *s, struct view key)
{
    size_t lo = 0, hi = s->rows.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (compare_keys(key_of(s, &s->rows.at[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < s->rows.n && compare_keys(key_of(s, &s->rows.at[lo]), key) == 0)
        return &s->rows.at[lo];
    return NULL;
}

/* True: the row agrees now. Otherwise x says what was seen and whether anything changed. */
static bool look_again(struct suspect *x, const struct row_print *a, const struct row_print *b)
{
    static const uint64_t none[2] = {0, 0};
    const uint64_t *source = a ? a->hash : none, *target = b ? b->hash : none;
    enum suspect_kind kind = !a ? SUSPECT_EXTRA : !b ? SUSPECT_MISSING : SUSPECT_DIFFERENT;

    if ((!a && !b) || (a && b && same(a->hash, b->hash)))
        return true;
    if (kind != x->kind || !same(source, x->source) || !same(target, x->target))
        x->moved = true;
    x->kind = kind;
    memcpy(x->source, source, sizeof x->source);
    memcpy(x->target, target, sizeof x->target);
    return false;
}

void suspects_again(struct suspects *s, struct side *source, struct side *target)
{
    size_t kept = 0;

    sort(source);
    sort(target);
    for (size_t n = 0; n < s->list.n; n++) {
        struct suspect x = s->list.at[n];

        if (!look_again(&x, find(source, x.key), find(target, x.key)))
            s->list.at[kept++] = x;
    }
    s->list.n = kept;
}

size_t suspects_at(const struct suspects *s, struct view key)
{
    size_t lo = 0, hi = s->list.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (compare_keys(s->list.at[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->list.n && compare_keys(s->list.at[lo].key, key) == 0 ? lo : s->list.n;
}

void suspects_settle(struct suspects *s, struct side *source, struct side *target,
                     const enum history_answer *answers)
{
    size_t kept = 0;

    sort(source);
    sort(target);
    for (size_t n = 0; n < s->list.n; n++) {
        struct suspect x = s->list.at[n];

        if (look_again(&x, find(source, x.key), find(target, x.key)) || answers[n] == HISTORY_EQUAL)
            continue;
        if (answers[n] == HISTORY_DIFFERENT)
            x.moved = false;
        s->list.at[kept++] = x;
    }
    s->list.n = kept;
}

void suspects_tally(const struct suspects *s, struct tally *t)
{
    for (size_t n = 0; n < s->list.n; n++) {
        const struct suspect *x = &s->list.at[n];

        if (x->moved)
            t->moving++;
        else if (x->kind == SUSPECT_MISSING)
            t->missing++;
        else if (x->kind == SUSPECT_EXTRA)
            t->extra++;
        else
            t->different++;
    }
}
