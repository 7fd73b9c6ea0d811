/*
 * JSON to a tree: strict RFC 8259, numbers kept as text so that 64 bits stay exact. Every error
 * names file and line. Thread: any.
 */
#include <ctype.h>
#include <string.h>

#include "common/pbtext/pbtext_priv.h"

struct scan {
    const char *p, *end;
    unsigned line;
    const char *file;
    struct arena *arena;
    struct err *e;
};

static bool refuse(struct scan *s, const char *what)
{
    return err_set(s->e, ERR_INVALID, "%s:%u: not JSON: %s", s->file, s->line, what);
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p) {
        s->line += *s->p == '\n';
        s->p++;
    }
}

static bool next_is(struct scan *s, char c)
{
    skip_space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool read_hex4(struct scan *s, uint32_t *out)
{
    uint32_t v = 0;

    if (s->end - s->p < 4)
        return refuse(s, "\\u needs four hexadecimal digits");
    for (int i = 0; i < 4; i++, s->p++) {
        const char *digits = "0123456789abcdef";
        const char *d = *s->p ? strchr(digits, tolower((unsigned char)*s->p)) : NULL;

        if (!d)
            return refuse(s, "\\u needs four hexadecimal digits");
        v = v << 4 | (uint32_t)(d - digits);
    }
    *out = v;
    return true;
}

static size_t utf8_encode(uint32_t c, char *out)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (n == 1) {
        out[0] = (char)c;
        return 1;
    }
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* After "\u": one code point, two escapes where it is beyond 16 bits. */
static bool read_unicode(struct scan *s, char *out, size_t *n)
{
    uint32_t c, low;

    if (!read_hex4(s, &c))
        return false;
    if (c >= 0xdc00 && c <= 0xdfff)
        return refuse(s, "half a surrogate pair");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
            return refuse(s, "half a surrogate pair");
        s->p += 2;
        if (!read_hex4(s, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(s, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *n += utf8_encode(c, out + *n);
    return true;
}

static bool read_escape(struct scan *s, char *out, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at;

    if (s->p == s->end)
        return refuse(s, "text without end");
    if (*s->p == 'u') {
        s->p++;
        return read_unicode(s, out, n);
    }
    at = *s->p ? strchr(from, *s->p) : NULL;
    if (!at)
        return refuse(s, "unknown escape");
    out[(*n)++] = to[at - from];
    s->p++;
    return true;
}

/* After the opening quote. */
static bool read_text(struct scan *s, const char **text, size_t *len)
{
    const char *q = s->p;
    char *out;
    size_t n = 0;

    while (q < s->end && *q != '"')
        q += *q == '\\' && s->end - q > 1 ? 2 : 1;
    if (q >= s->end)
        return refuse(s, "text without end");
    out = arena_alloc(s->arena, (size_t)(q - s->p) + 1); /* escapes only shrink */
    while (*s->p != '"') {
        if ((unsigned char)*s->p < 0x20)
            return refuse(s, "a control character in text");
        if (*s->p != '\\') {
            out[n++] = *s->p++;
            continue;
        }
        s->p++;
        if (!read_escape(s, out, &n))
            return false;
    }
    s->p++;
    out[n] = '\0';
    if (!utf8_is_valid(out, n))
        return refuse(s, "text is not UTF-8");
    *text = out;
    *len = n;
    return true;
}

static bool skip_one_of(const char **p, const char *set)
{
    if (!**p || !strchr(set, **p))
        return false;
    (*p)++;
    return true;
}

static size_t skip_digits(const char **p)
{
    const char *from = *p;

    while (isdigit((unsigned char)**p))
        (*p)++;
    return (size_t)(*p - from);
}

/* -?digits[.digits][e[+-]digits], no needless zero before */
static bool is_number(const char *p)
{
    const char *from;
    size_t n;

    skip_one_of(&p, "-");
    from = p;
    n = skip_digits(&p);
    if (n == 0 || (n > 1 && *from == '0'))
        return false;
    if (skip_one_of(&p, ".") && skip_digits(&p) == 0)
        return false;
    if (skip_one_of(&p, "eE")) {
        skip_one_of(&p, "+-");
        if (skip_digits(&p) == 0)
            return false;
    }
    return *p == '\0';
}

static bool read_word(struct scan *s, struct node *n)
{
    const char *from = s->p;

    while (s->p < s->end && (isalnum((unsigned char)*s->p) || (*s->p && strchr("+-.", *s->p))))
        s->p++;
    n->len = (size_t)(s->p - from);
    n->text = arena_strndup(s->arena, from, n->len);
    if (strcmp(n->text, "true") != 0 && strcmp(n->text, "false") != 0 &&
        strcmp(n->text, "null") != 0 && !is_number(n->text))
        return refuse(s, n->len ? "neither a number nor true, false, null" : "a value is missing");
    return true;
}

static bool read_value(struct scan *s, unsigned depth, struct node **out);

static bool read_members(struct scan *s, unsigned depth, struct node *n)
{
    struct node **tail = &n->first;
    char close = n->kind == NODE_MAP ? '}' : ']';

    if (next_is(s, close))
        return true;
    do {
        const char *key = NULL;
        size_t key_len;

        if (n->kind == NODE_MAP) {
            if (!next_is(s, '"'))
                return refuse(s, "a key in quotes is missing");
            if (!read_text(s, &key, &key_len))
                return false;
            if (!next_is(s, ':'))
                return refuse(s, "':' is missing after a key");
        }
        if (!read_value(s, depth + 1, tail))
            return false;
        (*tail)->key = key;
        tail = &(*tail)->next;
        n->n_children++;
    } while (next_is(s, ','));
    return next_is(s, close) || refuse(s, "',' or the closing bracket is missing");
}

static bool read_value(struct scan *s, unsigned depth, struct node **out)
{
    struct node *n = arena_calloc(s->arena, 1, sizeof *n);

    skip_space(s);
    *out = n;
    n->line = s->line;
    n->strict = true;
    if (depth > PBTEXT_DEPTH_MAX)
        return refuse(s, "nested too deeply");
    if (next_is(s, '{')) {
        n->kind = NODE_MAP;
        return read_members(s, depth, n);
    }
    if (next_is(s, '[')) {
        n->kind = NODE_LIST;
        return read_members(s, depth, n);
    }
    if (next_is(s, '"')) {
        n->quoted = true;
        return read_text(s, &n->text, &n->len);
    }
    return read_word(s, n);
}

bool node_read_json(const char *file, const char *text, size_t len, struct arena *arena,
                    const struct node **out, struct err *e)
{
    struct scan s = {.p = text, .end = text + len, .line = 1, .file = file, .arena = arena, .e = e};
    struct node *top;

    if (!read_value(&s, 0, &top))
        return false;
    skip_space(&s);
    if (s.p != s.end)
        return refuse(&s, "something follows the value");
    *out = top;
    return true;
}
