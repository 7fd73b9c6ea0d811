/* Lexer and clause splitter (create_text.h). */
#include "components/convert/create_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/vec.h"

struct lexer lexer_of(struct view text)
{
    return (struct lexer){text.p, text.p + text.len};
}

/* Past blanks and comments; false: a comment that never ends. */
static bool skip_blanks(struct lexer *l)
{
    while (l->p < l->end) {
        if (isspace(*l->p)) {
            l->p++;
            continue;
        }
        if (l->end - l->p < 2 || l->p[0] != '/' || l->p[1] != '*')
            return true;
        const uint8_t *close = memmem(l->p + 2, (size_t)(l->end - l->p - 2), "*/", 2);
        if (!close)
            return false;
        l->p = close + 2;
    }
    return true;
}

/* From an opening quote to behind the closing one; NULL: it never closes. */
static const uint8_t *quote_end(const uint8_t *p, const uint8_t *end)
{
    uint8_t q = *p++;

    while (p < end) {
        if (*p == '\\' && q != '`') {
            p += 2;
            continue;
        }
        if (*p++ != q)
            continue;
        if (p == end || *p != q)
            return p;
        p++;
    }
    return NULL;
}

static bool is_word(uint8_t c)
{
    return isalnum(c) || c == '_' || c == '$' || c >= 0x80;
}

struct token lexer_next(struct lexer *l)
{
    struct token t = {.kind = TOKEN_BAD};

    if (!skip_blanks(l)) {
        l->p = l->end;
        return t;
    }
    if (l->p == l->end) {
        t.kind = TOKEN_END;
        return t;
    }
    const uint8_t *start = l->p;
    if (*start == '`' || *start == '\'' || *start == '"') {
        const uint8_t *close = quote_end(start, l->end);
        t.kind = !close ? TOKEN_BAD : *start == '`' ? TOKEN_NAME : TOKEN_STRING;
        l->p = close ? close : l->end;
    } else if (is_word(*start)) {
        while (l->p < l->end && is_word(*l->p))
            l->p++;
        t.kind = TOKEN_WORD;
    } else {
        l->p++;
        t.kind = TOKEN_PUNCT;
    }
    t.text = (struct view){start, (size_t)(l->p - start)};
    return t;
}

bool token_is(const struct token *t, const char *word)
{
    return (t->kind == TOKEN_WORD || t->kind == TOKEN_PUNCT) && t->text.len == strlen(word) &&
           strncasecmp((const char *)t->text.p, word, t->text.len) == 0;
}

const char *token_name(const struct token *t, struct arena *arena)
{
    const char *from = (const char *)t->text.p;

    if (t->kind != TOKEN_NAME)
        return arena_strndup(arena, from, t->text.len);
    char *name = arena_strndup(arena, from + 1, t->text.len - 2);
    char *to = name;
    for (const char *p = name; *p; p++) {
        if (p[0] == '`' && p[1] == '`')
            p++;
        *to++ = *p;
    }
    *to = '\0';
    return name;
}

/* --- clauses ------------------------------------------------------------------------------------
 */

/* The next token as a name if it is one; else "" and the lexer stays. */
static const char *name_if_any(struct lexer *l, struct arena *arena)
{
    struct lexer ahead = *l;
    struct token t = lexer_next(&ahead);

    if (t.kind != TOKEN_NAME)
        return "";
    *l = ahead;
    return token_name(&t, arena);
}

static bool classify_key(struct lexer l, struct clause *c, struct arena *arena)
{
    struct token t = lexer_next(&l);

    if (token_is(&t, "UNIQUE")) {
        c->kind = CLAUSE_UNIQUE;
        t = lexer_next(&l);
    } else if (token_is(&t, "FULLTEXT") || token_is(&t, "SPATIAL") || token_is(&t, "VECTOR")) {
        c->kind = CLAUSE_PLAIN;
        t = lexer_next(&l);
    } else {
        c->kind = CLAUSE_PLAIN;
    }
    if (!token_is(&t, "KEY") && !token_is(&t, "INDEX"))
        return false;
    c->name = name_if_any(&l, arena);
    return true;
}

static bool classify(struct clause *c, struct arena *arena)
{
    struct lexer l = lexer_of(c->text);
    struct lexer start = l;
    struct token t = lexer_next(&l);

    c->name = "";
    if (t.kind == TOKEN_NAME) {
        c->kind = CLAUSE_COLUMN;
        c->name = token_name(&t, arena);
        return true;
    }
    if (token_is(&t, "CONSTRAINT")) {
        c->name = name_if_any(&l, arena);
        t = lexer_next(&l);
    }
    if (token_is(&t, "PRIMARY"))
        c->kind = CLAUSE_PRIMARY;
    else if (token_is(&t, "FOREIGN"))
        c->kind = CLAUSE_FOREIGN;
    else if (token_is(&t, "CHECK"))
        c->kind = CLAUSE_CHECK;
    else if (token_is(&t, "PERIOD"))
        c->kind = CLAUSE_PERIOD;
    else
        return classify_key(start, c, arena);
    return true;
}

static struct view trimmed(const uint8_t *from, const uint8_t *to)
{
    while (from < to && isspace(*from))
        from++;
    while (to > from && isspace(to[-1]))
        to--;
    return (struct view){from, (size_t)(to - from)};
}

typedef VEC(struct clause) clause_vec;

/* The clauses from behind the opening parenthesis; the lexer ends behind the closing one. */
static bool split(struct lexer *l, struct arena *arena, clause_vec *out, struct err *e)
{
    const uint8_t *from = l->p;
    int depth = 1;

    while (depth > 0) {
        struct token t = lexer_next(l);
        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
            return err_set(e, ERR_UNSUPPORTED, "the definition ends in the middle of its clauses");
        if (token_is(&t, "("))
            depth++;
        if (token_is(&t, ")"))
            depth--;
        if (depth > 1 || (depth == 1 && !token_is(&t, ",")))
            continue;
        struct clause c = {.text = trimmed(from, t.text.p)};
        if (!classify(&c, arena))
            return err_set(e, ERR_UNSUPPORTED, "the definition has an unknown clause '%.*s'",
                           (int)(c.text.len > 200 ? 200 : c.text.len), (const char *)c.text.p);
        vec_push(out, c);
        from = l->p;
    }
    return true;
}

bool create_text_parse(const char *text, struct arena *arena, struct create_text *out,
                       struct err *e)
{
    struct lexer l = lexer_of((struct view){(const uint8_t *)text, strlen(text)});
    struct token t = lexer_next(&l);

    if (!token_is(&t, "CREATE"))
        return err_set(e, ERR_UNSUPPORTED, "the definition does not begin with CREATE");
    while (!token_is(&t, "(")) {
        t = lexer_next(&l);
        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
            return err_set(e, ERR_UNSUPPORTED, "the definition has no list of columns");
    }
    clause_vec clauses = {0};
    bool ok = split(&l, arena, &clauses, e);
    if (ok) {
        out->clauses = arena_memdup(arena, clauses.at, clauses.n * sizeof *clauses.at);
        out->n = clauses.n;
        out->tail = trimmed(l.p, l.end);
    }
    vec_fini(&clauses);
    return ok;
}
