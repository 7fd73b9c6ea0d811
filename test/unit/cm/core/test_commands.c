/* What is refused at once and why; the tables of steps and rules; texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cm/core/cycle.h"
#include "cm/core/rule.h"
#include "test/lib/cluster_lab.h"

static int open_lab(void **state)
{
    struct lab *l = must_calloc(1, sizeof *l);
    struct err e = ERR_INIT;

    lab_open(l, 1);
    must(lab_sources(l, &e));
    *state = l;
    return 0;
}

static int close_lab(void **state)
{
    lab_close(*state);
    free(*state);
    return 0;
}

struct draft { /* a project as a person wrote it */
    Oms__ProjectFile f;
    Oms__ObjectScope o;
    char *include[2];
};

static void draft_init(struct draft *d)
{
    d->f = (Oms__ProjectFile)OMS__PROJECT_FILE__INIT;
    d->o = (Oms__ObjectScope)OMS__OBJECT_SCOPE__INIT;
    d->include[0] = (char *)"shop.*";
    d->o.include = d->include;
    d->o.n_include = 1;
    d->f.name = (char *)"p";
    d->f.source = (char *)"a";
    d->f.target = (char *)"b";
    d->f.objects = &d->o;
}

static struct err create(struct lab *l, struct draft *d)
{
    Oms__ProjectCreateRequest r = OMS__PROJECT_CREATE_REQUEST__INIT;
    struct err e = ERR_INIT;

    r.file = &d->f;
    (void)!lab_command(l, COMMAND_PROJECT_CREATE, &r.base, &e);
    return e;
}

static void a_bad_pattern_is_refused_with_its_place(void **state)
{
    struct draft d;

    draft_init(&d);
    d.include[1] = (char *)"shop.[ab";
    d.o.n_include = 2;
    struct err e = create(*state, &d);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.message, "include["));
}

static void unknown_data_sources_are_refused_by_name(void **state)
{
    struct draft d;

    draft_init(&d);
    d.f.target = (char *)"nowhere";
    struct err e = create(*state, &d);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "target: there is no data source 'nowhere'"));
}

static void source_and_target_must_differ(void **state)
{
    struct draft d;

    draft_init(&d);
    d.f.target = (char *)"a";
    assert_int_equal(create(*state, &d).code, ERR_INVALID);
}

static void row_filters_and_column_selection_are_refused(void **state)
{
    struct draft d;

    draft_init(&d);
    d.f.where = (char *)"id > 1";
    struct err e = create(*state, &d);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "where"));
    draft_init(&d);
    d.f.columns = (char *[]){(char *)"id"};
    d.f.n_columns = 1;
    e = create(*state, &d);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "columns"));
}

static void b4_a_range_of_server_ids_needs_both_ends_and_room(void **state)
{
    Oms__StoreOptions o = OMS__STORE_OPTIONS__INIT;
    struct draft d;

    draft_init(&d);
    d.f.store = &o;
    o.has_server_id_from = true;
    o.server_id_from = 4294967294u;
    struct err e = create(*state, &d);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.message, "belong together"));
    o.has_server_id_to = true;
    o.server_id_to = 4294967295u;
    e = create(*state, &d);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.message, "store.server_id_to"));
}

static void caps_are_changed_live_and_kept_in_the_project(void **state)
{
    struct lab *l = *state;
    struct lab_host h;
    struct arena a;
    struct err e = ERR_INIT;
    Oms__IncrementalOptions o = OMS__INCREMENTAL_OPTIONS__INIT;
    Oms__ProjectSetRequest r = OMS__PROJECT_SET_REQUEST__INIT;

    arena_init(&a, 0);
    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_named(l, COMMAND_PROJECT_START, "p", &e));
    lab_run(l, &h, 25);
    struct component *x = cluster_component(l->c, "p.incremental");
    uint64_t revision = x->revision, live = x->live;
    o.has_max_mb_per_second = true;
    o.max_mb_per_second = 7;
    r.incremental = &o;
    r.name = (char *)"q";
    assert_false(lab_command(l, COMMAND_PROJECT_SET, &r.base, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    err_clear(&e);
    r.name = (char *)"p";
    assert_true(lab_command(l, COMMAND_PROJECT_SET, &r.base, &e));
    const Oms__ComponentSpec *s = spec_build(l->c, x, &a);
    assert_int_equal(s->live->max_mb_per_second, 7);
    assert_false(s->live->has_max_rows_per_second);
    assert_int_equal(x->revision, revision); /* it is not restarted */
    assert_true(x->live > live);
    o.has_max_mb_per_second = false;
    assert_false(lab_command(l, COMMAND_PROJECT_SET, &r.base, &e)); /* nothing in it */
    assert_int_equal(e.code, ERR_INVALID);
    lab_crash(l);
    lab_boot(l);
    assert_int_equal(project_file(cluster_project(l->c, "p"))->incremental->max_mb_per_second, 7);
    lab_host_close(&h);
    arena_fini(&a);
}

static void a_check_to_skip_must_exist(void **state)
{
    struct draft d;

    draft_init(&d);
    d.f.skip_checks = (char *[]){(char *)"store.disk", (char *)"stor.disc"};
    d.f.n_skip_checks = 2;
    struct err e = create(*state, &d);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.message, "skip_checks[2]"));
    assert_non_null(strstr(e.message, "the nearest is 'store.disk'"));
}

