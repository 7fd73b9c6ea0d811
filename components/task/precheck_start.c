/*
 * Does the source's log have the start that a project without a copy names? The place is looked up
 * as the Store will do it, under a number that no replica has.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "components/runtime/start.h"
#include "components/task/task.h"

#define TRIES 100

bool task_copies(const struct task *t)
{
    const Oms__FullOptions *o = t->fixed->full;

    return !o || !o->has_enabled || o->enabled;
}

static bool is_taken(const struct reader_numbers *r, uint32_t id)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->at[i] == id)
            return true;
    return false;
}

static bool choose_number(struct task *t, struct session *source, uint32_t *out, struct err *e)
{
    const Oms__StoreOptions *o = t->fixed->store;
    uint32_t from = o && o->has_server_id_from ? o->server_id_from : READER_ID_FROM;
    uint32_t to = o && o->has_server_id_to ? o->server_id_to : READER_ID_TO;
    struct reader_numbers taken = {.n = 0};
    uint64_t dice;

    if (!t->source.endpoint->log->readers(source, &taken, e))
        return false;
    for (int i = 0; i < TRIES; i++) {
        if (getrandom(&dice, sizeof dice, 0) != (ssize_t)sizeof dice)
            return err_set(e, ERR_SYSTEM, "there are no random bytes");
        *out = from + (uint32_t)(dice % ((uint64_t)to - from + 1));
        if (!is_taken(&taken, *out))
            return true;
    }
    return err_set(e, ERR_LOG_DUPLICATE_READER, "no number from %u to %u is free", from, to);
}

bool task_precheck_start(struct task *t, struct session *source, struct err *e)
{
    struct check_item item = {
        .id = "source.start", .object = t->source.id, .verdict = CHECK_OK, .remedy = ""};
    const Oms__IncrementalOptions *o = t->fixed->incremental;
    struct position found;
    struct start_at at;
    uint32_t number = 0;

    if (task_copies(t))
        return true;
    if (!start_at_of(o ? o->start : NULL, &at, e) || !choose_number(t, source, &number, e))
        return false;
    if (t->source.endpoint->log->find_start(&t->source.address, number, &at, &found, e)) {
        item.reason = at.kind == START_NOW
                          ? "the log is followed from its end when the project begins to pull it"
                          : arena_printf(&t->arena, "the log is followed from %s", found.native);
        txn_set_fini(&found.set);
        task_check(t, &item);
        return true;
    }
    if (err_class_of(e->code) == ERR_CLASS_RETRY)
        return false;
    task_check_error(t, "source.start", t->source.id, false, err_entry_of(e->code)->remedy, e);
    err_clear(e);
    return true;
}
