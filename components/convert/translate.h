/*
 * A table of one family of servers as another family would hold it: MySQL's for MariaDB and the
 * reverse. What comes out is again a definition with its CREATE text, from which convert.h makes
 * DDL, and to which a table of the target can be compared. Types, collations and clauses that the
 * other family lacks become the nearest that keeps every value; what has none is refused by name.
 * Pure.
 */
#ifndef OMS_COMPONENTS_CONVERT_TRANSLATE_H
#define OMS_COMPONENTS_CONVERT_TRANSLATE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/record/table_def.h"

enum convert_way { CONVERT_SAME, CONVERT_TO_MARIADB, CONVERT_TO_MYSQL };
/* From the kinds of two data sources: "mariadb", "mysql". */
enum convert_way convert_way_of(const char *source_kind, const char *target_kind);

/* *out gets one reference. notes, unless NULL: what is not the same afterwards, one sentence a
 * line. ERR_UNSUPPORTED names the column and its type. */
bool convert_table(const struct table_def *t, enum convert_way way, const struct table_def **out,
                   struct buf *notes, struct err *e) MUST_CHECK;

/* The collation's name there; the same when nothing is to be done. `nearest`: it compares by other
 * rules. Lives in `out`. */
const char *convert_collation(const char *name, enum convert_way way, char out[64], bool *nearest);

#endif
