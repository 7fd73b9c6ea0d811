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
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/place.h"
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

/* Everything up to there. */
static bool add_places(struct session *s, const struct log_place *to, struct txn_set *set,
                       struct err *e)
{
    const char *origin;
    uint64_t seq;

    if (!place_origin(s, &origin, e) || !place_seq(to->file, to->offset, &seq, e))
        return false;
    txn_set_add(set, origin, 1, seq);
    return true;
}

static bool mode_of(struct session *s, enum gtid_mode *mode, struct err *e)
{
    char text[32];

    return place_gtid_mode(s, mode, text, e) &&
           (*mode != GTID_MIXED ||
            err_set(e, ERR_SERVER_POSITION,
                    "gtid_mode of %s is %s: some transactions have a GTID and others have none",
                    s->where, text));
}

static bool read_end(struct session *s, struct position *pos, struct log_place *end, struct err *e)
{
    const char *sql =
        s->is_mariadb ? "SELECT @@global.gtid_binlog_pos" : "SELECT @@global.gtid_executed";
    enum gtid_mode mode;

    if (!mode_of(s, &mode, e) || (mode == GTID_ON && !add_gtids(s, sql, &pos->set, e)) ||
        !log_place_end(s, end, e) || (mode == GTID_OFF && !add_places(s, end, &pos->set, e)))
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

/* --- MySQL without GTIDs ------------------------------------------------------------------------
 * A transaction stands in the log before its rows can be seen, so not everything before the log's
 * end can be. But the server goes on to another log file only when all transactions in the last one
 * are committed in their engines, so everything before the beginning of the present file can be
 * seen. That beginning must not lie before the copy's, where a Store knows nothing of the log, so
 * the first position of a session is a file that we have begun; later ones begin another where the
 * present one has become long.
 *
 * The server does not wait so for the engines' part of an XA COMMIT. Until it is over, XA RECOVER
 * shows the transaction: when none is shown any more that was shown first, all of them are over
 * whose COMMIT stands before that beginning. */
#define FILE_SHORT (1u << 20)
#define XA_WAIT_MS 20
#define XA_TRIES 500

static bool begin_file(struct session *s, struct log_place *at, struct err *e)
{
    if (!log_place_end(s, at, e))
        return false;
    if (!s->began_file || at->offset > FILE_SHORT) {
        if (!session_exec(s, "FLUSH NO_WRITE_TO_BINLOG BINARY LOGS", e) || !log_place_end(s, at, e))
            return err_wrap(e, "begin another log file");
        s->began_file = true;
    }
    at->offset = PLACE_BEGIN;
    return true;
}

enum { XID_COLUMNS = 4 }; /* format, two lengths, the bytes */

static bool same_xid(MYSQL_RES *ra, MYSQL_ROW a, MYSQL_RES *rb, MYSQL_ROW b)
{
    unsigned long la[XID_COLUMNS], lb[XID_COLUMNS];

    memcpy(la, mysql_fetch_lengths(ra), sizeof la);
    memcpy(lb, mysql_fetch_lengths(rb), sizeof lb);
    for (int i = 0; i < XID_COLUMNS; i++)
        if (la[i] != lb[i] || memcmp(a[i], b[i], la[i]) != 0)
            return false;
    return true;
}

static bool have_one_in_common(MYSQL_RES *first, MYSQL_RES *now)
{
    mysql_data_seek(first, 0);
    for (MYSQL_ROW a; (a = mysql_fetch_row(first));) {
        mysql_data_seek(now, 0);
        for (MYSQL_ROW b; (b = mysql_fetch_row(now));)
            if (same_xid(first, a, now, b))
                return true;
    }
    return false;
}

static bool wait_for_xa(struct session *s, struct err *e)
{
    MYSQL_RES *first CLEANUP(session_free_result) = NULL;

    if (!session_query(s, "XA RECOVER", &first, e))
        return err_wrap(e, "look for prepared XA transactions");
    for (int i = 0; i < XA_TRIES; i++) {
        MYSQL_RES *now CLEANUP(session_free_result) = NULL;
        if (mysql_num_rows(first) == 0)
            return true;
        if (!session_query(s, "XA RECOVER", &now, e))
            return err_wrap(e, "look for prepared XA transactions");
        if (!have_one_in_common(first, now))
            return true;
        (void)poll(NULL, 0, XA_WAIT_MS);
    }
    return err_set(e, ERR_UNAVAILABLE,
                   "XA transactions stay prepared on the source: a copy cannot begin beside them");
}

static bool read_begin(struct session *s, struct position *pos, struct err *e)
{
    struct log_place at;

    if (!begin_file(s, &at, e) || !wait_for_xa(s, e) || !add_places(s, &at, &pos->set, e))
        return false;
    put_native(pos, &at);
    return true;
}

/* --- both ---------------------------------------------------------------------------------------
 */

#define OPEN "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

static bool open_now(struct session *s, struct position *pos, struct err *e)
{
    struct log_place end;
    enum gtid_mode mode;

    if (s->is_mariadb)
        return session_exec(s, OPEN, e) && mariadb_position(s, pos, e);
    if (!mode_of(s, &mode, e))
        return false;
    if (mode == GTID_OFF)
        return read_begin(s, pos, e) && session_exec(s, OPEN, e);
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

static bool add_owned(struct session *s, struct txn_set *set, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (s->is_mariadb)
        return true; /* its log has them before they are seen */
    if (!session_query(s, "SELECT @@global.gtid_owned", &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    return !row || !row[0] || position_add_owned(row[0], set, e);
}

/* What is being committed first: it goes from there into the executed set. */
bool snapshot_past(struct session *s, struct position *pos, struct err *e)
{
    struct position got = {.native = ""};
    struct log_place end;

    txn_set_init(&got.set);
    return give(add_owned(s, &got.set, e) && read_end(s, &got, &end, e), &got, pos) ||
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
 * the executed set has exactly those changes of it that a snapshot opened then will see; and so has
 * the log up to its end, where there are no GTIDs. That the
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
