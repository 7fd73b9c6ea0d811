/*
 * Numbered migrations. Each expands only, so that the version before works beside it (C10); they
 * run under an advisory lock, each in a transaction of its own that also records its number.
 */
#include <stdio.h>

#include "cm/meta/meta_priv.h"

#define LOCK_KEY "7308331" /* of ours among a database's advisory locks */

#define ROWS_TABLE(name)                                                                          \
    "CREATE TABLE oms." name " (key text PRIMARY KEY, state text NOT NULL, body bytea NOT NULL, " \
    "changed timestamptz NOT NULL DEFAULT now());"

static const char *const migrations[] = {
    /* 1: the first schema. The lease's unique key contains the epoch: taking it over conflicts with
     * FOR KEY SHARE, renewing it does not. */
    "CREATE TABLE oms.lease (one int PRIMARY KEY CHECK (one = 1), epoch bigint NOT NULL UNIQUE, "
    "holder text NOT NULL, counter bigint NOT NULL, address text NOT NULL, backend int NOT NULL);"
    "INSERT INTO oms.lease VALUES (1, 0, '', 0, '', 0);"
    "ALTER TABLE oms.meta ADD COLUMN revision bigint NOT NULL DEFAULT 0;" ROWS_TABLE("host")
        ROWS_TABLE("source") ROWS_TABLE("project") ROWS_TABLE("step") ROWS_TABLE("component")
            ROWS_TABLE("incident") ROWS_TABLE(
                "detail") "CREATE TABLE oms.event (id bigint PRIMARY KEY, at_us bigint NOT NULL, "
                          "name text NOT NULL, "
                          "subject text NOT NULL, text text NOT NULL, rule int NOT NULL);"
                          "CREATE INDEX event_subject ON oms.event (subject, id);"
                          "CREATE TABLE oms.reply (id bytea PRIMARY KEY, method text NOT NULL, "
                          "body bytea NOT NULL, "
                          "at timestamptz NOT NULL DEFAULT now());"
                          "CREATE INDEX reply_at ON oms.reply (at);",
};

/* Several statements in one call run as one transaction when BEGIN opens them. */
static bool run_script(struct meta *m, const char *sql, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    if (!PQsendQuery(m->conn, sql))
        return err_set(e, ERR_UNAVAILABLE, "MetaDB: %.300s", PQerrorMessage(m->conn));
    return meta_result(m, &r, e);
}

static bool schema_version(struct meta *m, uint64_t *version, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    if (!meta_exec(m, "SELECT version FROM oms.meta", NULL, false, &r, e))
        return false;
    *version = PQntuples(r) == 1 ? meta_cell_u64(r, 0, 0) : 0;
    return true;
}

static bool migrate(struct meta *m, struct err *e)
{
    struct buf script CLEANUP(buf_fini);
    uint64_t version;

    buf_init(&script, 1u << 20);
    if (!run_script(m,
                    "BEGIN; CREATE SCHEMA IF NOT EXISTS oms; CREATE TABLE IF NOT EXISTS oms.meta "
                    "(one int PRIMARY KEY CHECK (one = 1), id text NOT NULL, version int NOT NULL);"
                    "INSERT INTO oms.meta VALUES (1, replace(gen_random_uuid()::text, '-', ''), 0) "
                    "ON CONFLICT DO NOTHING; COMMIT",
                    e) ||
        !schema_version(m, &version, e))
        return false;
    for (; version < ARRAY_LEN(migrations); version++) {
        buf_clear(&script);
        buf_printf(&script, "BEGIN; %s UPDATE oms.meta SET version = %u; COMMIT",
                   migrations[version], (unsigned)version + 1);
        if (!run_script(m, buf_cstr(&script), e)) {
            meta_rollback(m);
            return err_wrap(e, "migration %u", (unsigned)version + 1);
        }
    }
    return true;
}

bool meta_migrate(struct meta *m, struct err *e)
{
    struct err unlock = ERR_INIT;

    if (!meta_run(m, "SELECT pg_advisory_lock(" LOCK_KEY ")", NULL, e))
        return err_wrap(e, "wait for another migration");
    bool ok = migrate(m, e);
    if (!meta_run(m, "SELECT pg_advisory_unlock(" LOCK_KEY ")", NULL, &unlock) && ok) {
        *e = unlock;
        return false;
    }
    return ok;
}
