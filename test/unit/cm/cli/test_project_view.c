/* What a person sees of a project, and when waiting for it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cm/cli/cli.h"
#include "cm/cli/project_view.h"
#include "common/pbtext/pbtext.h"

struct fixture {
    struct arena arena;
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    arena_init(&f->arena, 0);
    buf_init(&f->out, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->out);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

static Oms__ProjectView *view(struct fixture *f, const char *yaml)
{
    struct err e = ERR_INIT;
    ProtobufCMessage *m;

    if (!pbtext_parse_yaml("view", yaml, strlen(yaml), &oms__project_view__descriptor, &f->arena,
                           &m, &e))
        fail_msg("%s", e.message);
    return (Oms__ProjectView *)m;
}

static void assert_shows(struct fixture *f, const char *part)
{
    if (!strstr(buf_cstr(&f->out), part))
        fail_msg("'%s' lacks '%s'", buf_cstr(&f->out), part);
}

#define RUNNING                                                                            \
    "name: shop-move\nstate: running\nlag_ms: 800\nlag_kind: commit-time\nsteps:\n"        \
    "  - {name: precheck, state: done}\n"                                                  \
    "  - {name: full, state: running, done: 500000, total: 1000000, rate: 52310.2, unit: " \
    "rows, bytes_rate: 8100000, eta_s: 10}\n"                                              \
    "  - {name: incremental, state: pending}\n"                                            \
    "tables: [{name: a, copy: copied}, {name: b, copy: copying}, {name: c, copy: copied}]\n"

static void a_running_step_has_bar_rates_and_estimate(void **state)
{
    struct fixture *f = *state;

    project_view_summary(view(f, RUNNING), &project_bars_plain, &f->arena, &f->out);
    assert_shows(f, "project shop-move: running   lag ");
    assert_shows(f, "(by commit-time)");
    assert_shows(f, "############------------  50%");
    assert_shows(f, "500,000 of 1,000,000 rows  52,310 rows/s  8.1 MB/s  10.0 s left");
    assert_shows(f, "3 tables: copy 2 copied, 1 copying\n");
}

static void unknown_lag_is_said_so(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(project_view_lag(view(f, "name: a"), &f->arena), "unknown");
    assert_string_equal(project_view_lag(view(f, "lag_ms: -1"), &f->arena), "unknown");
}

static void incidents_show_their_choices(void **state)
{
    struct fixture *f = *state;

    project_view_summary(view(f, "incidents: [{id: 12, code: DDL_HELD, summary: ALTER, choices: "
                                 "[skip, copy-again]}]\nerror: {code: SERVER_DENIED, message: no}"),
                         &project_bars_plain, &f->arena, &f->out);
    assert_shows(f, "incident 12  DDL_HELD: ALTER");
    assert_shows(f, "oms incident resolve 12 --choice skip | copy-again");
    assert_shows(f, "oms explain SERVER_DENIED");
}

static void a_line_names_only_what_moves(void **state)
{
    struct fixture *f = *state;

    project_view_line(view(f, RUNNING), &f->arena, &f->out);
    assert_shows(f, "running | full running 50%");
    assert_null(strstr(buf_cstr(&f->out), "precheck"));
    assert_null(strstr(buf_cstr(&f->out), "incremental"));
}

static void any_view_can_be_shown(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectView *v =
        view(f, "steps: [{}, {state: running, done: 9, total: 3, rate: -1, eta_s: -1}]\n"
                "tables: [{}]\nchecks: [{}]\nobjects: [{}]\nincidents: [{}]\nerror: {}\n");

    project_view_summary(v, &project_bars_unicode, &f->arena, &f->out);
    project_view_line(v, &f->arena, &f->out);
    project_view_tables(v, 40, &f->arena, &f->out);
    project_view_checks(v, true, 40, &f->out);
    project_view_objects(v, true, 40, &f->out);
    assert_shows(f, "100%");
}

static enum watch_outcome judge(struct fixture *f, const char *yaml, enum watch_goal goal)
{
    const char *why = NULL;
    enum watch_outcome o = watch_judge(view(f, yaml), goal, &why);

    assert_true((o == WATCH_FAILED) == (why != NULL));
    return o;
}

static void waiting_ends_when_the_project_ends(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(judge(f, "state: running", WATCH_END), WATCH_GO_ON);
    assert_int_equal(judge(f, "state: paused", WATCH_END), WATCH_GO_ON);
    assert_int_equal(judge(f, "state: finished", WATCH_END), WATCH_REACHED);
    assert_int_equal(judge(f, "state: released", WATCH_END), WATCH_REACHED);
    assert_int_equal(judge(f, "state: failed", WATCH_END), WATCH_FAILED);
    assert_int_equal(judge(f, "state: failed\ncaught_up: true", WATCH_CAUGHT_UP), WATCH_FAILED);
    assert_int_equal(judge(f, "state: released", WATCH_VERIFIED), WATCH_FAILED);
}

static void caught_up_is_what_the_cm_says(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(judge(f, "state: running\ncaught_up: true", WATCH_CAUGHT_UP), WATCH_REACHED);
    assert_int_equal(judge(f, "state: running\ncaught_up: false", WATCH_CAUGHT_UP), WATCH_GO_ON);
}

static void verified_means_done_and_all_tables_equal(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(judge(f,
                           "state: running\nsteps: [{name: verification, state: done}]\n"
                           "tables: [{verification: equal}, {verification: equal}]",
                           WATCH_VERIFIED),
                     WATCH_REACHED);
    assert_int_equal(judge(f,
                           "state: running\nsteps: [{name: verification, state: running}]\n"
                           "tables: [{verification: equal}]",
                           WATCH_VERIFIED),
                     WATCH_GO_ON);
    assert_int_equal(judge(f,
                           "state: running\nsteps: [{name: verification, state: done}]\n"
                           "tables: [{verification: equal}, {verification: moving}]",
                           WATCH_VERIFIED),
                     WATCH_FAILED);
    assert_int_equal(judge(f,
                           "state: running\nsteps: [{name: verification, state: done}]\n"
                           "tables: [{verification: equal}, {verification: different}]",
                           WATCH_VERIFIED),
                     WATCH_FAILED);
    assert_int_equal(
        judge(f, "state: running\nsteps: [{name: verification, state: skipped}]", WATCH_VERIFIED),
        WATCH_FAILED);
}

static void numbers_are_grouped(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(cli_count(&f->arena, 0), "0");
    assert_string_equal(cli_count(&f->arena, 999), "999");
    assert_string_equal(cli_count(&f->arena, 1000), "1,000");
    assert_string_equal(cli_count(&f->arena, 18446744073709551615ull),
                        "18,446,744,073,709,551,615");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_running_step_has_bar_rates_and_estimate),
        T(unknown_lag_is_said_so),
        T(incidents_show_their_choices),
        T(a_line_names_only_what_moves),
        T(any_view_can_be_shown),
        T(waiting_ends_when_the_project_ends),
        T(caught_up_is_what_the_cm_says),
        T(verified_means_done_and_all_tables_equal),
        T(numbers_are_grouped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
