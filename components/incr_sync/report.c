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

void report_level(struct sync *s)
{
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
    s->last_tick = now;
    n->rows_at_tick = n->rows;
    n->txns_at_tick = n->txns;
    component_progress(s->c, STEP_NAME, "rows", n->rows, 0, n->rows_rate, -1);
    component_metric(s->c, "rows_applied", (double)n->rows);
    component_metric(s->c, "trx_applied", (double)n->txns);
    component_metric(s->c, "target_commits", (double)n->groups);
    component_metric(s->c, "rows_per_s", n->rows_rate);
    component_metric(s->c, "trx_per_s", n->txns_rate);
    component_metric(s->c, "pending_trx", (double)window_pending(s->window));
}

static void put_position(struct sync *s, int64_t lag, bool caught_up, int64_t backlog)
{
    struct txn_set set;
    struct buf text;

    txn_set_init(&set);
    buf_init(&text, POSITION_TEXT_MAX);
    window_committed(s->window, &set);
    txn_set_format(&set, &text);
    component_position(s->c, buf_cstr(&text), lag, caught_up, backlog);
    txn_set_fini(&set);
    buf_fini(&text);
}

void report_tick(struct sync *s)
{
    const struct source_txn *oldest = window_oldest(s->window);
    struct stream_heard heard = {0};
    struct lag_facts f = {.now = clock_wall(),
                          .oldest_commit = oldest ? oldest->commit : (struct wall){0},
                          .newest_commit = s->newest_commit,
                          .level_at = s->level_at,
                          .indexes_done = s->indexes_done,
                          .caught_up_lag_ms = s->options->caught_up_lag_ms};

    f.connected = store_reader_heard(s->reader, &heard);
    f.source_heard = heard.source_heard;
    f.source_time = heard.source_time;
    f.more_in_store = heard.backlog_bytes > 0;
    put_position(s, lag_ms(&f), lag_is_caught_up(&f),
                 f.connected ? (int64_t)heard.backlog_bytes : -1);
    rates(s);
}

/* What follows takes long and nothing is looked at meanwhile: no figure of before stays. */
void report_blind(struct sync *s)
{
    put_position(s, LAG_UNKNOWN, false, -1);
}

void report_lost(struct sync *s)
{
    if (s->window)
        put_position(s, LAG_UNKNOWN, false, -1);
    component_progress(s->c, STEP_NAME, "rows", s->counters.rows, 0, 0, -1);
    component_metric(s->c, "rows_per_s", 0);
    component_metric(s->c, "trx_per_s", 0);
}
