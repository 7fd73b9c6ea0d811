/* Values of a document that hold no others, as the server prints them (json.h). */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/binlog/json_priv.h"
#include "components/endpoint/mysql/binlog/table_map.h"
#include "components/endpoint/mysql/binlog/value.h"

/* --- doubles ------------------------------------------------------------------------------------
 */

#define DIGITS_MAX 17
#define POINT_MAX 15 /* zeros that fill up to the point, before or one less behind it */
#define TEXT_MAX 48

struct digits { /* 0.ddd times ten to the power `point` */
    char d[DIGITS_MAX + 1];
    int n, point;
};

/* n significant digits of a positive number, correctly rounded. */
static void round_to(double d, int n, struct digits *out)
{
    char text[TEXT_MAX];
    const char *p = text;

    (void)snprintf(text, sizeof text, "%.*e", n - 1, d);
    for (out->n = 0; *p && *p != 'e'; p++)
        if (*p != '.')
            out->d[out->n++] = *p;
    out->point = (int)strtol(*p ? p + 1 : p, NULL, 10) + 1;
}

static double number_of(const struct digits *g)
{
    char text[TEXT_MAX];

    (void)snprintf(text, sizeof text, "0.%.*se%d", g->n, g->d, g->point);
    return strtod(text, NULL);
}

/* The next greater number of as many digits. */
static void step_up(struct digits *g)
{
    int i = g->n;

    while (i > 0 && g->d[i - 1] == '9')
        g->d[--i] = '0';
    if (i > 0) {
        g->d[i - 1]++;
        return;
    }
    g->d[0] = '1';
    g->point++;
}

/* Do n digits say which number it is? Below a power of two the numbers lie closer: there the
 * nearest of n digits may belong to the neighbour, and the next one above not. */
static bool try_digits(double d, int n, struct digits *out)
{
    int exponent;

    round_to(d, n, out);
    if (number_of(out) == d)
        return true;
    if (frexp(d, &exponent) != 0.5)
        return false;
    step_up(out);
    return number_of(out) == d;
}

/* The fewest digits that say it. Fifteen always come back whole from a number that is not
 * denormal, so fewer than fifteen need no search. */
static void shortest(double d, struct digits *out)
{
    int n = d < DBL_MIN ? 1 : DBL_DIG;

    while (n < DIGITS_MAX && !try_digits(d, n, out))
        n++;
    if (n == DIGITS_MAX)
        round_to(d, n, out);
    while (out->n > 1 && out->d[out->n - 1] == '0')
        out->n--;
}

static void put_zeros(struct buf *out, int n)
{
    for (; n > 0; n--)
        buf_u8(out, '0');
}

static void put_plain(const struct digits *g, struct buf *out)
{
    int whole = g->point < 0 ? 0 : g->point < g->n ? g->point : g->n;

    buf_append(out, g->d, (size_t)whole);
    put_zeros(out, g->point - whole);
    if (g->point <= 0)
        buf_u8(out, '0');
    buf_u8(out, '.');
    put_zeros(out, -g->point);
    buf_append(out, g->d + whole, (size_t)(g->n - whole));
    if (whole == g->n)
        buf_u8(out, '0');
}

bool json_put_double(double d, struct buf *out)
{
    struct digits g;

    if (!isfinite(d))
        return false;
    if (signbit(d))
        buf_u8(out, '-');
    if (d == 0) {
        buf_str(out, "0.0");
        return true;
    }
    shortest(fabs(d), &g);
    if (g.point >= 1 - POINT_MAX && (g.point <= POINT_MAX || g.n > g.point)) {
        put_plain(&g, out);
        return true;
    }
    buf_u8(out, (uint8_t)g.d[0]);
    if (g.n > 1) {
        buf_u8(out, '.');
        buf_append(out, g.d + 1, (size_t)(g.n - 1));
    }
    buf_printf(out, "e%d", g.point - 1);
    return true;
}

/* --- strings and bytes --------------------------------------------------------------------------
 */

/* A length in groups of seven bits, low ones first, then as many bytes. */
static bool take_text(struct cursor *c, struct view *v)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t b = cursor_u8(c);
        n |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *v = cursor_take(c, (size_t)n);
            return !c->failed;
        }
    }
    return false;
}

#define BASE64_LINE 57 /* bytes in a line of 76 letters */

static void put_base64(struct view v, struct buf *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < v.len; i += 3) {
        size_t n = v.len - i < 3 ? v.len - i : 3;
        uint32_t bits = (uint32_t)v.p[i] << 16;
        bits |= n > 1 ? (uint32_t)v.p[i + 1] << 8 : 0;
        bits |= n > 2 ? v.p[i + 2] : 0;
        if (i > 0 && i % BASE64_LINE == 0)
            buf_append(out, "\\n", 2); /* the server's line feed, as it stands in a string */
        buf_u8(out, (uint8_t)letters[bits >> 18]);
        buf_u8(out, (uint8_t)letters[bits >> 12 & 63]);
        buf_u8(out, n > 1 ? (uint8_t)letters[bits >> 6 & 63] : '=');
        buf_u8(out, n > 2 ? (uint8_t)letters[bits & 63] : '=');
    }
}

