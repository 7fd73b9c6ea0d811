/*
 * SQL for reading rows exactly: value expressions, key ranges, digests. Pure.
 *
 * The text encoding (ROWS_MYSQL_TEXT) of a value, the one place that says it:
 *   integers, DECIMAL, DATE, TIME, DATETIME, YEAR   the server's text
 *   TIMESTAMP                                       the server's text under time zone +00:00
 *   FLOAT, DOUBLE                                   shortest text of the exact double
 *   ENUM, SET, BIT                                  the number as unsigned decimal text
 *   TEXT, JSON, BINARY, BYTES, VECTOR               the stored bytes, in the column's charset
 *   GEOMETRY                                        u32 SRID + WKB
 *   UUID, INET4, INET6                              16, 4, 16 bytes (a session that converts
 * nothing could not write their text) Generated columns are NULL in such rows, unless the row key
 * contains them; they are never written.
 *
 * A bound (struct key_range) is the row key's values in this encoding, in key order, each as varint
 * length + bytes.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_SQLTEXT_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_SQLTEXT_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/endpoint/endpoint.h"

/* Is the column's value in rows that a reader gives? */
bool sqltext_is_read(const struct table_def *t, uint16_t column);
/* The expression that gives the value in the text encoding. */
void sqltext_value(struct buf *out, const struct column_def *c);
/* A literal that the server compares with the column as the column compares. ERR_CORRUPT: the
 * bytes cannot be a value of this kind. */
bool sqltext_literal(struct buf *out, const struct column_def *c, struct view v,
                     struct err *e) MUST_CHECK;

/* The row key of `t`, which must have one. */
const struct key_def *sqltext_key(const struct table_def *t);
/* "expr, expr" of the row key's values. */
void sqltext_key_values(struct buf *out, const struct table_def *t);
/* " ORDER BY ..." along the row key, or against it. */
void sqltext_order(struct buf *out, const struct table_def *t);
void sqltext_order_reverse(struct buf *out, const struct table_def *t);
/* " WHERE ..." for the range, nothing when it is open on both ends. Row comparison written out so
 * that the key's index serves it: a >= 1 AND (a > 1 OR (a = 1 AND b > 2)). */
bool sqltext_where(struct buf *out, const struct table_def *t, struct key_range range,
                   struct err *e) MUST_CHECK;
/* " WHERE a=1 AND b=2": the row of the key in a canonical row's values. ERR_UNSUPPORTED: a part is
 * missing, or its kind is not surely found by a literal. */
bool sqltext_by_key(struct buf *out, const struct table_def *t, const struct value *row,
                    struct err *e) MUST_CHECK;
/* " FROM db.t FORCE INDEX (key)"; without the hint when there is no row key. */
void sqltext_from(struct buf *out, const struct table_def *t);
/* "COUNT(*), SUM(..), BIT_XOR(..)" over the rows of `columns`: independent of order, the same on
 * servers of one family for the same values; every value's end is certain. */
void sqltext_digest(struct buf *out, const struct table_def *columns, enum digest_form form);

#endif
