/*
 * The reader's end of the stream. Blocks must come in number order and chained: the checksum of
 * each is seeded with the one before, so a lost, doubled or changed block cannot pass (B3). Several
 * connections bring different blocks; on each of them the numbers rise, so the next block is at the
 * head of one of them or yet to come, and a connection whose head is a later block is not read
 * until its turn: what waits is bounded by one frame and one buffer a connection. When a connection
 * is lost, all are made anew and go on with the next number. See stream.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/stream/stream.h"
#include "components/stream/stream_io.h"
#include "components/stream/stream_tls.h"

#define WRITE_MS 10000
#define LANES_FAR 4 /* when nothing was asked for and the Store is on another machine */

struct lane { /* one connection */
    struct stream_io io;
    bool has; /* a frame that is not taken yet */
    uint8_t type;
    struct view body;
    uint64_t number; /* of its block */
};

struct stream_client {
    char host[STREAM_ADDRESS_MAX], print[STREAM_PRINT_TEXT];
    char *token, *reader;
    uint32_t timeout_ms, n_wanted;
    uint64_t least_epoch, epoch;
    struct lane lanes[STREAM_LANES_MAX];
    uint32_t n_lanes;
    uint8_t key[STREAM_KEY_SIZE];
    bool tables_seen;
    uint64_t next; /* number of the block that comes next */
    bool chained;  /* last_crc is of the block before */
    uint32_t last_crc;
};

/* "host:port" or "host:port#fingerprint". Without one only loopback will do. */
static bool split_address(struct stream_client *s, const char *address, struct err *e)
{
    const char *hash = strchr(address, '#');
    size_t n = hash ? (size_t)(hash - address) : strlen(address);

    if (n == 0 || n >= sizeof s->host || (hash && strlen(hash + 1) != STREAM_PRINT_TEXT - 1))
        return err_set(e, ERR_INVALID, "'%s' is not a store's address", address);
    memcpy(s->host, address, n);
    if (hash)
        memcpy(s->print, hash + 1, STREAM_PRINT_TEXT);
    return true;
}

static bool open_lane(struct stream_client *s, struct lane *l, struct err *e)
{
    bool loopback = false;
    int fd = -1;

    if (!stream_dial(s->host, s->timeout_ms, &fd, &loopback, e))
        return false;
    *l = (struct lane){.has = false};
    stream_io_init(&l->io, fd);
    s->n_lanes++;
    if (s->print[0])
        return stream_tls_connect(&l->io, s->print, s->timeout_ms, e);
    return loopback || err_set(e, ERR_DENIED,
                               "the store at %s offers no TLS and is not on this machine", s->host);
}

static void close_lanes(struct stream_client *s)
{
    for (uint32_t i = 0; i < s->n_lanes; i++)
        stream_io_fini(&s->lanes[i].io);
    s->n_lanes = 0;
}

static bool send_buf(struct lane *l, const struct buf *out, struct err *e)
{
    return buf_ok(out)
               ? stream_io_write(&l->io, out->p, out->len, WRITE_MS, e)
               : err_set(e, ERR_LIMIT, "the position does not fit %u bytes", STREAM_SMALL_MAX);
}

static struct view text(const char *s)
{
    return (struct view){(const uint8_t *)s, s ? strlen(s) : 0};
}

static bool say_hello(struct stream_client *s, const struct txn_set *after, struct err *e)
{
    struct frame_hello h = {.protocol = STREAM_PROTOCOL,
                            .token = text(s->token),
                            .reader = text(s->reader),
                            .least_epoch = s->least_epoch,
                            .from = s->chained ? s->next : 0,
                            .from_crc = s->last_crc};
    struct buf out;
    bool ok;

    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_hello(&out, &h, after);
    ok = send_buf(&s->lanes[0], &out, e);
    buf_fini(&out);
    return ok;
}

static bool say_ask(struct stream_client *s, struct err *e)
{
    struct frame_ask a = {.protocol = STREAM_PROTOCOL, .token = text(s->token)};
    struct buf out;
    bool ok;

    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_ask(&out, &a);
    ok = send_buf(&s->lanes[0], &out, e);
    buf_fini(&out);
    return ok;
}

