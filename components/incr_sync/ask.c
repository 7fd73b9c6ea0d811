/*
 * What Incr-Sync answers: "skipped-rows", the changes that were left out, from oms_meta.skipped,
 * for people, or (argument "json") as one line of JSON each. On a thread of its own, since the
 * target may take its time; one question at a time. Asks come without a context, so the desk is the
 * process's.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/pbtext/pbtext.h"
#include "components/incr_sync/sync_priv.h"

#define SHOWN_MOST 10000
#define LINES_MAX (1u << 20)
#define PIECE_BYTES (32u << 10)

static struct {
    pthread_mutex_t lock;
    struct component *c;
    char *id;
    bool json;
    struct thread thread;
    atomic_bool over;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct listing {
    struct buf out;
    bool heard;
    uint64_t n;
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

static void put_text(struct buf *b, const struct skipped *x, const char *at)
{
    buf_printf(b, "%s UTC  %s change %" PRIu64 "  %s of %s where %.300s: %.600s\n", at ? at : "?",
               x->txid, x->n + 1, x->op, x->table,
               x->row_key && *x->row_key ? x->row_key : "(no row key)", x->reason ? x->reason : "");
    put_row(b, "source before", x->before);
    put_row(b, "source after", x->after);
    put_row(b, "target", x->target_row);
}

static void put_pair(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, ", \"%s\": ", name);
    if (value && *value)
        pbtext_format_string(value, b);
    else
        buf_str(b, "null");
}

static void put_json(struct buf *b, const struct skipped *x, const char *at)
{
    char when[40];

    snprintf(when, sizeof when, "%.31sZ", at ? at : "");
    if (strlen(when) > 10 && when[10] == ' ')
        when[10] = 'T';
    buf_printf(b, "{\"change\": %" PRIu64, x->n + 1);
    put_pair(b, "transaction", x->txid);
    put_pair(b, "at", at ? when : NULL);
    put_pair(b, "op", x->op);
    put_pair(b, "table", x->table);
    put_pair(b, "key", x->row_key);
    put_pair(b, "reason", x->reason);
    put_pair(b, "source_before", x->before);
    put_pair(b, "source_after", x->after);
    put_pair(b, "target_row", x->target_row);
    buf_str(b, "}\n");
}

static bool take_skipped(void *arg, const struct skipped *x, const char *at)
{
    struct listing *l = arg;

    if (++l->n > SHOWN_MOST) {
        buf_printf(&l->out,
                   desk.json ? "{\"more_than\": %d}\n"
                             : "only the oldest %d are shown; all are in "
                               "oms_meta.skipped on the target\n",
                   SHOWN_MOST);
        return true;
    }
    (desk.json ? put_json : put_text)(&l->out, x, at);
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
    return endpoint->target->skipped_list(&address, spec->task, SHOWN_MOST + 1, take_skipped, l,
                                          e) ||
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

static bool begin(struct component *c, const Oms__Ask *ask, struct err *e)
{
    if (desk.id && !atomic_load(&desk.over))
        return err_set(e, ERR_LIMIT, "a question is being answered already");
    clear_desk();
    desk.c = c;
    desk.id = must_strdup(ask->id);
    desk.json = ask->n_args > 0 && strcmp(ask->args[0], "json") == 0;
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
        ok = begin(c, ask, &e);
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
