/* Log lines into one file, rotated by size; or standard error. See log.h. */
#include "common/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/os/clock.h"

static struct {
    pthread_mutex_t lock;
    int fd;
    char *path;
    size_t max_bytes, size_bytes;
    int keep;
    enum log_level least;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = 2, .least = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static int open_log(const char *path, size_t *size_bytes)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    *size_bytes = fd >= 0 && fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
    return fd;
}

bool log_open(const char *path, size_t max_bytes, int keep, enum log_level least, struct err *e)
{
    size_t size_bytes = 0;
    int fd = path ? open_log(path, &size_bytes) : 2;

    if (fd < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot open log '%s'", path);
    log_close();
    pthread_mutex_lock(&out.lock);
    out.fd = fd;
    out.path = path ? must_strdup(path) : NULL;
    out.max_bytes = max_bytes;
    out.size_bytes = size_bytes;
    out.keep = keep;
    out.least = least;
    pthread_mutex_unlock(&out.lock);
    return true;
}

void log_close(void)
{
    pthread_mutex_lock(&out.lock);
    if (out.fd > 2)
        close(out.fd);
    free(out.path);
    out.path = NULL;
    out.fd = 2;
    pthread_mutex_unlock(&out.lock);
}

/* path.N-1 -> path.N, ..., path -> path.1; then a fresh file. Takes place under the lock. */
static void rotate(void)
{
    char from[4096], to[4096];
    int fd;

    for (int i = out.keep - 1; i >= 0; i--) {
        snprintf(to, sizeof to, "%s.%d", out.path, i + 1);
        if (i == 0)
            snprintf(from, sizeof from, "%s", out.path);
        else
            snprintf(from, sizeof from, "%s.%d", out.path, i);
        rename(from, to);
    }
    if (out.keep == 0)
        unlink(out.path);
    fd = open_log(out.path, &out.size_bytes);
    if (fd >= 0) { /* else the old file goes on: a log line lost is worse than a large log */
        close(out.fd);
        out.fd = fd;
    }
}

static void put_line(enum log_level level, const char *event, const char *text)
{
    char time[WALL_TEXT_MAX], line[4096];
    int n = snprintf(line, sizeof line - 1, "%s %-5s %s %s", wall_format(clock_wall(), time),
                     level_names[level], event, text);

    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    for (int i = 0; i < n; i++) /* one line an event, whatever a server's message holds */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[n++] = '\n';
    pthread_mutex_lock(&out.lock);
    if (out.path && out.max_bytes > 0 && out.size_bytes + (size_t)n > out.max_bytes)
        rotate();
    if (write(out.fd, line, (size_t)n) == n)
        out.size_bytes += (size_t)n;
    pthread_mutex_unlock(&out.lock);
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char text[3072];
    va_list ap;

    if (level < out.least)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put_line(level, event, text);
}

void log_err(enum log_level level, const char *event, const struct err *e)
{
    if (level < out.least)
        return;
    log_event(level, event, "code=%s at=%s %s", err_name(e->code), e->place ? e->place : "-",
              e->message);
}
