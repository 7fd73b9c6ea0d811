/*
 * Which objects a project touches and what they are called on the target. Patterns db.table with
 * * ? [..]; include first, exclude takes out again; renames are exact: database or database.table.
 * The CM refuses bad ones at creation with the place of the error; schema, full, incremental and
 * verification evaluate the same compiled scope. Matching is case-sensitive. Pure. Thread: any once
 * compiled (immutable).
 */
#ifndef OMS_COMMON_SCOPE_SCOPE_H
#define OMS_COMMON_SCOPE_SCOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/err.h"

struct scope;
struct scope_rename {
    const char *from, *to;
};
struct scope_source { /* plain strings, so that scope needs no protobuf */
    const char *const *include;
    size_t n_include;
    const char *const *exclude;
    size_t n_exclude;
    const struct scope_rename *rename;
    size_t n_rename;
};
/* Errors name the list, the entry's number, the column and what was expected: e.g.
 * "objects.include[2], column 6: '[' without ']'". oms_meta and system schemas never match. */
bool scope_compile(const struct scope_source *src, struct arena *arena, const struct scope **out,
                   struct err *e) MUST_CHECK;
bool scope_has(const struct scope *s, const char *db, const char *table);
/* Any table of this database could match. */
bool scope_may_have_db(const struct scope *s, const char *db);
/* Names on the target; the returned strings live in the scope or are the arguments. */
void scope_map(const struct scope *s, const char *db, const char *table, const char **to_db,
               const char **to_table);
/* One exact table as people write it, db.table; backticks quote, as in patterns. what: the name of
 * the argument, for errors. The names live in the arena. */
bool scope_parse_table(const char *what, const char *text, struct arena *arena, const char **db,
                       const char **table, struct err *e) MUST_CHECK;
/* Two source tables that map to one target table: false and both named. Call with all tables known.
 */
bool scope_check_collisions(const struct scope *s, const char *const (*tables)[2], size_t n,
                            struct err *e) MUST_CHECK;

#endif
