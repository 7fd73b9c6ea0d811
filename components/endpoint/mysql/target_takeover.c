/*
 * Takeover (correctness F1, F2, F5-F7). The fence row decides: whoever raised `gen` last is the
 * only one that can commit, since every commit of a slot needs its progress row with that gen, and
 * progress rows are made here alone. Sessions of older gens are killed and waited for, because DDL
 * and open transactions are not fenced by rows (A1).
 *
 * A registered session holds a user lock whose name contains task and gen. A connection number in
 * oms_meta.session is killed only while it is the one that holds that lock: after a restart of the
 * server numbers begin again, and the same number may be a stranger's. The server frees the lock
 * after it has rolled the session back, so "the lock is free" is "nothing of it is left"
 * (target_elder.c).
 *
 * What can go wrong: a lost connection anywhere: the caller takes over again, which is safe at any
 * point.
 * Thread: claim_session any; the rest the component's main thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/endpoint/mysql/target_priv.h"

struct fence_row {
    uint64_t epoch, gen, store_epoch;
    bool sealed;
    char uuid[129];
};

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

void claim_lock_name(struct buf *sql, const struct claim *c, uint64_t gen, const char *id)
{
    uint64_t h = 1469598103934665603u;

    for (const char *p = c->task; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    buf_printf(sql, "'oms:%016" PRIx64 ":%" PRIu64 ":%s'", h, gen, id);
}

static void rollback_quietly(struct session *s)
{
    struct err ignored = ERR_INIT;

    if (!session_exec(s, "ROLLBACK", &ignored)) /* the connection is gone: so is the transaction */
        err_clear(&ignored);
}

