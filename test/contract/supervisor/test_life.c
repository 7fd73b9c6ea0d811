/*
 * A real Supervisor with a real component, under a CM of this test: what is told is done and kept,
 * what was not told stops nothing, and killing any of them loses nothing.
 */
#include "supervisor/supervisor.h"
#include "test/contract/supervisor/fake_cm.h"
#include "test/contract/supervisor/test_component.h"

static pid_t run_component(struct world *w)
{
    direct(w, "RUN");
    eventually(w, is_well(w));
    return (pid_t)status(w)->pid;
}

static void live_round(struct world *w, uint64_t round)
{
    w->round = round;
    w->live_revision++;
    direct(w, "RUN");
}

static void a_directive_starts_a_component_that_has_its_secret_and_reports(void **state)
{
    struct world *w = *state;
    const Oms__ComponentReport *r;

    run_component(w);
    r = status(w)->report;
    assert_string_equal(r->position, SECRET);
    assert_string_equal(r->address, "127.0.0.1:1");
    assert_int_equal(r->lag_ms, 7);
    assert_int_equal(r->n_steps, 1);
    assert_string_equal(r->steps[0]->step, "full");
    assert_int_equal(r->n_incidents, 1);
    assert_int_equal(r->incidents[0]->n_choices, 2);
    assert_string_equal(r->incidents[0]->choices[1], "stay");
    assert_true(status(w)->rss_bytes > 0);
    assert_string_equal(w->report->identity->name, "testhost");
    assert_true(w->report->identity->capacity->cpus > 0);
    eventually(w, w->kept == w->revision && status(w)->has_cpu);
}

static void a_new_live_part_reaches_the_running_process(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    w->choice = "go";
    live_round(w, 3);
    eventually(w, metric(w, "round") == 3 && metric(w, "gone") == 1);
    assert_int_equal(status(w)->pid, pid);
    assert_int_equal(status(w)->report->n_incidents, 0);
    assert_int_equal(status(w)->report->live_revision, w->live_revision);
}

static void a_new_fixed_part_restarts_the_process(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    w->spec_revision = 2;
    direct(w, "RUN");
    eventually(w, is_well(w) && status(w)->revision == 2);
    assert_int_not_equal(status(w)->pid, pid);
    assert_false(is_alive(pid));
    assert_int_equal(status(w)->restarts, 0); /* no crash */
}

static void a_killed_component_comes_back(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    assert_int_equal(kill(pid, SIGKILL), 0);
    eventually(w, is_well(w) && (pid_t)status(w)->pid != pid);
    assert_int_equal(status(w)->restarts, 1);
    assert_int_equal(status(w)->exit_code, 128 + SIGKILL);
}

static void a_stop_from_outside_is_no_end_of_its_work(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    assert_int_equal(kill(pid, SIGTERM), 0);
    eventually(w, is_well(w) && (pid_t)status(w)->pid != pid);
}

static void work_that_is_done_is_not_begun_again(void **state)
{
    struct world *w = *state;

    run_component(w);
    live_round(w, ROUND_DONE);
    eventually(w, is_state(w, "done"));
    assert_int_equal(status(w)->exit_code, 0);
    assert_string_equal(status(w)->report->result, "{\"checks\":[]}");
    assert_string_equal(status(w)->report->state, "done");
    supervisor_kill(w);
    supervisor_start(w);
    eventually(w, is_state(w, "done"));
    for_a_while(w, 500);
    assert_true(is_state(w, "done"));
    assert_int_equal(status(w)->pid, 0);
}

static void a_refusal_waits_for_a_new_specification(void **state)
{
    struct world *w = *state;

    run_component(w);
    live_round(w, ROUND_REFUSE);
    eventually(w, is_state(w, "refused"));
    assert_int_equal(status(w)->exit_code, 11);
    assert_string_equal(status(w)->last_word->code, "DENIED");
    assert_string_equal(status(w)->last_word->message, "told to refuse");
    for_a_while(w, 500);
    assert_true(is_state(w, "refused"));
    w->spec_revision++;
    live_round(w, 1);
    eventually(w, is_well(w) && metric(w, "round") == 1);
}

