/*
 * What a Supervisor does about one component: a total matrix of its state and the goal. Facts are
 * events; the shell performs the action and posts what happened. Pure.
 */
#ifndef OMS_SUPERVISOR_CORE_GOAL_H
#define OMS_SUPERVISOR_CORE_GOAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"

enum goal { GOAL_RUN, GOAL_STOP, GOAL_COUNT };

#define UNIT_STATE_TABLE(X)                                            \
    X(STOPPED, "stopped")   /* no process; nothing pending */          \
    X(RUNNING, "running")   /* a process */                            \
    X(STOPPING, "stopping") /* told to end; a deadline runs */         \
    X(BACKOFF, "backoff")   /* ended, to be started again at a time */ \
    X(DONE, "done")         /* ended by itself with its work done */   \
    X(REFUSED, "refused")   /* ended and must not be started again without a new directive */

#define UNIT_STATE_ENUM(name, text) UNIT_##name,
enum unit_state { UNIT_STATE_TABLE(UNIT_STATE_ENUM) UNIT_STATE_COUNT };
#undef UNIT_STATE_ENUM
const char *unit_state_name(enum unit_state s);

enum action {
    ACT_UNSET, /* in no cell */
    ACT_NOTHING,
    ACT_START,     /* spawn */
    ACT_TERM,      /* SIGTERM, then STOPPING */
    ACT_KILL_LATE, /* SIGKILL if the deadline has passed */
    ACT_START_DUE, /* spawn if its time has come */
    ACT_FORGET,    /* no process and none wanted: STOPPED */
};
/* The whole rule. Every cell is set; a test proves it. */
enum action goal_action(enum unit_state s, enum goal g);

/* A process has ended: what the component is now. */
enum end_kind { END_EXIT, END_SIGNAL, END_UNKNOWN /* adopted, no last word */ };
struct end {
    enum end_kind kind;
    int code; /* exit code or signal */
};
enum unit_state goal_after_end(enum unit_state s, enum goal g, struct end end, bool restart_wanted);

/* Milliseconds before restart number n (from 0) of a crashing component: doubles from 100 ms to a
 * cap of 10 s, with jitter from `random` so that many do not come back at once. */
int64_t backoff_ms(uint32_t n, uint32_t random);
#define BACKOFF_RESET_MS 60000 /* a run of this length forgives earlier crashes */

#endif
