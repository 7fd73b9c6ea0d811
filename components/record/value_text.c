/* See value_text.h. */
#include "components/record/value_text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cursor.h"
#include "common/base/time.h"

#define US_PER_S 1000000

/* Bytes of the character that begins with c; 0: none does. */
static size_t utf8_length(uint8_t c)
{
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static size_t utf8_step(const uint8_t *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = utf8_length(p[0]);
    uint32_t c = n ? p[0] & (n == 1 ? 0x7f : 0x7fu >> n) : 0;

    if (n == 0 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || c >> 11 == 0xd800 >> 11 ? 0 : n;
}

bool bytes_are_utf8(const void *p, size_t n)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n;) {
        size_t step = utf8_step(b + i, n - i);

        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

void json_put_text(struct buf *out, const void *p, size_t n)
{
    const uint8_t *b = p;

    buf_u8(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (b[i] == '"' || b[i] == '\\')
            buf_u8(out, '\\');
        if (b[i] < 0x20 || b[i] == 0x7f)
            buf_printf(out, "\\u%04x", b[i]);
        else
            buf_u8(out, b[i]);
    }
    buf_u8(out, '"');
}

static void put_hex(struct buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        buf_u8(out, (uint8_t)digits[p[i] >> 4]);
        buf_u8(out, (uint8_t)digits[p[i] & 15]);
    }
}

/* --- numbers and times --------------------------------------------------------------------------
 */

static uint64_t number_of(const struct value *v)
{
    uint64_t u = 0;

    memcpy(&u, v->p, v->len < 8 ? v->len : 8);
    return u;
}

static int64_t signed_of(const struct value *v)
{
    unsigned shift = v->len > 0 && v->len < 8 ? 64 - 8 * v->len : 0;

    return (int64_t)(number_of(v) << shift) >> shift;
}

/* The shortest digits that give the same bits. */
static void put_double(struct buf *out, double d, int digits_max, bool single)
{
    char text[64];

    for (int digits = single ? 6 : 15; digits <= digits_max; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (single ? strtof(text, NULL) == (float)d : strtod(text, NULL) == d)
            break;
    }
    buf_str(out, text);
}

static void put_floating(struct buf *out, const struct column_def *c, const struct value *v)
{
    if (c->kind == KIND_FLOAT) {
        float f;

        memcpy(&f, v->p, sizeof f);
        put_double(out, f, 9, true);
    } else {
        double d;

        memcpy(&d, v->p, sizeof d);
        put_double(out, d, 17, false);
    }
}

static void put_fraction(struct buf *out, const struct column_def *c, uint64_t us)
{
    char text[8];

    if (c->scale == 0)
        return;
    snprintf(text, sizeof text, "%06u", (unsigned)(us % US_PER_S));
    buf_printf(out, ".%.*s", c->scale < 6 ? c->scale : 6, text);
}

static void put_date(struct buf *out, const struct column_def *c, const struct value *value)
{
    uint64_t v = number_of(value);

    (void)c;
    buf_printf(out, "%04u-%02u-%02u", (unsigned)(v >> 9), (unsigned)(v >> 5 & 15),
               (unsigned)(v & 31));
}

static void put_datetime(struct buf *out, const struct column_def *c, const struct value *value)
{
    uint64_t v = number_of(value);
    uint64_t year_month = v >> 46;

    buf_printf(out, "%04u-%02u-%02u %02u:%02u:%02u", (unsigned)(year_month / 13),
               (unsigned)(year_month % 13), (unsigned)(v >> 41 & 31), (unsigned)(v >> 36 & 31),
               (unsigned)(v >> 30 & 63), (unsigned)(v >> 24 & 63));
    put_fraction(out, c, v & 0xffffff);
}

static void put_stamp(struct buf *out, const struct column_def *c, const struct value *value)
{
    int64_t us = signed_of(value);
    char text[WALL_TEXT_MAX];

    if (us == 0) {
        buf_str(out, "0000-00-00 00:00:00");
    } else {
        wall_format((struct wall){us}, text);
        text[10] = ' ';
        buf_append(out, text, 19);
    }
    put_fraction(out, c, (uint64_t)us);
}

static void put_time(struct buf *out, const struct column_def *c, const struct value *value)
{
    int64_t us = signed_of(value);
    uint64_t u = us < 0 ? (uint64_t)-us : (uint64_t)us;
    uint64_t s = u / US_PER_S;

    buf_printf(out, "%s%02u:%02u:%02u", us < 0 ? "-" : "", (unsigned)(s / 3600),
               (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    put_fraction(out, c, u);
}

/* --- members, addresses -------------------------------------------------------------------------
 */

static bool member_at(const struct column_def *c, uint64_t i, struct view *out)
{
    struct cursor at = cursor_of(c->members, c->members_len);

    for (uint64_t k = 0; c->members && cursor_left(&at) > 0; k++) {
        *out = cursor_bytes(&at);
        if (at.failed)
            return false;
        if (k == i)
            return true;
    }
    return false;
}

/* Names where they are known and readable, else the number. */
static void put_members(struct buf *out, const struct column_def *c, const struct value *v)
{
    uint64_t u = number_of(v);
    struct view m;
    size_t mark = out->len;

    if (c->kind == KIND_ENUM) {
        if (u > 0 && (!member_at(c, u - 1, &m) || !bytes_are_utf8(m.p, m.len)))
            buf_printf(out, "%" PRIu64, u);
        else if (u > 0)
            buf_append(out, m.p, m.len);
        return;
    }
    for (unsigned i = 0; i < 64; i++) {
        if (!(u >> i & 1))
            continue;
        if (!member_at(c, i, &m) || !bytes_are_utf8(m.p, m.len)) {
            out->len = mark;
            buf_printf(out, "%" PRIu64, u);
            return;
        }
        if (out->len > mark)
            buf_u8(out, ',');
        buf_append(out, m.p, m.len);
    }
}

static void put_uuid(struct buf *out, const struct column_def *c, const struct value *v)
{
    static const uint8_t cuts[] = {0, 4, 6, 8, 10, 16};

    (void)c;
    for (size_t i = 0; i + 1 < sizeof cuts; i++) {
        if (i > 0)
            buf_u8(out, '-');
        put_hex(out, v->p + cuts[i], (size_t)(cuts[i + 1] - cuts[i]));
    }
}

static void put_inet(struct buf *out, const struct column_def *c, const struct value *v)
{
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(c->kind == KIND_INET4 ? AF_INET : AF_INET6, v->p, text, sizeof text))
        buf_str(out, text);
}

/* --- both ---------------------------------------------------------------------------------------
 */

static bool is_width_right(const struct column_def *c, const struct value *v)
{
    return kind_width[c->kind] == 0 || v->len == kind_width[c->kind];
}

static void put_signed(struct buf *out, const struct column_def *c, const struct value *v)
{
    (void)c;
    buf_printf(out, "%" PRId64, signed_of(v));
}

static void put_unsigned(struct buf *out, const struct column_def *c, const struct value *v)
{
    (void)c;
    buf_printf(out, "%" PRIu64, number_of(v));
}

static void put_as_it_is(struct buf *out, const struct column_def *c, const struct value *v)
{
    (void)c;
    buf_append(out, v->p, v->len);
}

static void put_bytes(struct buf *out, const struct column_def *c, const struct value *v)
{
    (void)c;
    put_hex(out, v->p, v->len);
}

typedef void put_value(struct buf *out, const struct column_def *c, const struct value *v);
static put_value *const putters[KIND_COUNT] = {
    [KIND_I8] = put_signed,     [KIND_I16] = put_signed,        [KIND_I32] = put_signed,
    [KIND_I64] = put_signed,    [KIND_U8] = put_unsigned,       [KIND_U16] = put_unsigned,
    [KIND_U32] = put_unsigned,  [KIND_U64] = put_unsigned,      [KIND_YEAR] = put_unsigned,
    [KIND_BIT] = put_unsigned,  [KIND_FLOAT] = put_floating,    [KIND_DOUBLE] = put_floating,
    [KIND_DATE] = put_date,     [KIND_DATETIME] = put_datetime, [KIND_TIMESTAMP] = put_stamp,
    [KIND_TIME] = put_time,     [KIND_ENUM] = put_members,      [KIND_SET] = put_members,
    [KIND_UUID] = put_uuid,     [KIND_INET4] = put_inet,        [KIND_INET6] = put_inet,
    [KIND_TEXT] = put_as_it_is, [KIND_DECIMAL] = put_as_it_is,  [KIND_JSON] = put_as_it_is,
    [KIND_BINARY] = put_bytes,  [KIND_BYTES] = put_bytes,       [KIND_GEOMETRY] = put_bytes,
    [KIND_VECTOR] = put_bytes,
};

void value_put_text(struct buf *out, const struct column_def *c, const struct value *v)
{
    (is_width_right(c, v) ? putters[c->kind] : put_bytes)(out, c, v);
}

static bool is_bare(enum kind k)
{
    return k <= KIND_DOUBLE || k == KIND_YEAR || k == KIND_BIT;
}

/* Character data whose bytes are what UTF-8 would be. */
static bool is_text(const struct column_def *c, const struct value *v)
{
    bool unicode =
        !c->charset || !*c->charset || strncmp(c->charset, "utf8", 4) == 0 || c->kind == KIND_JSON;

    if (unicode)
        return bytes_are_utf8(v->p, v->len);
    if (strncmp(c->charset, "ucs2", 4) == 0 || strncmp(c->charset, "utf16", 5) == 0 ||
        strncmp(c->charset, "utf32", 5) == 0)
        return v->len == 0;
    for (uint32_t i = 0; i < v->len; i++) /* every other charset agrees with ASCII below 0x80 */
        if (v->p[i] >= 0x80)
            return false;
    return true;
}

static void put_hex_object(struct buf *out, const struct column_def *c, const struct value *v)
{
    buf_str(out, "{\"hex\": \"");
    put_hex(out, v->p, v->len);
    buf_u8(out, '"');
    if (c->charset && *c->charset && c->kind == KIND_TEXT) {
        buf_str(out, ", \"charset\": ");
        json_put_text(out, c->charset, strlen(c->charset));
    }
    buf_u8(out, '}');
}

static void put_vector(struct buf *out, const struct value *v)
{
    buf_u8(out, '[');
    for (uint32_t i = 0; i + 4 <= v->len; i += 4) {
        float f;

        memcpy(&f, v->p + i, sizeof f);
        if (i > 0)
            buf_str(out, ", ");
        if (isfinite(f))
            put_double(out, f, 9, true);
        else
            buf_str(out, "null");
    }
    buf_u8(out, ']');
}

static void put_quoted(struct buf *out, const struct column_def *c, const struct value *v)
{
    struct buf text;

    buf_init(&text, 64u + 64u * 1024);
    value_put_text(&text, c, v);
    json_put_text(out, text.p, text.len);
    buf_fini(&text);
}

static void put_geometry(struct buf *out, const struct value *v)
{
    struct cursor srid = cursor_of(v->p, 4);

    buf_printf(out, "{\"srid\": %u, \"wkb\": \"", cursor_u32(&srid));
    put_hex(out, v->p + 4, v->len - 4);
    buf_str(out, "\"}");
}

static bool is_finite(const struct column_def *c, const struct value *v)
{
    double d = 0;

    if (c->kind == KIND_DOUBLE)
        memcpy(&d, v->p, sizeof d);
    return isfinite(d);
}

static void put_characters(struct buf *out, const struct column_def *c, const struct value *v)
{
    if (is_text(c, v))
        json_put_text(out, v->p, v->len);
    else
        put_hex_object(out, c, v);
}

void value_put_json(struct buf *out, const struct column_def *c, const struct value *v)
{
    if (v->state != VALUE_SET)
        buf_str(out, "null");
    else if (!is_width_right(c, v) || !is_finite(c, v))
        put_hex_object(out, c, v);
    else if (is_bare(c->kind))
        value_put_text(out, c, v);
    else if (putters[c->kind] == put_as_it_is)
        put_characters(out, c, v);
    else if (c->kind == KIND_GEOMETRY && v->len >= 4)
        put_geometry(out, v);
    else if (c->kind == KIND_VECTOR && v->len % 4 == 0)
        put_vector(out, v);
    else if (kind_width[c->kind] == 0)
        put_hex_object(out, c, v);
    else
        put_quoted(out, c, v);
}
