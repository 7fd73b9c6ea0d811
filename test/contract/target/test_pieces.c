/*
 * A target transaction whose writes come in pieces (correctness E1): whole or not at all, a piece
 * that fails is run again one by one, and what is too large for the target is said so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "test/lib/target_world.h"

struct bench {
    struct target_bench on;
    struct apply_result r;
    struct slot_commit commit;
};

static void lay_out(struct bench *b, struct target_world *w)
{
    memset(b, 0, sizeof *b);
    bench_open(&b->on, w, "pieces", 1, "(id INT PRIMARY KEY, v VARCHAR(2000))");
}

static void begin(struct bench *b, uint64_t last)
{
    struct err e = ERR_INIT;

    b->commit.low = world_set(b->on.w, last);
    if (!b->on.to->apply_begin(b->on.s, &b->commit, &e))
        fail_msg("%s", e.message);
}

static enum apply_outcome piece(struct bench *b, int first, int n, const char *v)
{
    struct write *x = arena_calloc(&b->on.w->arena, (size_t)n, sizeof *x);
    struct err e = ERR_INIT;

    for (int i = 0; i < n; i++)
        x[i] = world_insert(b->on.t, world_row(b->on.w, b->on.def, first + i, v));
    if (!b->on.to->apply_piece(b->on.s, &b->commit, x, (size_t)n, &b->r, &e))
        fail_msg("%s", e.message);
    return b->r.outcome;
}

static enum apply_outcome end(struct bench *b)
{
    struct err e = ERR_INIT;

    if (!b->on.to->apply_end(b->on.s, &b->commit, &b->r, &e))
        fail_msg("%s", e.message);
    return b->r.outcome;
}

static long rows(struct bench *b)
{
    return world_number(b->on.w, "SELECT COUNT(*) FROM d.t");
}

static bool contains(struct bench *b, uint64_t last)
{
    struct endpoint_address a = mariadb_address(&b->on.w->server);
    struct txn_set low, done;
    struct err e = ERR_INIT;
    bool yes;

    assert_true(b->on.to->progress_read(&a, "pieces", &low, &done, &e));
    yes = txn_set_contains(&low, world_set(b->on.w, last));
    txn_set_fini(&low);
    txn_set_fini(&done);
    return yes;
}

static void pieces_are_seen_only_together_with_their_progress(void **state)
{
    struct bench b;

    lay_out(&b, *state);
    begin(&b, 5);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(piece(&b, i * 100, 100, "a"), APPLY_COMMITTED);
        assert_int_equal(rows(&b), 0);
    }
    assert_false(contains(&b, 5));
    assert_int_equal(end(&b), APPLY_COMMITTED);
    assert_int_equal(rows(&b), 2000);
    assert_int_equal(b.r.rows_matched, 2000);
    assert_true(contains(&b, 5));
    bench_close(&b.on);
}

static void what_is_aborted_leaves_nothing_and_the_slot_lives(void **state)
{
    struct bench b;

    lay_out(&b, *state);
    begin(&b, 5);
    assert_int_equal(piece(&b, 0, 100, "a"), APPLY_COMMITTED);
    b.on.to->apply_abort(b.on.s);
    assert_int_equal(rows(&b), 0);
    begin(&b, 6);
    assert_int_equal(piece(&b, 0, 10, "a"), APPLY_COMMITTED);
    assert_int_equal(end(&b), APPLY_COMMITTED);
    assert_int_equal(rows(&b), 10);
    bench_close(&b.on);
}

static void a_conflict_names_its_write_and_rolls_all_back(void **state)
{
    struct bench b;

    lay_out(&b, *state);
    world_sql(b.on.w, "INSERT INTO d.t VALUES (150, 'theirs')");
    begin(&b, 5);
    assert_int_equal(piece(&b, 0, 100, "a"), APPLY_COMMITTED);
    assert_int_equal(piece(&b, 100, 100, "a"), APPLY_CONFLICT);
    assert_int_equal(b.r.conflict_at, 50);
    assert_int_equal(b.r.conflict_errno, 1062);
    assert_int_equal(rows(&b), 1);
    bench_close(&b.on);
}

static enum conflict_fix win(void *arg, const struct conflict *x, struct skipped *record)
{
    (void)arg, (void)record;
    return x->can_win ? FIX_SOURCE_WINS : FIX_NONE;
}

static void a_conflict_is_decided_within_its_piece(void **state)
{
    struct bench b;

    lay_out(&b, *state);
    world_sql(b.on.w, "INSERT INTO d.t VALUES (150, 'theirs'), (160, 'theirs')");
    b.commit.decide = win;
    begin(&b, 5);
    assert_int_equal(piece(&b, 0, 100, "a"), APPLY_COMMITTED);
    assert_int_equal(piece(&b, 100, 100, "a"), APPLY_COMMITTED);
    assert_int_equal(piece(&b, 200, 100, "a"), APPLY_COMMITTED);
    assert_int_equal(end(&b), APPLY_COMMITTED);
    assert_int_equal(world_number(b.on.w, "SELECT COUNT(*) FROM d.t WHERE v='a'"), 300);
    bench_close(&b.on);
}

static void a_killed_session_asks_to_begin_again(void **state)
{
    struct bench b;

    lay_out(&b, *state);
    begin(&b, 5);
    assert_int_equal(piece(&b, 0, 100, "a"), APPLY_COMMITTED);
    const char *ids = world_value(b.on.w, "SELECT GROUP_CONCAT(connection_id) FROM oms_meta.session"
                                          " WHERE task='pieces'");
    for (const char *p = ids; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        world_sql(b.on.w, "KILL %.*s", (int)strcspn(p, ","), p);
    assert_int_equal(piece(&b, 100, 100, "a"), APPLY_RETRY);
    assert_int_equal(rows(&b), 0);
    begin(&b, 5);
    assert_int_equal(piece(&b, 0, 100, "a"), APPLY_COMMITTED);
    assert_int_equal(end(&b), APPLY_COMMITTED);
    assert_int_equal(rows(&b), 100);
    bench_close(&b.on);
}

static void what_the_target_cannot_hold_is_said_with_its_limit(void **state)
{
    struct bench b;
    struct err e = ERR_INIT;
    char text[1001];
    bool ok = true;

    world_sql(*state, "SET GLOBAL max_binlog_cache_size=1048576"); /* of sessions to come */
    lay_out(&b, *state);
    memset(text, 'x', 1000);
    text[1000] = '\0';
    begin(&b, 5);
    for (int i = 0; i < 40 && ok; i++) {
        struct write x[100];
        for (int k = 0; k < 100; k++)
            x[k] = world_insert(b.on.t, world_row(b.on.w, b.on.def, i * 100 + k, text));
        ok = b.on.to->apply_piece(b.on.s, &b.commit, x, 100, &b.r, &e);
        assert_true(!ok || b.r.outcome == APPLY_COMMITTED);
    }
    world_sql(b.on.w, "SET GLOBAL max_binlog_cache_size=18446744073709547520");
    assert_false(ok);
    assert_int_equal(e.code, ERR_TARGET_TXN_LIMIT);
    assert_non_null(strstr(e.message, "1048576"));
    assert_int_equal(rows(&b), 0);
    bench_close(&b.on);
}

