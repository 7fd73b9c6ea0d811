/*
 * oms-task: runs the verb of its specification and reports the outcome. Started by a Supervisor for
 * a step or a question of a person; ends by itself. A failed check is an outcome, not an error; an
 * error of class RETRY makes the Supervisor start the task again.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "components/task/task.h"
#include "components/transform/transform.h"

#define OUTCOME_MAX (64u << 20)

struct verb {
    const char *name, *summary;
    task_verb *run;
};

static const struct verb verbs[] = {
    {"test", "connect, identify, measure a round trip", task_test},
    {"precheck", "can the project be carried?", task_precheck},
    {"schema", "create databases and tables on the target", task_schema},
    {"seal", "no writer of the named tasks may write any more", task_seal},
    {"finish", "create foreign keys and triggers", task_finish},
};

static bool open_side(struct task *t, const Oms__Endpoint *from, struct task_side *side,
                      struct err *e)
{
    if (!from || !from->id || !from->id[0])
        return true;
    side->id = from->id;
    return component_address(t->component, from->id, &side->address, &side->endpoint, e);
}

static bool prepare(struct task *t, struct err *e)
{
    if (!open_side(t, t->fixed->source, &t->source, e) ||
        !open_side(t, t->fixed->target, &t->target, e))
        return false;
    return !t->fixed->scope || transform_scope(t->fixed->scope, &t->arena, &t->scope, e);
}

static void log_outcome(const struct task *t)
{
    for (size_t i = 0; i < t->checks.n; i++) {
        const Oms__CheckView *v = t->checks.at[i];
        if (strcmp(v->verdict, "ok") != 0)
            log_event(LOG_WARN, "task.check", "%s %s %s: %s", v->id, v->object, v->verdict,
                      v->reason);
    }
    for (size_t i = 0; i < t->objects.n; i++)
        if (strcmp(t->objects.at[i]->state, "failed") == 0)
            log_event(LOG_WARN, "task.object", "%s %s failed: %s", t->objects.at[i]->type,
                      t->objects.at[i]->name, t->objects.at[i]->reason);
    log_event(LOG_INFO, "task.outcome", "%s", t->text ? t->text : "");
}

/* Hands the outcome to the runtime, whole or not: also a failed verb tells what it did. A copy
 * stays in DIR for who runs the task by hand. */
static bool report(struct task *t, struct err *e)
{
    Oms__TaskOutcome outcome = OMS__TASK_OUTCOME__INIT;
    struct buf path, json;

    outcome.n_checks = t->checks.n;
    outcome.checks = t->checks.at;
    outcome.n_objects = t->objects.n;
    outcome.objects = t->objects.at;
    outcome.text = (char *)(t->text ? t->text : "");
    buf_init(&path, 4096);
    buf_init(&json, OUTCOME_MAX);
    buf_printf(&path, "%s/outcome.json", component_dir(t->component));
    pbtext_format_json(&outcome.base, 0, &json);
    bool ok = buf_ok(&json) ||
              err_set(e, ERR_LIMIT, "the outcome is larger than %zu bytes", (size_t)OUTCOME_MAX);
    if (ok)
        component_result(t->component, buf_cstr(&json));
    ok = ok && durable_write_file(buf_cstr(&path), json.p, json.len, 0600, e);
    buf_fini(&json);
    buf_fini(&path);
    log_outcome(t);
    return ok;
}

static bool run_verb(struct task *t, const struct verb *v, struct err *e)
{
    struct err unsaid = ERR_INIT;
    bool ok = prepare(t, e) && v->run(t, e);
    bool said = report(t, &unsaid);

    if (ok && !said)
        *e = unsaid;
    return ok && said;
}

static bool run(struct component *c, struct err *e)
{
    const Oms__ComponentSpec *spec = component_spec(c);
    const char *name = spec->fixed && spec->fixed->verb ? spec->fixed->verb : "";

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        struct task t = {.component = c, .fixed = spec->fixed};
        arena_init(&t.arena, 0);
        bool ok = run_verb(&t, &verbs[i], e);
        vec_fini(&t.checks);
        vec_fini(&t.objects);
        arena_fini(&t.arena);
        return ok;
    }
    return err_set(e, ERR_INVALID,
                   "fixed.verb '%s' is not a task: test precheck schema seal finish", name);
}

int main(int argc, char **argv)
{
    static const struct component_ops ops = {
        .kind = "task",
        .summary = "Runs one short job (test, precheck, schema, seal, finish) and reports.",
        .run = run,
    };

    return component_main(&ops, argc, argv);
}
