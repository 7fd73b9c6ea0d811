/*
 * ALTER TABLE (statement_priv.h): a table of first words, each with the reader of its action. A
 * word that is not there makes the statement unknown.
 */
#include <string.h>

#include "common/base/compiler.h"
#include "components/endpoint/mysql/ddl/statement_priv.h"

#define ACTIONS_MAX 4096

static struct statement_action *act(struct reading *r, enum action_kind kind, const char *name)
{
    struct statement *s = r->s;

    if (!s->actions)
        s->actions = arena_calloc(r->arena, ACTIONS_MAX, sizeof *s->actions);
    if (s->n_actions == ACTIONS_MAX)
        return NULL;
    struct statement_action *a = &s->actions[s->n_actions++];
    *a = (struct statement_action){.kind = kind, .name = name ? name : ""};
    return a;
}

static void invents(struct reading *r, const char *why)
{
    if (!r->s->invents)
        r->s->invents = why;
}

/* --- columns ------------------------------------------------------------------------------------
 */

static bool read_column(struct reading *r, enum action_kind kind, const char *name,
                        const char *new_name)
{
    struct definition d = {.place = PLACE_LAST};

    if (!read_definition(r, &d))
        return false;
    struct statement_action *a = act(r, kind, name);
    if (!a)
        return false;
    a->new_name = new_name;
    a->place = d.place;
    a->after = d.after;
    a->auto_increment = d.auto_increment;
    if (d.own_data)
        invents(r, "a column is filled by a function that each server answers in its own way");
    if (d.auto_increment && kind == ACTION_ADD_COLUMN)
        invents(r, "a column that counts by itself numbers the rows that exist");
    else if (d.auto_increment)
        r->s->auto_column = name;
    return true;
}

static bool add_columns(struct reading *r)
{
    do {
        const char *name = read_name(r);
        if (!name || !read_column(r, ACTION_ADD_COLUMN, name, NULL))
            return false;
    } while (sql_accept_punct(&r->l, ','));
    return sql_accept_punct(&r->l, ')');
}

/* --- ADD ----------------------------------------------------------------------------------------
 */

static bool add_index(struct reading *r, enum action_kind kind)
{
    const char *name = NULL;

    if (!sql_accept(&r->l, "INDEX"))
        (void)sql_accept(&r->l, "KEY");
    accept_if_exists(r);
    struct sql_token t = sql_peek(&r->l);
    if (!sql_is_punct(&t, '(') && !sql_is(&t, "USING"))
        name = read_name(r);
    return skip_element(r) && act(r, kind, name);
}

static bool add_constraint(struct reading *r, const char *name, bool *known)
{
    *known = true;
    if (sql_accept(&r->l, "FOREIGN"))
        return read_foreign_key(r) && skip_element(r) && act(r, ACTION_ADD_FOREIGN_KEY, name);
    if (sql_accept(&r->l, "PRIMARY"))
        return sql_accept(&r->l, "KEY") && skip_element(r) && act(r, ACTION_ADD_PRIMARY, name);
    if (sql_accept(&r->l, "UNIQUE"))
        return add_index(r, ACTION_ADD_UNIQUE);
    if (sql_accept(&r->l, "CHECK"))
        return skip_element(r) && act(r, ACTION_ADD_CHECK, name);
    *known = false;
    return true;
}

static bool is_word_before(struct reading *r, const char *word, const char *then)
{
    struct sql_lexer copy = r->l;

    return sql_accept(&copy, word) && sql_accept(&copy, then);
}

static bool add_column(struct reading *r)
{
    accept_if_exists(r);
    if (sql_accept_punct(&r->l, '('))
        return add_columns(r);
    const char *name = read_name(r);
    return name && read_column(r, ACTION_ADD_COLUMN, name, NULL);
}

static bool accept_index(struct reading *r)
{
    return sql_accept(&r->l, "INDEX") || sql_accept(&r->l, "KEY") ||
           sql_accept(&r->l, "FULLTEXT") || sql_accept(&r->l, "SPATIAL") ||
           (is_word_before(r, "VECTOR", "INDEX") && sql_accept(&r->l, "VECTOR"));
}

static bool read_add(struct reading *r)
{
    const char *name = NULL;
    bool known;

    if (sql_accept(&r->l, "COLUMN"))
        return add_column(r);
    accept_constraint(r, &name);
    if (!add_constraint(r, name, &known))
        return false;
    if (known)
        return true;
    if (sql_accept(&r->l, "PARTITION"))
        return skip_element(r) && act(r, ACTION_PARTITION, NULL);
    if (is_word_before(r, "SYSTEM", "VERSIONING") || is_word_before(r, "PERIOD", "FOR"))
        return false;
    return accept_index(r) ? add_index(r, ACTION_ADD_INDEX) : add_column(r);
}

/* --- DROP, CHANGE, ALTER, RENAME ----------------------------------------------------------------
 */

