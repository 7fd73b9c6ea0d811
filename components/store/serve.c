/*
 * Serving readers. Threads wait for the log (store_reader_next) or for their socket, always with a
 * deadline, and look at `stopping` in between; serve_stop joins them all. Nobody holds `lock`
 * across I/O. See serve.h.
 */
#include "components/store/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/thread.h"
#include "components/store/session.h"
#include "components/stream/stream_io.h"
#include "components/stream/stream_tls.h"

#define CONNECTIONS_MAX (SESSIONS_MAX * 4)
#define HELLO_MS 5000
#define WRITE_MS 60000
#define HEARD_EVERY_MS 200
#define WAIT_MS 50
#define TABLES_MAX (64u << 20)

enum seat { SEAT_FREE, SEAT_TAKEN, SEAT_LEFT };

struct client {
    struct serve *s;
    struct thread thread;
    _Atomic int seat;
    struct stream_io io;
    char name[SESSION_NAME_MAX];
    struct session *session;
    bool first; /* of the conversation's connections */
    struct mono heard_at;
};

struct serve {
    struct serve_options o;
    char *token, *store_id;
    char address[160];
    struct stream_tls *tls; /* NULL: plain */
    struct sessions *sessions;
    int fd;
    struct thread acceptor;
    atomic_bool stopping;
    _Atomic int64_t source_heard_us, source_time_us;
    struct client clients[CONNECTIONS_MAX]; /* acceptor alone starts and joins */
};

static bool same_token(struct view given, const char *token)
{
    size_t n = strlen(token);
    unsigned char diff = given.len != n;

    for (size_t i = 0; i < n && i < given.len; i++) /* every byte, whatever came before */
        diff |= given.p[i] ^ (unsigned char)token[i];
    return diff == 0;
}

static bool send_buf(struct client *c, struct buf *out, struct err *e)
{
    if (!buf_ok(out))
        return err_set(e, ERR_LIMIT, "a frame does not fit %zu bytes", out->max);
    return stream_io_write(&c->io, out->p, out->len, WRITE_MS, e);
}

static bool check_hello(struct client *c, const struct frame_hello *h, struct err *e)
{
    struct serve *s = c->s;

    if (!same_token(h->token, s->token))
        return err_set(e, ERR_DENIED, "wrong token");
    if (h->protocol != STREAM_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "protocol %u, this store speaks %u", h->protocol,
                       STREAM_PROTOCOL);
    if (h->least_epoch > s->o.epoch)
        return err_set(e, ERR_UNAVAILABLE, "epoch %" PRIu64 " is needed, this store is of %" PRIu64,
                       h->least_epoch, s->o.epoch);
    if (h->reader.len >= sizeof c->name)
        return err_set(e, ERR_INVALID, "a reader's name of %zu bytes", h->reader.len);
    memcpy(c->name, h->reader.p, h->reader.len);
    c->name[h->reader.len] = '\0';
    return true;
}

static bool send_greeting(struct client *c, const struct buf *tables, struct err *e)
{
    struct serve *s = c->s;
    struct frame_greeting g = {.protocol = STREAM_PROTOCOL,
                               .store_id = {(const uint8_t *)s->store_id, strlen(s->store_id)},
                               .epoch = s->o.epoch,
                               .key = {session_key(c->session), STREAM_KEY_SIZE},
                               .next = session_next(c->session)};
    struct buf out;
    size_t mark;
    bool ok;

    buf_init(&out, TABLES_MAX + 4096);
    frame_put_greeting(&out, &g);
    if (tables) {
        mark = frame_begin(&out, FRAME_TABLES);
        buf_append(&out, tables->p, tables->len);
        frame_end(&out, mark);
    }
    ok = send_buf(c, &out, e);
    buf_fini(&out);
    return ok;
}

/* What a reader has committed keeps the log behind it; a passing one has no name and keeps none. */
static bool keep_position(struct client *c, const struct txn_set *low, struct err *e)
{
    return !c->name[0] || store_register(c->s->o.store, c->name, low, e);
}

/* A reader that begins by its set: what it has is its position, too. */
static bool begin_by_set(struct client *c, const struct frame_hello *h, struct buf *tables,
                         struct store_reader **r, struct err *e)
{
    struct cursor set = cursor_of(h->after.p, h->after.len);
    struct txn_set after;
    bool ok;

    if (!txn_set_decode(&set, &after, e))
        return false;
    ok = store_reader_open(c->s->o.store, &after, tables, r, e);
    if (ok && !keep_position(c, &after, e)) { /* a refused one holds nothing */
        store_reader_close(*r);
        ok = false;
    }
    txn_set_fini(&after);
    return ok;
}

