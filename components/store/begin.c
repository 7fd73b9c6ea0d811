/* See begin.h. */
#include "components/store/begin.h"

#include "common/log/log.h"
#include "components/runtime/start.h"

static bool from_start(const struct begin_params *p, struct txn_set *begin, struct err *e)
{
    struct position found;
    struct start_at at;

    if (!p->source->log->find_start)
        return err_set(e, ERR_UNSUPPORTED, "a source of this kind cannot be begun at a start");
    if (!start_at_of(p->fixed->start, &at, e) ||
        !p->source->log->find_start(p->at, p->look_id, &at, &found, e))
        return false;
    txn_set_fini(begin);
    *begin = found.set;
    log_event(LOG_INFO, "store.begin", "at=%s", found.native);
    return true;
}

bool begin_find(const struct begin_params *p, struct err *e)
{
    const char *given = p->fixed->begin;
    struct txn_set begin;
    bool ok;

    if (store_has_begin(p->store))
        return true;
    txn_set_init(&begin);
    if (p->fixed->start)
        ok = from_start(p, &begin, e);
    else if (given && *given)
        ok = txn_set_parse(given, &begin, e);
    else
        ok = p->source->log->executed(p->session, NULL, &begin, e);
    ok = ok && store_set_begin(p->store, &begin, e);
    txn_set_fini(&begin);
    return ok;
}
