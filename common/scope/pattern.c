/*
 * Patterns db.table: parsed once, matched by characters with one step back to the last '*'. Pure.
 */
#include <string.h>

#include "common/scope/scope_priv.h"

uint32_t char_next(const char **p)
{
    const unsigned char *q = (const unsigned char *)*p;
    unsigned n = q[0] < 0xc2 ? 1 : q[0] < 0xe0 ? 2 : q[0] < 0xf0 ? 3 : q[0] < 0xf5 ? 4 : 1;
    static const unsigned char mask[] = {0, 0xff, 0x1f, 0x0f, 0x07};
    uint32_t c = q[0] & mask[n];

    for (unsigned i = 1; i < n; i++) {
        if ((q[i] & 0xc0) != 0x80) { /* not UTF-8: the byte alone, outside of all characters */
            *p += 1;
            return 0x110000u + q[0];
        }
        c = c << 6 | (q[i] & 0x3f);
    }
    *p += n;
    return n == 1 && q[0] >= 0x80 ? 0x110000u + q[0] : c;
}

bool entry_refuse(const struct entry *en, const char *at, const char *expected)
{
    unsigned column = 1;

    for (const char *p = en->text; p < at; column++)
        char_next(&p);
    if (en->number == 0)
        return err_set(en->e, ERR_INVALID, "%s, column %u: %s (in '%.200s')", en->list, column,
                       expected, en->text);
    return err_set(en->e, ERR_INVALID, "%s[%zu]%s, column %u: %s (in '%.200s')", en->list,
                   en->number, en->part, column, expected, en->text);
}

static bool parse_set(struct entry *en, struct glob_item *item)
{
    const char *open = en->p++;
    bool first = true;

    item->kind = GLOB_SET;
    item->negated = *en->p == '!' || *en->p == '^';
    en->p += item->negated;
    item->ranges = arena_calloc(en->arena, strlen(en->p) + 1, sizeof *item->ranges);
    for (; *en->p != ']' || first; first = false) {
        struct glob_range *r = &item->ranges[item->n++];
        const char *from = en->p;

        if (!*en->p)
            return entry_refuse(en, open, "'[' without ']'");
        r->from = r->to = char_next(&en->p);
        if (en->p[0] != '-' || en->p[1] == ']' || en->p[1] == '\0')
            continue;
        en->p++;
        r->to = char_next(&en->p);
        if (r->to < r->from)
            return entry_refuse(en, from, "a range whose end is before its begin");
    }
    en->p++;
    return true;
}

/* `...` as single characters; two backticks within stand for one. */
static bool parse_quoted(struct entry *en, struct glob_item *items, size_t *n)
{
    const char *open = en->p++;

    for (;;) {
        if (!*en->p)
            return entry_refuse(en, open, "'`' without a second '`'");
        if (*en->p == '`' && en->p[1] != '`')
            break;
        en->p += *en->p == '`';
        items[(*n)++] = (struct glob_item){.kind = GLOB_CHAR, .c = char_next(&en->p)};
    }
    en->p++;
    return true;
}

/* The next item or items of a side. */
static bool parse_item(struct entry *en, struct glob_item *items, size_t *n)
{
    switch (*en->p) {
    case '`':
        return parse_quoted(en, items, n);
    case '[':
        return parse_set(en, &items[(*n)++]);
    case ']':
        return entry_refuse(en, en->p, "']' without '['");
    case '?':
        en->p++;
        items[(*n)++].kind = GLOB_ONE;
        return true;
    case '*':
        en->p++;
        if (*n == 0 || items[*n - 1].kind != GLOB_MANY)
            items[(*n)++].kind = GLOB_MANY;
        return true;
    default:
        if ((unsigned char)*en->p <= ' ')
            return entry_refuse(en, en->p, "a space; backticks quote a name that has one");
        items[(*n)++] = (struct glob_item){.kind = GLOB_CHAR, .c = char_next(&en->p)};
        return true;
    }
}

