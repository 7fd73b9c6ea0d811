/* Families of cascading foreign keys on a server (cascades.h). */
#include "components/endpoint/mysql/cascades.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/endpoint/mysql/session.h"

/* An answer is good for this many times the time it took: reading costs a fifth at most. */
#define KEEP_TIMES 4
#define LOGS_ITS_CASCADES 90600

struct cascades {
    struct arena arena;
    struct family_member *members; /* by name, each once */
    size_t n;
    struct mono good_until;
};
struct edges {
    struct table_name (*at)[2]; /* child, parent */
    size_t n;
};

static int name_cmp(const char *db, const char *name, const struct family_member *m)
{
    int c = strcmp(db, m->db);

    return c ? c : strcmp(name, m->name);
}

static int member_cmp(const void *a, const void *b)
{
    const struct family_member *x = a;

    return name_cmp(x->db, x->name, b);
}

static struct family_member *find(const struct cascades *c, const char *db, const char *name)
{
    size_t lo = 0, hi = c->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int way = name_cmp(db, name, &c->members[mid]);

        if (way == 0)
            return &c->members[mid];
        if (way < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

void cascades_free(struct cascades *c)
{
    if (!c)
        return;
    arena_fini(&c->arena);
    free(c);
}

static bool read_edges(struct session *s, struct arena *a, struct edges *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query(s,
                       "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA,"
                       " REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
                       " WHERE UPDATE_RULE NOT IN ('RESTRICT','NO ACTION')"
                       " OR DELETE_RULE NOT IN ('RESTRICT','NO ACTION')",
                       &res, e))
        return err_wrap(e, "look for cascading foreign keys");
    out->at = arena_calloc(a, (size_t)mysql_num_rows(res) + 1, sizeof *out->at);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res)); out->n++)
        for (int side = 0; side < 2; side++) {
            const char *db = row[2 * side], *name = row[2 * side + 1];

            out->at[out->n][side] = (struct table_name){arena_strdup(a, db ? db : ""),
                                                        arena_strdup(a, name ? name : "")};
        }
    return true;
}

static void put_members(struct cascades *c, const struct edges *edges)
{
    size_t kept = 0;

    c->members = arena_calloc(&c->arena, 2 * edges->n + 1, sizeof *c->members);
    for (size_t i = 0; i < edges->n; i++)
        for (int side = 0; side < 2; side++) {
            const struct table_name *t = &edges->at[i][side];

            c->members[c->n++] = (struct family_member){
                t->db, t->name, arena_printf(&c->arena, "%s.%s", t->db, t->name)};
        }
    qsort(c->members, c->n, sizeof *c->members, member_cmp);
    for (size_t i = 0; i < c->n; i++)
        if (kept == 0 || member_cmp(&c->members[kept - 1], &c->members[i]) != 0)
            c->members[kept++] = c->members[i];
    c->n = kept;
}

/* The least name wins over every edge until nothing changes: families are small and few. */
static void join(struct cascades *c, const struct edges *edges)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < edges->n; i++) {
            struct family_member *a = find(c, edges->at[i][0].db, edges->at[i][0].name),
                                 *b = find(c, edges->at[i][1].db, edges->at[i][1].name);
            int way = strcmp(a->family, b->family);

            if (way == 0)
                continue;
            *(way < 0 ? &b->family : &a->family) = way < 0 ? a->family : b->family;
            changed = true;
        }
    }
}

/* From 9.6 on MySQL logs the rows its foreign keys change, unless the engine does that work. */
static bool is_logged(struct session *s, bool *logged, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    MYSQL_ROW row;

    *logged = false;
    if (s->is_mariadb || s->version < LOGS_ITS_CASCADES)
        return true;
    if (!session_query(s, "SHOW GLOBAL VARIABLES LIKE 'innodb\\_native\\_foreign\\_keys'", &res, e))
        return err_wrap(e, "look who does the work of foreign keys");
    row = mysql_fetch_row(res);
    *logged = !row || !row[1] || (strcmp(row[1], "ON") != 0 && strcmp(row[1], "1") != 0);
    return true;
}

static bool read_all(struct session *s, struct cascades **out, struct err *e)
{
    struct cascades *c = must_calloc(1, sizeof *c);
    struct mono from = clock_mono();
    struct edges edges = {0};
    bool logged, ok;

    arena_init(&c->arena, 0);
    ok = is_logged(s, &logged, e) && (logged || read_edges(s, &c->arena, &edges, e));
    if (!ok) {
        cascades_free(c);
        return false;
    }
    put_members(c, &edges);
    join(c, &edges);
    struct mono now = clock_mono();
    c->good_until = (struct mono){now.ns + KEEP_TIMES * (now.ns - from.ns)};
    *out = c;
    return true;
}

static bool begins(const char *sql, size_t len, const char *word)
{
    return len >= strlen(word) && strncasecmp(sql, word, strlen(word)) == 0;
}

static bool mentions(const char *sql, size_t len, const char *word)
{
    for (size_t i = 0; i + strlen(word) <= len; i++)
        if (begins(sql + i, len - i, word))
            return true;
    return false;
}

bool cascades_may_change(const char *sql, size_t len)
{
    static const char *const others[] = {"SELECT ", "INSERT ",   "UPDATE ",  "DELETE ", "SET ",
                                         "START ",  "COMMIT",    "ROLLBACK", "SHOW ",   "LOCK ",
                                         "UNLOCK ", "SAVEPOINT", "RELEASE "};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(sql, len, others[i]))
            return false;
    return !begins(sql, len, "CREATE TABLE ") || mentions(sql, len, "REFERENCES") ||
           mentions(sql, len, "LIKE");
}

static bool refresh(struct session *s, struct err *e)
{
    struct cascades *fresh = NULL;

    if (s->cascades && mono_cmp(s->cascades->good_until, clock_mono()) >= 0)
        return true;
    if (!read_all(s, &fresh, e))
        return false;
    cascades_free(s->cascades);
    s->cascades = fresh;
    return true;
}

bool cascades_family(struct session *s, const char *db, const char *table, const char **family,
                     struct err *e)
{
    const struct family_member *m;

    if (!refresh(s, e))
        return false;
    m = find(s->cascades, db, table);
    *family = m ? m->family : "";
    return true;
}

bool cascades_list(struct session *s, struct arena *arena, struct family_member **out, size_t *n,
                   struct err *e)
{
    if (!refresh(s, e))
        return false;
    *n = s->cascades->n;
    *out = arena_calloc(arena, *n + 1, sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const struct family_member *m = &s->cascades->members[i];

        (*out)[i] = (struct family_member){arena_strdup(arena, m->db), arena_strdup(arena, m->name),
                                           arena_strdup(arena, m->family)};
    }
    return true;
}
