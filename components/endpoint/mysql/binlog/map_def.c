/* Definitions and table maps (map_def.h): the shape of a column as the map tells it, compared or
 * made into a column_def. */
#include "components/endpoint/mysql/binlog/map_def.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX (16u << 20)

static int collation_cmp(const void *key, const void *row)
{
    uint32_t id = *(const uint32_t *)key;
    uint32_t other = ((const struct collation *)row)->id;

    return id < other ? -1 : id > other;
}

const struct collation *collation_find(const struct collations *all, uint32_t id)
{
    return all->n ? bsearch(&id, all->at, all->n, sizeof *all->at, collation_cmp) : NULL;
}

/* What a map must tell about one column of this type. */
static bool is_told(const struct table_map *m, const struct map_column *c)
{
    switch (c->type) {
    case NATIVE_TINY:
    case NATIVE_SHORT:
    case NATIVE_INT24:
    case NATIVE_LONG:
    case NATIVE_LONGLONG:
        return m->has_signs;
    case NATIVE_ENUM:
    case NATIVE_SET:
        return m->has_members && m->has_member_collations;
    default:
        return !c->is_text || m->has_collations;
    }
}

bool map_is_full(const struct table_map *m)
{
    for (uint16_t i = 0; i < m->n_columns; i++)
        if (!is_told(m, &m->columns[i]))
            return false;
    return m->has_names;
}

/* --- the shape of a column ----------------------------------------------------------------------
 */

struct native_row {
    uint8_t native;
    enum kind kind, if_unsigned;
    const char *name; /* for a definition that nobody knows; lengths are added */
};
static const struct native_row natives[] = {
    {NATIVE_TINY, KIND_I8, KIND_U8, "tinyint"},
    {NATIVE_SHORT, KIND_I16, KIND_U16, "smallint"},
    {NATIVE_INT24, KIND_I32, KIND_U32, "mediumint"},
    {NATIVE_LONG, KIND_I32, KIND_U32, "int"},
    {NATIVE_LONGLONG, KIND_I64, KIND_U64, "bigint"},
    {NATIVE_FLOAT, KIND_FLOAT, KIND_FLOAT, "float"},
    {NATIVE_DOUBLE, KIND_DOUBLE, KIND_DOUBLE, "double"},
    {NATIVE_NEWDECIMAL, KIND_DECIMAL, KIND_DECIMAL, "decimal"},
    {NATIVE_YEAR, KIND_YEAR, KIND_YEAR, "year(4)"},
    {NATIVE_DATE, KIND_DATE, KIND_DATE, "date"},
    {NATIVE_NEWDATE, KIND_DATE, KIND_DATE, "date"},
    {NATIVE_TIME, KIND_TIME, KIND_TIME, "time"},
    {NATIVE_TIME2, KIND_TIME, KIND_TIME, "time"},
    {NATIVE_DATETIME, KIND_DATETIME, KIND_DATETIME, "datetime"},
    {NATIVE_DATETIME2, KIND_DATETIME, KIND_DATETIME, "datetime"},
    {NATIVE_TIMESTAMP, KIND_TIMESTAMP, KIND_TIMESTAMP, "timestamp"},
    {NATIVE_TIMESTAMP2, KIND_TIMESTAMP, KIND_TIMESTAMP, "timestamp"},
    {NATIVE_BIT, KIND_BIT, KIND_BIT, "bit"},
    {NATIVE_ENUM, KIND_ENUM, KIND_ENUM, "enum"},
    {NATIVE_SET, KIND_SET, KIND_SET, "set"},
    {NATIVE_GEOMETRY, KIND_GEOMETRY, KIND_GEOMETRY, "geometry"},
    {NATIVE_VECTOR, KIND_VECTOR, KIND_VECTOR, "vector"},
    {NATIVE_JSON, KIND_JSON, KIND_JSON, "json"},
    {NATIVE_STRING, KIND_TEXT, KIND_BINARY, "char"},
    {NATIVE_VARCHAR, KIND_TEXT, KIND_BYTES, "varchar"},
    {NATIVE_VAR_STRING, KIND_TEXT, KIND_BYTES, "varchar"},
    {NATIVE_VARCHAR_COMPRESSED, KIND_TEXT, KIND_BYTES, "varchar"},
    {NATIVE_BLOB, KIND_TEXT, KIND_BYTES, "blob"},
    {NATIVE_BLOB_COMPRESSED, KIND_TEXT, KIND_BYTES, "blob"},
};

