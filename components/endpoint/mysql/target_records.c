/*
 * Rows of oms_meta that a component keeps through its claim: where tables stand, the chunk tree,
 * answers to held DDL; and DDL itself. Each write is one transaction that finds the fence row with
 * the claim's own gen. A connection that broke is opened anew and the transaction repeated: every
 * one of them may run twice. Thread: any; takes claim.lock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/target_priv.h"

#define TRIES 3

void records_table_pos(struct buf *sql, const char *task, const struct table_pos *pos)
{
    struct buf key CLEANUP(buf_fini);

    buf_init(&key, 4096);
    oms_meta_table_key(&key, pos->db, pos->name);
    buf_str(sql, "REPLACE INTO oms_meta.table_pos (task, tbl, `begin`, `end`, mode, done)"
                 " VALUES (");
    oms_meta_text(sql, task);
    buf_str(sql, ", ");
    oms_meta_text(sql, buf_cstr(&key));
    buf_str(sql, ", ");
    oms_meta_set(sql, &pos->begin);
    buf_str(sql, ", ");
    oms_meta_set(sql, &pos->end);
    buf_printf(sql, ", %d, %d)", (int)pos->mode, pos->done ? 1 : 0);
}

static void put_chunk_where(struct buf *sql, const char *task, const char *table)
{
    buf_str(sql, " WHERE task=");
    oms_meta_text(sql, task);
    buf_str(sql, " AND tbl=");
    oms_meta_text(sql, table);
}

void records_chunk_done(struct buf *sql, const char *task, const struct chunk *chunk)
{
    buf_printf(sql, "UPDATE oms_meta.chunk SET state=%d", CHUNK_DONE);
    put_chunk_where(sql, task, chunk->table);
    buf_printf(sql, " AND node=%" PRIu64, chunk->node);
}

/* --- transactions of the claim ------------------------------------------------------------------
 */

static bool control(struct claim *c, struct err *e)
{
    return c->control || claim_session(c, SESSION_WRITE, &c->control, e);
}

static bool fenced_once(struct claim *c, const struct buf *sql, struct err *e)
{
    struct session *s;
    struct err ignored = ERR_INIT;

    if (!control(c, e))
        return false;
    s = c->control;
    if (session_exec(s, "START TRANSACTION", e) && claim_lock_fence(c, s, e) &&
        (sql->len == 0 || session_exec_buf(s, sql, e)) && session_exec(s, "COMMIT", e))
        return true;
    if (e->code == ERR_SERVER_UNREACHABLE || !session_exec(s, "ROLLBACK", &ignored)) {
        session_close(s);
        c->control = NULL;
    }
    return false;
}

/* Runs the statement in sql (at most one) as one fenced transaction. */
bool claim_fenced(struct claim *c, const struct buf *sql, struct err *e)
{
    bool ok = false;

    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < TRIES && !ok; i++) {
        err_clear(e);
        ok = fenced_once(c, sql, e);
        if (!ok && err_class_of(e->code) != ERR_CLASS_RETRY)
            break;
    }
    pthread_mutex_unlock(&c->lock);
    return ok;
}

/* Takes the lock and keeps it while the result is read: release with claim_unlock. */
static bool read_locked(struct claim *c, struct buf *sql, MYSQL_RES **res, struct err *e)
{
    for (int i = 0; i < TRIES; i++) {
        err_clear(e);
        if (control(c, e) && session_query_buf(c->control, sql, res, e))
            return true;
        if (e->code != ERR_SERVER_UNREACHABLE)
            return false;
        session_close(c->control);
        c->control = NULL;
    }
    return false;
}

bool claim_read(struct claim *c, struct buf *sql, MYSQL_RES **res, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    bool ok = read_locked(c, sql, res, e); /* stored whole: the lock need not be kept */
    pthread_mutex_unlock(&c->lock);
    return ok;
}

/* --- table_pos ----------------------------------------------------------------------------------
 */

