/*
 * TABLE_MAP events (table_map.h). Every count in the event is checked against what it must be;
 * metadata of a type that is not known is passed over by its length, because it adds to what the
 * known ones say and takes nothing away.
 */
#include "components/endpoint/mysql/binlog/table_map.h"

#include <string.h>

#define COLUMNS_MAX 4096

enum {
    META_SIGNS = 1,
    META_DEFAULT_COLLATION = 2,
    META_COLLATIONS = 3,
    META_NAMES = 4,
    META_SET_MEMBERS = 5,
    META_ENUM_MEMBERS = 6,
    META_GEOMETRY = 7,
    META_KEY = 8,
    META_KEY_PREFIXES = 9,
    META_MEMBER_DEFAULT_COLLATION = 10,
    META_MEMBER_COLLATIONS = 11,
    META_VISIBILITY = 12,
    META_DIMENSIONS = 13,
};

static bool damaged(const struct table_map_head *h, struct err *e)
{
    return err_set(e, ERR_LOG_DAMAGED, "the table map of '%.*s.%.*s' does not have its form",
                   (int)h->db.len, (const char *)h->db.p, (int)h->table.len,
                   (const char *)h->table.p);
}

static struct view short_name(struct cursor *c)
{
    struct view v = cursor_take(c, cursor_u8(c));

    cursor_skip(c, 1);
    return v;
}

bool table_map_shape_read(const struct binlog_format *f, struct view body, uint64_t *table_id,
                          struct view *shape)
{
    struct cursor c = cursor_of(body.p, body.len);

    *table_id = binlog_table_id(f, BINLOG_TABLE_MAP, &c);
    *shape = (struct view){c.p, cursor_left(&c)};
    return !c.failed;
}

static void read_head(const struct binlog_format *f, struct cursor *c, struct table_map_head *h)
{
    h->table_id = binlog_table_id(f, BINLOG_TABLE_MAP, c);
    h->shape = (struct view){c->p, cursor_left(c)};
    cursor_skip(c, 2);
    h->db = short_name(c);
    h->table = short_name(c);
}

bool table_map_head_read(const struct binlog_format *f, struct view body, struct table_map_head *h,
                         struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct table_map_head got;

    read_head(f, &c, &got);
    if (c.failed)
        return err_set(e, ERR_LOG_DAMAGED, "a table map of %zu bytes ends too early", body.len);
    *h = got;
    return true;
}

/* --- the types' own parameters ------------------------------------------------------------------
 */

/* STRING hides ENUM, SET and the ninth and tenth bit of a CHAR's length in two bytes. */
static void unwrap_string(struct map_column *m, uint8_t b0, uint8_t b1)
{
    if ((b0 & 0x30) != 0x30) {
        m->type = b0 | 0x30;
        m->max_len = (uint16_t)(b1 | ((b0 & 0x30) ^ 0x30) << 4);
    } else {
        m->type = b0;
        m->max_len = b1;
    }
}

