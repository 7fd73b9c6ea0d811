/*
 * The beginnings of event groups (log_priv.h): whose transaction it is and which. MariaDB: domain
 * and number, which grows. MySQL: server uuid, tag and number, in any order, each for itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "components/endpoint/mysql/log_priv.h"

void log_add_origin(struct log *l, const char *origin, uint32_t id, uint64_t last)
{
    struct domain *d = must_calloc(1, sizeof *d);

    *d = (struct domain){.id = id, .origin = origin, .last = last};
    vec_push(&l->domains, d);
}

static struct domain *domain_of(struct log *l, uint32_t id)
{
    char origin[40];

    for (size_t i = 0; i < l->domains.n; i++)
        if (l->domains.at[i]->id == id)
            return l->domains.at[i];
    int n = snprintf(origin, sizeof origin, "mariadb:%u", id);
    log_add_origin(l, origin_intern(origin, (size_t)n), id, 0);
    return l->domains.at[l->domains.n - 1];
}

static struct domain *origin_of(struct log *l, const char *origin)
{
    for (size_t i = 0; i < l->domains.n; i++)
        if (l->domains.at[i]->origin == origin)
            return l->domains.at[i];
    log_add_origin(l, origin, 0, 0);
    return l->domains.at[l->domains.n - 1];
}

char *log_put_number(char *w, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n > 0)
        *w++ = digits[--n];
    return w;
}

char *log_put_place(struct log *l, char *w)
{
    size_t n = strnlen(l->file, 80);

    memcpy(w, l->file, n);
    w += n;
    *w++ = ':';
    w = log_put_number(w, l->event_at);
    *w++ = ' ';
    return w;
}

/* "file:offset domain-server-seq" */
static void put_native(struct log *l, const struct binlog_gtid *g)
{
    char *w = log_put_place(l, l->group.native);

    w = log_put_number(w, g->domain);
    *w++ = '-';
    w = log_put_number(w, g->server_id);
    *w++ = '-';
    w = log_put_number(w, g->seq);
    *w = '\0';
}

static bool mariadb_in(struct log *l, const struct binlog_header *h, struct view body,
                       struct err *e)
{
    struct binlog_gtid g;

    if (!binlog_read_gtid(h, body, &g, e) || !group_cut(l, e))
        return false;
    struct domain *d = domain_of(l, g.domain);
    if (g.seq <= d->last)
        return err_set(e, ERR_LOG_ORDER,
                       "transaction %u-%u-%" PRIu64 " comes after number %" PRIu64
                       " of GTID domain %u",
                       g.domain, g.server_id, g.seq, d->last, g.domain);
    l->group = (struct group){.open = true,
                              .standalone = g.flags & BINLOG_GTID_STANDALONE,
                              .transactional = g.flags & BINLOG_GTID_TRANSACTIONAL,
                              .is_xa = g.flags & BINLOG_GTID_PREPARED_XA,
                              .completed_xa = g.flags & BINLOG_GTID_COMPLETED_XA,
                              .domain = d,
                              .seq = g.seq,
                              .covers_from = d->last + 1,
                              .server_id = g.server_id,
                              .commit = {(int64_t)h->timestamp * 1000000}};
    l->group.known =
        l->after_has_holes && txn_set_has(&l->after, (struct txn_id){d->origin, g.seq});
    put_native(l, &g);
    l->maps.n = 0;
    return true;
}

static bool mysql_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    struct binlog_mysql_gtid g;

    if (!binlog_read_mysql_gtid(h, body, &g, e) || !group_cut(l, e))
        return false;
    if (l->places)
        return log_place_group(l, h, &g, e);
    if (g.anonymous)
        return err_set(e, ERR_UNSUPPORTED,
                       "a transaction has no GTID: gtid_mode was not ON on the source");
    struct domain *d = origin_of(l, mysql_gtid_origin(g.uuid, g.tag));
    int64_t second = (int64_t)h->timestamp * 1000000;
    l->group = (struct group){.open = true,
                              .standalone = true,
                              .is_mysql = true,
                              .transactional = true,
                              .domain = d,
                              .seq = g.seq,
                              .covers_from = g.seq,
                              .server_id = h->server_id,
                              .commit = {g.commit_us ? (int64_t)g.commit_us : second}};
    mysql_uuid_text(g.uuid, l->group.uuid);
    char *w = log_put_place(l, l->group.native);
    const char *gtid = d->origin + strlen("mysql:");
    memcpy(w, gtid, strlen(gtid));
    w += strlen(gtid);
    *w++ = ':';
    *log_put_number(w, g.seq) = '\0';
    l->maps.n = 0;
    return true;
}

bool log_gtid_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    return h->type == BINLOG_MARIADB_GTID ? mariadb_in(l, h, body, e) : mysql_in(l, h, body, e);
}
