/* Definitions made from table maps (map_def.h). */
#include "components/endpoint/mysql/binlog/map_priv.h"

#include <string.h>

struct build {
    struct table_def_builder b;
    const struct table_map *m;
    const struct collations *all;
    const struct table_def *models[2];
    struct column_def *columns;
    struct buf text;
};

static const char *native_text(struct build *b, const struct shape *s, const struct map_column *m)
{
    static const char *const blobs[] = {"tinyblob", "blob", "mediumblob", "longblob"};
    static const char *const texts[] = {"tinytext", "text", "mediumtext", "longtext"};
    static const char *const geometries[] = {
        "geometry",   "point",           "linestring",   "polygon",
        "multipoint", "multilinestring", "multipolygon", "geometrycollection"};
    struct arena *a = &b->b.arena;
    const char *name = s->native->name;

    if (s->length_bytes)
        return s->kind == KIND_TEXT ? texts[s->length_bytes - 1] : blobs[s->length_bytes - 1];
    switch (s->kind) {
    case KIND_BINARY:
        return arena_printf(a, "binary(%u)", s->length);
    case KIND_BYTES:
        return arena_printf(a, "varbinary(%u)", s->length);
    case KIND_TEXT:
    case KIND_BIT:
        return arena_printf(a, "%s(%u)", name, s->length);
    case KIND_DECIMAL:
        return arena_printf(a, "decimal(%u,%u)%s", s->precision, s->scale,
                            m->is_unsigned ? " unsigned" : "");
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
        return s->scale ? arena_printf(a, "%s(%u)", name, s->scale) : name;
    case KIND_YEAR:
        return name;
    case KIND_GEOMETRY:
        return geometries[m->geometry];
    case KIND_VECTOR:
        return m->dimensions ? arena_printf(a, "vector(%u)", m->dimensions) : name;
    default:
        return m->is_unsigned ? arena_printf(a, "%s unsigned", name) : name;
    }
}

static const struct column_def *model_column(const struct build *b, const struct map_column *m,
                                             const struct shape *s)
{
    for (size_t k = 0; k < ARRAY_LEN(b->models); k++)
        for (uint16_t i = 0; b->models[k] && i < b->models[k]->n_columns; i++) {
            const struct column_def *c = &b->models[k]->columns[i];
            if (map_same_text(m->name, c->name) && map_same_kind(s, c))
                return c;
        }
    return NULL;
}

static bool build_members(struct build *b, const struct map_column *m, struct column_def *c,
                          struct err *e)
{
    buf_clear(&b->text);
    map_put_members(m, &b->text);
    if (!buf_ok(&b->text))
        return err_set(e, ERR_LIMIT, "the members of column '%s' are too long", c->name);
    c->members = arena_memdup(&b->b.arena, b->text.p, b->text.len);
    c->members_len = (uint32_t)b->text.len;
    return true;
}

static uint32_t built_length(const struct shape *s, const struct column_def *c,
                             const struct column_def *model)
{
    if (c->kind == KIND_UUID || c->kind == KIND_INET4 || c->kind == KIND_INET6)
        return 0;
    if (model && map_same_length(s, model))
        return model->length;
    return s->length_bytes ? (uint32_t)((1ull << 8 * s->length_bytes) - 1) : s->length;
}

static bool build_column(struct build *b, uint16_t i, struct err *e)
{
    const struct map_column *m = &b->m->columns[i];
    struct column_def *c = &b->columns[i];
    struct shape s;

    if (!map_shape(m, b->all, &s))
        return err_set(e, ERR_LOG_METADATA, "column %u has type %u and collation %u, not known",
                       i + 1u, m->type, m->collation);
    const struct column_def *model = model_column(b, m, &s);
    if (model)
        *c = *model;
    c->name = arena_strndup(&b->b.arena, (const char *)m->name.p, m->name.len);
    c->kind = model ? model->kind : s.kind;
    c->precision = s.precision;
    c->scale = s.scale;
    c->nullable = m->nullable;
    c->length = built_length(&s, c, model);
    c->invisible = b->m->has_visibility ? m->is_invisible : c->invisible;
    c->fixed_char = m->type == NATIVE_STRING && s.kind == KIND_TEXT;
    c->charset = map_is_character(s.kind) ? s.collation->charset : "";
    c->collation = map_is_character(s.kind) ? s.collation->name : "";
    if (!model || map_column_difference(m, b->all, model))
        c->native = model && model->kind != s.kind ? model->native : native_text(b, &s, m);
    if (s.kind == KIND_ENUM || s.kind == KIND_SET)
        return build_members(b, m, c, e);
    return true;
}

static int column_at(const struct build *b, const char *name)
{
    for (uint16_t i = 0; i < b->b.def.n_columns; i++)
        if (strcmp(b->columns[i].name, name) == 0)
            return i;
    return -1;
}

static bool same_parts(const struct key_def *a, const struct key_def *b)
{
    if (a->n_parts != b->n_parts || a->unique != b->unique || a->type != b->type)
        return false;
    for (uint16_t i = 0; i < a->n_parts; i++)
        if (a->parts[i].column != b->parts[i].column || a->parts[i].prefix != b->parts[i].prefix)
            return false;
    return true;
}