static bool read_type_meta(struct cursor *c, struct map_column *m)
{
    switch (m->type) {
    case NATIVE_TINY:
    case NATIVE_SHORT:
    case NATIVE_INT24:
    case NATIVE_LONG:
    case NATIVE_LONGLONG:
    case NATIVE_YEAR:
    case NATIVE_DATE:
    case NATIVE_NEWDATE:
    case NATIVE_TIME:
    case NATIVE_DATETIME:
    case NATIVE_TIMESTAMP:
        return true;
    case NATIVE_FLOAT:
    case NATIVE_DOUBLE:
        return cursor_u8(c) == (m->type == NATIVE_FLOAT ? 4 : 8);
    case NATIVE_TIMESTAMP2:
    case NATIVE_DATETIME2:
    case NATIVE_TIME2:
        m->meta = cursor_u8(c);
        return m->meta <= 6;
    case NATIVE_NEWDECIMAL:
        m->meta = cursor_u8(c);
        m->scale = cursor_u8(c);
        return m->meta >= 1 && m->meta <= 65 && m->scale <= m->meta && m->scale <= 38;
    case NATIVE_VARCHAR:
    case NATIVE_VAR_STRING:
    case NATIVE_VARCHAR_COMPRESSED:
        m->max_len = cursor_u16(c);
        return true;
    case NATIVE_STRING: {
        uint8_t b0 = cursor_u8(c), b1 = cursor_u8(c);
        unwrap_string(m, b0, b1);
        if (m->type == NATIVE_ENUM)
            return m->max_len == 1 || m->max_len == 2;
        if (m->type == NATIVE_SET)
            return m->max_len >= 1 && m->max_len <= 8;
        return m->type == NATIVE_STRING;
    }
    case NATIVE_BIT: {
        unsigned bits = cursor_u8(c), bytes = cursor_u8(c);
        m->max_len = (uint16_t)(bytes * 8 + bits);
        return bits < 8 && m->max_len >= 1 && m->max_len <= 64;
    }
    case NATIVE_BLOB:
    case NATIVE_BLOB_COMPRESSED:
    case NATIVE_JSON:
    case NATIVE_GEOMETRY:
    case NATIVE_VECTOR:
        m->meta = cursor_u8(c);
        return m->meta >= 1 && m->meta <= 4;
    default:
        return false;
    }
}

static bool is_known(uint8_t type)
{
    switch (type) {
    case NATIVE_DECIMAL_OLD:
    case NATIVE_TYPED_ARRAY:
        return false;
    default:
        return (type <= NATIVE_TIME2 && type != 6) || type == NATIVE_BLOB_COMPRESSED ||
               type == NATIVE_VARCHAR_COMPRESSED || type == NATIVE_VECTOR || type >= NATIVE_JSON;
    }
}

static bool is_text(uint8_t type, bool is_mariadb)
{
    switch (type) {
    case NATIVE_STRING:
    case NATIVE_VAR_STRING:
    case NATIVE_VARCHAR:
    case NATIVE_BLOB:
        return true;
    case NATIVE_GEOMETRY:
    case NATIVE_BLOB_COMPRESSED:
    case NATIVE_VARCHAR_COMPRESSED:
        return is_mariadb;
    default:
        return false;
    }
}

static bool is_numeric(uint8_t type)
{
    switch (type) {
    case NATIVE_TINY:
    case NATIVE_SHORT:
    case NATIVE_INT24:
    case NATIVE_LONG:
    case NATIVE_LONGLONG:
    case NATIVE_NEWDECIMAL:
    case NATIVE_FLOAT:
    case NATIVE_DOUBLE:
    case NATIVE_YEAR:
        return true;
    default:
        return false;
    }
}

static bool has_members(uint8_t type)
{
    return type == NATIVE_ENUM || type == NATIVE_SET;
}

/* --- optional metadata --------------------------------------------------------------------------
 */

static bool read_signs(struct table_map *m, struct cursor *c)
{
    unsigned bit = 0;
    uint8_t byte = 0;

    for (uint16_t i = 0; i < m->n_columns; i++) {
        if (!is_numeric(m->columns[i].type))
            continue;
        if (bit % 8 == 0)
            byte = cursor_u8(c);
        m->columns[i].is_unsigned = byte >> (7 - bit % 8) & 1;
        bit++;
    }
    m->has_signs = true;
    return !c->failed;
}

typedef bool column_test(const struct map_column *c);

static bool test_text(const struct map_column *c)
{
    return c->is_text;
}

static bool test_members(const struct map_column *c)
{
    return has_members(c->type);
}

/* One collation per column that the test picks. */
static bool read_collations(struct table_map *m, struct cursor *c, column_test *test)
{
    for (uint16_t i = 0; i < m->n_columns; i++)
        if (test(&m->columns[i]))
            m->columns[i].collation = (uint32_t)binlog_lenenc(c);
    return !c->failed;
}

