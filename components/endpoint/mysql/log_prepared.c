/* See log_prepared.h. An XA transaction is known by its identifier, of which there is one prepared
 * at a time. */
#include "components/endpoint/mysql/log_prepared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/must.h"
#include "common/log/log.h"

#define EVENT_TEXT_MAX ((size_t)1100 << 20)

struct held { /* prepared before the start and not ended there, by what was read */
    struct xid_key key;
    const char *origin;
    uint64_t first, last; /* its hole */
};
struct keys {
    struct xid_key *at;
    size_t n, cap;
};
struct prepared {
    const struct prepared_params *p;
    const struct txn_set *before;
    VEC(struct held) open;
    struct keys met;     /* prepared or ended in a newer file than is wanted */
    struct keys lacking; /* ended behind the start, or prepared now: where is the prepare? */
    bool older;          /* files before the one that the start lies in */
    /* The present transaction. */
    struct held group;
    bool inside, begun; /* before the start; it has its own rows */
    struct inflater z;
    struct buf scratch;
    struct payload payload;
};

/* --- identifiers --------------------------------------------------------------------------------
 */

static size_t find(const struct keys *k, const struct xid_key *key)
{
    size_t i = 0;

    while (i < k->n && strcmp(k->at[i].text, key->text) != 0)
        i++;
    return i;
}

static bool has(const struct keys *k, const struct xid_key *key)
{
    return find(k, key) < k->n;
}

static void add(struct keys *k, const struct xid_key *key)
{
    if (has(k, key))
        return;
    vec_push(k, *key);
}

static void drop(struct keys *k, const struct xid_key *key)
{
    size_t i = find(k, key);

    if (i < k->n)
        k->at[i] = k->at[--k->n];
}

static size_t find_open(const struct prepared *x, const struct xid_key *key)
{
    size_t i = 0;

    while (i < x->open.n && strcmp(x->open.at[i].key.text, key->text) != 0)
        i++;
    return i;
}

/* --- what stands in the log ---------------------------------------------------------------------
 */

/* Of older files only what is lacking counts; what is opened there may still be ended there. */
static bool counts(const struct prepared *x, const struct xid_key *key)
{
    return !x->older || has(&x->lacking, key);
}

static void is_prepared(struct prepared *x, const struct xid_key *key)
{
    if (!counts(x, key))
        return;
    if (!x->inside) {
        add(&x->met, key);
        return;
    }
    struct held one = x->group;
    one.key = *key;
    size_t i = find_open(x, key);
    if (i < x->open.n)
        x->open.at[i] = one;
    else
        vec_push(&x->open, one);
}

static void is_ended(struct prepared *x, const struct xid_key *key)
{
    size_t i = find_open(x, key);

    if (!counts(x, key))
        return;
    if (x->inside) {
        if (i < x->open.n)
            x->open.at[i] = x->open.at[--x->open.n];
        add(&x->met, key);
    } else if (i == x->open.n && !has(&x->met, key)) {
        add(&x->lacking, key);
    }
}

static bool begin_mariadb(struct prepared *x, const struct binlog_header *h, struct view body,
                          struct err *e)
{
    struct binlog_gtid g;
    struct xid_key key;
    char origin[40];

    if (!binlog_read_gtid(h, body, &g, e))
        return false;
    int n = snprintf(origin, sizeof origin, "mariadb:%u", g.domain);
    x->group =
        (struct held){.origin = origin_intern(origin, (size_t)n), .first = g.seq, .last = g.seq};
    x->inside = txn_set_has(x->before, (struct txn_id){x->group.origin, g.seq});
    if (!(g.flags & (BINLOG_GTID_PREPARED_XA | BINLOG_GTID_COMPLETED_XA)))
        return true;
    if (!xa_key_of_xid(&g.xid, &key))
        return err_set(e, ERR_LOG_DAMAGED, "an XA identifier is too long");
    if (g.flags & BINLOG_GTID_PREPARED_XA)
        is_prepared(x, &key);
    else
        is_ended(x, &key);
    return true;
}

