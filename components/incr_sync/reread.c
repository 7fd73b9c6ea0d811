#include "components/incr_sync/reread.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/log/log.h"
#include "common/os/clock.h"
#include "common/os/fault.h"
#include "components/incr_sync/sync_priv.h"

#define ROWS_MAX (256u << 20) /* of one table, in one transaction or piece of one */
#define IMAGE_MAX (1u << 20)
#define FAILURES_MAX 10 /* snapshots in a row that broke, before a person is asked */
#define HOLD_MS 2000 /* a DDL of the source waits no longer for a snapshot that holds its table */
#define NOTE "rows_read_again"

struct reread {
    pthread_mutex_t lock;
    const struct reader_ops *ops;
    struct reader *reader; /* in the snapshot; NULL: there is none */
    struct txn_set seen;   /* the snapshot has these, surely */
    struct txn_set end;    /* it has no others */
    bool holds;            /* what it reads, against DDL on the source: it must not last */
    struct mono held_from; /* then: its first reading; 0 = nothing is held */
    uint32_t users;        /* workers with a transaction that has rows of it */
    struct txn_set wanted; /* changes that wait for a snapshot; empty: none does */
    bool fresh;            /* they were met by the claim that ended last */
    uint32_t failures;     /* of reading, since the last row that was read */
    /* what a person is asked; key "" = nothing */
    char key[HOLD_KEY_MAX], table[COPY_TABLE_MAX];
    uint32_t round;
};

struct reread *reread_new(void)
{
    struct reread *r = must_calloc(1, sizeof *r);

    must(pthread_mutex_init(&r->lock, NULL) == 0);
    txn_set_init(&r->seen);
    txn_set_init(&r->end);
    txn_set_init(&r->wanted);
    return r;
}

static void drop_snapshot(struct reread *r)
{
    if (r->reader)
        r->ops->close(r->reader);
    r->reader = NULL;
    r->held_from = (struct mono){0};
}

/* It has held tables for long enough: nobody begins with it any more. */
static bool is_old(const struct reread *r)
{
    return r->reader && r->held_from.ns != 0 &&
           mono_ms_between(r->held_from, clock_mono()) > HOLD_MS;
}

static void drop_if_old(struct reread *r)
{
    if (r->users == 0 && is_old(r))
        drop_snapshot(r);
}

