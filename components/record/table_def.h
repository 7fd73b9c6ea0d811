/*
 * One version of one table's definition: what a row's bytes mean. Immutable once built, reference
 * counted (any thread), all its memory in one arena of its own. Neutral between endpoints;
 * `native` keeps the verbatim type for a target of the same family. Pure.
 */
#ifndef OMS_COMPONENTS_RECORD_TABLE_DEF_H
#define OMS_COMPONENTS_RECORD_TABLE_DEF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/err.h"
#include "components/record/kind.h"

enum generated { GENERATED_NO, GENERATED_VIRTUAL, GENERATED_STORED };

struct column_def {
    const char *name;
    enum kind kind;
    uint32_t length;   /* TEXT: characters; BINARY/BYTES: bytes; BIT: bits; 0 = not limited here */
    uint8_t precision; /* DECIMAL */
    uint8_t scale;     /* DECIMAL; fraction digits of TIME, DATETIME, TIMESTAMP */
    bool nullable;
    bool auto_increment;
    bool on_update_now; /* ON UPDATE CURRENT_TIMESTAMP: always set explicitly when writing */
    bool invisible;
    bool fixed_char; /* CHAR(n): the source strips trailing spaces */
    enum generated generated;
    const char *charset;   /* TEXT, ENUM, SET, JSON; "" otherwise */
    const char *collation; /* "" where there is none */
    const char *native;    /* "varchar(20)", "int(10) unsigned" ... */
    const char
        *members; /* ENUM/SET: members, each as varint length + bytes, column charset; or NULL */
    uint32_t members_len;
};

struct key_part {
    uint16_t column; /* index into columns; KEY_EXPRESSION: an expression */
    uint32_t prefix; /* characters (TEXT) or bytes; 0 = the whole column */
    bool descending;
};
#define KEY_EXPRESSION 0xffff

enum key_type { KEY_BTREE, KEY_HASH, KEY_FULLTEXT, KEY_SPATIAL };

struct key_def {
    const char *name;
    bool primary;
    bool unique;
    enum key_type type;
    uint16_t n_parts;
    const struct key_part *parts;
};

struct table_def {
    uint32_t id; /* number of this version in its Store (0 = not from a Store) */
    const char *db;
    const char *name;
    const char *engine; /* "" if unknown */
    const char *charset;
    const char *collation;
    uint16_t n_columns;
    const struct column_def *columns;
    uint16_t n_keys;
    const struct key_def *keys; /* primary first if there is one */
    int row_key; /* index into keys of the key rows are found by: primary, else the first
                    unique key whose columns are all NOT NULL; -1 = none */
    /* All tables that cascading foreign keys join, whichever way: the least of their names,
     * "db.table" on the server it comes from; "" = none. */
    const char *family;
    const char *create_text; /* the source's own CREATE statement, verbatim; "" if unknown */
};

/* Builds: fill a table_def in the builder's arena, then seal. The sealed def owns the arena. */
struct table_def_builder {
    struct arena arena;
    struct table_def def;
};
void table_def_builder_init(struct table_def_builder *b);
void table_def_builder_fini(struct table_def_builder *b);
/* Copies out an immutable def with one reference; computes row_key; checks indexes and lengths. */
bool table_def_seal(struct table_def_builder *b, const struct table_def **out,
                    struct err *e) MUST_CHECK;

const struct table_def *table_def_ref(const struct table_def *t); /* Thread: any. Returns t */
void table_def_unref(const struct table_def *t);                  /* Thread: any. NULL is fine */

void table_def_encode(const struct table_def *t, struct buf *out);
bool table_def_decode(struct cursor *c, const struct table_def **out, struct err *e) MUST_CHECK;
/* Same shape of rows: names, kinds, parameters, charsets, row key; not ids nor comments. */
bool table_def_same_rows(const struct table_def *a, const struct table_def *b);
/* The same CREATE statement but for the next number: nothing was changed, keys and comments
 * included. Both from one server. */
bool table_def_same_text(const struct table_def *a, const struct table_def *b);
int table_def_column(const struct table_def *t, const char *name); /* -1 = none */

#endif
