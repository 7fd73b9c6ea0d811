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

int64_t lag_ms(const struct lag_facts *f)
{
    if (!f->connected || f->source_heard.us == 0 ||
        ms_since(f->source_heard, f->now) >= LAG_HEARD_LIMIT_MS)
        return LAG_UNKNOWN;
    if (f->oldest_commit.us != 0)
        return ms_since(f->oldest_commit, f->now);
    if (!f->more_in_store)
        return store_lag_ms(f);
    return f->newest_commit.us != 0 ? ms_since(f->newest_commit, f->now) : LAG_UNKNOWN;
}

bool lag_is_caught_up(const struct lag_facts *f)
{
    int64_t lag = lag_ms(f);

    return f->indexes_done && lag != LAG_UNKNOWN && lag < f->caught_up_lag_ms &&
           f->level_at.us != 0 && ms_since(f->level_at, f->now) < f->caught_up_lag_ms;
}
