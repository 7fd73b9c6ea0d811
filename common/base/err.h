/*
 * One error: described once, where it happens; logged once, where it is dealt with.
 * Fallible functions return bool: true leaves *e alone, false has set it. Every such function is
 * MUST_CHECK. The code's class decides the reaction, in the one place that reacts.
 * The codes are rows of common/base/err_table.h. Thread: any; one struct err belongs to one caller.
 */
#ifndef OMS_COMMON_BASE_ERR_H
#define OMS_COMMON_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"
#include "common/base/err_table.h"

enum err_class {
    ERR_CLASS_RETRY, /* back off and try again */
    ERR_CLASS_STOP,  /* report to the person; the cause must be removed first */
    ERR_CLASS_FENCE, /* somebody else writes now: stop writing before anything else */
    ERR_CLASS_BUG,   /* cannot be; stop and report */
};

#define ERR_ENUM(code, cls, meaning, cause, remedy) ERR_##code,
enum err_code { ERR_NONE, ERR_TABLE(ERR_ENUM) ERR_COUNT };
#undef ERR_ENUM

struct err_entry {
    const char *name; /* "FENCED" */
    enum err_class cls;
    const char *meaning;
    const char *cause;
    const char *remedy;
};

#define ERR_MESSAGE_MAX 1024

struct err {
    enum err_code code;
    int sys;           /* errno, or the server's own error number; 0 = none */
    const char *place; /* "file.c:123" of the first err_set */
    char message[ERR_MESSAGE_MAX];
};

#define ERR_INIT         \
    {                    \
        .code = ERR_NONE \
    }

/* Sets *e; the message is cut with an ellipsis. Always returns false. */
#define err_set(e, code, ...) \
    err_set_at((e), (code), 0, __FILE__ ":" ERR_STR(__LINE__), __VA_ARGS__)
/* The same with errno (or a server's number) kept in e->sys and strerror text appended for errno.
 */
#define err_set_errno(e, code, errnum, ...) \
    err_set_errno_at((e), (code), (errnum), __FILE__ ":" ERR_STR(__LINE__), __VA_ARGS__)
/* Keeps a foreign number (e.g. a server's error number) in e->sys without appending any text. */
#define err_set_sys(e, code, sysnum, ...) \
    err_set_at((e), (code), (sysnum), __FILE__ ":" ERR_STR(__LINE__), __VA_ARGS__)
#define ERR_STR(x) ERR_STR2(x)
#define ERR_STR2(x) #x

bool err_set_at(struct err *e, enum err_code code, int sys, const char *place, const char *fmt, ...)
    PRINTF(5, 6);
bool err_set_errno_at(struct err *e, enum err_code code, int errnum, const char *place,
                      const char *fmt, ...) PRINTF(5, 6);
/* Puts "what: " before the message; code and class stay. Always returns false. */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);
void err_clear(struct err *e);

enum err_class err_class_of(enum err_code code);
const struct err_entry *err_entry_of(enum err_code code);       /* never NULL */
const char *err_name(enum err_code code);                       /* "FENCED"; static */
bool err_code_from_name(const char *name, enum err_code *code); /* false: no such code */

#endif
