/* Headers and the events that carry no rows and no text (event.h). */
#include "components/endpoint/mysql/binlog/event.h"

#include <string.h>

#include "components/endpoint/mysql/binlog/crc.h"

struct type_row {
    const char *name;
    enum binlog_use use;
};
#define BINLOG_TYPE_ROW(name, number, text, what) [number] = {text, BINLOG_##what},
static const struct type_row types[256] = {BINLOG_EVENT_TABLE(BINLOG_TYPE_ROW)};
#undef BINLOG_TYPE_ROW

enum binlog_use binlog_use_of(uint8_t type)
{
    return types[type].use;
}

const char *binlog_type_name(uint8_t type)
{
    return types[type].name ? types[type].name : "?";
}

static bool damaged(struct err *e, uint8_t type)
{
    return err_set(e, ERR_LOG_DAMAGED, "the %s event does not have the form it must have",
                   binlog_type_name(type));
}

uint64_t binlog_lenenc(struct cursor *c)
{
    uint8_t first = cursor_u8(c);

    if (first < 251)
        return first;
    if (first == 252)
        return cursor_u16(c);
    if (first == 253)
        return cursor_le(c, 3);
    if (first == 254)
        return cursor_u64(c);
    c->failed = true;
    return 0;
}

void binlog_format_init(struct binlog_format *f)
{
    *f = (struct binlog_format){.has_crc = false};
    f->post_header[BINLOG_TABLE_MAP] = 8;
}

/* --- header and checksum ------------------------------------------------------------------------
 */

static bool ends_in_crc(struct view event)
{
    uint32_t want;

    if (event.len < BINLOG_HEADER_SIZE + BINLOG_CRC_SIZE)
        return false;
    memcpy(&want, event.p + event.len - BINLOG_CRC_SIZE, sizeof want);
    return binlog_crc(0, event.p, event.len - BINLOG_CRC_SIZE) == want;
}

static bool event_has_crc(const struct binlog_format *f, const struct binlog_header *h,
                          struct view event)
{
    /* Servers that know checksums (all since 2011) put one into this event whatever the setting. */
    if (h->type == BINLOG_FORMAT)
        return event.len > BINLOG_HEADER_SIZE + BINLOG_CRC_SIZE;
    /* The first event, a rotation made up by the server, comes before that one and follows what was
     * asked for. */
    return f->server_version[0] ? f->has_crc : ends_in_crc(event);
}

static bool check_crc(const struct binlog_header *h, struct view event, struct err *e)
{
    size_t n = event.len - BINLOG_CRC_SIZE;
    uint32_t want, got;

    memcpy(&want, event.p + n, sizeof want);
    if (h->type == BINLOG_FORMAT && h->flags & BINLOG_F_IN_USE) {
        /* The flag is set in the file after the checksum was made. */
        uint8_t head[BINLOG_HEADER_SIZE];
        memcpy(head, event.p, sizeof head);
        head[17] &= (uint8_t)~BINLOG_F_IN_USE;
        got = binlog_crc(0, head, sizeof head);
        got = binlog_crc(got, event.p + sizeof head, n - sizeof head);
    } else {
        got = binlog_crc(0, event.p, n);
    }
    if (got != want)
        return err_set(e, ERR_LOG_DAMAGED, "the checksum of the %s event is %08x and must be %08x",
                       binlog_type_name(h->type), got, want);
    return true;
}

/* A format event that repeats a file's head before events further on: MySQL changes it, and where
 * the file has no checksums it leaves the one of before. */
static bool is_made_over(const struct binlog_header *h, struct view event)
{
    return h->type == BINLOG_FORMAT && h->next_pos == 0 &&
           event.len > BINLOG_HEADER_SIZE + BINLOG_CRC_SIZE &&
           event.p[event.len - BINLOG_CRC_SIZE - 1] == 0;
}

bool binlog_event_open(const struct binlog_format *f, struct view event, struct binlog_header *h,
                       struct view *body, struct err *e)
{
    struct cursor c = cursor_of(event.p, event.len);
    struct binlog_header got;

    got.timestamp = cursor_u32(&c);
    got.type = cursor_u8(&c);
    got.server_id = cursor_u32(&c);
    got.size = cursor_u32(&c);
    got.next_pos = cursor_u32(&c);
    got.flags = cursor_u16(&c);
    bool has_crc = event_has_crc(f, &got, event);
    size_t tail = has_crc ? BINLOG_CRC_SIZE : 0;

    if (c.failed || got.size != event.len || cursor_left(&c) < tail)
        return err_set(e, ERR_LOG_DAMAGED, "an event of type %u says %u bytes and has %zu",
                       got.type, got.size, event.len);
    if (has_crc && !is_made_over(&got, event) && !check_crc(&got, event, e))
        return false;
    *h = got;
    *body = (struct view){c.p, cursor_left(&c) - tail};
    return true;
}

