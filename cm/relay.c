/*
 * Asks: the way back to a component (logs, dumps). An ask waits for its host's next Sync, is given
 * once, and its answer comes in pieces that are kept until they are read. The buffer is bounded:
 * the host's Answer is parked while it is full, so a slow reader slows the writer. Asks live in
 * memory alone: whoever asked, asks again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cm/cm.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"

#define ASKS_MAX 64
#define BUFFER_MAX (1u << 20) /* bytes beyond which Answers wait */
#define ANSWER_HOLD_MS 3000   /* below the time limit of HostService.Answer */
#define READ_HOLD_MAX_MS 30000
#define UNREAD_MS 60000  /* an ask that nobody reads is dropped */
#define ENDED_MS 3000    /* and one whose end was given, unless it is read again meanwhile */
#define UNHEARD_MS 15000 /* and one that no host answers */

struct ask {
    char id[ID_TEXT_MAX];
    char *host, *component, *what;
    char **args;
    size_t n_args;
    bool given, heard, last, ended; /* ended: the reader was given the last piece */
    struct err error;
    struct buf data;
    uint64_t start; /* cursor of data's first byte */
    struct mono asked_at, read_at;
    struct rpc_call *reader; /* parked AskRead */
    uint64_t reader_cursor;
    struct mono reader_until;
    struct rpc_call *writer; /* parked Answer */
    struct mono writer_until;
};

struct relay {
    struct cm *cm;
    VEC(struct ask *) asks;
};

struct relay *relay_new(struct cm *cm)
{
    struct relay *r = must_calloc(1, sizeof *r);

    r->cm = cm;
    return r;
}

static void reply_empty(struct rpc_call **call)
{
    Oms__Empty r = OMS__EMPTY__INIT;

    if (*call)
        rpc_reply(take(*call), &r.base);
}

static void fail(struct rpc_call **call, enum err_code code, const char *text)
{
    struct err e = ERR_INIT;

    err_set(&e, code, "%s", text);
    if (*call)
        rpc_fail(take(*call), &e);
}

static void ask_free(struct ask *a)
{
    fail(&a->reader, ERR_NOT_FOUND, "the ask is over");
    fail(&a->writer, ERR_NOT_FOUND, "nobody reads this answer any more");
    for (size_t i = 0; i < a->n_args; i++)
        free(a->args[i]);
    free(a->args);
    free(a->host);
    free(a->component);
    free(a->what);
    buf_fini(&a->data);
    free(a);
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->asks.n; i++)
        ask_free(r->asks.at[i]);
    vec_fini(&r->asks);
    free(r);
}

static struct ask *find(const struct relay *r, const char *id)
{
    for (size_t i = 0; id && i < r->asks.n; i++)
        if (strcmp(r->asks.at[i]->id, id) == 0)
            return r->asks.at[i];
    return NULL;
}

bool relay_ask(struct relay *r, const Oms__AskRequest *q, const char *host_id, char id[ID_TEXT_MAX],
               struct err *e)
{
    struct id random;

    if (r->asks.n >= ASKS_MAX)
        return err_set(e, ERR_LIMIT, "%d asks are open already", ASKS_MAX);
    if (!token_random_bytes(random.b, sizeof random.b, e))
        return false;
    struct ask *a = must_calloc(1, sizeof *a);
    id_format(random, a->id);
    memcpy(id, a->id, ID_TEXT_MAX);
    text_set(&a->host, host_id);
    text_set(&a->component, q->component_id);
    text_set(&a->what, q->what);
    a->args = must_calloc(q->n_args + 1, sizeof(char *));
    for (size_t i = 0; i < q->n_args; i++)
        a->args[a->n_args++] = must_strdup(q->args[i]);
    buf_init(&a->data, BUFFER_MAX + CM_MESSAGE_MAX);
    a->asked_at = a->read_at = clock_mono();
    vec_push(&r->asks, a);
    return true;
}

bool relay_has_asks(const struct relay *r, const char *host_id)
{
    for (size_t i = 0; i < r->asks.n; i++)
        if (!r->asks.at[i]->given && text_is(r->asks.at[i]->host, host_id))
            return true;
    return false;
}

void relay_give(struct relay *r, const char *host_id, Oms__HostSyncReply *reply,
                struct arena *arena)
{
    reply->asks = arena_calloc(arena, r->asks.n + 1, sizeof(void *));
    for (size_t i = 0; i < r->asks.n; i++) {
        struct ask *a = r->asks.at[i];
        if (a->given || !text_is(a->host, host_id))
            continue;
        Oms__Ask *m = arena_alloc(arena, sizeof *m);
        oms__ask__init(m);
        m->id = a->id;
        m->component_id = a->component;
        m->what = a->what;
        m->args = a->args;
        m->n_args = a->n_args;
        reply->asks[reply->n_asks++] = m;
        a->given = true;
        a->asked_at = clock_mono();
    }
}

