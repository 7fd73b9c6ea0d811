/*
 * A table of the copy that is not copied whole, and that has another definition on the source than
 * the one its target's table was made after: what was copied of it may be of the one or the other,
 * and the DDL lies within its copy. Where the target's table is ours it is made and copied anew,
 * behind the DDL (anew.c). Not where foreign keys' actions join it with others, nor where a person
 * made it: there its shape decides, and stops the project if it does not fit.
 * A table that is copied whole is left alone: its DDL is the log's. Main thread alone.
 */
#include <string.h>

#include "common/log/log.h"
#include "components/full_import/import_priv.h"

const struct table_pos *changed_recorded(const struct import *im, const char *db, const char *name)
{
    for (size_t i = 0; i < im->n_recorded; i++)
        if (strcmp(im->recorded[i].db, db) == 0 && strcmp(im->recorded[i].name, name) == 0)
            return &im->recorded[i];
    return NULL;
}

static bool is_on_target(struct import *im, const struct import_table *t, bool *yes, struct err *e)
{
    struct buf look CLEANUP(buf_fini);

    buf_init(&look, 16u << 20);
    if (!im->target->target->ddl_look(im->claim, t->to_db, t->to_name, false, &look, e))
        return false;
    *yes = look.len > 0;
    return true;
}

/* Joined with others by foreign keys that act, now or when the target's table was made. */
static bool is_of_family(const struct import_table *t, const struct anew_record *r)
{
    return t->def->family[0] != '\0' || (r->after && r->after->family[0] != '\0');
}

static bool judge(struct import *im, struct import_table *t, const struct anew_record *r,
                  struct err *e)
{
    bool there = false, changed = r->ours && !table_def_same_text(r->after, t->def);

    if (is_of_family(t, r))
        return !changed ||
               err_set(e, ERR_TARGET_SHAPE,
                       "the definition of '%s' was changed before its copy had ended, and foreign "
                       "keys with CASCADE or SET NULL join it to other tables: such tables cannot "
                       "be copied anew one by one",
                       t->key);
    if (!is_on_target(im, t, &there, e))
        return false;
    t->to_make = r->unfinished || changed || !there;
    return true;
}

bool changed_find(struct import *im, struct err *e)
{
    const char *task = component_spec(im->c)->task;
    bool ok = im->target->target->table_pos_list(im->claim, task, &im->arena, &im->recorded,
                                                 &im->n_recorded, e);

    for (size_t i = 0; ok && i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];
        const struct table_pos *pos = changed_recorded(im, t->def->db, t->def->name);
        struct anew_record r = {0};

        t->recorded_done = pos && pos->done;
        if (t->recorded_done)
            continue;
        ok = anew_look(im, t->key, &r, e) && judge(im, t, &r, e);
        table_def_unref(r.after);
    }
    return ok;
}

bool changed_make(struct import *im, struct err *e)
{
    bool ok = true;

    for (size_t i = 0; ok && i < im->tables.n; i++) {
        struct import_table *t = im->tables.at[i];

        if (t->to_make && !t->anew)
            ok = anew_make(im, t, e) || err_wrap(e, "make '%s' anew", t->key);
    }
    return ok;
}
