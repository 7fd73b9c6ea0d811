/*
 * The heartbeat's row on a source (endpoint.h): database, table, one row a name. What exists is not
 * made again: a CREATE that does nothing would still stand in the log.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/session.h"

struct heartbeat {
    struct session *s;
    struct buf table; /* quoted */
    struct buf sql;
};

static void put_text(struct buf *out, const char *text)
{
    mysql_dialect_ops.quote_text(out, text, strlen(text));
}

/* Does information_schema have it? where ends before the schema's name. */
static bool is_there(struct heartbeat *h, const char *where, const char *schema, bool *there,
                     struct err *e)
{
    char text[8];

    buf_clear(&h->sql);
    buf_printf(&h->sql, "SELECT 1 FROM information_schema.%s", where);
    put_text(&h->sql, schema);
    return session_value(h->s, buf_cstr(&h->sql), text, sizeof text, there, e);
}

static bool make(struct heartbeat *h, const char *schema, struct err *e)
{
    bool table, database;

    if (!is_there(h, "tables WHERE table_name='" HEARTBEAT_TABLE "' AND table_schema=", schema,
                  &table, e) ||
        !is_there(h, "schemata WHERE schema_name=", schema, &database, e))
        return err_wrap(e, "look for the heartbeat's table");
    if (table)
        return true;
    buf_clear(&h->sql);
    buf_str(&h->sql, "CREATE DATABASE ");
    mysql_dialect_ops.quote_name(&h->sql, schema);
    if (!database && !session_exec_buf(h->s, &h->sql, e))
        return err_wrap(e, "make the heartbeat's database '%s'", schema);
    buf_clear(&h->sql);
    buf_printf(&h->sql,
               "CREATE TABLE %s (" HEARTBEAT_NAME_COLUMN
               " VARBINARY(255) NOT NULL PRIMARY KEY, " HEARTBEAT_TIME_COLUMN
               " BIGINT NOT NULL) ENGINE=InnoDB",
               buf_cstr(&h->table));
    return session_exec_buf(h->s, &h->sql, e) ||
           err_wrap(e, "make the heartbeat's table in '%s'", schema);
}

static void heartbeat_close(struct heartbeat *h)
{
    if (!h)
        return;
    session_close(h->s);
    buf_fini(&h->table);
    buf_fini(&h->sql);
    free(h);
}

static bool heartbeat_open(const struct endpoint_address *a, const char *schema,
                           struct heartbeat **out, struct err *e)
{
    struct heartbeat *h = must_calloc(1, sizeof *h);

    buf_init(&h->table, 1024);
    buf_init(&h->sql, 4096);
    mysql_dialect_ops.quote_table(&h->table, schema, HEARTBEAT_TABLE);
    if (!session_open(a, SESSION_DDL, &h->s, e) || !make(h, schema, e)) {
        heartbeat_close(h);
        return false;
    }
    *out = h;
    return true;
}

static bool heartbeat_beat(struct heartbeat *h, const char *name, struct wall at, struct err *e)
{
    buf_clear(&h->sql);
    buf_printf(&h->sql, "INSERT INTO %s VALUES (", buf_cstr(&h->table));
    put_text(&h->sql, name);
    buf_printf(&h->sql, ", %" PRId64 ") ON DUPLICATE KEY UPDATE " HEARTBEAT_TIME_COLUMN "=%" PRId64,
               at.us, at.us);
    return session_exec_buf(h->s, &h->sql, e) || err_wrap(e, "write the heartbeat");
}

const struct heartbeat_ops mysql_heartbeat_ops = {
    .open = heartbeat_open, .beat = heartbeat_beat, .close = heartbeat_close};