static const struct native_row *native_of(uint8_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(natives); i++)
        if (natives[i].native == type)
            return &natives[i];
    return NULL;
}

struct shape {
    const struct native_row *native;
    enum kind kind;
    uint32_t length; /* characters or bytes; 0: not told */
    uint8_t precision, scale;
    uint8_t length_bytes; /* BLOB and TEXT: 1 to 4 */
    const struct collation *collation;
};

static bool is_character(enum kind k)
{
    return k == KIND_TEXT || k == KIND_ENUM || k == KIND_SET;
}

static uint32_t length_of(const struct map_column *m, const struct shape *s)
{
    uint32_t bytes = m->max_len;

    if (m->type == NATIVE_VARCHAR_COMPRESSED && bytes > 0)
        bytes--;
    if (s->kind == KIND_TEXT && s->collation->max_bytes > 0)
        return bytes / s->collation->max_bytes;
    return s->kind == KIND_ENUM || s->kind == KIND_SET ? 0 : bytes;
}

static bool shape_of(const struct map_column *m, const struct collations *all, struct shape *s)
{
    *s = (struct shape){.native = native_of(m->type)};
    if (!s->native)
        return false;
    bool second = m->is_text ? m->collation == COLLATION_BINARY : m->is_unsigned;
    s->kind = second ? s->native->if_unsigned : s->native->kind;
    s->collation = collation_find(all, m->collation);
    if (is_character(s->kind) && !s->collation)
        return false;
    if (s->kind == KIND_DECIMAL) {
        s->precision = m->meta;
        s->scale = m->scale;
    } else if (s->kind == KIND_TIME || s->kind == KIND_DATETIME || s->kind == KIND_TIMESTAMP) {
        s->scale = m->meta;
    } else if (m->type == NATIVE_BLOB || m->type == NATIVE_BLOB_COMPRESSED) {
        s->length_bytes = m->meta;
    } else {
        s->length = length_of(m, s);
    }
    return true;
}

/* The map's members in a definition's form. */
static void put_members(const struct map_column *m, struct buf *out)
{
    struct cursor c = cursor_of(m->members.p, m->members.len);

    for (uint32_t i = 0; i < m->n_members; i++) {
        struct view v = cursor_take(&c, (size_t)binlog_lenenc(&c));
        buf_bytes(out, v.p, v.len);
    }
}

/* --- comparing ----------------------------------------------------------------------------------
 */

static bool same_text(struct view v, const char *s)
{
    return v.len == strlen(s) && memcmp(v.p, s, v.len) == 0;
}

/* BINARY(16) in the map may be UUID or INET6. */
static bool same_kind(const struct shape *s, const struct column_def *c)
{
    if (s->kind == c->kind)
        return true;
    return s->kind == KIND_BINARY &&
           (c->kind == KIND_UUID || c->kind == KIND_INET4 || c->kind == KIND_INET6) &&
           s->length == kind_width[c->kind];
}

static uint8_t length_bytes_of(uint32_t length)
{
    return length <= 0xff ? 1 : length <= 0xffff ? 2 : length <= 0xffffff ? 3 : 4;
}

static bool same_length(const struct shape *s, const struct column_def *c)
{
    if (c->length == 0)
        return true;
    if (s->length_bytes)
        return s->length_bytes == length_bytes_of(c->length);
    return s->length == c->length;
}

static bool same_members(const struct map_column *m, const struct column_def *c)
{
    struct buf mine CLEANUP(buf_fini);

    buf_init(&mine, MEMBERS_MAX);
    put_members(m, &mine);
    return buf_ok(&mine) && mine.len == c->members_len &&
           (mine.len == 0 || memcmp(mine.p, c->members, mine.len) == 0);
}

