/*
 * Values as parameters of the binary protocol, bit for bit: numbers and floats by their bytes,
 * times field by field, everything else as bytes under the binary charset (the session converts
 * nothing). Pure. Called by target_stmt.c.
 */
#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

#define US_PER_S 1000000ll
#define US_PER_DAY (86400 * US_PER_S)

static const struct bind canonical[KIND_COUNT] = {
    [KIND_I8] = {MYSQL_TYPE_TINY, false, 1, BIND_FIXED},
    [KIND_U8] = {MYSQL_TYPE_TINY, true, 1, BIND_FIXED},
    [KIND_I16] = {MYSQL_TYPE_SHORT, false, 2, BIND_FIXED},
    [KIND_U16] = {MYSQL_TYPE_SHORT, true, 2, BIND_FIXED},
    [KIND_I32] = {MYSQL_TYPE_LONG, false, 4, BIND_FIXED},
    [KIND_U32] = {MYSQL_TYPE_LONG, true, 4, BIND_FIXED},
    [KIND_I64] = {MYSQL_TYPE_LONGLONG, false, 8, BIND_FIXED},
    [KIND_U64] = {MYSQL_TYPE_LONGLONG, true, 8, BIND_FIXED},
    [KIND_FLOAT] = {MYSQL_TYPE_FLOAT, false, 4, BIND_FIXED},
    [KIND_DOUBLE] = {MYSQL_TYPE_DOUBLE, false, 8, BIND_FIXED},
    [KIND_DECIMAL] = {MYSQL_TYPE_NEWDECIMAL, false, 0, BIND_BYTES},
    [KIND_YEAR] = {MYSQL_TYPE_SHORT, true, 2, BIND_FIXED},
    [KIND_DATE] = {MYSQL_TYPE_DATE, false, 0, BIND_DATE},
    [KIND_TIME] = {MYSQL_TYPE_TIME, false, 0, BIND_TIME},
    [KIND_DATETIME] = {MYSQL_TYPE_DATETIME, false, 0, BIND_DATETIME},
    [KIND_TIMESTAMP] = {MYSQL_TYPE_DATETIME, false, 0, BIND_TIMESTAMP},
    [KIND_BIT] = {MYSQL_TYPE_LONGLONG, true, 8, BIND_FIXED},
    [KIND_ENUM] = {MYSQL_TYPE_SHORT, true, 2, BIND_FIXED},
    [KIND_SET] = {MYSQL_TYPE_LONGLONG, true, 8, BIND_FIXED},
    [KIND_TEXT] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_BINARY] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_BYTES] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_JSON] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_GEOMETRY] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_VECTOR] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_UUID] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_INET4] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
    [KIND_INET6] = {MYSQL_TYPE_BLOB, false, 0, BIND_BYTES},
};

bool bind_members_are_digits(const struct column_def *c)
{
    struct cursor m = cursor_of(c->members, c->members ? c->members_len : 0);

    while (cursor_left(&m) > 0) {
        struct view v = cursor_bytes(&m);
        if (m.failed)
            return false;
        size_t i = 0; /* NUL: charsets of two or four bytes */
        while (i < v.len && (v.p[i] == '\0' || (v.p[i] >= '0' && v.p[i] <= '9')))
            i++;
        if (i == v.len && v.len > 0)
            return true;
    }
    return false;
}

/* An index that comes as text is not read in charsets of two or four bytes. */
static bool is_wide(const char *charset)
{
    return strcmp(charset, "ucs2") == 0 || strncmp(charset, "utf16", 5) == 0 ||
           strcmp(charset, "utf32") == 0;
}

struct bind bind_of(const struct column_def *c, enum rows_encoding enc, bool as_key, bool mariadb)
{
    bool digits = c->kind == KIND_ENUM && (bind_members_are_digits(c) || is_wide(c->charset));

    if (enc == ROWS_MYSQL_TEXT) {
        if (c->kind == KIND_BIT || c->kind == KIND_SET || digits)
            return (struct bind){MYSQL_TYPE_LONGLONG, true, 8, BIND_NUMBER};
        return (struct bind){MYSQL_TYPE_BLOB, false, 0, BIND_BYTES};
    }
    if (c->kind == KIND_ENUM && !as_key && !digits)
        return (struct bind){MYSQL_TYPE_BLOB, false, 0, BIND_ENUM_TEXT};
    if (c->kind == KIND_TIME && !mariadb)
        return (struct bind){MYSQL_TYPE_BLOB, false, 0, BIND_TIME_TEXT};
    return canonical[c->kind];
}

void bind_lenenc(struct buf *out, uint64_t n)
{
    if (n < 251) {
        buf_u8(out, (uint8_t)n);
    } else if (n < 1u << 16) {
        buf_u8(out, 0xfc);
        buf_u16(out, (uint16_t)n);
    } else if (n < 1u << 24) {
        buf_u8(out, 0xfd);
        buf_append(out, &n, 3);
    } else {
        buf_u8(out, 0xfe);
        buf_u64(out, n);
    }
}