/* One for all, then pairs of (place among the picked ones, collation). */
static bool read_default_collation(struct table_map *m, struct cursor *c, column_test *test)
{
    uint32_t all = (uint32_t)binlog_lenenc(c);
    uint64_t at = 0, next = UINT64_MAX;
    uint32_t other = 0;

    for (uint16_t i = 0; i < m->n_columns && !c->failed; i++) {
        if (!test(&m->columns[i]))
            continue;
        if ((next == UINT64_MAX || next < at) && cursor_left(c) > 0) {
            next = binlog_lenenc(c);
            other = (uint32_t)binlog_lenenc(c);
        }
        m->columns[i].collation = next == at ? other : all;
        at++;
    }
    return !c->failed;
}

static bool read_names(struct table_map *m, struct cursor *c)
{
    for (uint16_t i = 0; i < m->n_columns; i++)
        m->columns[i].name = cursor_take(c, (size_t)binlog_lenenc(c));
    m->has_names = !c->failed;
    return m->has_names;
}

static bool read_members(struct table_map *m, struct cursor *c, uint8_t type)
{
    for (uint16_t i = 0; i < m->n_columns; i++) {
        struct map_column *col = &m->columns[i];
        if (col->type != type)
            continue;
        uint64_t n = binlog_lenenc(c);
        const uint8_t *from = c->p;
        for (uint64_t k = 0; k < n && !c->failed; k++)
            cursor_skip(c, (size_t)binlog_lenenc(c));
        if (c->failed || n > UINT16_MAX)
            return false;
        col->members = (struct view){from, (size_t)(c->p - from)};
        col->n_members = (uint32_t)n;
    }
    m->has_members = !c->failed;
    return m->has_members;
}

static bool read_key(struct table_map *m, struct cursor *c, bool prefixes, struct arena *arena)
{
    m->key = arena_calloc(arena, m->n_columns, sizeof *m->key);
    m->n_key = 0;
    while (cursor_left(c) > 0 && !c->failed) {
        uint64_t column = binlog_lenenc(c);
        uint64_t prefix = prefixes ? binlog_lenenc(c) : 0;
        if (c->failed || column >= m->n_columns || m->n_key == m->n_columns)
            return false;
        m->key[m->n_key++] =
            (struct map_key_part){.column = (uint16_t)column, .prefix = (uint32_t)prefix};
    }
    return !c->failed;
}

static bool read_visibility(struct table_map *m, struct cursor *c)
{
    struct view bits = cursor_take(c, ((size_t)m->n_columns + 7) / 8);

    if (c->failed)
        return false;
    for (uint16_t i = 0; i < m->n_columns; i++)
        m->columns[i].is_invisible = !(bits.p[i / 8] >> (7 - i % 8) & 1);
    m->has_visibility = true;
    return true;
}

static bool read_geometries(struct table_map *m, struct cursor *c)
{
    for (uint16_t i = 0; i < m->n_columns; i++) {
        if (m->columns[i].type != NATIVE_GEOMETRY)
            continue;
        uint64_t type = binlog_lenenc(c);
        if (type > 7)
            return false;
        m->columns[i].geometry = (uint8_t)type;
    }
    m->has_geometry = true;
    return !c->failed;
}

static bool read_dimensions(struct table_map *m, struct cursor *c)
{
    for (uint16_t i = 0; i < m->n_columns; i++)
        if (m->columns[i].type == NATIVE_VECTOR)
            m->columns[i].dimensions = (uint32_t)binlog_lenenc(c);
    return !c->failed;
}

static bool read_one_meta(struct table_map *m, uint8_t type, struct cursor *c, struct arena *arena)
{
    switch (type) {
    case META_SIGNS:
        return read_signs(m, c);
    case META_DEFAULT_COLLATION:
        m->has_collations = true;
        return read_default_collation(m, c, test_text);
    case META_COLLATIONS:
        m->has_collations = true;
        return read_collations(m, c, test_text);
    case META_NAMES:
        return read_names(m, c);
    case META_SET_MEMBERS:
        return read_members(m, c, NATIVE_SET);
    case META_ENUM_MEMBERS:
        return read_members(m, c, NATIVE_ENUM);
    case META_KEY:
        return read_key(m, c, false, arena);
    case META_KEY_PREFIXES:
        return read_key(m, c, true, arena);
    case META_MEMBER_DEFAULT_COLLATION:
        m->has_member_collations = true;
        return read_default_collation(m, c, test_members);
    case META_MEMBER_COLLATIONS:
        m->has_member_collations = true;
        return read_collations(m, c, test_members);
    case META_VISIBILITY:
        return read_visibility(m, c);
    case META_GEOMETRY:
        return read_geometries(m, c);
    case META_DIMENSIONS:
        return read_dimensions(m, c);
    default:
        return true;
    }
}

