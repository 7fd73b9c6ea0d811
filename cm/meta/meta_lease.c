/*
 * The leader's lease (C1, C2). It is a counter: whoever sees it unchanged for the lease's length on
 * his own clock may take it, by compare-and-set. Taking changes the epoch, which is part of a
 * unique key, so it waits for every transaction that holds FOR KEY SHARE; renewing does not.
 */
#include <stdio.h>
#include <string.h>

#include "cm/meta/meta_priv.h"

bool meta_lease_read(struct meta *m, struct meta_lease *out, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;

    if (!meta_exec(m, "SELECT epoch, counter, holder, address FROM oms.lease", NULL, false, &r, e))
        return false;
    if (PQntuples(r) != 1)
        return err_set(e, ERR_METADB, "MetaDB: table oms.lease has %d rows, not 1", PQntuples(r));
    out->epoch = meta_cell_u64(r, 0, 0);
    out->counter = meta_cell_u64(r, 0, 1);
    snprintf(out->holder, sizeof out->holder, "%s", PQgetvalue(r, 0, 2));
    snprintf(out->address, sizeof out->address, "%s", PQgetvalue(r, 0, 3));
    return true;
}

/* The old leader may be paused in the middle of a transaction: its backend goes first. Not if the
 * lease has moved on meanwhile: then it would be the new leader's. */
static bool end_old_backend(struct meta *m, const struct meta_lease *seen, struct err *e)
{
    struct meta_params p = {0};

    meta_u64(&p, seen->epoch);
    meta_u64(&p, seen->counter);
    meta_text(&p, seen->holder);
    return meta_run(m,
                    "SELECT pg_terminate_backend(a.pid) FROM oms.lease l JOIN pg_stat_activity a "
                    "ON a.pid = l.backend AND a.application_name = 'oms-cm' "
                    "AND a.usename = current_user AND a.pid <> pg_backend_pid() "
                    "WHERE l.epoch = $1 AND l.counter = $2 AND l.holder = $3",
                    &p, e);
}

bool meta_lease_take(struct meta *m, const struct meta_lease *seen, uint64_t least,
                     const char *holder, const char *address, struct meta_lease *out, bool *taken,
                     struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;
    struct meta_params p = {0};

    if (!end_old_backend(m, seen, e))
        return false;
    /* Everything else may be counted again after a crash of the server; an epoch may not. */
    if (!meta_run(m, "SET synchronous_commit = on", NULL, e))
        return false;
    meta_u64(&p, (seen->epoch > least ? seen->epoch : least) + 1);
    meta_text(&p, holder);
    meta_text(&p, address);
    meta_u64(&p, seen->epoch);
    meta_u64(&p, seen->counter);
    meta_text(&p, seen->holder);
    if (!meta_exec(m,
                   "UPDATE oms.lease SET epoch = $1, holder = $2, address = $3, "
                   "counter = counter + 1, backend = pg_backend_pid() "
                   "WHERE epoch = $4 AND counter = $5 AND holder = $6 RETURNING epoch, counter",
                   &p, false, &r, e))
        return false;
    if (!meta_run(m, "SET synchronous_commit = off", NULL, e))
        return false;
    *taken = PQntuples(r) == 1;
    if (!*taken)
        return true;
    out->epoch = meta_cell_u64(r, 0, 0);
    out->counter = meta_cell_u64(r, 0, 1);
    snprintf(out->holder, sizeof out->holder, "%s", holder);
    snprintf(out->address, sizeof out->address, "%s", address);
    return true;
}

bool meta_lease_renew(struct meta *m, struct meta_lease *mine, bool *held, struct err *e)
{
    PGresult *r CLEANUP(meta_result_clear) = NULL;
    struct meta_params p = {0};

    meta_u64(&p, mine->epoch);
    meta_text(&p, mine->holder);
    if (!meta_exec(m,
                   "UPDATE oms.lease SET counter = counter + 1, backend = pg_backend_pid() "
                   "WHERE epoch = $1 AND holder = $2 RETURNING counter",
                   &p, false, &r, e))
        return false;
    *held = PQntuples(r) == 1;
    if (*held)
        mine->counter = meta_cell_u64(r, 0, 0);
    return true;
}

bool meta_lease_give(struct meta *m, const struct meta_lease *mine, struct err *e)
{
    struct meta_params p = {0};

    meta_u64(&p, mine->epoch);
    meta_text(&p, mine->holder);
    return meta_run(m, "UPDATE oms.lease SET holder = '' WHERE epoch = $1 AND holder = $2", &p, e);
}
