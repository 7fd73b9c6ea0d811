/*
 * One registered session with one progress row. Every transaction begins with the row's UPDATE
 * (F3): when it matches no row, another generation writes, and nothing of ours is committed. The
 * answer to COMMIT may be lost; then a new session locks the row (which waits for the old
 * transaction, whose session is killed first) and reads what is true (F4).
 *
 * What can go wrong: the connection breaks anywhere before COMMIT: nothing happened, the session is
 * opened again. The target cannot be reached for RECONNECT_MS while a COMMIT is unknown: the slot
 * is marked, nothing is written through it any more, and the process must take over again.
 * Thread: one per slot.
 */
#include <inttypes.h>
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "common/os/fault.h"
#include "components/endpoint/mysql/target_priv.h"

#define RECONNECT_MS 60000
#define BULK_FEATURE (1ull << 2) /* in the upper half of MariaDB's capabilities */

/* --- answers ------------------------------------------------------------------------------------
 */

static void fail(struct slot *s, const struct slot_expect *x, unsigned error, const char *text)
{
    if (s->failure.any)
        return;
    s->failure.any = true;
    s->failure.fence_missed = x->fence && error == 0;
    s->failure.computes = error == 0 ? x->computes : NULL;
    s->failure.write = x->write;
    s->failure.error = error;
    (void)snprintf(s->failure.text, sizeof s->failure.text, "%s", text);
}

static void got_answer(void *arg, const struct pipe_result *r)
{
    struct slot *s = arg;
    const struct slot_expect *x = &s->expects.at[r->tag];
    uint64_t matched = x->duplicates ? r->duplicates : r->affected;
    char text[160];

    if (r->error) {
        fail(s, x, r->error, r->text);
        return;
    }
    s->warned = r->warnings;
    if (matched < x->min || matched > x->max) {
        (void)snprintf(text, sizeof text, "%" PRIu64 " rows matched, %" PRIu64 " should have",
                       matched, x->min);
        fail(s, x, 0, text);
    } else if (r->warnings && !s->careful) {
        (void)snprintf(text, sizeof text, "the server gave %u warnings", r->warnings);
        fail(s, x, 0, text);
    }
    s->rows_matched += x->counted ? matched : 0;
}

uint32_t slot_expect(struct slot *s, uint64_t min, uint64_t max, uint32_t write, bool counted)
{
    struct slot_expect x = {.min = min, .max = max, .write = write, .counted = counted};

    vec_push(&s->expects, x);
    return (uint32_t)s->expects.n - 1;
}

/* --- session ------------------------------------------------------------------------------------
 */

static void drop_session(struct slot *s)
{
    stmt_cache_clear(&s->stmts);
    if (s->fence)
        (void)mysql_stmt_close(s->fence); /* the session goes with it */
    s->fence = NULL;
    session_close(s->s);
    s->s = NULL;
}

static bool learn_limits(struct slot *s, struct session *n, struct err *e)
{
    char text[24];
    bool found;
    unsigned long upper = 0;

    if (!session_value(n, "SELECT @@max_allowed_packet", text, sizeof text, &found, e) ||
        !session_value(n, "SELECT CONNECTION_ID()", s->connection_id, sizeof s->connection_id,
                       &found, e))
        return false;
    s->max_packet = strtoull(text, NULL, 10);
    atomic_store(&s->connection, strtoull(s->connection_id, NULL, 10));
    s->bulk =
        n->is_mariadb &&
        mariadb_get_infov(n->my, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &upper) == 0 &&
        (upper & BULK_FEATURE) != 0;
    return true;
}

static bool prepare_fence(struct slot *s, struct session *n, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    buf_str(&sql, "UPDATE oms_meta.progress SET ver=ver+1, low=COALESCE(?,low),"
                  " done=COALESCE(?,done) WHERE task=");
    oms_meta_text(&sql, s->claim->task);
    buf_printf(&sql, " AND slot=%" PRIu32 " AND gen=%" PRIu64 " AND ver=?", s->n, s->claim->gen);
    s->fence = mysql_stmt_init(n->my);
    must(s->fence);
    if (session_prepare(n, s->fence, &sql) == 0)
        return true;
    (void)session_fail_stmt(n, s->fence, e, "cannot prepare the fence");
    (void)mysql_stmt_close(s->fence);
    s->fence = NULL;
    return false;
}

