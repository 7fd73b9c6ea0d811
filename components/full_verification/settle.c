/*
 * What the rounds left open, asked of the log (E3). The source is read inside a snapshot that tells
 * what is surely in it (p0), so no change is missed that a position has before the rows show it;
 * the target once it has passed p1; what it has committed by then (p2) ends what may be seen there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "components/full_verification/verification_priv.h"

#define ASK_ROWS 20000u
#define ASK_BYTES (16u << 20)
#define ASK_TRIES 3 /* a table, where a Store is away */
#define KEYS_MAX (256u << 20)
#define SHOWN_MAX 10

struct pair { /* a suspect's images, canonical */
    size_t source_at, source_len, target_at, target_len;
    bool on_source, on_target, unknown, wanted;
    size_t row; /* in the history */
};
struct asking {
    struct checker *k;
    struct check_table *t;
    const struct suspects *s;
    struct side source, target;
    struct position p0, p1;
    struct txn_set p2;
    struct pair *pairs;
    struct buf images;
    struct history *h;
    bool *is_read;
    enum history_answer *answers;
};

static void begin(struct asking *a, struct checker *k, struct check_table *t,
                  const struct suspects *s)
{
    *a = (struct asking){.k = k, .t = t, .s = s};
    side_init(&a->source, KEYS_MAX);
    side_init(&a->target, KEYS_MAX);
    txn_set_init(&a->p0.set);
    txn_set_init(&a->p1.set);
    txn_set_init(&a->p2);
    buf_init(&a->images, ASK_BYTES);
    a->pairs = must_calloc(s->list.n, sizeof *a->pairs);
    a->answers = must_calloc(s->list.n, sizeof *a->answers);
    a->is_read = must_calloc(t->def->n_columns, sizeof *a->is_read);
    for (uint16_t i = 0; i < t->def->n_columns; i++)
        a->is_read[i] = k->v->source->reader->is_read(t->def, i);
    a->h = history_new(&(struct history_params){
        .table = t->def, .is_read = a->is_read, .max_rows = ASK_ROWS, .max_bytes = 4 * ASK_BYTES});
}

static void end(struct asking *a)
{
    history_free(a->h);
    free(a->is_read);
    free(a->answers);
    free(a->pairs);
    buf_fini(&a->images);
    txn_set_fini(&a->p2);
    txn_set_fini(&a->p1.set);
    txn_set_fini(&a->p0.set);
    side_fini(&a->target);
    side_fini(&a->source);
}

