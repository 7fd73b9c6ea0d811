/*
 * Running a source's DDL on the target exactly once (correctness A1, A2, A3). DDL commits by
 * itself, so the order of what is durable tells a restart where it was:
 *   1. the statement is tried on an empty table like the target's; what that table becomes is the
 *      definition expected. What the target cannot do, or the trial refuses, has touched nothing.
 *   2. "intent" with the statement, the definitions before and those expected is committed, fenced.
 *   3. it runs on a registered session set up as the source's was; a takeover ends it and waits.
 *   4. the definitions are compared, "done" is committed, and the window passes.
 * A later claim that finds the intent compares: as before = it did not run; as expected = it ran;
 * equal to both = running it again changes nothing, unless names change places, which the engine's
 * numbers of the tables tell apart; anything else = a person. Nothing is in flight meanwhile, and
 * nothing behind the statement has been applied. Main thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/incr_sync/core/ddl_plan.h"
#include "components/incr_sync/sync_priv.h"

#define DEFINITIONS_MAX (64u << 20)

struct attempt {
    struct sync *s;
    const struct source_txn *t;
    struct ddl_plan plan;
    struct ddl_session as;
    char trial[40], key[TXN_TEXT_MAX];
    struct buf before, after, now; /* definitions of the plan's objects */
    struct ddl_answer *answer;
};

const char *ddl_key(struct txn_id id, char out[TXN_TEXT_MAX])
{
    snprintf(out, TXN_TEXT_MAX, "%s:%" PRIu64, id.origin, id.seq);
    return out;
}

static bool held(struct attempt *at, bool may_retry, const char *why)
{
    at->answer->passed = false;
    at->answer->may_retry = may_retry;
    snprintf(at->answer->text, sizeof at->answer->text, "%s", why);
    return true;
}

static bool passed(struct attempt *at, const char *how)
{
    at->answer->passed = true;
    snprintf(at->answer->text, sizeof at->answer->text, "%s", how);
    return true;
}

/* What the server refuses is a person's; everything else ends the claim. */
static bool refused(struct attempt *at, const char *what, struct err *e)
{
    char why[1400];

    if (e->code != ERR_SERVER_REFUSED && e->code != ERR_SERVER_NO_OBJECT &&
        e->code != ERR_SERVER_DENIED && e->code != ERR_SERVER_TABLE_CHANGED)
        return false;
    snprintf(why, sizeof why, "%s: %s", what, e->message);
    log_err(LOG_WARN, "incr_sync.ddl_refused", e);
    err_clear(e);
    return held(at, true, why);
}

/* --- the project's answers ----------------------------------------------------------------------
 */

static void place(void *arg, const char *db, const char *name, struct ddl_place *out)
{
    const struct attempt *at = arg;
    const struct table_pos *pos;

    out->in_scope = scope_has(at->s->scope, db, name);
    if (!out->in_scope)
        return;
    scope_map(at->s->scope, db, name, &out->to_db, &out->to_name);
    out->of_family = start_family(&at->s->start, out->to_db, out->to_name) != NULL;
    pos = start_find(&at->s->start, db, name);
    out->in_copy = pos && txn_set_has(&pos->begin, at->t->id);
    out->during_copy = pos && !out->in_copy && txn_set_has(&pos->end, at->t->id);
}

static const char *place_db(void *arg, const char *db)
{
    const struct attempt *at = arg;
    const char *to_db, *to_name;

    if (!scope_may_have_db(at->s->scope, db))
        return NULL;
    scope_map(at->s->scope, db, "", &to_db, &to_name);
    return to_db;
}

/* Not understood to its end, but it names one table. A project without a copy makes none. */
static void name_copy_table(struct attempt *at)
{
    const char *full_task = at->s->spec->fixed->full_task;
    const struct ddl_record *d = at->t->ddl;
    bool offers = d->ddl_kind == DDL_ALTER_TABLE || d->ddl_kind == DDL_CREATE_TABLE ||
                  d->ddl_kind == DDL_TRUNCATE || d->ddl_kind == DDL_INDEX;

    if (!full_task || !*full_task)
        return;
    if (at->plan.copy_table)
        snprintf(at->answer->copy_table, sizeof at->answer->copy_table, "%s", at->plan.copy_table);
    else if (!(d->flags & DDL_F_READ) && offers && d->n_tables == 1 && d->db.len && d->table.len)
        snprintf(at->answer->copy_table, sizeof at->answer->copy_table, "%.*s.%.*s", (int)d->db.len,
                 (const char *)d->db.p, (int)d->table.len, (const char *)d->table.p);
}

