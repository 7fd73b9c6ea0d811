/* Checks of a source server and of both servers together (checks.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/checks_priv.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/place.h"

#define SQL_MAX (1u << 20)
#define CLOCK_MAX_MS 1000

void check_tell(const struct checker *c, const char *id, const char *object,
                enum check_verdict verdict, bool may_skip, const char *remedy, const char *fmt, ...)
{
    char reason[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    struct check_item item = {.id = id,
                              .object = object,
                              .verdict = verdict,
                              .may_skip = verdict == CHECK_FAILED && may_skip,
                              .reason = reason,
                              .remedy = verdict == CHECK_OK ? "" : remedy};
    c->sink(c->arg, &item);
}

bool check_variable(const struct checker *c, const char *name, char *out, size_t cap, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    char sql[160];

    (void)snprintf(sql, sizeof sql, "SHOW GLOBAL VARIABLES WHERE Variable_name='%s'", name);
    if (!session_query(c->s, sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    (void)snprintf(out, cap, "%s", row && row[1] ? row[1] : "");
    return true;
}

/* The grantees that stand for us: 'user'@'host' and, on MariaDB, the current role. */
static void put_grantees(struct buf *sql, bool is_mariadb)
{
    buf_str(sql, " GRANTEE IN (CONCAT('''',REPLACE(CURRENT_USER(),'@','''@'''),'''')");
    if (is_mariadb)
        buf_str(sql, ",COALESCE(CURRENT_ROLE(),''),"
                     "CONCAT('''',COALESCE(CURRENT_ROLE(),''),'''@''''')");
    buf_u8(sql, ')');
}

bool check_privilege(const struct checker *c, const char *privilege, const char *db, bool *has,
                     struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};
    char one[8];

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE");
    put_grantees(&sql, c->s->is_mariadb);
    buf_printf(&sql, " AND PRIVILEGE_TYPE='%s'", privilege);
    if (db) {
        buf_str(&sql, " UNION ALL SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES WHERE");
        put_grantees(&sql, c->s->is_mariadb);
        buf_printf(&sql, " AND PRIVILEGE_TYPE='%s' AND ", privilege);
        mysql_dialect_ops.quote_text(&sql, db, strlen(db));
        buf_str(&sql, " LIKE TABLE_SCHEMA");
    }
    buf_str(&sql, " LIMIT 1");
    return session_value(c->s, buf_cstr(&sql), one, sizeof one, has, e);
}

/* --- the source ---------------------------------------------------------------------------------
 */

enum family { FAMILY_BOTH, FAMILY_MYSQL };
struct wanted { /* a variable that must have a value */
    const char *id, *variable, *value, *remedy;
    bool may_skip;
    enum family family;
    bool may_be_absent; /* a server without the variable behaves as wanted */
};
static const struct wanted source_wanted[] = {
    {"source.log_bin", "log_bin", "ON", "start the source with log_bin", .may_skip = false},
    {"source.binlog_format", "binlog_format", "ROW",
     "SET GLOBAL binlog_format=ROW and let all clients connect anew", .may_be_absent = true},
    {"source.row_image", "binlog_row_image", "FULL",
     "SET GLOBAL binlog_row_image=FULL and let all clients connect anew", .may_skip = false},
    {"source.row_metadata", "binlog_row_metadata", "FULL",
     "SET GLOBAL binlog_row_metadata=FULL; skipped, the log does not prove which columns its rows "
     "have, and a table that is altered while rows from before are still to be read stops the "
     "project",
     .may_skip = true},
    {"source.row_value_options", "binlog_row_value_options", "",
     "SET GLOBAL binlog_row_value_options='' and let all clients connect anew",
     .family = FAMILY_MYSQL},
};

#define GTID_REMEDY                                                                             \
    "SET GLOBAL enforce_gtid_consistency=ON, then gtid_mode=OFF_PERMISSIVE, ON_PERMISSIVE and " \
    "ON, "                                                                                      \
    "one after the other on every server of the group"

