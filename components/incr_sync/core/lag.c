#include "components/incr_sync/core/lag.h"

static int64_t ms_since(struct wall then, struct wall now)
{
    int64_t ms = (now.us - then.us) / 1000;
    return ms > 0 ? ms : 0;
}

/* A Store that has read up to a moment before it last heard its source is not behind. */
static int64_t store_lag_ms(const struct lag_facts *f)
{
    if (f->source_time.us == 0)
        return LAG_UNKNOWN;
    if (ms_since(f->source_time, f->source_heard) < LAG_STORE_BEHIND_MS)
        return 0;
    return ms_since(f->source_time, f->now);
}

bool lag_is_blind(const struct lag_facts *f)
{
    return !f->connected || f->store_silent_ms >= LAG_HEARD_LIMIT_MS || f->source_heard.us == 0 ||
           ms_since(f->source_heard, f->now) >= LAG_HEARD_LIMIT_MS;
}

/* By commit times alone. */
static int64_t commit_lag_ms(const struct lag_facts *f)
{
    if (f->oldest_commit.us != 0)
        return ms_since(f->oldest_commit, f->now);
    if (!f->more_in_store)
        return store_lag_ms(f);
    return f->newest_commit.us != 0 ? ms_since(f->newest_commit, f->now) : LAG_UNKNOWN;
}

/* Everything that was committed on the source before the newest heartbeat that passed is here.
 * While the next one is not due yet, the last one's delay is the lag; once it is, the age is. */
static int64_t heartbeat_lag_ms(const struct lag_facts *f)
{
    int64_t age = ms_since(f->beat_at, f->now);
    int64_t slack =
        f->beat_every_ms / 2 > LAG_BEAT_SLACK_MS ? f->beat_every_ms / 2 : LAG_BEAT_SLACK_MS;

    return age > f->beat_every_ms + f->beat_delay_ms + slack ? age : f->beat_delay_ms;
}

struct lag lag_now(const struct lag_facts *f)
{
    struct lag l = {.ms = LAG_UNKNOWN, .kind = LAG_BY_COMMIT_TIME};
    bool waits = f->oldest_commit.us != 0 || f->more_in_store;
    int64_t by_commit, by_beat;

    if (f->beat_every_ms > 0 && f->beat_at.us != 0)
        l.kind = LAG_BY_HEARTBEAT;
    if (lag_is_blind(f))
        return l;
    by_commit = commit_lag_ms(f);
    if (l.kind == LAG_BY_COMMIT_TIME) {
        l.ms = by_commit;
        return l;
    }
    by_beat = heartbeat_lag_ms(f);
    if (!waits && by_commit >= 0 && by_beat > f->beat_every_ms + LAG_HEARD_LIMIT_MS) {
        l.kind = LAG_BY_COMMIT_TIME; /* nothing waits: it is the heartbeat that is not written */
        l.ms = by_commit;
        return l;
    }
    /* Commit times are whole seconds, rounded down: one less is sure. */
    if (f->oldest_commit.us != 0 && by_commit - 1000 > by_beat)
        by_beat = by_commit - 1000;
    l.ms = by_beat;
    return l;
}

bool lag_is_caught_up(const struct lag_facts *f)
{
    int64_t ms = lag_now(f).ms;

    return f->indexes_done && ms != LAG_UNKNOWN && ms < f->caught_up_lag_ms &&
           f->level_at.us != 0 && ms_since(f->level_at, f->now) < f->caught_up_lag_ms;
}

int64_t lag_drain_ms(uint64_t backlog, double out_rate, double in_rate)
{
    if (backlog == 0)
        return 0;
    if (out_rate - in_rate < 0.05)
        return LAG_UNKNOWN;
    return (int64_t)((double)backlog * 1000 / (out_rate - in_rate));
}
