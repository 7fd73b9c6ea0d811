/*
 * Applying changes (correctness F3, A9, A10, A12): exact counts, conflicts named, retries whole,
 * replays in the overlap harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/os/thread.h"
#include "test/lib/target_world.h"

static struct apply_result apply(struct target_bench *b, const struct write *x, size_t n)
{
    return world_apply(b->w, b->s, NULL, x, n);
}

static const char *all(struct target_bench *b)
{
    return world_value(b->w, "SELECT GROUP_CONCAT(id, ':', COALESCE(v, 'NULL') ORDER BY id, v"
                             " SEPARATOR ' ') FROM d.t");
}

#define KEYED "(id INT PRIMARY KEY, v VARCHAR(50))"

static void changes_arrive_in_order(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    struct write x[] = {
        world_insert(b.t, bench_row(&b, 1, "a")),
        world_insert(b.t, bench_row(&b, 2, "b")),
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "c")),
        world_update(b.t, bench_row(&b, 1, "c"), bench_row(&b, 3, "c")),
        world_delete(b.t, bench_row(&b, 2, "b")),
        world_insert(b.t, bench_row(&b, 2, NULL)),
        world_update(b.t, bench_row(&b, 3, "c"), bench_row(&b, 1, "d")),
        world_insert(b.t, bench_row(&b, 3, "e")),
    };
    struct apply_result r = apply(&b, x, 8);

    assert_int_equal(r.outcome, APPLY_COMMITTED);
    assert_int_equal(r.rows_matched, 8);
    assert_string_equal(all(&b), "1:d 2:NULL 3:e");
    bench_close(&b);
}

static void an_update_that_changes_nothing_matches(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (2, 'b')");
    struct write x[] = {
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "a")),
        world_update(b.t, bench_row(&b, 2, "b"), bench_row(&b, 2, "b")),
    };

    assert_int_equal(apply(&b, x, 2).rows_matched, 2);
    assert_int_equal(apply(&b, x, 1).outcome, APPLY_COMMITTED);
    bench_close(&b);
}

static void expect_conflict(struct target_bench *b, const struct write *x, size_t n, size_t at,
                            int number)
{
    const char *before = all(b);
    struct apply_result r = apply(b, x, n);

    assert_int_equal(r.outcome, APPLY_CONFLICT);
    assert_int_equal(r.conflict_at, at);
    assert_int_equal(r.conflict_errno, number);
    assert_true(r.conflict_text[0] != '\0');
    assert_string_equal(all(b), before);
}

static void a_missing_row_is_a_conflict_and_nothing_is_committed(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (3, 'c')");
    struct write x[] = {
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "x")),
        world_update(b.t, bench_row(&b, 2, "b"), bench_row(&b, 2, "x")),
        world_update(b.t, bench_row(&b, 3, "c"), bench_row(&b, 3, "x")),
    };
    struct write y[] = {
        world_delete(b.t, bench_row(&b, 1, "a")),
        world_delete(b.t, bench_row(&b, 3, "c")),
        world_delete(b.t, bench_row(&b, 2, "b")),
    };

    expect_conflict(&b, x, 3, 1, 0);
    expect_conflict(&b, y, 3, 2, 0);
    expect_conflict(&b, &x[1], 1, 0, 0);
    bench_close(&b);
}

static void a_duplicate_is_a_conflict_with_the_servers_number(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT PRIMARY KEY, v VARCHAR(50) UNIQUE)");
    world_sql(b.w, "INSERT INTO d.t VALUES (5, 'e')");
    struct write x[] = {
        world_insert(b.t, bench_row(&b, 1, "a")),
        world_insert(b.t, bench_row(&b, 2, "b")),
        world_insert(b.t, bench_row(&b, 3, "e")),
    };

    expect_conflict(&b, x, 3, 2, 1062);
    expect_conflict(&b, &x[2], 1, 0, 1062);
    bench_close(&b);
}

static void a_value_that_does_not_fit_is_a_conflict_and_never_cut(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    world_sql(b.w, "ALTER TABLE d.t MODIFY v VARCHAR(3)"); /* behind our back */
    struct write x[] = {world_insert(b.t, bench_row(&b, 1, "abc")),
                        world_insert(b.t, bench_row(&b, 2, "abcd"))};

    expect_conflict(&b, x, 2, 1, 1406);
    bench_close(&b);
}

