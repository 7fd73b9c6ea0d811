/*
 * `oms explain lag`: which stage limits, of which table, row or wait, and what would help. The rows
 * of `verdicts` are asked in order, the first that holds is the answer: first what stands still,
 * then what is slow, from the source on. Everything rests on what components reported and nothing
 * is stored. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "cm/core/cycle.h"

#define SLOW_PART 0.3 /* of its time in one state */
#define BUSY_PART 0.5
#define STUCK_MS 1000
#define BEHIND_MS 3000
#define BLIND_MS 1000
#define HUGE_ROWS 5000
#define HUGE_BYTES (8u << 20)

struct asked {
    const struct cluster *c;
    const struct project *p;
    const struct component *incr, *store;
    const Oms__ComponentReport *ir, *sr; /* fresh ones; NULL: none */
    struct mono now;
    struct arena *a;
    Oms__LagExplanation *out;
};

static double metric(const Oms__ComponentReport *r, const char *name)
{
    for (size_t i = 0; r && i < r->n_metrics; i++)
        if (text_is(r->metrics[i]->name, name))
            return r->metrics[i]->value;
    return 0;
}

static char *note(const Oms__ComponentReport *r, const char *name)
{
    for (size_t i = 0; r && i < r->n_notes; i++)
        if (text_is(r->notes[i]->name, name))
            return r->notes[i]->text;
    return NULL;
}

static bool say(struct asked *q, const char *stage, const char *verdict, const char *object,
                const char *setting)
{
    q->out->stage = (char *)stage;
    q->out->verdict = (char *)verdict;
    q->out->object = (char *)object;
    q->out->setting = (char *)setting;
    return true;
}

/* --- what stands still --------------------------------------------------------------------------
 */

static bool not_following(struct asked *q)
{
    enum step_state s = q->p->steps[STEP_INCREMENTAL].state;

    if (s == STEP_RUNNING && q->incr && q->incr->goal_run)
        return false;
    return say(q, "not following",
               arena_printf(q->a, "the project is %s and does not follow changes now",
                            project_state_name(q->p)),
               NULL, "oms project show tells which step is due; oms project start or resume");
}

static bool held(struct asked *q)
{
    const char *tables = note(q->ir, "gate_tables"); /* that a DDL at the gate touches */
    bool all = !tables || text_is(tables, "all tables");

    for (size_t i = 0; i < q->c->incidents.n; i++) {
        const Oms__Incident *in = incident_row(q->c->incidents.at[i]);

        if (!text_is(in->component_id, q->incr->named.key) || text_is(in->state, "closed"))
            continue;
        if (all || !text_is(in->code, "DDL_HELD"))
            tables = NULL;
        return say(
            q, "hold",
            arena_printf(q->a, "%s%s%s for a person: %s: %s",
                         tables ? "what touches " : "everything waits", text_or_empty(tables),
                         tables ? " waits, other tables go on until the window is full," : "",
                         text_or_empty(in->code), text_or_empty(in->summary)),
            arena_printf(q->a, "incident %llu", (unsigned long long)in->id),
            arena_printf(q->a, "oms incident show %llu, then oms incident resolve",
                         (unsigned long long)in->id));
    }
    return false;
}

static bool incremental_is_silent(struct asked *q)
{
    if (q->ir)
        return false;
    return say(q, "target execution",
               arena_printf(q->a, "component '%s' has reported nothing for %d s",
                            q->incr->named.key, REPORT_FRESH_MS / 1000),
               q->incr->named.key, "oms component show and logs tell what it does");
}

static bool store_is_silent(struct asked *q)
{
    if (q->sr)
        return false;
    return say(q, "stream", "the Store has reported nothing for 5 s or does not run",
               q->store ? q->store->named.key : NULL,
               "oms component show and logs tell what it does");
}

