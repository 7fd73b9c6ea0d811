#include "components/incr_sync/core/ddl_plan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "components/incr_sync/core/ddl_plan_priv.h"

#define PLAN_SQL_MAX (64u << 20)
void ddl_plan_init(struct ddl_plan *p)
{
    *p = (struct ddl_plan){.verdict = DDL_HOLD};
    arena_init(&p->arena, 0);
    buf_init(&p->sql, PLAN_SQL_MAX);
    buf_init(&p->trial, PLAN_SQL_MAX);
}

void ddl_plan_fini(struct ddl_plan *p)
{
    vec_fini(&p->objects);
    buf_fini(&p->sql);
    buf_fini(&p->trial);
    arena_fini(&p->arena);
}

const char *ddl_kind_word(const struct ddl_record *d)
{
    bool drops = d->flags & DDL_F_DROPS, creates = d->flags & DDL_F_CREATES;

    switch ((enum ddl_kind)d->ddl_kind) {
    case DDL_CREATE_TABLE:
        return "create-table";
    case DDL_ALTER_TABLE:
        return "alter-table";
    case DDL_DROP_TABLE:
        return "drop-table";
    case DDL_RENAME_TABLE:
        return "rename-table";
    case DDL_TRUNCATE:
        return "truncate";
    case DDL_INDEX:
        return drops ? "drop-index" : "create-index";
    case DDL_DATABASE:
        return drops ? "drop-database" : creates ? "create-database" : "alter-database";
    case DDL_UNKNOWN:
    case DDL_OTHER:
        break;
    }
    return "unknown";
}

bool plan_hold(struct planning *g, const char *why)
{
    g->plan->verdict = DDL_HOLD;
    g->plan->why = why;
    return false;
}

bool plan_pass(struct planning *g, const char *why)
{
    g->plan->verdict = DDL_PASS;
    g->plan->why = why;
    return false;
}

