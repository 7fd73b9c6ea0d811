/* Cascading foreign keys of a server (cascades.h). */
#include "components/endpoint/mysql/cascades.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/endpoint/mysql/session.h"

/* An answer is good for this many times the time it took: reading costs a fifth at most. */
#define KEEP_TIMES 4

struct cascades {
    struct arena arena;
    struct table_name *names; /* sorted */
    size_t n;
    struct mono good_until;
};

static int name_cmp(const void *a, const void *b)
{
    const struct table_name *x = a, *y = b;
    int c = strcmp(x->db, y->db);

    return c ? c : strcmp(x->name, y->name);
}

void cascades_free(struct cascades *c)
{
    if (!c)
        return;
    arena_fini(&c->arena);
    free(c);
}

static bool read_all(struct session *s, struct cascades **out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct mono from = clock_mono();

    if (!session_query(s,
                       "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA,"
                       " REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
                       " WHERE UPDATE_RULE NOT IN ('RESTRICT','NO ACTION')"
                       " OR DELETE_RULE NOT IN ('RESTRICT','NO ACTION')",
                       &res, e))
        return err_wrap(e, "look for cascading foreign keys");
    struct cascades *c = must_calloc(1, sizeof *c);
    arena_init(&c->arena, 0);
    c->names = arena_calloc(&c->arena, 2 * (size_t)mysql_num_rows(res) + 1, sizeof *c->names);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        for (int side = 0; side < 2; side++) {
            struct table_name *name = &c->names[c->n++];
            name->db = arena_strdup(&c->arena, row[2 * side] ? row[2 * side] : "");
            name->name = arena_strdup(&c->arena, row[2 * side + 1] ? row[2 * side + 1] : "");
        }
    qsort(c->names, c->n, sizeof *c->names, name_cmp);
    struct mono now = clock_mono();
    c->good_until = (struct mono){now.ns + KEEP_TIMES * (now.ns - from.ns)};
    *out = c;
    return true;
}

bool cascades_has(struct session *s, const char *db, const char *table, bool *has, struct err *e)
{
    struct table_name wanted = {db, table};

    if (!s->cascades || mono_cmp(s->cascades->good_until, clock_mono()) < 0) {
        struct cascades *fresh = NULL;
        if (!read_all(s, &fresh, e))
            return false;
        cascades_free(s->cascades);
        s->cascades = fresh;
    }
    *has = bsearch(&wanted, s->cascades->names, s->cascades->n, sizeof wanted, name_cmp) != NULL;
    return true;
}
