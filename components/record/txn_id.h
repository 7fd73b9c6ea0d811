/*
 * Identity of a source transaction and sets of them (correctness A4, A5). An origin is a short text
 * ("mariadb:0" = GTID domain, "mysql:<uuid>[:tag]", "mysql-file:<uuid>"); seq counts within
 * it. A set is origin -> closed intervals of seq. Sets are values. Pure.
 */
#ifndef OMS_COMPONENTS_RECORD_TXN_ID_H
#define OMS_COMPONENTS_RECORD_TXN_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"

#define ORIGIN_MAX 120

struct txn_id {
    const char *origin; /* interned by origin_intern(): equal origins are equal pointers */
    uint64_t seq;
};

/* Interned for the life of the process. Thread: any; takes the table's lock. Text <= ORIGIN_MAX. */
const char *origin_intern(const char *text, size_t len);

struct txn_interval {
    uint64_t first, last; /* both inside */
};
struct txn_set_origin {
    const char *origin;
    struct {
        struct txn_interval *at;
        size_t n, cap;
    } iv; /* ascending, not touching */
};
struct txn_set {
    struct {
        struct txn_set_origin *at;
        size_t n, cap;
    } origins; /* ascending by text */
};

/* Of an origin "mysql-file:<uuid>" seq is a place in the log files of that server: it grows with
 * the log, says nothing about another server's, and does not count transactions. */
#define ORIGIN_PLACE "mysql-file:"
#define PLACE_OFFSET_BITS 40 /* seq: number of the file, times 2^40, plus the offset in it */
bool origin_is_place(const char *origin);

void txn_set_init(struct txn_set *s);
void txn_set_fini(struct txn_set *s);
void txn_set_copy(struct txn_set *to, const struct txn_set *from);
void txn_set_add(struct txn_set *s, const char *origin, uint64_t first, uint64_t last);
void txn_set_remove(struct txn_set *s, const char *origin, uint64_t first, uint64_t last);
bool txn_set_has(const struct txn_set *s, struct txn_id id);
bool txn_set_contains(const struct txn_set *s, const struct txn_set *sub);
bool txn_set_is_empty(const struct txn_set *s);
bool txn_set_equal(const struct txn_set *a, const struct txn_set *b);
void txn_set_union(struct txn_set *s, const struct txn_set *other);
void txn_set_subtract(struct txn_set *s, const struct txn_set *other);
/* Leaves in s what other has too. */
void txn_set_intersect(struct txn_set *s, const struct txn_set *other);
uint64_t txn_set_last(const struct txn_set *s, const char *origin); /* 0 = none */
/* How many; places are not counted. */
uint64_t txn_set_count(const struct txn_set *s);
/* Is there an origin of places in it? */
bool txn_set_has_places(const struct txn_set *s);
/* Binary (varints; for progress rows and the stream) and text ("mariadb:0=1-100,105;..."). */
void txn_set_encode(const struct txn_set *s, struct buf *out);
bool txn_set_decode(struct cursor *c, struct txn_set *out, struct err *e) MUST_CHECK;
void txn_set_format(const struct txn_set *s, struct buf *out);
bool txn_set_parse(const char *text, struct txn_set *out, struct err *e) MUST_CHECK;

#endif
