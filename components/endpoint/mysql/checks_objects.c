/* Checks of a source's objects and tables (checks.h): what is not carried is named. */
#include <string.h>

#include "components/endpoint/mysql/cascades.h"
#include "components/endpoint/mysql/checks_priv.h"
#include "components/endpoint/mysql/endpoint.h"

#define SQL_MAX (1u << 20)

struct object_query { /* gives (database, name) of objects that need a word */
    const char *id, *sql, *what, *remedy;
    enum check_verdict verdict;
    bool by_table; /* the name is filtered like a table's; else the database counts */
};

#define EXCLUDE "exclude it from the project's objects and move it by other means"

static const struct object_query object_queries[] = {
    {"object.view",
     "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='VIEW'",
     "a view is not carried", "create it on the target after the handover", CHECK_WARNING, true},
    {"object.sequence",
     "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='SEQUENCE'",
     "a sequence cannot be carried yet", EXCLUDE, CHECK_FAILED, true},
    {"object.system_versioned",
     "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
     " WHERE TABLE_TYPE='SYSTEM VERSIONED'",
     "a system-versioned table cannot be carried yet", EXCLUDE, CHECK_FAILED, true},
    {"object.routine", "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES",
     "a stored routine is not carried", "create it on the target before the handover",
     CHECK_WARNING, false},
    {"object.event", "SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS",
     "an event is not carried", "create it on the target after the handover", CHECK_WARNING, false},
    {"object.trigger",
     "SELECT DISTINCT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS",
     "the table's triggers are held back until release", "", CHECK_OK, true},
};

static bool check_objects_of(const struct checker *c, const struct object_query *q,
                             const struct check_scope *scope, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf name CLEANUP(buf_fini) = {0};

    buf_init(&name, 1024);
    if (!session_query(c->s, q->sql, &res, e))
        return err_wrap(e, "look for objects that need a word");
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        bool in =
            q->by_table ? scope->table(scope->arg, row[0], row[1]) : scope->db(scope->arg, row[0]);
        if (!in)
            continue;
        buf_clear(&name);
        buf_printf(&name, "%s.%s", row[0], row[1]);
        check_tell(c, q->id, buf_cstr(&name), q->verdict, false, q->remedy, "%s: '%s.%s'", q->what,
                   row[0], row[1]);
    }
    return true;
}

bool checks_objects(struct session *s, const struct check_scope *scope, check_sink *sink, void *arg,
                    struct err *e)
{
    struct checker c = {s, sink, arg};

    for (size_t i = 0; i < ARRAY_LEN(object_queries); i++)
        if (!check_objects_of(&c, &object_queries[i], scope, e))
            return false;
    return true;
}

/* --- one table ----------------------------------------------------------------------------------
 */

/* MySQL gives no snapshot whose position is exact for all tables, and needs a lock for one. */
static bool check_row_key(const struct checker *c, const struct table_def *t, const char *name,
                          struct err *e)
{
    bool may_lock = true;

    if (t->row_key >= 0)
        return true;
    if (!c->s->is_mariadb && !check_privilege(c, "LOCK TABLES", t->db, &may_lock, e))
        return false;
    if (!may_lock)
        check_tell(c, "table.key", name, CHECK_FAILED, false,
                   "GRANT LOCK TABLES on the database to the user; or add a primary key (an "
                   "invisible one changes nothing for the application), or exclude the table",
                   "no row key: its copy begins under a short lock, which the user may not take");
    else
        check_tell(c, "table.key", name, CHECK_WARNING, false,
                   "add a primary key, or a unique key over NOT NULL columns",
                   "no row key: copied in one snapshot, begun anew after a crash, and followed row "
                   "by row by all columns");
    return true;
}

/* The catalog is kept in utf8mb3: what lies beyond U+FFFF is shown as '?', and so is a '?'. */
static void check_members(const struct checker *c, const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_columns; i++) {
        const struct column_def *d = &t->columns[i];

        if ((d->kind != KIND_ENUM && d->kind != KIND_SET) || !strchr(d->native, '?') ||
            (strcmp(d->charset, "utf8mb4") != 0 && strncmp(d->charset, "utf16", 5) != 0 &&
             strcmp(d->charset, "utf32") != 0))
            continue;
        check_tell(c, "table.members", name, CHECK_FAILED, true,
                   "where it is a '?', skip this check; else exclude the table, or give the member "
                   "a name without such characters",
                   "a member of column '%s' shows a '?', which the server shows for characters "
                   "beyond U+FFFF, too; those are not carried in members",
                   d->name);
    }
}

