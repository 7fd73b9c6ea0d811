/*
 * Copying a table again, because a person chose so when a DDL was held: it is made anew (anew.c)
 * unless its copy has begun behind that DDL. Until the new begin is durable, the table's old
 * position lacks the DDL's transaction, so a crash at any point makes it once more; from then on it
 * is a copy like any other. Incr-Sync waits meanwhile (its live part says that full runs). Main
 * thread alone.
 */
#include <string.h>

#include "components/full_import/import_priv.h"

static const Oms__ComponentFixed *fixed_of(const struct import *im)
{
    return component_spec(im->c)->fixed;
}

bool again_is_asked(const struct import *im)
{
    return fixed_of(im)->n_copy_again > 0;
}

/* key: as the incident has it, "db.name" without quotes. */
static bool is_table(const char *db, const char *name, const char *key)
{
    size_t len = strlen(db);

    return strncmp(key, db, len) == 0 && key[len] == '.' && strcmp(key + len + 1, name) == 0;
}

bool again_wants(const struct import *im, const char *db, const char *name)
{
    for (size_t i = 0; i < fixed_of(im)->n_copy_again; i++) {
        const char *key = fixed_of(im)->copy_again[i]->table;

        if (key && is_table(db, name, key))
            return true;
    }
    return false;
}

static bool make_gone(struct import *im, const char *key, struct err *e)
{
    const char *dot = strchr(key, '.');

    if (!dot)
        return err_set(e, ERR_INVALID, "'%s' is not db.table", key);
    return anew_gone(im, arena_strndup(&im->arena, key, (size_t)(dot - key)), dot + 1, true, e);
}

static struct import_table *find(struct import *im, const char *key)
{
    for (size_t i = 0; i < im->tables.n; i++)
        if (is_table(im->tables.at[i]->def->db, im->tables.at[i]->def->name, key))
            return im->tables.at[i];
    return NULL;
}

/* Its position, if its copy began behind the DDL. */
static const struct table_pos *begun(const struct table_pos *pos, size_t n, const char *key,
                                     const struct txn_set *ddl)
{
    for (size_t i = 0; i < n; i++)
        if (is_table(pos[i].db, pos[i].name, key))
            return txn_set_contains(&pos[i].begin, ddl) ? &pos[i] : NULL;
    return NULL;
}

/* Dropped on the source since: nothing to copy. What the log says of it up to now is skipped. */
static bool one(struct import *im, const Oms__CopyAgain *asked, const struct table_pos *pos,
                size_t n, struct err *e)
{
    struct import_table *t = find(im, asked->table);
    const struct table_pos *has;
    struct txn_set ddl;

    txn_set_init(&ddl);
    if (!txn_set_parse(asked->transaction, &ddl, e)) {
        txn_set_fini(&ddl);
        return false;
    }
    has = begun(pos, n, asked->table, &ddl);
    txn_set_fini(&ddl);
    if (has && (t || has->done))
        return true;
    return (t ? anew_make(im, t, e) : make_gone(im, asked->table, e)) ||
           err_wrap(e, "copy '%s' again", asked->table);
}

bool again_make(struct import *im, struct err *e)
{
    const Oms__ComponentFixed *f = fixed_of(im);
    struct table_pos *pos = NULL;
    struct arena scratch;
    size_t n = 0;
    bool ok;

    if (f->n_copy_again == 0)
        return true;
    arena_init(&scratch, 0);
    ok = im->target->target->table_pos_list(im->claim, component_spec(im->c)->task, &scratch, &pos,
                                            &n, e);
    for (size_t i = 0; ok && i < f->n_copy_again; i++)
        ok = f->copy_again[i]->table && f->copy_again[i]->transaction
                 ? one(im, f->copy_again[i], pos, n, e)
                 : err_set(e, ERR_INVALID, "copy_again names no table or no transaction");
    for (size_t i = 0; i < n; i++) {
        txn_set_fini(&pos[i].begin);
        txn_set_fini(&pos[i].end);
    }
    arena_fini(&scratch);
    return ok;
}
