/*
 * CREATE TABLE (statement_priv.h): its elements, whose foreign keys are cut, and what comes behind
 * them. Only options that change what the table is or holds are looked at.
 */
#include <string.h>

#include "components/endpoint/mysql/ddl/statement_priv.h"

/* One element of the list; *cut: the target does not get it. */
static bool read_element(struct reading *r, bool *cut)
{
    const char *name = NULL;
    struct definition d = {.place = PLACE_LAST};

    accept_constraint(r, &name);
    if (sql_accept(&r->l, "FOREIGN")) {
        *cut = true;
        return read_foreign_key(r) && skip_element(r);
    }
    return read_definition(r, &d);
}

/* ( element, element ... ), the opening parenthesis taken. A cut takes one comma with it: the one
 * before, or behind where it is the first. */
static bool read_elements(struct reading *r)
{
    uint32_t comma = 0; /* of the last element that stays, or of the first cut ones */
    bool any_kept = false;

    for (;;) {
        bool cut = false;
        uint32_t from = here(r);

        if (!read_element(r, &cut))
            return false;
        uint32_t end = behind(r);
        bool more = sql_accept_punct(&r->l, ',');
        if (cut && any_kept)
            add_cut(r, comma, end);
        else if (cut)
            add_cut(r, from, more ? behind(r) : end);
        any_kept |= !cut;
        if (!more)
            break;
        comma = behind(r) - 1;
    }
    r->s->has_body = any_kept;
    return any_kept && sql_accept_punct(&r->l, ')');
}

static bool read_option(struct reading *r, const struct sql_token *t)
{
    if (sql_is(t, "SELECT") || sql_is(t, "VALUES") || sql_is(t, "AS")) {
        r->s->selects = true;
    } else if (sql_is(t, "ENGINE") || sql_is(t, "TYPE")) {
        (void)sql_accept_punct(&r->l, '=');
        r->s->engine = read_name(r);
        return r->s->engine != NULL;
    } else if (sql_is(t, "UNION") || sql_is(t, "VERSIONING")) {
        return false; /* rows of other tables; rows that have passed */
    }
    return true;
}

/* Options, partitions, SELECT: nested parentheses hold none of them but a SELECT. */
static bool read_create_tail(struct reading *r)
{
    for (;;) {
        uint32_t from = here(r);
        struct sql_token t = sql_next(&r->l);
        if (t.kind == SQL_END)
            return true;
        if (sql_is(&t, "START") && sql_accept(&r->l, "TRANSACTION")) { /* rows follow it */
            add_cut(r, from, behind(r));
        } else if (sql_is_punct(&t, ';')) {
            return false;
        } else if (!read_option(r, &t)) {
            return false;
        }
    }
}

static bool read_model(struct reading *r)
{
    return read_table(r, DDL_ROLE_MODEL);
}

bool read_create_table(struct reading *r)
{
    r->s->class = STATEMENT_DDL;
    r->s->ddl = DDL_CREATE_TABLE;
    accept_if_exists(r);
    if (!read_table(r, DDL_ROLE_SUBJECT))
        return false;
    accept_wait(r);
    if (sql_accept(&r->l, "LIKE"))
        return read_model(r) && sql_peek(&r->l).kind == SQL_END;
    struct sql_lexer before = r->l;
    if (sql_accept_punct(&r->l, '(')) {
        if (sql_accept(&r->l, "LIKE"))
            return read_model(r) && sql_accept_punct(&r->l, ')');
        struct sql_token t = sql_peek(&r->l);
        if (sql_is(&t, "SELECT") || sql_is_punct(&t, '('))
            r->l = before;
        else if (!read_elements(r))
            return false;
    }
    return read_create_tail(r);
}
