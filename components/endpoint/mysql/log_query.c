/*
 * Statements in the log (log_priv.h): which end a group, which are DDL on followed tables, and
 * which mean that rows were not logged as rows. Texts about users and rights are neither kept nor
 * shown: a message names at most the first word of a statement that is not a DDL.
 */
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/ddl/statement.h"
#include "components/endpoint/mysql/log_priv.h"

#define SQL_MAX (64u << 20)
#define FLAG_EXPLICIT_TIMESTAMPS 0x1000000u /* MariaDB's flags2 */

struct asked { /* one QUERY event */
    struct binlog_query q;
    struct statement s;
    const char *db;
    struct view sql; /* in utf8 */
    struct buf utf8; /* where it was converted */
    bool is_unsure;  /* a literal may be other bytes than the source's */
};

static const char *first_word(struct log *l, const struct asked *a)
{
    struct sql_lexer lexer = sql_lexer_of(a->sql, a->q.sql_mode);
    struct sql_token t = sql_next(&lexer);
    const char *word = sql_name(&t, &l->arena);

    return word ? word : "";
}

/* --- DDL ----------------------------------------------------------------------------------------
 */

static struct view view_of(const char *s)
{
    return (struct view){(const uint8_t *)s, s ? strlen(s) : 0};
}

static bool is_followed(struct log *l, const struct statement_name *n)
{
    return tables_get(l, view_of(n->db), view_of(n->name))->followed;
}

/* A database is in scope if a followed table is known in it, or would be followed. */
static bool database_in_scope(struct log *l, const char *db)
{
    struct statement_name any = {.db = db, .name = "any"};

    return tables_any_followed_in(l, db) || is_followed(l, &any);
}

static bool in_scope(struct log *l, const struct statement *s)
{
    if (s->temporary)
        return false;
    if (s->ddl == DDL_UNKNOWN)
        return true;
    if (s->ddl == DDL_DATABASE)
        return database_in_scope(l, s->database);
    for (size_t i = 0; i < s->n_names; i++)
        if (is_followed(l, &s->names[i]))
            return true;
    return false;
}

/* A foreign key joins tables that the statement does not change. */
static bool has_foreign_key(const struct asked *a)
{
    struct sql_lexer lexer = sql_lexer_of(a->sql, a->q.sql_mode);

    for (struct sql_token t = sql_next(&lexer); t.kind != SQL_END; t = sql_next(&lexer))
        if (sql_is(&t, "FOREIGN") || sql_is(&t, "REFERENCES") || sql_is(&t, "CONSTRAINT"))
            return true;
    return false;
}

/* The tables whose definitions may be others afterwards. */
static void tell_touched(const struct asked *a, touched_table *touched, void *arg)
{
    const struct statement *s = &a->s;

    if (s->temporary)
        return;
    if (s->ddl == DDL_UNKNOWN || has_foreign_key(a))
        touched(arg, NULL, NULL, a->sql);
    else if (s->ddl == DDL_DATABASE)
        touched(arg, s->database, NULL, a->sql);
    for (size_t i = 0; i < s->n_names; i++)
        touched(arg, s->names[i].db, s->names[i].name, a->sql);
}

static void mark_stale(void *arg, const char *db, const char *name, struct view sql)
{
    (void)sql;
    tables_stale(arg, db, name);
}

/* Nothing of it concerns a followed table. */
static bool no_change(struct log *l)
{
    if (l->group.standalone)
        group_commit(l);
    return true;
}

/* What the session's TIMESTAMP columns became that say nothing of NULL and a default. MySQL tells
 * it where it mattered; MariaDB with every statement, from these versions on. */
static uint32_t timestamps_of(const struct log *l, const struct asked *a)
{
    static const uint32_t patch_from[10] = {99, 99, 99, 99, 99, 17, 9, 5, 4, 2}; /* of 10.0 ... */
    uint32_t v = l->s->version, minor = v / 100 % 100;
    bool is_explicit = a->q.explicit_timestamps, told = a->q.told & BINLOG_Q_TIMESTAMPS;

    if (l->s->is_mariadb) {
        is_explicit = a->q.flags2 & FLAG_EXPLICIT_TIMESTAMPS;
        told = a->q.told & BINLOG_Q_FLAGS2 &&
               (v >= 101000 || (v >= 100000 && v % 100 >= patch_from[minor]));
    }
    return (told ? DDL_F_TIMESTAMPS : 0) | (told && is_explicit ? DDL_F_EXPLICIT : 0);
}

