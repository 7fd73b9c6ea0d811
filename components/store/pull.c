/* Pulling a source's log. See pull.h. */
#include "components/store/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/endpoint/endpoint.h"
#include "components/store/adopt.h"
#include "components/store/ask.h"
#include "components/store/begin.h"
#include "components/store/heartbeat.h"
#include "components/store/history.h"
#include "components/store/left.h"
#include "components/store/places.h"
#include "components/store/reader_id.h"
#include "components/store/serve.h"
#include "components/store/writer.h"
#include "components/transform/transform.h"

#define BLOCK_WANT (1u << 20)
#define READ_MS 200
#define REPORT_MS 500
#define PURGE_MS 5000
#define HEARTBEAT_MS 1000
#define PART_BYTES (1u << 20)
#define ZSTD_LEVEL 1

struct pull {
    struct component *c;
    struct arena arena;
    const struct scope *scope;
    struct places places;
    struct left *left;
    struct reader_ids ids;
    struct history_watch watch;
    const struct endpoint *source;
    struct store *store;
    struct writer *writer;
    struct serve *serve;
    struct heart *heart;
    const char *heartbeat_schema; /* NULL: no heartbeat was asked for */
    struct log *log;
    bool near_told; /* what a reader holds comes near the limit */
    bool full_told; /* the disk was reported full */
    bool heard;     /* since the log was opened: connected, and one thing received */
    uint64_t source_bytes, source_bytes_shown;
    int64_t source_heard_us, source_time_us;
    struct mono reported, purged;
    int64_t disk_ns, decode_ns, source_ns; /* since the last report: where this thread was */
    double disk_part, decode_part, source_part;
};

static uint32_t dice(void)
{
    return (uint32_t)random() << 16 ^ (uint32_t)random();
}

/* The operator's range, or ours; the CM's number the first time (B4). */
static void ids_init(struct pull *p)
{
    const Oms__ComponentFixed *fixed = component_spec(p->c)->fixed;
    const Oms__StoreOptions *so = fixed->store;

    p->ids.from = so && so->has_server_id_from ? so->server_id_from : READER_ID_FROM;
    p->ids.to = so && so->has_server_id_to ? so->server_id_to : READER_ID_TO;
    p->ids.wanted = fixed->has_server_id ? fixed->server_id : 0;
}

static bool choose_id(struct pull *p, struct session *s, struct err *e)
{
    struct reader_numbers taken = {.n = 0};

    return (!p->source->log->readers || p->source->log->readers(s, &taken, e)) &&
           reader_ids_choose(&p->ids, &taken, dice, e);
}

static bool copy_runs(struct pull *p)
{
    Oms__ComponentLive *live = component_live(p->c);
    bool runs = live && live->has_full_done && !live->full_done;

    component_live_free(live);
    return runs;
}

static bool prepare(struct pull *p, struct log_params *params, struct err *e)
{
    struct session *s = NULL;
    bool ok;

    if (!p->source->catalog->connect(&p->places.now, &s, e))
        return err_wrap(e, "connect to the source");
    struct adopt_params adopt = {.source = p->source,
                                 .session = s,
                                 .params = params,
                                 .store = p->store,
                                 .heartbeat_schema = p->heartbeat_schema,
                                 .copy_runs = copy_runs(p)};
    ok = choose_id(p, s, e);
    params->server_id = p->ids.dump; /* one after the other: a server ends the older */
    params->look_id = p->ids.look;
    struct begin_params begin = {.fixed = component_spec(p->c)->fixed,
                                 .source = p->source,
                                 .at = &p->places.now,
                                 .session = s,
                                 .look_id = p->ids.look,
                                 .store = p->store};
    ok = ok && begin_find(&begin, e);
    ok = ok && adopt_source(&adopt, e) &&
         left_contained(p->left, &p->places.now, p->source, s, p->store, e);
    p->source->catalog->close(s);
    return ok;
}

static uint32_t next_table_id(const struct table_def *const *known, size_t n)
{
    uint32_t next = 1;

    for (size_t i = 0; i < n; i++)
        if (known[i]->id >= next)
            next = known[i]->id + 1;
    return next;
}

/* A name_filter: what the project follows, and the heartbeat's table. */
static bool is_followed(void *arg, const char *db, const char *table)
{
    struct pull *p = arg;

    return transform_filter((void *)p->scope, db, table) ||
           (p->heartbeat_schema && strcmp(db, p->heartbeat_schema) == 0 &&
            strcmp(table, HEARTBEAT_TABLE) == 0);
}