static void a_split_transaction_says_how_far_it_is(void **state)
{
    struct bench b;
    struct txn_id id = {.origin = origin_intern("mariadb:0", 9), .seq = 5};
    struct split_mark mark = {.id = id, .changes = 100};
    struct err e = ERR_INIT;
    uint64_t changes;
    bool found;

    lay_out(&b, *state);
    assert_true(b.on.to->split_get(b.on.c, id, &changes, &found, &e));
    assert_false(found);
    if (!b.on.to->apply_begin(b.on.s, &b.commit, &e))
        fail_msg("%s", e.message);
    assert_int_equal(piece(&b, 0, 100, "a"), APPLY_COMMITTED);
    b.commit.split = &mark;
    assert_int_equal(end(&b), APPLY_COMMITTED);
    assert_true(b.on.to->split_get(b.on.c, id, &changes, &found, &e));
    assert_true(found && changes == 100);
    assert_false(contains(&b, 50));
    b.commit = (struct slot_commit){0};
    if (!b.on.to->apply_begin(b.on.s, &b.commit, &e))
        fail_msg("%s", e.message);
    assert_int_equal(piece(&b, 100, 100, "a"), APPLY_COMMITTED);
    mark.over = true;
    b.commit =
        (struct slot_commit){.low = world_set(b.on.w, 50), .split = &mark, .late_sets = true};
    assert_int_equal(end(&b), APPLY_COMMITTED);
    assert_true(b.on.to->split_get(b.on.c, id, &changes, &found, &e));
    assert_false(found);
    assert_true(contains(&b, 50));
    assert_int_equal(rows(&b), 200);
    bench_close(&b.on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_seen_only_together_with_their_progress),
        cmocka_unit_test(what_is_aborted_leaves_nothing_and_the_slot_lives),
        cmocka_unit_test(a_conflict_names_its_write_and_rolls_all_back),
        cmocka_unit_test(a_conflict_is_decided_within_its_piece),
        cmocka_unit_test(a_killed_session_asks_to_begin_again),
        cmocka_unit_test(what_the_target_cannot_hold_is_said_with_its_limit),
        cmocka_unit_test(a_split_transaction_says_how_far_it_is),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
