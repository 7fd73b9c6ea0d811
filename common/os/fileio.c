/* See fileio.h. */
#include "common/os/fileio.h"

#include <errno.h>
#include <unistd.h>

bool file_read_at(int fd, void *p, size_t n, uint64_t at, size_t *got)
{
    *got = 0;
    while (*got < n) {
        ssize_t r = pread(fd, (uint8_t *)p + *got, n - *got, (off_t)(at + *got));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return false;
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return true;
}

bool file_write_at(int fd, const void *p, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = pwrite(fd, (const uint8_t *)p + done, n - done, (off_t)(at + done));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return false;
        done += (size_t)r;
    }
    return true;
}
