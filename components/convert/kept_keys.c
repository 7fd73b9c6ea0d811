/* Keys of a target's table, taken off and made again by their own words (kept_keys.h). */
#include "components/convert/kept_keys.h"

#include <string.h>
#include <strings.h>

#include "components/convert/create_text.h"

/* --- which -------------------------------------------------------------------------------------
 */

static int key_named(const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (strcasecmp(t->keys[i].name, name) == 0)
            return i;
    return -1;
}

static bool has_column(const struct table_def *t, const struct key_def *k, const char *column)
{
    for (uint16_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].column != KEY_EXPRESSION &&
            strcasecmp(t->columns[k->parts[i].column].name, column) == 0)
            return true;
    return false;
}

/* Has it the columns of the key that the source's rows are found by? */
static bool finds_rows(const struct table_def *there, const struct key_def *k,
                       const struct table_def *source)
{
    const struct key_def *row_key =
        source && source->row_key >= 0 ? &source->keys[source->row_key] : NULL;

    if (!row_key || k->n_parts != row_key->n_parts)
        return false;
    for (uint16_t i = 0; i < row_key->n_parts; i++)
        if (row_key->parts[i].column == KEY_EXPRESSION ||
            !has_column(there, k, source->columns[row_key->parts[i].column].name))
            return false;
    return true;
}

static bool source_has(const struct table_def *source, const char *name)
{
    int i = key_named(source, name);

    return i >= 0 && source->keys[i].unique;
}

bool kept_keys_any(const struct table_def *t)
{
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (t->keys[i].unique && (int)i != t->row_key)
            return true;
    return false;
}

bool kept_keys_find(const struct table_def *there, const struct table_def *source,
                    struct arena *arena, struct kept_keys *out, struct err *e)
{
    struct create_text create;

    *out = (struct kept_keys){.to_db = arena_strdup(arena, there->db),
                              .to_name = arena_strdup(arena, there->name),
                              .at = arena_calloc(arena, there->n_keys + 1u, sizeof *out->at)};
    if (!kept_keys_any(there))
        return true;
    if (!create_text_parse(there->create_text, arena, &create, e))
        return err_wrap(e, "read the keys of '%s.%s'", there->db, there->name);
    for (size_t i = 0; i < create.n; i++) {
        const struct clause *c = &create.clauses[i];
        int k = c->kind == CLAUSE_UNIQUE ? key_named(there, c->name) : -1;

        if (k < 0 || k == there->row_key || finds_rows(there, &there->keys[k], source) ||
            out->n >= there->n_keys)
            continue;
        out->at[out->n++] =
            (struct kept_key){.name = arena_strdup(arena, c->name),
                              .clause = arena_strndup(arena, (const char *)c->text.p, c->text.len),
                              .own = source && !source_has(source, c->name)};
    }
    return true;
}

static struct kept_key *find(const struct kept_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->n; i++)
        if (strcasecmp(keys->at[i].name, name) == 0)
            return &keys->at[i];
    return NULL;
}

bool kept_keys_has(const struct kept_keys *keys, const char *name)
{
    return find(keys, name) != NULL;
}

bool kept_keys_join(struct kept_keys *keys, const struct kept_keys *more, bool newer,
                    struct arena *arena)
{
    struct kept_key *all = arena_calloc(arena, keys->n + more->n + 1, sizeof *all);
    bool changed = false;

    if (keys->n > 0)
        memcpy(all, keys->at, keys->n * sizeof *all);
    keys->at = all;
    for (size_t i = 0; i < more->n; i++) {
        struct kept_key *had = find(keys, more->at[i].name);

        if (had && (!newer || strcmp(had->clause, more->at[i].clause) == 0))
            continue;
        *(had ? had : &all[keys->n++]) = more->at[i];
        changed = true;
    }
    return changed;
}