static bool open_log(struct pull *p, struct err *e)
{
    struct txn_set after;
    size_t n_known = 0;
    const struct table_def *const *known = store_tables(p->store, &n_known);
    struct log_params params = {.address = &p->places.now,
                                .after = &after,
                                .after_native = "",
                                .heartbeat_ms = HEARTBEAT_MS,
                                .filter = is_followed,
                                .filter_arg = p,
                                .next_table_id = next_table_id(known, n_known),
                                .known = known,
                                .n_known = n_known,
                                .part_bytes = PART_BYTES,
                                .spill_dir = component_dir(p->c)};
    bool ok;

    store_set(p->store, &after);
    ok = prepare(p, &params, e);
    if (ok) {
        txn_set_fini(&after); /* prepare may have set the begin */
        store_set(p->store, &after);
        ok = history_same_last(p->source, &params, p->store, e) &&
             p->source->log->open(&params, &p->log, e) &&
             left_change(p->left, &p->places.now, &after, e);
    }
    txn_set_fini(&after);
    if (ok)
        log_event(LOG_INFO, "store.connected", "server_id=%u tables=%zu place=%zu at=%s:%u",
                  params.server_id, n_known, p->places.at + 1, p->places.now.host,
                  p->places.now.port);
    return ok;
}

static double part(double was, int64_t *ns, int64_t ms)
{
    double now = (double)*ns / 1e6 / (double)ms;

    *ns = 0;
    return 0.5 * was + 0.5 * (now < 1 ? now : 1);
}

/* Which part of the time went where, and how far behind its source's end the Store is. */
static void report_parts(struct pull *p, int64_t ms)
{
    int64_t behind = (p->source_heard_us - p->source_time_us) / 1000;

    p->disk_part = part(p->disk_part, &p->disk_ns, ms);
    p->decode_part = part(p->decode_part, &p->decode_ns, ms);
    p->source_part = part(p->source_part, &p->source_ns, ms);
    component_metric(p->c, "pull.part.disk", p->disk_part);
    component_metric(p->c, "pull.part.decode", p->decode_part);
    component_metric(p->c, "pull.part.source", p->source_part);
    component_metric(p->c, "pull.behind_ms", behind > 0 && p->source_time_us ? (double)behind : 0);
    component_metric(p->c, "pull.silent_ms",
                     p->source_heard_us ? (double)(clock_wall().us - p->source_heard_us) / 1000
                                        : -1);
}

/* Processor time of this thread. */
static int64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A read of the log: what it computes is decoding, the rest is waiting for the source. */
static bool read_log(struct pull *p, struct batch *b, struct log_progress *g, struct err *e)
{
    int64_t cpu = thread_ns(), began = clock_mono().ns;
    bool ok = p->source->log->read(p->log, &b->records, BLOCK_WANT, READ_MS, g, e);

    cpu = thread_ns() - cpu;
    p->decode_ns += cpu;
    p->source_ns += clock_mono().ns - began - cpu;
    return ok;
}

static void report(struct pull *p)
{
    struct store_figures f;
    struct buf text;
    struct txn_set set;
    int64_t ms = mono_ms_between(p->reported, clock_mono());
    uint64_t delta = p->source_bytes - p->source_bytes_shown;
    double rate = ms > 0 ? (double)delta * 1000 / (double)ms : 0;

    if (ms < REPORT_MS)
        return;
    p->reported = clock_mono();
    p->source_bytes_shown = p->source_bytes;
    store_figures(p->store, &f);
    component_progress(p->c, "log pull", "bytes", p->source_bytes, 0, rate, -1);
    component_metric(p->c, "log pull.bytes_rate", rate);
    component_metric(p->c, "store.bytes", (double)f.bytes);
    component_metric(p->c, "store.segments", (double)f.segments);
    component_metric(p->c, "store.last_number", (double)f.last_number);
    report_parts(p, ms);
    store_set(p->store, &set);
    buf_init(&text, 1u << 20);
    txn_set_format(&set, &text);
    component_position(p->c, buf_cstr(&text), -1, false, -1);
    buf_fini(&text);
    txn_set_fini(&set);
    if (p->heard)
        component_step_done(p->c, "log pull");
}

