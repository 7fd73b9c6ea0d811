/* See history.h. Of a very large transaction the beginning is compared. */
#include "components/store/history.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "common/base/vec.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/store/content.h"
#include "components/store/log_walk.h"

#define RECORDS_MAX (64u << 20)
#define READ_BYTES (1u << 20)
#define READ_MS 500
#define GIVE_UP_MS 60000
#define AGAIN_MS 500

static bool is_it(const struct content *c, const struct txn_head *h)
{
    return h->id.origin == c->id.origin && h->id.seq == c->id.seq;
}

static void add_head(struct content *c, const struct txn_head *h)
{
    if (!c->found)
        content_add_evidence(c, h);
    c->found = true;
    c->covers_from = h->covers_from;
    c->server_id = h->server_id;
    c->is_xa = h->flags & TXN_F_XA;
    c->is_filtered = h->flags & TXN_F_FILTERED;
}

/* --- as it was pulled ---------------------------------------------------------------------------
 */

struct stored {
    struct content *c;
};

static enum walk_answer each(void *arg, const struct walk_record *r, struct err *e)
{
    struct content *c = ((struct stored *)arg)->c;

    if (r->type == RECORD_HEARTBEAT || !is_it(c, &r->head))
        return WALK_ON;
    add_head(c, &r->head);
    if (r->type == RECORD_DDL)
        content_add_text(c, r->ddl.sql);
    else if (!content_add_changes(c, r->changes, log_walk_table, r->walk, e))
        return WALK_FAILED;
    c->ended = c->ended || (r->head.flags & TXN_F_LAST);
    return content_enough(c) ? WALK_ENOUGH : WALK_ON;
}

static enum walk_answer pause(void *arg, struct err *e)
{
    (void)arg, (void)e;
    return WALK_ON;
}

static bool read_stored(struct store *s, struct content *c, struct err *e)
{
    struct stored stored = {c};
    struct log_walk_params p = {.store = s,
                                .from = {.given = true, .id = c->id},
                                .each = each,
                                .pause = pause,
                                .arg = &stored};

    return log_walk(&p, e);
}

/* --- as the source tells it now -----------------------------------------------------------------
 */

struct retold {
    struct content *c;
    const struct log_params *params;
    VEC(const struct table_def *) tables; /* versions that came meanwhile */
};

static const struct table_def *table_of(void *arg, uint32_t id)
{
    struct retold *r = arg;

    for (size_t i = 0; i < r->tables.n; i++)
        if (r->tables.at[i]->id == id)
            return r->tables.at[i];
    for (size_t i = 0; i < r->params->n_known; i++)
        if (r->params->known[i]->id == id)
            return r->params->known[i];
    return NULL;
}

/* Places come in their order; that of an XA transaction's prepare behind its end. */
static bool is_still_to_come(const struct content *c, const struct txn_head *h, struct err *e)
{
    bool passed = origin_is_place(c->id.origin) && h->id.origin == c->id.origin && !c->found &&
                  h->id.seq > c->id.seq && !(h->flags & TXN_F_XA);

    return !passed ||
           err_set(e, ERR_SOURCE_DIVERGED,
                   "transaction %s=%" PRIu64 " is not in the source's log any more: at "
                   "its place is %.*s",
                   c->id.origin, c->id.seq, (int)h->native.len, (const char *)h->native.p);
}

static bool take_record(struct retold *r, const struct record *rec, struct err *e)
{
    struct cursor body = cursor_of(rec->body.p, rec->body.len);
    const struct table_def *t;
    struct ddl_record d;
    struct txn_head h;

    if (rec->type == RECORD_HEARTBEAT)
        return true;
    if (rec->type == RECORD_TABLE_VERSION) {
        if (!table_def_decode(&body, &t, e))
            return false;
        vec_push(&r->tables, t);
        return true;
    }
    if (!txn_head_read(&body, &h))
        return err_set(e, ERR_CORRUPT, "a transaction's head does not have its form");
    if (!is_it(r->c, &h))
        return is_still_to_come(r->c, &h, e);
    add_head(r->c, &h);
    if (rec->type == RECORD_DDL && ddl_record_read(&body, &d))
        content_add_text(r->c, d.sql);
    else if (rec->type != RECORD_DDL &&
             !content_add_changes(r->c, (struct view){body.p, cursor_left(&body)}, table_of, r, e))
        return false;
    r->c->ended = r->c->ended || (h.flags & TXN_F_LAST);
    return true;
}

