/*
 * The intake's tables: their versions, and which tables of the target a transaction or a DDL
 * touches. See intake.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "components/incr_sync/core/intake_priv.h"

#define TABLE_ID_MAX (1u << 22)

/* --- table versions ----------------------------------------------------------------------------
 */

static struct sync_table **name_current(struct intake *in, const struct table_def *def)
{
    struct table_name_entry *entry;

    for (size_t i = 0; i < in->names.n; i++) {
        entry = in->names.at[i];
        if (strcmp(entry->def->name, def->name) == 0 && strcmp(entry->def->db, def->db) == 0)
            return &entry->current;
    }
    entry = must_calloc(1, sizeof *entry);
    entry->def = def; /* a version lives as long as the intake */
    vec_push(&in->names, entry);
    return &entry->current;
}

static char *key_of(const struct table_def *def)
{
    size_t n = strlen(def->db), m = strlen(def->name);
    char *key = must_calloc(n + m + 2, 1);

    memcpy(key, def->db, n);
    key[n] = '.';
    memcpy(key + n + 1, def->name, m);
    return key;
}

static struct sync_table *table_make(struct intake *in, const struct table_def *def)
{
    struct sync_table *t = must_calloc(1, sizeof *t);
    struct intake_scope scope = {0};

    t->def = def;
    t->current = name_current(in, def);
    in->p.scope(in->p.arg, def, &scope);
    t->in_scope = scope.in_scope;
    t->heartbeat = scope.heartbeat && !scope.in_scope;
    if (!scope.in_scope)
        return t;
    t->key = key_of(def);
    t->to_db = must_strdup(scope.to_db);
    t->to_name = must_strdup(scope.to_name);
    t->begin = scope.begin;
    t->end = scope.end;
    table_deps_init(&t->deps, def, t->to_db, t->to_name, scope.family, in->p.fold, in->p.arg);
    if (scope.exclusive)
        table_deps_make_exclusive(&t->deps);
    return t;
}

bool intake_table_version(struct intake *in, struct view body, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    const struct table_def *def;

    if (!table_def_decode(&c, &def, e))
        return err_wrap(e, "read a table version");
    if (def->id == 0 || def->id > TABLE_ID_MAX) {
        err_set(e, ERR_CORRUPT, "table version %" PRIu32 " of '%s.%s' has no usable number",
                def->id, def->db, def->name);
        table_def_unref(def);
        return false;
    }
    while (in->by_id.n <= def->id)
        vec_push(&in->by_id, (struct sync_table *)NULL);
    if (!in->by_id.at[def->id]) {
        in->by_id.at[def->id] = table_make(in, def);
        return true;
    }
    /* A Store sends its versions again on every connection. */
    if (!table_def_same_rows(in->by_id.at[def->id]->def, def)) {
        err_set(e, ERR_CORRUPT, "table version %" PRIu32 " of '%s.%s' changed its meaning", def->id,
                def->db, def->name);
        table_def_unref(def);
        return false;
    }
    table_def_unref(def);
    return true;
}

/* --- tags ---------------------------------------------------------------------------------------
 */

static void add_tag(struct dep_keys *tags, uint64_t tag)
{
    for (size_t i = 0; i < tags->n; i++)
        if (tags->at[i] == tag)
            return;
    vec_push(tags, tag);
}

void intake_txn_tags(const struct open_txn *o, struct dep_keys *tags)
{
    for (size_t i = 0; i < o->tables.n; i++) {
        const struct table_deps *d = &o->tables.at[i].table->deps;

        for (uint8_t k = 0; o->tables.at[i].use != USE_SKIP && k < d->n_table_keys; k++)
            add_tag(tags, d->table_keys[k]);
    }
}

static bool is_named(const char *name, struct view v)
{
    return strlen(name) == v.len && strncasecmp(name, (const char *)v.p, v.len) == 0;
}

/* Was it ever joined with others by foreign keys' actions? */
static bool was_of_family(const struct intake *in, const struct ddl_table *t)
{
    for (size_t i = 0; i < in->by_id.n; i++) {
        const struct sync_table *v = in->by_id.at[i];

        if (v && v->deps.n_table_keys > 1 && is_named(v->def->db, t->db) &&
            is_named(v->def->name, t->name))
            return true;
    }
    return false;
}

void intake_ddl_tags(const struct intake *in, const struct ddl_record *d, struct dep_keys *tags)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    bool known = in->p.ddl_tables && !(d->flags & (DDL_F_ROWS | DDL_F_SELECTS)) &&
                 in->p.ddl_tables(in->p.arg, d, tags);
    struct ddl_table t;

    while (known && ddl_table_next(&c, &t))
        known = !was_of_family(in, &t);
    if (!known)
        tags->n = 0;
}
