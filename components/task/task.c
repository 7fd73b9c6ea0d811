/* The outcome of a task and what verbs share (task.h). */
#include "components/task/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "components/transform/transform.h"

static const char *verdict_name(const struct task *t, const struct check_item *item)
{
    if (item->verdict == CHECK_OK)
        return "ok";
    if (item->verdict == CHECK_WARNING)
        return "warning";
    for (size_t i = 0; item->may_skip && i < t->fixed->n_skip_checks; i++)
        if (strcmp(t->fixed->skip_checks[i], item->id) == 0)
            return "skipped";
    return "failed";
}

void task_check(struct task *t, const struct check_item *item)
{
    Oms__CheckView *v = arena_alloc(&t->arena, sizeof *v);

    oms__check_view__init(v);
    v->id = arena_strdup(&t->arena, item->id);
    v->verdict = arena_strdup(&t->arena, verdict_name(t, item));
    v->reason = arena_strdup(&t->arena, item->reason);
    v->remedy = arena_strdup(&t->arena, item->verdict == CHECK_OK ? "" : item->remedy);
    v->object = arena_strdup(&t->arena, item->object);
    v->has_may_skip = true;
    v->may_skip = item->verdict == CHECK_FAILED && item->may_skip;
    vec_push(&t->checks, v);
}

enum convert_way task_way(const struct task *t)
{
    return convert_way_of(t->source.address.kind, t->target.address.kind);
}

void task_check_sink(void *arg, const struct check_item *item)
{
    task_check(arg, item);
}

void task_check_error(struct task *t, const char *id, const char *object, bool may_skip,
                      const char *remedy, const struct err *e)
{
    struct check_item item = {.id = id,
                              .object = object,
                              .verdict = CHECK_FAILED,
                              .may_skip = may_skip,
                              .remedy = remedy};

    item.reason = arena_printf(&t->arena, "%s: %s", err_name(e->code), e->message);
    task_check(t, &item);
}

size_t task_failed(const struct task *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->checks.n; i++)
        n += strcmp(t->checks.at[i]->verdict, "failed") == 0;
    return n;
}

void task_object(struct task *t, const char *type, const char *name, const char *state,
                 const char *ddl, const char *reason)
{
    Oms__ObjectView *v = arena_alloc(&t->arena, sizeof *v);

    oms__object_view__init(v);
    v->type = arena_strdup(&t->arena, type);
    v->name = arena_strdup(&t->arena, name);
    v->state = arena_strdup(&t->arena, state);
    v->ddl = arena_strdup(&t->arena, ddl ? ddl : "");
    v->reason = arena_strdup(&t->arena, reason ? reason : "");
    vec_push(&t->objects, v);
}

void task_say(struct task *t, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    t->text = arena_strdup(&t->arena, text);
}

bool task_need(const struct task *t, bool source, bool target, bool scope, struct err *e)
{
    if (source && !t->source.id)
        return err_set(e, ERR_INVALID, "task '%s' needs a source", t->fixed->verb);
    if (target && !t->target.id)
        return err_set(e, ERR_INVALID, "task '%s' needs a target", t->fixed->verb);
    if (scope && !t->scope)
        return err_set(e, ERR_INVALID, "task '%s' needs a scope", t->fixed->verb);
    return true;
}

const char *task_table_key(struct task *t, const char *db, const char *table)
{
    return transform_table_key(&t->arena, db, table);
}

bool task_has_table(void *arg, const char *db, const char *table)
{
    const struct task *t = arg;

    return scope_has(t->scope, db, table);
}

bool task_has_db(void *arg, const char *db)
{
    const struct task *t = arg;

    return scope_may_have_db(t->scope, db);
}

bool task_tables(struct task *t, struct session *source, struct table_name **names, size_t *n,
                 struct err *e)
{
    return t->source.endpoint->catalog->list_tables(source, task_has_table, t, &t->arena, names, n,
                                                    e);
}
