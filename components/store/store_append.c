/*
 * Appending: write, then sync, then publish, in that order and by one thread. A full disk is not an
 * fsync error: the half-written block is cut off again and the caller tries later. An fsync error
 * is final (B2). See store.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/durable.h"
#include "common/os/fault.h"
#include "components/record/txn.h"
#include "components/store/store_priv.h"

#define PATH_CAP 4096

static void settle_table(struct store *s, const struct table_def *t)
{
    for (size_t i = 0; i < s->tables.n; i++) {
        const struct table_def *old = s->tables.at[i];

        if (strcmp(old->db, t->db) == 0 && strcmp(old->name, t->name) == 0) {
            table_def_unref(old);
            s->tables.at[i] = t;
            return;
        }
    }
    vec_push(&s->tables, t);
}

void store_settle_tables(struct store *s)
{
    for (size_t i = 0; i < s->pending_tables.n; i++)
        settle_table(s, s->pending_tables.at[i]);
    s->pending_tables.n = 0;
}

void store_forget_tables(struct store *s)
{
    table_list_forget(&s->pending_tables);
}

/* After a failed sync the pages that were not written may count as clean: a second sync would
 * succeed and prove nothing (B2). */
static bool is_broken(const struct store *s, struct err *e)
{
    if (!s->broken)
        return false;
    (void)err_set(e, ERR_SYSTEM, "the log in '%s' could not be synced: it must be opened anew",
                  s->dir);
    return true;
}

/* Only what is not in the log yet is appended (B3). */
static bool is_new(struct store *s, const struct txn_set *complete, struct err *e)
{
    const struct txn_set *have[] = {&s->set, &s->pending, &s->pending_open};
    bool fresh = true;

    for (size_t i = 0; i < ARRAY_LEN(have) && fresh; i++) {
        struct txn_set both;

        txn_set_copy(&both, complete);
        txn_set_intersect(&both, have[i]);
        if (!txn_set_is_empty(&both)) {
            struct buf text;

            buf_init(&text, 1024);
            txn_set_format(&both, &text);
            fresh =
                err_set(e, ERR_STORE_REPEATED, "transactions that are in the log came again: %s",
                        buf_ok(&text) ? buf_cstr(&text) : "a long list");
            buf_fini(&text);
        }
        txn_set_fini(&both);
    }
    return fresh;
}

