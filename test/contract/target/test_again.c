/* Writes whose images lack columns, with the source's row in their place (correctness A9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "test/lib/target_world.h"

static struct apply_result apply(struct target_bench *b, const struct write *x, size_t n)
{
    return world_apply(b->w, b->s, NULL, x, n);
}

#define KEYED "(id INT PRIMARY KEY, v VARCHAR(50))"

/* An image with the key alone. */
static struct view key_alone(struct target_bench *b, int id)
{
    struct row_writer rw;
    struct buf k;

    buf_init(&k, 1000);
    row_begin(&rw, &k, b->def, ROWS_CANONICAL, true);
    row_put_u64(&rw, (uint64_t)id);
    row_put_absent(&rw);
    row_end(&rw);
    struct view v = {arena_memdup(&b->w->arena, k.p, k.len), k.len};
    buf_fini(&k);
    return v;
}

/* As a reader gives it; NULL: the source has no such row. */
static struct write read_again(struct target_bench *b, int before, int after, const char *v)
{
    struct write x = world_update(b->t, key_alone(b, before), key_alone(b, after));
    struct row_writer rw;
    struct buf row;
    char id[16];

    x.has_absent = x.overlap = x.again = true;
    if (!v)
        return x;
    buf_init(&row, 1000);
    row_begin(&rw, &row, b->def, ROWS_MYSQL_TEXT, false);
    (void)snprintf(id, sizeof id, "%d", after);
    row_put_bytes(&rw, id, strlen(id));
    row_put_bytes(&rw, v, strlen(v));
    row_end(&rw);
    x.row = (struct view){arena_memdup(&b->w->arena, row.p, row.len), row.len};
    buf_fini(&row);
    return x;
}

static void a_row_that_was_read_again_stands_for_its_image(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, KEYED);

    for (int copied = 0; copied < 2; copied++) { /* the copy had them, or had not */
        world_sql(b.w, "DELETE FROM d.t");
        if (copied)
            world_sql(b.w,
                      "INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (30, 'x'), (4, 'd'),"
                      " (5, 'e')");
        struct write in = world_insert(b.t, key_alone(&b, 6));
        in = (struct write){.table = in.table,
                            .op = CHANGE_INSERT,
                            .overlap = true,
                            .has_absent = true,
                            .again = true,
                            .after = key_alone(&b, 6),
                            .row = read_again(&b, 6, 6, "f2").row};
        struct write gone = world_delete(b.t, key_alone(&b, 5));
        gone.overlap = gone.has_absent = true;
        struct write x[] = {read_again(&b, 1, 1, "a2"),
                            read_again(&b, 2, 2, NULL),
                            read_again(&b, 3, 30, "c2"),
                            read_again(&b, 4, 40, NULL),
                            read_again(&b, 4, 4, "d2"),
                            read_again(&b, 4, 41, "d3"),
                            world_delete(b.t, bench_row(&b, 41, "d3")),
                            gone,
                            in};
        x[6].overlap = true;
        struct apply_result r = apply(&b, x, ARRAY_LEN(x));
        assert_int_equal(r.outcome, APPLY_COMMITTED);
        assert_string_equal(
            world_value(b.w, "SELECT GROUP_CONCAT(id, v ORDER BY id SEPARATOR ' ') FROM d.t"),
            "1a2 6f2 30c2");
    }
    bench_close(&b);
}

static void a_row_that_was_read_again_and_collides_is_a_conflict(void **state)
{
    struct target_bench b;
    bench_open(&b, *state, "apply", 2, "(id INT PRIMARY KEY, v VARCHAR(50), UNIQUE KEY (v))");

    world_sql(b.w, "INSERT INTO d.t VALUES (1, 'a'), (2, 'b')");
    struct write x = read_again(&b, 1, 1, "b");
    struct apply_result r = apply(&b, &x, 1);
    assert_int_equal(r.outcome, APPLY_CONFLICT);
    assert_int_equal(r.conflict_errno, 1062);
    assert_string_equal(world_value(b.w, "SELECT GROUP_CONCAT(id, v ORDER BY id) FROM d.t"),
                        "1a,2b");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_was_read_again_stands_for_its_image),
        cmocka_unit_test(a_row_that_was_read_again_and_collides_is_a_conflict),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
