/*
 * Which numbers of replicas are in use at a source (correctness B4). A server lists those that said
 * theirs: replicas do, and so do we; the process list shows other readers of the log, but no
 * numbers. Whoever is not seen here and has our number ends our dump or we his, which is
 * LOG_DUPLICATE_READER and another number.
 *
 * What can go wrong: MariaDB shows the list only to who has REPLICATION MASTER ADMIN; without it
 * only the server's own number is known.
 */
#include <stdlib.h>

#include "common/log/log.h"
#include "components/endpoint/mysql/log_priv.h"

static void add(struct reader_numbers *out, const char *number)
{
    if (number && out->n < READERS_MAX)
        out->at[out->n++] = (uint32_t)strtoul(number, NULL, 10);
}

/* Without a host: nobody is to connect to us. */
bool log_register(struct session *s, uint32_t server_id, struct err *e)
{
    struct buf b CLEANUP(buf_fini);

    buf_init(&b, 64);
    buf_u32(&b, server_id);
    buf_u8(&b, 0);  /* host */
    buf_u8(&b, 0);  /* user */
    buf_u8(&b, 0);  /* password */
    buf_u16(&b, 0); /* port */
    buf_u32(&b, 0); /* rank: unused */
    buf_u32(&b, 0); /* source's number: the server fills it in */
    if (s->my->methods->db_command(s->my, COM_REGISTER_SLAVE, (const char *)b.p, b.len, 0, NULL) !=
        0)
        return session_fail(s, e, "cannot register as a replica");
    return true;
}

bool log_readers(struct session *s, struct reader_numbers *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    char own[24];
    bool found;

    if (!session_value(s, "SELECT @@server_id", own, sizeof own, &found, e))
        return err_wrap(e, "read the source's number");
    add(out, found ? own : NULL);
    if (!session_query(s, s->is_mariadb ? "SHOW SLAVE HOSTS" : "SHOW REPLICAS", &res, e)) {
        if (e->code != ERR_SERVER_DENIED)
            return err_wrap(e, "list the source's replicas");
        log_event(LOG_INFO, "log.replicas_unseen",
                  "which numbers the source's replicas have is not shown to us: %s", e->message);
        err_clear(e);
        return true;
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        add(out, row[0]);
    return true;
}
