/*
 * The ask "logs": args lines and, optionally, "follow". The last lines of
 * DIR/components/ID/component.log in chunks, then, when following, what is added, until the CM says
 * that nobody reads any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/os/clock.h"
#include "supervisor/supervisor_priv.h"

#define CHUNK (64u << 10)
#define LINES_DEFAULT 200
#define TAIL_MAX (4u << 20)
#define FOLLOW_MS (30 * 60 * 1000)

static void end_ask(struct supervisor *sv, size_t i)
{
    free(sv->logs.at[i].id);
    free(sv->logs.at[i].path);
    if (sv->logs.at[i].fd >= 0)
        close(sv->logs.at[i].fd);
    sv->logs.at[i] = sv->logs.at[--sv->logs.n];
}

void logs_fini(struct supervisor *sv)
{
    while (sv->logs.n > 0)
        end_ask(sv, 0);
    vec_fini(&sv->logs);
}

static struct log_ask *find_ask(struct supervisor *sv, const char *id, size_t *at)
{
    for (size_t i = 0; i < sv->logs.n; i++)
        if (strcmp(sv->logs.at[i].id, id) == 0) {
            *at = i;
            return &sv->logs.at[i];
        }
    return NULL;
}

struct sent { /* a piece on its way */
    struct supervisor *sv;
    bool last;
    char id[];
};

static void on_sent(void *arg, const ProtobufCMessage *reply, const struct err *e)
{
    struct sent *s = arg;
    size_t at;
    struct log_ask *l = find_ask(s->sv, s->id, &at);

    (void)reply;
    if (l && (e || s->last))
        end_ask(s->sv, at); /* nobody reads it any more, or all is said */
    else if (l)
        l->busy = false;
    free(s);
}

static void send_piece(struct supervisor *sv, struct log_ask *l, const void *p, size_t n, bool last,
                       const char *why)
{
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    Oms__Error error = OMS__ERROR__INIT;
    struct sent *s = must_alloc(sizeof *s + strlen(l->id) + 1);

    s->sv = sv;
    s->last = last;
    memcpy(s->id, l->id, strlen(l->id) + 1);
    a.id = l->id;
    a.has_chunk = 1;
    a.chunk = (ProtobufCBinaryData){n, (uint8_t *)p};
    a.has_last = 1;
    a.last = last;
    if (why) {
        error.code = (char *)"NOT_FOUND";
        error.message = (char *)why;
        a.error = &error;
    }
    l->busy = true;
    link_answer(sv, &a, on_sent, s);
}

/* Where the last `lines` lines begin, at most TAIL_MAX bytes before the end. */
static uint64_t tail_offset(int fd, uint64_t size, long lines)
{
    uint64_t at = size;
    char part[8192];

    while (at > 0 && size - at < TAIL_MAX) {
        size_t n = at < sizeof part ? (size_t)at : sizeof part;

        if (pread(fd, part, n, (off_t)(at - n)) != (ssize_t)n)
            break;
        for (size_t i = n; i-- > 0;)
            if (part[i] == '\n' && at - n + i + 1 != size && --lines == 0)
                return at - n + i + 1;
        at -= n;
    }
    return at;
}

void logs_begin(struct supervisor *sv, const Oms__Ask *ask)
{
    struct log_ask l = {.until = mono_add_ms(clock_mono(), FOLLOW_MS), .fd = -1};
    struct unit *u = ask->component_id ? unit_find(sv, ask->component_id) : NULL;
    long lines = LINES_DEFAULT;
    size_t at;
    struct stat st;

    if (!ask->id || find_ask(sv, ask->id, &at))
        return; /* sent twice */
    for (size_t i = 0; i < ask->n_args; i++) {
        if (strcmp(ask->args[i], "follow") == 0)
            l.follow = true;
        else
            lines = strtol(ask->args[i], NULL, 10);
    }
    l.id = must_strdup(ask->id);
    if (u && asprintf(&l.path, "%s/component.log", u->dir) < 0)
        l.path = NULL;
    l.fd = l.path ? open(l.path, O_RDONLY | O_CLOEXEC) : -1;
    if (l.fd >= 0 && fstat(l.fd, &st) == 0)
        l.offset = tail_offset(l.fd, (uint64_t)st.st_size, lines > 0 ? lines : LINES_DEFAULT);
    vec_push(&sv->logs, l);
    if (l.fd < 0)
        send_piece(sv, &sv->logs.at[sv->logs.n - 1], NULL, 0, true,
                   "this host has no log of that component");
}

/* The file at the path is another one now: the log was rotated, or begins anew. */
static bool go_to_next_file(struct log_ask *l)
{
    struct stat have, there;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (fstat(l->fd, &have) != 0 || fstat(fd, &there) != 0 || have.st_ino == there.st_ino) {
        close(fd);
        return false;
    }
    close(l->fd);
    l->fd = fd;
    l->offset = 0;
    return true;
}

static void send_next(struct supervisor *sv, struct log_ask *l, struct mono now)
{
    static char part[CHUNK];
    ssize_t n = pread(l->fd, part, sizeof part, (off_t)l->offset);

    if (n == 0 && go_to_next_file(l))
        n = pread(l->fd, part, sizeof part, (off_t)l->offset);
    if (n > 0) {
        l->offset += (uint64_t)n;
        send_piece(sv, l, part, (size_t)n, false, NULL);
    } else if (!l->follow || mono_cmp(now, l->until) >= 0) {
        send_piece(sv, l, NULL, 0, true, NULL);
    }
}

void logs_tick(struct supervisor *sv, struct mono now)
{
    for (size_t i = 0; i < sv->logs.n; i++)
        if (!sv->logs.at[i].busy)
            send_next(sv, &sv->logs.at[i], now);
}
