/*
 * What is on the disk leaves the kernel's cache, but for the last CACHE_KEEP bytes, which readers
 * that keep up want next. The pages then serve what is written next: pages that nobody has touched
 * for long cost several times as much, and a log of gigabytes does not push others' files out of
 * memory. Only a hint: what it answers is of no account, and a reader finds the same bytes.
 */
#include <fcntl.h>
#include <unistd.h>

#include "components/store/store_priv.h"

#define PATH_CAP 4096
#define CACHE_KEEP (8u << 20)
#define CACHE_STEP (2u << 20)

static void drop_left(struct store *s)
{
    char path[PATH_CAP];
    int fd;

    segment_path(s->dir, s->cached_left, path, sizeof path);
    s->cached_left = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* retention was faster */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

void store_cache_synced(struct store *s)
{
    if (s->offset < s->cached_from + CACHE_KEEP + CACHE_STEP)
        return;
    if (s->cached_left)
        drop_left(s);
    (void)posix_fadvise(s->fd, (off_t)s->cached_from,
                        (off_t)(s->offset - CACHE_KEEP - s->cached_from), POSIX_FADV_DONTNEED);
    s->cached_from = s->offset - CACHE_KEEP;
}

void store_cache_leave(struct store *s)
{
    if (s->cached_left)
        drop_left(s);
    if (s->fd >= 0)
        s->cached_left = s->tail->head.first_number;
    s->cached_from = 0;
}