void kept_keys_leave_own(struct kept_keys *keys, const struct table_def *source)
{
    size_t n = 0;

    for (size_t i = 0; i < keys->n; i++)
        if (keys->at[i].own && key_named(source, keys->at[i].name) < 0)
            keys->at[n++] = keys->at[i];
    keys->n = n;
}

/* --- as bytes ----------------------------------------------------------------------------------
 */

void kept_keys_encode(const struct kept_keys *keys, struct buf *out)
{
    buf_bytes(out, keys->to_db, strlen(keys->to_db));
    buf_bytes(out, keys->to_name, strlen(keys->to_name));
    buf_varint(out, keys->n);
    for (size_t i = 0; i < keys->n; i++) {
        buf_u8(out, keys->at[i].own);
        buf_bytes(out, keys->at[i].name, strlen(keys->at[i].name));
        buf_bytes(out, keys->at[i].clause, strlen(keys->at[i].clause));
    }
}

static const char *text_of(struct cursor *c, struct arena *arena)
{
    struct view v = cursor_bytes(c);

    return arena_strndup(arena, v.p ? (const char *)v.p : "", v.len);
}

bool kept_keys_decode(struct view text, struct arena *arena, struct kept_keys *out, struct err *e)
{
    struct cursor c = cursor_of(text.p, text.len);

    *out = (struct kept_keys){.n = 0};
    out->to_db = text_of(&c, arena);
    out->to_name = text_of(&c, arena);
    uint64_t n = cursor_varint(&c);
    if (n > text.len)
        return err_set(e, ERR_CORRUPT, "the record of keys that were taken off is damaged");
    out->at = arena_calloc(arena, (size_t)n + 1, sizeof *out->at);
    for (; out->n < n; out->n++) {
        struct kept_key *k = &out->at[out->n];

        k->own = cursor_u8(&c) != 0;
        k->name = text_of(&c, arena);
        k->clause = text_of(&c, arena);
    }
    return (!c.failed && cursor_left(&c) == 0) ||
           err_set(e, ERR_CORRUPT, "the record of keys that were taken off is damaged");
}

/* --- as statements -----------------------------------------------------------------------------
 */

static void put_name(struct buf *out, const char *name)
{
    buf_u8(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            buf_u8(out, '`');
        buf_u8(out, (uint8_t)*name);
    }
    buf_u8(out, '`');
}

static void put_alter(struct buf *out, const struct kept_keys *keys)
{
    buf_str(out, "ALTER TABLE ");
    put_name(out, keys->to_db);
    buf_u8(out, '.');
    put_name(out, keys->to_name);
    buf_u8(out, ' ');
}

/* The clause without UNIQUE. */
static const char *plain_clause(const char *clause)
{
    struct lexer l = lexer_of((struct view){(const uint8_t *)clause, strlen(clause)});

    (void)lexer_next(&l);
    return (const char *)l.p;
}

void kept_keys_off(const struct kept_keys *keys, size_t i, bool stands_in, struct buf *out)
{
    put_alter(out, keys);
    buf_str(out, "DROP KEY ");
    put_name(out, keys->at[i].name);
    if (stands_in)
        buf_printf(out, ", ADD%s", plain_clause(keys->at[i].clause));
}

bool kept_keys_make(const struct kept_keys *keys, size_t from, size_t to,
                    const struct table_def *existing, struct buf *out)
{
    bool any = false;

    for (size_t i = from; i < to && i < keys->n; i++) {
        int there = existing ? key_named(existing, keys->at[i].name) : -1;

        if (there >= 0 && existing->keys[there].unique)
            continue;
        if (any)
            buf_str(out, ", ");
        else
            put_alter(out, keys);
        any = true;
        if (there >= 0) {
            buf_str(out, "DROP KEY ");
            put_name(out, keys->at[i].name);
            buf_str(out, ", ");
        }
        buf_printf(out, "ADD %s", keys->at[i].clause);
    }
    return any;
}
