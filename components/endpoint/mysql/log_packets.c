/*
 * Packets of a dump (log_priv.h). The client library sends the command and sets up TLS; from then
 * on the bytes are read here, because the library's own reading blocks without a deadline and in
 * steps of 16 KB. What lies in the library's buffer before is nothing: the server speaks only after
 * the command. One recv() brings up to 256 KB, and events are views into it.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/os/clock.h"
#include "components/endpoint/mysql/log_priv.h"

/* The library's header of connections, for the TLS object. It wants mysql.h and these two before,
 * and is not as strict as we are. */
#define HAVE_TLS 1
typedef unsigned char uchar;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ma_pvio.h>
#pragma GCC diagnostic pop

#define BUFFER_BYTES (256u << 10)
#define EVENT_MAX ((size_t)1100 << 20) /* max_allowed_packet's own ceiling and a little */
#define PACKET_FULL 0xffffffu          /* a packet of this length goes on in the next */
#define HEAD 4
#define REST_MS 30000 /* a large event's next bytes must come within this */

void packets_init(struct packets *p, struct session *s)
{
    *p = (struct packets){.s = s, .fd = (int)mysql_get_socket(s->my), .seq = 1};
    if (mysql_get_ssl_cipher(s->my))
        p->tls = s->my->net.pvio->ctls->ssl;
    int flags = fcntl(p->fd, F_GETFL);
    (void)fcntl(p->fd, F_SETFL, flags | O_NONBLOCK);
    p->cap = BUFFER_BYTES;
    p->buf = must_alloc(p->cap);
    buf_init(&p->joined, EVENT_MAX);
}

void packets_fini(struct packets *p)
{
    free(p->buf);
    p->buf = NULL;
    buf_fini(&p->joined);
}

static bool lost(struct packets *p, const char *why, struct err *e)
{
    return err_set(e, ERR_SERVER_UNREACHABLE, "the connection that reads the log at %s broke: %s",
                   p->s->where, why);
}

