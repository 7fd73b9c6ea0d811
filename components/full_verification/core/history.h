/*
 * What the log says of single rows (correctness E3). A wanted row has an image of the source, read
 * at a position that lies in p0 .. p1, and one of the target, read once that had passed p1. Fed
 * with the table's changes behind p0 in the log's order, each row's image is known at p1 and at
 * every transaction's end behind it; one of these the target's image must be.
 *
 * The answer is DIFFERENT only where all of them are known. An image that is not whole takes what
 * it lacks from the one before; where there is none, the row stays UNKNOWN unless another image
 * proves it equal. So does a row whose images differ in nothing but values of kinds that two
 * servers may write in two ways (JSON, GEOMETRY, VECTOR), and a row that changed while none of the
 * log's images is what was read from the source: they show values in two forms then. A change of a
 * key is the end of one row and the beginning of another. Rows are in the canonical encoding; keys
 * are matched by their bytes. Pure, single-threaded.
 */
#ifndef OMS_COMPONENTS_FULL_VERIFICATION_CORE_HISTORY_H
#define OMS_COMPONENTS_FULL_VERIFICATION_CORE_HISTORY_H

#include "common/base/err.h"
#include "components/record/txn.h"

struct history;
struct history_params {
    const struct table_def *table; /* has a row key; outlives the history */
    const bool *is_read;           /* a column each: values of the others do not count */
    size_t max_rows, max_bytes;    /* images of the wanted rows together */
};
struct history *history_new(const struct history_params *p);
void history_free(struct history *h);

/* Before the first change. p = NULL: no such row, which cannot be so on both sides; false: there
 * is no room for it, it stays unknown. `at` is its number for history_answer. */
bool history_want(struct history *h, struct view source, struct view target, size_t *at);

struct history_txn {
    struct txn_id id;
    bool in_p1; /* what it did is part of the image at p1 */
    bool parts; /* of several parts: it may be seen in parts (E1), so each of its images counts */
};
/* A change of the table; its images have the form of params.table. ERR_CORRUPT: they do not. */
bool history_change(struct history *h, const struct history_txn *txn, const struct change *ch,
                    struct err *e) MUST_CHECK;
void history_txn_end(struct history *h, const struct history_txn *txn);
void history_end(struct history *h);

enum history_answer { HISTORY_UNKNOWN, HISTORY_EQUAL, HISTORY_DIFFERENT };
/* After history_end. EQUAL: `at` is the transaction after which the row was so, origin NULL: at p1
 * already. */
enum history_answer history_answer(const struct history *h, size_t row, struct txn_id *at);

#endif
