/*
 * From where a log is followed of which nothing was read yet: log_ops.find_start (log_priv.h).
 *
 * By time the position is the one before the first transaction in the log whose commit time is not
 * before T; everything behind it is followed, whatever its time. Times in a log do not grow: what
 * MariaDB writes is when the committing statement began. So that a file begins before T does not
 * prove that all before it is older: its time may be that of a long statement, which ended the file
 * before. Files are therefore read on towards the older ones until one is met that has transactions
 * and none of T or later. Where the oldest file is met first, it must show something older than T
 * itself, or begin the history.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/log_look.h"
#include "components/endpoint/mysql/log_prepared.h"
#include "components/endpoint/mysql/place.h"
#include "components/endpoint/mysql/position.h"

struct seek {
    const struct endpoint_address *address;
    uint32_t number;
    const struct start_at *want;
    struct session *s; /* for questions */
    enum gtid_mode mode;
    struct log_files files;
    size_t from; /* the file that the position lies in, or an older one */
};

static bool look(struct seek *k, size_t file, const struct look_for *want, struct look_seen *out,
                 struct err *e)
{
    return log_look(k->address, k->number, k->files.list.at[file].name, want, out, e);
}

static const char *time_text(int64_t us, char out[WALL_TEXT_MAX])
{
    return wall_format((struct wall){us}, out);
}

/* --- what was found -----------------------------------------------------------------------------
 */

/* The set of a place, and the place for people. */
static bool give(struct seek *k, const struct look_seen *seen, struct position *out, struct err *e)
{
    const char *origin;
    uint64_t seq;

    (void)snprintf(out->native, sizeof out->native, "%.120s:%" PRIu64, seen->at.file,
                   seen->at.offset);
    txn_set_init(&out->set);
    while (k->from + 1 < k->files.list.n &&
           strcmp(k->files.list.at[k->from].name, seen->at.file) != 0)
        k->from++;
    if (k->mode != GTID_OFF) {
        txn_set_copy(&out->set, &seen->before);
        return true;
    }
    if (!place_origin(k->s, &origin, e) || !place_seq(seen->at.file, seen->at.offset, &seq, e))
        return false;
    txn_set_add(&out->set, origin, 1, seq);
    return true;
}

/* --- by time ------------------------------------------------------------------------------------
 */

static bool check_moment(struct seek *k, struct err *e)
{
    char text[64], at[WALL_TEXT_MAX], now_text[WALL_TEXT_MAX];
    bool found;

    if (!session_value(k->s, "SELECT CAST(UNIX_TIMESTAMP(NOW(6))*1000000 AS SIGNED)", text,
                       sizeof text, &found, e))
        return false;
    int64_t now = found ? strtoll(text, NULL, 10) : 0;
    return k->want->time.us <= now ||
           err_set(e, ERR_START, "start time %s lies ahead: the source's clock says %s",
                   time_text(k->want->time.us, at), time_text(now, now_text));
}

static bool too_old(struct seek *k, uint32_t begun, struct err *e)
{
    char at[WALL_TEXT_MAX], oldest[WALL_TEXT_MAX];

    return err_set(e, ERR_START,
                   "start time %s is not sure to be in the source's log any more: its oldest file, "
                   "%s, begins at %s, and the start must lie behind a transaction in it",
                   time_text(k->want->time.us, at), k->files.list.at[0].name,
                   time_text((int64_t)begun * 1000000, oldest));
}

/* The newest file that says it was begun before T. */
static bool newest_before(struct seek *k, size_t *file, struct err *e)
{
    const struct look_for head = {.head = true};
    uint32_t begun = 0;

    for (size_t i = k->files.list.n; i-- > 0;) {
        struct look_seen seen;
        bool ok = look(k, i, &head, &seen, e);

        begun = seen.begun;
        look_seen_fini(&seen);
        if (!ok)
            return false;
        if (begun < k->want->time.us / 1000000) {
            *file = i;
            return true;
        }
    }
    return too_old(k, begun, e);
}

static bool begins_history(const struct seek *k, const struct look_seen *oldest)
{
    return k->mode == GTID_OFF ? k->files.list.at[0].number == 1 : !oldest->has_before;
}