static void an_error_that_may_pass_backs_off_and_tries_again(void **state)
{
    struct world *w = *state;

    run_component(w);
    live_round(w, ROUND_RETRY);
    eventually(w, status(w)->restarts >= 2 && status(w)->last_word);
    assert_string_equal(status(w)->last_word->code, "TIMEOUT");
    assert_int_equal(status(w)->exit_code, 10);
    live_round(w, 1);
    eventually(w, is_well(w) && metric(w, "round") == 1);
}

static void stop_stops_and_run_runs_again(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    direct(w, "STOP");
    eventually(w, is_state(w, "stopped"));
    assert_false(is_alive(pid));
    assert_int_equal(status(w)->exit_code, 0);
    direct(w, "RUN");
    eventually(w, is_well(w));
}

static void a_component_outlives_its_supervisor_and_is_found_again(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);
    uint64_t seq;

    supervisor_kill(w);
    assert_true(is_alive(pid));
    supervisor_start(w);
    eventually(w, is_well(w));
    assert_int_equal(status(w)->pid, pid);
    assert_int_equal(status(w)->restarts, 0);
    seq = status(w)->report->seq;
    eventually(w, status(w)->report && status(w)->report->seq > seq + 2 && status(w)->has_cpu);
    /* adopted, it is still told, and its end is read from its last word */
    live_round(w, ROUND_REFUSE);
    eventually(w, is_state(w, "refused"));
    assert_int_equal(status(w)->exit_code, 11);
    assert_string_equal(status(w)->last_word->message, "told to refuse");
}

static void an_adopted_component_that_is_killed_comes_back(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    supervisor_kill(w);
    supervisor_start(w);
    eventually(w, is_well(w) && (pid_t)status(w)->pid == pid);
    assert_int_equal(kill(pid, SIGKILL), 0);
    eventually(w, is_well(w) && (pid_t)status(w)->pid != pid);
}

static void without_a_cm_everything_comes_back_from_disk_secrets_included(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    cm_stop(w);
    supervisor_kill(w);
    assert_int_equal(kill(pid, SIGKILL), 0);
    supervisor_start(w);
    eventually(w, pid_in_log(w) != pid);
    for_a_while(w, 300);
    cm_start(w);
    eventually(w, is_well(w));
    assert_int_equal(status(w)->pid, pid_in_log(w));
    assert_string_equal(status(w)->report->position, SECRET);
    assert_int_equal(w->kept, w->revision);
    assert_int_equal(w->epoch_seen, w->cm_epoch);
}

static void a_cm_at_another_address_is_found(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    cm_stop(w);
    for_a_while(w, 300);
    cm_start(w);
    eventually(w, is_well(w));
    assert_int_equal(status(w)->pid, pid);
    live_round(w, 4);
    eventually(w, metric(w, "round") == 4);
}

static void secrets_are_never_plain_on_disk(void **state)
{
    struct world *w = *state;
    const char *const files[] = {"state", "components/" ID "/spec.yaml", "supervisor.log",
                                 "components/" ID "/component.log"};
    struct err e = ERR_INIT;

    run_component(w);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[256];
        struct buf b;

        buf_init(&b, 8 << 20);
        snprintf(path, sizeof path, "%s/sv/%s", w->dir.path, files[i]);
        assert_true(durable_read_file(path, &b, &e));
        assert_true(b.len > 0);
        assert_null(memmem(b.p, b.len, SECRET, strlen(SECRET)));
        buf_fini(&b);
    }
}

static void secrets_under_a_lost_key_are_asked_for_again(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);
    char path[256];

    supervisor_kill(w);
    assert_int_equal(kill(pid, SIGKILL), 0);
    snprintf(path, sizeof path, "%s/sv/host.key", w->dir.path);
    assert_int_equal(unlink(path), 0);
    supervisor_start(w);
    eventually(w, is_well(w));
    assert_string_equal(status(w)->report->position, SECRET);
}

static void hear_three_times(struct world *w)
{
    uint64_t syncs = w->syncs;

    eventually(w, w->syncs > syncs + 3);
}

