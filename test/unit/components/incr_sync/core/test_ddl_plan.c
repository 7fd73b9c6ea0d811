/* What a DDL means where its tables were copied behind it, and which swaps a copy mends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "components/incr_sync/core/ddl_plan.h"

/* Names tell where a table stands: "o..." is out of scope, "l..." was copied behind the DDL. */
static void place(void *arg, const char *db, const char *name, struct ddl_place *out)
{
    (void)arg;
    *out = (struct ddl_place){
        .in_scope = name[0] != 'o', .in_copy = name[0] == 'l', .to_db = db, .to_name = name};
}

static const char *place_db(void *arg, const char *db)
{
    return (void)arg, db;
}

static void quote(struct buf *out, const char *db, const char *name)
{
    buf_printf(out, "%s.%s", db, name);
}

static void quote_name(struct buf *out, const char *name)
{
    buf_str(out, name);
}

struct words {
    const char *name;
    enum ddl_role role;
};

/* The plan of a statement that names these tables. */
static void plan(struct ddl_plan *p, enum ddl_kind kind, bool sync, const struct words *w, size_t n)
{
    static const char sql[] = "statement";
    struct ddl_plan_params params = {.sync = sync,
                                     .place = place,
                                     .place_db = place_db,
                                     .quote = quote,
                                     .quote_name = quote_name,
                                     .trial = "trial"};
    struct buf tables CLEANUP(buf_fini);

    buf_init(&tables, 4096);
    for (size_t i = 0; i < n; i++) {
        struct ddl_table t = {.db = {(const uint8_t *)"d", 1},
                              .name = {(const uint8_t *)w[i].name, strlen(w[i].name)},
                              .role = (uint8_t)w[i].role};
        ddl_table_put(&tables, &t);
    }
    struct ddl_record d = {.sql = {(const uint8_t *)sql, sizeof sql - 1},
                           .flags = DDL_F_READ,
                           .ddl_kind = (uint8_t)kind,
                           .n_tables = (uint32_t)n,
                           .tables = {tables.p, tables.len}};
    ddl_plan_init(p);
    ddl_plan_make(p, &d, &params);
}

static void assert_verdict(enum ddl_kind kind, enum ddl_verdict verdict, const struct words *w,
                           size_t n)
{
    struct ddl_plan p;

    plan(&p, kind, true, w, n);
    assert_int_equal(p.verdict, verdict);
    ddl_plan_fini(&p);
}

static void a_table_copied_behind_its_ddl_has_its_effect(void **state)
{
    struct words w[] = {{"later", DDL_ROLE_SUBJECT}};

    (void)state;
    assert_verdict(DDL_ALTER_TABLE, DDL_PASS, w, 1);
    assert_verdict(DDL_CREATE_TABLE, DDL_PASS, w, 1);
}

static void assert_sql(enum ddl_kind kind, const char *sql, const struct words *w, size_t n)
{
    struct ddl_plan p;

    plan(&p, kind, true, w, n);
    assert_int_equal(p.verdict, sql ? DDL_RUN : DDL_PASS);
    if (sql)
        assert_string_equal(buf_cstr(&p.sql), sql);
    ddl_plan_fini(&p);
}

static void a_drop_never_meets_a_later_copy_of_that_name(void **state)
{
    struct words w[] = {{"early", DDL_ROLE_SUBJECT}, {"later", DDL_ROLE_SUBJECT}};

    (void)state;
    assert_sql(DDL_DROP_TABLE, "DROP TABLE IF EXISTS d.early", w, 1);
    assert_sql(DDL_DROP_TABLE, "DROP TABLE IF EXISTS d.early", w, 2);
    assert_sql(DDL_DROP_TABLE, NULL, w + 1, 1);
}

static void a_rename_never_meets_a_later_copy_of_one_of_its_names(void **state)
{
    struct words w[] = {{"later", DDL_ROLE_FROM}, {"early", DDL_ROLE_TO}};
    struct words plain[] = {{"early", DDL_ROLE_FROM}, {"free", DDL_ROLE_TO}};

    (void)state;
    assert_verdict(DDL_RENAME_TABLE, DDL_HOLD, w, 2);
    assert_verdict(DDL_RENAME_TABLE, DDL_RUN, plain, 2);
}

