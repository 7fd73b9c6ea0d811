/*
 * Takeover's second step (correctness F1, F6): every registered session of an older generation is
 * killed, and nothing goes on before each of them is gone. Where KILL does not work (no right to
 * kill another account's session, a proxy that refuses it or only says that it did it) the session
 * ends by itself after a minute without a statement (wait_timeout, register_session()); takeover
 * waits that time out and says so.
 *
 * What can go wrong: a session that executes one long statement is not idle; takeover then gives up
 * with TIMEOUT, which is tried again, and names the session.
 * Thread: the component's main thread.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/endpoint/mysql/target_priv.h"

#define LEAVE_DEADLINE_MS 180000 /* beyond wait_timeout of registered sessions (60 s) */
#define ERRNO_NO_SUCH_SESSION 1094
#define SLOW_MS 5000 /* after that a session that took KILL is worth a word */

struct elder {
    const struct takeover_params *p;
    const struct claim *c;
    struct session *s;
    uint64_t gen;
    const char *id;
    bool spoken;
};

static void say(struct elder *o, const char *why)
{
    char text[512];

    (void)snprintf(text, sizeof text,
                   "takeover waits for session %s of generation %" PRIu64
                   ": %s; it ends by itself after 60 s without a statement",
                   o->id, o->gen, why);
    o->spoken = true;
    log_event(LOG_WARN, "target.takeover_waits", "task '%s': %s", o->c->task, text);
    if (o->p->say)
        o->p->say(o->p->say_arg, text);
}

/* *held: the connection is one of ours and still there. */
static bool is_held(const struct elder *o, bool *held, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    char holder[24];
    bool found;

    buf_init(&sql, 512);
    buf_str(&sql, "SELECT IS_USED_LOCK(");
    claim_lock_name(&sql, o->c, o->gen, o->id);
    buf_str(&sql, ")");
    if (!session_value(o->s, buf_cstr(&sql), holder, sizeof holder, &found, e))
        return false;
    *held = found && strcmp(holder, o->id) == 0;
    return true;
}

static bool kill_it(struct elder *o, struct err *e)
{
    char sql[48];

    (void)snprintf(sql, sizeof sql, "KILL %s", o->id);
    if (session_exec(o->s, sql, e))
        return true;
    if (e->sys != ERRNO_NO_SUCH_SESSION) { /* else it left by itself */
        if (err_class_of(e->code) == ERR_CLASS_RETRY)
            return false;
        say(o, e->message);
    }
    err_clear(e);
    return true;
}

static bool wait_gone(struct elder *o, struct err *e)
{
    struct mono slow = mono_add_ms(clock_mono(), SLOW_MS);
    struct mono deadline = mono_add_ms(clock_mono(), LEAVE_DEADLINE_MS);
    bool held = true;

    for (int wait_ms = 1; held; wait_ms = wait_ms < 100 ? wait_ms * 2 : 100) {
        if (mono_cmp(clock_mono(), deadline) > 0)
            return err_set(e, ERR_TIMEOUT,
                           "session %s of generation %" PRIu64
                           " does not end: KILL it as a user who may",
                           o->id, o->gen);
        if (!o->spoken && mono_cmp(clock_mono(), slow) > 0)
            say(o, "the target took KILL, and it is still there");
        (void)poll(NULL, 0, wait_ms);
        if (!is_held(o, &held, e))
            return false;
    }
    return true;
}

static bool end_one(struct elder *o, struct err *e)
{
    bool held;

    if (!is_held(o, &held, e))
        return false;
    if (!held)
        return true;
    bool ok = kill_it(o, e) && wait_gone(o, e);
    if (o->spoken && o->p->say)
        o->p->say(o->p->say_arg, NULL);
    return ok;
}

bool claim_end_older(const struct takeover_params *p, const struct claim *c, struct session *s,
                     struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 4096);
    buf_str(&sql, "SELECT gen, connection_id FROM oms_meta.session WHERE task=");
    oms_meta_text(&sql, c->task);
    buf_printf(&sql, " AND gen<%" PRIu64, c->gen);
    if (!oms_meta_query(s, &sql, &res, e))
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        struct elder o = {p, c, s, strtoull(row[0], NULL, 10), row[1], false};
        if (!end_one(&o, e))
            return false;
    }
    buf_str(&sql, "DELETE FROM oms_meta.session WHERE task=");
    oms_meta_text(&sql, c->task);
    buf_printf(&sql, " AND gen<%" PRIu64, c->gen);
    return oms_meta_run(s, &sql, e);
}
