/*
 * Unique keys beside the row key, made when replay has passed the end of every copy (correctness
 * A10): before, rows of chunks from different snapshots may collide legitimately. First those that
 * the target's tables had before the copy, as they were (kept_keys.h), then the source's that the
 * schema step left out; one statement a table. Compared with what the target has, so a restart
 * continues where it was; remembered, so that a later DDL has the last word.
 *
 * What the server does not take (two rows of one value, a column that is gone) is for a person:
 * changes go on, the project is not caught up, and a DDL waits. Answers: retry; leave-off, after
 * which each key is tried by itself and those that fail are given up, by name, for good.
 * Main thread, nothing in flight.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/convert/convert.h"
#include "components/convert/kept_keys.h"
#include "components/convert/translate.h"
#include "components/incr_sync/sync_priv.h"

#define STATEMENT_MAX (16u << 20)
#define STATEMENT_SHOWN 2000

struct index_work {
    struct sync *s;
    struct session *source, *target; /* catalog sessions */
    const struct copied_table *t;    /* the table at hand, with its target ... */
    const char *to_db, *to_name;
    struct arena arena;  /* ... and what it takes */
    struct buf ddl;      /* the last statement */
    struct buf given_up; /* statements of keys that are left off */
};

/* --- which keys --------------------------------------------------------------------------------
 */

/* The definition that the copy had: what the source's catalog says now may be of a DDL that is
 * still to come. A copy of an older program left none. */
static bool load_copied(struct index_work *w, const struct table_def **def, struct err *e)
{
    struct sync *s = w->s;
    struct memo m;
    bool found;

    if (!s->endpoint->target->memo_get(s->claim, s->spec->fixed->full_task,
                                       arena_printf(&w->arena, MEMO_COPIED "%s", w->t->key),
                                       &w->arena, &m, &found, e))
        return false;
    if (!found)
        return s->source_endpoint->catalog->load_table(w->source, w->t->pos->db, w->t->pos->name,
                                                       def, e);
    struct cursor c = cursor_of(m.statement.p, m.statement.len);
    return table_def_decode(&c, def, e);
}

/* Those of the source that the schema step left out. */
static bool add_copied(struct index_work *w, struct kept_keys *keys, struct err *e)
{
    enum convert_way way = convert_way_of(w->s->source_address.kind, w->s->address.kind);
    const struct table_def *def = NULL, *wanted = NULL;
    struct kept_keys more;

    if (!load_copied(w, &def, e)) {
        if (e->code != ERR_SERVER_NO_OBJECT && e->code != ERR_NOT_FOUND)
            return false;
        /* Dropped meanwhile: its DROP is in the log. */
        log_err(LOG_WARN, "incr_sync.index_skipped", e);
        err_clear(e);
        return true;
    }
    bool any = kept_keys_any(def);
    bool ok = !any || (convert_table(def, way, &wanted, NULL, e) &&
                       kept_keys_find(wanted, NULL, &w->arena, &more, e));
    if (ok && any)
        (void)kept_keys_join(keys, &more, false, &w->arena);
    table_def_unref(wanted);
    table_def_unref(def);
    return ok;
}

/* The target's own from before the copy, in their own words. */
static bool add_elder(struct index_work *w, struct kept_keys *keys, struct err *e)
{
    struct sync *s = w->s;
    struct memo m;
    bool found;

    return s->endpoint->target->memo_get(s->claim, s->spec->fixed->full_task,
                                         arena_printf(&w->arena, MEMO_KEYS "%s", w->t->key),
                                         &w->arena, &m, &found, e) &&
           (!found || kept_keys_decode(m.after, &w->arena, keys, e));
}

/* --- making them -------------------------------------------------------------------------------
 */

/* What the server does not take for what the rows or the table are. */
static bool is_for_a_person(const struct err *e)
{
    return e->code == ERR_SERVER_REFUSED || e->code == ERR_SERVER_DENIED ||
           e->code == ERR_SERVER_NO_OBJECT;
}

/* The statement for those of [from, to) that the target lacks; nothing lacks: not run. */
static bool make(struct index_work *w, const struct kept_keys *keys, size_t from, size_t to,
                 struct err *e)
{
    const struct table_def *existing = NULL;

