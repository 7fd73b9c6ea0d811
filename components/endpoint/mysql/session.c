/*
 * Opening and using a connection (session.h). Settings are made in one statement right after the
 * login, so that no statement runs without them. What can go wrong: everything a server or the
 * network can do; session_code.c says what each number means, session_watch.c what is
 * done about silence.
 */
#include "components/endpoint/mysql/session.h"

#include <errmsg.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/cascades.h"
#include "components/endpoint/mysql/session_watch.h"

#define CONNECT_TIMEOUT_MS 10000
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 4

static bool fail_with(struct session *s, unsigned number, const char *text, struct err *e,
                      const char *fmt, va_list ap)
{
    char what[512];

    (void)vsnprintf(what, sizeof what, fmt, ap);
    if (session_was_given_up(s))
        return err_set_sys(e, ERR_SERVER_UNREACHABLE, (int)number,
                           "%s at %s: the server stands still: no answer for %lld s, nor to a new "
                           "connection",
                           what, s->where, (long long)(s->watched->limit_ms / 1000));
    return err_set_sys(e, session_code(number), (int)number, "%s at %s: %s (server error %u)", what,
                       s->where, text, number);
}

bool session_fail(struct session *s, struct err *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    bool ok = fail_with(s, mysql_errno(s->my), mysql_error(s->my), e, fmt, ap);
    va_end(ap);
    return ok;
}

bool session_fail_stmt(struct session *s, MYSQL_STMT *stmt, struct err *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    bool ok = fail_with(s, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), e, fmt, ap);
    va_end(ap);
    return ok;
}

/* --- opening ------------------------------------------------------------------------------------
 */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_start(void)
{
    must(mysql_library_init(0, NULL, NULL) == 0);
}

