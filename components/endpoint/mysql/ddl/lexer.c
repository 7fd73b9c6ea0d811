/* Tokens (lexer.h). Bytes from 0x80 on belong to words: the text is in utf8 or another charset that
 * keeps ASCII. */
#include "components/endpoint/mysql/ddl/lexer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct sql_lexer sql_lexer_of(struct view text, uint64_t sql_mode)
{
    return (struct sql_lexer){.p = text.p,
                              .end = text.p + text.len,
                              .ansi_quotes = sql_mode & SQL_MODE_ANSI_QUOTES,
                              .no_backslash = sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES};
}

static bool at(const struct sql_lexer *l, const char *s)
{
    size_t n = strlen(s);

    return (size_t)(l->end - l->p) >= n && memcmp(l->p, s, n) == 0;
}

static void skip_line(struct sql_lexer *l)
{
    while (l->p < l->end && *l->p != '\n')
        l->p++;
}

static void skip_comment(struct sql_lexer *l)
{
    for (l->p += 2; l->p < l->end && !at(l, "*/"); l->p++)
        continue;
    if (l->p < l->end)
        l->p += 2;
}

/* "/" "*!50100 x *" "/" and MariaDB's "/" "*M!" : what is inside is part of the statement. */
static bool enter_executable(struct sql_lexer *l)
{
    size_t n = at(l, "/*!") ? 3 : at(l, "/*M!") ? 4 : 0;

    if (n == 0)
        return false;
    l->p += n;
    while (l->p < l->end && isdigit(*l->p))
        l->p++;
    l->inside = true;
    return true;
}

static bool is_dash_comment(const struct sql_lexer *l)
{
    return at(l, "--") && (l->end - l->p == 2 || isspace(l->p[2]) || iscntrl(l->p[2]));
}

static void skip_blanks(struct sql_lexer *l)
{
    while (l->p < l->end) {
        if (isspace(*l->p) || *l->p == '\0') {
            l->p++;
        } else if (*l->p == '#' || is_dash_comment(l)) {
            skip_line(l);
        } else if (l->inside && at(l, "*/")) {
            l->p += 2;
            l->inside = false;
        } else if (at(l, "/*")) {
            if (!enter_executable(l))
                skip_comment(l);
        } else {
            return;
        }
    }
}

/* From the opening quote to behind the closing one. A quote that never ends reaches the end. */
static void skip_quoted(struct sql_lexer *l, bool backslash)
{
    uint8_t quote = *l->p++;

    while (l->p < l->end) {
        uint8_t c = *l->p++;
        if (c == '\\' && backslash && l->p < l->end) {
            l->p++;
        } else if (c == quote) {
            if (l->p == l->end || *l->p != quote)
                return;
            l->p++;
        }
    }
}

static bool in_word(uint8_t c)
{
    return isalnum(c) || c == '_' || c == '$' || c >= 0x80;
}

struct sql_token sql_next(struct sql_lexer *l)
{
    struct sql_token t = {.kind = SQL_END};

    skip_blanks(l);
    const uint8_t *from = l->p;
    if (l->p == l->end) {
        t.text = (struct view){from, 0};
        return t;
    }
    if (*from == '`' || (*from == '"' && l->ansi_quotes)) {
        skip_quoted(l, false);
        t.kind = SQL_NAME;
    } else if (*from == '\'' || *from == '"') {
        skip_quoted(l, !l->no_backslash);
        t.kind = SQL_STRING;
    } else if (in_word(*from)) {
        while (l->p < l->end && in_word(*l->p))
            l->p++;
        t.kind = SQL_WORD;
    } else {
        l->p++;
        t.kind = SQL_PUNCT;
    }
    t.text = (struct view){from, (size_t)(l->p - from)};
    return t;
}

struct sql_token sql_peek(const struct sql_lexer *l)
{
    struct sql_lexer copy = *l;

    return sql_next(&copy);
}

bool sql_is(const struct sql_token *t, const char *word)
{
    return t->kind == SQL_WORD && t->text.len == strlen(word) &&
           strncasecmp((const char *)t->text.p, word, t->text.len) == 0;
}

bool sql_is_punct(const struct sql_token *t, char c)
{
    return t->kind == SQL_PUNCT && t->text.p[0] == (uint8_t)c;
}

bool sql_accept(struct sql_lexer *l, const char *word)
{
    struct sql_lexer copy = *l;
    struct sql_token t = sql_next(&copy);

    if (!sql_is(&t, word))
        return false;
    *l = copy;
    return true;
}

bool sql_accept_punct(struct sql_lexer *l, char c)
{
    struct sql_lexer copy = *l;
    struct sql_token t = sql_next(&copy);

    if (!sql_is_punct(&t, c))
        return false;
    *l = copy;
    return true;
}

const char *sql_name(const struct sql_token *t, struct arena *arena)
{
    if (t->kind == SQL_WORD)
        return arena_strndup(arena, (const char *)t->text.p, t->text.len);
    if (t->kind != SQL_NAME || t->text.len < 2)
        return NULL;
    uint8_t quote = t->text.p[0];
    char *out = arena_alloc(arena, t->text.len), *w = out;
    for (size_t i = 1; i + 1 < t->text.len; i++) {
        *w++ = (char)t->text.p[i];
        if (t->text.p[i] == quote && t->text.p[i + 1] == quote && i + 2 < t->text.len)
            i++;
    }
    *w = '\0';
    return out;
}