/* A key of a model, if all its columns are still there: one key too many makes changes wait for
 * each other, one too few could let them pass (A17). */
static bool adopt_key(struct build *b, const struct table_def *model, const struct key_def *from,
                      struct key_def *to)
{
    struct key_part *parts = arena_calloc(&b->b.arena, from->n_parts, sizeof *parts);

    for (uint16_t p = 0; p < from->n_parts; p++) {
        parts[p] = from->parts[p];
        if (parts[p].column == KEY_EXPRESSION)
            continue;
        int at = column_at(b, model->columns[parts[p].column].name);
        if (at < 0)
            return false;
        parts[p].column = (uint16_t)at;
    }
    *to = *from;
    to->parts = parts;
    return true;
}

static uint16_t adopt_keys(struct build *b, const struct table_def *model, struct key_def *keys,
                           uint16_t n)
{
    for (uint16_t i = 0; model && i < model->n_keys; i++) {
        bool known = false;
        if (model->keys[i].primary || !adopt_key(b, model, &model->keys[i], &keys[n]))
            continue;
        for (uint16_t k = 0; k < n; k++)
            known = known || same_parts(&keys[k], &keys[n]);
        if (!known)
            n++;
    }
    return n;
}

static void build_keys(struct build *b)
{
    const struct table_map *m = b->m;
    size_t most = 1;
    uint16_t n = 0;

    for (size_t k = 0; k < ARRAY_LEN(b->models); k++)
        most += b->models[k] ? b->models[k]->n_keys : 0;
    struct key_def *keys = arena_calloc(&b->b.arena, most + 1, sizeof *keys);
    if (m->n_key > 0) {
        struct key_part *parts = arena_calloc(&b->b.arena, m->n_key, sizeof *parts);
        for (uint16_t i = 0; i < m->n_key; i++)
            parts[i] = (struct key_part){.column = m->key[i].column, .prefix = m->key[i].prefix};
        keys[n++] = (struct key_def){.name = "PRIMARY",
                                     .primary = true,
                                     .unique = true,
                                     .n_parts = m->n_key,
                                     .parts = parts};
    }
    for (size_t k = 0; k < ARRAY_LEN(b->models); k++)
        n = adopt_keys(b, b->models[k], keys, n);
    b->b.def.keys = keys;
    b->b.def.n_keys = n;
}

/* Columns to leave out: those that look hidden, unless a model has one of that name. */
static uint16_t hidden_of(const struct build *b)
{
    const struct map_column *first = &b->m->columns[b->m->n_columns - b->m->n_hidden];
    struct shape s;

    if (b->m->n_hidden == 0 || !map_shape(first, b->all, &s) || model_column(b, first, &s))
        return 0;
    return b->m->n_hidden;
}

static bool build_all(struct build *b, uint32_t id, const struct table_def **out, struct err *e)
{
    const struct table_map *m = b->m;
    const struct table_def *model = b->models[0] ? b->models[0] : b->models[1];
    struct table_def *d = &b->b.def;
    struct arena *a = &b->b.arena;

    d->id = id;
    d->db = arena_strndup(a, (const char *)m->db.p, m->db.len);
    d->name = arena_strndup(a, (const char *)m->table.p, m->table.len);
    d->engine = model ? model->engine : "";
    d->charset = model ? model->charset : "";
    d->collation = model ? model->collation : "";
    /* Once joined, always joined: a foreign key may be gone from the catalog and not yet from the
     * log. Too coarse is right. */
    d->family = "";
    for (size_t k = 0; k < ARRAY_LEN(b->models); k++)
        if (b->models[k] && b->models[k]->family[0] != '\0')
            d->family = b->models[k]->family;
    d->create_text = "";
    b->columns = arena_calloc(a, m->n_columns, sizeof *b->columns);
    d->columns = b->columns;
    d->n_columns = m->n_columns - hidden_of(b);
    for (uint16_t i = 0; i < d->n_columns; i++)
        if (!build_column(b, i, e))
            return err_wrap(e, "table '%s.%s'", d->db, d->name);
    build_keys(b);
    return table_def_seal(&b->b, out, e);
}

bool map_build(const struct table_map *m, const struct collations *all,
               const struct table_def *const models[2], uint32_t id, const struct table_def **out,
               struct err *e)
{
    struct build b = {.m = m, .all = all, .models = {models[0], models[1]}};

    if (!map_is_full(m))
        return err_set(e, ERR_LOG_METADATA, "the log tells no names for table '%.*s.%.*s'",
                       (int)m->db.len, (const char *)m->db.p, (int)m->table.len,
                       (const char *)m->table.p);
    table_def_builder_init(&b.b);
    buf_init(&b.text, MEMBERS_MAX);
    bool ok = build_all(&b, id, out, e);
    buf_fini(&b.text);
    table_def_builder_fini(&b.b);
    return ok;
}
