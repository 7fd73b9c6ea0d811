/*
 * See cutproxy.h. With CUT_AFTER both sides stay open until the server has answered (the answer is
 * dropped), so that the request surely ran before the client learns that its connection is lost.
 */
#include "test/lib/cutproxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/os/thread.h"

#define PAIRS 64
#define TICK_MS 20

struct pair {
    int client, server; /* -1: free */
    bool swallows;      /* the next answer is dropped, and the connection with it */
};
struct cutproxy {
    int listener;
    uint16_t to_port;
    struct thread thread;
    struct pair pairs[PAIRS];
    pthread_mutex_t lock; /* what follows */
    bool stopping, armed;
    char text[64];
    enum cut_when when;
    unsigned cuts;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void close_pair(struct pair *q)
{
    close_fd(&q->client);
    close_fd(&q->server);
}

/* Is this request the one to be cut? */
static bool to_be_cut(struct cutproxy *p, const char *bytes, size_t n, enum cut_when *when)
{
    pthread_mutex_lock(&p->lock);
    bool cut = p->armed && memmem(bytes, n, p->text, strlen(p->text)) != NULL;
    *when = p->when;
    if (cut) {
        p->armed = p->when == CUT_REFUSE;
        p->cuts++;
    }
    pthread_mutex_unlock(&p->lock);
    return cut;
}

/* An error packet of the MySQL protocol, 4.1 and later, as the first of an answer. */
static bool refuse(int client)
{
    static const char text[] = "#HY000this proxy does not do that";
    char packet[7 + sizeof text - 1] = {sizeof text - 1 + 3, 0, 0, 1, '\xff', 81, 4}; /* 1105 */

    memcpy(packet + 7, text, sizeof text - 1);
    return send_all(client, packet, sizeof packet);
}

static void from_client(struct cutproxy *p, struct pair *q)
{
    static __thread char bytes[1 << 18];
    enum cut_when when;
    ssize_t n = recv(q->client, bytes, sizeof bytes, 0);

    if (n <= 0) {
        close_pair(q);
        return;
    }
    if (!to_be_cut(p, bytes, (size_t)n, &when)) {
        if (!send_all(q->server, bytes, (size_t)n))
            close_pair(q);
        return;
    }
    if (when == CUT_REFUSE) {
        if (!refuse(q->client))
            close_pair(q);
        return;
    }
    q->swallows = when == CUT_AFTER && send_all(q->server, bytes, (size_t)n);
    if (!q->swallows)
        close_pair(q);
}

static void from_server(struct pair *q)
{
    static __thread char bytes[1 << 18];
    ssize_t n = recv(q->server, bytes, sizeof bytes, 0);

    if (n <= 0 || q->client < 0 || q->swallows || !send_all(q->client, bytes, (size_t)n))
        close_pair(q);
}

static void accept_one(struct cutproxy *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->to_port)};
    int client = accept(p->listener, NULL, NULL);

    if (client < 0)
        return;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < PAIRS; i++) {
        struct pair *q = &p->pairs[i];
        if (q->client >= 0 || q->server >= 0)
            continue;
        q->client = client;
        q->swallows = false;
        q->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (q->server < 0 || connect(q->server, (struct sockaddr *)&to, sizeof to) != 0)
            close_pair(q);
        return;
    }
    (void)close(client);
}

static void serve_once(struct cutproxy *p)
{
    struct pollfd fds[1 + 2 * PAIRS];

    fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    for (int i = 0; i < PAIRS; i++) {
        fds[1 + 2 * i] = (struct pollfd){.fd = p->pairs[i].client, .events = POLLIN};
        fds[2 + 2 * i] = (struct pollfd){.fd = p->pairs[i].server, .events = POLLIN};
    }
    if (poll(fds, ARRAY_LEN(fds), TICK_MS) <= 0)
        return;
    for (int i = 0; i < PAIRS; i++) {
        struct pair *q = &p->pairs[i];
        if (q->client >= 0 && fds[1 + 2 * i].revents)
            from_client(p, q);
        if (q->server >= 0 && fds[2 + 2 * i].revents)
            from_server(q);
    }
    if (fds[0].revents)
        accept_one(p);
}

static void run(void *arg)
{
    struct cutproxy *p = arg;
    bool stop;

    do {
        serve_once(p);
        pthread_mutex_lock(&p->lock);
        stop = p->stopping;
        pthread_mutex_unlock(&p->lock);
    } while (!stop);
}

bool cutproxy_start(uint16_t to_port, struct cutproxy **out, uint16_t *port, struct err *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    struct cutproxy *p = must_calloc(1, sizeof *p);

    p->to_port = to_port;
    for (int i = 0; i < PAIRS; i++)
        p->pairs[i] = (struct pair){.client = -1, .server = -1};
    must(pthread_mutex_init(&p->lock, NULL) == 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(p->listener >= 0);
    must(bind(p->listener, (struct sockaddr *)&at, sizeof at) == 0);
    must(listen(p->listener, PAIRS) == 0);
    must(getsockname(p->listener, (struct sockaddr *)&at, &len) == 0);
    if (!thread_start(&p->thread, "cutproxy", run, p, e)) {
        cutproxy_stop(p);
        return false;
    }
    *port = ntohs(at.sin_port);
    *out = p;
    return true;
}

void cutproxy_stop(struct cutproxy *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_mutex_unlock(&p->lock);
    thread_join(&p->thread);
    for (int i = 0; i < PAIRS; i++)
        close_pair(&p->pairs[i]);
    close_fd(&p->listener);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

void cutproxy_arm(struct cutproxy *p, const char *text, enum cut_when when)
{
    pthread_mutex_lock(&p->lock);
    must(strlen(text) < sizeof p->text);
    memcpy(p->text, text, strlen(text) + 1);
    p->when = when;
    p->armed = true;
    pthread_mutex_unlock(&p->lock);
}

unsigned cutproxy_cuts(struct cutproxy *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned n = p->cuts;
    pthread_mutex_unlock(&p->lock);
    return n;
}