/* What a server puts into the rows of a table that is given such a column. */
static void an_empty_geometry_is_left_to_the_server(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT PRIMARY KEY, v POINT NOT NULL)");
    struct write x[] = {
        world_insert(b.t, bench_row(&b, 1, "")),
        world_insert(b.t, bench_row(&b, 2, "")),
        world_update(b.t, bench_row(&b, 1, ""), bench_row(&b, 3, "")),
        world_delete(b.t, bench_row(&b, 2, "")),
    };

    assert_int_equal(apply(&b, x, 4).outcome, APPLY_COMMITTED);
    assert_string_equal(world_value(b.w, "SELECT CONCAT(id, HEX(v)) FROM d.t"), "3");
    world_sql(b.w, "DELETE FROM d.t");
    world_sql(b.w, "ALTER TABLE d.t MODIFY v POINT NOT NULL DEFAULT (POINT(1,2))");
    expect_conflict(&b, x, 1, 0, 0);
    world_sql(b.w, "ALTER TABLE d.t MODIFY v POINT");
    expect_conflict(&b, x, 1, 0, 0);
    bench_close(&b);
}

static void rows_with_further_unique_keys_keep_their_order(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT PRIMARY KEY, v VARCHAR(50) UNIQUE)");
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (2, 'b')");
    struct write x[] = {
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "t")),
        world_insert(b.t, bench_row(&b, 7, "a")),
        world_update(b.t, bench_row(&b, 2, "b"), bench_row(&b, 2, "b2")),
        world_delete(b.t, bench_row(&b, 7, "a")),
        world_update(b.t, bench_row(&b, 2, "b2"), bench_row(&b, 2, "a")),
        world_update(b.t, bench_row(&b, 1, "t"), bench_row(&b, 1, "b")),
    };

    assert_int_equal(apply(&b, x, 6).outcome, APPLY_COMMITTED);
    assert_string_equal(all(&b), "1:b 2:a");
    bench_close(&b);
}

struct applying {
    struct target_bench *b;
    const struct write *x;
    struct apply_result r;
};

static void apply_in_thread(void *arg)
{
    struct applying *a = arg;
    struct slot_commit commit = {0};
    struct err e = ERR_INIT;

    if (!a->b->to->apply(a->b->s, &commit, a->x, 2, &a->r, &e))
        a->r.conflict_errno = -1;
}

static void a_deadlock_rolls_back_whole_and_asks_for_a_retry(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    world_sql(b.w, "INSERT INTO d.t SELECT seq, 'a' FROM seq_1_to_1000");
    struct write x[] = {
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "x")),
        world_update(b.t, bench_row(&b, 2, "a"), bench_row(&b, 2, "x")),
    };
    struct applying a = {.b = &b, .x = x};
    struct thread thread = {0};
    struct err e = ERR_INIT;

    world_sql(b.w, "START TRANSACTION");
    world_sql(b.w, "UPDATE d.t SET v='heavy' WHERE id>=2"); /* the lighter one is the victim */
    assert_true(thread_start(&thread, "apply", apply_in_thread, &a, &e));
    int tries = 0; /* the server renews that table ten times a second */
    while (world_number(b.w, "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE"
                             " trx_state='LOCK WAIT'") == 0 &&
           tries++ < 100)
        world_sql(b.w, "DO SLEEP(0.12)");
    world_sql(b.w, "UPDATE d.t SET v='heavy' WHERE id=1");
    thread_join(&thread);
    world_sql(b.w, "ROLLBACK");
    assert_int_equal(a.r.outcome, APPLY_RETRY);
    assert_int_equal(a.r.conflict_errno, 1213); /* why, for who counts the target's troubles */
    assert_int_equal(world_number(b.w, "SELECT COUNT(*) FROM d.t WHERE v='x'"), 0);
    assert_int_equal(apply(&b, x, 2).outcome, APPLY_COMMITTED);
    bench_close(&b);
}

