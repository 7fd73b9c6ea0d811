/* The life of a project: steps in order, pause, failure, release, and what a crash of the CM keeps.
 */
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
};

static int open_world(void **state)
{
    struct world *w = must_calloc(1, sizeof *w);
    struct err e = ERR_INIT;

    lab_open(&w->l, 1);
    lab_host_open(&w->h, "host-1", "west");
    must(lab_sources(&w->l, &e) && lab_project(&w->l, "p", &e));
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

static void start(struct world *w)
{
    struct err e = ERR_INIT;

    assert_true(lab_named(&w->l, COMMAND_PROJECT_START, "p", &e));
}

static enum step_state at(struct world *w, enum step_kind k)
{
    return lab_project_step(&w->l, "p", k)->state;
}

static void run_until_caught_up(struct world *w)
{
    start(w);
    lab_run(&w->l, &w->h, 25);
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
    assert_true(project_is_caught_up(w->l.c, cluster_project(w->l.c, "p"), w->l.now));
}

static void a_started_project_goes_through_its_steps(void **state)
{
    struct world *w = *state;

    run_until_caught_up(w);
    assert_int_equal(at(w, STEP_PRECHECK), STEP_DONE);
    assert_int_equal(at(w, STEP_SCHEMA), STEP_DONE);
    assert_int_equal(at(w, STEP_LOG_PULL), STEP_DONE);
    assert_int_equal(at(w, STEP_INCREMENTAL), STEP_RUNNING);
    assert_int_equal(at(w, STEP_VERIFICATION), STEP_DONE);
    assert_string_equal(lab_state(&w->l, "p"), "running");
}

static void a_step_starts_only_after_those_before_it_are_done(void **state)
{
    struct world *w = *state;

    start(w);
    for (int i = 0; i < 25; i++) {
        lab_run(&w->l, &w->h, 1);
        for (int k = 0; k < STEP_COUNT; k++)
            for (int before = 0; before < STEP_COUNT; before++)
                if (step_rows[k].after & 1u << before && at(w, (enum step_kind)k) != STEP_PENDING)
                    assert_int_equal(at(w, (enum step_kind)before), STEP_DONE);
    }
}

static void nothing_runs_before_start(void **state)
{
    struct world *w = *state;

    lab_run(&w->l, &w->h, 5);
    assert_int_equal(w->h.units.n, 0);
    assert_string_equal(lab_state(&w->l, "p"), "init");
}

static void a_failed_check_fails_the_project_and_resume_runs_precheck_again(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    w->h.bad_check = "no route";
    start(w);
    lab_run(&w->l, &w->h, 6);
    assert_string_equal(lab_state(&w->l, "p"), "failed");
    assert_string_equal(lab_project_step(&w->l, "p", STEP_PRECHECK)->error_code, "PRECHECK_FAILED");
    assert_int_equal(at(w, STEP_SCHEMA), STEP_PENDING);
    w->h.bad_check = NULL;
    assert_true(lab_named(&w->l, COMMAND_PROJECT_RESUME, "p", &e));
    lab_run(&w->l, &w->h, 25);
    assert_string_equal(lab_state(&w->l, "p"), "running");
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
}

static void a_component_that_ends_with_stop_fails_its_project_alone(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    assert_true(lab_project(&w->l, "q", &e));
    assert_true(lab_named(&w->l, COMMAND_PROJECT_START, "q", &e));
    lab_run(&w->l, &w->h, 25);
    w->h.sick = "full-import";
    w->h.sick_exit = 11;
    w->h.sick_error = "TARGET_SHAPE";
    start(w);
    lab_run(&w->l, &w->h, 15);
    assert_string_equal(lab_state(&w->l, "p"), "failed");
    assert_string_equal(lab_project_step(&w->l, "p", STEP_FULL)->error_code, "TARGET_SHAPE");
    assert_string_equal(lab_state(&w->l, "q"), "running");
    assert_int_equal(lab_unit(&w->h, "p.full")->goal, GOAL_STOP);
}

static void resume_after_the_cause_is_gone_goes_on(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    w->h.sick = "full-import";
    w->h.sick_exit = 11;
    w->h.sick_error = "TARGET_SHAPE";
    start(w);
    lab_run(&w->l, &w->h, 15);
    w->h.sick = NULL;
    assert_true(lab_named(&w->l, COMMAND_PROJECT_RESUME, "p", &e));
    lab_run(&w->l, &w->h, 15);
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
    assert_string_equal(lab_state(&w->l, "p"), "running");
}

static void a_refused_component_gets_a_higher_epoch(void **state)
{
    struct world *w = *state;

    w->h.sick = "full-import";
    w->h.sick_exit = 12;
    w->h.sick_error = "REFUSED";
    start(w);
    lab_run(&w->l, &w->h, 9);
    uint64_t epoch = cluster_component(w->l.c, "p.full")->epoch;
    assert_true(epoch > 1);
    w->h.sick = NULL;
    lab_run(&w->l, &w->h, 10);
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
}

static void a_component_refused_for_ever_fails_its_step(void **state)
{
    struct world *w = *state;

    w->h.sick = "full-import";
    w->h.sick_exit = 12;
    w->h.sick_error = "REFUSED";
    start(w);
    lab_run(&w->l, &w->h, 40);
    assert_int_equal(at(w, STEP_FULL), STEP_FAILED);
    assert_string_equal(lab_project_step(&w->l, "p", STEP_FULL)->error_code, "REFUSED");
}

static void a_component_that_crashes_too_often_fails_its_step(void **state)
{
    struct world *w = *state;

    w->h.sick = "store";
    w->h.sick_exit = 139;
    w->h.sick_error = "";
    start(w);
    lab_run(&w->l, &w->h, 45);
    assert_string_equal(lab_project_step(&w->l, "p", STEP_LOG_PULL)->error_code,
                        "COMPONENT_CRASHES");
}

static void a_few_crashes_fail_nothing(void **state)
{
    struct world *w = *state;

    start(w);
    for (int i = 0; i < 30; i++) {
        struct lab_unit *u = lab_unit(&w->h, "p.full");
        if (u && i % 4 == 0)
            lab_unit_kill(u);
        lab_run(&w->l, &w->h, 1);
    }
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
    assert_string_equal(lab_state(&w->l, "p"), "running");
}

static void pause_stops_and_resume_runs_the_components(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    run_until_caught_up(w);
    assert_true(lab_named(&w->l, COMMAND_PROJECT_PAUSE, "p", &e));
    lab_run(&w->l, &w->h, 3);
    assert_string_equal(lab_state(&w->l, "p"), "paused");
    assert_int_equal(lab_unit(&w->h, "p.store")->state, UNIT_STOPPED);
    assert_int_equal(lab_unit(&w->h, "p.incremental")->state, UNIT_STOPPED);
    assert_true(lab_named(&w->l, COMMAND_PROJECT_RESUME, "p", &e));
    lab_run(&w->l, &w->h, 3);
    assert_int_equal(lab_unit(&w->h, "p.store")->state, UNIT_RUNNING);
    assert_int_equal(lab_unit(&w->h, "p.incremental")->state, UNIT_RUNNING);
}

static void a_crash_of_the_cm_forgets_no_step_and_stops_nothing(void **state)
{
    struct world *w = *state;

    start(w);
    for (int i = 0; i < 25; i++) {
        size_t running = 0, after = 0;
        lab_crash(&w->l);
        for (size_t u = 0; u < w->h.units.n; u++)
            running += w->h.units.at[u]->state == UNIT_RUNNING;
        lab_boot(&w->l);
        struct err e = ERR_INIT;
        assert_true(lab_host_sync(&w->l, &w->h, false, &e));
        for (size_t u = 0; u < w->h.units.n; u++)
            after += w->h.units.at[u]->state == UNIT_RUNNING;
        assert_true(after >= running);
        lab_run(&w->l, &w->h, 1);
    }
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
    assert_int_equal(at(w, STEP_VERIFICATION), STEP_DONE);
}

static void what_people_see_survives_a_crash(void **state)
{
    struct world *w = *state;
    struct arena a;

    run_until_caught_up(w);
    lab_crash(&w->l);
    lab_boot(&w->l);
    arena_init(&a, 0);
    const struct project *p = cluster_project(w->l.c, "p");
    const Oms__ProjectView *v = view_project(w->l.c, p, true, w->l.now, &a);
    assert_int_equal(v->n_checks, 1);
    assert_int_equal(v->n_tables, 1);
    assert_string_equal(v->tables[0]->copy, "done");
    assert_string_equal(v->tables[0]->verification, "equal");
    assert_string_equal(v->steps[STEP_FULL]->state, "done");
    assert_false(v->has_lag_ms);
    assert_false(v->caught_up);
    arena_fini(&a);
}

static void lag_is_unknown_once_reports_are_old(void **state)
{
    struct world *w = *state;
    struct arena a;

    run_until_caught_up(w);
    arena_init(&a, 0);
    const struct project *p = cluster_project(w->l.c, "p");
    assert_true(view_project(w->l.c, p, false, w->l.now, &a)->has_lag_ms);
    lab_pass(&w->l, 6000);
    assert_false(view_project(w->l.c, p, false, w->l.now, &a)->has_lag_ms);
    assert_false(view_project(w->l.c, p, false, w->l.now, &a)->caught_up);
    arena_fini(&a);
}

static void release_stops_the_writers_then_seals(void **state)
{
    struct world *w = *state;
    Oms__ReleaseRequest r = OMS__RELEASE_REQUEST__INIT;
    struct err e = ERR_INIT;

    run_until_caught_up(w);
    r.name = (char *)"p";
    assert_true(lab_command(&w->l, COMMAND_PROJECT_RELEASE, &r.base, &e));
    for (int i = 0; i < 10; i++) {
        lab_run(&w->l, &w->h, 1);
        const struct lab_unit *seal = lab_unit(&w->h, "p.task-seal");
        if (seal && seal->state == UNIT_RUNNING)
            assert_int_equal(lab_unit(&w->h, "p.incremental")->state, UNIT_STOPPED);
    }
    assert_string_equal(lab_state(&w->l, "p"), "released");
    assert_null(lab_unit(&w->h, "p.task-finish"));
}

static void finish_is_refused_unless_caught_up(void **state)
{
    struct world *w = *state;
    Oms__ReleaseRequest r = OMS__RELEASE_REQUEST__INIT;
    struct err e = ERR_INIT;

    r.name = (char *)"p";
    r.has_finish = r.finish = true;
    start(w);
    lab_run(&w->l, &w->h, 4);
    assert_false(lab_command(&w->l, COMMAND_PROJECT_RELEASE, &r.base, &e));
    assert_int_equal(e.code, ERR_WRONG_STATE);
    lab_run(&w->l, &w->h, 25);
    assert_true(lab_command(&w->l, COMMAND_PROJECT_RELEASE, &r.base, &e));
    lab_run(&w->l, &w->h, 12);
    assert_string_equal(lab_state(&w->l, "p"), "released");
    assert_int_equal(at(w, STEP_FINISH), STEP_DONE);
}

static void a_released_project_starts_no_more(void **state)
{
    struct world *w = *state;
    Oms__ReleaseRequest r = OMS__RELEASE_REQUEST__INIT;
    struct err e = ERR_INIT;

    r.name = (char *)"p";
    assert_true(lab_command(&w->l, COMMAND_PROJECT_RELEASE, &r.base, &e));
    lab_run(&w->l, &w->h, 2);
    assert_string_equal(lab_state(&w->l, "p"), "released");
    assert_int_equal(at(w, STEP_SEAL), STEP_SKIPPED);
    assert_false(lab_named(&w->l, COMMAND_PROJECT_START, "p", &e));
}

static void verify_start_makes_a_new_round_whose_verdicts_are_fresh(void **state)
{
    struct world *w = *state;
    Oms__VerifyRequest r = OMS__VERIFY_REQUEST__INIT;
    struct project *p;
    struct err e = ERR_INIT;

    run_until_caught_up(w);
    p = cluster_project(w->l.c, "p");
    r.name = (char *)"p";
    assert_true(lab_command(&w->l, COMMAND_VERIFY_START, &r.base, &e));
    assert_int_equal(at(w, STEP_VERIFICATION), STEP_RUNNING);
    assert_string_equal(project_table(p, "shop.orders")->verification, "");
    /* A report of the old round is on its way. */
    assert_true(lab_host_sync(&w->l, &w->h, true, &e));
    assert_string_equal(project_table(p, "shop.orders")->verification, "");
    assert_int_equal(at(w, STEP_VERIFICATION), STEP_RUNNING);
    lab_run(&w->l, &w->h, 6);
    assert_int_equal(at(w, STEP_VERIFICATION), STEP_DONE);
    assert_string_equal(project_table(p, "shop.orders")->verification, "equal");
}

static void an_incident_holds_its_step_until_it_is_answered(void **state)
{
    struct world *w = *state;
    Oms__IncidentRequest r = OMS__INCIDENT_REQUEST__INIT;
    struct err e = ERR_INIT;

    run_until_caught_up(w);
    w->h.ddl = true;
    lab_run(&w->l, &w->h, 2);
    assert_true(step_is_held(w->l.c, cluster_project(w->l.c, "p"), STEP_INCREMENTAL));
    assert_string_equal(lab_state(&w->l, "p"), "running");
    r.has_id = true;
    r.id = 1;
    r.choice = (char *)"nonsense";
    assert_false(lab_command(&w->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e));
    lab_crash(&w->l);
    lab_boot(&w->l);
    r.choice = (char *)"skip";
    e = (struct err)ERR_INIT;
    assert_true(lab_command(&w->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e));
    assert_false(step_is_held(w->l.c, cluster_project(w->l.c, "p"), STEP_INCREMENTAL));
    assert_true(lab_command(&w->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e)); /* the same again */
    r.choice = (char *)"done-by-hand"; /* the first may have been acted upon */
    assert_false(lab_command(&w->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e));
    assert_int_equal(e.code, ERR_WRONG_STATE);
    lab_run(&w->l, &w->h, 3);
    assert_string_equal(lab_unit(&w->h, "p.incremental")->choice, "");
    assert_int_equal(lab_count(&w->l, "incident.closed", NULL), 1);
}

static void a_table_is_copied_again_while_the_flow_waits(void **state)
{
    struct world *w = *state;
    Oms__IncidentRequest r = OMS__INCIDENT_REQUEST__INIT;
    struct err e = ERR_INIT;

    run_until_caught_up(w);
    lab_run(&w->l, &w->h, 6);
    w->h.ddl = true;
    lab_run(&w->l, &w->h, 2);
    r.has_id = true;
    r.id = 1;
    r.choice = (char *)CHOICE_COPY_AGAIN;
    assert_true(lab_command(&w->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e));
    assert_int_equal(at(w, STEP_FULL), STEP_RUNNING);
    lab_crash(&w->l);
    lab_boot(&w->l);
    lab_run(&w->l, &w->h, 1);
    /* The reader knows before the copy begins; who compares stops. */
    assert_false(lab_unit(&w->h, "p.incremental")->full_done);
    assert_false(lab_unit(&w->h, "p.store")->full_done);
    assert_false(cluster_component(w->l.c, "p.verification")->goal_run);
    assert_true(cluster_component(w->l.c, "p.full")->goal_run);
    r.choice = (char *)"skip";
    assert_false(lab_command(&w->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e)); /* too late */
    run_until_caught_up(w);
    assert_int_equal(at(w, STEP_FULL), STEP_DONE);
    assert_true(lab_unit(&w->h, "p.incremental")->full_done);
    lab_run(&w->l, &w->h, 3);
    assert_true(cluster_component(w->l.c, "p.verification")->goal_run);
}

static void an_incident_is_reported_many_times_and_opened_once(void **state)
{
    struct world *w = *state;

    run_until_caught_up(w);
    w->h.ddl = true;
    lab_run(&w->l, &w->h, 20);
    assert_int_equal(lab_count(&w->l, "incident.opened", NULL), 1);
}

static void a_removed_project_leaves_no_row_and_no_process(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    run_until_caught_up(w);
    assert_false(lab_named(&w->l, COMMAND_PROJECT_REMOVE, "p", &e));
    assert_true(lab_named(&w->l, COMMAND_PROJECT_PAUSE, "p", &e));
    assert_true(lab_named(&w->l, COMMAND_PROJECT_REMOVE, "p", &e));
    for (size_t i = 0; i < w->l.rows.n; i++)
        assert_true(strcmp(w->l.rows.at[i].table, "host") == 0 ||
                    strcmp(w->l.rows.at[i].table, "source") == 0);
    lab_run(&w->l, &w->h, 5);
    assert_int_equal(w->h.units.n, 0);
}

static void the_test_of_a_data_source_answers_with_its_outcome(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    lab_run(&w->l, &w->h, 1);
    assert_true(lab_named(&w->l, COMMAND_SOURCE_TEST, "a", &e));
    w->l.text[0] = '\0';
    lab_run(&w->l, &w->h, 4);
    assert_string_equal(w->l.text, "done");
    lab_run(&w->l, &w->h, 3);
    assert_int_equal(w->h.units.n, 0);
    assert_int_equal(w->l.c->components.n, 0);
}

static void a_test_without_any_host_ends_with_an_error(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    assert_true(lab_named(&w->l, COMMAND_SOURCE_TEST, "a", &e));
    lab_pass(&w->l, 56000);
    assert_non_null(strstr(w->l.text, "no host is up"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_started_project_goes_through_its_steps),
        TEST(a_step_starts_only_after_those_before_it_are_done),
        TEST(nothing_runs_before_start),
        TEST(a_failed_check_fails_the_project_and_resume_runs_precheck_again),
        TEST(a_component_that_ends_with_stop_fails_its_project_alone),
        TEST(resume_after_the_cause_is_gone_goes_on),
        TEST(a_refused_component_gets_a_higher_epoch),
        TEST(a_component_refused_for_ever_fails_its_step),
        TEST(a_component_that_crashes_too_often_fails_its_step),
        TEST(a_few_crashes_fail_nothing),
        TEST(pause_stops_and_resume_runs_the_components),
        TEST(a_crash_of_the_cm_forgets_no_step_and_stops_nothing),
        TEST(what_people_see_survives_a_crash),
        TEST(lag_is_unknown_once_reports_are_old),
        TEST(release_stops_the_writers_then_seals),
        TEST(finish_is_refused_unless_caught_up),
        TEST(a_released_project_starts_no_more),
        TEST(verify_start_makes_a_new_round_whose_verdicts_are_fresh),
        TEST(an_incident_holds_its_step_until_it_is_answered),
        TEST(a_table_is_copied_again_while_the_flow_waits),
        TEST(an_incident_is_reported_many_times_and_opened_once),
        TEST(a_removed_project_leaves_no_row_and_no_process),
        TEST(the_test_of_a_data_source_answers_with_its_outcome),
        TEST(a_test_without_any_host_ends_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
