/*
 * The DDL gate: a statement in scope comes here when everything before it is committed. What
 * touches its tables waits behind it, everything else goes on (core/window.h); a statement whose
 * tables are not surely known holds all. It is run once, on a thread of its own (ddl_job.c, ddl.c),
 * or shown to a person, with the reason. Answers: run-instead (a statement of the person's, run
 * once likewise), retry, done-by-hand and skip (recorded in oms_meta.ddl before the window goes on,
 * so that a restart finds them), copy-again (the claim ends; the next one finds the DDL inside the
 * table's new begin and passes it). What a person did or gives may touch any table, so an answer is
 * acted on with nothing in flight, and every plan is made anew. Main thread, but for what the
 * reader asks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "components/incr_sync/sync_priv.h"

#define EVIDENCE_MAX 4000

static bool names_scope(const struct scope *scope, const struct ddl_table *t)
{
    char db[260], name[260];

    snprintf(db, sizeof db, "%.*s", (int)t->db.len, (const char *)t->db.p);
    snprintf(name, sizeof name, "%.*s", (int)t->name.len, (const char *)t->name.p);
    return t->role < DDL_ROLE_MODEL ? scope_has(scope, db, name)
                                    : t->role == DDL_ROLE_DATABASE && scope_may_have_db(scope, db);
}

/* What the Store sends and was understood is judged again by this project's scope. */
bool gate_concerns(const struct sync *s, const struct ddl_record *d)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    bool database = d->ddl_kind == DDL_DATABASE && !(d->flags & DDL_F_DROPS), found = false;
    struct ddl_table t;

    if (!d->in_scope || !(d->flags & DDL_F_READ))
        return d->in_scope;
    while (!database && !found && ddl_table_next(&c, &t))
        found = names_scope(s->scope, &t);
    return found;
}

static bool is_ascii(struct view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.p[i] >= 0x80)
            return false;
    return true;
}

/* Is everything that it may touch among the tables it names? */
static bool names_all(const struct ddl_record *d)
{
    if (!(d->flags & DDL_F_READ) || d->flags & (DDL_F_CASCADES | DDL_F_SELECTS))
        return false;
    switch ((enum ddl_kind)d->ddl_kind) {
    case DDL_CREATE_TABLE:
    case DDL_ALTER_TABLE:
    case DDL_DROP_TABLE:
    case DDL_RENAME_TABLE:
    case DDL_TRUNCATE:
    case DDL_INDEX:
        return true;
    case DDL_DATABASE:
    case DDL_UNKNOWN:
    case DDL_OTHER:
        break;
    }
    return false;
}

/* Its tables in scope, whatever it does with them: a foreign key's parent and the model of a new
 * table too. Tables that foreign keys' actions join with others: not known. Nor are names whose
 * case is not folded by bytes. */
bool gate_tables(const struct sync *s, const struct ddl_record *d, struct dep_keys *tags)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    const char *to_db, *to_name;
    struct ddl_table t;

    if (!names_all(d))
        return false;
    while (ddl_table_next(&c, &t)) {
        char db[260], name[260];

        if (t.role == DDL_ROLE_DATABASE || !is_ascii(t.db) || !is_ascii(t.name))
            return false;
        snprintf(db, sizeof db, "%.*s", (int)t.db.len, (const char *)t.db.p);
        snprintf(name, sizeof name, "%.*s", (int)t.name.len, (const char *)t.name.p);
        if (!scope_has(s->scope, db, name))
            continue;
        scope_map(s->scope, db, name, &to_db, &to_name);
        if (start_family(&s->start, to_db, to_name))
            return false;
        vec_push(tags, table_tag(to_db, to_name));
    }
    return tags->n > 0;
}

/* --- asking -------------------------------------------------------------------------------------
 */

/* In the form that sets are written in; lives in b. */
static const char *id_as_set(struct txn_id id, struct buf *b)
{
    struct txn_set set;

    txn_set_init(&set);
    txn_set_add(&set, id.origin, id.seq, id.seq);
    buf_clear(b);
    txn_set_format(&set, b);
    txn_set_fini(&set);
    return buf_cstr(b);
}