static void put_datetime(struct buf *out, unsigned year, unsigned month, unsigned day,
                         uint64_t us_of_day)
{
    uint64_t s = us_of_day / US_PER_S;

    buf_u8(out, 11);
    buf_u16(out, (uint16_t)year);
    buf_u8(out, (uint8_t)month);
    buf_u8(out, (uint8_t)day);
    buf_u8(out, (uint8_t)(s / 3600));
    buf_u8(out, (uint8_t)(s / 60 % 60));
    buf_u8(out, (uint8_t)(s % 60));
    buf_u32(out, (uint32_t)(us_of_day % US_PER_S));
}

static void put_date(struct buf *out, uint32_t v)
{
    buf_u8(out, 4);
    buf_u16(out, (uint16_t)(v >> 9));
    buf_u8(out, v >> 5 & 15);
    buf_u8(out, v & 31);
}

static void put_packed(struct buf *out, uint64_t v)
{
    uint64_t us = v & 0xffffff, year_month = v >> 46;
    uint64_t s = (v >> 36 & 31) * 3600 + (v >> 30 & 63) * 60 + (v >> 24 & 63);

    put_datetime(out, (unsigned)(year_month / 13), (unsigned)(year_month % 13), v >> 41 & 31,
                 s * US_PER_S + us);
}

/* Days since 1970-01-01 to the civil calendar; only years 1970 to 2106 can come. */
static void put_timestamp(struct buf *out, int64_t us)
{
    if (us == 0) {
        put_datetime(out, 0, 0, 0, 0);
        return;
    }
    int64_t days = us / US_PER_DAY + 719468;
    int64_t era = days / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * of_year + 2) / 153; /* March is month 0 */
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    unsigned year = (unsigned)(era * 400) + year_of_era + (month <= 2 ? 1 : 0);

    put_datetime(out, year, month, of_year - (153 * shifted + 2) / 5 + 1,
                 (uint64_t)(us % US_PER_DAY));
}

static void put_time(struct buf *out, int64_t v)
{
    uint64_t us = v < 0 ? (uint64_t)-v : (uint64_t)v;
    uint64_t s = us / US_PER_S;

    buf_u8(out, 12);
    buf_u8(out, v < 0);
    buf_u32(out, (uint32_t)(s / 86400));
    buf_u8(out, (uint8_t)(s / 3600 % 24));
    buf_u8(out, (uint8_t)(s / 60 % 60));
    buf_u8(out, (uint8_t)(s % 60));
    buf_u32(out, (uint32_t)(us % US_PER_S));
}

static void put_time_text(struct buf *out, int64_t v)
{
    uint64_t us = v < 0 ? (uint64_t)-v : (uint64_t)v;
    uint64_t s = us / US_PER_S;
    char text[48];

    (void)snprintf(text, sizeof text, "%s%" PRIu64 ":%02u:%02u.%06u", v < 0 ? "-" : "", s / 3600,
                   (unsigned)(s / 60 % 60), (unsigned)(s % 60), (unsigned)(us % US_PER_S));
    bind_lenenc(out, strlen(text));
    buf_str(out, text);
}

static bool put_number(struct buf *out, const struct value *v)
{
    uint64_t n = 0;

    if (v->len == 0 || v->len > 20)
        return false;
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->p[i] < '0' || v->p[i] > '9')
            return false;
        n = n * 10 + (v->p[i] - '0');
    }
    buf_u64(out, n);
    return true;
}

static uint64_t little(const struct value *v)
{
    uint64_t n = 0;

    memcpy(&n, v->p, v->len < 8 ? v->len : 8);
    return n;
}

bool bind_value(struct buf *out, const struct bind *b, const struct value *v)
{
    char digits[8];
    uint64_t n = b->form == BIND_BYTES || b->form == BIND_NUMBER ? 0 : little(v);

    switch (b->form) {
    case BIND_FIXED:
        buf_append(out, v->p, v->len);
        return v->len == b->width;
    case BIND_BYTES:
        bind_lenenc(out, v->len);
        buf_append(out, v->p, v->len);
        return true;
    case BIND_ENUM_TEXT:
        (void)snprintf(digits, sizeof digits, "%u", (unsigned)n & 0xffff);
        bind_lenenc(out, strlen(digits));
        buf_str(out, digits);
        return v->len == 2;
    case BIND_NUMBER:
        return put_number(out, v);
    case BIND_DATE:
        put_date(out, (uint32_t)n);
        return v->len == 4;
    case BIND_TIME:
        put_time(out, (int64_t)n);
        return v->len == 8;
    case BIND_TIME_TEXT:
        put_time_text(out, (int64_t)n);
        return v->len == 8;
    case BIND_DATETIME:
        put_packed(out, n);
        return v->len == 8;
    case BIND_TIMESTAMP:
        put_timestamp(out, (int64_t)n);
        return v->len == 8 && (int64_t)n >= 0;
    }
    return false;
}
