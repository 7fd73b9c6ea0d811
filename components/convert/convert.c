/*
 * DDL for a target of the same family (convert.h), from the source's own text. What is changed:
 * names of table and databases, which keys are there, options that name places on the source's
 * disks, and text defaults of binary columns, which are written in hexadecimal so that the
 * statement is valid utf8. A unique key that only AUTO_INCREMENT needs is created without UNIQUE
 * first (A10) and replaced when the unique keys come. Called by oms-task, full import and
 * incr-sync.
 */
#include "components/convert/convert.h"

#include <string.h>
#include <strings.h>

#include "components/convert/create_text.h"

static void quote_name(struct buf *out, const char *name)
{
    buf_u8(out, '`');
    for (const char *p = name; *p; p++) {
        if (*p == '`')
            buf_u8(out, '`');
        buf_u8(out, (uint8_t)*p);
    }
    buf_u8(out, '`');
}

static void quote_table(struct buf *out, const char *db, const char *table)
{
    quote_name(out, db);
    buf_u8(out, '.');
    quote_name(out, table);
}

static bool check_out(const struct buf *ddl, const struct table_def *t, struct err *e)
{
    return buf_ok(ddl) ||
           err_set(e, ERR_LIMIT, "the definition of '%s.%s' is larger than %zu bytes", t->db,
                   t->name, ddl->max);
}

static bool parse(const struct table_def *t, struct arena *arena, struct create_text *out,
                  struct err *e)
{
    return create_text_parse(t->create_text, arena, out, e) ||
           err_wrap(e, "convert table '%s.%s'", t->db, t->name);
}

/* --- columns ------------------------------------------------------------------------------------
 */

static int byte_of_escape(uint8_t c)
{
    switch (c) {
    case '0':
        return 0;
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'Z':
        return 26;
    default:
        return c;
    }
}

/* 'text' as x'hex'. */
static void put_hex_string(struct buf *out, struct view quoted)
{
    const uint8_t *p = quoted.p + 1, *end = quoted.p + quoted.len - 1;

    buf_str(out, "x'");
    while (p < end) {
        unsigned c = *p++;
        if (c == '\\' && p < end)
            c = (unsigned)byte_of_escape(*p++);
        else if (c == quoted.p[0] && p < end)
            p++; /* a doubled quote */
        buf_printf(out, "%02X", c);
    }
    buf_u8(out, '\'');
}

