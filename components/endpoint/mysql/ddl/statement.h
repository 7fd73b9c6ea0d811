/*
 * What a statement of the log is: its class, every table and database it names and where, and what
 * an ALTER TABLE does. Lexer and recursive descent, our own; what is not understood to the end is
 * DDL_UNKNOWN, never a guess. Names are replaced by splicing the spans; nothing else of the text is
 * made anew. Pure. Thread: any.
 *
 *   statement.c         entry, verbs, names      statement_create.c  CREATE TABLE
 *   statement_alter.c   ALTER TABLE's actions    statement_column.c  definitions inside both
 *   comments.c          executable comments
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
    const char *db;   /* the session's, where the text names none */
    const char *name; /* "": a database alone */
    enum ddl_role role;
    uint32_t at, len; /* "db.name" in the text */
};

enum action_kind {
    ACTION_ADD_COLUMN,
    ACTION_DROP_COLUMN,
    ACTION_MODIFY_COLUMN,
    ACTION_CHANGE_COLUMN,
    ACTION_RENAME_COLUMN,
    ACTION_ALTER_COLUMN, /* default, visibility */
    ACTION_ADD_INDEX,
    ACTION_ADD_UNIQUE,
    ACTION_ADD_PRIMARY,
    ACTION_DROP_INDEX,
    ACTION_DROP_PRIMARY,
    ACTION_RENAME_INDEX,
    ACTION_ALTER_INDEX,
    ACTION_ADD_FOREIGN_KEY,
    ACTION_DROP_FOREIGN_KEY,
    ACTION_ADD_CHECK,
    ACTION_DROP_CONSTRAINT,
    ACTION_RENAME_TABLE,
    ACTION_CONVERT_CHARSET,
    ACTION_OPTIONS, /* engine, comment, charset ...; also ALGORITHM, LOCK, FORCE, KEYS, ORDER BY */
    ACTION_PARTITION,
    ACTION_EXCHANGE, /* partitions and tables change places */
    ACTION_TABLESPACE,
    ACTION_VERSIONING,
};
enum action_place { PLACE_LAST, PLACE_FIRST, PLACE_AFTER };
struct statement_action { /* of an ALTER TABLE, in its order */
    enum action_kind kind;
    const char *name;     /* the column, index or constraint; "" where none is named */
    const char *new_name; /* renamed to; else NULL */
    enum action_place place;
    const char *after; /* PLACE_AFTER */
    bool auto_increment;
    uint32_t at, len; /* the whole action */
};
struct statement_cut { /* what the target does not get: foreign keys, held until release */
    uint32_t at, len;
};

struct statement {
    enum statement_class class;
    enum ddl_kind ddl;
    bool temporary; /* a temporary table: nobody else sees it */
    bool selects;   /* CREATE TABLE ... SELECT: rows come with it */
    bool drops;     /* DROP INDEX, not CREATE INDEX */
    bool replaces;  /* CREATE OR REPLACE */
    bool if_exists; /* also IF NOT EXISTS */
    bool has_body;  /* CREATE TABLE with columns of its own: not LIKE another */
    bool cascades;  /* a foreign key with an action of its own: rows will change silently (A8) */
    bool only_cuts; /* nothing is left when the cuts are out */
    const char *engine;  /* told, or NULL */
    const char *invents; /* why rows of a filled table would get data of the server's own; or NULL
                            (A3) */
    const char *auto_column; /* invents, unless this column counts up already; or NULL */
    struct statement_name *names;
    size_t n_names;
    struct statement_action *actions;
    size_t n_actions;
    struct statement_cut *cuts;
    size_t n_cuts;
    const char *database; /* DDL_DATABASE: its name; else NULL */
    bool drops_database, creates_database;
};

/* db: the session's database, may be "". Everything lives in arena. */
void statement_read(struct view sql, const char *db, uint64_t sql_mode, struct arena *arena,
                    struct statement *out);

/* Executable comments as that server reads them: what it executes loses its comment marks, what it
 * does not is blanked, each byte for byte. Without any, the same text. */
struct view statement_text(struct view sql, uint64_t sql_mode, bool is_mariadb, uint32_t version,
                           struct arena *arena);

#endif
