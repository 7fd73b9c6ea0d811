/*
 * What Incr-Sync's shell meets, in memory and in one process: a component (specification, stop,
 * incidents, reports), a Store's stream that can break, and a target with fence, progress and one
 * table, that rolls back, refuses and dies as the test asks. Included by test_sync.c alone; its
 * functions take the place of components/runtime and components/stream at link time.
 */
#ifndef OMS_TEST_CONTRACT_INCR_SYNC_FAKE_WORLD_H
#define OMS_TEST_CONTRACT_INCR_SYNC_FAKE_WORLD_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define N_IDS 40
#define ORIGIN "mariadb:0"

struct row { /* of the one table: id, v; present = v != 0 */
    int64_t v;
};
struct component { /* the whole world */
    pthread_mutex_t lock;
    atomic_bool stop;
    Oms__ComponentSpec spec;
    Oms__ComponentFixed fixed;
    Oms__ObjectScope scope;
    Oms__Endpoint source_endpoint, target_endpoint;
    Oms__IncrementalOptions options;
    char *include[1];
    /* reports and incidents */
    char incident[200], incident_code[40], choice[40], position[400];
    bool has_error;
    uint32_t incidents;
    double gave_way;
    bool caught_up;
    int64_t lag;
    /* the source and the Store */
    const struct table_def *def;
    struct row source[N_IDS];
    VEC(struct buf *) blocks;
    uint64_t seq;
    uint32_t break_every; /* the stream breaks after so many reads; 0 = never */
    uint32_t connects;
    struct txn_set asked_after;
    /* the target */
    struct row target[N_IDS];
    struct txn_set low, done; /* the union of the progress rows */
    uint32_t retry_every, fail_every, applies, conflicts, plans;
    enum err_code fail_code;
    bool blocked; /* a stranger's row stands in the way of id 0 */
    char ddl_state[32], incident_table[80], incident_transaction[80];
    bool full_runs;              /* again */
    Oms__CopyAgain copied_again; /* transaction NULL: none */
    Oms__CopyAgain *copied_list[1];
    struct table_pos pos[2];
    /* or a real one */
    const struct endpoint *real_endpoint;
    struct endpoint_address real_address;
    bool real_source; /* its catalog, too */
    Oms__RenameRule rename;
    Oms__RenameRule *renames[1];
};
static struct component *world; /* stream_* and target_* have no other way to it */

static void world_lock(void)
{
    must(pthread_mutex_lock(&world->lock) == 0);
}
static void world_unlock(void)
{
    must(pthread_mutex_unlock(&world->lock) == 0);
}

/* --- components/runtime -------------------------------------------------------------------------
 */

