/*
 * Aligned tables for people. Widths are those of the terminal: combining marks take no column, East
 * Asian and emoji characters two. Control characters are shown as '?', so that no value can
 * command the terminal. Thread: any; a table belongs to one caller.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"
#include "common/pbtext/pbtext_priv.h"

#define GAP 2u
#define COLUMN_MIN 4u

struct pbtext_table {
    size_t n_columns;
    struct arena arena;
    VEC(const char *) cells; /* row by row, the headings first */
};

struct range {
    uint32_t from, to;
};

static bool is_in(const struct range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].from && c <= r[i].to)
            return true;
    return false;
}

static size_t char_width(uint32_t c)
{
    static const struct range none[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
                                        {0x610, 0x61a},   {0x64b, 0x65f},   {0x1ab0, 0x1aff},
                                        {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
                                        {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef}};
    static const struct range two[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
                                       {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},
                                       {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
                                       {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
                                       {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

    if (c < 0x300)
        return 1;
    return is_in(none, ARRAY_LEN(none), c) ? 0 : is_in(two, ARRAY_LEN(two), c) ? 2 : 1;
}

/* Bytes and columns of the character at p. */
static size_t char_at(const char *p, size_t *width)
{
    size_t len = utf8_len((const unsigned char *)p, strlen(p));

    *width = len ? char_width(utf8_decode((const unsigned char *)p, len)) : 1;
    return len ? len : 1;
}

static size_t text_width(const char *s)
{
    size_t total = 0, width;

    while (*s) {
        s += char_at(s, &width);
        total += width;
    }
    return total;
}

struct pbtext_table *pbtext_table_new(const char *const *headings, size_t n_columns)
{
    struct pbtext_table *t = must_calloc(1, sizeof *t);

    must(n_columns > 0);
    t->n_columns = n_columns;
    arena_init(&t->arena, 0);
    pbtext_table_row(t, headings);
    return t;
}

void pbtext_table_free(struct pbtext_table *t)
{
    if (!t)
        return;
    vec_fini(&t->cells);
    arena_fini(&t->arena);
    free(t);
}

void pbtext_table_row(struct pbtext_table *t, const char *const *cells)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        char *copy = arena_strdup(&t->arena, cells[i] ? cells[i] : "");

        for (char *p = copy; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                *p = *p == '\n' || *p == '\t' ? ' ' : '?';
        vec_push(&t->cells, copy);
    }
}

/* Takes columns from the widest until the row fits. */
static void shrink(size_t *widths, size_t n, size_t width_max)
{
    size_t total = (n - 1) * GAP;

    for (size_t i = 0; i < n; i++)
        total += widths[i];
    while (total > width_max) {
        size_t widest = 0;

        for (size_t i = 1; i < n; i++)
            if (widths[i] >= widths[widest])
                widest = i;
        if (widths[widest] <= COLUMN_MIN)
            return;
        widths[widest]--;
        total--;
    }
}

/* The cell cut to width with an ellipsis; returns the columns used. */
static size_t put_cell(const char *s, size_t width, struct buf *out)
{
    bool cut = text_width(s) > width;
    size_t room = cut ? width - 1 : width, used = 0, w;

    while (*s) {
        size_t len = char_at(s, &w);

        if (used + w > room)
            break;
        if (utf8_len((const unsigned char *)s, len) == len)
            buf_append(out, s, len);
        else
            buf_u8(out, '?');
        used += w;
        s += len;
    }
    if (cut) {
        buf_str(out, "\xe2\x80\xa6");
        used++;
    }
    return used;
}

void pbtext_table_write(struct pbtext_table *t, size_t width_max, struct buf *out)
{
    size_t *widths = must_calloc(t->n_columns, sizeof *widths);

    for (size_t i = 0; i < t->cells.n; i++) {
        size_t w = text_width(t->cells.at[i]);

        if (w > widths[i % t->n_columns])
            widths[i % t->n_columns] = w;
    }
    if (width_max > 0)
        shrink(widths, t->n_columns, width_max);
    for (size_t i = 0; i < t->cells.n; i++) {
        size_t column = i % t->n_columns, used;
        bool last = column + 1 == t->n_columns;

        used = put_cell(t->cells.at[i], widths[column], out);
        for (size_t k = used; !last && k < widths[column] + GAP; k++)
            buf_u8(out, ' ');
        if (last) {
            while (out->len > 0 && out->p[out->len - 1] == ' ')
                out->len--;
            buf_u8(out, '\n');
        }
    }
    free(widths);
}
