/* Checks of a target server and of single tables on it (checks.h). */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "components/endpoint/mysql/cascades.h"
#include "components/endpoint/mysql/checks_priv.h"
#include "components/endpoint/mysql/endpoint.h"

#define SQL_MAX (1u << 20)
#define KILL_TRIES 100
#define KILL_TRY_MS 50

static void check_version(const struct checker *c)
{
    const char *info = mysql_get_server_info(c->s->my);

    check_tell(c, "target.version", "", c->s->version < check_oldest(c) ? CHECK_FAILED : CHECK_OK,
               true, "use MariaDB 10.6, MySQL 9 or newer", "the server is %s %s",
               c->s->is_mariadb ? "MariaDB" : "MySQL", info);
}

static bool check_writable(const struct checker *c, struct err *e)
{
    struct server_identity id;

    if (!session_identify(c->s, &id, e))
        return false;
    check_tell(c, "target.read_only", "", id.read_only ? CHECK_FAILED : CHECK_OK, true,
               "SET GLOBAL read_only=OFF, or give the address of a writable server",
               id.read_only ? "read_only is ON" : "the server accepts writes");
    return true;
}

static const char *const database_rights[] = {"SELECT",     "INSERT", "UPDATE", "DELETE",
                                              "CREATE",     "DROP",   "ALTER",  "INDEX",
                                              "REFERENCES", "TRIGGER"};

static bool check_rights(const struct checker *c, const char *db, struct err *e)
{
    char missing[256] = "";

    for (size_t i = 0; i < ARRAY_LEN(database_rights); i++) {
        bool has = false;
        if (!check_privilege(c, database_rights[i], db, &has, e))
            return false;
        size_t at = strlen(missing);
        if (!has)
            (void)snprintf(missing + at, sizeof missing - at, "%s%s", at ? ", " : "",
                           database_rights[i]);
    }
    if (!missing[0])
        check_tell(c, "target.privileges.write", db, CHECK_OK, false, "",
                   "the user may create and write tables");
    else
        check_tell(c, "target.privileges.write", db, CHECK_FAILED, true,
                   "GRANT the missing rights on the database to the user",
                   "missing: %s; rights by roles that are not active are not seen", missing);
    return true;
}

/* A table of our own in oms_meta can be made, written and dropped. Its name is this session's:
 * other projects may try the same at the same time. */
static bool check_meta(const struct checker *c, struct err *e)
{
    static const struct {
        const char *head, *tail; /* around the table's name, unless there is no tail */
    } statements[] = {
        {"CREATE DATABASE IF NOT EXISTS oms_meta", NULL},
        {"CREATE TABLE IF NOT EXISTS ", " (id INT PRIMARY KEY, ver INT) ENGINE=InnoDB"},
        {"REPLACE INTO ", " VALUES (1, 1)"},
        {"UPDATE ", " SET ver = ver + 1 WHERE id = 1"},
        {"DROP TABLE ", ""},
    };
    struct err refused = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        char name[96] = "", sql[160];
        if (statements[i].tail)
            (void)snprintf(name, sizeof name, "oms_meta.probe_%lu%s", mysql_thread_id(c->s->my),
                           statements[i].tail);
        (void)snprintf(sql, sizeof sql, "%s%s", statements[i].head, name);
        if (session_exec(c->s, sql, &refused))
            continue;
        if (err_class_of(refused.code) == ERR_CLASS_RETRY) {
            *e = refused;
            return false;
        }
        check_tell(c, "target.privileges.meta", "oms_meta", CHECK_FAILED, false,
                   "GRANT ALL ON oms_meta.* to the user", "%s", refused.message);
        return true;
    }
    check_tell(c, "target.privileges.meta", "oms_meta", CHECK_OK, false, "",
               "the user may keep its progress in oms_meta");
    return true;
}

/* Has the session left the process list within the time? */
static bool wait_gone(const struct checker *c, const char *id, bool *gone, struct err *e)
{
    char sql[128], text[32];

    (void)snprintf(sql, sizeof sql, "SELECT ID FROM information_schema.PROCESSLIST WHERE ID=%s",
                   id);
    for (int i = 0; i < KILL_TRIES; i++) {
        bool there;
        if (!session_value(c->s, sql, text, sizeof text, &there, e))
            return false;
        *gone = !there;
        if (*gone)
            return true;
        (void)poll(NULL, 0, KILL_TRY_MS);
    }
    return true;
}