const Oms__ComponentSpec *component_spec(const struct component *c)
{
    return &c->spec;
}
uint64_t component_epoch(const struct component *c)
{
    (void)c;
    return 1;
}
bool component_stopping(const struct component *c)
{
    return atomic_load(&c->stop);
}
bool component_wait(struct component *c, int64_t ms)
{
    struct mono until = mono_add_ms(clock_mono(), ms < 20 ? ms : 20); /* shorter than in life */

    while (!component_stopping(c) && mono_cmp(clock_mono(), until) < 0)
        sched_yield();
    return component_stopping(c);
}
Oms__ComponentLive *component_live(struct component *c)
{
    Oms__ComponentLive *live = must_calloc(1, sizeof *live);
    Oms__Peer *peer = must_calloc(1, sizeof *peer);

    oms__component_live__init(live);
    world_lock();
    live->full_done = !c->full_runs;
    live->copied_again = c->copied_list;
    live->n_copied_again = c->copied_again.transaction != NULL;
    world_unlock();
    oms__peer__init(peer);
    peer->component_id = must_strdup("p.store");
    peer->address = must_strdup("fake");
    peer->token_secret = must_strdup("token");
    live->n_peers = 1;
    live->peers = must_calloc(1, sizeof(Oms__Peer *));
    live->peers[0] = peer;
    return live;
}
void component_live_free(Oms__ComponentLive *l)
{
    free(l->peers[0]->component_id);
    free(l->peers[0]->address);
    free(l->peers[0]->token_secret);
    free(l->peers[0]);
    free(l->peers);
    free(l);
}
bool component_secret(struct component *c, const char *name, char *out, size_t cap, struct err *e)
{
    (void)c;
    (void)name;
    (void)e;
    snprintf(out, cap, "secret");
    return true;
}
void component_progress(struct component *c, const char *step, const char *unit, uint64_t done,
                        uint64_t total, double rate, int64_t eta_s)
{
    (void)c, (void)step, (void)unit, (void)done, (void)total, (void)rate, (void)eta_s;
}
void component_table(struct component *c, const char *step, const char *table, const char *state,
                     uint64_t done, uint64_t total, const char *detail)
{
    (void)c, (void)step, (void)table, (void)state, (void)done, (void)total, (void)detail;
}
void component_lag(struct component *c, const struct component_lag *l)
{
    (void)c, (void)l;
}
void component_note(struct component *c, const char *name, const char *text)
{
    (void)c, (void)name, (void)text;
}
/* Of every table the log's changes are accounted for. */
void component_row_counts(struct component *c, struct wall since, const struct component_rows *rows,
                          size_t n)
{
    (void)c, (void)since;
    for (size_t i = 0; i < n; i++)
        must(rows[i].source == rows[i].applied + rows[i].merged + rows[i].skipped);
}
void component_metric(struct component *c, const char *name, double value)
{
    world_lock();
    if (strcmp(name, "groups_gave_way") == 0)
        c->gave_way = value;
    world_unlock();
}
void component_position(struct component *c, const char *position, int64_t lag, bool caught_up,
                        int64_t backlog)
{
    (void)backlog;
    world_lock();
    snprintf(c->position, sizeof c->position, "%s", position);
    c->caught_up = caught_up;
    c->lag = lag;
    world_unlock();
}
void component_incident_table(struct component *c, const char *key, const char *code,
                              const char *summary, const char *evidence, const char *choices,
                              const char *table, const char *transaction)
{
    (void)summary, (void)evidence, (void)choices;
    world_lock();
    snprintf(c->incident, sizeof c->incident, "%s", key);
    snprintf(c->incident_code, sizeof c->incident_code, "%s", code);
    snprintf(c->incident_table, sizeof c->incident_table, "%s", table);
    snprintf(c->incident_transaction, sizeof c->incident_transaction, "%s", transaction);
    c->incidents++;
    world_unlock();
}
void component_incident(struct component *c, const char *key, const char *code, const char *summary,
                        const char *evidence, const char *choices)
{
    component_incident_table(c, key, code, summary, evidence, choices, "", "");
}
void component_incident_gone(struct component *c, const char *key)
{
    world_lock();
    if (strcmp(c->incident, key) == 0)
        c->incident[0] = c->choice[0] = '\0';
    world_unlock();
}
bool component_incident_choice(struct component *c, const char *key, char *choice, size_t cap)
{
    bool has;

    world_lock();
    has = strcmp(c->incident, key) == 0 && c->choice[0] != '\0';
    if (has)
        snprintf(choice, cap, "%s", c->choice);
    world_unlock();
    return has;
}
bool component_incident_answer(struct component *c, const char *k, char *to, size_t n,
                               struct buf *b)
{
    return (void)b, component_incident_choice(c, k, to, n);
}
void component_error(struct component *c, const struct err *e)
{
    world_lock();
    c->has_error = e != NULL;
    world_unlock();
}

/* --- components/stream --------------------------------------------------------------------------
 */

struct stream_client {
    size_t next;
    uint32_t reads;
    bool told;
};
bool stream_connect(const struct stream_client_params *p, struct stream_client **s, struct err *e)
{
    (void)e;
    *s = must_calloc(1, sizeof **s);
    world_lock();
    world->connects++;
    txn_set_assign(&world->asked_after, p->after);
    world_unlock();
    return true;
}
uint64_t stream_store_epoch(const struct stream_client *s)
{
    (void)s;
    return 1;
}
/* Every connection begins with the first block: what was delivered must be dropped by identity. */
bool stream_read(struct stream_client *s, int64_t timeout_ms, enum stream_event *ev,
                 struct block_head *head, struct buf *raw, struct stream_heard *heard,
                 struct err *e)
{
    bool ok = true;