static void make_plan(struct attempt *at)
{
    const struct sync *s = at->s;
    const Oms__DdlOptions *o = s->spec->fixed->ddl;
    struct ddl_plan_params p = {.sync = o && o->sync,
                                .other_product =
                                    strcmp(s->source_address.kind, s->address.kind) != 0,
                                .allow = o ? (const char *const *)o->allow : NULL,
                                .n_allow = o ? o->n_allow : 0,
                                .deny = o ? (const char *const *)o->deny : NULL,
                                .n_deny = o ? o->n_deny : 0,
                                .place = place,
                                .place_db = place_db,
                                .arg = at,
                                .quote = s->endpoint->dialect->quote_table,
                                .quote_name = s->endpoint->dialect->quote_name,
                                .trial = at->trial};

    ddl_plan_make(&at->plan, at->t->ddl, &p);
    /* The log tells the zone only where the statement used it. */
    if (at->plan.verdict == DDL_RUN && at->as.time_zone.len == 6 &&
        memcmp(at->as.time_zone.p, "SYSTEM", 6) == 0) {
        at->plan.verdict = DDL_HOLD;
        at->plan.why = "it used the time zone of the source's machine (SYSTEM), which the target's "
                       "may not share";
    }
    name_copy_table(at);
}

/* --- definitions --------------------------------------------------------------------------------
 */

static void put_object(struct buf *out, const struct ddl_object *o, struct view definition)
{
    buf_printf(out, "%s.%s: ", o->db, o->name);
    if (definition.len == 0)
        buf_str(out, "(none)\n");
    else
        buf_append(out, definition.p, definition.len);
}

static bool look_one(struct attempt *at, const struct ddl_object *o, struct buf *one, struct err *e)
{
    buf_clear(one);
    return at->s->endpoint->target->ddl_look(at->s->claim, o->db, o->name, at->plan.moves, one, e);
}

static bool look_all(struct attempt *at, struct buf *out, struct err *e)
{
    struct buf one CLEANUP(buf_fini);
    bool ok = true;

    buf_init(&one, DEFINITIONS_MAX);
    buf_clear(out);
    for (size_t i = 0; ok && i < at->plan.objects.n; i++) {
        ok = look_one(at, &at->plan.objects.at[i], &one, e);
        put_object(out, &at->plan.objects.at[i], (struct view){one.p, one.len});
    }
    return ok;
}

/* What the objects are to be afterwards; `tried` is the trial's table. */
static bool expect(struct attempt *at, struct view tried, struct err *e)
{
    struct buf one CLEANUP(buf_fini);
    bool ok = true;

    buf_init(&one, DEFINITIONS_MAX);
    buf_clear(&at->after);
    for (size_t i = 0; ok && i < at->plan.objects.n; i++) {
        const struct ddl_object *o = &at->plan.objects.at[i];
        struct view v = {NULL, 0};

        if (o->tried) {
            v = tried;
        } else if (!o->gone && o->from >= 0) {
            ok = look_one(at, &at->plan.objects.at[o->from], &one, e);
            v = (struct view){one.p, one.len};
        }
        put_object(&at->after, o, v);
    }
    return ok;
}

