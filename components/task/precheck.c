/*
 * oms-task precheck: every fact a project needs, one item each. Facts that are wrong are items;
 * only what keeps the task from looking (a lost connection) is an error, and is tried again.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/pbtext/pbtext.h"
#include "components/convert/kept_keys.h"
#include "components/task/task.h"

#define STORE_MIN_BYTES (256ull << 20)

struct precheck {
    struct task *t;
    struct session *source, *target;
    struct table_name *tables;
    size_t n;
    VEC(const char *) dbs; /* on the target, each once */
};

static bool connect_side(struct precheck *p, const struct task_side *side, const char *id,
                         struct session **s)
{
    struct err e = ERR_INIT;

    if (!side->endpoint->catalog->connect(&side->address, s, &e)) {
        task_check_error(p->t, id, side->id, false, err_entry_of(e.code)->remedy, &e);
        return false;
    }
    struct check_item item = {.id = id, .object = side->id, .verdict = CHECK_OK, .remedy = ""};
    item.reason = arena_printf(&p->t->arena, "connected to '%s'", side->id);
    task_check(p->t, &item);
    return true;
}

/* --- tables -------------------------------------------------------------------------------------
 */

static void note_target_db(struct precheck *p, const char *db)
{
    for (size_t i = 0; i < p->dbs.n; i++)
        if (strcmp(p->dbs.at[i], db) == 0)
            return;
    vec_push(&p->dbs, db);
}

#define LATER                                                                                      \
    "make the table on the target as it was at the project's start; skip this where a DDL behind " \
    "the start explains it and ddl.sync will run it"

/* Nothing is made where nothing is copied. */
static void tell_missing(struct precheck *p, const struct table_def *def, const char *to_db,
                         const char *to_table)
{
    struct check_item item = {.id = "target.table_missing",
                              .object = task_table_key(p->t, def->db, def->name),
                              .verdict = CHECK_FAILED,
                              .may_skip = true,
                              .remedy = LATER};

    if (task_copies(p->t))
        return;
    item.reason = arena_printf(&p->t->arena,
                               "there is no table '%s.%s' on the target, and the project copies "
                               "nothing",
                               to_db, to_table);
    task_check(p->t, &item);
}

/* Tables that are copied at one moment (no key; families) keep theirs. */
static bool tell_keys(struct precheck *p, const struct table_def *def,
                      const struct table_def *there, struct err *e)
{
    struct check_item item = {.id = "target.unique_keys",
                              .object = task_table_key(p->t, def->db, def->name),
                              .verdict = CHECK_WARNING,
                              .remedy = "nothing; drop a key on the target before the start that "
                                        "the source's rows would break"};
    struct buf names CLEANUP(buf_fini) = {0};
    struct kept_keys keys;

    if (!task_copies(p->t) || def->row_key < 0 || def->family[0] != '\0')
        return true;
    if (!kept_keys_find(there, def, &p->t->arena, &keys, e))
        return false;
    if (keys.n == 0)
        return true;
    buf_init(&names, 1u << 20);
    for (size_t i = 0; i < keys.n; i++)
        buf_printf(&names, "%s'%s'%s", i > 0 ? ", " : "", keys.at[i].name,
                   keys.at[i].own ? " (which the source has not)" : "");
    item.reason = arena_printf(&p->t->arena,
                               "unique keys of '%s.%s' on the target are taken off while it is "
                               "copied, and made again as they are now when the changes have "
                               "passed the end of the copy: %s",
                               there->db, there->name, buf_cstr(&names));
    task_check(p->t, &item);
    return true;
}

static bool check_shape(struct precheck *p, const struct table_def *def, const char *to_db,
                        const char *to_table, struct err *e)
{
    const struct table_def *there;
    struct buf why CLEANUP(buf_fini) = {0};

    buf_init(&why, 4096);
    if (!p->t->target.endpoint->catalog->load_table(p->target, to_db, to_table, &there, e))
        return false;
    bool alike = task_same_shape(def, there, &why);
    if (!alike) {
        struct check_item item = {
            .id = "target.table_shape",
            .object = task_table_key(p->t, def->db, def->name),
            .verdict = CHECK_FAILED,
            .may_skip = !task_copies(p->t),
            .reason = buf_cstr(&why),
            .remedy = task_copies(p->t) ? "drop the table on the target, or make it alike" : LATER};
        task_check(p->t, &item);
    }
    bool ok = !alike || tell_keys(p, def, there, e);
    table_def_unref(there);
    return ok;
}

/* What the table will be on the target, and what of it is not the same there, one item a sentence.
 * *wanted NULL: it cannot be there. */