/* Locks our progress row, which waits for whoever holds it, and reads ver. */
static bool read_ver(struct slot *s, struct session *n, uint64_t *ver, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "SELECT gen, ver FROM oms_meta.progress WHERE task=");
    oms_meta_text(&sql, s->claim->task);
    buf_printf(&sql, " AND slot=%" PRIu32 " FOR UPDATE", s->n);
    if (!oms_meta_query(n, &sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || strtoull(row[0], NULL, 10) != s->claim->gen)
        return err_set(e, ERR_FENCED, "slot %" PRIu32 " of task '%s' belongs to generation %s, %s",
                       s->n, s->claim->task, row ? row[0] : "(none)", "not to us");
    *ver = strtoull(row[1], NULL, 10);
    return session_exec(n, "ROLLBACK", e);
}

/* The old connection may be half open and hold its locks for a long time. */
static bool kill_old(struct session *n, const char *old, struct err *e)
{
    char sql[48];

    if (!old[0])
        return true;
    (void)snprintf(sql, sizeof sql, "KILL %s", old);
    if (session_exec(n, sql, e))
        return true;
    if (err_class_of(e->code) == ERR_CLASS_RETRY)
        return false;
    err_clear(e); /* it is gone, or the row's lock will tell when it is */
    return true;
}

static bool open_session(struct slot *s, uint64_t *ver, struct err *e)
{
    struct session *n = NULL;
    char old[sizeof s->connection_id];

    memcpy(old, s->connection_id, sizeof old);
    if (!claim_session(s->claim, SESSION_WRITE, &n, e))
        return false;
    if (!session_exec(n, "SET autocommit=0", e) || !kill_old(n, old, e) ||
        !read_ver(s, n, ver, e) || !learn_limits(s, n, e) || !prepare_fence(s, n, e)) {
        session_close(n);
        return false;
    }
    s->s = n;
    s->checks = false;
    pipe_attach(&s->pipe, n, s->max_packet);
    return true;
}

static bool worth_waiting(const struct err *e)
{
    return err_class_of(e->code) == ERR_CLASS_RETRY && e->code != ERR_TARGET_RESTARTED;
}

static bool reopen(struct slot *s, uint64_t *ver, struct err *e)
{
    struct mono deadline = mono_add_ms(clock_mono(), RECONNECT_MS);

    drop_session(s);
    for (int wait_ms = 50;; wait_ms = wait_ms < 2000 ? wait_ms * 2 : 2000) {
        err_clear(e);
        if (open_session(s, ver, e))
            return true;
        if (!worth_waiting(e) || mono_cmp(clock_mono(), deadline) > 0)
            return false;
        (void)poll(NULL, 0, wait_ms);
    }
}

bool slot_ready(struct slot *s, bool *was_committed, struct err *e)
{
    uint64_t ver;

    if (s->claim->unresolved[s->n])
        return err_set(e, ERR_TARGET_RESTARTED,
                       "what became of a commit of slot %" PRIu32 " is not known: the task must be"
                       " taken over again",
                       s->n);
    if (was_committed)
        *was_committed = false;
    if (s->s && !s->pipe.lost)
        return true;
    if (!reopen(s, &ver, e))
        return err_wrap(e, "open slot %" PRIu32 " again", s->n);
    if (ver == s->ver)
        return true;
    if (was_committed && ver == s->ver + 1) {
        s->ver = ver;
        *was_committed = true;
        return true;
    }
    return err_set(e, ERR_TARGET_RESTARTED,
                   "slot %" PRIu32 " of task '%s' stands at %" PRIu64 ", we wrote %" PRIu64, s->n,
                   s->claim->task, ver, s->ver);
}

