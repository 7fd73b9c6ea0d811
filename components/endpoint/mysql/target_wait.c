/* Does a slot's transaction wait for a row lock? Asked by strict order (E2), on the claim's own
 * connection, while the slot's thread waits for the server. Asked more often than every 100 ms the
 * server repeats what it said. */
#include <stdlib.h>

#include "components/endpoint/mysql/target_priv.h"

bool target_slot_waits(struct claim *c, struct slot *s, bool *waits, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    *waits = true;
    buf_init(&sql, 4096);
    buf_printf(&sql,
               "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state='LOCK WAIT'"
               " AND trx_mysql_thread_id=%llu",
               atomic_load(&s->connection));
    if (!claim_read(c, &sql, &res, e)) {
        if (e->code != ERR_SERVER_DENIED)
            return false;
        err_clear(e); /* without the right to look, silence counts as waiting */
        return true;
    }
    MYSQL_ROW row = mysql_fetch_row(res);
    *waits = row && row[0] && strtoull(row[0], NULL, 10) > 0;
    return true;
}