static bool read_table_pos(MYSQL_RES *res, struct arena *a, struct table_pos *out, size_t *n,
                           struct err *e)
{
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        unsigned long *len = mysql_fetch_lengths(res);
        struct table_pos *p = &out[*n];

        oms_meta_table_unkey(row[0], a, &p->db, &p->name);
        if (!oms_meta_read_set(row[1], len[1], &p->begin, e) ||
            !oms_meta_read_set(row[2], len[2], &p->end, e))
            return err_wrap(e, "position of table '%s'", row[0]);
        p->mode = strcmp(row[3], "0") == 0 ? TABLE_MODE_OVERLAP : TABLE_MODE_EXACT;
        p->done = strcmp(row[4], "0") != 0;
        (*n)++;
    }
    return true;
}

bool target_table_pos_list(struct claim *c, const char *task, struct arena *a,
                           struct table_pos **pos, size_t *n, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);
    size_t found = 0;

    buf_init(&sql, 8192);
    buf_str(&sql, "SELECT tbl, `begin`, `end`, mode, done FROM oms_meta.table_pos WHERE task=");
    oms_meta_text(&sql, task);
    buf_str(&sql, " ORDER BY tbl");
    if (!claim_read(c, &sql, &res, e))
        return err_wrap(e, "read the positions of tables of task '%s'", task);

    struct table_pos *out = arena_calloc(a, (size_t)mysql_num_rows(res) + 1, sizeof *out);
    if (!read_table_pos(res, a, out, &found, e)) {
        for (size_t i = 0; i <= found; i++) {
            txn_set_fini(&out[i].begin);
            txn_set_fini(&out[i].end);
        }
        return false;
    }
    *pos = out;
    *n = found;
    return true;
}

bool target_table_pos_put(struct claim *c, const struct table_pos *pos, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, META_SQL_MAX);
    records_table_pos(&sql, c->task, pos);
    return claim_fenced(c, &sql, e) ||
           err_wrap(e, "write the position of table '%s.%s'", pos->db, pos->name);
}

bool target_table_end_move(struct claim *c, const char *task, const struct table_pos *pos,
                           const struct txn_set *end, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    struct buf key CLEANUP(buf_fini);

    buf_init(&sql, META_SQL_MAX);
    buf_init(&key, 4096);
    oms_meta_table_key(&key, pos->db, pos->name);
    buf_str(&sql, "UPDATE oms_meta.table_pos SET `end`=");
    oms_meta_set(&sql, end);
    buf_str(&sql, " WHERE task=");
    oms_meta_text(&sql, task);
    buf_str(&sql, " AND tbl=");
    oms_meta_text(&sql, buf_cstr(&key));
    buf_str(&sql, " AND done=1 AND `begin`=");
    oms_meta_set(&sql, &pos->begin);
    buf_str(&sql, " AND `end`=");
    oms_meta_set(&sql, &pos->end);
    return claim_fenced(c, &sql, e) ||
           err_wrap(e, "move the end of table '%s.%s'", pos->db, pos->name);
}

/* --- chunk --------------------------------------------------------------------------------------
 */

static struct view keep_view(struct arena *a, const char *p, unsigned long len)
{
    if (!p)
        return (struct view){NULL, 0};
    uint8_t *out = arena_alloc(a, len + 1); /* an empty bound is not an open one */
    memcpy(out, p, len);
    return (struct view){out, len};
}

