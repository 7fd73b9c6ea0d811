/*
 * "store-trace": table=db.t (backticks quote) key=col=value[,col=value] from= to=: every version of
 * one row, in the log's order. The key that was asked for is watched all the time; when an update
 * gives the row another key, that one is watched too, until the row leaves it. Values are compared
 * as text, as dump shows them; a comma or backslash in a value is written behind a backslash.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/vec.h"
#include "common/scope/scope.h"
#include "components/record/value_text.h"
#include "components/store/ask_priv.h"

#define KEY_COLUMNS_MAX 32
#define KEY_TEXT_MAX (1u << 20)
#define WATCHED_MAX 1000

struct trace {
    struct ask_job *j;
    struct arena arena;
    const char *db, *name; /* in the arena */
    struct {
        char *column, *value;
    } asked[KEY_COLUMNS_MAX];
    size_t n_asked;
    VEC(char *) watched; /* key texts; the first is what was asked for */
    uint32_t known_id;   /* the table version whose columns are in `at` */
    uint16_t at[KEY_COLUMNS_MAX];
    uint64_t number;
    bool met; /* the table was seen */
    struct buf before, after;
};

/* --- what was asked -----------------------------------------------------------------------------
 */

/* Up to an unescaped `stop`; *at moves behind it. */
static char *take_word(const char **at, char stop)
{
    char *out = must_alloc(strlen(*at) + 1);
    size_t n = 0;
    const char *p = *at;

    for (; *p && *p != stop; p++) {
        if (*p == '\\' && p[1])
            p++;
        out[n++] = *p;
    }
    out[n] = '\0';
    *at = *p ? p + 1 : p;
    return out;
}

static bool parse_key(struct trace *t, const char *text, struct err *e)
{
    const char *at = text;

    while (*at) {
        if (t->n_asked == KEY_COLUMNS_MAX || !strchr(at, '='))
            return err_set(e, ERR_INVALID, "--key '%s' is not column=value[,column=value]", text);
        t->asked[t->n_asked].column = take_word(&at, '=');
        t->asked[t->n_asked].value = take_word(&at, ',');
        t->n_asked++;
    }
    return t->n_asked > 0 || err_set(e, ERR_INVALID, "--key needs column=value");
}

struct sought {
    const struct trace *t;
    bool found;
};

static void seek(void *arg, const struct table_def *def)
{
    struct sought *s = arg;

    s->found |= strcmp(def->db, s->t->db) == 0 && strcmp(def->name, s->t->name) == 0;
}

