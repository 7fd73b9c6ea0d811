/*
 * What needs a person: a DDL at the gate, a conflict. Both hold the window; nothing is lost,
 * because nothing behind them moves and low stays before them. Answers: DDL done-by-hand, skip
 * (recorded in oms_meta.ddl before the window goes on, so that a restart finds them), copy-again
 * (the claim ends; the next one finds the DDL inside the table's new begin and passes it); conflict
 * retry, source-wins, skip: for the one change it names (conflict.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define EVIDENCE_MAX 4000

/* --- DDL ----------------------------------------------------------------------------------------
 */

#define COPY_TABLE_MAX 600

/* The one table that could be copied again: what else a statement names, a copy would not mend. */
static bool table_to_copy(const struct ddl_record *d, char out[COPY_TABLE_MAX])
{
    bool offers = d->ddl_kind == DDL_ALTER_TABLE || d->ddl_kind == DDL_CREATE_TABLE ||
                  d->ddl_kind == DDL_TRUNCATE || d->ddl_kind == DDL_INDEX;

    if (!offers || d->n_tables != 1 || d->db.len == 0 || d->table.len == 0)
        return false;
    return snprintf(out, COPY_TABLE_MAX, "%.*s.%.*s", (int)d->db.len, (const char *)d->db.p,
                    (int)d->table.len, (const char *)d->table.p) < COPY_TABLE_MAX;
}

/* Tables that foreign keys join are copied together or not at all. A source that does not answer
 * now leaves the choice out: it comes with the next claim. */
static bool is_of_family(struct sync *s, const struct ddl_record *d)
{
    const struct catalog_ops *cat = s->source_endpoint->catalog;
    const struct table_def *def = NULL;
    struct session *session = NULL;
    struct err e = ERR_INIT;
    char db[260], name[260];
    bool joined;

    snprintf(db, sizeof db, "%.*s", (int)d->db.len, (const char *)d->db.p);
    snprintf(name, sizeof name, "%.*s", (int)d->table.len, (const char *)d->table.p);
    joined = !cat->connect(&s->source_address, &session, &e) ||
             (!cat->load_table(session, db, name, &def, &e) && e.code != ERR_SERVER_NO_OBJECT &&
              e.code != ERR_NOT_FOUND) ||
             (def && def->family[0] != '\0');
    if (e.code != ERR_NONE)
        log_err(LOG_INFO, "incr_sync.ddl_table", &e);
    cat->close(session);
    table_def_unref(def);
    return joined;
}

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

static void ask_about_ddl(struct sync *s, const struct source_txn *t)
{
    const struct ddl_record *d = t->ddl;
    char id[TXN_TEXT_MAX];
    char table[COPY_TABLE_MAX];
    bool one_table = table_to_copy(d, table) && !is_of_family(s, d);
    struct buf summary, evidence, set;

    snprintf(s->hold.key, sizeof s->hold.key, "ddl:%s", txn_text(t->id, id));
    buf_init(&summary, 400);
    buf_init(&evidence, EVIDENCE_MAX);
    buf_init(&set, 4096);
    buf_printf(&summary, "a table's definition was changed on the source: %.*s%s",
               (int)(d->sql.len < 200 ? d->sql.len : 200), (const char *)d->sql.p,
               d->sql.len > 200 ? "..." : "");
    buf_printf(&evidence, "transaction %s", id);
    if (t->native.len > 0)
        buf_printf(&evidence, " (%.*s)", (int)t->native.len, (const char *)t->native.p);
    buf_printf(&evidence, ", database '%.*s': %.*s", (int)d->default_db.len,
               (const char *)d->default_db.p,
               (int)(d->sql.len < EVIDENCE_MAX / 2 ? d->sql.len : EVIDENCE_MAX / 2),
               (const char *)d->sql.p);
    buf_str(&evidence, ". Everything before it is committed on the target; everything after it "
                       "waits. done-by-hand: the same change was made on the target; skip: the "
                       "target needs no change.");
    if (one_table)
        buf_printf(&evidence,
                   " copy-again: %s is dropped on the target, made from its present definition, "
                   "and all its rows are copied anew.",
                   table);
    component_incident_table(s->c, s->hold.key, err_name(ERR_DDL_HELD), buf_cstr(&summary),
                             buf_cstr(&evidence),
                             one_table ? "done-by-hand,skip,copy-again" : "done-by-hand,skip",
                             one_table ? table : "", id_as_set(t->id, &set));
    buf_fini(&set);
    buf_fini(&summary);
    buf_fini(&evidence);
}

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
    struct buf sql;
    bool ok;

    buf_init(&sql, t->ddl->sql.len + 1);
    buf_append(&sql, t->ddl->sql.p, t->ddl->sql.len);
    ok = s->endpoint->target->ddl_put(s->claim, t->id, buf_cstr(&sql), state, e);
    buf_fini(&sql);
    return ok ? true : err_wrap(e, "record the answer to '%s'", s->hold.key);
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