    buf_clear(&w->ddl);
    if (!w->s->endpoint->catalog->load_table(w->target, w->to_db, w->to_name, &existing, e))
        return false;
    bool any = kept_keys_make(keys, from, to, existing, &w->ddl);
    table_def_unref(existing);
    if (!any)
        return true;
    if (!buf_ok(&w->ddl))
        return err_set(e, ERR_LIMIT, "the unique keys of '%s' are too long", w->t->key);
    component_table(w->s->c, STEP_NAME, w->t->key, "adding unique indexes", 0, 0, "");
    log_event(LOG_INFO, "incr_sync.index", "%s", buf_cstr(&w->ddl));
    return w->s->endpoint->target->run_ddl(w->s->claim, w->to_db, buf_cstr(&w->ddl), e);
}

static bool make_or_give_up(struct index_work *w, const struct kept_keys *keys, struct err *e)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (make(w, keys, i, i + 1, e))
            continue;
        if (!is_for_a_person(e))
            return false;
        log_event(LOG_WARN, "incr_sync.key_given_up",
                  "unique key '%s' of '%s.%s' is left off for good, as was answered: %s",
                  keys->at[i].name, w->to_db, w->to_name, e->message);
        buf_printf(&w->given_up, "%s;\n", buf_cstr(&w->ddl));
        err_clear(e);
    }
    return true;
}

static bool make_once(struct index_work *w, bool leave_off, struct err *e)
{
    struct kept_keys keys = {.n = 0};

    if (!add_elder(w, &keys, e) || !add_copied(w, &keys, e))
        return false;
    keys.to_db = w->to_db;
    keys.to_name = w->to_name;
    if (keys.n == 0)
        return true;
    return leave_off ? make_or_give_up(w, &keys, e) : make(w, &keys, 0, keys.n, e);
}

/* --- once --------------------------------------------------------------------------------------
 */

/* Made once for a copy: a DDL that came later may have dropped or renamed them. */
static bool is_remembered(struct index_work *w, struct buf *end, bool *yes, struct err *e)
{
    struct sync *s = w->s;
    struct memo m;

    txn_set_format(&w->t->pos->end, end);
    bool ok = s->endpoint->target->memo_get(s->claim, s->spec->task,
                                            arena_printf(&w->arena, MEMO_INDEXES "%s", w->t->key),
                                            &w->arena, &m, yes, e);
    *yes = ok && *yes && m.statement.len == end->len &&
           (end->len == 0 || memcmp(m.statement.p, end->p, end->len) == 0);
    return ok;
}

static bool remember(struct index_work *w, const struct buf *end, struct err *e)
{
    struct sync *s = w->s;
    struct memo m = {.state = "indexes",
                     .statement = {end->p, end->len},
                     .before = {w->given_up.p, w->given_up.len}};

    FAULT(KEYS_MADE);
    return s->endpoint->target->memo_put(
        s->claim, arena_printf(&w->arena, MEMO_INDEXES "%s", w->t->key), &m, e);
}

/* --- asking ------------------------------------------------------------------------------------
 */

static struct keys_ask *ask_of(struct carry *carry, const char *table)
{
    for (size_t i = 0; i < carry->asks.n; i++)
        if (strcmp(carry->asks.at[i].table, table) == 0)
            return &carry->asks.at[i];
    return NULL;
}

static const char *ask_key(const struct keys_ask *a, char out[KEYS_ASK_MAX])
{
    if (a->round == 0)
        snprintf(out, KEYS_ASK_MAX, "keys:%s", a->table);
    else
        snprintf(out, KEYS_ASK_MAX, "keys:%s:%" PRIu32, a->table, a->round);
    return out;
}

static void ask(struct index_work *w, const struct err *why)
{
    struct sync *s = w->s;
    struct keys_ask *a = ask_of(s->carry, w->t->key);
    struct buf text CLEANUP(buf_fini);
    char key[KEYS_ASK_MAX], summary[700];
    const char *ddl = buf_cstr(&w->ddl);

    if (!a) {
        vec_push(&s->carry->asks, ((struct keys_ask){.table = must_strdup(w->t->key)}));
        a = &s->carry->asks.at[s->carry->asks.n - 1];
    }
    a->open = true;
    buf_init(&text, 8192);
    buf_printf(&text,
               "'%s.%s' on the target lacks unique keys, because the target does not make them: "
               "%s. The statement: %.*s%s. Changes go on meanwhile, DDL waits, and the project is "
               "not caught up. retry: it is tried again, after what keeps it was removed (rows of "
               "one value: on the source, so that the change arrives here, or on the target). "
               "leave-off: each key is tried by itself, and those that cannot be made are given up "
               "for good.",
               w->to_db, w->to_name, why->message,
               (int)(strlen(ddl) < STATEMENT_SHOWN ? strlen(ddl) : STATEMENT_SHOWN), ddl,
               strlen(ddl) > STATEMENT_SHOWN ? "..." : "");
    snprintf(summary, sizeof summary, "unique keys of '%s.%s' cannot be made on the target",
             w->to_db, w->to_name);
    component_incident(s->c, ask_key(a, key), err_name(ERR_UNIQUE_KEY), summary, buf_cstr(&text),
                       "retry,leave-off");
    component_table(s->c, STEP_NAME, w->t->key, "lacks unique keys", 0, 0, why->message);
    log_event(LOG_ERROR, "incr_sync.key_missing", "%s: %s", key, why->message);
}

