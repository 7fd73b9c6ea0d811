/*
 * What Incr-Sync answers: "skipped-rows", the changes that were left out, from oms_meta.skipped,
 * one line each. On a thread of its own, since the target may take its time; one question at a
 * time. Asks come without a context, so the desk is the process's.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "components/incr_sync/sync_priv.h"

#define SHOWN_MOST 1000
#define LINES_MAX (1u << 20)
#define PIECE_BYTES (32u << 10)

static struct {
    pthread_mutex_t lock;
    struct component *c;
    char *id;
    struct thread thread;
    atomic_bool over;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct listing {
    struct buf out;
    bool heard;
};

static void give(struct listing *l)
{
    if (l->out.len > 0)
        l->heard = component_answer(desk.c, desk.id, l->out.p, l->out.len, false);
    buf_clear(&l->out);
}

static void put_row(struct buf *b, const char *name, const char *row)
{
    if (row && *row)
        buf_printf(b, "    %s (%.2000s)\n", name, row);
}

static bool take_skipped(void *arg, const struct skipped *x, const char *at)
{
    struct listing *l = arg;

    buf_printf(&l->out, "%s  %s change %" PRIu64 "  %s of %s where %.300s: %.600s\n", at ? at : "",
               x->txid, x->n, x->op, x->table, x->row_key ? x->row_key : "",
               x->reason ? x->reason : "");
    put_row(&l->out, "source before", x->before);
    put_row(&l->out, "source after", x->after);
    put_row(&l->out, "target", x->target_row);
    if (l->out.len > PIECE_BYTES)
        give(l);
    return l->heard;
}

static bool list_skipped(struct listing *l, struct err *e)
{
    const Oms__ComponentSpec *spec = component_spec(desk.c);
    const struct endpoint *endpoint;
    struct endpoint_address address;

    if (!spec->fixed || !spec->fixed->target)
        return err_set(e, ERR_INVALID, "the specification lacks the target");
    if (!component_address(desk.c, spec->fixed->target->id, &address, &endpoint, e))
        return false;
    if (!endpoint->target || !endpoint->target->skipped_list)
        return err_set(e, ERR_UNSUPPORTED, "a target of kind '%s' keeps no skipped changes",
                       address.kind);
    return endpoint->target->skipped_list(&address, spec->task, SHOWN_MOST, take_skipped, l, e) ||
           !l->heard;
}

static void answer(void *arg)
{
    struct listing l = {.heard = true};
    struct err e = ERR_INIT;
    bool ok;

    (void)arg;
    buf_init(&l.out, LINES_MAX);
    ok = list_skipped(&l, &e);
    if (l.heard && ok) {
        give(&l);
        (void)component_answer(desk.c, desk.id, NULL, 0, true); /* logged; nobody else to be told */
    } else if (l.heard) {
        component_refuse(desk.c, desk.id, &e);
    }
    buf_fini(&l.out);
    atomic_store(&desk.over, true);
}

/* Under the lock, or when nothing asks any more. */
static void clear_desk(void)
{
    thread_join(&desk.thread);
    desk.thread = (struct thread){0};
    free(desk.id);
    desk.id = NULL;
}

static bool begin(struct component *c, const char *id, struct err *e)
{
    if (desk.id && !atomic_load(&desk.over))
        return err_set(e, ERR_LIMIT, "a question is being answered already");
    clear_desk();
    desk.c = c;
    desk.id = must_strdup(id);
    atomic_store(&desk.over, false);
    if (thread_start(&desk.thread, "ask", answer, NULL, e))
        return true;
    clear_desk();
    return false;
}

void incr_ask(struct component *c, const Oms__Ask *ask)
{
    struct err e = ERR_INIT;
    bool ok;

    if (!ask->id)
        return;
    pthread_mutex_lock(&desk.lock);
    if (!ask->what || strcmp(ask->what, "skipped-rows") != 0)
        ok = err_set(&e, ERR_UNSUPPORTED, "Incr-Sync does not answer '%s'",
                     ask->what ? ask->what : "");
    else
        ok = begin(c, ask->id, &e);
    pthread_mutex_unlock(&desk.lock);
    if (!ok)
        component_refuse(c, ask->id, &e);
}

void incr_asks_end(void)
{
    pthread_mutex_lock(&desk.lock);
    clear_desk();
    pthread_mutex_unlock(&desk.lock);
}
