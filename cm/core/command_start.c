/* Where a project without a copy begins: what its file may say of it. Whether the source's log has
 * that place is precheck's to find out. */
#include "cm/core/cycle.h"

#define FORMS "time, gtid, or file and offset"

static bool check_form(const Oms__StartOptions *s, struct err *e)
{
    bool gtid = !text_is(s->gtid, ""), file = !text_is(s->file, ""), time = !text_is(s->time, "");
    struct wall t;

    if (file != (s->has_offset != 0))
        return err_set(e, ERR_INVALID, "incremental.start: file and offset belong together");
    if (gtid + file + time != 1)
        return err_set(e, ERR_INVALID, "incremental.start: one of " FORMS " is needed%s",
                       gtid + file + time > 1 ? ", not several" : "");
    if (time && !text_is(s->time, "now") && !wall_parse(s->time, &t))
        return err_set(e, ERR_INVALID,
                       "incremental.start.time: '%s' is neither a moment in UTC "
                       "(2026-11-21T12:00:00Z) nor now",
                       s->time);
    return true;
}

bool command_check_start(const Oms__ProjectFile *f, struct err *e)
{
    const Oms__StartOptions *s = f->incremental ? f->incremental->start : NULL;
    bool copies = !f->full || !f->full->has_enabled || f->full->enabled;

    if (copies && s)
        return err_set(e, ERR_INVALID,
                       "incremental.start: the project copies its tables, and changes are followed "
                       "from where that began; leave the start out, or say full.enabled: false");
    if (copies)
        return true;
    if (!s)
        return err_set(e, ERR_INVALID,
                       "full.enabled: without a copy the project must say from where the source's "
                       "log is followed: incremental.start with " FORMS);
    return check_form(s, e);
}
