/*
 * Which tables are at either end of a foreign key whose action changes rows of the child without a
 * word in the log (correctness A8). The server answers such a question by opening every table, so
 * the answer for all of them is kept in the session for a moment. Thread: the session's.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_CASCADES_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_CASCADES_H

#include <stdbool.h>

#include "common/base/err.h"

struct session;
struct cascades;

bool cascades_has(struct session *s, const char *db, const char *table, bool *has,
                  struct err *e) MUST_CHECK;
void cascades_free(struct cascades *c); /* NULL is fine */

#endif
