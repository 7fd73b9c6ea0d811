/*
 * Strictness of a slot's session, and what the server's warnings say of a write: most of them that
 * a value was changed, which must never be committed.
 * Called by target_apply.c, target_load.c. Thread: one per slot.
 */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/target_priv.h"

bool slot_strict(struct slot *s, bool on, struct err *e)
{
    return session_exec(s->s,
                        on ? "SET sql_mode=CONCAT('STRICT_ALL_TABLES,',@@sql_mode)"
                           : "SET sql_mode=REPLACE(@@sql_mode,'STRICT_ALL_TABLES','')",
                        e);
}

/* Notes that say nothing about the rows: a statement that is unsafe for statement-based logs, a
 * form that will go away. */
static bool is_harmless(const char *number)
{
    return strcmp(number, "1592") == 0 || strcmp(number, "1287") == 0;
}

/* The column of the target that the text names first. */
static const struct column_def *column_in(const struct target_table *t, const char *text)
{
    const char *name = strchr(text, '\'');

    for (uint16_t i = 0; name && i < t->def->n_columns; i++) {
        size_t len = strlen(t->def->columns[i].name);
        if (strncmp(t->def->columns[i].name, name + 1, len) == 0 && name[1 + len] == '\'')
            return &t->def->columns[i];
    }
    return NULL;
}

/* "Data truncated for column 'x' at row 1" of an ENUM that was given index 0, and of no other. */
static bool is_enum_zero(const struct target_table *t, const char *number, const char *text)
{
    const struct column_def *c = strcmp(number, "1265") == 0 ? column_in(t, text) : NULL;

    return c && c->kind == KIND_ENUM;
}

/* "Field 'x' doesn't have a default value": it has the empty one now. */
static bool is_implicit(const struct target_table *t, const char *number, const char *text)
{
    const struct column_def *c = strcmp(number, "1364") == 0 ? column_in(t, text) : NULL;

    return c && target_kind_is_implicit(c->kind);
}

static void fail(struct slot *s, uint32_t write, const char *number, const char *what,
                 const char *text)
{
    struct slot_failure *f = &s->failure;

    if (f->any)
        return;
    *f = (struct slot_failure){
        .any = true, .write = write, .error = (unsigned)strtoul(number, NULL, 10)};
    (void)snprintf(f->text, sizeof f->text, "%s: %s", what, text);
}

bool slot_warnings(struct slot *s, uint32_t write, const struct target_table *t,
                   const struct loosened *as, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    uint16_t implicit = 0;

    if (!session_query(s->s, "SHOW WARNINGS", &res, e))
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        bool filled = as && as->implicit > 0 && is_implicit(t, row[1], row[2]);
        implicit += filled;
        if (!filled && !(as && as->enum_zero && is_enum_zero(t, row[1], row[2])) &&
            !is_harmless(row[1]))
            fail(s, write, row[1], row[0], row[2]);
    }
    if (as && implicit != as->implicit)
        fail(s, write, "0", "Error",
             "an empty GEOMETRY or VECTOR can only be put where the column has no default");
    return true;
}