void reread_free(struct reread *r)
{
    if (!r)
        return;
    drop_snapshot(r);
    txn_set_fini(&r->seen);
    txn_set_fini(&r->end);
    txn_set_fini(&r->wanted);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* --- a worker's ---------------------------------------------------------------------------------
 */

void reread_begin(struct reread_work *w)
{
    w->strays.n = w->ids.n = 0;
    for (size_t i = 0; i < w->rows.n; i++)
        rows_free(w->rows.at[i]);
    w->rows.n = 0;
    if (w->ready)
        arena_fini(&w->images);
    w->ready = false;
}

void reread_fini(struct reread_work *w)
{
    reread_begin(w);
    vec_fini(&w->strays);
    vec_fini(&w->ids);
    vec_fini(&w->rows);
}

void reread_add_txn(struct reread_work *w, struct txn_id id)
{
    const struct txn_id *last = w->ids.n ? &w->ids.at[w->ids.n - 1] : NULL;

    if (!last || last->origin != id.origin || last->seq != id.seq)
        vec_push(&w->ids, id);
}

void reread_add(struct reread_work *w, size_t at, const struct sync_table *table)
{
    vec_push(&w->strays, ((struct stray){at, table}));
}

/* --- images that hold a key ---------------------------------------------------------------------
 */

static void put_value(struct row_writer *rw, const struct column_def *c, const struct value *v)
{
    if (v->state == VALUE_NULL)
        row_put_null(rw);
    else if (v->state == VALUE_ABSENT)
        row_put_absent(rw);
    else if (kind_width[c->kind])
        row_put_fixed(rw, v->p);
    else
        row_put_bytes(rw, v->p, v->len);
}

/* The key that the row has after the change: what the image after lacks has not changed. */
static bool key_image(const struct table_def *t, const struct write *x, struct value *values,
                      struct buf *out, struct err *e)
{
    struct value *before = values, *after = values + t->n_columns;
    const struct value none = {.state = VALUE_ABSENT};
    const struct key_def *k = &t->keys[t->row_key];
    struct row_writer rw;

    for (uint16_t i = 0; i < t->n_columns; i++)
        before[i] = none;
    if ((x->before.p && !row_read(t, x->encoding, true, x->before, before)) ||
        !row_read(t, x->encoding, true, x->after, after))
        return err_set(e, ERR_CORRUPT, "a row of '%s.%s' does not have its table's form", t->db,
                       t->name);
    for (uint16_t i = 0; i < k->n_parts; i++) {
        uint16_t c = k->parts[i].column;
        if (after[c].state != VALUE_ABSENT)
            before[c] = after[c];
    }
    buf_clear(out);
    row_begin(&rw, out, t, ROWS_CANONICAL, true);
    for (uint16_t i = 0, part; i < t->n_columns; i++) {
        for (part = 0; part < k->n_parts && k->parts[part].column != i;)
            part++;
        put_value(&rw, &t->columns[i], part < k->n_parts ? &before[i] : &none);
    }
    row_end(&rw);
    return buf_ok(out) || err_set(e, ERR_LIMIT, "a key of '%s.%s' is too large", t->db, t->name);
}

struct table_job { /* the strays of one table */
    const struct table_def *def;
    VEC(size_t) at;
    VEC(struct view) images;
    bool *found;
};

static bool collect(struct reread_work *w, const struct sync_table *table,
                    const struct write *writes, struct table_job *j, struct err *e)
{
    struct value *values = must_calloc(2 * (size_t)j->def->n_columns, sizeof *values);
    struct buf image CLEANUP(buf_fini);
    bool ok = true;

    buf_init(&image, IMAGE_MAX);
    for (size_t i = 0; ok && i < w->strays.n; i++) {
        size_t at = w->strays.at[i].at;
        if (w->strays.at[i].table != table)
            continue;
        ok = key_image(j->def, &writes[at], values, &image, e);
        vec_push(&j->at, at);
        vec_push(&j->images,
                 ((struct view){arena_memdup(&w->images, image.p, image.len), image.len}));
    }
    free(values);
    return ok;
}

static void give(const struct table_job *j, const struct rows *rows, struct write *writes)
{
    uint32_t n = 0;

    for (size_t i = 0; i < j->at.n; i++) {
        struct write *x = &writes[j->at.at[i]];

        x->again = true;
        x->after = j->images.at[i];
        x->row = j->found[i] ? rows_at(rows, n++) : (struct view){NULL, 0};
    }
}

static bool read_table(struct reread *r, struct reread_work *w, const struct sync_table *table,
                       struct write *writes, struct err *e)
{
    struct table_job j = {.def = table->def};
    struct rows *rows = rows_new(table->def, ROWS_MYSQL_TEXT, ROWS_MAX);
    bool ok = collect(w, table, writes, &j, e);

    vec_push(&w->rows, rows);
    if (ok) {
        j.found = must_calloc(j.at.n, sizeof *j.found);
        ok = r->ops->read_keys(r->reader, j.def, j.images.at, j.at.n, rows, j.found, e);
    }
    if (ok)
        give(&j, rows, writes);
    free(j.found);
    vec_fini(&j.at);
    vec_fini(&j.images);
    return ok;
}

/* --- a person's
 * -----------------------------------------------------------------------------------
 */

static void ask(struct sync *s, struct reread *r, const struct sync_table *table,
                const struct reread_work *w, const char *why)
{
    struct txn_set set;
    struct buf text, evidence;
    char id[TXN_TEXT_MAX];

    if (r->key[0] != '\0')
        return;
    txn_set_init(&set);
    for (size_t i = 0; i < w->ids.n; i++)
        txn_set_add(&set, w->ids.at[i].origin, w->ids.at[i].seq, w->ids.at[i].seq);
    buf_init(&text, 1u << 20);
    buf_init(&evidence, 4096);
    txn_set_format(&set, &text);
    (void)txn_text(w->ids.at[0], id);
    snprintf(r->key, sizeof r->key, "image:%s:%" PRIu32, id, r->round++);
    snprintf(r->table, sizeof r->table, "%s", table->key);
    buf_printf(&evidence,
               "transaction %s changed rows of %s within its copy with images that lack columns "
               "(a session with binlog_row_image MINIMAL or NOBLOB), and the rows cannot be read "
               "again from the source: %.1500s. The changes wait before it; it is tried again by "
               "itself. copy-again: %s is dropped on the target, made from its present definition, "
               "and all its rows are copied anew.",
               id, table->key, why, table->key);
    component_incident_table(s->c, r->key, err_name(ERR_IMAGE),
                             "a change within a table's copy lacks columns, and its row cannot be "
                             "read again",
                             buf_cstr(&evidence), "retry,copy-again", table->key, buf_cstr(&text));
    buf_fini(&evidence);
    buf_fini(&text);
    txn_set_fini(&set);
}

static void take_back(struct sync *s, struct reread *r)
{
    if (r->key[0] != '\0')
        component_incident_gone(s->c, r->key);
    r->key[0] = '\0';
}

/* --- reading
 * --------------------------------------------------------------------------------------
 */

/* May rows of this snapshot be written by this claim for these changes? */
static bool serves(const struct reread *r, const struct reread_work *w)
{
    if (is_old(r) && !w->uses)
        return false;
    for (size_t i = 0; r->reader && i < w->ids.n; i++)
        if (!txn_set_has(&r->seen, w->ids.at[i]))
            return false;
    for (size_t i = 0; r->reader && i < w->strays.n; i++)
        if (!txn_set_contains(w->strays.at[i].table->end, &r->end))
            return false;
    return r->reader != NULL;
}

static bool want(struct reread *r, const struct reread_work *w, struct err *e)
{
    r->fresh = true;
    for (size_t i = 0; i < w->ids.n; i++)
        txn_set_add(&r->wanted, w->ids.at[i].origin, w->ids.at[i].seq, w->ids.at[i].seq);
    return err_set(e, ERR_SERVER_BUSY,
                   "images of '%s' lack columns within its copy: its end moves, then the rows are "
                   "read again from the source",
                   w->strays.at[0].table->key);
}

static bool fill(struct sync *s, struct reread *r, struct reread_work *w, struct write *writes,
                 struct err *e)
{
    r->users += !w->uses;
    w->uses = true;
    if (r->holds && r->held_from.ns == 0)
        r->held_from = clock_mono();
    for (size_t i = 0; i < w->strays.n; i++) {
        const struct sync_table *table = w->strays.at[i].table;

        if (writes[w->strays.at[i].at].again || read_table(r, w, table, writes, e))
            continue;
        drop_snapshot(r);
        if (err_class_of(e->code) == ERR_CLASS_RETRY && ++r->failures < FAILURES_MAX)
            return false;
        ask(s, r, table, w, e->message);
        e->code = ERR_IMAGE;
        return false;
    }
    r->failures = 0;
    take_back(s, r);
    return true;
}

bool reread_fill(struct sync *s, struct reread_work *w, struct write *writes, struct err *e)
{
    struct reread *r = s->carry->reread;
    bool ok;

    if (w->strays.n == 0)
        return true;
    if (!w->ready)
        arena_init(&w->images, 0);
    w->ready = true;
    pthread_mutex_lock(&r->lock);
    ok = serves(r, w) ? fill(s, r, w, writes, e) : want(r, w, e);
    pthread_mutex_unlock(&r->lock);
    if (ok)
        FAULT(ROW_READ_AGAIN);
    return ok;
}

void reread_done(struct sync *s, struct reread_work *w)
{
    struct reread *r = s->carry->reread;

    if (!w->uses)
        return;
    pthread_mutex_lock(&r->lock);
    w->uses = false;
    r->users--;
    drop_if_old(r);
    pthread_mutex_unlock(&r->lock);
}

/* --- moving the ends
 * ------------------------------------------------------------------------------
 */

static bool open_snapshot(struct sync *s, struct reread *r, struct err *e)
{
    struct endpoint_address at = s->source_address;
    struct position begin = {.native = ""}, end = {.native = ""};
    bool exact = false, lets_go = false, ok;

    r->ops = s->source_endpoint->reader;
    txn_set_init(&begin.set);
    txn_set_init(&end.set);
    ok = endpoint_first(s->source_endpoint, &at, e) && r->ops->open(&at, &r->reader, e) &&
         r->ops->lets_go(r->reader, &lets_go, e) &&
         r->ops->begin_snapshot(r->reader, &begin, &exact, e) &&
         (exact || r->ops->position_past(r->reader, &end, e));
    if (ok) {
        txn_set_assign(&r->seen, &begin.set);
        txn_set_assign(&r->end, &begin.set);
        txn_set_union(&r->end, &end.set);
    } else {
        drop_snapshot(r);
    }
    txn_set_fini(&begin.set);
    txn_set_fini(&end.set);
    r->holds = !lets_go;
    return ok || err_wrap(e, "open a snapshot to read rows again");
}

/* Changes of a table whose end was passed are exact for ever; all others may be read again. */
static bool may_need_it(const struct sync *s, const struct reread *r, const struct table_pos *p)
{
    return p->done && p->mode == TABLE_MODE_OVERLAP && strcmp(p->db, "*") != 0 &&
           scope_has(s->scope, p->db, p->name) && !txn_set_contains(&p->end, &r->end) &&
           !txn_set_contains(s->endpoint->target->claim_low(s->claim), &p->end);
}

static bool move_one(struct sync *s, struct reread *r, const struct table_pos *p, struct err *e)
{
    struct txn_set end;
    bool ok;

    txn_set_copy(&end, &p->end);
    txn_set_union(&end, &r->end);
    ok = s->endpoint->target->table_end_move(s->claim, s->spec->fixed->full_task, p, &end, e);
    txn_set_fini(&end);
    if (ok)
        log_event(LOG_INFO, "incr_sync.end_moved",
                  "table '%s.%s': rows of it are read again from the source", p->db, p->name);
    return ok;
}

static bool move_ends(struct sync *s, struct reread *r, struct err *e)
{
    struct table_pos *pos = NULL;
    struct arena scratch;
    size_t n = 0;
    bool ok;

    arena_init(&scratch, 0);
    ok = s->endpoint->target->table_pos_list(s->claim, s->spec->fixed->full_task, &scratch, &pos,
                                             &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = !may_need_it(s, r, &pos[i]) || move_one(s, r, &pos[i], e);
    for (size_t i = 0; i < n; i++) {
        txn_set_fini(&pos[i].begin);
        txn_set_fini(&pos[i].end);
    }
    arena_fini(&scratch);
    return ok;
}

static void clear_wanted(struct reread *r)
{
    txn_set_fini(&r->wanted);
    txn_set_init(&r->wanted);
}

static void look_at_answer(struct sync *s, struct reread *r)
{
    char choice[32];

    if (r->key[0] == '\0' || !component_incident_choice(s->c, r->key, choice, sizeof choice))
        return;
    log_event(LOG_INFO, "incr_sync.answer", "%s: %s", r->key, choice);
    if (strcmp(choice, "copy-again") == 0) /* its new begin has the changes */
        clear_wanted(r);
    take_back(s, r);
}

bool reread_open(struct sync *s, struct err *e)
{
    struct reread *r;

    if (!s->carry->reread)
        s->carry->reread = reread_new();
    r = s->carry->reread;
    r->fresh = false;
    look_at_answer(s, r);
    if (txn_set_is_empty(&r->wanted))
        return true;
    if (r->reader && (is_old(r) || !txn_set_contains(&r->seen, &r->wanted)))
        drop_snapshot(r);
    if (!r->reader && !open_snapshot(s, r, e))
        return false;
    if (!txn_set_contains(&r->seen, &r->wanted)) {
        drop_snapshot(r);
        return err_set(e, ERR_SERVER_BUSY,
                       "the source does not show yet what its log has: rows are read again later");
    }
    if (!move_ends(s, r, e))
        return false;
    FAULT(ROW_END_MOVED);
    component_note(s->c, NOTE,
                   "rows are read again from the source: a session logs with binlog_row_image "
                   "MINIMAL or NOBLOB within a table's copy");
    clear_wanted(r);
    return true;
}

bool reread_is_asked(const struct carry *carry)
{
    return carry->reread && carry->reread->fresh;
}

void reread_look(struct sync *s)
{
    struct reread *r = s->carry->reread;

    if (pthread_mutex_trylock(&r->lock) != 0)
        return; /* it is reading */
    drop_if_old(r);
    pthread_mutex_unlock(&r->lock);
}

void reread_close(struct sync *s)
{
    struct reread *r = s->carry->reread;

    pthread_mutex_lock(&r->lock);
    if (r->reader)
        component_note(s->c, NOTE, NULL);
    drop_snapshot(r);
    pthread_mutex_unlock(&r->lock);
}
