/* Plans for writing: opened when the first group with a table version starts, because only then
 * everything before it, held DDL included, is done on the target. */
#include "components/incr_sync/sync_priv.h"

static bool plan_open(struct sync *s, struct sync_table *t, struct err *e)
{
    struct target_table *plan;

    if (!s->endpoint->target->table_open(s->claim, t->def, t->to_db, t->to_name, &plan, e))
        return err_wrap(e, "open target table '%s.%s'", t->to_db, t->to_name);
    t->plan = plan;
    vec_push(&s->planned, t);
    return true;
}

bool plans_for_group(struct sync *s, const struct window_group *g, struct err *e)
{
    for (size_t i = 0; i < g->txns.n; i++) {
        const struct source_txn *t = g->txns.at[i];

        for (uint32_t k = 0; k < t->n_tables; k++)
            if (t->tables[k].use != USE_SKIP && !t->tables[k].table->plan &&
                !plan_open(s, t->tables[k].table, e))
                return false;
    }
    return true;
}

void plans_close(struct sync *s)
{
    for (size_t i = 0; i < s->planned.n; i++) {
        s->endpoint->target->table_close(s->planned.at[i]->plan);
        s->planned.at[i]->plan = NULL;
    }
    s->planned.n = 0;
}
