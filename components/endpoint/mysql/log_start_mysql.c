/*
 * Where a dump of MySQL begins (log_priv.h): the server is told every transaction that we have, and
 * sends the others, in the order of its log. It refuses when one of those it would have to send is
 * purged, and when we have transactions of its own that it does not know.
 *
 * As a replica we are known by a uuid of our own, new for each connection (B4): the server ends the
 * dump of an older connection with the same uuid, and two Stores never have one.
 */
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "components/endpoint/mysql/log_priv.h"

#define SET_MAX (64u << 20)
#define DUMP_GTID ((enum enum_server_command)30) /* the client library does not name it */
#define THROUGH_GTID 4
#define LOG_MAGIC_BYTES 4

static bool new_uuid(char out[37], struct err *e)
{
    uint8_t b[16];

    if (RAND_bytes(b, sizeof b) != 1)
        return err_set(e, ERR_SYSTEM, "there are no random bytes");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
    return true;
}

bool log_mysql_settings(struct session *s, uint64_t heartbeat_ns, struct err *e)
{
    char uuid[37], sql[512];

    if (!new_uuid(uuid, e))
        return false;
    /* Both names of each: servers before 8.0.26 know only the older. */
    (void)snprintf(sql, sizeof sql,
                   "SET @master_binlog_checksum=@@global.binlog_checksum,"
                   " @source_binlog_checksum=@@global.binlog_checksum,"
                   " @master_heartbeat_period=%" PRIu64 ", @source_heartbeat_period=%" PRIu64
                   ", @slave_uuid='%s', @replica_uuid='%s'",
                   heartbeat_ns, heartbeat_ns, uuid, uuid);
    return session_exec(s, sql, e);
}

bool log_dump_at(struct session *s, uint32_t server_id, const char *file, uint64_t *offset,
                 uint16_t flags, struct err *e)
{
    struct buf b CLEANUP(buf_fini);

    if (*offset > UINT32_MAX)
        *offset = LOG_MAGIC_BYTES;
    buf_init(&b, 512);
    buf_u32(&b, (uint32_t)*offset);
    buf_u16(&b, flags);
    buf_u32(&b, server_id);
    buf_append(&b, file, strlen(file));
    if (s->my->methods->db_command(s->my, COM_BINLOG_DUMP, (const char *)b.p, b.len, 1, NULL) != 0)
        return session_fail(s, e, "cannot ask for the log");
    return true;
}

bool log_mysql_dump(struct log *l, uint32_t server_id, const struct txn_set *after, struct err *e)
{
    struct buf b CLEANUP(buf_fini), set CLEANUP(buf_fini);

    buf_init(&b, SET_MAX);
    buf_init(&set, SET_MAX);
    if (!mysql_gtid_set_write(after, &set, e))
        return err_wrap(e, "say which transactions are known");
    buf_u16(&b, THROUGH_GTID);
    buf_u32(&b, server_id);
    buf_u32(&b, 0); /* no file's name: the set decides */
    buf_u64(&b, LOG_MAGIC_BYTES);
    buf_u32(&b, (uint32_t)set.len);
    buf_append(&b, set.p, set.len);
    if (!buf_ok(&b) || !buf_ok(&set))
        return err_set(e, ERR_LIMIT, "the set of known transactions is larger than %u bytes",
                       SET_MAX);
    if (l->s->my->methods->db_command(l->s->my, DUMP_GTID, (const char *)b.p, b.len, 1, NULL) != 0)
        return session_fail(l->s, e, "cannot ask for the log");
    return true;
}