    (void)timeout_ms;
    world_lock();
    if (world->break_every && ++s->reads > world->break_every) {
        ok = err_set(e, ERR_UNAVAILABLE, "the stream broke");
    } else if (s->next < world->blocks.n) {
        const struct buf *b = world->blocks.at[s->next++];

        s->told = false;
        buf_clear(raw);
        buf_append(raw, b->p, b->len);
        *head = (struct block_head){.number = s->next};
        *ev = STREAM_BLOCK;
    } else if (!s->told) {
        *heard = (struct stream_heard){.source_heard = clock_wall(),
                                       .source_time = clock_wall(),
                                       .last_number = world->blocks.n};
        *ev = STREAM_HEARD;
        s->told = true;
    } else {
        *ev = STREAM_NOTHING;
    }
    world_unlock();
    sched_yield();
    return ok;
}
bool stream_send_position(struct stream_client *s, const struct txn_set *low, struct err *e)
{
    (void)s, (void)low, (void)e;
    return true;
}
void stream_close(struct stream_client *s)
{
    free(s);
}

/* --- the target ---------------------------------------------------------------------------------
 */

struct claim {
    struct txn_set low, done;
};
struct slot {
    uint32_t n;
};
struct target_table {
    const struct table_def *def;
};

static bool fake_takeover(const struct takeover_params *p, struct claim **c, struct err *e)
{
    (void)p, (void)e;
    *c = must_calloc(1, sizeof **c);
    world_lock();
    txn_set_assign(&(*c)->low, &world->low);
    txn_set_assign(&(*c)->done, &world->done);
    world_unlock();
    return true;
}
static void fake_claim_close(struct claim *c)
{
    txn_set_fini(&c->low);
    txn_set_fini(&c->done);
    free(c);
}
static const struct txn_set *fake_low(const struct claim *c)
{
    return &c->low;
}
static const struct txn_set *fake_done(const struct claim *c)
{
    return &c->done;
}
static bool fake_slot_open(struct claim *c, uint32_t n, struct slot **s, struct err *e)
{
    (void)c, (void)e;
    *s = must_calloc(1, sizeof **s);
    (*s)->n = n;
    return true;
}
static void fake_slot_close(struct slot *s)
{
    free(s);
}
static bool fake_table_open(struct claim *c, const struct table_def *def, const char *db,
                            const char *name, struct target_table **t, struct err *e)
{
    (void)c, (void)db, (void)name, (void)e;
    *t = must_calloc(1, sizeof **t);
    (*t)->def = def;
    world_lock();
    world->plans++;
    world_unlock();
    return true;
}
static void fake_table_close(struct target_table *t)
{
    free(t);
}
static void read_cells(const struct write *w, struct view row, int64_t *id, int64_t *v)
{
    struct value values[2];

    must(row_read(w->table->def, w->encoding, w->has_absent, row, values));
    memcpy(id, values[0].p, 8);
    memcpy(v, values[1].p, 8);
}
static bool write_row(struct row *rows, const struct write *w)
{
    int64_t id, v, id0, v0;

    if (w->before.p)
        read_cells(w, w->before, &id0, &v0);
    if (w->after.p)
        read_cells(w, w->after, &id, &v);
    if (w->before.p) {
        if (rows[id0].v == 0 && !w->overlap)
            return false;
        rows[id0].v = 0;
    }
    if (w->after.p) {
        if ((rows[id].v != 0 && !w->overlap) || (world->blocked && id == 0))
            return false;
        rows[id].v = v;
    }
    return true;
}
static bool fake_apply(struct slot *s, const struct slot_commit *commit, const struct write *writes,
                       size_t n, struct apply_result *r, struct err *e)
{
    struct row rows[N_IDS];
    bool ok = true;

    (void)s;
    sched_yield();
    world_lock();
    world->applies++;
    memcpy(rows, world->target, sizeof rows);
    r->outcome = APPLY_COMMITTED;
    if (world->fail_every && world->applies % world->fail_every == 0)
        ok = err_set(e, world->fail_code, "the target fails as asked");
    else if (world->retry_every && world->applies % world->retry_every == 0)
        r->outcome = APPLY_RETRY;
    for (size_t i = 0; ok && r->outcome == APPLY_COMMITTED && i < n; i++)
        if (!write_row(rows, &writes[i])) {
            r->outcome = APPLY_CONFLICT;
            r->conflict_at = i;
            r->conflict_errno = 1062;
            snprintf(r->conflict_text, sizeof r->conflict_text, "duplicate entry");
            world->conflicts++;
        }
    if (ok && r->outcome == APPLY_COMMITTED) {
        r->rows_matched = n;
        memcpy(world->target, rows, sizeof rows);
        txn_set_union(&world->low, commit->low);
        txn_set_union(&world->done, commit->done);
    }
    world_unlock();
    return ok;
}

