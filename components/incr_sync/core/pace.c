/* Limits of speed. See pace.h. */
#include "components/incr_sync/core/pace.h"

#define BURST_MS 200 /* what an idle moment may save up */

static double burst(const struct bucket *b)
{
    return (double)b->rate * BURST_MS / 1000;
}

static double filled(const struct bucket *b, double seconds)
{
    double left = b->left + (double)b->rate * seconds;

    return left < burst(b) ? left : burst(b);
}

static double seconds_since(const struct pace *p, struct mono now)
{
    return now.ns > p->at.ns ? (double)(now.ns - p->at.ns) / 1e9 : 0;
}

static void refill(struct pace *p, struct mono now)
{
    double seconds = seconds_since(p, now);

    p->rows.left = filled(&p->rows, seconds);
    p->bytes.left = filled(&p->bytes, seconds);
    p->at = now;
}

void pace_init(struct pace *p, struct mono now)
{
    *p = (struct pace){.at = now};
}

static void set_rate(struct bucket *b, uint64_t rate)
{
    bool first = b->rate == 0;

    b->rate = rate;
    if (rate == 0 || first)
        b->left = burst(b);
    b->want = b->want < burst(b) ? b->want : burst(b);
}

void pace_set(struct pace *p, uint64_t rows_per_s, uint64_t bytes_per_s, struct mono now)
{
    refill(p, now);
    set_rate(&p->rows, rows_per_s);
    set_rate(&p->bytes, bytes_per_s);
}

/* What is wanted may differ from what is there by the rounding of a fill. */
static bool has(const struct bucket *b, double n)
{
    return b->rate == 0 || b->left >= n - 1e-6 * burst(b);
}

static uint64_t whole(const struct bucket *b)
{
    if (b->rate == 0)
        return UINT64_MAX;
    return b->left > 0 ? (uint64_t)b->left : 0;
}

bool pace_allows(struct pace *p, struct mono now, struct window_allowance *out)
{
    refill(p, now);
    if (!has(&p->rows, p->rows.want) || !has(&p->bytes, p->bytes.want))
        return false;
    *out = (struct window_allowance){.changes = whole(&p->rows),
                                     .bytes = whole(&p->bytes),
                                     .any_changes = has(&p->rows, burst(&p->rows)),
                                     .any_bytes = has(&p->bytes, burst(&p->bytes))};
    return true;
}

static void spend(struct bucket *b, uint64_t n)
{
    b->want = 0;
    if (b->rate == 0)
        return;
    b->left -= (double)n;
    if (b->left < 1)
        b->want = burst(b) / 2;
}

void pace_take(struct pace *p, uint64_t rows, uint64_t bytes)
{
    spend(&p->rows, rows);
    spend(&p->bytes, bytes);
}

static void shut(struct bucket *b, uint64_t n)
{
    double most = burst(b), want = (double)n;

    b->want = want < most / 2 ? most / 2 : want < most ? want : most;
}

void pace_shut(struct pace *p, uint64_t rows, uint64_t bytes)
{
    shut(&p->rows, rows);
    shut(&p->bytes, bytes);
}

static double wait_s(const struct bucket *b, double seconds)
{
    double left = filled(b, seconds);

    return b->rate == 0 || left >= b->want ? 0 : (b->want - left) / (double)b->rate;
}

int64_t pace_wait_ms(const struct pace *p, struct mono now)
{
    double seconds = seconds_since(p, now);
    double rows = wait_s(&p->rows, seconds), bytes = wait_s(&p->bytes, seconds);
    double longest = rows > bytes ? rows : bytes;

    return longest > 0 ? (int64_t)(longest * 1000) + 1 : 0;
}