/* NULL: the same; else what differs. */
static const char *column_difference(const struct map_column *m, const struct collations *all,
                                     const struct column_def *c)
{
    struct shape s;

    if (!same_text(m->name, c->name))
        return "name";
    if (!shape_of(m, all, &s) || !same_kind(&s, c))
        return "type";
    if (s.precision != c->precision || s.scale != c->scale)
        return "precision or scale";
    if (!same_length(&s, c))
        return "length";
    if (is_character(s.kind) && strcmp(s.collation->name, c->collation) != 0)
        return "collation";
    if (m->nullable != c->nullable)
        return "NULL or NOT NULL";
    if ((s.kind == KIND_ENUM || s.kind == KIND_SET) && !same_members(m, c))
        return "members";
    return NULL;
}

static bool key_is(const struct table_map *m, const struct key_def *k)
{
    if (!k->unique || k->n_parts != m->n_key)
        return false;
    for (uint16_t i = 0; i < m->n_key; i++)
        if (k->parts[i].column != m->key[i].column || k->parts[i].prefix != m->key[i].prefix)
            return false;
    return true;
}

/* The map's key is the primary one, or the first unique one without NULLs where there is none. */
static bool same_key(const struct table_map *m, const struct table_def *t)
{
    for (uint16_t i = 0; i < t->n_keys; i++) {
        if (m->n_key > 0 && key_is(m, &t->keys[i]))
            return true;
        if (t->keys[i].primary)
            return false;
    }
    return m->n_key == 0;
}

bool map_matches(const struct table_map *m, const struct collations *all, const struct table_def *t,
                 struct buf *why)
{
    buf_clear(why);
    if (m->n_columns != t->n_columns) {
        buf_printf(why, "the log has %u columns, the definition %u", m->n_columns, t->n_columns);
        return false;
    }
    for (uint16_t i = 0; i < m->n_columns; i++) {
        const char *what = column_difference(&m->columns[i], all, &t->columns[i]);
        if (what) {
            buf_printf(why, "column %u '%s' differs in %s", i + 1u, t->columns[i].name, what);
            return false;
        }
    }
    if (!same_key(m, t)) {
        buf_str(why, "the primary key differs");
        return false;
    }
    return true;
}

/* --- building -----------------------------------------------------------------------------------
 */

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
            if (same_text(m->name, c->name) && same_kind(s, c))
                return c;
        }
    return NULL;
}

static bool build_members(struct build *b, const struct map_column *m, struct column_def *c,
                          struct err *e)
{
    buf_clear(&b->text);
    put_members(m, &b->text);
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
    if (model && same_length(s, model))
        return model->length;
    return s->length_bytes ? (uint32_t)((1ull << 8 * s->length_bytes) - 1) : s->length;
}

static bool build_column(struct build *b, uint16_t i, struct err *e)
{
    const struct map_column *m = &b->m->columns[i];
    struct column_def *c = &b->columns[i];
    struct shape s;

    if (!shape_of(m, b->all, &s))
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
    c->fixed_char = m->type == NATIVE_STRING && s.kind == KIND_TEXT;
    c->charset = is_character(s.kind) ? s.collation->charset : "";
    c->collation = is_character(s.kind) ? s.collation->name : "";
    if (!model || column_difference(m, b->all, model))
        c->native = model && model->kind != s.kind ? model->native : native_text(b, &s, m);
    if (s.kind == KIND_ENUM || s.kind == KIND_SET)
        return build_members(b, m, c, e);
    return true;
}

static int column_at(const struct build *b, const char *name)
{
    for (uint16_t i = 0; i < b->m->n_columns; i++)
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
    d->has_cascades = model && model->has_cascades;
    d->create_text = "";
    b->columns = arena_calloc(a, m->n_columns, sizeof *b->columns);
    d->columns = b->columns;
    d->n_columns = m->n_columns;
    for (uint16_t i = 0; i < m->n_columns; i++)
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
