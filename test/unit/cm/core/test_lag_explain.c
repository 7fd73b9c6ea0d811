/* What limits a project: from fabricated reports to the one verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cm/core/cycle.h"
#include "test/lib/cluster_lab.h"

#define FIGURES_MAX 8

struct figure {
    const char *name;
    double value;
};

static struct lab lab;
static struct lab_host host;
static size_t notes_shown = 2; /* 3: and that takeover waits */

static int open_lab(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    lab_open(&lab, 1);
    lab_host_open(&host, "host-1", "west");
    must(lab_sources(&lab, &e) && lab_project(&lab, "p", &e) &&
         lab_named(&lab, COMMAND_PROJECT_START, "p", &e));
    lab_run(&lab, &host, 25);
    return 0;
}

static int close_lab(void **state)
{
    (void)state;
    lab_host_close(&host);
    lab_close(&lab);
    return 0;
}

/* The step's component reports these figures and nothing else. */
static void report(enum step_kind k, const struct figure *f, size_t n, const char *error)
{
    struct component *x = project_component(lab.c, cluster_project(lab.c, "p"), k);
    Oms__ComponentStatus st = *(const Oms__ComponentStatus *)x->status.m;
    Oms__ComponentReport r = *st.report;
    Oms__Metric metrics[FIGURES_MAX], *at[FIGURES_MAX];
    Oms__Note hot_table = OMS__NOTE__INIT, hot_row = OMS__NOTE__INIT;
    Oms__Note takeover = OMS__NOTE__INIT;
    Oms__Note *notes[] = {&hot_table, &hot_row, &takeover};
    Oms__Error why = OMS__ERROR__INIT;

    for (size_t i = 0; i < n; i++) {
        oms__metric__init(&metrics[i]);
        metrics[i].name = (char *)f[i].name;
        metrics[i].has_value = 1;
        metrics[i].value = f[i].value;
        at[i] = &metrics[i];
    }
    hot_table.name = (char *)"hot_table";
    hot_table.text = (char *)"shop.stock";
    hot_row.name = (char *)"hot_row";
    hot_row.text = (char *)"id=7";
    takeover.name = (char *)"takeover";
    takeover.text = (char *)"takeover waits for session 7";
    why.code = (char *)error;
    why.message = (char *)"why";
    r.metrics = at;
    r.n_metrics = n;
    r.notes = notes;
    r.n_notes = notes_shown;
    r.error = error ? &why : NULL;
    st.report = &r;
    kept_set(&x->status, &st.base);
}

static void expect(const char *stage, const char *word)
{
    struct arena a;
    Oms__LagExplanation *x;

    arena_init(&a, 1u << 20);
    x = lag_explain(lab.c, cluster_project(lab.c, "p"), lab.now, &a);
    if (strcmp(x->stage, stage) != 0 || (word && !strstr(x->verdict, word)))
        fail_msg("'%s' (%s), not '%s' (%s)", x->stage, x->verdict, stage, word ? word : "");
    arena_fini(&a);
}

#define STORE(...) report(STEP_LOG_PULL, FIGURES(__VA_ARGS__), NULL)
#define INCR(...) report(STEP_INCREMENTAL, FIGURES(__VA_ARGS__), NULL)
#define FIGURES(...)                      \
    (const struct figure[]){__VA_ARGS__}, \
        sizeof((const struct figure[]){__VA_ARGS__}) / sizeof(struct figure)

static void each_figure_gives_its_verdict(void **state)
{
    (void)state;
    STORE({"pull.silent_ms", 10});
    INCR({"incr.part.idle", 1});
    expect("none", NULL);
    INCR({"incr.part.keys", 0.6});
    expect("dependency wait", "shop.stock id=7");
    INCR({"incr.part.stream", 0.8});
    expect("stream", NULL);
    INCR({"incr.part.target", 0.9}, {"incr.commit_share", 0.7}, {"pending_trx", 50},
         {"incr.slots", 4});
    expect("target commit", "70 %");
    INCR({"incr.part.target", 0.9}, {"incr.commit_share", 0.1}, {"pending_trx", 50},
         {"incr.slots", 4});
    expect("target execution", NULL);
    INCR({"incr.part.target", 0.9}, {"pending_trx", 2}, {"incr.slots", 4});
    expect("none", NULL); /* busy with what has just come */
    INCR({"incr.part.back_off", 0.5});
    expect("target execution", "rolls");
    INCR({"incr.part.back_off", 0.5}, {"incr.slots", 4}, {"incr.slots_active", 4});
    expect("target execution", "rolls");
    INCR({"incr.part.back_off", 0.5}, {"incr.slots", 4}, {"incr.slots_active", 2});
    expect("target execution", "2 of 4 slots");
    INCR({"incr.part.limited", 0.9}, {"incr.part.keys", 0.6});
    expect("limit set", "90 %");
    INCR({"incr.oldest_rows", 1e6}, {"incr.in_flight_ms", 9000});
    expect("huge transaction", "1000000 rows");
    INCR({"incr.in_flight_ms", 9000}, {"incr.part.keys", 0.9});
    expect("target execution", "9.0 s");
}

