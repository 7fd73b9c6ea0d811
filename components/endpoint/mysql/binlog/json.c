/* Documents in MySQL's binary form (json.h): objects, arrays and the text of both. */
#include <string.h>

#include "components/endpoint/mysql/binlog/json_priv.h"
#include "components/endpoint/mysql/binlog/value.h"

bool json_root(struct view binary, struct json_node *n)
{
    static const uint8_t null_literal[] = {0};

    if (binary.len == 0) { /* a NOT NULL column that was added to rows that were there */
        *n = (struct json_node){JSON_LITERAL, {null_literal, sizeof null_literal}};
        return true;
    }
    *n = (struct json_node){binary.p[0], {binary.p + 1, binary.len - 1}};
    return true;
}

static unsigned width_of(const struct json_items *it)
{
    return it->is_large ? 4 : 2;
}

static uint32_t number_at(const struct json_items *it, size_t at)
{
    return (uint32_t)le_bytes(it->all.p + at, width_of(it));
}

bool json_items_of(const struct json_node *n, struct json_items *it)
{
    struct json_items got = {
        .is_object = n->type == JSON_SMALL_OBJECT || n->type == JSON_LARGE_OBJECT,
        .is_large = n->type == JSON_LARGE_OBJECT || n->type == JSON_LARGE_ARRAY,
        .all = n->bytes};
    size_t w = width_of(&got);

    if (n->bytes.len < 2 * w)
        return false;
    got.n = number_at(&got, 0);
    size_t size = number_at(&got, w);
    size_t entry = 1 + w + (got.is_object ? w + 2 : 0);
    if (size > n->bytes.len || 2 * w + got.n * entry > size)
        return false;
    got.all.len = size;
    *it = got;
    return true;
}

/* Small numbers stand in the entry itself. */
static bool is_inline(const struct json_items *it, uint8_t type)
{
    switch (type) {
    case JSON_LITERAL:
    case JSON_INT16:
    case JSON_UINT16:
        return true;
    case JSON_INT32:
    case JSON_UINT32:
        return it->is_large;
    default:
        return false;
    }
}

bool json_item(const struct json_items *it, uint32_t i, struct view *key, struct json_node *value)
{
    size_t w = width_of(it), at = 2 * w;

    if (it->is_object) {
        size_t k = at + i * (w + 2);
        size_t from = number_at(it, k), len = le_bytes(it->all.p + k + w, 2);
        if (from > it->all.len || len > it->all.len - from)
            return false;
        *key = (struct view){it->all.p + from, len};
        at += it->n * (w + 2);
    }
    at += i * (1 + w);
    uint8_t type = it->all.p[at];
    size_t from = is_inline(it, type) ? at + 1 : number_at(it, at + 1);
    if (from >= it->all.len)
        return false;
    *value = (struct json_node){type, {it->all.p + from, it->all.len - from}};
    return true;
}

void json_put_string(struct view v, struct buf *out)
{
    static const char shorts[] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                  ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    size_t from = 0;

    buf_u8(out, '"');
    for (size_t i = 0; i < v.len; i++) {
        uint8_t b = v.p[i];
        if (b >= 0x20 && b != '"' && b != '\\')
            continue;
        buf_append(out, v.p + from, i - from);
        from = i + 1;
        if (shorts[b]) {
            buf_u8(out, '\\');
            buf_u8(out, (uint8_t)shorts[b]);
        } else {
            buf_printf(out, "\\u%04x", b);
        }
    }
    buf_append(out, v.p + from, v.len - from);
    buf_u8(out, '"');
}

bool json_put_node(const struct json_node *n, unsigned depth, struct buf *out)
{
    struct json_items it;
    struct json_node value;
    struct view key;

    if (!json_is_container(n))
        return json_put_scalar(n, out);
    if (depth >= JSON_DEPTH_MAX || !json_items_of(n, &it))
        return false;
    buf_u8(out, it.is_object ? '{' : '[');
    for (uint32_t i = 0; i < it.n; i++) {
        if (!json_item(&it, i, &key, &value) || !buf_ok(out))
            return false;
        if (i > 0)
            buf_append(out, ", ", 2);
        if (it.is_object) {
            json_put_string(key, out);
            buf_append(out, ": ", 2);
        }
        if (!json_put_node(&value, depth + 1, out))
            return false;
    }
    buf_u8(out, it.is_object ? '}' : ']');
    return true;
}

bool json_text(struct view binary, struct buf *out)
{
    struct json_node n;

    return json_root(binary, &n) && json_put_node(&n, 0, out) && buf_ok(out);
}