static uint32_t flags_of(const struct log *l, const struct asked *a)
{
    const struct statement *s = &a->s;
    uint32_t f = s->ddl == DDL_UNKNOWN || a->is_unsure ? 0 : DDL_F_READ;

    f |= timestamps_of(l, a);
    f |= s->selects ? DDL_F_SELECTS : 0;
    f |= s->drops || s->drops_database ? DDL_F_DROPS : 0;
    f |= s->creates_database ? DDL_F_CREATES : 0;
    f |= s->replaces ? DDL_F_REPLACES : 0;
    f |= s->if_exists ? DDL_F_IF_EXISTS : 0;
    f |= s->has_body ? DDL_F_HAS_BODY : 0;
    f |= s->cascades ? DDL_F_CASCADES : 0;
    f |= s->only_cuts ? DDL_F_ONLY_CUTS : 0;
    for (size_t i = 0; i < s->n_actions; i++)
        f |= s->actions[i].new_name ? DDL_F_RENAMES : 0;
    return f;
}

static struct view collation_name(struct log *l, const struct asked *a, uint16_t id)
{
    const struct collation *c =
        a->q.told & BINLOG_Q_CHARSET ? collation_find(&l->collations, id) : NULL;

    return view_of(c ? c->name : "");
}

static void put_lists(struct log *l, const struct statement *s, struct buf *tables,
                      struct buf *cuts)
{
    for (size_t i = 0; i < s->n_names; i++) {
        const struct statement_name *n = &s->names[i];
        const struct table_def *def =
            *n->name ? tables_get(l, view_of(n->db), view_of(n->name))->def : NULL;

        ddl_table_put(tables, &(struct ddl_table){.db = view_of(n->db),
                                                  .name = view_of(n->name),
                                                  .role = (uint8_t)n->role,
                                                  .at = n->at,
                                                  .len = n->len,
                                                  .version = def ? def->id : 0});
    }
    for (size_t i = 0; i < s->n_cuts; i++)
        ddl_cut_put(cuts, &(struct ddl_cut){s->cuts[i].at, s->cuts[i].len});
}

static void write_ddl(struct log *l, struct asked *a, const struct txn_head *head, uint32_t more)
{
    const struct statement *s = &a->s;
    const struct statement_name *first = s->n_names ? &s->names[0] : NULL;
    struct buf tables CLEANUP(buf_fini), cuts CLEANUP(buf_fini);

    buf_init(&tables, SQL_MAX);
    buf_init(&cuts, SQL_MAX);
    put_lists(l, s, &tables, &cuts);
    struct ddl_record d = {.sql = a->sql,
                           .default_db = a->q.db,
                           .sql_mode = a->q.sql_mode,
                           .charset_client = a->q.charset_client,
                           .collation_connection = a->q.collation_connection,
                           .collation_server = a->q.collation_server,
                           .time_zone = a->q.time_zone,
                           .vars = a->q.status,
                           .db = view_of(first         ? first->db
                                         : s->database ? s->database
                                                       : ""),
                           .table = view_of(first ? first->name : ""),
                           .n_tables = (uint16_t)s->n_names,
                           .ddl_kind = (uint8_t)s->ddl,
                           .in_scope = true,
                           .flags = flags_of(l, a) | more,
                           .invents = view_of(s->invents),
                           .auto_column = view_of(s->auto_column),
                           .engine = view_of(s->engine),
                           .collation_connection_name =
                               collation_name(l, a, a->q.collation_connection),
                           .collation_server_name = collation_name(l, a, a->q.collation_server),
                           .n_cuts = (uint32_t)s->n_cuts,
                           .tables = {tables.p, tables.len},
                           .cuts = {cuts.p, cuts.len}};
    record_write_ddl(l->writer.out, head, &d);
}

/* A table that is made and filled in one group: the rows are further parts of its transaction. */
static bool ddl_with_rows(struct log *l, struct asked *a, struct err *e)
{
    if (a->s.ddl != DDL_CREATE_TABLE || l->group.parts > 0 || l->group.has_rows)
        return err_set(e, ERR_UNSUPPORTED, "a definition changes inside a transaction: '%.*s'",
                       a->sql.len > 200 ? 200 : (int)a->sql.len, (const char *)a->sql.p);
    struct txn_head head = group_head(l);
    write_ddl(l, a, &head, DDL_F_ROWS);
    l->group.parts++;
    return true;
}

static bool ddl_in(struct log *l, struct asked *a, const struct binlog_header *h, struct err *e)
{
    tell_touched(a, mark_stale, l);
    if (!in_scope(l, &a->s) || l->group.known)
        return no_change(l);
    l->group.commit.us = (int64_t)h->timestamp * 1000000 + a->q.microseconds;
    l->group.transactional = true;
    if (!l->group.standalone)
        return ddl_with_rows(l, a, e);
    struct txn_head head = group_head(l);
    head.flags |= TXN_F_LAST;
    write_ddl(l, a, &head, 0);
    group_done(l);
    return true;
}

