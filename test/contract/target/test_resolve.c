/*
 * Changes that the target does not take (correctness A10, A12, A17): the source's image replaces
 * the row of its own key, or the change is left out and recorded with its evidence, in the
 * transaction that the rest of the change commits in; a third row is never deleted.
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
    /* what the next apply is told, and what it asked */
    enum conflict_fix fix;
    uint32_t asked, thirds;
    struct conflict last;
    char row[300], image_row[300], holder[300], text[300];
};

static void lay_out(struct bench *b, struct target_world *w, const char *ddl)
{
    memset(b, 0, sizeof *b);
    bench_open(&b->on, w, "resolve", 1, ddl);
    world_sql(w, "DELETE FROM oms_meta.skipped");
}

static struct view row(struct bench *b, int id, const char *v)
{
    return world_row(b->on.w, b->on.def, id, v);
}

static enum conflict_fix decide(void *arg, const struct conflict *x, struct skipped *record)
{
    struct bench *b = arg;

    b->asked++;
    b->thirds += x->third;
    b->last = *x;
    (void)snprintf(b->row, sizeof b->row, "%s", x->row);
    (void)snprintf(b->image_row, sizeof b->image_row, "%s", x->image_row);
    (void)snprintf(b->holder, sizeof b->holder, "%s", x->holder);
    (void)snprintf(b->text, sizeof b->text, "%s", x->text);
    *record = (struct skipped){.txid = "mariadb:0=7",
                               .n = x->at,
                               .table = "d.t",
                               .op = "some",
                               .row_key = "id=?",
                               .before = "was",
                               .after = "is",
                               .target_row = x->row,
                               .reason = x->text};
    return b->fix == FIX_SOURCE_WINS && !x->can_win ? FIX_NONE : b->fix;
}

static enum apply_outcome apply(struct bench *b, enum conflict_fix fix, const struct write *x,
                                size_t n)
{
    struct slot_commit commit = {.decide = decide, .decide_arg = b};
    struct apply_result r = {0};
    struct err e = ERR_INIT;

    b->fix = fix;
    b->asked = b->thirds = 0;
    if (!b->on.to->apply(b->on.s, &commit, x, n, &r, &e))
        fail_msg("%s", e.message);
    return r.outcome;
}

static const char *all(struct bench *b)
{
    return world_value(b->on.w, "SELECT GROUP_CONCAT(id, ':', COALESCE(v, 'NULL') ORDER BY id, v"
                                " SEPARATOR ' ') FROM d.t");
}

static long recorded(struct bench *b)
{
    return world_number(b->on.w, "SELECT COUNT(*) FROM oms_meta.skipped WHERE task='resolve' AND"
                                 " txid='mariadb:0=7'");
}

#define KEYED "(id INT PRIMARY KEY, v VARCHAR(50))"
#define UNIQUE "(id INT PRIMARY KEY, v VARCHAR(50) UNIQUE)"
#define ROWS "INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c')"

static void stopping_rolls_back_and_shows_the_targets_row(void **state)
{
    struct bench b;
    lay_out(&b, *state, KEYED);
    world_sql(b.on.w, ROWS);
    struct write x[] = {world_insert(b.on.t, row(&b, 9, "n")),
                        world_insert(b.on.t, row(&b, 2, "x"))};

    assert_int_equal(apply(&b, FIX_NONE, x, 2), APPLY_CONFLICT);
    assert_int_equal(b.asked, 1);
    assert_int_equal(b.last.at, 1);
    assert_int_equal(b.last.error, 1062);
    assert_true(b.last.can_win);
    assert_string_equal(b.row, "id='2', v='b'");
    assert_string_equal(all(&b), "1:a 2:b 3:c");
    assert_int_equal(recorded(&b), 0);
    bench_close(&b.on);
}

static void the_sources_row_replaces_the_one_under_its_key(void **state)
{
    struct bench b;
    lay_out(&b, *state, KEYED);
    world_sql(b.on.w, ROWS);
    struct write x[] = {
        world_insert(b.on.t, row(&b, 1, "x")),                  /* is there already */
        world_insert(b.on.t, row(&b, 9, "n")),                  /* fits */
        world_update(b.on.t, row(&b, 7, "?"), row(&b, 7, "y")), /* is missing */
        world_update(b.on.t, row(&b, 8, "?"), row(&b, 2, "z")), /* missing, and the new key taken */
        world_delete(b.on.t, row(&b, 6, "?")),                  /* is missing */
        world_update(b.on.t, row(&b, 9, "n"), row(&b, 3, "w")), /* the new key is taken */
    };

    assert_int_equal(apply(&b, FIX_SOURCE_WINS, x, 6), APPLY_COMMITTED);
    assert_int_equal(b.asked, 5);
    assert_string_equal(all(&b), "1:x 2:z 3:w 7:y");
    bench_close(&b.on);
}

static void a_third_row_is_never_deleted(void **state)
{
    struct bench b;
    lay_out(&b, *state, UNIQUE);
    world_sql(b.on.w, ROWS);
    struct write insert = world_insert(b.on.t, row(&b, 1, "b")); /* row 1 may give way, row 2 not */
    struct write update = world_update(b.on.t, row(&b, 1, "a"), row(&b, 1, "c"));
    struct write other = world_insert(b.on.t, row(&b, 5, "c")); /* nothing under its key */

    assert_int_equal(apply(&b, FIX_SOURCE_WINS, &insert, 1), APPLY_CONFLICT);
    assert_int_equal(b.thirds, 1);
    assert_string_equal(b.row, "id='1', v='a'");
    assert_string_equal(b.holder, "id='2', v='b'");
    assert_int_equal(apply(&b, FIX_SOURCE_WINS, &update, 1), APPLY_CONFLICT);
    assert_int_equal(b.thirds, 1);
    assert_string_equal(b.holder, "id='3', v='c'");
    assert_int_equal(apply(&b, FIX_SOURCE_WINS, &other, 1), APPLY_CONFLICT);
    assert_int_equal(b.thirds, 1);
    assert_string_equal(b.row, "");
    assert_string_equal(b.holder, "id='3', v='c'");
    assert_string_equal(all(&b), "1:a 2:b 3:c");
    bench_close(&b.on);
}