/* --- values with a type of columns --------------------------------------------------------------
 */

#define PACKED_SIZE 8
#define FRACTION_BITS 24

static bool put_decimal(struct view v, struct buf *out)
{
    uint8_t text[DECIMAL_TEXT_MAX];

    if (v.len < 2)
        return false;
    unsigned precision = v.p[0], scale = v.p[1];
    if (precision < 1 || precision > 65 || scale > precision || scale > 38 ||
        decimal_size(precision, scale) != v.len - 2)
        return false;
    unsigned n = decimal_text(v.p + 2, precision, scale, text);
    buf_append(out, text, n);
    return n > 0;
}

static void put_clock(uint64_t v, uint32_t us, struct buf *out)
{
    buf_printf(out, "%02u:%02u.%06u", (unsigned)(v >> 6 & 63), (unsigned)(v & 63), us);
}

static bool put_temporal(uint8_t native, struct view v, struct buf *out)
{
    if (v.len != PACKED_SIZE)
        return false;
    int64_t packed = (int64_t)le_bytes(v.p, PACKED_SIZE);
    bool negative = native == NATIVE_TIME && packed < 0;
    uint64_t a = negative ? -(uint64_t)packed : (uint64_t)packed;
    uint32_t us = a & ((1u << FRACTION_BITS) - 1);

    a >>= FRACTION_BITS;
    buf_u8(out, '"');
    if (native == NATIVE_TIME) {
        buf_printf(out, "%s%02u:", negative ? "-" : "", (unsigned)(a >> 12 & 0x3ff));
        put_clock(a, us, out);
    } else {
        unsigned months = (unsigned)(a >> 22);
        buf_printf(out, "%04u-%02u-%02u", months / 13, months % 13, (unsigned)(a >> 17 & 31));
        if (native != NATIVE_DATE) {
            buf_printf(out, " %02u:", (unsigned)(a >> 12 & 31));
            put_clock(a, us, out);
        }
    }
    buf_u8(out, '"');
    return us < 1000000;
}

static bool put_opaque(struct cursor *c, struct buf *out)
{
    uint8_t native = cursor_u8(c);
    struct view v;

    if (c->failed || !take_text(c, &v))
        return false;
    switch (native) {
    case NATIVE_NEWDECIMAL:
        return put_decimal(v, out);
    case NATIVE_DATE:
    case NATIVE_DATETIME:
    case NATIVE_TIMESTAMP:
    case NATIVE_TIME:
        return put_temporal(native, v, out);
    default:
        buf_printf(out, "\"base64:type%u:", native);
        put_base64(v, out);
        buf_u8(out, '"');
        return true;
    }
}

/* --- all ----------------------------------------------------------------------------------------
 */

static bool put_literal(uint8_t which, struct buf *out)
{
    static const char *const names[] = {"null", "true", "false"};

    if (which >= ARRAY_LEN(names))
        return false;
    buf_str(out, names[which]);
    return true;
}

static bool put_real(struct cursor *c, struct buf *out)
{
    uint64_t bits = cursor_u64(c);
    double d;

    memcpy(&d, &bits, sizeof d);
    return !c->failed && json_put_double(d, out);
}

bool json_put_scalar(const struct json_node *n, struct buf *out)
{
    struct cursor c = cursor_of(n->bytes.p, n->bytes.len);
    struct view v;

    switch (n->type) {
    case JSON_LITERAL:
        return put_literal(cursor_u8(&c), out) && !c.failed;
    case JSON_INT16:
        buf_printf(out, "%d", (int16_t)cursor_u16(&c));
        break;
    case JSON_UINT16:
        buf_printf(out, "%u", cursor_u16(&c));
        break;
    case JSON_INT32:
        buf_printf(out, "%" PRId32, (int32_t)cursor_u32(&c));
        break;
    case JSON_UINT32:
        buf_printf(out, "%" PRIu32, cursor_u32(&c));
        break;
    case JSON_INT64:
        buf_printf(out, "%" PRId64, (int64_t)cursor_u64(&c));
        break;
    case JSON_UINT64:
        buf_printf(out, "%" PRIu64, cursor_u64(&c));
        break;
    case JSON_DOUBLE:
        return put_real(&c, out);
    case JSON_STRING:
        if (!take_text(&c, &v))
            return false;
        json_put_string(v, out);
        return true;
    case JSON_OPAQUE:
        return put_opaque(&c, out);
    default:
        return false;
    }
    return !c.failed;
}