static bool read_optional(struct table_map *m, struct cursor *c, struct arena *arena)
{
    while (cursor_left(c) > 0) {
        uint8_t type = cursor_u8(c);
        struct view v = cursor_take(c, (size_t)binlog_lenenc(c));
        struct cursor value = cursor_of(v.p, v.len);
        if (c->failed || !read_one_meta(m, type, &value, arena))
            return false;
    }
    return true;
}

static bool looks_hidden(const struct map_column *c)
{
    static const char prefix[] = "DB_ROW_HASH_";
    const size_t n = sizeof prefix - 1;

    return c->type == NATIVE_LONGLONG && c->is_unsigned && c->nullable && c->name.len > n &&
           memcmp(c->name.p, prefix, n) == 0;
}

static uint16_t count_hidden(const struct table_map *m)
{
    uint16_t n = 0;

    while (n + 1 < m->n_columns && looks_hidden(&m->columns[m->n_columns - 1 - n]))
        n++;
    return n;
}

/* ERR_UNSUPPORTED: a type whose bytes cannot be told apart from the next column's. */
static bool refused(const struct map_column *c, unsigned at, const struct table_map_head *h,
                    struct err *e)
{
    return err_set(
        e, ERR_UNSUPPORTED, "column %u of table '%.*s.%.*s' has type %u%s, which is not read",
        at + 1, (int)h->db.len, (const char *)h->db.p, (int)h->table.len, (const char *)h->table.p,
        c->type, c->type == NATIVE_TYPED_ARRAY ? " (an array of an index over JSON)" : "");
}

static bool read_columns(const struct binlog_format *f, struct cursor *c, struct table_map *m,
                         struct arena *arena, const struct table_map_head *h, struct err *e)
{
    uint64_t n = binlog_lenenc(c);

    if (c->failed || n == 0 || n > COLUMNS_MAX)
        return damaged(h, e);
    m->n_columns = (uint16_t)n;
    m->columns = arena_calloc(arena, (size_t)n, sizeof *m->columns);
    struct view types = cursor_take(c, (size_t)n);
    struct view metas = cursor_take(c, (size_t)binlog_lenenc(c));
    struct view nulls = cursor_take(c, (size_t)(n + 7) / 8);
    if (c->failed)
        return damaged(h, e);
    struct cursor meta = cursor_of(metas.p, metas.len);
    for (uint16_t i = 0; i < m->n_columns; i++) {
        struct map_column *col = &m->columns[i];
        col->type = types.p[i];
        col->nullable = nulls.p[i / 8] >> (i % 8) & 1;
        if (!is_known(col->type))
            return refused(col, i, h, e);
        if (!read_type_meta(&meta, col) || meta.failed)
            return damaged(h, e);
        col->is_text = is_text(col->type, f->is_mariadb);
    }
    return cursor_left(&meta) == 0 || damaged(h, e);
}

bool table_map_read(const struct binlog_format *f, struct view body, struct arena *arena,
                    struct table_map *m, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct table_map_head h = {0};
    struct table_map got = {0};

    read_head(f, &c, &h);
    if (c.failed)
        return damaged(&h, e);
    if (!read_columns(f, &c, &got, arena, &h, e))
        return false;
    if (!read_optional(&got, &c, arena))
        return damaged(&h, e);
    got.n_hidden = count_hidden(&got);
    got.table_id = h.table_id;
    got.db = h.db;
    got.table = h.table;
    got.shape = h.shape;
    *m = got;
    return true;
}