static void what_contradicts_itself_is_refused_with_its_place(void **state)
{
    Oms__HeartbeatOptions h = OMS__HEARTBEAT_OPTIONS__INIT;
    Oms__DdlOptions ddl = OMS__DDL_OPTIONS__INIT;
    struct draft d;
    struct err e;

    draft_init(&d);
    h.schema = (char *)"shop";
    d.f.heartbeat = &h;
    e = create(*state, &d);
    assert_int_equal(e.code, ERR_INVALID);
    assert_memory_equal(e.message, "heartbeat.schema: 'shop'", 24);
    draft_init(&d);
    ddl.allow = (char *[]){(char *)"truncate", (char *)"drop-table"};
    ddl.n_allow = 2;
    ddl.deny = (char *[]){(char *)"drop-table"};
    ddl.n_deny = 1;
    d.f.ddl = &ddl;
    e = create(*state, &d);
    assert_int_equal(e.code, ERR_INVALID);
    assert_memory_equal(e.message, "ddl.deny[1]: 'drop-table' is allowed in ddl.allow[2]", 52);
}

static void names_are_small_letters_digits_and_hyphens(void **state)
{
    static const char *const bad[] = {
        "",    "-a",  "A",        "a.b",
        "a/b", "a b", "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct draft d;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        draft_init(&d);
        d.f.name = (char *)bad[i];
        assert_int_equal(create(*state, &d).code, ERR_INVALID);
    }
    draft_init(&d);
    d.f.name = (char *)"shop-2-move";
    assert_int_equal(create(*state, &d).code, ERR_NONE);
    assert_int_equal(create(*state, &d).code, ERR_EXISTS);
}

