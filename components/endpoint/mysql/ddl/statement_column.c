/*
 * Definitions inside CREATE and ALTER TABLE (statement_priv.h): only what matters to another
 * server is looked at; types and expressions are passed over token by token, by depth.
 */
#include <string.h>

#include "common/base/compiler.h"
#include "components/endpoint/mysql/ddl/statement_priv.h"

/* Functions that give each server, or each call, something else; clocks are not among them: the
 * statement runs under the source's. */
static const char *const own_functions[] = {
    "UUID",         "UUID_V4",      "UUID_V7",          "UUID_SHORT",    "SYS_GUID",
    "RAND",         "RANDOM_BYTES", "SYSDATE",          "CONNECTION_ID", "USER",
    "SESSION_USER", "SYSTEM_USER",  "CURRENT_USER",     "CURRENT_ROLE",  "VERSION",
    "NEXTVAL",      "LASTVAL",      "LAST_INSERT_ID",   "LOAD_FILE",     "GET_LOCK",
    "FOUND_ROWS",   "ROW_COUNT",    "STATEMENT_DIGEST", "NEXT",          "SETVAL",
};

static bool ends_element(const struct sql_token *t)
{
    return t->kind == SQL_END || sql_is_punct(t, ',') || sql_is_punct(t, ')');
}

bool skip_element(struct reading *r)
{
    for (struct sql_token t = sql_peek(&r->l); !ends_element(&t); t = sql_peek(&r->l)) {
        if (sql_is_punct(&t, '(')) {
            if (!skip_parens(r))
                return false;
        } else {
            (void)sql_next(&r->l);
        }
    }
    return true;
}

void accept_constraint(struct reading *r, const char **name)
{
    if (!sql_accept(&r->l, "CONSTRAINT"))
        return;
    struct sql_token t = sql_peek(&r->l);
    if (sql_is(&t, "PRIMARY") || sql_is(&t, "UNIQUE") || sql_is(&t, "FOREIGN") ||
        sql_is(&t, "CHECK"))
        return;
    *name = read_name(r);
}

/* [MATCH x] [ON DELETE|UPDATE action] ... */
static bool read_reference_actions(struct reading *r)
{
    for (;;) {
        if (sql_accept(&r->l, "MATCH")) {
            (void)sql_next(&r->l);
            continue;
        }
        struct sql_lexer before = r->l;
        if (!sql_accept(&r->l, "ON"))
            return true;
        if (!sql_accept(&r->l, "DELETE") && !sql_accept(&r->l, "UPDATE")) {
            r->l = before;
            return true;
        }
        if (sql_accept(&r->l, "CASCADE"))
            r->s->cascades = true;
        else if (sql_accept(&r->l, "SET"))
            r->s->cascades |= sql_accept(&r->l, "NULL") || sql_accept(&r->l, "DEFAULT");
        else if (sql_accept(&r->l, "NO"))
            (void)sql_accept(&r->l, "ACTION");
        else if (!sql_accept(&r->l, "RESTRICT"))
            return false;
    }
}

/* REFERENCES t [(columns)] ..., the word taken already. */
static bool read_references(struct reading *r)
{
    if (!read_table(r, DDL_ROLE_REFERENCE))
        return false;
    struct sql_token t = sql_peek(&r->l);
    if (sql_is_punct(&t, '(') && !skip_parens(r))
        return false;
    return read_reference_actions(r);
}

bool read_foreign_key(struct reading *r)
{
    if (!sql_accept(&r->l, "KEY"))
        return false;
    accept_if_exists(r);
    struct sql_token t = sql_peek(&r->l);
    if (!sql_is_punct(&t, '(') && !read_name(r))
        return false;
    return skip_parens(r) && sql_accept(&r->l, "REFERENCES") && read_references(r);
}

static bool is_own_function(const struct reading *r, const struct sql_token *t)
{
    struct sql_token next = sql_peek(&r->l);

    if (sql_is_punct(t, '@') || (sql_is(t, "NEXT") && sql_is(&next, "VALUE")) ||
        sql_is(t, "CURRENT_USER") || sql_is(t, "CURRENT_ROLE"))
        return true;
    if (!sql_is_punct(&next, '('))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(own_functions); i++)
        if (sql_is(t, own_functions[i]))
            return true;
    return false;
}

/* Inside parentheses: only functions count, where d is not NULL. */
static bool scan_parens(struct reading *r, struct definition *d)
{
    int depth = 0;

    do {
        struct sql_token t = sql_next(&r->l);
        if (t.kind == SQL_END)
            return false;
        depth += sql_is_punct(&t, '(') ? 1 : sql_is_punct(&t, ')') ? -1 : 0;
        if (d)
            d->own_data |= is_own_function(r, &t);
    } while (depth > 0);
    return true;
}

bool skip_parens(struct reading *r)
{
    return scan_parens(r, NULL);
}

static bool read_attribute(struct reading *r, struct definition *d)
{
    uint32_t from = here(r);
    struct sql_token t = sql_next(&r->l);

    if (sql_is(&t, "REFERENCES")) { /* a foreign key at a column */
        if (!read_references(r))
            return false;
        add_cut(r, from, behind(r));
    } else if (sql_is(&t, "AUTO_INCREMENT") || sql_is(&t, "SERIAL")) {
        d->auto_increment = true;
    } else if (sql_is(&t, "FIRST")) {
        d->place = PLACE_FIRST;
    } else if (sql_is(&t, "AFTER")) {
        d->place = PLACE_AFTER;
        d->after = read_name(r);
        return d->after != NULL;
    } else {
        d->own_data |= is_own_function(r, &t);
    }
    return true;
}

bool read_definition(struct reading *r, struct definition *d)
{
    for (struct sql_token t = sql_peek(&r->l); !ends_element(&t); t = sql_peek(&r->l)) {
        if (sql_is_punct(&t, '(') ? !scan_parens(r, d) : !read_attribute(r, d))
            return false;
    }
    return true;
}
