/* Sizes of chunks and caps. See pacing.h. */
#include "components/full_import/core/pacing.h"

#define ROWS_FIRST 5000
#define ROWS_LEAST 500
#define ROWS_MOST 500000
#define SMOOTHING 0.4
#define BURST_MS 200 /* what an idle moment may save up */

void pacing_init(struct pacing *p, uint32_t target_ms, struct mono now)
{
    *p = (struct pacing){.target_ms = target_ms, .budget_at = now};
}

uint64_t pacing_chunk_rows(const struct pacing *p)
{
    double rows = p->rows_per_ms * p->target_ms;

    if (p->rows_per_ms <= 0)
        return ROWS_FIRST;
    if (rows < ROWS_LEAST)
        return ROWS_LEAST;
    return rows > ROWS_MOST ? ROWS_MOST : (uint64_t)rows;
}

void pacing_measured(struct pacing *p, uint64_t rows, int64_t took_ms)
{
    double now = (double)rows / (double)(took_ms > 0 ? took_ms : 1);

    if (rows < ROWS_LEAST) /* a remainder says little about the rate */
        return;
    p->rows_per_ms = p->rows_per_ms <= 0 ? now : p->rows_per_ms * (1 - SMOOTHING) + now * SMOOTHING;
}

int64_t pacing_wait_ms(struct pacing *p, uint64_t rows, uint64_t cap_rows_per_s, struct mono now)
{
    double per_ms = (double)cap_rows_per_s / 1000;

    if (cap_rows_per_s == 0) {
        p->budget_rows = 0;
        p->budget_at = now;
        return 0;
    }
    p->budget_rows += per_ms * (double)mono_ms_between(p->budget_at, now);
    p->budget_at = now;
    if (p->budget_rows > per_ms * BURST_MS)
        p->budget_rows = per_ms * BURST_MS;
    p->budget_rows -= (double)rows;
    return p->budget_rows >= 0 ? 0 : (int64_t)(-p->budget_rows / per_ms) + 1;
}