static bool store_has_trouble(struct asked *q)
{
    const Oms__Error *e = q->sr->error;
    bool full;

    if (!e || text_is(e->code, ""))
        return false;
    full = text_is(e->code, "NO_SPACE");
    return say(
        q, full ? "store fsync" : "source log pull",
        arena_printf(q->a, "the Store is stopped by %s: %s", e->code, text_or_empty(e->message)),
        q->store->named.key,
        full ? "make room on its disk, or lower store.retention_bytes"
             : arena_printf(q->a, "oms explain %s", e->code));
}

static bool source_is_silent(struct asked *q)
{
    bool never = metric(q->sr, "pull.silent_ms") < 0;
    int64_t ms = project_source_silent_ms(q->c, q->p, q->now);

    if (!never && ms < REPORT_FRESH_MS)
        return false;
    return say(
        q, "source log pull",
        never ? "the Store has not heard its source yet"
              : arena_printf(q->a, "the source has said nothing for %lld s", (long long)ms / 1000),
        project_file(q->p)->source, "is the server up, and the network to it?");
}

static bool incremental_has_trouble(struct asked *q)
{
    const Oms__Error *e = q->ir->error;

    if (!e || text_is(e->code, ""))
        return false;
    return say(q, "target execution",
               arena_printf(q->a, "Incr-Sync meets %s: %s", e->code, text_or_empty(e->message)),
               q->incr->named.key, arena_printf(q->a, "oms explain %s", e->code));
}

/* --- what is slow -------------------------------------------------------------------------------
 */

static bool store_is_behind(struct asked *q)
{
    double behind = metric(q->sr, "pull.behind_ms"), disk = metric(q->sr, "pull.part.disk"),
           decode = metric(q->sr, "pull.part.decode");
    const char *verdict;

    if (behind < BEHIND_MS)
        return false;
    verdict = arena_printf(q->a,
                           "the Store is %.0f s behind its source: %.0f %% of its time goes into "
                           "decoding, %.0f %% into waiting for its disk",
                           behind / 1000, decode * 100, disk * 100);
    if (disk >= BUSY_PART)
        return say(q, "store fsync", verdict, q->store->named.key,
                   "a faster disk under the Store's directory");
    if (decode >= BUSY_PART)
        return say(q, "decode", verdict, q->store->named.key,
                   "a faster processor, or fewer tables in objects.include");
    return say(q, "source log pull", verdict, project_file(q->p)->source,
               "the network to the source, or the source's own disk");
}

static bool limit_is_reached(struct asked *q)
{
    double limited = metric(q->ir, "incr.part.limited");

    if (limited < SLOW_PART)
        return false;
    return say(q, "limit set",
               arena_printf(q->a,
                            "%.0f %% of the time is waiting that the project's own limit asks",
                            limited * 100),
               NULL, "raise or take away the limits under incremental");
}

static bool transaction_is_huge(struct asked *q)
{
    double rows = metric(q->ir, "incr.oldest_rows"), bytes = metric(q->ir, "incr.oldest_bytes");

    if (rows < HUGE_ROWS && bytes < HUGE_BYTES)
        return false;
    return say(q, "huge transaction",
               arena_printf(q->a,
                            "transaction %s has %.0f rows, %.1f MB: it is applied whole, and what "
                            "comes after waits",
                            text_or_empty(note(q->ir, "oldest_txn")), rows, bytes / 1e6),
               note(q->ir, "oldest_txn"),
               "smaller transactions in the application; a faster target");
}

static bool takeover_waits(struct asked *q)
{
    char *why = note(q->ir, "takeover");

    return why && say(q, "target execution", why, project_file(q->p)->target,
                      "KILL that session on the target as a user who may; a direct connection with "
                      "the user that the writer before had");
}

static bool group_is_stuck(struct asked *q)
{
    double ms = metric(q->ir, "incr.in_flight_ms");
    const char *table = note(q->ir, "slow_table");

    if (ms < STUCK_MS)
        return false;
    return say(q, "target execution",
               arena_printf(q->a,
                            "the target has been busy for %.1f s with one group of changes%s%s: a "
                            "lock that another session holds, or a slow statement",
                            ms / 1000, table ? " of table " : "", table ? table : ""),
               table, "look at the target's process list and locks; incremental.group lower");
}

