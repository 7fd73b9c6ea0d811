/*
 * Classifying statements (statement.h): a table of first words; those that change tables have a
 * reader that picks the names out. A reader that meets something else than it expects gives what it
 * found so far and DDL_UNKNOWN, which the log treats as touching every table.
 */
#include "components/endpoint/mysql/ddl/statement.h"

#include <string.h>

#include "common/base/compiler.h"

#define NAMES_MAX 4096

struct reading {
    struct sql_lexer l;
    const char *db;
    struct arena *arena;
    struct statement *s;
};

static void add_name(struct reading *r, const char *db, const char *name)
{
    struct statement *s = r->s;

    if (!s->names)
        s->names = arena_calloc(r->arena, NAMES_MAX, sizeof *s->names);
    if (s->n_names == NAMES_MAX)
        s->ddl = DDL_UNKNOWN;
    else
        s->names[s->n_names++] = (struct statement_name){.db = db, .name = name};
}

/* "t" or "d.t"; false: there is no name. */
static bool read_table(struct reading *r)
{
    struct sql_token t = sql_next(&r->l);
    const char *first = sql_name(&t, r->arena);

    if (!first)
        return false;
    if (!sql_accept_punct(&r->l, '.')) {
        add_name(r, r->db, first);
        return true;
    }
    t = sql_next(&r->l);
    const char *second = sql_name(&t, r->arena);
    if (second)
        add_name(r, first, second);
    return second != NULL;
}

static void accept_if_exists(struct reading *r)
{
    if (sql_accept(&r->l, "IF")) {
        (void)sql_accept(&r->l, "NOT");
        (void)sql_accept(&r->l, "EXISTS");
    }
}

static void accept_wait(struct reading *r)
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

/* What a CREATE TABLE does besides making the table: LIKE names another, SELECT brings rows. */
static void scan_create_tail(struct reading *r)
{
    if (sql_accept(&r->l, "LIKE")) {
        (void)read_table(r);
        return;
    }
    if (sql_accept_punct(&r->l, '(') && sql_accept(&r->l, "LIKE")) {
        (void)read_table(r);
        return;
    }
    for (struct sql_token t = sql_next(&r->l); t.kind != SQL_END; t = sql_next(&r->l))
        if (sql_is(&t, "SELECT"))
            r->s->selects = true;
}

static bool read_create_table(struct reading *r)
{
    as_ddl(r, DDL_CREATE_TABLE);
    accept_if_exists(r);
    if (!read_table(r))
        return false;
    scan_create_tail(r);
    return true;
}

/* [name] [USING ...] ON table */
static bool read_index(struct reading *r)
{
    as_ddl(r, DDL_INDEX);
    accept_if_exists(r);
    for (struct sql_token t = sql_next(&r->l); t.kind != SQL_END; t = sql_next(&r->l))
        if (sql_is(&t, "ON"))
            return read_table(r);
    return false;
}

static bool read_database(struct reading *r, bool drops)
{
    as_ddl(r, DDL_DATABASE);
    accept_if_exists(r);
    struct sql_token t = sql_peek(&r->l);
    const char *name = sql_name(&t, r->arena);
    r->s->database = name ? name : r->db; /* ALTER DATABASE may leave it out */
    r->s->drops_database = drops;
    return true;
}

static bool read_create(struct reading *r)
{
    if (sql_accept(&r->l, "OR"))
        (void)sql_accept(&r->l, "REPLACE");
    if (sql_accept(&r->l, "TEMPORARY"))
        r->s->temporary = true;
    if (sql_accept(&r->l, "TABLE"))
        return read_create_table(r);
    if (sql_accept(&r->l, "DATABASE") || sql_accept(&r->l, "SCHEMA"))
        return read_database(r, false);
    bool special = sql_accept(&r->l, "UNIQUE") || sql_accept(&r->l, "FULLTEXT") ||
                   sql_accept(&r->l, "SPATIAL") || sql_accept(&r->l, "VECTOR");
    if (sql_accept(&r->l, "INDEX"))
        return read_index(r);
    r->s->class = STATEMENT_OTHER;
    return !special;
}

/* Other tables that an ALTER TABLE names: RENAME TO x, WITH TABLE x, CONVERT ... TABLE x. */
static bool scan_alter_tail(struct reading *r)
{
    int depth = 0;

    for (struct sql_token t = sql_next(&r->l); t.kind != SQL_END; t = sql_next(&r->l)) {
        depth += sql_is_punct(&t, '(') ? 1 : sql_is_punct(&t, ')') ? -1 : 0;
        if (depth > 0)
            continue;
        if (sql_is(&t, "TABLE")) {
            if (!read_table(r))
                return false;
        } else if (sql_is(&t, "RENAME")) {
            struct sql_token next = sql_peek(&r->l);
            if (sql_is(&next, "COLUMN") || sql_is(&next, "INDEX") || sql_is(&next, "KEY"))
                continue;
            if (!sql_accept(&r->l, "TO") && !sql_accept(&r->l, "AS"))
                (void)sql_accept_punct(&r->l, '=');
            if (!read_table(r))
                return false;
        }
    }
    return true;
}

static bool read_alter(struct reading *r)
{
    (void)sql_accept(&r->l, "ONLINE");
    (void)sql_accept(&r->l, "IGNORE");
    if (sql_accept(&r->l, "DATABASE") || sql_accept(&r->l, "SCHEMA"))
        return read_database(r, false);
    if (!sql_accept(&r->l, "TABLE")) {
        r->s->class = STATEMENT_OTHER;
        return true;
    }
    as_ddl(r, DDL_ALTER_TABLE);
    accept_if_exists(r);
    return read_table(r) && scan_alter_tail(r);
}

static bool read_drop(struct reading *r)
{
    if (sql_accept(&r->l, "TEMPORARY"))
        r->s->temporary = true;
    if (sql_accept(&r->l, "DATABASE") || sql_accept(&r->l, "SCHEMA"))
        return read_database(r, true);
    if (sql_accept(&r->l, "INDEX"))
        return read_index(r);
    if (!sql_accept(&r->l, "TABLE") && !sql_accept(&r->l, "TABLES")) {
        r->s->class = STATEMENT_OTHER;
        return true;
    }
    as_ddl(r, DDL_DROP_TABLE);
    accept_if_exists(r);
    do {
        if (!read_table(r))
            return false;
    } while (sql_accept_punct(&r->l, ','));
    return true;
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
        if (!read_table(r))
            return false;
        accept_wait(r);
        if (!sql_accept(&r->l, "TO") || !read_table(r))
            return false;
    } while (sql_accept_punct(&r->l, ','));
    return true;
}

static bool read_truncate(struct reading *r)
{
    as_ddl(r, DDL_TRUNCATE);
    (void)sql_accept(&r->l, "TABLE");
    return read_table(r);
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
    struct reading r = {.l = sql_lexer_of(sql, sql_mode), .db = db, .arena = arena, .s = out};

    *out = (struct statement){.class = STATEMENT_EMPTY};
    classify(&r, 0);
}
