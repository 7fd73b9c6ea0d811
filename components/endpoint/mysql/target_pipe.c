/*
 * Many commands sent before the first answer is read: the client library's own calls wait after
 * each, and round trips are most of the cost of small changes. Packets are built here and written
 * to the connection's socket in large pieces, a large one from where it was built (under TLS each
 * goes through the library); answers are read by the library, in order.
 *
 * Why nothing locks up: the server reads the next command only after it has answered the one
 * before, so it blocks on writing only when its answers fill the socket's buffers; at most
 * MAX_WAITING answers (about 20 bytes each, an error at most 600) are ever unread. Several
 * megabytes of commands may wait in buffers: then our write waits for the server, which needs
 * nothing from us to go on.
 *
 * No COMMIT may be sent before every answer was read (F3): slot_commit sees to that.
 * Thread: one per connection.
 */
#include <errno.h>
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/session_watch.h"
#include "components/endpoint/mysql/target_priv.h"

#define PACKET_PART 0xffffffu
#define WRITE_AT (128u << 10)
#define WRITE_WHOLE (32u << 10) /* a payload of this size is not copied behind what waits */
#define MAX_WAITING 256
#define WRITE_TIMEOUT_MS 600000
#define PAYLOAD_MAX (1u << 30)
#define LOST_SERVER 2013

void pipe_init(struct pipe *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->payload, PAYLOAD_MAX);
    buf_init(&p->out, 2 * (size_t)PAYLOAD_MAX);
}

void pipe_fini(struct pipe *p)
{
    buf_fini(&p->payload);
    buf_fini(&p->out);
    vec_fini(&p->expects);
}

void pipe_attach(struct pipe *p, struct session *s, size_t max_packet)
{
    p->s = s;
    p->max_packet = max_packet;
    p->tls = mysql_get_ssl_cipher(s->my) != NULL;
    p->lost = false;
    p->lost_errno = 0;
    buf_clear(&p->payload);
    buf_clear(&p->out);
    p->expects.n = p->read_at = 0;
}

static void lose(struct pipe *p, unsigned number)
{
    p->lost = true;
    p->lost_errno = number ? number : LOST_SERVER;
    p->expects.n = p->read_at = 0;
    buf_clear(&p->out);
}

void pipe_command(struct pipe *p, uint8_t command)
{
    buf_clear(&p->payload);
    buf_u8(&p->payload, command);
}

static bool write_all(int fd, const uint8_t *at, size_t n, int flags)
{
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL | flags);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, WRITE_TIMEOUT_MS) <= 0)
                return false;
            continue;
        }
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* What waits, then `more`. */
static void write_out(struct pipe *p, struct view more)
{
    int fd;
    bool ok;

    session_waits(p->s);
    fd = p->s->my->net.pvio ? (int)mysql_get_socket(p->s->my) : -1;
    ok = fd >= 0 && write_all(fd, p->out.p, p->out.len, more.len ? MSG_MORE : 0) &&
         write_all(fd, more.p, more.len, 0);
    session_waited(p->s);
    if (!ok) {
        lose(p, LOST_SERVER);
        return;
    }
    buf_clear(&p->out);
}

void pipe_flush(struct pipe *p)
{
    if (!p->lost && p->out.len > 0)
        write_out(p, (struct view){NULL, 0});
}

/* A payload of 2^24-1 bytes or more goes as several packets; the answer's number follows theirs. */
static uint8_t queue_packets(struct pipe *p)
{
    uint8_t sequence = 0;
    size_t at = 0, part;

    do {
        part = p->payload.len - at < PACKET_PART ? p->payload.len - at : PACKET_PART;
        buf_append(&p->out, &part, 3);
        buf_u8(&p->out, sequence++);
        if (part >= WRITE_WHOLE)
            write_out(p, (struct view){p->payload.p + at, part});
        else
            buf_append(&p->out, p->payload.p + at, part);
        at += part;
    } while (part == PACKET_PART && !p->lost);
    return sequence;
}

static uint8_t send_by_library(struct pipe *p)
{
    MYSQL *my = p->s->my;

    bool ok;

    session_waits(p->s);
    ok = my->net.pvio &&
         my->methods->db_command(my, (enum enum_server_command)p->payload.p[0],
                                 (const char *)p->payload.p + 1, p->payload.len - 1, 1, NULL) == 0;
    session_waited(p->s);
    if (!ok)
        lose(p, mysql_errno(my));
    return (uint8_t)(1 + p->payload.len / PACKET_PART);
}

bool pipe_send(struct pipe *p, uint32_t tag, struct err *e)
{
    struct pipe_expect expect = {.tag = tag};

    if (!buf_ok(&p->payload) || p->payload.len > p->max_packet)
        return err_set(e, ERR_LIMIT,
                       "a row or statement needs a packet of %zu bytes, the target's "
                       "max_allowed_packet is %zu",
                       p->payload.len, p->max_packet);
    if (p->lost)
        return true;
    if (pipe_waiting(p) >= MAX_WAITING)
        pipe_read(p, MAX_WAITING / 2);
    if (p->lost)
        return true;
    expect.sequence = p->tls ? send_by_library(p) : queue_packets(p);
    if (p->lost)
        return true;
    vec_push(&p->expects, expect);
    if (p->out.len >= WRITE_AT)
        pipe_flush(p);
    return true;
}

bool pipe_send_text(struct pipe *p, uint32_t tag, const char *sql, struct err *e)
{
    pipe_command(p, COM_QUERY);
    buf_str(&p->payload, sql);
    return pipe_send(p, tag, e);
}

/* "Records: 3  Duplicates: 2  Warnings: 0" */
static uint64_t duplicates_of(const char *info)
{
    static const char before[] = "Duplicates: ";
    const char *at = info ? strstr(info, before) : NULL;

    return at ? strtoull(at + sizeof before - 1, NULL, 10) : 0;
}

static void read_one(struct pipe *p)
{
    MYSQL *my = p->s->my;
    struct pipe_expect x = p->expects.at[p->read_at];
    struct pipe_result r = {.tag = x.tag};
    int failed;

    my->net.pkt_nr = x.sequence;
    my->net.last_errno = 0;
    my->net.last_error[0] = '\0';
    my->status = MYSQL_STATUS_READY;
    if (!my->net.pvio) {
        lose(p, LOST_SERVER);
        return;
    }
    session_waits(p->s);
    failed = mysql_read_query_result(my);
    session_waited(p->s);
    if (failed) {
        r.error = mysql_errno(my);
        (void)snprintf(r.text, sizeof r.text, "%s", mysql_error(my));
        if (session_is_lost(r.error) || !my->net.pvio) {
            lose(p, r.error);
            return;
        }
    } else {
        must(mysql_field_count(my) == 0); /* nothing sent here gives rows */
        r.affected = mysql_affected_rows(my);
        r.warnings = mysql_warning_count(my);
        r.duplicates = duplicates_of(mysql_info(my));
    }
    if (++p->read_at == p->expects.n)
        p->read_at = p->expects.n = 0;
    p->got(p->got_arg, &r);
}

void pipe_read(struct pipe *p, size_t left)
{
    pipe_flush(p);
    while (!p->lost && pipe_waiting(p) > left)
        read_one(p);
}
