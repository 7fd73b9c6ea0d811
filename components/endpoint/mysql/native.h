/*
 * From the family's type names, as information_schema shows them, to kinds of value. Pure.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_NATIVE_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_NATIVE_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "components/record/kind.h"

/* data_type: DATA_TYPE ("bigint"); native: COLUMN_TYPE ("bigint(20) unsigned"). False: a type we
 * do not carry. */
bool native_kind(const char *data_type, const char *native, enum kind *out) MUST_CHECK;

/* Walks the members in "enum('a','it''s')": *at starts at native; each call appends one member's
 * unescaped bytes to `out` (cleared first). False: no more. */
bool native_next_member(const char **at, struct buf *out);

#endif
