/*
 * oms-task schema: databases and tables on the target, each with a state and its DDL. May run again
 * at any time: a table that is there with the same shape is fine; another shape is TARGET_SHAPE. In
 * a project that copies nothing the tables are there already, and nothing is made but foreign keys
 * that act.
 * One table's failure does not keep the others from being tried; the first one is the task's error.
 */
#include <string.h>

#include "components/convert/convert.h"
#include "components/task/task.h"

struct schema {
    struct task *t;
    struct session *source, *target; /* target: for definitions */
    struct session *ddl;
    struct made *made;
    struct buf text;
    VEC(const char *) dbs; /* created already in this run */
    struct err first;      /* the first table's failure */
};

static void failed(struct schema *s, const char *table, const struct err *e)
{
    const char *reason = arena_printf(&s->t->arena, "%s: %s", err_name(e->code), e->message);

    task_object(s->t, "table", table, "failed", buf_cstr(&s->text), reason);
    if (s->first.code == ERR_NONE)
        s->first = *e;
}

static bool database_ddl(struct schema *s, const char *db, const char *to_db, struct err *e)
{
    char charset[64], collation[64], name[64];

    if (!objects_database_charset(s->source, db, charset, collation, e))
        return false;
    objects_database_ddl(to_db, charset, convert_collation(collation, task_way(s->t), name, NULL),
                         &s->text);
    return true;
}

static bool create_database(struct schema *s, const char *db, const char *to_db, struct err *e)
{
    for (size_t i = 0; i < s->dbs.n; i++)
        if (strcmp(s->dbs.at[i], to_db) == 0)
            return true;
    buf_clear(&s->text);
    if (!database_ddl(s, db, to_db, e) || !objects_run(s->ddl, buf_cstr(&s->text), e))
        return false;
    vec_push(&s->dbs, to_db);
    task_object(s->t, "database", db, "created", buf_cstr(&s->text), "");
    return true;
}

/* The target's table as it is now: of the same shape, or TARGET_SHAPE with the first difference. */
static bool load_alike(struct schema *s, const struct table_def *def, const char *to_db,
                       const char *to_table, const struct table_def **out, struct err *e)
{
    const struct table_def *there;
    struct buf why CLEANUP(buf_fini) = {0};

    buf_init(&why, 4096);
    if (!s->t->target.endpoint->catalog->load_table(s->target, to_db, to_table, &there, e))
        return false;
    if (!task_same_shape(def, there, &why)) {
        table_def_unref(there);
        return err_set(e, ERR_TARGET_SHAPE, "table '%s.%s' on the target: %s", to_db, to_table,
                       buf_cstr(&why));
    }
    *out = there;
    return true;
}

/* The indexes that wait, and for what. */
static bool tell_held_indexes(struct schema *s, const struct table_def *def,
                              const struct table_def *there, const char *key, struct err *e)
{
    static const struct {
        enum index_set set;
        const char *type, *reason;
    } sets[] = {{INDEX_PLAIN, "indexes", "held back until after the copy"},
                {INDEX_UNIQUE, "unique indexes",
                 "held back until the changes have passed the end of the copy"}};
    bool any;

    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        buf_clear(&s->text);
        if (!convert_add_indexes(def, there, there->db, there->name, sets[i].set, &s->text, &any,
                                 e))
            return false;
        if (any)
            task_object(s->t, sets[i].type, key, "held back", buf_cstr(&s->text), sets[i].reason);
    }
    return true;
}

/* Foreign keys that act need their indexes; tables of a family are copied without overlap, so that
 * nothing speaks against having them from the start. */
static bool make_indexes(struct schema *s, const struct table_def *def,
                         const struct table_def *there, const char *key, struct err *e)
{
    static const enum index_set sets[] = {INDEX_UNIQUE, INDEX_PLAIN};
    bool any;

    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        buf_clear(&s->text);
        if (!convert_add_indexes(def, there, there->db, there->name, sets[i], &s->text, &any, e))
            return false;
        if (!any)
            continue;
        if (!objects_run(s->ddl, buf_cstr(&s->text), e))
            return false;
        task_object(s->t, sets[i] == INDEX_PLAIN ? "indexes" : "unique indexes", key, "created",
                    buf_cstr(&s->text), "foreign keys that act join the table to others");
    }
    return true;
}

/* Recorded as ours from before it is made. */
static bool make_one(struct schema *s, const struct table_def *source, struct err *e)
{
    return task_made_put(s->made, s->ddl, source, false, e) &&
           objects_run(s->ddl, buf_cstr(&s->text), e) &&
           task_made_put(s->made, s->ddl, source, true, e);
}