static void a_lock_wait_rolls_back_whole_and_asks_for_a_retry(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (2, 'b')");
    world_sql(b.w, "SET GLOBAL innodb_lock_wait_timeout=1");
    struct slot *s = world_slot(b.w, b.c, 1);
    struct write x[] = {
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "x")),
        world_insert(b.t, bench_row(&b, 3, "c")),
        world_update(b.t, bench_row(&b, 2, "b"), bench_row(&b, 2, "x")),
    };

    world_sql(b.w, "START TRANSACTION");
    world_sql(b.w, "SELECT * FROM d.t WHERE id=2 FOR UPDATE");
    struct apply_result r = world_apply(b.w, s, NULL, x, 3);
    assert_int_equal(r.outcome, APPLY_RETRY);
    assert_string_equal(all(&b), "1:a 2:b");
    world_sql(b.w, "ROLLBACK");
    assert_int_equal(world_apply(b.w, s, NULL, x, 3).outcome, APPLY_COMMITTED);
    assert_string_equal(all(&b), "1:x 2:x 3:c");
    world_sql(b.w, "SET GLOBAL innodb_lock_wait_timeout=50");
    b.to->slot_close(s);
    bench_close(&b);
}

static void a_broken_idle_session_is_opened_again(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    struct write x[] = {world_insert(b.t, bench_row(&b, 1, "a")),
                        world_insert(b.t, bench_row(&b, 2, "b"))};

    assert_int_equal(apply(&b, x, 1).outcome, APPLY_COMMITTED);
    const char *ids = world_value(b.w, "SELECT GROUP_CONCAT(connection_id) FROM oms_meta.session"
                                       " WHERE task='apply'");
    for (const char *p = ids; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        world_sql(b.w, "KILL %.*s", (int)strcspn(p, ","), p);
    assert_int_equal(apply(&b, &x[1], 1).outcome, APPLY_COMMITTED);
    assert_string_equal(all(&b), "1:a 2:b");
    bench_close(&b);
}

static void replaying_the_overlap_leads_to_the_same_rows(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    /* The copy saw the end of what follows, or its middle, or nothing. */
    const char *seen[] = {"(1, 'z'), (9, 'k')", "(1, 'b'), (2, 'x'), (4, 'd'), (9, 'k')",
                          "(9, 'k')"};
    struct write x[] = {
        world_insert(b.t, bench_row(&b, 1, "a")),
        world_insert(b.t, bench_row(&b, 2, "x")),
        world_update(b.t, bench_row(&b, 1, "a"), bench_row(&b, 1, "b")),
        world_insert(b.t, bench_row(&b, 4, "d")),
        world_update(b.t, bench_row(&b, 2, "x"), bench_row(&b, 3, "y")),
        world_delete(b.t, bench_row(&b, 4, "d")),
        world_update(b.t, bench_row(&b, 1, "b"), bench_row(&b, 1, "c")),
        world_update(b.t, bench_row(&b, 3, "y"), bench_row(&b, 2, "y")),
        world_update(b.t, bench_row(&b, 2, "y"), bench_row(&b, 3, "w")),
        world_insert(b.t, bench_row(&b, 2, "n")),
    };

    for (size_t i = 0; i < 10; i++)
        x[i].overlap = true;
    for (size_t i = 0; i < 3; i++) {
        world_sql(b.w, "DELETE FROM d.t");
        world_sql(b.w, "INSERT INTO d.t VALUES %s", seen[i]);
        assert_int_equal(apply(&b, x, 10).outcome, APPLY_COMMITTED);
        assert_string_equal(all(&b), "1:c 2:n 3:w 9:k");
        assert_int_equal(apply(&b, x, 10).outcome, APPLY_COMMITTED);
        assert_string_equal(all(&b), "1:c 2:n 3:w 9:k");
        for (size_t k = 0; k < 10; k++) /* one by one as well */
            assert_int_equal(apply(&b, &x[k], 1).outcome, APPLY_COMMITTED);
        assert_string_equal(all(&b), "1:c 2:n 3:w 9:k");
    }
    bench_close(&b);
}

static void text_keys_find_their_rows_by_collation(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2,
               "(id INT, v VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci"
               " PRIMARY KEY)");
    struct write x[] = {
        world_insert(b.t, bench_row(&b, 1,
                                    "Stra\xdf"
                                    "e")),
        world_insert(b.t, bench_row(&b, 2, "\xe4")),
        world_update(b.t,
                     bench_row(&b, 1,
                               "Stra\xdf"
                               "e"),
                     bench_row(&b, 5,
                               "STRA\xdf"
                               "E")),
        world_delete(b.t, bench_row(&b, 2, "\xe4")),
        world_insert(b.t, bench_row(&b, 3, "\xc4")),
    };

    assert_int_equal(apply(&b, x, 5).outcome, APPLY_COMMITTED);
    assert_string_equal(world_value(b.w, "SELECT GROUP_CONCAT(id, HEX(v) ORDER BY id) FROM d.t"),
                        "3C4,553545241DF45");
    bench_close(&b);
}

