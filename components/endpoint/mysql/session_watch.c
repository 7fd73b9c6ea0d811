/* Servers that stand still. See session_watch.h. */
#include "components/endpoint/mysql/session_watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/thread.h"

#define SILENT_AFTER_MS 60000
#define ANSWER_MOST_MS 10000 /* a new connection's time */
#define ANSWER_LEAST_MS 1000
#define LOOK_MS 250

static struct {
    pthread_mutex_t lock;
    struct watched *first;
    struct thread thread; /* lives as long as the process */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *copy(const char *text)
{
    char *out = text ? strdup(text) : NULL;

    must(!text || out);
    return out;
}

static struct endpoint_address copy_address(const struct endpoint_address *a)
{
    return (struct endpoint_address){.host = copy(a->host),
                                     .port = a->port,
                                     .socket = copy(a->socket),
                                     .user = copy(a->user),
                                     .password = copy(a->password),
                                     .tls_ca = copy(a->tls_ca),
                                     .tls_mode = copy(a->tls_mode)};
}

static void free_watched(struct watched *w)
{
    free((char *)w->address.host);
    free((char *)w->address.socket);
    free((char *)w->address.user);
    if (w->address.password)
        explicit_bzero((char *)w->address.password, strlen(w->address.password));
    free((char *)w->address.password);
    free((char *)w->address.tls_ca);
    free((char *)w->address.tls_mode);
    close(w->fd);
    free(w);
}

/* Under the lock. */
static void drop(struct watched *w)
{
    if (--w->refs == 0)
        free_watched(w);
}

static bool is_silent(struct watched *w, struct mono now)
{
    uint32_t calls = atomic_load_explicit(&w->calls, memory_order_relaxed);

    if (!(calls & 1) || calls != w->seen) {
        w->seen = calls;
        w->since = now;
        return false;
    }
    return !atomic_load(&w->given_up) && mono_ms_between(w->since, now) >= w->limit_ms;
}

/* One reference of a session that has waited too long; NULL: none. */
static struct watched *find_silent(void)
{
    struct watched *found = NULL;
    struct mono now = clock_mono();

    pthread_mutex_lock(&all.lock);
    for (struct watched *w = all.first; w; w = w->next)
        if (is_silent(w, now) && !found) {
            found = w;
            w->refs++;
        }
    pthread_mutex_unlock(&all.lock);
    return found;
}

static void give_up(struct watched *w)
{
    atomic_store(&w->given_up, true);
    (void)shutdown(w->fd, SHUT_RDWR);
    log_event(LOG_WARN, "endpoint.silent",
              "the server at %s has not answered for %lld s, and a new connection gets no answer: "
              "it stands still, the session is given up",
              w->where, (long long)(w->limit_ms / 1000));
}

/* What was found out holds for all that wait for the same server too long. */
static void judge(struct watched *found, bool answers)
{
    struct mono now = clock_mono();

    pthread_mutex_lock(&all.lock);
    for (struct watched *w = all.first; w; w = w->next) {
        if (strcmp(w->where, found->where) != 0 || !is_silent(w, now))
            continue;
        if (answers)
            w->since = now;
        else
            give_up(w);
    }
    drop(found);
    pthread_mutex_unlock(&all.lock);
}

static void watch_main(void *arg)
{
    (void)arg;
    for (;;) {
        struct watched *w = find_silent();
        int64_t ms;

        if (!w) {
            (void)poll(NULL, 0, LOOK_MS);
            continue;
        }
        ms = w->limit_ms < ANSWER_MOST_MS ? w->limit_ms : ANSWER_MOST_MS;
        judge(w, session_answers(&w->address,
                                 (uint32_t)(ms > ANSWER_LEAST_MS ? ms : ANSWER_LEAST_MS)));
    }
}

/* A process that cannot have the thread has no watch: it waits as the library does. */
static void start(void)
{
    struct err e = ERR_INIT;

    if (!all.thread.started && !thread_start(&all.thread, "oms-watch", watch_main, NULL, &e))
        log_err(LOG_WARN, "endpoint.watch", &e);
}

void session_watch(struct session *s, const struct endpoint_address *a)
{
    int fd = dup((int)mysql_get_socket(s->my));
    struct watched *w;

    if (fd < 0)
        return;
    w = must_calloc(1, sizeof *w);
    w->refs = 1;
    w->fd = fd;
    w->address = copy_address(a);
    memcpy(w->where, s->where, sizeof w->where);
    w->limit_ms = a->silent_after_ms ? a->silent_after_ms : SILENT_AFTER_MS;
    w->since = clock_mono();
    s->watched = w;
    pthread_mutex_lock(&all.lock);
    start();
    w->next = all.first;
    all.first = w;
    pthread_mutex_unlock(&all.lock);
}

void session_unwatch(struct session *s)
{
    struct watched *w = s->watched;

    if (!w)
        return;
    s->watched = NULL;
    pthread_mutex_lock(&all.lock);
    for (struct watched **at = &all.first; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    drop(w);
    pthread_mutex_unlock(&all.lock);
}
