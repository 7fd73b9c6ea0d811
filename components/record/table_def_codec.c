/* The bytes of a table definition: docs/format/store.md says them field by field. */
#include <string.h>

#include "components/record/table_def.h"

#define CODEC_VERSION 2
#define COLUMNS_MAX 4096
#define KEYS_MAX 1024

enum {
    COLUMN_NULLABLE = 1,
    COLUMN_AUTO_INCREMENT = 2,
    COLUMN_ON_UPDATE = 4,
    COLUMN_INVISIBLE = 8,
    COLUMN_FIXED_CHAR = 16,
    COLUMN_MEMBERS = 32,
};
enum { KEY_PRIMARY = 1, KEY_UNIQUE = 2 };

static void put_text(struct buf *out, const char *s)
{
    buf_bytes(out, s, strlen(s));
}

static void put_column(struct buf *out, const struct column_def *c)
{
    unsigned flags =
        (c->nullable ? COLUMN_NULLABLE : 0) | (c->auto_increment ? COLUMN_AUTO_INCREMENT : 0) |
        (c->on_update_now ? COLUMN_ON_UPDATE : 0) | (c->invisible ? COLUMN_INVISIBLE : 0) |
        (c->fixed_char ? COLUMN_FIXED_CHAR : 0) | (c->members ? COLUMN_MEMBERS : 0);

    put_text(out, c->name);
    put_text(out, kind_name(c->kind)); /* by name: numbers of kinds may be put in a new order */
    buf_varint(out, c->length);
    buf_u8(out, c->precision);
    buf_u8(out, c->scale);
    buf_u8(out, (uint8_t)flags);
    buf_u8(out, (uint8_t)c->generated);
    put_text(out, c->charset);
    put_text(out, c->collation);
    put_text(out, c->native);
    if (c->members)
        buf_bytes(out, c->members, c->members_len);
}

static void put_key(struct buf *out, const struct key_def *k)
{
    put_text(out, k->name);
    buf_u8(out, (uint8_t)((k->primary ? KEY_PRIMARY : 0) | (k->unique ? KEY_UNIQUE : 0)));
    buf_u8(out, (uint8_t)k->type);
    buf_varint(out, k->n_parts);
    for (uint16_t i = 0; i < k->n_parts; i++) {
        buf_u16(out, k->parts[i].column);
        buf_varint(out, k->parts[i].prefix);
        buf_u8(out, k->parts[i].descending);
    }
}

void table_def_encode(const struct table_def *t, struct buf *out)
{
    buf_u8(out, CODEC_VERSION);
    buf_varint(out, t->id);
    put_text(out, t->db);
    put_text(out, t->name);
    put_text(out, t->engine);
    put_text(out, t->charset);
    put_text(out, t->collation);
    put_text(out, t->family);
    put_text(out, t->create_text);
    buf_varint(out, t->n_columns);
    for (uint16_t i = 0; i < t->n_columns; i++)
        put_column(out, &t->columns[i]);
    buf_varint(out, t->n_keys);
    for (uint16_t i = 0; i < t->n_keys; i++)
        put_key(out, &t->keys[i]);
}

static const char *take_text(struct cursor *c, struct arena *a)
{
    struct view v = cursor_bytes(c);

    return arena_strndup(a, (const char *)v.p, v.len);
}

static void take_column(struct cursor *c, struct arena *a, struct column_def *out)
{
    unsigned flags;

    out->name = take_text(c, a);
    if (!kind_from_name(take_text(c, a), &out->kind))
        c->failed = true;
    out->length = (uint32_t)cursor_varint(c);
    out->precision = cursor_u8(c);
    out->scale = cursor_u8(c);
    flags = cursor_u8(c);
    out->nullable = flags & COLUMN_NULLABLE;
    out->auto_increment = flags & COLUMN_AUTO_INCREMENT;
    out->on_update_now = flags & COLUMN_ON_UPDATE;
    out->invisible = flags & COLUMN_INVISIBLE;
    out->fixed_char = flags & COLUMN_FIXED_CHAR;
    unsigned generated = cursor_u8(c);
    if (generated > GENERATED_STORED)
        c->failed = true;
    out->generated = (enum generated)generated;
    out->charset = take_text(c, a);
    out->collation = take_text(c, a);
    out->native = take_text(c, a);
    if (flags & COLUMN_MEMBERS) {
        struct view v = cursor_bytes(c);

        out->members = arena_memdup(a, v.p, v.len);
        out->members_len = (uint32_t)v.len;
    }
}

static void take_key(struct cursor *c, struct arena *a, struct key_def *out)
{
    struct key_part *parts;
    unsigned flags, type;
    uint64_t n;

    out->name = take_text(c, a);
    flags = cursor_u8(c);
    out->primary = flags & KEY_PRIMARY;
    out->unique = flags & KEY_UNIQUE;
    type = cursor_u8(c);
    n = cursor_varint(c);
    if (type > KEY_SPATIAL || n > COLUMNS_MAX)
        c->failed = true;
    if (c->failed)
        return;
    out->type = (enum key_type)type;
    parts = arena_calloc(a, n, sizeof *parts);
    for (uint64_t i = 0; i < n && !c->failed; i++) {
        parts[i].column = cursor_u16(c);
        parts[i].prefix = (uint32_t)cursor_varint(c);
        parts[i].descending = cursor_u8(c);
    }
    out->n_parts = (uint16_t)n;
    out->parts = parts;
}

static void take_lists(struct cursor *c, struct table_def_builder *b)
{
    struct column_def *columns;
    struct key_def *keys;
    uint64_t n = cursor_varint(c);

    if (n > COLUMNS_MAX)
        c->failed = true;
    if (c->failed)
        return;
    columns = arena_calloc(&b->arena, n, sizeof *columns);
    for (uint64_t i = 0; i < n && !c->failed; i++)
        take_column(c, &b->arena, &columns[i]);
    b->def.columns = columns;
    b->def.n_columns = (uint16_t)n;
    n = cursor_varint(c);
    if (n > KEYS_MAX)
        c->failed = true;
    if (c->failed)
        return;
    keys = arena_calloc(&b->arena, n, sizeof *keys);
    for (uint64_t i = 0; i < n && !c->failed; i++)
        take_key(c, &b->arena, &keys[i]);
    b->def.keys = keys;
    b->def.n_keys = (uint16_t)n;
}

bool table_def_decode(struct cursor *c, const struct table_def **out, struct err *e)
{
    struct table_def_builder b;
    bool ok;

    table_def_builder_init(&b);
    if (cursor_u8(c) != CODEC_VERSION)
        c->failed = true;
    b.def.id = (uint32_t)cursor_varint(c);
    b.def.db = take_text(c, &b.arena);
    b.def.name = take_text(c, &b.arena);
    b.def.engine = take_text(c, &b.arena);
    b.def.charset = take_text(c, &b.arena);
    b.def.collation = take_text(c, &b.arena);
    b.def.family = take_text(c, &b.arena);
    b.def.create_text = take_text(c, &b.arena);
    take_lists(c, &b);
    ok = c->failed
             ? err_set(e, ERR_CORRUPT, "a table definition of %zu bytes does not have its form",
                       (size_t)(c->end - c->start))
             : table_def_seal(&b, out, e);
    table_def_builder_fini(&b);
    return ok;
}
