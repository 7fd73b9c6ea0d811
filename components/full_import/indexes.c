/*
 * After the load: each copied table's non-unique indexes that the target lacks, one ALTER a table.
 * Creating them now, over sorted input, costs a fraction of keeping them up during the load. Run
 * again after a crash it finds what is there already. Which they are is what the copy's begin had
 * (MEMO_COPIED): a later DDL is the log's, on whichever side of this it comes. So a table that the
 * source has dropped or renamed since has its indexes, too. Main thread alone; the workers are
 * gone.
 */
#include <string.h>

#include "common/log/log.h"
#include "components/convert/convert.h"
#include "components/full_import/import_priv.h"
#include "components/transform/transform.h"

struct copied { /* one table that is copied whole */
    const char *key, *to_db, *to_name;
    const struct table_def *def; /* NULL: the copy left no record of it */
    uint64_t rows;
};

static bool load_copied(struct import *im, const char *key, const struct table_def **def,
                        struct err *e)
{
    struct arena a;
    struct memo m;
    bool found = false;

    arena_init(&a, 0);
    bool ok =
        im->target->target->memo_get(im->claim, component_spec(im->c)->task,
                                     arena_printf(&a, MEMO_COPIED "%s", key), &a, &m, &found, e);
    if (ok && found) {
        struct cursor c = cursor_of(m.statement.p, m.statement.len);
        ok = table_def_decode(&c, def, e);
    }
    arena_fini(&a);
    return ok;
}

static bool add_indexes(struct import *im, struct session *s, const struct copied *t, struct err *e)
{
    const struct table_def *there = NULL, *wanted = NULL;
    struct buf ddl CLEANUP(buf_fini);
    bool any = false, ok;

    buf_init(&ddl, 4u << 20);
    ok = im->target->catalog->load_table(s, t->to_db, t->to_name, &there, e) &&
         convert_table(t->def, im->way, &wanted, NULL, e) &&
         convert_add_indexes(wanted, there, t->to_db, t->to_name, INDEX_PLAIN, &ddl, &any, e);
    if (ok && any) {
        component_table(im->c, "full", t->key, "indexing", t->rows, t->rows, NULL);
        log_event(LOG_INFO, "full.indexes", "table=%s", t->key);
        ok = im->target->target->run_ddl(im->claim, NULL, buf_cstr(&ddl), e);
    }
    table_def_unref(there);
    table_def_unref(wanted);
    return ok ? true : err_wrap(e, "create the indexes of '%s.%s'", t->to_db, t->to_name);
}

static bool index_one(struct import *im, struct session *s, struct copied *t,
                      const struct table_def *present, struct err *e)
{
    if (component_stopping(im->c))
        return err_set(e, ERR_CANCELLED, "told to stop before every index was created");
    if (!load_copied(im, t->key, &t->def, e))
        return err_wrap(e, "read the definition that the copy of '%s' had", t->key);
    if (!t->def && present)
        t->def = table_def_ref(present);
    bool ok = !t->def || add_indexes(im, s, t, e);
    table_def_unref(t->def);
    return ok;
}

static bool index_present(struct import *im, struct session *s, struct err *e)
{
    bool ok = true;

    for (size_t i = 0; ok && i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];
        struct copied c = {t->key, t->to_db, t->to_name, NULL, atomic_load(&t->rows_done)};

        ok = index_one(im, s, &c, t->def, e);
        if (ok)
            plan_set_state(im, t, TABLE_INDEXED);
    }
    return ok;
}

static bool is_present(const struct import *im, const struct table_pos *pos)
{
    for (size_t i = 0; i < im->tables.n; i++)
        if (strcmp(im->tables.at[i]->def->db, pos->db) == 0 &&
            strcmp(im->tables.at[i]->def->name, pos->name) == 0)
            return true;
    return false;
}

/* Copied whole by an earlier run, and not on the source any more. */
static bool index_gone(struct import *im, struct session *s, struct err *e)
{
    bool ok = true;

    for (size_t i = 0; ok && i < im->n_recorded && !again_is_asked(im); i++) {
        const struct table_pos *pos = &im->recorded[i];
        struct copied c = {0};

        if (!pos->done || strcmp(pos->db, "*") == 0 || is_present(im, pos))
            continue;
        c.key = transform_table_key(&im->arena, pos->db, pos->name);
        scope_map(im->scope, pos->db, pos->name, &c.to_db, &c.to_name);
        ok = index_one(im, s, &c, NULL, e);
    }
    return ok;
}

bool import_indexes(struct import *im, struct err *e)
{
    struct session *s = NULL;

    if (!im->target->catalog->connect(&im->target_at, &s, e))
        return err_wrap(e, "connect to the target");
    bool ok = index_present(im, s, e) && index_gone(im, s, e);
    im->target->catalog->close(s);
    return ok;
}
