/* Plans for writing: opened when the first group with a table version starts, because only then
 * everything before it, held DDL included, is done on the target. */
#include <string.h>

#include "common/base/must.h"
#include "components/incr_sync/sync_priv.h"

static bool plan_open(struct sync *s, struct sync_table *t, struct err *e)
{
    struct target_table *plan;

    if (!s->endpoint->target->table_open(s->claim, t->def, t->to_db, t->to_name, &plan, e))
        return err_wrap(e, "open target table '%s.%s'", t->to_db, t->to_name);
    t->plan = plan;
    vec_push(&s->planned, t);
    if (t->deps.exclusive || !s->endpoint->target->keys_agree ||
        s->endpoint->target->keys_agree(plan))
        return true;
    /* Nothing of this version has started; what waits has keys that are too fine. */
    s->coarse = (struct coarse_table){must_strdup(t->to_db), must_strdup(t->to_name)};
    return err_set(e, ERR_SERVER_BUSY,
                   "unique keys of '%s.%s' find more in common than the source's: its transactions "
                   "are read again, to go one after the other",
                   t->to_db, t->to_name);
}

bool plans_is_coarse(const struct carry *carry, const char *to_db, const char *to_name)
{
    for (size_t i = 0; i < carry->coarse.n; i++)
        if (strcmp(carry->coarse.at[i].to_name, to_name) == 0 &&
            strcmp(carry->coarse.at[i].to_db, to_db) == 0)
            return true;
    return false;
}

void plans_keep_coarse(struct sync *s)
{
    if (s->coarse.to_db)
        vec_push(&s->carry->coarse, s->coarse);
    s->coarse = (struct coarse_table){0};
}

bool plans_for_tables(struct sync *s, const struct txn_table *tables, uint32_t n, struct err *e)
{
    for (uint32_t k = 0; k < n; k++)
        if (tables[k].use != USE_SKIP && !tables[k].table->plan &&
            !plan_open(s, tables[k].table, e))
            return false;
    return true;
}

bool plans_for_group(struct sync *s, const struct window_group *g, struct err *e)
{
    for (size_t i = 0; i < g->txns.n; i++)
        if (!plans_for_tables(s, g->txns.at[i]->tables, g->txns.at[i]->n_tables, e))
            return false;
    return true;
}

static bool is_of(const struct sync_table *t, const struct source_txn *ddl)
{
    for (uint32_t i = 0; i < ddl->n_tags; i++)
        if (t->deps.table_keys[0] == ddl->tags[i])
            return true;
    return false;
}

void plans_close_of(struct sync *s, const struct source_txn *ddl)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->planned.n; i++) {
        struct sync_table *t = s->planned.at[i];

        if (!is_of(t, ddl)) {
            s->planned.at[kept++] = t;
            continue;
        }
        s->endpoint->target->table_close(t->plan);
        t->plan = NULL;
    }
    s->planned.n = kept;
}

void plans_close(struct sync *s)
{
    for (size_t i = 0; i < s->planned.n; i++) {
        s->endpoint->target->table_close(s->planned.at[i]->plan);
        s->planned.at[i]->plan = NULL;
    }
    s->planned.n = 0;
}