static bool say_join(struct stream_client *s, struct lane *l, struct err *e)
{
    struct frame_join j = {
        .protocol = STREAM_PROTOCOL, .token = text(s->token), .key = {s->key, sizeof s->key}};
    struct buf out;
    bool ok;

    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_join(&out, &j);
    ok = send_buf(l, &out, e);
    buf_fini(&out);
    return ok;
}

static bool hear_answer(struct stream_client *s, struct lane *l, enum stream_frame wanted,
                        struct view *body, struct err *e)
{
    uint8_t type;
    bool got;

    if (!stream_io_read(&l->io, s->timeout_ms, STREAM_SMALL_MAX, &got, &type, body, e))
        return false;
    if (!got)
        return err_set(e, ERR_TIMEOUT, "the store does not answer within %u ms", s->timeout_ms);
    if (type == FRAME_REFUSAL)
        return frame_get_refusal(*body, e);
    return type == wanted ||
           err_set(e, ERR_CORRUPT, "the store answers with frame type %u, not %u", type, wanted);
}

static bool check_epoch(const struct stream_client *s, uint64_t epoch, struct err *e)
{
    return epoch >= s->least_epoch ||
           err_set(e, ERR_UNAVAILABLE,
                   "the store is of epoch %" PRIu64 ", at least %" PRIu64 " is needed", epoch,
                   s->least_epoch);
}

static bool hear_greeting(struct stream_client *s, struct lane *l, struct frame_greeting *g,
                          struct err *e)
{
    struct view body;

    if (!hear_answer(s, l, FRAME_GREETING, &body, e) || !frame_get_greeting(body, g, e))
        return false;
    if (g->protocol != STREAM_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "the store speaks stream protocol %u, this program %u",
                       g->protocol, STREAM_PROTOCOL);
    return check_epoch(s, g->epoch, e);
}

static bool first_lane(struct stream_client *s, const struct txn_set *after, struct err *e)
{
    struct frame_greeting g;

    if (!open_lane(s, &s->lanes[0], e) || !say_hello(s, after, e) ||
        !hear_greeting(s, &s->lanes[0], &g, e))
        return false;
    if (s->chained && (g.next != s->next || g.epoch != s->epoch))
        return err_set(e, ERR_UNAVAILABLE, "the store has begun anew");
    s->epoch = g.epoch;
    s->next = g.next;
    memcpy(s->key, g.key.p, sizeof s->key);
    s->tables_seen = s->chained; /* who goes on has them */
    return true;
}

static bool further_lane(struct stream_client *s, struct err *e)
{
    struct lane *l = &s->lanes[s->n_lanes];
    struct frame_greeting g;

    return open_lane(s, l, e) && say_join(s, l, e) && hear_greeting(s, l, &g, e);
}

static bool open_lanes(struct stream_client *s, const struct txn_set *after, struct err *e)
{
    bool ok = first_lane(s, after, e);

    while (ok && s->n_lanes < s->n_wanted)
        ok = further_lane(s, e);
    if (ok)
        return true;
    close_lanes(s);
    return err_wrap(e, "store '%s'", s->host);
}

static struct stream_client *client_new(const struct stream_client_params *p)
{
    struct stream_client *s = must_calloc(1, sizeof *s);

    s->timeout_ms = p->timeout_ms;
    s->least_epoch = p->least_epoch;
    s->token = must_strdup(p->token ? p->token : "");
    s->reader = must_strdup(p->reader ? p->reader : "");
    return s;
}

bool stream_begin(const struct stream_client_params *p, struct txn_set *out, struct err *e)
{
    struct stream_client *s = client_new(p);
    struct txn_set begin;
    struct view body;
    uint64_t epoch;

    bool ok = split_address(s, p->address, e) && open_lane(s, &s->lanes[0], e) && say_ask(s, e) &&
              hear_answer(s, &s->lanes[0], FRAME_BEGIN, &body, e) &&
              frame_get_begin(body, &epoch, &begin, e);
    if (ok && !check_epoch(s, epoch, e)) {
        txn_set_fini(&begin);
        ok = false;
    }
    stream_close(s);
    if (ok)
        *out = begin;
    return ok || err_wrap(e, "ask the store at %s where it begins", p->address);
}

