/*
 * Do the target's unique keys find more in common than the source's (correctness A17)? What is
 * ordered by the source's keys alone must be ordered by the target's, too. Pure. Thread: any.
 */
#include "components/endpoint/mysql/target_priv.h"

/* Do two rows with equal values in the target's column have equal folds on the source's? */
static bool column_covers(const struct target_table *t, uint16_t at)
{
    enum fold mine = mysql_dialect_ops.key_fold(&t->source->columns[at]);

    return fold_covers(mine, mysql_dialect_ops.key_fold(&t->def->columns[t->found[at]]));
}

/* Are rows that are equal in the target's key `k` equal in this part of a source's key? */
static bool part_covers(const struct target_table *t, const struct key_part *part,
                        const struct key_def *k)
{
    if (part->column == KEY_EXPRESSION || t->found[part->column] == NO_COLUMN)
        return false;
    for (uint16_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].column == t->found[part->column])
            return column_covers(t, part->column) &&
                   (k->parts[i].prefix == 0 ||
                    (part->prefix != 0 && part->prefix <= k->parts[i].prefix));
    return false;
}

static bool source_has(const struct target_table *t, const struct key_def *k)
{
    for (uint16_t i = 0; i < t->source->n_keys; i++) {
        const struct key_def *s = &t->source->keys[i];
        bool covers = (s->unique || s->primary) && s->n_parts > 0;

        for (uint16_t p = 0; covers && p < s->n_parts; p++)
            covers = part_covers(t, &s->parts[p], k);
        if (covers)
            return true;
    }
    return false;
}

bool target_keys_agree(const struct target_table *t)
{
    if (t->other_row_key) /* changes of several rows might be taken for one's */
        return false;
    for (uint16_t i = 0; i < t->def->n_keys; i++) {
        const struct key_def *k = &t->def->keys[i];

        if ((k->unique || k->primary) && !source_has(t, k))
            return false;
    }
    return true;
}
