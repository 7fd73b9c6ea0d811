/*
 * Which version of a table the log's rows belong to (correctness A15; log_priv.h). Each statement
 * brings a table map with names, types, charsets, members and primary key. Its bytes are compared
 * with the last ones of that table: equal and untouched by DDL is the usual case and costs one
 * memcmp. Otherwise, in this order:
 *   1. the version known already, if it has the map's shape and no DDL touched the table;
 *   2. the catalog's present definition, if it has the map's shape;
 *   3. a definition made from the map, the rest taken from 1 and 2: the catalog is already past a
 *      DDL that is still to come in the log, or the table is gone.
 * A map without names proves nothing: then only the catalog's definition will do, and only if the
 * log has no DDL on the table between here and there (log_ahead.c).
 * A version that is new is written before the record that uses it.
 */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "common/log/log.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/log_priv.h"

#define SLOTS_MIN 64
#define VERSION_MAX (64u << 20)

/* --- names --------------------------------------------------------------------------------------
 */

static uint64_t hash_name(struct view db, struct view name)
{
    return XXH3_64bits_withSeed(name.p, name.len, XXH3_64bits(db.p, db.len));
}

static bool is_named(const struct tracked *t, uint64_t hash, struct view db, struct view name)
{
    return t->hash == hash && strlen(t->db) == db.len && memcmp(t->db, db.p, db.len) == 0 &&
           strlen(t->name) == name.len && memcmp(t->name, name.p, name.len) == 0;
}

static void put_slot(struct tables *t, struct tracked *entry)
{
    size_t i = entry->hash & (t->n_slots - 1);

    while (t->slots[i])
        i = (i + 1) & (t->n_slots - 1);
    t->slots[i] = entry;
}

static void grow(struct tables *t)
{
    struct tables old = *t;

    t->n_slots = old.n_slots ? 2 * old.n_slots : SLOTS_MIN;
    t->slots = must_calloc(t->n_slots, sizeof(struct tracked *));
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i])
            put_slot(t, old.slots[i]);
    free(old.slots);
}

static bool is_system(const char *db)
{
    static const char *const names[] = {"mysql", "information_schema", "performance_schema", "sys",
                                        "oms_meta"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(db, names[i]) == 0)
            return true;
    return false;
}

static char *text_of(struct view v)
{
    char *s = must_alloc(v.len + 1);

    memcpy(s, v.p, v.len);
    s[v.len] = '\0';
    return s;
}

struct tracked *tables_get(struct log *l, struct view db, struct view name)
{
    struct tables *t = &l->tables;
    uint64_t hash = hash_name(db, name);

    if (t->n * 2 >= t->n_slots)
        grow(t);
    for (size_t i = hash & (t->n_slots - 1); t->slots[i]; i = (i + 1) & (t->n_slots - 1))
        if (is_named(t->slots[i], hash, db, name))
            return t->slots[i];
    struct tracked *entry = must_calloc(1, sizeof *entry);
    entry->db = text_of(db);
    entry->name = text_of(name);
    entry->hash = hash;
    entry->followed =
        !is_system(entry->db) && (!l->filter || l->filter(l->filter_arg, entry->db, entry->name));
    buf_init(&entry->shape, VERSION_MAX);
    put_slot(t, entry);
    t->n++;
    return entry;
}

void tables_fini(struct tables *t)
{
    for (size_t i = 0; i < t->n_slots; i++) {
        struct tracked *entry = t->slots[i];
        if (!entry)
            continue;
        free(entry->db);
        free(entry->name);
        table_def_unref(entry->def);
        rows_plan_fini(&entry->plan);
        buf_fini(&entry->shape);
        free(entry);
    }
    free(t->slots);
    *t = (struct tables){.n = 0};
}

void tables_stale(struct log *l, const char *db, const char *name)
{
    for (size_t i = 0; i < l->tables.n_slots; i++) {
        struct tracked *t = l->tables.slots[i];
        if (t && (!db || strcmp(t->db, db) == 0) && (!name || strcmp(t->name, name) == 0))
            t->stale = true;
    }
}

