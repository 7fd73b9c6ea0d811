/*
 * Where a snapshot stands (snapshot.h).
 *
 * MariaDB tells a snapshot's place as file and offset. The GTID state there could be asked for
 * (BINLOG_GTID_POS), but the server then reads the file from its beginning, seconds for a large
 * one. So the state is read after the snapshot opened: it has everything the snapshot sees and
 * perhaps some later transactions, which are exactly those that stand in the log behind the
 * snapshot's offset. In each domain the first of them, seq s, says that the snapshot saw 1 .. s-1.
 * Only when the log went on to another file in between is BINLOG_GTID_POS asked.
 */
#include "components/endpoint/mysql/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/position.h"

#define SQL_MAX 4096

static void put_native(struct position *pos, const struct log_place *at)
{
    (void)snprintf(pos->native, sizeof pos->native, "%.120s:%" PRIu64, at->file, at->offset);
}

bool log_place_end(struct session *s, struct log_place *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    bool newer = !s->is_mariadb && s->version >= 80400;

    if (!session_query(s, newer ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[0] || !row[1])
        return err_set(e, ERR_SERVER_POSITION, "the binary log of %s is off", s->where);
    (void)snprintf(out->file, sizeof out->file, "%s", row[0]);
    out->offset = strtoull(row[1], NULL, 10);
    return true;
}

/* The statement's value is a GTID text of any length: add it to the set. */
static bool add_gtids(struct session *s, const char *sql, struct txn_set *set, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query(s, sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[0])
        return err_set(e, ERR_SERVER_POSITION, "'%s' gives nothing at %s", sql, s->where);
    return s->is_mariadb ? position_add_mariadb(row[0], set, e)
                         : position_add_mysql(row[0], set, e);
}

static bool demand_gtids(struct session *s, struct err *e)
{
    char mode[32];
    bool found;

    if (s->is_mariadb)
        return true;
    if (!session_value(s, "SELECT @@global.gtid_mode", mode, sizeof mode, &found, e))
        return false;
    if (found && strcmp(mode, "ON") == 0)
        return true;
    return err_set(e, ERR_SERVER_POSITION, "gtid_mode of %s is not ON", s->where);
}

static bool read_end(struct session *s, struct position *pos, struct log_place *end, struct err *e)
{
    const char *sql =
        s->is_mariadb ? "SELECT @@global.gtid_binlog_pos" : "SELECT @@global.gtid_executed";

    if (!demand_gtids(s, e) || !add_gtids(s, sql, &pos->set, e) || !log_place_end(s, end, e))
        return false;
    put_native(pos, end);
    return true;
}

/* --- MariaDB ------------------------------------------------------------------------------------
 */

static bool snapshot_place(struct session *s, struct log_place *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    *out = (struct log_place){.offset = 0};
    if (!session_query(s, "SHOW STATUS LIKE 'binlog_snapshot_%'", &res, e))
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        if (strcasecmp(row[0], "binlog_snapshot_file") == 0)
            (void)snprintf(out->file, sizeof out->file, "%s", row[1]);
        else if (strcasecmp(row[0], "binlog_snapshot_position") == 0)
            out->offset = strtoull(row[1], NULL, 10);
    }
    return out->file[0] || err_set(e, ERR_SERVER_POSITION, "the binary log of %s is off", s->where);
}

/* "BEGIN GTID 0-1-100 cid=5": what stands behind the snapshot is taken out of the set. Later ones
 * of the same domain take nothing more out. */
static bool take_out(const char *info, struct txn_set *set, struct err *e)
{
    const char *at = strstr(info, "GTID ");
    unsigned domain, server_id;
    unsigned long long seq;
    char origin[40];

    if (!at || sscanf(at, "GTID %u-%u-%llu", &domain, &server_id, &seq) != 3 || seq == 0)
        return err_set(e, ERR_CORRUPT, "not a GTID event: '%s'", info);
    int n = snprintf(origin, sizeof origin, "mariadb:%u", domain);
    txn_set_remove(set, origin_intern(origin, (size_t)n), seq, UINT64_MAX);
    return true;
}

static bool take_out_later(struct session *s, const struct log_place *from, struct txn_set *set,
                           struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini) = {0};

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SHOW BINLOG EVENTS IN ");
    mysql_dialect_ops.quote_text(&sql, from->file, strlen(from->file));
    buf_printf(&sql, " FROM %" PRIu64, from->offset);
    if (!session_query_buf(s, &sql, &res, e))
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        if (row[2] && strcmp(row[2], "Gtid") == 0 && !take_out(row[5] ? row[5] : "", set, e))
            return false;
    return true;
}

