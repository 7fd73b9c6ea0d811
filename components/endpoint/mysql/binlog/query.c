/* QUERY events (query.h). Status variables come in any order; after one that is not known the rest
 * cannot be split: what was read so far counts, and the whole block is kept verbatim. */
#include "components/endpoint/mysql/binlog/query.h"

#include <string.h>

static void skip_text(struct cursor *c)
{
    cursor_skip(c, cursor_u8(c));
}

static void skip_databases(struct cursor *c)
{
    unsigned n = cursor_u8(c);

    if (n == 254) /* too many to list */
        return;
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *zero = memchr(c->p, 0, cursor_left(c));
        cursor_skip(c, zero ? (size_t)(zero - c->p) + 1 : cursor_left(c) + 1);
    }
}

/* Bytes of the variables that are passed over, by code; 0: not of fixed size. */
static const uint8_t fixed_size[] = {
    [3] = 4, [7] = 2, [8] = 2, [9] = 8, [10] = 4, [17] = 8, [19] = 1, [20] = 1};

static bool skip_other(struct cursor *c, uint8_t code)
{
    if (code < sizeof fixed_size && fixed_size[code] != 0) {
        cursor_skip(c, fixed_size[code]);
        return true;
    }
    if (code == 2) { /* catalogue with a terminating zero */
        skip_text(c);
        cursor_skip(c, 1);
    } else if (code == 6) {
        skip_text(c);
    } else if (code == 11) { /* the invoker: user and host */
        skip_text(c);
        skip_text(c);
    } else if (code == 12) {
        skip_databases(c);
    } else {
        return false;
    }
    return true;
}

/* An end has the number of its beginning behind it. */
static void read_phase(struct cursor *c, struct binlog_query *q)
{
    uint8_t flags = cursor_u8(c);

    q->phase = flags & (BINLOG_ALTER_START | BINLOG_ALTER_COMMIT | BINLOG_ALTER_ROLLBACK);
    if (flags & (BINLOG_ALTER_COMMIT | BINLOG_ALTER_ROLLBACK))
        cursor_skip(c, 8);
}

/* False: the code is not known. */
static bool read_variable(struct cursor *c, struct binlog_query *q)
{
    uint8_t code = cursor_u8(c);

    switch (code) {
    case 0:
        q->flags2 = cursor_u32(c);
        q->told |= BINLOG_Q_FLAGS2;
        return true;
    case 1:
        q->sql_mode = cursor_u64(c);
        q->told |= BINLOG_Q_SQL_MODE;
        return true;
    case 4:
        q->charset_client = cursor_u16(c);
        q->collation_connection = cursor_u16(c);
        q->collation_server = cursor_u16(c);
        q->told |= BINLOG_Q_CHARSET;
        return true;
    case 5:
        q->time_zone = cursor_take(c, cursor_u8(c));
        q->told |= BINLOG_Q_TIME_ZONE;
        return true;
    case 13:  /* MySQL */
    case 128: /* MariaDB */
        q->microseconds = (uint32_t)cursor_le(c, 3);
        q->told |= BINLOG_Q_MICROSECONDS;
        return true;
    case 16:
        q->explicit_timestamps = cursor_u8(c) != 0;
        q->told |= BINLOG_Q_TIMESTAMPS;
        return true;
    case 18:
        q->utf8mb4_collation = cursor_u16(c);
        q->told |= BINLOG_Q_UTF8MB4;
        return true;
    case 129:
        q->xid = cursor_u64(c);
        return true;
    case 130:
        read_phase(c, q);
        return true;
    default:
        return skip_other(c, code);
    }
}

void binlog_read_status(struct view status, struct binlog_query *q)
{
    struct cursor c = cursor_of(status.p, status.len);

    while (!c.failed && cursor_left(&c) > 0)
        if (!read_variable(&c, q))
            return;
}

bool binlog_read_query(const struct binlog_header *h, struct view body, struct inflater *z,
                       struct buf *scratch, struct binlog_query *q, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct binlog_query got = {.thread_id = cursor_u32(&c)};

    cursor_skip(&c, 4);
    size_t db_len = cursor_u8(&c);
    got.error = cursor_u16(&c);
    size_t status_len = cursor_u16(&c);
    got.status = cursor_take(&c, status_len);
    got.db = cursor_take(&c, db_len);
    cursor_skip(&c, 1);
    if (c.failed)
        return err_set(e, ERR_LOG_DAMAGED, "a statement's event ends too early");
    got.sql = (struct view){c.p, cursor_left(&c)};
    binlog_read_status(got.status, &got);
    if (h->type == BINLOG_QUERY_COMPRESSED) {
        buf_clear(scratch);
        if (!inflate_event(z, got.sql, scratch))
            return err_set(e, ERR_LOG_DAMAGED,
                           "a compressed statement of %zu bytes does not unpack", got.sql.len);
        got.sql = (struct view){scratch->p, scratch->len};
    }
    *q = got;
    return true;
}
