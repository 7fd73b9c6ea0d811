/* The heads of ROWS events (rows_event.h). */
#include "components/endpoint/mysql/binlog/rows_event.h"

#include <string.h>

#include "components/endpoint/mysql/binlog/rows_priv.h"

enum {
    FLAG_STATEMENT_END = 1,
    FLAG_NO_FK = 2,
    FLAG_RELAXED_UNIQUE = 4,
    FLAG_CASCADES_LOGGED = 0x10, /* MySQL from 9.6 on: it does foreign keys above its engines */
};

struct form {
    enum change_op op; /* 0: not a rows event */
    bool v2, compressed;
};
static const struct form forms[256] = {
    [BINLOG_WRITE_ROWS_V1] = {CHANGE_INSERT, false, false},
    [BINLOG_UPDATE_ROWS_V1] = {CHANGE_UPDATE, false, false},
    [BINLOG_DELETE_ROWS_V1] = {CHANGE_DELETE, false, false},
    [BINLOG_WRITE_ROWS] = {CHANGE_INSERT, true, false},
    [BINLOG_UPDATE_ROWS] = {CHANGE_UPDATE, true, false},
    [BINLOG_DELETE_ROWS] = {CHANGE_DELETE, true, false},
    [BINLOG_WRITE_ROWS_Z1] = {CHANGE_INSERT, false, true},
    [BINLOG_UPDATE_ROWS_Z1] = {CHANGE_UPDATE, false, true},
    [BINLOG_DELETE_ROWS_Z1] = {CHANGE_DELETE, false, true},
    [BINLOG_WRITE_ROWS_Z] = {CHANGE_INSERT, true, true},
    [BINLOG_UPDATE_ROWS_Z] = {CHANGE_UPDATE, true, true},
    [BINLOG_DELETE_ROWS_Z] = {CHANGE_DELETE, true, true},
    [BINLOG_PARTIAL_UPDATE_ROWS] = {CHANGE_UPDATE, true, false},
};

bool binlog_is_rows(uint8_t type)
{
    return forms[type].op != 0;
}

static bool damaged(const struct binlog_header *h, struct err *e)
{
    return err_set(e, ERR_LOG_DAMAGED, "the %s event does not have the form it must have",
                   binlog_type_name(h->type));
}

bool rows_event_table(const struct binlog_format *f, const struct binlog_header *h,
                      struct view body, uint64_t *table_id, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    uint64_t id = binlog_table_id(f, h->type, &c);

    if (c.failed)
        return damaged(h, e);
    *table_id = id;
    return true;
}

/* Beside the rows: u16 length with itself, then pieces: u8 0 (NDB): u8 length with itself and a
 * format byte; u8 1: the partition, u16, of an UPDATE two. A piece that is not known says nothing
 * about rows, and no length either: the rest is passed over by the length of all. */
static void skip_extra(struct cursor *c)
{
    unsigned extra = cursor_u16(c);

    if (extra < 2)
        c->failed = true;
    else
        cursor_skip(c, extra - 2);
}

static uint8_t flags_of(unsigned wire)
{
    return (uint8_t)((wire & FLAG_NO_FK ? CHANGE_F_NO_FK : 0) |
                     (wire & FLAG_RELAXED_UNIQUE ? CHANGE_F_RELAXED_UNIQUE : 0) |
                     (wire & FLAG_CASCADES_LOGGED ? CHANGE_F_CASCADES_LOGGED : 0));
}

bool rows_event_open(const struct binlog_format *f, const struct binlog_header *h, struct view body,
                     struct inflater *z, struct buf *scratch, struct rows_event *r, struct err *e)
{
    const struct form *form = &forms[h->type];
    struct cursor c = cursor_of(body.p, body.len);
    struct rows_event got = {.table_id = binlog_table_id(f, h->type, &c), .op = form->op};
    unsigned flags = cursor_u16(&c);

    if (form->v2)
        skip_extra(&c);
    uint64_t n = binlog_lenenc(&c);
    if (c.failed || n > UINT16_MAX)
        return damaged(h, e);
    got.n_columns = (uint16_t)n;
    got.present[0] = cursor_take(&c, (size_t)(n + 7) / 8);
    if (form->op == CHANGE_UPDATE)
        got.present[1] = cursor_take(&c, (size_t)(n + 7) / 8);
    if (c.failed)
        return damaged(h, e);
    got.partial = h->type == BINLOG_PARTIAL_UPDATE_ROWS;
    got.statement_end = flags & FLAG_STATEMENT_END;
    got.change_flags = flags_of(flags);
    got.rows = cursor_of(c.p, cursor_left(&c));
    if (form->compressed) {
        buf_clear(scratch);
        if (!inflate_event(z, (struct view){c.p, cursor_left(&c)}, scratch))
            return err_set(e, ERR_LOG_DAMAGED, "compressed rows of %zu bytes do not unpack",
                           cursor_left(&c));
        got.rows = cursor_of(scratch->p, scratch->len);
    }
    *r = got;
    return true;
}
