#include "components/incr_sync/core/dep_key.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/must.h"

static uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    /* The length goes in too, so that ("ab","c") and ("a","bc") differ. */
    return XXH3_64bits_withSeed(n ? p : "", n, seed ^ (n * 0xff51afd7ed558ccdu));
}

static uint64_t hash_text(const char *s, uint64_t seed)
{
    return hash_bytes(s, strlen(s), seed);
}

static uint64_t hash_folded(const char *s, uint64_t seed)
{
    uint64_t h = seed;

    for (; *s; s++)
        h = (h ^ (uint8_t)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s)) * 0x100000001b3u;
    return hash_bytes("", 0, h);
}

uint64_t table_tag(const char *to_db, const char *to_name)
{
    return hash_folded(to_name, hash_folded(to_db, 0x7461626c65));
}

/* The seed names the key by its columns, not by its number: another version of the table that has
 * the same key at another place still gives the same hash. */
static uint64_t key_seed(const struct table_def *t, const struct key_def *k, uint64_t seed)
{
    for (uint16_t i = 0; i < k->n_parts; i++) {
        seed = hash_text(t->columns[k->parts[i].column].name, seed);
        seed = hash_bytes(&k->parts[i].prefix, sizeof k->parts[i].prefix, seed);
    }
    return seed;
}

/* NULL: the key's values say nothing. */
static enum fold *key_folds(const struct table_def *t, const struct key_def *k, dep_fold *fold,
                            void *arg)
{
    enum fold *folds = must_calloc(k->n_parts ? k->n_parts : 1, sizeof *folds);
    bool plain = k->n_parts > 0;

    for (uint16_t i = 0; plain && i < k->n_parts; i++) {
        const struct column_def *c;

        plain = k->parts[i].column != KEY_EXPRESSION;
        if (!plain)
            break;
        c = &t->columns[k->parts[i].column];
        folds[i] = fold(arg, c);
        plain = c->generated != GENERATED_VIRTUAL && folds[i] != FOLD_TABLE;
    }
    if (plain)
        return folds;
    free(folds);
    return NULL;
}

void table_deps_init(struct table_deps *d, const struct table_def *t, const char *to_db,
                     const char *to_name, const char *family, dep_fold *fold, void *arg)
{
    uint64_t table = hash_text(to_name, hash_text(to_db, 0x6f6d73));

    *d = (struct table_deps){.n_table_keys = 1, .table_keys = {table_tag(to_db, to_name)}};
    d->keys = must_calloc(t->n_keys ? t->n_keys : 1, sizeof *d->keys);
    if (t->family && t->family[0] != '\0')
        d->table_keys[d->n_table_keys++] = hash_text(t->family, hash_text("family", 1));
    if (family && family[0] != '\0')
        d->table_keys[d->n_table_keys++] = hash_text(family, hash_text("family", 2));
    d->exclusive = t->row_key < 0 || d->n_table_keys > 1;
    for (uint16_t i = 0; i < t->n_keys && !d->exclusive; i++) {
        const struct key_def *k = &t->keys[i];

        if (!k->unique && !k->primary)
            continue;
        enum fold *folds = key_folds(t, k, fold, arg);
        if (!folds) {
            d->exclusive = true;
            break;
        }
        d->keys[d->n_keys++] = (struct dep_key_def){key_seed(t, k, table), k, folds};
        for (uint16_t p = 0; p < k->n_parts; p++)
            d->letters |= folds[p] == FOLD_LETTERS || folds[p] == FOLD_LETTERS_UTF8;
    }
}

void table_deps_make_exclusive(struct table_deps *d)
{
    d->exclusive = true;
}

void table_deps_fini(struct table_deps *d)
{
    for (uint16_t i = 0; i < d->n_keys; i++)
        free(d->keys[i].folds);
    free(d->keys);
    *d = (struct table_deps){0};
}

/* False: absent or wide. *null: one value is NULL, so that the key cannot clash. */
static bool key_hash(const struct dep_key_def *k, const struct value *values, uint64_t *hash,
                     bool *null)
{
    uint64_t h = k->seed;

    *null = false;
    for (uint16_t i = 0; i < k->key->n_parts; i++) {
        const struct key_part *part = &k->key->parts[i];
        const struct value *v = &values[part->column];

        if (v->state == VALUE_ABSENT)
            return false;
        if (v->state == VALUE_NULL) {
            *null = true;
            continue;
        }
        if (!fold_hash(k->folds[i], v->p, v->len, part->prefix, h, &h))
            return false;
    }
    *hash = h;
    return true;
}

void table_deps_add_table(const struct table_deps *d, struct dep_keys *out)
{
    uint8_t n = d->n_table_keys;

    if (out->n < n || memcmp(out->at + out->n - n, d->table_keys, n * sizeof *out->at) != 0)
        for (uint8_t i = 0; i < n; i++)
            vec_push(out, d->table_keys[i]);
}

bool table_deps_add(const struct table_deps *d, const struct value *values, struct dep_keys *out)
{
    if (d->exclusive) {
        table_deps_add_table(d, out);
        return true;
    }
    for (uint16_t i = 0; i < d->n_keys; i++) {
        uint64_t h;
        bool null;

        if (!key_hash(&d->keys[i], values, &h, &null))
            return false;
        if (!null)
            vec_push(out, h);
    }
    return true;
}
