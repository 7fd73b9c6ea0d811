/*
 * TABLE_MAP events: the shape of the rows that follow, and, with binlog_row_metadata=FULL, the
 * names, charsets, members and primary key that prove which definition the rows belong to (A15).
 * Pure. A table_map's arrays live in the arena given, its texts in the event.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_TABLE_MAP_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_TABLE_MAP_H

#include "common/base/arena.h"
#include "components/endpoint/mysql/binlog/event.h"

enum native_type { /* the wire's numbers */
                   NATIVE_DECIMAL_OLD = 0,
                   NATIVE_TINY = 1,
                   NATIVE_SHORT = 2,
                   NATIVE_LONG = 3,
                   NATIVE_FLOAT = 4,
                   NATIVE_DOUBLE = 5,
                   NATIVE_TIMESTAMP = 7,
                   NATIVE_LONGLONG = 8,
                   NATIVE_INT24 = 9,
                   NATIVE_DATE = 10,
                   NATIVE_TIME = 11,
                   NATIVE_DATETIME = 12,
                   NATIVE_YEAR = 13,
                   NATIVE_NEWDATE = 14,
                   NATIVE_VARCHAR = 15,
                   NATIVE_BIT = 16,
                   NATIVE_TIMESTAMP2 = 17,
                   NATIVE_DATETIME2 = 18,
                   NATIVE_TIME2 = 19,
                   NATIVE_TYPED_ARRAY = 20, /* of indexes over JSON arrays: refused */
                   NATIVE_BLOB_COMPRESSED = 140,
                   NATIVE_VARCHAR_COMPRESSED = 141,
                   NATIVE_VECTOR = 242,
                   NATIVE_JSON = 245,
                   NATIVE_NEWDECIMAL = 246,
                   NATIVE_ENUM = 247,
                   NATIVE_SET = 248,
                   NATIVE_TINY_BLOB = 249,
                   NATIVE_MEDIUM_BLOB = 250,
                   NATIVE_LONG_BLOB = 251,
                   NATIVE_BLOB = 252,
                   NATIVE_VAR_STRING = 253,
                   NATIVE_STRING = 254,
                   NATIVE_GEOMETRY = 255,
};

#define COLLATION_BINARY 63

struct map_column {
    uint8_t type;     /* enum native_type; ENUM and SET come out of their STRING wrapping */
    uint16_t max_len; /* VARCHAR, STRING: bytes; ENUM, SET: bytes of a value; BIT: bits */
    uint8_t meta;     /* DECIMAL: precision; temporal: fraction digits; BLOB: bytes of its length */
    uint8_t scale;    /* DECIMAL */
    bool nullable;
    bool is_unsigned;
    bool is_text; /* has a place in the list of collations */
    bool is_invisible;
    uint8_t geometry;    /* GEOMETRY: 0 any, 1 POINT ... 7 GEOMETRYCOLLECTION */
    uint32_t dimensions; /* VECTOR: at most; 0 = not told */
    uint32_t collation;  /* of text, ENUM, SET; 0 = not told */
    struct view name;
    struct view members; /* ENUM, SET: n_members times packed length + bytes */
    uint32_t n_members;
};
struct map_key_part {
    uint16_t column;
    uint32_t prefix; /* characters; 0 = whole */
};
struct table_map {
    uint64_t table_id;
    struct view db, table;
    struct view shape; /* the event's bytes after the id: equal bytes are an equal table */
    uint16_t n_columns;
    struct map_column *columns;
    bool has_names; /* FULL metadata */
    bool has_signs, has_collations, has_member_collations;
    bool has_members;
    bool has_visibility, has_geometry;
    uint16_t n_hidden; /* last columns that have the form of MariaDB's own: hashes of long unique
                          keys, DB_ROW_HASH_n. They are in rows and not in the catalog. */
    uint16_t n_key;    /* primary key */
    struct map_key_part *key;
};

/* The id and names alone, which is all that is needed of a table nobody follows. */
struct table_map_head {
    uint64_t table_id;
    struct view db, table;
    struct view shape;
};
/* Its number and its shape only, which tells the names too; false: it has not even those. */
bool table_map_shape_read(const struct binlog_format *f, struct view body, uint64_t *table_id,
                          struct view *shape) MUST_CHECK;
bool table_map_head_read(const struct binlog_format *f, struct view body, struct table_map_head *h,
                         struct err *e) MUST_CHECK;
bool table_map_read(const struct binlog_format *f, struct view body, struct arena *arena,
                    struct table_map *m, struct err *e) MUST_CHECK;

#endif
