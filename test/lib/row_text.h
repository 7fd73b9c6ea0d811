/*
 * Rows as text, for tests: "1, 'abc', NULL, -" (a minus sign alone: absent). Canonical encoding.
 * Single-threaded.
 */
#ifndef OMS_TEST_LIB_ROW_TEXT_H
#define OMS_TEST_LIB_ROW_TEXT_H

#include "components/record/rows.h"

/* Values as a client shows them: dates and times with their fraction digits, DECIMAL as text, ENUM
 * and SET and BIT as numbers, FLOAT and DOUBLE by %.9g and %.17g, bytes that are not printable
 * ASCII in hexadecimal. A row that does not have the table's form gives "?". */
void row_text(const struct table_def *t, bool has_absent, struct view row, struct buf *out);
/* The same with all bytes and characters in hexadecimal: x'..'. */
void row_text_hex(const struct table_def *t, bool has_absent, struct view row, struct buf *out);
/* The SELECT list that makes a MariaDB server show a row of t as row_text_hex does: one column of
 * text. FLOAT and DOUBLE must hold values that have short decimal text. */
void row_text_sql(const struct table_def *t, struct buf *out);

#endif