static void a_skipped_change_is_recorded_with_the_rest_of_its_transaction(void **state)
{
    struct bench b;
    lay_out(&b, *state, UNIQUE);
    world_sql(b.on.w, ROWS);
    struct write x[] = {
        world_insert(b.on.t, row(&b, 1, "x")),                  /* its key is taken */
        world_insert(b.on.t, row(&b, 9, "c")),                  /* a third row holds the value */
        world_update(b.on.t, row(&b, 7, "?"), row(&b, 7, "y")), /* is missing */
        world_delete(b.on.t, row(&b, 6, "?")),                  /* is missing */
        world_update(b.on.t, row(&b, 1, "a"), row(&b, 1, "z")), /* fits */
    };

    assert_int_equal(apply(&b, FIX_SKIP, x, 5), APPLY_COMMITTED);
    assert_int_equal(b.asked, 4);
    assert_string_equal(all(&b), "1:z 2:b 3:c");
    assert_int_equal(recorded(&b), 4);
    assert_string_equal(world_value(b.on.w,
                                    "SELECT CONCAT_WS('|', tbl, op, row_key, `before`, `after`,"
                                    " target_row) FROM oms_meta.skipped WHERE n=0"),
                        "d.t|some|id=?|was|is|id='1', v='a'");
    bench_close(&b.on);
}

static void what_no_image_can_mend_is_not_overruled(void **state)
{
    struct bench b;
    lay_out(&b, *state, KEYED);
    world_sql(b.on.w, "ALTER TABLE d.t MODIFY v VARCHAR(3), ADD CONSTRAINT few CHECK (id < 100)");
    struct write longer = world_insert(b.on.t, row(&b, 1, "abcd"));
    struct write high = world_insert(b.on.t, row(&b, 100, "a"));

    assert_int_equal(apply(&b, FIX_SOURCE_WINS, &longer, 1), APPLY_CONFLICT);
    assert_int_equal(b.last.error, 1406);
    assert_int_equal(apply(&b, FIX_SOURCE_WINS, &high, 1), APPLY_CONFLICT);
    assert_int_equal(b.last.error, 4025);
    assert_false(b.last.can_win);
    assert_int_equal(apply(&b, FIX_SKIP, &longer, 1), APPLY_COMMITTED);
    assert_int_equal(recorded(&b), 1);
    bench_close(&b.on);
}

static void a_table_without_a_key_has_no_row_to_replace(void **state)
{
    struct bench b;
    lay_out(&b, *state, "(id INT, v VARCHAR(50))");
    world_sql(b.on.w, "INSERT INTO d.t VALUES (1, 'a'), (1, 'a')");
    struct write x[] = {world_delete(b.on.t, row(&b, 1, "A")),
                        world_delete(b.on.t, row(&b, 1, "a"))};

    assert_int_equal(apply(&b, FIX_SOURCE_WINS, x, 2), APPLY_CONFLICT);
    assert_false(b.last.can_win);
    assert_string_equal(b.row, "");
    assert_int_equal(apply(&b, FIX_SKIP, x, 2), APPLY_COMMITTED);
    assert_string_equal(all(&b), "1:a");
    bench_close(&b.on);
}

struct listed {
    uint32_t n;
    char text[200];
};
static bool list_one(void *arg, const struct skipped *x, const char *at)
{
    struct listed *l = arg;

    assert_true(strlen(at) > 10);
    (void)snprintf(l->text, sizeof l->text, "%s %s %s %s", x->txid, x->table, x->after,
                   x->target_row);
    l->n++;
    return true;
}

static void the_skipped_changes_can_be_listed(void **state)
{
    struct bench b;
    lay_out(&b, *state, KEYED);
    world_sql(b.on.w, ROWS);
    struct write x[] = {world_insert(b.on.t, row(&b, 1, "x")),
                        world_insert(b.on.t, row(&b, 2, "x"))};
    struct endpoint_address a = mariadb_address(&b.on.w->server);
    struct listed l = {0};
    struct err e = ERR_INIT;

    assert_int_equal(apply(&b, FIX_SKIP, x, 2), APPLY_COMMITTED);
    assert_true(b.on.to->skipped_list(&a, "resolve", 1, list_one, &l, &e));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.text, "mariadb:0=7 d.t is id='1', v='a'");
    assert_true(b.on.to->skipped_list(&a, "resolve", 10, list_one, &l, &e));
    assert_int_equal(l.n, 3);
    bench_close(&b.on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_rolls_back_and_shows_the_targets_row),
        cmocka_unit_test(the_sources_row_replaces_the_one_under_its_key),
        cmocka_unit_test(a_third_row_is_never_deleted),
        cmocka_unit_test(a_skipped_change_is_recorded_with_the_rest_of_its_transaction),
        cmocka_unit_test(what_no_image_can_mend_is_not_overruled),
        cmocka_unit_test(a_table_without_a_key_has_no_row_to_replace),
        cmocka_unit_test(the_skipped_changes_can_be_listed),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