/* --- XA -----------------------------------------------------------------------------------------
 */

static bool xa_statement_in(struct log *l, const struct asked *a, struct err *e)
{
    bool commits = a->s.class == STATEMENT_XA_COMMIT;

    if (l->group.completed_xa || (l->group.is_mysql && l->group.standalone))
        return xa_end_in(l, a->sql, commits, e);
    /* COMMIT ONE PHASE: the rows are in this group. */
    if (!commits)
        return group_rollback(l, e);
    group_commit(l);
    return true;
}

/* --- all statements -----------------------------------------------------------------------------
 */

/* In MariaDB's log the GTID has said it all. */
static bool begin_in(struct log *l, const struct asked *a)
{
    if (l->group.is_mysql) {
        l->group.standalone = false;
        l->group.is_xa = a->s.class == STATEMENT_XA_START;
        return true;
    }
    return no_change(l);
}

static bool statement_in(struct log *l, struct asked *a, const struct binlog_header *h,
                         struct err *e)
{
    switch (a->s.class) {
    case STATEMENT_BEGIN:
    case STATEMENT_XA_START:
        return begin_in(l, a);
    case STATEMENT_COMMIT:
        group_commit(l);
        return true;
    case STATEMENT_ROLLBACK:
        return group_rollback(l, e);
    case STATEMENT_ROLLBACK_TO:
        if (l->group.has_rows)
            return err_set(e, ERR_LOG_ROLLBACK,
                           "transaction %s was rolled back to a savepoint, and the log still has "
                           "the rows",
                           l->group.native);
        return true;
    case STATEMENT_XA_COMMIT:
    case STATEMENT_XA_ROLLBACK:
        return xa_statement_in(l, a, e);
    case STATEMENT_DDL:
        return ddl_in(l, a, h, e);
    case STATEMENT_DML:
        return err_set(e, ERR_LOG_STATEMENT,
                       "a change is logged as a statement (%s): binlog_format was not ROW in the "
                       "session of thread %u",
                       first_word(l, a), a->q.thread_id);
    case STATEMENT_UNKNOWN:
        a->s.ddl = DDL_UNKNOWN;
        return ddl_in(l, a, h, e);
    default: /* SAVEPOINT, XA END; and what changes no table */
        return no_change(l);
    }
}

static const char *small_letters(struct log *l, const char *name)
{
    char *out = name ? arena_strdup(&l->arena, name) : NULL;

    for (char *p = out; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p += 'a' - 'A';
    return out;
}

/* As the server has the names, and its rows. The text stays: names are spliced by their place. */
static void fold_names(struct log *l, struct statement *s)
{
    for (size_t i = 0; i < s->n_names; i++) {
        s->names[i].db = small_letters(l, s->names[i].db);
        s->names[i].name = small_letters(l, s->names[i].name);
    }
    s->database = small_letters(l, s->database);
}

static bool read_statement(struct log *l, const struct binlog_header *h, struct view body,
                           struct asked *a, struct err *e)
{
    arena_reset(&l->arena);
    if (!binlog_read_query(h, body, &l->z, &l->scratch, &a->q, e) ||
        !log_text(l, &a->q, &a->utf8, &a->sql, &a->is_unsure, e))
        return false;
    a->db = arena_strndup(&l->arena, (const char *)a->q.db.p, a->q.db.len);
    a->sql = statement_text(a->sql, a->q.sql_mode, l->s->is_mariadb, l->s->version, &l->arena);
    statement_read(a->sql, a->db, a->q.sql_mode, &l->arena, &a->s);
    if (l->small_names)
        fold_names(l, &a->s);
    if (a->q.phase == BINLOG_ALTER_START || a->q.phase == BINLOG_ALTER_ROLLBACK)
        a->s.class = STATEMENT_OTHER; /* it has its effect, if any, where it is committed */
    return true;
}

bool log_query_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    struct asked a = {.db = ""};

    buf_init(&a.utf8, SQL_MAX);
    bool ok = read_statement(l, h, body, &a, e) && statement_in(l, &a, h, e);
    buf_fini(&a.utf8);
    return ok;
}

bool log_query_touches(struct log *l, const struct binlog_header *h, struct view body,
                       touched_table *touched, void *arg, struct err *e)
{
    struct asked a = {.db = ""};

    buf_init(&a.utf8, SQL_MAX);
    bool ok = read_statement(l, h, body, &a, e);
    if (ok && a.s.class == STATEMENT_UNKNOWN)
        touched(arg, NULL, NULL, a.sql);
    else if (ok && a.s.class == STATEMENT_DDL && !a.s.temporary && a.s.ddl != DDL_TRUNCATE)
        tell_touched(&a, touched, arg);
    buf_fini(&a.utf8);
    return ok;
}
