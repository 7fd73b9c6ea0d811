/* See adopt.h. */
#include "components/store/adopt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/vec.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/store/content.h"
#include "components/store/log_walk.h"

#define RECORDS_MAX (64u << 20)
#define READ_BYTES (1u << 20)
#define READ_MS 500
#define SILENT_MS 60000
#define TAIL_MAX 1000000
#define LOOK_BACK_US ((int64_t)600 * 1000000) /* in the Store, at first */
#define SLACK_US ((int64_t)3600 * 1000000)    /* between the clocks of two servers */
#define FILE_BEGIN(n) ((uint64_t)(n) << PLACE_OFFSET_BITS)

struct one { /* a transaction, put together from its records */
    struct content c;
    struct wall commit;
    bool is_beat;
    char native[200];
};
struct adoption {
    const struct adopt_params *p;
    const char *origin; /* of the new server */
    uint64_t end;       /* of its log, when it was asked */
    /* The Store's: the last heartbeat, and all behind it. */
    VEC(struct one) tail;
    struct one now;
    /* The new server's. */
    VEC(const struct table_def *) tables;
    size_t matched;   /* of the tail */
    struct one last;  /* the last one that matched */
    uint64_t seen;    /* the last place */
    int64_t begun_us; /* the file's */
};

/* --- transactions -------------------------------------------------------------------------------
 */

static bool is_beat(struct adoption *a, struct view changes, table_resolver *resolve, void *arg)
{
    struct change_iter it;
    struct change one;

    change_iter_init(&it, changes, resolve, arg);
    return change_next(&it, &one) && strcmp(one.table->db, a->p->heartbeat_schema) == 0 &&
           strcmp(one.table->name, HEARTBEAT_TABLE) == 0;
}

/* Adds a record; *whole: it was the last one of a transaction that changes something. */
static bool add_record(struct adoption *a, const struct walk_record *r, table_resolver *resolve,
                       void *arg, bool *whole, struct err *e)
{
    struct one *now = &a->now;

    if (r->head.part == 0) {
        *now = (struct one){.commit = r->head.commit};
        now->c.id = r->head.id;
        now->c.covers_from = r->head.covers_from;
        now->c.server_id = r->head.server_id;
        (void)snprintf(now->native, sizeof now->native, "%.*s", (int)r->head.native.len,
                       (const char *)r->head.native.p);
        now->is_beat = r->type != RECORD_DDL && r->type != RECORD_DDL_PART &&
                       is_beat(a, r->changes, resolve, arg);
    }
    if (r->type == RECORD_DDL || r->type == RECORD_DDL_PART)
        content_add_text(&now->c, r->ddl.sql);
    else if (!content_add_changes(&now->c, r->changes, resolve, arg, e))
        return false;
    *whole = (r->head.flags & TXN_F_LAST) && !(r->head.flags & TXN_F_FILTERED);
    return true;
}

static bool is_same(const struct one *mine, const struct one *its)
{
    return mine->c.digest == its->c.digest && mine->c.server_id == its->c.server_id;
}

/* --- the Store's tail ---------------------------------------------------------------------------
 */

static enum walk_answer each(void *arg, const struct walk_record *r, struct err *e)
{
    struct adoption *a = arg;
    bool whole;

    if (r->type == RECORD_HEARTBEAT)
        return WALK_ON;
    if (!add_record(a, r, log_walk_table, r->walk, &whole, e))
        return WALK_FAILED;
    if (!whole)
        return WALK_ON;
    if (a->now.is_beat)
        a->tail.n = 0;
    if (a->now.is_beat || a->tail.n > 0)
        vec_push(&a->tail, a->now);
    if (a->tail.n <= TAIL_MAX)
        return WALK_ON;
    (void)err_set(e, ERR_SOURCE_DIVERGED,
                  "the store holds more than %d transactions behind the last heartbeat", TAIL_MAX);
    return WALK_FAILED;
}

static enum walk_answer pause(void *arg, struct err *e)
{
    (void)arg, (void)e;
    return WALK_ON;
}

static bool walk_from(struct adoption *a, struct store_place from, struct err *e)
{
    struct log_walk_params p = {
        .store = a->p->store, .from = from, .each = each, .pause = pause, .arg = a};

    a->tail.n = 0;
    return log_walk(&p, e);
}

static bool read_tail(struct adoption *a, struct err *e)
{
    struct store_figures f;
    struct err ignored = ERR_INIT;

    store_figures(a->p->store, &f);
    struct store_place recent = {
        .given = true, .is_time = true, .time = {f.last_commit_us - LOOK_BACK_US}};
    if (walk_from(a, recent, &ignored) && a->tail.n > 0)
        return true;
    if (!walk_from(a, (struct store_place){.given = false}, e))
        return err_wrap(e, "look for the last heartbeat in the store");
    return a->tail.n > 0 || err_set(e, ERR_SOURCE_DIVERGED,
                                    "this is another server (%s), and the store holds no heartbeat "
                                    "by which the place in its log could be found",
                                    a->origin);
}