static bool begin_mysql(struct prepared *x, const struct log *at, const struct binlog_header *h,
                        struct view body, struct err *e)
{
    struct binlog_mysql_gtid g;
    struct held *one = &x->group;

    if (!binlog_read_mysql_gtid(h, body, &g, e))
        return false;
    x->begun = false;
    if (!g.anonymous)
        *one = (struct held){
            .origin = mysql_gtid_origin(g.uuid, g.tag), .first = g.seq, .last = g.seq};
    else if (!x->p->place)
        return err_set(e, ERR_UNSUPPORTED, "a transaction of a log with GTIDs has none");
    else if (!place_seq(at->file, at->event_at + 1, &one->first, e) ||
             !place_seq(at->file, at->event_at + g.length, &one->last, e))
        return false;
    else
        one->origin = x->p->place;
    x->inside = txn_set_has(x->before, (struct txn_id){one->origin, one->last});
    return true;
}

static bool prepare_in(struct prepared *x, struct view body, struct err *e)
{
    struct binlog_xid xid;
    struct xid_key key;
    bool one_phase;

    if (!binlog_read_xa_prepare(body, &one_phase, &xid, e))
        return false;
    if (!xa_key_of_xid(&xid, &key))
        return err_set(e, ERR_LOG_DAMAGED, "an XA identifier is too long");
    if (!one_phase)
        is_prepared(x, &key);
    return true;
}

static bool starts_with(struct view sql, const char *word)
{
    size_t n = strlen(word);

    return sql.len >= n && strncasecmp((const char *)sql.p, word, n) == 0;
}

/* As the server writes them. Behind a beginning it is the end of a transaction in one phase. */
static bool query_in(struct prepared *x, const struct binlog_header *h, struct view body,
                     struct err *e)
{
    struct binlog_query q;
    struct xid_key key;

    if (!binlog_read_query(h, body, &x->z, &x->scratch, &q, e))
        return false;
    if (starts_with(q.sql, "XA START") || starts_with(q.sql, "BEGIN"))
        x->begun = true;
    if (x->begun || (!starts_with(q.sql, "XA COMMIT") && !starts_with(q.sql, "XA ROLLBACK")))
        return true;
    if (!xa_key_of_text(q.sql, &key))
        return err_set(e, ERR_LOG_DAMAGED, "an XA statement names no transaction");
    is_ended(x, &key);
    return true;
}

static bool of_kind(struct prepared *x, const struct log *at, const struct binlog_header *h,
                    struct view body, struct err *e);

static bool payload_in(struct prepared *x, const struct log *at, struct view body, struct err *e)
{
    struct binlog_format bare = at->format;
    struct binlog_header h;
    struct view event, inside;
    bool got = true;

    bare.has_crc = false;
    if (!payload_open(&x->payload, body, e))
        return false;
    while (payload_next(&x->payload, &event, &got, e) && got)
        if (!binlog_event_open(&bare, event, &h, &inside, e) || !of_kind(x, at, &h, inside, e))
            return false;
    return !got;
}

/* MariaDB's GTIDs say it all. */
static bool of_kind(struct prepared *x, const struct log *at, const struct binlog_header *h,
                    struct view body, struct err *e)
{
    if (h->type == BINLOG_MARIADB_GTID)
        return begin_mariadb(x, h, body, e);
    if (x->p->s->is_mariadb)
        return true;
    if (binlog_is_mysql_gtid(h->type))
        return begin_mysql(x, at, h, body, e);
    switch (h->type) {
    case BINLOG_XA_PREPARE:
        return prepare_in(x, body, e);
    case BINLOG_QUERY:
        return query_in(x, h, body, e);
    case BINLOG_TRANSACTION_PAYLOAD:
        return payload_in(x, at, body, e);
    default:
        return true;
    }
}

static bool each(void *arg, const struct log *at, const struct binlog_header *h, struct view body,
                 struct err *e)
{
    return of_kind(arg, at, h, body, e);
}

/* --- files --------------------------------------------------------------------------------------
 */

