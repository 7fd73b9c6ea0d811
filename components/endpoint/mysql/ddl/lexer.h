/*
 * Tokens of a statement in the family's SQL, as the log carries it. Comments are blanks, except
 * executable ones, whose inside counts. Under ANSI_QUOTES "x" is a name. Pure. Thread: any.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_DDL_LEXER_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_DDL_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/cursor.h"

#define SQL_MODE_ANSI_QUOTES 4u
#define SQL_MODE_NO_BACKSLASH_ESCAPES 0x100000u

enum sql_token_kind {
    SQL_END,
    SQL_WORD,   /* an unquoted name, keyword or number */
    SQL_NAME,   /* a quoted name */
    SQL_STRING, /* a literal */
    SQL_PUNCT,  /* one byte */
};
struct sql_token {
    enum sql_token_kind kind;
    struct view text; /* with its quotes */
};
struct sql_lexer {
    const uint8_t *p, *end;
    bool ansi_quotes, no_backslash;
    bool inside; /* an executable comment: its end is a blank */
};
struct sql_lexer sql_lexer_of(struct view text, uint64_t sql_mode);
struct sql_token sql_next(struct sql_lexer *l);
struct sql_token sql_peek(const struct sql_lexer *l);

bool sql_is(const struct sql_token *t, const char *word); /* a WORD, any letter case */
bool sql_is_punct(const struct sql_token *t, char c);
/* Takes the next token if it is that word (or byte). */
bool sql_accept(struct sql_lexer *l, const char *word);
bool sql_accept_punct(struct sql_lexer *l, char c);
/* A WORD or NAME without its quotes, NUL-terminated in arena; NULL: the token is no name. */
const char *sql_name(const struct sql_token *t, struct arena *arena);

#endif
