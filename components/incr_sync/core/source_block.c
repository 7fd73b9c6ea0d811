#include "components/incr_sync/core/source_block.h"

#include <stdlib.h>

#include "common/base/must.h"
#include "common/base/vec.h"

struct source_block *source_block_new(size_t raw_max)
{
    struct source_block *b = must_calloc(1, sizeof *b);

    buf_init(&b->raw, raw_max);
    arena_init(&b->arena, 0);
    atomic_init(&b->live, 1);
    return b;
}

void source_block_free(struct source_block *b)
{
    if (!b)
        return;
    buf_fini(&b->raw);
    arena_fini(&b->arena);
    vec_fini(&b->txns);
    free(b);
}

struct source_txn *source_txn_alone(void)
{
    return must_calloc(1, sizeof(struct source_txn));
}

void source_txn_release(struct source_txn *t, source_block_idle *idle, void *arg)
{
    /* The transaction and its list of parts live in the block of the last part: nothing of them is
     * touched after that reference is gone. */
    uint32_t n = t->n_parts;

    if (t->pipe) {
        free((void *)t->native.p);
        free(t->tables);
        free(t);
        return;
    }
    const struct txn_part *parts = t->parts;

    for (uint32_t i = 0; i < n; i++) {
        struct source_block *b = parts[i].block;

        if (source_block_unref(b))
            idle(arg, b);
    }
}
