/* The family's type names (native.h). MariaDB's JSON is LONGTEXT with a check: kind TEXT. */
#include "components/endpoint/mysql/native.h"

#include <string.h>

#include "common/base/compiler.h"

struct type_row {
    const char *name;
    enum kind plain, if_unsigned;
};

static const struct type_row types[] = {
    {"tinyint", KIND_I8, KIND_U8},
    {"smallint", KIND_I16, KIND_U16},
    {"mediumint", KIND_I32, KIND_U32},
    {"int", KIND_I32, KIND_U32},
    {"bigint", KIND_I64, KIND_U64},
    {"float", KIND_FLOAT, KIND_FLOAT},
    {"double", KIND_DOUBLE, KIND_DOUBLE},
    {"decimal", KIND_DECIMAL, KIND_DECIMAL},
    {"year", KIND_YEAR, KIND_YEAR},
    {"date", KIND_DATE, KIND_DATE},
    {"time", KIND_TIME, KIND_TIME},
    {"datetime", KIND_DATETIME, KIND_DATETIME},
    {"timestamp", KIND_TIMESTAMP, KIND_TIMESTAMP},
    {"bit", KIND_BIT, KIND_BIT},
    {"enum", KIND_ENUM, KIND_ENUM},
    {"set", KIND_SET, KIND_SET},
    {"char", KIND_TEXT, KIND_TEXT},
    {"varchar", KIND_TEXT, KIND_TEXT},
    {"tinytext", KIND_TEXT, KIND_TEXT},
    {"text", KIND_TEXT, KIND_TEXT},
    {"mediumtext", KIND_TEXT, KIND_TEXT},
    {"longtext", KIND_TEXT, KIND_TEXT},
    {"binary", KIND_BINARY, KIND_BINARY},
    {"varbinary", KIND_BYTES, KIND_BYTES},
    {"tinyblob", KIND_BYTES, KIND_BYTES},
    {"blob", KIND_BYTES, KIND_BYTES},
    {"mediumblob", KIND_BYTES, KIND_BYTES},
    {"longblob", KIND_BYTES, KIND_BYTES},
    {"json", KIND_JSON, KIND_JSON},
    {"geometry", KIND_GEOMETRY, KIND_GEOMETRY},
    {"point", KIND_GEOMETRY, KIND_GEOMETRY},
    {"linestring", KIND_GEOMETRY, KIND_GEOMETRY},
    {"polygon", KIND_GEOMETRY, KIND_GEOMETRY},
    {"multipoint", KIND_GEOMETRY, KIND_GEOMETRY},
    {"multilinestring", KIND_GEOMETRY, KIND_GEOMETRY},
    {"multipolygon", KIND_GEOMETRY, KIND_GEOMETRY},
    {"geometrycollection", KIND_GEOMETRY, KIND_GEOMETRY},
    {"geomcollection", KIND_GEOMETRY, KIND_GEOMETRY},
    {"vector", KIND_VECTOR, KIND_VECTOR},
    {"uuid", KIND_UUID, KIND_UUID},
    {"inet4", KIND_INET4, KIND_INET4},
    {"inet6", KIND_INET6, KIND_INET6},
};

bool native_kind(const char *data_type, const char *native, enum kind *out)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(types[i].name, data_type) == 0) {
            *out = strstr(native, " unsigned") ? types[i].if_unsigned : types[i].plain;
            return true;
        }
    return false;
}

/* What a backslash and this letter stand for in the server's own output. */
static uint8_t unescaped(char c)
{
    switch (c) {
    case '0':
        return '\0';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return (uint8_t)c;
    }
}

bool native_next_member(const char **at, struct buf *out)
{
    const char *p = strchr(*at, '\'');

    if (!p)
        return false;
    buf_clear(out);
    for (p++; *p; p++) {
        if (*p == '\'' && p[1] != '\'')
            break;
        if (*p == '\\' && p[1]) {
            p++;
            buf_u8(out, unescaped(*p));
            continue;
        }
        if (*p == '\'')
            p++;
        buf_u8(out, (uint8_t)*p);
    }
    *at = *p ? p + 1 : p;
    return true;
}