bool target_chunk_list(struct claim *c, const char *table, struct arena *a, struct chunk **chunks,
                       size_t *n, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);
    size_t found = 0;

    buf_init(&sql, 16384);
    buf_str(&sql, "SELECT node, parent, lo, hi, state FROM oms_meta.chunk");
    put_chunk_where(&sql, c->task, table);
    buf_str(&sql, " ORDER BY node");
    if (!claim_read(c, &sql, &res, e))
        return err_wrap(e, "read the chunks of table '%s'", table);

    struct chunk *out = arena_calloc(a, (size_t)mysql_num_rows(res) + 1, sizeof *out);
    const char *name = arena_strdup(a, table);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        unsigned long *len = mysql_fetch_lengths(res);
        out[found++] = (struct chunk){.table = name,
                                      .node = strtoull(row[0], NULL, 10),
                                      .parent = strtoull(row[1], NULL, 10),
                                      .lo = keep_view(a, row[2], len[2]),
                                      .hi = keep_view(a, row[3], len[3]),
                                      .state = (uint8_t)strtoul(row[4], NULL, 10)};
    }
    *chunks = out;
    *n = found;
    return true;
}

bool target_chunk_put(struct claim *c, const struct chunk *chunks, size_t n, struct err *e)
{
    if (n == 0)
        return true;

    struct buf sql CLEANUP(buf_fini);
    buf_init(&sql, META_SQL_MAX);
    buf_str(&sql, "REPLACE INTO oms_meta.chunk (task, tbl, node, parent, lo, hi, state) VALUES ");
    for (size_t i = 0; i < n; i++) {
        buf_str(&sql, i ? ", (" : "(");
        oms_meta_text(&sql, c->task);
        buf_str(&sql, ", ");
        oms_meta_text(&sql, chunks[i].table);
        buf_printf(&sql, ", %" PRIu64 ", %" PRIu64 ", ", chunks[i].node, chunks[i].parent);
        oms_meta_bytes(&sql, chunks[i].lo.p, chunks[i].lo.len);
        buf_str(&sql, ", ");
        oms_meta_bytes(&sql, chunks[i].hi.p, chunks[i].hi.len);
        buf_printf(&sql, ", %u)", chunks[i].state);
    }
    return claim_fenced(c, &sql, e) ||
           err_wrap(e, "write %zu chunks of table '%s'", n, chunks[0].table);
}

bool target_chunk_clear(struct claim *c, const char *table, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 16384);
    buf_str(&sql, "DELETE FROM oms_meta.chunk");
    put_chunk_where(&sql, c->task, table);
    return claim_fenced(c, &sql, e) || err_wrap(e, "remove the chunks of table '%s'", table);
}

/* --- ddl ----------------------------------------------------------------------------------------
 */

static void put_txid(struct buf *sql, struct txn_id id)
{
    char text[ORIGIN_MAX + 24];

    (void)snprintf(text, sizeof text, "%s:%" PRIu64, id.origin, id.seq);
    oms_meta_text(sql, text);
}

bool target_ddl_put(struct claim *c, struct txn_id id, const char *statement, const char *state,
                    struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, META_SQL_MAX);
    buf_str(&sql, "REPLACE INTO oms_meta.ddl (task, txid, statement, state) VALUES (");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, ", ");
    put_txid(&sql, id);
    buf_str(&sql, ", ");
    oms_meta_bytes(&sql, statement, strlen(statement));
    buf_str(&sql, ", ");
    oms_meta_text(&sql, state);
    buf_str(&sql, ")");
    return claim_fenced(c, &sql, e) || err_wrap(e, "write the state of a DDL");
}

bool target_ddl_get(struct claim *c, struct txn_id id, char state[32], bool *found, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    buf_str(&sql, "SELECT state FROM oms_meta.ddl WHERE task=");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, " AND txid=");
    put_txid(&sql, id);
    if (!claim_read(c, &sql, &res, e))
        return err_wrap(e, "read the state of a DDL");
    MYSQL_ROW row = mysql_fetch_row(res);
    if (row)
        (void)snprintf(state, 32, "%s", row[0]);
    *found = row != NULL;
    return true;
}

/* --- split --------------------------------------------------------------------------------------
 */