static bool drop_named(struct reading *r, enum action_kind kind)
{
    accept_if_exists(r);
    const char *name = read_name(r);
    if (!sql_accept(&r->l, "RESTRICT"))
        (void)sql_accept(&r->l, "CASCADE");
    return name && act(r, kind, name);
}

static bool read_drop(struct reading *r)
{
    if (sql_accept(&r->l, "PRIMARY"))
        return sql_accept(&r->l, "KEY") && act(r, ACTION_DROP_PRIMARY, NULL);
    if (sql_accept(&r->l, "FOREIGN"))
        return sql_accept(&r->l, "KEY") && drop_named(r, ACTION_DROP_FOREIGN_KEY);
    if (sql_accept(&r->l, "INDEX") || sql_accept(&r->l, "KEY"))
        return drop_named(r, ACTION_DROP_INDEX);
    if (sql_accept(&r->l, "CONSTRAINT") || sql_accept(&r->l, "CHECK"))
        return drop_named(r, ACTION_DROP_CONSTRAINT);
    if (sql_accept(&r->l, "PARTITION"))
        return skip_element(r) && act(r, ACTION_PARTITION, NULL);
    if (is_word_before(r, "SYSTEM", "VERSIONING") || is_word_before(r, "PERIOD", "FOR"))
        return false;
    (void)sql_accept(&r->l, "COLUMN");
    return drop_named(r, ACTION_DROP_COLUMN);
}

static bool read_modify(struct reading *r)
{
    (void)sql_accept(&r->l, "COLUMN");
    accept_if_exists(r);
    const char *name = read_name(r);
    return name && read_column(r, ACTION_MODIFY_COLUMN, name, NULL);
}

static bool read_change(struct reading *r)
{
    (void)sql_accept(&r->l, "COLUMN");
    accept_if_exists(r);
    const char *name = read_name(r), *to = name ? read_name(r) : NULL;
    return to && read_column(r, ACTION_CHANGE_COLUMN, name, to);
}

static bool read_alter_column(struct reading *r)
{
    if (sql_accept(&r->l, "INDEX") || sql_accept(&r->l, "KEY") || sql_accept(&r->l, "CONSTRAINT") ||
        sql_accept(&r->l, "CHECK"))
        return skip_element(r) && act(r, ACTION_ALTER_INDEX, NULL);
    (void)sql_accept(&r->l, "COLUMN");
    accept_if_exists(r);
    const char *name = read_name(r);
    return name && skip_element(r) && act(r, ACTION_ALTER_COLUMN, name);
}

static bool rename_inside(struct reading *r, enum action_kind kind)
{
    accept_if_exists(r);
    const char *name = read_name(r);
    if (!name || !sql_accept(&r->l, "TO"))
        return false;
    const char *to = read_name(r);
    struct statement_action *a = to ? act(r, kind, name) : NULL;
    if (a)
        a->new_name = to;
    return a != NULL;
}

static bool read_rename_action(struct reading *r)
{
    if (sql_accept(&r->l, "COLUMN"))
        return rename_inside(r, ACTION_RENAME_COLUMN);
    if (sql_accept(&r->l, "INDEX") || sql_accept(&r->l, "KEY"))
        return rename_inside(r, ACTION_RENAME_INDEX);
    if (!sql_accept(&r->l, "TO") && !sql_accept(&r->l, "AS"))
        (void)sql_accept_punct(&r->l, '=');
    return read_table(r, DDL_ROLE_TO) && act(r, ACTION_RENAME_TABLE, NULL);
}

/* --- partitions, options ------------------------------------------------------------------------
 */

/* The other table gets the partition's rows, or gives its own: it is changed as much. */
static bool read_exchange(struct reading *r)
{
    if (!sql_accept(&r->l, "PARTITION") || !read_name(r) || !sql_accept(&r->l, "WITH") ||
        !sql_accept(&r->l, "TABLE") || !read_table(r, DDL_ROLE_SUBJECT))
        return false;
    invents(r, "a partition and a table change places");
    return skip_element(r) && act(r, ACTION_EXCHANGE, NULL);
}

/* CONVERT TO CHARACTER SET; CONVERT PARTITION p TO TABLE t, CONVERT TABLE t TO PARTITION. */
static bool read_convert(struct reading *r)
{
    if (sql_accept(&r->l, "TO"))
        return skip_element(r) && act(r, ACTION_CONVERT_CHARSET, NULL);
    bool from_partition = sql_accept(&r->l, "PARTITION");
    if (from_partition && (!read_name(r) || !sql_accept(&r->l, "TO")))
        return false;
    invents(r, "a partition and a table become one another");
    return sql_accept(&r->l, "TABLE") && read_table(r, DDL_ROLE_SUBJECT) && skip_element(r) &&
           act(r, ACTION_EXCHANGE, NULL);
}

static bool read_tablespace(struct reading *r)
{
    invents(r, "the file of a tablespace is exchanged");
    return skip_element(r) && act(r, ACTION_TABLESPACE, NULL);
}