bool target_slot_open(struct claim *c, uint32_t n, struct slot **out, struct err *e)
{
    if (n >= c->slots)
        return err_set(e, ERR_INVALID, "slot %" PRIu32 " does not exist: the claim has %" PRIu32, n,
                       c->slots);
    struct slot *s = must_calloc(1, sizeof *s);
    s->claim = c;
    s->n = n;
    pipe_init(&s->pipe);
    s->pipe.got = got_answer;
    s->pipe.got_arg = s;
    write_order_init(&s->order);
    if (c->unresolved[n] ? !slot_ready(s, NULL, e) : !open_session(s, &s->ver, e)) {
        target_slot_close(s);
        return err_wrap(e, "open slot %" PRIu32 " of task '%s'", n, c->task);
    }
    *out = s;
    return true;
}

void target_slot_close(struct slot *s)
{
    if (!s)
        return;
    drop_session(s);
    pipe_fini(&s->pipe);
    write_order_fini(&s->order);
    vec_fini(&s->expects);
    free(s);
}

/* --- transactions -------------------------------------------------------------------------------
 */

static void put_set(struct buf *b, const struct txn_set *set)
{
    if (!set)
        return;

    struct buf bytes CLEANUP(buf_fini);
    buf_init(&bytes, 64u << 20);
    txn_set_encode(set, &bytes);
    b->overflow = b->overflow || !buf_ok(&bytes);
    bind_lenenc(b, bytes.len);
    buf_append(b, bytes.p, bytes.len);
}

bool slot_begin(struct slot *s, const struct txn_set *low, const struct txn_set *done,
                struct err *e)
{
    struct buf *b = &s->pipe.payload;

    memset(&s->failure, 0, sizeof s->failure);
    s->expects.n = 0;
    s->rows_matched = 0;
    s->warned = 0;
    pipe_command(&s->pipe, COM_STMT_EXECUTE);
    buf_u32(b, (uint32_t)s->fence->stmt_id);
    buf_u8(b, 0);
    buf_u32(b, 1);
    buf_u8(b, (uint8_t)((low ? 0 : 1) | (done ? 0 : 2)));
    buf_u8(b, 1);
    buf_u16(b, MYSQL_TYPE_BLOB);
    buf_u16(b, MYSQL_TYPE_BLOB);
    buf_u16(b, MYSQL_TYPE_LONGLONG | 0x8000);
    put_set(b, low);
    put_set(b, done);
    buf_u64(b, s->ver);

    uint32_t tag = slot_expect(s, 1, 1, SLOT_NO_WRITE, false);
    s->expects.at[tag].fence = true;
    return pipe_send(&s->pipe, tag, e);
}

static void put_sets_update(struct slot *s, struct buf *sql, const struct slot_commit *c)
{
    buf_str(sql, "UPDATE oms_meta.progress SET ");
    if (c->low) {
        buf_str(sql, "low=");
        oms_meta_set(sql, c->low);
    }
    if (c->done) {
        buf_str(sql, c->low ? ", done=" : "done=");
        oms_meta_set(sql, c->done);
    }
    buf_str(sql, " WHERE task=");
    oms_meta_text(sql, s->claim->task);
    buf_printf(sql, " AND slot=%" PRIu32, s->n);
}

bool slot_meta(struct slot *s, const struct slot_commit *c, bool with_sets, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    bool ok = true;

    buf_init(&sql, META_SQL_MAX);
    if (with_sets && (c->low || c->done)) {
        put_sets_update(s, &sql, c);
        ok =
            pipe_send_text(&s->pipe, slot_expect(s, 1, 1, SLOT_NO_WRITE, false), buf_cstr(&sql), e);
        buf_clear(&sql);
    }
    if (ok && c->chunk) {
        records_chunk_done(&sql, s->claim->task, c->chunk);
        ok =
            pipe_send_text(&s->pipe, slot_expect(s, 1, 1, SLOT_NO_WRITE, false), buf_cstr(&sql), e);
        buf_clear(&sql);
    }
    if (ok && c->split) {
        records_split(&sql, s->claim->task, c->split);
        ok =
            pipe_send_text(&s->pipe, slot_expect(s, 0, 2, SLOT_NO_WRITE, false), buf_cstr(&sql), e);
        buf_clear(&sql);
    }
    if (ok && c->pos) {
        records_table_pos(&sql, s->claim->task, c->pos);
        ok =
            pipe_send_text(&s->pipe, slot_expect(s, 1, 2, SLOT_NO_WRITE, false), buf_cstr(&sql), e);
    }
    return ok;
}