bool stream_connect(const struct stream_client_params *p, struct stream_client **out, struct err *e)
{
    struct stream_client *s = client_new(p);

    if (!split_address(s, p->address, e)) {
        stream_close(s);
        return false;
    }
    s->n_wanted = p->connections ? p->connections : s->print[0] ? LANES_FAR : 1;
    if (s->n_wanted > STREAM_LANES_MAX)
        s->n_wanted = STREAM_LANES_MAX;
    if (!open_lanes(s, p->after, e)) {
        stream_close(s);
        return false;
    }
    *out = s;
    return true;
}

uint64_t stream_store_epoch(const struct stream_client *s)
{
    return s->epoch;
}

/* --- frames -------------------------------------------------------------------------------------
 */

static bool take_block(struct stream_client *s, struct view body, struct block_head *head,
                       struct buf *raw, struct err *e)
{
    struct view header = {body.p, BLOCK_HEADER_SIZE}, payload;

    if (!block_head_read(body, head))
        return err_set(e, ERR_CORRUPT, "a block frame without a block");
    payload = (struct view){body.p + BLOCK_HEADER_SIZE, body.len - BLOCK_HEADER_SIZE};
    if (!block_check(head, header, payload))
        return err_set(e, ERR_CORRUPT, "block %" PRIu64 " has a wrong checksum", head->number);
    if (head->number != s->next || (s->chained && head->prev_crc != s->last_crc))
        return err_set(e, ERR_CORRUPT,
                       "block %" PRIu64 " is not the one that follows block %" PRIu64, head->number,
                       s->next - 1);
    if (!block_decode(head, payload, raw, e))
        return false;
    s->next++;
    s->chained = true;
    s->last_crc = head->crc;
    return true;
}

static bool take_tables(struct stream_client *s, struct view body, struct buf *raw, struct err *e)
{
    s->tables_seen = true;
    buf_clear(raw);
    buf_append(raw, body.p, body.len);
    return buf_ok(raw) || err_set(e, ERR_LIMIT, "table versions of %zu bytes", body.len);
}

static bool take_frame(struct stream_client *s, struct lane *l, enum stream_event *ev,
                       struct block_head *head, struct buf *raw, struct stream_heard *heard,
                       struct err *e)
{
    struct frame_heard h;

    l->has = false;
    switch (l->type) {
    case FRAME_BLOCK:
        *ev = STREAM_BLOCK;
        return take_block(s, l->body, head, raw, e);
    case FRAME_TABLES:
        *ev = STREAM_TABLES;
        return take_tables(s, l->body, raw, e);
    case FRAME_HEARD:
        *ev = STREAM_HEARD;
        if (!frame_get_heard(l->body, &h, e))
            return false;
        *heard = (struct stream_heard){.source_heard = {h.source_heard_us},
                                       .source_time = {h.source_time_us},
                                       .backlog_bytes = h.backlog_bytes,
                                       .last_number = h.last_number,
                                       .txns = h.txns};
        return true;
    case FRAME_REFUSAL:
        return frame_get_refusal(l->body, e);
    default:
        return err_set(e, ERR_CORRUPT, "the store sends frame type %u", l->type);
    }
}

/* A block frame's number, which rises on each connection. */
static bool note_number(struct stream_client *s, struct lane *l, struct err *e)
{
    struct block_head h;

    if (l->type != FRAME_BLOCK)
        return true;
    if (!block_head_read(l->body, &h))
        return err_set(e, ERR_CORRUPT, "a block frame without a block");
    l->number = h.number;
    return h.number >= s->next ||
           err_set(e, ERR_CORRUPT, "block %" PRIu64 " comes again", h.number);
}