bool binlog_read_format(struct view body, struct binlog_format *f, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct binlog_format got = {.has_crc = false};
    unsigned version = cursor_u16(&c);
    struct view server = cursor_take(&c, 50);

    cursor_skip(&c, 4);
    unsigned header = cursor_u8(&c);
    if (c.failed || version != 4 || header != BINLOG_HEADER_SIZE)
        return err_set(e, ERR_LOG_DAMAGED, "the log's format is version %u, header %u, not 4, 19",
                       version, header);
    memcpy(got.server_version, server.p, server.len);
    got.is_mariadb = strstr(got.server_version, "MariaDB") != NULL;
    size_t left = cursor_left(&c);
    if (left < 1)
        return damaged(e, BINLOG_FORMAT);
    uint8_t algorithm = body.p[body.len - 1];
    if (algorithm > 1 && algorithm != 255)
        return err_set(e, ERR_LOG_DAMAGED, "the log's checksum algorithm %u is not known",
                       algorithm);
    got.has_crc = algorithm == 1;
    for (size_t i = 0; i + 1 < left && i + 1 < sizeof got.post_header; i++)
        got.post_header[i + 1] = c.p[i];
    *f = got;
    return true;
}

/* --- small events -------------------------------------------------------------------------------
 */

bool binlog_read_rotate(struct view body, struct binlog_rotate *r, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    uint64_t pos = cursor_u64(&c);

    if (c.failed || cursor_left(&c) == 0)
        return damaged(e, BINLOG_ROTATE);
    *r = (struct binlog_rotate){.pos = pos, .file = {c.p, cursor_left(&c)}};
    return true;
}

bool binlog_read_gtid(const struct binlog_header *h, struct view body, struct binlog_gtid *g,
                      struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct binlog_gtid got = {.server_id = h->server_id};

    got.seq = cursor_u64(&c);
    got.domain = cursor_u32(&c);
    got.flags = cursor_u8(&c);
    if (got.flags & BINLOG_GTID_GROUP_COMMIT)
        got.commit_id = cursor_u64(&c);
    if (got.flags & (BINLOG_GTID_PREPARED_XA | BINLOG_GTID_COMPLETED_XA)) {
        got.xid.format = cursor_u32(&c);
        size_t gtrid = cursor_u8(&c), bqual = cursor_u8(&c);
        got.xid.gtrid = cursor_take(&c, gtrid);
        got.xid.bqual = cursor_take(&c, bqual);
    }
    if (c.failed || got.seq == 0)
        return damaged(e, BINLOG_MARIADB_GTID);
    *g = got;
    return true;
}

bool binlog_read_gtid_list(struct view body, struct binlog_gtid_list *l, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    uint32_t n = cursor_u32(&c) & 0x0fffffff;

    if (c.failed || cursor_left(&c) < (size_t)n * 16)
        return damaged(e, BINLOG_GTID_LIST);
    *l = (struct binlog_gtid_list){.n = n, .entries = cursor_of(c.p, (size_t)n * 16)};
    return true;
}

bool binlog_gtid_list_next(struct binlog_gtid_list *l, struct binlog_gtid *g)
{
    if (cursor_left(&l->entries) == 0)
        return false;
    *g = (struct binlog_gtid){.seq = 0};
    g->domain = cursor_u32(&l->entries);
    g->server_id = cursor_u32(&l->entries);
    g->seq = cursor_u64(&l->entries);
    return true;
}

bool binlog_read_xid(struct view body, uint64_t *xid, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    uint64_t got = cursor_u64(&c);

    if (c.failed)
        return damaged(e, BINLOG_XID);
    *xid = got;
    return true;
}

bool binlog_read_xa_prepare(struct view body, bool *one_phase, struct binlog_xid *xid,
                            struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    bool one = cursor_u8(&c) != 0;
    struct binlog_xid got = {.format = cursor_u32(&c)};
    uint32_t gtrid = cursor_u32(&c), bqual = cursor_u32(&c);

    got.gtrid = cursor_take(&c, gtrid);
    got.bqual = cursor_take(&c, bqual);
    if (c.failed)
        return damaged(e, BINLOG_XA_PREPARE);
    *one_phase = one;
    *xid = got;
    return true;
}

bool binlog_read_heartbeat(const struct binlog_header *h, struct view body, struct view *file,
                           struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct view got = {NULL, 0};

    if (h->type == BINLOG_HEARTBEAT) {
        *file = body;
        return true;
    }
    for (;;) {
        uint64_t type = binlog_lenenc(&c);
        if (c.failed || type == 0)
            break;
        struct view value = cursor_take(&c, (size_t)binlog_lenenc(&c));
        if (type == 1)
            got = value;
    }
    if (c.failed)
        return damaged(e, h->type);
    *file = got;
    return true;
}
