/*
 * Updates of several rows as one statement (A10): INSERT ... ON DUPLICATE KEY UPDATE stands for
 * them only where it must mean the same, and never makes a row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/target_world.h"

static struct write update(struct target_bench *b, int id, const char *from, const char *to)
{
    return world_update(b->t, bench_row(b, id, from), bench_row(b, id, to));
}

static long statements(struct target_bench *b, const char *kind)
{
    return world_number(b->w,
                        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS"
                        " WHERE VARIABLE_NAME='Com_%s'",
                        kind);
}

static char *text_of(struct target_bench *b, int i)
{
    size_t n = i % 50 == 0 ? 40000 + (size_t)i : (size_t)i % 97;
    char *text = arena_alloc(&b->w->arena, n + 1);

    memset(text, 'a' + i % 26, n);
    text[n] = '\0';
    return text;
}

/* Long and short values, NULL before and after, more than one packet. */
static void many_rows_are_updated_by_few_statements(void **state)
{
    struct target_bench b;
    enum { N = 400 };
    static struct write x[N];
    long updates, inserts;

    bench_open(&b, *state, "upsert", 1, "(id INT PRIMARY KEY, v LONGTEXT)");
    world_sql(b.w, "INSERT INTO d.t SELECT seq, IF(seq %% 7 = 0, NULL, REPEAT('o', seq)) FROM"
                   " d.seq_0_to_399");
    for (int i = 0; i < N; i++)
        x[i] = update(&b, i, "old", i % 11 == 0 ? NULL : text_of(&b, i));
    updates = statements(&b, "update");
    inserts = statements(&b, "insert");
    struct apply_result r = world_apply(b.w, b.s, NULL, x, N);
    assert_int_equal(r.outcome, APPLY_COMMITTED);
    assert_int_equal(r.rows_matched, N);
    assert_in_range(statements(&b, "update") - updates, 0, 3); /* the fence is one */
    assert_in_range(statements(&b, "insert") - inserts, 1, 20);
    assert_int_equal(world_number(b.w, "SELECT COUNT(*) FROM d.t"), N);
    for (int i = 0; i < N; i++)
        assert_int_equal(world_number(b.w, "SELECT v <=> %s%s%s FROM d.t WHERE id=%d",
                                      i % 11 == 0 ? "NULL" : "'", i % 11 == 0 ? "" : text_of(&b, i),
                                      i % 11 == 0 ? "" : "'", i),
                         1);
    bench_close(&b);
}

static void a_missing_row_is_never_made(void **state)
{
    struct target_bench b;
    enum { N = 100 };
    struct write x[N];

    bench_open(&b, *state, "upsert", 1, "(id INT PRIMARY KEY, v VARCHAR(50))");
    world_sql(b.w, "INSERT INTO d.t SELECT seq, 'old' FROM d.seq_0_to_99 WHERE seq <> 77");
    for (int i = 0; i < N; i++) /* every other one changes nothing, so that counts are alike */
        x[i] = update(&b, i, "old", i % 2 ? "old" : "new");
    struct apply_result r = world_apply(b.w, b.s, NULL, x, N);
    assert_int_equal(r.outcome, APPLY_CONFLICT);
    assert_int_equal(r.conflict_at, 77);
    assert_int_equal(r.conflict_errno, 0);
    assert_int_equal(world_number(b.w, "SELECT COUNT(*) FROM d.t WHERE v='old'"), N - 1);
    bench_close(&b);
}

static void a_row_that_moves_is_found_by_its_old_key(void **state)
{
    struct target_bench b;

    bench_open(&b, *state, "upsert", 1, "(id INT PRIMARY KEY, v VARCHAR(50))");
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    struct write x[] = {
        update(&b, 1, "a", "A"),  world_update(b.t, bench_row(&b, 2, "b"), bench_row(&b, 4, "B")),
        update(&b, 3, "c", "C"),  world_update(b.t, bench_row(&b, 1, "A"), bench_row(&b, 2, "AA")),
        update(&b, 4, "B", "BB"), update(&b, 2, "AA", "AAA"),
    };
    struct apply_result r = world_apply(b.w, b.s, NULL, x, 6);
    assert_int_equal(r.outcome, APPLY_COMMITTED);
    assert_int_equal(r.rows_matched, 6);
    assert_string_equal(world_value(b.w, "SELECT GROUP_CONCAT(id, v ORDER BY id) FROM d.t"),
                        "2AAA,3C,4BB");
    bench_close(&b);
}

/* There the row that a duplicate is of could be another one. */
static void where_another_key_is_unique_a_row_is_updated_by_itself(void **state)
{
    struct target_bench b;

    bench_open(&b, *state, "upsert", 1, "(id INT PRIMARY KEY, v VARCHAR(50), UNIQUE KEY (v))");
    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (2, 'b')");
    struct write x[] = {update(&b, 1, "a", "A1"), update(&b, 2, "b", "B1")};
    long updates = statements(&b, "update");

    assert_int_equal(world_apply(b.w, b.s, NULL, x, 2).outcome, APPLY_COMMITTED);
    assert_in_range(statements(&b, "update") - updates, 3, 100);
    world_sql(b.w, "DELETE FROM d.t WHERE id=1");
    struct write y[] = {update(&b, 1, "A1", "B1"), update(&b, 2, "B1", "c")};
    struct apply_result r = world_apply(b.w, b.s, NULL, y, 2);
    assert_int_equal(r.outcome, APPLY_CONFLICT);
    assert_int_equal(r.conflict_at, 0);
    assert_string_equal(world_value(b.w, "SELECT GROUP_CONCAT(id, v) FROM d.t"), "2B1");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_rows_are_updated_by_few_statements),
        cmocka_unit_test(a_missing_row_is_never_made),
        cmocka_unit_test(a_row_that_moves_is_found_by_its_old_key),
        cmocka_unit_test(where_another_key_is_unique_a_row_is_updated_by_itself),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
