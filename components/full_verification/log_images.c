/*
 * What the Store's log has of one table between two positions, for rows that move (E3): a reader of
 * the stream for as long as that takes. It is no reader that log is kept for: where the Store has
 * removed what lies in between, nothing is claimed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/full_verification/verification_priv.h"
#include "components/stream/stream.h"

#define CONNECT_MS 10000
#define READ_MS 200
#define SILENT_MS 30000 /* nothing new for so long: the Store does not have it */
#define LOG_BYTES_MAX (4ull << 30)
#define TABLE_ID_MAX (1u << 22)

struct walk {
    struct check_table *t;
    const struct log_span *span;
    struct history *h;
    VEC(const struct table_def *) by_id;
    struct txn_set seen;
    struct history_txn txn; /* at work */
    bool counts;            /* it lies in the span */
    uint64_t bytes;
};

/* --- the Store ----------------------------------------------------------------------------------
 */

static bool connect_store(struct verification *v, const struct log_span *span,
                          struct stream_client **out, struct err *e)
{
    Oms__ComponentLive *live = component_live(v->c);
    struct stream_client_params p = {
        .reader = "", .after = span->p0, .timeout_ms = CONNECT_MS, .connections = 1};
    char address[STREAM_ADDRESS_MAX] = "", token[256] = "", secret[256] = "";

    for (size_t i = 0; live && i < live->n_peers; i++) {
        const Oms__Peer *peer = live->peers[i];

        if (!peer->component_id || strcmp(peer->component_id, v->store_id) != 0 || !peer->address)
            continue;
        snprintf(address, sizeof address, "%s", peer->address);
        snprintf(secret, sizeof secret, "%s", peer->token_secret ? peer->token_secret : "");
        p.least_epoch = peer->epoch;
    }
    component_live_free(live);
    if (!address[0])
        return err_set(e, ERR_UNAVAILABLE, "the address of store '%s' is not known", v->store_id);
    if (secret[0] && !component_secret(v->c, secret, token, sizeof token, e))
        return false;
    p.address = address;
    p.token = token;
    return stream_connect(&p, out, e) || err_wrap(e, "connect to store '%s'", v->store_id);
}

/* --- tables -------------------------------------------------------------------------------------
 */

static bool is_ours(const struct walk *w, const struct table_def *def)
{
    return strcmp(def->db, w->t->def->db) == 0 && strcmp(def->name, w->t->def->name) == 0;
}

/* Do rows of one mean the same as rows of the other, byte by byte? */
static bool same_form(const struct table_def *a, const struct table_def *b)
{
    bool same = a->n_columns == b->n_columns;

    for (uint16_t i = 0; same && i < a->n_columns; i++) {
        const struct column_def *x = &a->columns[i], *y = &b->columns[i];

        same = strcmp(x->name, y->name) == 0 && x->kind == y->kind && x->scale == y->scale &&
               strcmp(x->charset, y->charset) == 0;
    }
    return same;
}

static bool take_version(struct walk *w, struct view body, struct err *e)
{
    struct cursor c = cursor_of(body.p, body.len);
    const struct table_def *def;

    if (!table_def_decode(&c, &def, e))
        return err_wrap(e, "read a table version");
    if (def->id == 0 || def->id > TABLE_ID_MAX) {
        table_def_unref(def);
        return err_set(e, ERR_CORRUPT, "a table version has no usable number");
    }
    while (w->by_id.n <= def->id)
        vec_push(&w->by_id, (const struct table_def *)NULL);
    table_def_unref(w->by_id.at[def->id]);
    w->by_id.at[def->id] = def;
    return true;
}

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct walk *w = arg;

    return id < w->by_id.n ? w->by_id.at[id] : NULL;
}

/* --- transactions -------------------------------------------------------------------------------
 */

static void begin_txn(struct walk *w, const struct record *r, const struct txn_head *h)
{
    const struct log_span *s = w->span;

    w->counts = !txn_set_has(s->p0, h->id) && txn_set_has(s->p2, h->id);
    w->txn = (struct history_txn){.id = h->id,
                                  .in_p1 = txn_set_has(s->p1, h->id),
                                  .parts = h->part > 0 || r->type == RECORD_TXN_PART};
}

static void end_txn(struct walk *w, const struct txn_head *h)
{
    if (w->counts)
        history_txn_end(w->h, &w->txn);
    txn_set_add(&w->seen, h->id.origin, h->covers_from, h->id.seq);
}

static bool take_changes(struct walk *w, struct view changes, struct err *e)
{
    struct change_iter it;
    struct change ch;

    change_iter_init(&it, changes, resolve, w);
    while (change_next(&it, &ch)) {
        if (!is_ours(w, ch.table))
            continue;
        if (!same_form(ch.table, w->t->def))
            return err_set(e, ERR_SERVER_TABLE_CHANGED, "its definition changed in between");
        if (!history_change(w->h, &w->txn, &ch, e))
            return false;
    }
    return !it.c.failed || err_set(e, ERR_CORRUPT, "transaction %s=%" PRIu64 " is damaged",
                                   w->txn.id.origin, w->txn.id.seq);
}