bool tables_any_followed_in(struct log *l, const char *db)
{
    for (size_t i = 0; i < l->tables.n_slots; i++) {
        const struct tracked *t = l->tables.slots[i];
        if (t && t->followed && strcmp(t->db, db) == 0)
            return true;
    }
    return false;
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static bool load_collations(struct log *l, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    const char *sql = l->s->version >= 101000
                          ? "SELECT a.ID, a.FULL_COLLATION_NAME, a.CHARACTER_SET_NAME, c.MAXLEN"
                            " FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY a"
                            " JOIN information_schema.CHARACTER_SETS c USING (CHARACTER_SET_NAME)"
                            " WHERE a.ID IS NOT NULL ORDER BY a.ID"
                          : "SELECT a.ID, a.COLLATION_NAME, a.CHARACTER_SET_NAME, c.MAXLEN"
                            " FROM information_schema.COLLATIONS a"
                            " JOIN information_schema.CHARACTER_SETS c USING (CHARACTER_SET_NAME)"
                            " WHERE a.ID IS NOT NULL ORDER BY a.ID";

    if (!session_query(l->s, sql, &res, e))
        return err_wrap(e, "list collations");
    size_t n = (size_t)mysql_num_rows(res);
    struct collation *all = arena_calloc(&l->static_, n + 1, sizeof *all);
    l->collations.at = all;
    for (MYSQL_ROW row; l->collations.n < n && (row = mysql_fetch_row(res)); l->collations.n++)
        all[l->collations.n] =
            (struct collation){.id = (uint32_t)strtoul(row[0] ? row[0] : "0", NULL, 10),
                               .name = arena_strdup(&l->static_, row[1] ? row[1] : ""),
                               .charset = arena_strdup(&l->static_, row[2] ? row[2] : ""),
                               .max_bytes = (uint8_t)strtoul(row[3] ? row[3] : "1", NULL, 10)};
    return true;
}

static struct view view_of(const char *s)
{
    return (struct view){(const uint8_t *)s, strlen(s)};
}

bool tables_init(struct log *l, const struct log_params *p, struct err *e)
{
    for (size_t i = 0; i < p->n_known; i++) {
        const struct table_def *d = p->known[i];
        struct tracked *t = tables_get(l, view_of(d->db), view_of(d->name));
        if (t->def && t->def->id >= d->id)
            continue;
        table_def_unref(t->def);
        t->def = table_def_ref(d);
    }
    return load_collations(l, e);
}

/* --- a version for a map ------------------------------------------------------------------------
 */

static bool is_name(struct view v, const char *s)
{
    return v.len == strlen(s) && memcmp(v.p, s, v.len) == 0;
}

/* A SEQUENCE object is logged like a table of these columns; it is none. */
static bool is_sequence(const struct table_map *m)
{
    static const char *const names[] = {"next_not_cached_value", "minimum_value", "maximum_value",
                                        "start_value",           "increment",     "cache_size",
                                        "cycle_option",          "cycle_count"};

    if (m->n_columns != ARRAY_LEN(names))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!is_name(m->columns[i].name, names[i]))
            return false;
    return true;
}

/* The last two columns of a table with row history, or its definition's end. */
static bool is_versioned(const struct table_map *m, const struct table_def *now)
{
    if (now)
        return strstr(now->create_text, "WITH SYSTEM VERSIONING") != NULL;
    return m->n_columns > 2 && is_name(m->columns[m->n_columns - 2].name, "row_start") &&
           is_name(m->columns[m->n_columns - 1].name, "row_end");
}

/* The catalog's definition; *out NULL: there is no such table now, or it cannot be carried. */
static bool load_now(struct log *l, const struct tracked *t, const struct table_def **out,
                     struct err *e)
{
    const struct catalog_ops *c = &mysql_catalog_ops;

    *out = NULL;
    if (!l->catalog && !c->connect(&l->address, &l->catalog, e))
        return false;
    if (c->load_table(l->catalog, t->db, t->name, out, e))
        return true;
    if (err_class_of(e->code) == ERR_CLASS_RETRY && e->code != ERR_SERVER_TABLE_CHANGED) {
        c->close(l->catalog);
        l->catalog = NULL;
        return false;
    }
    log_err(LOG_INFO, "log.table_not_in_catalog", e); /* gone, or changed since: the map decides */
    err_clear(e);
    *out = NULL;
    return true;
}

