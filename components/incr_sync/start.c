/*
 * Where to begin, and what the copy left: oms_meta.table_pos of the Full-Import task. Begin is the
 * intersection of all B: nothing that some table still needs is left out; what a table's copy holds
 * already is skipped per table and transaction (intake).
 *
 * A project without a copy begins where its Store's log does. That is recorded under our own task
 * before anything is applied, and compared at each claim: a Store that was made anew somewhere else
 * would leave transactions out, or bring them again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "components/incr_sync/sync_priv.h"
#include "components/stream/stream.h"
#include "components/transform/transform.h"

#define ASK_MS 10000

static int by_name(const void *a, const void *b)
{
    const struct copied_table *x = a, *y = b;
    int diff = strcmp(x->pos->db, y->pos->db);

    return diff != 0 ? diff : strcmp(x->pos->name, y->pos->name);
}

static void intersect(struct txn_set *a, const struct txn_set *b)
{
    struct txn_set not_in_b;

    txn_set_init(&not_in_b);
    txn_set_assign(&not_in_b, a);
    txn_set_subtract(&not_in_b, b);
    txn_set_subtract(a, &not_in_b);
    txn_set_fini(&not_in_b);
}

/* NULL: none */
static const char *place_of(const struct txn_set *s)
{
    for (size_t i = 0; i < s->origins.n; i++)
        if (origin_is_place(s->origins.at[i].origin))
            return s->origins.at[i].origin;
    return NULL;
}

/* Places of two servers cannot be compared: a table that was copied anew from another one would get
 * changes again that its copy holds. */
static bool one_server(struct start_facts *f, const struct table_pos *p, struct err *e)
{
    const char *place = place_of(&p->begin);

    if (!f->place)
        f->place = place;
    return !place || place == f->place ||
           err_set(e, ERR_COPY_PLACE,
                   "the copy of '%s.%s' begins at a place of %s, others at places of %s", p->db,
                   p->name, place, f->place);
}

static bool take_pos(struct sync *s, const struct table_pos *p, struct err *e)
{
    struct start_facts *f = &s->start;
    bool whole = strcmp(p->db, "*") == 0;

    if (!whole && !scope_has(s->scope, p->db, p->name))
        return true;
    if (!whole && !p->done)
        return err_set(e, ERR_COPY_RUNS, "the copy of table '%s.%s' has not ended", p->db, p->name);
    if (!one_server(f, p, e))
        return false;
    if (!f->any)
        txn_set_assign(&f->begin, &p->begin);
    else
        intersect(&f->begin, &p->begin);
    f->any = true;
    if (whole)
        return true;
    txn_set_union(&f->end, &p->end);
    vec_push(&f->tables,
             ((struct copied_table){transform_table_key(&s->arena, p->db, p->name), p}));
    return true;
}

static bool load_families(struct sync *s, struct err *e)
{
    const struct catalog_ops *cat = s->endpoint->catalog;
    struct session *session = NULL;
    bool ok;

    ok = cat->connect(&s->address, &session, e) &&
         cat->list_families(session, &s->arena, &s->start.families, &s->start.n_families, e);
    cat->close(session);
    return ok ? true : err_wrap(e, "read the foreign keys of the target");
}

static bool ask_store(struct sync *s, struct txn_set *begin, struct err *e)
{
    const char *id = s->spec->fixed->store_id;
    struct store_peer peer;
    char token[256] = "";

    if (!store_peer_find(s->c, id, &peer))
        return err_set(e, ERR_UNAVAILABLE, "the address of store '%s' is not known yet", id);
    if (peer.token_secret[0] != '\0' &&
        !component_secret(s->c, peer.token_secret, token, sizeof token, e))
        return err_wrap(e, "connect to store '%s'", id);
    struct stream_client_params p = {
        .address = peer.address, .token = token, .least_epoch = peer.epoch, .timeout_ms = ASK_MS};
    return stream_begin(&p, begin, e);
}

static bool began_elsewhere(struct sync *s, const struct txn_set *ours, const struct txn_set *store,
                            struct err *e)
{
    struct buf a CLEANUP(buf_fini), b CLEANUP(buf_fini);