bool store_new_segment(struct store *s, struct err *e)
{
    struct store_segment *g = must_calloc(1, sizeof *g);
    char path[PATH_CAP];
    struct buf bytes;
    bool ok;

    segment_head_init(&g->head);
    g->head.first_number = s->next_number;
    g->head.prev_crc = s->prev_crc;
    g->head.newest_us = g->last_commit_us = s->last_commit_us; /* the appender's own writing */
    txn_set_union(&g->head.before, &s->set); /* all of it is published: the caller has synced */
    for (size_t i = 0; i < s->tables.n; i++)
        vec_push(&g->head.tables, table_def_ref(s->tables.at[i]));
    buf_init(&bytes, 512u << 20);
    segment_head_encode(&g->head, &bytes);
    segment_path(s->dir, g->head.first_number, path, sizeof path);
    ok = durable_write_file(path, bytes.p, bytes.len, 0640, e);
    FAULT(STORE_SEGMENT_MADE);
    g->head.preamble_len = (uint32_t)(bytes.len - SEGMENT_HEADER_SIZE);
    g->bytes = bytes.len;
    buf_fini(&bytes);
    int fd = ok ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (ok && fd < 0)
        ok = err_set_errno(e, ERR_SYSTEM, errno, "cannot open '%s'", path);
    if (!ok) {
        store_free_segment(g);
        return err_wrap(e, "begin a segment");
    }
    store_cache_leave(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->tail = g;
    s->offset = s->whole_offset = g->bytes;
    s->whole_crc = s->prev_crc;
    s->whole_number = s->next_number - 1;
    pthread_mutex_lock(&s->lock);
    vec_push(&s->segments, g);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool room_for_block(struct store *s, struct err *e)
{
    if (s->fd >= 0 && (s->inside_txn || s->offset < s->o.segment_bytes))
        return true;
    return (s->fd < 0 || store_sync(s, e)) && store_new_segment(s, e);
}

static bool put_block(struct store *s, struct store_packed *b, struct err *e)
{
    struct block_head *h = &b->head;
    const struct block_facts *f = &b->facts;

    h->number = s->next_number;
    h->prev_durable = s->durable_number;
    h->n_records = f->n_records;
    h->flags =
        (uint8_t)((f->txn_start ? BLOCK_F_TXN_START : 0) | (b->inside_txn ? BLOCK_F_OPEN_TAIL : 0));
    h->first_commit_us = f->first_commit_us;
    h->last_commit_us = f->last_commit_us;
    h->prev_crc = s->prev_crc;
    FAULT(STORE_BEFORE_WRITE);
    block_seal(h, b->bytes.p);
    if (!store_write_block(s, &b->bytes, e))
        return false;
    FAULT(STORE_AFTER_WRITE);
    s->offset += b->bytes.len;
    s->prev_crc = h->crc;
    s->next_number++;
    return true;
}

/* A block is written: what it says counts. */
static void note_block(struct store *s, struct store_packed *b)
{
    for (size_t i = 0; i < b->tables.n; i++)
        vec_push(&s->pending_tables, table_def_ref(b->tables.at[i]));
    txn_set_union(&s->pending_open, &b->complete);
    s->pending_txns += b->facts.n_txns;
    s->pending_raw += b->head.raw_len;
    if (b->facts.last_commit_us > s->pending_commit_us)
        s->pending_commit_us = b->facts.last_commit_us;
    if (b->facts.last_id.origin)
        s->open_id = b->facts.last_id;
    s->inside_txn = b->inside_txn;
    if (b->inside_txn)
        return;
    if (s->open_id.origin)
        s->pending_id = s->open_id;
    s->open_id = (struct txn_id){.origin = NULL};
    s->whole_number = s->next_number - 1;
    s->whole_offset = s->offset;
    s->whole_crc = s->prev_crc;
    txn_set_union(&s->pending, &s->pending_open);
    txn_set_fini(&s->pending_open);
    store_settle_tables(s);
}

bool store_append_packed(struct store *s, struct store_packed *b, struct err *e)
{
    must(s->has_begin);
    if (is_broken(s, e) || !room_for_block(s, e) || !is_new(s, &b->complete, e) ||
        !put_block(s, b, e))
        return false;
    note_block(s, b);
    return true;
}

bool store_append(struct store *s, struct view records, bool inside_txn, struct err *e)
{
    struct store_packed b;
    bool ok;

    if (!s->packer)
        s->packer = block_packer_new();
    store_packed_init(&b);
    ok = !is_broken(s, e) && store_pack(s->packer, records, inside_txn, s->o.zstd_level, &b, e) &&
         store_append_packed(s, &b, e);
    store_packed_fini(&b);
    return ok;
}

static void publish(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    struct store_segment *g = s->tail;

    if (s->pending_commit_us > s->last_commit_us)
        s->last_commit_us = s->pending_commit_us;
    g->last_commit_us = s->last_commit_us;
    if (s->pending_id.origin)
        s->last_id = s->pending_id;
    g->bytes = s->offset;
    s->last_number = s->whole_number;
    s->end_offset = s->whole_offset;
    s->end_segment = g->head.first_number;
    s->raw_bytes += s->pending_raw;
    s->txns += s->pending_txns;
    txn_set_union(&s->set, &s->pending);
    txn_set_fini(&s->pending);
    pthread_cond_broadcast(&s->published);
    pthread_mutex_unlock(&s->lock);
    s->pending_raw = s->pending_txns = 0;
}

bool store_sync(struct store *s, struct err *e)
{
    char path[PATH_CAP];

    if (s->fd < 0 || s->durable_number == s->next_number - 1)
        return true;
    if (is_broken(s, e))
        return false;
    segment_path(s->dir, s->tail->head.first_number, path, sizeof path);
    if (FAULT_ERR(STORE_SYNC_FAILS)) {
        s->broken = true;
        return err_set_errno(e, ERR_SYSTEM, EIO, "cannot sync '%s'", path);
    }
    if (!durable_sync_fd(s->fd, path, e)) {
        s->broken = true;
        return false;
    }
    FAULT(STORE_AFTER_SYNC);
    s->durable_number = s->next_number - 1;
    publish(s);
    store_cache_synced(s);
    return true;
}

bool store_cut_open(struct store *s, struct err *e)
{
    if (!store_sync(s, e))
        return false;
    if (!s->inside_txn)
        return true;
    log_event(LOG_INFO, "store.open_cut", "blocks=%" PRIu64, s->next_number - 1 - s->whole_number);
    if (ftruncate(s->fd, (off_t)s->whole_offset) != 0)
        return err_set_errno(e, ERR_SYSTEM, errno, "cannot cut the log in '%s'", s->dir);
    FAULT(STORE_CUT);
    s->offset = s->whole_offset;
    s->next_number = s->whole_number + 1;
    s->durable_number = s->whole_number;
    s->prev_crc = s->whole_crc;
    s->inside_txn = false;
    s->open_id = (struct txn_id){.origin = NULL};
    txn_set_fini(&s->pending_open);
    store_forget_tables(s);
    pthread_mutex_lock(&s->lock);
    s->tail->bytes = s->offset;
    pthread_mutex_unlock(&s->lock);
    s->broken = !durable_sync_fd(s->fd, s->dir, e);
    return !s->broken;
}

const struct table_def *const *store_tables(const struct store *s, size_t *n)
{
    *n = s->tables.n;
    return s->tables.at;
}

void store_set(struct store *s, struct txn_set *out)
{
    pthread_mutex_lock(&s->lock);
    txn_set_copy(out, &s->set);
    pthread_mutex_unlock(&s->lock);
}

bool store_last_id(struct store *s, struct txn_id *id)
{
    pthread_mutex_lock(&s->lock);
    *id = s->last_id;
    pthread_mutex_unlock(&s->lock);
    return id->origin != NULL;
}

void store_figures(struct store *s, struct store_figures *f)
{
    *f = (struct store_figures){0};
    pthread_mutex_lock(&s->lock);
    f->segments = (uint32_t)s->segments.n;
    for (size_t i = 0; i < s->segments.n; i++)
        f->bytes += s->segments.at[i]->bytes;
    f->first_number = s->last_number && s->segments.n ? s->segments.at[0]->head.first_number : 0;
    f->last_number = s->last_number;
    f->raw_bytes = s->raw_bytes;
    f->txns = s->txns;
    f->last_commit_us = s->last_commit_us;
    pthread_mutex_unlock(&s->lock);
}
