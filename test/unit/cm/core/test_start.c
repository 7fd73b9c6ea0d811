/* A project without a copy: what its file must say, and how its steps go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cm/core/cycle.h"
#include "test/lib/cluster_lab.h"

struct world {
    struct lab l;
    struct lab_host h;
    Oms__ProjectFile f;
    Oms__ObjectScope o;
    char *include[1];
    Oms__FullOptions full;
    Oms__IncrementalOptions incremental;
    Oms__StartOptions start;
};

static int open_world(void **state)
{
    struct world *w = must_calloc(1, sizeof *w);
    struct err e = ERR_INIT;

    lab_open(&w->l, 1);
    lab_host_open(&w->h, "host-1", "west");
    must(lab_sources(&w->l, &e));
    w->f = (Oms__ProjectFile)OMS__PROJECT_FILE__INIT;
    w->o = (Oms__ObjectScope)OMS__OBJECT_SCOPE__INIT;
    w->full = (Oms__FullOptions)OMS__FULL_OPTIONS__INIT;
    w->incremental = (Oms__IncrementalOptions)OMS__INCREMENTAL_OPTIONS__INIT;
    w->start = (Oms__StartOptions)OMS__START_OPTIONS__INIT;
    w->include[0] = (char *)"shop.*";
    w->o.include = w->include;
    w->o.n_include = 1;
    w->f.name = (char *)"p";
    w->f.source = (char *)"a";
    w->f.target = (char *)"b";
    w->f.objects = &w->o;
    w->f.full = &w->full;
    w->f.incremental = &w->incremental;
    w->incremental.start = &w->start;
    w->full.has_enabled = true;
    w->full.enabled = false;
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    lab_host_close(&w->h);
    lab_close(&w->l);
    free(w);
    return 0;
}

static bool create(struct world *w, struct err *e)
{
    Oms__ProjectCreateRequest r = OMS__PROJECT_CREATE_REQUEST__INIT;

    r.file = &w->f;
    return lab_command(&w->l, COMMAND_PROJECT_CREATE, &r.base, e);
}

static void refused(struct world *w, const char *text)
{
    struct err e = ERR_INIT;

    assert_false(create(w, &e));
    assert_int_equal(e.code, ERR_INVALID);
    if (!strstr(e.message, text))
        fail_msg("'%s' is not in '%s'", text, e.message);
}

static void a_start_beside_a_copy_is_refused_with_the_way_out(void **state)
{
    struct world *w = *state;

    w->start.time = (char *)"now";
    w->f.full = NULL;
    refused(w, "full.enabled: false");
    w->f.full = &w->full;
    w->full.enabled = true;
    refused(w, "full.enabled: false");
}

static void without_a_copy_a_start_is_needed(void **state)
{
    struct world *w = *state;

    w->incremental.start = NULL;
    refused(w, "incremental.start");
    w->f.incremental = NULL;
    refused(w, "incremental.start");
}

static void a_start_has_one_form_and_all_of_it(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    refused(w, "one of time, gtid, or file and offset is needed");
    w->start.time = (char *)"now";
    w->start.gtid = (char *)"0-1-5";
    refused(w, "not several");
    w->start.time = NULL;
    w->start.file = (char *)"binlog.000012";
    refused(w, "file and offset belong together");
    w->start.file = NULL;
    w->start.has_offset = true;
    refused(w, "file and offset belong together");
    w->start.has_offset = false;
    w->start.gtid = NULL;
    w->start.time = (char *)"yesterday";
    refused(w, "neither a moment in UTC");
    w->start.time = (char *)"2026-11-21T12:00:00Z";
    assert_true(create(w, &e));
}

static enum step_state at(struct world *w, enum step_kind k)
{
    return lab_project_step(&w->l, "p", k)->state;
}

static void its_steps_go_on_without_the_copy_and_in_their_order(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    w->start.time = (char *)"2026-11-21T12:00:00Z";
    assert_true(create(w, &e) && lab_named(&w->l, COMMAND_PROJECT_START, "p", &e));
    for (int i = 0; i < 30; i++) {
        lab_run(&w->l, &w->h, 1);
        if (at(w, STEP_INCREMENTAL) != STEP_PENDING)
            assert_int_equal(at(w, STEP_LOG_PULL), STEP_DONE);
        if (at(w, STEP_LOG_PULL) != STEP_PENDING)
            assert_int_equal(at(w, STEP_SCHEMA), STEP_DONE);
    }
    assert_int_equal(at(w, STEP_FULL), STEP_SKIPPED);
    assert_null(cluster_component(w->l.c, "p.full"));
    assert_true(project_is_caught_up(w->l.c, cluster_project(w->l.c, "p"), w->l.now));
    assert_int_equal(at(w, STEP_VERIFICATION), STEP_DONE);
    lab_crash(&w->l);
    lab_boot(&w->l);
    lab_run(&w->l, &w->h, 2);
    assert_int_equal(at(w, STEP_FULL), STEP_SKIPPED);
    assert_int_equal(at(w, STEP_INCREMENTAL), STEP_RUNNING);
}

static void the_store_is_told_the_start_and_the_reader_that_there_is_no_copy(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, 0);
    w->start.time = (char *)"2026-11-21T12:00:00Z";
    assert_true(create(w, &e) && lab_named(&w->l, COMMAND_PROJECT_START, "p", &e));
    lab_run(&w->l, &w->h, 20);
    const Oms__ComponentSpec *s = spec_build(w->l.c, cluster_component(w->l.c, "p.store"), &a);
    assert_string_equal(s->fixed->start->time, "2026-11-21T12:00:00Z");
    s = spec_build(w->l.c, cluster_component(w->l.c, "p.incremental"), &a);
    assert_string_equal(s->fixed->full_task, "");
    assert_true(s->live->full_done);
    arena_fini(&a);
}

static void a_release_before_anything_was_written_seals_nothing_and_behind_it_does(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;
    Oms__ReleaseRequest r = OMS__RELEASE_REQUEST__INIT;

    w->start.time = (char *)"now";
    assert_true(create(w, &e) && lab_named(&w->l, COMMAND_PROJECT_START, "p", &e));
    lab_run(&w->l, &w->h, 25);
    r.name = (char *)"p";
    assert_true(lab_command(&w->l, COMMAND_PROJECT_RELEASE, &r.base, &e));
    lab_run(&w->l, &w->h, 10);
    assert_int_equal(at(w, STEP_SEAL), STEP_DONE);
    w->f.name = r.name = (char *)"q";
    assert_true(create(w, &e) && lab_command(&w->l, COMMAND_PROJECT_RELEASE, &r.base, &e));
    lab_run(&w->l, &w->h, 5);
    assert_int_equal(lab_project_step(&w->l, "q", STEP_SEAL)->state, STEP_SKIPPED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(a_start_beside_a_copy_is_refused_with_the_way_out),
        TEST(without_a_copy_a_start_is_needed),
        TEST(a_start_has_one_form_and_all_of_it),
        TEST(its_steps_go_on_without_the_copy_and_in_their_order),
        TEST(the_store_is_told_the_start_and_the_reader_that_there_is_no_copy),
        TEST(a_release_before_anything_was_written_seals_nothing_and_behind_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
