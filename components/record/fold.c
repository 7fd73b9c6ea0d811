#include "components/record/fold.h"

#include <string.h>
#include <xxhash.h>

#include "common/base/must.h"

/* --- which fold ---------------------------------------------------------------------------------
 */

/* Charsets in which ASCII is itself and no byte of another character is ASCII. */
static const struct {
    const char *name;
    bool utf8;
} charsets[] = {
    {"utf8mb4", true},  {"utf8mb3", true},   {"utf8", true},    {"latin1", false},
    {"ascii", false},   {"latin2", false},   {"latin5", false}, {"latin7", false},
    {"cp1250", false},  {"cp1251", false},   {"cp1256", false}, {"cp1257", false},
    {"cp850", false},   {"cp852", false},    {"cp866", false},  {"greek", false},
    {"hebrew", false},  {"koi8r", false},    {"koi8u", false},  {"geostd8", false},
    {"keybcs2", false}, {"macroman", false}, {"macce", false},
};
/* What follows the charset's name. */
static const char *const as_they_are[] = {"_bin", "_nopad_bin", "_0900_bin"};
/* Those of no language: languages have contractions and letters of their own. */
static const char *const letters_utf8[] = {
    "_general_ci",          "_general_nopad_ci",     "_unicode_ci",          "_unicode_nopad_ci",
    "_unicode_520_ci",      "_unicode_520_nopad_ci", "_0900_ai_ci",          "_0900_as_ci",
    "_0900_as_cs",          "_uca1400_ai_ci",        "_uca1400_ai_cs",       "_uca1400_as_ci",
    "_uca1400_as_cs",       "_uca1400_nopad_ai_ci",  "_uca1400_nopad_ai_cs", "_uca1400_nopad_as_ci",
    "_uca1400_nopad_as_cs",
};
static const char *const letters_latin1[] = {
    "_swedish_ci", "_swedish_nopad_ci", "_general_ci", "_general_nopad_ci", "_general_cs",
};
static const char *const letters_ascii[] = {"_general_ci", "_general_nopad_ci"};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, list[i]) == 0)
            return true;
    return false;
}

/* What follows the charset's name in a collation's; "" = it is of another charset. */
static const char *after_charset(const char *charset, bool utf8, const char *collation)
{
    size_t n = strlen(charset);

    /* One server says "utf8" where the other says "utf8mb3". */
    if (utf8 && strncmp(collation, "utf8", 4) == 0)
        return strchr(collation, '_') ? strchr(collation, '_') : "";
    return strncmp(collation, charset, n) == 0 ? collation + n : "";
}

static bool has_letters(const char *charset, bool utf8, const char *rest)
{
    if (utf8)
        return is_one_of(rest, letters_utf8, ARRAY_LEN(letters_utf8));
    if (strcmp(charset, "latin1") == 0)
        return is_one_of(rest, letters_latin1, ARRAY_LEN(letters_latin1));
    return strcmp(charset, "ascii") == 0 &&
           is_one_of(rest, letters_ascii, ARRAY_LEN(letters_ascii));
}

enum fold fold_of_text(const char *charset, const char *collation)
{
    for (size_t i = 0; charset && collation && i < ARRAY_LEN(charsets); i++) {
        bool utf8 = charsets[i].utf8;
        const char *rest;

        if (strcmp(charset, charsets[i].name) != 0)
            continue;
        rest = after_charset(charset, utf8, collation);
        if (is_one_of(rest, as_they_are, ARRAY_LEN(as_they_are)))
            return utf8 ? FOLD_BYTES_UTF8 : FOLD_BYTES;
        if (has_letters(charset, utf8, rest))
            return utf8 ? FOLD_LETTERS_UTF8 : FOLD_LETTERS;
    }
    return FOLD_TABLE;
}

bool fold_covers(enum fold mine, enum fold other)
{
    switch (mine) {
    case FOLD_TABLE:
        return true;
    case FOLD_EXACT:
        return other == FOLD_EXACT;
    case FOLD_FLOAT:
        return other == FOLD_EXACT || other == FOLD_FLOAT;
    case FOLD_BYTES:
    case FOLD_BYTES_UTF8:
        return other == FOLD_BYTES || other == FOLD_BYTES_UTF8;
    case FOLD_LETTERS: /* of ASCII alone, where all agree */
        return other >= FOLD_BYTES;
    case FOLD_LETTERS_UTF8:
        return other == FOLD_BYTES || other == FOLD_BYTES_UTF8 || other == FOLD_LETTERS_UTF8;
    }
    return false;
}

/* --- letters ------------------------------------------------------------------------------------
 */

