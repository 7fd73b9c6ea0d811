/*
 * Plans of tables: what would lose data is refused by name before a row is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "test/lib/target_world.h"

static void a_target_of_another_shape_is_refused_with_the_difference(void **state)
{
    static const char *const bad[][2] = {
        {"(id INT PRIMARY KEY)", "'v' is missing"},
        {"(id INT, v VARCHAR(50))", "no unique key"},
        {"(id SMALLINT PRIMARY KEY, v VARCHAR(50))", "'id'"},
        {"(id INT PRIMARY KEY, v VARCHAR(49))", "'v'"},
        {"(id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET latin1)", "latin1"},
        {"(id INT PRIMARY KEY, v VARCHAR(50) NOT NULL)", "NOT NULL"},
        {"(id INT PRIMARY KEY, v VARCHAR(50), w INT NOT NULL)", "'w'"},
    };
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;

    world_sql(w, "CREATE DATABASE d");
    world_sql(w, "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(50))");
    struct claim *c = world_claim(w, "shape", 1, 1);
    to->table_close(world_table(w, c, "d", "t", &def));

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct target_table *t = NULL;
        struct err e = ERR_INIT;
        world_sql(w, "CREATE OR REPLACE TABLE d.other %s", bad[i][0]);
        assert_false(to->table_open(c, def, "d", "other", &t, &e));
        assert_int_equal(e.code, ERR_TARGET_SHAPE);
        if (!strstr(e.message, bad[i][1]))
            fail_msg("'%s' does not name '%s'", e.message, bad[i][1]);
    }
    table_def_unref(def);
    to->claim_close(c);
}

static void a_wider_target_is_taken(void **state)
{
    static const char *const good[] = {
        "(v VARCHAR(60), id BIGINT PRIMARY KEY)",
        "(id INT PRIMARY KEY, v VARCHAR(50) COLLATE utf8mb4_bin, w INT)",
        "(id INT, v VARCHAR(50), g INT AS (id + 1) STORED, UNIQUE (id))",
    };
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;
    struct claim *c = world_claim(w, "wider", 1, 1);
    struct slot *s = world_slot(w, c, 0);

    to->table_close(world_table(w, c, "d", "t", &def));
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct target_table *t = NULL;
        struct err e = ERR_INIT;
        world_sql(w, "CREATE OR REPLACE TABLE d.other %s", good[i]);
        if (!to->table_open(c, def, "d", "other", &t, &e))
            fail_msg("'%s' refused: %s", good[i], e.message);
        struct write x[] = {
            world_insert(t, world_row(w, def, 1, "a")),
            world_update(t, world_row(w, def, 1, "a"), world_row(w, def, 2, "b")),
        };
        assert_int_equal(world_apply(w, s, NULL, x, 2).outcome, APPLY_COMMITTED);
        assert_string_equal(world_value(w, "SELECT CONCAT(id, v) FROM d.other"), "2b");
        to->table_close(t);
    }
    table_def_unref(def);
    to->slot_close(s);
    to->claim_close(c);
}

/* As the log of MySQL tells such a column, and as its catalog does. */
static void an_enum_of_bytes_fits_one_without_a_charset(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;
    struct target_table *t = NULL;
    struct err e = ERR_INIT;
    struct column_def columns[2];
    struct claim *c = world_claim(w, "bytes of an enum", 1, 1);

    world_sql(w,
              "CREATE OR REPLACE TABLE d.t (id INT PRIMARY KEY, v ENUM('a') CHARACTER SET binary)");
    to->table_close(world_table(w, c, "d", "t", &def));
    memcpy(columns, def->columns, sizeof columns);
    for (int i = 0; i < 2; i++) {
        const struct table_def *told;
        struct table_def_builder b;

        table_def_builder_init(&b);
        b.def = *def;
        b.def.columns = columns;
        columns[1].charset = i ? "binary" : "";
        assert_true(table_def_seal(&b, &told, &e));
        table_def_builder_fini(&b);
        if (!to->table_open(c, told, "d", "t", &t, &e))
            fail_msg("'%s': %s", told->columns[1].charset, e.message);
        to->table_close(t);
        table_def_unref(told);
    }
    table_def_unref(def);
    to->claim_close(c);
}