static bool kill_session(const struct checker *c, struct session *victim, struct err *e)
{
    char sql[64], id[24];
    bool found, gone = false;
    const char *remedy = "use a direct connection to the server with a user that may KILL its own "
                         "sessions; without it a writer's takeover waits until the sessions "
                         "of the writer before end by themselves, 60 s after their last statement";

    /* The server's own number: a proxy may show the client library another one. */
    if (!session_value(victim, "SELECT CONNECTION_ID()", id, sizeof id, &found, e))
        return false;
    (void)snprintf(sql, sizeof sql, "KILL CONNECTION %s", id);
    if (mysql_query(c->s->my, sql) != 0) {
        check_tell(c, "target.privileges.kill", "", CHECK_FAILED, true, remedy,
                   "cannot kill an own session: %s", mysql_error(c->s->my));
        return true;
    }
    if (!wait_gone(c, id, &gone, e))
        return false;
    check_tell(c, "target.privileges.kill", "", gone ? CHECK_OK : CHECK_FAILED, true, remedy,
               gone ? "an own session was killed and left the process list"
                    : "a killed session did not leave the process list");
    return true;
}

static bool check_kill(const struct checker *c, const struct endpoint_address *a, struct err *e)
{
    struct session *victim;

    if (!session_open(a, SESSION_READ, &victim, e))
        return false;
    bool ok = kill_session(c, victim, e);
    session_close(victim);
    return ok;
}

/* Events on the target would change rows by themselves (A18). */
static bool check_events(const struct checker *c, const char *db, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};
    char name[256];
    bool any = false;

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE STATUS='ENABLED' AND "
                  "EVENT_SCHEMA=");
    mysql_dialect_ops.quote_text(&sql, db, strlen(db));
    buf_str(&sql, " LIMIT 1");
    if (!session_value(c->s, buf_cstr(&sql), name, sizeof name, &any, e))
        return false;
    if (any)
        check_tell(c, "target.events", db, CHECK_FAILED, true,
                   "ALTER EVENT ... DISABLE until the handover",
                   "event '%s' is enabled: the target must not act by itself", name);
    return true;
}

bool checks_target(const struct endpoint_address *a, struct session *s, const char *const *dbs,
                   size_t n, check_sink *sink, void *arg, struct err *e)
{
    struct checker c = {s, sink, arg};

    check_version(&c);
    if (!check_writable(&c, e) || !check_kill(&c, a, e) || !check_meta(&c, e))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!check_rights(&c, dbs[i], e) || !check_events(&c, dbs[i], e))
            return false;
    return true;
}

/* --- one table ----------------------------------------------------------------------------------
 */

static bool probe(const struct checker *c, const char *head, const char *db, const char *name,
                  const char *tail, bool *any, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};
    char one[512];

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, head);
    mysql_dialect_ops.quote_text(&sql, db, strlen(db));
    buf_str(&sql, tail);
    mysql_dialect_ops.quote_text(&sql, name, strlen(name));
    buf_str(&sql, " LIMIT 1");
    return session_value(c->s, buf_cstr(&sql), one, sizeof one, any, e);
}

static bool check_empty(const struct checker *c, const char *object, const char *db,
                        const char *name, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};
    char one[8];
    bool any;

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT 1 FROM ");
    mysql_dialect_ops.quote_table(&sql, db, name);
    buf_str(&sql, " LIMIT 1");
    if (!session_value(c->s, buf_cstr(&sql), one, sizeof one, &any, e))
        return false;
    if (any)
        check_tell(c, "target.table_empty", object, CHECK_FAILED, false,
                   "empty or drop the table on the target, or exclude it",
                   "table '%s.%s' on the target holds rows", db, name);
    return true;
}

#define ERRNO_UNKNOWN_CHARSET 1115
#define ERRNO_UNKNOWN_COLLATION 1273

/* Asked by using it: the lists of collations differ between versions in form. */
static bool check_collation(const struct checker *c, const char *object, const char *collation,
                            struct err *e)
{
    char sql[256], none[8];
    struct err refused = ERR_INIT;
    bool found;

    (void)snprintf(sql, sizeof sql, "SELECT CONVERT('' USING %.*s) COLLATE %.64s",
                   (int)strcspn(collation, "_"), collation, collation);
    if (session_value(c->s, sql, none, sizeof none, &found, &refused))
        return true;
    if (refused.sys != ERRNO_UNKNOWN_COLLATION && refused.sys != ERRNO_UNKNOWN_CHARSET) {
        *e = refused;
        return false;
    }
    check_tell(c, "target.collation", object, CHECK_FAILED, false,
               "change the collation on the source, or use a newer target",
               "the target does not know collation '%s'", collation);
    return true;
}

