/*
 * The compiled scope: lists of patterns, renames sorted for search. See scope.h. Pure.
 */
#include "common/scope/scope.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/must.h"
#include "common/scope/scope_priv.h"

struct rename {
    const char *db, *table;       /* table NULL: the whole database */
    const char *to_db, *to_table; /* to_table NULL with table NULL */
    size_t number;                /* from 1, for errors */
};

struct scope {
    struct pattern *include, *exclude;
    size_t n_include, n_exclude;
    struct rename *renames; /* sorted by db, then table; the database's own row first */
    size_t n_renames;
};

static bool is_system(const char *db)
{
    if (strncmp(db, "oms_heartbeat", strlen("oms_heartbeat")) == 0) /* and what begins so */
        return true;
    static const char *const names[] = {"mysql", "information_schema", "performance_schema", "sys",
                                        "oms_meta"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(db, names[i]) == 0)
            return true;
    return false;
}

static int rename_cmp(const void *a, const void *b)
{
    const struct rename *x = a, *y = b;
    int c = strcmp(x->db, y->db);

    if (c != 0)
        return c;
    return strcmp(x->table ? x->table : "", y->table ? y->table : "");
}

/* A pattern that names a system's database would match nothing: never what was meant. */
static bool check_no_system(const struct entry *en, const struct pattern *p)
{
    char name[80];
    size_t n = 0;

    while (n < p->db.n && n + 1 < sizeof name && p->db.items[n].kind == GLOB_CHAR &&
           p->db.items[n].c < 0x80) {
        name[n] = (char)p->db.items[n].c;
        n++;
    }
    name[n] = '\0';
    if (n < p->db.n || !is_system(name))
        return true;
    return entry_refuse(en, en->text, "a database of a user: those of the system are never moved");
}

static bool compile_patterns(const char *list, const char *const *texts, size_t n,
                             struct arena *arena, struct pattern **out, struct err *e)
{
    struct pattern *patterns = arena_calloc(arena, n + 1, sizeof *patterns);

    for (size_t i = 0; i < n; i++) {
        struct entry en = {
            .list = list, .number = i + 1, .part = "", .text = texts[i], .arena = arena, .e = e};

        if (!pattern_parse(&en, &patterns[i]) ||
            (strcmp(list, "objects.include") == 0 && !check_no_system(&en, &patterns[i])))
            return false;
    }
    *out = patterns;
    return true;
}

static bool compile_rename(const struct scope *s, const struct scope_rename *r, size_t number,
                           struct arena *arena, struct rename *out, struct err *e)
{
    struct entry from = {.list = "objects.rename",
                         .number = number,
                         .part = ".from",
                         .text = r->from,
                         .arena = arena,
                         .e = e};
    struct entry to = from;

    to.part = ".to";
    to.text = r->to;
    out->number = number;
    if (!name_parse(&from, &out->db, &out->table) || !name_parse(&to, &out->to_db, &out->to_table))
        return false;
    if (out->table && !out->to_table)
        return entry_refuse(&to, to.p, "'.' and a table are expected, as 'from' names a table");
    if (!out->table && out->to_table)
        return entry_refuse(&to, to.text, "a database alone is expected, as 'from' names one");
    if (is_system(out->to_db))
        return entry_refuse(&to, to.text, "a database of the system cannot be a target");
    if (out->table ? !scope_has(s, out->db, out->table) : !scope_may_have_db(s, out->db))
        return entry_refuse(&from, from.text, "this is not among the included objects");
    return true;
}

static bool compile_renames(struct scope *s, const struct scope_source *src, struct arena *arena,
                            struct err *e)
{
    s->renames = arena_calloc(arena, src->n_rename + 1, sizeof *s->renames);
    for (size_t i = 0; i < src->n_rename; i++)
        if (!compile_rename(s, &src->rename[i], i + 1, arena, &s->renames[i], e))
            return false;
    s->n_renames = src->n_rename;
    if (s->n_renames > 1)
        qsort(s->renames, s->n_renames, sizeof *s->renames, rename_cmp);
    for (size_t i = 1; i < s->n_renames; i++) {
        const struct rename *a = &s->renames[i - 1], *b = &s->renames[i];

        if (rename_cmp(a, b) == 0)
            return err_set(e, ERR_INVALID, "objects.rename[%zu].from: '%s' is renamed in [%zu] too",
                           a->number > b->number ? a->number : b->number,
                           src->rename[a->number - 1].from,
                           a->number > b->number ? b->number : a->number);
    }
    return true;
}

