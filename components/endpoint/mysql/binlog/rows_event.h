/*
 * ROWS events: rows of one table into a transaction's record, in the canonical encoding. What has
 * to be done for each column is decided once per table version (rows_plan), so that a row costs one
 * pass over its bytes and no allocation. Pure, single-threaded.
 *
 * An event whose images all hold every column gives IMAGE_FULL changes without an absent bitmap.
 * Otherwise columns that are not in an image are marked absent (CHANGE_F_ABSENT): absent is not
 * NULL. If only BLOBs and the like are missing, the image is IMAGE_NOBLOB, else IMAGE_MINIMAL.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_ROWS_EVENT_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_ROWS_EVENT_H

#include "components/endpoint/mysql/binlog/event.h"
#include "components/endpoint/mysql/binlog/inflate.h"
#include "components/endpoint/mysql/binlog/table_map.h"
#include "components/record/txn.h"

#define ROWS_DUMMY_TABLE 0x00ffffffu /* a table id that says: no table, the statement is over */

struct rows_event {
    uint64_t table_id;
    enum change_op op;
    bool statement_end;
    bool partial;         /* after images may tell JSON columns by their changes */
    uint8_t change_flags; /* CHANGE_F_NO_FK, _RELAXED_UNIQUE, _CASCADES_LOGGED */
    uint16_t n_columns;
    struct view present[2]; /* bits of the columns in the before (or only) and the after image */
    struct cursor rows;
};
bool binlog_is_rows(uint8_t type);
/* Only the table's id, to see whether anybody wants the event. */
bool rows_event_table(const struct binlog_format *f, const struct binlog_header *h,
                      struct view body, uint64_t *table_id, struct err *e) MUST_CHECK;
/* The rows of a compressed event are unpacked into scratch (cleared) and live there. */
bool rows_event_open(const struct binlog_format *f, const struct binlog_header *h, struct view body,
                     struct inflater *z, struct buf *scratch, struct rows_event *r,
                     struct err *e) MUST_CHECK;

struct rows_step;
struct rows_plan {
    const struct table_def *table; /* borrowed: outlives the plan */
    struct rows_step *steps;
    uint16_t n_columns;   /* in the event; those of the table come first, hidden ones after them */
    size_t fixed_max;     /* room for a row without its texts */
    size_t map_bytes;     /* of the table's columns */
    uint16_t *present[2]; /* the columns of the images being read, when not all */
    uint16_t n_json;
    struct view *json; /* values before, of the row being read */
};
/* ERR_UNSUPPORTED: a type that cannot be read; ERR_LOG_METADATA: the map is not one of this table.
 */
bool rows_plan_init(struct rows_plan *p, const struct table_map *m, const struct table_def *t,
                    struct err *e) MUST_CHECK;
void rows_plan_fini(struct rows_plan *p); /* an untouched {0} is fine */

/* Appends changes to w (which is open) until no row is left, or w->out has stop_at bytes. Call
 * again while cursor_left(&r->rows) > 0. ERR_LOG_DAMAGED, ERR_LIMIT. */
bool rows_decode(struct rows_event *r, const struct rows_plan *p, struct inflater *z,
                 struct txn_writer *w, size_t stop_at, struct err *e) MUST_CHECK;

#endif