static void a_table_without_a_key_loses_one_of_equal_rows(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT, v VARCHAR(50)) COLLATE utf8mb4_general_ci");
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (1, 'A'), (1, 'a'), (1, NULL), (1, NULL)");
    struct write x[] = {
        world_delete(b.t, bench_row(&b, 1, "a")),
        world_update(b.t, bench_row(&b, 1, NULL), bench_row(&b, 2, "n")),
        world_update(b.t, bench_row(&b, 1, "A"), bench_row(&b, 1, "a ")),
    };
    struct write y = world_delete(b.t, bench_row(&b, 1, "A"));

    assert_int_equal(apply(&b, x, 3).outcome, APPLY_COMMITTED);
    assert_string_equal(all(&b), "1:NULL 1:a 1:a  2:n");
    expect_conflict(&b, &y, 1, 0, 0);
    bench_close(&b);
}

static void a_negative_zero_is_found_again(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id DOUBLE, v VARCHAR(50))");
    struct row_writer rw;
    struct buf bytes;
    double minus = -0.0;

    buf_init(&bytes, 1000);
    row_begin(&rw, &bytes, b.def, ROWS_CANONICAL, false);
    row_put_fixed(&rw, &minus);
    row_put_bytes(&rw, "z", 1);
    row_end(&rw);
    struct write x = world_insert(b.t, (struct view){bytes.p, bytes.len});
    struct write y = world_delete(b.t, (struct view){bytes.p, bytes.len});
    assert_int_equal(apply(&b, &x, 1).outcome, APPLY_COMMITTED);
    assert_int_equal(apply(&b, &y, 1).outcome, APPLY_COMMITTED);
    buf_fini(&bytes);
    bench_close(&b);
}

static void images_with_absent_columns_set_only_what_they_have(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT PRIMARY KEY, v VARCHAR(50), w INT DEFAULT 4)");
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a', 9), (2, 'b', 9)");
    struct row_writer rw;
    struct buf k, i;

    buf_init(&k, 1000);
    buf_init(&i, 1000);
    row_begin(&rw, &k, b.def, ROWS_CANONICAL, true);
    row_put_u64(&rw, 1);
    row_put_absent(&rw);
    row_put_absent(&rw);
    row_end(&rw);
    row_begin(&rw, &i, b.def, ROWS_CANONICAL, true);
    row_put_absent(&rw);
    row_put_bytes(&rw, "new", 3);
    row_put_absent(&rw);
    row_end(&rw);
    struct write x = world_update(b.t, (struct view){k.p, k.len}, (struct view){i.p, i.len});
    x.has_absent = true;
    assert_int_equal(apply(&b, &x, 1).outcome, APPLY_COMMITTED);
    assert_string_equal(world_value(b.w, "SELECT GROUP_CONCAT(id, v, w ORDER BY id) FROM d.t"),
                        "1new9,2b9");
    x.overlap = true; /* its row must be read again */
    assert_int_equal(world_apply_fails(b.w, b.s, &x, 1), ERR_BUG);
    buf_fini(&k);
    buf_fini(&i);
    bench_close(&b);
}

