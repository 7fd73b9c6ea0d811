/* See ask.h. Nobody waits for another here: jobs wait for their reader (the answer, bounded by its
 * call's time limit) and look at `stopping` between pieces; `lock` is never held across a call. */
#include "components/store/ask.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "common/os/thread.h"
#include "common/pbtext/pbtext.h"
#include "components/store/ask_priv.h"

struct desk { /* where one ask is answered */
    struct ask_job job;
    struct thread thread;
    bool taken;       /* lock */
    atomic_bool over; /* its thread has ended its work */
};
static struct { /* of the process: asks come without a context */
    pthread_mutex_t lock;
    struct component *c; /* lock; NULL: not open */
    struct store *store; /* lock */
    atomic_bool stopping;
    struct desk desks[ASKS_AT_ONCE];
} asks = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *ask_arg(const struct ask_job *j, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < j->n_args; i++)
        if (strncmp(j->args[i], name, n) == 0 && (j->args[i][n] == '=' || j->args[i][n] == '\0'))
            return j->args[i] + n + (j->args[i][n] == '=');
    return NULL;
}

enum walk_answer ask_send(struct ask_job *j, bool now, struct err *e)
{
    bool heard;

    if (*j->stopping) {
        (void)err_set(e, ERR_UNAVAILABLE, "the store stops");
        return WALK_FAILED;
    }
    if (!buf_ok(&j->out)) {
        (void)err_set(e, ERR_LIMIT, "a record does not fit %zu bytes as JSON", j->out.max);
        return WALK_FAILED;
    }
    if (!now && j->out.len < PIECE_BYTES)
        return WALK_ON;
    for (size_t at = 0; at < j->out.len || now;) {
        size_t n = j->out.len - at < 4 * PIECE_BYTES ? j->out.len - at : 4 * PIECE_BYTES;

        heard = component_answer(j->c, j->id, j->out.p + at, n, false);
        if (!heard)
            return WALK_ENOUGH;
        at += n;
        now = false;
        if (*j->stopping)
            break;
    }
    buf_clear(&j->out);
    return WALK_ON;
}

bool ask_places(const struct ask_job *j, struct log_walk_params *p, struct err *e)
{
    const char *from = ask_arg(j, "from"), *to = ask_arg(j, "to");

    p->store = j->store;
    p->follow = ask_arg(j, "follow") != NULL;
    return (!from || store_place_parse(from, &p->from, e)) &&
           (!to || store_place_parse(to, &p->to, e));
}

/* --- show ---------------------------------------------------------------------------------------
 */

static char *set_text(const struct txn_set *set, struct arena *a)
{
    struct buf text;
    char *copy;

    buf_init(&text, 4u << 20);
    txn_set_format(set, &text);
    copy = arena_strdup(a, buf_ok(&text) ? buf_cstr(&text) : "(a long list)");
    buf_fini(&text);
    return copy;
}

static void view_readers(const struct store_readers_view *v, struct arena *a, struct wall now,
                         Oms__StoreView *out)
{
    out->readers = arena_calloc(a, v->readers.n + 1, sizeof(void *));
    for (size_t i = 0; i < v->readers.n; i++) {
        const struct store_reader_view *r = &v->readers.at[i];
        Oms__StoreReaderView *o = arena_alloc(a, sizeof *o);

        oms__store_reader_view__init(o);
        o->name = arena_strdup(a, r->name);
        o->position = set_text(&r->low, a);
        o->has_behind_txns = o->has_behind_bytes = o->has_behind_ms = o->has_lost = true;
        o->behind_txns = r->behind_txns;
        o->behind_bytes = r->behind_bytes;
        o->behind_ms = r->next_commit.us ? (now.us - r->next_commit.us) / 1000 : 0;
        o->lost = r->lost;
        o->has_holds = true;
        o->holds = (r->behind_txns > 0 || r->behind_bytes > 0) && !r->lost;
        out->readers[out->n_readers++] = o;
    }
}

struct tables_seen {
    struct arena *a;
    Oms__StoreView *out;
    size_t cap;
};

static void add_table(struct tables_seen *s, const struct table_def *t)
{
    Oms__StoreTableView *o;

    for (size_t i = 0; i < s->out->n_tables; i++)
        if (s->out->tables[i]->version == t->id)
            return;
    if (s->out->n_tables == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        Oms__StoreTableView **more = arena_calloc(s->a, cap, sizeof *more);

        for (size_t i = 0; i < s->cap; i++)
            more[i] = s->out->tables[i];
        s->out->tables = more;
        s->cap = cap;
    }
    o = arena_alloc(s->a, sizeof *o);
    oms__store_table_view__init(o);
    o->table = arena_printf(s->a, "%s.%s", t->db, t->name);
    o->has_version = o->has_columns = true;
    o->version = t->id;
    o->columns = t->n_columns;
    s->out->tables[s->out->n_tables++] = o;
}

static void see_table(void *arg, const struct table_def *t)
{
    add_table(arg, t);
}

static void view_range(const struct store_range *r, struct arena *a, Oms__StoreView *v)
{
    v->position = set_text(&r->kept, a);
    v->has_oldest_us = r->oldest.us != 0;
    v->oldest_us = r->oldest.us;
    v->has_newest_us = r->newest.us != 0;
    v->newest_us = r->newest.us;
    v->has_bytes = v->has_segments = v->has_purged = true;
    v->bytes = r->bytes;
    v->segments = r->segments;
    v->purged = r->purged;
}

