/*
 * Classifying statements (statement.h): a table of first words; those that change tables have a
 * reader that picks the names out. A reader that meets something else than it expects gives what it
 * found so far and DDL_UNKNOWN, which the log treats as touching every table.
 */
#include <string.h>

#include "common/base/compiler.h"
#include "components/endpoint/mysql/ddl/statement_priv.h"

#define NAMES_MAX 4096

static void grow_names(struct reading *r)
{
    struct statement *s = r->s;

    if (!s->names)
        s->names = arena_calloc(r->arena, NAMES_MAX, sizeof *s->names);
}

bool read_table(struct reading *r, enum ddl_role role)
{
    uint32_t from = here(r);
    const char *db = r->db, *name = read_name(r);
    struct statement *s = r->s;

    if (!name)
        return false;
    if (sql_accept_punct(&r->l, '.')) {
        db = name;
        name = read_name(r);
    }
    grow_names(r);
    if (!name || !*name || s->n_names == NAMES_MAX)
        return false;
    s->names[s->n_names++] = (struct statement_name){
        .db = db, .name = name, .role = role, .at = from, .len = behind(r) - from};
    return true;
}

const char *read_name(struct reading *r)
{
    struct sql_token t = sql_next(&r->l);

    return sql_name(&t, r->arena);
}

uint32_t here(const struct reading *r)
{
    struct sql_token t = sql_peek(&r->l);

    return (uint32_t)(t.text.p - r->text);
}

uint32_t behind(const struct reading *r)
{
    return (uint32_t)(r->l.p - r->text);
}

void add_cut(struct reading *r, uint32_t at, uint32_t end)
{
    struct statement *s = r->s;

    if (!s->cuts)
        s->cuts = arena_calloc(r->arena, NAMES_MAX, sizeof *s->cuts);
    if (s->n_cuts == NAMES_MAX)
        s->ddl = DDL_UNKNOWN;
    else
        s->cuts[s->n_cuts++] = (struct statement_cut){at, end - at};
}

void accept_if_exists(struct reading *r)
{
    if (sql_accept(&r->l, "IF")) {
        (void)sql_accept(&r->l, "NOT");
        (void)sql_accept(&r->l, "EXISTS");
        r->s->if_exists = true;
    }
}

void accept_wait(struct reading *r)
{
    if (sql_accept(&r->l, "WAIT"))
        (void)sql_next(&r->l);
    else
        (void)sql_accept(&r->l, "NOWAIT");
}

static bool as_ddl(struct reading *r, enum ddl_kind kind)
{
    r->s->class = STATEMENT_DDL;
    r->s->ddl = kind;
    return true;
}

/* [name] [USING ...] ON table */
static bool read_index(struct reading *r, bool drops)
{
    as_ddl(r, DDL_INDEX);
    r->s->drops = drops;
    accept_if_exists(r);
    for (struct sql_token t = sql_next(&r->l); t.kind != SQL_END; t = sql_next(&r->l))
        if (sql_is(&t, "ON"))
            return read_table(r, DDL_ROLE_SUBJECT);
    return false;
}

enum database_verb { DATABASE_CREATE, DATABASE_ALTER, DATABASE_DROP };
static bool read_database(struct reading *r, enum database_verb verb)
{
    as_ddl(r, DDL_DATABASE);
    accept_if_exists(r);
    struct sql_token t = sql_peek(&r->l);
    const char *name = sql_name(&t, r->arena);
    bool left_out = verb == DATABASE_ALTER && (sql_is(&t, "DEFAULT") || sql_is(&t, "CHARACTER") ||
                                               sql_is(&t, "CHARSET") || sql_is(&t, "COLLATE"));
    r->s->database = name && !left_out ? name : r->db;
    r->s->drops_database = verb == DATABASE_DROP;
    r->s->creates_database = verb == DATABASE_CREATE;
    if (!name)
        return false;
    grow_names(r);
    r->s->names[r->s->n_names++] =
        (struct statement_name){.db = r->s->database,
                                .name = "",
                                .role = DDL_ROLE_DATABASE,
                                .at = here(r),
                                .len = left_out ? 0 : (uint32_t)t.text.len};
    return true;
}