static bool take_records(struct retold *r, const struct buf *out, struct err *e)
{
    struct cursor c = cursor_of(out->p, out->len);
    struct record rec;

    while (!content_enough(r->c) && record_next(&c, &rec))
        if (!take_record(r, &rec, e))
            return false;
    return !c.failed || err_set(e, ERR_CORRUPT, "records do not have their form");
}

static bool hear(const struct endpoint *source, struct retold *r, struct log *log, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), GIVE_UP_MS);
    struct log_progress progress;
    struct buf out CLEANUP(buf_fini) = {0};

    buf_init(&out, RECORDS_MAX);
    while (!content_enough(r->c)) {
        buf_clear(&out);
        if (!source->log->read(log, &out, READ_BYTES, READ_MS, &progress, e) ||
            !take_records(r, &out, e))
            return false;
        if (mono_cmp(clock_mono(), until) > 0)
            return err_set(e, ERR_SERVER_UNREACHABLE,
                           "the source does not send the last transaction once more");
    }
    return true;
}

static bool read_retold(const struct endpoint *source, const struct log_params *params,
                        struct content *c, struct err *e)
{
    struct retold r = {.c = c, .params = params};
    struct log *log = NULL;

    bool ok = source->log->open(params, &log, e) && hear(source, &r, log, e);
    if (log)
        source->log->close(log);
    for (size_t i = 0; i < r.tables.n; i++)
        table_def_unref(r.tables.at[i]);
    vec_fini(&r.tables);
    return ok;
}

/* --- both ---------------------------------------------------------------------------------------
 */

/* A replica that still applies what it got may have it in a moment. */
static bool lacks(const struct endpoint *source, struct session *session,
                  const struct txn_set *missing, struct err *e)
{
    struct buf text CLEANUP(buf_fini) = {0};
    bool replicates = false, places = txn_set_has_places(missing);

    if (!places && source->log->replicates && !source->log->replicates(session, &replicates, e))
        return false;
    buf_init(&text, 4096);
    txn_set_format(missing, &text);
    const char *which = text.len ? buf_cstr(&text) : "(a long list)";
    if (places)
        return err_set(
            e, ERR_SOURCE_DIVERGED,
            "the source's log lacks places that were pulled from it: %s: it was reset, or "
            "cut by a crash",
            which);
    if (replicates)
        return err_set(e, ERR_SOURCE_BEHIND,
                       "this server, a replica or one whose commits wait for a replica, lacks "
                       "%" PRIu64 " transactions that the store has: %s",
                       txn_set_count(missing), which);
    return err_set(e, ERR_SOURCE_DIVERGED,
                   "the source lacks %" PRIu64 " transactions that were pulled from it: %s",
                   txn_set_count(missing), which);
}

/* Places of servers that were read before the present one were compared when it took their place.
 */
static void forget_other_servers(struct store *s, struct txn_set *ours,
                                 const struct txn_set *executed)
{
    struct txn_id last;

    if (!txn_set_has_places(executed) || !store_last_id(s, &last) ||
        txn_set_last(executed, last.origin) == 0)
        return;
    for (size_t i = ours->origins.n; i-- > 0;)
        if (ours->origins.at[i].origin != last.origin)
            txn_set_remove(ours, ours->origins.at[i].origin, 1, UINT64_MAX);
}

static bool contained_now(const struct endpoint *source, struct session *session, struct store *s,
                          struct err *e)
{
    struct txn_set executed, ours;
    bool ok;

    txn_set_init(&executed);
    store_set(s, &ours);
    if (!source->log->executed(session, &ours, &executed, e)) {
        txn_set_fini(&ours);
        return false;
    }
    forget_other_servers(s, &ours, &executed);
    ok = txn_set_contains(&executed, &ours);
    if (!ok) {
        txn_set_subtract(&ours, &executed);
        ok = lacks(source, session, &ours, e);
    }
    txn_set_fini(&ours);
    txn_set_fini(&executed);
    return ok;
}

