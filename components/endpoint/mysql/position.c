/* GTID texts (position.h). */
#include "components/endpoint/mysql/position.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits at *p; false: none, or too many. */
static bool read_number(const char **p, uint64_t *out)
{
    uint64_t v = 0;

    if (!isdigit((unsigned char)**p))
        return false;
    for (; isdigit((unsigned char)**p); (*p)++) {
        uint64_t digit = (uint64_t)(**p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static void skip_blanks(const char **p)
{
    while (**p && isspace((unsigned char)**p))
        (*p)++;
}

bool position_add_mariadb(const char *text, struct txn_set *out, struct err *e)
{
    const char *p = text;

    skip_blanks(&p);
    while (*p) {
        uint64_t domain, server, seq;
        if (!read_number(&p, &domain) || *p++ != '-' || !read_number(&p, &server) || *p++ != '-' ||
            !read_number(&p, &seq))
            return err_set(e, ERR_CORRUPT, "not a GTID state: '%s'", text);
        char origin[40];
        int n = snprintf(origin, sizeof origin, "mariadb:%" PRIu64, domain);
        if (seq > 0)
            txn_set_add(out, origin_intern(origin, (size_t)n), 1, seq);
        skip_blanks(&p);
        if (*p && *p++ != ',')
            return err_set(e, ERR_CORRUPT, "not a GTID state: '%s'", text);
        skip_blanks(&p);
    }
    return true;
}

/* One "uuid[:tag]" with its intervals, up to ',' or the end. */
static bool add_mysql_source(const char **p, struct txn_set *out)
{
    char origin[ORIGIN_MAX + 1];
    char uuid[40];
    size_t n = strcspn(*p, ":, \n");

    if (n != 36 || (*p)[n] != ':')
        return false;
    (void)snprintf(uuid, sizeof uuid, "%.36s", *p);
    for (size_t i = 0; i < n; i++)
        uuid[i] = (char)tolower((unsigned char)uuid[i]);
    int len = snprintf(origin, sizeof origin, "mysql:%s", uuid);
    *p += n;
    while (**p == ':') {
        (*p)++;
        skip_blanks(p);
        uint64_t first, last;
        if (!isdigit((unsigned char)**p)) { /* a tag */
            size_t t = strcspn(*p, ":, \n");
            if (t == 0 || t > 32)
                return false;
            len = snprintf(origin, sizeof origin, "mysql:%s:%.*s", uuid, (int)t, *p);
            *p += t;
            continue;
        }
        if (!read_number(p, &first))
            return false;
        last = first;
        if (**p == '-') {
            (*p)++;
            if (!read_number(p, &last))
                return false;
        }
        if (first == 0 || last < first)
            return false;
        txn_set_add(out, origin_intern(origin, (size_t)len), first, last);
        skip_blanks(p);
    }
    return true;
}

bool position_add_mysql(const char *text, struct txn_set *out, struct err *e)
{
    const char *p = text;

    skip_blanks(&p);
    while (*p) {
        if (!add_mysql_source(&p, out))
            return err_set(e, ERR_CORRUPT, "not a GTID set: '%s'", text);
        skip_blanks(&p);
        if (*p && *p++ != ',')
            return err_set(e, ERR_CORRUPT, "not a GTID set: '%s'", text);
        skip_blanks(&p);
    }
    return true;
}

/* --- what is being committed --- */

#define UUID_LEN 36

static bool is_uuid(const char *p, size_t n)
{
    if (n != UUID_LEN)
        return false;
    for (size_t i = 0; i < n; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? p[i] != '-' : !isxdigit((unsigned char)p[i]))
            return false;
    return true;
}

/* "5#14", perhaps with the next source's uuid behind: *next is it, or NULL. */
static bool add_owned_number(const char *p, size_t n, const char *origin, struct txn_set *out,
                             const char **next)
{
    const char *at = p, *end = p + n;
    char one[UUID_LEN + 80];
    uint64_t seq;
    struct err ignored = ERR_INIT;

    *next = n > UUID_LEN && is_uuid(end - UUID_LEN, UUID_LEN) ? end - UUID_LEN : NULL;
    end = *next ? *next : end;
    if (!read_number(&at, &seq) || at >= end || *at != '#')
        return false;
    (void)snprintf(one, sizeof one, "%s:%" PRIu64, origin, seq);
    return position_add_mysql(one, out, &ignored);
}

bool position_add_owned(const char *text, struct txn_set *out, struct err *e)
{
    char origin[UUID_LEN + 40] = ""; /* "uuid" or "uuid:tag" */
    const char *next;

    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ":,\n ");
        bool good;

        if (n == 0) { /* a separator */
            p++;
            continue;
        }
        next = NULL;
        if (is_uuid(p, n))
            good = snprintf(origin, sizeof origin, "%.36s", p) > 0;
        else if (memchr(p, '#', n))
            good = origin[0] && add_owned_number(p, n, origin, out, &next);
        else
            good = origin[0] && n <= 32 &&
                   snprintf(origin + UUID_LEN, sizeof origin - UUID_LEN, ":%.*s", (int)n, p) > 0;
        if (!good)
            return err_set(e, ERR_CORRUPT, "not owned GTIDs: '%s'", text);
        if (next)
            (void)snprintf(origin, sizeof origin, "%.36s", next);
        p += n;
    }
    return true;
}
