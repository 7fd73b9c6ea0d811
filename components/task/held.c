/* Foreign keys and triggers of the scope, with the statements that create them on the target. */
#include <string.h>
#include <strings.h>

#include "components/convert/convert.h"
#include "components/task/task.h"

struct collect {
    struct task *t;
    struct held_list *out;
    const struct table_def *table;
    const char *to_db, *to_table;
};

static void map_names(void *arg, const char *db, const char *table, const char **to_db,
                      const char **to_table)
{
    struct collect *c = arg;

    scope_map(c->t->scope, db, table, to_db, to_table);
}

static bool add_foreign_key(void *arg, const char *name, bool cascades, const char *ddl,
                            struct err *e)
{
    struct collect *c = arg;
    struct arena *a = &c->t->arena;
    struct held_object o = {
        .type = "foreign key", .to_db = c->to_db, .to_table = c->to_table, .cascades = cascades};

    (void)e;
    o.to_name = arena_strdup(a, name);
    o.name = arena_printf(a, "%s.%s.%s", c->table->db, c->table->name, name);
    o.ddl = arena_strdup(a, ddl);
    vec_push(&c->out->list, o);
    return true;
}

/* Is `name` a word of the text, quoted or not? */
static bool mentions(const char *text, size_t len, const char *word, size_t word_len)
{
    for (size_t i = 0; i + word_len <= len; i++) {
        if (strncasecmp(text + i, word, word_len) != 0)
            continue;
        char before = i > 0 ? text[i - 1] : ' ',
             after = i + word_len < len ? text[i + word_len] : ' ';
        bool inside = strchr("abcdefghijklmnopqrstuvwxyz0123456789_$", before | 0x20) ||
                      strchr("abcdefghijklmnopqrstuvwxyz0123456789_$", after | 0x20);
        if (!inside)
            return true;
    }
    return false;
}

/* A body that may name something renamed cannot be carried as it is. */
static const char *renamed_in_body(struct collect *c, const char *body)
{
    const Oms__ObjectScope *scope = c->t->fixed->scope;

    for (size_t i = 0; i < scope->n_rename; i++) {
        const char *from = scope->rename[i]->from;
        const char *dot = strchr(from, '.');
        const char *last = dot ? dot + 1 : from;
        if (mentions(body, strlen(body), last, strlen(last)))
            return arena_printf(&c->t->arena,
                                "its body may name '%s', which has another name on the target: "
                                "create it by hand",
                                from);
    }
    return NULL;
}

static bool add_trigger(void *arg, const struct trigger_def *d, struct err *e)
{
    struct collect *c = arg;
    struct arena *a = &c->t->arena;
    struct held_object o = {.type = "trigger", .to_db = c->to_db, .to_table = c->to_table};
    struct buf ddl CLEANUP(buf_fini) = {0};

    buf_init(&ddl, 4u << 20);
    objects_trigger_ddl(d, c->to_db, c->to_table, &ddl);
    if (!buf_ok(&ddl))
        return err_set(e, ERR_LIMIT, "trigger '%s.%s' is larger than %zu bytes", d->db, d->name,
                       ddl.max);
    o.to_name = arena_strdup(a, d->name);
    o.name = arena_printf(a, "%s.%s.%s", d->db, d->table, d->name);
    o.ddl = arena_strdup(a, buf_cstr(&ddl));
    o.sql_mode = arena_strdup(a, d->sql_mode);
    o.warning = renamed_in_body(c, d->statement);
    vec_push(&c->out->list, o);
    return true;
}

static bool collect_foreign_keys(struct collect *c, struct session *source,
                                 const struct table_name *name, struct err *e)
{
    const struct table_def *def;

    if (!c->t->source.endpoint->catalog->load_table(source, name->db, name->name, &def, e))
        return false;
    c->table = def;
    bool ok = convert_foreign_keys(def, c->to_db, c->to_table, map_names, add_foreign_key, c, e);
    table_def_unref(def);
    return ok;
}

bool task_held(struct task *t, struct session *source, struct held_list *out, struct err *e)
{
    struct collect c = {.t = t, .out = out};
    struct table_name *names;
    size_t n;

    if (!task_tables(t, source, &names, &n, e))
        return false;
    for (size_t i = 0; i < n; i++) {
        scope_map(t->scope, names[i].db, names[i].name, &c.to_db, &c.to_table);
        if (!collect_foreign_keys(&c, source, &names[i], e))
            return false;
    }
    for (size_t i = 0; i < n; i++) {
        scope_map(t->scope, names[i].db, names[i].name, &c.to_db, &c.to_table);
        if (!objects_triggers(source, names[i].db, names[i].name, add_trigger, &c, e))
            return false;
    }
    return true;
}