static bool is_listed(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

/* --- what it names ------------------------------------------------------------------------------
 */

static void load_names(struct planning *g)
{
    struct cursor c = cursor_of(g->d->tables.p, g->d->tables.len);
    struct arena *a = &g->plan->arena;
    struct ddl_table t;

    g->named = arena_calloc(a, (size_t)g->d->n_tables + 1, sizeof *g->named);
    while (g->n < g->d->n_tables && ddl_table_next(&c, &t)) {
        struct named *n = &g->named[g->n++];

        n->t = t;
        n->db = arena_strndup(a, (const char *)t.db.p, t.db.len);
        n->name = arena_strndup(a, (const char *)t.name.p, t.name.len);
        if (t.role != DDL_ROLE_DATABASE)
            g->p->place(g->p->arg, n->db, n->name, &n->place);
    }
}

static bool is_acted_on(const struct named *n)
{
    return n->t.role == DDL_ROLE_SUBJECT || n->t.role == DDL_ROLE_FROM || n->t.role == DDL_ROLE_TO;
}

const char *plan_key_of(struct planning *g, const struct named *n)
{
    return arena_printf(&g->plan->arena, "%s.%s", n->db, n->name);
}

/* --- the text -----------------------------------------------------------------------------------
 */

static bool is_cut(const struct planning *g, uint32_t at, uint32_t *end)
{
    struct cursor c = cursor_of(g->d->cuts.p, g->d->cuts.len);
    struct ddl_cut cut;

    while (ddl_cut_next(&c, &cut))
        if (at >= cut.at && at < cut.at + cut.len) {
            *end = cut.at + cut.len;
            return true;
        }
    return false;
}

static void put_name(const struct planning *g, const struct named *n, struct buf *out)
{
    const char *trial = g->p->trial;

    if (g->for_trial && n->t.role == DDL_ROLE_SUBJECT)
        g->p->quote(out, g->plan->trial_db, trial);
    else if (g->for_trial && n->t.role == DDL_ROLE_TO)
        g->p->quote(out, g->plan->trial_db, arena_printf(&g->plan->arena, "%s_2", trial));
    else
        g->p->quote(out, n->place.to_db, n->place.to_name);
}

/* The source's text, byte for byte, except names and cuts. */
static void splice(struct planning *g, struct buf *out)
{
    const uint8_t *text = g->d->sql.p;
    uint32_t i = 0;

    while (i < g->d->sql.len) {
        uint32_t end = i;

        if (is_cut(g, i, &end)) {
            buf_u8(out, ' ');
            i = end;
            continue;
        }
        for (size_t k = 0; k < g->n; k++)
            if (g->named[k].t.at == i && g->named[k].t.len > 0) {
                put_name(g, &g->named[k], out);
                end = i + g->named[k].t.len;
                break;
            }
        if (end == i)
            buf_u8(out, text[end++]);
        i = end;
    }
}

struct ddl_object *plan_add_object(struct planning *g, const struct named *n)
{
    struct ddl_object o = {
        .db = n->place.to_db, .name = n->place.to_name, .key = plan_key_of(g, n), .from = -1};

    vec_push(&g->plan->objects, o);
    return &g->plan->objects.at[g->plan->objects.n - 1];
}

static void make_trial(struct planning *g, const struct named *subject, bool renames)
{
    struct ddl_plan *p = g->plan;

    p->trial_db = subject->place.to_db;
    p->trial_result = renames ? arena_printf(&p->arena, "%s_2", g->p->trial) : g->p->trial;
    g->for_trial = true;
    splice(g, &p->trial);
    g->for_trial = false;
}

/* --- kinds --------------------------------------------------------------------------------------
 */

static bool plan_create(struct planning *g)
{
    const struct named *subject = &g->named[0];
    uint32_t f = g->d->flags;

    if (f & DDL_F_SELECTS)
        return plan_hold(
            g, "its text selects the new table's rows, and they were logged too or never");
    for (size_t i = 1; i < g->n; i++)
        if (g->named[i].t.role == DDL_ROLE_MODEL && !g->named[i].place.in_scope)
            return plan_hold(g, "it makes a table like one that the project does not move");
    struct ddl_object *o = plan_add_object(g, subject);
    o->may_exist = f & (DDL_F_REPLACES | DDL_F_IF_EXISTS);
    o->tried = true;
    splice(g, &g->plan->sql);
    make_trial(g, subject, false);
    return true;
}

static bool plan_change(struct planning *g)
{
    const struct named *subject = &g->named[0], *to = NULL;

    if (g->d->flags & DDL_F_ONLY_CUTS)
        return plan_pass(g, "foreign keys are made at the release");
    for (size_t i = 1; i < g->n; i++) {
        uint32_t end;
        if (g->named[i].t.role == DDL_ROLE_TO)
            to = &g->named[i];
        else if (!is_cut(g, g->named[i].t.at, &end))
            return plan_hold(g, "it joins the table with another one");
    }
    if (to && (!to->place.in_scope || !subject->place.in_scope))
        return plan_hold(g, "a table enters or leaves what the project moves");
    if (to && (to->place.in_copy || subject->place.in_copy))
        return plan_alter_behind_copies(g, subject, to);
    plan_add_object(g, subject)->must_exist = true;
    g->plan->objects.at[0].tried = !to;
    g->plan->objects.at[0].gone = to != NULL;
    if (to)
        plan_add_object(g, to)->tried = true;
    g->plan->like_db = subject->place.to_db;
    g->plan->like_name = subject->place.to_name;
    splice(g, &g->plan->sql);
    make_trial(g, subject, to != NULL);
    return true;
}

static bool plan_truncate(struct planning *g)
{
    struct ddl_object *o = plan_add_object(g, &g->named[0]);

    o->must_exist = true;
    o->from = 0;
    splice(g, &g->plan->sql);
    return true;
}

/* The one table that it changes: after another copy nothing of the statement is missing. */
static const char *table_that_is_left(struct planning *g)
{
    const struct named *in = NULL;

    for (size_t i = 0; i < g->n; i++) {
        const struct named *n = &g->named[i];

        if (n->t.role != DDL_ROLE_SUBJECT || (n->place.in_scope && (in || n->place.of_family)))
            return NULL;
        in = n->place.in_scope ? n : in;
    }
    return in ? plan_key_of(g, in) : NULL;
}

static bool plan_database(struct planning *g)
{
    const struct ddl_table *t = &g->named[0].t;
    const char *to = g->p->place_db(g->p->arg, g->named[0].db);
    struct buf *sql = &g->plan->sql;

    if (!to)
        return plan_pass(g, "not in scope");
    if (g->d->flags & (DDL_F_DROPS | DDL_F_REPLACES))
        return plan_hold(g, "a database is dropped: the target's may hold more than this project's "
                            "tables");
    g->plan->runs_blind = true;
    buf_append(sql, g->d->sql.p, t->at);
    if (g->d->flags & DDL_F_CREATES && !(g->d->flags & DDL_F_IF_EXISTS))
        buf_str(sql, "IF NOT EXISTS ");
    g->p->quote_name(sql, to);
    buf_u8(sql, ' ');
    buf_append(sql, g->d->sql.p + t->at + t->len, g->d->sql.len - t->at - t->len);
    return true;
}

/* --- the verdict --------------------------------------------------------------------------------
 */

static bool is_permitted(struct planning *g)
{
    const char *word = ddl_kind_word(g->d);

    if (!g->p->sync)
        return plan_hold(g, "ddl.sync is off in the project's file");
    if (is_listed(g->p->deny, g->p->n_deny, word))
        return plan_hold(g, arena_printf(&g->plan->arena, "the project's ddl.deny names %s", word));
    if (g->p->n_allow > 0 && !is_listed(g->p->allow, g->p->n_allow, word))
        return plan_hold(g,
                         arena_printf(&g->plan->arena, "the project's ddl.allow lacks %s", word));
    return true;
}

static bool is_innodb(const struct ddl_record *d)
{
    return d->engine.len == 0 ||
           (d->engine.len == 6 && strncasecmp((const char *)d->engine.p, "InnoDB", 6) == 0);
}

/* Is there something to do at all? */
static bool is_to_be_done(struct planning *g)
{
    bool any = false, all_in_copy = true;

    if (!(g->d->flags & DDL_F_READ) || g->n == 0)
        return plan_hold(g, "it is not understood");
    if (g->d->ddl_kind == DDL_DATABASE)
        return true;
    for (size_t i = 0; i < g->n; i++)
        if (is_acted_on(&g->named[i]) && g->named[i].place.in_scope) {
            any = true;
            all_in_copy &= g->named[i].place.in_copy;
        }
    if (!any)
        return plan_pass(g, "not in scope");
    return !all_in_copy || plan_pass(g, "the table's copy began behind it");
}

/* There each name counts for itself: plan_drop, rename_behind_copies. */
static bool moves_or_drops(const struct planning *g)
{
    return g->d->ddl_kind == DDL_DROP_TABLE || g->d->ddl_kind == DDL_RENAME_TABLE ||
           g->d->flags & DDL_F_RENAMES;
}

/* Where the tables' copies stand to it. Not all of them began behind it: where one did, the
 * target's table is a later one of that name, which the statement never meant. */
static bool judge_copies(struct planning *g)
{
    bool during = false, family = false, later = false;

    for (size_t i = 0; i < g->n; i++) {
        const struct named *n = &g->named[i];
        if (!n->place.in_scope || !(is_acted_on(n) || n->t.role == DDL_ROLE_MODEL))
            continue;
        during |= n->place.during_copy;
        later |= n->place.in_copy && !moves_or_drops(g);
        family |= is_acted_on(n) && n->place.of_family;
    }
    if (g->d->ddl_kind == DDL_DATABASE)
        return true;
    if (family && g->d->ddl_kind != DDL_INDEX)
        return plan_hold(g,
                         "foreign keys' actions join the table with others: OMS would go on to act "
                         "as they were");
    if (later)
        return plan_hold(g, LATER);
    if (during)
        return plan_hold(g, "it came while the table was being copied");
    if (g->d->flags & DDL_F_CASCADES)
        return plan_hold(g,
                         "it makes a foreign key whose action changes rows without a trace in the "
                         "log");
    if (!is_innodb(g->d))
        return plan_hold(g, "it asks for another engine than InnoDB");
    return true;
}

static bool plan_kind(struct planning *g)
{
    switch ((enum ddl_kind)g->d->ddl_kind) {
    case DDL_CREATE_TABLE:
        return plan_create(g);
    case DDL_ALTER_TABLE:
    case DDL_INDEX:
        return plan_change(g);
    case DDL_DROP_TABLE:
        return plan_drop(g);
    case DDL_RENAME_TABLE:
        return plan_rename(g);
    case DDL_TRUNCATE:
        return plan_truncate(g);
    case DDL_DATABASE:
        return plan_database(g);
    case DDL_UNKNOWN:
    case DDL_OTHER:
        break;
    }
    return plan_hold(g, "it is not understood");
}

static const char *text_or_null(struct planning *g, struct view v)
{
    return v.len ? arena_strndup(&g->plan->arena, (const char *)v.p, v.len) : NULL;
}

void ddl_plan_make(struct ddl_plan *p, const struct ddl_record *d,
                   const struct ddl_plan_params *params)
{
    struct planning g = {.plan = p, .d = d, .p = params};

    load_names(&g);
    if (d->ddl_kind == DDL_RENAME_TABLE)
        p->copy_table = plan_table_that_enters(&g);
    else if (d->ddl_kind != DDL_DROP_TABLE)
        p->copy_table = table_that_is_left(&g);
    if (!is_to_be_done(&g) || !is_permitted(&g) || !judge_copies(&g) || !plan_kind(&g))
        return;
    if (params->other_product && !ddl_means_the_same(d)) {
        (void)plan_hold(
            &g, "source and target are different products: there it may mean another thing");
        return;
    }
    p->verdict = DDL_RUN;
    p->invents = text_or_null(&g, d->invents);
    p->auto_column = text_or_null(&g, d->auto_column);
    if (!buf_ok(&p->sql) || !buf_ok(&p->trial))
        (void)plan_hold(&g, "it is too long");
}
