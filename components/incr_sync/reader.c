/*
 * The reader thread: connects to the Store, turns its blocks into transactions (intake) and hands
 * them to main. A broken stream is connected again here, after everything already delivered; errors
 * that need a person or a new claim end the thread and reach main as EVENT_READER_FAILED. The Store
 * is told every second what it may forget.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define READ_MS 200
#define CONNECT_MS 10000
#define POSITION_MS 1000
#define SILENT_MS 30000 /* a Store says several times a second what it heard */

struct store_reader {
    struct store_reader_params p;
    struct thread thread;
    atomic_bool stop;
    struct stream_client *stream;
    uint64_t least_epoch;
    struct buf raw;
    struct event failed; /* pushed at most once */
    struct event heard_event;
    atomic_bool heard_waits;             /* heard_event is with main */
    struct mono position_sent, frame_at; /* frame_at: when the last one was dealt with */
    uint32_t failures;                   /* in a row */
    bool error_shown;
    struct err err;
    /* shared with main, under the lock */
    pthread_mutex_t lock;
    bool connected;
    struct stream_heard heard;
    uint64_t txns_to_come;
    struct mono said_at; /* the Store's last frame */
    struct txn_set position;
    bool position_new;
};

bool store_peer_find(struct component *c, const char *store_id, struct store_peer *out)
{
    Oms__ComponentLive *live = component_live(c);
    bool found = false;

    for (size_t i = 0; live && i < live->n_peers && !found; i++) {
        const Oms__Peer *p = live->peers[i];

        if (!p->component_id || strcmp(p->component_id, store_id) != 0 || !p->address ||
            p->address[0] == '\0')
            continue;
        snprintf(out->address, sizeof out->address, "%s", p->address);
        snprintf(out->token_secret, sizeof out->token_secret, "%s",
                 p->token_secret ? p->token_secret : "");
        out->epoch = p->epoch;
        found = true;
    }
    component_live_free(live);
    return found;
}

void block_idle(void *budget, struct source_block *b)
{
    budget_give(budget, b->counted, 1);
    source_block_free(b);
}

void txn_give_back(struct budget *budget, struct source_txn *t)
{
    if (t->pipe)
        txn_pipe_free(t->pipe, block_idle, budget);
    source_txn_release(t, block_idle, budget);
}

static void push(struct store_reader *r, struct event *ev)
{
    /* There is room for whatever may be in flight: see sync_priv.h. */
    must(queue_push(r->p.events, ev, 10000) != QUEUE_TIMEOUT);
}

static bool stopping(const struct store_reader *r)
{
    return atomic_load(&r->stop);
}

static void set_connected(struct store_reader *r, bool connected)
{
    pthread_mutex_lock(&r->lock);
    r->connected = connected;
    r->position_new = true; /* another connection has not been told */
    r->heard = (struct stream_heard){0};
    r->txns_to_come = 0;
    r->said_at = clock_mono();
    pthread_mutex_unlock(&r->lock);
}

static bool connect_store(struct store_reader *r, struct err *e)
{
    struct store_peer peer = {0};
    char token[256];
    struct stream_client_params p;

    if (!store_peer_find(r->p.component, r->p.store_id, &peer))
        return err_set(e, ERR_UNAVAILABLE, "the address of store '%s' is not known yet",
                       r->p.store_id);
    token[0] = '\0';
    if (peer.token_secret[0] != '\0' &&
        !component_secret(r->p.component, peer.token_secret, token, sizeof token, e))
        return err_wrap(e, "connect to store '%s'", r->p.store_id);
    if (peer.epoch > r->least_epoch)
        r->least_epoch = peer.epoch;
    p = (struct stream_client_params){.address = peer.address,
                                      .token = token,
                                      .reader = r->p.task,
                                      .after = intake_seen(r->p.intake),
                                      .least_epoch = r->least_epoch,
                                      .timeout_ms = CONNECT_MS};
    if (!stream_connect(&p, &r->stream, e))
        return err_wrap(e, "connect to store '%s' at %s", r->p.store_id, peer.address);
    if (stream_store_epoch(r->stream) > r->least_epoch)
        r->least_epoch = stream_store_epoch(r->stream);
    r->position_sent = (struct mono){0};
    r->frame_at = clock_mono();
    set_connected(r, true);
    log_event(LOG_INFO, "incr_sync.connected", "store '%s' at %s, epoch %" PRIu64, r->p.store_id,
              peer.address, stream_store_epoch(r->stream));
    return true;
}

