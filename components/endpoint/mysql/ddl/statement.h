/*
 * What a statement of the log is: which kind, and which tables it names. Enough to decide whether a
 * followed table is touched; what a DDL does to a definition is not worked out here (the next table
 * map tells it). Pure. Thread: any.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_DDL_STATEMENT_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_DDL_STATEMENT_H

#include "components/endpoint/mysql/ddl/lexer.h"
#include "components/record/txn.h"

enum statement_class {
    STATEMENT_EMPTY, /* nothing but blanks and comments */
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_SAVEPOINT, /* also RELEASE SAVEPOINT */
    STATEMENT_ROLLBACK_TO,
    STATEMENT_XA_START, /* also XA BEGIN */
    STATEMENT_XA_END,
    STATEMENT_XA_PREPARE,
    STATEMENT_XA_COMMIT,
    STATEMENT_XA_ROLLBACK,
    STATEMENT_DDL,     /* on tables or databases; see ddl_kind */
    STATEMENT_DML,     /* changes rows, as a statement */
    STATEMENT_OTHER,   /* known, and changes no table: users, views, routines, upkeep */
    STATEMENT_UNKNOWN, /* begins with a word that is not known */
};

struct statement_name {
    const char *db; /* the session's, where the text names none */
    const char *name;
};
struct statement {
    enum statement_class class;
    enum ddl_kind ddl;
    bool temporary; /* a temporary table: nobody else sees it */
    bool selects;   /* CREATE TABLE ... SELECT: rows come with it */
    struct statement_name *names;
    size_t n_names;
    const char *database; /* DDL_DATABASE: its name; else NULL */
    bool drops_database;
};

/* db: the session's database, may be "". Everything lives in arena. */
void statement_read(struct view sql, const char *db, uint64_t sql_mode, struct arena *arena,
                    struct statement *out);

#endif
