/* Scope on records. See transform.h. */
#include "components/transform/transform.h"

#include <string.h>

bool transform_scope(const Oms__ObjectScope *scope, struct arena *arena, const struct scope **out,
                     struct err *e)
{
    static const Oms__ObjectScope nothing = OMS__OBJECT_SCOPE__INIT;
    const Oms__ObjectScope *o = scope ? scope : &nothing;
    struct scope_rename *renames = arena_calloc(arena, o->n_rename + 1, sizeof *renames);
    struct scope_source src = {.include = (const char *const *)o->include,
                               .n_include = o->n_include,
                               .exclude = (const char *const *)o->exclude,
                               .n_exclude = o->n_exclude,
                               .rename = renames,
                               .n_rename = o->n_rename};

    for (size_t i = 0; i < o->n_rename; i++)
        renames[i] = (struct scope_rename){o->rename[i]->from ? o->rename[i]->from : "",
                                           o->rename[i]->to ? o->rename[i]->to : ""};
    return scope_compile(&src, arena, out, e);
}

bool transform_filter(void *scope, const char *db, const char *table)
{
    return scope_has(scope, db, table);
}

/* A part that holds a dot or a backtick is quoted, so that no two tables share a key. */
static char *put_part(char *p, const char *name)
{
    bool quote = strpbrk(name, ".`") != NULL;

    if (quote)
        *p++ = '`';
    for (; *name; name++) {
        if (*name == '`')
            *p++ = '`';
        *p++ = *name;
    }
    if (quote)
        *p++ = '`';
    return p;
}

static const char *take_part(const char *p, char *out)
{
    bool quoted = *p == '`';

    for (p += quoted; *p && (quoted || *p != '.'); p++) {
        if (quoted && *p == '`' && *++p != '`')
            break;
        *out++ = *p;
    }
    *out = '\0';
    return p;
}

bool transform_key_split(struct arena *arena, const char *key, const char **db, const char **table)
{
    char *a = arena_alloc(arena, strlen(key) + 1), *b = arena_alloc(arena, strlen(key) + 1);
    const char *p = take_part(key, a);

    *db = a;
    *table = b;
    return *p == '.' && *take_part(p + 1, b) == '\0' && *a && *b;
}

const char *transform_table_key(struct arena *arena, const char *db, const char *table)
{
    char *key = arena_alloc(arena, 2 * strlen(db) + 2 * strlen(table) + 6);
    char *p = put_part(key, db);

    *p++ = '.';
    p = put_part(p, table);
    *p = '\0';
    return key;
}
