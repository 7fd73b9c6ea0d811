/* Rows as text (row_text.h). */
#include "test/lib/row_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/must.h"

static uint64_t number(const struct value *v)
{
    uint64_t n = 0;

    memcpy(&n, v->p, v->len < 8 ? v->len : 8);
    return n;
}

static int64_t signed_number(const struct value *v)
{
    unsigned shift = 64 - 8 * v->len;

    return (int64_t)(number(v) << shift) >> shift;
}

static void put_bytes(struct buf *out, const struct value *v, bool hex)
{
    bool plain = !hex;

    for (uint32_t i = 0; i < v->len; i++)
        plain = plain && v->p[i] >= 0x20 && v->p[i] < 0x7f && v->p[i] != '\'';
    buf_str(out, plain ? "'" : "x'");
    for (uint32_t i = 0; i < v->len; i++)
        if (plain)
            buf_u8(out, v->p[i]);
        else
            buf_printf(out, "%02x", v->p[i]);
    buf_str(out, "'");
}

static void put_fraction(struct buf *out, uint32_t us, unsigned digits)
{
    static const uint32_t unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};

    if (digits > 0)
        buf_printf(out, ".%0*u", (int)digits, us / unit[digits]);
}

static void put_datetime(struct buf *out, uint64_t v, unsigned digits)
{
    uint64_t d = v >> 24, ym = d >> 22;

    buf_printf(out, "%04u-%02u-%02u %02u:%02u:%02u", (unsigned)(ym / 13), (unsigned)(ym % 13),
               (unsigned)(d >> 17 & 31), (unsigned)(d >> 12 & 31), (unsigned)(d >> 6 & 63),
               (unsigned)(d & 63));
    put_fraction(out, v & 0xffffff, digits);
}

static void put_timestamp(struct buf *out, int64_t us, unsigned digits)
{
    time_t s = us / 1000000;
    struct tm tm;

    if (us == 0) {
        buf_str(out, "0000-00-00 00:00:00");
    } else {
        gmtime_r(&s, &tm);
        buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
    put_fraction(out, (uint32_t)(us % 1000000), digits);
}

static void put_time(struct buf *out, int64_t us, unsigned digits)
{
    uint64_t a = (uint64_t)(us < 0 ? -us : us), s = a / 1000000;

    buf_printf(out, "%s%02u:%02u:%02u", us < 0 ? "-" : "", (unsigned)(s / 3600),
               (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    put_fraction(out, (uint32_t)(a % 1000000), digits);
}

static void put_float(struct buf *out, const struct value *v)
{
    float f;
    double d;

    if (v->len == sizeof f) {
        memcpy(&f, v->p, sizeof f);
        buf_printf(out, "%.9g", (double)f);
    } else {
        memcpy(&d, v->p, sizeof d);
        buf_printf(out, "%.17g", d);
    }
}

static void put_value(struct buf *out, const struct column_def *c, const struct value *v, bool hex)
{
    switch (c->kind) {
    case KIND_I8:
    case KIND_I16:
    case KIND_I32:
    case KIND_I64:
        buf_printf(out, "%" PRId64, signed_number(v));
        break;
    case KIND_U8:
    case KIND_U16:
    case KIND_U32:
    case KIND_U64:
    case KIND_YEAR:
    case KIND_BIT:
    case KIND_ENUM:
    case KIND_SET:
        buf_printf(out, "%" PRIu64, number(v));
        break;
    case KIND_FLOAT:
    case KIND_DOUBLE:
        put_float(out, v);
        break;
    case KIND_DECIMAL:
        buf_append(out, v->p, v->len);
        break;
    case KIND_DATE: {
        uint64_t d = number(v);
        buf_printf(out, "%04u-%02u-%02u", (unsigned)(d >> 9), (unsigned)(d >> 5 & 15),
                   (unsigned)(d & 31));
        break;
    }
    case KIND_DATETIME:
        put_datetime(out, number(v), c->scale);
        break;
    case KIND_TIMESTAMP:
        put_timestamp(out, (int64_t)number(v), c->scale);
        break;
    case KIND_TIME:
        put_time(out, (int64_t)number(v), c->scale);
        break;
    default:
        put_bytes(out, v, hex);
        break;
    }
}

static void put_row(const struct table_def *t, bool has_absent, struct view row, bool hex,
                    struct buf *out)
{
    struct value *values = must_calloc(t->n_columns, sizeof *values);

    if (!row_read(t, ROWS_CANONICAL, has_absent, row, values)) {
        buf_str(out, "?");
        free(values);
        return;
    }
    for (uint16_t i = 0; i < t->n_columns; i++) {
        if (i > 0)
            buf_str(out, ", ");
        if (values[i].state == VALUE_ABSENT)
            buf_str(out, "-");
        else if (values[i].state == VALUE_NULL)
            buf_str(out, "NULL");
        else
            put_value(out, &t->columns[i], &values[i], hex);
    }
    free(values);
}

void row_text(const struct table_def *t, bool has_absent, struct view row, struct buf *out)
{
    put_row(t, has_absent, row, false, out);
}

void row_text_hex(const struct table_def *t, bool has_absent, struct view row, struct buf *out)
{
    put_row(t, has_absent, row, true, out);
}

static void put_expression(const struct column_def *c, struct buf *out)
{
    const char *before = "", *after = "";

    switch (c->kind) {
    case KIND_BIT:
    case KIND_ENUM:
    case KIND_SET:
        after = "+0";
        break;
    case KIND_YEAR:
        before = "CAST(", after = " AS UNSIGNED)";
        break;
    case KIND_TEXT:
    case KIND_BINARY:
    case KIND_BYTES:
    case KIND_JSON:
        before = "CONCAT('x''',LOWER(HEX(", after = ")),'''')";
        break;
    case KIND_GEOMETRY: /* HEX alone would show it as it is stored, too */
        before = "CONCAT('x''',LOWER(HEX(CAST(", after = " AS BINARY))),'''')";
        break;
    case KIND_UUID:
    case KIND_INET6:
        before = "CONCAT('x''',LOWER(HEX(CAST(", after = " AS BINARY(16)))),'''')";
        break;
    case KIND_INET4:
        before = "CONCAT('x''',LOWER(HEX(CAST(", after = " AS BINARY(4)))),'''')";
        break;
    default:
        break;
    }
    buf_printf(out, "IFNULL(%s`%s`%s,'NULL')", before, c->name, after);
}

void row_text_sql(const struct table_def *t, struct buf *out)
{
    buf_str(out, "CONCAT_WS(', '");
    for (uint16_t i = 0; i < t->n_columns; i++) {
        buf_str(out, ",");
        put_expression(&t->columns[i], out);
    }
    buf_str(out, ")");
}
