/* A target's own unique keys: which are taken off, and the statements, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "components/convert/kept_keys.h"

static struct arena arena;
static struct buf out;
static struct err e;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    buf_init(&out, 1 << 16);
    e = (struct err)ERR_INIT;
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_fini(&arena);
    buf_fini(&out);
    return 0;
}

static const struct key_part part_id[] = {{.column = 0}}, part_u[] = {{.column = 1}},
                             part_b[] = {{.column = 2, .prefix = 10, .descending = true}};
static const struct column_def columns[] = {{.name = "id", .kind = KIND_I32},
                                            {.name = "u", .kind = KIND_I32},
                                            {.name = "b", .kind = KIND_TEXT, .nullable = true}};

static const struct table_def *table(const struct key_def *keys, uint16_t n, const char *text)
{
    struct table_def_builder b;
    const struct table_def *t;

    table_def_builder_init(&b);
    b.def = (struct table_def){.db = "d`b",
                               .name = "t",
                               .engine = "InnoDB",
                               .charset = "utf8mb4",
                               .collation = "utf8mb4_bin",
                               .family = "",
                               .create_text = text,
                               .columns = columns,
                               .n_columns = 3,
                               .keys = keys,
                               .n_keys = n};
    assert_true(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

#define PRIMARY                                                                            \
    {                                                                                      \
        .name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = part_id \
    }
static const struct key_def all_keys[] = {
    PRIMARY,
    {.name = "again", .unique = true, .n_parts = 1, .parts = part_id},
    {.name = "u", .unique = true, .n_parts = 1, .parts = part_u},
    {.name = "b`x", .unique = true, .n_parts = 1, .parts = part_b},
    {.name = "p", .n_parts = 1, .parts = part_u},
};
static const struct key_def few_keys[] = {
    PRIMARY, {.name = "U", .unique = true, .n_parts = 1, .parts = part_u}};
static const struct key_def stand_in[] = {
    PRIMARY, {.name = "u", .unique = false, .n_parts = 1, .parts = part_u}};

static const char all_text[] =
    "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `u` int NOT NULL,\n  `b` text,\n"
    "  PRIMARY KEY (`id`),\n  UNIQUE KEY `again` (`id`),\n  UNIQUE KEY `u` (`u`) COMMENT 'a,b',\n"
    "  UNIQUE KEY `b``x` (`b`(10) DESC) /*!80000 INVISIBLE */,\n  KEY `p` (`u`)\n) ENGINE=InnoDB";

static struct kept_keys found(void)
{
    const struct table_def *there = table(all_keys, 5, all_text),
                           *source = table(few_keys, 2, all_text);
    struct kept_keys keys;

    assert_true(kept_keys_find(there, source, &arena, &keys, &e));
    table_def_unref(there);
    table_def_unref(source);
    return keys;
}

static void what_finds_rows_stays_and_other_unique_keys_go(void **state)
{
    struct kept_keys keys = found();

    (void)state;
    assert_int_equal(keys.n, 2);
    assert_string_equal(keys.at[0].name, "u");
    assert_false(keys.at[0].own);
    assert_string_equal(keys.at[1].name, "b`x");
    assert_true(keys.at[1].own);
}

static void a_key_is_made_again_in_its_own_words(void **state)
{
    struct kept_keys keys = found();

    (void)state;
    assert_true(kept_keys_make(&keys, 0, keys.n, NULL, &out));
    assert_string_equal(buf_cstr(&out),
                        "ALTER TABLE `d``b`.`t` ADD UNIQUE KEY `u` (`u`) COMMENT 'a,b', ADD UNIQUE "
                        "KEY `b``x` (`b`(10) DESC) /*!80000 INVISIBLE */");
}

static void a_key_that_stands_in_is_replaced_and_one_that_is_there_left(void **state)
{
    const struct table_def *there = table(stand_in, 2, all_text),
                           *whole = table(all_keys, 5, all_text);
    struct kept_keys keys = found();

    (void)state;
    kept_keys_off(&keys, 0, true, &out);
    assert_string_equal(buf_cstr(&out),
                        "ALTER TABLE `d``b`.`t` DROP KEY `u`, ADD KEY `u` (`u`) COMMENT 'a,b'");
    buf_clear(&out);
    assert_true(kept_keys_make(&keys, 0, 1, there, &out));
    assert_string_equal(
        buf_cstr(&out),
        "ALTER TABLE `d``b`.`t` DROP KEY `u`, ADD UNIQUE KEY `u` (`u`) COMMENT 'a,b'");
    buf_clear(&out);
    assert_false(kept_keys_make(&keys, 0, keys.n, whole, &out));
    assert_int_equal(out.len, 0);
    table_def_unref(there);
    table_def_unref(whole);
}

static void a_record_comes_back_and_any_cut_of_it_is_refused(void **state)
{
    struct kept_keys keys = found(), back;

    (void)state;
    kept_keys_encode(&keys, &out);
    assert_true(kept_keys_decode((struct view){out.p, out.len}, &arena, &back, &e));
    assert_string_equal(back.to_db, "d`b");
    assert_int_equal(back.n, 2);
    assert_string_equal(back.at[1].clause, keys.at[1].clause);
    assert_true(back.at[1].own);
    for (size_t n = 0; n < out.len; n++) {
        struct err cut = ERR_INIT;
        assert_false(kept_keys_decode((struct view){out.p, n}, &arena, &back, &cut));
        assert_int_equal(cut.code, ERR_CORRUPT);
    }
}

static void a_table_made_anew_keeps_only_what_its_source_never_had(void **state)
{
    const struct table_def *source = table(few_keys, 2, all_text);
    struct kept_keys keys = found(), more = found();

    (void)state;
    kept_keys_leave_own(&keys, source);
    assert_int_equal(keys.n, 1);
    assert_string_equal(keys.at[0].name, "b`x");
    assert_true(kept_keys_join(&keys, &more, true, &arena));
    assert_int_equal(keys.n, 2);
    more.at[0].clause = "UNIQUE KEY `u` (`u`,`id`)";
    assert_false(kept_keys_join(&keys, &more, false, &arena));
    assert_true(kept_keys_join(&keys, &more, true, &arena));
    assert_string_equal(keys.at[1].clause, more.at[0].clause);
    table_def_unref(source);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_finds_rows_stays_and_other_unique_keys_go),
        TEST(a_key_is_made_again_in_its_own_words),
        TEST(a_key_that_stands_in_is_replaced_and_one_that_is_there_left),
        TEST(a_record_comes_back_and_any_cut_of_it_is_refused),
        TEST(a_table_made_anew_keeps_only_what_its_source_never_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
