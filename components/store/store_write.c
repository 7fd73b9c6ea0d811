/*
 * How a block's bytes come into the segment's file. A large one, which there is only in a backlog,
 * goes past the kernel's cache: pages that nobody has touched for long cost more to fill than all
 * else that the appender does (docs/performance.md). What is past the cache must be whole pages of
 * the file, so the page that holds the end is written twice: its bytes are read back, put in front,
 * and written again unchanged; the bytes behind the last whole page go through the cache. After
 * each call the file holds every byte up to the block's end, whichever way they went, and one
 * fdatasync makes both ways durable.
 *
 * The way past the cache is never needed: whatever goes wrong there, the block is written again as
 * any other, and that decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/fileio.h"
#include "components/store/store_priv.h"

#define PAGE 4096u
#define STAGE_BYTES (4u << 20) /* one write for nearly every block: each is waited for */
#define DIRECT_MIN (256u << 10)

/* Writes past the cache: fd's flag is set for that long. */
static bool write_pages(int fd, const uint8_t *p, size_t n, uint64_t at)
{
    int flags = fcntl(fd, F_GETFL);
    bool ok = flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;

    if (!ok)
        return false;
    ok = file_write_at(fd, p, n, at);
    int reason = errno;
    must(fcntl(fd, F_SETFL, flags) == 0);
    errno = reason;
    return ok;
}

/* `stage` begins with the `have` bytes of the file that stand from *at, a whole page, on. */
static bool put_pages(struct store *s, const uint8_t *p, size_t n, size_t have, uint64_t at)
{
    while (have + n > 0) {
        size_t more = n < STAGE_BYTES - have ? n : STAGE_BYTES - have;

        memcpy(s->stage + have, p, more);
        have += more;
        p += more;
        n -= more;
        size_t whole = have - have % PAGE;
        if (whole == 0) /* the last of it */
            return file_write_at(s->fd, s->stage, have, at);
        if (!write_pages(s->fd, s->stage, whole, at))
            return false;
        at += whole;
        have -= whole;
        memcpy(s->stage, s->stage + whole, have);
    }
    return true;
}

/* False: the block has to be written the other way. */
static bool put_direct(struct store *s, const struct buf *bytes)
{
    uint64_t at = s->offset - s->offset % PAGE;
    size_t have = (size_t)(s->offset - at), got = 0;

    if (!s->stage) {
        s->stage = aligned_alloc(PAGE, STAGE_BYTES);
        must(s->stage != NULL);
    }
    errno = 0;
    if (file_read_at(s->fd, s->stage, have, at, &got) && got == have &&
        put_pages(s, bytes->p, bytes->len, have, at))
        return true;
    if (errno != ENOSPC && errno != EDQUOT) {
        log_event(LOG_INFO, "store.through_cache", "the log in '%s': error %d", s->dir, errno);
        s->no_direct = true;
    }
    return false;
}

bool store_write_block(struct store *s, const struct buf *bytes, struct err *e)
{
    if (bytes->len >= DIRECT_MIN && !s->no_direct && put_direct(s, bytes))
        return true;
    if (file_write_at(s->fd, bytes->p, bytes->len, s->offset))
        return true;
    int reason = errno;

    if (ftruncate(s->fd, (off_t)s->offset) != 0)
        log_event(LOG_WARN, "store.cut", "cannot cut a half-written block: %d", errno);
    return err_set_errno(e, reason == ENOSPC || reason == EDQUOT ? ERR_NO_SPACE : ERR_SYSTEM,
                         reason, "cannot write a block to the log in '%s'", s->dir);
}
