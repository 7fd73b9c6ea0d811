/* What Incr-Sync says of itself: position, lag, caught up, rates. Functions of the window and of
 * what the Store told; nothing here is stored as a fact. */
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define POSITION_TEXT_MAX (64u << 10)
#define RATE_KEEP 0.6 /* of the older rate, at each tick */

/* In the stream's order: a HEARD makes a mark "everything published now"; the mark's place in the
 * window is known once the block it names has been pushed. */
void report_mark(struct sync *s, const struct event *ev)
{
    if (ev->kind == EVENT_HEARD && !s->mark_set) {
        s->mark_set = true;
        s->mark_number = ev->heard.backlog_bytes == 0 ? 0 : ev->heard.last_number;
        s->mark_at = ev->heard_at;
        s->mark_known = false;
        if (ev->heard.last_number < s->last_number)
            s->last_number = 0; /* another Store's numbers */
    }
    if (s->mark_set && !s->mark_known && s->mark_number <= s->last_number) {
        s->mark_known = true;
        s->mark_order = window_arrived(s->window);
    }
}

static void report_beat(struct sync *s, struct wall beat)
{
    int64_t ms = (clock_wall().us - beat.us) / 1000;

    s->beat_at = beat;
    s->beat_delay_ms = ms > 0 ? ms : 0;
}

void report_passed(struct sync *s)
{
    struct wall beat = window_beat(s->window);

    if (beat.us > s->beat_at.us)
        report_beat(s, beat);
    if (s->mark_set && s->mark_known && window_passed(s->window) >= s->mark_order) {
        s->level_at = s->mark_at;
        s->mark_set = false;
    }
}

static void rates(struct sync *s)
{
    struct counters *n = &s->counters;
    struct mono now = clock_mono();
    double seconds = (double)mono_ms_between(s->last_tick, now) / 1000.0;

    if (s->last_tick.ns != 0 && seconds > 0.05) {
        n->rows_rate = RATE_KEEP * n->rows_rate +
                       (1 - RATE_KEEP) * (double)(n->rows - n->rows_at_tick) / seconds;
        n->txns_rate = RATE_KEEP * n->txns_rate +
                       (1 - RATE_KEEP) * (double)(n->txns - n->txns_at_tick) / seconds;
        if (n->rows_rate < 0.05)
            n->rows_rate = 0;
        if (n->txns_rate < 0.05)
            n->txns_rate = 0;
    }
    if (s->last_tick.ns != 0 && seconds > 0.05) {
        uint64_t passed = txn_set_count(window_low(s->window));

        if (n->passed_at_tick > 0)
            n->passed_rate = RATE_KEEP * n->passed_rate +
                             (1 - RATE_KEEP) * (double)(passed - n->passed_at_tick) / seconds;
        n->passed_at_tick = passed;
    }
    s->last_tick = now;
    n->rows_at_tick = n->rows;
    n->txns_at_tick = n->txns;
    component_progress(s->c, STEP_NAME, "rows", n->rows, 0, n->rows_rate, -1);
    component_metric(s->c, "rows_applied", (double)n->rows);
    component_metric(s->c, "rows_cancelled_out", (double)n->cancelled);
    component_metric(s->c, "trx_applied", (double)n->txns);
    component_metric(s->c, "groups_gave_way", (double)n->gave_way);
    component_metric(s->c, "target_commits", (double)n->groups);
    component_metric(s->c, "rows_per_s", n->rows_rate);
    component_metric(s->c, "trx_per_s", n->txns_rate);
    component_metric(s->c, "pending_trx", (double)window_pending(s->window));
}

static void put_position(struct sync *s, struct lag lag, bool caught_up, int64_t backlog)
{
    struct txn_set set;
    struct buf text;

    txn_set_init(&set);
    buf_init(&text, POSITION_TEXT_MAX);
    window_committed(s->window, &set);
    txn_set_format(&set, &text);
    if (!buf_ok(&text)) { /* too many gaps: what is surely so */
        buf_clear(&text);
        txn_set_format(window_low(s->window), &text);
    }
    component_position(s->c, buf_cstr(&text), lag.ms, caught_up, backlog);
    txn_set_fini(&set);
    buf_fini(&text);
}

/* Everything is committed and has been for a while, and the Store keeps log only because no row
 * says so. */
bool report_position_is_late(const struct sync *s, struct mono now)
{
    return window_pending(s->window) == 0 && mono_ms_between(s->committed_at, now) >= SETTLE_MS &&
           !txn_set_equal(window_saved(s->window), window_low(s->window));
}