static void where_every_new_name_was_copied_later_the_old_ones_go(void **state)
{
    struct words back[] = {{"early", DDL_ROLE_FROM}, {"later", DDL_ROLE_TO}};
    struct words swap[] = {{"later", DDL_ROLE_FROM},
                           {"later_old", DDL_ROLE_TO},
                           {"new", DDL_ROLE_FROM},
                           {"later", DDL_ROLE_TO}};
    struct words exchange[] = {{"la", DDL_ROLE_FROM}, {"tmp", DDL_ROLE_TO},   {"lb", DDL_ROLE_FROM},
                               {"la", DDL_ROLE_TO},   {"tmp", DDL_ROLE_FROM}, {"lb", DDL_ROLE_TO}};
    struct words mixed[] = {{"early", DDL_ROLE_FROM},
                            {"later", DDL_ROLE_TO},
                            {"new", DDL_ROLE_FROM},
                            {"early", DDL_ROLE_TO}};
    struct words both[] = {{"la", DDL_ROLE_FROM}, {"lb", DDL_ROLE_TO}};

    (void)state;
    assert_sql(DDL_RENAME_TABLE, "DROP TABLE IF EXISTS d.early", back, 2);
    assert_sql(DDL_RENAME_TABLE, "DROP TABLE IF EXISTS d.new", swap, 4);
    assert_sql(DDL_RENAME_TABLE, "DROP TABLE IF EXISTS d.tmp", exchange, 6);
    assert_verdict(DDL_RENAME_TABLE, DDL_HOLD, mixed, 4);
    assert_sql(DDL_RENAME_TABLE, NULL, both, 2);
}

static void a_table_is_not_made_like_a_later_one(void **state)
{
    struct words w[] = {{"new", DDL_ROLE_SUBJECT}, {"later", DDL_ROLE_MODEL}};

    (void)state;
    assert_verdict(DDL_CREATE_TABLE, DDL_HOLD, w, 2);
}

static void only_what_says_nothing_of_a_definition_runs_on_another_product(void **state)
{
    static const struct ddl_table named[] = {{.db = {(const uint8_t *)"d", 1},
                                              .name = {(const uint8_t *)"a", 1},
                                              .role = DDL_ROLE_SUBJECT},
                                             {.db = {(const uint8_t *)"d", 1},
                                              .name = {(const uint8_t *)"b", 1},
                                              .role = DDL_ROLE_MODEL}};
    static const struct {
        const char *sql;
        enum ddl_kind kind;
        uint32_t flags;
        uint16_t tables;
        bool same;
    } cases[] = {
        {"DROP TABLE a", DDL_DROP_TABLE, 0, 1, true},
        {"RENAME TABLE a TO b", DDL_RENAME_TABLE, 0, 2, true},
        {"TRUNCATE a", DDL_TRUNCATE, 0, 1, true},
        {"TRUNCATE /*!99999 b */ a", DDL_TRUNCATE, 0, 1, false},
        {"DROP INDEX i ON a", DDL_INDEX, DDL_F_DROPS, 1, true},
        {"CREATE INDEX i ON a (x)", DDL_INDEX, 0, 1, false},
        {"CREATE TABLE a LIKE b", DDL_CREATE_TABLE, 0, 2, true},
        {"CREATE TABLE a (x INT) LIKE b", DDL_CREATE_TABLE, DDL_F_HAS_BODY, 2, false},
        {"CREATE TABLE a (x INT)", DDL_CREATE_TABLE, DDL_F_HAS_BODY, 1, false},
        {"ALTER TABLE a ADD x INT", DDL_ALTER_TABLE, 0, 1, false},
        {"CREATE DATABASE d", DDL_DATABASE, DDL_F_CREATES, 1, false},
        {"?", DDL_UNKNOWN, 0, 0, false},
    };
    struct buf tables CLEANUP(buf_fini);

    (void)state;
    buf_init(&tables, 1000);
    ddl_table_put(&tables, &named[0]);
    ddl_table_put(&tables, &named[1]);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ddl_record d = {.sql = {(const uint8_t *)cases[i].sql, strlen(cases[i].sql)},
                               .flags = DDL_F_READ | cases[i].flags,
                               .ddl_kind = (uint8_t)cases[i].kind,
                               .n_tables = cases[i].tables,
                               .tables = {tables.p, tables.len}};

        assert_int_equal(ddl_means_the_same(&d), cases[i].same);
    }
}