static void a_refused_command_changes_nothing(void **state)
{
    struct lab *l = *state;
    struct err e = ERR_INIT;
    size_t rows = l->rows.n;

    assert_false(lab_named(l, COMMAND_PROJECT_START, "p", &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_false(lab_named(l, COMMAND_SOURCE_REMOVE, "zzz", &e));
    assert_false(lab_named(l, COMMAND_COMPONENT_RESTART, "p.store", &e));
    assert_int_equal(l->rows.n, rows);
    assert_int_equal(l->events.n, 2); /* of the two data sources */
}

static void a_data_source_in_use_is_not_removed(void **state)
{
    struct lab *l = *state;
    struct err e = ERR_INIT;

    assert_true(lab_project(l, "p", &e));
    assert_false(lab_named(l, COMMAND_SOURCE_REMOVE, "a", &e));
    assert_non_null(strstr(e.message, "project 'p' uses it"));
    assert_true(lab_named(l, COMMAND_PROJECT_REMOVE, "p", &e));
    assert_true(lab_named(l, COMMAND_SOURCE_REMOVE, "a", &e));
    assert_null(lab_find(l, "source", "a"));
}

static void a_data_source_is_replaced_only_when_asked(void **state)
{
    struct lab *l = *state;
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
    Oms__DataSourceFile f = OMS__DATA_SOURCE_FILE__INIT;
    struct err e = ERR_INIT;

    f.name = (char *)"a";
    f.host = (char *)"elsewhere";
    r.file = &f;
    assert_false(lab_command(l, COMMAND_SOURCE_ADD, &r.base, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    r.has_replace = r.replace = true;
    assert_true(lab_command(l, COMMAND_SOURCE_ADD, &r.base, &e));
    assert_string_equal(source_row(cluster_source(l->c, "a"))->file->host, "elsewhere");
}

static void replacing_a_data_source_restarts_what_uses_it(void **state)
{
    struct lab *l = *state;
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
    Oms__DataSourceFile f = OMS__DATA_SOURCE_FILE__INIT;
    struct lab_host h;
    struct err e = ERR_INIT;

    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_named(l, COMMAND_PROJECT_START, "p", &e));
    lab_run(l, &h, 20);
    uint64_t revision = cluster_component(l->c, "p.store")->revision;
    f.name = (char *)"a";
    f.host = (char *)"elsewhere";
    r.file = &f;
    r.has_replace = r.replace = true;
    assert_true(lab_command(l, COMMAND_SOURCE_ADD, &r.base, &e));
    assert_int_equal(cluster_component(l->c, "p.store")->revision, revision + 1);
    lab_host_close(&h);
}

static void the_password_is_in_no_view_and_no_specification(void **state)
{
    struct lab *l = *state;
    struct arena a;

    arena_init(&a, 0);
    const Oms__DataSourceView *v = view_source(l->c, cluster_source(l->c, "a"), &a);
    size_t n;
    const char *bytes = message_pack(&v->base, &a, &n);
    assert_null(memmem(bytes, n, "sealed", 6));
    const ProtobufCBinaryData *sealed = secret_find(l->c, secret_of_source("a", &a));
    assert_non_null(sealed);
    assert_memory_equal(sealed->data, "sealed", 6);
    assert_null(secret_find(l->c, secret_of_source("zzz", &a)));
    arena_fini(&a);
}

static void the_table_of_steps_is_sound(void **state)
{
    (void)state;
    for (int k = 0; k < STEP_COUNT; k++) {
        const struct step_row *r = &step_rows[k];
        assert_true(r->name && r->component && r->kind && r->is_done && r->spec);
        assert_int_equal(step_from_name(r->name), k);
        /* A step starts after earlier rows alone: no circle. */
        assert_int_equal(r->after >> k, 0);
        assert_int_equal(strcmp(r->kind, "task") == 0, r->verb != NULL);
        assert_true(strlen(r->component) + PROJECT_NAME_MAX + 2 <= COMPONENT_ID_MAX);
        for (int o = 0; o < k; o++)
            assert_string_not_equal(r->component, step_rows[o].component);
    }
    assert_int_equal(step_from_name("nonsense"), STEP_NONE);
}

static void the_numbers_of_rules_are_unique_and_sentences_are_there(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_rules; i++) {
        assert_true(rules[i].number > 100 && rules[i].when && rules[i].effect);
        assert_true(rules[i].event && strchr(rules[i].event, '.') && rules[i].sentence[0]);
        for (unsigned o = 0; o < i; o++)
            assert_int_not_equal(rules[i].number, rules[o].number);
    }
}

static void every_decision_of_a_rule_is_in_the_event_log_with_its_number(void **state)
{
    struct lab *l = *state;
    struct lab_host h;
    struct err e = ERR_INIT;

    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_named(l, COMMAND_PROJECT_START, "p", &e));
    lab_run(l, &h, 25);
    assert_int_equal(lab_count(l, "step.started", "p"), 6);
    assert_int_equal(lab_count(l, "step.done", "p"), 5); /* incremental is never done */
    assert_int_equal(lab_count(l, "component.placed", NULL), 6);
    lab_host_close(&h);
}

static void texts_from_outside_become_valid_utf8(void **state)
{
    static const char *const texts[][2] = {{"plain", "plain"},
                                           {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
                                           {"a\xff"
                                            "b",
                                            "a?b"},
                                           {"cut \xe2\x82", "cut ??"},
                                           {"\xc0\xaf", "??"},
                                           {"\xed\xa0\x80", "???"},
                                           {"\xf5\x80\x80\x80", "????"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char *s = must_strdup(texts[i][0]);
        text_clean(s);
        assert_string_equal(s, texts[i][1] ? texts[i][1] : texts[i][0]);
        free(s);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_lab, close_lab)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bad_pattern_is_refused_with_its_place),
        TEST(unknown_data_sources_are_refused_by_name),
        TEST(source_and_target_must_differ),
        TEST(b4_a_range_of_server_ids_needs_both_ends_and_room),
        TEST(caps_are_changed_live_and_kept_in_the_project),
        TEST(a_check_to_skip_must_exist),
        TEST(row_filters_and_column_selection_are_refused),
        TEST(what_contradicts_itself_is_refused_with_its_place),
        TEST(names_are_small_letters_digits_and_hyphens),
        TEST(a_refused_command_changes_nothing),
        TEST(a_data_source_in_use_is_not_removed),
        TEST(a_data_source_is_replaced_only_when_asked),
        TEST(replacing_a_data_source_restarts_what_uses_it),
        TEST(the_password_is_in_no_view_and_no_specification),
        cmocka_unit_test(the_table_of_steps_is_sound),
        cmocka_unit_test(the_numbers_of_rules_are_unique_and_sentences_are_there),
        TEST(every_decision_of_a_rule_is_in_the_event_log_with_its_number),
        cmocka_unit_test(texts_from_outside_become_valid_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
