/*
 * How many rows the next chunk should have, and how long to wait for a cap in rows per second. The
 * chunk's size follows measured time (smoothed), so that one chunk takes about the wanted time.
 * Pure.
 */
#ifndef OMS_COMPONENTS_FULL_IMPORT_CORE_PACING_H
#define OMS_COMPONENTS_FULL_IMPORT_CORE_PACING_H

#include <stdint.h>

#include "common/base/time.h"

struct pacing {
    double rows_per_ms;    /* smoothed; 0 = nothing measured yet */
    uint32_t target_ms;    /* wanted time of one chunk */
    double budget_rows;    /* of the cap */
    struct mono budget_at; /* when budget_rows was true */
};

void pacing_init(struct pacing *p, uint32_t target_ms, struct mono now);
uint64_t pacing_chunk_rows(const struct pacing *p);
void pacing_measured(struct pacing *p, uint64_t rows, int64_t took_ms);
/* Rows are about to be loaded under a cap (0 = none): the milliseconds to wait first. */
int64_t pacing_wait_ms(struct pacing *p, uint64_t rows, uint64_t cap_rows_per_s, struct mono now);

#endif
