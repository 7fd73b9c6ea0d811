/*
 * Where a dump begins (log_priv.h). MariaDB starts after a connect state: per domain the last
 * transaction, as domain-server-sequence. A set knows domain and sequence; the server that wrote
 * the transaction is found in what the source tells about its own logs:
 *   gtid_binlog_state   the last transaction of each server in each domain;
 *   the list at the beginning of each log file, which is that state when the file began;
 *   and, where several servers wrote into one domain, the GTIDs in the one file that has it.
 * A domain that the set does not have is read from its beginning. The wrong server would make the
 * source skip until it meets one that never comes, so there is no guessing: what is not found is
 * ERR_LOG_LOST.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/os/clock.h"
#include "components/endpoint/mysql/log_priv.h"

#define STATE_MAX (1u << 20)
#define HEARTBEAT_MIN_MS 100

struct gtid {
    uint32_t domain, server;
    uint64_t seq;
};
typedef VEC(struct gtid) gtids;

/* Adds the GTIDs of "0-1-5,1-2-3" (also inside brackets); anything else ends it. */
static void add_gtids(const char *text, gtids *out)
{
    const char *p = *text == '[' ? text + 1 : text;

    while (*p) {
        char *end;
        struct gtid g = {.domain = (uint32_t)strtoul(p, &end, 10)};
        if (end == p || *end != '-')
            return;
        g.server = (uint32_t)strtoul(end + 1, &end, 10);
        if (*end != '-')
            return;
        g.seq = strtoull(end + 1, &end, 10);
        vec_push(out, g);
        for (p = end; *p == ',' || *p == ' ' || *p == '\n'; p++)
            continue;
    }
}

/* --- the server of one transaction --------------------------------------------------------------
 */

struct search {
    struct session *s;
    uint32_t domain;
    uint64_t seq;
    uint32_t server;
    bool found;
};

/* The transaction itself in the list; else *before: all of the list is before it. */
static void look_in_list(struct search *f, const gtids *list, bool *before)
{
    *before = true;
    for (size_t i = 0; i < list->n; i++) {
        const struct gtid *g = &list->at[i];
        if (g->domain != f->domain)
            continue;
        if (g->seq == f->seq) {
            f->found = true;
            f->server = g->server;
        } else if (g->seq > f->seq) {
            *before = false;
        }
    }
}

static bool events_of(struct search *f, const char *file, const char *limit, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "SHOW BINLOG EVENTS IN '");
    buf_str(&sql, file);
    buf_printf(&sql, "'%s", limit);
    if (!buf_ok(&sql) || strpbrk(file, "'\\"))
        return err_set(e, ERR_INVALID, "the log file's name '%s' cannot be used", file);
    if (mysql_real_query(f->s->my, (const char *)sql.p, (unsigned long)sql.len) != 0)
        return session_fail(f->s, e, "cannot look into log file '%s'", file);
    return true;
}

enum { SHOW_TYPE = 2, SHOW_INFO = 5 };

/* What the file's list says. */
static bool look_at_beginning(struct search *f, const char *file, bool *before, struct err *e)
{
    gtids list = {0};

    if (!events_of(f, file, " LIMIT 3", e))
        return false;
    MYSQL_RES *res CLEANUP(session_free_result) = mysql_store_result(f->s->my);
    if (!res)
        return session_fail(f->s, e, "cannot look into log file '%s'", file);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        if (row[SHOW_TYPE] && row[SHOW_INFO] && strcasecmp(row[SHOW_TYPE], "Gtid_list") == 0)
            add_gtids(row[SHOW_INFO], &list);
    look_in_list(f, &list, before);
    vec_fini(&list);
    return true;
}

/* Reads the file's GTIDs until the transaction comes. */
static bool look_inside(struct search *f, const char *file, struct err *e)
{
    if (!events_of(f, file, "", e))
        return false;
    MYSQL_RES *res CLEANUP(session_free_result) = mysql_use_result(f->s->my);
    if (!res)
        return session_fail(f->s, e, "cannot look into log file '%s'", file);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) { /* to the end: the rest must be read */
        if (f->found || !row[SHOW_TYPE] || !row[SHOW_INFO] ||
            strcasecmp(row[SHOW_TYPE], "Gtid") != 0)
            continue;
        gtids one = {0};
        bool before;
        const char *gtid = strstr(row[SHOW_INFO], "GTID ");
        if (gtid)
            add_gtids(gtid + strlen("GTID "), &one);
        look_in_list(f, &one, &before);
        vec_fini(&one);
    }
    if (mysql_errno(f->s->my))
        return session_fail(f->s, e, "cannot look into log file '%s'", file);
    return true;
}

/* From the newest file to the oldest; the first whose list lies before the transaction has it. */
static bool look_in_files(struct search *f, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    bool before = false;

    if (!session_query(f->s, "SHOW BINARY LOGS", &res, e))
        return false;
    for (my_ulonglong i = mysql_num_rows(res); i-- > 0 && !f->found && !before;) {
        mysql_data_seek(res, i);
        MYSQL_ROW row = mysql_fetch_row(res);
        if (!look_at_beginning(f, row[0], &before, e))
            return false;
        if (before && !f->found && !look_inside(f, row[0], e))
            return false;
    }
    return true;
}