    buf_init(&a, 300);
    buf_init(&b, 300);
    txn_set_format(ours, &a);
    txn_set_format(store, &b);
    return err_set(e, ERR_START,
                   "the log of store '%s' begins behind '%s', and the target's record of task '%s' "
                   "behind '%s': the store was made anew, or another project of this name left it",
                   s->spec->fixed->store_id, buf_ok(&b) ? buf_cstr(&b) : "...", s->spec->task,
                   buf_ok(&a) ? buf_cstr(&a) : "...");
}

/* Of a project without a copy. */
static bool begin_with_store(struct sync *s, const struct txn_set *begin, struct err *e)
{
    const struct target_ops *to = s->endpoint->target;
    struct table_pos pos = {.db = "*", .name = "*", .begin = *begin, .end = *begin, .done = true};
    struct start_facts *f = &s->start;

    if (f->n_pos > 0)
        return txn_set_equal(&f->pos[0].begin, begin) ||
               began_elsewhere(s, &f->pos[0].begin, begin, e);
    if (!txn_set_is_empty(to->claim_low(s->claim)))
        return err_set(e, ERR_NO_START,
                       "the target has progress of task '%s' and no record of where it began",
                       s->spec->task);
    if (!to->table_pos_put(s->claim, &pos, e) ||
        !to->table_pos_list(s->claim, s->spec->task, &s->arena, &f->pos, &f->n_pos, e))
        return false;
    log_event(LOG_INFO, "incr_sync.begin", "where store '%s' begins", s->spec->fixed->store_id);
    return true;
}

static bool load_record(struct sync *s, struct err *e)
{
    const struct target_ops *to = s->endpoint->target;
    const char *task = s->spec->fixed->full_task;
    struct start_facts *f = &s->start;
    struct txn_set begin;

    if (task && *task)
        return to->table_pos_list(s->claim, task, &s->arena, &f->pos, &f->n_pos, e) ||
               err_wrap(e, "read the positions of the copy '%s'", task);
    if (!to->table_pos_list(s->claim, s->spec->task, &s->arena, &f->pos, &f->n_pos, e))
        return err_wrap(e, "read where task '%s' began", s->spec->task);
    if (!ask_store(s, &begin, e))
        return false;
    bool ok = begin_with_store(s, &begin, e);
    txn_set_fini(&begin);
    return ok;
}

bool start_load(struct sync *s, struct err *e)
{
    const char *task = s->spec->fixed->full_task;
    struct start_facts *f = &s->start;

    if (!reread_open(s, e) || !load_record(s, e))
        return false;
    for (size_t i = 0; i < f->n_pos; i++)
        if (!take_pos(s, &f->pos[i], e))
            return false;
    if (f->tables.n > 0)
        qsort(f->tables.at, f->tables.n, sizeof *f->tables.at, by_name);
    if (!f->any)
        return err_set(e, ERR_NO_START, "the target has no record of the copy '%s'", task);
    return load_families(s, e);
}

void start_fini(struct start_facts *f)
{
    for (size_t i = 0; i < f->n_pos; i++) {
        txn_set_fini(&f->pos[i].begin);
        txn_set_fini(&f->pos[i].end);
    }
    vec_fini(&f->tables);
    txn_set_fini(&f->begin);
    txn_set_fini(&f->end);
}

static int member_cmp(const void *a, const void *b)
{
    const struct family_member *x = a, *y = b;
    int c = strcmp(x->db, y->db);

    return c ? c : strcmp(x->name, y->name);
}

const char *start_family(const struct start_facts *f, const char *to_db, const char *to_name)
{
    struct family_member want = {.db = to_db, .name = to_name}, *found;

    if (f->n_families == 0)
        return NULL;
    found = bsearch(&want, f->families, f->n_families, sizeof want, member_cmp);
    return found ? found->family : NULL;
}

const struct table_pos *start_find(const struct start_facts *f, const char *db, const char *table)
{
    struct table_pos pos = {.db = db, .name = table};
    struct copied_table want = {.pos = &pos}, *found;

    if (f->tables.n == 0)
        return NULL;
    found = bsearch(&want, f->tables.at, f->tables.n, sizeof *f->tables.at, by_name);
    return found ? found->pos : NULL;
}
