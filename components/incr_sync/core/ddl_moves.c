/*
 * Statements by which tables go or change names; see ddl_plan.h. Each name counts for itself: a
 * table whose copy began behind the statement has its effect, and is a later one of that name.
 */
#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/ddl_plan_priv.h"

static void drop_one(struct planning *g, const struct named *n)
{
    if (g->plan->objects.n > 0)
        buf_str(&g->plan->sql, ", ");
    g->p->quote(&g->plan->sql, n->place.to_db, n->place.to_name);
    struct ddl_object *o = plan_add_object(g, n);
    o->may_exist = true;
    o->gone = true;
}

/* With a new name whose copy has all of it, the old one goes; see rename_behind_copies. */
bool plan_alter_behind_copies(struct planning *g, const struct named *subject,
                              const struct named *to)
{
    if (!to->place.in_copy)
        return plan_hold(g, LATER);
    buf_str(&g->plan->sql, "DROP TABLE IF EXISTS ");
    drop_one(g, subject);
    return true;
}

/* Of the statement's names the first that is this object's. */
static bool is_first_named(const struct planning *g, size_t at, const struct ddl_object *o)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->named[i].place.in_scope && strcmp(g->named[i].place.to_db, o->db) == 0 &&
            strcmp(g->named[i].place.to_name, o->name) == 0)
            return i == at;
    return false;
}

bool plan_drop(struct planning *g)
{
    buf_str(&g->plan->sql, "DROP TABLE IF EXISTS ");
    for (size_t i = 0; i < g->n; i++) {
        if (!g->named[i].place.in_scope || g->named[i].place.in_copy)
            continue; /* a later table of that name is not meant */
        drop_one(g, &g->named[i]);
    }
    return true;
}

static bool is_in_copy(const struct planning *g, const struct ddl_object *o)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->named[i].place.in_scope && strcmp(g->named[i].place.to_db, o->db) == 0 &&
            strcmp(g->named[i].place.to_name, o->name) == 0)
            return g->named[i].place.in_copy;
    return false;
}

static bool any_in_copy(const struct planning *g)
{
    bool any = false;

    for (size_t i = 0; i < g->plan->objects.n; i++)
        any |= is_in_copy(g, &g->plan->objects.at[i]);
    return any;
}

/* The copy of a name that a table got began behind the statement, so it has all that the statement
 * did; what is left to do is that the old name goes. Where a table goes on under a name without
 * such a copy, only it itself would be right. */
static bool rename_behind_copies(struct planning *g)
{
    struct ddl_plan *p = g->plan;
    struct ddl_object *old = p->objects.at;
    size_t n = p->objects.n;
    bool elsewhere = false;

    for (size_t i = 0; i < n; i++)
        elsewhere |= old[i].from >= 0 && old[i].from != (int)i && !is_in_copy(g, &old[i]);
    if (elsewhere)
        return plan_hold(g, LATER);
    p->moves = false;
    p->objects.at = NULL;
    p->objects.n = p->objects.cap = 0;
    buf_clear(&p->sql);
    buf_str(&p->sql, "DROP TABLE IF EXISTS ");
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < n; k++)
            if (old[k].from < 0 && !is_in_copy(g, &old[k]) && is_first_named(g, i, &old[k]))
                drop_one(g, &g->named[i]);
    free(old);
    return p->objects.n > 0 || plan_pass(g, "the copies of its tables began behind it");
}

static int object_of(struct planning *g, const struct named *n, bool as_from)
{
    for (size_t i = 0; i < g->plan->objects.n; i++)
        if (strcmp(g->plan->objects.at[i].db, n->place.to_db) == 0 &&
            strcmp(g->plan->objects.at[i].name, n->place.to_name) == 0)
            return (int)i;
    struct ddl_object *o = plan_add_object(g, n);
    o->must_exist = as_from;
    o->from = as_from ? (int)g->plan->objects.n - 1 : -1;
    return (int)g->plan->objects.n - 1;
}

static bool rename_pair(struct planning *g, const struct named *from, const struct named *to)
{
    if (from->place.in_scope != to->place.in_scope)
        return plan_hold(g,
                         to->place.in_scope
                             ? "a table that was not followed since it was made gets a name that is"
                             : "a table leaves what the project moves");
    if (!from->place.in_scope)
        return true;
    int f = object_of(g, from, true), t = object_of(g, to, false);
    buf_str(&g->plan->sql, g->plan->sql.len ? ", " : "RENAME TABLE ");
    g->p->quote(&g->plan->sql, from->place.to_db, from->place.to_name);
    buf_str(&g->plan->sql, " TO ");
    g->p->quote(&g->plan->sql, to->place.to_db, to->place.to_name);
    g->plan->objects.at[t].from = g->plan->objects.at[f].from;
    g->plan->objects.at[f].from = -1;
    return true;
}

/* One table comes in from outside, and no name but its own is left: a shadow table's swap. */
const char *plan_table_that_enters(struct planning *g)
{
    const struct named *in = NULL;

    for (size_t i = 0; i + 1 < g->n; i += 2) {
        if (!g->named[i + 1].place.in_scope)
            continue;
        if (in || g->named[i].place.in_scope || g->named[i + 1].place.of_family)
            return NULL;
        in = &g->named[i + 1];
    }
    for (size_t i = 0; in && i + 1 < g->n; i += 2)
        if (g->named[i].place.in_scope &&
            (strcmp(g->named[i].db, in->db) != 0 || strcmp(g->named[i].name, in->name) != 0))
            return NULL;
    return in ? plan_key_of(g, in) : NULL;
}

bool plan_rename(struct planning *g)
{
    g->plan->moves = true;
    for (size_t i = 0; i + 1 < g->n; i += 2)
        if (!rename_pair(g, &g->named[i], &g->named[i + 1]))
            return false;
    if (any_in_copy(g))
        return rename_behind_copies(g);
    for (size_t i = 0; i < g->plan->objects.n; i++)
        g->plan->objects.at[i].gone = g->plan->objects.at[i].from < 0;
    return true;
}
