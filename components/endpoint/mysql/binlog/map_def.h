/*
 * Definitions against table maps (correctness A15): does a definition that somebody knows have the
 * shape that the log proves, and if none does, the definition that the log itself tells. Needs FULL
 * metadata. Pure.
 *
 * One thing a map cannot tell: BINARY(16) from UUID and INET6, and BINARY(4) from INET4; their
 * bytes are the same. A built definition takes the kind from a known version's column of that
 * name and size, else BINARY: the values stay exact.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_MAP_DEF_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_MAP_DEF_H

#include "components/endpoint/mysql/binlog/table_map.h"
#include "components/record/table_def.h"

struct collation { /* a row of the server's list */
    uint32_t id;
    uint8_t max_bytes; /* of one character */
    const char *name, *charset;
};
struct collations { /* ascending by id */
    const struct collation *at;
    size_t n;
};
const struct collation *collation_find(const struct collations *all, uint32_t id); /* or NULL */

/* Everything that a map may leave out is there. */
bool map_is_full(const struct table_map *m);
/* False: `why` (cleared first) says the first difference. */
bool map_matches(const struct table_map *m, const struct collations *all, const struct table_def *t,
                 struct buf *why);
/* Fills in what the map was not told: names, signs, collations, the key, from a definition that is
 * known to be the table's at that place of the log. Whether its types are the map's is left to
 * map_matches. */
void map_complete(struct table_map *m, const struct collations *all, const struct table_def *t,
                  struct arena *arena);
/* A definition of the map's shape; what the map cannot tell comes from the first of the models
 * (NULL ones are fine) that has a column of that name and type. One reference. */
bool map_build(const struct table_map *m, const struct collations *all,
               const struct table_def *const models[2], uint32_t id, const struct table_def **out,
               struct err *e) MUST_CHECK;

#endif