static bool ask_server(struct session *s, const struct log_place *at, struct txn_set *set,
                       struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};

    txn_set_fini(set);
    txn_set_init(set);
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT BINLOG_GTID_POS(");
    mysql_dialect_ops.quote_text(&sql, at->file, strlen(at->file));
    buf_printf(&sql, ",%" PRIu64 ")", at->offset);
    return add_gtids(s, buf_cstr(&sql), set, e);
}

static bool mariadb_position(struct session *s, struct position *pos, struct err *e)
{
    struct log_place end, at;

    if (!read_end(s, pos, &end, e) || !snapshot_place(s, &at, e))
        return false;
    put_native(pos, &at);
    if (strcmp(at.file, end.file) != 0)
        return ask_server(s, &at, &pos->set, e);
    return at.offset == end.offset || take_out_later(s, &at, &pos->set, e);
}

/* --- both ---------------------------------------------------------------------------------------
 */

#define OPEN "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

static bool open_now(struct session *s, struct position *pos, struct err *e)
{
    struct log_place end;

    if (s->is_mariadb)
        return session_exec(s, OPEN, e) && mariadb_position(s, pos, e);
    /* Everything in gtid_executed before the snapshot opens is visible to it (A6). */
    return read_end(s, pos, &end, e) && session_exec(s, OPEN, e);
}

/* Publishes *got on success only. */
static bool give(bool ok, struct position *got, struct position *out)
{
    if (ok)
        *out = *got;
    else
        txn_set_fini(&got->set);
    return ok;
}

bool snapshot_log_end(struct session *s, struct position *pos, struct err *e)
{
    struct position got = {.native = ""};
    struct log_place end;

    txn_set_init(&got.set);
    return give(read_end(s, &got, &end, e), &got, pos) ||
           err_wrap(e, "read the position of the source");
}

bool snapshot_open(struct session *s, struct position *pos, bool *exact, struct err *e)
{
    struct position got = {.native = ""};

    txn_set_init(&got.set);
    if (!give(open_now(s, &got, e), &got, pos))
        return err_wrap(e, "open a consistent snapshot");
    *exact = s->is_mariadb;
    return true;
}

/* --- one table of MySQL -------------------------------------------------------------------------
 * A writer of the table holds its metadata lock until its commit is over, and by then its rows can
 * be seen and its GTID is in the executed set. So while somebody else holds the table for reading,
 * the executed set has exactly those changes of it that a snapshot opened then will see. That the
 * lock was there all the time is told by its session still being there to let it go.
 */

#define LOCK_WAIT "SET lock_wait_timeout=1" /* writers behind us wait no longer than that */

static bool lock_table(struct session *lock, const struct table_def *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = {0};

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "LOCK TABLES ");
    mysql_dialect_ops.quote_table(&sql, t->db, t->name);
    buf_str(&sql, " READ");
    return session_exec(lock, LOCK_WAIT, e) && session_exec_buf(lock, &sql, e);
}

static bool open_locked(struct session *s, struct session *lock, const struct table_def *t,
                        struct position *pos, struct err *e)
{
    struct log_place end;
    struct err ignored = ERR_INIT;

    if (!lock_table(lock, t, e) || !read_end(lock, pos, &end, e) || !session_exec(s, OPEN, e))
        return false;
    if (session_exec(lock, "UNLOCK TABLES", e))
        return true;
    if (!session_exec(s, "ROLLBACK", &ignored))
        err_clear(&ignored); /* the session is lost too; *e says why already */
    return false;
}

bool snapshot_open_of(struct session *s, const struct endpoint_address *a,
                      const struct table_def *t, struct position *pos, bool *exact, struct err *e)
{
    struct position got = {.native = ""};
    struct session *lock = NULL;

    if (s->is_mariadb)
        return snapshot_open(s, pos, exact, e);
    txn_set_init(&got.set);
    bool ok = session_open(a, SESSION_READ, &lock, e) && open_locked(s, lock, t, &got, e);
    session_close(lock);
    if (!give(ok, &got, pos))
        return err_wrap(e, "open a consistent snapshot of table '%s.%s'", t->db, t->name);
    *exact = true;
    return true;
}
