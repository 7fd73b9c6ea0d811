/*
 * Executable comments (statement.h). MariaDB executes "!" comments up to its own version, except
 * those between 50700 and 99999, which are MySQL's, and "M!" comments; MySQL only the former.
 */
#include <ctype.h>
#include <string.h>

#include "components/endpoint/mysql/ddl/statement.h"

struct comments {
    uint8_t *p, *end;
    bool is_mariadb, no_backslash, ansi_quotes;
    uint32_t version;
};

static bool starts(const struct comments *c, const char *s)
{
    size_t n = strlen(s);

    return (size_t)(c->end - c->p) >= n && memcmp(c->p, s, n) == 0;
}

static void blank(uint8_t *from, const uint8_t *to)
{
    while (from < to)
        *from++ = ' ';
}

static void pass_quoted(struct comments *c)
{
    uint8_t quote = *c->p++;
    bool escapes = quote == '\'' || (quote == '"' && !c->ansi_quotes);

    while (c->p < c->end) {
        uint8_t b = *c->p++;
        if (b == '\\' && escapes && !c->no_backslash && c->p < c->end)
            c->p++;
        else if (b == quote)
            return; /* a doubled one opens again at once */
    }
}

static void pass_line(struct comments *c)
{
    while (c->p < c->end && *c->p != '\n')
        c->p++;
}

/* Behind the end of a comment whose opening is at p; comments may stand inside one that is not
 * executed. */
static void pass_comment(struct comments *c, bool nested)
{
    int depth = 0;

    while (c->p < c->end) {
        if (starts(c, "/*") && (depth == 0 || nested)) {
            depth++;
            c->p += 2;
        } else if (starts(c, "*/")) {
            c->p += 2;
            if (--depth == 0)
                return;
        } else {
            c->p++;
        }
    }
}

static uint32_t read_version(struct comments *c)
{
    uint32_t v = 0;
    int n = 0;

    while (n < 6 && c->p + n < c->end && isdigit(c->p[n]))
        v = v * 10 + (uint32_t)(c->p[n++] - '0');
    if (n < 5)
        return 0;
    c->p += n;
    return v;
}

static bool is_executed(const struct comments *c, bool mariadb_s, uint32_t version)
{
    if (mariadb_s && !c->is_mariadb)
        return false;
    if (!mariadb_s && c->is_mariadb && version >= 50700 && version <= 99999)
        return false;
    return version <= c->version;
}

static void pass_executable(struct comments *c, int *open)
{
    uint8_t *from = c->p;
    bool mariadb_s = starts(c, "/*M!");

    c->p += mariadb_s ? 4 : 3;
    uint32_t version = read_version(c);
    if (is_executed(c, mariadb_s, version)) {
        (*open)++;
    } else {
        c->p = from;
        pass_comment(c, true);
    }
    blank(from, c->p);
}

static void pass_one(struct comments *c, int *open)
{
    if (*c->p == '\'' || *c->p == '"' || *c->p == '`') {
        pass_quoted(c);
    } else if (*c->p == '#' || (starts(c, "--") && (c->end - c->p == 2 || isspace(c->p[2])))) {
        pass_line(c);
    } else if (starts(c, "/*!") || starts(c, "/*M!")) {
        pass_executable(c, open);
    } else if (starts(c, "/*")) {
        pass_comment(c, false);
    } else if (*open > 0 && starts(c, "*/")) {
        blank(c->p, c->p + 2);
        c->p += 2;
        (*open)--;
    } else {
        c->p++;
    }
}

struct view statement_text(struct view sql, uint64_t sql_mode, bool is_mariadb, uint32_t version,
                           struct arena *arena)
{
    if (sql.len == 0 || (!memmem(sql.p, sql.len, "/*!", 3) && !memmem(sql.p, sql.len, "/*M!", 4)))
        return sql;
    uint8_t *text = arena_alloc(arena, sql.len);
    memcpy(text, sql.p, sql.len);
    struct comments c = {.p = text,
                         .end = text + sql.len,
                         .is_mariadb = is_mariadb,
                         .version = version,
                         .ansi_quotes = sql_mode & SQL_MODE_ANSI_QUOTES,
                         .no_backslash = sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES};
    int open = 0;
    while (c.p < c.end)
        pass_one(&c, &open);
    return (struct view){text, sql.len};
}
