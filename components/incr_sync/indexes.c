/*
 * Unique secondary indexes, created when replay has passed the end of every copy (correctness A10):
 * before, rows of chunks from different snapshots may collide legitimately. Compared with what the
 * target has, so a restart continues where it was; remembered, so that a later DDL has the last
 * word. Main thread, nothing in flight.
 */
#include <string.h>

#include "common/log/log.h"
#include "components/convert/convert.h"
#include "components/convert/translate.h"
#include "components/incr_sync/sync_priv.h"

struct index_work {
    struct sync *s;
    struct session *source, *target; /* catalog sessions */
};

static bool has_unique_secondary(const struct table_def *t)
{
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (t->keys[i].unique && i != t->row_key)
            return true;
    return false;
}

static bool add_indexes(struct index_work *w, const struct table_def *def, const char *key,
                        const char *to_db, const char *to_name, struct err *e)
{
    struct sync *s = w->s;
    const struct table_def *existing, *wanted = NULL;
    struct buf ddl;
    bool any = false, ok;

    if (!s->endpoint->catalog->load_table(w->target, to_db, to_name, &existing, e))
        return false;
    buf_init(&ddl, 1u << 20);
    ok = convert_table(def, convert_way_of(s->source_address.kind, s->address.kind), &wanted, NULL,
                       e) &&
         convert_add_indexes(wanted, existing, to_db, to_name, INDEX_UNIQUE, &ddl, &any, e);
    if (ok && any) {
        component_table(s->c, STEP_NAME, key, "adding unique indexes", 0, 0, "");
        log_event(LOG_INFO, "incr_sync.index", "%s", buf_cstr(&ddl));
        ok = s->endpoint->target->run_ddl(s->claim, to_db, buf_cstr(&ddl), e);
    }
    buf_fini(&ddl);
    table_def_unref(existing);
    table_def_unref(wanted);
    return ok;
}

/* The definition that the copy had: what the source's catalog says now may be of a DDL that is
 * still to come. A copy of an older program left none. */
static bool load_copied(struct index_work *w, const struct copied_table *t,
                        const struct table_def **def, struct err *e)
{
    struct sync *s = w->s;
    struct arena a;
    struct memo m;
    bool found, ok;

    arena_init(&a, 0);
    ok = s->endpoint->target->memo_get(s->claim, s->spec->fixed->full_task,
                                       arena_printf(&a, MEMO_COPIED "%s", t->key), &a, &m, &found,
                                       e);
    if (ok && found) {
        struct cursor c = cursor_of(m.statement.p, m.statement.len);
        ok = table_def_decode(&c, def, e);
    } else if (ok) {
        ok = s->source_endpoint->catalog->load_table(w->source, t->pos->db, t->pos->name, def, e);
    }
    arena_fini(&a);
    return ok;
}

/* Made once for a copy: a DDL that came later may have dropped or renamed them. */
static bool is_remembered(struct sync *s, const struct copied_table *t, struct buf *end, bool *yes,
                          struct err *e)
{
    struct arena a;
    struct memo m;

    txn_set_format(&t->pos->end, end);
    arena_init(&a, 0);
    bool ok = s->endpoint->target->memo_get(
        s->claim, s->spec->task, arena_printf(&a, MEMO_INDEXES "%s", t->key), &a, &m, yes, e);
    *yes = ok && *yes && m.statement.len == end->len &&
           (end->len == 0 || memcmp(m.statement.p, end->p, end->len) == 0);
    arena_fini(&a);
    return ok;
}

static bool remember(struct sync *s, const struct copied_table *t, const struct buf *end,
                     struct err *e)
{
    struct memo m = {.state = "indexes", .statement = {end->p, end->len}};
    struct arena a;

    arena_init(&a, 0);
    bool ok =
        s->endpoint->target->memo_put(s->claim, arena_printf(&a, MEMO_INDEXES "%s", t->key), &m, e);
    arena_fini(&a);
    return ok;
}

static bool make_once(struct index_work *w, const struct copied_table *t, struct err *e)
{
    struct sync *s = w->s;
    const struct table_def *def = NULL;
    const char *to_db, *to_name;
    bool ok = true;

    if (!load_copied(w, t, &def, e)) {
        if (e->code != ERR_SERVER_NO_OBJECT && e->code != ERR_NOT_FOUND)
            return false;
        /* Dropped meanwhile: its DROP is in the log. */
        log_err(LOG_WARN, "incr_sync.index_skipped", e);
        err_clear(e);
        return true;
    }
    scope_map(s->scope, t->pos->db, t->pos->name, &to_db, &to_name);
    if (has_unique_secondary(def))
        ok = add_indexes(w, def, t->key, to_db, to_name, e);
    table_def_unref(def);
    return ok;
}

static bool one_table(struct index_work *w, const struct copied_table *t, struct err *e)
{
    struct buf end CLEANUP(buf_fini);
    bool made = false;

    buf_init(&end, 16u << 20);
    if (!is_remembered(w->s, t, &end, &made, e))
        return false;
    if (!made && (!make_once(w, t, e) || !remember(w->s, t, &end, e)))
        return err_wrap(e, "table '%s'", t->key);
    component_table(w->s->c, STEP_NAME, t->key, "following", 0, 0, "");
    return true;
}

bool indexes_create(struct sync *s, struct err *e)
{
    struct index_work w = {.s = s};
    bool ok;

    struct endpoint_address source_at = s->source_address; /* any of its servers has the keys */

    ok = endpoint_first(s->source_endpoint, &source_at, e) &&
         s->source_endpoint->catalog->connect(&source_at, &w.source, e) &&
         s->endpoint->catalog->connect(&s->address, &w.target, e);
    for (size_t i = 0; ok && i < s->start.tables.n; i++)
        ok = one_table(&w, &s->start.tables.at[i], e);
    s->source_endpoint->catalog->close(w.source);
    s->endpoint->catalog->close(w.target);
    if (ok)
        log_event(LOG_INFO, "incr_sync.consistent",
                  "past the end of every copy; unique indexes "
                  "are there");
    return ok;
}