/* The table's and its columns', each once where they stand together. */
static bool check_collations(const struct checker *c, const char *object, const struct table_def *t,
                             struct err *e)
{
    const char *last = t->collation;

    if (last[0] && !check_collation(c, object, last, e))
        return false;
    for (uint16_t i = 0; i < t->n_columns; i++) {
        const char *own = t->columns[i].collation;
        if (!own[0] || strcmp(own, t->collation) == 0 || strcmp(own, last) == 0)
            continue;
        last = own;
        if (!check_collation(c, object, own, e))
            return false;
    }
    return true;
}

bool checks_target_table(struct session *s, const struct table_def *source, const char *db,
                         const char *name, bool filled, bool *exists, check_sink *sink, void *arg,
                         struct err *e)
{
    struct checker c = {s, sink, arg};
    struct buf object CLEANUP(buf_fini) = {0};
    bool triggers = false;

    buf_init(&object, 1024);
    buf_printf(&object, "%s.%s", source->db, source->name);
    const char *label = buf_cstr(&object);
    if (!check_collations(&c, label, source, e))
        return false;
    if (!probe(&c, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=", db, name,
               " AND TABLE_NAME=", exists, e))
        return false;
    if (!*exists)
        return true;
    if (!probe(&c, "SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=", db, name,
               " AND EVENT_OBJECT_TABLE=", &triggers, e))
        return false;
    if (source->family[0] == '\0') {
        const char *family;

        if (!cascades_family(s, db, name, &family, e))
            return false;
        if (family[0] != '\0')
            check_tell(&c, "target.cascades", label, CHECK_FAILED, false,
                       "drop the table's foreign keys on the target until the handover",
                       "foreign keys with CASCADE or SET NULL join table '%s.%s' on the target to "
                       "others, and not so on the source",
                       db, name);
    }
    if (triggers)
        check_tell(&c, "target.triggers", label, CHECK_FAILED, false,
                   "drop the table's triggers on the target until the handover",
                   "table '%s.%s' on the target has triggers: it must not act by itself", db, name);
    return filled || check_empty(&c, label, db, name, e);
}

/* --- what the handover needs --------------------------------------------------------------------
 */

static bool any_trigger(struct session *source, const struct check_scope *scope, bool *any,
                        struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    *any = false;
    if (!session_query(source,
                       "SELECT DISTINCT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE"
                       " FROM information_schema.TRIGGERS",
                       &res, e))
        return err_wrap(e, "look for triggers");
    for (MYSQL_ROW row; !*any && (row = mysql_fetch_row(res));)
        *any = scope->table(scope->arg, row[0], row[1]);
    return true;
}

static bool has_one_of(const struct checker *c, const char *const *rights, bool *has, struct err *e)
{
    for (*has = false; *rights && !*has; rights++)
        if (!check_privilege(c, *rights, NULL, has, e))
            return false;
    return true;
}

bool checks_trigger_rights(struct session *source, struct session *target,
                           const struct check_scope *scope, check_sink *sink, void *arg,
                           struct err *e)
{
    static const char *const definer[] = {"SET USER", "SET_USER_ID", "SET_ANY_DEFINER", "SUPER",
                                          NULL};
    static const char *const super[] = {"SUPER", NULL};
    struct checker c = {target, sink, arg};
    char trusts[8] = "";
    bool any, found, may_name, is_super;

    if (!any_trigger(source, scope, &any, e))
        return false;
    if (!any)
        return true;
    if (!has_one_of(&c, definer, &may_name, e) || !has_one_of(&c, super, &is_super, e) ||
        !session_value(target,
                       "SELECT @@global.log_bin_trust_function_creators OR NOT @@global.log_bin",
                       trusts, sizeof trusts, &found, e))
        return err_wrap(e, "look for the rights that triggers need");
    bool logged = is_super || strcmp(trusts, "1") == 0;
    const char *fine = may_name && logged ? "triggers may be created at the handover"
                                          : "release --finish would fail for triggers:";
    check_tell(&c, "target.trigger_rights", "", may_name && logged ? CHECK_OK : CHECK_WARNING, true,
               "GRANT SET USER ON *.* to the user and SET GLOBAL log_bin_trust_function_creators=1 "
               "before release --finish; or run the statements it prints yourself",
               "%s%s%s", fine,
               may_name ? "" : " no right to name their definers (SET USER or SUPER);",
               logged ? "" : " no SUPER and log_bin_trust_function_creators is OFF");
    return true;
}
