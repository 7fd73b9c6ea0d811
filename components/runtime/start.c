/* See start.h. */
#include "components/runtime/start.h"

#include <string.h>

static bool is_given(const char *text)
{
    return text && *text;
}

bool start_at_of(const Oms__StartOptions *o, struct start_at *out, struct err *e)
{
    *out = (struct start_at){.kind = START_NOW};
    if (!o || (is_given(o->time) && strcmp(o->time, "now") == 0))
        return true;
    if (is_given(o->gtid)) {
        out->kind = START_IDS;
        out->ids = o->gtid;
    } else if (is_given(o->file)) {
        out->kind = START_PLACE;
        out->file = o->file;
        out->offset = o->offset;
    } else {
        out->kind = START_TIME;
        if (!is_given(o->time) || !wall_parse(o->time, &out->time))
            return err_set(e, ERR_INVALID, "the start's time '%s' is no moment",
                           o->time ? o->time : "");
    }
    return true;
}
