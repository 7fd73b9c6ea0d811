/*
 * The log interface (endpoint.h) over a replica's connection. log_priv.h says which file does what.
 *
 * Records are written straight into the caller's buffer. A record that is not finished when read()
 * must return (the deadline passed inside a transaction) is taken off the buffer's end and put at
 * the beginning of the next one: callers see whole records only.
 *
 * What can go wrong: the connection (RETRY), the position is gone (ERR_LOG_LOST), an event that is
 * not known or cannot be carried (STOP, with file and position). After an error the log is only
 * good for closing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/os/clock.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/log_priv.h"
#include "components/endpoint/mysql/place.h"
#include "components/endpoint/mysql/position.h"

#define EVENT_TEXT_MAX ((size_t)1100 << 20)
#define SILENCE_MS 30000 /* heartbeats missing for so long: the connection is dead */

bool log_at(struct log *l, struct err *e)
{
    return err_wrap(e, "at %s:%" PRIu64 " of the source's log", l->file, l->event_at);
}

static void log_close(struct log *l)
{
    if (!l)
        return;
    packets_fini(&l->packets);
    session_close(l->s);
    session_close(l->catalog);
    tables_fini(&l->tables);
    inflater_fini(&l->z);
    payload_fini(&l->payload);
    buf_fini(&l->scratch);
    buf_fini(&l->text);
    buf_fini(&l->stash);
    vec_fini(&l->maps);
    xa_fini(l);
    ahead_fini(l);
    txn_set_fini(&l->after);
    for (size_t i = 0; i < l->domains.n; i++)
        free(l->domains.at[i]);
    vec_fini(&l->domains);
    arena_fini(&l->arena);
    arena_fini(&l->static_);
    free(l);
}

static void add_domains(struct log *l, const struct txn_set *after)
{
    for (size_t i = 0; i < after->origins.n; i++) {
        const char *origin = after->origins.at[i].origin;
        uint32_t id = 0;
        const struct txn_set_origin *o = &after->origins.at[i];
        if (o->iv.n > 1)
            l->after_has_holes = true;
        /* What is neither is refused where the dump is asked for. */
        if (o->iv.n > 0 &&
            (sscanf(origin, "mariadb:%u", &id) == 1 || strncmp(origin, "mysql:", 6) == 0))
            log_add_origin(l, origin, id, o->iv.at[0].last); /* up to the first open prepare */
    }
}