static void put_evidence(const struct source_txn *t, const struct ddl_answer *why,
                         const char *tables, struct buf *out)
{
    const struct ddl_record *d = t->ddl;
    char id[TXN_TEXT_MAX];

    buf_printf(out, "transaction %s", txn_text(t->id, id));
    if (t->native.len > 0)
        buf_printf(out, " (%.*s)", (int)t->native.len, (const char *)t->native.p);
    buf_printf(out, ", database '%.*s': %.*s", (int)d->default_db.len,
               (const char *)d->default_db.p,
               (int)(d->sql.len < EVIDENCE_MAX / 2 ? d->sql.len : EVIDENCE_MAX / 2),
               (const char *)d->sql.p);
    buf_printf(out, ". It waits: %s. Everything before it is committed on the target; ", why->text);
    if (tables[0])
        buf_printf(out,
                   "after it, what touches %s waits, and the rest goes on until %d transactions or "
                   "the memory for them are used up behind it.",
                   tables, WINDOW_TXNS_MAX);
    else
        buf_str(out, "everything after it waits.");
    buf_str(out, " run-instead: the statement that comes with --sql is run on the target; "
                 "done-by-hand: the same change was made on the target; skip: the target needs no "
                 "change.");
    if (why->may_retry)
        buf_str(out, " retry: the cause was removed, it is tried again.");
    if (why->copy_table[0])
        buf_printf(out,
                   " copy-again: %s is dropped on the target, made from its present definition, "
                   "and all its rows are copied anew.",
                   why->copy_table);
}

static void ask_about_ddl(struct sync *s, const struct source_txn *t, const struct ddl_answer *why)
{
    const struct ddl_record *d = t->ddl;
    struct buf summary, evidence, set, choices;

    buf_init(&summary, 400);
    buf_init(&evidence, EVIDENCE_MAX);
    buf_init(&set, 4096);
    buf_init(&choices, 200);
    buf_printf(&summary, "a table's definition was changed on the source: %.*s%s",
               (int)(d->sql.len < 200 ? d->sql.len : 200), (const char *)d->sql.p,
               d->sql.len > 200 ? "..." : "");
    put_evidence(t, why, s->at_gate.tables, &evidence);
    buf_printf(&choices, "run-instead,done-by-hand,skip%s%s", why->may_retry ? ",retry" : "",
               why->copy_table[0] ? ",copy-again" : "");
    component_incident_table(s->c, s->at_gate.key, err_name(ERR_DDL_HELD), buf_cstr(&summary),
                             buf_cstr(&evidence), buf_cstr(&choices), why->copy_table,
                             id_as_set(t->id, &set));
    log_event(LOG_WARN, "incr_sync.ddl_held", "%s: %s copy_again='%s' transaction='%s'",
              s->at_gate.key, why->text, why->copy_table, id_as_set(t->id, &set));
    buf_fini(&choices);
    buf_fini(&set);
    buf_fini(&summary);
    buf_fini(&evidence);
}

/* --- passing ------------------------------------------------------------------------------------
 */

/* The window goes on behind the DDL; plans are made anew against the changed target. */
static void pass_gate(struct sync *s, const struct source_txn *t, const char *how)
{
    log_event(LOG_INFO, "incr_sync.ddl_passed", "%s: %s", s->at_gate.key, how);
    if (window_in_flight(s->window) > 0)
        plans_close_of(s, t);
    else
        plans_close(s);
    window_pass(s->window);
    ddl_gate_clear(s);
}

static bool record_answer(struct sync *s, const struct source_txn *t, const char *state,
                          struct err *e)
{
    struct memo m = {.state = state, .statement = t->ddl->sql};
    char key[TXN_TEXT_MAX];

    return s->endpoint->target->memo_put(s->claim, ddl_key(t->id, key), &m, e) ||
           err_wrap(e, "record the answer to '%s'", s->at_gate.key);
}

/* The table's new copy began behind the DDL: it holds what the DDL did. */
static bool is_copied_again(struct sync *s, const struct source_txn *t, const char *table)
{
    for (size_t i = 0; i < s->start.n_pos; i++) {
        const struct table_pos *p = &s->start.pos[i];
        size_t len = strlen(p->db);

        if (strncmp(table, p->db, len) == 0 && table[len] == '.' &&
            strcmp(table + len + 1, p->name) == 0)
            return p->done && txn_set_has(&p->begin, t->id);
    }
    return false;
}

/* Was this DDL answered with copy-again, and has that copy ended? */
static bool was_copied_again(struct sync *s, const struct source_txn *t)
{
    Oms__ComponentLive *live = component_live(s->c);
    bool yes = false;
    struct buf id;

    buf_init(&id, 4096);
    (void)id_as_set(t->id, &id);
    for (size_t i = 0; live && i < live->n_copied_again && !yes; i++) {
        const Oms__CopyAgain *a = live->copied_again[i];

        yes = a->table && a->transaction && strcmp(a->transaction, buf_cstr(&id)) == 0 &&
              is_copied_again(s, t, a->table);
    }
    buf_fini(&id);
    component_live_free(live);
    return yes;
}

static void name_hold(struct sync *s, const struct source_txn *t)
{
    char id[TXN_TEXT_MAX];

    if (s->at_gate.round == 0)
        snprintf(s->at_gate.key, sizeof s->at_gate.key, "ddl:%s", txn_text(t->id, id));
    else
        snprintf(s->at_gate.key, sizeof s->at_gate.key, "ddl:%s:%" PRIu32, txn_text(t->id, id),
                 s->at_gate.round);
}