static bool fake_pos_list(struct claim *c, const char *task, struct arena *a,
                          struct table_pos **pos, size_t *n, struct err *e)
{
    (void)c, (void)task, (void)e;
    *pos = arena_memdup(a, world->pos, sizeof world->pos);
    for (int i = 0; i < 2; i++) {
        txn_set_copy(&(*pos)[i].begin, &world->pos[i].begin);
        txn_set_copy(&(*pos)[i].end, &world->pos[i].end);
    }
    *n = 2;
    return true;
}
static bool fake_memo_put(struct claim *c, const char *key, const struct memo *m, struct err *e)
{
    (void)c, (void)e;
    if (strncmp(key, "mariadb", 7) == 0)
        snprintf(world->ddl_state, sizeof world->ddl_state, "%s", m->state);
    return true;
}
static bool fake_memo_get(struct claim *c, const char *task, const char *key, struct arena *a,
                          struct memo *m, bool *found, struct err *e)
{
    (void)c, (void)task, (void)e, *m = (struct memo){.state = arena_strdup(a, world->ddl_state)};
    return *found = world->ddl_state[0] != '\0' && strncmp(key, "mariadb", 7) == 0, true;
}
static const struct target_ops fake_target = {.takeover = fake_takeover,
                                              .claim_close = fake_claim_close,
                                              .claim_low = fake_low,
                                              .claim_done = fake_done,
                                              .slot_open = fake_slot_open,
                                              .slot_close = fake_slot_close,
                                              .table_open = fake_table_open,
                                              .table_close = fake_table_close,
                                              .apply = fake_apply,
                                              .table_pos_list = fake_pos_list,
                                              .memo_put = fake_memo_put,
                                              .memo_get = fake_memo_get};

static bool fake_connect(const struct endpoint_address *a, struct session **s, struct err *e)
{
    (void)a, (void)e;
    *s = NULL;
    return true;
}
static void fake_close(struct session *s)
{
    (void)s;
}
static bool fake_load_table(struct session *s, const char *db, const char *name,
                            const struct table_def **out, struct err *e)
{
    (void)s, (void)db, (void)name, (void)e;
    *out = table_def_ref(world->def);
    return true;
}
static bool fake_list_families(struct session *s, struct arena *arena, struct family_member **out,
                               size_t *n, struct err *e)
{
    (void)s, (void)arena, (void)out, (void)e;
    *n = 0;
    return true;
}
static enum fold fake_fold(const struct column_def *c)
{
    (void)c;
    return FOLD_EXACT;
}
static const struct catalog_ops fake_catalog = {.connect = fake_connect,
                                                .close = fake_close,
                                                .load_table = fake_load_table,
                                                .list_families = fake_list_families};
static const struct dialect_ops fake_dialect = {.key_fold = fake_fold};
static const struct endpoint fake_endpoint = {
    .name = "fake", .catalog = &fake_catalog, .target = &fake_target, .dialect = &fake_dialect};

bool component_address(struct component *c, const char *id, struct endpoint_address *out,
                       const struct endpoint **endpoint, struct err *e)
{
    bool real = c->real_endpoint && (c->real_source || strcmp(id, "b") == 0);

    (void)e;
    *out = real ? c->real_address : (struct endpoint_address){.kind = "fake"};
    *endpoint = real ? c->real_endpoint : &fake_endpoint;
    return true;
}

#endif
