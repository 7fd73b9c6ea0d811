/*
 * Families: tables that foreign keys join whose action changes rows of the child without a word in
 * the log (correctness A8). The server answers such a question by opening every table, so the
 * answer for all of them is kept in the session for a moment. A server that logs what its foreign
 * keys do (MySQL 9.6 and later) has none. Thread: the session's.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_CASCADES_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_CASCADES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "components/endpoint/endpoint.h"

struct session;
struct cascades;

/* *family "": none. It lives as long as the answer is kept: until the session's next question. */
bool cascades_family(struct session *s, const char *db, const char *table, const char **family,
                     struct err *e) MUST_CHECK;
/* Every table that is in a family, by name; in arena. */
bool cascades_list(struct session *s, struct arena *arena, struct family_member **out, size_t *n,
                   struct err *e) MUST_CHECK;
void cascades_free(struct cascades *c); /* NULL is fine */
/* May a statement of this session's own change the answer? Reading it anew for each table that is
 * only looked at, or made without foreign keys, would open all tables once for each of them. */
bool cascades_may_change(const char *sql, size_t len);

#endif
