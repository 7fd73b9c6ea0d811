/*
 * Definitions for the other family (translate.h). The CREATE text is cut into clauses, each is
 * copied token by token with the few words changed that differ, and comments that are code for the
 * source are turned into words of the target or left out. The columns are changed in the same way,
 * so that the target's own definition can be compared with them.
 */
#include "components/convert/translate.h"

#include <string.h>
#include <strings.h>

#include "components/convert/create_text.h"

#define TEXT_MAX (16u << 20)

struct translation {
    const struct table_def *t;
    enum convert_way way;
    struct table_def_builder b;
    struct column_def *columns;
    struct buf text;
    struct buf *notes; /* or NULL */
    bool nearest;      /* a collation became the nearest */
};

static void note(struct translation *x, const char *what, const char *name)
{
    if (x->notes)
        buf_printf(x->notes, "%s '%s'\n", what, name);
}

/* --- columns ------------------------------------------------------------------------------------
 */

static bool refuse_column(const struct translation *x, const struct column_def *c, struct err *e)
{
    return err_set(
        e, ERR_UNSUPPORTED,
        "column '%s' of table '%s.%s' has type '%s', which %s does not have: exclude the "
        "table, or change the column's type",
        c->name, x->t->db, x->t->name, c->native,
        x->way == CONVERT_TO_MARIADB ? "MariaDB" : "MySQL");
}

static void as_mariadb(struct column_def *c)
{
    if (c->kind == KIND_JSON) { /* an alias there, of a text with a check */
        c->kind = KIND_TEXT;
        c->native = "longtext";
        c->length = UINT32_MAX;
        c->charset = "utf8mb4";
        c->collation = "utf8mb4_bin";
    } else if (c->kind == KIND_YEAR) {
        c->native = "year(4)";
    } else if (strcmp(c->native, "geomcollection") == 0) {
        c->native = "geometrycollection";
    }
    if (c->generated != GENERATED_NO)
        c->nullable = true; /* cannot be said of a generated column there */
}

static void as_mysql(struct column_def *c)
{
    if (c->kind == KIND_YEAR)
        c->native = "year";
    else if (strcmp(c->native, "geometrycollection") == 0)
        c->native = "geomcollection";
}

static bool translate_column(struct translation *x, struct column_def *c, struct err *e)
{
    char name[64];

    if (x->way == CONVERT_TO_MARIADB ? c->kind == KIND_VECTOR
                                     : c->kind == KIND_UUID || c->kind == KIND_INET4 ||
                                           c->kind == KIND_INET6 || c->kind == KIND_VECTOR)
        return refuse_column(x, c, e);
    if (x->way == CONVERT_TO_MARIADB)
        as_mariadb(c);
    else
        as_mysql(c);
    c->collation =
        arena_strdup(&x->b.arena, convert_collation(c->collation, x->way, name, &x->nearest));
    return true;
}

static bool translate_columns(struct translation *x, struct err *e)
{
    const struct table_def *t = x->t;
    char name[64];

    x->columns = arena_calloc(&x->b.arena, t->n_columns, sizeof *x->columns);
    for (uint16_t i = 0; i < t->n_columns; i++) {
        x->columns[i] = t->columns[i];
        if (!translate_column(x, &x->columns[i], e))
            return false;
    }
    x->b.def.columns = x->columns;
    x->b.def.collation =
        arena_strdup(&x->b.arena, convert_collation(t->collation, x->way, name, &x->nearest));
    return true;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static bool has_expression(const struct key_def *k)
{
    for (uint16_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].column == KEY_EXPRESSION)
            return true;
    return false;
}

static void translate_keys(struct translation *x)
{
    const struct table_def *t = x->t;
    struct key_def *keys = arena_calloc(&x->b.arena, t->n_keys + 1u, sizeof *keys);
    uint16_t n = 0;

    for (uint16_t i = 0; i < t->n_keys; i++) {
        if (x->way == CONVERT_TO_MARIADB && has_expression(&t->keys[i]))
            note(x,
                 t->keys[i].unique
                     ? "not made, since MariaDB has no keys over expressions; what it "
                       "forbids is not forbidden there: unique key"
                     : "not made, since MariaDB has no keys over expressions: key",
                 t->keys[i].name);
        else
            keys[n++] = t->keys[i];
    }
    x->b.def.keys = keys;
    x->b.def.n_keys = n;
}

