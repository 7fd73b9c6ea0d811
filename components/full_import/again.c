/*
 * Copying a table again, because a person chose so when a DDL was held: the target's table is
 * dropped, made from the source's present definition and copied from a new begin, which contains
 * the DDL. Invariant: until the new begin is durable, the table's old position lacks the DDL's
 * transaction, so a crash at any point drops and makes it once more; from then on it is a copy like
 * any other. Incr-Sync waits meanwhile (its live part says that full runs). Main thread alone.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/convert/convert.h"
#include "components/full_import/import_priv.h"

static const Oms__ComponentFixed *fixed_of(const struct import *im)
{
    return component_spec(im->c)->fixed;
}

bool again_is_asked(const struct import *im)
{
    return fixed_of(im)->n_copy_again > 0;
}

bool again_wants(const struct import *im, const char *db, const char *name)
{
    size_t n = strlen(db);

    for (size_t i = 0; i < fixed_of(im)->n_copy_again; i++) {
        const char *key = fixed_of(im)->copy_again[i]->table;

        if (key && strncmp(key, db, n) == 0 && key[n] == '.' && strcmp(key + n + 1, name) == 0)
            return true;
    }
    return false;
}

static bool run(struct import *im, struct buf *sql, struct err *e)
{
    return im->target->target->run_ddl(im->claim, NULL, buf_cstr(sql), e);
}

static bool make_anew(struct import *im, struct import_table *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    const struct table_def *wanted;

    buf_init(&sql, 16u << 20);
    if (t->def->family[0] != '\0')
        return err_set(e, ERR_UNSUPPORTED,
                       "foreign keys with CASCADE or SET NULL join it to other tables, and such "
                       "tables cannot be copied one by one");
    log_event(LOG_WARN, "full.again",
              "table '%s' is dropped on the target as '%s.%s' and made anew", t->key, t->to_db,
              t->to_name);
    buf_str(&sql, "DROP TABLE IF EXISTS ");
    im->target->dialect->quote_table(&sql, t->to_db, t->to_name);
    if (!im->target->target->chunk_clear(im->claim, t->key, e) || !run(im, &sql, e))
        return false;
    FAULT(FULL_AGAIN_DROPPED);
    buf_clear(&sql);
    if (!convert_table(t->def, im->way, &wanted, NULL, e))
        return false;
    bool made = convert_create_table(wanted, t->to_db, t->to_name, &sql, e) && run(im, &sql, e);
    table_def_unref(wanted);
    if (!made)
        return false;
    FAULT(FULL_AGAIN_MADE);
    t->anew = true;
    return true;
}

/* Dropped on the source since: nothing to copy, its DROP comes with the log. What the log says of
 * it up to now is skipped. */
static bool put_gone(struct import *im, const char *key, struct err *e)
{
    const char *dot = strchr(key, '.');
    struct table_pos pos = {.name = dot ? dot + 1 : "", .mode = TABLE_MODE_EXACT, .done = true};
    struct position at = {0};
    struct reader *r = NULL;
    bool ok;

    if (!dot)
        return err_set(e, ERR_INVALID, "'%s' is not db.table", key);
    pos.db = arena_strndup(&im->arena, key, (size_t)(dot - key));
    if (!im->source->reader->open(&im->source_at, &r, e))
        return err_wrap(e, "connect to the source");
    txn_set_init(&at.set);
    ok = im->source->reader->position_now(r, &at, e);
    pos.begin = pos.end = at.set;
    ok = ok && im->target->target->table_pos_put(im->claim, &pos, e);
    txn_set_fini(&at.set);
    im->source->reader->close(r);
    if (ok)
        log_event(LOG_WARN, "full.gone", "table '%s' is no longer on the source", key);
    return ok;
}

static struct import_table *find(struct import *im, const char *key)
{
    for (size_t i = 0; i < im->tables.n; i++)
        if (strcmp(im->tables.at[i]->key, key) == 0)
            return im->tables.at[i];
    return NULL;
}

static bool has_begun(const struct table_pos *pos, size_t n, const char *key,
                      const struct txn_set *ddl)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(pos[i].db);

        if (strncmp(key, pos[i].db, len) == 0 && key[len] == '.' &&
            strcmp(key + len + 1, pos[i].name) == 0)
            return txn_set_contains(&pos[i].begin, ddl);
    }
    return false;
}

static bool one(struct import *im, const Oms__CopyAgain *asked, const struct table_pos *pos,
                size_t n, struct err *e)
{
    struct import_table *t = find(im, asked->table);
    struct txn_set ddl;
    bool begun;

    txn_set_init(&ddl);
    if (!txn_set_parse(asked->transaction, &ddl, e)) {
        txn_set_fini(&ddl);
        return false;
    }
    begun = has_begun(pos, n, asked->table, &ddl);
    txn_set_fini(&ddl);
    if (begun)
        return true;
    return (t ? make_anew(im, t, e) : put_gone(im, asked->table, e)) ||
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
