/* What the files of this folder share. */
#ifndef OMS_COMMON_SCOPE_SCOPE_PRIV_H
#define OMS_COMMON_SCOPE_SCOPE_PRIV_H

#include <stdint.h>

#include "common/scope/scope.h"

#define SCOPE_NAME_MAX 64 /* characters of a database's or table's name */

enum glob_kind { GLOB_CHAR, GLOB_ONE, GLOB_MANY, GLOB_SET };
struct glob_range {
    uint32_t from, to;
};
struct glob_item {
    enum glob_kind kind;
    bool negated; /* GLOB_SET */
    uint32_t c;   /* GLOB_CHAR */
    unsigned n;   /* GLOB_SET: ranges */
    struct glob_range *ranges;
};
struct glob {
    const struct glob_item *items;
    size_t n;
};
struct pattern {
    struct glob db, table;
};

/* One entry of a list while it is parsed; errors name it. */
struct entry {
    const char *list; /* "objects.include" */
    size_t number;    /* from 1; 0: it is not one of a list */
    const char *part; /* ".from"; "" */
    const char *text;
    const char *p;
    struct arena *arena;
    struct err *e;
};
/* Always false. Column counts characters from 1. */
bool entry_refuse(const struct entry *en, const char *at, const char *expected);

/* Next character and its bytes; a byte that is no UTF-8 is a character of its own. */
uint32_t char_next(const char **p);

bool pattern_parse(struct entry *en, struct pattern *out) MUST_CHECK;
bool glob_matches(const struct glob *g, const char *name);
bool glob_is_everything(const struct glob *g);
/* "db" or "db.table", exact, backticks quote; *table is NULL for a database. */
bool name_parse(struct entry *en, const char **db, const char **table) MUST_CHECK;

#endif