static void an_older_cm_and_another_metadb_are_not_obeyed(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    w->cm_epoch = 4;
    direct(w, "STOP");
    hear_three_times(w);
    assert_true(is_alive(pid));
    assert_int_equal(w->epoch_seen, 5);
    w->cm_epoch = 6;
    w->metadb_id = "m2";
    hear_three_times(w);
    assert_true(is_alive(pid) && is_state(w, "running"));
    supervisor_kill(w);
    supervisor_start(w);
    hear_three_times(w); /* what it saw is on disk */
    assert_true(is_alive(pid) && is_state(w, "running"));
    w->metadb_id = "m1";
    eventually(w, is_state(w, "stopped"));
}

static void what_is_not_directed_runs_on_and_is_reported_as_an_orphan(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);
    char path[256];

    supervisor_kill(w);
    snprintf(path, sizeof path, "%s/sv/state", w->dir.path);
    assert_int_equal(unlink(path), 0);
    w->revision = 0; /* the CM says nothing of it either */
    supervisor_start(w);
    eventually(w, is_state(w, "orphan"));
    for_a_while(w, 500);
    assert_true(is_alive(pid));
    assert_int_equal(status(w)->pid, pid);
    direct(w, "STOP");
    eventually(w, is_state(w, "stopped"));
    assert_false(is_alive(pid));
}

static void a_forgotten_component_leaves_only_its_log(void **state)
{
    struct world *w = *state;
    char path[256];

    run_component(w);
    direct(w, "STOP");
    eventually(w, is_state(w, "stopped"));
    w->forget = true;
    snprintf(path, sizeof path, "%s/sv/components/" ID "/spec.yaml", w->dir.path);
    eventually(w, access(path, F_OK) != 0 && !status(w)->state);
    snprintf(path, sizeof path, "%s/sv/components/" ID "/component.log", w->dir.path);
    assert_int_equal(access(path, F_OK), 0);
}

/* Gives an ask and waits for the end of its answer. */
static void ask(struct world *w, const char *what, char **args, size_t n)
{
    static unsigned serial;
    static char id[32];
    static Oms__Ask a;

    oms__ask__init(&a);
    snprintf(id, sizeof id, "ask-%u", ++serial);
    a.id = id;
    a.component_id = (char *)ID;
    a.what = (char *)what;
    a.args = args;
    a.n_args = n;
    buf_clear(&w->answer);
    w->answered = false;
    w->ask = &a;
}

static void an_ask_is_answered_by_the_component_in_order(void **state)
{
    struct world *w = *state;
    char *args[] = {(char *)"one ", (char *)"two ", (char *)"three"};

    run_component(w);
    ask(w, "echo", args, 3);
    eventually(w, w->answered);
    assert_string_equal(buf_cstr(&w->answer), "one two three");
    direct(w, "STOP");
    eventually(w, is_state(w, "stopped"));
    ask(w, "echo", args, 3);
    eventually(w, w->answered);
    assert_string_equal(w->answer_code, "WRONG_STATE");
}

static void logs_are_read_from_their_end_and_followed(void **state)
{
    struct world *w = *state;
    char *args[] = {(char *)"3", (char *)"follow"};
    size_t lines = 0;

    run_component(w);
    ask(w, "logs", args, 1);
    eventually(w, w->answered);
    assert_non_null(strstr(buf_cstr(&w->answer), "test.began"));
    for (size_t i = 0; i < w->answer.len; i++)
        lines += w->answer.p[i] == '\n';
    assert_int_equal(lines, 3);
    ask(w, "logs", args, 2);
    eventually(w, w->answer.len > 0);
    direct(w, "STOP");
    eventually(w, strstr(buf_cstr(&w->answer), "component.end") != NULL);
    assert_false(w->answered);
}

static void sigterm_leaves_components_running_and_leaks_nothing(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    assert_int_equal(kill(w->supervisor, SIGTERM), 0);
    assert_int_equal(supervisor_wait(w), 0);
    assert_true(is_alive(pid));
    supervisor_start(w);
    eventually(w, is_well(w));
    assert_int_equal(status(w)->pid, pid);
}