static void disconnect(struct store_reader *r)
{
    if (!r->stream)
        return;
    stream_close(r->stream);
    r->stream = NULL;
    set_connected(r, false);
    intake_drop_open(r->p.intake, block_idle, r->p.budget);
}

static bool send_position(struct store_reader *r, struct err *e)
{
    struct mono now = clock_mono();
    struct txn_set low;
    bool send, ok = true;

    if (mono_ms_between(r->position_sent, now) < POSITION_MS)
        return true;
    txn_set_init(&low);
    pthread_mutex_lock(&r->lock);
    send = r->position_new && !txn_set_is_empty(&r->position);
    if (send)
        txn_set_assign(&low, &r->position);
    r->position_new = false;
    pthread_mutex_unlock(&r->lock);
    r->position_sent = now;
    if (send)
        ok = stream_send_position(r->stream, &low, e);
    txn_set_fini(&low);
    return ok;
}

/* Waits until the block may be in memory. False: stop, or the stream broke meanwhile. */
static bool make_room(struct store_reader *r, size_t n, struct err *e)
{
    if (intake_is_open(r->p.intake) && !intake_is_piped(r->p.intake)) {
        budget_force(r->p.budget, n, 1);
        return true;
    }
    while (!budget_take(r->p.budget, n, READ_MS)) {
        if (stopping(r))
            return err_set(e, ERR_CANCELLED, "stopped");
        if (!send_position(r, e))
            return false;
    }
    return true;
}

static bool take_block(struct store_reader *r, const struct block_head *head, struct err *e)
{
    struct source_block *b;
    struct event *ev;
    size_t grown;

    if (!make_room(r, r->raw.len, e))
        return false;
    b = source_block_new(r->raw.len ? r->raw.len : 1);
    b->counted = r->raw.len;
    b->number = head->number;
    buf_append(&b->raw, r->raw.p, r->raw.len);
    if (!intake_block(r->p.intake, b, e)) {
        /* Half a block: its finished transactions are given up, they are delivered again. */
        for (size_t i = 0; i < b->txns.n; i++)
            txn_give_back(r->p.budget, b->txns.at[i]);
        intake_drop_open(r->p.intake, block_idle, r->p.budget);
        if (source_block_unref(b))
            block_idle(r->p.budget, b);
        return false;
    }
    grown = b->arena.used_bytes;
    budget_force(r->p.budget, grown, 0);
    b->counted += grown;
    ev = must_calloc(1, sizeof *ev);
    ev->kind = EVENT_BLOCK;
    ev->block = b;
    push(r, ev);
    return true;
}

static void take_heard(struct store_reader *r, const struct stream_heard *heard)
{
    uint64_t have = txn_set_count(intake_seen(r->p.intake));

    pthread_mutex_lock(&r->lock);
    r->heard = *heard;
    r->txns_to_come = heard->txns > have ? heard->txns - have : 0;
    pthread_mutex_unlock(&r->lock);
    if (atomic_exchange(&r->heard_waits, true))
        return; /* main is behind; the next one will do */
    r->heard_event = (struct event){.kind = EVENT_HEARD, .heard = *heard, .heard_at = clock_wall()};
    push(r, &r->heard_event);
}

static bool take_frame(struct store_reader *r, enum stream_event ev, const struct block_head *head,
                       const struct stream_heard *heard, struct err *e)
{
    switch (ev) {
    case STREAM_BLOCK:
        return take_block(r, head, e);
    case STREAM_TABLES:
        return intake_tables(r->p.intake, (struct view){r->raw.p, r->raw.len}, e);
    case STREAM_HEARD:
        take_heard(r, heard);
        return true;
    case STREAM_NOTHING:
        break;
    }
    return err_set(e, ERR_BUG, "an unknown event of the stream");
}