static bool is_dropped_key(const struct translation *x, const struct clause *c)
{
    if (c->kind != CLAUSE_UNIQUE && c->kind != CLAUSE_PLAIN)
        return false;
    for (uint16_t i = 0; i < x->b.def.n_keys; i++)
        if (strcasecmp(x->b.def.keys[i].name, c->name) == 0)
            return false;
    return true;
}

/* --- text ---------------------------------------------------------------------------------------
 */

/* What lies between two tokens: blanks, and comments that may be code. */
static void put_gap(struct translation *x, const struct clause *c, const uint8_t *from,
                    const uint8_t *to)
{
    struct buf *out = &x->text;
    size_t n = (size_t)(to - from);

    if (!memmem(from, n, "/*", 2)) {
        buf_append(out, from, n);
        return;
    }
    buf_u8(out, ' ');
    if (!c && memmem(from, n, "PARTITION", 9)) /* of both families, told by versions both run */
        buf_append(out, from, n);
    else if (x->way == CONVERT_TO_MARIADB && c && memmem(from, n, "INVISIBLE", 9))
        buf_str(out, c->kind == CLAUSE_COLUMN ? "INVISIBLE " : "IGNORED ");
}

/* A token that is written otherwise there; false: it is as it is. */
static bool put_word(struct translation *x, const struct token *t)
{
    char word[80], name[64];

    if (t->kind != TOKEN_WORD || t->text.len >= sizeof word)
        return false;
    memcpy(word, t->text.p, t->text.len);
    word[t->text.len] = '\0';
    const char *to = convert_collation(word, x->way, name, NULL);
    if (strcmp(to, word) == 0 && x->way == CONVERT_TO_MARIADB &&
        strcmp(word, "geomcollection") == 0)
        to = "geometrycollection";
    if (strcmp(to, word) == 0)
        return false;
    buf_str(&x->text, to);
    return true;
}

struct place {                       /* where in a column's clause we are */
    const struct column_def *column; /* NULL: another clause */
    int depth;
    bool wrap; /* a default's expression is being put into parentheses */
};

/* MySQL wants a default that calls a function in parentheses, but for the time of now. */
static bool begins_bare_call(struct lexer l, const struct token *t)
{
    static const char *const bare[] = {"current_timestamp", "now", "localtime", "localtimestamp"};

    struct token next = lexer_next(&l);
    if (t->kind != TOKEN_WORD || !token_is(&next, "("))
        return false;
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++)
        if (token_is(t, bare[i]))
            return false;
    return true;
}

/* A text's plain default, which MySQL takes as an expression only. */
static bool is_long_literal(const struct place *at, const struct token *t)
{
    const struct column_def *c = at->column;
    bool is_long = c->kind == KIND_JSON || c->kind == KIND_GEOMETRY ||
                   ((c->kind == KIND_TEXT || c->kind == KIND_BYTES) && !strstr(c->native, "char") &&
                    !strstr(c->native, "binary"));

    return is_long && !token_is(t, "NULL") && !token_is(t, "(");
}

/* NOT NULL of a generated column: MariaDB has no such thing. */
static bool skip_not_null(const struct translation *x, const struct place *at, struct lexer *l,
                          const struct token *t)
{
    struct lexer ahead = *l;

    if (x->way != CONVERT_TO_MARIADB || !at->column || at->depth > 0 ||
        at->column->generated == GENERATED_NO || !token_is(t, "NOT"))
        return false;
    struct token next = lexer_next(&ahead);
    if (!token_is(&next, "NULL"))
        return false;
    *l = ahead;
    return true;
}

/* Does MySQL want to know where the default that follows begins? */
static bool begins_default(const struct translation *x, const struct place *at,
                           const struct token *before)
{
    return x->way == CONVERT_TO_MYSQL && at->column && !at->wrap && at->depth == 0 &&
           token_is(before, "DEFAULT");
}