static bool hear_hello(struct client *c, struct view body, struct err *e)
{
    struct store_reader *r = NULL;
    struct frame_hello h;
    struct buf tables;
    bool ok;

    if (!frame_get_hello(body, &h, e) || !check_hello(c, &h, e))
        return false;
    buf_init(&tables, TABLES_MAX);
    ok = (h.from ? store_reader_open_at(c->s->o.store, h.from, h.from_crc, &r, e)
                 : begin_by_set(c, &h, &tables, &r, e)) &&
         session_begin(c->s->sessions, c->name, r, &c->session, e);
    c->first = true;
    ok = ok && send_greeting(c, h.from ? NULL : &tables, e);
    buf_fini(&tables);
    if (ok)
        log_event(LOG_INFO, "store.reader", "name=%s connected%s",
                  c->name[0] ? c->name : "(passing)", h.from ? " again" : "");
    return ok;
}

static bool hear_join(struct client *c, struct view body, struct err *e)
{
    struct frame_join j;

    if (!frame_get_join(body, &j, e))
        return false;
    if (!same_token(j.token, c->s->token))
        return err_set(e, ERR_DENIED, "wrong token");
    if (j.protocol != STREAM_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "protocol %u, this store speaks %u", j.protocol,
                       STREAM_PROTOCOL);
    return session_join(c->s->sessions, j.key, &c->session, e) && send_greeting(c, NULL, e);
}

/* Who asks that has no conversation. */
static bool hear_ask(struct client *c, struct view body, struct err *e)
{
    struct frame_ask a;
    struct txn_set begin;
    struct buf out;

    if (!frame_get_ask(body, &a, e))
        return false;
    if (!same_token(a.token, c->s->token))
        return err_set(e, ERR_DENIED, "wrong token");
    if (a.protocol != STREAM_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "protocol %u, this store speaks %u", a.protocol,
                       STREAM_PROTOCOL);
    if (!store_begin(c->s->o.store, &begin))
        return err_set(e, ERR_UNAVAILABLE, "the store has not heard its source yet");
    buf_init(&out, STREAM_SMALL_MAX);
    frame_put_begin(&out, c->s->o.epoch, &begin);
    bool ok = send_buf(c, &out, e);
    buf_fini(&out);
    txn_set_fini(&begin);
    return ok;
}

static bool hear_first(struct client *c, struct err *e)
{
    struct view body;
    uint8_t type;
    bool got;

    if (c->s->tls && !stream_tls_accept(c->s->tls, &c->io, HELLO_MS, e))
        return false;
    if (!stream_io_read(&c->io, HELLO_MS, STREAM_SMALL_MAX, &got, &type, &body, e))
        return false;
    if (got && type == FRAME_HELLO)
        return hear_hello(c, body, e);
    if (got && type == FRAME_JOIN)
        return hear_join(c, body, e);
    if (got && type == FRAME_ASK)
        return hear_ask(c, body, e);
    return err_set(e, ERR_INVALID, "a reader must begin with a hello");
}

/* Positions that have arrived; never waits. */
static bool hear_positions(struct client *c, struct err *e)
{
    struct txn_set low;
    struct view body;
    uint8_t type;
    bool got = true, ok = true;

    while (ok) {
        ok = stream_io_read(&c->io, 0, STREAM_SMALL_MAX, &got, &type, &body, e);
        if (!ok || !got)
            break;
        if (type != FRAME_POSITION || !c->first)
            return err_set(e, ERR_INVALID, "a reader sent frame type %u", type);
        ok = frame_get_position(body, &low, e);
        if (ok) {
            ok = keep_position(c, &low, e);
            txn_set_fini(&low);
        }
    }
    return ok;
}

static bool tell_heard(struct client *c, struct err *e)
{
    struct store_figures f;
    struct frame_heard h;
    struct txn_set set;
    struct buf out;
    bool ok;

    if (mono_ms_between(c->heard_at, clock_mono()) < HEARD_EVERY_MS)
        return true;
    c->heard_at = clock_mono();
    store_figures(c->s->o.store, &f);
    store_set(c->s->o.store, &set);
    h = (struct frame_heard){.source_heard_us = c->s->source_heard_us,
                             .source_time_us = c->s->source_time_us,
                             .last_number = f.last_number,
                             .backlog_bytes = session_backlog(c->session),
                             .txns = txn_set_count(&set)};
    txn_set_fini(&set);
    buf_init(&out, 4096);
    frame_put_heard(&out, &h);
    ok = send_buf(c, &out, e);
    buf_fini(&out);
    return ok;
}

static bool send_block(struct client *c, struct buf *stored, struct buf *out, struct err *e)
{
    size_t mark;
    bool got;

    if (!session_take(c->session, WAIT_MS, stored, &got, e))
        return false;
    if (!got)
        return true;
    buf_clear(out);
    mark = frame_begin(out, FRAME_BLOCK);
    buf_append(out, stored->p, stored->len);
    frame_end(out, mark);
    return send_buf(c, out, e);
}

/* Positions come and news go on the first connection only. */
static bool converse(struct client *c, struct err *e)
{
    struct buf stored, out;
    bool ok;

    if (!hear_first(c, e))
        return false;
    if (!c->session)
        return true;
    buf_init(&stored, STREAM_FRAME_MAX);
    buf_init(&out, STREAM_FRAME_MAX);
    do
        ok = hear_positions(c, e) && (!c->first || tell_heard(c, e)) &&
             send_block(c, &stored, &out, e);
    while (ok && !c->s->stopping && !session_over(c->session));
    buf_fini(&stored);
    buf_fini(&out);
    return ok;
}

