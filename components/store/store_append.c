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

void store_learn_table(struct store *s, const struct table_def *t)
{
    vec_push(&s->pending_tables, t);
}

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
    for (size_t i = 0; i < s->pending_tables.n; i++)
        table_def_unref(s->pending_tables.at[i]);
    s->pending_tables.n = 0;
}

static bool scan_head(struct record *r, struct txn_set *complete, struct block_facts *f,
                      struct err *e)
{
    struct cursor body = cursor_of(r->body.p, r->body.len);
    struct txn_head h;

    if (!txn_head_read(&body, &h))
        return err_set(e, ERR_CORRUPT, "a transaction's head does not have its form");
    if (f->first_commit_us == 0)
        f->first_commit_us = h.commit.us;
    f->last_commit_us = h.commit.us;
    if (h.part == 0)
        f->txn_start = true;
    if (r->type == RECORD_TXN_PART)
        return true;
    f->n_txns++;
    txn_set_add(complete, h.id.origin, h.covers_from, h.id.seq);
    return true;
}

bool store_scan_records(struct view records, struct txn_set *complete, struct store *tables_into,
                        struct block_facts *f, struct err *e)
{
    struct cursor c = cursor_of(records.p, records.len);
    struct record r;

    *f = (struct block_facts){0};
    while (record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);
        const struct table_def *t;

        f->n_records++;
        if (r.type == RECORD_TABLE_VERSION) {
            if (!table_def_decode(&body, &t, e))
                return false;
            store_learn_table(tables_into, t);
        } else if (r.type != RECORD_HEARTBEAT && !scan_head(&r, complete, f, e)) {
            return false;
        }
    }
    return !c.failed ||
           err_set(e, ERR_CORRUPT, "records do not have their form at byte %zu", cursor_at(&c));
}

size_t store_whole_part(struct view records)
{
    struct cursor c = cursor_of(records.p, records.len);
    struct record r;
    size_t whole = 0;

    while (record_next(&c, &r))
        if (r.type == RECORD_TXN || r.type == RECORD_DDL)
            whole = cursor_at(&c);
    return whole;
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
    txn_set_union(&g->head.before, &s->set); /* all of it is published: the caller has synced */
    for (size_t i = 0; i < s->tables.n; i++)
        vec_push(&g->head.tables, table_def_ref(s->tables.at[i]));
    buf_init(&bytes, 512u << 20);
    segment_head_encode(&g->head, &bytes);
    segment_path(s->dir, g->head.first_number, path, sizeof path);
    ok = durable_write_file(path, bytes.p, bytes.len, 0640, e);
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

static bool write_block(struct store *s, const struct buf *bytes, struct err *e)
{
    size_t done = 0;

    while (done < bytes->len) {
        ssize_t n = pwrite(s->fd, bytes->p + done, bytes->len - done, (off_t)(s->offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int reason = errno;

            if (ftruncate(s->fd, (off_t)s->offset) != 0)
                log_event(LOG_WARN, "store.cut", "cannot cut a half-written block: %d", errno);
            return err_set_errno(e,
                                 reason == ENOSPC || reason == EDQUOT ? ERR_NO_SPACE : ERR_SYSTEM,
                                 reason, "cannot write a block to the log in '%s'", s->dir);
        }
        done += (size_t)n;
    }
    return true;
}

static bool room_for_block(struct store *s, struct err *e)
{
    if (s->fd >= 0 && (s->inside_txn || s->offset < s->o.segment_bytes))
        return true;
    return (s->fd < 0 || store_sync(s, e)) && store_new_segment(s, e);
}

static bool put_block(struct store *s, struct view records, bool inside_txn,
                      const struct block_facts *f, struct err *e)
{
    struct block_head h = {
        .number = s->next_number,
        .prev_durable = s->durable_number,
        .n_records = f->n_records,
        .flags = (uint8_t)((f->txn_start ? BLOCK_F_TXN_START : 0) |
                           (inside_txn ? BLOCK_F_OPEN_TAIL : 0)),
        .first_commit_us = f->first_commit_us,
        .last_commit_us = f->last_commit_us,
        .prev_crc = s->prev_crc,
    };

    buf_clear(&s->scratch);
    FAULT(STORE_BEFORE_WRITE);
    if (!block_encode(&h, records, s->o.zstd_level, &s->scratch, e) ||
        !write_block(s, &s->scratch, e))
        return false;
    FAULT(STORE_AFTER_WRITE);
    s->offset += s->scratch.len;
    s->prev_crc = h.crc;
    s->next_number++;
    return true;
}

bool store_append(struct store *s, struct view records, bool inside_txn, struct err *e)
{
    struct txn_set complete;
    struct block_facts f;
    size_t n_tables;
    bool ok;

    must(s->has_begin);
    if (is_broken(s, e))
        return false;
    txn_set_init(&complete);
    ok = room_for_block(s, e);
    n_tables = s->pending_tables.n;
    ok = ok && store_scan_records(records, &complete, s, &f, e) && is_new(s, &complete, e) &&
         put_block(s, records, inside_txn, &f, e);
    while (!ok && s->pending_tables.n > n_tables) /* the same records will come again */
        table_def_unref(s->pending_tables.at[--s->pending_tables.n]);
    if (ok) {
        txn_set_union(&s->pending_open, &complete);
        s->pending_txns += f.n_txns;
        s->pending_raw += records.len;
        if (f.last_commit_us)
            s->pending_commit_us = f.last_commit_us;
        s->inside_txn = inside_txn;
        if (!inside_txn) {
            s->whole_number = s->next_number - 1;
            s->whole_offset = s->offset;
            s->whole_crc = s->prev_crc;
            txn_set_union(&s->pending, &s->pending_open);
            txn_set_fini(&s->pending_open);
            store_settle_tables(s);
        }
    }
    txn_set_fini(&complete);
    return ok;
}

static void publish(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    struct store_segment *g = s->tail;

    if (s->pending_commit_us)
        s->last_commit_us = g->last_commit_us = s->pending_commit_us;
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
    s->offset = s->whole_offset;
    s->next_number = s->whole_number + 1;
    s->durable_number = s->whole_number;
    s->prev_crc = s->whole_crc;
    s->inside_txn = false;
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