/* Source: id, a VARCHAR(30) of a binary collation, b of one by letters, both unique. */
static void keys_of_the_target_that_find_more_in_common_are_noticed(void **state)
{
    static const char source[] = "(id INT PRIMARY KEY, a VARCHAR(30) COLLATE utf8mb4_bin UNIQUE, "
                                 "b VARCHAR(30) COLLATE utf8mb4_general_ci, UNIQUE (b(10)))";
    static const struct {
        const char *target;
        bool agree;
    } cases[] = {
        {source, true},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30))", true},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30) COLLATE utf8mb4_unicode_ci UNIQUE)",
         true},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30) COLLATE utf8mb4_bin, UNIQUE (b(10)))",
         true},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30), UNIQUE (b, id))", true},
        /* Another collation, a shorter prefix, a key that only the target has. */
        {"(id INT PRIMARY KEY, a VARCHAR(30) COLLATE utf8mb4_general_ci UNIQUE, b VARCHAR(30))",
         false},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30) COLLATE utf8mb4_swedish_ci UNIQUE)",
         false},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30), UNIQUE (b(9)))", false},
        {"(id INT PRIMARY KEY, a VARCHAR(30), b VARCHAR(30), w INT UNIQUE)", false},
        {"(id INT PRIMARY KEY, a VARCHAR(30) COLLATE utf8mb4_bin, b VARCHAR(30), UNIQUE (a(29)))",
         false},
    };
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    const struct table_def *def;
    struct claim *c = world_claim(w, "keys", 1, 1);

    world_sql(w, "CREATE OR REPLACE TABLE d.t %s", source);
    to->table_close(world_table(w, c, "d", "t", &def));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target_table *t = NULL;
        struct err e = ERR_INIT;

        world_sql(w, "CREATE OR REPLACE TABLE d.other %s", cases[i].target);
        if (!to->table_open(c, def, "d", "other", &t, &e))
            fail_msg("'%s' refused: %s", cases[i].target, e.message);
        if (to->keys_agree(t) != cases[i].agree)
            fail_msg("'%s' is judged otherwise", cases[i].target);
        to->table_close(t);
    }
    table_def_unref(def);
    to->claim_close(c);
}

/* Where the target follows the source's DDL, a definition that is too late or too early for the
 * rows is put right by the target's own. */
static void what_the_log_does_not_tell_is_told_by_a_target_that_follows(void **state)
{
    static const struct {
        const char *source, *target;
        bool agree;
    } cases[] = {
        {"(id INT PRIMARY KEY, u BINARY(16), i BINARY(4), g INT)",
         "(id INT PRIMARY KEY, u UUID, i INET4, g INT AS (id + 1) STORED)", true},
        {"(id INT PRIMARY KEY, u UUID, i INET4, g INT AS (id + 1) STORED)",
         "(id INT PRIMARY KEY, u INET6, i BINARY(4), g INT)", true},
        {"(id INT NOT NULL UNIQUE, v INT)", "(id INT NOT NULL, v INT)", false},
        {"(id INT NOT NULL UNIQUE, v INT NOT NULL UNIQUE)",
         "(id INT NOT NULL, v INT NOT NULL UNIQUE)", false},
        {"(id INT NOT NULL UNIQUE, v INT UNIQUE)", "(id INT NOT NULL UNIQUE, v INT)", true},
    };
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct endpoint_address a = mariadb_address(&w->server);
    struct takeover_params p = {
        .address = &a, .task = "follows", .epoch = 1, .slots = 1, .follows_ddl = true};
    struct err e = ERR_INIT;
    struct claim *c = NULL;

    assert_true(to->takeover(&p, &c, &e));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct table_def *def;
        struct target_table *t = NULL;

        world_sql(w, "CREATE OR REPLACE TABLE d.t %s", cases[i].source);
        world_sql(w, "CREATE OR REPLACE TABLE d.other %s", cases[i].target);
        to->table_close(world_table(w, c, "d", "t", &def));
        if (!to->table_open(c, def, "d", "other", &t, &e))
            fail_msg("'%s' refused: %s", cases[i].target, e.message);
        if (to->keys_agree(t) != cases[i].agree)
            fail_msg("'%s' is judged otherwise", cases[i].target);
        if (to->keys_agree(t))
            assert_true(to->row_is_whole(t));
        to->table_close(t);
        table_def_unref(def);
    }
    to->claim_close(c);
}

/* v is plain in the source's definition and computed on the target: either the definition is that
 * of a later DDL, and the row has what is computed, or the target's table is another. */
