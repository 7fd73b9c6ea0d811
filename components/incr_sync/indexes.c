/*
 * Unique secondary indexes, created when replay has passed the end of every copy (correctness A10):
 * before, rows of chunks from different snapshots may collide legitimately. Compared with what the
 * target has, so a restart continues where it was. Main thread, nothing in flight.
 */
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

static bool one_table(struct index_work *w, const struct copied_table *t, struct err *e)
{
    struct sync *s = w->s;
    const struct table_def *def;
    const char *to_db, *to_name;
    bool ok = true;

    if (!s->source_endpoint->catalog->load_table(w->source, t->pos->db, t->pos->name, &def, e)) {
        if (e->code != ERR_SERVER_NO_OBJECT && e->code != ERR_NOT_FOUND)
            return false;
        /* Dropped meanwhile: its DROP is in the log and will be held. */
        log_err(LOG_WARN, "incr_sync.index_skipped", e);
        err_clear(e);
        return true;
    }
    scope_map(s->scope, t->pos->db, t->pos->name, &to_db, &to_name);
    if (has_unique_secondary(def))
        ok = add_indexes(w, def, t->key, to_db, to_name, e);
    table_def_unref(def);
    if (!ok)
        return err_wrap(e, "table '%s'", t->key);
    component_table(s->c, STEP_NAME, t->key, "following", 0, 0, "");
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
