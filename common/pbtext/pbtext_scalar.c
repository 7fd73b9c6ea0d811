/*
 * One scalar: text to member and back. Numbers are decimal; bytes are base64; text is quoted as
 * JSON does, which YAML reads too. Thread: any.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pbtext/pbtext_priv.h"

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool node_is_null(const struct node *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (n->kind != NODE_SCALAR || n->quoted)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(n->text, words[i]) == 0)
            return true;
    return false;
}

/* What was found, for "expected X, got Y". */
static bool wrong(const struct node *n, const char *expected, struct err *e)
{
    if (n->kind != NODE_SCALAR)
        return err_set(e, ERR_INVALID, "expected %s, got a %s", expected,
                       n->kind == NODE_LIST ? "list" : "group of keys");
    return err_set(e, ERR_INVALID, "expected %s, got %s'%.64s'", expected,
                   n->quoted ? "the text " : "", n->text);
}

static bool parse_signed(const struct node *n, int64_t low, int64_t high, int64_t *out,
                         struct err *e)
{
    char *end;
    long long v;

    if (n->quoted || !(isdigit((unsigned char)n->text[0]) || n->text[0] == '-'))
        return wrong(n, "a whole number", e);
    errno = 0;
    v = strtoll(n->text, &end, 10);
    if (end == n->text || end != n->text + n->len)
        return wrong(n, "a whole number", e);
    if (errno == ERANGE || v < low || v > high)
        return err_set(e, ERR_INVALID,
                       "%.64s is out of range: %" PRId64 " to %" PRId64 " can be kept", n->text,
                       low, high);
    *out = v;
    return true;
}

static bool parse_unsigned(const struct node *n, uint64_t high, uint64_t *out, struct err *e)
{
    char *end;
    unsigned long long v;
    bool negative = n->text[0] == '-' && isdigit((unsigned char)n->text[1]);

    if (n->quoted || !(isdigit((unsigned char)n->text[0]) || negative))
        return wrong(n, "a whole number", e);
    errno = 0;
    v = strtoull(n->text, &end, 10);
    if (end != n->text + n->len)
        return wrong(n, "a whole number", e);
    if (errno == ERANGE || negative || v > high)
        return err_set(e, ERR_INVALID, "%.64s is out of range: 0 to %" PRIu64 " can be kept",
                       n->text, high);
    *out = v;
    return true;
}

static bool parse_double(const struct node *n, double *out, struct err *e)
{
    char *end;
    double v;

    if (n->quoted ||
        !(isdigit((unsigned char)n->text[0]) || (n->text[0] && strchr("-.", *n->text))))
        return wrong(n, "a number", e);
    v = strtod(n->text, &end);
    if (end != n->text + n->len || !isfinite(v))
        return wrong(n, "a number", e);
    *out = v;
    return true;
}

static bool parse_text(const struct node *n, struct arena *arena, char **out, struct err *e)
{
    if (n->strict && !n->quoted)
        return wrong(n, "text in quotes", e);
    if (memchr(n->text, '\0', n->len))
        return err_set(e, ERR_INVALID, "the text holds a NUL character");
    *out = arena_strndup(arena, n->text, n->len);
    return true;
}

static bool parse_base64(const struct node *n, struct arena *arena, ProtobufCBinaryData *out,
                         struct err *e)
{
    uint8_t *p = arena_alloc(arena, n->len / 4 * 3 + 3);
    uint32_t bits = 0;
    size_t len = 0, digits = n->len;

    while (digits > 0 && n->len % 4 == 0 && n->len - digits < 2 && n->text[digits - 1] == '=')
        digits--;
    if (n->len % 4 != 0)
        return wrong(n, "base64", e);
    for (size_t i = 0; i < digits; i++) {
        const char *d = n->text[i] ? strchr(digits64, n->text[i]) : NULL;

        if (!d)
            return wrong(n, "base64", e);
        bits = bits << 6 | (uint32_t)(d - digits64);
        if (i % 4 == 3) {
            p[len++] = (uint8_t)(bits >> 16);
            p[len++] = (uint8_t)(bits >> 8);
            p[len++] = (uint8_t)bits;
        }
    }
    if (digits % 4 == 2)
        p[len++] = (uint8_t)(bits >> 4);
    if (digits % 4 == 3) {
        p[len++] = (uint8_t)(bits >> 10);
        p[len++] = (uint8_t)(bits >> 2);
    }
    *out = (ProtobufCBinaryData){len, p};
    return true;
}

static bool parse_bool(const struct node *n, protobuf_c_boolean *out, struct err *e)
{
    if (n->quoted || (strcmp(n->text, "true") != 0 && strcmp(n->text, "false") != 0))
        return wrong(n, "true or false", e);
    *out = n->text[0] == 't';
    return true;
}

static bool parse_enum(const struct node *n, const ProtobufCEnumDescriptor *d, int *out,
                       struct err *e)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(d, n->text);

    if (!v)
        return wrong(n, d->name, e);
    *out = v->value;
    return true;
}

