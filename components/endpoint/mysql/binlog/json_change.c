/*
 * Partial updates of documents (json.h). A change is: u8 what, length + path, and but for a removal
 * length + value in the binary form. The document is opened only along the paths; what no path
 * enters stays as its bytes. Objects keep the server's order of keys: by length, then by bytes.
 */
#include <string.h>

#include "common/base/arena.h"
#include "components/endpoint/mysql/binlog/event.h"
#include "components/endpoint/mysql/binlog/json_priv.h"

enum change_what { WHAT_REPLACE = 0, WHAT_INSERT = 1, WHAT_REMOVE = 2 };

struct tree;
struct branch {
    struct view key; /* of an object */
    struct tree *value;
};
struct tree {
    struct json_node node; /* while not open */
    bool open, is_object;
    uint32_t n, cap;
    struct branch *at;
};
struct leg { /* one step of a path */
    bool is_member;
    struct view key;
    uint64_t index;
};

static struct tree *leaf(struct arena *a, struct json_node node)
{
    struct tree *t = arena_calloc(a, 1, sizeof *t);

    t->node = node;
    return t;
}

/* False: it holds nothing that could be entered. */
static bool open_tree(struct tree *t, struct arena *a)
{
    struct json_items it;
    struct json_node value;

    if (t->open)
        return true;
    if (!json_is_container(&t->node) || !json_items_of(&t->node, &it))
        return false;
    t->cap = it.n + 4;
    t->at = arena_calloc(a, t->cap, sizeof *t->at);
    for (t->n = 0; t->n < it.n; t->n++) {
        struct branch *b = &t->at[t->n];
        if (!json_item(&it, t->n, &b->key, &value))
            return false;
        b->value = leaf(a, value);
    }
    t->is_object = it.is_object;
    t->open = true;
    return true;
}

/* --- paths --------------------------------------------------------------------------------------
 */

static bool hex4(struct cursor *c, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t b = cursor_u8(c), low = b | 0x20;
        bool digit = b >= '0' && b <= '9', letter = low >= 'a' && low <= 'f';
        if (!digit && !letter)
            return false;
        *out = *out << 4 | (uint32_t)(digit ? b - '0' : low - 'a' + 10);
    }
    return !c->failed;
}

/* Only control characters are written so. */
static uint8_t unescaped(struct cursor *c)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    uint8_t b = cursor_u8(c);
    uint32_t code = 0;

    if (b == 'u') {
        if (!hex4(c, &code) || code >= 0x80)
            c->failed = true;
        return (uint8_t)code;
    }
    const char *known = b ? strchr(from, b) : NULL;
    return known ? (uint8_t)to[known - from] : b;
}

/* ."a \"b\"" */
static bool take_quoted(struct cursor *c, struct arena *a, struct view *key)
{
    uint8_t *to = arena_alloc(a, cursor_left(c) + 1), *w = to;

    while (!c->failed) {
        uint8_t b = cursor_u8(c);
        if (b == '"')
            break;
        *w++ = b == '\\' ? unescaped(c) : b;
    }
    *key = (struct view){to, (size_t)(w - to)};
    return !c->failed;
}

static bool take_index(struct cursor *c, uint64_t *index)
{
    uint64_t v = 0;
    unsigned digits = 0;
    uint8_t b = cursor_u8(c);

    for (; b >= '0' && b <= '9' && digits < 10; digits++, b = cursor_u8(c))
        v = v * 10 + (uint64_t)(b - '0');
    *index = v;
    return digits > 0 && b == ']' && !c->failed;
}

static bool take_leg(struct cursor *c, struct arena *a, struct leg *leg)
{
    uint8_t b = cursor_u8(c);

    if (b == '[') {
        leg->is_member = false;
        return take_index(c, &leg->index);
    }
    if (b != '.' || cursor_left(c) == 0)
        return false;
    leg->is_member = true;
    if (*c->p == '"') {
        cursor_skip(c, 1);
        return take_quoted(c, a, &leg->key);
    }
    const uint8_t *from = c->p;
    while (cursor_left(c) > 0 && *c->p != '.' && *c->p != '[')
        c->p++;
    leg->key = (struct view){from, (size_t)(c->p - from)};
    return leg->key.len > 0;
}

/* --- places -------------------------------------------------------------------------------------
 */

static int key_cmp(struct view a, struct view b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.p, b.p, a.len) : 0;
}

/* Where the leg leads, or where it would have to be put; *there says which. False: the leg is not
 * one of such a container. */
