/*
 * Opening and recovering. Only the last segment can have a torn tail: older ones were complete and
 * synced before the next was made. In it, blocks are read until one is not whole. If a later block
 * that is whole says that the broken one was durable, that is damage (STORE_CORRUPT), never a tail
 * to cut; otherwise everything from the end of the last whole transaction on is cut and pulled
 * again (B1, B2).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/cond.h"
#include "common/os/durable.h"
#include "components/record/txn.h"
#include "components/store/store_priv.h"

#define PATH_CAP 4096
#define DEFAULT_SEGMENT (64u << 20)
#define BLOCK_MAX (BLOCK_RAW_MAX + (BLOCK_RAW_MAX >> 7) + 4096)

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

void store_free_segment(struct store_segment *g)
{
    segment_head_fini(&g->head);
    free(g);
}

static int by_number(const void *a, const void *b)
{
    const struct store_segment *x = *(struct store_segment *const *)a;
    const struct store_segment *y = *(struct store_segment *const *)b;

    return (x->head.first_number > y->head.first_number) -
           (x->head.first_number < y->head.first_number);
}

static bool load_segment(struct store *s, const char *name, struct err *e)
{
    struct store_segment *g = must_calloc(1, sizeof *g);
    char path[PATH_CAP];
    CLEANUP(close_fd) int fd = -1;
    struct stat st;

    segment_head_init(&g->head);
    vec_push(&s->segments, g);
    snprintf(path, sizeof path, "%s/log/%s", s->dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot open '%s'", path);
    if (!segment_head_read(fd, path, &g->head, e))
        return false;
    if (fstat(fd, &st) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot measure '%s'", path);
    g->bytes = (uint64_t)st.st_size;
    return true;
}

/* A segment is put in place by a rename, so a name that ends in .seg is whole in its head. */
static bool load_segments(struct store *s, struct err *e)
{
    char path[PATH_CAP];
    struct dirent *d;
    bool ok = true;
    DIR *dir;

    snprintf(path, sizeof path, "%s/log", s->dir);
    if (!durable_mkdirs(path, 0750, e))
        return false;
    dir = opendir(path);
    if (!dir)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot list '%s'", path);
    while (ok && (d = readdir(dir)) != NULL) {
        const char *dot = strrchr(d->d_name, '.');

        if (dot && strcmp(dot, ".seg") == 0)
            ok = load_segment(s, d->d_name, e);
    }
    closedir(dir);
    if (s->segments.n > 1)
        qsort(s->segments.at, s->segments.n, sizeof *s->segments.at, by_number);
    for (size_t i = 0; i + 1 < s->segments.n; i++) /* the index by time */
        s->segments.at[i]->last_commit_us = s->segments.at[i + 1]->head.newest_us;
    return ok;
}

/* Is there, anywhere behind `offset`, a whole block which says that block `number` was durable? */
static bool was_durable(struct store *s, const char *path, int fd, uint64_t offset, uint64_t size,
                        uint64_t number, bool *yes, struct err *e)
{
    uint8_t window[65536];
    const uint32_t magic = BLOCK_MAGIC;

    *yes = false;
    for (uint64_t at = offset + 1; at < size && !*yes;) {
        ssize_t n = pread(fd, window, sizeof window, (off_t)at);

        if (n < 0)
            return err_set_errno(e, ERR_SYSTEM, errno, "cannot read '%s'", path);
        if (n < BLOCK_HEADER_SIZE)
            break;
        for (ssize_t i = 0; i + BLOCK_HEADER_SIZE <= n && !*yes; i++) {
            struct block_head h;
            bool whole = false;

            if (memcmp(window + i, &magic, 4) != 0 ||
                !block_head_read((struct view){window + i, (size_t)(n - i)}, &h))
                continue;
            if (!segment_read_block(fd, path, at + (uint64_t)i, h.prev_crc, &h, &s->scratch, &whole,
                                    e))
                return false;
            *yes = whole && h.number > number && h.prev_durable >= number;
        }
        at += (uint64_t)n - (BLOCK_HEADER_SIZE - 1);
    }
    return true;
}

struct scan {
    uint64_t offset, number;
    uint32_t crc;
    uint64_t whole_offset, whole_number;
    uint32_t whole_crc;
    struct txn_set whole_set, open_set;
    struct txn_id whole_id, open_id;
    int64_t last_commit_us;
};