/* One side of the dot. */
static bool parse_side(struct entry *en, const char *what, struct glob *out)
{
    struct glob_item *items = arena_calloc(en->arena, strlen(en->p) + 1, sizeof *items);
    const char *from = en->p;
    size_t n = 0;

    while (*en->p && *en->p != '.')
        if (!parse_item(en, items, &n))
            return false;
    if (n == 0)
        return entry_refuse(en, from, what);
    *out = (struct glob){items, n};
    return true;
}

bool pattern_parse(struct entry *en, struct pattern *out)
{
    en->p = en->text;
    if (!parse_side(en, "a database is expected", &out->db))
        return false;
    if (*en->p != '.')
        return entry_refuse(en, en->p, "'.' and a table are expected: db.table");
    en->p++;
    if (!parse_side(en, "a table is expected after '.'", &out->table))
        return false;
    return !*en->p || entry_refuse(en, en->p, "a second '.'; backticks quote a name that has one");
}

static bool item_matches(const struct glob_item *item, uint32_t c)
{
    if (item->kind == GLOB_CHAR)
        return item->c == c;
    if (item->kind == GLOB_ONE)
        return true;
    for (unsigned i = 0; i < item->n; i++)
        if (c >= item->ranges[i].from && c <= item->ranges[i].to)
            return !item->negated;
    return item->negated;
}

bool glob_matches(const struct glob *g, const char *name)
{
    const char *retry = NULL; /* where the last '*' may take one character more */
    size_t i = 0, star = 0;

    for (;;) {
        if (i < g->n && g->items[i].kind == GLOB_MANY) {
            star = ++i;
            retry = name;
            continue;
        }
        if (!*name && i == g->n)
            return true;
        if (*name && i < g->n) {
            const char *after = name;

            if (item_matches(&g->items[i], char_next(&after))) {
                name = after;
                i++;
                continue;
            }
        }
        if (!retry || !*retry)
            return false;
        char_next(&retry);
        name = retry;
        i = star;
    }
}

bool glob_is_everything(const struct glob *g)
{
    return g->n == 1 && g->items[0].kind == GLOB_MANY;
}

/* One exact name up to '.' or the end. */
static bool parse_name(struct entry *en, const char **out)
{
    const char *from = en->p;
    char *name = arena_alloc(en->arena, strlen(en->p) + 1);
    size_t n = 0, characters = 0;
    bool quoted = *en->p == '`';

    en->p += quoted;
    while (*en->p && (quoted || *en->p != '.')) {
        if (*en->p == '`') {
            if (!quoted)
                return entry_refuse(en, en->p, "'`' inside a name that does not begin with '`'");
            if (en->p[1] != '`')
                break;
            en->p++;
        } else if (!quoted && strchr("*?[]", *en->p)) {
            return entry_refuse(en, en->p, "an exact name is expected, no pattern");
        } else if (!quoted && (unsigned char)*en->p <= ' ') {
            return entry_refuse(en, en->p, "a space; backticks quote a name that has one");
        }
        characters += ((unsigned char)*en->p & 0xc0) != 0x80;
        name[n++] = *en->p++;
    }
    if (quoted && *en->p++ != '`')
        return entry_refuse(en, from, "'`' without a second '`'");
    if (n == 0)
        return entry_refuse(en, from, "a name is expected");
    if (characters > SCOPE_NAME_MAX)
        return entry_refuse(en, from, "a name of more than 64 characters");
    name[n] = '\0';
    *out = name;
    return true;
}

bool name_parse(struct entry *en, const char **db, const char **table)
{
    *table = NULL;
    en->p = en->text;
    if (!parse_name(en, db))
        return false;
    if (*en->p == '.') {
        en->p++;
        if (!parse_name(en, table))
            return false;
    }
    return !*en->p || entry_refuse(en, en->p, "the end, or '.' and a table, is expected");
}

bool scope_parse_table(const char *what, const char *text, struct arena *arena, const char **db,
                       const char **table, struct err *e)
{
    struct entry en = {.list = what, .part = "", .text = text, .arena = arena, .e = e};

    if (!name_parse(&en, db, table))
        return false;
    return *table || entry_refuse(&en, en.p, "'.' and a table are expected");
}
