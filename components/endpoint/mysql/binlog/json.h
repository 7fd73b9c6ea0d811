/*
 * MySQL's binary form of JSON as text, letter by letter as the server itself prints it: keys in
 * their stored order, ", " and ": " between, decimals with their scale, doubles by their shortest
 * digits, temporal values with six fraction digits, other bytes as "base64:type<number>:...".
 *
 * Partial updates (binlog_row_value_options=PARTIAL_JSON) tell what changed in a document instead
 * of the new one; they are applied to the one before. Pure. Thread: any.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_JSON_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_JSON_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"

/* Appends the text. No bytes at all are the literal null. False: the bytes are not a document, or
 * the buffer is full (buf_ok). */
bool json_text(struct view binary, struct buf *out);
/* The same for the document that comes out when `changes` (any number of them, in their order) are
 * applied to `before`. False also: a change names a place that is not there. */
bool json_text_changed(struct view before, struct view changes, struct buf *out);

#endif