static bool scan_block(struct store *s, const struct block_head *h, struct scan *sc,
                       struct buf *raw, struct err *e)
{
    struct block_facts f;
    struct view payload = {s->scratch.p + BLOCK_HEADER_SIZE, h->stored_len};

    if (!block_decode(h, payload, raw, e) ||
        !store_scan_records((struct view){raw->p, raw->len}, &sc->open_set, &s->pending_tables, &f,
                            e))
        return false;
    sc->offset += BLOCK_HEADER_SIZE + h->stored_len;
    sc->number = h->number;
    sc->crc = h->crc;
    if (f.last_commit_us > sc->last_commit_us)
        sc->last_commit_us = f.last_commit_us;
    if (f.last_id.origin)
        sc->open_id = f.last_id;
    if (!(h->flags & BLOCK_F_OPEN_TAIL)) {
        txn_set_union(&sc->whole_set, &sc->open_set);
        txn_set_fini(&sc->open_set);
        sc->whole_id = sc->open_id;
        store_settle_tables(s);
        sc->whole_offset = sc->offset;
        sc->whole_number = sc->number;
        sc->whole_crc = sc->crc;
    }
    return true;
}

static bool scan_blocks(struct store *s, const char *path, int fd, uint64_t size, struct scan *sc,
                        struct err *e)
{
    struct buf raw;
    bool ok = true, whole = true, durable = false;

    buf_init(&raw, BLOCK_RAW_MAX);
    while (ok && sc->offset < size) {
        struct block_head h;

        ok = segment_read_block(fd, path, sc->offset, sc->crc, &h, &s->scratch, &whole, e);
        if (!ok || !whole || h.number != sc->number + 1)
            break;
        ok = scan_block(s, &h, sc, &raw, e);
    }
    buf_fini(&raw);
    if (ok && sc->offset < size)
        ok = was_durable(s, path, fd, sc->offset, size, sc->number + 1, &durable, e);
    if (ok && durable)
        ok = err_set(e, ERR_STORE_CORRUPT,
                     "block %" PRIu64 " in '%s' at byte %" PRIu64
                     " is damaged though it was durable",
                     sc->number + 1, path, sc->offset);
    return ok;
}