bool ask_show(struct ask_job *j, struct err *e)
{
    Oms__StoreView v = OMS__STORE_VIEW__INIT;
    const Oms__ComponentSpec *spec = component_spec(j->c);
    struct store_readers_view readers;
    struct store_limits limits;
    struct store_range range;
    struct arena a;
    bool ok;

    if (!store_range_get(j->store, &range, e))
        return false;
    if (!store_readers_get(j->store, &readers, e)) {
        store_range_fini(&range);
        return false;
    }
    arena_init(&a, 64u << 20);
    v.id = spec->id;
    v.project = spec->fixed->project;
    v.source = spec->fixed->source ? spec->fixed->source->id : NULL;
    view_range(&range, &a, &v);
    view_readers(&readers, &a, clock_wall(), &v);
    store_limits_get(j->store, &limits);
    v.has_retention_bytes = v.has_retention_hours = v.has_retention_limit_bytes = true;
    v.retention_bytes = limits.retention_bytes;
    v.retention_hours = (uint32_t)(limits.retention_us / 3600000000u);
    v.retention_limit_bytes = limits.retention_limit_bytes;
    ok = store_each_table(j->store, see_table, &(struct tables_seen){&a, &v, 0}, e);
    pbtext_format_json(&v.base, PBTEXT_EMPTY, &j->out);
    store_readers_fini(&readers);
    store_range_fini(&range);
    arena_fini(&a);
    return ok;
}

/* --- asks ---------------------------------------------------------------------------------------
 */

static const struct {
    const char *what;
    bool (*answer)(struct ask_job *j, struct err *e);
} answers[] = {{"store-show", ask_show}, {"store-dump", ask_dump}, {"store-trace", ask_trace}};

static void answer(void *arg)
{
    struct desk *d = arg;
    struct ask_job *j = &d->job;
    struct err e = ERR_INIT;
    bool ok = false;

    buf_init(&j->out, LINE_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (strcmp(answers[i].what, j->what) == 0)
            ok = answers[i].answer(j, &e);
    ok = ok && ask_send(j, true, &e) != WALK_FAILED;
    if (ok)
        (void)component_answer(j->c, j->id, NULL, 0, true); /* logged; nobody else is to be told */
    else
        component_refuse(j->c, j->id, &e);
    buf_fini(&j->out);
    d->over = true;
}

static void free_desk(struct desk *d)
{
    thread_join(&d->thread);
    free((char *)d->job.id);
    free((char *)d->job.what);
    for (size_t i = 0; i < d->job.n_args; i++)
        free(d->job.args[i]);
    free((void *)d->job.args);
    d->taken = false;
}

static struct desk *free_one(void)
{
    struct desk *found = NULL;

    for (int i = 0; i < ASKS_AT_ONCE; i++) {
        struct desk *d = &asks.desks[i];

        if (d->taken && d->over)
            free_desk(d);
        if (!d->taken)
            found = d;
    }
    return found;
}

static bool begin_job(struct component *c, const Oms__Ask *ask, struct err *e)
{
    struct desk *d = free_one();
    char **args;

    if (!d)
        return err_set(e, ERR_LIMIT, "%d questions are being answered already", ASKS_AT_ONCE);
    args = must_calloc(ask->n_args + 1, sizeof *args);
    for (size_t i = 0; i < ask->n_args; i++)
        args[i] = must_strdup(ask->args[i]);
    d->job = (struct ask_job){.c = c,
                              .store = asks.store,
                              .id = must_strdup(ask->id),
                              .what = must_strdup(ask->what),
                              .args = args,
                              .n_args = ask->n_args,
                              .stopping = &asks.stopping};
    d->over = false;
    d->taken = true;
    d->thread = (struct thread){0};
    if (thread_start(&d->thread, "ask", answer, d, e))
        return true;
    free_desk(d);
    return false;
}

void store_ask(struct component *c, const Oms__Ask *ask)
{
    struct err e = ERR_INIT;
    bool known = false, ok;

    if (!ask->id)
        return;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        known |= ask->what && strcmp(answers[i].what, ask->what) == 0;
    pthread_mutex_lock(&asks.lock);
    if (!known)
        ok = err_set(&e, ERR_UNSUPPORTED, "a store does not answer '%s'",
                     ask->what ? ask->what : "");
    else if (!asks.store)
        ok = err_set(&e, ERR_UNAVAILABLE, "the store is not open yet");
    else
        ok = begin_job(c, ask, &e);
    pthread_mutex_unlock(&asks.lock);
    if (!ok)
        component_refuse(c, ask->id, &e);
}

void store_asks_begin(struct component *c, struct store *s)
{
    pthread_mutex_lock(&asks.lock);
    asks.c = c;
    asks.store = s;
    asks.stopping = false;
    pthread_mutex_unlock(&asks.lock);
}

void store_asks_end(void)
{
    pthread_mutex_lock(&asks.lock);
    asks.store = NULL;
    asks.stopping = true;
    pthread_mutex_unlock(&asks.lock);
    for (int i = 0; i < ASKS_AT_ONCE; i++) /* no job begins any more */
        if (asks.desks[i].taken)
            free_desk(&asks.desks[i]);
}
