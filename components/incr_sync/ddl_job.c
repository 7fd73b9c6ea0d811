/*
 * The thread on which a DDL is tried and run: on a large table that takes hours, and main goes on
 * with what touches other tables. One at a time (A2). It shares with main what a claim never
 * changes, the claim's records (which have a lock) and the transaction, which stays at the gate
 * until main has heard of the end.
 */
#include "common/base/must.h"
#include "components/incr_sync/sync_priv.h"

static void job_main(void *arg)
{
    struct ddl_job *j = arg;

    j->ok = j->instead ? ddl_instead(j->sync, j->txn, j->instead, &j->answer, &j->err)
                       : ddl_try(j->sync, j->txn, &j->answer, &j->err);
    must(queue_push(j->sync->events, &j->event, 10000) != QUEUE_TIMEOUT);
}

bool ddl_job_start(struct sync *s, const struct source_txn *t, const char *instead, struct err *e)
{
    struct ddl_job *j = &s->at_gate.job;

    must(!j->busy);
    *j = (struct ddl_job){
        .event = {.kind = EVENT_DDL}, .sync = s, .txn = t, .instead = instead, .err = ERR_INIT};
    j->busy = thread_start(&j->thread, "oms-ddl", job_main, j, e);
    return j->busy;
}

bool ddl_job_ended(struct sync *s, struct err *e)
{
    struct ddl_job *j = &s->at_gate.job;

    ddl_job_wait(s);
    if (!j->ok)
        *e = j->err;
    return j->ok || err_wrap(e, "'%s'", s->at_gate.key);
}

void ddl_job_wait(struct sync *s)
{
    if (s->at_gate.job.busy)
        thread_join(&s->at_gate.job.thread);
    s->at_gate.job.busy = false;
}

struct ddl_session ddl_session_of(const struct source_txn *t, bool same_product)
{
    const struct ddl_record *d = t->ddl;
    struct ddl_session as = {
        .at_us = t->commit.us, .has_mode = d->flags & DDL_F_READ, .sql_mode = d->sql_mode};

    if (!same_product) { /* what runs there has no clause that the rest could change */
        as.sql_mode &= MODES_OF_FAMILY;
        return as;
    }
    as.time_zone = d->time_zone;
    as.collation_connection = d->collation_connection_name;
    as.collation_server = d->collation_server_name;
    as.has_timestamps = d->flags & DDL_F_TIMESTAMPS;
    as.explicit_timestamps = d->flags & DDL_F_EXPLICIT;
    as.vars = d->vars;
    return as;
}
