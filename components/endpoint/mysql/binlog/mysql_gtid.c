/* Identities of MySQL's transactions (mysql_gtid.h). */
#include "components/endpoint/mysql/binlog/mysql_gtid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ORIGIN_PREFIX "mysql:"
#define LOGICAL_CLOCK 2
#define TIME_BITS 55 /* the bit above says that another time follows */
#define VERSION_BITS 31
#define SEQ_MAX INT64_MAX

bool binlog_is_mysql_gtid(uint8_t type)
{
    return type == BINLOG_GTID || type == BINLOG_ANONYMOUS_GTID || type == BINLOG_GTID_TAGGED;
}

static bool damaged(uint8_t type, struct err *e)
{
    return err_set(e, ERR_LOG_DAMAGED, "the %s event does not have the form it must have",
                   binlog_type_name(type));
}

/* --- GTID and ANONYMOUS_GTID --------------------------------------------------------------------
 */

/* Each part was added by a version; the event ends after the last one that its server knew. */
static void read_plain_rest(struct cursor *c, struct binlog_mysql_gtid *g)
{
    if (cursor_left(c) < 17 || c->p[0] != LOGICAL_CLOCK)
        return;
    cursor_skip(c, 1);
    g->last_committed = (int64_t)cursor_u64(c);
    g->sequence = (int64_t)cursor_u64(c);
    if (cursor_left(c) < 7)
        return;
    uint64_t now = cursor_le(c, 7);
    g->commit_us = now & (((uint64_t)1 << TIME_BITS) - 1);
    g->original_us = now >> TIME_BITS & 1 ? cursor_le(c, 7) : g->commit_us;
    if (cursor_left(c) == 0)
        return;
    g->length = binlog_lenenc(c);
    if (cursor_left(c) >= 4)
        g->version = cursor_u32(c) & (((uint32_t)1 << VERSION_BITS) - 1);
}

static void read_plain(struct cursor *c, struct binlog_mysql_gtid *g)
{
    g->flags = cursor_u8(c);
    struct view uuid = cursor_take(c, sizeof g->uuid);
    g->seq = cursor_u64(c);
    if (c->failed)
        return;
    memcpy(g->uuid, uuid.p, sizeof g->uuid);
    read_plain_rest(c, g);
}

/* --- GTID_TAGGED: numbered fields, numbers of one to nine bytes ---------------------------------
 */

/* As many bytes follow as the first one ends in ones. */
static uint64_t take_number(struct cursor *c)
{
    uint8_t first = cursor_u8(c);
    unsigned more = 0;

    while (more < 8 && first >> more & 1)
        more++;
    uint64_t rest = more ? cursor_le(c, more) : 0;
    return more == 8 ? rest : (uint64_t)first >> (more + 1) | rest << (7 - more);
}

/* The sign in the lowest bit. */
static int64_t take_signed(struct cursor *c)
{
    uint64_t v = take_number(c);

    return v & 1 ? -(int64_t)(v >> 1) - 1 : (int64_t)(v >> 1);
}

enum tagged_field {
    FIELD_FLAGS,
    FIELD_UUID,
    FIELD_SEQ,
    FIELD_TAG,
    FIELD_LAST_COMMITTED,
    FIELD_SEQUENCE,
    FIELD_COMMIT_TIME,
    FIELD_ORIGINAL_TIME,
    FIELD_LENGTH,
    FIELD_VERSION,
    FIELD_ORIGINAL_VERSION,
    FIELD_TICKET,
};

/* False: the field is not known. */
static bool read_field(struct cursor *c, uint64_t field, struct binlog_mysql_gtid *g)
{
    switch (field) {
    case FIELD_FLAGS:
        g->flags = (uint8_t)take_number(c);
        return true;
    case FIELD_UUID:
        for (size_t i = 0; i < sizeof g->uuid; i++)
            g->uuid[i] = (uint8_t)take_number(c);
        return true;
    case FIELD_SEQ:
        g->seq = (uint64_t)take_signed(c);
        return true;
    case FIELD_TAG:
        g->tag = cursor_take(c, (size_t)take_number(c));
        return true;
    case FIELD_LAST_COMMITTED:
        g->last_committed = take_signed(c);
        return true;
    case FIELD_SEQUENCE:
        g->sequence = take_signed(c);
        return true;
    case FIELD_COMMIT_TIME:
        g->commit_us = take_number(c);
        return true;
    case FIELD_ORIGINAL_TIME:
        g->original_us = take_number(c);
        return true;
    case FIELD_LENGTH:
        g->length = take_number(c);
        return true;
    case FIELD_VERSION:
        g->version = (uint32_t)take_number(c);
        return true;
    case FIELD_ORIGINAL_VERSION:
    case FIELD_TICKET:
        (void)take_number(c);
        return true;
    default:
        return false;
    }
}

/* A field that is not known ends the reading, since its length is not told; it may be passed over
 * if the message says so of its number. */
static void read_tagged(struct cursor *c, struct binlog_mysql_gtid *g)
{
    size_t all = cursor_left(c);
    uint64_t version = take_number(c);
    uint64_t size = take_number(c);
    uint64_t last_needed = take_number(c);

    if (version != 1 || size > all || size < cursor_at(c))
        c->failed = true;
    if (c->failed)
        return;
    c->end = c->start + size;
    while (!c->failed && cursor_left(c) > 0) {
        uint64_t field = take_number(c);
        if (read_field(c, field, g))
            continue;
        c->failed = c->failed || field < last_needed;
        break;
    }
    if (g->original_us == 0)
        g->original_us = g->commit_us;
}

