/* Sets of transaction identities as bytes and as text. See txn_id.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "components/record/txn_id.h"

/* varint origins; each: text, varint intervals; each: varint gap since the last end, varint length
 * - 1 */
void txn_set_encode(const struct txn_set *s, struct buf *out)
{
    buf_varint(out, s->origins.n);
    for (size_t i = 0; i < s->origins.n; i++) {
        const struct txn_set_origin *o = &s->origins.at[i];
        uint64_t last = 0;

        buf_bytes(out, o->origin, strlen(o->origin));
        buf_varint(out, o->iv.n);
        for (size_t k = 0; k < o->iv.n; k++) {
            buf_varint(out, o->iv.at[k].first - last);
            buf_varint(out, o->iv.at[k].last - o->iv.at[k].first);
            last = o->iv.at[k].last;
        }
    }
}

static bool decode_origin(struct cursor *c, struct txn_set *out)
{
    struct view text = cursor_bytes(c);
    uint64_t n = cursor_varint(c), last = 0;
    const char *origin;

    if (c->failed || text.len == 0 || text.len > ORIGIN_MAX || memchr(text.p, '\0', text.len))
        return false;
    origin = origin_intern((const char *)text.p, text.len);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t first, end;

        if (__builtin_add_overflow(last, cursor_varint(c), &first) ||
            __builtin_add_overflow(first, cursor_varint(c), &end) || c->failed)
            return false;
        txn_set_add(out, origin, first, end);
        last = end;
    }
    return true;
}

bool txn_set_decode(struct cursor *c, struct txn_set *out, struct err *e)
{
    uint64_t n = cursor_varint(c);
    bool ok = !c->failed;

    txn_set_init(out);
    for (uint64_t i = 0; ok && i < n; i++)
        ok = decode_origin(c, out);
    if (ok)
        return true;
    txn_set_fini(out);
    return err_set(e, ERR_CORRUPT, "a set of transactions does not have its form at byte %zu",
                   cursor_at(c));
}

void txn_set_format(const struct txn_set *s, struct buf *out)
{
    for (size_t i = 0; i < s->origins.n; i++) {
        const struct txn_set_origin *o = &s->origins.at[i];

        buf_printf(out, "%s%s=", i ? ";" : "", o->origin);
        for (size_t k = 0; k < o->iv.n; k++) {
            buf_printf(out, "%s%" PRIu64, k ? "," : "", o->iv.at[k].first);
            if (o->iv.at[k].last != o->iv.at[k].first)
                buf_printf(out, "-%" PRIu64, o->iv.at[k].last);
        }
    }
}

static bool parse_number(const char **p, uint64_t *out)
{
    char *end;

    if (**p < '0' || **p > '9')
        return false;
    *out = strtoull(*p, &end, 10);
    *p = end;
    return true;
}

static bool parse_interval(const char **p, const char *origin, struct txn_set *out)
{
    uint64_t first, last;

    if (!parse_number(p, &first))
        return false;
    last = first;
    if (**p == '-') {
        ++*p;
        if (!parse_number(p, &last) || last < first)
            return false;
    }
    txn_set_add(out, origin, first, last);
    return true;
}

static bool parse_origin(const char **p, struct txn_set *out)
{
    const char *eq = strchr(*p, '=');
    const char *origin;

    if (!eq || eq == *p || (size_t)(eq - *p) > ORIGIN_MAX || memchr(*p, ';', (size_t)(eq - *p)))
        return false;
    origin = origin_intern(*p, (size_t)(eq - *p));
    *p = eq + 1;
    while (parse_interval(p, origin, out)) {
        if (**p != ',')
            return **p == ';' || **p == '\0';
        ++*p;
    }
    return false;
}

bool txn_set_parse(const char *text, struct txn_set *out, struct err *e)
{
    const char *p = text;

    txn_set_init(out);
    while (*p) {
        if (!parse_origin(&p, out)) {
            txn_set_fini(out);
            return err_set(e, ERR_INVALID,
                           "cannot read the set of transactions '%.200s' at character %zu: "
                           "origin=first-last,... was expected",
                           text, (size_t)(p - text) + 1);
        }
        if (*p == ';')
            p++;
    }
    return true;
}