static bool find_server(struct search *f, const gtids *state, struct err *e)
{
    size_t writers = 0;
    bool before;

    look_in_list(f, state, &before);
    for (size_t i = 0; i < state->n; i++)
        if (state->at[i].domain == f->domain && !f->found) {
            writers++;
            f->server = state->at[i].server;
        }
    if (f->found)
        return true;
    if (writers == 0)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "the source has nothing of GTID domain %u, of which %" PRIu64
                       " transactions are known",
                       f->domain, f->seq);
    if (before)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "the source has not yet written transaction %" PRIu64 " of GTID domain %u",
                       f->seq, f->domain);
    if (writers == 1)
        return true;
    if (!look_in_files(f, e))
        return false;
    if (!f->found)
        return err_set(e, ERR_LOG_LOST,
                       "transaction %" PRIu64 " of GTID domain %u is in no log file of the source",
                       f->seq, f->domain);
    return true;
}

static bool connect_state(struct session *s, const struct txn_set *after, struct buf *out,
                          struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    gtids state = {0};
    bool ok = true;

    if (!session_query(s, "SELECT @@global.gtid_binlog_state", &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    add_gtids(row && row[0] ? row[0] : "", &state);
    for (size_t i = 0; ok && i < after->origins.n; i++) {
        const struct txn_set_origin *o = &after->origins.at[i];
        /* Up to the first hole: an XA transaction that was prepared there is still open (A7). */
        struct search f = {.s = s, .seq = o->iv.n ? o->iv.at[0].last : 0};
        if (sscanf(o->origin, "mariadb:%u", &f.domain) != 1)
            ok = err_set(e, ERR_INVALID, "position '%s' is not one of a MariaDB log", o->origin);
        else if (f.seq > 0 && (ok = find_server(&f, &state, e)))
            buf_printf(out, "%s%u-%u-%" PRIu64, out->len ? "," : "", f.domain, f.server, f.seq);
    }
    vec_fini(&state);
    return ok;
}

/* --- starting -----------------------------------------------------------------------------------
 */

static bool learn_clock(struct log *l, struct err *e)
{
    char text[64];
    bool found;
    int64_t now = clock_wall().us;

    if (!session_value(l->s, "SELECT CAST(UNIX_TIMESTAMP(NOW(6))*1000000 AS SIGNED)", text,
                       sizeof text, &found, e))
        return false;
    l->clock_ahead_us = found ? strtoll(text, NULL, 10) - now : 0;
    return true;
}

/* What is typed may be otherwise; the rows' names are the server's. */
static bool learn_names(struct log *l, struct err *e)
{
    char text[8];
    bool found;

    if (!session_value(l->s, "SELECT @@lower_case_table_names", text, sizeof text, &found, e))
        return false;
    l->small_names = found && strcmp(text, "1") == 0;
    return true;
}

static bool send_dump(struct log *l, uint32_t server_id, struct err *e)
{
    struct buf b CLEANUP(buf_fini);

    buf_init(&b, 64);
    buf_u32(&b, 4);
    buf_u16(&b, 0);
    buf_u32(&b, server_id);
    if (l->s->my->methods->db_command(l->s->my, COM_BINLOG_DUMP, (const char *)b.p, b.len, 1,
                                      NULL) != 0)
        return session_fail(l->s, e, "cannot ask for the log");
    return true;
}

static bool mariadb_settings(struct log *l, const struct txn_set *after, uint64_t heartbeat_ns,
                             struct err *e)
{
    struct buf sql CLEANUP(buf_fini), state CLEANUP(buf_fini);

    buf_init(&sql, STATE_MAX);
    buf_init(&state, STATE_MAX);
    if (!connect_state(l->s, after, &state, e))
        return err_wrap(e, "find where the log goes on");
    buf_printf(&sql,
               "SET @master_binlog_checksum=@@global.binlog_checksum,"
               " @mariadb_slave_capability=4, @slave_gtid_strict_mode=1,"
               " @slave_gtid_ignore_duplicates=0, @master_heartbeat_period=%" PRIu64
               ", @slave_connect_state='%s'",
               heartbeat_ns, buf_cstr(&state));
    return session_exec_buf(l->s, &sql, e);
}

bool log_start(struct log *l, const struct log_params *p, struct err *e)
{
    uint64_t heartbeat_ms = p->heartbeat_ms ? p->heartbeat_ms : 1000;
    bool mariadb = l->s->is_mariadb;
    bool ok;

    if (heartbeat_ms < HEARTBEAT_MIN_MS)
        heartbeat_ms = HEARTBEAT_MIN_MS;
    ok = mariadb ? mariadb_settings(l, p->after, heartbeat_ms * 1000000, e)
                 : log_mysql_settings(l->s, heartbeat_ms * 1000000, e);
    ok = ok && learn_clock(l, e) && learn_names(l, e) && log_register(l->s, p->server_id, e) &&
         (mariadb                        ? send_dump(l, p->server_id, e)
          : txn_set_has_places(p->after) ? log_place_start(l, p, e)
                                         : log_mysql_dump(l, p->server_id, p->after, e));
    if (ok)
        packets_init(&l->packets, l->s);
    return ok;
}