bool binlog_read_mysql_gtid(const struct binlog_header *h, struct view body,
                            struct binlog_mysql_gtid *g, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    struct binlog_mysql_gtid got = {.anonymous = h->type == BINLOG_ANONYMOUS_GTID};

    if (h->type == BINLOG_GTID_TAGGED)
        read_tagged(&c, &got);
    else
        read_plain(&c, &got);
    if (c.failed || got.tag.len > MYSQL_TAG_MAX ||
        (!got.anonymous && (got.seq == 0 || got.seq > SEQ_MAX)))
        return damaged(h->type, e);
    *g = got;
    return true;
}

/* --- origins ------------------------------------------------------------------------------------
 */

void mysql_uuid_text(const uint8_t uuid[16], char text[MYSQL_UUID_TEXT + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *w = text;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *w++ = '-';
        *w++ = digits[uuid[i] >> 4];
        *w++ = digits[uuid[i] & 15];
    }
    *w = '\0';
}

const char *mysql_gtid_origin(const uint8_t uuid[16], struct view tag)
{
    char id[MYSQL_UUID_TEXT + 1], text[ORIGIN_MAX + 1];

    mysql_uuid_text(uuid, id);
    int n = snprintf(text, sizeof text, ORIGIN_PREFIX "%s%s%.*s", id, tag.len ? ":" : "",
                     (int)tag.len, tag.len ? (const char *)tag.p : "");
    return origin_intern(text, (size_t)n);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mysql_origin_split(const char *origin, uint8_t uuid[16], struct view *tag)
{
    const char *p = origin + strlen(ORIGIN_PREFIX);

    if (strncmp(origin, ORIGIN_PREFIX, strlen(ORIGIN_PREFIX)) != 0 || strlen(p) < MYSQL_UUID_TEXT)
        return false;
    for (unsigned i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int high = hex_value(*p++), low = hex_value(*p++);
        if (high < 0 || low < 0)
            return false;
        uuid[i] = (uint8_t)(high << 4 | low);
    }
    if (*p && *p != ':')
        return false;
    const char *t = *p ? p + 1 : p;
    *tag = (struct view){(const uint8_t *)t, strlen(t)};
    return tag->len <= MYSQL_TAG_MAX;
}

/* --- sets ---------------------------------------------------------------------------------------
 */

static bool read_intervals(struct cursor *c, const char *origin, struct txn_set *out)
{
    uint64_t n = cursor_u64(c);

    for (uint64_t i = 0; i < n && !c->failed; i++) {
        uint64_t first = cursor_u64(c), behind = cursor_u64(c);
        if (c->failed || first == 0 || behind <= first || behind - 1 > SEQ_MAX)
            return false;
        txn_set_add(out, origin, first, behind - 1);
    }
    return !c->failed;
}

bool mysql_gtid_set_read(struct view data, struct txn_set *out, struct err *e)
{
    struct cursor c = cursor_of(data.p, data.len);
    uint64_t n = cursor_u64(&c);
    bool tagged = (n & 0xff) == 1 && n >> 56 == 1;

    if (tagged)
        n = n >> 8 & 0xffffffffffff;
    for (uint64_t i = 0; i < n && !c.failed; i++) {
        struct view uuid = cursor_take(&c, 16), tag = {NULL, 0};
        if (tagged)
            tag = cursor_take(&c, (size_t)take_number(&c));
        if (c.failed || tag.len > MYSQL_TAG_MAX ||
            !read_intervals(&c, mysql_gtid_origin(uuid.p, tag), out))
            return damaged(BINLOG_PREVIOUS_GTIDS, e);
    }
    return !c.failed || damaged(BINLOG_PREVIOUS_GTIDS, e);
}

static bool not_ours(const char *origin, struct err *e)
{
    return err_set(e, ERR_INVALID, "position '%s' is not one of a MySQL log", origin);
}

bool mysql_gtid_set_write(const struct txn_set *s, struct buf *out, struct err *e)
{
    uint8_t uuid[16];
    struct view tag;
    bool tagged = false;

    for (size_t i = 0; i < s->origins.n; i++) {
        if (!mysql_origin_split(s->origins.at[i].origin, uuid, &tag))
            return not_ours(s->origins.at[i].origin, e);
        tagged = tagged || tag.len > 0;
    }
    uint64_t n = s->origins.n;
    buf_u64(out, tagged ? n << 8 | 1 | (uint64_t)1 << 56 : n);
    for (size_t i = 0; i < s->origins.n; i++) {
        const struct txn_set_origin *o = &s->origins.at[i];
        (void)mysql_origin_split(o->origin, uuid, &tag);
        buf_append(out, uuid, sizeof uuid);
        if (tagged) {
            buf_u8(out, (uint8_t)(tag.len << 1));
            buf_append(out, tag.p, tag.len);
        }
        buf_u64(out, o->iv.n);
        for (size_t k = 0; k < o->iv.n; k++) {
            buf_u64(out, o->iv.at[k].first);
            buf_u64(out, o->iv.at[k].last + 1);
        }
    }
    return true;
}

bool mysql_gtid_set_text(const struct txn_set *s, struct buf *out, struct err *e)
{
    uint8_t uuid[16];
    struct view tag;

    for (size_t i = 0; i < s->origins.n; i++) {
        const struct txn_set_origin *o = &s->origins.at[i];
        if (!mysql_origin_split(o->origin, uuid, &tag))
            return not_ours(o->origin, e);
        if (o->iv.n == 0)
            continue;
        buf_printf(out, "%s%s", i ? "," : "", o->origin + strlen(ORIGIN_PREFIX));
        for (size_t k = 0; k < o->iv.n; k++) {
            buf_printf(out, ":%" PRIu64, o->iv.at[k].first);
            if (o->iv.at[k].last > o->iv.at[k].first)
                buf_printf(out, "-%" PRIu64, o->iv.at[k].last);
        }
    }
    return true;
}