/* Said before it happens: what a reader needs will be removed. */
static void warn_of_limit(struct pull *p)
{
    struct store_held held;
    char text[400];

    if (!store_held_back(p->store, &held)) {
        if (p->near_told)
            component_incident_gone(p->c, "retention-near");
        p->near_told = false;
        return;
    }
    snprintf(text, sizeof text, "reader '%s' holds %" PRIu64 " bytes of log, the limit is %" PRIu64,
             held.reader, held.bytes, held.limit);
    if (!p->near_told)
        log_event(LOG_WARN, "store.retention_near", "%s", text);
    p->near_told = true;
    component_incident(p->c, "retention-near", "STORE_POSITION",
                       "log that a reader still needs will soon be removed: retention_limit_bytes",
                       text, "acknowledge");
}

static void purge(struct pull *p)
{
    struct err e = ERR_INIT;
    uint32_t removed = 0;
    bool loud = false;

    if (mono_ms_between(p->purged, clock_mono()) < PURGE_MS)
        return;
    p->purged = clock_mono();
    if (!store_purge(p->store, clock_wall(), &removed, &loud, &e))
        log_err(LOG_ERROR, "store.purge", &e);
    warn_of_limit(p);
    if (loud)
        component_incident(p->c, "retention", "STORE_POSITION",
                           "log that a reader still needs was removed: retention_limit_bytes",
                           "the reader will stop with STORE_POSITION", "acknowledge");
}

static void note_progress(struct pull *p, const struct log_progress *g)
{
    p->source_bytes += g->source_bytes;
    if (g->heard) {
        p->heard = true;
        p->source_heard_us = clock_wall().us;
        if (g->source_time.us > p->source_time_us)
            p->source_time_us = g->source_time.us;
        serve_heard(p->serve, p->source_heard_us, p->source_time_us);
    }
}

/* One read of the log into one batch. */
static bool pull_once(struct pull *p, struct err *e)
{
    struct log_progress g = {0};
    int64_t began = clock_mono().ns;
    struct batch *b = writer_empty(p->writer, READ_MS);
    bool ok;

    p->disk_ns += clock_mono().ns - began;
    if (writer_failed(p->writer, e)) {
        if (b)
            writer_give_back(p->writer, b);
        return false;
    }
    if (!b) {
        if (writer_is_full(p->writer) && !p->full_told) {
            p->full_told = true;
            struct err full = ERR_INIT;

            (void)err_set(&full, ERR_NO_SPACE, "the store's disk is full: waiting for room");
            component_error(p->c, &full);
        }
        return true; /* the disk is slower than the source */
    }
    if (p->full_told && !writer_is_full(p->writer)) {
        p->full_told = false;
        component_error(p->c, NULL);
    }
    ok = read_log(p, b, &g, e);
    bool got = b->records.len > 0;
    if (ok && !buf_ok(&b->records))
        ok = err_set(e, ERR_LIMIT, "one record does not fit a block of %u bytes", BLOCK_RAW_MAX);
    if (!ok || b->records.len == 0) {
        writer_give_back(p->writer, b);
    } else {
        b->inside_txn = g.inside_txn;
        writer_submit(p->writer, b);
    }
    if (!ok)
        return false;
    note_progress(p, &g);
    if (!got && !g.heard) /* a source that is silent is not asked either */
        return true;
    return history_watch(&p->watch, got, p->source, &p->places.now, p->store, e);
}

/* A connection's life. It may break inside a transaction of several parts: what was written of that
 * is cut and pulled again (B1). */
static bool pull_session(struct pull *p, struct backoff *backoff, struct err *e)
{
    struct err cut = ERR_INIT;
    bool ok = open_log(p, e) && writer_start(p->store, ZSTD_LEVEL, &p->writer, e);

    p->watch = (struct history_watch){.heard = clock_mono()};
    if (ok) {
        backoff->tries = 0;
        places_good(&p->places);
        heart_at(p->heart, &p->places.now);
        component_error(p->c, NULL);
    }
    while (ok && !component_stopping(p->c)) {
        ok = pull_once(p, e);
        report(p);
        purge(p);
    }
    if (p->log)
        p->source->log->close(p->log);
    p->log = NULL;
    p->heard = false;
    writer_stop(p->writer);
    p->writer = NULL;
    if (!store_cut_open(p->store, &cut)) { /* the disk: nothing may go on with this store open */
        *e = cut;
        e->code = ERR_BUG == e->code ? ERR_BUG : ERR_SYSTEM;
        return err_wrap(e, "cut an unfinished transaction");
    }
    return ok;
}

