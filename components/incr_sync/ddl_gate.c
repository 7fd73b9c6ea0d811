/*
 * The DDL gate: a statement in scope stops the window until everything before it is committed. Then
 * it is run once (ddl.c) or shown to a person, with the reason. Answers: run-instead (a statement
 * of the person's, run once likewise), retry, done-by-hand and skip (recorded in oms_meta.ddl
 * before the window goes on, so that a restart finds them), copy-again (the claim ends; the next
 * one finds the DDL inside the table's new begin and passes it). Main thread, nothing in flight.
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

static void put_evidence(const struct source_txn *t, const struct ddl_answer *why, struct buf *out)
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
    buf_printf(out,
               ". It is not run: %s. Everything before it is committed on the target; everything "
               "after it waits. run-instead: the statement that comes with --sql is run on the "
               "target; done-by-hand: the same change was made on the target; skip: the target "
               "needs no change.",
               why->text);
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
    put_evidence(t, why, &evidence);
    buf_printf(&choices, "run-instead,done-by-hand,skip%s%s", why->may_retry ? ",retry" : "",
               why->copy_table[0] ? ",copy-again" : "");
    component_incident_table(s->c, s->hold.key, err_name(ERR_DDL_HELD), buf_cstr(&summary),
                             buf_cstr(&evidence), buf_cstr(&choices), why->copy_table,
                             id_as_set(t->id, &set));
    log_event(LOG_WARN, "incr_sync.ddl_held", "%s: %s", s->hold.key, why->text);
    buf_fini(&choices);
    buf_fini(&set);
    buf_fini(&summary);
    buf_fini(&evidence);
}

/* --- passing ------------------------------------------------------------------------------------
 */

/* The window goes on behind the DDL; plans are made anew against the changed target. */
static void pass_gate(struct sync *s, const char *how)
{
    log_event(LOG_INFO, "incr_sync.ddl_passed", "%s: %s", s->hold.key, how);
    plans_close(s);
    window_pass(s->window);
    holds_clear(s);
}

static bool record_answer(struct sync *s, const struct source_txn *t, const char *state,
                          struct err *e)
{
    struct memo m = {.state = state, .statement = t->ddl->sql};
    char key[TXN_TEXT_MAX];

    return s->endpoint->target->memo_put(s->claim, ddl_key(t->id, key), &m, e) ||
           err_wrap(e, "record the answer to '%s'", s->hold.key);
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

    if (s->hold.round == 0)
        snprintf(s->hold.key, sizeof s->hold.key, "ddl:%s", txn_text(t->id, id));
    else
        snprintf(s->hold.key, sizeof s->hold.key, "ddl:%s:%" PRIu32, txn_text(t->id, id),
                 s->hold.round);
}

/* What ddl.c found, or what became of a statement that was given instead. */
static bool settle(struct sync *s, const struct source_txn *t, const struct ddl_answer *a)
{
    s->hold.looked_up = true;
    if (a->passed)
        pass_gate(s, a->text);
    else
        ask_about_ddl(s, t, a);
    return true;
}

static bool look(struct sync *s, const struct source_txn *t, struct err *e)
{
    struct ddl_answer a = {.passed = false};

    name_hold(s, t);
    if (was_copied_again(s, t)) {
        if (!record_answer(s, t, "copied", e))
            return false;
        pass_gate(s, "copy-again");
        return true;
    }
    if (!ddl_try(s, t, &a, e))
        return err_wrap(e, "'%s'", s->hold.key);
    return settle(s, t, &a);
}

static void next_round(struct sync *s, const struct source_txn *t)
{
    component_incident_gone(s->c, s->hold.key);
    s->hold.round++;
    name_hold(s, t);
}

static bool run_instead(struct sync *s, const struct source_txn *t, const char *sql, struct err *e)
{
    struct ddl_answer a = {.passed = false};

    if (!ddl_instead(s, t, sql, &a, e))
        return err_wrap(e, "'%s'", s->hold.key);
    if (!a.passed)
        next_round(s, t);
    return settle(s, t, &a);
}

static bool act_on(struct sync *s, const struct source_txn *t, const char *choice, const char *text,
                   struct err *e)
{
    if (strcmp(choice, "copy-again") == 0) {
        s->copy_runs = true; /* even if it has ended already: this claim knows the older copy */
        return true;
    }
    if (strcmp(choice, "run-instead") == 0)
        return run_instead(s, t, text, e);
    if (strcmp(choice, "retry") == 0) {
        next_round(s, t);
        s->hold.looked_up = false;
        return true;
    }
    if (strcmp(choice, "done-by-hand") != 0 && strcmp(choice, "skip") != 0)
        return true; /* not one of those offered: the incident stays */
    if (!record_answer(s, t, strcmp(choice, "skip") == 0 ? "skipped" : "by-hand", e))
        return false;
    pass_gate(s, choice);
    return true;
}

bool gate_step(struct sync *s, const struct source_txn *t, struct err *e)
{
    char choice[32];
    struct buf text CLEANUP(buf_fini);

    buf_init(&text, 16u << 20);
    if (!s->hold.looked_up) {
        /* Unique keys that the copies left out come first: the statement may speak of them. */
        if (!s->indexes_done && txn_set_contains(window_low(s->window), &s->start.end))
            return true;
        report_blind(s);
        return look(s, t, e);
    }
    if (!component_incident_answer(s->c, s->hold.key, choice, sizeof choice, &text))
        return true;
    return act_on(s, t, choice, buf_cstr(&text), e);
}
