/*
 * A table whose definition changes while it is compared: what was read with the older definition
 * says nothing of the table that is there now. The source's catalog decides. Thread: the worker
 * that has the table.
 */
#include "common/log/log.h"
#include "components/full_verification/verification_priv.h"

#define ABSENT_TRIES 3

/* A definition is counted by the rows that are read with it: a plain copy of the struct has no
 * count, so the target's is sealed like any other. */
bool definition_take(struct verification *v, struct check_table *t, const struct table_def *def,
                     struct err *e)
{
    const struct table_def *there = NULL;
    struct table_def_builder b;
    bool ok;

    table_def_builder_init(&b);
    b.def = *def;
    scope_map(v->scope, def->db, def->name, &b.def.db, &b.def.name);
    ok = table_def_seal(&b, &there, e);
    table_def_builder_fini(&b);
    if (!ok) {
        table_def_unref(def);
        return false;
    }
    table_def_unref(t->there);
    table_def_unref(t->def);
    t->def = def;
    t->there = there;
    return true;
}

bool definition_look(struct verification *v, struct check_table *t, enum definition_is *is,
                     struct err *e)
{
    const struct catalog_ops *cat = v->source->catalog;
    const struct table_def *def = NULL;
    struct session *s = NULL;
    bool ok;

    *is = DEFINITION_SAME;
    if (!cat->connect(&v->source_at, &s, e))
        return err_wrap(e, "connect to the source");
    ok = cat->load_table(s, t->def->db, t->def->name, &def, e);
    cat->close(s);
    if (!ok && e->code == ERR_SERVER_NO_OBJECT) {
        err_clear(e);
        *is = DEFINITION_GONE;
        return true;
    }
    if (!ok)
        return err_wrap(e, "read the definition of '%s' again", t->key);
    if (table_def_same_rows(def, t->def)) {
        table_def_unref(def);
        return true;
    }
    log_event(LOG_INFO, "verification.definition", "table=%s changed, it is compared anew", t->key);
    *is = DEFINITION_OTHER;
    t->absent = 0;
    return definition_take(v, t, def, e);
}

/* The server lacks what the source's catalog has: the target may not have come so far yet. */
static bool may_come(struct check_table *t)
{
    return ++t->absent <= ABSENT_TRIES;
}

bool definition_explains(struct verification *v, struct check_table *t, enum definition_is *is,
                         struct err *e)
{
    struct err why = *e;

    *is = DEFINITION_SAME;
    if (e->code != ERR_SERVER_NO_OBJECT)
        return false;
    err_clear(e);
    if (!definition_look(v, t, is, e))
        return err_class_of(e->code) == ERR_CLASS_RETRY;
    *e = why;
    return *is != DEFINITION_SAME || may_come(t);
}
