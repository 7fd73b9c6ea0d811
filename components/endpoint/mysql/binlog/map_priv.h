/* The shape of a column as a table map tells it; shared by map_def.c and map_build.c. */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_MAP_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_MAP_PRIV_H

#include "components/endpoint/mysql/binlog/map_def.h"

#define MEMBERS_MAX (16u << 20)

struct native_row {
    uint8_t native;
    enum kind kind, if_unsigned;
    const char *name; /* for a definition that nobody knows; lengths are added */
};
struct shape {
    const struct native_row *native;
    enum kind kind;
    uint32_t length; /* characters or bytes; 0: not told */
    uint8_t precision, scale;
    uint8_t length_bytes; /* BLOB and TEXT: 1 to 4 */
    const struct collation *collation;
};

/* False: the type or its collation is not known. */
bool map_shape(const struct map_column *m, const struct collations *all, struct shape *s);
bool map_is_character(enum kind k);
bool map_same_text(struct view v, const char *s);
/* BINARY(16) in the map may be UUID or INET6. */
bool map_same_kind(const struct shape *s, const struct column_def *c);
bool map_same_length(const struct shape *s, const struct column_def *c);
/* The map's members in a definition's form. */
void map_put_members(const struct map_column *m, struct buf *out);
/* NULL: the same; else what differs. */
const char *map_column_difference(const struct map_column *m, const struct collations *all,
                                  const struct column_def *c);

#endif
