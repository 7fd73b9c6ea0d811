/* Shared by statement*.c only (statement.h). A reader that meets what it does not expect gives
 * false, and the statement becomes DDL_UNKNOWN. */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_DDL_STATEMENT_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_DDL_STATEMENT_PRIV_H

#include "components/endpoint/mysql/ddl/statement.h"

struct reading {
    struct sql_lexer l;
    const uint8_t *text;
    const char *db;
    struct arena *arena;
    struct statement *s;
};

/* "t" or "d.t", with its role. */
bool read_table(struct reading *r, enum ddl_role role);
void accept_if_exists(struct reading *r);
void accept_wait(struct reading *r);
/* The next token as a name; NULL: it is none. */
const char *read_name(struct reading *r);
/* Where the next token begins. */
uint32_t here(const struct reading *r);
/* Behind the last byte that was read, blanks not counted. */
uint32_t behind(const struct reading *r);
void add_cut(struct reading *r, uint32_t at, uint32_t end);

/* --- statement_column.c: up to, not including, a comma or parenthesis that ends the element ------
 */
struct definition { /* of a column */
    bool auto_increment;
    bool own_data; /* a function that gives each server, or each call, something else */
    enum action_place place;
    const char *after;
};
bool read_definition(struct reading *r, struct definition *d);
/* FOREIGN KEY ..., the word FOREIGN taken already. */
bool read_foreign_key(struct reading *r);
/* CONSTRAINT [name], where there is one. */
void accept_constraint(struct reading *r, const char **name);
bool skip_parens(struct reading *r); /* the opening one is next */
bool skip_element(struct reading *r);

bool read_create_table(struct reading *r);
bool read_alter_table(struct reading *r);

#endif
