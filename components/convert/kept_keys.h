/*
 * Further unique keys that a table of the target has before its copy begins (correctness A10): they
 * are taken off while rows of different moments may collide in them, and made again in the words of
 * the target's own definition. Kept as text in oms_meta meanwhile. Pure.
 */
#ifndef OMS_COMPONENTS_CONVERT_KEPT_KEYS_H
#define OMS_COMPONENTS_CONVERT_KEPT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"
#include "components/record/table_def.h"

struct kept_key {
    const char *name;
    const char *clause; /* of SHOW CREATE TABLE, from UNIQUE on */
    bool own;           /* the source has no unique key of this name */
};
struct kept_keys { /* in an arena */
    const char *to_db, *to_name;
    struct kept_key *at; /* in the order of the definition */
    size_t n;
};

/* Has the table a unique key beside its row key? */
bool kept_keys_any(const struct table_def *t);
/* The unique keys of the target's table but for its row key and those that find the source's rows.
 * source NULL: all but its row key, none of them its own. */
bool kept_keys_find(const struct table_def *there, const struct table_def *source,
                    struct arena *arena, struct kept_keys *out, struct err *e) MUST_CHECK;
bool kept_keys_has(const struct kept_keys *keys, const char *name);
/* Adds those of `more` whose names `keys` lacks; of the same name, the words of `more` count where
 * newer is set. True: something changed. */
bool kept_keys_join(struct kept_keys *keys, const struct kept_keys *more, bool newer,
                    struct arena *arena);
/* Leaves only those that are the target's alone, of names that the source's table has not now. */
void kept_keys_leave_own(struct kept_keys *keys, const struct table_def *source);

void kept_keys_encode(const struct kept_keys *keys, struct buf *out);
bool kept_keys_decode(struct view text, struct arena *arena, struct kept_keys *out,
                      struct err *e) MUST_CHECK;

/* ALTER TABLE that takes one off; stands_in: a key that is not unique stays in its place, for
 * AUTO_INCREMENT or a foreign key. */
void kept_keys_off(const struct kept_keys *keys, size_t i, bool stands_in, struct buf *out);
/* ALTER TABLE that makes those of [from, to) which `existing` lacks, and replaces what stands in.
 * existing NULL: it lacks all. False: nothing is to be made, out untouched. */
bool kept_keys_make(const struct kept_keys *keys, size_t from, size_t to,
                    const struct table_def *existing, struct buf *out);

#endif
