/*
 * oms-task seal: for each task of verb_args a takeover that sets `sealed` on the target, so that no
 * process of it may write any more, now or later (correctness F7). A sealed task stays sealed:
 * running again is harmless. Where the source can be read, the foreign keys and triggers that were
 * held back are told with their statements; so are unique keys that the copy took off and that are
 * not made again.
 */
#include "components/convert/kept_keys.h"
#include "components/task/task.h"

/* The fence never goes back: an epoch that is at least the one written there. */
static bool seal_task(struct task *t, struct session *s, const char *name, struct err *e)
{
    struct fence_state fence;
    struct claim *claim = NULL;

    if (!objects_fence(s, name, &fence, e))
        return false;
    if (fence.sealed) {
        task_object(t, "task", name, "sealed", "", "it was sealed before");
        return true;
    }
    uint64_t own = component_epoch(t->component);
    struct takeover_params p = {.address = &t->target.address,
                                .task = name,
                                .epoch = own > fence.epoch ? own : fence.epoch,
                                .slots = 1,
                                .seal = true};
    if (!t->target.endpoint->target->takeover(&p, &claim, e))
        return err_wrap(e, "seal task '%s'", name);
    t->target.endpoint->target->claim_close(claim);
    task_object(t, "task", name, "sealed", "", "");
    return true;
}

static bool seal_all(struct task *t, struct err *e)
{
    struct session *s;

    if (!objects_connect(&t->target.address, &s, e))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < t->fixed->n_verb_args; i++)
        ok = seal_task(t, s, t->fixed->verb_args[i], e);
    t->target.endpoint->catalog->close(s);
    return ok;
}

/* --- keys that are off -------------------------------------------------------------------------
 */

struct lacking {
    struct task *t;
    struct session *s;
};

/* The table's keys that the copy took off and nobody made again, with their statement. */
static bool tell_lacking(void *arg, const struct kept_record *r, struct err *e)
{
    struct lacking *l = arg;
    struct buf ddl CLEANUP(buf_fini) = {0};
    const struct table_def *there = NULL;
    struct kept_keys keys;

    if (r->made && r->given_up[0])
        task_object(l->t, "unique key", r->table, "missing", r->given_up,
                    "given up, as was answered (leave-off)");
    if (r->made)
        return true;
    if (!kept_keys_decode(r->keys, &l->t->arena, &keys, e))
        return false;
    if (!l->t->target.endpoint->catalog->load_table(l->s, keys.to_db, keys.to_name, &there, e)) {
        if (e->code != ERR_SERVER_NO_OBJECT)
            return false;
        err_clear(e); /* all of them are missing, with the table */
    }
    buf_init(&ddl, 16u << 20);
    if (kept_keys_make(&keys, 0, keys.n, there, &ddl))
        task_object(l->t, "unique key", r->table, "missing", buf_cstr(&ddl),
                    "taken off for the copy, and the project was released before the changes had "
                    "passed its end");
    table_def_unref(there);
    return true;
}

static bool tell_missing_keys(struct task *t, struct err *e)
{
    struct lacking l = {.t = t};
    bool ok = t->target.endpoint->catalog->connect(&t->target.address, &l.s, e);

    for (size_t i = 0; ok && i < t->fixed->n_verb_args; i++)
        ok = objects_kept_keys(l.s, t->fixed->verb_args[i], tell_lacking, &l, e);
    t->target.endpoint->catalog->close(l.s);
    return ok;
}

/* The source may be gone at release: then that is said, and the seal holds all the same. */
static void tell_held(struct task *t)
{
    struct held_list held = {0};
    struct session *source = NULL;
    struct err e = ERR_INIT;

    if (!t->source.id || !t->scope)
        return;
    if (endpoint_first(t->source.endpoint, &t->source.address, &e) &&
        t->source.endpoint->catalog->connect(&t->source.address, &source, &e) &&
        task_held(t, source, &held, &e)) {
        for (size_t i = 0; i < held.list.n; i++)
            task_object(t, held.list.at[i].type, held.list.at[i].name, "held back",
                        held.list.at[i].ddl, "not created: the project was released without it");
    } else {
        task_object(t, "foreign keys and triggers", t->source.id, "unknown", "",
                    arena_printf(&t->arena, "%s: %s", err_name(e.code), e.message));
    }
    vec_fini(&held.list);
    t->source.endpoint->catalog->close(source);
}

bool task_seal(struct task *t, struct err *e)
{
    if (!task_need(t, false, true, false, e))
        return false;
    if (t->fixed->n_verb_args == 0)
        return err_set(e, ERR_INVALID, "task 'seal' needs the names of tasks in verb_args");
    if (!seal_all(t, e) || !tell_missing_keys(t, e))
        return false;
    tell_held(t);
    task_say(t, "%zu tasks are sealed", t->fixed->n_verb_args);
    return true;
}