static bool set_tls(struct session *s, const struct endpoint_address *a, struct err *e)
{
    const char *mode = a->tls_mode && a->tls_mode[0] ? a->tls_mode : "preferred";
    my_bool on = strcmp(mode, "off") != 0;
    my_bool verify = strcmp(mode, "verify") == 0;

    if (on && !verify && strcmp(mode, "preferred") != 0 && strcmp(mode, "required") != 0)
        return err_set(e, ERR_INVALID, "TLS mode '%s' is not off, preferred, required or verify",
                       mode);
    if (verify && !(a->tls_ca && a->tls_ca[0]))
        return err_set(e, ERR_INVALID,
                       "tls: verify needs tls_ca_file, the authority's certificate");
    mysql_optionsv(s->my, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_optionsv(s->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (on && a->tls_ca && a->tls_ca[0])
        mysql_optionsv(s->my, MYSQL_OPT_SSL_CA, a->tls_ca);
    return true;
}

/* With "preferred" a server without TLS is fine; "required" and "verify" must not fall back. A
 * unix socket does not leave the host. */
static bool check_tls(struct session *s, const struct endpoint_address *a, struct err *e)
{
    const char *mode = a->tls_mode ? a->tls_mode : "";

    if (strcmp(mode, "required") != 0 && strcmp(mode, "verify") != 0)
        return true;
    if (mysql_get_ssl_cipher(s->my) || (a->socket && a->socket[0]))
        return true;
    return err_set(e, ERR_SERVER_TLS, "cannot connect to %s: TLS is %s, the server offers none",
                   s->where, mode);
}

static void set_keepalive(struct session *s)
{
    int fd = (int)mysql_get_socket(s->my);
    int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT;

    /* A unix socket refuses the TCP ones: it needs none. */
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Zero dates and other old values are values like others: no NO_ZERO_*; writing is strict, so that
 * a value that does not fit is an error and never cut. */
#define READ_SQL_MODE "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO"
#define WRITE_SQL_MODE \
    "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

static const char *const settings_of[] = {
    [SESSION_READ] = "SET time_zone='+00:00', sql_mode='" READ_SQL_MODE "',"
                     " character_set_client=binary, character_set_connection=binary,"
                     " character_set_results=NULL, sql_quote_show_create=1,"
                     " sql_big_selects=1, sql_select_limit=DEFAULT, net_write_timeout=3600,"
                     " wait_timeout=28800, tx_isolation='REPEATABLE-READ', autocommit=1",
    [SESSION_WRITE] = "SET time_zone='+00:00', sql_mode='" WRITE_SQL_MODE "',"
                      " character_set_client=binary, character_set_connection=binary,"
                      " character_set_results=NULL, foreign_key_checks=0, unique_checks=1,"
                      " wait_timeout=60, net_write_timeout=60, tx_isolation='READ-COMMITTED',"
                      " autocommit=1",
    [SESSION_DDL] = "SET time_zone='+00:00', sql_mode='" WRITE_SQL_MODE "',"
                    " character_set_client=utf8mb4, character_set_connection=utf8mb4,"
                    " character_set_results=utf8mb4, sql_quote_show_create=1,"
                    " foreign_key_checks=0, unique_checks=1, wait_timeout=28800,"
                    " tx_isolation='READ-COMMITTED', autocommit=1",
    [SESSION_LOG] = "SET time_zone='+00:00', sql_mode='" READ_SQL_MODE "',"
                    " character_set_client=binary, character_set_connection=binary,"
                    " character_set_results=NULL, net_write_timeout=3600",
};

/* What only MySQL has. Statistics are for estimates and must not be a day old; keys that the server
 * made by itself are columns like others here, and DDL must not get any. */
static const char *const mysql_settings_of[] = {
    [SESSION_READ] = "SET max_execution_time=0, information_schema_stats_expiry=0,"
                     " show_gipk_in_create_table_and_information_schema=1",
    [SESSION_WRITE] = "SET max_execution_time=0",
    [SESSION_DDL] = "SET max_execution_time=0, information_schema_stats_expiry=0,"
                    " show_gipk_in_create_table_and_information_schema=1",
    [SESSION_LOG] = "SET max_execution_time=0",
};

static bool configure(struct session *s, struct err *e)
{
    const char *text = settings_of[s->use];
    char sql[1024];
    const char *old = s->is_mariadb ? NULL : strstr(text, "tx_isolation");

    /* MySQL 8 has only the longer name; MariaDB 10.11 only the shorter. */
    if (old)
        (void)snprintf(sql, sizeof sql, "%.*stransaction_isolation%s", (int)(old - text), text,
                       old + strlen("tx_isolation"));
    else
        (void)snprintf(sql, sizeof sql, "%s", text);
    if (!session_exec(s, sql, e))
        return err_wrap(e, "set up the session");
    /* A server-wide limit on statements must not cut a long read. */
    if (!session_exec(s, s->is_mariadb ? "SET max_statement_time=0" : mysql_settings_of[s->use], e))
        return err_wrap(e, "set up the session");
    return true;
}

static void learn_version(struct session *s)
{
    s->is_mariadb = strstr(mysql_get_server_info(s->my), "MariaDB") != NULL;
    s->version = (uint32_t)mysql_get_server_version(s->my);
}

static bool check_kind(const struct session *s, const struct endpoint_address *a, struct err *e)
{
    const char *is = s->is_mariadb ? "mariadb" : "mysql";

    if (!a->kind || strcmp(a->kind, is) == 0)
        return true;
    return err_set(e, ERR_SERVER_KIND, "the server at %s is %s (version %s), not '%s'", s->where,
                   s->is_mariadb ? "MariaDB" : "MySQL", mysql_get_server_info(s->my), a->kind);
}

static void name_session(struct session *s, const struct endpoint_address *a)
{
    if (a->socket && a->socket[0])
        (void)snprintf(s->where, sizeof s->where, "'%s@%s'", a->user ? a->user : "", a->socket);
    else
        (void)snprintf(s->where, sizeof s->where, "'%s@%s:%u'", a->user ? a->user : "",
                       a->host ? a->host : "", a->port);
}

static bool connect_now(struct session *s, const struct endpoint_address *a, struct err *e)
{
    unsigned timeout_ms = a->connect_timeout_ms ? a->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    unsigned timeout_s = (timeout_ms + 999) / 1000;
    my_bool no = 0;
    enum mysql_protocol_type tcp = MYSQL_PROTOCOL_TCP;

    mysql_optionsv(s->my, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    if (a->answer_timeout_ms > 0) {
        unsigned answer_s = (a->answer_timeout_ms + 999) / 1000;

        mysql_optionsv(s->my, MYSQL_OPT_READ_TIMEOUT, &answer_s);
        mysql_optionsv(s->my, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
    }
    mysql_optionsv(s->my, MYSQL_OPT_RECONNECT, &no);
    mysql_optionsv(s->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    /* "localhost" would otherwise mean the machine's own socket. */
    if (!(a->socket && a->socket[0]))
        mysql_optionsv(s->my, MYSQL_OPT_PROTOCOL, &tcp);
    if (!set_tls(s, a, e))
        return false;
    if (!mysql_real_connect(s->my, a->host, a->user, a->password, NULL, a->port,
                            a->socket && a->socket[0] ? a->socket : NULL,
                            /* Writing counts the rows that matched, changed or not. */
                            s->use == SESSION_WRITE ? CLIENT_FOUND_ROWS : CLIENT_MULTI_STATEMENTS))
        return session_fail(s, e, "cannot connect");
    set_keepalive(s);
    return check_tls(s, a, e);
}

bool session_open(const struct endpoint_address *a, enum session_use use, struct session **out,
                  struct err *e)
{
    pthread_once(&library_once, library_start);

    struct session *s = must_calloc(1, sizeof *s);
    s->use = use;
    s->my = mysql_init(NULL);
    must(s->my);
    name_session(s, a);
    if (!connect_now(s, a, e)) {
        session_close(s);
        return false;
    }
    session_watch(s, a);
    learn_version(s);
    if (!check_kind(s, a, e) || !configure(s, e)) {
        session_close(s);
        return false;
    }
    *out = s;
    return true;
}

bool session_answers(const struct endpoint_address *a, uint32_t within_ms)
{
    struct endpoint_address here = *a;
    struct session s = {.use = SESSION_READ, .my = mysql_init(NULL)};
    struct err e = ERR_INIT;
    bool ok;

    must(s.my);
    here.connect_timeout_ms = here.answer_timeout_ms = within_ms;
    name_session(&s, &here);
    ok = connect_now(&s, &here, &e);
    mysql_close(s.my);
    return ok || e.code == ERR_SERVER_TLS || (e.sys > 0 && (e.sys < 2000 || e.sys >= 3000));
}

void session_close(struct session *s)
{
    if (!s)
        return;
    session_unwatch(s);
    mysql_close(s->my);
    cascades_free(s->cascades);
    free(s);
}

/* --- using --------------------------------------------------------------------------------------
 */

static int send_and_hear(struct session *s, const char *sql, size_t len)
{
    int failed;

    session_waits(s);
    failed = mysql_real_query(s->my, sql, (unsigned long)len);
    session_waited(s);
    return failed;
}

static MYSQL_RES *take_result(struct session *s)
{
    MYSQL_RES *res;

    session_waits(s);
    res = mysql_store_result(s->my);
    session_waited(s);
    return res;
}

int session_prepare(struct session *s, MYSQL_STMT *stmt, const struct buf *sql)
{
    int failed;

    session_waits(s);
    failed = mysql_stmt_prepare(stmt, (const char *)sql->p, (unsigned long)sql->len);
    session_waited(s);
    return failed;
}

/* Reads whatever a statement left, so that the next one can be sent. */
static bool drain(struct session *s, struct err *e)
{
    int more;

    do {
        MYSQL_RES *res = mysql_use_result(s->my);
        if (res) {
            while (mysql_fetch_row(res))
                continue;
            mysql_free_result(res);
        }
        if (mysql_errno(s->my))
            return session_fail(s, e, "cannot read a result");
        more = mysql_next_result(s->my);
    } while (more == 0);
    if (more > 0)
        return session_fail(s, e, "cannot read a result");
    return true;
}

/* The beginning of a statement, for messages. */
static int shown(size_t len)
{
    return len > 160 ? 160 : (int)len;
}

bool session_run(struct session *s, const char *sql, size_t len, struct err *e)
{
    bool ok;

    if (s->cascades && cascades_may_change(sql, len)) {
        cascades_free(s->cascades);
        s->cascades = NULL;
    }
    if (send_and_hear(s, sql, len) != 0)
        return session_fail(s, e, "cannot run '%.*s'", shown(len), sql);
    session_waits(s);
    ok = drain(s, e);
    session_waited(s);
    return ok;
}

bool session_exec(struct session *s, const char *sql, struct err *e)
{
    return session_run(s, sql, strlen(sql), e);
}

static bool check_buf(const struct buf *sql, struct err *e)
{
    return buf_ok(sql) || err_set(e, ERR_LIMIT, "a statement is larger than %zu bytes", sql->max);
}

bool session_exec_buf(struct session *s, const struct buf *sql, struct err *e)
{
    return check_buf(sql, e) && session_run(s, (const char *)sql->p, sql->len, e);
}

static bool query(struct session *s, const char *sql, size_t len, MYSQL_RES **res, struct err *e)
{
    if (send_and_hear(s, sql, len) != 0)
        return session_fail(s, e, "cannot run '%.*s'", shown(len), sql);
    MYSQL_RES *r = take_result(s);
    if (!r && mysql_errno(s->my))
        return session_fail(s, e, "cannot read the result of '%.*s'", shown(len), sql);
    if (!r)
        return err_set(e, ERR_BUG, "statement gives no rows: '%.*s'", shown(len), sql);
    *res = r;
    return true;
}

bool session_query(struct session *s, const char *sql, MYSQL_RES **res, struct err *e)
{
    return query(s, sql, strlen(sql), res, e);
}

bool session_query_buf(struct session *s, const struct buf *sql, MYSQL_RES **res, struct err *e)
{
    return check_buf(sql, e) && query(s, (const char *)sql->p, sql->len, res, e);
}

void session_free_result(MYSQL_RES **res)
{
    if (*res)
        mysql_free_result(*res);
    *res = NULL;
}

bool session_value(struct session *s, const char *sql, char *out, size_t cap, bool *found,
                   struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query(s, sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[0]) {
        *found = false;
        return true;
    }
    size_t len = mysql_fetch_lengths(res)[0];
    if (len >= cap)
        return err_set(e, ERR_LIMIT, "the value of '%s' has %zu bytes, at most %zu fit", sql, len,
                       cap - 1);
    memcpy(out, row[0], len);
    out[len] = '\0';
    *found = true;
    return true;
}

static void put_text(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text);
}

bool session_identify(struct session *s, struct server_identity *id, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    char uuid[64] = "", uid[64] = "", host[64] = "", port[16] = "";
    struct server_identity got = {.version_number = s->version};

    if (!session_query(s,
                       "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
                       " ('server_uuid','server_uid','server_id','hostname','port','read_only')",
                       &res, e))
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        const char *v = row[1] ? row[1] : "";
        if (strcmp(row[0], "server_uuid") == 0)
            put_text(uuid, sizeof uuid, v);
        else if (strcmp(row[0], "server_uid") == 0)
            put_text(uid, sizeof uid, v);
        else if (strcmp(row[0], "hostname") == 0)
            put_text(host, sizeof host, v);
        else if (strcmp(row[0], "port") == 0)
            put_text(port, sizeof port, v);
        else if (strcmp(row[0], "server_id") == 0)
            got.server_id = (uint32_t)strtoul(v, NULL, 10);
        else
            got.read_only = strcmp(v, "OFF") != 0 && strcmp(v, "0") != 0;
    }
    put_text(got.product, sizeof got.product, s->is_mariadb ? "MariaDB" : "MySQL");
    put_text(got.version, sizeof got.version, mysql_get_server_info(s->my));
    if (uuid[0] || uid[0])
        put_text(got.uuid, sizeof got.uuid, uuid[0] ? uuid : uid);
    else
        (void)snprintf(got.uuid, sizeof got.uuid, "id:%u@%.30s:%.8s", got.server_id, host, port);
    *id = got;
    return true;
}