static void note_why(struct check_table *t, const char *why)
{
    snprintf(t->log_why, sizeof t->log_why, "%.*s", (int)sizeof t->log_why - 1, why);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void keep_image(void *arg, bool of_source, struct view key, struct view row)
{
    struct asking *a = arg;
    const struct reader_ops *ops = of_source ? a->k->v->source->reader : a->k->v->target->reader;
    size_t n = suspects_at(a->s, key), at = a->images.len;
    struct err why = ERR_INIT;
    struct pair *p;

    if (n == a->s->list.n)
        return;
    p = &a->pairs[n];
    if (!ops->canonical_of(a->t->def, row, &a->images, &why)) {
        note_why(a->t, why.message);
        a->images.len = at;
        a->images.overflow = false;
        p->unknown = true;
    } else if (of_source) {
        p->on_source = true;
        p->source_at = at;
        p->source_len = a->images.len - at;
    } else {
        p->on_target = true;
        p->target_at = at;
        p->target_len = a->images.len - at;
    }
}

/* False without an error: the source does not let us, which is noted. Then there is no transaction
 * either: what is read next must not be as old as this. */
static bool open_snapshot(struct asking *a, struct err *e)
{
    const struct reader_ops *ops = a->k->v->source->reader;
    bool exact;

    txn_set_fini(&a->p0.set);
    if (ops->begin_snapshot(a->k->source, &a->p0, &exact, e))
        return true;
    if (err_class_of(e->code) == ERR_CLASS_RETRY)
        return false;
    log_err(LOG_WARN, "verification.snapshot", e);
    note_why(a->t, e->message);
    err_clear(e);
    (void)ops->end_snapshot(a->k->source, e); /* *e tells the caller */
    return false;
}

/* In the snapshot, which ends with it. */
static bool read_again(struct asking *a, struct key_range range, struct err *e)
{
    struct read_rows also = {keep_image, a};

    return read_source(a->k, a->t, range, &a->source, &also, e) &&
           a->k->v->source->reader->end_snapshot(a->k->source, e) &&
           wait_until_passed(a->k, &a->p1, e) &&
           read_target(a->k, a->t, range, &a->target, &also, e) && read_passed(a->k, &a->p2, e);
}

/* --- asking -------------------------------------------------------------------------------------
 */

static struct view image(const struct asking *a, bool there, size_t at, size_t len)
{
    return there ? (struct view){a->images.p + at, len} : (struct view){NULL, 0};
}

static void want_rows(struct asking *a)
{
    for (size_t i = 0; i < a->s->list.n; i++) {
        struct pair *p = &a->pairs[i];
        struct view source = image(a, p->on_source, p->source_at, p->source_len),
                    target = image(a, p->on_target, p->target_at, p->target_len);

        if (p->unknown || (!source.p && !target.p))
            continue;
        /* Values that two servers show in two ways are for the comparison of what they show. */
        if (source.p && target.p && source.len == target.len &&
            memcmp(source.p, target.p, source.len) == 0)
            continue;
        p->wanted = history_want(a->h, source, target, &p->row);
        if (!p->wanted)
            snprintf(a->t->log_why, sizeof a->t->log_why,
                     "more than %u rows or %u MB of them moved at once", ASK_ROWS, ASK_BYTES >> 20);
    }
}

static void note_equal(struct asking *a, size_t i, struct txn_id at)
{
    struct check_table *t = a->t;
    struct buf key CLEANUP(buf_fini);

    t->tally.by_log++;
    if (at.origin)
        snprintf(t->log_at, sizeof t->log_at, "after %s=%" PRIu64, at.origin, at.seq);
    else
        snprintf(t->log_at, sizeof t->log_at, "at %s", a->p1.native);
    buf_init(&key, 1u << 16);
    if (t->log_shown++ >= SHOWN_MAX)
        return;
    put_key_text(&key, t->def, a->s->list.at[i].key);
    log_event(LOG_INFO, "verification.by_log", "table=%s %s equal %s", t->key, buf_cstr(&key),
              t->log_at);
}

/* all: the log told everything up to p2. */
static void take_answers(struct asking *a, bool all)
{
    bool cascades = a->t->def->family && a->t->def->family[0];

    for (size_t i = 0; i < a->s->list.n; i++) {
        struct txn_id at;

        if (!a->pairs[i].wanted)
            continue;
        a->answers[i] = history_answer(a->h, a->pairs[i].row, &at);
        if (a->answers[i] == HISTORY_EQUAL)
            note_equal(a, i, at);
        if (a->answers[i] != HISTORY_DIFFERENT || (all && !cascades))
            continue;
        a->answers[i] = HISTORY_UNKNOWN;
        if (all)
            note_why(a->t, "what foreign keys change is not in the log");
    }
}

static bool may_try_again(struct asking *a, const struct err *why)
{
    return err_class_of(why->code) == ERR_CLASS_RETRY && why->code != ERR_SERVER_TABLE_CHANGED &&
           ++a->t->log_failures < ASK_TRIES;
}

/* *again: the log was out of reach, and may be back. */
static bool ask(struct asking *a, struct key_range range, struct suspects *s, bool *again,
                struct err *e)
{
    struct err why = ERR_INIT;
    bool told;

    if (!open_snapshot(a, e))
        return e->code == ERR_NONE;
    if (!read_again(a, range, e))
        return false;
    want_rows(a);
    told =
        log_images(a->k->v, a->t, &(struct log_span){&a->p0.set, &a->p1.set, &a->p2}, a->h, &why);
    if (verification_is_stopping(a->k->v))
        return err_set(e, ERR_CANCELLED, "told to stop");
    if (told) {
        history_end(a->h);
    } else {
        log_err(LOG_WARN, "verification.log", &why);
        note_why(a->t, why.message);
        *again = may_try_again(a, &why);
    }
    take_answers(a, told);
    suspects_settle(s, &a->source, &a->target, a->answers);
    *again = *again && s->list.n > 0;
    return true;
}

bool settle_by_log(struct checker *k, struct check_table *t, struct key_range range,
                   struct suspects *s, struct err *e)
{
    bool ok = true, again = k->v->incr_task != NULL;

    while (ok && again) {
        struct asking a;

        again = false;
        begin(&a, k, t, s);
        ok = ask(&a, range, s, &again, e);
        end(&a);
        if (ok && again && component_wait(k->v->c, 500))
            ok = err_set(e, ERR_CANCELLED, "told to stop");
    }
    return ok;
}