/* Bytes, 0: none now, -1: the connection broke. */
static ssize_t read_some(struct packets *p, void *to, size_t n)
{
    if (!p->tls) {
        ssize_t got = recv(p->fd, to, n, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return 0;
        return got == 0 ? -1 : got;
    }
    int got = SSL_read(p->tls, to, n > INT32_MAX ? INT32_MAX : (int)n);
    if (got > 0)
        return got;
    int why = SSL_get_error(p->tls, got);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Waits for bytes and appends them. *got false: none came in time. */
static bool fill(struct packets *p, int64_t wait_ms, bool *got, struct err *e)
{
    struct pollfd pfd = {.fd = p->fd, .events = POLLIN};

    p->asked = clock_wall();
    for (int round = 0; round < 2; round++) {
        ssize_t n = read_some(p, p->buf + p->end, p->cap - p->end);
        if (n < 0)
            return lost(p, errno ? strerror(errno) : "closed by the server", e);
        if (n > 0) {
            p->end += (size_t)n;
            *got = true;
            return true;
        }
        if (round == 1 || wait_ms <= 0)
            break;
        if (poll(&pfd, 1, (int)wait_ms) <= 0)
            break;
    }
    *got = false;
    return true;
}

/* Room for `need` bytes from start on. */
static void make_room(struct packets *p, size_t need)
{
    if (p->start > 0) {
        memmove(p->buf, p->buf + p->start, p->end - p->start);
        p->end -= p->start;
        p->start = 0;
    }
    if (p->cap < need) {
        p->cap = need;
        p->buf = must_realloc(p->buf, p->cap);
    } else if (p->cap > BUFFER_BYTES && need <= BUFFER_BYTES && p->end <= BUFFER_BYTES) {
        p->cap = BUFFER_BYTES; /* a huge event is over */
        p->buf = must_realloc(p->buf, p->cap);
    }
}

static size_t packet_length(const struct packets *p)
{
    const uint8_t *h = p->buf + p->start;

    return h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16;
}

/* One whole packet at p->start, or *got false; its payload is behind HEAD bytes. */
static bool whole_packet(struct packets *p, int64_t wait_ms, size_t *len, bool *got, struct err *e)
{
    for (;;) {
        size_t have = p->end - p->start;
        size_t need = HEAD;
        if (have >= HEAD) {
            *len = packet_length(p);
            need = HEAD + *len;
            if (have >= need)
                break;
        }
        if (p->cap - p->start < need || p->cap == p->end)
            make_room(p, need);
        if (!fill(p, wait_ms, got, e))
            return false;
        if (!*got)
            return true;
    }
    if (p->buf[p->start + 3] != p->seq)
        return lost(p, "a packet is missing", e);
    p->seq++;
    *got = true;
    return true;
}

/* --- what the server says instead of an event ---------------------------------------------------
 */

struct refusal {
    const char *text;
    enum err_code code;
};
/* All come with error 1236 and are told apart by their text. */
static const struct refusal refusals[] = {
    {"same server_uuid/server_id", ERR_LOG_DUPLICATE_READER},
    {"same server_id", ERR_LOG_DUPLICATE_READER},
    {"not in the master's binlog", ERR_SOURCE_DIVERGED},
    {"have diverged", ERR_SOURCE_DIVERGED},
    {"diverged from", ERR_SOURCE_DIVERGED},
    {"is missing the GTID", ERR_SOURCE_DIVERGED},
    {"has more GTIDs than", ERR_SOURCE_DIVERGED},
    {"Could not find GTID state", ERR_LOG_LOST},
    {"purged", ERR_LOG_LOST},
    {"Could not find first log file", ERR_LOG_LOST},
    /* RESET MASTER while we read: who connects again finds out what is missing. */
    {"could not find next log", ERR_SERVER_UNREACHABLE},
    {"event read from binlog did not pass", ERR_LOG_DAMAGED},
    {"bogus data", ERR_LOG_DAMAGED},
};

static bool refused(struct packets *p, struct view v, struct err *e)
{
    struct cursor c = cursor_of(v.p, v.len);

    cursor_skip(&c, 1);
    unsigned number = cursor_u16(&c);
    if (cursor_left(&c) > 6 && c.p[0] == '#')
        cursor_skip(&c, 6);
    char text[512];
    size_t n = cursor_left(&c) < sizeof text ? cursor_left(&c) : sizeof text - 1;
    memcpy(text, c.p, n);
    text[n] = '\0';
    enum err_code code = session_code(number);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strstr(text, refusals[i].text)) {
            code = refusals[i].code;
            break;
        }
    return err_set_sys(e, code, (int)number, "cannot read the log at %s: %s (server error %u)",
                       p->s->where, text, number);
}

/* An event of 16 MB and more: packets until a shorter one. */
static bool join(struct packets *p, size_t len, struct view *payload, struct err *e)
{
    bool got = true;

    buf_clear(&p->joined);
    for (;;) {
        buf_append(&p->joined, p->buf + p->start + HEAD, len);
        p->start += HEAD + len;
        if (!buf_ok(&p->joined))
            return err_set(e, ERR_LIMIT, "an event is larger than %zu bytes", EVENT_MAX);
        if (len < PACKET_FULL)
            break;
        if (!whole_packet(p, REST_MS, &len, &got, e))
            return false;
        if (!got)
            return lost(p, "the rest of a large event does not come", e);
    }
    *payload = (struct view){p->joined.p, p->joined.len};
    return true;
}

bool packets_next(struct packets *p, int64_t wait_ms, struct view *event, bool *got, struct err *e)
{
    struct view payload;
    size_t len;

    if (!whole_packet(p, wait_ms, &len, got, e))
        return false;
    if (!*got)
        return true;
    if (len == PACKET_FULL) {
        if (!join(p, len, &payload, e))
            return false;
    } else {
        payload = (struct view){p->buf + p->start + HEAD, len};
        p->start += HEAD + len;
    }
    if (payload.len == 0)
        return lost(p, "an empty packet", e);
    if (payload.p[0] == 0xff)
        return refused(p, payload, e);
    if (payload.p[0] == 0xfe && payload.len < 9 && p->may_end) {
        p->ended = true;
        *got = false;
        return true;
    }
    if (payload.p[0] == 0xfe && payload.len < 9)
        return lost(p, "the server ended the log", e);
    if (payload.p[0] != 0)
        return lost(p, "a packet that is neither event nor error", e);
    *event = (struct view){payload.p + 1, payload.len - 1};
    return true;
}