static bool log_open(const struct log_params *p, struct log **out, struct err *e)
{
    struct log *l = must_calloc(1, sizeof *l);

    l->address = *p->address;
    l->filter = p->filter;
    l->filter_arg = p->filter_arg;
    l->next_table_id = p->next_table_id;
    l->look_id = p->look_id ? p->look_id : p->server_id ^ LOOK_ID_BIT;
    l->trust_known = p->trust_known;
    l->part_bytes = p->part_bytes ? p->part_bytes : 4u << 20;
    arena_init(&l->arena, 0);
    arena_init(&l->static_, 0);
    buf_init(&l->scratch, EVENT_TEXT_MAX);
    payload_init(&l->payload, EVENT_TEXT_MAX);
    buf_init(&l->text, 64u << 20);
    buf_init(&l->stash, EVENT_TEXT_MAX);
    binlog_format_init(&l->format);
    txn_set_copy(&l->after, p->after);
    add_domains(l, p->after);
    xa_init(l);
    l->spill_dir = p->spill_dir;
    bool ok = session_open(p->address, SESSION_LOG, &l->s, e);
    if (!ok || !tables_init(l, p, e) || !log_start(l, p, e)) {
        log_close(l);
        return err_wrap(e, "open the source's log");
    }
    *out = l;
    return true;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The unfinished record goes from the end of out to the stash. */
static void stash_record(struct log *l, struct buf *out)
{
    size_t from = l->writer.record_at - 1;

    buf_clear(&l->stash);
    buf_append(&l->stash, out->p + from, out->len - from);
    l->stash_run_at = l->writer.run_count_at - from;
    out->len = from;
}

static void unstash_record(struct log *l, struct buf *out)
{
    l->writer.out = out;
    if (!l->writer.open)
        return;
    size_t from = out->len;
    buf_append(out, l->stash.p, l->stash.len);
    l->writer.record_at = from + 1;
    l->writer.run_count_at = from + l->stash_run_at;
    buf_clear(&l->stash);
}

/* Bytes of whole records. */
static size_t whole_bytes(const struct log *l, const struct buf *out)
{
    return l->writer.open ? l->writer.record_at - 1 : out->len;
}

static bool check_room(const struct buf *out, struct err *e)
{
    return buf_ok(out) || err_set(e, ERR_LIMIT, "records do not fit into %zu bytes", out->max);
}

static bool log_loop(struct log *l, struct buf *out, size_t from, size_t want, int64_t timeout_ms,
                     struct err *e)
{
    struct log_progress *p = l->progress;
    struct mono begun = clock_mono();
    struct view event;
    bool got;

    while (whole_bytes(l, out) - from < want) {
        if (log_is_busy(l)) {
            if (!log_busy_step(l, e) || !check_room(out, e))
                return false;
            continue;
        }
        int64_t wait = 0; /* the clock is looked at only if that may have to wait */
        if (whole_bytes(l, out) == from) {
            int64_t passed = mono_ms_between(begun, clock_mono());
            wait = passed < timeout_ms ? timeout_ms - passed : 0;
        }
        if (!packets_next(&l->packets, wait, &event, &got, e))
            return false;
        if (!got) {
            l->drained = l->packets.asked;
            if (whole_bytes(l, out) > from || mono_ms_between(begun, clock_mono()) >= timeout_ms) {
                p->at_end = !l->group.open;
                return true;
            }
            continue;
        }
        p->heard = true;
        p->source_bytes += event.len;
        if (!log_event_in(l, event, e) || !check_room(out, e))
            return false;
    }
    return true;
}

static bool check_silence(struct log *l, bool heard, struct err *e)
{
    struct mono now = clock_mono();

    if (heard || l->heard.ns == 0)
        l->heard = now;
    if (mono_ms_between(l->heard, now) > SILENCE_MS)
        return err_set(e, ERR_SERVER_UNREACHABLE, "the source's log has been silent for %d s",
                       SILENCE_MS / 1000);
    return true;
}

static bool log_read(struct log *l, struct buf *out, size_t want_bytes, int64_t timeout_ms,
                     struct log_progress *p, struct err *e)
{
    size_t from = out->len;

    *p = (struct log_progress){.at_end = false};
    l->progress = p;
    unstash_record(l, out);
    bool ok = log_loop(l, out, from, want_bytes, timeout_ms, e) && check_silence(l, p->heard, e);
    l->progress = NULL;
    if (!ok)
        return false;
    p->inside_txn = l->group.open && l->group.parts > 0;
    if (l->writer.open)
        stash_record(l, out);
    return true;
}

/* Nothing is known: what the server gives its transactions now decides. */
static bool goes_by_place(struct session *s, const struct txn_set *of, bool *does, struct err *e)
{
    enum gtid_mode mode;
    char text[32];

    *does = of && txn_set_has_places(of);
    if (of && !txn_set_is_empty(of))
        return true;
    if (!place_gtid_mode(s, &mode, text, e))
        return false;
    *does = mode == GTID_OFF;
    return mode != GTID_MIXED ||
           err_set(e, ERR_SERVER_POSITION,
                   "gtid_mode of %s is %s: some transactions have a GTID and others have none",
                   s->where, text);
}

static bool replace_by(bool ok, struct txn_set *got, struct txn_set *set)
{
    txn_set_fini(ok ? set : got);
    if (ok)
        *set = *got;
    return ok;
}

static bool log_executed(struct session *s, const struct txn_set *of, struct txn_set *set,
                         struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    bool by_place = false;
    const char *sql =
        s->is_mariadb ? "SELECT @@global.gtid_binlog_pos" : "SELECT @@global.gtid_executed";
    struct txn_set got;

    txn_set_init(&got);
    if (!goes_by_place(s, of, &by_place, e))
        return false;
    if (by_place)
        return replace_by(place_executed(s, of, &got, e), &got, set);
    if (!session_query(s, sql, &res, e))
        return err_wrap(e, "ask what the source has executed");
    MYSQL_ROW row = mysql_fetch_row(res);
    const char *text = row && row[0] ? row[0] : "";
    return replace_by(s->is_mariadb ? position_add_mariadb(text, &got, e)
                                    : position_add_mysql(text, &got, e),
                      &got, set);
}

static bool is_on(MYSQL_RES *res, MYSQL_ROW row, const char *name)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(res);

    for (unsigned i = 0; i < mysql_num_fields(res); i++)
        if (strcmp(fields[i].name, name) == 0)
            return row[i] && strcmp(row[i], "Yes") == 0;
    return false;
}

/* MySQL counts a transaction as executed when its commit is over. Until a replica has answered, a
 * semi-synchronous one is not, and stands in the log already. */
static bool commits_wait(struct session *s, bool *do_wait, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (s->is_mariadb)
        return true;
    if (!session_query(s, "SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%\\_wait\\_sessions'", &res,
                       e))
        return err_wrap(e, "ask whether commits wait for replicas");
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        *do_wait = *do_wait || (row[1] && strcmp(row[1], "0") != 0);
    return true;
}

/* Who may not see it gets "no": then what is missing counts as lost. */
static bool log_replicates(struct session *s, bool *does, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    const char *sql = s->is_mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS";
    const char *applies = s->is_mariadb ? "Slave_SQL_Running" : "Replica_SQL_Running";

    *does = false;
    if (!commits_wait(s, does, e))
        return false;
    if (!session_query(s, sql, &res, e)) {
        if (err_class_of(e->code) == ERR_CLASS_RETRY)
            return err_wrap(e, "ask whether the source is a replica");
        err_clear(e);
        return true;
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));)
        *does = *does || is_on(res, row, applies);
    return true;
}

const struct log_ops mysql_log_ops = {
    .open = log_open,
    .close = log_close,
    .read = log_read,
    .executed = log_executed,
    .replicates = log_replicates,
    .readers = log_readers,
    .find_start = log_find_start,
};
