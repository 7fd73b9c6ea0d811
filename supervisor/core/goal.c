/* State and goal. See goal.h. */
#include "supervisor/core/goal.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_CAP_MS 10000
enum { EXIT_DONE = 0, EXIT_RETRY = 10 };

#define UNIT_STATE_NAME(name, text) text,
static const char *const names[] = {UNIT_STATE_TABLE(UNIT_STATE_NAME)};
#undef UNIT_STATE_NAME

const char *unit_state_name(enum unit_state s)
{
    return names[s];
}

static const enum action matrix[UNIT_STATE_COUNT][GOAL_COUNT] = {
    [UNIT_STOPPED] = {[GOAL_RUN] = ACT_START, [GOAL_STOP] = ACT_NOTHING},
    [UNIT_RUNNING] = {[GOAL_RUN] = ACT_NOTHING, [GOAL_STOP] = ACT_TERM},
    [UNIT_STOPPING] = {[GOAL_RUN] = ACT_KILL_LATE, [GOAL_STOP] = ACT_KILL_LATE},
    [UNIT_BACKOFF] = {[GOAL_RUN] = ACT_START_DUE, [GOAL_STOP] = ACT_FORGET},
    [UNIT_DONE] = {[GOAL_RUN] = ACT_NOTHING, [GOAL_STOP] = ACT_FORGET},
    [UNIT_REFUSED] = {[GOAL_RUN] = ACT_NOTHING, [GOAL_STOP] = ACT_FORGET},
};

enum action goal_action(enum unit_state s, enum goal g)
{
    return matrix[s][g];
}

enum unit_state goal_after_end(enum unit_state s, enum goal g, struct end end, bool restart_wanted)
{
    if (g == GOAL_STOP)
        return UNIT_STOPPED;
    if (restart_wanted) /* ended to make room for a newer directive */
        return UNIT_STOPPED;
    if (end.kind != END_EXIT)
        return UNIT_BACKOFF;
    if (end.code == EXIT_DONE) /* a stop that nobody asked us for is no end of its work */
        return s == UNIT_STOPPING ? UNIT_STOPPED : UNIT_DONE;
    if (end.code > EXIT_RETRY && end.code <= 13)
        return UNIT_REFUSED;
    return UNIT_BACKOFF;
}

int64_t backoff_ms(uint32_t n, uint32_t random)
{
    int64_t ms = BACKOFF_FIRST_MS;

    while (n-- > 0 && ms < BACKOFF_CAP_MS)
        ms *= 2;
    if (ms > BACKOFF_CAP_MS)
        ms = BACKOFF_CAP_MS;
    return ms / 2 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}
