/* See budget.h. Nothing else is waited for or locked under the lock, so no cycle closes. */
#include "components/incr_sync/budget.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/must.h"
#include "common/os/cond.h"

struct budget {
    pthread_mutex_t lock;
    pthread_cond_t given;
    size_t limit, used;
    uint32_t item_limit, items;
};

struct budget *budget_new(size_t bytes, uint32_t items)
{
    struct budget *b = must_calloc(1, sizeof *b);

    b->limit = bytes;
    b->item_limit = items;
    must(pthread_mutex_init(&b->lock, NULL) == 0);
    cond_init(&b->given);
    return b;
}

void budget_free(struct budget *b)
{
    if (!b)
        return;
    pthread_cond_destroy(&b->given);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static bool fits(const struct budget *b, size_t n)
{
    return b->used == 0 || (b->used + n <= b->limit && b->items < b->item_limit);
}

bool budget_take(struct budget *b, size_t n, int64_t timeout_ms)
{
    struct timespec until = cond_deadline(timeout_ms);
    bool ok;

    pthread_mutex_lock(&b->lock);
    while (!fits(b, n) && pthread_cond_timedwait(&b->given, &b->lock, &until) == 0)
        ;
    ok = fits(b, n);
    if (ok) {
        b->used += n;
        b->items++;
    }
    pthread_mutex_unlock(&b->lock);
    return ok;
}

void budget_force(struct budget *b, size_t n, uint32_t items)
{
    pthread_mutex_lock(&b->lock);
    b->used += n;
    b->items += items;
    pthread_mutex_unlock(&b->lock);
}

void budget_give(struct budget *b, size_t n, uint32_t items)
{
    pthread_mutex_lock(&b->lock);
    must(b->used >= n && b->items >= items);
    b->used -= n;
    b->items -= items;
    pthread_cond_signal(&b->given);
    pthread_mutex_unlock(&b->lock);
}
