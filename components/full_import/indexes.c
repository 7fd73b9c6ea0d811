/*
 * After the load: each table's non-unique indexes that the target lacks, one ALTER a table.
 * Creating them now, over sorted input, costs a fraction of keeping them up during the load. Run
 * again after a crash it finds what is there already. Main thread alone; the workers are gone.
 */
#include "common/log/log.h"
#include "components/convert/convert.h"
#include "components/full_import/import_priv.h"

static bool add_indexes(struct import *im, struct session *s, struct import_table *t, struct err *e)
{
    const struct table_def *there = NULL, *wanted = NULL;
    struct buf ddl;
    bool any = false, ok;

    buf_init(&ddl, 4u << 20);
    ok = im->target->catalog->load_table(s, t->to_db, t->to_name, &there, e) &&
         convert_table(t->def, im->way, &wanted, NULL, e) &&
         convert_add_indexes(wanted, there, t->to_db, t->to_name, INDEX_PLAIN, &ddl, &any, e);
    if (ok && any) {
        component_table(im->c, "full", t->key, "indexing", atomic_load(&t->rows_done),
                        t->rows_total, NULL);
        log_event(LOG_INFO, "full.indexes", "table=%s", t->key);
        ok = im->target->target->run_ddl(im->claim, NULL, buf_cstr(&ddl), e);
    }
    table_def_unref(there);
    table_def_unref(wanted);
    buf_fini(&ddl);
    return ok ? true : err_wrap(e, "create the indexes of '%s.%s'", t->to_db, t->to_name);
}

bool import_indexes(struct import *im, struct err *e)
{
    struct session *s = NULL;
    bool ok = true;

    if (!im->target->catalog->connect(&im->target_at, &s, e))
        return err_wrap(e, "connect to the target");
    for (size_t i = 0; ok && i < im->tables.n; i++) {
        if (component_stopping(im->c))
            ok = err_set(e, ERR_CANCELLED, "told to stop before every index was created");
        else
            ok = add_indexes(im, s, im->tables.at[i], e);
        if (ok)
            plan_set_state(im, im->tables.at[i], TABLE_INDEXED);
    }
    im->target->catalog->close(s);
    return ok;
}
