/*
 * What exists on a server: tables, their definitions, estimates. Reads information_schema and SHOW
 * CREATE TABLE; a definition may change between two of these statements: the caller brackets it
 * with positions (correctness A15). Everything the server says is in utf8 here, members of ENUM
 * and SET are converted to the column's charset by the server itself.
 * Called by every component through catalog_ops. Thread: one per session.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/cascades.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/native.h"
#include "components/endpoint/mysql/session.h"

#define SQL_MAX (1u << 20)
#define SYSTEM_DBS                                                                              \
    "'mysql','information_schema','performance_schema','sys','oms_meta','mysql_innodb_cluster_" \
    "metadata'"

static bool catalog_connect(const struct endpoint_address *a, struct session **s, struct err *e)
{
    return session_open(a, SESSION_READ, s, e);
}

static void put_where(struct buf *sql, const char *db_column, const char *db,
                      const char *table_column, const char *name)
{
    buf_str(sql, db_column);
    buf_u8(sql, '=');
    mysql_dialect_ops.quote_text(sql, db, strlen(db));
    buf_printf(sql, " AND %s=", table_column);
    mysql_dialect_ops.quote_text(sql, name, strlen(name));
}

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

/* --- list ---------------------------------------------------------------------------------------
 */

static int name_cmp(const void *a, const void *b)
{
    const struct table_name *x = a, *y = b;
    int c = strcmp(x->db, y->db);

    return c ? c : strcmp(x->name, y->name);
}

static bool catalog_list(struct session *s, name_filter *filter, void *arg, struct arena *arena,
                         struct table_name **names, size_t *n, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query(s,
                       "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
                       " WHERE TABLE_TYPE='BASE TABLE' AND TABLE_SCHEMA NOT IN (" SYSTEM_DBS ")",
                       &res, e))
        return err_wrap(e, "list tables");
    struct table_name *list = arena_calloc(arena, (size_t)mysql_num_rows(res) + 1, sizeof *list);
    size_t count = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        if (filter && !filter(arg, row[0], row[1]))
            continue;
        list[count].db = arena_strdup(arena, row[0]);
        list[count++].name = arena_strdup(arena, row[1]);
    }
    qsort(list, count, sizeof *list, name_cmp);
    *names = list;
    *n = count;
    return true;
}

/* --- one table ----------------------------------------------------------------------------------
 */

struct load { /* one table while it is being read */
    struct session *s;
    const char *db, *name;
    struct table_def_builder b;
    struct column_def *columns;
    struct buf sql;
};

static const char *keep(struct load *l, const char *text)
{
    return arena_strdup(&l->b.arena, text ? text : "");
}