/* The same definition under a number of ours. Once of a family, always: a foreign key may be gone
 * from the catalog and not yet from the log. */
static bool with_id(const struct table_def *from, const struct table_def *before, uint32_t id,
                    const struct table_def **out, struct err *e)
{
    struct table_def_builder b;

    table_def_builder_init(&b);
    b.def = *from;
    b.def.id = id;
    if (from->family[0] == '\0' && before)
        b.def.family = before->family;
    bool ok = table_def_seal(&b, out, e);
    table_def_builder_fini(&b);
    return ok;
}

/* Equal to the last word, except the number. */
static bool is_same(const struct table_def *a, const struct table_def *b)
{
    struct buf x CLEANUP(buf_fini), y CLEANUP(buf_fini);
    struct table_def copy = *a;

    buf_init(&x, VERSION_MAX);
    buf_init(&y, VERSION_MAX);
    copy.id = b->id;
    table_def_encode(&copy, &x);
    table_def_encode(b, &y);
    return x.len == y.len && memcmp(x.p, y.p, x.len) == 0;
}

/* Puts the version's record before the one that is being written. */
static bool publish(struct log *l, const struct table_def *def, struct err *e)
{
    struct buf *out = l->writer.out;
    struct buf version CLEANUP(buf_fini);

    buf_init(&version, VERSION_MAX);
    if (!l->writer.open) {
        record_write_table(out, def);
        return true;
    }
    record_write_table(&version, def);
    size_t at = l->writer.record_at - 1, n = version.len;
    if (!buf_ok(&version) || !buf_reserve(out, n))
        return err_set(e, ERR_LIMIT, "the definition of '%s.%s' does not fit", def->db, def->name);
    memmove(out->p + at + n, out->p + at, out->len - at);
    memcpy(out->p + at, version.p, n);
    out->len += n;
    l->writer.record_at += n;
    l->writer.run_count_at += n;
    return true;
}

/* --- a map that does not tell its columns -------------------------------------------------------
 */

/* The catalog's definition, if it was true at this place of the log too. */
static bool prove_now(struct log *l, const struct tracked *t, const struct table_def **out,
                      struct err *e)
{
    struct log_place end;

    if (l->trust_known && t->def && !t->stale) {
        *out = table_def_ref(t->def);
        return true;
    }
    if (!load_now(l, t, out, e))
        return false;
    if (!*out)
        return err_set(e, ERR_LOG_METADATA,
                       "the log tells no column names for table '%s.%s' (binlog_row_metadata is "
                       "not FULL), and the catalog does not have the table any more",
                       t->db, t->name);
    if (log_place_end(l->catalog, &end, e) && ahead_is_clear(l, t, &end, e))
        return true;
    table_def_unref(*out);
    *out = NULL;
    return false;
}

/* Names, signs, charsets and key come from the catalog then, and the types must be its. */
static bool complete_map(struct log *l, const struct tracked *t, struct table_map *m,
                         const struct table_def **proven, struct err *e)
{
    const struct table_def *now = NULL;

    if (!prove_now(l, t, &now, e))
        return false;
    map_complete(m, &l->collations, now, &l->arena);
    if (!map_matches(m, &l->collations, now, &l->text)) {
        table_def_unref(now);
        return err_set(e, ERR_LOG_METADATA,
                       "the log tells no column names for table '%s.%s' (binlog_row_metadata is "
                       "not FULL), and its types are not the catalog's: %s",
                       t->db, t->name, buf_cstr(&l->text));
    }
    *proven = now;
    return true;
}

/* `proven`: the definition that the map was completed with; NULL: it told everything. */
static bool find_version(struct log *l, struct tracked *t, const struct table_map *m,
                         const struct table_def *proven, const struct table_def **out,
                         struct err *e)
{
    const struct table_def *now = NULL;
    bool ok;

