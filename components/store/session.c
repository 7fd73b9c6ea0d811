/* Conversations. See session.h. */
#include "components/store/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/must.h"

struct session {
    struct sessions *table;
    uint32_t connections; /* table's lock; 0: free */
    bool over;            /* table's lock */
    uint8_t key[STREAM_KEY_SIZE];
    char name[SESSION_NAME_MAX];
    pthread_mutex_t lock; /* held while a block is read, never while one is sent */
    struct store_reader *reader;
};

struct sessions {
    struct store *store;
    pthread_mutex_t lock;
    struct session at[SESSIONS_MAX];
};

struct sessions *sessions_new(struct store *s)
{
    struct sessions *t = must_calloc(1, sizeof *t);

    t->store = s;
    pthread_mutex_init(&t->lock, NULL);
    for (int i = 0; i < SESSIONS_MAX; i++) {
        t->at[i].table = t;
        pthread_mutex_init(&t->at[i].lock, NULL);
    }
    return t;
}

void sessions_free(struct sessions *t)
{
    if (!t)
        return;
    for (int i = 0; i < SESSIONS_MAX; i++) {
        must(t->at[i].connections == 0);
        pthread_mutex_destroy(&t->at[i].lock);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

bool session_begin(struct sessions *t, const char *name, struct store_reader *r,
                   struct session **out, struct err *e)
{
    uint8_t key[STREAM_KEY_SIZE];
    struct session *s = NULL;

    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key) {
        store_reader_close(r);
        return err_set_errno(e, ERR_SYSTEM, errno, "no random bytes");
    }
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < SESSIONS_MAX && !s; i++)
        if (t->at[i].connections == 0)
            s = &t->at[i];
    if (s) {
        s->connections = 1;
        s->over = false;
        memcpy(s->key, key, sizeof key);
        snprintf(s->name, sizeof s->name, "%s", name);
        s->reader = r;
    }
    pthread_mutex_unlock(&t->lock);
    *out = s;
    if (s)
        return true;
    store_reader_close(r);
    return err_set(e, ERR_UNAVAILABLE, "%d readers are connected already", SESSIONS_MAX);
}

bool session_join(struct sessions *t, struct view key, struct session **out, struct err *e)
{
    struct session *s = NULL;

    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < SESSIONS_MAX && !s; i++)
        if (t->at[i].connections > 0 && !t->at[i].over && key.len == STREAM_KEY_SIZE &&
            memcmp(t->at[i].key, key.p, STREAM_KEY_SIZE) == 0)
            s = &t->at[i];
    if (s)
        s->connections++;
    pthread_mutex_unlock(&t->lock);
    *out = s;
    return s ? true : err_set(e, ERR_UNAVAILABLE, "the conversation to join is over");
}

void session_leave(struct session *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->table->lock);
    s->over = true;
    if (s->connections == 1) {
        store_reader_close(s->reader);
        s->reader = NULL;
    }
    s->connections--;
    pthread_mutex_unlock(&s->table->lock);
}

bool session_over(struct session *s)
{
    bool over;

    pthread_mutex_lock(&s->table->lock);
    over = s->over;
    pthread_mutex_unlock(&s->table->lock);
    return over;
}

const char *session_name(const struct session *s)
{
    return s->name;
}

const uint8_t *session_key(const struct session *s)
{
    return s->key;
}

uint64_t session_next(struct session *s)
{
    uint64_t next;

    pthread_mutex_lock(&s->lock);
    next = store_reader_at(s->reader);
    pthread_mutex_unlock(&s->lock);
    return next;
}

uint64_t session_backlog(struct session *s)
{
    uint64_t bytes;

    pthread_mutex_lock(&s->lock);
    bytes = store_reader_backlog(s->reader);
    pthread_mutex_unlock(&s->lock);
    return bytes;
}

bool session_take(struct session *s, int64_t timeout_ms, struct buf *stored, bool *got,
                  struct err *e)
{
    struct block_head h;
    bool ok;

    *got = false;
    if (!store_wait_published(s->table->store, session_next(s), timeout_ms))
        return true;
    pthread_mutex_lock(&s->lock); /* another may have taken it: then there may be none */
    ok = store_reader_next(s->reader, 0, &h, stored, got, e);
    pthread_mutex_unlock(&s->lock);
    return ok;
}