/* Tries again what is retried; everything else ends the component. */
static bool pull_for_ever(struct pull *p, struct err *e)
{
    struct backoff backoff = {0};

    while (!component_stopping(p->c)) {
        if (pull_session(p, &backoff, e))
            break;
        log_err(LOG_WARN, "store.retry", e);
        enum places_answer answer = places_failed(&p->places, e);
        if (answer == PLACES_STOP)
            return false;
        if (answer == PLACES_NEXT)
            continue;
        component_error(p->c, e);
        if (!component_backoff(p->c, &backoff))
            break;
    }
    return true;
}

static bool open_store(struct pull *p, struct err *e)
{
    const Oms__StoreOptions *so = component_spec(p->c)->fixed->store;
    struct store_options o = {
        .dir = component_dir(p->c),
        .epoch = component_epoch(p->c),
        .retention_bytes = so && so->has_retention_bytes ? so->retention_bytes : 10ull << 30,
        .retention_us =
            (so && so->has_retention_hours ? so->retention_hours : 168) * 3600ull * 1000000,
        .retention_limit_bytes =
            so && so->has_retention_limit_bytes ? so->retention_limit_bytes : 0,
        .zstd_level = ZSTD_LEVEL,
    };

    return store_open(&o, &p->store, e);
}

static bool start_serving(struct pull *p, struct err *e)
{
    const char *id = component_spec(p->c)->id;
    const Oms__StoreOptions *so = component_spec(p->c)->fixed->store;
    const char *host = getenv("OMS_ADDRESS"); /* where this host's services are reached */
    char name[300], token[300], address[300];
    struct serve_options o = {.store = p->store,
                              .address = address,
                              .dir = component_dir(p->c),
                              .tls = so && so->tls && strcmp(so->tls, "always") == 0,
                              .token = token,
                              .store_id = id,
                              .epoch = component_epoch(p->c)};

    snprintf(name, sizeof name, "stream-token:%s", id);
    snprintf(address, sizeof address, "%s:0", host && *host ? host : "127.0.0.1");
    if (!component_secret(p->c, name, token, sizeof token, e) || !serve_start(&o, &p->serve, e))
        return false;
    component_listening(p->c, serve_address(p->serve));
    log_event(LOG_INFO, "store.serving", "address=%s", serve_address(p->serve));
    return true;
}

static bool start_heartbeat(struct pull *p, struct err *e)
{
    const Oms__HeartbeatOptions *o = component_spec(p->c)->fixed->heartbeat;
    struct heart_params hp = {.component = p->c,
                              .endpoint = p->source,
                              .address = &p->places.now,
                              .schema = o && o->schema ? o->schema : "oms_heartbeat",
                              .name = component_spec(p->c)->id,
                              .interval_ms = o && o->has_interval_ms ? o->interval_ms : 1000,
                              .waits = p->places.all.n_others > 0 && store_has_begin(p->store)};

    if (!o)
        return true;
    if (!p->source->heartbeat) {
        component_lag_note(p->c, "no heartbeat: a source of this kind cannot have one");
        return true;
    }
    p->heartbeat_schema = hp.schema;
    return heart_start(&hp, &p->heart, e);
}

bool store_run(struct component *c, struct err *e)
{
    const Oms__ComponentFixed *fixed = component_spec(c)->fixed;
    struct pull p = {.c = c, .reported = clock_mono(), .purged = clock_mono()};
    struct endpoint_address source_at;
    bool ok;

    srandom((unsigned)clock_mono().ns ^ (unsigned)getpid());
    arena_init(&p.arena, 0);
    ok = component_address(c, fixed->source->id, &source_at, &p.source, e) &&
         transform_scope(fixed->scope, &p.arena, &p.scope, e) && open_store(&p, e) &&
         left_open(component_dir(c), &p.left, e);
    if (ok) {
        places_init(&p.places, &source_at);
        left_begin(p.left, &p.places);
        ids_init(&p);
        store_asks_begin(c, p.store);
        ok = start_heartbeat(&p, e) && start_serving(&p, e) && pull_for_ever(&p, e);
        store_asks_end();
        heart_stop(p.heart);
    }
    serve_stop(p.serve);
    left_close(p.left);
    store_close(p.store);
    arena_fini(&p.arena);
    return ok;
}
