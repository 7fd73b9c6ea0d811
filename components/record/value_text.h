/*
 * Values for people and programs: the canonical bytes of one value as plain text, or as JSON.
 * JSON: integers, YEAR, BIT, FLOAT and DOUBLE are numbers; DECIMAL, times, ENUM, SET, UUID, INET
 * and character data are strings (the first two lose nothing that way); bytes that are not UTF-8
 * text are {"hex": "..."} with the column's charset beside it where it has one; GEOMETRY is
 * {"srid": n, "wkb": "hex"}, VECTOR a list of numbers; NULL is null; an absent value is left to the
 * caller. Pure.
 */
#ifndef OMS_COMPONENTS_RECORD_VALUE_TEXT_H
#define OMS_COMPONENTS_RECORD_VALUE_TEXT_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "components/record/rows.h"
#include "components/record/table_def.h"

/* A quoted JSON string of UTF-8 bytes. */
void json_put_text(struct buf *out, const void *p, size_t n);
/* Valid UTF-8 without surrogates or overlong forms. */
bool bytes_are_utf8(const void *p, size_t n);
/* The text as a person would type it: 17, -1.50, 2026-11-21 08:00:00, the characters of a string,
 * hexadecimal digits for bytes. The value must be set. */
void value_put_text(struct buf *out, const struct column_def *c, const struct value *v);
/* One JSON value; an absent one is written as null. */
void value_put_json(struct buf *out, const struct column_def *c, const struct value *v);

#endif