static void many_writes_arrive(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);
    enum { N = 5000 };
    static struct write x[2 * N];
    char text[40];

    for (int i = 0; i < N; i++) {
        (void)snprintf(text, sizeof text, "value %d", i);
        x[2 * i] = world_insert(b.t, bench_row(&b, i, text));
        x[2 * i + 1] = i % 3 == 0
                           ? world_delete(b.t, bench_row(&b, i, text))
                           : world_update(b.t, bench_row(&b, i, text), bench_row(&b, i + N, text));
    }
    assert_int_equal(apply(&b, x, 2 * N).outcome, APPLY_COMMITTED);
    assert_int_equal(world_number(b.w,
                                  "SELECT COUNT(*) FROM d.t WHERE id>=%d AND"
                                  " v=CONCAT('value ', id-%d)",
                                  N, N),
                     N - (N + 2) / 3);
    assert_int_equal(world_number(b.w, "SELECT COUNT(*) FROM d.t"), N - (N + 2) / 3);
    bench_close(&b);
}

static void a_row_beyond_the_servers_packet_is_refused_with_the_limits_name(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT PRIMARY KEY, v LONGTEXT)");
    size_t n = (size_t)world_number(b.w, "SELECT @@max_allowed_packet") + 10;
    char *big = arena_alloc(&b.w->arena, n + 1);
    struct row_writer rw;
    struct buf bytes;
    struct slot_commit commit = {0};
    struct apply_result r;
    struct err e = ERR_INIT;

    memset(big, 'x', n);
    big[n] = '\0';
    buf_init(&bytes, n + 100);
    row_begin(&rw, &bytes, b.def, ROWS_CANONICAL, false);
    row_put_u64(&rw, 1);
    row_put_bytes(&rw, big, n);
    row_end(&rw);
    struct write x = world_insert(b.t, (struct view){bytes.p, bytes.len});
    assert_false(b.to->apply(b.s, &commit, &x, 1, &r, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.message, "max_allowed_packet"));
    struct write y = world_insert(b.t, bench_row(&b, 2, "small"));
    assert_int_equal(apply(&b, &y, 1).outcome, APPLY_COMMITTED); /* the slot lives */
    buf_fini(&bytes);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_arrive_in_order),
        cmocka_unit_test(an_update_that_changes_nothing_matches),
        cmocka_unit_test(a_missing_row_is_a_conflict_and_nothing_is_committed),
        cmocka_unit_test(a_duplicate_is_a_conflict_with_the_servers_number),
        cmocka_unit_test(a_value_that_does_not_fit_is_a_conflict_and_never_cut),
        cmocka_unit_test(an_empty_geometry_is_left_to_the_server),
        cmocka_unit_test(rows_with_further_unique_keys_keep_their_order),
        cmocka_unit_test(a_deadlock_rolls_back_whole_and_asks_for_a_retry),
        cmocka_unit_test(a_lock_wait_rolls_back_whole_and_asks_for_a_retry),
        cmocka_unit_test(a_broken_idle_session_is_opened_again),
        cmocka_unit_test(replaying_the_overlap_leads_to_the_same_rows),
        cmocka_unit_test(text_keys_find_their_rows_by_collation),
        cmocka_unit_test(a_table_without_a_key_loses_one_of_equal_rows),
        cmocka_unit_test(a_negative_zero_is_found_again),
        cmocka_unit_test(images_with_absent_columns_set_only_what_they_have),
        cmocka_unit_test(many_writes_arrive),
        cmocka_unit_test(a_row_beyond_the_servers_packet_is_refused_with_the_limits_name),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