static bool load_create_text(struct load *l, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    buf_clear(&l->sql);
    buf_str(&l->sql, "SHOW CREATE TABLE ");
    mysql_dialect_ops.quote_table(&l->sql, l->db, l->name);
    if (!session_query_buf(l->s, &l->sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[1])
        return err_set(e, ERR_SERVER_NO_OBJECT, "the server shows no definition");
    if (mysql_num_fields(res) != 2)
        return err_set(e, ERR_UNSUPPORTED, "it is a view, not a table");
    l->b.def.create_text = keep(l, row[1]);
    return true;
}

/* Collations are named after their character set. */
static const char *charset_of(struct load *l, const char *collation)
{
    return arena_strndup(&l->b.arena, collation, strcspn(collation, "_"));
}

static bool load_table_row(struct load *l, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    buf_clear(&l->sql);
    buf_str(&l->sql, "SELECT ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE ");
    put_where(&l->sql, "TABLE_SCHEMA", l->db, "TABLE_NAME", l->name);
    if (!session_query_buf(l->s, &l->sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row)
        return err_set(e, ERR_SERVER_NO_OBJECT, "no such table");
    l->b.def.engine = keep(l, row[0]);
    l->b.def.collation = keep(l, row[1]);
    l->b.def.charset = charset_of(l, l->b.def.collation);
    return true;
}

/* Are these bytes the same in the column's charset as in utf8? */
static bool same_in_charset(const struct buf *text, const char *charset)
{
    if (strncmp(charset, "utf8", 4) == 0)
        return true;
    if (strncmp(charset, "ucs2", 4) == 0 || strncmp(charset, "utf16", 5) == 0 ||
        strncmp(charset, "utf32", 5) == 0 || strcmp(charset, "swe7") == 0)
        return false;
    for (size_t i = 0; i < text->len; i++)
        if (text->p[i] >= 0x80)
            return false;
    return true;
}

/* The member in the column's charset, by the server. */
static bool convert_member(struct load *l, const char *charset, struct buf *text, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    buf_clear(&l->sql);
    buf_str(&l->sql, "SELECT CAST(CONVERT(_utf8mb4 X'");
    for (size_t i = 0; i < text->len; i++)
        buf_printf(&l->sql, "%02X", text->p[i]);
    buf_printf(&l->sql, "' USING %s) AS BINARY)", charset);
    if (!session_query_buf(l->s, &l->sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || !row[0])
        return err_set(e, ERR_BUG, "the server does not convert a member to '%s'", charset);
    buf_clear(text);
    buf_append(text, row[0], mysql_fetch_lengths(res)[0]);
    return true;
}

static bool load_members(struct load *l, struct column_def *c, struct err *e)
{
    struct buf all CLEANUP(buf_fini) = {0}, one CLEANUP(buf_fini) = {0};
    const char *at = c->native;
    bool ok = true;

    buf_init(&all, SQL_MAX);
    buf_init(&one, SQL_MAX);
    while (ok && native_next_member(&at, &one)) {
        if (!same_in_charset(&one, c->charset))
            ok = convert_member(l, c->charset, &one, e);
        if (ok)
            buf_bytes(&all, one.p, one.len);
    }
    if (!ok)
        return false;
    if (!buf_ok(&all) || !buf_ok(&one))
        return err_set(e, ERR_LIMIT, "the members of column '%s' are too long", c->name);
    c->members = arena_memdup(&l->b.arena, all.p, all.len);
    c->members_len = (uint32_t)all.len;
    return true;
}

enum {
    COL_NAME,
    COL_DATA_TYPE,
    COL_TYPE,
    COL_NULLABLE,
    COL_EXTRA,
    COL_CHARS,
    COL_OCTETS,
    COL_PRECISION,
    COL_SCALE,
    COL_FRACTION,
    COL_CHARSET,
    COL_COLLATION
};

static uint32_t limited(const char *text)
{
    uint64_t n = number(text);

    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void set_parameters(struct column_def *c, MYSQL_ROW row)
{
    switch (c->kind) {
    case KIND_TEXT:
        c->length = limited(row[COL_CHARS]);
        c->fixed_char = strcmp(row[COL_DATA_TYPE], "char") == 0;
        break;
    case KIND_BINARY:
    case KIND_BYTES:
        c->length = limited(row[COL_OCTETS]);
        break;
    case KIND_BIT:
        c->length = limited(row[COL_PRECISION]);
        break;
    case KIND_DECIMAL:
        c->precision = (uint8_t)number(row[COL_PRECISION]);
        c->scale = (uint8_t)number(row[COL_SCALE]);
        break;
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
        c->scale = (uint8_t)number(row[COL_FRACTION]);
        break;
    default:
        break;
    }
}

static bool has_word(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

static bool load_column(struct load *l, MYSQL_ROW row, struct column_def *c, struct err *e)
{
    const char *extra = row[COL_EXTRA] ? row[COL_EXTRA] : "";

    c->name = keep(l, row[COL_NAME]);
    c->native = keep(l, row[COL_TYPE]);
    if (!native_kind(row[COL_DATA_TYPE], c->native, &c->kind))
        return err_set(e, ERR_UNSUPPORTED, "column '%s' has type '%s', which is not carried",
                       c->name, c->native);
    c->nullable = strcmp(row[COL_NULLABLE], "YES") == 0;
    c->auto_increment = has_word(extra, "auto_increment");
    c->on_update_now = has_word(extra, "on update ");
    c->invisible = has_word(extra, "INVISIBLE");
    if (has_word(extra, "VIRTUAL GENERATED"))
        c->generated = GENERATED_VIRTUAL;
    else if (has_word(extra, "STORED GENERATED") || has_word(extra, "PERSISTENT GENERATED"))
        c->generated = GENERATED_STORED;
    c->charset = keep(l, c->kind == KIND_JSON ? "utf8mb4" : row[COL_CHARSET]);
    c->collation = keep(l, row[COL_COLLATION]);
    set_parameters(c, row);
    if (c->kind == KIND_ENUM || c->kind == KIND_SET)
        return load_members(l, c, e);
    return true;
}

static bool load_columns(struct load *l, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    buf_clear(&l->sql);
    buf_str(&l->sql, "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, EXTRA,"
                     " CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION,"
                     " NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME"
                     " FROM information_schema.COLUMNS WHERE ");
    put_where(&l->sql, "TABLE_SCHEMA", l->db, "TABLE_NAME", l->name);
    buf_str(&l->sql, " ORDER BY ORDINAL_POSITION");
    if (!session_query_buf(l->s, &l->sql, &res, e))
        return false;
    size_t n = (size_t)mysql_num_rows(res);
    if (n == 0 || n >= KEY_EXPRESSION)
        return err_set(e, ERR_SERVER_NO_OBJECT, "the server shows %zu columns", n);
    l->columns = arena_calloc(&l->b.arena, n, sizeof *l->columns);
    l->b.def.columns = l->columns;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res)); l->b.def.n_columns++)
        if (!load_column(l, row, &l->columns[l->b.def.n_columns], e))
            return false;
    return true;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

enum { KEY_NAME, KEY_NON_UNIQUE, KEY_COLUMN, KEY_ORDER, KEY_PREFIX, KEY_TYPE, KEY_FIELDS };

/* SHOW INDEX of MySQL, whose information_schema keeps no order of keys. */
static const uint8_t show_index_fields[KEY_FIELDS] = {2, 1, 4, 5, 7, 10};
static const uint8_t own_fields[KEY_FIELDS] = {0, 1, 2, 3, 4, 5};

static bool query_keys(struct load *l, MYSQL_RES **res, struct err *e)
{
    buf_clear(&l->sql);
    if (!l->s->is_mariadb) {
        buf_str(&l->sql, "SHOW INDEX FROM ");
        mysql_dialect_ops.quote_table(&l->sql, l->db, l->name);
        return session_query_buf(l->s, &l->sql, res, e);
    }
    buf_str(&l->sql, "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, COLLATION, SUB_PART, INDEX_TYPE"
                     " FROM information_schema.STATISTICS WHERE ");
    put_where(&l->sql, "TABLE_SCHEMA", l->db, "TABLE_NAME", l->name);
    return session_query_buf(l->s, &l->sql, res, e);
}

static bool column_index(const struct load *l, const char *name, uint16_t *out, struct err *e)
{
    if (!name) { /* MySQL: an expression */
        *out = KEY_EXPRESSION;
        return true;
    }
    for (uint16_t i = 0; i < l->b.def.n_columns; i++)
        if (strcasecmp(l->columns[i].name, name) == 0) {
            *out = i;
            return true;
        }
    return err_set(e, ERR_SERVER_TABLE_CHANGED, "a key names column '%s', which is not there",
                   name);
}

static enum key_type key_type_of(const char *text)
{
    if (strcmp(text, "FULLTEXT") == 0)
        return KEY_FULLTEXT;
    if (strcmp(text, "SPATIAL") == 0 || strcmp(text, "RTREE") == 0)
        return KEY_SPATIAL;
    return strcmp(text, "HASH") == 0 ? KEY_HASH : KEY_BTREE;
}

static bool load_keys(struct load *l, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    const uint8_t *at = l->s->is_mariadb ? own_fields : show_index_fields;

    if (!query_keys(l, &res, e))
        return false;
    size_t n = (size_t)mysql_num_rows(res);
    struct key_def *keys = arena_calloc(&l->b.arena, n + 1, sizeof *keys);
    struct key_part *parts = arena_calloc(&l->b.arena, n + 1, sizeof *parts);
    struct key_def *k = NULL;
    uint16_t n_keys = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(res)); parts++) {
        if (!k || strcmp(k->name, row[at[KEY_NAME]]) != 0) {
            k = &keys[n_keys++];
            k->name = keep(l, row[at[KEY_NAME]]);
            k->primary = strcmp(k->name, "PRIMARY") == 0;
            k->unique = strcmp(row[at[KEY_NON_UNIQUE]], "0") == 0;
            k->type = key_type_of(row[at[KEY_TYPE]]);
            k->parts = parts;
        }
        if (!column_index(l, row[at[KEY_COLUMN]], &parts->column, e))
            return false;
        parts->prefix =
            k->type == KEY_SPATIAL || k->type == KEY_FULLTEXT ? 0 : limited(row[at[KEY_PREFIX]]);
        parts->descending = row[at[KEY_ORDER]] && row[at[KEY_ORDER]][0] == 'D';
        k->n_parts++;
    }
    l->b.def.keys = keys;
    l->b.def.n_keys = n_keys;
    return true;
}

static bool load_all(struct load *l, const struct table_def **out, struct err *e)
{
    l->b.def.db = keep(l, l->db);
    l->b.def.name = keep(l, l->name);
    return load_table_row(l, e) && load_create_text(l, e) && load_columns(l, e) &&
           load_keys(l, e) && cascades_family(l->s, l->db, l->name, &l->b.def.family, e) &&
           table_def_seal(&l->b, out, e);
}

static bool catalog_load(struct session *s, const char *db, const char *name,
                         const struct table_def **out, struct err *e)
{
    struct load l = {.s = s, .db = db, .name = name};

    table_def_builder_init(&l.b);
    buf_init(&l.sql, SQL_MAX);
    bool ok = load_all(&l, out, e);
    buf_fini(&l.sql);
    table_def_builder_fini(&l.b);
    return ok || err_wrap(e, "read the definition of table '%s.%s'", db, name);
}

static bool catalog_estimate(struct session *s, const char *db, const char *name, uint64_t *rows,
                             uint64_t *bytes, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini) = {0};

    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES WHERE ");
    put_where(&sql, "TABLE_SCHEMA", db, "TABLE_NAME", name);
    if (!session_query_buf(s, &sql, &res, e))
        return err_wrap(e, "estimate table '%s.%s'", db, name);
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row)
        return err_set(e, ERR_SERVER_NO_OBJECT, "table '%s.%s' does not exist", db, name);
    *rows = number(row[0]);
    *bytes = number(row[1]);
    return true;
}

const struct catalog_ops mysql_catalog_ops = {
    .connect = catalog_connect,
    .close = session_close,
    .identify = session_identify,
    .list_tables = catalog_list,
    .load_table = catalog_load,
    .list_families = cascades_list,
    .estimate = catalog_estimate,
};
