/* A stream's socket. See stream_io.h. */
#include "components/stream/stream_io.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/os/clock.h"

#define READ_STEP (256u << 10)

void stream_io_init(struct stream_io *io, int fd)
{
    int one = 1;

    *io = (struct stream_io){.fd = fd};
    buf_init(&io->in, STREAM_FRAME_MAX + READ_STEP);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void stream_io_fini(struct stream_io *io)
{
    SSL_free(io->tls);
    io->tls = NULL;
    if (io->fd >= 0)
        close(io->fd);
    io->fd = -1;
    buf_fini(&io->in);
}

/* Waits for events; false with ERR_TIMEOUT at the deadline. */
static bool wait_for(int fd, short events, struct mono until, struct err *e)
{
    struct pollfd p = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = mono_ms_between(clock_mono(), until);
        int n = poll(&p, 1, left > 0 ? (int)left : 0);

        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_set_errno(e, ERR_SYSTEM, errno, "cannot wait for a connection");
        if (left <= 0)
            return err_set(e, ERR_TIMEOUT, "the other side of the stream does not answer");
    }
}

static bool connect_one(const struct addrinfo *a, struct mono until, int *out, struct err *e)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int reason = 0;
    socklen_t len = sizeof reason;

    if (fd < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot make a socket");
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        if (errno != EINPROGRESS)
            reason = errno;
        else if (!wait_for(fd, POLLOUT, until, e))
            reason = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &len);
    }
    if (reason == 0) {
        *out = fd;
        return true;
    }
    close(fd);
    return err_set_errno(e, ERR_UNAVAILABLE, reason, "cannot connect");
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

bool stream_dial(const char *address, uint32_t timeout_ms, int *fd, bool *loopback, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    const char *colon = strrchr(address, ':');
    char host[256];
    bool ok = false;
    int rc;

    if (!colon || (size_t)(colon - address) >= sizeof host)
        return err_set(e, ERR_INVALID, "'%s' is not host:port", address);
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    rc = getaddrinfo(host, colon + 1, &hints, &list);
    if (rc != 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot resolve '%s': %s", address, gai_strerror(rc));
    for (const struct addrinfo *a = list; a && !ok; a = a->ai_next) {
        ok = connect_one(a, until, fd, e);
        *loopback = is_loopback(a->ai_addr);
    }
    freeaddrinfo(list);
    return ok ? true : err_wrap(e, "store '%s'", address);
}

bool stream_io_wait(struct stream_io *io, bool to_write, struct mono until, struct err *e)
{
    return wait_for(io->fd, to_write ? POLLOUT : POLLIN, until, e);
}

/* What a TLS call that moved nothing says: 0 with *events: wait for them; else -1 with errno. */
static ssize_t tls_result(SSL *ssl, int n, short *events)
{
    int why = SSL_get_error(ssl, n);

    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return 0;
    }
    errno = why == SSL_ERROR_SYSCALL && errno ? errno : ECONNRESET;
    return -1;
}

/* Bytes sent; 0: wait for *events; -1: errno. */
static ssize_t send_some(struct stream_io *io, const uint8_t *p, size_t n, short *events)
{
    ssize_t sent;

    *events = POLLOUT;
    if (io->tls) {
        ERR_clear_error();
        int done = SSL_write(io->tls, p, n > INT32_MAX ? INT32_MAX : (int)n);
        return done > 0 ? done : tls_result(io->tls, done, events);
    }
    sent = send(io->fd, p, n, MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

/* Bytes received; 0: wait for *events; -1: errno (0: closed in order). */
static ssize_t recv_some(struct stream_io *io, uint8_t *p, size_t n, short *events)
{
    ssize_t got;

    *events = POLLIN;
    if (io->tls) {
        ERR_clear_error();
        errno = 0;
        int done = SSL_read(io->tls, p, n > INT32_MAX ? INT32_MAX : (int)n);
        return done > 0 ? done : tls_result(io->tls, done, events);
    }
    got = recv(io->fd, p, n, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    errno = 0;
    return got == 0 ? -1 : got;
}

bool stream_io_write(struct stream_io *io, const void *p, size_t n, int64_t timeout_ms,
                     struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);
    const uint8_t *at = p;

    while (n > 0) {
        short events;
        ssize_t sent = send_some(io, at, n, &events);

        if (sent < 0)
            return err_set_errno(e, ERR_UNAVAILABLE, errno, "the stream was cut");
        if (sent == 0 && !wait_for(io->fd, events, until, e))
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Moves what is left to the front; the buffer never holds more than one frame and one step. */
static void compact(struct stream_io *io)
{
    if (io->taken == 0)
        return;
    memmove(io->in.p, io->in.p + io->taken, io->in.len - io->taken);
    io->in.len -= io->taken;
    io->taken = 0;
}

static bool whole_frame(struct stream_io *io, size_t limit, bool *got, uint8_t *type,
                        struct view *body, struct err *e)
{
    size_t have = io->in.len - io->taken;
    const uint8_t *p = io->in.p + io->taken;
    uint32_t n;

    *got = false;
    if (have < STREAM_HEADER_SIZE)
        return true;
    memcpy(&n, p, sizeof n);
    if (n < 1 || n > limit)
        return err_set(e, ERR_CORRUPT, "a frame of %u bytes, at most %zu are allowed", n, limit);
    if (have < 4 + (size_t)n)
        return true;
    *type = p[4];
    *body = (struct view){p + STREAM_HEADER_SIZE, n - 1};
    io->taken += 4 + (size_t)n;
    *got = true;
    return true;
}

bool stream_io_read(struct stream_io *io, int64_t timeout_ms, size_t limit, bool *got,
                    uint8_t *type, struct view *body, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);

    for (;;) {
        struct err waited = ERR_INIT;
        short events;
        ssize_t n;

        if (!whole_frame(io, limit, got, type, body, e) || *got)
            return *got;
        compact(io);
        if (!buf_reserve(&io->in, READ_STEP))
            return err_set(e, ERR_LIMIT, "a frame does not fit %zu bytes", io->in.max);
        n = recv_some(io, io->in.p + io->in.len, io->in.cap - io->in.len, &events);
        if (n > 0) {
            io->in.len += (size_t)n;
        } else if (n < 0) {
            return errno == 0 ? err_set(e, ERR_UNAVAILABLE, "the other side closed the stream")
                              : err_set_errno(e, ERR_UNAVAILABLE, errno, "the stream was cut");
        } else if (!wait_for(io->fd, events, until, &waited)) {
            if (waited.code == ERR_TIMEOUT)
                return true; /* *got is false */
            *e = waited;
            return false;
        }
    }
}