static bool read_create(struct reading *r)
{
    if (sql_accept(&r->l, "OR"))
        r->s->replaces = sql_accept(&r->l, "REPLACE");
    if (sql_accept(&r->l, "TEMPORARY"))
        r->s->temporary = true;
    if (sql_accept(&r->l, "TABLE"))
        return read_create_table(r);
    if (sql_accept(&r->l, "DATABASE") || sql_accept(&r->l, "SCHEMA"))
        return read_database(r, DATABASE_CREATE);
    bool special = sql_accept(&r->l, "UNIQUE") || sql_accept(&r->l, "FULLTEXT") ||
                   sql_accept(&r->l, "SPATIAL") || sql_accept(&r->l, "VECTOR");
    if (sql_accept(&r->l, "INDEX"))
        return read_index(r, false);
    r->s->class = STATEMENT_OTHER;
    return !special;
}

static bool read_alter(struct reading *r)
{
    (void)sql_accept(&r->l, "ONLINE");
    bool ignore = sql_accept(&r->l, "IGNORE");
    if (sql_accept(&r->l, "DATABASE") || sql_accept(&r->l, "SCHEMA"))
        return read_database(r, DATABASE_ALTER);
    if (!sql_accept(&r->l, "TABLE")) {
        r->s->class = STATEMENT_OTHER;
        return true;
    }
    bool ok = read_alter_table(r);
    if (ignore)
        r->s->invents = "rows that do not fit are dropped (IGNORE)";
    return ok;
}

static bool read_drop_tables(struct reading *r)
{
    as_ddl(r, DDL_DROP_TABLE);
    accept_if_exists(r);
    do {
        if (!read_table(r, DDL_ROLE_SUBJECT))
            return false;
    } while (sql_accept_punct(&r->l, ','));
    accept_wait(r);
    if (!sql_accept(&r->l, "RESTRICT"))
        (void)sql_accept(&r->l, "CASCADE");
    return sql_peek(&r->l).kind == SQL_END;
}

static bool read_drop(struct reading *r)
{
    if (sql_accept(&r->l, "TEMPORARY"))
        r->s->temporary = true;
    if (sql_accept(&r->l, "DATABASE") || sql_accept(&r->l, "SCHEMA"))
        return read_database(r, DATABASE_DROP);
    if (sql_accept(&r->l, "INDEX"))
        return read_index(r, true);
    if (!sql_accept(&r->l, "TABLE") && !sql_accept(&r->l, "TABLES")) {
        r->s->class = STATEMENT_OTHER;
        return true;
    }
    return read_drop_tables(r);
}

static bool read_rename(struct reading *r)
{
    if (!sql_accept(&r->l, "TABLE") && !sql_accept(&r->l, "TABLES")) {
        r->s->class = STATEMENT_OTHER;
        return true;
    }
    as_ddl(r, DDL_RENAME_TABLE);
    accept_if_exists(r);
    do {
        if (!read_table(r, DDL_ROLE_FROM))
            return false;
        accept_wait(r);
        if (!sql_accept(&r->l, "TO") || !read_table(r, DDL_ROLE_TO))
            return false;
    } while (sql_accept_punct(&r->l, ','));
    return sql_peek(&r->l).kind == SQL_END;
}

static bool read_truncate(struct reading *r)
{
    as_ddl(r, DDL_TRUNCATE);
    (void)sql_accept(&r->l, "TABLE");
    if (!read_table(r, DDL_ROLE_SUBJECT))
        return false;
    accept_wait(r);
    return sql_peek(&r->l).kind == SQL_END;
}

static bool read_rollback(struct reading *r)
{
    (void)sql_accept(&r->l, "WORK");
    r->s->class = sql_accept(&r->l, "TO") ? STATEMENT_ROLLBACK_TO : STATEMENT_ROLLBACK;
    return true;
}

static bool read_start(struct reading *r)
{
    r->s->class = sql_accept(&r->l, "TRANSACTION") ? STATEMENT_BEGIN : STATEMENT_OTHER;
    return true;
}

static bool read_xa(struct reading *r)
{
    static const struct {
        const char *word;
        enum statement_class class;
    } verbs[] = {
        {"START", STATEMENT_XA_START},   {"BEGIN", STATEMENT_XA_START},
        {"END", STATEMENT_XA_END},       {"PREPARE", STATEMENT_XA_PREPARE},
        {"COMMIT", STATEMENT_XA_COMMIT}, {"ROLLBACK", STATEMENT_XA_ROLLBACK},
    };

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (sql_accept(&r->l, verbs[i].word)) {
            r->s->class = verbs[i].class;
            return true;
        }
    return false;
}