static bool gate_step(struct sync *s, const struct source_txn *t, struct err *e)
{
    char state[32], choice[32], id[TXN_TEXT_MAX];
    bool found;

    if (!s->hold.looked_up) {
        snprintf(s->hold.key, sizeof s->hold.key, "ddl:%s", txn_text(t->id, id));
        if (!s->endpoint->target->ddl_get(s->claim, t->id, state, &found, e))
            return err_wrap(e, "read what was decided about '%s'", s->hold.key);
        s->hold.looked_up = true;
        if (found && (strcmp(state, "by-hand") == 0 || strcmp(state, "skipped") == 0 ||
                      strcmp(state, "copied") == 0)) {
            pass_gate(s, state);
            return true;
        }
        if (was_copied_again(s, t)) {
            if (!record_answer(s, t, "copied", e))
                return false;
            pass_gate(s, "copy-again");
            return true;
        }
        ask_about_ddl(s, t);
    }
    if (!component_incident_choice(s->c, s->hold.key, choice, sizeof choice))
        return true;
    if (strcmp(choice, "copy-again") == 0) {
        s->copy_runs = true; /* even if it has ended already: this claim knows the older copy */
        return true;
    }
    if (strcmp(choice, "done-by-hand") != 0 && strcmp(choice, "skip") != 0)
        return true; /* not one of those offered: the incident stays */
    if (!record_answer(s, t, strcmp(choice, "skip") == 0 ? "skipped" : "by-hand", e))
        return false;
    pass_gate(s, choice);
    return true;
}

/* --- conflicts -----------------------------------------------------------------------------------
 */

static void close_incident(struct sync *s)
{
    if (s->hold.key[0] != '\0')
        component_incident_gone(s->c, s->hold.key);
    s->hold.key[0] = '\0';
}

/* What a person is told when the endpoint has said no more than its number. */
static const char *evidence_of(const struct worker *w)
{
    return w->conflicts.open && w->conflicts.evidence[0] ? w->conflicts.evidence
                                                         : w->result.conflict_text;
}

void holds_conflict(struct sync *s, const struct worker *w)
{
    const struct source_txn *t = window_held(s->window);
    uint64_t at = w->conflicts.open ? w->conflicts.at : w->result.conflict_at;
    char id[TXN_TEXT_MAX];
    struct err e = ERR_INIT;

    s->hold.retry_at = mono_add_ms(clock_mono(), CONFLICT_RETRY_MS);
    if (s->hold.key[0] != '\0' && s->hold.at == at)
        return; /* a silent retry met the same thing */
    close_incident(s);
    s->hold.at = at;
    snprintf(s->hold.key, sizeof s->hold.key, "conflict:%s:%" PRIu64, txn_text(t->id, id), at);
    if (conflict_round(&s->carry->book, t->id) > 0)
        snprintf(s->hold.key, sizeof s->hold.key, "conflict:%s:%" PRIu64 ":%" PRIu32, id, at,
                 conflict_round(&s->carry->book, t->id));
    err_set_sys(&e, ERR_TARGET_CONFLICT, w->result.conflict_errno, "%s", evidence_of(w));
    component_incident(s->c, s->hold.key, err_name(ERR_TARGET_CONFLICT),
                       "the target does not take a transaction of the source; everything after "
                       "it waits",
                       evidence_of(w),
                       w->conflicts.open && w->conflicts.can_win ? "retry,source-wins,skip"
                                                                 : "retry,skip");
    component_error(s->c, &e);
    s->error_shown = true;
    log_err(LOG_ERROR, "incr_sync.conflict", &e);
}

/* Asked to, or by itself every few seconds: the cause may have been removed. */
static void conflict_step(struct sync *s)
{
    char choice[32];

    if (component_incident_choice(s->c, s->hold.key, choice, sizeof choice)) {
        conflict_choose(&s->carry->book, window_held(s->window)->id, s->hold.at,
                        strcmp(choice, "source-wins") == 0 ? FIX_SOURCE_WINS
                        : strcmp(choice, "skip") == 0      ? FIX_SKIP
                                                           : FIX_NONE);
        log_event(LOG_INFO, "incr_sync.answer", "%s: %s", s->hold.key, choice);
        close_incident(s);
        if (window_held(s->window)->pipe)
            s->again = true; /* its parts are gone */
        else
            window_retry(s->window);
    } else if (!window_held(s->window)->pipe && mono_cmp(clock_mono(), s->hold.retry_at) >= 0) {
        s->hold.retry_at = mono_add_ms(clock_mono(), CONFLICT_RETRY_MS);
        window_retry(s->window);
    }
}

/* --- both ----------------------------------------------------------------------------------------
 */

void holds_clear(struct sync *s)
{
    close_incident(s);
    s->hold = (struct hold){0};
}

bool holds_step(struct sync *s, struct err *e)
{
    const struct source_txn *t = window_gate(s->window);

    if (t)
        return gate_step(s, t, e);
    if (window_held(s->window))
        conflict_step(s);
    return true;
}