static void what_is_nearer_to_the_source_is_said_first(void **state)
{
    (void)state;
    INCR({"incr.part.stream", 1});
    STORE({"pull.silent_ms", 10}, {"pull.behind_ms", 60000}, {"pull.part.disk", 0.9});
    expect("store fsync", "60 s");
    STORE({"pull.silent_ms", 10}, {"pull.behind_ms", 60000}, {"pull.part.decode", 0.9});
    expect("decode", "90 %");
    STORE({"pull.silent_ms", 10}, {"pull.behind_ms", 60000}, {"pull.part.source", 0.9});
    expect("source log pull", NULL);
    STORE({"pull.silent_ms", 7000});
    expect("source log pull", "7 s");
    STORE({"pull.silent_ms", -1});
    expect("source log pull", "not heard");
    report(STEP_LOG_PULL, NULL, 0, "NO_SPACE");
    expect("store fsync", "NO_SPACE");
    report(STEP_LOG_PULL, NULL, 0, "SERVER_UNREACHABLE");
    expect("source log pull", "SERVER_UNREACHABLE");
}

/* The explanation never shows a lag beside the words that the source is silent. */
static void a_takeover_that_waits_is_said_before_the_store_is_looked_at(void **state)
{
    (void)state;
    report(STEP_LOG_PULL, NULL, 0, NULL);
    notes_shown = 3;
    report(STEP_INCREMENTAL, NULL, 0, NULL);
    expect("target execution", "session 7");
    notes_shown = 2;
}

static void a_lag_is_unknown_as_soon_as_the_store_hears_nothing(void **state)
{
    struct project *p = cluster_project(lab.c, "p");
    struct component *store = project_component(lab.c, p, STEP_LOG_PULL);
    struct arena a;

    (void)state;
    arena_init(&a, 1u << 20);
    STORE({"pull.silent_ms", 10});
    INCR({"incr.part.idle", 1});
    assert_true(lag_explain(lab.c, p, lab.now, &a)->has_lag_ms);
    STORE({"pull.silent_ms", 5200});
    Oms__ProjectView *v = view_project(lab.c, p, false, lab.now, &a);
    assert_false(v->has_lag_ms);
    assert_false(v->caught_up);
    assert_false(v->has_backlog_bytes); /* what waits cannot be known either */
    assert_true(v->has_lag_unknown_since_us);
    assert_true(v->lag_unknown_since_us <= store->report_wall.us - 5000 * 1000);
    assert_false(lag_explain(lab.c, p, lab.now, &a)->has_lag_ms);
    assert_true(lag_explain(lab.c, p, lab.now, &a)->has_lag_unknown_since_us);
    STORE({"pull.silent_ms", 10});
    assert_true(view_project(lab.c, p, false, lab.now, &a)->has_lag_ms);
    report(STEP_LOG_PULL, FIGURES({"pull.silent_ms", 10}),
           "NO_SPACE"); /* it hears, and cannot keep */
    v = view_project(lab.c, p, false, lab.now, &a);
    assert_false(v->has_lag_ms || v->caught_up);
    assert_true(v->has_lag_unknown_since_us);
    arena_fini(&a);
}

/* Incr-Sync may know it a moment before the Store's figure is past the limit. */
static void an_unknown_lag_is_never_said_to_be_limited_by_nothing(void **state)
{
    const struct component *x =
        project_component(lab.c, cluster_project(lab.c, "p"), STEP_INCREMENTAL);
    Oms__ComponentReport *r;

    (void)state;
    STORE({"pull.silent_ms", 4800});
    INCR({"incr.part.idle", 1});
    expect("none", NULL);
    r = ((Oms__ComponentStatus *)x->status.m)->report;
    r->has_lag_ms = false;
    expect("source log pull", "4.8 s");
    STORE({"pull.silent_ms", 10});
    expect("source log pull", "has not heard yet");
    r->has_lag_ms = true;
}

static void what_does_not_report_is_where_it_stands(void **state)
{
    struct project *p = cluster_project(lab.c, "p");

    (void)state;
    STORE({"pull.silent_ms", 10});
    INCR({"incr.part.idle", 1});
    project_component(lab.c, p, STEP_LOG_PULL)->has_report = false;
    expect("stream", "Store");
    project_component(lab.c, p, STEP_INCREMENTAL)->has_report = false;
    expect("target execution", "reported nothing");
    p->steps[STEP_INCREMENTAL].state = STEP_PENDING;
    expect("not following", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_figure_gives_its_verdict, open_lab, close_lab),
        cmocka_unit_test_setup_teardown(what_is_nearer_to_the_source_is_said_first, open_lab,
                                        close_lab),
        cmocka_unit_test_setup_teardown(a_lag_is_unknown_as_soon_as_the_store_hears_nothing,
                                        open_lab, close_lab),
        cmocka_unit_test_setup_teardown(a_takeover_that_waits_is_said_before_the_store_is_looked_at,
                                        open_lab, close_lab),
        cmocka_unit_test_setup_teardown(an_unknown_lag_is_never_said_to_be_limited_by_nothing,
                                        open_lab, close_lab),
        cmocka_unit_test_setup_teardown(what_does_not_report_is_where_it_stands, open_lab,
                                        close_lab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
