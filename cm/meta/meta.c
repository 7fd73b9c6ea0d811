/* The connection: opened with every wait bounded, closed, and one way to run a statement. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cm/meta/meta_priv.h"
#include "common/os/clock.h"

void meta_text(struct meta_params *p, const char *value)
{
    must(p->n < META_PARAMS_MAX);
    p->value[p->n] = value ? value : "";
    p->len[p->n] = 0;
    p->format[p->n++] = 0;
}

void meta_u64(struct meta_params *p, uint64_t value)
{
    must(p->n < META_PARAMS_MAX);
    snprintf(p->digits[p->n], sizeof p->digits[p->n], "%" PRIu64, value);
    meta_text(p, p->digits[p->n]);
}

void meta_bytes(struct meta_params *p, const void *value, size_t len)
{
    must(p->n < META_PARAMS_MAX && len <= INT32_MAX);
    p->value[p->n] = len > 0 ? value : "";
    p->len[p->n] = (int)len;
    p->format[p->n++] = 1;
}

void meta_result_clear(PGresult **r)
{
    PQclear(*r);
    *r = NULL;
}

/* The server is going away or not ready (class 57P of its codes), or did not speak at all: an error
 * without a code is libpq's own. */
static bool is_gone(const PGresult *r)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;

    return !state || strncmp(state, "57P", 3) == 0;
}

/* libpq's texts end with a line break and may hold several lines. */
static bool set_error(struct meta *m, enum err_code code, const char *text, struct err *e)
{
    char line[400];
    size_t n = 0;

    for (; text && text[n] != '\0' && n < sizeof line - 1; n++)
        line[n] = text[n] == '\n' ? ' ' : text[n];
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n] = '\0';
    if (!m->conn || PQstatus(m->conn) != CONNECTION_OK)
        code = ERR_UNAVAILABLE;
    m->is_gone |= code == ERR_UNAVAILABLE;
    return err_set(e, code, "MetaDB: %s", line);
}

/* Waits for the socket; false: the time is over. */
static bool wait_socket(struct meta *m, short events, struct mono until)
{
    struct pollfd fd = {.fd = PQsocket(m->conn), .events = events};
    int64_t left = mono_ms_between(clock_mono(), until);
    int n;

    do
        n = poll(&fd, 1, left > 0 ? (int)left : 0);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Sends what is left, then reads until a result is whole. False: no answer in time, or no
 * connection; libpq's text tells the latter. */
static bool wait_answer(struct meta *m, struct mono until, bool *late)
{
    int unsent;

    while ((unsent = PQflush(m->conn)) == 1) {
        *late = !wait_socket(m, POLLIN | POLLOUT, until);
        if (*late || !PQconsumeInput(m->conn))
            return false;
    }
    while (unsent == 0 && PQisBusy(m->conn)) {
        *late = !wait_socket(m, POLLIN, until);
        if (*late || !PQconsumeInput(m->conn))
            return false;
    }
    return unsent == 0;
}

/* The server's own limits end a statement; this one ends the wait for a server that says nothing.
 */
bool meta_result(struct meta *m, PGresult **out, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), META_STATEMENT_MS + 1000);
    PGresult *last = NULL, *r;
    bool late = false;

    while (wait_answer(m, until, &late) && (r = PQgetResult(m->conn)) != NULL) {
        bool keep = last && PQresultStatus(last) == PGRES_FATAL_ERROR;
        PQclear(keep ? r : last);
        last = keep ? last : r;
    }
    if (late) {
        PQclear(last);
        return set_error(m, ERR_UNAVAILABLE, "no answer in time", e);
    }
    ExecStatusType s = PQresultStatus(last);
    if (last && (s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK)) {
        *out = last;
        return true;
    }
    set_error(m, is_gone(last) ? ERR_UNAVAILABLE : ERR_METADB, PQerrorMessage(m->conn), e);
    PQclear(last);
    return false;
}

bool meta_exec(struct meta *m, const char *sql, const struct meta_params *p, bool binary,
               PGresult **out, struct err *e)
{
    if (!PQsendQueryParams(m->conn, sql, p ? p->n : 0, NULL, p ? p->value : NULL, p ? p->len : NULL,
                           p ? p->format : NULL, binary))
        return set_error(m, ERR_UNAVAILABLE, PQerrorMessage(m->conn), e);
    return meta_result(m, out, e);
}

bool meta_run(struct meta *m, const char *sql, const struct meta_params *p, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    return meta_exec(m, sql, p, false, &r, e);
}

uint64_t meta_cell_u64(const PGresult *r, int row, int column)
{
    return strtoull(PQgetvalue(r, row, column), NULL, 10);
}

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* Every wait of the session has an end; C1's idle timeout ends a paused leader's transaction. */
static bool set_up(struct meta *m, struct err *e)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SET statement_timeout = %d", META_STATEMENT_MS);
    return meta_run(m, sql, NULL, e) && meta_run(m, "SET lock_timeout = 3000", NULL, e) &&
           meta_run(m, "SET idle_in_transaction_session_timeout = 1000", NULL, e) &&
           meta_run(m, "SET synchronous_commit = off", NULL, e) && /* of renewals; see meta_begin */
           meta_run(m, "SET client_encoding = 'UTF8'", NULL, e);
}

static bool read_id(struct meta *m, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    if (!meta_exec(m, "SELECT id FROM oms.meta", NULL, false, &r, e))
        return false;
    if (PQntuples(r) != 1)
        return err_set(e, ERR_METADB, "MetaDB: table oms.meta has %d rows, not 1", PQntuples(r));
    snprintf(m->id, sizeof m->id, "%s", PQgetvalue(r, 0, 0));
    return true;
}

bool meta_open(const char *conninfo, struct meta **out, struct err *e)
{
    struct meta *m = must_calloc(1, sizeof *m);
    char wait[16];
    const char *keys[] = {"dbname",          "connect_timeout",  "tcp_user_timeout",
                          "keepalives_idle", "application_name", NULL};
    const char *values[] = {conninfo, wait, "5000", "5", "oms-cm", NULL};

    snprintf(wait, sizeof wait, "%d", META_CONNECT_S);
    m->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(m->conn) != CONNECTION_OK) {
        set_error(m, ERR_UNAVAILABLE, PQerrorMessage(m->conn), e);
        meta_close(m);
        return false;
    }
    PQsetNoticeProcessor(m->conn, ignore_notice, NULL);
    must(PQsetnonblocking(m->conn, 1) == 0);
    if (!set_up(m, e) || !meta_migrate(m, e) || !read_id(m, e)) {
        meta_close(m);
        return false;
    }
    *out = m;
    return true;
}

void meta_close(struct meta *m)
{
    if (!m)
        return;
    PQfinish(m->conn);
    free(m);
}

const char *meta_id(const struct meta *m)
{
    return m->id;
}

bool meta_is_alive(struct meta *m)
{
    return !m->is_gone && PQstatus(m->conn) == CONNECTION_OK;
}

int meta_backend(const struct meta *m)
{
    return PQbackendPID(m->conn);
}
