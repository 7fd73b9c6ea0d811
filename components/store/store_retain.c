/*
 * Retention: old segments go by size and age, never while a registered reader still needs one,
 * unless the operator's limit says so, and then loudly. Without any registered reader nothing goes:
 * the first reader has yet to come. A segment is needed by a reader that lacks something of it,
 * that is, whose low set does not contain the set before the next segment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "components/store/store_priv.h"

#define PATH_CAP 4096
#define KEEP_DURABLE_MS 1000

/* One line a reader: name, tab, set. */
bool store_load_readers(struct store *s, struct err *e)
{
    char path[PATH_CAP], *at, *line;
    struct err missing = ERR_INIT;
    struct buf text;
    bool ok = true;

    snprintf(path, sizeof path, "%s/readers", s->dir);
    buf_init(&text, 16u << 20);
    if (!durable_read_file(path, &text, &missing)) {
        buf_fini(&text);
        if (missing.code == ERR_NOT_FOUND)
            return true;
        *e = missing;
        return false;
    }
    (void)buf_cstr(&text);
    at = (char *)text.p;
    while (ok && (line = strsep(&at, "\n")) != NULL) {
        char *tab = strchr(line, '\t');
        struct registered r;

        if (!tab)
            continue;
        *tab = '\0';
        ok = txn_set_parse(tab + 1, &r.low, e);
        if (!ok)
            break;
        r.name = must_strdup(line);
        vec_push(&s->readers, r);
    }
    buf_fini(&text);
    return ok ? true : err_wrap(e, "read '%s'", path);
}

static bool write_readers(struct store *s, struct err *e)
{
    char path[PATH_CAP];
    struct buf text;
    bool ok;

    snprintf(path, sizeof path, "%s/readers", s->dir);
    buf_init(&text, 16u << 20);
    pthread_mutex_lock(&s->readers_file);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->readers.n; i++) {
        buf_printf(&text, "%s\t", s->readers.at[i].name);
        txn_set_format(&s->readers.at[i].low, &text);
        buf_u8(&text, '\n');
    }
    s->readers_dirty = false;
    s->readers_at = clock_mono();
    pthread_mutex_unlock(&s->lock);
    ok = buf_ok(&text)
             ? durable_write_file(path, text.p, text.len, 0640, e)
             : err_set(e, ERR_LIMIT, "the readers' positions do not fit %zu bytes", text.max);
    if (!ok) {
        pthread_mutex_lock(&s->lock);
        s->readers_dirty = true;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->readers_file);
    buf_fini(&text);
    return ok;
}

/* A reader keeps its position itself and comes back with it; an older one in the file only keeps
 * more. So a full disk stops neither readers nor what makes room. */
static bool write_readers_if_room(struct store *s, struct err *e)
{
    struct err why = ERR_INIT;

    if (write_readers(s, &why))
        return true;
    if (why.code == ERR_NO_SPACE) {
        log_err(LOG_WARN, "store.readers", &why);
        return true;
    }
    *e = why;
    return false;
}

bool store_register(struct store *s, const char *reader, const struct txn_set *low, struct err *e)
{
    struct registered *r = NULL;
    bool now;

    if (strpbrk(reader, "\t\n") || !*reader)
        return err_set(e, ERR_INVALID, "a reader's name may not be empty nor hold tabs or lines");
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->readers.n && !r; i++)
        if (strcmp(s->readers.at[i].name, reader) == 0)
            r = &s->readers.at[i];
    now = !r;
    if (!r) {
        struct registered fresh = {.name = must_strdup(reader)};

        vec_push(&s->readers, fresh);
        r = &s->readers.at[s->readers.n - 1];
    }
    txn_set_fini(&r->low);
    txn_set_copy(&r->low, low);
    s->readers_dirty = true;
    now |= mono_ms_between(s->readers_at, clock_mono()) >= KEEP_DURABLE_MS;
    pthread_mutex_unlock(&s->lock);
    return !now || write_readers_if_room(s, e);
}

/* May the oldest segment go? Under the lock. */
static bool is_needed(const struct store *s)
{
    const struct txn_set *next = &s->segments.at[1]->head.before;

    for (size_t i = 0; i < s->readers.n; i++)
        if (!txn_set_contains(&s->readers.at[i].low, next))
            return true;
    return s->readers.n == 0;
}

static uint64_t total_bytes(const struct store *s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->segments.n; i++)
        bytes += s->segments.at[i]->bytes;
    return bytes;
}

/* Takes the oldest segment out of the list if the rules say so; NULL: nothing to remove. */
static struct store_segment *take_oldest(struct store *s, struct wall now, bool *loud)
{
    struct store_segment *g = NULL;
    uint64_t bytes;
    bool old, forced;

    pthread_mutex_lock(&s->lock);
    if (s->segments.n > 1) {
        bytes = total_bytes(s);
        g = s->segments.at[0];
        old = (s->o.retention_bytes && bytes > s->o.retention_bytes) ||
              (s->o.retention_us && g->last_commit_us &&
               now.us - g->last_commit_us > (int64_t)s->o.retention_us);
        forced = s->o.retention_limit_bytes && bytes > s->o.retention_limit_bytes;
        if (forced && is_needed(s))
            *loud = true;
        else if (!old || is_needed(s))
            g = NULL;
        if (g) {
            memmove(s->segments.at, s->segments.at + 1,
                    (s->segments.n - 1) * sizeof *s->segments.at);
            s->segments.n--;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return g;
}

bool store_held_back(struct store *s, struct store_held *h)
{
    const struct registered *last = NULL;

    *h = (struct store_held){.limit = s->o.retention_limit_bytes};
    pthread_mutex_lock(&s->lock);
    h->bytes = total_bytes(s);
    if (h->limit && h->bytes > h->limit / 5 * 4 && s->segments.n > 1)
        for (size_t i = 0; i < s->readers.n; i++) {
            const struct registered *r = &s->readers.at[i];

            if (!txn_set_contains(&r->low, &s->segments.at[1]->head.before) &&
                (!last || txn_set_contains(&last->low, &r->low)))
                last = r;
        }
    if (last)
        snprintf(h->reader, sizeof h->reader, "%s", last->name);
    pthread_mutex_unlock(&s->lock);
    return last != NULL;
}

bool store_purge(struct store *s, struct wall now, uint32_t *removed, bool *loud, struct err *e)
{
    struct store_segment *g;
    bool dirty;

    *removed = 0;
    *loud = false;
    pthread_mutex_lock(&s->lock);
    dirty = s->readers_dirty;
    pthread_mutex_unlock(&s->lock);
    if (dirty && !write_readers_if_room(s, e))
        return false;
    while ((g = take_oldest(s, now, loud)) != NULL) {
        char path[PATH_CAP];
        bool ok;

        segment_path(s->dir, g->head.first_number, path, sizeof path);
        ok = durable_unlink(path, e);
        log_event(*loud ? LOG_ERROR : LOG_INFO, "store.segment_removed", "file=%s needed=%d", path,
                  *loud);
        store_free_segment(g);
        if (!ok)
            return false;
        ++*removed;
    }
    return true;
}