bool slot_stmt(struct slot *s, const struct target_table *t, enum stmt_form form,
               enum rows_encoding enc, uint16_t rows, const struct value *image, struct stmt **st,
               struct err *e)
{
    *st = stmt_find(&s->stmts, t, form, enc, rows, image);
    if (*st)
        return true;
    pipe_read(&s->pipe, 0);
    if (s->pipe.lost)
        return err_set(e, ERR_SERVER_UNREACHABLE, "the connection to the target broke");
    if (stmt_prepare(&s->stmts, s->s, t, form, enc, rows, image, st, e))
        return true;
    if (e->code == ERR_SERVER_UNREACHABLE)
        s->pipe.lost = true;
    return false;
}

bool slot_settle(struct slot *s)
{
    pipe_read(&s->pipe, 0);
    return !s->pipe.lost && !s->failure.any;
}

bool slot_commit(struct slot *s, bool *committed, struct err *e)
{
    uint32_t tag = slot_expect(s, 0, UINT64_MAX, SLOT_NO_WRITE, false);

    must(pipe_waiting(&s->pipe) == 0 && !s->failure.any);
    FAULT(TARGET_BEFORE_COMMIT);
    if (!pipe_send_text(&s->pipe, tag, "COMMIT", e))
        return false;
    pipe_flush(&s->pipe);
    FAULT(TARGET_AFTER_COMMIT);
    if (slot_settle(s)) {
        s->ver++;
        *committed = true;
        return true;
    }
    s->pipe.lost = true; /* also when COMMIT itself failed: only the row says what is true */
    if (slot_ready(s, committed, e))
        return true;
    s->claim->unresolved[s->n] = true;
    return err_wrap(e, "find out what became of a commit");
}

void slot_rollback(struct slot *s)
{
    struct err ignored = ERR_INIT;

    if (!s->s || s->pipe.lost)
        return;
    pipe_read(&s->pipe, 0);
    if (s->pipe.lost)
        return;
    s->s->my->net.last_errno = 0;
    if (!session_exec(s->s, "ROLLBACK", &ignored))
        s->pipe.lost = true; /* the server ends the transaction with the session */
}

/* The fence matched no row: who writes now? */
static enum slot_verdict judge_fence(struct slot *s, struct err *e)
{
    uint64_t ver;

    slot_rollback(s);
    if (s->pipe.lost)
        return SLOT_LOST;
    if (!read_ver(s, s->s, &ver, e))
        return e->code == ERR_SERVER_UNREACHABLE ? SLOT_LOST : SLOT_ERROR;
    (void)err_set(e, ERR_TARGET_RESTARTED,
                  "slot %" PRIu32 " of task '%s' stands at %" PRIu64 ", we wrote %" PRIu64, s->n,
                  s->claim->task, ver, s->ver);
    return SLOT_ERROR;
}

bool slot_is_conflict(const struct slot *s)
{
    const struct slot_failure *f = &s->failure;

    return f->any && !f->fence_missed && !f->computes && !s->pipe.lost &&
           f->write != SLOT_NO_WRITE &&
           (f->error == 0 || session_code(f->error) == ERR_SERVER_REFUSED);
}

enum slot_verdict slot_judge(struct slot *s, struct err *e)
{
    const struct slot_failure *f = &s->failure;
    enum err_code code = session_code(f->error);

    if (!f->any)
        return SLOT_LOST;
    if (f->fence_missed)
        return judge_fence(s, e);
    if (f->computes) {
        (void)table_computes_otherwise(f->computes, e);
        return SLOT_ERROR;
    }
    if (f->error != 0 && code == ERR_SERVER_BUSY)
        return SLOT_RETRY;
    if (s->pipe.lost)
        return SLOT_LOST;
    if (slot_is_conflict(s))
        return SLOT_CONFLICT;
    (void)err_set_sys(e, f->error ? code : ERR_WRONG_STATE, (int)f->error,
                      "the target refused a transaction of task '%s': %s", s->claim->task, f->text);
    return SLOT_ERROR;
}
