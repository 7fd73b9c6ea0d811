/* Transactions, rows, events and stored replies. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cm/meta/meta_priv.h"

#define REPLY_DAYS "1 day"

struct table_sql {
    const char *name, *put, *remove, *load;
};
#define TABLE(t)                                                                                 \
    {                                                                                            \
        t,                                                                                       \
            "INSERT INTO oms." t " (key, state, body) VALUES ($1, $2, $3) ON CONFLICT (key) DO " \
            "UPDATE SET state = excluded.state, body = excluded.body, changed = now()",          \
            "DELETE FROM oms." t " WHERE key = $1",                                              \
            "SELECT key, state, body FROM oms." t " ORDER BY key"                                \
    }
static const struct table_sql tables[] = {TABLE("host"),  TABLE("source"),    TABLE("project"),
                                          TABLE("step"),  TABLE("component"), TABLE("incident"),
                                          TABLE("detail")};

static const struct table_sql *table_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (strcmp(tables[i].name, name) == 0)
            return &tables[i];
    return NULL;
}

static bool lock_lease(struct meta *m, const struct meta_lease *mine, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;
    struct meta_params p = {0};

    meta_u64(&p, mine->epoch);
    meta_text(&p, mine->holder);
    if (!meta_exec(m, "SELECT 1 FROM oms.lease WHERE epoch = $1 AND holder = $2 FOR KEY SHARE", &p,
                   false, &r, e))
        return false;
    if (PQntuples(r) != 1)
        return err_set(e, ERR_NOT_LEADER, "the lease of epoch %" PRIu64 " is another's now",
                       mine->epoch);
    return true;
}

bool meta_begin(struct meta *m, const struct meta_lease *mine, struct err *e)
{
    if (!meta_run(m, "BEGIN", NULL, e))
        return false;
    if (lock_lease(m, mine, e) && meta_run(m, "SET LOCAL synchronous_commit = on", NULL, e))
        return true;
    meta_rollback(m);
    return false;
}

bool meta_put(struct meta *m, const struct meta_row *row, struct err *e)
{
    const struct table_sql *t = table_of(row->table);
    struct meta_params p = {0};

    must(t);
    meta_text(&p, row->key);
    meta_text(&p, row->state);
    meta_bytes(&p, row->body, row->len);
    return meta_run(m, t->put, &p, e) ? true : err_wrap(e, "write %s '%s'", row->table, row->key);
}

bool meta_delete(struct meta *m, const char *table, const char *key, struct err *e)
{
    const struct table_sql *t = table_of(table);
    struct meta_params p = {0};

    must(t);
    meta_text(&p, key);
    return meta_run(m, t->remove, &p, e) ? true : err_wrap(e, "remove %s '%s'", table, key);
}

bool meta_put_revision(struct meta *m, uint64_t revision, struct err *e)
{
    struct meta_params p = {0};

    meta_u64(&p, revision);
    return meta_run(m, "UPDATE oms.meta SET revision = greatest(revision, $1)", &p, e);
}

bool meta_put_event(struct meta *m, const Oms__Event *ev, struct err *e)
{
    struct meta_params p = {0};

    meta_u64(&p, ev->id);
    meta_u64(&p, (uint64_t)ev->at_us);
    meta_text(&p, ev->name);
    meta_text(&p, ev->subject);
    meta_text(&p, ev->text);
    meta_u64(&p, ev->rule);
    return meta_run(m, "INSERT INTO oms.event VALUES ($1, $2, $3, $4, $5, $6)", &p, e);
}

bool meta_put_reply(struct meta *m, struct id id, const char *method, const void *reply, size_t len,
                    struct err *e)
{
    struct meta_params p = {0};

    meta_bytes(&p, id.b, sizeof id.b);
    meta_text(&p, method);
    meta_bytes(&p, reply, len);
    return meta_run(m, "INSERT INTO oms.reply (id, method, body) VALUES ($1, $2, $3)", &p, e);
}

bool meta_commit(struct meta *m, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    if (!meta_exec(m, "COMMIT", NULL, false, &r, e)) {
        meta_rollback(m);
        return false;
    }
    /* A COMMIT of a transaction that failed before answers ROLLBACK. */
    if (strcmp(PQcmdStatus(r), "COMMIT") != 0)
        return err_set(e, ERR_METADB, "MetaDB: a transaction ended with '%s'", PQcmdStatus(r));
    return true;
}