static bool ddl_runs(struct asked *q)
{
    char *tables = note(q->ir, "gate_tables");

    if (!tables || metric(q->ir, "incr.part.held") < SLOW_PART)
        return false;
    return say(
        q, "target execution",
        arena_printf(q->a, "a DDL of the source runs on the target: what touches %s waits", tables),
        tables, "look at the target's process list and locks");
}

static bool target_rolls_back(struct asked *q)
{
    double active = metric(q->ir, "incr.slots_active"), slots = metric(q->ir, "incr.slots");
    const char *why = note(q->ir, "pressure");

    if (metric(q->ir, "incr.part.back_off") < SLOW_PART)
        return false;
    if (active > 0 && active < slots)
        return say(q, "target execution",
                   arena_printf(q->a,
                                "the target is under pressure, %.0f of %.0f slots are at work "
                                "until it is over%s%s",
                                active, slots, why ? ": " : "", text_or_empty(why)),
                   note(q->ir, "slow_table"),
                   "take away what the target's error names; who else uses the target?");
    return say(q, "target execution",
               "the target rolls changes back again and again (deadlock, lock wait), and they are "
               "tried after a pause",
               note(q->ir, "slow_table"),
               "who else writes to these tables? incremental.slots lower");
}

static bool keys_wait(struct asked *q)
{
    double keys = metric(q->ir, "incr.part.keys");
    const char *table = note(q->ir, "hot_table"), *row = note(q->ir, "hot_row");

    if (keys < SLOW_PART)
        return false;
    return say(q, "dependency wait",
               arena_printf(q->a,
                            "%.0f %% of the time a slot is free and what waits may not overtake: "
                            "transactions touch the same rows%s%s%s%s",
                            keys * 100, table ? ", most often " : "", table ? table : "",
                            row ? " " : "", row ? row : ""),
               table ? arena_printf(q->a, "%s %s", table, text_or_empty(row)) : NULL,
               "incremental.group higher; more slots do not help while rows are hot");
}

static bool stream_is_slow(struct asked *q)
{
    if (metric(q->ir, "incr.part.stream") < BUSY_PART)
        return false;
    return say(q, "stream", "Incr-Sync waits for log that the Store has",
               q->store ? q->store->named.key : NULL,
               "the network between the Store and Incr-Sync, their hosts' processors");
}

static bool target_is_slow(struct asked *q)
{
    double busy = metric(q->ir, "incr.part.target"), share = metric(q->ir, "incr.commit_share");
    bool waits = metric(q->ir, "pending_trx") > metric(q->ir, "incr.slots");

    if (busy < BUSY_PART || !waits)
        return false;
    if (share >= BUSY_PART)
        return say(q, "target commit",
                   arena_printf(q->a, "all slots wait for the target, %.0f %% of that for COMMIT",
                                share * 100),
                   project_file(q->p)->target,
                   "a faster disk or sync_binlog and innodb_flush_log_at_trx_commit on the target; "
                   "incremental.group and slots higher");
    return say(q, "target execution",
               arena_printf(q->a,
                            "all slots wait for the target to carry out changes, %.0f %% of the "
                            "time",
                            busy * 100),
               note(q->ir, "slow_table"), "incremental.slots higher, a faster target");
}

/* It is said since when; that nothing limits would be a guess. */
static bool is_blind(struct asked *q)
{
    int64_t ms = project_source_silent_ms(q->c, q->p, q->now);

    if (q->out->has_lag_ms)
        return false;
    return say(q, "source log pull",
               ms >= BLIND_MS
                   ? arena_printf(q->a, "the source has said nothing for %.1f s", (double)ms / 1000)
                   : "Incr-Sync has not heard yet how far the source is",
               project_file(q->p)->source, "is the server up, and the network to it?");
}

static bool nothing(struct asked *q)
{
    return say(q, "none", "nothing limits: what the source commits is applied as it comes", NULL,
               NULL);
}