static void sigusr1_stops_components_first(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    assert_int_equal(kill(w->supervisor, SIGUSR1), 0);
    assert_int_equal(supervisor_wait(w), 0);
    assert_false(is_alive(pid));
    supervisor_start(w);
    eventually(w, is_well(w)); /* nobody had told it to stop for good */
}

static void a_second_supervisor_in_the_same_directory_refuses(void **state)
{
    struct world *w = *state;
    pid_t first = w->supervisor;

    run_component(w);
    supervisor_start(w);
    assert_int_equal(supervisor_wait(w), 1);
    w->supervisor = first;
    eventually(w, is_well(w));
}

/* --- time limits, short ones --------------------------------------------------------------------
 */

static int open_short(void **state)
{
    return world_open_with(state, "hang_ms: 2000\nstop_ms: 500\naway_ms: 1500\n");
}

static void a_component_that_hangs_is_killed_and_comes_back(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    assert_int_equal(kill(pid, SIGSTOP), 0);
    eventually(w, is_well(w) && (pid_t)status(w)->pid != pid);
    assert_false(is_alive(pid));
}

static void a_component_that_does_not_stop_is_killed(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);

    live_round(w, ROUND_STUBBORN);
    eventually(w, metric(w, "round") == ROUND_STUBBORN);
    direct(w, "STOP");
    eventually(w, is_state(w, "stopped"));
    assert_int_equal(status(w)->exit_code, 128 + SIGKILL);
    assert_false(is_alive(pid));
}

static void a_component_whose_supervisor_stays_away_stops_cleanly(void **state)
{
    struct world *w = *state;
    pid_t pid = run_component(w);
    struct err e = ERR_INIT;
    char path[256];
    struct buf word;

    supervisor_kill(w);
    for_a_while(w, 500);
    assert_true(is_alive(pid));
    eventually(w, !is_alive(pid));
    buf_init(&word, 4096);
    snprintf(path, sizeof path, "%s/sv/components/" ID "/last_word", w->dir.path);
    assert_true(durable_read_file(path, &word, &e));
    assert_non_null(strstr(buf_cstr(&word), "stopped"));
    buf_fini(&word);
    supervisor_start(w);
    eventually(w, is_well(w));
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
#define SHORT(f) cmocka_unit_test_setup_teardown(f, open_short, world_close)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(a_directive_starts_a_component_that_has_its_secret_and_reports),
        T(a_new_live_part_reaches_the_running_process),
        T(a_new_fixed_part_restarts_the_process),
        T(a_killed_component_comes_back),
        T(a_stop_from_outside_is_no_end_of_its_work),
        T(work_that_is_done_is_not_begun_again),
        T(a_refusal_waits_for_a_new_specification),
        T(an_error_that_may_pass_backs_off_and_tries_again),
        T(stop_stops_and_run_runs_again),
        T(a_component_outlives_its_supervisor_and_is_found_again),
        T(an_adopted_component_that_is_killed_comes_back),
        T(without_a_cm_everything_comes_back_from_disk_secrets_included),
        T(a_cm_at_another_address_is_found),
        T(secrets_are_never_plain_on_disk),
        T(secrets_under_a_lost_key_are_asked_for_again),
        T(an_older_cm_and_another_metadb_are_not_obeyed),
        T(what_is_not_directed_runs_on_and_is_reported_as_an_orphan),
        T(a_forgotten_component_leaves_only_its_log),
        T(an_ask_is_answered_by_the_component_in_order),
        T(logs_are_read_from_their_end_and_followed),
        T(sigterm_leaves_components_running_and_leaks_nothing),
        T(sigusr1_stops_components_first),
        T(a_second_supervisor_in_the_same_directory_refuses),
        SHORT(a_component_that_hangs_is_killed_and_comes_back),
        SHORT(a_component_that_does_not_stop_is_killed),
        SHORT(a_component_whose_supervisor_stays_away_stops_cleanly),
    };

    if (argc > 1 && strcmp(argv[1], "--config") == 0)
        return supervisor_main(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--spec") == 0)
        return component_main(&test_component_ops, argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
