/* See log_look.h. */
#include "components/endpoint/mysql/log_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TO_THE_END 1 /* a flag of the dump: stop there */
#define WAIT_MS 30000
#define MAGIC_BYTES 4

struct look {
    struct log log; /* session, packets, format and position alone */
    const struct look_for *want;
    struct look_seen *seen;
    bool in_first, over;
    bool at_head; /* the wanted offset is before the list at the first file's head */
};

void look_seen_fini(struct look_seen *l)
{
    txn_set_fini(&l->before);
}

static void stop_at(struct look *k, bool found, uint64_t offset)
{
    k->over = true;
    k->seen->found = found;
    k->seen->at.offset = offset;
    (void)snprintf(k->seen->at.file, sizeof k->seen->at.file, "%s", k->log.file);
}

static bool not_between(struct look *k, struct err *e)
{
    return err_set(e, ERR_START,
                   "%s:%" PRIu64 " is not between two transactions of the source's log: the "
                   "positions beside it are %" PRIu64 " and %" PRIu64,
                   k->log.file, k->want->place, k->log.event_at, k->log.pos);
}

/* --- transactions -------------------------------------------------------------------------------
 */

struct beginning {    /* of a transaction */
    struct txn_id id; /* origin NULL: it has none */
    int64_t us;
    bool exact; /* us is more than a second */
};

static bool read_beginning(const struct binlog_header *h, struct view body, struct beginning *b,
                           struct err *e)
{
    *b = (struct beginning){.us = (int64_t)h->timestamp * 1000000};
    if (h->type == BINLOG_MARIADB_GTID) {
        struct binlog_gtid g;
        char origin[40];

        if (!binlog_read_gtid(h, body, &g, e))
            return false;
        int n = snprintf(origin, sizeof origin, "mariadb:%u", g.domain);
        b->id = (struct txn_id){origin_intern(origin, (size_t)n), g.seq};
        return true;
    }
    struct binlog_mysql_gtid g;
    if (!binlog_read_mysql_gtid(h, body, &g, e))
        return false;
    if (!g.anonymous)
        b->id = (struct txn_id){mysql_gtid_origin(g.uuid, g.tag), g.seq};
    if (g.commit_us) {
        b->us = (int64_t)g.commit_us;
        b->exact = true;
    }
    return true;
}

static bool is_reached(const struct look_for *want, const struct beginning *b)
{
    return want->time && (b->exact ? b->us >= want->us : b->us / 1000000 >= want->us / 1000000);
}

static bool txn_in(struct look *k, const struct binlog_header *h, struct view body, struct err *e)
{
    struct beginning b;
    bool mariadb = h->type == BINLOG_MARIADB_GTID;

    if (!read_beginning(h, body, &b, e))
        return false;
    if (is_reached(k->want, &b)) {
        k->seen->commit.us = b.us;
        stop_at(k, true, k->log.event_at);
        return true;
    }
    k->seen->txns += k->in_first;
    if (b.id.origin)
        txn_set_add(&k->seen->before, b.id.origin, mariadb ? 1 : b.id.seq, b.id.seq);
    return true;
}

/* --- a file's head ------------------------------------------------------------------------------
 */

static bool list_in(struct look *k, struct view body, struct err *e)
{
    struct binlog_gtid_list list;
    struct binlog_gtid g;
    char origin[40];

    if (!binlog_read_gtid_list(body, &list, e))
        return false;
    while (binlog_gtid_list_next(&list, &g)) {
        int n = snprintf(origin, sizeof origin, "mariadb:%u", g.domain);
        if (g.seq > 0)
            txn_set_add(&k->seen->before, origin_intern(origin, (size_t)n), 1, g.seq);
    }
    return true;
}

static bool head_in(struct look *k, const struct binlog_header *h, struct view body, struct err *e)
{
    if (!(h->type == BINLOG_GTID_LIST ? list_in(k, body, e)
                                      : mysql_gtid_set_read(body, &k->seen->before, e)))
        return false;
    if (!k->in_first)
        return true;
    k->seen->has_before = !txn_set_is_empty(&k->seen->before);
    if (k->want->head || k->at_head)
        stop_at(k, true, k->log.pos);
    return true;
}

/* The end of what is looked at. */
static bool end_in(struct look *k, struct err *e)
{
    stop_at(k, k->want->place == k->log.pos, k->log.pos);
    return k->want->place == 0 || k->seen->found || not_between(k, e);
}

/* To the file that comes next; or the server says where it begins. */
static bool file_in(struct look *k, struct view body, struct err *e)
{
    struct binlog_rotate r;
    struct log *l = &k->log;

    if (!binlog_read_rotate(body, &r, e))
        return false;
    if (r.file.len >= sizeof l->file)
        return err_set(e, ERR_LOG_DAMAGED, "a log file's name has %zu bytes", r.file.len);
    bool other = strlen(l->file) != r.file.len || memcmp(l->file, r.file.p, r.file.len) != 0;
    if (other && k->in_first && (k->want->place > 0 || k->want->one_file))
        return end_in(k, e);
    k->in_first = k->in_first && !other;
    memcpy(l->file, r.file.p, r.file.len);
    l->file[r.file.len] = '\0';
    l->pos = r.pos;
    return true;
}