static bool (*const verdicts[])(struct asked *q) = {not_following,
                                                    held,
                                                    incremental_is_silent,
                                                    takeover_waits,
                                                    store_is_silent,
                                                    store_has_trouble,
                                                    source_is_silent,
                                                    incremental_has_trouble,
                                                    store_is_behind,
                                                    limit_is_reached,
                                                    ddl_runs,
                                                    transaction_is_huge,
                                                    group_is_stuck,
                                                    target_rolls_back,
                                                    keys_wait,
                                                    stream_is_slow,
                                                    target_is_slow,
                                                    is_blind,
                                                    nothing};

/* --- facts --------------------------------------------------------------------------------------
 */

static const char *const shown[] = {"pull.behind_ms",    "pull.part.decode",  "pull.part.disk",
                                    "pull.part.source",  "incr.part.stream",  "incr.part.keys",
                                    "incr.part.target",  "incr.part.held",    "incr.part.back_off",
                                    "incr.part.limited", "incr.part.idle",    "incr.slots_busy",
                                    "incr.in_flight_ms", "incr.commit_share", "incr.hot_share",
                                    "incr.oldest_rows",  "incr.oldest_bytes", "incr.slots_active",
                                    "pending_trx",       "rows_per_s",        "trx_per_s"};

/* Three digits that say something, and no exponent. */
static char *fact_text(struct arena *a, double v)
{
    double size = v < 0 ? -v : v;

    if (size < 0.0005)
        return arena_printf(a, "0");
    return arena_printf(a, size >= 100 ? "%.0f" : "%.3g", v);
}

static void add_facts(struct asked *q, const Oms__ComponentReport *r)
{
    for (size_t i = 0; r && i < r->n_metrics; i++)
        for (size_t k = 0; k < ARRAY_LEN(shown); k++) {
            Oms__LagFact *f;

            if (!text_is(r->metrics[i]->name, shown[k]))
                continue;
            f = arena_alloc(q->a, sizeof *f);
            oms__lag_fact__init(f);
            f->name = (char *)shown[k];
            f->value = fact_text(q->a, r->metrics[i]->value);
            q->out->facts[q->out->n_facts++] = f;
        }
}

static const Oms__ComponentReport *fresh(const struct component *x, struct mono now)
{
    return x && x->goal_run && component_is_fresh(x, now) ? component_report(x) : NULL;
}

Oms__LagExplanation *lag_explain(const struct cluster *c, const struct project *p, struct mono now,
                                 struct arena *a)
{
    Oms__LagExplanation *out = arena_alloc(a, sizeof *out);
    const Oms__ProjectView *v = view_project(c, p, false, now, a);
    struct asked q = {.c = c,
                      .p = p,
                      .incr = project_component(c, p, STEP_INCREMENTAL),
                      .store = project_component(c, p, STEP_LOG_PULL),
                      .now = now,
                      .a = a,
                      .out = out};

    oms__lag_explanation__init(out);
    q.ir = fresh(q.incr, now);
    q.sr = fresh(q.store, now);
    out->project = p->named.key;
    out->has_lag_ms = v->has_lag_ms;
    out->lag_ms = v->lag_ms;
    out->lag_kind = v->lag_kind;
    out->has_lag_unknown_since_us = v->has_lag_unknown_since_us;
    out->lag_unknown_since_us = v->lag_unknown_since_us;
    out->has_backlog_bytes = v->has_backlog_bytes;
    out->backlog_bytes = v->backlog_bytes;
    out->has_backlog_txns = v->has_backlog_txns;
    out->backlog_txns = v->backlog_txns;
    out->has_drain_ms = v->has_drain_ms;
    out->drain_ms = v->drain_ms;
    out->facts = arena_calloc(a, 2 * ARRAY_LEN(shown), sizeof(void *));
    add_facts(&q, q.sr);
    add_facts(&q, q.ir);
    for (size_t i = 0; i < ARRAY_LEN(verdicts) && !out->stage; i++)
        (void)verdicts[i](&q);
    return out;
}