static bool parse_table(struct trace *t, const char *text, struct err *e)
{
    struct sought s = {.t = t};

    if (!scope_parse_table("--table", text ? text : "", &t->arena, &t->db, &t->name, e) ||
        !store_each_table(t->j->store, seek, &s, e))
        return false;
    return s.found ||
           err_set(e, ERR_NOT_FOUND,
                   "the log that the Store keeps has no change of a table '%s.%s'", t->db, t->name);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static void put_part(struct buf *out, const void *p, size_t n)
{
    buf_printf(out, "%zu:", n);
    buf_append(out, p, n);
    buf_u8(out, ',');
}

static void watch_asked(struct trace *t)
{
    struct buf text;

    buf_init(&text, KEY_TEXT_MAX);
    for (size_t i = 0; i < t->n_asked; i++)
        put_part(&text, t->asked[i].value, strlen(t->asked[i].value));
    vec_push(&t->watched, must_strdup(buf_cstr(&text)));
    buf_fini(&text);
}

static void put_key_names(struct buf *out, const struct table_def *def)
{
    const struct key_def *k = &def->keys[def->row_key];

    for (uint16_t i = 0; i < k->n_parts; i++)
        buf_printf(out, "%s%s", i ? "," : "", def->columns[k->parts[i].column].name);
}

/* Rows are known by the table's own key; where it has none, by any columns. */
static bool is_its_key(const struct trace *t, const struct table_def *def)
{
    const struct key_def *k;
    size_t found = 0;

    if (def->row_key < 0)
        return true;
    k = &def->keys[def->row_key];
    for (size_t i = 0; i < t->n_asked; i++)
        for (uint16_t p = 0; p < k->n_parts; p++)
            found += k->parts[p].column == t->at[i];
    return found == k->n_parts && t->n_asked == k->n_parts;
}

/* What no value of the column is written like would silently find nothing. */
static bool fits(const struct column_def *c, const char *value)
{
    const char *digits = value + (*value == '-');
    bool whole = *digits && digits[strspn(digits, "0123456789")] == '\0';

    return c->kind > KIND_U64 || whole || strcmp(value, "NULL") == 0;
}

static bool learn_columns(struct trace *t, const struct table_def *def, struct err *e)
{
    struct buf names;
    bool ok;

    if (t->met && t->known_id == def->id)
        return true;
    for (size_t i = 0; i < t->n_asked; i++) {
        int at = table_def_column(def, t->asked[i].column);

        if (at < 0)
            return err_set(e, ERR_NOT_FOUND, "table '%s.%s' has no column '%s'", def->db, def->name,
                           t->asked[i].column);
        t->at[i] = (uint16_t)at;
        if (!fits(&def->columns[at], t->asked[i].value))
            return err_set(e, ERR_INVALID, "--key: '%s' is no value of column '%s', a whole number",
                           t->asked[i].value, t->asked[i].column);
    }
    t->met = true;
    t->known_id = def->id;
    ok = is_its_key(t, def);
    if (!ok) {
        buf_init(&names, 4096);
        put_key_names(&names, def);
        (void)err_set(e, ERR_INVALID, "rows of '%s.%s' are known by their key: --key %s", def->db,
                      def->name, buf_cstr(&names));
        buf_fini(&names);
    }
    return ok;
}

/* The key of an image as text; a column it lacks is as in the other image. */
static bool key_text(const struct trace *t, const struct change *ch, struct view row,
                     struct view other, struct buf *out)
{
    const struct table_def *def = ch->table;
    struct value *v = must_calloc(2 * (size_t)def->n_columns + 1, sizeof *v), *o;
    struct buf one;
    bool ok;

    o = v + def->n_columns;
    ok = row_read(def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, row, v) &&
         (!other.p || row_read(def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, other, o));
    buf_init(&one, KEY_TEXT_MAX);
    buf_clear(out);
    for (size_t i = 0; ok && i < t->n_asked; i++) {
        const struct value *x = &v[t->at[i]];

        if (x->state == VALUE_ABSENT && other.p)
            x = &o[t->at[i]];
        buf_clear(&one);
        if (x->state == VALUE_SET)
            value_put_text(&one, &def->columns[t->at[i]], x);
        else
            buf_str(&one, "NULL");
        put_part(out, one.p, one.len);
    }
    buf_fini(&one);
    free(v);
    return ok;
}

static size_t watched_at(const struct trace *t, struct buf *key)
{
    const char *text = buf_cstr(key);

    for (size_t i = 0; i < t->watched.n; i++)
        if (strcmp(t->watched.at[i], text) == 0)
            return i;
    return t->watched.n;
}

static void unwatch(struct trace *t, size_t i)
{
    if (i == 0 || i >= t->watched.n) /* what was asked for is watched for ever */
        return;
    free(t->watched.at[i]);
    t->watched.at[i] = t->watched.at[--t->watched.n];
}

/* --- changes ------------------------------------------------------------------------------------
 */

/* True in *mine: the change is one of the row's. */
static bool follow(struct trace *t, const struct change *ch, bool *mine, struct err *e)
{
    static const struct view none = {NULL, 0};
    bool from = false, to = false;
    size_t i;

    if ((ch->before.p && !key_text(t, ch, ch->before, none, &t->before)) ||
        (ch->after.p && !key_text(t, ch, ch->after, ch->before, &t->after)))
        return err_set(e, ERR_STORE_CORRUPT, "a row of '%s.%s' does not have its table's form",
                       ch->table->db, ch->table->name);
    if (ch->before.p)
        from = watched_at(t, &t->before) < t->watched.n;
    if (ch->after.p)
        to = watched_at(t, &t->after) < t->watched.n;
    *mine = from || to;
    if (!from || (ch->after.p && strcmp(buf_cstr(&t->before), buf_cstr(&t->after)) == 0))
        return true;
    if (ch->after.p && !to) {
        if (t->watched.n == WATCHED_MAX)
            return err_set(e, ERR_LIMIT, "the row's key changed to more than %d others",
                           WATCHED_MAX);
        vec_push(&t->watched, must_strdup(buf_cstr(&t->after)));
    }
    i = watched_at(t, &t->before);
    unwatch(t, i);
    return true;
}

static enum walk_answer one_change(struct trace *t, const struct walk_record *r,
                                   const struct change *ch, struct err *e)
{
    bool mine = false;

    if (strcmp(ch->table->db, t->db) != 0 || strcmp(ch->table->name, t->name) != 0)
        return WALK_ON;
    if (!learn_columns(t, ch->table, e) || !follow(t, ch, &mine, e))
        return WALK_FAILED;
    if (!mine)
        return WALK_ON;
    if (!line_change(&t->j->out, r, ch, t->number)) {
        (void)err_set(e, ERR_STORE_CORRUPT, "a row of '%s.%s' is damaged", t->db, t->name);
        return WALK_FAILED;
    }
    return ask_send(t->j, false, e);
}

static enum walk_answer trace_record(void *arg, const struct walk_record *r, struct err *e)
{
    struct trace *t = arg;
    struct change_iter it;
    struct change ch;
    enum walk_answer a = WALK_ON;

    if (r->type != RECORD_TXN && r->type != RECORD_TXN_PART)
        return WALK_ON;
    if (r->head.part == 0)
        t->number = 0;
    change_iter_init(&it, r->changes, log_walk_table, r->walk);
    while (a == WALK_ON && change_next(&it, &ch)) {
        t->number++;
        a = one_change(t, r, &ch, e);
    }
    if (it.c.failed)
        return log_walk_damaged(r, e);
    return a;
}

static enum walk_answer trace_pause(void *arg, struct err *e)
{
    struct trace *t = arg;

    return ask_send(t->j, true, e); /* finds out whether anybody still reads */
}

static void trace_fini(struct trace *t)
{
    for (size_t i = 0; i < t->n_asked; i++) {
        free(t->asked[i].column);
        free(t->asked[i].value);
    }
    for (size_t i = 0; i < t->watched.n; i++)
        free(t->watched.at[i]);
    vec_fini(&t->watched);
    arena_fini(&t->arena);
    buf_fini(&t->before);
    buf_fini(&t->after);
}

bool ask_trace(struct ask_job *j, struct err *e)
{
    struct trace t = {.j = j};
    struct log_walk_params p = {.each = trace_record, .pause = trace_pause, .arg = &t};
    const char *key = ask_arg(j, "key");
    bool ok;

    arena_init(&t.arena, 64u << 10);
    buf_init(&t.before, KEY_TEXT_MAX);
    buf_init(&t.after, KEY_TEXT_MAX);
    ok = parse_table(&t, ask_arg(j, "table"), e) && parse_key(&t, key ? key : "", e) &&
         ask_places(j, &p, e);
    if (ok) {
        watch_asked(&t);
        ok = log_walk(&p, e);
    }
    trace_fini(&t);
    return ok;
}
