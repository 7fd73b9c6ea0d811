/*
 * What the source's log does not tell of a table, where the target followed each of its DDL (A15):
 * which unique keys there were, which columns were generated, and what 4 or 16 fixed bytes mean. A
 * source's definition is of the catalog's moment, which may be past a later DDL, or before one that
 * no row has followed; the target's table is what the source's was exactly here. The form of a row
 * stays, and so does what decodes it. Pure. Thread: any.
 */
#include <string.h>
#include <strings.h>

#include "components/endpoint/mysql/target_priv.h"

static const struct column_def *column_of(const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_columns; i++)
        if (strcasecmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

/* The number of fixed bytes of kinds that the log calls BINARY; 0: another kind. */
static uint32_t fixed_bytes(const struct column_def *c)
{
    switch (c->kind) {
    case KIND_BINARY:
        return c->length;
    case KIND_UUID:
    case KIND_INET6:
        return 16;
    case KIND_INET4:
        return 4;
    default:
        return 0;
    }
}

bool follow_same_bytes(const struct column_def *s, const struct column_def *d)
{
    return fixed_bytes(s) > 0 && fixed_bytes(s) == fixed_bytes(d);
}

static bool has_part(const struct table_def *t, const struct key_def *k, const char *name)
{
    for (uint16_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].column != KEY_EXPRESSION &&
            strcasecmp(t->columns[k->parts[i].column].name, name) == 0)
            return true;
    return false;
}

bool follow_has_unique(const struct table_def *def, const struct table_def *source,
                       const struct key_def *want)
{
    for (uint16_t i = 0; i < def->n_keys; i++) {
        const struct key_def *k = &def->keys[i];
        uint16_t same = 0;

        if (!k->unique || k->n_parts != want->n_parts)
            continue;
        for (uint16_t p = 0; p < want->n_parts; p++)
            if (want->parts[p].column != KEY_EXPRESSION &&
                has_part(def, k, source->columns[want->parts[p].column].name))
                same++;
        if (same == want->n_parts)
            return true;
    }
    return false;
}

static bool may_find_rows(const struct table_def *t, const struct key_def *k)
{
    bool may = k->unique && k->n_parts > 0;

    for (uint16_t i = 0; may && i < k->n_parts; i++)
        may = k->parts[i].column != KEY_EXPRESSION && !t->columns[k->parts[i].column].nullable;
    return may;
}

/* Only a row key must be there: other unique keys may still have to be made (A10). A primary key is
 * in the log; where the target lacks it, something else is wrong. */
static uint16_t believe_keys(const struct table_def *source, const struct table_def *def,
                             struct key_def *keys)
{
    bool found = false;
    uint16_t n = 0;

    for (uint16_t i = 0; i < source->n_keys; i++) {
        const struct key_def *k = &source->keys[i];
        bool candidate = !found && may_find_rows(source, k);

        found = found || (candidate && (k->primary || follow_has_unique(def, source, k)));
        if (!candidate || found)
            keys[n++] = *k;
    }
    return n;
}

bool follow_target(const struct table_def *source, const struct table_def *def,
                   const struct table_def **out, struct err *e)
{
    struct table_def_builder b;
    bool other, ok = true;

    table_def_builder_init(&b);
    struct column_def *columns = arena_calloc(&b.arena, source->n_columns + 1u, sizeof *columns);
    struct key_def *keys = arena_calloc(&b.arena, source->n_keys + 1u, sizeof *keys);
    b.def = *source;
    b.def.columns = columns;
    b.def.keys = keys;
    b.def.n_keys = believe_keys(source, def, keys);
    other = b.def.n_keys != source->n_keys;
    for (uint16_t i = 0; i < source->n_columns; i++) {
        const struct column_def *d = column_of(def, source->columns[i].name);
        columns[i] = source->columns[i];
        if (!d || d->generated == columns[i].generated)
            continue;
        columns[i].generated = d->generated;
        other = true;
    }
    if (other)
        ok = table_def_seal(&b, out, e);
    else
        *out = table_def_ref(source);
    table_def_builder_fini(&b);
    return ok;
}

static const char *row_key_name(const struct table_def *t)
{
    return t->row_key >= 0 ? t->keys[t->row_key].name : "";
}

bool follow_same_rows(const struct table_def *a, const struct table_def *b)
{
    return (a->row_key < 0) == (b->row_key < 0) && strcmp(row_key_name(a), row_key_name(b)) == 0;
}
