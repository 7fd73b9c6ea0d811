/*
 * Does an existing table on the target hold every row of the source unchanged? Strict: the schema
 * step made it, or somebody made it alike; columns stand in the same order. Indexes are not looked
 * at but for the row key. Pure.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "components/task/task.h"

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The native type without what does not change values: display width of integers, comments. */
static const char *plain_native(const struct column_def *c, char out[256])
{
    size_t n = 0;
    bool integer = c->kind <= KIND_U64;

    for (const char *p = c->native; *p && n + 1 < 256; p++) {
        if (integer && *p == '(') {
            const char *close = strchr(p, ')');
            if (!close)
                break;
            p = close;
            continue;
        }
        if (p[0] == ' ' && p[1] == '/' && p[2] == '*')
            break;
        out[n++] = *p;
    }
    out[n] = '\0';
    return out;
}

static bool differ(struct buf *why, const char *column, const char *what, const char *a,
                   const char *b)
{
    buf_printf(why, "column '%s': %s is '%s' on the source and '%s' on the target", column, what, a,
               b);
    return false;
}

static const char *yes_no(bool v)
{
    return v ? "yes" : "no";
}

static const char *const generated_names[] = {"no", "virtual", "stored"};

static bool same_members(const struct column_def *a, const struct column_def *b)
{
    return a->members_len == b->members_len &&
           (a->members_len == 0 || memcmp(a->members, b->members, a->members_len) == 0);
}

static bool same_column(const struct column_def *a, const struct column_def *b, struct buf *why)
{
    char native_a[256], native_b[256];

    if (strcasecmp(a->name, b->name) != 0)
        return differ(why, a->name, "the name in its place", a->name, b->name);
    if (!same_text(plain_native(a, native_a), plain_native(b, native_b)) || a->kind != b->kind)
        return differ(why, a->name, "the type", a->native, b->native);
    if (a->length != b->length || a->precision != b->precision || a->scale != b->scale ||
        !same_members(a, b))
        return differ(why, a->name, "the type's form", a->native, b->native);
    if (!same_text(a->charset, b->charset))
        return differ(why, a->name, "the character set", a->charset, b->charset);
    if (!same_text(a->collation, b->collation))
        return differ(why, a->name, "the collation", a->collation, b->collation);
    if (a->nullable != b->nullable)
        return differ(why, a->name, "NULL allowed", yes_no(a->nullable), yes_no(b->nullable));
    if (a->generated != b->generated)
        return differ(why, a->name, "generated", generated_names[a->generated],
                      generated_names[b->generated]);
    if (a->auto_increment != b->auto_increment)
        return differ(why, a->name, "AUTO_INCREMENT", yes_no(a->auto_increment),
                      yes_no(b->auto_increment));
    return true;
}

static bool same_key(const struct table_def *a, const struct table_def *b, struct buf *why)
{
    if (a->row_key < 0 && b->row_key < 0)
        return true;
    if (a->row_key < 0 || b->row_key < 0) {
        buf_printf(why, "the %s has no row key", a->row_key < 0 ? "source" : "target");
        return false;
    }
    const struct key_def *x = &a->keys[a->row_key], *y = &b->keys[b->row_key];
    bool same = x->n_parts == y->n_parts && x->primary == y->primary;
    for (uint16_t i = 0; same && i < x->n_parts; i++)
        same = x->parts[i].column == y->parts[i].column && x->parts[i].prefix == y->parts[i].prefix;
    if (!same)
        buf_printf(why, "the row key '%s' on the source differs from '%s' on the target", x->name,
                   y->name);
    return same;
}

bool task_same_shape(const struct table_def *source, const struct table_def *target,
                     struct buf *why)
{
    if (source->n_columns != target->n_columns) {
        buf_printf(why, "the source has %u columns, the target %u", source->n_columns,
                   target->n_columns);
        return false;
    }
    for (uint16_t i = 0; i < source->n_columns; i++)
        if (!same_column(&source->columns[i], &target->columns[i], why))
            return false;
    return same_key(source, target, why);
}
