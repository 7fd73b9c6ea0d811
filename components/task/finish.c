/*
 * oms-task finish: creates the foreign keys, then the triggers, that were held back, each with a
 * state. Runs after the seal; may run again: what is there already is left. An object that the
 * server refuses is told as failed with the server's text and does not keep the others back.
 */
#include "components/task/task.h"

struct finish {
    struct task *t;
    struct session *source, *ddl;
    struct held_list held;
    size_t failed;
};

static bool is_there(struct finish *f, const struct held_object *o, bool *there, struct err *e)
{
    if (o->sql_mode)
        return objects_has_trigger(f->ddl, o->to_db, o->to_name, there, e);
    return objects_has_foreign_key(f->ddl, o->to_db, o->to_table, o->to_name, there, e);
}

static bool create(struct finish *f, const struct held_object *o, struct err *e)
{
    if (o->sql_mode)
        return objects_create_trigger(f->ddl, o->sql_mode, o->ddl, e);
    return objects_run(f->ddl, o->ddl, e);
}

/* False only for what makes going on senseless (a lost connection). */
static bool finish_object(struct finish *f, const struct held_object *o, struct err *e)
{
    struct err refused = ERR_INIT;
    bool there;

    if (o->warning) {
        task_object(f->t, o->type, o->name, "held back", o->ddl, o->warning);
        return true;
    }
    if (!is_there(f, o, &there, e))
        return false;
    if (there) {
        task_object(f->t, o->type, o->name, "created", o->ddl, "it was there before");
        return true;
    }
    if (create(f, o, &refused)) {
        task_object(f->t, o->type, o->name, "created", o->ddl, "");
        return true;
    }
    if (err_class_of(refused.code) == ERR_CLASS_RETRY) {
        *e = refused;
        return false;
    }
    f->failed++;
    task_object(f->t, o->type, o->name, "failed", o->ddl,
                arena_printf(&f->t->arena, "%s: %s", err_name(refused.code), refused.message));
    return true;
}

static bool run_finish(struct finish *f, struct err *e)
{
    struct task *t = f->t;

    if (!endpoint_first(t->source.endpoint, &t->source.address, e) ||
        !t->source.endpoint->catalog->connect(&t->source.address, &f->source, e) ||
        !objects_connect(&t->target.address, &f->ddl, e) || !task_held(t, f->source, &f->held, e))
        return false;
    /* The server checks the rows that are there when a foreign key is created. */
    if (!objects_run(f->ddl, "SET foreign_key_checks=1", e))
        return false;
    for (size_t i = 0; i < f->held.list.n; i++) {
        if (!finish_object(f, &f->held.list.at[i], e))
            return false;
        component_progress(t->component, "finish", "objects", i + 1, f->held.list.n, 0, -1);
    }
    return true;
}

bool task_finish(struct task *t, struct err *e)
{
    struct finish f = {.t = t};

    if (!task_need(t, true, true, true, e))
        return false;
    bool ok = run_finish(&f, e);
    task_say(t, "%zu foreign keys and triggers, %zu failed", f.held.list.n, f.failed);
    vec_fini(&f.held.list);
    t->source.endpoint->catalog->close(f.source);
    t->target.endpoint->catalog->close(f.ddl);
    if (ok)
        component_step_done(t->component, "finish");
    return ok;
}
