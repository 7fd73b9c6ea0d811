/* Table maps against definitions (map_def.h): the shape of a column as the map tells it, compared.
 */
#include "components/endpoint/mysql/binlog/map_priv.h"

#include <stdlib.h>
#include <string.h>

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

bool map_is_character(enum kind k)
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

bool map_shape(const struct map_column *m, const struct collations *all, struct shape *s)
{
    *s = (struct shape){.native = native_of(m->type)};
    if (!s->native)
        return false;
    bool second = m->is_text ? m->collation == COLLATION_BINARY : m->is_unsigned;
    s->kind = second ? s->native->if_unsigned : s->native->kind;
    s->collation = collation_find(all, m->collation);
    if (map_is_character(s->kind) && !s->collation)
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
void map_put_members(const struct map_column *m, struct buf *out)
{
    struct cursor c = cursor_of(m->members.p, m->members.len);

    for (uint32_t i = 0; i < m->n_members; i++) {
        struct view v = cursor_take(&c, (size_t)binlog_lenenc(&c));
        buf_bytes(out, v.p, v.len);
    }
}

/* --- comparing ----------------------------------------------------------------------------------
 */

bool map_same_text(struct view v, const char *s)
{
    return v.len == strlen(s) && memcmp(v.p, s, v.len) == 0;
}

/* BINARY(16) in the map may be UUID or INET6. */
bool map_same_kind(const struct shape *s, const struct column_def *c)
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

bool map_same_length(const struct shape *s, const struct column_def *c)
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
    map_put_members(m, &mine);
    return buf_ok(&mine) && mine.len == c->members_len &&
           (mine.len == 0 || memcmp(mine.p, c->members, mine.len) == 0);
}

/* NULL: the same; else what differs. */
const char *map_column_difference(const struct map_column *m, const struct collations *all,
                                  const struct column_def *c)
{
    struct shape s;

    if (!map_same_text(m->name, c->name))
        return "name";
    if (!map_shape(m, all, &s) || !map_same_kind(&s, c))
        return "type";
    if (s.precision != c->precision || s.scale != c->scale)
        return "precision or scale";
    if (!map_same_length(&s, c))
        return "length";
    if (map_is_character(s.kind) && strcmp(s.collation->name, c->collation) != 0)
        return "collation";
    if (m->nullable != c->nullable)
        return "NULL or NOT NULL";
    if ((s.kind == KIND_ENUM || s.kind == KIND_SET) && m->members.p && !same_members(m, c))
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
    /* A user's own column of such a name is in the definition. */
    uint16_t n = t->n_columns == m->n_columns ? m->n_columns : m->n_columns - m->n_hidden;

    buf_clear(why);
    if (n != t->n_columns) {
        buf_printf(why, "the log has %u columns, the definition %u", n, t->n_columns);
        return false;
    }
    for (uint16_t i = 0; i < n; i++) {
        const char *what = map_column_difference(&m->columns[i], all, &t->columns[i]);
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

/* --- what a map was not told --------------------------------------------------------------------
 */

static uint32_t collation_named(const struct collations *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->at[i].name, name) == 0)
            return all->at[i].id;
    return 0;
}

static bool is_unsigned_kind(enum kind k)
{
    return k == KIND_U8 || k == KIND_U16 || k == KIND_U32 || k == KIND_U64;
}

static void complete_column(struct table_map *m, struct map_column *c, const struct collations *all,
                            const struct column_def *from)
{
    bool has_members = c->type == NATIVE_ENUM || c->type == NATIVE_SET;
    bool told = has_members ? m->has_member_collations : m->has_collations || !c->is_text;

    c->name = (struct view){(const uint8_t *)from->name, strlen(from->name)};
    if (!m->has_signs)
        c->is_unsigned = is_unsigned_kind(from->kind);
    if (!told)
        c->collation =
            map_is_character(from->kind) ? collation_named(all, from->collation) : COLLATION_BINARY;
}

/* A map with names has the primary key too, if there is one. */
static void complete_key(struct table_map *m, const struct table_def *t, struct arena *arena)
{
    for (uint16_t i = 0; i < t->n_keys; i++) {
        const struct key_def *k = &t->keys[i];
        if (!k->primary)
            continue;
        m->key = arena_calloc(arena, k->n_parts, sizeof *m->key);
        m->n_key = k->n_parts;
        for (uint16_t p = 0; p < k->n_parts; p++)
            m->key[p] =
                (struct map_key_part){.column = k->parts[p].column, .prefix = k->parts[p].prefix};
    }
}

void map_complete(struct table_map *m, const struct collations *all, const struct table_def *t,
                  struct arena *arena)
{
    for (uint16_t i = 0; i < m->n_columns && i < t->n_columns; i++)
        complete_column(m, &m->columns[i], all, &t->columns[i]);
    if (!m->has_names)
        complete_key(m, t, arena);
}