static void put_token(struct translation *x, struct place *at, const struct lexer *l,
                      const struct token *t, const struct token *before)
{
    bool is_default = begins_default(x, at, before);
    bool call = is_default && begins_bare_call(*l, t);
    bool literal = is_default && !call && is_long_literal(at, t);

    if (call || literal)
        buf_u8(&x->text, '(');
    at->wrap = at->wrap || call;
    if (token_is(t, "("))
        at->depth++;
    if (!put_word(x, t))
        buf_append(&x->text, t->text.p, t->text.len);
    if (literal)
        buf_u8(&x->text, ')');
    if (token_is(t, ")") && --at->depth == 0 && at->wrap) {
        buf_u8(&x->text, ')');
        at->wrap = false;
    }
}

/* c NULL: the options behind the clauses. */
static void put_text(struct translation *x, const struct clause *c, struct view text,
                     const struct column_def *column)
{
    struct lexer l = lexer_of(text);
    struct place at = {.column = column};
    struct token t, before = {.kind = TOKEN_END};
    const uint8_t *from = text.p;

    while ((t = lexer_next(&l)).kind != TOKEN_END && t.kind != TOKEN_BAD) {
        put_gap(x, c, from, t.text.p);
        if (!skip_not_null(x, &at, &l, &t))
            put_token(x, &at, &l, &t, &before);
        before = t;
        from = l.p;
    }
    put_gap(x, c, from, text.p + text.len);
}

static bool is_not_enforced(const struct clause *c)
{
    return c->kind == CLAUSE_CHECK && memmem(c->text.p, c->text.len, "NOT ENFORCED", 12);
}

static void put_clauses(struct translation *x, const struct create_text *create)
{
    uint16_t column = 0;
    bool any = false;

    for (size_t i = 0; i < create->n; i++) {
        const struct clause *c = &create->clauses[i];
        bool is_column = c->kind == CLAUSE_COLUMN && column < x->t->n_columns;
        if (is_dropped_key(x, c))
            continue;
        if (x->way == CONVERT_TO_MARIADB && is_not_enforced(c)) {
            note(x, "not made, since MariaDB enforces every check: check", c->name);
            continue;
        }
        buf_str(&x->text, any ? ",\n  " : "\n  ");
        any = true;
        put_text(x, c, c->text, is_column ? &x->t->columns[column++] : NULL);
    }
}

static bool translate_text(struct translation *x, struct err *e)
{
    struct arena arena;
    struct create_text create;

    if (!x->t->create_text[0])
        return true;
    arena_init(&arena, 0);
    bool ok = create_text_parse(x->t->create_text, &arena, &create, e);
    if (ok) {
        buf_str(&x->text, "CREATE TABLE `t` (");
        put_clauses(x, &create);
        buf_str(&x->text, "\n) ");
        put_text(x, NULL, create.tail, NULL);
    }
    arena_fini(&arena);
    if (ok && !buf_ok(&x->text))
        ok = err_set(e, ERR_LIMIT, "the definition is larger than %u bytes", TEXT_MAX);
    if (ok)
        x->b.def.create_text = buf_cstr(&x->text);
    return ok;
}

bool convert_table(const struct table_def *t, enum convert_way way, const struct table_def **out,
                   struct buf *notes, struct err *e)
{
    struct translation x = {.t = t, .way = way, .notes = notes};

    if (way == CONVERT_SAME) {
        *out = table_def_ref(t);
        return true;
    }
    table_def_builder_init(&x.b);
    buf_init(&x.text, TEXT_MAX);
    x.b.def = *t;
    bool ok = translate_columns(&x, e);
    if (ok) {
        translate_keys(&x);
        ok = translate_text(&x, e) && table_def_seal(&x.b, out, e);
    }
    if (ok && x.nearest && notes)
        buf_printf(
            notes,
            "the collations become the nearest ones: text is kept to the byte, the order and "
            "equality of rare characters may differ: table '%s'\n",
            t->name);
    buf_fini(&x.text);
    table_def_builder_fini(&x.b);
    return ok || err_wrap(e, "convert table '%s.%s'", t->db, t->name);
}