bool scalar_parse(const ProtobufCFieldDescriptor *f, const struct node *n, struct arena *arena,
                  void *out, struct err *e)
{
    int64_t i;
    uint64_t u;
    double d;

    if (n->kind != NODE_SCALAR)
        return wrong(n, "one value", e);
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return parse_signed(n, INT32_MIN, INT32_MAX, &i, e) && (*(int32_t *)out = (int32_t)i, true);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return parse_signed(n, INT64_MIN, INT64_MAX, out, e);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return parse_unsigned(n, UINT32_MAX, &u, e) && (*(uint32_t *)out = (uint32_t)u, true);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return parse_unsigned(n, UINT64_MAX, out, e);
    case PROTOBUF_C_TYPE_DOUBLE:
        return parse_double(n, out, e);
    case PROTOBUF_C_TYPE_FLOAT:
        return parse_double(n, &d, e) && (*(float *)out = (float)d, true);
    case PROTOBUF_C_TYPE_BOOL:
        return parse_bool(n, out, e);
    case PROTOBUF_C_TYPE_ENUM:
        return parse_enum(n, f->descriptor, out, e);
    case PROTOBUF_C_TYPE_STRING:
        return parse_text(n, arena, out, e);
    case PROTOBUF_C_TYPE_BYTES:
        return parse_base64(n, arena, out, e);
    default:
        return err_set(e, ERR_BUG, "'%s' is not a scalar", f->name);
    }
}

static void format_double(double v, struct buf *out)
{
    char text[40];

    if (!isfinite(v)) {
        buf_str(out, "null");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_str(out, text);
}

static void format_base64(const ProtobufCBinaryData *b, struct buf *out)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < b->len; i += 3) {
        size_t n = b->len - i < 3 ? b->len - i : 3;
        uint32_t v = (uint32_t)b->data[i] << 16;

        if (n > 1)
            v |= (uint32_t)b->data[i + 1] << 8;
        if (n > 2)
            v |= b->data[i + 2];
        for (size_t k = 0; k < 4; k++)
            buf_u8(out, k <= n ? (uint8_t)digits64[v >> (18 - 6 * k) & 63] : '=');
    }
    buf_u8(out, '"');
}

/* Not raw: control characters, the byte order mark, line breaks of YAML's own, non-characters. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c >> 1 == 0x7fff;
}

static void format_char(uint32_t c, const unsigned char *raw, size_t len, struct buf *out)
{
    static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
    const char *at = c && c < 0x80 ? strchr(from, (int)c) : NULL;

    if (at)
        buf_printf(out, "\\%c", to[at - from]);
    else if (needs_escape(c))
        buf_printf(out, "\\u%04x", (unsigned)c);
    else
        buf_append(out, raw, len);
}

/* JSON's escapes; also what YAML does not take raw. Bytes that are not UTF-8 become U+FFFD. */
void text_format_quoted(const char *p, size_t n, struct buf *out)
{
    static const unsigned char replacement[] = "\xef\xbf\xbd";
    const unsigned char *q = (const unsigned char *)p;

    buf_u8(out, '"');
    while (n > 0) {
        size_t len = utf8_len(q, n);
        uint32_t c = len ? utf8_decode(q, len) : 0xfffd;

        if (len == 0 || (c > 0xffff && (c & 0xfffe) == 0xfffe))
            buf_append(out, replacement, 3);
        else
            format_char(c, q, len, out);
        q += len ? len : 1;
        n -= len ? len : 1;
    }
    buf_u8(out, '"');
}

void pbtext_format_string(const char *s, struct buf *out)
{
    text_format_quoted(s, strlen(s), out);
}

void text_format_yaml(const char *s, struct buf *out)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on",
                                        "off",  "y",     "n",    "inf", "nan"};
    bool plain = isalpha((unsigned char)s[0]) || s[0] == '_' || s[0] == '/';

    for (const char *p = s; *p && plain; p++)
        plain = isalnum((unsigned char)*p) || strchr("_./*?@%+-", *p);
    for (size_t i = 0; i < ARRAY_LEN(words) && plain; i++)
        plain = strcasecmp(s, words[i]) != 0;
    if (plain)
        buf_str(out, s);
    else
        text_format_quoted(s, strlen(s), out);
}

void scalar_format(const ProtobufCFieldDescriptor *f, const void *value, struct buf *out)
{
    const ProtobufCEnumValue *v;
    const char *s;

    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        buf_printf(out, "%" PRId32, *(const int32_t *)value);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_printf(out, "%" PRId64, *(const int64_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_printf(out, "%" PRIu32, *(const uint32_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)value);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        format_double(*(const double *)value, out);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        format_double((double)*(const float *)value, out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_str(out, *(const protobuf_c_boolean *)value ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        v = protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)value);
        if (v)
            text_format_quoted(v->name, strlen(v->name), out);
        else
            buf_printf(out, "%d", *(const int *)value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        s = *(char *const *)value;
        text_format_quoted(s ? s : "", s ? strlen(s) : 0, out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        format_base64(value, out);
        break;
    default:
        buf_str(out, "null");
    }
}