static bool read_lane(struct stream_client *s, struct lane *l, int64_t wait_ms, struct err *e)
{
    if (!stream_io_read(&l->io, wait_ms, STREAM_FRAME_MAX, &l->has, &l->type, &l->body, e))
        return false;
    return !l->has || note_number(s, l, e);
}

/* Frames that have arrived, one a connection. */
static bool look_at_lanes(struct stream_client *s, struct err *e)
{
    for (uint32_t i = 0; i < s->n_lanes; i++)
        if (!s->lanes[i].has && !read_lane(s, &s->lanes[i], 0, e))
            return false;
    return true;
}

/* The frame whose turn it is, if it is here. A gap on all connections can only be a loss. */
static bool choose_lane(struct stream_client *s, struct lane **out, struct err *e)
{
    uint32_t later = 0;

    *out = NULL;
    for (uint32_t i = 0; i < s->n_lanes && !*out; i++) {
        struct lane *l = &s->lanes[i];

        if (!l->has)
            continue;
        if (l->type != FRAME_BLOCK || (s->tables_seen && l->number == s->next))
            *out = l;
        else if (s->tables_seen)
            later++;
    }
    return later < s->n_lanes ||
           err_set(e, ERR_CORRUPT, "block %" PRIu64 " does not come", s->next);
}

static bool wait_for_lanes(struct stream_client *s, struct mono until, bool *timeout, struct err *e)
{
    struct pollfd p[STREAM_LANES_MAX];
    nfds_t n = 0;
    int64_t left = mono_ms_between(clock_mono(), until);

    *timeout = left <= 0;
    if (*timeout)
        return true;
    if (s->n_lanes == 1) /* a system call less */
        return read_lane(s, &s->lanes[0], left, e);
    for (uint32_t i = 0; i < s->n_lanes; i++)
        if (!s->lanes[i].has)
            p[n++] = (struct pollfd){.fd = s->lanes[i].io.fd, .events = POLLIN};
    if (poll(p, n, (int)left) < 0 && errno != EINTR)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot wait for the store");
    return true;
}

static bool next_frame(struct stream_client *s, int64_t timeout_ms, struct lane **l, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);
    bool timeout = false;

    for (;;) {
        if (!look_at_lanes(s, e) || !choose_lane(s, l, e))
            return false;
        if (*l || timeout)
            return true;
        if (!wait_for_lanes(s, until, &timeout, e))
            return false;
    }
}

/* All connections anew, from the next block on; the Store must be the same one. */
static bool join_again(struct stream_client *s, struct err *e)
{
    struct txn_set none;
    struct err why = *e;
    bool ok;

    if (!s->chained || err_class_of(why.code) != ERR_CLASS_RETRY)
        return false;
    close_lanes(s);
    txn_set_init(&none);
    ok = open_lanes(s, &none, e);
    txn_set_fini(&none);
    if (ok)
        log_err(LOG_INFO, "stream.joined_again", &why);
    return ok;
}

bool stream_read(struct stream_client *s, int64_t timeout_ms, enum stream_event *ev,
                 struct block_head *head, struct buf *raw, struct stream_heard *heard,
                 struct err *e)
{
    struct lane *l = NULL;

    *ev = STREAM_NOTHING;
    if (s->n_lanes == 0)
        return err_set(e, ERR_UNAVAILABLE, "the stream is closed");
    if (!next_frame(s, timeout_ms, &l, e))
        return join_again(s, e);
    return !l || take_frame(s, l, ev, head, raw, heard, e);
}

bool stream_send_position(struct stream_client *s, const struct txn_set *low, struct err *e)
{
    struct buf out;
    bool ok;

    if (s->n_lanes == 0)
        return err_set(e, ERR_UNAVAILABLE, "the stream is closed");
    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_position(&out, low);
    ok = send_buf(&s->lanes[0], &out, e) || (join_again(s, e) && send_buf(&s->lanes[0], &out, e));
    buf_fini(&out);
    return ok;
}

void stream_close(struct stream_client *s)
{
    if (!s)
        return;
    close_lanes(s);
    free(s->token);
    free(s->reader);
    free(s);
}
