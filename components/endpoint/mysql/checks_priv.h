/* Shared by the checks_*.c files of this folder. */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_CHECKS_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_CHECKS_PRIV_H

#include "components/endpoint/mysql/checks.h"
#include "components/endpoint/mysql/session.h"

struct checker {
    struct session *s;
    check_sink *sink;
    void *arg;
};

/* One item; the reason is formatted. */
void check_tell(const struct checker *c, const char *id, const char *object,
                enum check_verdict verdict, bool may_skip, const char *remedy, const char *fmt, ...)
    PRINTF(7, 8);
/* A global variable's value; "" when the server does not know it. */
bool check_variable(const struct checker *c, const char *name, char *out, size_t cap,
                    struct err *e) MUST_CHECK;
/* The oldest version of the server's family that is carried. */
uint32_t check_oldest(const struct checker *c);
/* Has the current user (or role) this global privilege, or on `db` when that is not NULL? */
bool check_privilege(const struct checker *c, const char *privilege, const char *db, bool *has,
                     struct err *e) MUST_CHECK;

#endif
