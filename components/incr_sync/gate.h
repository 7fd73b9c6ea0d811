/*
 * The gate of strict order (correctness E2): groups run side by side, but each sends its COMMIT
 * only when all that went before it are committed. Turns are the window's, consecutive from the one
 * that gate_open named.
 *
 * Invariants
 *  - Turn n passes only when n-1 has passed, or n is the first after gate_open.
 *  - Once a turn is rolled back no later one passes: they give way (roll back) until nothing is in
 *    flight and gate_open begins anew. So what is committed is always a prefix.
 *  - No deadlock: the turn whose time it is never waits here. What it may wait for are locks of
 *    later ones; main finds out after GATE_LOCK_WAIT_MS and lets those give way, which wait here or
 *    will arrive here.
 *
 * Threads: gate_wait, gate_passed, gate_broke: workers; the others: main.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_GATE_H
#define OMS_COMPONENTS_INCR_SYNC_GATE_H

#include <stdbool.h>
#include <stdint.h>

#define GATE_LOCK_WAIT_MS 100

struct gate;
struct gate *gate_new(void);
void gate_free(struct gate *g); /* NULL is fine */
/* Waits for the turn. False: give way, nothing may be committed. */
bool gate_wait(struct gate *g, uint64_t turn);
void gate_passed(struct gate *g, uint64_t turn); /* committed */
void gate_broke(struct gate *g, uint64_t turn);  /* rolled back, or its fate is not known */
/* Has `*turn` been the next one for so long, with a later one waiting for it? Told once per so many
 * milliseconds. */
bool gate_is_stuck(struct gate *g, int64_t ms, uint64_t *turn);
void gate_give_way(struct gate *g, uint64_t turn); /* those after turn, if it is still the next */
void gate_open(struct gate *g, uint64_t next);     /* nothing is in flight */
void gate_close(struct gate *g);                   /* for good: everybody gives way */

#endif
