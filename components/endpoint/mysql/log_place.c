/*
 * A log whose transactions have their place for an identity (log_priv.h, place.h).
 *
 * Offsets are counted here, event by event, in 64 bits; those in the events have 32 and must agree
 * with ours in these, so no event can be missing. A transaction's place is its end, which its first
 * event tells by the transaction's length, and which is proven when it is reached.
 *
 * Where a file begins, empty transactions stand for the place before and behind its head: who waits
 * until the log has passed an end that was read there need not wait for the next transaction.
 *
 * A transaction that is known is known by its beginning: covers_from of the next one begins at its
 * predecessor's end, so a place just behind the beginning belongs to it alone.
 */
#include <inttypes.h>
#include <string.h>

#include "components/endpoint/mysql/log_priv.h"
#include "components/endpoint/mysql/place.h"

/* --- where it begins ----------------------------------------------------------------------------
 */

static const struct txn_set_origin *known_of(const struct txn_set *set, const char *origin)
{
    for (size_t i = 0; i < set->origins.n; i++)
        if (set->origins.at[i].origin == origin && set->origins.at[i].iv.n > 0)
            return &set->origins.at[i];
    return NULL;
}

bool log_place_start(struct log *l, const struct log_params *p, struct err *e)
{
    struct log_place at;

    if (l->domains.n > 0)
        return err_set(e, ERR_INVALID, "a position has GTIDs and places");
    if (!place_origin(l->s, &l->places, e))
        return false;
    const struct txn_set_origin *known = known_of(p->after, l->places);
    if (!known)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "nothing is known of the log of %s: it is another server (%s)", l->s->where,
                       l->places);
    uint64_t last = known->iv.at[0].last; /* up to the first open prepare */
    if (!place_find(l->s, last, p->trust_known, &at, e) ||
        !log_dump_at(l->s, p->server_id, at.file, &at.offset, 0, e))
        return err_wrap(e, "find where the log goes on");
    log_add_origin(l, l->places, 0, last);
    l->pos = at.offset;
    return true;
}

/* --- counting -----------------------------------------------------------------------------------
 */

/* Not in the file: the server made them for us, or repeats the file's head. */
static bool is_made_up(const struct binlog_header *h)
{
    return h->next_pos == 0 || h->flags & BINLOG_F_ARTIFICIAL || h->type == BINLOG_HEARTBEAT ||
           h->type == BINLOG_HEARTBEAT_V2;
}

bool log_place_move(struct log *l, const struct binlog_header *h, struct err *e)
{
    if (is_made_up(h))
        return true;
    l->event_at = l->pos;
    l->pos += h->size;
    return (uint32_t)l->pos == h->next_pos ||
           err_set(e, ERR_LOG_DAMAGED,
                   "a %s event says that it ends at %u, and it ends at %" PRIu64
                   ": events are missing",
                   binlog_type_name(h->type), h->next_pos, l->pos);
}

/* --- groups -------------------------------------------------------------------------------------
 */

static bool grows(struct log *l, uint64_t seq, struct err *e)
{
    const struct domain *d = l->domains.at[0];

    return l->group.known || seq > d->last ||
           err_set(e, ERR_LOG_ORDER,
                   "the log goes on at %s:%" PRIu64 ", which lies before what was read (file "
                   "number %" PRIu64 ", offset %" PRIu64 "): it was reset",
                   l->file, l->event_at, place_file(d->last), place_offset(d->last));
}

/* "file:offset begun=time of the file's first event" */
static void put_native(struct log *l)
{
    char *w = log_put_place(l, l->group.native);

    memcpy(w, "begun=", 6);
    *log_put_number(w + 6, l->file_begun) = '\0';
}

/* Opens the group that begins at `from` and ends at `to`, in the present file. */
static bool open_at(struct log *l, const struct binlog_header *h, uint64_t from, uint64_t to,
                    struct err *e)
{
    struct domain *d = l->domains.at[0];
    uint64_t first, seq;

    if (!place_seq(l->file, from, &first, e) || !place_seq(l->file, to, &seq, e))
        return false;
    l->group = (struct group){.open = true,
                              .standalone = true,
                              .is_mysql = true,
                              .transactional = true,
                              .known = txn_set_has(&l->after, (struct txn_id){d->origin, first}),
                              .domain = d,
                              .seq = seq,
                              .covers_from = d->last + 1,
                              .server_id = h->server_id,
                              .commit = {(int64_t)h->timestamp * 1000000}};
    (void)memcpy(l->group.uuid, d->origin + strlen(ORIGIN_PLACE), MYSQL_UUID_TEXT);
    put_native(l);
    l->maps.n = 0;
    return grows(l, seq, e);
}

bool log_place_group(struct log *l, const struct binlog_header *h,
                     const struct binlog_mysql_gtid *g, struct err *e)
{
    if (!g->anonymous)
        return err_set(e, ERR_UNSUPPORTED,
                       "a transaction has a GTID: gtid_mode was changed on the source, which is "
                       "followed by file and offset of its log");
    if (g->length < h->size)
        return err_set(e, ERR_UNSUPPORTED, "the log does not tell how long a transaction is");
    if (!open_at(l, h, l->event_at + 1, l->event_at + g->length, e))
        return false;
    l->group.ends_at = l->event_at + g->length;
    if (g->commit_us)
        l->group.commit.us = (int64_t)g->commit_us;
    return true;
}

bool log_place_mark(struct log *l, const struct binlog_header *h, uint64_t offset, struct err *e)
{
    if (!group_cut(l, e) || !open_at(l, h, offset, offset, e))
        return false;
    group_commit(l);
    return true;
}

bool log_place_proven(struct log *l, struct err *e)
{
    uint64_t ends_at = l->group.ends_at;

    if (!l->places || l->group.open || ends_at == 0)
        return true;
    l->group.ends_at = 0;
    return ends_at == l->pos ||
           err_set(e, ERR_LOG_DAMAGED,
                   "a transaction ends at %" PRIu64 ", its first event says at %" PRIu64, l->pos,
                   ends_at);
}
