/*
 * Reading what is published. A reader has its own descriptor, so a segment that is removed while it
 * is read stays readable to its end. See store.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/os/clock.h"
#include "common/os/cond.h"
#include "components/record/txn.h"
#include "components/store/store_priv.h"

#define PATH_CAP 4096

struct store_reader {
    struct store *s;
    int fd;
    uint64_t segment; /* first_number of the open one */
    uint64_t offset, next_number;
    uint32_t prev_crc;
};

/* Opens the segment that begins with the reader's next block. */
static bool open_segment(struct store_reader *r, uint64_t blocks_at, uint32_t prev_crc,
                         struct err *e)
{
    char path[PATH_CAP];
    int fd;

    segment_path(r->s->dir, r->next_number, path, sizeof path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(e, ERR_STORE_POSITION, errno, "cannot open '%s'", path);
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    r->segment = r->next_number;
    r->offset = blocks_at;
    r->prev_crc = prev_crc;
    return true;
}

/* Does a segment begin with block `number`? Takes the lock. */
static bool find_segment(struct store *s, uint64_t number, uint64_t *blocks_at, uint32_t *prev_crc)
{
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = s->segments.n; i-- > 0 && !found;) {
        const struct segment_head *h = &s->segments.at[i]->head;

        if (h->first_number == number) {
            *blocks_at = segment_blocks_at(h);
            *prev_crc = h->prev_crc;
            found = true;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

bool store_wait_published(struct store *s, uint64_t number, int64_t timeout_ms)
{
    struct timespec until = cond_deadline(timeout_ms);
    bool there;

    pthread_mutex_lock(&s->lock);
    while (s->last_number < number && timeout_ms > 0)
        if (pthread_cond_timedwait(&s->published, &s->lock, &until) == ETIMEDOUT)
            break;
    there = s->last_number >= number;
    pthread_mutex_unlock(&s->lock);
    return there;
}

bool store_reader_next(struct store_reader *r, int64_t timeout_ms, struct block_head *h,
                       struct buf *stored, bool *got, struct err *e)
{
    uint64_t blocks_at;
    uint32_t prev_crc;
    char path[PATH_CAP];
    bool whole = false;

    *got = false;
    if (!store_wait_published(r->s, r->next_number, timeout_ms))
        return true;
    if (r->segment != r->next_number && find_segment(r->s, r->next_number, &blocks_at, &prev_crc) &&
        !open_segment(r, blocks_at, prev_crc, e))
        return false;
    if (r->fd < 0)
        return err_set(e, ERR_STORE_POSITION, "block %" PRIu64 " is not kept any more",
                       r->next_number);
    segment_path(r->s->dir, r->segment, path, sizeof path);
    if (!segment_read_block(r->fd, path, r->offset, r->prev_crc, h, stored, &whole, e))
        return false;
    if (!whole || h->number != r->next_number)
        return err_set(e, ERR_STORE_CORRUPT,
                       "block %" PRIu64 " in '%s' at byte %" PRIu64 " is damaged", r->next_number,
                       path, r->offset);
    r->offset += stored->len;
    r->prev_crc = h->crc;
    r->next_number++;
    *got = true;
    return true;
}

/* Is everything in these records inside `after`? Table versions are kept for the reader. */
static bool is_covered(struct view records, const struct txn_set *after, struct buf *tables,
                       bool *covered, struct err *e)
{
    struct cursor c = cursor_of(records.p, records.len);
    size_t tables_at = tables->len;
    struct record r;

    *covered = true;
    while (*covered && record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);
        struct txn_head h;

        if (r.type == RECORD_TABLE_VERSION) {
            buf_u8(tables, RECORD_TABLE_VERSION);
            buf_u32(tables, (uint32_t)r.body.len);
            buf_append(tables, r.body.p, r.body.len);
        } else if (r.type != RECORD_HEARTBEAT) {
            if (!txn_head_read(&body, &h))
                return err_set(e, ERR_STORE_CORRUPT, "a transaction's head does not have its form");
            *covered = txn_set_has(after, h.id);
        }
    }
    if (!*covered)
        tables->len = tables_at; /* the block itself will bring them */
    return !c.failed || err_set(e, ERR_STORE_CORRUPT, "records do not have their form");
}

/* Goes past the blocks whose every transaction the reader has. */
static bool skip_covered(struct store_reader *r, const struct txn_set *after, struct buf *tables,
                         struct err *e)
{
    struct buf stored, raw;
    bool ok = true, covered = true, got;

    buf_init(&stored, BLOCK_RAW_MAX + (1u << 20));
    buf_init(&raw, BLOCK_RAW_MAX);
    while (ok && covered) {
        struct store_reader before = *r;
        struct block_head h;

        ok = store_reader_next(r, 0, &h, &stored, &got, e);
        if (!ok || !got)
            break;
        ok = block_decode(&h, (struct view){stored.p + BLOCK_HEADER_SIZE, h.stored_len}, &raw, e) &&
             is_covered((struct view){raw.p, raw.len}, after, tables, &covered, e);
        if (!covered) { /* back to before it; the descriptor is the same or a newer segment's */
            if (before.segment == r->segment)
                r->offset = before.offset, r->prev_crc = before.prev_crc;
            else
                r->offset -= stored.len, r->prev_crc = h.prev_crc;
            r->next_number--;
        }
    }
    buf_fini(&stored);
    buf_fini(&raw);
    return ok;
}

/* The latest segment before which the reader has everything. */
static bool choose_segment(struct store_reader *r, const struct txn_set *after, struct buf *tables,
                           uint64_t *blocks_at, uint32_t *prev_crc, struct err *e)
{
    struct store *s = r->s;
    bool found = false, fine, begun;

    pthread_mutex_lock(&s->lock);
    for (size_t i = s->segments.n; i-- > 0 && !found;) {
        const struct segment_head *h = &s->segments.at[i]->head;

        if (!txn_set_contains(after, &h->before))
            continue;
        found = true;
        r->next_number = h->first_number;
        *blocks_at = segment_blocks_at(h);
        *prev_crc = h->prev_crc;
        for (size_t k = 0; k < h->tables.n; k++)
            record_write_table(tables, h->tables.at[k]);
    }
    begun = s->has_begin;
    fine = found || (s->segments.n == 0 && txn_set_contains(after, &s->begin));
    pthread_mutex_unlock(&s->lock);
    if (!begun)
        return err_set(e, ERR_UNAVAILABLE, "the store has not heard its source yet");
    if (!fine)
        return err_set(e, ERR_STORE_POSITION,
                       "the log does not reach back to the reader's position: what is missing was "
                       "never pulled or has been removed");
    if (!found)
        r->next_number = 1; /* nothing stored yet */
    return true;
}

bool store_reader_open(struct store *s, const struct txn_set *after, struct buf *tables,
                       struct store_reader **out, struct err *e)
{
    struct store_reader *r = must_calloc(1, sizeof *r);
    uint64_t blocks_at = 0;
    uint32_t prev_crc = 0;

    r->s = s;
    r->fd = -1;
    if (!choose_segment(r, after, tables, &blocks_at, &prev_crc, e) ||
        (blocks_at > 0 && !open_segment(r, blocks_at, prev_crc, e)) ||
        !skip_covered(r, after, tables, e)) {
        store_reader_close(r);
        return false;
    }
    if (!buf_ok(tables)) {
        store_reader_close(r);
        return err_set(e, ERR_LIMIT, "table versions do not fit %zu bytes", tables->max);
    }
    *out = r;
    return true;
}

/* The segment that has block `number`, or would have the next one. */
static bool segment_with(struct store_reader *r, uint64_t number, uint64_t *blocks_at,
                         uint32_t *prev_crc)
{
    struct store *s = r->s;
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = s->segments.n; i-- > 0 && !found && number <= s->last_number + 1;) {
        const struct segment_head *h = &s->segments.at[i]->head;

        if (h->first_number > number)
            continue;
        found = true;
        r->next_number = h->first_number;
        *blocks_at = segment_blocks_at(h);
        *prev_crc = h->prev_crc;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static bool pass_until(struct store_reader *r, uint64_t number, struct err *e)
{
    struct buf stored;
    bool ok = true, got = true;

    buf_init(&stored, BLOCK_RAW_MAX + (1u << 20));
    while (ok && got && r->next_number < number) {
        struct block_head h;

        ok = store_reader_next(r, 0, &h, &stored, &got, e);
    }
    buf_fini(&stored);
    return ok;
}

bool store_reader_open_at(struct store *s, uint64_t number, uint32_t crc, struct store_reader **out,
                          struct err *e)
{
    struct store_reader *r = must_calloc(1, sizeof *r);
    uint64_t blocks_at = 0;
    uint32_t prev_crc = 0;
    bool ok;

    r->s = s;
    r->fd = -1;
    ok = segment_with(r, number, &blocks_at, &prev_crc) ||
         err_set(e, ERR_STORE_POSITION, "block %" PRIu64 " is not kept", number);
    ok = ok && open_segment(r, blocks_at, prev_crc, e) && pass_until(r, number, e);
    if (ok && (r->next_number != number || r->prev_crc != crc))
        ok = err_set(e, ERR_STORE_POSITION,
                     "the block before %" PRIu64 " is not the one that the reader has", number);
    if (!ok) {
        store_reader_close(r);
        return false;
    }
    *out = r;
    return true;
}

uint64_t store_reader_at(const struct store_reader *r)
{
    return r->next_number;
}

void store_reader_close(struct store_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

uint64_t store_reader_backlog(struct store_reader *r)
{
    struct store *s = r->s;
    uint64_t bytes = 0;

    pthread_mutex_lock(&s->lock);
    if (s->last_number >= r->next_number)
        for (size_t i = 0; i < s->segments.n; i++) {
            const struct store_segment *g = s->segments.at[i];
            uint64_t end = g->head.first_number == s->end_segment ? s->end_offset : g->bytes;

            if (g->head.first_number == r->segment)
                bytes += end > r->offset ? end - r->offset : 0;
            else if (g->head.first_number >= r->next_number)
                bytes += end - segment_blocks_at(&g->head);
        }
    pthread_mutex_unlock(&s->lock);
    return bytes;
}