static void check_definition(const struct checker *c, const struct table_def *t, const char *name)
{
    if (strcasecmp(t->engine, "InnoDB") != 0 && strcasecmp(t->engine, "ROCKSDB") != 0)
        check_tell(c, "table.engine", name, CHECK_FAILED, false,
                   "ALTER TABLE ... ENGINE=InnoDB, or exclude the table",
                   "engine %s is not transactional", t->engine[0] ? t->engine : "unknown");
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (t->keys[i].unique && t->keys[i].type == KEY_HASH)
            check_tell(
                c, "table.hash_key", name, CHECK_FAILED, false,
                "drop the key, shorten its columns, or exclude the table",
                "unique key '%s' is kept by hash: the log then has a hidden column, which is "
                "not carried yet",
                t->keys[i].name);
    check_members(c, t, name);
    if (strcasestr(t->create_text, "\n  PERIOD FOR "))
        check_tell(c, "table.period", name, CHECK_FAILED, false, "exclude the table",
                   "application-time periods are not carried yet");
}

/* Foreign keys that act are followed by the target's own, so all they join must be there. */
static bool check_family(const struct checker *c, const struct table_def *t, const char *name,
                         const struct check_scope *scope, struct err *e)
{
    struct family_member *all;
    struct arena arena;
    size_t n = 0;

    if (t->family[0] == '\0')
        return true;
    if (!c->s->is_mariadb) {
        check_tell(c, "table.cascades", name, CHECK_FAILED, false,
                   "exclude the table, or replace the foreign key's action by RESTRICT",
                   "a foreign key with CASCADE or SET NULL changes rows without a word in the log; "
                   "this needs snapshots with an exact position, which the server does not give");
        return true;
    }
    arena_init(&arena, 0);
    bool ok = cascades_list(c->s, &arena, &all, &n, e), whole = true;
    for (size_t i = 0; ok && i < n; i++) {
        if (strcmp(all[i].family, t->family) != 0 ||
            scope->table(scope->arg, all[i].db, all[i].name))
            continue;
        whole = false;
        check_tell(
            c, "table.cascades", name, CHECK_FAILED, false,
            "take both tables into the project's objects or neither, or replace the foreign "
            "key's action by RESTRICT",
            "foreign keys with CASCADE or SET NULL join it to '%s.%s', which is not in scope",
            all[i].db, all[i].name);
    }
    if (ok && whole)
        check_tell(
            c, "table.cascades", name, CHECK_OK, false, "",
            "foreign keys with CASCADE or SET NULL join it to others: they are copied in one "
            "snapshot, and the target's own foreign keys follow");
    arena_fini(&arena);
    return ok;
}

bool checks_table(struct session *s, const struct table_def *t, const struct check_scope *scope,
                  check_sink *sink, void *arg, struct err *e)
{
    struct checker c = {s, sink, arg};
    struct buf name CLEANUP(buf_fini) = {0}, sql CLEANUP(buf_fini) = {0};
    struct err refused = ERR_INIT;

    buf_init(&name, 1024);
    buf_init(&sql, SQL_MAX);
    buf_printf(&name, "%s.%s", t->db, t->name);
    check_definition(&c, t, buf_cstr(&name));
    if (!check_row_key(&c, t, buf_cstr(&name), e) ||
        !check_family(&c, t, buf_cstr(&name), scope, e))
        return false;
    buf_str(&sql, "SELECT 1 FROM ");
    mysql_dialect_ops.quote_table(&sql, t->db, t->name);
    buf_str(&sql, " LIMIT 0");
    if (session_exec_buf(s, &sql, &refused))
        return true;
    if (err_class_of(refused.code) == ERR_CLASS_RETRY) {
        *e = refused;
        return false;
    }
    check_tell(&c, "table.select", buf_cstr(&name), CHECK_FAILED, false,
               "GRANT SELECT on the table to the user", "%s", refused.message);
    return true;
}