void meta_rollback(struct meta *m)
{
    struct err e = ERR_INIT;

    /* A rollback that fails means that the connection is gone, and the transaction with it. */
    (void)!meta_run(m, "ROLLBACK", NULL, &e);
}

/* --- reading -----------------------------------------------------------------------------------
 */

bool meta_load(struct meta *m, const char *table, meta_row_fn *fn, void *arg, struct err *e)
{
    const struct table_sql *t = table_of(table);
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    must(t);
    if (!meta_exec(m, t->load, NULL, true, &r, e))
        return err_wrap(e, "read table '%s'", table);
    for (int i = 0; i < PQntuples(r); i++) {
        struct meta_row row = {.table = table,
                               .key = PQgetvalue(r, i, 0),
                               .state = PQgetvalue(r, i, 1),
                               .body = PQgetvalue(r, i, 2),
                               .len = (size_t)PQgetlength(r, i, 2)};
        if (!fn(arg, &row, e))
            return false;
    }
    return true;
}

bool meta_revision(struct meta *m, uint64_t *revision, uint64_t *last_event, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    if (!meta_exec(m, "SELECT revision, (SELECT coalesce(max(id), 0) FROM oms.event) FROM oms.meta",
                   NULL, false, &r, e))
        return false;
    *revision = meta_cell_u64(r, 0, 0);
    *last_event = meta_cell_u64(r, 0, 1);
    return true;
}

bool meta_events(struct meta *m, uint64_t after, uint32_t most, const char *subject,
                 meta_event_fn *fn, void *arg, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;
    struct meta_params p = {0};
    const char *newest =
        "SELECT * FROM (SELECT id, at_us, name, subject, text, rule FROM oms.event "
        "WHERE id > $1 AND ($3 = '' OR subject = $3 OR starts_with(subject, $3 || "
        "'.')) ORDER BY id DESC LIMIT $2) t ORDER BY id";
    const char *next = "SELECT id, at_us, name, subject, text, rule FROM oms.event "
                       "WHERE id > $1 AND ($3 = '' OR subject = $3 OR starts_with(subject, $3 || "
                       "'.')) ORDER BY id LIMIT $2";

    meta_u64(&p, after);
    meta_u64(&p, most);
    meta_text(&p, subject);
    if (!meta_exec(m, after == 0 ? newest : next, &p, false, &r, e))
        return false;
    for (int i = 0; i < PQntuples(r); i++) {
        Oms__Event ev = OMS__EVENT__INIT;
        ev.has_id = ev.has_at_us = ev.has_rule = true;
        ev.id = meta_cell_u64(r, i, 0);
        ev.at_us = (int64_t)meta_cell_u64(r, i, 1);
        ev.name = PQgetvalue(r, i, 2);
        ev.subject = PQgetvalue(r, i, 3);
        ev.text = PQgetvalue(r, i, 4);
        ev.rule = (uint32_t)meta_cell_u64(r, i, 5);
        fn(arg, &ev);
    }
    return true;
}

bool meta_find_reply(struct meta *m, struct id id, struct buf *reply, bool *found, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;
    struct meta_params p = {0};

    meta_bytes(&p, id.b, sizeof id.b);
    if (!meta_exec(m, "SELECT body FROM oms.reply WHERE id = $1", &p, true, &r, e))
        return false;
    *found = PQntuples(r) == 1;
    if (*found)
        buf_append(reply, PQgetvalue(r, 0, 0), (size_t)PQgetlength(r, 0, 0));
    return true;
}

bool meta_prune(struct meta *m, const struct meta_lease *mine, uint64_t events_kept, struct err *e)
{
    struct meta_params p = {0};

    meta_u64(&p, events_kept);
    if (!meta_begin(m, mine, e))
        return false;
    if (meta_run(m, "DELETE FROM oms.reply WHERE at < now() - interval '" REPLY_DAYS "'", NULL,
                 e) &&
        meta_run(m, "DELETE FROM oms.event WHERE id < (SELECT max(id) FROM oms.event) - $1", &p, e))
        return meta_commit(m, e);
    meta_rollback(m);
    return false;
}