/* What a person answered, taken; the next question is another one. */
static void take_answer(struct sync *s, const char *table, bool *leave_off)
{
    struct keys_ask *a = ask_of(s->carry, table);
    char key[KEYS_ASK_MAX], choice[32];

    *leave_off = false;
    if (!a || !component_incident_choice(s->c, ask_key(a, key), choice, sizeof choice))
        return;
    log_event(LOG_INFO, "incr_sync.answer", "%s: %s", key, choice);
    *leave_off = strcmp(choice, "leave-off") == 0;
    component_incident_gone(s->c, key);
    a->open = false;
    a->round++;
}

static void close_ask(struct sync *s, const char *table)
{
    struct keys_ask *a = ask_of(s->carry, table);
    char key[KEYS_ASK_MAX];

    if (!a || !a->open)
        return;
    component_incident_gone(s->c, ask_key(a, key));
    a->open = false;
    a->round++;
}

bool indexes_are_asked(const struct sync *s)
{
    char key[KEYS_ASK_MAX], choice[32];
    bool open = false;

    for (size_t i = 0; s->keys_lack && i < s->carry->asks.n; i++) {
        const struct keys_ask *a = &s->carry->asks.at[i];

        if (a->open && component_incident_choice(s->c, ask_key(a, key), choice, sizeof choice))
            return false;
        open |= a->open;
    }
    return open;
}

/* --- all tables --------------------------------------------------------------------------------
 */

static bool one_table(struct index_work *w, struct err *e)
{
    struct buf end CLEANUP(buf_fini);
    bool made = false, leave_off = false;

    buf_init(&end, STATEMENT_MAX);
    if (!is_remembered(w, &end, &made, e))
        return false;
    if (!made) {
        take_answer(w->s, w->t->key, &leave_off);
        if (!make_once(w, leave_off, e)) {
            if (!is_for_a_person(e))
                return false;
            ask(w, e);
            w->s->keys_lack = true;
            err_clear(e);
            return true;
        }
        if (!remember(w, &end, e))
            return false;
    }
    close_ask(w->s, w->t->key);
    component_table(w->s->c, STEP_NAME, w->t->key, "following", 0, 0, "");
    return true;
}

static bool each_table(struct index_work *w, struct err *e)
{
    struct sync *s = w->s;
    bool ok = true;

    for (size_t i = 0; ok && i < s->start.tables.n; i++) {
        w->t = &s->start.tables.at[i];
        scope_map(s->scope, w->t->pos->db, w->t->pos->name, &w->to_db, &w->to_name);
        arena_init(&w->arena, 0);
        buf_init(&w->ddl, STATEMENT_MAX);
        buf_init(&w->given_up, STATEMENT_MAX);
        ok = one_table(w, e) || err_wrap(e, "table '%s'", w->t->key);
        buf_fini(&w->given_up);
        buf_fini(&w->ddl);
        arena_fini(&w->arena);
    }
    return ok;
}

bool indexes_create(struct sync *s, struct err *e)
{
    struct endpoint_address source_at = s->source_address; /* any of its servers has the keys */
    struct index_work w = {.s = s};

    s->keys_lack = false;
    bool ok = endpoint_first(s->source_endpoint, &source_at, e) &&
              s->source_endpoint->catalog->connect(&source_at, &w.source, e) &&
              s->endpoint->catalog->connect(&s->address, &w.target, e) && each_table(&w, e);
    s->source_endpoint->catalog->close(w.source);
    s->endpoint->catalog->close(w.target);
    if (ok && !s->keys_lack)
        log_event(LOG_INFO, "incr_sync.consistent",
                  "past the end of every copy; unique indexes are there");
    return ok;
}