/* --- the new server's log -----------------------------------------------------------------------
 */

static const struct table_def *table_of(void *arg, uint32_t id)
{
    struct adoption *a = arg;

    for (size_t i = a->tables.n; i-- > 0;)
        if (a->tables.at[i]->id == id)
            return a->tables.at[i];
    for (size_t i = 0; i < a->p->params->n_known; i++)
        if (a->p->params->known[i]->id == id)
            return a->p->params->known[i];
    return NULL;
}

static bool is_done(const struct adoption *a)
{
    return a->matched == a->tail.n;
}

static bool compare(struct adoption *a, struct err *e)
{
    const struct one *mine = &a->tail.at[a->matched];

    if (!is_same(mine, &a->now)) {
        if (a->matched == 0)
            return true; /* not the heartbeat */
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "transaction %s=%" PRIu64 " (%s) of the server that was read before is not "
                       "the one that follows on this one, at %s: their histories are not the same",
                       mine->c.id.origin, mine->c.id.seq, mine->native, a->now.native);
    }
    a->matched++;
    a->last = a->now;
    return true;
}

static bool take_record(struct adoption *a, const struct record *rec, struct err *e)
{
    struct cursor body = cursor_of(rec->body.p, rec->body.len);
    struct walk_record r = {.type = rec->type};
    const struct table_def *t;
    bool whole = false;

    if (rec->type == RECORD_HEARTBEAT)
        return true;
    if (rec->type == RECORD_TABLE_VERSION) {
        if (!table_def_decode(&body, &t, e))
            return false;
        vec_push(&a->tables, t);
        return true;
    }
    bool is_ddl = rec->type == RECORD_DDL || rec->type == RECORD_DDL_PART;
    if (!txn_head_read(&body, &r.head) || (is_ddl && !ddl_record_read(&body, &r.ddl)))
        return err_set(e, ERR_CORRUPT, "a transaction does not have its form");
    r.changes = (struct view){body.p, cursor_left(&body)};
    a->seen = r.head.id.seq > a->seen ? r.head.id.seq : a->seen;
    if (a->begun_us == 0)
        a->begun_us = r.head.commit.us;
    return add_record(a, &r, table_of, a, &whole, e) && (!whole || is_done(a) || compare(a, e));
}

static bool take_records(struct adoption *a, const struct buf *out, struct err *e)
{
    struct cursor c = cursor_of(out->p, out->len);
    struct record rec;

    while (!is_done(a) && record_next(&c, &rec))
        if (!take_record(a, &rec, e))
            return false;
    return !c.failed || err_set(e, ERR_CORRUPT, "records do not have their form");
}

/* To `to` while nothing was found, and else to the end. */
static bool hear(struct adoption *a, struct log *log, uint64_t to, struct err *e)
{
    struct mono heard = clock_mono();
    struct log_progress progress;
    struct buf out CLEANUP(buf_fini) = {0};

    buf_init(&out, RECORDS_MAX);
    while (!is_done(a) && a->seen < (a->matched > 0 ? a->end : to)) {
        buf_clear(&out);
        if (!a->p->source->log->read(log, &out, READ_BYTES, READ_MS, &progress, e) ||
            !take_records(a, &out, e))
            return false;
        if (out.len > 0)
            heard = clock_mono();
        else if (mono_ms_between(heard, clock_mono()) > SILENT_MS)
            return err_set(e, ERR_SERVER_UNREACHABLE, "the source does not send its log");
    }
    return true;
}

/* The file with this number, and on from there once the heartbeat was found. */
static bool read_file(struct adoption *a, uint64_t number, uint64_t to, struct err *e)
{
    struct log_params params = *a->p->params;
    struct txn_set after;
    struct log *log = NULL;

    txn_set_init(&after);
    txn_set_add(&after, a->origin, 1, FILE_BEGIN(number));
    params.after = &after;
    a->seen = a->begun_us = 0;
    bool ok = a->p->source->log->open(&params, &log, e) && hear(a, log, to, e);
    if (log)
        a->p->source->log->close(log);
    for (size_t i = 0; i < a->tables.n; i++)
        table_def_unref(a->tables.at[i]);
    a->tables.n = 0;
    txn_set_fini(&after);
    return ok;
}