/* Transactions that the source commits a second, as the Store publishes them. */
static void published(struct sync *s, const struct reader_heard *h, int64_t ms)
{
    struct counters *n = &s->counters;
    uint64_t was = n->published_at_tick;

    n->published_at_tick = h->heard.txns;
    if (was == 0 || h->heard.txns < was || ms <= 0)
        return;
    n->published_rate = RATE_KEEP * n->published_rate +
                        (1 - RATE_KEEP) * (double)(h->heard.txns - was) * 1000 / (double)ms;
}

static void put_lag(struct sync *s, const struct lag *lag, const struct reader_heard *h)
{
    static const char *const kinds[] = {
        [LAG_BY_COMMIT_TIME] = "commit-time", [LAG_BY_HEARTBEAT] = "heartbeat"};
    uint64_t txns = h ? h->txns_to_come + window_pending(s->window) : 0;
    struct component_lag l = {.kind = kinds[lag->kind], .backlog_txns = -1, .drain_ms = -1};

    if (lag->ms != LAG_UNKNOWN)
        s->unknown_since = (struct wall){0};
    else if (s->unknown_since.us == 0)
        s->unknown_since = h && h->heard.source_heard.us ? h->heard.source_heard : clock_wall();
    l.unknown_since_us = s->unknown_since.us;
    /* Places do not count transactions. */
    if (h && lag->ms != LAG_UNKNOWN && !txn_set_has_places(window_low(s->window))) {
        l.backlog_txns = (int64_t)txns;
        l.drain_ms = lag_drain_ms(txns, s->counters.passed_rate, s->counters.published_rate);
    }
    component_lag(s->c, &l);
}

static void put_rows(struct sync *s)
{
    const struct account_book *b = &s->carry->rows;
    VEC(struct component_rows) rows = {0};

    for (size_t i = 0; i < b->tables.n; i++) {
        const struct account_total *t = &b->tables.at[i];

        vec_push(&rows, ((struct component_rows){.table = t->table,
                                                 .source = t->source,
                                                 .applied = t->applied,
                                                 .merged = t->merged,
                                                 .skipped = t->skipped}));
    }
    component_row_counts(s->c, s->carry->rows_since, rows.at, rows.n);
    vec_fini(&rows);
}

void report_tick(struct sync *s)
{
    const Oms__HeartbeatOptions *beat = s->spec->fixed->heartbeat;
    const struct source_txn *oldest = window_oldest(s->window);
    struct reader_heard heard = {0};
    struct lag_facts f = {.now = clock_wall(),
                          .oldest_commit = oldest ? oldest->commit : (struct wall){0},
                          .newest_commit = s->newest_commit,
                          .level_at = s->level_at,
                          .indexes_done = s->indexes_done,
                          .caught_up_lag_ms = s->options->caught_up_lag_ms,
                          .beat_at = s->beat_at,
                          .beat_delay_ms = s->beat_delay_ms};
    struct lag lag;

    put_rows(s); /* before the position: who sees it committed sees it counted */
    if (beat)
        f.beat_every_ms = beat->has_interval_ms ? beat->interval_ms : 1000;
    f.connected = store_reader_heard(s->reader, &heard);
    f.store_silent_ms = heard.silent_ms;
    f.source_heard = heard.heard.source_heard;
    f.source_time = heard.heard.source_time;
    f.more_in_store = heard.heard.backlog_bytes > 0;
    lag = lag_now(&f);
    put_position(s, lag, lag_is_caught_up(&f),
                 lag_is_blind(&f) ? -1
                                  : (int64_t)(heard.heard.backlog_bytes + window_bytes(s->window)));
    published(s, &heard, mono_ms_between(s->last_tick, clock_mono()));
    rates(s);
    put_lag(s, &lag, f.connected ? &heard : NULL);
    meter_report(s);
}

/* What follows takes long and nothing is looked at meanwhile: no figure of before stays. */
void report_blind(struct sync *s)
{
    struct lag unknown = {.ms = LAG_UNKNOWN};

    put_position(s, unknown, false, -1);
    put_lag(s, &unknown, NULL);
}

void report_lost(struct sync *s)
{
    if (s->window)
        report_blind(s);
    component_progress(s->c, STEP_NAME, "rows", s->counters.rows, 0, 0, -1);
    component_metric(s->c, "rows_per_s", 0);
    component_metric(s->c, "trx_per_s", 0);
}

void report_retry(struct sync *s, const struct worker *w)
{
    struct err e = ERR_INIT;

    err_set_sys(&e, ERR_SERVER_BUSY, w->result.conflict_errno,
                "the target rolled a transaction back, it is tried again: %s",
                w->result.conflict_text);
    component_error(s->c, &e);
    s->error_shown = true;
}