/* A connection to a host that died says nothing for ever: silence breaks it. */
static bool read_once(struct store_reader *r, struct err *e)
{
    enum stream_event ev;
    struct block_head head;
    struct stream_heard heard;

    if (!send_position(r, e) || !stream_read(r->stream, READ_MS, &ev, &head, &r->raw, &heard, e))
        return false;
    if (ev == STREAM_NOTHING)
        return mono_ms_between(r->frame_at, clock_mono()) < SILENT_MS ||
               err_set(e, ERR_TIMEOUT, "store '%s' said nothing for %d s", r->p.store_id,
                       SILENT_MS / 1000);
    pthread_mutex_lock(&r->lock);
    r->said_at = clock_mono();
    pthread_mutex_unlock(&r->lock);
    if (!take_frame(r, ev, &head, &heard, e))
        return false;
    r->frame_at = clock_mono(); /* after waiting for room, which is not the Store's silence */
    return true;
}

static bool step(struct store_reader *r, struct err *e)
{
    if (!r->stream && !connect_store(r, e))
        return false;
    if (!read_once(r, e))
        return false;
    if (r->error_shown) {
        component_error(r->p.component, NULL);
        r->error_shown = false;
    }
    r->failures = 0;
    return true;
}

/* Like component_backoff, but also ends when only this reader is to stop. */
static void back_off(struct store_reader *r)
{
    int64_t left = 100 << (r->failures < 6 ? r->failures : 6);

    r->failures++;
    for (; left > 0 && !stopping(r); left -= 100)
        if (component_wait(r->p.component, 100))
            return;
}

static void reader_main(void *arg)
{
    struct store_reader *r = arg;

    while (!stopping(r)) {
        struct err e = ERR_INIT;

        bool piped;

        if (step(r, &e))
            continue;
        piped = intake_is_piped(r->p.intake); /* half of it is with the target: the claim ends */
        disconnect(r);
        if (stopping(r))
            break;
        if (piped || err_class_of(e.code) != ERR_CLASS_RETRY) {
            r->err = e;
            push(r, &r->failed);
            return;
        }
        log_err(LOG_WARN, "incr_sync.stream", &e);
        component_error(r->p.component, &e);
        r->error_shown = true;
        back_off(r);
    }
    disconnect(r);
}

bool store_reader_start(const struct store_reader_params *p, struct store_reader **out,
                        struct err *e)
{
    struct store_reader *r = must_calloc(1, sizeof *r);

    r->p = *p;
    r->least_epoch = p->least_epoch;
    r->failed.kind = EVENT_READER_FAILED;
    buf_init(&r->raw, BLOCK_RAW_MAX);
    txn_set_init(&r->position);
    must(pthread_mutex_init(&r->lock, NULL) == 0);
    *out = r;
    return thread_start(&r->thread, "oms-read", reader_main, r, e);
}

void store_reader_stop(struct store_reader *r)
{
    if (!r)
        return;
    atomic_store(&r->stop, true);
    thread_join(&r->thread);
}

void store_reader_free(struct store_reader *r)
{
    if (!r)
        return;
    buf_fini(&r->raw);
    txn_set_fini(&r->position);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void store_reader_position(struct store_reader *r, const struct txn_set *low)
{
    pthread_mutex_lock(&r->lock);
    if (!txn_set_equal(&r->position, low)) {
        txn_set_assign(&r->position, low);
        r->position_new = true;
    }
    pthread_mutex_unlock(&r->lock);
}

bool store_reader_heard(struct store_reader *r, struct reader_heard *out)
{
    bool connected;

    pthread_mutex_lock(&r->lock);
    connected = r->connected;
    *out = (struct reader_heard){.heard = r->heard,
                                 .silent_ms = mono_ms_between(r->said_at, clock_mono()),
                                 .txns_to_come = r->txns_to_come};
    pthread_mutex_unlock(&r->lock);
    return connected;
}

void store_reader_heard_taken(struct store_reader *r)
{
    atomic_store(&r->heard_waits, false);
}

const struct err *store_reader_error(const struct store_reader *r)
{
    return &r->err;
}
