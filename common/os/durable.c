/* Durability. See durable.h. */
#include "common/os/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/os/clock.h"

#define LOCK_WAIT_MS 3000
#define LOCK_POLL_MS 20

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void free_text(char **s)
{
    free(*s);
}

/* A full disk has its own code, so that the one reaction can be to wait for room. */
static enum err_code code_of(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_SYSTEM;
}

bool durable_sync_fd(int fd, const char *path, struct err *e)
{
    if (fdatasync(fd) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot sync '%s'", path);
    return true;
}

bool durable_sync_dir(const char *dir, struct err *e)
{
    CLEANUP(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot open directory '%s'", dir);
    if (fsync(fd) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot sync directory '%s'", dir);
    return true;
}

static bool write_all(int fd, const char *path, const uint8_t *p, size_t len, struct err *e)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(e, code_of(errno), errno, "cannot write '%s'", path);
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_new(const char *tmp, const void *p, size_t len, unsigned mode, struct err *e)
{
    CLEANUP(close_fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    if (fd < 0)
        return err_set_errno(e, code_of(errno), errno, "cannot create '%s'", tmp);
    if (fchmod(fd, mode) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot set the mode of '%s'", tmp);
    return write_all(fd, tmp, p, len, e) && durable_sync_fd(fd, tmp, e);
}

bool durable_write_file(const char *path, const void *p, size_t len, unsigned mode, struct err *e)
{
    CLEANUP(free_text) char *tmp = NULL;
    CLEANUP(free_text) char *copy = must_strdup(path);

    if (asprintf(&tmp, "%s.new", path) < 0)
        must(!"asprintf");
    if (!write_new(tmp, p, len, mode, e)) {
        unlink(tmp);
        return false;
    }
    if (rename(tmp, path) != 0)
        return err_set_errno(e, code_of(errno), errno, "cannot rename '%s' to '%s'", tmp, path);
    return durable_sync_dir(dirname(copy), e);
}

bool durable_read_file(const char *path, struct buf *out, struct err *e)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, errno,
                             "cannot open '%s'", path);
    for (;;) {
        uint8_t part[16384];
        ssize_t n = read(fd, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(e, ERR_SYSTEM, errno, "cannot read '%s'", path);
        if (n == 0)
            return true;
        buf_append(out, part, (size_t)n);
        if (!buf_ok(out))
            return err_set(e, ERR_LIMIT, "'%s' is larger than %zu bytes", path, out->max);
    }
}

bool durable_mkdirs(const char *path, unsigned mode, struct err *e)
{
    CLEANUP(free_text) char *copy = must_strdup(path);

    for (char *p = copy + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return err_set_errno(e, code_of(errno), errno, "cannot make directory '%s'", copy);
        *p = c;
        if (c == '\0')
            break;
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_SYSTEM, "'%s' is not a directory", path);
    return true;
}

bool durable_unlink(const char *path, struct err *e)
{
    CLEANUP(free_text) char *copy = must_strdup(path);

    if (unlink(path) != 0 && errno != ENOENT)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot remove '%s'", path);
    return durable_sync_dir(dirname(copy), e);
}

/* A holder that was just killed lets go only once the kernel has taken it down, which takes a
 * moment. */
static int lock_within(int fd, int64_t timeout_ms)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);

    for (;;) {
        if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
            return 0;
        if ((errno != EAGAIN && errno != EACCES) || mono_cmp(clock_mono(), until) >= 0)
            return errno;
        (void)poll(NULL, 0, LOCK_POLL_MS);
    }
}

bool durable_lock(const char *path, int *fd, struct err *e)
{
    int f = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), reason;

    if (f < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot open lock file '%s'", path);
    reason = lock_within(f, LOCK_WAIT_MS);
    if (reason != 0) {
        close(f);
        if (reason == EAGAIN || reason == EACCES)
            return err_set(e, ERR_EXISTS, "'%s' is locked by another process", path);
        return err_set_errno(e, ERR_SYSTEM, reason, "cannot lock '%s'", path);
    }
    *fd = f;
    return true;
}
