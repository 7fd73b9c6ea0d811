/* Errors and their table. See err.h. */
#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_ROW(code, cls, meaning, cause, remedy) {#code, ERR_CLASS_##cls, meaning, cause, remedy},
static const struct err_entry entries[ERR_COUNT] = {
    {"NONE", ERR_CLASS_BUG, "no error", "nothing failed", "nothing"}, ERR_TABLE(ERR_ROW)};
#undef ERR_ROW

static const char ellipsis[] = "...";

/* Marks a message that did not fit. */
static void mark_cut(struct err *e, int wanted)
{
    if (wanted >= (int)sizeof e->message)
        memcpy(e->message + sizeof e->message - sizeof ellipsis, ellipsis, sizeof ellipsis);
}

bool err_set_at(struct err *e, enum err_code code, int sys, const char *place, const char *fmt, ...)
{
    va_list ap;

    e->code = code;
    e->sys = sys;
    e->place = place;
    va_start(ap, fmt);
    mark_cut(e, vsnprintf(e->message, sizeof e->message, fmt, ap));
    va_end(ap);
    return false;
}

bool err_set_errno_at(struct err *e, enum err_code code, int errnum, const char *place,
                      const char *fmt, ...)
{
    va_list ap;
    int n;
    char reason[128];

    e->code = code;
    e->sys = errnum;
    e->place = place;
    va_start(ap, fmt);
    n = vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < (int)sizeof e->message)
        n += snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s",
                      strerror_r(errnum, reason, sizeof reason));
    mark_cut(e, n);
    return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
    char old[ERR_MESSAGE_MAX];
    va_list ap;
    int n;

    memcpy(old, e->message, sizeof old);
    va_start(ap, fmt);
    n = vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < (int)sizeof e->message)
        n += snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s", old);
    mark_cut(e, n);
    return false;
}

void err_clear(struct err *e)
{
    *e = (struct err)ERR_INIT;
}

const struct err_entry *err_entry_of(enum err_code code)
{
    return &entries[(unsigned)code < ERR_COUNT ? code : ERR_BUG];
}

enum err_class err_class_of(enum err_code code)
{
    return err_entry_of(code)->cls;
}

const char *err_name(enum err_code code)
{
    return err_entry_of(code)->name;
}

bool err_code_from_name(const char *name, enum err_code *code)
{
    for (unsigned i = 1; i < ERR_COUNT; i++)
        if (strcmp(entries[i].name, name) == 0) {
            *code = (enum err_code)i;
            return true;
        }
    return false;
}