/* Without any, the log is followed by file and offset, and the copy begins a log file of its own.
 */
static bool check_gtids(const struct checker *c, struct err *e)
{
    enum gtid_mode mode;
    char text[32];
    bool may_flush = false;

    if (c->s->is_mariadb)
        return true;
    if (!place_gtid_mode(c->s, &mode, text, e) ||
        (mode == GTID_OFF && !check_privilege(c, "RELOAD", NULL, &may_flush, e)))
        return false;
    if (mode == GTID_ON)
        check_tell(c, "source.gtid", "", CHECK_OK, false, "", "gtid_mode is 'ON'");
    else if (mode == GTID_MIXED)
        check_tell(c, "source.gtid", "", CHECK_FAILED, false, GTID_REMEDY "; or back to OFF",
                   "gtid_mode is %s: some transactions have a GTID and others have none", text);
    else if (!may_flush)
        check_tell(c, "source.gtid", "", CHECK_FAILED, false, "GRANT RELOAD ON *.* to the user",
                   "gtid_mode is OFF, and the user may not begin a log file (FLUSH BINARY LOGS), "
                   "where the copy would begin");
    else
        check_tell(c, "source.gtid", "", CHECK_WARNING, false, GTID_REMEDY,
                   "gtid_mode is OFF: the source is followed by file and offset of its log; a log "
                   "that is reset, or purged while nobody reads it, stops the project");
    return true;
}

uint32_t check_oldest(const struct checker *c)
{
    return c->s->is_mariadb ? 100600 : 90000;
}

static bool check_wanted(const struct checker *c, const struct wanted *w, struct err *e)
{
    char value[64];

    if (w->family == FAMILY_MYSQL && c->s->is_mariadb)
        return true;
    if (!check_variable(c, w->variable, value, sizeof value, e))
        return false;
    if (strcasecmp(value, w->value) == 0 || (w->may_be_absent && !value[0]) ||
        (strcmp(w->value, "ON") == 0 && strcmp(value, "1") == 0))
        check_tell(c, w->id, "", CHECK_OK, false, "", "%s is '%s'", w->variable, value);
    else
        check_tell(c, w->id, "", CHECK_FAILED, w->may_skip, w->remedy, "%s is '%s', not %s",
                   w->variable, value[0] ? value : "not known to this server", w->value);
    return true;
}

static void check_version(const struct checker *c, const char *id)
{
    bool old = c->s->version < check_oldest(c);

    check_tell(c, id, "", old ? CHECK_FAILED : CHECK_OK, true, "use MariaDB 10.6, MySQL 9 or newer",
               "the server is %s %s", c->s->is_mariadb ? "MariaDB" : "MySQL",
               mysql_get_server_info(c->s->my));
}

static bool check_server_id(const struct checker *c, struct err *e)
{
    char value[32], keep[32], sync[32];

    if (!check_variable(c, "server_id", value, sizeof value, e) ||
        !check_variable(c, "binlog_expire_logs_seconds", keep, sizeof keep, e) ||
        !check_variable(c, "sync_binlog", sync, sizeof sync, e))
        return false;
    check_tell(c, "source.server_id", "", strcmp(value, "0") == 0 ? CHECK_FAILED : CHECK_OK, false,
               "give the source a server_id that is not 0", "server_id is %s", value);
    unsigned long long seconds = strtoull(keep, NULL, 10);
    check_tell(c, "source.log_retention", "",
               seconds > 0 && seconds < 3600 ? CHECK_WARNING : CHECK_OK, false,
               "SET GLOBAL binlog_expire_logs_seconds to several hours at least",
               "the source keeps its log for %llu s (0: for ever)", seconds);
    check_tell(c, "source.sync_binlog", "", strcmp(sync, "1") == 0 ? CHECK_OK : CHECK_WARNING,
               false, "SET GLOBAL sync_binlog=1",
               strcmp(sync, "1") == 0
                   ? "sync_binlog is %s"
                   : "sync_binlog is %s: a crash of the source's machine may lose transactions "
                     "that were already copied; that is found and stops the project",
               sync);
    return true;
}