static bool read_partition(struct reading *r)
{
    return skip_element(r) && act(r, ACTION_PARTITION, NULL);
}

static bool read_options(struct reading *r)
{
    return skip_element(r) && act(r, ACTION_OPTIONS, NULL);
}

static bool read_engine(struct reading *r)
{
    (void)sql_accept_punct(&r->l, '=');
    r->s->engine = read_name(r);
    return r->s->engine && read_options(r);
}

struct action_word {
    const char *word;
    bool (*read)(struct reading *r);
};
static const struct action_word action_words[] = {
    {"ADD", read_add},
    {"DROP", read_drop},
    {"MODIFY", read_modify},
    {"CHANGE", read_change},
    {"ALTER", read_alter_column},
    {"RENAME", read_rename_action},
    {"CONVERT", read_convert},
    {"EXCHANGE", read_exchange},
    {"DISCARD", read_tablespace},
    {"IMPORT", read_tablespace},
    {"PARTITION", read_partition},
    {"REMOVE", read_partition},
    {"TRUNCATE", read_partition},
    {"COALESCE", read_partition},
    {"REORGANIZE", read_partition},
    {"REBUILD", read_partition},
    {"ANALYZE", read_partition},
    {"OPTIMIZE", read_partition},
    {"REPAIR", read_partition},
    {"CHECK", read_partition},
    {"ENGINE", read_engine},
    {"ALGORITHM", read_options},
    {"LOCK", read_options},
    {"FORCE", read_options},
    {"ENABLE", read_options},
    {"DISABLE", read_options},
    {"ORDER", read_options},
    {"WITHOUT", read_options},
    {"WITH", read_options},
    {"DEFAULT", read_options},
    {"CHARACTER", read_options},
    {"CHARSET", read_options},
    {"COLLATE", read_options},
    {"COMMENT", read_options},
    {"AUTO_INCREMENT", read_options},
    {"ROW_FORMAT", read_options},
    {"KEY_BLOCK_SIZE", read_options},
    {"STATS_PERSISTENT", read_options},
    {"STATS_AUTO_RECALC", read_options},
    {"STATS_SAMPLE_PAGES", read_options},
    {"AVG_ROW_LENGTH", read_options},
    {"MAX_ROWS", read_options},
    {"MIN_ROWS", read_options},
    {"CHECKSUM", read_options},
    {"PACK_KEYS", read_options},
    {"DELAY_KEY_WRITE", read_options},
    {"PAGE_COMPRESSED", read_options},
    {"PAGE_COMPRESSION_LEVEL", read_options},
    {"COMPRESSION", read_options},
    {"ENCRYPTED", read_options},
    {"ENCRYPTION", read_options},
    {"ENCRYPTION_KEY_ID", read_options},
    {"TRANSACTIONAL", read_options},
    {"PAGE_CHECKSUM", read_options},
};

static bool read_action(struct reading *r)
{
    struct sql_token t = sql_next(&r->l);

    for (size_t i = 0; i < ARRAY_LEN(action_words); i++)
        if (sql_is(&t, action_words[i].word))
            return action_words[i].read(r);
    return false;
}

static bool is_foreign(enum action_kind kind)
{
    return kind == ACTION_ADD_FOREIGN_KEY || kind == ACTION_DROP_FOREIGN_KEY;
}

/* Foreign keys go, each with one comma. */
static void cut_foreign_keys(struct reading *r)
{
    struct statement *s = r->s;
    bool any_kept = false;

    for (size_t i = 0; i < s->n_actions; i++) {
        const struct statement_action *a = &s->actions[i];
        if (!is_foreign(a->kind)) {
            any_kept = true;
            continue;
        }
        uint32_t end = a->at + a->len;
        uint32_t next = i + 1 < s->n_actions ? s->actions[i + 1].at : end;
        uint32_t from = any_kept ? s->actions[i - 1].at + s->actions[i - 1].len : a->at;
        add_cut(r, from, any_kept ? end : next);
    }
    s->only_cuts = s->n_actions > 0 && !any_kept;
}

bool read_alter_table(struct reading *r)
{
    r->s->class = STATEMENT_DDL;
    r->s->ddl = DDL_ALTER_TABLE;
    accept_if_exists(r);
    if (!read_table(r, DDL_ROLE_SUBJECT))
        return false;
    accept_wait(r);
    if (sql_peek(&r->l).kind == SQL_END)
        return true; /* ALTER TABLE t: nothing */
    do {
        uint32_t at = here(r);
        size_t first = r->s->n_actions;
        if (!read_action(r))
            return false;
        for (size_t i = first; i < r->s->n_actions; i++) {
            r->s->actions[i].at = at;
            r->s->actions[i].len = behind(r) - at;
        }
    } while (sql_accept_punct(&r->l, ','));
    cut_foreign_keys(r);
    return sql_peek(&r->l).kind == SQL_END;
}