/* --- events -------------------------------------------------------------------------------------
 */

static bool is_beginning(const struct binlog_header *h)
{
    return h->type == BINLOG_MARIADB_GTID || binlog_is_mysql_gtid(h->type);
}

/* Events that stand outside transactions. */
static bool is_outside(const struct binlog_header *h)
{
    switch (h->type) {
    case BINLOG_FORMAT:
    case BINLOG_ROTATE:
    case BINLOG_STOP:
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_GTID_LIST:
    case BINLOG_BINLOG_CHECKPOINT:
    case BINLOG_START_ENCRYPTION:
        return true;
    default:
        return is_beginning(h);
    }
}

/* What a file says of those before it is not read yet. */
static bool is_head(const struct binlog_header *h)
{
    return h->type == BINLOG_FORMAT || h->type == BINLOG_PREVIOUS_GTIDS ||
           h->type == BINLOG_GTID_LIST || h->type == BINLOG_START_ENCRYPTION;
}

static bool is_in_file(const struct binlog_header *h)
{
    return h->next_pos != 0 && !(h->flags & BINLOG_F_ARTIFICIAL);
}

/* Is the wanted offset before this event? */
static bool place_passed(struct look *k, const struct binlog_header *h, struct err *e)
{
    if (k->want->place == 0 || !k->in_first || !is_in_file(h) || k->log.pos <= k->want->place ||
        k->at_head)
        return true;
    if (k->log.event_at != k->want->place || !is_outside(h))
        return not_between(k, e);
    k->at_head = is_head(h);
    if (!k->at_head)
        stop_at(k, true, k->log.event_at);
    return true;
}

static bool use(struct look *k, const struct binlog_header *h, struct view body, struct err *e)
{
    if (is_beginning(h))
        return txn_in(k, h, body, e);
    switch (h->type) {
    case BINLOG_FORMAT:
        if (k->in_first)
            k->seen->begun = h->timestamp;
        return binlog_read_format(body, &k->log.format, e);
    case BINLOG_ROTATE:
        return file_in(k, body, e);
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_GTID_LIST:
        return head_in(k, h, body, e);
    default:
        return true;
    }
}

static bool event_in(struct look *k, struct view event, struct err *e)
{
    struct binlog_header h;
    struct view body;

    if (!binlog_event_open(&k->log.format, event, &h, &body, e))
        return false;
    log_move_position(&k->log, &h);
    return place_passed(k, &h, e) && (k->over || use(k, &h, body, e)) &&
           (!k->want->each || k->want->each(k->want->each_arg, &k->log, &h, body, e));
}

static bool read_on(struct look *k, struct err *e)
{
    struct packets *p = &k->log.packets;
    struct view event;
    bool got;

    while (!k->over && !p->ended) {
        if (!packets_next(p, WAIT_MS, &event, &got, e))
            return false;
        if (!got && !p->ended)
            return err_set(e, ERR_SERVER_UNREACHABLE, "the source's log has been silent for %d s",
                           WAIT_MS / 1000);
        if (got && !event_in(k, event, e))
            return log_at(&k->log, e);
    }
    return k->over || end_in(k, e);
}

static bool ask(struct look *k, uint32_t number, struct err *e)
{
    struct log *l = &k->log;

    return (l->s->is_mariadb ? session_exec(l->s,
                                            "SET @master_binlog_checksum=@@global.binlog_checksum,"
                                            " @mariadb_slave_capability=4",
                                            e)
                             : log_mysql_settings(l->s, 0, e)) &&
           log_dump_at(l->s, number, l->file, &l->pos, TO_THE_END, e);
}

bool log_look(const struct endpoint_address *a, uint32_t number, const char *file,
              const struct look_for *want, struct look_seen *out, struct err *e)
{
    struct look k = {.want = want, .seen = out, .in_first = true};

    *out = (struct look_seen){.found = false};
    txn_set_init(&out->before);
    binlog_format_init(&k.log.format);
    (void)snprintf(k.log.file, sizeof k.log.file, "%s", file);
    k.log.pos = MAGIC_BYTES;
    bool ok = session_open(a, SESSION_LOG, &k.log.s, e) && ask(&k, number, e);
    if (ok) {
        packets_init(&k.log.packets, k.log.s);
        k.log.packets.may_end = true;
        ok = read_on(&k, e);
        packets_fini(&k.log.packets);
    }
    session_close(k.log.s);
    return ok || err_wrap(e, "look into log file '%s'", file);
}
