/*
 * One connection to a server of the MySQL family, set up on purpose: time zone +00:00, sql_mode
 * and character sets fixed, no reconnecting by itself, dead peers found by TCP keepalive, servers
 * that stand still by session_watch.h. Every
 * statement of this folder goes through a session; errors carry the server's own number in
 * e->sys and a class that says what to do (session_code()). A password is in no message.
 *
 * Identity: `uuid` of struct server_identity is @@server_uuid on MySQL. MariaDB has none: it is
 * @@server_uid where the server shows it (a hash over the machine's address and port: it names
 * the server's place, not its data), else "id:<server_id>@<hostname>:<port>".
 *
 * Thread: one at a time per session.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_SESSION_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_SESSION_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/endpoint/endpoint.h"

enum session_use {
    SESSION_READ,  /* client bytes are taken and results given unconverted; REPEATABLE READ */
    SESSION_WRITE, /* the same for writing: READ COMMITTED, strict, foreign key checks off */
    SESSION_DDL,   /* statement text is utf8mb4 (literals are converted); otherwise as WRITE */
    SESSION_LOG,   /* a replica's connection: the log's own settings follow */
};

struct session {
    MYSQL *my;
    enum session_use use;
    bool is_mariadb;
    uint32_t version;          /* 101119 for 10.11.19 */
    bool began_file;           /* snapshot.c's: a log file was begun for us */
    char where[200];           /* "user@host:port", for messages */
    struct cascades *cascades; /* what cascades.c keeps; NULL */
    struct watched *watched;   /* session_watch.c's; NULL */
};

bool session_open(const struct endpoint_address *a, enum session_use use, struct session **s,
                  struct err *e) MUST_CHECK;
void session_close(struct session *s); /* NULL is fine */

/* Does the server answer a new connection, be it by refusing it? Thread: any. */
bool session_answers(const struct endpoint_address *a, uint32_t within_ms);

/* Runs one statement and drops its results. */
bool session_run(struct session *s, const char *sql, size_t len, struct err *e) MUST_CHECK;
/* The same for a constant text or a buffer whose ceiling may have been hit (ERR_LIMIT). */
bool session_exec(struct session *s, const char *sql, struct err *e) MUST_CHECK;
bool session_exec_buf(struct session *s, const struct buf *sql, struct err *e) MUST_CHECK;
/* A stored result set, to be freed with mysql_free_result. ERR_BUG when there is none. */
bool session_query(struct session *s, const char *sql, MYSQL_RES **res, struct err *e) MUST_CHECK;
bool session_query_buf(struct session *s, const struct buf *sql, MYSQL_RES **res,
                       struct err *e) MUST_CHECK;
/* Scope-bound release of a result: MYSQL_RES *r CLEANUP(session_free_result) = NULL; */
void session_free_result(MYSQL_RES **res);
/* First column of the first row as text, cut never: ERR_LIMIT if it does not fit. No row or NULL:
 * *found false. */
bool session_value(struct session *s, const char *sql, char *out, size_t cap, bool *found,
                   struct err *e) MUST_CHECK;
bool session_identify(struct session *s, struct server_identity *id, struct err *e) MUST_CHECK;

/* mysql_stmt_prepare, watched; not 0: see session_fail_stmt. */
int session_prepare(struct session *s, MYSQL_STMT *stmt, const struct buf *sql);

/* Describes the connection's last error: "what: server's text (number)". Always false. */
bool session_fail(struct session *s, struct err *e, const char *fmt, ...) PRINTF(3, 4);
/* The same for a prepared statement of it. */
bool session_fail_stmt(struct session *s, MYSQL_STMT *stmt, struct err *e, const char *fmt, ...)
    PRINTF(4, 5);
/* What a server's (or the client library's) error number means for us. Pure. */
enum err_code session_code(unsigned server_errno);
/* Does it say that the server has too much to do? Pure. */
enum target_pressure session_pressure(unsigned server_errno);
/* The connection itself is gone (2006, 2013 ...): only a new session helps. Pure. */
bool session_is_lost(unsigned server_errno);

#endif
