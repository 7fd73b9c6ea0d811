/*
 * The project's scope applied to tables, rows and transactions: which are in, and their names on
 * the target. One evaluator for schema, full, incremental and verification. Pure.
 */
#ifndef OMS_COMPONENTS_TRANSFORM_TRANSFORM_H
#define OMS_COMPONENTS_TRANSFORM_TRANSFORM_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/scope/scope.h"
#include "components/record/table_def.h"
#include "proto/files.pb-c.h"

/* Compiles the spec's scope; lives in arena. */
bool transform_scope(const Oms__ObjectScope *scope, struct arena *arena, const struct scope **out,
                     struct err *e) MUST_CHECK;
/* A name_filter (endpoint.h) over a scope: arg is the const struct scope *. */
bool transform_filter(void *scope, const char *db, const char *table);
/* "db.table" of the source, as progress and oms_meta name it. */
const char *transform_table_key(struct arena *arena, const char *db, const char *table);
/* And back; false: it is no such key. */
bool transform_key_split(struct arena *arena, const char *key, const char **db, const char **table);

#endif
