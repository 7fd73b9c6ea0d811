/*
 * From a source's table_def to DDL on a target, with reasons. Same family (MariaDB, MySQL): the
 * source's own CREATE text is the base, cut at clause borders by a lexer. Pure.
 */
#ifndef OMS_COMPONENTS_CONVERT_CONVERT_H
#define OMS_COMPONENTS_CONVERT_CONVERT_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/record/table_def.h"

/* CREATE TABLE for the schema step: columns, defaults, comments, generated columns, checks, the row
 * key and whatever index AUTO_INCREMENT needs; no other index, no foreign key. */
bool convert_create_table(const struct table_def *t, const char *to_db, const char *to_table,
                          struct buf *ddl, struct err *e) MUST_CHECK;

enum index_set {
    INDEX_PLAIN,  /* non-unique, fulltext, spatial: after the copy */
    INDEX_UNIQUE, /* unique secondary: once replay has passed E (A10) */
};
/* One ALTER TABLE that adds the source's indexes of the set that `existing` (the target's table
 * now) lacks. *any false: nothing to add, ddl untouched. */
bool convert_add_indexes(const struct table_def *t, const struct table_def *existing,
                         const char *to_db, const char *to_table, enum index_set set,
                         struct buf *ddl, bool *any, struct err *e) MUST_CHECK;

/* ALTER TABLE ... ADD CONSTRAINT for each foreign key of the source table, with referenced names
 * mapped by `map`; one statement each through `each`. cascades: it changes rows by itself. */
typedef void convert_map(void *arg, const char *db, const char *table, const char **to_db,
                         const char **to_table);
typedef bool convert_each(void *arg, const char *name, bool cascades, const char *ddl,
                          struct err *e);
bool convert_foreign_keys(const struct table_def *t, const char *to_db, const char *to_table,
                          convert_map *map, convert_each *each, void *arg,
                          struct err *e) MUST_CHECK;

#endif
