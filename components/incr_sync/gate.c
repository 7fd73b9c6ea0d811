#include "components/incr_sync/gate.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/must.h"
#include "common/base/time.h"
#include "common/os/clock.h"

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t next;      /* the turn that may commit */
    uint64_t give_way;  /* this turn and later ones roll back; UINT64_MAX: none */
    struct mono since;  /* next is what it is */
    uint32_t n_waiting; /* in gate_wait */
};

struct gate *gate_new(void)
{
    struct gate *g = must_calloc(1, sizeof *g);

    must(pthread_mutex_init(&g->lock, NULL) == 0);
    must(pthread_cond_init(&g->changed, NULL) == 0);
    g->give_way = UINT64_MAX;
    return g;
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

bool gate_wait(struct gate *g, uint64_t turn)
{
    bool may;

    pthread_mutex_lock(&g->lock);
    g->n_waiting++;
    while (turn != g->next && turn < g->give_way)
        pthread_cond_wait(&g->changed, &g->lock);
    may = turn == g->next && turn < g->give_way;
    g->n_waiting--;
    pthread_mutex_unlock(&g->lock);
    return may;
}

static void set(struct gate *g, uint64_t next, uint64_t give_way)
{
    if (g->next != next)
        g->since = clock_mono();
    g->next = next;
    g->give_way = give_way;
    pthread_cond_broadcast(&g->changed);
}

void gate_passed(struct gate *g, uint64_t turn)
{
    pthread_mutex_lock(&g->lock);
    must(turn == g->next || g->give_way == 0); /* closed meanwhile */
    if (turn == g->next)
        set(g, turn + 1, g->give_way);
    pthread_mutex_unlock(&g->lock);
}

void gate_broke(struct gate *g, uint64_t turn)
{
    pthread_mutex_lock(&g->lock);
    if (turn < g->give_way)
        set(g, g->next, turn);
    pthread_mutex_unlock(&g->lock);
}

bool gate_is_stuck(struct gate *g, int64_t ms, uint64_t *turn)
{
    struct mono now = clock_mono();
    bool stuck;

    pthread_mutex_lock(&g->lock);
    *turn = g->next;
    stuck = g->n_waiting > 0 && g->next < g->give_way && mono_ms_between(g->since, now) >= ms;
    if (stuck)
        g->since = now;
    pthread_mutex_unlock(&g->lock);
    return stuck;
}

void gate_give_way(struct gate *g, uint64_t turn)
{
    pthread_mutex_lock(&g->lock);
    if (turn == g->next && turn + 1 < g->give_way)
        set(g, g->next, turn + 1);
    pthread_mutex_unlock(&g->lock);
}

void gate_open(struct gate *g, uint64_t next)
{
    pthread_mutex_lock(&g->lock);
    g->since = clock_mono();
    set(g, next, UINT64_MAX);
    pthread_mutex_unlock(&g->lock);
}

void gate_close(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    set(g, UINT64_MAX, 0);
    pthread_mutex_unlock(&g->lock);
}