static void a_computed_column_never_hides_another_value(void **state)
{
    static const char *const tables[] = {
        "(id INT PRIMARY KEY, v VARCHAR(50) AS (CONCAT('x', id)) STORED)",
        "(id INT PRIMARY KEY, v VARCHAR(50) AS (CONCAT('x', id)))",
        "(id INT, v VARCHAR(50) AS (CONCAT('x', id)))",
    };
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct endpoint_address a = mariadb_address(&w->server);
    struct takeover_params p = {
        .address = &a, .task = "computed", .epoch = 1, .slots = 1, .follows_ddl = true};
    const struct table_def *def;
    struct target_table *t = NULL;
    struct err e = ERR_INIT;
    struct claim *c = NULL;

    assert_true(to->takeover(&p, &c, &e));
    struct slot *s = world_slot(w, c, 0);
    for (size_t i = 0; i < 3; i++) {
        world_sql(w, "CREATE OR REPLACE TABLE d.t (id INT%s, v VARCHAR(50))",
                  i < 2 ? " PRIMARY KEY" : "");
        world_sql(w, "CREATE OR REPLACE TABLE d.other %s", tables[i]);
        to->table_close(world_table(w, c, "d", "t", &def));
        assert_true(to->table_open(c, def, "d", "other", &t, &e));
        struct write good[] = {
            world_insert(t, world_row(w, def, 1, "x1")),
            world_insert(t, world_row(w, def, 2, "x2")),
            world_update(t, world_row(w, def, 1, "x1"), world_row(w, def, 3, "x3")),
        };
        assert_int_equal(world_apply(w, s, NULL, good, 3).outcome, APPLY_COMMITTED);
        struct write insert = world_insert(t, world_row(w, def, 5, "y5"));
        assert_int_equal(world_apply_fails(w, s, &insert, 1), ERR_TARGET_SHAPE);
        struct write update =
            world_update(t, world_row(w, def, 3, "x3"), world_row(w, def, 3, NULL));
        assert_int_equal(world_apply_fails(w, s, &update, 1), ERR_TARGET_SHAPE);
        assert_string_equal(world_value(w, "SELECT GROUP_CONCAT(id ORDER BY id) FROM d.other"),
                            "2,3");
        to->table_close(t);
        table_def_unref(def);
    }
    to->slot_close(s);
    to->claim_close(c);
}

/* A row whose 16 bytes the source's definition calls BINARY, without a key on either side: written,
 * found and removed by them. */
static void bytes_arrive_in_a_column_that_names_them_otherwise(void **state)
{
    struct target_world *w = *state;
    const struct target_ops *to = w->endpoint->target;
    struct endpoint_address a = mariadb_address(&w->server);
    struct takeover_params p = {
        .address = &a, .task = "bytes", .epoch = 1, .slots = 1, .follows_ddl = true};
    const struct table_def *def;
    struct target_table *t = NULL;
    struct err e = ERR_INIT;
    struct claim *c = NULL;
    struct buf row;

    assert_true(to->takeover(&p, &c, &e));
    world_sql(w, "CREATE OR REPLACE TABLE d.t (u BINARY(16) NOT NULL UNIQUE, i BINARY(4))");
    world_sql(w, "CREATE OR REPLACE TABLE d.other (u UUID NOT NULL, i INET4)");
    to->table_close(world_table(w, c, "d", "t", &def));
    assert_true(to->table_open(c, def, "d", "other", &t, &e));
    struct slot *s = world_slot(w, c, 0);
    struct row_writer rw;
    buf_init(&row, 1024);
    row_begin(&rw, &row, def, ROWS_CANONICAL, false);
    row_put_bytes(&rw, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16);
    row_put_bytes(&rw, "\1\2\3\4", 4);
    row_end(&rw);
    struct write put = world_insert(t, (struct view){row.p, row.len});
    assert_int_equal(world_apply(w, s, world_set(w, 1), &put, 1).outcome, APPLY_COMMITTED);
    assert_string_equal(world_value(w, "SELECT CONCAT(u, ' ', i) FROM d.other"),
                        "01020304-0506-0708-090a-0b0c0d0e0f10 1.2.3.4");
    struct write gone = world_delete(t, (struct view){row.p, row.len});
    assert_int_equal(world_apply(w, s, world_set(w, 2), &gone, 1).outcome, APPLY_COMMITTED);
    assert_int_equal(world_number(w, "SELECT COUNT(*) FROM d.other"), 0);
    buf_fini(&row);
    to->slot_close(s);
    to->table_close(t);
    table_def_unref(def);
    to->claim_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_of_another_shape_is_refused_with_the_difference),
        cmocka_unit_test(a_wider_target_is_taken),
        cmocka_unit_test(keys_of_the_target_that_find_more_in_common_are_noticed),
        cmocka_unit_test(an_enum_of_bytes_fits_one_without_a_charset),
        cmocka_unit_test(what_the_log_does_not_tell_is_told_by_a_target_that_follows),
        cmocka_unit_test(a_computed_column_never_hides_another_value),
        cmocka_unit_test(bytes_arrive_in_a_column_that_names_them_otherwise),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
