/*
 * oms-incr-sync: follows the changes. Waits until the copy is done and the Store is known, then
 * runs one claim after another: an error of class RETRY ends a claim, and so does a copy that runs
 * again; the next takeover begins from the rows on the target. Every other class ends the process
 * with its code.
 */
#include <stdlib.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define COPY_LOOK_MS 200
#define LONG_ENOUGH_MS 60000 /* a claim that lived so long starts the back-off anew */

/* False: stop was asked for. */
static bool wait_until_ready(struct component *c)
{
    const Oms__ComponentFixed *f = component_spec(c)->fixed;
    struct store_peer peer;

    while (!component_stopping(c)) {
        Oms__ComponentLive *live = component_live(c);
        bool full_done = live && live->full_done;

        component_live_free(live);
        if (full_done && f && f->store_id && store_peer_find(c, f->store_id, &peer))
            return true;
        (void)component_wait(c, 1000);
    }
    return false;
}

static bool claims(struct component *c, struct carry *carry, struct err *e)
{
    struct backoff backoff = {0};

    while (wait_until_ready(c)) {
        struct mono began = clock_mono();
        struct err why = ERR_INIT;

        if (sync_run(c, carry, &why)) {
            if (component_wait(c, COPY_LOOK_MS))
                return true;
            continue;
        }
        if (err_class_of(why.code) != ERR_CLASS_RETRY) {
            *e = why;
            return false;
        }
        if (component_stopping(c))
            return true;
        log_err(LOG_WARN, "incr_sync.claim_ended", &why);
        component_error(c, &why);
        if (mono_ms_between(began, clock_mono()) > LONG_ENOUGH_MS || reread_is_asked(carry))
            backoff.tries = 0;
        if (!component_backoff(c, &backoff))
            return true;
    }
    return true;
}

static bool incr_run(struct component *c, struct err *e)
{
    struct carry carry = {.rows_since = clock_wall()};
    bool ok = claims(c, &carry, e);

    incr_asks_end();
    carry_fini(&carry);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct component_ops ops = {
        .kind = "incr-sync",
        .summary = "Reads a Store and applies its changes to one target.",
        .run = incr_run,
        .ask = incr_ask,
    };

    return component_main(&ops, argc, argv);
}