static bool read_fence(struct session *s, const struct claim *c, struct fence_row *f, bool *found,
                       struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "SELECT epoch, gen, store_epoch, sealed, target_uuid FROM oms_meta.fence"
                  " WHERE task=");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, " FOR UPDATE");
    if (!oms_meta_query(s, &sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    *found = row != NULL;
    if (!row)
        return true;
    f->epoch = number(row[0]);
    f->gen = number(row[1]);
    f->store_epoch = number(row[2]);
    f->sealed = number(row[3]) != 0;
    (void)snprintf(f->uuid, sizeof f->uuid, "%s", row[4] ? row[4] : "");
    return true;
}

bool claim_lock_fence(struct claim *c, struct session *s, struct err *e)
{
    struct fence_row f;
    bool found;

    if (!read_fence(s, c, &f, &found, e))
        return err_wrap(e, "lock the fence of task '%s'", c->task);
    if (!found)
        return err_set(e, ERR_FENCED, "the fence of task '%s' is gone", c->task);
    if (f.gen != c->gen)
        return err_set(e, ERR_FENCED,
                       "task '%s' was taken over: generation %" PRIu64 " (epoch %" PRIu64
                       ") writes, ours is %" PRIu64,
                       c->task, f.gen, f.epoch, c->gen);
    if (f.sealed && !c->sealing)
        return err_set(e, ERR_REFUSED, "task '%s' is sealed", c->task);
    return true;
}

/* --- sessions (F2) ------------------------------------------------------------------------------
 */

static bool read_uptime(struct session *s, uint64_t *uptime_s, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query(s, "SHOW GLOBAL STATUS LIKE 'Uptime'", &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    *uptime_s = row ? number(row[1]) : 0;
    return true;
}

/* A14: another server, or the same one started again, may have forgotten commits: memory is no
 * longer true, takeover reads the rows again. */
static bool check_same_server(const struct claim *c, struct session *s, struct err *e)
{
    struct server_identity id;
    uint64_t uptime_s;

    if (!session_identify(s, &id, e))
        return false;
    if (strcmp(id.uuid, c->uuid) != 0)
        return err_set(e, ERR_TARGET_CHANGED, "the target's server is '%s', it was '%s'", id.uuid,
                       c->uuid);
    if (!read_uptime(s, &uptime_s, e))
        return false;
    int64_t since_s = mono_ms_between(c->taken_at, clock_mono()) / 1000;
    if ((int64_t)uptime_s + 2 < (int64_t)c->uptime_s + since_s)
        return err_set(e, ERR_TARGET_RESTARTED,
                       "the target's server was started again after task '%s' was taken over",
                       c->task);
    return true;
}

static bool hold_lock(const struct claim *c, struct session *s, const char *id, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    char got[8];
    bool found;

    buf_init(&sql, 512);
    buf_str(&sql, "SELECT GET_LOCK(");
    claim_lock_name(&sql, c, c->gen, id);
    buf_str(&sql, ", 5)");
    if (!session_value(s, buf_cstr(&sql), got, sizeof got, &found, e))
        return err_wrap(e, "take the session's lock");
    if (!found || strcmp(got, "1") != 0)
        return err_set(e, ERR_SERVER_BUSY, "cannot take the session's lock for task '%s'", c->task);
    return true;
}

static bool insert_session(struct claim *c, struct session *s, const char *id, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "REPLACE INTO oms_meta.session (task, gen, connection_id) VALUES (");
    oms_meta_text(&sql, c->task);
    buf_printf(&sql, ", %" PRIu64 ", %s)", c->gen, id);
    return session_exec(s, "START TRANSACTION", e) && claim_lock_fence(c, s, e) &&
           oms_meta_run(s, &sql, e) && session_exec(s, "COMMIT", e);
}

static bool register_session(struct claim *c, struct session *s, struct err *e)
{
    char id[24];
    bool found;

    /* The server's own number: a proxy may show another one to the client library. */
    if (!session_value(s, "SELECT CONNECTION_ID()", id, sizeof id, &found, e))
        return false;
    /* F6: whichever its use, it ends by itself where nobody can end it. */
    return session_exec(s, "SET wait_timeout=60", e) && hold_lock(c, s, id, e) &&
           insert_session(c, s, id, e);
}

bool claim_session(struct claim *c, enum session_use use, struct session **out, struct err *e)
{
    struct session *s = NULL;

    if (!session_open(&c->address, use, &s, e))
        return err_wrap(e, "connect to the target");
    if (!check_same_server(c, s, e) || !register_session(c, s, e)) {
        session_close(s);
        return err_wrap(e, "register a session of task '%s'", c->task);
    }
    *out = s;
    return true;
}

/* --- (a) raise the generation -------------------------------------------------------------------
 */

static bool judge(const struct takeover_params *p, const struct claim *c, const struct fence_row *f,
                  struct err *e)
{
    if (p->epoch < f->epoch)
        return err_set(e, ERR_REFUSED,
                       "task '%s' has epoch %" PRIu64 " on the target, ours is %" PRIu64, c->task,
                       f->epoch, p->epoch);
    if (f->sealed && !p->seal)
        return err_set(e, ERR_REFUSED, "task '%s' is sealed", c->task);
    if (f->uuid[0] && strcmp(f->uuid, c->uuid) != 0)
        return err_set(e, ERR_TARGET_CHANGED,
                       "task '%s' wrote to server '%s', the address now leads to '%s'", c->task,
                       f->uuid, c->uuid);
    if (p->store_epoch != 0 && p->store_epoch < f->store_epoch)
        return err_set(e, ERR_REFUSED,
                       "the store has epoch %" PRIu64 ", task '%s' followed epoch %" PRIu64,
                       p->store_epoch, c->task, f->store_epoch);
    return true;
}

static bool raise_in_txn(const struct takeover_params *p, struct claim *c, struct session *s,
                         struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    struct fence_row f;
    bool found;

    buf_init(&sql, 8192);
    buf_str(&sql, "INSERT IGNORE INTO oms_meta.fence VALUES (");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, ", 0, 0, _utf8mb4 '', 0, 0)");
    if (!oms_meta_run(s, &sql, e) || !session_exec(s, "START TRANSACTION", e) ||
        !read_fence(s, c, &f, &found, e))
        return false;
    must(found);
    if (!judge(p, c, &f, e))
        return false;
    buf_printf(&sql, "UPDATE oms_meta.fence SET epoch=%" PRIu64 ", gen=%" PRIu64 ", target_uuid=",
               p->epoch, f.gen + 1);
    oms_meta_text(&sql, c->uuid);
    buf_printf(&sql,
               ", store_epoch=GREATEST(store_epoch, %" PRIu64 ") WHERE task=", p->store_epoch);
    oms_meta_text(&sql, c->task);
    if (!oms_meta_run(s, &sql, e) || !session_exec(s, "COMMIT", e))
        return false;
    c->gen = f.gen + 1;
    return true;
}

/* --- (c) progress rows --------------------------------------------------------------------------
 */

static bool add_progress(struct claim *c, MYSQL_RES *res, struct err *e)
{
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        unsigned long *len = mysql_fetch_lengths(res);
        struct txn_set low, done;

        if (!oms_meta_read_set(row[0], len[0], &low, e))
            return false;
        txn_set_union(&c->low, &low);
        txn_set_fini(&low);
        if (!oms_meta_read_set(row[1], len[1], &done, e))
            return false;
        txn_set_union(&c->done, &done);
        txn_set_fini(&done);
    }
    return true;
}

