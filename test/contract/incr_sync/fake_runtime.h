/*
 * The world of Incr-Sync's shell in tests, and its side to components/runtime, whose functions
 * these take the place of at link time: specification, stop, incidents, reports. See fake_world.h.
 */
#ifndef OMS_TEST_CONTRACT_INCR_SYNC_FAKE_RUNTIME_H
#define OMS_TEST_CONTRACT_INCR_SYNC_FAKE_RUNTIME_H

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
    /* what a snapshot of the source shows, and the last transactions that it may or may not show */
    struct row shown[N_IDS];
    uint64_t shown_seq, unsure;
    bool holds; /* the tables that it reads */
    uint32_t opens, closes, reads, fail_reads_every, end_moves;
    enum err_code read_code;
    bool dies_after_move; /* once */
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
    bool alone;                 /* no copy: what follows is what there is */
    struct txn_set store_begin; /* empty: none yet */
    struct table_pos own;       /* recorded under Incr-Sync's own task ... */
    size_t n_own;               /* ... or not yet */
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

#endif