static bool take_txn(struct walk *w, const struct record *r, struct err *e)
{
    struct cursor c = cursor_of(r->body.p, r->body.len);
    struct txn_head h;

    if (!txn_head_read(&c, &h))
        return err_set(e, ERR_CORRUPT, "a transaction's head is damaged");
    begin_txn(w, r, &h);
    if (w->counts && !take_changes(w, (struct view){c.p, cursor_left(&c)}, e))
        return false;
    if (r->type == RECORD_TXN)
        end_txn(w, &h);
    return true;
}

static bool is_named(const char *name, struct view v)
{
    return strlen(name) == v.len && strncasecmp(name, (const char *)v.p, v.len) == 0;
}

static bool may_touch(const struct walk *w, const struct ddl_record *d)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    const struct table_def *def = w->t->def;
    struct ddl_table t;

    if (!(d->flags & DDL_F_READ))
        return d->in_scope;
    while (ddl_table_next(&c, &t))
        if (is_named(def->db, t.db) && (t.role == DDL_ROLE_DATABASE || is_named(def->name, t.name)))
            return true;
    return c.failed;
}

/* What a DDL does with rows is in no image. */
static bool take_ddl(struct walk *w, const struct record *r, struct err *e)
{
    struct cursor c = cursor_of(r->body.p, r->body.len);
    struct ddl_record d;
    struct txn_head h;

    if (!txn_head_read(&c, &h) || !ddl_record_read(&c, &d))
        return err_set(e, ERR_CORRUPT, "a DDL record is damaged");
    begin_txn(w, r, &h);
    if (w->counts && may_touch(w, &d))
        return err_set(e, ERR_SERVER_TABLE_CHANGED, "a DDL on it lies in between");
    if (r->type == RECORD_DDL)
        end_txn(w, &h);
    return true;
}

static bool take_records(struct walk *w, const struct buf *raw, struct err *e)
{
    struct cursor c = cursor_of(raw->p, raw->len);
    struct record r;
    bool ok = true;

    w->bytes += raw->len;
    while (ok && record_next(&c, &r)) {
        if (r.type == RECORD_TABLE_VERSION)
            ok = take_version(w, r.body, e);
        else if (r.type == RECORD_TXN || r.type == RECORD_TXN_PART)
            ok = take_txn(w, &r, e);
        else if (r.type == RECORD_DDL || r.type == RECORD_DDL_PART)
            ok = take_ddl(w, &r, e);
        else if (r.type != RECORD_HEARTBEAT)
            ok = err_set(e, ERR_CORRUPT, "a record of the unknown type %d", (int)r.type);
    }
    if (!ok)
        return false;
    return !c.failed || err_set(e, ERR_CORRUPT, "a block's records are damaged");
}

static bool follow(struct verification *v, struct walk *w, struct stream_client *s, struct buf *raw,
                   struct err *e)
{
    struct mono heard_at = clock_mono();
    struct stream_heard heard;
    struct block_head head;
    enum stream_event ev;

    while (!txn_set_contains(&w->seen, w->span->p2)) {
        if (verification_is_stopping(v))
            return err_set(e, ERR_CANCELLED, "told to stop while reading the log");
        if (mono_ms_between(heard_at, clock_mono()) > SILENT_MS)
            return err_set(e, ERR_TIMEOUT, "store '%s' does not come to the position", v->store_id);
        if (!stream_read(s, READ_MS, &ev, &head, raw, &heard, e))
            return false;
        if (ev != STREAM_BLOCK && ev != STREAM_TABLES)
            continue;
        heard_at = clock_mono();
        if (!take_records(w, raw, e))
            return false;
        if (w->bytes > LOG_BYTES_MAX)
            return err_set(e, ERR_LIMIT, "more than %llu bytes of log lie in between",
                           LOG_BYTES_MAX);
    }
    return true;
}

bool log_images(struct verification *v, struct check_table *t, const struct log_span *span,
                struct history *h, struct err *e)
{
    struct walk w = {.t = t, .span = span, .h = h};
    struct stream_client *s = NULL;
    struct buf raw CLEANUP(buf_fini);
    bool ok;

    buf_init(&raw, BLOCK_RAW_MAX);
    if (txn_set_contains(span->p0, span->p2)) /* nothing lies in between */
        return true;
    if (!v->store_id)
        return err_set(e, ERR_UNAVAILABLE, "there is no Store to ask");
    txn_set_init(&w.seen);
    txn_set_copy(&w.seen, span->p0);
    ok = connect_store(v, span, &s, e) && follow(v, &w, s, &raw, e);
    if (s)
        stream_close(s);
    for (size_t i = 0; i < w.by_id.n; i++)
        table_def_unref(w.by_id.at[i]);
    vec_fini(&w.by_id);
    txn_set_fini(&w.seen);
    return ok;
}