/* The tables of a statement that does not hold all, for people. */
static void name_tables(struct sync *s, const struct source_txn *t)
{
    struct cursor c = cursor_of(t->ddl->tables.p, t->ddl->tables.len);
    struct ddl_gate *g = &s->at_gate;
    bool partial = t->n_tags > 0 && !s->gate;
    struct ddl_table d;

    g->tables[0] = '\0';
    while (partial && ddl_table_next(&c, &d)) {
        size_t n = strlen(g->tables);

        snprintf(g->tables + n, sizeof g->tables - n, "%s%.*s.%.*s", n ? ", " : "", (int)d.db.len,
                 (const char *)d.db.p, (int)d.name.len, (const char *)d.name.p);
    }
    component_note(s->c, "gate_tables", g->tables[0] ? g->tables : "all tables");
}

static void next_round(struct sync *s, const struct source_txn *t)
{
    component_incident_gone(s->c, s->at_gate.key);
    s->at_gate.round++;
    name_hold(s, t);
}

/* What ddl.c found, or what became of a statement that was given instead. */
static void settle(struct sync *s, const struct source_txn *t)
{
    const struct ddl_job *j = &s->at_gate.job;

    s->at_gate.found = s->at_gate.quiet = false;
    if (j->answer.passed) {
        pass_gate(s, t, j->answer.text);
        return;
    }
    if (j->instead)
        next_round(s, t);
    ask_about_ddl(s, t, &j->answer);
}

static bool run_job(struct sync *s, const struct source_txn *t, const char *instead, struct err *e)
{
    s->at_gate.looked_up = s->at_gate.found = true;
    return ddl_job_start(s, t, instead, e);
}

static bool look(struct sync *s, const struct source_txn *t, struct err *e)
{
    name_hold(s, t);
    name_tables(s, t);
    if (was_copied_again(s, t)) {
        if (!record_answer(s, t, "copied", e))
            return false;
        pass_gate(s, t, "copy-again");
        return true;
    }
    return run_job(s, t, NULL, e);
}

static bool act_on(struct sync *s, const struct source_txn *t, const char *choice, const char *text,
                   struct err *e)
{
    if (strcmp(choice, "copy-again") == 0) {
        s->copy_runs = true; /* even if it has ended already: this claim knows the older copy */
        return true;
    }
    if (strcmp(choice, "run-instead") == 0)
        return run_job(s, t, text, e); /* quiet until it has run */
    s->at_gate.quiet = false;
    if (strcmp(choice, "retry") == 0) {
        plans_close(s);
        next_round(s, t);
        s->at_gate.looked_up = false;
        return true;
    }
    if (strcmp(choice, "done-by-hand") != 0 && strcmp(choice, "skip") != 0)
        return true; /* not one of those offered: the incident stays */
    if (!record_answer(s, t, strcmp(choice, "skip") == 0 ? "skipped" : "by-hand", e))
        return false;
    pass_gate(s, t, choice);
    return true;
}

/* Asked once; then nothing is started until it is acted on. */
static bool has_answer(struct sync *s)
{
    struct ddl_gate *g = &s->at_gate;

    if (!g->quiet) {
        buf_clear(&g->text);
        g->quiet = component_incident_answer(s->c, g->key, g->choice, sizeof g->choice, &g->text);
    }
    return g->quiet && window_in_flight(s->window) == 0;
}

bool gate_step(struct sync *s, const struct source_txn *t, struct err *e)
{
    struct ddl_gate *g = &s->at_gate;

    if (g->job.busy)
        return true;
    if (g->found) {
        settle(s, t);
        return true;
    }
    if (!g->looked_up) {
        /* Unique keys that the copies left out come first: the statement may speak of them. */
        if (!s->indexes_done && txn_set_contains(window_low(s->window), &s->start.end))
            return true;
        return look(s, t, e);
    }
    return !has_answer(s) || act_on(s, t, g->choice, buf_cstr(&g->text), e);
}

void ddl_gate_open(struct sync *s)
{
    buf_init(&s->at_gate.text, 16u << 20);
}

void ddl_gate_clear(struct sync *s)
{
    struct ddl_gate *g = &s->at_gate;

    if (g->key[0]) {
        component_incident_gone(s->c, g->key);
        component_note(s->c, "gate_tables", NULL);
    }
    g->key[0] = '\0';
    g->looked_up = g->found = g->quiet = false;
    g->round = 0;
}

void ddl_gate_shut(struct sync *s)
{
    ddl_job_wait(s);
    buf_fini(&s->at_gate.text);
    component_note(s->c, "gate_tables", NULL);
}
