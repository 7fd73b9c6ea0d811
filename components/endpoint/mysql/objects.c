/* Databases, triggers, foreign keys, DDL (objects.h). */
#include "components/endpoint/mysql/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/session.h"

#define SQL_MAX (4u << 20)

bool objects_connect(const struct endpoint_address *a, struct session **s, struct err *e)
{
    return session_open(a, SESSION_DDL, s, e);
}

bool objects_run(struct session *s, const char *sql, struct err *e)
{
    return session_exec(s, sql, e);
}

static void put_text(struct buf *sql, const char *text)
{
    mysql_dialect_ops.quote_text(sql, text, strlen(text));
}

bool objects_database_charset(struct session *source, const char *db, char charset[64],
                              char collation[64], struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini) = {0};

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME"
                  " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=");
    put_text(&sql, db);
    if (!session_query_buf(source, &sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[0] || !row[1])
        return err_set(e, ERR_SERVER_NO_OBJECT, "database '%s' does not exist on the source", db);
    (void)snprintf(charset, 64, "%s", row[0]);
    (void)snprintf(collation, 64, "%s", row[1]);
    return true;
}

void objects_database_ddl(const char *to_db, const char *charset, const char *collation,
                          struct buf *ddl)
{
    buf_str(ddl, "CREATE DATABASE IF NOT EXISTS ");
    mysql_dialect_ops.quote_name(ddl, to_db);
    buf_printf(ddl, " CHARACTER SET %s COLLATE %s", charset, collation);
}

/* --- triggers -----------------------------------------------------------------------------------
 */

bool objects_triggers(struct session *s, const char *db, const char *table, trigger_each *each,
                      void *arg, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini) = {0};

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT,"
                  " DEFINER, SQL_MODE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=");
    put_text(&sql, db);
    buf_str(&sql, " AND EVENT_OBJECT_TABLE=");
    put_text(&sql, table);
    buf_str(&sql, " ORDER BY ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER");
    if (!session_query_buf(s, &sql, &res, e))
        return err_wrap(e, "read the triggers of '%s.%s'", db, table);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        struct trigger_def t = {.db = db,
                                .table = table,
                                .name = row[0],
                                .timing = row[1],
                                .event = row[2],
                                .statement = row[3] ? row[3] : "",
                                .definer = row[4] ? row[4] : "",
                                .sql_mode = row[5] ? row[5] : ""};
        if (!each(arg, &t, e))
            return false;
    }
    return true;
}

void objects_trigger_ddl(const struct trigger_def *t, const char *to_db, const char *to_table,
                         struct buf *ddl)
{
    const char *at = strrchr(t->definer, '@');
    char user[400];

    buf_str(ddl, "CREATE ");
    if (at && (size_t)(at - t->definer) < sizeof user) {
        memcpy(user, t->definer, (size_t)(at - t->definer));
        user[at - t->definer] = '\0';
        buf_str(ddl, "DEFINER=");
        mysql_dialect_ops.quote_name(ddl, user);
        buf_u8(ddl, '@');
        mysql_dialect_ops.quote_name(ddl, at + 1);
        buf_u8(ddl, ' ');
    }
    buf_str(ddl, "TRIGGER ");
    mysql_dialect_ops.quote_table(ddl, to_db, t->name);
    buf_printf(ddl, " %s %s ON ", t->timing, t->event);
    mysql_dialect_ops.quote_table(ddl, to_db, to_table);
    buf_str(ddl, " FOR EACH ROW ");
    buf_str(ddl, t->statement);
}

bool objects_create_trigger(struct session *s, const char *sql_mode, const char *ddl, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SET @oms_sql_mode=@@sql_mode, sql_mode=");
    put_text(&sql, sql_mode);
    if (!session_exec_buf(s, &sql, e))
        return false;
    bool ok = session_exec(s, ddl, e);
    struct err back = ERR_INIT;
    if (!session_exec(s, "SET sql_mode=@oms_sql_mode", &back) && ok) {
        *e = back;
        return false;
    }
    return ok;
}

static bool exists(struct session *s, const char *head, const char *db, const char *middle,
                   const char *name, bool *has, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};
    char one[8];

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, head);
    put_text(&sql, db);
    buf_str(&sql, middle);
    put_text(&sql, name);
    return session_value(s, buf_cstr(&sql), one, sizeof one, has, e);
}

bool objects_has_table(struct session *s, const char *db, const char *name, bool *has,
                       struct err *e)
{
    return exists(s, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=", db,
                  " AND TABLE_NAME=", name, has, e);
}

bool objects_has_trigger(struct session *s, const char *db, const char *name, bool *has,
                         struct err *e)
{
    return exists(s, "SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=", db,
                  " AND TRIGGER_NAME=", name, has, e);
}

bool objects_has_foreign_key(struct session *s, const char *db, const char *table, const char *name,
                             bool *has, struct err *e)
{
    struct buf middle CLEANUP(buf_fini) = {0};

    buf_init(&middle, SQL_MAX);
    buf_str(&middle, " AND CONSTRAINT_TYPE='FOREIGN KEY' AND TABLE_NAME=");
    put_text(&middle, table);
    buf_str(&middle, " AND CONSTRAINT_NAME=");
    return exists(s, "SELECT 1 FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA=", db,
                  buf_cstr(&middle), name, has, e);
}

/* --- fence --------------------------------------------------------------------------------------
 */

bool objects_fence(struct session *s, const char *task, struct fence_state *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini) = {0};
    bool there;

    *out = (struct fence_state){.there = false};
    if (!exists(s, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=", "oms_meta",
                " AND TABLE_NAME=", "fence", &there, e))
        return false;
    if (!there)
        return true;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT epoch, sealed FROM oms_meta.fence WHERE task=");
    put_text(&sql, task);
    if (!session_query_buf(s, &sql, &res, e))
        return err_wrap(e, "read the fence of task '%s'", task);
    MYSQL_ROW row = mysql_fetch_row(res);
    if (row && row[0] && row[1])
        *out = (struct fence_state){true, strtoull(row[0], NULL, 10), strcmp(row[1], "0") != 0};
    return true;
}

bool objects_kept_keys(struct session *s, const char *task, kept_each *each, void *arg,
                       struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini) = {0};
    bool there;

    if (!objects_has_table(s, "oms_meta", "ddl", &there, e))
        return false;
    if (!there)
        return true;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT SUBSTRING(k.txid, 6), k.`after`, i.txid, i.`before` FROM oms_meta.ddl k"
                  " LEFT JOIN oms_meta.ddl i ON i.state='indexes'"
                  " AND i.txid=CONCAT('" MEMO_INDEXES "', SUBSTRING(k.txid, 6))"
                  " AND SUBSTRING_INDEX(i.task, '/', 1)=SUBSTRING_INDEX(k.task, '/', 1)"
                  " WHERE k.state='keys' AND k.task=");
    put_text(&sql, task);
    buf_str(&sql, " ORDER BY k.txid");
    if (!session_query_buf(s, &sql, &res, e))
        return err_wrap(e, "read which keys task '%s' took off", task);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        unsigned long *len = mysql_fetch_lengths(res);
        struct kept_record r = {.table = row[0] ? row[0] : "",
                                .keys = {(const uint8_t *)row[1], len[1]},
                                .made = row[2] != NULL,
                                .given_up = row[3] ? row[3] : ""};
        if (!each(arg, &r, e))
            return false;
    }
    return true;
}
