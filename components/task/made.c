/*
 * Which tables of the target OMS made: only such a table may ever be dropped and made anew by
 * itself. "making" is durable before the table is made and "made" behind it, so a table that was
 * there beforehand is never called ours; one whose making was broken off is not either.
 */
#include "components/task/task.h"

struct made {
    struct task *t;
    struct claim *claim; /* NULL: not opened yet */
};

struct made *task_made_new(struct task *t)
{
    struct made *m = arena_calloc(&t->arena, 1, sizeof *m);

    m->t = t;
    return m;
}

void task_made_free(struct made *m)
{
    if (m->claim)
        m->t->target.endpoint->target->claim_close(m->claim);
    m->claim = NULL;
}

/* The fence never goes back: an epoch that is at least the one written there. */
static bool open_claim(struct made *m, struct session *s, struct err *e)
{
    struct task *t = m->t;
    const char *name = arena_printf(&t->arena, "%s" MADE_BY_SCHEMA, t->fixed->project);
    uint64_t own = component_epoch(t->component);
    struct fence_state fence;

    if (!objects_fence(s, name, &fence, e))
        return false;
    struct takeover_params p = {.address = &t->target.address,
                                .task = name,
                                .epoch = own > fence.epoch ? own : fence.epoch,
                                .slots = 1};
    return t->target.endpoint->target->takeover(&p, &m->claim, e);
}

bool task_made_put(struct made *m, struct session *s, const struct table_def *source, bool done,
                   struct err *e)
{
    struct task *t = m->t;
    struct buf def CLEANUP(buf_fini);
    const char *key;

    if (!t->fixed->project) /* by hand, without a name: no copy looks for it */
        return true;
    buf_init(&def, 16u << 20);
    key = arena_printf(&t->arena, MEMO_MADE "%s", task_table_key(t, source->db, source->name));
    table_def_encode(source, &def);
    if (!buf_ok(&def))
        return err_set(e, ERR_LIMIT, "the definition of '%s' is too long", key);
    struct memo memo = {.state = done ? "made" : "making", .statement = {def.p, def.len}};
    return (m->claim || open_claim(m, s, e)) &&
           t->target.endpoint->target->memo_put(m->claim, key, &memo, e);
}