static void classify(struct reading *r, int depth);

/* MariaDB: SET STATEMENT variable = value, ... FOR statement. */
static bool read_set(struct reading *r)
{
    r->s->class = STATEMENT_OTHER;
    if (!sql_accept(&r->l, "STATEMENT"))
        return true;
    for (struct sql_token t = sql_next(&r->l); t.kind != SQL_END; t = sql_next(&r->l))
        if (sql_is(&t, "FOR")) {
            classify(r, 1);
            return true;
        }
    return false;
}

struct first_word {
    const char *word;
    enum statement_class class;
    bool (*read)(struct reading *r); /* NULL: the class says all */
};
static const struct first_word words[] = {
    {"BEGIN", STATEMENT_BEGIN, NULL},
    {"COMMIT", STATEMENT_COMMIT, NULL},
    {"ROLLBACK", STATEMENT_ROLLBACK, read_rollback},
    {"SAVEPOINT", STATEMENT_SAVEPOINT, NULL},
    {"RELEASE", STATEMENT_SAVEPOINT, NULL},
    {"START", STATEMENT_OTHER, read_start},
    {"XA", STATEMENT_UNKNOWN, read_xa},
    {"CREATE", STATEMENT_DDL, read_create},
    {"ALTER", STATEMENT_DDL, read_alter},
    {"DROP", STATEMENT_DDL, read_drop},
    {"RENAME", STATEMENT_DDL, read_rename},
    {"TRUNCATE", STATEMENT_DDL, read_truncate},
    {"SET", STATEMENT_OTHER, read_set},
    {"INSERT", STATEMENT_DML, NULL},
    {"REPLACE", STATEMENT_DML, NULL},
    {"UPDATE", STATEMENT_DML, NULL},
    {"DELETE", STATEMENT_DML, NULL},
    {"LOAD", STATEMENT_DML, NULL},
    {"CALL", STATEMENT_DML, NULL},
    {"SELECT", STATEMENT_DML, NULL},
    {"WITH", STATEMENT_DML, NULL},
    {"DO", STATEMENT_DML, NULL},
    {"EXECUTE", STATEMENT_DML, NULL},
    {"GRANT", STATEMENT_OTHER, NULL},
    {"REVOKE", STATEMENT_OTHER, NULL},
    {"FLUSH", STATEMENT_OTHER, NULL},
    {"ANALYZE", STATEMENT_OTHER, NULL},
    {"OPTIMIZE", STATEMENT_OTHER, NULL},
    {"REPAIR", STATEMENT_OTHER, NULL},
    {"CHECK", STATEMENT_OTHER, NULL},
    {"CACHE", STATEMENT_OTHER, NULL},
    {"INSTALL", STATEMENT_OTHER, NULL},
    {"UNINSTALL", STATEMENT_OTHER, NULL},
    {"LOCK", STATEMENT_OTHER, NULL},
    {"UNLOCK", STATEMENT_OTHER, NULL},
    {"KILL", STATEMENT_OTHER, NULL},
    {"PURGE", STATEMENT_OTHER, NULL},
    {"RESET", STATEMENT_OTHER, NULL},
};

/* depth: within how many SET STATEMENT ... FOR. */
static void classify(struct reading *r, int depth)
{
    struct sql_token t = sql_next(&r->l);

    r->s->class = STATEMENT_UNKNOWN;
    if (t.kind == SQL_END) {
        r->s->class = STATEMENT_EMPTY;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!sql_is(&t, words[i].word) || (depth > 0 && words[i].read == read_set))
            continue;
        r->s->class = words[i].class;
        if (words[i].read && !words[i].read(r)) {
            r->s->ddl = DDL_UNKNOWN;
            if (r->s->class == STATEMENT_OTHER)
                r->s->class = STATEMENT_UNKNOWN;
        }
        return;
    }
}

void statement_read(struct view sql, const char *db, uint64_t sql_mode, struct arena *arena,
                    struct statement *out)
{
    struct reading r = {
        .l = sql_lexer_of(sql, sql_mode), .text = sql.p, .db = db, .arena = arena, .s = out};

    *out = (struct statement){.class = STATEMENT_EMPTY};
    classify(&r, 0);
}
