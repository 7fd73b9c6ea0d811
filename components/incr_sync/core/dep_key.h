/*
 * Dependency keys of a row (correctness A17): one 64-bit hash for every unique key of its table, of
 * (target table, key, values). Two rows that could be the same row for any unique key on either
 * side have a key in common; the reverse may be false (too coarse is right, too fine is not).
 * Values count by their folds (record/fold.h). Where a column has none, or rows cannot be found by
 * a key, the table is one key. Pure.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CORE_DEP_KEY_H
#define OMS_COMPONENTS_INCR_SYNC_CORE_DEP_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/vec.h"
#include "components/record/fold.h"
#include "components/record/rows.h"
#include "components/record/table_def.h"

struct dep_keys {
    uint64_t *at;
    size_t n, cap;
};

/* What of this column's values stands for equality on the source. */
typedef enum fold dep_fold(void *arg, const struct column_def *column);

struct dep_key_def {
    uint64_t seed; /* of target table and the key's columns */
    const struct key_def *key;
    enum fold *folds; /* of its parts */
};
struct table_deps {
    bool exclusive; /* the table is one key, or one with all of its family */
    bool letters;   /* a key's value may be wide (fold.h) */
    uint8_t n_table_keys;
    uint64_t table_keys[3]; /* its tag, its families'; the keys of an exclusive table */
    uint16_t n_keys;
    struct dep_key_def *keys;
};

/* A table of the target among all of them; the same for names that differ in case alone, since a
 * statement may write them otherwise than the rows behind it. */
uint64_t table_tag(const char *to_db, const char *to_name);
/* Borrows t. The target's names are hashed: source tables that meet on the target share keys.
 * family: of the target's table, or NULL; foreign keys come and go at different times on both
 * sides, so a table is ordered with what either side joins it to. */
void table_deps_init(struct table_deps *d, const struct table_def *t, const char *to_db,
                     const char *to_name, const char *family, dep_fold *fold, void *arg);
/* From its first row on: the target's keys find more in common than the source's folds tell. */
void table_deps_make_exclusive(struct table_deps *d);
void table_deps_fini(struct table_deps *d);
/* Adds the keys of one row image. A NULL in a key: no key. False: a key's value is absent from the
 * image, or wide (fold.h), nothing of it can be told. */
bool table_deps_add(const struct table_deps *d, const struct value *values, struct dep_keys *out);
/* The table as one key. */
void table_deps_add_table(const struct table_deps *d, struct dep_keys *out);

#endif
