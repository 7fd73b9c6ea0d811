/*
 * The text of SHOW CREATE TABLE, cut at clause borders by a lexer: columns, keys, constraints and
 * the tail of options. Nothing is interpreted beyond that, so what this code does not know passes
 * through verbatim. Pure.
 */
#ifndef OMS_COMPONENTS_CONVERT_CREATE_TEXT_H
#define OMS_COMPONENTS_CONVERT_CREATE_TEXT_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/cursor.h"
#include "common/base/err.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* keyword or number */
    TOKEN_NAME,   /* `name` */
    TOKEN_STRING, /* 'text' or "text" */
    TOKEN_PUNCT,  /* one character */
    TOKEN_BAD,    /* a quote or comment that never ends */
};
struct token {
    enum token_kind kind;
    struct view text; /* with its quotes */
};
struct lexer {
    const uint8_t *p, *end;
};
struct lexer lexer_of(struct view text);
/* Comments are skipped: they stay in the text between tokens. */
struct token lexer_next(struct lexer *l);
bool token_is(const struct token *t, const char *word); /* WORD or PUNCT, any letter case */
/* A name without its quotes. */
const char *token_name(const struct token *t, struct arena *arena);

enum clause_kind {
    CLAUSE_COLUMN,
    CLAUSE_PRIMARY,
    CLAUSE_UNIQUE,
    CLAUSE_PLAIN,   /* KEY, FULLTEXT KEY, SPATIAL KEY, VECTOR KEY */
    CLAUSE_FOREIGN, /* [CONSTRAINT name] FOREIGN KEY */
    CLAUSE_CHECK,
    CLAUSE_PERIOD,
};
struct clause {
    enum clause_kind kind;
    const char *name; /* of column, key or constraint; "" where it has none */
    struct view text; /* without the comma and the blanks around it */
};
struct create_text {
    struct clause *clauses;
    size_t n;
    struct view tail; /* after the closing parenthesis */
};
/* Everything lives in arena or in text. ERR_UNSUPPORTED: not a CREATE TABLE of this form. */
bool create_text_parse(const char *text, struct arena *arena, struct create_text *out,
                       struct err *e) MUST_CHECK;

#endif