static bool write_progress(struct claim *c, struct session *s, struct buf *sql, struct err *e)
{
    uint32_t rows = c->slots ? c->slots : 1; /* a sealed task keeps what it had done */

    buf_str(sql, "DELETE FROM oms_meta.progress WHERE task=");
    oms_meta_text(sql, c->task);
    if (!oms_meta_run(s, sql, e))
        return false;
    for (uint32_t i = 0; i < rows; i++) {
        buf_str(sql, "INSERT INTO oms_meta.progress VALUES (");
        oms_meta_text(sql, c->task);
        buf_printf(sql, ", %" PRIu32 ", %" PRIu64 ", 0, ", i, c->gen);
        oms_meta_set(sql, &c->low);
        buf_str(sql, ", ");
        oms_meta_set(sql, &c->done);
        buf_str(sql, ")");
        if (!oms_meta_run(s, sql, e))
            return false;
    }
    if (!c->sealing)
        return true;
    buf_str(sql, "UPDATE oms_meta.fence SET sealed=1 WHERE task=");
    oms_meta_text(sql, c->task);
    return oms_meta_run(s, sql, e);
}

static bool renew_progress(struct claim *c, struct session *s, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, META_SQL_MAX);
    if (!session_exec(s, "START TRANSACTION", e) || !claim_lock_fence(c, s, e))
        return false;
    buf_str(&sql, "SELECT low, done FROM oms_meta.progress WHERE task=");
    oms_meta_text(&sql, c->task);
    buf_str(&sql, " FOR UPDATE");
    return oms_meta_query(s, &sql, &res, e) && add_progress(c, res, e) &&
           write_progress(c, s, &sql, e) && session_exec(s, "COMMIT", e);
}

/* --- together -----------------------------------------------------------------------------------
 */

static const char *keep(struct arena *a, const char *text)
{
    return text ? arena_strdup(a, text) : NULL;
}

static struct claim *claim_new(const struct takeover_params *p)
{
    struct claim *c = must_calloc(1, sizeof *c);
    const struct endpoint_address *a = p->address;

    arena_init(&c->arena, 0);
    c->address = *a;
    c->address.kind = keep(&c->arena, a->kind);
    c->address.host = keep(&c->arena, a->host);
    c->address.socket = keep(&c->arena, a->socket);
    c->address.user = keep(&c->arena, a->user);
    c->address.password = keep(&c->arena, a->password);
    c->address.tls_ca = keep(&c->arena, a->tls_ca);
    c->address.tls_mode = keep(&c->arena, a->tls_mode);
    c->task = arena_strdup(&c->arena, p->task);
    c->follows_ddl = p->follows_ddl;
    c->epoch = p->epoch;
    c->slots = p->seal ? 0 : p->slots;
    c->sealing = p->seal;
    c->unresolved = must_calloc(c->slots + 1, sizeof *c->unresolved);
    c->next_serial = 1;
    txn_set_init(&c->low);
    txn_set_init(&c->done);
    must(pthread_mutex_init(&c->lock, NULL) == 0);
    return c;
}

static bool take_over(const struct takeover_params *p, struct claim *c, struct session *s,
                      struct err *e)
{
    struct server_identity id;

    if (!session_identify(s, &id, e))
        return false;
    if (id.read_only)
        return err_set(e, ERR_SERVER_READ_ONLY, "the target %s is read only", s->where);
    (void)snprintf(c->uuid, sizeof c->uuid, "%s", id.uuid);
    if (!oms_meta_ensure(s, e))
        return false;
    if (!raise_in_txn(p, c, s, e)) {
        rollback_quietly(s);
        return false;
    }
    c->taken_at = clock_mono();
    if (!read_uptime(s, &c->uptime_s, e) || !register_session(c, s, e) ||
        !claim_end_older(p, c, s, e))
        return false;
    if (!renew_progress(c, s, e)) {
        rollback_quietly(s);
        return false;
    }
    return true;
}

bool target_takeover(const struct takeover_params *p, struct claim **out, struct err *e)
{
    if (!p->task[0] || strlen(p->task) > META_TASK_MAX)
        return err_set(e, ERR_INVALID, "the task's name has %zu bytes, 1 to %d are possible",
                       strlen(p->task), META_TASK_MAX);

    struct claim *c = claim_new(p);
    struct session *s = NULL;
    if (!session_open(&c->address, SESSION_WRITE, &s, e) || !take_over(p, c, s, e)) {
        session_close(s);
        target_claim_close(c);
        return err_wrap(e, "take over task '%s'", p->task);
    }
    c->control = s;
    *out = c;
    return true;
}

void target_claim_close(struct claim *c)
{
    if (!c)
        return;
    session_close(c->control);
    session_close(c->catalog);
    txn_set_fini(&c->low);
    txn_set_fini(&c->done);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->unresolved);
    arena_fini(&c->arena);
    free(c);
}