static bool not_there(struct adoption *a, struct err *e)
{
    const struct one *missing = &a->tail.at[a->matched];
    bool replicates = false;

    if (a->p->source->log->replicates &&
        !a->p->source->log->replicates(a->p->session, &replicates, e))
        return false;
    return err_set(e, replicates ? ERR_SOURCE_BEHIND : ERR_SOURCE_DIVERGED,
                   "this is another server (%s); its log lacks %s%s=%" PRIu64 " (%s) of the one "
                   "that was read before",
                   a->origin, a->matched ? "" : "the heartbeat in ", missing->c.id.origin,
                   missing->c.id.seq, missing->native);
}

/* From the newest file to the oldest one that can have it. */
static bool search(struct adoption *a, struct err *e)
{
    uint64_t number = a->end >> PLACE_OFFSET_BITS, to = a->end;
    int64_t oldest_us = a->tail.at[0].commit.us - SLACK_US;

    for (; number > 0 && a->matched == 0; number--) {
        if (!read_file(a, number, to, e)) {
            if (e->code != ERR_LOG_LOST)
                return false;
            err_clear(e);
            break;
        }
        if (a->begun_us != 0 && a->begun_us < oldest_us)
            break;
        to = FILE_BEGIN(number);
    }
    return is_done(a) || not_there(a, e);
}

/* --- both ---------------------------------------------------------------------------------------
 */

static void put_place(struct adoption *a, struct txn_writer *w, uint64_t first, uint64_t last)
{
    const char *uuid = a->origin + strlen(ORIGIN_PLACE);
    struct txn_head h = {.id = {a->origin, last},
                         .covers_from = first,
                         .commit = a->last.commit,
                         .flags = TXN_F_FILTERED,
                         .server_id = a->last.c.server_id,
                         .server_uuid = {(const uint8_t *)uuid, strlen(uuid)},
                         .native = {(const uint8_t *)a->last.native, strlen(a->last.native)}};

    txn_write_begin(w, RECORD_TXN, &h);
    txn_write_end(w);
}

/* The second one is the place of the last transaction, as its own record has it. */
static bool keep(struct adoption *a, struct err *e)
{
    struct buf out CLEANUP(buf_fini) = {0};
    struct txn_writer w;

    buf_init(&out, 4096);
    txn_writer_init(&w, &out);
    put_place(a, &w, 1, a->last.c.covers_from - 1);
    put_place(a, &w, a->last.c.covers_from, a->last.c.id.seq);
    return store_append(a->p->store, (struct view){out.p, out.len}, false, e) &&
           store_sync(a->p->store, e);
}

/* The origin of the server that was read last; NULL: no places, or nothing is known. */
static const char *origin_before(struct store *s, const struct txn_set *ours)
{
    struct txn_id last;

    if (store_last_id(s, &last))
        return origin_is_place(last.origin) ? last.origin : NULL;
    return ours->origins.n == 1 && txn_set_has_places(ours) ? ours->origins.at[0].origin : NULL;
}

static bool adopt(struct adoption *a, const struct txn_set *ours, struct err *e)
{
    if (txn_set_last(ours, a->origin) > 0)
        return err_set(e, ERR_SOURCE_LEFT,
                       "this server (%s) was read before another one took its place: the way back "
                       "is not taken",
                       a->origin);
    if (a->p->copy_runs)
        return err_set(e, ERR_COPY_PLACE,
                       "this is another server (%s), and the copy is not over: without GTIDs its "
                       "positions are places in the log of the one that was read, which is waited "
                       "for. If it does not come back: release the project and copy again from "
                       "this one",
                       a->origin);
    if (!a->p->heartbeat_schema)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "this is another server (%s), and without GTIDs the place in its log is "
                       "found by the heartbeat's row: the project has no `heartbeat:`",
                       a->origin);
    if (!read_tail(a, e) || !search(a, e) || !keep(a, e))
        return false;
    log_event(LOG_WARN, "store.adopted", "origin=%s at=%s compared=%zu", a->origin, a->last.native,
              a->tail.n);
    return true;
}

bool adopt_source(const struct adopt_params *p, struct err *e)
{
    struct adoption a = {.p = p};
    struct txn_set ours, executed;
    bool ok = true;

    store_set(p->store, &ours);
    txn_set_init(&executed);
    const char *before = origin_before(p->store, &ours);
    if (before) {
        ok = p->source->log->executed(p->session, &ours, &executed, e);
        if (ok && txn_set_last(&executed, before) == 0 && executed.origins.n == 1) {
            a.origin = executed.origins.at[0].origin;
            a.end = txn_set_last(&executed, a.origin);
            ok = adopt(&a, &ours, e) || err_wrap(e, "go on at another server");
        }
    }
    vec_fini(&a.tail);
    vec_fini(&a.tables);
    txn_set_fini(&executed);
    txn_set_fini(&ours);
    return ok;
}