static bool read_file(struct prepared *x, size_t file, bool one, struct err *e)
{
    struct look_for want = {.one_file = one, .each = each, .each_arg = x};
    struct look_seen seen;

    bool ok =
        log_look(x->p->address, x->p->number, x->p->files->list.at[file].name, &want, &seen, e);
    look_seen_fini(&seen);
    return ok;
}

/* Those that are prepared at this moment. */
static bool recover(struct prepared *x, struct keys *now, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct err refused = ERR_INIT;
    MYSQL_ROW row;

    if (!session_query(x->p->s, "XA RECOVER", &res, &refused)) {
        if (err_class_of(refused.code) == ERR_CLASS_RETRY) {
            *e = refused;
            return false;
        }
        log_err(LOG_WARN, "source.xa_recover", &refused);
        return true;
    }
    while ((row = mysql_fetch_row(res)) != NULL) {
        const unsigned long *len = mysql_fetch_lengths(res);
        size_t gtrid = strtoul(row[1], NULL, 10), bqual = strtoul(row[2], NULL, 10);
        const uint8_t *data = (const uint8_t *)row[3];
        struct binlog_xid xid = {.format = (uint32_t)strtoul(row[0], NULL, 10),
                                 .gtrid = {data, gtrid},
                                 .bqual = {data + gtrid, bqual}};
        struct xid_key key;

        if (len[3] != gtrid + bqual || !xa_key_of_xid(&xid, &key))
            return err_set(e, ERR_SERVER_REFUSED,
                           "XA RECOVER shows an identifier without its form");
        add(now, &key);
    }
    return true;
}

/* What was found in an older file, or was ended there and has no prepare in the log. */
static void settle(struct prepared *x)
{
    for (size_t i = 0; i < x->open.n; i++)
        drop(&x->lacking, &x->open.at[i].key);
    for (size_t i = 0; i < x->met.n; i++)
        drop(&x->lacking, &x->met.at[i]);
}

static bool look_back(struct prepared *x, struct err *e)
{
    x->older = x->inside = true;
    for (size_t i = x->p->from; i > 0 && x->lacking.n > 0; i--) {
        x->met.n = 0;
        if (!read_file(x, i - 1, true, e))
            return false;
        settle(x);
    }
    if (x->lacking.n == 0 || x->p->begins_history) /* else nothing of it was logged */
        return true;
    return err_set(
        e, ERR_START,
        "XA transaction %s is prepared at the start, and the source's oldest log file, "
        "%s, does not have its rows any more: end it on the source, and begin behind its "
        "end",
        x->lacking.at[0].text, x->p->files->list.at[0].name);
}

static bool search(struct prepared *x, struct keys *now, struct err *e)
{
    if (!recover(x, now, e) || !read_file(x, x->p->from, false, e))
        return false;
    for (size_t i = 0; i < now->n; i++)
        if (find_open(x, &now->at[i]) == x->open.n && !has(&x->met, &now->at[i]))
            add(&x->lacking, &now->at[i]);
    return look_back(x, e);
}

bool log_prepared(const struct prepared_params *p, struct txn_set *before, struct err *e)
{
    struct prepared x = {.p = p, .before = before};
    struct keys now = {.n = 0};

    buf_init(&x.scratch, EVENT_TEXT_MAX);
    payload_init(&x.payload, EVENT_TEXT_MAX);
    bool ok =
        search(&x, &now, e) || err_wrap(e, "look for XA transactions that are prepared there");
    for (size_t i = 0; ok && i < x.open.n; i++) {
        const struct held *one = &x.open.at[i];
        log_event(LOG_INFO, "source.xa_prepared", "xid=%s origin=%s number=%llu", one->key.text,
                  one->origin, (unsigned long long)one->last);
        txn_set_remove(before, one->origin, one->first, one->last);
    }
    free(now.at);
    free(x.met.at);
    free(x.lacking.at);
    vec_fini(&x.open);
    payload_fini(&x.payload);
    inflater_fini(&x.z);
    buf_fini(&x.scratch);
    return ok;
}