void records_split(struct buf *sql, const char *task, const struct split_mark *m)
{
    buf_str(sql, m->over ? "DELETE FROM oms_meta.split WHERE task="
                         : "REPLACE INTO oms_meta.split (task, txid, changes) VALUES (");
    oms_meta_text(sql, task);
    buf_str(sql, m->over ? " AND txid=" : ", ");
    put_txid(sql, m->id);
    if (!m->over)
        buf_printf(sql, ", %" PRIu64 ")", m->changes);
}

bool target_split_get(struct claim *c, struct txn_id id, uint64_t *changes, bool *found,
                      struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    buf_str(&sql, "SELECT changes FROM oms_meta.split WHERE task=");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, " AND txid=");
    put_txid(&sql, id);
    if (!claim_read(c, &sql, &res, e))
        return err_wrap(e, "read how far a split transaction is");
    MYSQL_ROW row = mysql_fetch_row(res);
    *found = row != NULL;
    *changes = row ? strtoull(row[0], NULL, 10) : 0;
    return true;
}

static bool use_db(struct session *s, const char *db, struct err *e)
{
    if (!db || !db[0])
        return true;

    struct buf sql CLEANUP(buf_fini);
    buf_init(&sql, 1024);
    buf_str(&sql, "USE ");
    mysql_dialect_ops.quote_name(&sql, db);
    return session_exec_buf(s, &sql, e);
}

/* Not repeated when the connection breaks: whether it ran is for the caller to find out (A2). */
static bool run_ddl(struct claim *c, const char *default_db, const char *setting,
                    const char *statement, struct err *e)
{
    struct buf nothing CLEANUP(buf_fini);
    struct session *s = NULL;

    buf_init(&nothing, 1);
    if (!claim_fenced(c, &nothing, e)) /* still ours? a sealed or lost task runs nothing */
        return err_wrap(e, "run DDL");
    bool ok = claim_session(c, SESSION_DDL, &s, e) && use_db(s, default_db, e) &&
              (!setting || session_exec(s, setting, e)) && session_exec(s, statement, e);
    session_close(s);
    return ok || err_wrap(e, "run DDL");
}

bool target_run_ddl(struct claim *c, const char *default_db, const char *statement, struct err *e)
{
    return run_ddl(c, default_db, NULL, statement, e);
}

bool target_run_ddl_checked(struct claim *c, const char *statement, struct err *e)
{
    return run_ddl(c, NULL, "SET foreign_key_checks=1", statement, e);
}

/* --- progress -----------------------------------------------------------------------------------
 */

static bool add_sets(MYSQL_RES *res, struct txn_set *low, struct txn_set *done, struct err *e)
{
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        unsigned long *len = mysql_fetch_lengths(res);
        for (int i = 0; i < 2; i++) {
            struct txn_set one;

            if (!oms_meta_read_set(row[i], len[i], &one, e))
                return false;
            txn_set_union(i == 0 ? low : done, &one);
            txn_set_fini(&one);
        }
    }
    return true;
}

bool target_progress_read(const struct endpoint_address *a, const char *task, struct txn_set *low,
                          struct txn_set *done, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);
    struct txn_set l, d;
    struct session *s = NULL;

    if (!session_open(a, SESSION_READ, &s, e))
        return err_wrap(e, "read the progress of task '%s'", task);
    txn_set_init(&l);
    txn_set_init(&d);
    buf_init(&sql, 8192);
    buf_str(&sql, "SELECT low, done FROM oms_meta.progress WHERE task=");
    oms_meta_text(&sql, task);
    bool ok = session_query_buf(s, &sql, &res, e);
    if (!ok && e->code == ERR_SERVER_NO_OBJECT) { /* nobody ever took over: nothing is committed */
        err_clear(e);
        ok = true;
    } else if (ok) {
        ok = add_sets(res, &l, &d, e);
    }
    session_close(s);
    if (!ok) {
        txn_set_fini(&l);
        txn_set_fini(&d);
        return err_wrap(e, "read the progress of task '%s'", task);
    }
    *low = l;
    *done = d;
    return true;
}
