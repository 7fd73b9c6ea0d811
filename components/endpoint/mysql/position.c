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
