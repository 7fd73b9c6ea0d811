/* Text of the server into canonical bytes (text_value.h). */
#include "components/endpoint/mysql/text_value.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

#define US_PER_S 1000000ll
#define DECIMAL_MAX 96
#define NUMBER_MAX 400 /* a double of MySQL in full digits is 330 */

/* --- numbers ------------------------------------------------------------------------------------
 */

static bool take_digits(struct view *v, uint64_t *out)
{
    size_t n = 0;

    *out = 0;
    for (; n < v->len && v->p[n] >= '0' && v->p[n] <= '9'; n++) {
        uint64_t digit = (uint64_t)(v->p[n] - '0');

        if (*out > (UINT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    v->p += n;
    v->len -= n;
    return n > 0;
}

static bool take_char(struct view *v, char c)
{
    if (v->len == 0 || v->p[0] != (uint8_t)c)
        return false;
    v->p++;
    v->len--;
    return true;
}

static bool fits(uint64_t magnitude, bool negative, bool is_signed, unsigned width)
{
    uint64_t most = UINT64_MAX >> (64 - 8 * width);

    if (!is_signed)
        return !negative && magnitude <= most;
    return magnitude <= (most >> 1) + negative;
}

static bool put_integer(struct row_writer *w, enum kind k, struct view v)
{
    bool is_signed = k == KIND_I8 || k == KIND_I16 || k == KIND_I32 || k == KIND_I64;
    bool negative = take_char(&v, '-');
    uint64_t u;

    if (!take_digits(&v, &u) || v.len > 0 || !fits(u, negative, is_signed, kind_width[k]))
        return false;
    row_put_u64(w, negative ? 0 - u : u);
    return true;
}

static bool put_floating(struct row_writer *w, enum kind k, struct view v)
{
    char text[NUMBER_MAX], *end;
    double d;
    float f;

    if (v.len == 0 || v.len >= sizeof text)
        return false;
    memcpy(text, v.p, v.len);
    text[v.len] = '\0';
    d = strtod(text, &end);
    if (end != text + v.len)
        return false;
    f = (float)d;
    if (k == KIND_FLOAT)
        row_put_fixed(w, &f);
    else
        row_put_fixed(w, &d);
    return true;
}

/* Digits, and as many behind a point as the column has. */
static bool is_decimal(struct view v, uint8_t scale)
{
    size_t point = scale > 0 ? v.len - scale - 1 : v.len;

    if (v.len == 0 || v.len >= DECIMAL_MAX || point == 0 || point > v.len)
        return false;
    for (size_t i = 0; i < v.len; i++)
        if (i == point ? v.p[i] != '.' : v.p[i] < '0' || v.p[i] > '9')
            return false;
    return true;
}

static bool is_zero(struct view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.p[i] != '0' && v.p[i] != '.')
            return false;
    return true;
}

/* Without the zeros in front that ZEROFILL shows; zero has no sign. */
static bool put_decimal(struct row_writer *w, const struct column_def *c, struct view v)
{
    char text[DECIMAL_MAX + 1] = "-";
    bool negative = take_char(&v, '-');

    while (v.len > 1 && v.p[0] == '0' && v.p[1] != '.')
        (void)take_char(&v, '0');
    if (!is_decimal(v, c->scale))
        return false;
    negative &= !is_zero(v);
    memcpy(text + negative, v.p, v.len);
    row_put_bytes(w, text, negative + v.len);
    return true;
}

/* --- times --------------------------------------------------------------------------------------
 */

/* ".5" is half a second; nothing is none. */
static bool take_fraction(struct view *v, uint64_t *us)
{
    size_t n = v->len > 0 ? v->len - 1 : 0;

    *us = 0;
    if (v->len == 0)
        return true;
    if (!take_char(v, '.') || n == 0 || n > 6 || !take_digits(v, us))
        return false;
    for (; n < 6; n++)
        *us *= 10;
    return v->len == 0;
}

struct fields {
    uint64_t year, month, day, hour, minute, second, us;
};

static bool take_date(struct view *v, struct fields *f)
{
    return take_digits(v, &f->year) && take_char(v, '-') && take_digits(v, &f->month) &&
           take_char(v, '-') && take_digits(v, &f->day) && f->year <= 9999 && f->month <= 12 &&
           f->day <= 31;
}

static bool take_clock(struct view *v, struct fields *f)
{
    return take_digits(v, &f->hour) && take_char(v, ':') && take_digits(v, &f->minute) &&
           take_char(v, ':') && take_digits(v, &f->second) && take_fraction(v, &f->us) &&
           f->hour <= 838 && f->minute <= 59 && f->second <= 59;
}

/* Days from 1970-01-01 of the Gregorian calendar. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era, of_era, of_year;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    of_era = y - era * 400;
    of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool put_timestamp(struct row_writer *w, const struct fields *f)
{
    int64_t s;

    if (f->year == 0) { /* the zero date */
        row_put_u64(w, 0);
        return f->month + f->day + f->hour + f->minute + f->second + f->us == 0;
    }
    s = days_of((int64_t)f->year, (int64_t)f->month, (int64_t)f->day) * 86400 +
        (int64_t)(f->hour * 3600 + f->minute * 60 + f->second);
    row_put_u64(w, (uint64_t)(s * US_PER_S) + f->us);
    return f->month > 0 && f->day > 0;
}

