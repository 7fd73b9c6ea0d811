/* See reader_id.h. */
#include "components/store/reader_id.h"

#include <inttypes.h>

#define THROWS 64

static bool is_taken(const struct reader_numbers *taken, uint32_t id)
{
    for (size_t i = 0; i < taken->n; i++)
        if (taken->at[i] == id)
            return true;
    return false;
}

static bool is_free(const struct reader_ids *r, const struct reader_numbers *taken, uint32_t id,
                    const uint32_t not [2])
{
    return id >= r->from && id <= r->to && id != not [0] && id != not [1] && !is_taken(taken, id);
}

/* Any free one; a small range is looked through whole. */
static bool pick(const struct reader_ids *r, const struct reader_numbers *taken,
                 const uint32_t not [2], uint32_t (*dice)(void), uint32_t *id, struct err *e)
{
    uint64_t span = (uint64_t)r->to - r->from + 1;

    for (int i = 0; i < THROWS; i++) {
        *id = r->from + (uint32_t)(dice() % span);
        if (is_free(r, taken, *id, not ))
            return true;
    }
    for (uint64_t i = 0; i < span && i <= READERS_MAX + 2; i++) {
        *id = r->from + (uint32_t)i;
        if (is_free(r, taken, *id, not ))
            return true;
    }
    return err_set(e, ERR_LOG_DUPLICATE_READER,
                   "each number of the range %" PRIu32 " to %" PRIu32
                   " for reading the log is in use at the source",
                   r->from, r->to);
}

bool reader_ids_choose(struct reader_ids *r, const struct reader_numbers *taken,
                       uint32_t (*dice)(void), struct err *e)
{
    uint32_t not [2] = {r->dump, r->look}, wanted = r->wanted;

    r->wanted = 0;
    if (wanted != 0 && is_free(r, taken, wanted, not ))
        r->dump = wanted;
    else if (!pick(r, taken, not, dice, &r->dump, e))
        return false;
    not [0] = r->dump;
    return pick(r, taken, not, dice, &r->look, e);
}