/* A column's clause; a text default of a binary column becomes hexadecimal. */
static void put_column(struct buf *out, const struct column_def *c, struct view text)
{
    struct lexer l = lexer_of(text);
    struct token t, before = {.kind = TOKEN_END};

    if (c->kind == KIND_BINARY || c->kind == KIND_BYTES)
        while ((t = lexer_next(&l)).kind != TOKEN_END && t.kind != TOKEN_BAD) {
            if (t.kind == TOKEN_STRING && token_is(&before, "DEFAULT")) {
                buf_append(out, text.p, (size_t)(t.text.p - text.p));
                put_hex_string(out, t.text);
                buf_append(out, l.p, (size_t)(text.p + text.len - l.p));
                return;
            }
            before = t;
        }
    buf_append(out, text.p, text.len);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static const struct key_def *find_key(const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (strcasecmp(t->keys[i].name, name) == 0)
            return &t->keys[i];
    return NULL;
}

static bool starts_with_auto_increment(const struct table_def *t, const struct key_def *k)
{
    return k->n_parts > 0 && k->parts[0].column < t->n_columns &&
           t->columns[k->parts[0].column].auto_increment;
}

/* The key that AUTO_INCREMENT needs beside the row key; NULL: none. */
static const struct key_def *auto_increment_key(const struct table_def *t)
{
    bool wanted = false;

    for (uint16_t i = 0; i < t->n_columns; i++)
        wanted = wanted || t->columns[i].auto_increment;
    if (!wanted || (t->row_key >= 0 && starts_with_auto_increment(t, &t->keys[t->row_key])))
        return NULL;
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (starts_with_auto_increment(t, &t->keys[i]))
            return &t->keys[i];
    return NULL;
}

/* The clause without its first word (UNIQUE). */
static struct view without_first_word(struct view text)
{
    struct lexer l = lexer_of(text);

    (void)lexer_next(&l);
    return (struct view){l.p, (size_t)(text.p + text.len - l.p)};
}

/* Does the first table have this clause, and in which words? */
static bool clause_for_create(const struct table_def *t, const struct clause *c,
                              const struct key_def *auto_key, struct view *text)
{
    const struct key_def *row_key = t->row_key >= 0 ? &t->keys[t->row_key] : NULL;

    *text = c->text;
    switch (c->kind) {
    case CLAUSE_COLUMN:
    case CLAUSE_PRIMARY:
    case CLAUSE_CHECK:
    case CLAUSE_PERIOD:
        return true;
    case CLAUSE_FOREIGN:
        return false;
    case CLAUSE_UNIQUE:
        if (row_key && strcasecmp(row_key->name, c->name) == 0)
            return true;
        *text = without_first_word(c->text);
        break;
    case CLAUSE_PLAIN:
        break;
    }
    return auto_key && strcasecmp(auto_key->name, c->name) == 0;
}

/* The options behind the columns, without DATA DIRECTORY and INDEX DIRECTORY. */
static bool put_tail(struct buf *out, struct view tail, struct err *e)
{
    struct lexer l = lexer_of(tail);
    const uint8_t *from = tail.p;
    struct token t, before = {.kind = TOKEN_END};
    const uint8_t *before_at = tail.p;

    while ((t = lexer_next(&l)).kind != TOKEN_END) {
        if (t.kind == TOKEN_BAD)
            return err_set(e, ERR_UNSUPPORTED, "the table's options end in the middle");
        if (token_is(&t, "VERSIONING"))
            return err_set(e, ERR_UNSUPPORTED, "system-versioned tables are not carried");
        if (token_is(&t, "DIRECTORY") &&
            (token_is(&before, "DATA") || token_is(&before, "INDEX"))) {
            buf_append(out, from, (size_t)(before_at - from));
            t = lexer_next(&l);
            if (token_is(&t, "="))
                t = lexer_next(&l);
            from = l.p;
        }
        before = t;
        before_at = t.text.p;
    }
    buf_append(out, from, (size_t)(tail.p + tail.len - from));
    return true;
}

static bool put_create(const struct table_def *t, const struct create_text *create,
                       const char *to_db, const char *to_table, struct buf *ddl, struct err *e)
{
    const struct key_def *auto_key = auto_increment_key(t);
    uint16_t column = 0;

    buf_str(ddl, "CREATE TABLE ");
    quote_table(ddl, to_db, to_table);
    buf_str(ddl, " (");
    for (size_t i = 0, n = 0; i < create->n; i++) {
        struct view text;
        if (!clause_for_create(t, &create->clauses[i], auto_key, &text))
            continue;
        buf_str(ddl, n++ > 0 ? ",\n  " : "\n  ");
        if (create->clauses[i].kind != CLAUSE_COLUMN) {
            buf_append(ddl, text.p, text.len);
            continue;
        }
        if (column >= t->n_columns || strcmp(t->columns[column].name, create->clauses[i].name) != 0)
            return err_set(e, ERR_UNSUPPORTED, "the text and the columns of '%s.%s' differ at '%s'",
                           t->db, t->name, create->clauses[i].name);
        put_column(ddl, &t->columns[column++], text);
    }
    buf_str(ddl, "\n) ");
    return put_tail(ddl, create->tail, e);
}

bool convert_create_table(const struct table_def *t, const char *to_db, const char *to_table,
                          struct buf *ddl, struct err *e)
{
    struct arena arena;
    struct create_text create;

    arena_init(&arena, 0);
    bool ok = parse(t, &arena, &create, e) && put_create(t, &create, to_db, to_table, ddl, e) &&
              check_out(ddl, t, e);
    arena_fini(&arena);
    return ok;
}

/* --- indexes ------------------------------------------------------------------------------------
 */

/* What is to do for this clause: nothing, add, or replace the stand-in of AUTO_INCREMENT. */
enum index_need { INDEX_THERE, INDEX_ADD, INDEX_REPLACE };

static enum index_need index_need(const struct table_def *t, const struct table_def *existing,
                                  const struct clause *c, enum index_set set)
{
    if (c->kind != (set == INDEX_PLAIN ? CLAUSE_PLAIN : CLAUSE_UNIQUE))
        return INDEX_THERE;
    const struct key_def *there = find_key(existing, c->name);
    if (!there)
        return INDEX_ADD;
    const struct key_def *source = find_key(t, c->name);
    return source && source->unique && !there->unique ? INDEX_REPLACE : INDEX_THERE;
}

bool convert_add_indexes(const struct table_def *t, const struct table_def *existing,
                         const char *to_db, const char *to_table, enum index_set set,
                         struct buf *ddl, bool *any, struct err *e)
{
    struct arena arena;
    struct create_text create;
    size_t n = 0;

    arena_init(&arena, 0);
    bool ok = parse(t, &arena, &create, e);
    for (size_t i = 0; ok && i < create.n; i++) {
        const struct clause *c = &create.clauses[i];
        enum index_need need = index_need(t, existing, c, set);
        if (need == INDEX_THERE)
            continue;
        if (n++ == 0) {
            buf_str(ddl, "ALTER TABLE ");
            quote_table(ddl, to_db, to_table);
            buf_u8(ddl, ' ');
        } else {
            buf_str(ddl, ", ");
        }
        if (need == INDEX_REPLACE) {
            buf_str(ddl, "DROP KEY ");
            quote_name(ddl, c->name);
            buf_str(ddl, ", ");
        }
        buf_str(ddl, "ADD ");
        buf_append(ddl, c->text.p, c->text.len);
    }
    arena_fini(&arena);
    if (!ok || !check_out(ddl, t, e))
        return false;
    *any = n > 0;
    return true;
}

/* --- foreign keys -------------------------------------------------------------------------------
 */

struct foreign { /* one foreign key while it is written */
    const struct table_def *table;
    struct arena *arena;
    convert_map *map;
    void *arg;
};

/* The clause with the referenced table's name mapped. */
static bool put_foreign(struct buf *out, const struct foreign *f, const struct clause *c,
                        struct err *e)
{
    struct lexer l = lexer_of(c->text);
    struct token t = lexer_next(&l);
    const char *db = f->table->db, *table, *to_db, *to_table;

    while (!token_is(&t, "REFERENCES") && t.kind != TOKEN_END && t.kind != TOKEN_BAD)
        t = lexer_next(&l);
    buf_append(out, c->text.p, (size_t)(l.p - c->text.p));
    t = lexer_next(&l);
    if (t.kind != TOKEN_NAME)
        return err_set(e, ERR_UNSUPPORTED, "foreign key '%s' of '%s.%s' has no referenced table",
                       c->name, f->table->db, f->table->name);
    table = token_name(&t, f->arena);
    struct lexer ahead = l;
    t = lexer_next(&ahead);
    if (token_is(&t, ".")) {
        db = table;
        t = lexer_next(&ahead);
        table = token_name(&t, f->arena);
        l = ahead;
    }
    f->map(f->arg, db, table, &to_db, &to_table);
    buf_u8(out, ' ');
    quote_table(out, to_db, to_table);
    buf_append(out, l.p, (size_t)(c->text.p + c->text.len - l.p));
    return true;
}

/* ON DELETE or ON UPDATE with CASCADE, SET NULL or SET DEFAULT. */
static bool foreign_cascades(const struct clause *c)
{
    struct lexer l = lexer_of(c->text);
    struct token before = {0};

    for (struct token t = lexer_next(&l); t.kind != TOKEN_END && t.kind != TOKEN_BAD;
         t = lexer_next(&l)) {
        if ((token_is(&before, "DELETE") || token_is(&before, "UPDATE")) &&
            (token_is(&t, "CASCADE") || token_is(&t, "SET")))
            return true;
        before = t;
    }
    return false;
}

bool convert_foreign_keys(const struct table_def *t, const char *to_db, const char *to_table,
                          convert_map *map, convert_each *each, void *arg, struct err *e)
{
    struct arena arena;
    struct create_text create;
    struct buf ddl;

    arena_init(&arena, 0);
    buf_init(&ddl, 1u << 20);
    struct foreign f = {.table = t, .arena = &arena, .map = map, .arg = arg};
    bool ok = parse(t, &arena, &create, e);
    for (size_t i = 0; ok && i < create.n; i++) {
        if (create.clauses[i].kind != CLAUSE_FOREIGN)
            continue;
        buf_clear(&ddl);
        buf_str(&ddl, "ALTER TABLE ");
        quote_table(&ddl, to_db, to_table);
        buf_str(&ddl, " ADD ");
        ok = put_foreign(&ddl, &f, &create.clauses[i], e) && check_out(&ddl, t, e) &&
             each(arg, create.clauses[i].name, foreign_cascades(&create.clauses[i]), buf_cstr(&ddl),
                  e);
    }
    buf_fini(&ddl);
    arena_fini(&arena);
    return ok;
}
