/*
 * Rows of the text encoding (sqltext.h says it) in the canonical one, so that what was selected can
 * be held against what the log says. Pure. Thread: any.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_TEXT_VALUE_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_TEXT_VALUE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/record/rows.h"

/* Appends the row; columns that are NULL in the text are NULL. ERR_CORRUPT: a text is no value of
 * its column's kind, and nothing was appended; ERR_LIMIT: out is full. */
bool text_value_row(const struct table_def *t, struct view row, struct buf *out,
                    struct err *e) MUST_CHECK;

#endif