static bool put_moment(struct row_writer *w, enum kind k, struct view v)
{
    struct fields f = {0};
    bool negative;

    if (k == KIND_TIME) {
        negative = take_char(&v, '-');
        if (!take_clock(&v, &f))
            return false;
        f.us += (f.hour * 3600 + f.minute * 60 + f.second) * US_PER_S;
        row_put_u64(w, negative ? 0 - f.us : f.us);
        return true;
    }
    if (!take_date(&v, &f))
        return false;
    if (k == KIND_DATE) {
        row_put_u64(w, f.year << 9 | f.month << 5 | f.day);
        return v.len == 0;
    }
    if (!take_char(&v, ' ') || !take_clock(&v, &f) || f.hour > 23)
        return false;
    if (k == KIND_TIMESTAMP)
        return put_timestamp(w, &f);
    row_put_u64(
        w,
        ((((f.year * 13 + f.month) << 5 | f.day) << 17) | f.hour << 12 | f.minute << 6 | f.second)
                << 24 |
            f.us);
    return true;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static bool put_value(struct row_writer *w, const struct column_def *c, struct view v)
{
    switch (c->kind) {
    case KIND_FLOAT:
    case KIND_DOUBLE:
        return put_floating(w, c->kind, v);
    case KIND_DECIMAL:
        return put_decimal(w, c, v);
    case KIND_DATE:
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
        return put_moment(w, c->kind, v);
    case KIND_TEXT:
    case KIND_BINARY:
    case KIND_BYTES:
    case KIND_JSON:
    case KIND_GEOMETRY:
    case KIND_VECTOR:
        row_put_bytes(w, v.p, v.len);
        return true;
    case KIND_UUID:
    case KIND_INET4:
    case KIND_INET6:
        if (v.len != kind_width[c->kind])
            return false;
        row_put_fixed(w, v.p);
        return true;
    default:
        return put_integer(w, c->kind, v);
    }
}

bool text_value_row(const struct table_def *t, struct view row, struct buf *out, struct err *e)
{
    struct value *values = must_calloc(t->n_columns, sizeof *values);
    bool ok = row_read(t, ROWS_MYSQL_TEXT, false, row, values);
    size_t start = out->len;
    struct row_writer w;

    if (!ok)
        err_set(e, ERR_CORRUPT, "a row of table '%s.%s' does not have its form", t->db, t->name);
    row_begin(&w, out, t, ROWS_CANONICAL, false);
    for (uint16_t i = 0; ok && i < t->n_columns; i++) {
        if (values[i].state == VALUE_NULL)
            row_put_null(&w);
        else
            ok = put_value(&w, &t->columns[i], (struct view){values[i].p, values[i].len}) ||
                 err_set(e, ERR_CORRUPT, "column '%s' of table '%s.%s' shows '%.*s', no %s",
                         t->columns[i].name, t->db, t->name,
                         (int)(values[i].len < 40 ? values[i].len : 40),
                         values[i].p ? (const char *)values[i].p : "",
                         kind_name(t->columns[i].kind));
    }
    if (ok)
        row_end(&w);
    if (ok && !buf_ok(out))
        ok = err_set(e, ERR_LIMIT, "a row of table '%s.%s' needs more than %zu bytes", t->db,
                     t->name, out->max);
    free(values);
    if (!ok)
        out->len = start < out->len ? start : out->len;
    return ok;
}