/* --- the reader --------------------------------------------------------------------------------
 */

static Oms__Error *error_of(struct ask *a, Oms__Error *e)
{
    if (a->error.code == ERR_NONE)
        return NULL;
    oms__error__init(e);
    e->code = (char *)err_name(a->error.code);
    e->message = a->error.message;
    return e;
}

/* Forgets what the reader has, gives what is there. */
static void give_reader(struct ask *a)
{
    Oms__AskReadReply r = OMS__ASK_READ_REPLY__INIT;
    Oms__Error e;
    uint64_t from = a->reader_cursor < a->start ? a->start : a->reader_cursor;
    uint64_t skip = from - a->start < a->data.len ? from - a->start : a->data.len;

    if (skip > 0) {
        memmove(a->data.p, a->data.p + skip, a->data.len - skip);
        a->data.len -= skip;
        a->start += skip;
    }
    r.has_cursor = r.has_chunk = r.has_last = true;
    r.chunk.data = a->data.p;
    r.chunk.len = a->data.len;
    r.cursor = a->start + a->data.len;
    r.last = a->last;
    r.error = error_of(a, &e);
    a->ended = a->last;
    a->read_at = clock_mono();
    rpc_reply(take(a->reader), &r.base);
    if (a->data.len <= BUFFER_MAX)
        reply_empty(&a->writer);
}

static bool has_news(const struct ask *a)
{
    return a->start + a->data.len > a->reader_cursor || a->last;
}

void relay_read(struct relay *r, const Oms__AskReadRequest *q, struct rpc_call *call)
{
    struct ask *a = find(r, q->ask_id);
    uint32_t hold = q->hold_ms < READ_HOLD_MAX_MS ? q->hold_ms : READ_HOLD_MAX_MS;

    if (!a) {
        fail(&call, ERR_NOT_FOUND, "there is no such ask; ask again");
        return;
    }
    fail(&a->reader, ERR_CANCELLED, "a newer read of the same ask came");
    a->reader = call;
    a->reader_cursor = q->cursor;
    a->read_at = clock_mono();
    a->reader_until = mono_add_ms(a->read_at, hold);
    if (has_news(a) || hold == 0)
        give_reader(a);
}

/* --- the host ----------------------------------------------------------------------------------
 */

void relay_answer(struct relay *r, const Oms__AnswerRequest *q, struct rpc_call *call)
{
    struct ask *a = find(r, q->id);

    if (!a || a->last) {
        fail(&call, ERR_NOT_FOUND, "nobody reads this answer any more");
        return;
    }
    a->heard = true;
    if (q->has_chunk)
        buf_append(&a->data, q->chunk.data, q->chunk.len);
    a->last = q->last;
    if (q->error && !text_is(q->error->code, "")) {
        enum err_code code = ERR_UNAVAILABLE;
        a->last = true;
        (void)err_code_from_name(q->error->code, &code); /* an unknown one stays UNAVAILABLE */
        err_set(&a->error, code, "%s", text_or_empty(q->error->message));
    }
    if (!buf_ok(&a->data)) {
        a->last = true;
        err_set(&a->error, ERR_LIMIT, "the answer came faster than it was read");
    }
    fail(&a->writer, ERR_CANCELLED, "a newer piece of the same answer came");
    a->writer = call;
    a->writer_until = mono_add_ms(clock_mono(), ANSWER_HOLD_MS);
    if (a->reader && has_news(a))
        give_reader(a);
    if (a->data.len <= BUFFER_MAX)
        reply_empty(&a->writer);
}

/* --- time --------------------------------------------------------------------------------------
 */

static bool is_over(struct ask *a, struct mono now)
{
    if (a->reader)
        return false;
    return mono_ms_between(a->read_at, now) > (a->ended ? ENDED_MS : UNREAD_MS);
}

void relay_tick(struct relay *r)
{
    struct mono now = clock_mono();

    for (size_t i = 0; i < r->asks.n;) {
        struct ask *a = r->asks.at[i];
        if (!a->heard && !a->last && mono_ms_between(a->asked_at, now) > UNHEARD_MS) {
            a->last = true;
            err_set(&a->error, ERR_TIMEOUT, "the host gave no answer within %d s",
                    UNHEARD_MS / 1000);
        }
        if (a->reader && (has_news(a) || mono_cmp(now, a->reader_until) >= 0))
            give_reader(a);
        if (a->writer && mono_cmp(now, a->writer_until) >= 0)
            reply_empty(&a->writer); /* it is kept; the buffer has room for what comes */
        if (is_over(a, now)) {
            ask_free(a);
            r->asks.at[i] = r->asks.at[--r->asks.n];
        } else {
            i++;
        }
    }
}