static bool cut_tail(const char *path, int fd, const struct scan *sc, uint64_t size, struct err *e)
{
    if (sc->whole_offset == size)
        return true;
    log_event(LOG_WARN, "store.tail_cut", "file=%s from=%" PRIu64 " to=%" PRIu64, path, size,
              sc->whole_offset);
    if (ftruncate(fd, (off_t)sc->whole_offset) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot cut '%s'", path);
    return durable_sync_fd(fd, path, e);
}

static void adopt_scan(struct store *s, struct store_segment *g, struct scan *sc, int fd)
{
    s->fd = fd;
    s->tail = g;
    s->offset = s->whole_offset = sc->whole_offset;
    s->next_number = sc->whole_number + 1;
    s->whole_number = s->durable_number = s->last_number = sc->whole_number;
    s->prev_crc = s->whole_crc = sc->whole_crc;
    store_forget_tables(s); /* those of the tail that is cut */
    s->last_commit_us = g->last_commit_us =
        sc->last_commit_us > g->head.newest_us ? sc->last_commit_us : g->head.newest_us;
    s->last_id = sc->whole_id;
    s->end_offset = sc->whole_offset;
    s->end_segment = g->head.first_number;
    g->bytes = sc->whole_offset;
    txn_set_union(&s->set, &sc->whole_set);
}

static bool recover_last(struct store *s, struct err *e)
{
    struct store_segment *g = s->segments.at[s->segments.n - 1];
    uint64_t first = segment_blocks_at(&g->head), before = g->head.first_number - 1;
    struct scan sc = {.offset = first,
                      .number = before,
                      .crc = g->head.prev_crc,
                      .whole_offset = first,
                      .whole_number = before,
                      .whole_crc = g->head.prev_crc};
    char path[PATH_CAP];
    bool ok;
    int fd;

    segment_path(s->dir, g->head.first_number, path, sizeof path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot open '%s'", path);
    for (size_t i = 0; i < g->head.tables.n; i++)
        vec_push(&s->pending_tables, table_def_ref(g->head.tables.at[i]));
    store_settle_tables(s);
    txn_set_union(&s->set, &g->head.before);
    ok = scan_blocks(s, path, fd, g->bytes, &sc, e) && cut_tail(path, fd, &sc, g->bytes, e);
    if (ok)
        adopt_scan(s, g, &sc, fd);
    else
        close(fd);
    txn_set_fini(&sc.whole_set);
    txn_set_fini(&sc.open_set);
    return ok;
}

static bool load_begin(struct store *s, struct err *e)
{
    char path[PATH_CAP];
    struct err missing = ERR_INIT;
    struct buf text;
    bool ok = true;

    snprintf(path, sizeof path, "%s/begin", s->dir);
    buf_init(&text, 1u << 20);
    if (!durable_read_file(path, &text, &missing)) {
        if (missing.code != ERR_NOT_FOUND) {
            *e = missing;
            ok = false;
        }
    } else {
        txn_set_fini(&s->begin);
        ok = txn_set_parse(buf_cstr(&text), &s->begin, e);
        s->has_begin = ok;
    }
    buf_fini(&text);
    return ok ? true : err_wrap(e, "read '%s'", path);
}

bool store_has_begin(const struct store *s)
{
    return s->has_begin;
}

bool store_begin(struct store *s, struct txn_set *out)
{
    pthread_mutex_lock(&s->lock);
    bool has = s->has_begin;
    if (has)
        txn_set_copy(out, &s->begin);
    pthread_mutex_unlock(&s->lock);
    return has;
}

bool store_set_begin(struct store *s, const struct txn_set *begin, struct err *e)
{
    char path[PATH_CAP];
    struct buf text;
    bool ok;

    must(!s->has_begin && s->segments.n == 0);
    snprintf(path, sizeof path, "%s/begin", s->dir);
    buf_init(&text, 1u << 20);
    txn_set_format(begin, &text);
    ok = durable_write_file(path, text.p, text.len, 0640, e);
    buf_fini(&text);
    if (!ok)
        return false;
    pthread_mutex_lock(&s->lock);
    txn_set_union(&s->begin, begin);
    txn_set_union(&s->set, begin);
    s->has_begin = true;
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool recover(struct store *s, struct err *e)
{
    char path[PATH_CAP];

    if (!durable_mkdirs(s->dir, 0750, e))
        return false;
    snprintf(path, sizeof path, "%s/lock", s->dir);
    if (!durable_lock(path, &s->lock_fd, e))
        return err_wrap(e, "open the store in '%s'", s->dir);
    if (!load_begin(s, e) || !load_segments(s, e) || !store_load_readers(s, e))
        return false;
    if (s->segments.n > 0 && !s->has_begin)
        return err_set(e, ERR_STORE_CORRUPT, "'%s' has segments and no file 'begin'", s->dir);
    txn_set_union(&s->set, &s->begin);
    return s->segments.n == 0 || recover_last(s, e);
}

bool store_open(const struct store_options *o, struct store **out, struct err *e)
{
    struct store *s = must_calloc(1, sizeof *s);

    s->o = *o;
    if (s->o.segment_bytes == 0)
        s->o.segment_bytes = DEFAULT_SEGMENT;
    s->dir = must_strdup(o->dir);
    s->lock_fd = s->fd = -1;
    s->next_number = 1;
    buf_init(&s->scratch, BLOCK_MAX);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->readers_file, NULL);
    cond_init(&s->published);
    if (!recover(s, e)) {
        store_close(s);
        return false;
    }
    *out = s;
    return true;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    close_fd(&s->fd);
    close_fd(&s->lock_fd);
    for (size_t i = 0; i < s->segments.n; i++)
        store_free_segment(s->segments.at[i]);
    vec_fini(&s->segments);
    for (size_t i = 0; i < s->tables.n; i++)
        table_def_unref(s->tables.at[i]);
    vec_fini(&s->tables);
    store_forget_tables(s);
    vec_fini(&s->pending_tables);
    for (size_t i = 0; i < s->readers.n; i++) {
        free(s->readers.at[i].name);
        txn_set_fini(&s->readers.at[i].low);
    }
    vec_fini(&s->readers);
    txn_set_fini(&s->begin);
    txn_set_fini(&s->set);
    txn_set_fini(&s->pending);
    txn_set_fini(&s->pending_open);
    buf_fini(&s->scratch);
    block_packer_free(s->packer);
    free(s->stage);
    pthread_cond_destroy(&s->published);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->readers_file);
    free(s->dir);
    free(s);
}
