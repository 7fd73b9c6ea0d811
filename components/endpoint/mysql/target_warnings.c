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

/* "Data truncated for column 'x' at row 1" of an ENUM that was given index 0, and of no other. */
static bool is_enum_zero(const struct target_table *t, const char *number, const char *text)
{
    const char *name = strchr(text, '\'');

    if (strcmp(number, "1265") != 0 || !name)
        return false;
    name++;
    for (uint16_t i = 0; i < t->def->n_columns; i++) {
        size_t len = strlen(t->def->columns[i].name);
        if (t->def->columns[i].kind == KIND_ENUM && name[len] == '\'' &&
            strncmp(t->def->columns[i].name, name, len) == 0)
            return true;
    }
    return false;
}

bool slot_warnings(struct slot *s, uint32_t write, const struct target_table *t,
                   const struct value *enum_zero, enum rows_encoding enc, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct slot_failure *f = &s->failure;

    if (!session_query(s->s, "SHOW WARNINGS", &res, e))
        return false;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        bool meant =
            enum_zero && is_enum_zero(t, row[1], row[2]) && write_has_enum_zero(t, enc, enum_zero);
        if (f->any || meant || is_harmless(row[1]))
            continue;
        *f = (struct slot_failure){
            .any = true, .write = write, .error = (unsigned)strtoul(row[1], NULL, 10)};
        (void)snprintf(f->text, sizeof f->text, "%s: %s", row[0], row[2]);
    }
    return true;
}
