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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_of_another_shape_is_refused_with_the_difference),
        cmocka_unit_test(a_wider_target_is_taken),
        cmocka_unit_test(keys_of_the_target_that_find_more_in_common_are_noticed),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