static bool find(const struct tree *t, const struct leg *leg, uint32_t *at, bool *there)
{
    if (t->is_object != leg->is_member)
        return false;
    if (!leg->is_member) {
        *there = leg->index < t->n;
        *at = *there ? (uint32_t)leg->index : t->n;
        return true;
    }
    uint32_t low = 0, high = t->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (key_cmp(t->at[middle].key, leg->key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    *there = low < t->n && key_cmp(t->at[low].key, leg->key) == 0;
    return true;
}

static void insert_at(struct tree *t, uint32_t at, struct view key, struct tree *value,
                      struct arena *a)
{
    if (t->n == t->cap) {
        struct branch *more = arena_calloc(a, 2 * (size_t)t->cap + 4, sizeof *more);
        memcpy(more, t->at, t->n * sizeof *more);
        t->at = more;
        t->cap = 2 * t->cap + 4;
    }
    memmove(t->at + at + 1, t->at + at, (t->n - at) * sizeof *t->at);
    t->at[at] = (struct branch){key, value};
    t->n++;
}

/* The last leg of a path in the tree it begins in. */
static bool change_here(struct tree *t, const struct leg *leg, enum change_what what,
                        struct tree *value, struct arena *a)
{
    uint32_t at;
    bool there;

    if (!find(t, leg, &at, &there))
        return false;
    switch (what) {
    case WHAT_REPLACE:
        if (there)
            t->at[at].value = value;
        return there;
    case WHAT_REMOVE:
        if (!there)
            return false;
        memmove(t->at + at, t->at + at + 1, (t->n - at - 1) * sizeof *t->at);
        t->n--;
        return true;
    default:
        if (leg->is_member && there)
            return false;
        insert_at(t, at, leg->key, value, a);
        return true;
    }
}

static bool change_at(struct tree *root, struct view path, enum change_what what,
                      struct tree *value, struct arena *a)
{
    struct cursor c = cursor_of(path.p, path.len);
    struct tree *t = root;
    struct leg leg;
    uint32_t at;
    bool there;

    if (cursor_u8(&c) != '$')
        return false;
    if (cursor_left(&c) == 0 && what == WHAT_REPLACE) {
        *root = *value;
        return true;
    }
    for (;;) {
        if (!take_leg(&c, a, &leg) || !open_tree(t, a))
            return false;
        if (cursor_left(&c) == 0)
            return change_here(t, &leg, what, value, a);
        if (!find(t, &leg, &at, &there) || !there)
            return false;
        t = t->at[at].value;
    }
}

/* --- all changes --------------------------------------------------------------------------------
 */

static bool change_all(struct tree *root, struct view changes, struct arena *a)
{
    struct cursor c = cursor_of(changes.p, changes.len);

    while (cursor_left(&c) > 0) {
        uint8_t what = cursor_u8(&c);
        struct view path = cursor_take(&c, (size_t)binlog_lenenc(&c));
        struct tree *value = NULL;
        if (c.failed || what > WHAT_REMOVE)
            return false;
        if (what != WHAT_REMOVE) {
            struct json_node n;
            struct view v = cursor_take(&c, (size_t)binlog_lenenc(&c));
            if (c.failed || !json_root(v, &n))
                return false;
            value = leaf(a, n);
        }
        if (!change_at(root, path, what, value, a))
            return false;
    }
    return true;
}

static bool put_tree(const struct tree *t, unsigned depth, struct buf *out)
{
    if (!t->open)
        return json_put_node(&t->node, depth, out);
    if (depth >= JSON_DEPTH_MAX)
        return false;
    buf_u8(out, t->is_object ? '{' : '[');
    for (uint32_t i = 0; i < t->n; i++) {
        if (i > 0)
            buf_append(out, ", ", 2);
        if (t->is_object) {
            json_put_string(t->at[i].key, out);
            buf_append(out, ": ", 2);
        }
        if (!put_tree(t->at[i].value, depth + 1, out))
            return false;
    }
    buf_u8(out, t->is_object ? '}' : ']');
    return true;
}

bool json_text_changed(struct view before, struct view changes, struct buf *out)
{
    struct json_node n;
    struct arena a;

    if (!json_root(before, &n))
        return false;
    arena_init(&a, 0);
    struct tree *root = leaf(&a, n);
    bool ok = change_all(root, changes, &a) && put_tree(root, 0, out) && buf_ok(out);
    arena_fini(&a);
    return ok;
}