static bool is_equal(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static struct view view_of(const struct buf *b)
{
    return (struct view){b->p, b->len};
}

/* Is there what the statement needs, and not what it makes? *fine false: held. */
static bool check_before(struct attempt *at, bool *fine, struct err *e)
{
    struct buf one CLEANUP(buf_fini);
    char why[1400];

    buf_init(&one, DEFINITIONS_MAX);
    *fine = true;
    for (size_t i = 0; *fine && i < at->plan.objects.n; i++) {
        const struct ddl_object *o = &at->plan.objects.at[i];

        if (!look_one(at, o, &one, e))
            return false;
        if (o->may_exist || o->must_exist == (one.len > 0))
            continue;
        snprintf(why, sizeof why, "'%s.%s' is %s the target", o->db, o->name,
                 o->must_exist ? "not on" : "already on");
        *fine = false;
        held(at, true, why);
    }
    return true;
}

static bool counts_already(struct attempt *at, const struct ddl_object *o, bool *yes, struct err *e)
{
    const struct catalog_ops *cat = at->s->endpoint->catalog;
    const struct table_def *def = NULL;
    struct session *session = NULL;

    if (!cat->connect(&at->s->address, &session, e))
        return false;
    bool ok = cat->load_table(session, o->db, o->name, &def, e);
    cat->close(session);
    int c = ok ? table_def_column(def, at->plan.auto_column) : -1;
    *yes = c >= 0 && def->columns[c].auto_increment;
    table_def_unref(def);
    return ok;
}

/* A3: a statement that makes data up may run where there is nothing yet. */
static bool check_invents(struct attempt *at, bool *fine, struct err *e)
{
    const struct ddl_object *o = at->plan.objects.n ? &at->plan.objects.at[0] : NULL;
    const char *why = at->plan.invents;
    bool known = false, empty = false;

    *fine = true;
    if (o && at->plan.auto_column && !why) {
        if (!counts_already(at, o, &known, e))
            return false;
        why = known ? NULL : "a column that counts by itself numbers the rows that exist";
    }
    if (!why || !o)
        return true;
    if (!at->s->endpoint->target->table_is_empty(at->s->claim, o->db, o->name, &empty, e))
        return false;
    if (!empty) {
        *fine = false;
        held(at, false, why);
    }
    return true;
}

/* --- the trial ----------------------------------------------------------------------------------
 */

static bool run(struct attempt *at, const char *db, const char *sql, struct err *e)
{
    return at->s->endpoint->target->ddl_run(at->s->claim, &at->as, db, sql, e);
}

static bool drop_trial(struct attempt *at, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    buf_str(&sql, "DROP TABLE IF EXISTS ");
    at->s->endpoint->dialect->quote_table(&sql, at->plan.trial_db, at->trial);
    buf_str(&sql, ", ");
    at->s->endpoint->dialect->quote_table(&sql, at->plan.trial_db,
                                          arena_printf(&at->plan.arena, "%s_2", at->trial));
    return run(at, NULL, buf_cstr(&sql), e);
}

static bool begin_trial(struct attempt *at, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    if (!drop_trial(at, e))
        return false;
    if (!at->plan.like_name)
        return true;
    buf_str(&sql, "CREATE TABLE ");
    at->s->endpoint->dialect->quote_table(&sql, at->plan.trial_db, at->trial);
    buf_str(&sql, " LIKE ");
    at->s->endpoint->dialect->quote_table(&sql, at->plan.like_db, at->plan.like_name);
    return run(at, NULL, buf_cstr(&sql), e);
}

/* The definition that the trial's table has in the end. */
static bool try_it(struct attempt *at, struct buf *tried, struct err *e)
{
    struct err ignored = ERR_INIT;

    if (at->plan.trial.len == 0)
        return true;
    bool ok = begin_trial(at, e) && run(at, at->plan.trial_db, buf_cstr(&at->plan.trial), e) &&
              at->s->endpoint->target->ddl_look(at->s->claim, at->plan.trial_db,
                                                at->plan.trial_result, false, tried, e);
    if (!drop_trial(at, ok ? e : &ignored) && !ok)
        log_err(LOG_WARN, "incr_sync.ddl_trial", &ignored);
    return ok;
}

/* --- once ---------------------------------------------------------------------------------------
 */

static bool put(struct attempt *at, const char *state, struct view statement, struct view before,
                struct view after, struct err *e)
{
    struct memo m = {state, statement, before, after};

    return at->s->endpoint->target->memo_put(at->s->claim, at->key, &m, e);
}

static const char *db_of(struct attempt *at)
{
    struct view db = at->t->ddl->default_db;

    if (at->plan.objects.n)
        return at->plan.objects.at[0].db;
    return db.len ? place_db(at, arena_strndup(&at->plan.arena, (const char *)db.p, db.len)) : NULL;
}

static bool done(struct attempt *at, struct view statement, struct view before, struct view after,
                 const char *how, struct err *e)
{
    if (!put(at, "done", statement, before, after, e))
        return false;
    FAULT(DDL_AFTER_DONE);
    return passed(at, how);
}

/* The intent is durable. */
static bool run_intent(struct attempt *at, struct view statement, struct view before,
                       struct view after, struct err *e)
{
    log_event(LOG_INFO, "incr_sync.ddl", "%s: %.*s", at->key, (int)statement.len,
              (const char *)statement.p);
    if (!run(at, db_of(at), (const char *)statement.p, e))
        return refused(at, "the target refuses it", e);
    FAULT(DDL_AFTER_RUN);
    if (!look_all(at, &at->now, e))
        return false;
    if (!is_equal(view_of(&at->now), after))
        return held(at, false,
                    "it ran, and the target's tables are not as expected afterwards: compare both "
                    "sides, then answer done-by-hand");
    return done(at, statement, before, after, "run", e);
}

static bool fresh(struct attempt *at, struct err *e)
{
    struct buf tried CLEANUP(buf_fini);
    bool fine = false;

    buf_init(&tried, DEFINITIONS_MAX);
    if (at->plan.verdict == DDL_PASS)
        return passed(at, at->plan.why);
    if (at->plan.verdict == DDL_HOLD)
        return held(at, false, at->plan.why);
    if (!check_before(at, &fine, e))
        return false;
    if (!fine)
        return true;
    if (!check_invents(at, &fine, e))
        return refused(at, "the target's table cannot be looked into", e);
    if (!fine)
        return true;
    if (!try_it(at, &tried, e))
        return refused(at, "the target refuses it in a trial on an empty table", e);
    if (!look_all(at, &at->before, e) || !expect(at, view_of(&tried), e))
        return false;
    struct view sql = {(const uint8_t *)buf_cstr(&at->plan.sql), at->plan.sql.len};
    if (!put(at, "intent", sql, view_of(&at->before), view_of(&at->after), e))
        return false;
    FAULT(DDL_AFTER_INTENT);
    return run_intent(at, sql, view_of(&at->before), view_of(&at->after), e);
}

/* Another claim's intent: did it run? */
static bool recover(struct attempt *at, const struct memo *m, struct err *e)
{
    const struct ddl_record *d = at->t->ddl;

    if (!m->after.p)
        return held(at, false,
                    "a statement given instead was begun, and nobody knows whether it "
                    "ran: look at the target");
    if (at->plan.verdict != DDL_RUN)
        return held(at, false, "it was begun, and the project no longer lets it run");
    if (!look_all(at, &at->now, e))
        return false;
    struct view now = view_of(&at->now);
    bool as_before = is_equal(now, m->before), as_expected = is_equal(now, m->after);
    if (as_before && as_expected && (at->plan.moves || d->flags & DDL_F_RENAMES))
        return held(at, false, "it was begun, and the target's tables do not tell whether it ran");
    if (as_before || d->ddl_kind == DDL_DROP_TABLE)
        return run_intent(at, m->statement, m->before, m->after, e);
    if (as_expected)
        return done(at, m->statement, m->before, m->after, "it had run", e);
    return held(at, false,
                "it was begun, and the target's tables are neither as before nor as "
                "expected");
}

/* --- entry --------------------------------------------------------------------------------------
 */

static void attempt_init(struct attempt *at, struct sync *s, const struct source_txn *t,
                         struct ddl_answer *a)
{
    uint32_t hash = 2166136261u;

    *at = (struct attempt){
        .s = s,
        .t = t,
        .answer = a,
        .as = ddl_session_of(t, strcmp(s->source_address.kind, s->address.kind) == 0)};
    for (const char *p = s->spec->task; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    snprintf(at->trial, sizeof at->trial, "_oms_ddl_%08" PRIx32, hash);
    (void)ddl_key(t->id, at->key);
    ddl_plan_init(&at->plan);
    buf_init(&at->before, DEFINITIONS_MAX);
    buf_init(&at->after, DEFINITIONS_MAX);
    buf_init(&at->now, DEFINITIONS_MAX);
    make_plan(at);
}

static void attempt_fini(struct attempt *at)
{
    ddl_plan_fini(&at->plan);
    buf_fini(&at->before);
    buf_fini(&at->after);
    buf_fini(&at->now);
}

bool ddl_try(struct sync *s, const struct source_txn *t, struct ddl_answer *a, struct err *e)
{
    struct attempt at;
    struct memo m;
    bool found, ok;

    attempt_init(&at, s, t, a);
    ok = s->endpoint->target->memo_get(s->claim, s->spec->task, at.key, &at.plan.arena, &m, &found,
                                       e);
    if (ok && !found)
        ok = fresh(&at, e);
    else if (ok && strcmp(m.state, "intent") == 0)
        ok = recover(&at, &m, e);
    else if (ok)
        ok = passed(&at, m.state);
    attempt_fini(&at);
    return ok;
}

bool ddl_instead(struct sync *s, const struct source_txn *t, const char *sql, struct ddl_answer *a,
                 struct err *e)
{
    struct view statement = {(const uint8_t *)sql, strlen(sql)}, none = {NULL, 0};
    struct attempt at;

    attempt_init(&at, s, t, a);
    bool ok = put(&at, "intent", statement, none, none, e);
    if (ok) {
        FAULT(DDL_AFTER_INTENT);
        ok = run(&at, db_of(&at), sql, e) ? done(&at, statement, none, none, "run-instead", e)
                                          : refused(&at, "the target refuses it", e);
    }
    attempt_fini(&at);
    return ok;
}
