/*
 * Comparison of one chunk's rows while both sides move (correctness E3). A side is the chunk's rows
 * as key bytes and a 128-bit hash of the row. The source is read at p1, the target once it has
 * passed p1; a row whose hashes agree in any round was equal at that round's p1 and is proven. What
 * disagrees is a suspect and is read again. What still disagrees after the rounds is asked of the
 * log (history.h), which says equal or different; where it cannot tell, a suspect whose images
 * stayed the same on both sides in every round, while the target had passed each p1, is different,
 * and one whose image changed meanwhile is moving.
 *
 * Keys are only matched, by their bytes; they are never ordered as the servers order them. Pure,
 * single-threaded.
 */
#ifndef OMS_COMPONENTS_FULL_VERIFICATION_CORE_COMPARE_H
#define OMS_COMPONENTS_FULL_VERIFICATION_CORE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "components/full_verification/core/history.h"

struct row_print {
    uint64_t key_at;
    uint32_t key_len;
    uint64_t hash[2];
};
struct side {
    struct buf keys;
    struct {
        struct row_print *at;
        size_t n, cap;
    } rows;
};
void side_init(struct side *s, size_t max_key_bytes);
void side_fini(struct side *s);
void side_clear(struct side *s);
void side_add(struct side *s, struct view key, struct view row);

enum suspect_kind { SUSPECT_DIFFERENT, SUSPECT_MISSING /* on the target */, SUSPECT_EXTRA };
struct suspect {
    struct view key; /* lives in the list */
    enum suspect_kind kind;
    uint64_t source[2], target[2];
    bool moved; /* an image changed between two rounds */
};
struct suspects {
    struct buf keys;
    struct {
        struct suspect *at;
        size_t n, cap;
    } list; /* ascending by the key's bytes */
};
void suspects_init(struct suspects *s, size_t max_key_bytes);
void suspects_fini(struct suspects *s);
/* Sorts both sides; what disagrees becomes the list. */
void suspects_find(struct suspects *s, struct side *source, struct side *target);
/* A later round: those that agree now leave the list; the others note whether an image changed. */
void suspects_again(struct suspects *s, struct side *source, struct side *target);
/* Where in the list; list.n: nowhere. */
size_t suspects_at(const struct suspects *s, struct view key);
/* The last round, with what the log says of each of the list. */
void suspects_settle(struct suspects *s, struct side *source, struct side *target,
                     const enum history_answer *answers);

struct tally {
    uint64_t rows;   /* of the source */
    uint64_t by_log; /* of them equal to what the log shows, not to what was read */
    uint64_t different, missing, extra, moving;
};
/* The verdict on what is left after the last round. */
void suspects_tally(const struct suspects *s, struct tally *t);

#endif
