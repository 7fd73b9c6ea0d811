/* oms-task test: can the named servers be reached, and what are they? */
#include "common/os/clock.h"
#include "components/task/task.h"

#define ROUND_TRIPS 5

static bool measure(struct task *t, const struct task_side *side, struct session *s, const char *id,
                    struct err *e)
{
    struct server_identity who;
    int64_t best_ns = INT64_MAX;

    for (int i = 0; i < ROUND_TRIPS; i++) {
        struct mono from = clock_mono();
        if (!side->endpoint->catalog->identify(s, &who, e))
            return false;
        int64_t ns = clock_mono().ns - from.ns;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    struct check_item item = {.id = id, .object = side->id, .verdict = CHECK_OK, .remedy = ""};
    item.reason = arena_printf(
        &t->arena, "%s %s, server_id %u, %s, round trip %.1f ms", who.product, who.version,
        who.server_id, who.read_only ? "read only" : "accepts writes", (double)best_ns / 1e6);
    task_check(t, &item);
    task_say(t, "'%s' answers: %s", side->id, item.reason);
    return true;
}

static void test_side(struct task *t, const struct task_side *side, const char *id)
{
    struct session *s = NULL;
    struct err e = ERR_INIT;

    if (!side->id)
        return;
    if (!side->endpoint->catalog->connect(&side->address, &s, &e) || !measure(t, side, s, id, &e)) {
        task_check_error(t, id, side->id, false, err_entry_of(e.code)->remedy, &e);
        task_say(t, "'%s' cannot be used: %s: %s", side->id, err_name(e.code), e.message);
    }
    side->endpoint->catalog->close(s);
}

bool task_test(struct task *t, struct err *e)
{
    if (!t->source.id && !t->target.id)
        return err_set(e, ERR_INVALID, "task 'test' needs a source or a target");
    test_side(t, &t->source, "source.connect");
    test_side(t, &t->target, "target.connect");
    return true;
}