    if (proven) {
        now = table_def_ref(proven);
    } else if (t->def && !t->stale && map_matches(m, &l->collations, t->def, &l->text)) {
        *out = table_def_ref(t->def);
        return true;
    } else if (!load_now(l, t, &now, e)) {
        return false;
    }
    if (is_versioned(m, now)) {
        ok = err_set(e, ERR_UNSUPPORTED,
                     "a system-versioned table cannot be carried yet: leave it out of the scope");
    } else if (now && map_matches(m, &l->collations, now, &l->text)) {
        ok = with_id(now, t->def, l->next_table_id, out, e);
    } else {
        const struct table_def *models[2] = {t->def, now};
        log_event(LOG_INFO, "log.table_from_map", "table=%s.%s why=\"%s\"", t->db, t->name,
                  now ? buf_cstr(&l->text) : "not in the catalog");
        ok = map_build(m, &l->collations, models, l->next_table_id, out, e);
    }
    table_def_unref(now);
    if (ok && t->def && is_same(*out, t->def)) { /* the DDL changed nothing that we keep */
        table_def_unref(*out);
        *out = table_def_ref(t->def);
    }
    return ok;
}

static bool adopt(struct log *l, struct tracked *t, const struct table_map *m,
                  const struct table_def *proven, struct err *e)
{
    const struct table_def *def = NULL;
    struct rows_plan plan;

    if (!find_version(l, t, m, proven, &def, e))
        return false;
    bool is_new = def != t->def;
    if (!rows_plan_init(&plan, m, def, e) || (is_new && !publish(l, def, e))) {
        table_def_unref(def);
        return false;
    }
    if (is_new)
        l->next_table_id++;
    table_def_unref(t->def);
    rows_plan_fini(&t->plan);
    t->def = def;
    t->plan = plan;
    t->stale = false;
    buf_clear(&t->shape);
    buf_append(&t->shape, m->shape.p, m->shape.len);
    return true;
}

static void remember(struct log *l, uint64_t id, struct tracked *t)
{
    for (size_t i = 0; i < l->maps.n; i++)
        if (l->maps.at[i].id == id) {
            l->maps.at[i].table = t;
            return;
        }
    vec_push(&l->maps, ((struct open_map){.id = id, .table = t}));
}

struct tracked *tables_by_id(struct log *l, uint64_t id)
{
    for (size_t i = l->maps.n; i-- > 0;)
        if (l->maps.at[i].id == id)
            return l->maps.at[i].table;
    return NULL;
}

static bool is_as_before(const struct tracked *t, struct view shape)
{
    return t->followed && !t->stale && t->plan.table && t->shape.len == shape.len &&
           memcmp(t->shape.p, shape.p, shape.len) == 0;
}

/* The usual case: the bytes, names among them, are those of the last map with this number. */
static bool is_recent(struct log *l, struct view body)
{
    struct view shape;
    uint64_t id;

    if (!table_map_shape_read(&l->format, body, &id, &shape))
        return false;
    struct tracked *t = l->tables.recent[id % RECENT_MAPS];
    if (!t || !is_as_before(t, shape))
        return false;
    remember(l, id, t);
    return true;
}

bool tables_map(struct log *l, struct view body, struct err *e)
{
    const struct table_def *proven = NULL;
    struct table_map_head h;
    struct table_map m;

    if (is_recent(l, body))
        return true;
    if (!table_map_head_read(&l->format, body, &h, e))
        return false;
    struct tracked *t = tables_get(l, h.db, h.table);
    remember(l, h.table_id, t);
    l->tables.recent[h.table_id % RECENT_MAPS] = t;
    if (!t->followed || is_as_before(t, h.shape))
        return true;
    arena_reset(&l->arena);
    if (!table_map_read(&l->format, body, &l->arena, &m, e))
        return false;
    if (!map_is_full(&m) && !complete_map(l, t, &m, &proven, e))
        return false;
    bool ok = true;
    if (is_sequence(&m))
        t->followed = false;
    else
        ok = adopt(l, t, &m, proven, e) || err_wrap(e, "table '%s.%s'", t->db, t->name);
    table_def_unref(proven);
    return ok;
}