bool scope_compile(const struct scope_source *src, struct arena *arena, const struct scope **out,
                   struct err *e)
{
    struct scope *s = arena_calloc(arena, 1, sizeof *s);

    if (src->n_include == 0)
        return err_set(e, ERR_INVALID, "objects.include: at least one pattern db.table is needed");
    if (!compile_patterns("objects.include", src->include, src->n_include, arena, &s->include, e) ||
        !compile_patterns("objects.exclude", src->exclude, src->n_exclude, arena, &s->exclude, e))
        return false;
    s->n_include = src->n_include;
    s->n_exclude = src->n_exclude;
    if (!compile_renames(s, src, arena, e))
        return false;
    *out = s;
    return true;
}

bool scope_has(const struct scope *s, const char *db, const char *table)
{
    bool in = false;

    if (is_system(db))
        return false;
    for (size_t i = 0; i < s->n_include && !in; i++)
        in = glob_matches(&s->include[i].db, db) && glob_matches(&s->include[i].table, table);
    for (size_t i = 0; i < s->n_exclude && in; i++)
        in = !(glob_matches(&s->exclude[i].db, db) && glob_matches(&s->exclude[i].table, table));
    return in;
}

bool scope_may_have_db(const struct scope *s, const char *db)
{
    bool in = false;

    if (is_system(db))
        return false;
    for (size_t i = 0; i < s->n_include && !in; i++)
        in = glob_matches(&s->include[i].db, db);
    for (size_t i = 0; i < s->n_exclude && in; i++)
        in = !(glob_is_everything(&s->exclude[i].table) && glob_matches(&s->exclude[i].db, db));
    return in;
}

static const struct rename *find_rename(const struct scope *s, const char *db, const char *table)
{
    struct rename key = {.db = db, .table = table};

    if (s->n_renames == 0)
        return NULL;
    return bsearch(&key, s->renames, s->n_renames, sizeof *s->renames, rename_cmp);
}

void scope_map(const struct scope *s, const char *db, const char *table, const char **to_db,
               const char **to_table)
{
    const struct rename *r = find_rename(s, db, table);

    *to_db = db;
    *to_table = table;
    if (r && r->table) {
        *to_db = r->to_db;
        *to_table = r->to_table;
        return;
    }
    r = find_rename(s, db, NULL);
    if (r)
        *to_db = r->to_db;
}

struct mapped {
    const char *db, *table; /* on the target */
    const char *const *from;
};

static int mapped_cmp(const void *a, const void *b)
{
    const struct mapped *x = a, *y = b;
    int c = strcmp(x->db, y->db);

    return c ? c : strcmp(x->table, y->table);
}

bool scope_check_collisions(const struct scope *s, const char *const (*tables)[2], size_t n,
                            struct err *e)
{
    struct mapped *m = must_calloc(n + 1, sizeof *m);
    size_t k = 0;
    bool fine = true;

    for (size_t i = 0; i < n; i++) {
        if (!scope_has(s, tables[i][0], tables[i][1]))
            continue;
        m[k].from = tables[i];
        scope_map(s, tables[i][0], tables[i][1], &m[k].db, &m[k].table);
        k++;
    }
    if (k > 1)
        qsort(m, k, sizeof *m, mapped_cmp);
    for (size_t i = 1; i < k && fine; i++)
        if (mapped_cmp(&m[i - 1], &m[i]) == 0 && m[i - 1].from != m[i].from)
            fine = err_set(e, ERR_INVALID,
                           "objects.rename: '%s.%s' and '%s.%s' would both become '%s.%s'",
                           m[i - 1].from[0], m[i - 1].from[1], m[i].from[0], m[i].from[1], m[i].db,
                           m[i].table);
    free(m);
    return fine;
}