static bool check_log_filters(const struct checker *c, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    bool newer = !c->s->is_mariadb && c->s->version >= 80400;

    if (mysql_query(c->s->my, newer ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS") != 0) {
        check_tell(c, "source.privileges.monitor", "", CHECK_FAILED, false,
                   "GRANT BINLOG MONITOR ON *.* (MySQL: REPLICATION CLIENT) to the user",
                   "cannot see the log's position: %s", mysql_error(c->s->my));
        return true;
    }
    res = mysql_store_result(c->s->my);
    if (!res)
        return session_fail(c->s, e, "cannot read the log's position");
    check_tell(c, "source.privileges.monitor", "", CHECK_OK, false, "",
               "the user may see the log's position");
    MYSQL_ROW row = mysql_fetch_row(res);
    bool filtered = row && ((row[2] && row[2][0]) || (row[3] && row[3][0]));
    check_tell(c, "source.log_filters", "", filtered ? CHECK_FAILED : CHECK_OK, false,
               "remove binlog_do_db and binlog_ignore_db from the source's configuration",
               filtered ? "the log leaves databases out (binlog_do_db '%s', binlog_ignore_db '%s')"
                        : "the log has every database%.0s%.0s",
               row && row[2] ? row[2] : "", row && row[3] ? row[3] : "");
    return true;
}

/* A replica that does not log what it gets would give us nothing of it. */
static bool check_replica(const struct checker *c, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    const char *variable = c->s->is_mariadb ? "log_slave_updates" : "log_replica_updates";
    char value[16];

    if (!check_variable(c, variable, value, sizeof value, e))
        return false;
    bool logs = strcmp(value, "ON") == 0 || strcmp(value, "1") == 0;
    struct err refused = ERR_INIT;
    bool seen =
        logs ||
        session_query(c->s, c->s->is_mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS",
                      &res, &refused);
    bool is_replica = res && mysql_num_rows(res) > 0;
    if (!seen && err_class_of(refused.code) == ERR_CLASS_RETRY) {
        *e = refused;
        return false;
    }
    check_tell(c, "source.replica_log", "",
               is_replica ? CHECK_FAILED
               : seen     ? CHECK_OK
                          : CHECK_WARNING,
               false, "start the source with log_slave_updates (MySQL: log_replica_updates)",
               is_replica ? "the server is a replica, and %s is %s: what it replicates is not in "
                            "its log"
               : seen     ? "what the server commits is in its log (%s is %s)"
                          : "cannot see whether the server is a replica; %s is %s: what it "
                            "replicates would not be in its log",
               variable, value);
    return true;
}

static bool check_replication_right(const struct checker *c, struct err *e)
{
    bool has = false, super = false;

    if (!check_privilege(c, "REPLICATION SLAVE", NULL, &has, e) ||
        !check_privilege(c, "SUPER", NULL, &super, e))
        return false;
    check_tell(c, "source.privileges.replication", "", has ? CHECK_OK : CHECK_FAILED, true,
               "GRANT REPLICATION SLAVE ON *.* to the user",
               has ? "the user may read the log"
                   : "the user has no REPLICATION SLAVE; rights by roles that are not active are "
                     "not seen");
    return true;
}

/* Of a database whose tables we may not see nothing would be copied. */
static bool is_revoked(const char *grant)
{
    static const char *const servers_own[] = {" ON `mysql`.", " ON `sys`.",
                                              " ON `performance_schema`."};

    if (strncmp(grant, "REVOKE ", strlen("REVOKE ")) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(servers_own); i++)
        if (strstr(grant, servers_own[i]))
            return false;
    return true;
}

static bool check_partial_revokes(const struct checker *c, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    MYSQL_ROW row;
    bool any = false;

    if (c->s->is_mariadb)
        return true;
    if (!session_query(c->s, "SHOW GRANTS", &res, e))
        return err_wrap(e, "read the user's rights");
    while ((row = mysql_fetch_row(res)) != NULL) {
        if (!row[0] || !is_revoked(row[0]))
            continue;
        any = true;
        check_tell(c, "source.privileges.partial", "", CHECK_FAILED, true,
                   "GRANT it on the database, too; or skip this where the project does not have it",
                   "a right is taken away for a database (partial_revokes): %s", row[0]);
    }
    if (!any)
        check_tell(c, "source.privileges.partial", "", CHECK_OK, false, "",
                   "no right is taken away for a database");
    return true;
}

static bool check_xa(const struct checker *c, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    struct err refused = ERR_INIT;

    if (!session_query(c->s, "XA RECOVER", &res, &refused)) {
        if (err_class_of(refused.code) == ERR_CLASS_RETRY) {
            *e = refused;
            return err_wrap(e, "look for prepared XA transactions");
        }
        check_tell(c, "source.xa", "", CHECK_FAILED, true,
                   "GRANT XA_RECOVER_ADMIN ON *.* to the user",
                   "cannot look for prepared XA transactions: %s", refused.message);
        return true;
    }
    unsigned long long n = mysql_num_rows(res);
    check_tell(c, "source.xa", "", n == 0 ? CHECK_OK : CHECK_FAILED, false,
               "commit or roll back the transactions that XA RECOVER shows",
               n == 0 ? "no XA transaction is prepared%.0llu"
                      : "%llu XA transactions are prepared: their rows came before the log that we "
                        "would read",
               n);
    return true;
}

bool checks_source(struct session *s, check_sink *sink, void *arg, struct err *e)
{
    struct checker c = {s, sink, arg};

    check_version(&c, "source.version");
    for (size_t i = 0; i < ARRAY_LEN(source_wanted); i++)
        if (!check_wanted(&c, &source_wanted[i], e))
            return false;
    return check_gtids(&c, e) && check_server_id(&c, e) && check_log_filters(&c, e) &&
           check_replication_right(&c, e) && check_partial_revokes(&c, e) && check_replica(&c, e) &&
           check_xa(&c, e);
}

/* --- both ---------------------------------------------------------------------------------------
 */

static bool check_same_server(const struct checker *c, struct session *target, struct err *e)
{
    struct server_identity a, b;
    char host_a[256], host_b[256], port_a[16], port_b[16];
    struct checker t = {target, c->sink, c->arg};

    if (!session_identify(c->s, &a, e) || !session_identify(target, &b, e) ||
        !check_variable(c, "hostname", host_a, sizeof host_a, e) ||
        !check_variable(&t, "hostname", host_b, sizeof host_b, e) ||
        !check_variable(c, "port", port_a, sizeof port_a, e) ||
        !check_variable(&t, "port", port_b, sizeof port_b, e))
        return false;
    bool same = strcmp(a.uuid, b.uuid) == 0 && strcmp(host_a, host_b) == 0 &&
                strcmp(port_a, port_b) == 0 && a.server_id == b.server_id;
    check_tell(c, "pair.same_server", "", same ? CHECK_FAILED : CHECK_OK, true,
               "give the target another address; skip the item only if every table has another "
               "name on the target",
               same ? "source and target are one server" : "source and target are two servers");
    return true;
}

static bool clock_ms(struct session *s, long long *out, struct err *e)
{
    char text[64];
    bool found;

    if (!session_value(s, "SELECT CAST(UNIX_TIMESTAMP(NOW(3))*1000 AS SIGNED)", text, sizeof text,
                       &found, e))
        return false;
    *out = found ? strtoll(text, NULL, 10) : 0;
    return true;
}

static bool check_clocks(const struct checker *c, struct session *target, struct err *e)
{
    long long a, b;

    if (!clock_ms(c->s, &a, e) || !clock_ms(target, &b, e))
        return false;
    long long apart = a > b ? a - b : b - a;
    check_tell(c, "pair.clock", "", apart > CLOCK_MAX_MS ? CHECK_WARNING : CHECK_OK, false,
               "set both machines' clocks by NTP: the lag that is shown depends on them",
               "the servers' clocks differ by %lld ms", apart);
    return true;
}

struct alike { /* a variable that should be the same on both sides */
    const char *id, *variable, *remedy;
    enum check_verdict verdict;
};
static const struct alike pair_alike[] = {
    {"pair.sql_mode", "sql_mode",
     "give the target the source's sql_mode before the handover: OMS "
     "sets its own, applications get the server's",
     CHECK_WARNING},
    {"pair.charset", "character_set_server",
     "tables keep their own character sets; only new objects without one differ", CHECK_WARNING},
    {"pair.collation", "collation_server",
     "tables keep their own collations; only new objects without one differ", CHECK_WARNING},
    {"pair.name_case", "lower_case_table_names", "use servers with the same lower_case_table_names",
     CHECK_FAILED},
    {"pair.time_zone", "time_zone", "OMS works in UTC; applications get the server's time zone",
     CHECK_WARNING},
};

static bool check_alike(const struct checker *c, struct session *target, const struct alike *w,
                        struct err *e)
{
    struct checker t = {target, c->sink, c->arg};
    char a[1024], b[1024];

    if (!check_variable(c, w->variable, a, sizeof a, e) ||
        !check_variable(&t, w->variable, b, sizeof b, e))
        return false;
    if (strcmp(a, b) == 0)
        check_tell(c, w->id, "", CHECK_OK, false, "", "%s is '%s' on both", w->variable, a);
    else
        check_tell(c, w->id, "", w->verdict, true, w->remedy,
                   "%s is '%s' on the source and '%s' on the target", w->variable, a, b);
    return true;
}

static bool check_packets(const struct checker *c, struct session *target, struct err *e)
{
    struct checker t = {target, c->sink, c->arg};
    char a[32], b[32];

    if (!check_variable(c, "max_allowed_packet", a, sizeof a, e) ||
        !check_variable(&t, "max_allowed_packet", b, sizeof b, e))
        return false;
    bool less = strtoull(b, NULL, 10) < strtoull(a, NULL, 10);
    check_tell(c, "pair.max_allowed_packet", "", less ? CHECK_WARNING : CHECK_OK, false,
               "SET GLOBAL max_allowed_packet on the target to the source's value",
               "max_allowed_packet is %s on the source and %s on the target", a, b);
    return true;
}

/* What the source can commit in one must fit into the target's log: with it off there is no limit.
 */
static bool check_txn_limit(const struct checker *c, struct session *target, struct err *e)
{
    struct checker t = {target, c->sink, c->arg};
    char a[32], b[32], log[8];

    if (!check_variable(c, "max_binlog_cache_size", a, sizeof a, e) ||
        !check_variable(&t, "max_binlog_cache_size", b, sizeof b, e) ||
        !check_variable(&t, "log_bin", log, sizeof log, e))
        return false;
    bool less =
        strcmp(log, "OFF") != 0 && strtoull(b, NULL, 10) < strtoull(a, NULL, 10) && b[0] != '\0';
    check_tell(c, "pair.max_binlog_cache_size", "", less ? CHECK_WARNING : CHECK_OK, false,
               "SET GLOBAL max_binlog_cache_size on the target to the source's value, or create "
               "the project with incremental.huge_transaction: split",
               less ? "max_binlog_cache_size is %s on the source and %s on the target, which "
                      "refuses larger transactions (TARGET_TXN_LIMIT)"
                    : "max_binlog_cache_size is %s on the source and %s on the target",
               a, b);
    return true;
}

bool checks_pair(struct session *source, struct session *target, check_sink *sink, void *arg,
                 struct err *e)
{
    struct checker c = {source, sink, arg};

    if (!check_same_server(&c, target, e) || !check_clocks(&c, target, e) ||
        !check_packets(&c, target, e) || !check_txn_limit(&c, target, e))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(pair_alike); i++)
        if (!check_alike(&c, target, &pair_alike[i], e))
            return false;
    return true;
}
