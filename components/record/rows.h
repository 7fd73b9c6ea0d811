/*
 * Rows, row-major. One row ("image") is
 *   null bitmap    (n_columns+7)/8 bytes, bit i of byte i/8 (least significant first): NULL
 *   absent bitmap  the same size, only if has_absent: the column is not in the image (absent is not
 * NULL) values         of columns neither NULL nor absent, in column order: in encoding CANONICAL
 * as kind.h says; in MYSQL_TEXT every value is varint length + the server's text bytes No struct
 * per value is stored; row_read() makes views into the bytes. Pure, single-threaded.
 */
#ifndef OMS_COMPONENTS_RECORD_ROWS_H
#define OMS_COMPONENTS_RECORD_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "components/record/table_def.h"

enum rows_encoding { ROWS_CANONICAL, ROWS_MYSQL_TEXT };

enum value_state { VALUE_SET, VALUE_NULL, VALUE_ABSENT };
struct value {
    const uint8_t *p; /* valid while the row's bytes are */
    uint32_t len;
    enum value_state state;
};

/* Splits one row into out[0 .. n_columns-1]. False: the bytes do not have this table's form. */
bool row_read(const struct table_def *t, enum rows_encoding enc, bool has_absent, struct view row,
              struct value *out) MUST_CHECK;

struct row_writer {
    struct buf *out;
    const struct table_def *table;
    enum rows_encoding encoding;
    bool has_absent;
    size_t start;    /* of the null bitmap in out */
    uint16_t column; /* the next one */
};
/* Columns are put in order, each exactly once; the buffer's overflow is the only error. */
void row_begin(struct row_writer *w, struct buf *out, const struct table_def *t,
               enum rows_encoding enc, bool has_absent);
void row_put_null(struct row_writer *w);
void row_put_absent(struct row_writer *w);
void row_put_fixed(struct row_writer *w, const void *p); /* kind_width bytes, CANONICAL only */
void row_put_u64(struct row_writer *w, uint64_t v); /* low kind_width bytes of v, CANONICAL only */
void row_put_bytes(struct row_writer *w, const void *p,
                   size_t n); /* variable kinds, or MYSQL_TEXT */
void row_end(struct row_writer *w);

/* A batch of rows as full copy and verification move them; owned by whoever holds the pointer. */
struct rows {
    const struct table_def *table; /* one reference */
    enum rows_encoding encoding;
    uint32_t n;
    struct buf bytes;
    struct {
        uint32_t *at;
        size_t n, cap;
    } offsets; /* n+1 of them */
};
struct rows *rows_new(const struct table_def *t, enum rows_encoding enc, size_t max_bytes);
void rows_free(struct rows *r);
void rows_clear(struct rows *r);
static inline struct view rows_at(const struct rows *r, uint32_t i)
{
    return (struct view){r->bytes.p + r->offsets.at[i], r->offsets.at[i + 1] - r->offsets.at[i]};
}
/* Call after row_end() of a row written to r->bytes. */
void rows_added(struct rows *r);

#endif
