/* Which statements mean the same in MariaDB and in MySQL; see ddl_plan.h. */
#include <string.h>

#include "components/incr_sync/core/ddl_plan.h"

/* Comments may hold words for one product alone. */
static bool has_comment(const struct ddl_record *d)
{
    return d->sql.len > 1 && memmem(d->sql.p, d->sql.len, "/*", 2) != NULL;
}

static bool is_made_like_another(const struct ddl_record *d)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    struct ddl_table subject, model;

    return !(d->flags & (DDL_F_HAS_BODY | DDL_F_SELECTS | DDL_F_ROWS)) && d->n_tables == 2 &&
           ddl_table_next(&c, &subject) && ddl_table_next(&c, &model) &&
           model.role == DDL_ROLE_MODEL;
}

bool ddl_means_the_same(const struct ddl_record *d)
{
    switch ((enum ddl_kind)d->ddl_kind) {
    case DDL_DROP_TABLE:
    case DDL_RENAME_TABLE:
        return true; /* made anew of their names alone */
    case DDL_TRUNCATE:
        return !has_comment(d);
    case DDL_INDEX:
        return d->flags & DDL_F_DROPS && !has_comment(d);
    case DDL_CREATE_TABLE:
        return is_made_like_another(d) && !has_comment(d);
    case DDL_ALTER_TABLE:
    case DDL_DATABASE:
    case DDL_UNKNOWN:
    case DDL_OTHER:
        break;
    }
    return false;
}
