/* A window and what is pushed into it. Included by test_window*.c. */
#ifndef OMS_TEST_UNIT_INCR_SYNC_WINDOW_FIXTURE_H
#define OMS_TEST_UNIT_INCR_SYNC_WINDOW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/window.h"

#define TXNS 64

struct fixture {
    struct window *w;
    struct source_txn txns[TXNS];
    uint64_t keys[TXNS][2], tags[TXNS][2];
    uint32_t n, released;
    const char *origin;
};

static void released(void *arg, struct source_txn *t)
{
    struct fixture *f = arg;

    (void)t;
    f->released++;
}

static struct fixture *make(struct window_limits l)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct txn_set none;

    txn_set_init(&none);
    if (l.slots == 0)
        l.slots = 4;
    if (l.group_txns == 0)
        l.group_txns = 10;
    if (l.txns == 0)
        l.txns = TXNS;
    l.group_bytes = 1000;
    l.bulk_bytes = 500;
    l.bytes = 100000;
    l.scan_skips = 100;
    f->origin = origin_intern("t:0", 3);
    f->w = window_new(&l, &none, &none, &none, released, f);
    return f;
}

static void done(struct fixture *f)
{
    window_free(f->w);
    free(f);
}

static struct source_txn *push(struct fixture *f, enum source_class class_, uint64_t key,
                               uint64_t bytes)
{
    struct source_txn *t = &f->txns[f->n];

    f->keys[f->n][0] = key;
    f->n++;
    t->id = (struct txn_id){f->origin, f->n};
    t->covers_from = f->n;
    t->class_ = class_;
    t->bytes = bytes;
    t->changes = 1;
    t->keys = f->keys[f->n - 1];
    t->n_keys = class_ == SOURCE_ROWS ? 1 : 0;
    window_push(f->w, t);
    return t;
}

#endif