/* U+00C0..U+017F: the base letter, '-' = wide. */
static const char latin[] = "aaaaaa-ceeeeiiii"  /* 00C0 */
                            "-nooooo--uuuuy--"  /* 00D0 */
                            "aaaaaa-ceeeeiiii"  /* 00E0 */
                            "-nooooo--uuuuy-y"  /* 00F0 */
                            "aaaaaaccccccccdd"  /* 0100 */
                            "--eeeeeeeeeegggg"  /* 0110 */
                            "gggghh--iiiiiiii"  /* 0120 */
                            "i---jjkk-llllll-"  /* 0130 */
                            "---nnnnnn---oooo"  /* 0140 */
                            "oo--rrrrrrssssss"  /* 0150 */
                            "sstttt--uuuuuuuu"  /* 0160 */
                            "uuuuwwyyyzzzzzz-"; /* 0170 */

#define WIDE UINT32_MAX

static uint32_t ascii_letter(uint32_t c)
{
    if (c <= 0x20 || c == 0x7f)
        return 0;
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static uint32_t cyrillic_letter(uint32_t c)
{
    uint32_t small = c < 0x430 ? c + 0x20 : c;

    return small == 0x439 ? 0x438 : small; /* short i is i with a mark */
}

/* 0: nothing. */
static uint32_t letter_of(uint32_t c)
{
    if (c < 0x80)
        return ascii_letter(c);
    if (c >= 0xc0 && c < 0x180)
        return latin[c - 0xc0] == '-' ? WIDE : (uint32_t)latin[c - 0xc0];
    if (c >= 0x410 && c <= 0x44f)
        return cyrillic_letter(c);
    if ((c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3))
        return c;
    return WIDE;
}

struct text {
    const uint8_t *p, *end;
    bool utf8;
};

/* The next character; bytes that are none are wide. */
static uint32_t next_char(struct text *t)
{
    uint8_t b = *t->p++;
    uint32_t c;
    int more;

    if (b < 0x80)
        return b;
    if (!t->utf8)
        return WIDE;
    more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : b >= 0xc0 ? 1 : -1;
    if (more < 0 || t->end - t->p < more)
        return WIDE;
    c = b & (0x3fu >> more);
    for (; more > 0; more--) {
        if ((*t->p & 0xc0) != 0x80)
            return WIDE;
        c = c << 6 | (*t->p++ & 0x3f);
    }
    return c;
}

/* --- hash ---------------------------------------------------------------------------------------
 */

static uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    /* The length goes in too, so that ("ab","c") and ("a","bc") differ. */
    return XXH3_64bits_withSeed(n ? p : "", n, seed ^ (n * 0xff51afd7ed558ccdu));
}

static size_t prefix_of_utf8(const uint8_t *p, size_t n, uint32_t chars)
{
    size_t at = 0;

    for (; at < n; at++)
        if ((p[at] & 0xc0) != 0x80 && chars-- == 0)
            break;
    return at;
}

static size_t without_spaces(const uint8_t *p, size_t n)
{
    while (n > 0 && p[n - 1] == ' ')
        n--;
    return n;
}

/* In pieces of a fixed length: what is hashed depends on the folded bytes alone. */
static bool hash_letters(struct text t, uint64_t seed, uint64_t *hash)
{
    uint8_t out[128];
    size_t n = 0;

    while (t.p < t.end) {
        uint32_t c = next_char(&t);

        c = c == WIDE ? WIDE : letter_of(c);
        if (c == WIDE)
            return false;
        if (c == 0)
            continue;
        if (n + 2 > sizeof out) {
            seed = hash_bytes(out, n, seed);
            n = 0;
        }
        out[n++] = (uint8_t)c;
        if (c >= 0x80)
            out[n++] = (uint8_t)(c >> 8);
    }
    *hash = hash_bytes(out, n, seed);
    return true;
}

static void hash_float(const uint8_t *p, size_t n, uint64_t seed, uint64_t *hash)
{
    static const uint8_t minus_zero[8] = {[7] = 0x80}, zero[8];

    if (n > 0 && n <= 8 && memcmp(p, minus_zero + 8 - n, n) == 0)
        p = zero;
    *hash = hash_bytes(p, n, seed);
}

bool fold_hash(enum fold f, const void *p, size_t n, uint32_t prefix, uint64_t seed, uint64_t *hash)
{
    bool utf8 = f == FOLD_BYTES_UTF8 || f == FOLD_LETTERS_UTF8;

    if (prefix != 0 && n > prefix)
        n = utf8 ? prefix_of_utf8(p, n, prefix) : prefix;
    switch (f) {
    case FOLD_TABLE:
        return false;
    case FOLD_EXACT:
        *hash = hash_bytes(p, n, seed);
        return true;
    case FOLD_FLOAT:
        hash_float(p, n, seed, hash);
        return true;
    case FOLD_BYTES:
    case FOLD_BYTES_UTF8:
        *hash = hash_bytes(p, without_spaces(p, n), seed);
        return true;
    case FOLD_LETTERS:
    case FOLD_LETTERS_UTF8:
        return hash_letters((struct text){p, (const uint8_t *)p + n, utf8}, seed, hash);
    }
    return false;
}
