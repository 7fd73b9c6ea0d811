/*
 * A source's snapshots in memory: the rows as of what was published last, read by key. With
 * `unsure` it says less of them than it shows, as MySQL does, and a little more each time. Included
 * by fake_world.h.
 */
#ifndef OMS_TEST_CONTRACT_INCR_SYNC_FAKE_READER_H
#define OMS_TEST_CONTRACT_INCR_SYNC_FAKE_READER_H

#include "test/contract/incr_sync/fake_runtime.h"

struct reader {
    struct row rows[N_IDS];
    uint64_t seq;
};

static bool fake_reader_open(const struct endpoint_address *a, struct reader **r, struct err *e)
{
    (void)a, (void)e;
    *r = must_calloc(1, sizeof **r);
    return true;
}
static void fake_reader_close(struct reader *r)
{
    world_lock();
    world->closes++;
    world_unlock();
    free(r);
}
static bool fake_lets_go(struct reader *r, bool *does, struct err *e)
{
    (void)r, (void)e;
    *does = !world->holds;
    return true;
}
static bool fake_begin_snapshot(struct reader *r, struct position *pos, bool *exact, struct err *e)
{
    (void)e;
    txn_set_init(&pos->set);
    world_lock();
    memcpy(r->rows, world->shown, sizeof r->rows);
    r->seq = world->shown_seq;
    world->opens++;
    *exact = world->unsure == 0;
    txn_set_add(&pos->set, origin_intern(ORIGIN, strlen(ORIGIN)), 1, r->seq - world->unsure);
    world->unsure /= 2;
    world_unlock();
    return true;
}
static bool fake_position_past(struct reader *r, struct position *pos, struct err *e)
{
    (void)e;
    txn_set_init(&pos->set);
    txn_set_add(&pos->set, origin_intern(ORIGIN, strlen(ORIGIN)), 1, r->seq);
    return true;
}
static void give_row(const struct table_def *t, int64_t id, int64_t v, struct rows *out)
{
    struct row_writer rw;
    char text[32];

    row_begin(&rw, &out->bytes, t, ROWS_MYSQL_TEXT, false);
    for (int i = 0; i < 2; i++)
        row_put_bytes(&rw, text,
                      (size_t)snprintf(text, sizeof text, "%lld", (long long)(i ? v : id)));
    row_end(&rw);
    rows_added(out);
}
static bool fake_read_keys(struct reader *r, const struct table_def *t, const struct view *images,
                           size_t n, struct rows *out, bool *found, struct err *e)
{
    bool ok = true;

    world_lock();
    if (world->fail_reads_every && ++world->reads % world->fail_reads_every == 0)
        ok = err_set(e, world->read_code, "the source fails as asked");
    world_unlock();
    for (size_t i = 0; ok && i < n; i++) {
        struct value values[2];
        int64_t id;

        must(row_read(t, ROWS_CANONICAL, true, images[i], values));
        must(values[0].state == VALUE_SET && values[1].state == VALUE_ABSENT);
        memcpy(&id, values[0].p, 8);
        found[i] = r->rows[id].v != 0;
        if (found[i])
            give_row(t, id, r->rows[id].v, out);
    }
    /* The table's end is, durably, behind all that the snapshot shows. */
    struct txn_set all;
    txn_set_init(&all);
    txn_set_add(&all, origin_intern(ORIGIN, strlen(ORIGIN)), 1, r->seq);
    world_lock();
    must(txn_set_contains(&world->pos[1].end, &all));
    world_unlock();
    txn_set_fini(&all);
    return ok;
}
static const struct reader_ops fake_reader = {.open = fake_reader_open,
                                              .close = fake_reader_close,
                                              .lets_go = fake_lets_go,
                                              .begin_snapshot = fake_begin_snapshot,
                                              .position_past = fake_position_past,
                                              .read_keys = fake_read_keys};

#endif