static void serve_client(void *arg)
{
    struct client *c = arg;
    struct err e = ERR_INIT, ignored = ERR_INIT;

    if (!converse(c, &e)) {
        struct buf out;

        log_err(err_class_of(e.code) == ERR_CLASS_RETRY ? LOG_INFO : LOG_WARN, "store.reader_left",
                &e);
        buf_init(&out, 8192);
        frame_put_refusal(&out, &e);
        if (!stream_io_write(&c->io, out.p, out.len, 100, &ignored))
            log_err(LOG_DEBUG, "store.reader_gone", &ignored);
        buf_fini(&out);
    }
    session_leave(c->session);
    c->session = NULL;
    (void)shutdown(c->io.fd, SHUT_RDWR); /* closed by who joins: the number stays ours until then */
    c->seat = SEAT_LEFT;
}

/* Thread: acceptor, or serve_stop after it. */
static void free_seat(struct client *c)
{
    thread_join(&c->thread);
    stream_io_fini(&c->io);
    c->seat = SEAT_FREE;
}

static void seat_client(struct serve *s, int fd)
{
    struct err e = ERR_INIT;

    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct client *c = &s->clients[i];

        if (c->seat != SEAT_FREE)
            continue;
        c->s = s;
        c->first = false;
        c->heard_at = (struct mono){0};
        c->seat = SEAT_TAKEN;
        stream_io_init(&c->io, fd);
        if (thread_start(&c->thread, "reader", serve_client, c, &e))
            return;
        log_err(LOG_ERROR, "store.reader_refused", &e);
        stream_io_fini(&c->io);
        c->seat = SEAT_FREE;
        return;
    }
    log_event(LOG_WARN, "store.reader_refused", "%d connections are open already", CONNECTIONS_MAX);
    close(fd);
}

static void accept_clients(void *arg)
{
    struct serve *s = arg;

    while (!s->stopping) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        int fd, n = poll(&p, 1, 100);

        for (int i = 0; i < CONNECTIONS_MAX; i++)
            if (s->clients[i].seat == SEAT_LEFT)
                free_seat(&s->clients[i]);
        if (n <= 0)
            continue;
        fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            seat_client(s, fd);
    }
}

static bool listen_on(struct serve *s, const char *address, struct err *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    const char *colon = strrchr(address, ':');
    char host[64];
    int one = 1;

    if (!colon || (size_t)(colon - address) >= sizeof host)
        return err_set(e, ERR_INVALID, "'%s' is not host:port", address);
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    if (inet_pton(AF_INET, host, &at.sin_addr) != 1)
        return err_set(e, ERR_INVALID, "'%s' is not an IPv4 address", host);
    if (at.sin_addr.s_addr == INADDR_ANY)
        return err_set(e, ERR_INVALID, "readers cannot reach '%s'", host);
    if ((s->o.tls || ntohl(at.sin_addr.s_addr) >> 24 != 127) &&
        !stream_tls_open(s->o.dir, &s->tls, e))
        return false;
    at.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot make a socket");
    (void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(s->fd, 64) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&at, &len) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot listen on '%s'", address);
    snprintf(s->address, sizeof s->address, "%s:%u%s%s", host, ntohs(at.sin_port),
             s->tls ? "#" : "", s->tls ? stream_tls_print(s->tls) : "");
    return true;
}

bool serve_start(const struct serve_options *o, struct serve **out, struct err *e)
{
    struct serve *s = must_calloc(1, sizeof *s);

    s->o = *o;
    s->fd = -1;
    s->token = must_strdup(o->token);
    s->store_id = must_strdup(o->store_id);
    s->sessions = sessions_new(o->store);
    if (!listen_on(s, o->address, e) ||
        !thread_start(&s->acceptor, "accept", accept_clients, s, e)) {
        serve_stop(s);
        return false;
    }
    *out = s;
    return true;
}

void serve_stop(struct serve *s)
{
    if (!s)
        return;
    s->stopping = true;
    thread_join(&s->acceptor);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (s->clients[i].seat != SEAT_FREE)
            (void)shutdown(s->clients[i].io.fd, SHUT_RDWR); /* ends a write that waits */
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (s->clients[i].seat != SEAT_FREE)
            free_seat(&s->clients[i]);
    if (s->fd >= 0)
        close(s->fd);
    stream_tls_close(s->tls);
    sessions_free(s->sessions);
    free(s->token);
    free(s->store_id);
    free(s);
}

const char *serve_address(const struct serve *s)
{
    return s->address;
}

void serve_heard(struct serve *s, int64_t source_heard_us, int64_t source_time_us)
{
    s->source_heard_us = source_heard_us;
    s->source_time_us = source_time_us;
}