static bool follows_places(struct store *s)
{
    struct txn_id last;

    return store_last_id(s, &last) && origin_is_place(last.origin);
}

/* A server may show its log a moment before its set of GTIDs, so that is asked for twice. Where a
 * log ends is no such thing. */
bool history_contained(const struct endpoint *source, struct session *session, struct store *s,
                       struct err *e)
{
    if (contained_now(source, session, s, e))
        return true;
    if (e->code != ERR_SOURCE_DIVERGED || follows_places(s))
        return false;
    (void)poll(NULL, 0, AGAIN_MS);
    err_clear(e);
    return contained_now(source, session, s, e);
}

static bool differs(const struct content *mine, const struct content *theirs, struct err *e)
{
    if (mine->server_id != theirs->server_id)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "transaction %s=%" PRIu64 " was made by server %u when it was pulled, the "
                       "source says it is of server %u: another history has the same number",
                       mine->id.origin, mine->id.seq, mine->server_id, theirs->server_id);
    return err_set(e, ERR_SOURCE_DIVERGED,
                   "transaction %s=%" PRIu64 " has another content on the source than when it was "
                   "pulled: another history has the same number",
                   mine->id.origin, mine->id.seq);
}

bool history_same_last(const struct endpoint *source, const struct log_params *params,
                       struct store *s, struct err *e)
{
    struct log_params again = *params;
    struct content mine = {.bytes = 0}, theirs = {.bytes = 0};
    struct txn_set after;

    if (!store_last_id(s, &mine.id))
        return true; /* nothing was pulled, or nothing of it is kept */
    theirs.id = mine.id;
    if (!read_stored(s, &mine, e))
        return err_wrap(e, "read the last transaction in the store");
    bool place = origin_is_place(mine.id.origin);
    if (!mine.found || (mine.is_xa && !place))
        return true; /* a prepare and its commit are told together or not at all */
    store_set(s, &after);
    txn_set_remove(&after, mine.id.origin, mine.covers_from, mine.is_xa ? UINT64_MAX : mine.id.seq);
    again.after = &after;
    again.trust_known = true;
    bool ok = read_retold(source, &again, &theirs, e);
    txn_set_fini(&after);
    if (!ok && e->code == ERR_LOG_LOST && place) { /* nothing else proves it */
        e->code = ERR_SOURCE_DIVERGED;
        return err_wrap(e, "the last transaction that was pulled cannot be found again");
    }
    if (!ok && e->code == ERR_LOG_LOST) {
        log_err(LOG_WARN, "store.history_unproven", e);
        err_clear(e);
        return true;
    }
    if (!ok)
        return err_wrap(e, "compare the last transaction with the source's");
    bool same = content_same(&mine, &theirs);
    return same || differs(&mine, &theirs, e);
}

/* --- while it is read ---------------------------------------------------------------------------
 */

#define QUIET_MS 5000

static bool is_due(const struct history_watch *w, bool place)
{
    struct mono now = clock_mono();

    return mono_ms_between(w->asked, now) >= QUIET_MS &&
           (place || mono_ms_between(w->heard, now) >= QUIET_MS);
}

bool history_watch(struct history_watch *w, bool got, const struct endpoint *source,
                   const struct endpoint_address *at, struct store *s, struct err *e)
{
    struct session *session = NULL;

    if (got)
        w->heard = clock_mono();
    if (!is_due(w, follows_places(s)))
        return true;
    bool ok = source->catalog->connect(at, &session, e) && contained_now(source, session, s, e);
    source->catalog->close(session);
    w->asked = clock_mono();
    if (!ok && (e->code == ERR_SOURCE_DIVERGED || e->code == ERR_SOURCE_BEHIND)) {
        e->code = ERR_SERVER_UNREACHABLE;
        return err_wrap(e, "connect anew: the log that is read is not the one that the server has");
    }
    err_clear(e);
    return true;
}
