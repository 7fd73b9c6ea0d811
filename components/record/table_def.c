/* Table definitions: building, sealing, counting. Their bytes are in table_def_codec.c. */
#include "components/record/table_def.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

/* What is counted: the definition, its arena and the count. */
struct sealed {
    struct table_def def;
    struct arena arena;
    unsigned refs;
};

void table_def_builder_init(struct table_def_builder *b)
{
    memset(b, 0, sizeof *b);
    arena_init(&b->arena, 0);
}

void table_def_builder_fini(struct table_def_builder *b)
{
    arena_fini(&b->arena);
}

static const char *copy_text(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

static void copy_column(struct arena *a, struct column_def *to, const struct column_def *from)
{
    *to = *from;
    to->name = copy_text(a, from->name);
    to->charset = copy_text(a, from->charset);
    to->collation = copy_text(a, from->collation);
    to->native = copy_text(a, from->native);
    to->members = from->members ? arena_memdup(a, from->members, from->members_len) : NULL;
}

static bool check_keys(const struct table_def *t, struct err *e)
{
    for (uint16_t k = 0; k < t->n_keys; k++)
        for (uint16_t p = 0; p < t->keys[k].n_parts; p++) {
            uint16_t c = t->keys[k].parts[p].column;

            if (c != KEY_EXPRESSION && c >= t->n_columns)
                return err_set(e, ERR_CORRUPT, "key '%s' of table '%s.%s' names column %u of %u",
                               t->keys[k].name, t->db, t->name, c, t->n_columns);
        }
    return true;
}

static bool key_finds_rows(const struct table_def *t, const struct key_def *k)
{
    if (!k->unique || k->n_parts == 0)
        return false;
    for (uint16_t p = 0; p < k->n_parts; p++) {
        uint16_t c = k->parts[p].column;

        if (c == KEY_EXPRESSION || t->columns[c].nullable || k->parts[p].prefix != 0)
            return false;
    }
    return true;
}

static int find_row_key(const struct table_def *t)
{
    for (uint16_t k = 0; k < t->n_keys; k++)
        if (t->keys[k].primary)
            return k;
    for (uint16_t k = 0; k < t->n_keys; k++)
        if (key_finds_rows(t, &t->keys[k]))
            return k;
    return -1;
}

bool table_def_seal(struct table_def_builder *b, const struct table_def **out, struct err *e)
{
    const struct table_def *d = &b->def;
    struct sealed *s;
    struct column_def *columns;
    struct key_def *keys;

    if (!d->db || !d->name)
        return err_set(e, ERR_CORRUPT, "a table definition has no name");
    if (!check_keys(d, e))
        return false;
    s = must_calloc(1, sizeof *s);
    arena_init(&s->arena, 0);
    s->refs = 1;
    s->def = *d;
    s->def.db = copy_text(&s->arena, d->db);
    s->def.name = copy_text(&s->arena, d->name);
    s->def.engine = copy_text(&s->arena, d->engine);
    s->def.charset = copy_text(&s->arena, d->charset);
    s->def.collation = copy_text(&s->arena, d->collation);
    s->def.family = copy_text(&s->arena, d->family);
    s->def.create_text = copy_text(&s->arena, d->create_text);
    columns = arena_calloc(&s->arena, d->n_columns, sizeof *columns);
    for (uint16_t i = 0; i < d->n_columns; i++)
        copy_column(&s->arena, &columns[i], &d->columns[i]);
    keys = arena_calloc(&s->arena, d->n_keys, sizeof *keys);
    for (uint16_t i = 0; i < d->n_keys; i++) {
        keys[i] = d->keys[i];
        keys[i].name = copy_text(&s->arena, d->keys[i].name);
        keys[i].parts = arena_memdup(&s->arena, d->keys[i].parts,
                                     d->keys[i].n_parts * sizeof *d->keys[i].parts);
    }
    s->def.columns = columns;
    s->def.keys = keys;
    s->def.row_key = find_row_key(&s->def);
    *out = &s->def;
    return true;
}

const struct table_def *table_def_ref(const struct table_def *t)
{
    struct sealed *s = CONTAINER_OF((struct table_def *)t, struct sealed, def);

    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void table_def_unref(const struct table_def *t)
{
    struct sealed *s;

    if (!t)
        return;
    s = CONTAINER_OF((struct table_def *)t, struct sealed, def);
    if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        arena_fini(&s->arena);
        free(s);
    }
}

static bool same_column(const struct column_def *a, const struct column_def *b)
{
    return strcmp(a->name, b->name) == 0 && a->kind == b->kind && a->length == b->length &&
           a->precision == b->precision && a->scale == b->scale && a->generated == b->generated &&
           strcmp(a->charset, b->charset) == 0 && strcmp(a->collation, b->collation) == 0 &&
           a->members_len == b->members_len &&
           (a->members_len == 0 || memcmp(a->members, b->members, a->members_len) == 0);
}

static bool same_key(const struct key_def *a, const struct key_def *b)
{
    if (a->n_parts != b->n_parts)
        return false;
    for (uint16_t i = 0; i < a->n_parts; i++)
        if (a->parts[i].column != b->parts[i].column || a->parts[i].prefix != b->parts[i].prefix)
            return false;
    return true;
}

bool table_def_same_rows(const struct table_def *a, const struct table_def *b)
{
    if (strcmp(a->db, b->db) != 0 || strcmp(a->name, b->name) != 0 ||
        a->n_columns != b->n_columns || (a->row_key < 0) != (b->row_key < 0))
        return false;
    for (uint16_t i = 0; i < a->n_columns; i++)
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    return a->row_key < 0 || same_key(&a->keys[a->row_key], &b->keys[b->row_key]);
}

/* The next number stands among the options, behind the columns' closing bracket. */
static struct view text_before_counter(const struct table_def *t, struct view *behind)
{
    static const char counter[] = " AUTO_INCREMENT=";
    const char *text = t->create_text, *options = NULL, *at;

    for (const char *p = text; (p = strstr(p, "\n)")); p++)
        options = p;
    at = options ? strstr(options, counter) : NULL;
    size_t n = at ? (size_t)(at - text) : strlen(text);
    const char *rest = text + n;
    if (at)
        rest += sizeof counter - 1 + strspn(rest + sizeof counter - 1, "0123456789");
    *behind = (struct view){(const uint8_t *)rest, strlen(rest)};
    return (struct view){(const uint8_t *)text, n};
}

/* The byte at `at` of what is left without the counter; 0 behind the end. */
static char text_at(struct view head, struct view behind, size_t at)
{
    if (at < head.len)
        return (char)head.p[at];
    return at - head.len < behind.len ? (char)behind.p[at - head.len] : '\0';
}

bool table_def_same_text(const struct table_def *a, const struct table_def *b)
{
    struct view rest_a, rest_b;
    struct view head_a = text_before_counter(a, &rest_a), head_b = text_before_counter(b, &rest_b);
    size_t n = head_a.len + rest_a.len;

    if (n != head_b.len + rest_b.len)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text_at(head_a, rest_a, i) != text_at(head_b, rest_b, i))
            return false;
    return true;
}

int table_def_column(const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_columns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return i;
    return -1;
}