/* Goes back from `file`, whose look is in *seen, until nothing older can be meant. */
static bool go_back(struct seek *k, size_t file, struct look_seen *seen, struct err *e)
{
    const struct look_for want = {.time = true, .us = k->want->time.us, .one_file = true};

    while (file > 0) {
        struct look_seen older;

        if (!look(k, --file, &want, &older, e)) {
            look_seen_fini(&older);
            return false;
        }
        if (!older.found && older.txns > 0) {
            look_seen_fini(&older);
            return true;
        }
        if (older.found || file == 0) {
            bool proof = older.txns > 0 || begins_history(k, &older);
            uint32_t begun = older.begun;

            look_seen_fini(older.found ? seen : &older);
            if (older.found)
                *seen = older;
            if (file == 0)
                return proof || too_old(k, begun, e);
            continue;
        }
        look_seen_fini(&older);
    }
    return seen->txns > 0 || begins_history(k, seen) || too_old(k, seen->begun, e);
}

static bool by_time(struct seek *k, struct position *out, struct err *e)
{
    const struct look_for want = {.time = true, .us = k->want->time.us};
    struct look_seen seen;
    size_t file = 0;

    if (!check_moment(k, e) || !newest_before(k, &file, e))
        return false;
    bool ok =
        look(k, file, &want, &seen, e) && go_back(k, file, &seen, e) && give(k, &seen, out, e);
    look_seen_fini(&seen);
    return ok;
}

/* --- by place -----------------------------------------------------------------------------------
 */

static bool by_place(struct seek *k, struct position *out, struct err *e)
{
    const struct log_files *f = &k->files;
    const struct look_for want = {.place = k->want->offset};
    struct look_seen seen;
    size_t i = 0;

    while (i < f->list.n && strcmp(f->list.at[i].name, k->want->file) != 0)
        i++;
    if (i == f->list.n)
        return err_set(e, ERR_START,
                       "the source has no log file '%s': the oldest is %s, the newest %s",
                       k->want->file, f->list.at[0].name, f->list.at[f->list.n - 1].name);
    if (k->want->offset < PLACE_BEGIN || k->want->offset > f->list.at[i].size)
        return err_set(e, ERR_START,
                       "log file '%s' has transactions from offset %d to %" PRIu64 ", not at "
                       "%" PRIu64,
                       k->want->file, PLACE_BEGIN, f->list.at[i].size, k->want->offset);
    bool ok = look(k, i, &want, &seen, e) && give(k, &seen, out, e);
    look_seen_fini(&seen);
    return ok;
}

/* --- by identities ------------------------------------------------------------------------------
 */

/* `lacking` minus `from` must be nothing. */
static bool none_left(struct txn_set *lacking, const struct txn_set *from, const char *what,
                      struct err *e)
{
    struct buf text CLEANUP(buf_fini) = {0};

    txn_set_subtract(lacking, from);
    if (txn_set_is_empty(lacking))
        return true;
    buf_init(&text, 4096);
    txn_set_format(lacking, &text);
    return err_set(e, ERR_START, "%s: %s", what,
                   buf_ok(&text) && text.len ? buf_cstr(&text) : "(a long list)");
}

static bool removed_from_log(struct seek *k, struct txn_set *out, struct err *e)
{
    const struct look_for head = {.head = true};
    struct look_seen seen;

    bool ok = look(k, 0, &head, &seen, e); /* what the oldest file says was before it */
    if (ok)
        txn_set_copy(out, &seen.before);
    look_seen_fini(&seen);
    return ok;
}

static bool check_ids(struct seek *k, const struct txn_set *ids, struct err *e)
{
    struct txn_set executed, removed, ahead;
    bool ok;

    txn_set_init(&executed);
    txn_set_init(&removed);
    txn_set_copy(&ahead, ids);
    ok = mysql_log_ops.executed(k->s, NULL, &executed, e) &&
         none_left(&ahead, &executed,
                   "the start names transactions that the source has not executed", e) &&
         removed_from_log(k, &removed, e) &&
         none_left(&removed, ids,
                   "the start lacks transactions that the source's log does not hold any more", e);
    txn_set_fini(&executed);
    txn_set_fini(&removed);
    txn_set_fini(&ahead);
    return ok;
}

