/*
 * Folds: what of a key's value may stand for the servers' equality (correctness A17). Two values
 * that a server calls equal have equal folds; values with equal folds may differ. Pure.
 *
 * Text is folded in one of two ways. Where a collation compares characters as they are, its bytes
 * without trailing spaces stand for it. Where it has a meaning of case and accents, letters stand
 * for their base letter in lower case, spaces and control characters for nothing, and only
 * characters of which this is proven against servers take part: ASCII, Latin letters with marks,
 * Cyrillic, Hangul and Han. Any other character makes a value wide: it may equal any value.
 */
#ifndef OMS_COMPONENTS_RECORD_FOLD_H
#define OMS_COMPONENTS_RECORD_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fold {
    FOLD_TABLE,       /* nothing is known: any two values may be equal */
    FOLD_EXACT,       /* equal exactly when the canonical bytes are */
    FOLD_FLOAT,       /* as FOLD_EXACT, but for the two zeros; 4 or 8 bytes */
    FOLD_BYTES,       /* one byte a character: bytes without trailing spaces */
    FOLD_BYTES_UTF8,  /* the same, but a prefix counts characters of UTF-8 */
    FOLD_LETTERS,     /* one byte a character: letters of ASCII alone, every other one is wide */
    FOLD_LETTERS_UTF8 /* letters of UTF-8 */
};

/* Of a text column, by the names of its charset and collation in the MySQL family. */
enum fold fold_of_text(const char *charset, const char *collation);
/* Are values that a server calls equal under `other` equal in `mine` too? */
bool fold_covers(enum fold mine, enum fold other);
/* The hash of a value's fold, chained by `seed`. prefix: characters of text, else bytes; 0 = all.
 * False: the value is wide. */
bool fold_hash(enum fold f, const void *p, size_t n, uint32_t prefix, uint64_t seed,
               uint64_t *hash);

#endif