static void check_translation(struct precheck *p, const struct table_def *def,
                              const struct table_def **wanted)
{
    const char *object = task_table_key(p->t, def->db, def->name);
    struct buf notes CLEANUP(buf_fini) = {0};
    struct err refused = ERR_INIT;
    char *next;

    *wanted = NULL;
    buf_init(&notes, 1u << 20);
    if (!convert_table(def, task_way(p->t), wanted, &notes, &refused)) {
        task_check_error(p->t, "table.convert", object, false,
                         "exclude the table, or change what the reason names", &refused);
        return;
    }
    char *text = arena_strdup(&p->t->arena, buf_cstr(&notes));
    for (char *line = strtok_r(text, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
        struct check_item item = {.id = "table.converted",
                                  .object = object,
                                  .verdict = CHECK_WARNING,
                                  .reason = line,
                                  .remedy = "decide whether the application can do without"};
        task_check(p->t, &item);
    }
}

static bool check_loaded_table(struct precheck *p, const struct table_name *name,
                               const struct table_def *def, struct err *e)
{
    struct check_scope scope = {task_has_table, task_has_db, p->t};
    const struct table_def *wanted;
    const char *to_db, *to_table;
    bool exists, ok;

    /* The names' arena outlives the definition: mapped names may be the names themselves. */
    scope_map(p->t->scope, name->db, name->name, &to_db, &to_table);
    note_target_db(p, to_db);
    if (!checks_table(p->source, def, &scope, task_check_sink, p->t, e))
        return false;
    check_translation(p, def, &wanted);
    if (!wanted)
        return true;
    ok = checks_target_table(p->target, wanted, to_db, to_table, !task_copies(p->t), &exists,
                             task_check_sink, p->t, e) &&
         (!exists || check_shape(p, wanted, to_db, to_table, e));
    if (ok && !exists)
        tell_missing(p, wanted, to_db, to_table);
    table_def_unref(wanted);
    return ok;
}

static bool check_one_table(struct precheck *p, const struct table_name *name, struct err *e)
{
    const struct table_def *def;
    struct err refused = ERR_INIT;

    if (!p->t->source.endpoint->catalog->load_table(p->source, name->db, name->name, &def,
                                                    &refused)) {
        if (err_class_of(refused.code) == ERR_CLASS_RETRY) {
            *e = refused;
            return false;
        }
        task_check_error(p->t, "table.definition", task_table_key(p->t, name->db, name->name),
                         false, "exclude the table from the project's objects", &refused);
        return true;
    }
    bool ok = check_loaded_table(p, name, def, e);
    table_def_unref(def);
    return ok;
}

static void check_scope(struct precheck *p)
{
    struct task *t = p->t;
    struct err e = ERR_INIT;
    const char *(*pairs)[2] = arena_calloc(&t->arena, p->n + 1, sizeof *pairs);
    struct check_item item = {.id = "scope.tables", .object = "", .remedy = ""};

    for (size_t i = 0; i < p->n; i++) {
        pairs[i][0] = p->tables[i].db;
        pairs[i][1] = p->tables[i].name;
    }
    item.verdict = p->n > 0 ? CHECK_OK : CHECK_FAILED;
    item.reason = arena_printf(&t->arena, "%zu tables are in scope", p->n);
    item.remedy = "correct the project's objects, or grant SELECT on the tables";
    task_check(t, &item);
    if (!scope_check_collisions(t->scope, (const char *const(*)[2])pairs, p->n, &e))
        task_check(t, &(struct check_item){.id = "scope.collision",
                                           .object = "",
                                           .verdict = CHECK_FAILED,
                                           .reason = e.message,
                                           .remedy = "give them different names"});
}

static bool check_tables(struct precheck *p, struct err *e)
{
    struct check_scope scope = {task_has_table, task_has_db, p->t};

    if (!checks_objects(p->source, &scope, task_check_sink, p->t, e) ||
        !checks_trigger_rights(p->source, p->target, &scope, task_check_sink, p->t, e) ||
        !task_tables(p->t, p->source, &p->tables, &p->n, e))
        return false;
    check_scope(p);
    for (size_t i = 0; i < p->n; i++) {
        if (component_stopping(p->t->component))
            return err_set(e, ERR_CANCELLED, "a stop was asked for");
        if (!check_one_table(p, &p->tables[i], e))
            return false;
        component_progress(p->t->component, "precheck", "tables", i + 1, p->n, 0, -1);
    }
    return true;
}

/* --- disk ---------------------------------------------------------------------------------------
 */

static void check_disk(struct precheck *p)
{
    struct statvfs fs;
    Oms__StoreOptions none = OMS__STORE_OPTIONS__INIT;
    const Oms__StoreOptions *given = p->t->fixed->store ? p->t->fixed->store : &none;
    Oms__StoreOptions *o = (Oms__StoreOptions *)pbtext_copy(&given->base, &p->t->arena);
    struct check_item item = {.id = "store.disk",
                              .object = "",
                              .may_skip = true,
                              .remedy = "make room on the host's disk, or lower "
                                        "store.retention_bytes of the project"};

    if (statvfs(component_dir(p->t->component), &fs) != 0) {
        item.verdict = CHECK_WARNING;
        item.reason = "the free space cannot be read";
        task_check(p->t, &item);
        return;
    }
    pbtext_fill_standard(&o->base, &p->t->arena);
    uint64_t wanted = o->retention_bytes;
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    item.verdict = free_bytes < STORE_MIN_BYTES ? CHECK_FAILED
                   : free_bytes < wanted        ? CHECK_WARNING
                                                : CHECK_OK;
    item.reason = arena_printf(
        &p->t->arena, "%" PRIu64 " MB are free on this host; the log may take %" PRIu64 " MB",
        free_bytes >> 20, wanted >> 20);
    task_check(p->t, &item);
}

/* --- further servers of the source --------------------------------------------------------------
 */

struct named_sink { /* says which server an item is about */
    struct task *t;
    const char *where;
};

static void name_sink(void *arg, const struct check_item *item)
{
    const struct named_sink *n = arg;
    struct check_item named = *item;

    named.object = n->where;
    task_check(n->t, &named);
}

/* Each must be as good a source as the first. That one is away now is no reason to wait. */
static bool check_other(struct task *t, size_t i, struct err *e)
{
    const struct catalog_ops *catalog = t->source.endpoint->catalog;
    struct endpoint_address one = endpoint_place(&t->source.address, i);
    struct named_sink sink = {t, arena_printf(&t->arena, "%s:%u", one.host, one.port)};
    struct check_item item = {.id = "source.address", .object = sink.where, .remedy = ""};
    struct session *s = NULL;
    struct err refused = ERR_INIT;

    if (!catalog->connect(&one, &s, &refused)) {
        item.verdict = CHECK_WARNING;
        item.reason = refused.message;
        item.remedy = "make the server reachable for the same user, or take it from the data "
                      "source's addresses";
        task_check(t, &item);
        return true;
    }
    item.reason = "the server answers";
    task_check(t, &item);
    bool ok = checks_source(s, name_sink, &sink, e);
    catalog->close(s);
    return ok;
}

/* A project without a copy reads what is prepared at its start from the prepare on. */
static void source_sink(void *arg, const struct check_item *item)
{
    struct task *t = arg;
    struct check_item seen = *item;

    if (strcmp(seen.id, "source.xa") == 0 && seen.verdict == CHECK_FAILED && !seen.may_skip &&
        !task_copies(t)) {
        seen.verdict = CHECK_OK;
        seen.reason = "XA transactions are prepared: they come whole at their commit";
        seen.remedy = "";
    }
    task_check(t, &seen);
}

static bool check_source_servers(struct precheck *p, struct err *e)
{
    if (!checks_source(p->source, source_sink, p->t, e))
        return false;
    for (size_t i = 1; i <= p->t->source.address.n_others; i++)
        if (!check_other(p->t, i, e))
            return false;
    return true;
}

/* A project of this name that was removed leaves its progress on the target: tables would count as
 * copied that are empty now. */
static bool check_records(struct precheck *p, struct err *e)
{
    struct task *t = p->t;
    bool any = false, sealed = false;

    for (size_t i = 0; i < t->fixed->n_new_tasks; i++) {
        struct fence_state fence;
        if (!objects_fence(p->target, t->fixed->new_tasks[i], &fence, e))
            return false;
        any |= fence.there;
        sealed |= fence.there && fence.sealed;
    }
    struct check_item item = {.id = "target.records",
                              .object = t->fixed->project ? t->fixed->project : "",
                              .verdict = any ? CHECK_FAILED : CHECK_OK,
                              .may_skip = !sealed,
                              .remedy = ""};
    item.reason = sealed ? "an earlier project of this name was released on this target"
                  : any  ? "the target has the progress of an earlier project of this name: what "
                           "that one copied would not be copied again"
                         : "the target knows no earlier project of this name";
    if (any)
        item.remedy = sealed ? "remove the project and create it under another name"
                             : "remove the project and create it under another name; skip this "
                               "only to go on where that one stood, with the target's tables as "
                               "it left them";
    task_check(t, &item);
    return true;
}

static bool check_all(struct precheck *p, struct err *e)
{
    struct task *t = p->t;
    bool source = connect_side(p, &t->source, "source.connect", &p->source);
    bool target = connect_side(p, &t->target, "target.connect", &p->target);

    check_disk(p);
    if (source && (!check_source_servers(p, e) || !task_precheck_start(p->t, p->source, e)))
        return false;
    if (!source || !target)
        return true;
    if (!check_tables(p, e) || !check_records(p, e))
        return false;
    return checks_target(&t->target.address, p->target, p->dbs.at, p->dbs.n, task_check_sink, t,
                         e) &&
           checks_pair(p->source, p->target, task_check_sink, t, e);
}

bool task_precheck(struct task *t, struct err *e)
{
    struct precheck p = {.t = t};

    if (!task_need(t, true, true, true, e))
        return false;
    bool ok = check_all(&p, e);
    t->source.endpoint->catalog->close(p.source);
    t->target.endpoint->catalog->close(p.target);
    vec_fini(&p.dbs);
    task_say(t, "%zu checks, %zu failed", t->checks.n, task_failed(t));
    return ok;
}