static void assert_copy(enum ddl_kind kind, const char *key, const struct words *w, size_t n)
{
    struct ddl_plan p;

    for (int sync = 0; sync < 2; sync++) {
        plan(&p, kind, sync, w, n);
        assert_int_equal(p.verdict, DDL_HOLD);
        if (key)
            assert_string_equal(p.copy_table, key);
        else
            assert_null(p.copy_table);
        ddl_plan_fini(&p);
    }
}

static void a_swap_from_outside_is_mended_by_a_copy_only_where_no_other_name_is_left(void **state)
{
    struct words swap[] = {
        {"t", DDL_ROLE_FROM}, {"o_del", DDL_ROLE_TO}, {"o_gho", DDL_ROLE_FROM}, {"t", DDL_ROLE_TO}};
    struct words away[] = {
        {"u", DDL_ROLE_FROM}, {"o_u", DDL_ROLE_TO}, {"o_gho", DDL_ROLE_FROM}, {"t", DDL_ROLE_TO}};
    struct words two[] = {
        {"o_1", DDL_ROLE_FROM}, {"t", DDL_ROLE_TO}, {"o_2", DDL_ROLE_FROM}, {"u", DDL_ROLE_TO}};

    (void)state;
    assert_copy(DDL_RENAME_TABLE, "d.t", swap, 4);
    assert_copy(DDL_RENAME_TABLE, NULL, away, 4);
    assert_copy(DDL_RENAME_TABLE, NULL, two, 4);
}

static void either_table_of_an_exchange_is_changed_and_one_is_mended_by_a_copy(void **state)
{
    struct words parts[] = {{"t", DDL_ROLE_SUBJECT}, {"o_u", DDL_ROLE_SUBJECT}};
    struct words other[] = {{"o_t", DDL_ROLE_SUBJECT}, {"u", DDL_ROLE_SUBJECT}};
    struct words both[] = {{"t", DDL_ROLE_SUBJECT}, {"u", DDL_ROLE_SUBJECT}};

    (void)state;
    assert_copy(DDL_ALTER_TABLE, "d.t", parts, 2);
    assert_copy(DDL_ALTER_TABLE, "d.u", other, 2);
    assert_copy(DDL_ALTER_TABLE, NULL, both, 2);
}

static void nothing_runs_unless_the_project_asks_for_it(void **state)
{
    struct words w[] = {{"t", DDL_ROLE_SUBJECT}};
    struct ddl_plan p;

    (void)state;
    plan(&p, DDL_TRUNCATE, false, w, 1);
    assert_int_equal(p.verdict, DDL_HOLD);
    assert_string_equal(p.copy_table, "d.t");
    ddl_plan_fini(&p);
    assert_verdict(DDL_TRUNCATE, DDL_RUN, w, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_copied_behind_its_ddl_has_its_effect),
        cmocka_unit_test(a_drop_never_meets_a_later_copy_of_that_name),
        cmocka_unit_test(a_rename_never_meets_a_later_copy_of_one_of_its_names),
        cmocka_unit_test(where_every_new_name_was_copied_later_the_old_ones_go),
        cmocka_unit_test(a_table_is_not_made_like_a_later_one),
        cmocka_unit_test(only_what_says_nothing_of_a_definition_runs_on_another_product),
        cmocka_unit_test(a_swap_from_outside_is_mended_by_a_copy_only_where_no_other_name_is_left),
        cmocka_unit_test(either_table_of_an_exchange_is_changed_and_one_is_mended_by_a_copy),
        cmocka_unit_test(nothing_runs_unless_the_project_asks_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
