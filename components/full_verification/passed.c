/*
 * Waiting until the target has passed a position of the source (E3). The target's own progress row
 * decides, read through the endpoint; a paused or held Incr-Sync makes the wait long, so it says
 * what it waits for and ends only by a stop.
 */
#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/full_verification/verification_priv.h"

#define POLL_MS 20
#define SAY_AFTER_MS 10000

static bool has_passed(struct checker *k, const struct position *p1, bool *passed, struct err *e)
{
    struct verification *v = k->v;
    struct txn_set low, done;
    bool ok;

    *passed = txn_set_contains(&k->passed, &p1->set);
    if (*passed)
        return true;
    txn_set_init(&low);
    txn_set_init(&done);
    ok = v->target->target->progress_read(&v->target_at, v->incr_task, &low, &done, e);
    if (ok) {
        txn_set_union(&low, &done);
        txn_set_fini(&k->passed);
        txn_set_copy(&k->passed, &low);
        *passed = txn_set_contains(&k->passed, &p1->set);
    }
    txn_set_fini(&low);
    txn_set_fini(&done);
    return ok;
}

bool read_passed(struct checker *k, struct txn_set *p2, struct err *e)
{
    struct verification *v = k->v;
    struct position now = {0};
    struct txn_set done;
    bool ok;

    txn_set_init(&done);
    txn_set_init(&now.set);
    ok = v->target->target->progress_read(&v->target_at, v->incr_task, p2, &done, e) &&
         v->source->reader->position_now(k->source, &now, e);
    if (ok) {
        txn_set_union(p2, &done);
        txn_set_intersect(p2, &now.set); /* what it has from other servers comes no more */
    }
    txn_set_fini(&done);
    txn_set_fini(&now.set);
    return ok || err_wrap(e, "read what the target has committed");
}

bool wait_until_passed(struct checker *k, struct position *p1, struct err *e)
{
    struct verification *v = k->v;
    struct mono began = clock_mono();
    bool passed = false, said = false;

    txn_set_fini(&p1->set);
    if (!v->source->reader->position_now(k->source, p1, e))
        return err_wrap(e, "read the source's position");
    if (!v->incr_task)
        return true;
    for (;;) {
        if (!has_passed(k, p1, &passed, e))
            return err_wrap(e, "read the target's progress");
        if (passed)
            return true;
        if (verification_is_stopping(v) || component_wait(v->c, POLL_MS))
            return err_set(e, ERR_CANCELLED, "told to stop while waiting for the target");
        if (!said && mono_ms_between(began, clock_mono()) > SAY_AFTER_MS) {
            said = true;
            log_event(LOG_WARN, "verification.waits", "target has not passed %s yet", p1->native);
        }
    }
}