/* def: the source's table as the target's is to be. */
static bool create_table(struct schema *s, const struct table_def *source,
                         const struct table_def *def, const char *key, struct err *e)
{
    const struct table_def *there = NULL;
    const char *to_db, *to_table;
    bool had;

    scope_map(s->t->scope, def->db, def->name, &to_db, &to_table);
    buf_clear(&s->text);
    if (!convert_create_table(def, to_db, to_table, &s->text, e) ||
        !objects_has_table(s->target, to_db, to_table, &had, e))
        return false;
    if (!had && !make_one(s, source, e))
        return false;
    if (!load_alike(s, def, to_db, to_table, &there, e))
        return false;
    task_object(s->t, "table", key, "created", buf_cstr(&s->text),
                had ? "it was there with the same shape" : "");
    bool ok = def->family[0] != '\0' ? make_indexes(s, def, there, key, e)
                                     : tell_held_indexes(s, def, there, key, e);
    table_def_unref(there);
    return ok;
}

static bool make_table(struct schema *s, const struct table_name *name, const char *key,
                       struct err *e)
{
    const struct table_def *def;
    const char *to_db, *to_table;

    scope_map(s->t->scope, name->db, name->name, &to_db, &to_table);
    buf_clear(&s->text);
    if (!create_database(s, name->db, to_db, e) ||
        !s->t->source.endpoint->catalog->load_table(s->source, name->db, name->name, &def, e))
        return false;
    const struct table_def *wanted = NULL;
    bool ok = convert_table(def, task_way(s->t), &wanted, NULL, e) &&
              create_table(s, def, wanted, key, e);
    table_def_unref(wanted);
    table_def_unref(def);
    return ok;
}

static bool make_tables(struct schema *s, struct err *e)
{
    struct task *t = s->t;
    struct table_name *names;
    size_t n;

    if (!task_tables(t, s->source, &names, &n, e))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *key = task_table_key(t, names[i].db, names[i].name);
        struct err one = ERR_INIT;
        if (component_stopping(t->component))
            return err_set(e, ERR_CANCELLED, "a stop was asked for");
        if (!task_copies(t)) {
            task_object(t, "table", key, "kept", "", "the project copies nothing");
            component_table(t->component, "schema", key, "kept", 1, 1, "");
        } else if (make_table(s, &names[i], key, &one)) {
            component_table(t->component, "schema", key, "created", 1, 1, "");
        } else if (err_class_of(one.code) == ERR_CLASS_RETRY) {
            *e = one;
            return false;
        } else {
            failed(s, key, &one);
            component_table(t->component, "schema", key, "failed", 0, 1, one.message);
        }
        component_progress(t->component, "schema", "tables", i + 1, n, 0, -1);
    }
    return true;
}

/* Cascades are not in the log: the target's own foreign keys do what the source's do (A8). */
static bool make_foreign_key(struct schema *s, const struct held_object *o, struct err *e)
{
    bool there;

    if (!objects_has_foreign_key(s->ddl, o->to_db, o->to_table, o->to_name, &there, e))
        return false;
    if (!there && !objects_run(s->ddl, o->ddl, e))
        return err_wrap(e, "create foreign key '%s'", o->name);
    task_object(s->t, o->type, o->name, "created", o->ddl, there ? "it was there before" : "");
    return true;
}

static bool make_or_tell_held(struct schema *s, struct err *e)
{
    struct held_list held = {0};

    bool ok = task_held(s->t, s->source, &held, e);
    for (size_t i = 0; ok && i < held.list.n; i++) {
        const struct held_object *o = &held.list.at[i];

        if (o->cascades)
            ok = make_foreign_key(s, o, e);
        else
            task_object(s->t, o->type, o->name, "held back", o->ddl, "held back until release");
    }
    vec_fini(&held.list);
    return ok;
}

static bool run_schema(struct schema *s, struct err *e)
{
    struct task *t = s->t;

    if (!t->source.endpoint->catalog->connect(&t->source.address, &s->source, e) ||
        !t->target.endpoint->catalog->connect(&t->target.address, &s->target, e) ||
        !objects_connect(&t->target.address, &s->ddl, e))
        return false;
    if (!make_tables(s, e))
        return false;
    if (s->first.code != ERR_NONE) {
        *e = s->first;
        return false;
    }
    return make_or_tell_held(s, e);
}

bool task_schema(struct task *t, struct err *e)
{
    struct schema s = {.t = t, .first = ERR_INIT};

    if (!task_need(t, true, true, true, e))
        return false;
    buf_init(&s.text, 16u << 20);
    s.made = task_made_new(t);
    bool ok = run_schema(&s, e);
    task_made_free(s.made);
    t->source.endpoint->catalog->close(s.source);
    t->target.endpoint->catalog->close(s.target);
    t->target.endpoint->catalog->close(s.ddl);
    buf_fini(&s.text);
    vec_fini(&s.dbs);
    task_say(t, ok ? "%zu objects" : "%zu objects, not all of them made", t->objects.n);
    if (ok)
        component_step_done(t->component, "schema");
    return ok;
}