/* The newest file before which there is nothing but what the set has. */
static bool file_of_ids(struct seek *k, const struct txn_set *ids, struct err *e)
{
    const struct look_for head = {.head = true};

    for (k->from = k->files.list.n - 1; k->from > 0; k->from--) {
        struct look_seen seen;
        bool ok = look(k, k->from, &head, &seen, e), inside = txn_set_contains(ids, &seen.before);

        look_seen_fini(&seen);
        if (!ok || inside)
            return ok;
    }
    return true;
}

static bool by_ids(struct seek *k, struct position *out, struct err *e)
{
    struct err form = ERR_INIT;

    if (k->mode == GTID_OFF)
        return err_set(e, ERR_START,
                       "the source's transactions have no GTIDs: begin by file and offset");
    txn_set_init(&out->set);
    if (!(k->s->is_mariadb ? position_add_mariadb(k->want->ids, &out->set, &form)
                           : position_add_mysql(k->want->ids, &out->set, &form))) {
        txn_set_fini(&out->set);
        return err_set(e, ERR_START, "'%s' is not a set of GTIDs as this source writes them: %s",
                       k->want->ids, k->s->is_mariadb ? "0-1-100,1-2-33" : "3e11fa47-...:1-5,...");
    }
    (void)snprintf(out->native, sizeof out->native, "%.150s", k->want->ids);
    if (check_ids(k, &out->set, e) && file_of_ids(k, &out->set, e))
        return true;
    txn_set_fini(&out->set);
    return false;
}

/* --- the present end ----------------------------------------------------------------------------
 */

static bool at_end(struct seek *k, struct position *out, struct err *e)
{
    struct log_place end;

    k->from = k->files.list.n - 1; /* or before it */
    txn_set_init(&out->set);
    if (!mysql_log_ops.executed(k->s, NULL, &out->set, e) || !log_place_end(k->s, &end, e)) {
        txn_set_fini(&out->set);
        return false;
    }
    (void)snprintf(out->native, sizeof out->native, "%.120s:%" PRIu64, end.file, end.offset);
    return true;
}

static bool find(struct seek *k, struct position *out, struct err *e)
{
    char mode[32];

    if (!session_open(k->address, SESSION_READ, &k->s, e) ||
        !place_gtid_mode(k->s, &k->mode, mode, e))
        return false;
    if (k->mode == GTID_MIXED)
        return err_set(e, ERR_SERVER_POSITION,
                       "gtid_mode of %s is %s: some transactions have a GTID and others have none",
                       k->s->where, mode);
    if (!place_files(k->s, &k->files, e))
        return false;
    switch (k->want->kind) {
    case START_TIME:
        return by_time(k, out, e);
    case START_IDS:
        return by_ids(k, out, e);
    case START_PLACE:
        return by_place(k, out, e);
    case START_NOW:
        break;
    }
    return at_end(k, out, e);
}

/* What is prepared there and not ended comes whole, at its end. */
static bool leave_prepared_out(struct seek *k, struct position *out, struct err *e)
{
    const struct look_for head = {.head = true};
    struct look_seen oldest;
    struct prepared_params p = {
        .address = k->address, .number = k->number, .s = k->s, .files = &k->files, .from = k->from};

    bool ok = look(k, 0, &head, &oldest, e);
    p.begins_history = ok && begins_history(k, &oldest);
    look_seen_fini(&oldest);
    ok = ok && (k->mode != GTID_OFF || place_origin(k->s, &p.place, e)) &&
         log_prepared(&p, &out->set, e);
    if (!ok)
        txn_set_fini(&out->set);
    return ok;
}

bool log_find_start(const struct endpoint_address *a, uint32_t number, const struct start_at *at,
                    struct position *out, struct err *e)
{
    struct seek k = {.address = a, .number = number, .want = at};

    bool ok = find(&k, out, e) && leave_prepared_out(&k, out, e);
    place_files_fini(&k.files);
    session_close(k.s);
    return ok || err_wrap(e, "find where following the source's log begins");
}
