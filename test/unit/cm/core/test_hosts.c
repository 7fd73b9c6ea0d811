/* Hosts: who is silent, who is doubled, orphans, placement, moves (correctness C3 to C7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cm/core/cycle.h"
#include "test/lib/cluster_lab.h"

struct world {
    struct lab l;
    struct lab_host west, east;
};

static int open_world(void **state)
{
    struct world *w = must_calloc(1, sizeof *w);
    struct err e = ERR_INIT;

    lab_open(&w->l, 1);
    lab_host_open(&w->west, "h-west", "west");
    lab_host_open(&w->east, "h-east", "east");
    must(lab_sources(&w->l, &e) && lab_project(&w->l, "p", &e));
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    lab_host_close(&w->west);
    lab_host_close(&w->east);
    lab_close(&w->l);
    free(w);
    return 0;
}

static void sync_host(struct world *w, struct lab_host *h)
{
    struct err e = ERR_INIT;

    assert_true(lab_host_sync(&w->l, h, false, &e));
}

static void run_both(struct world *w, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        lab_host_work(&w->east);
        sync_host(w, &w->east);
        lab_run(&w->l, &w->west, 1);
    }
}

static void start(struct world *w)
{
    struct err e = ERR_INIT;

    assert_true(lab_named(&w->l, COMMAND_PROJECT_START, "p", &e));
}

static void a_host_is_silent_after_its_lease_and_up_when_it_speaks(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    lab_pass(&w->l, 2900);
    assert_true(cluster_host(w->l.c, "h-west")->is_up);
    lab_pass(&w->l, 200);
    assert_false(cluster_host(w->l.c, "h-west")->is_up);
    assert_int_equal(lab_count(&w->l, "host.silent", "h-west"), 1);
    sync_host(w, &w->west);
    assert_true(cluster_host(w->l.c, "h-west")->is_up);
}

static void c6_a_cm_that_begins_gives_every_host_a_full_lease(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    lab_crash(&w->l);
    w->l.now = mono_add_ms(w->l.now, 60000);
    lab_boot(&w->l);
    lab_pass(&w->l, 2900);
    assert_true(cluster_host(w->l.c, "h-west")->is_up);
    assert_int_equal(lab_count(&w->l, "host.silent", NULL), 0);
    lab_pass(&w->l, 200);
    assert_false(cluster_host(w->l.c, "h-west")->is_up);
}

static void c6_a_cm_that_slept_judges_nobody_by_it(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    w->l.now = mono_add_ms(w->l.now, 60000);
    cluster_awake(w->l.c, w->l.now);
    lab_pass(&w->l, 100);
    assert_true(cluster_host(w->l.c, "h-west")->is_up);
}

static void c6_when_many_fall_silent_at_once_one_lease_more_is_given(void **state)
{
    struct world *w = *state;
    struct lab_host third;

    lab_host_open(&third, "h-third", "west");
    sync_host(w, &w->west);
    sync_host(w, &w->east);
    sync_host(w, &third);
    lab_pass(&w->l, 3100);
    assert_int_equal(lab_count(&w->l, "host.silent", NULL), 0);
    lab_pass(&w->l, 3000);
    assert_int_equal(lab_count(&w->l, "host.silent", NULL), 3);
    lab_host_close(&third);
}

static void c7_a_second_boot_id_while_the_first_speaks_is_a_duplicate(void **state)
{
    struct world *w = *state;
    struct lab_host clone;
    struct err e = ERR_INIT;

    sync_host(w, &w->west);
    lab_host_open(&clone, "h-west", "west");
    clone.boot = "boot-of-the-clone";
    assert_false(lab_host_sync(&w->l, &clone, false, &e));
    assert_int_equal(e.code, ERR_DUPLICATE_HOST);
    assert_true(host_has_trouble(cluster_host(w->l.c, "h-west"), w->l.now));
    lab_host_close(&clone);
}

static void c7_a_wrong_token_is_a_duplicate(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    sync_host(w, &w->west);
    sync_host(w, &w->west);
    (void)snprintf(w->west.token, sizeof w->west.token, "%032d", 7);
    assert_false(lab_host_sync(&w->l, &w->west, false, &e));
    assert_int_equal(e.code, ERR_DUPLICATE_HOST);
}

static void c7_a_doubled_host_gets_no_new_work(void **state)
{
    struct world *w = *state;
    struct lab_host clone;
    struct err e = ERR_INIT;

    sync_host(w, &w->west);
    lab_host_open(&clone, "h-west", "west");
    clone.boot = "another";
    assert_false(lab_host_sync(&w->l, &clone, false, &e));
    start(w);
    lab_run(&w->l, &w->west, 5);
    assert_int_equal(w->west.units.n, 0);
    lab_pass(&w->l, 31000); /* the clone is gone for long */
    lab_run(&w->l, &w->west, 2);
    assert_int_equal(w->west.units.n, 1);
    lab_host_close(&clone);
}

static void c7_lost_answers_make_nobody_double(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    for (int i = 0; i < 20; i++)
        assert_true(lab_host_sync(&w->l, &w->west, i % 3 != 0, &e));
}

static void c7_a_restarted_supervisor_is_no_duplicate(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    sync_host(w, &w->west);
    w->west.token[0] = '\0';
    sync_host(w, &w->west);
}

static void c7_a_rebooted_host_is_taken_once_its_lease_is_over(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    lab_pass(&w->l, 4000);
    w->west.boot = "boot-2";
    w->west.token[0] = '\0';
    sync_host(w, &w->west);
    assert_string_equal(host_identity(cluster_host(w->l.c, "h-west"))->boot_id, "boot-2");
}

static void components_stand_near_their_data_source(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    sync_host(w, &w->east);
    start(w);
    run_both(w, 25);
    assert_non_null(lab_unit(&w->west, "p.store"));
    assert_non_null(lab_unit(&w->east, "p.incremental"));
    assert_null(lab_unit(&w->east, "p.store"));
    assert_null(lab_unit(&w->west, "p.incremental"));
}

static void what_can_move_leaves_a_silent_host_with_a_higher_epoch(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    sync_host(w, &w->east);
    start(w);
    run_both(w, 25);
    uint64_t epoch = cluster_component(w->l.c, "p.incremental")->epoch;
    lab_run(&w->l, &w->west, 8); /* east is cut off, and goes on by itself */
    assert_string_equal(cluster_component(w->l.c, "p.incremental")->host, "h-west");
    assert_int_equal(cluster_component(w->l.c, "p.incremental")->epoch, epoch + 1);
    assert_int_equal(lab_unit(&w->east, "p.incremental")->state, UNIT_RUNNING);
    /* It comes back: the old one is told to stop. */
    run_both(w, 4);
    assert_true(!lab_unit(&w->east, "p.incremental") ||
                lab_unit(&w->east, "p.incremental")->state == UNIT_STOPPED);
    assert_int_equal(lab_unit(&w->west, "p.incremental")->state, UNIT_RUNNING);
}

static void a_store_waits_for_its_host(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    sync_host(w, &w->east);
    start(w);
    run_both(w, 25);
    for (int i = 0; i < 10; i++) {
        lab_host_work(&w->east);
        sync_host(w, &w->east);
        lab_pass(&w->l, 1000);
    }
    assert_string_equal(cluster_component(w->l.c, "p.store")->host, "h-west");
}

static void c5_an_unknown_component_is_told_to_stop_and_then_forgotten(void **state)
{
    struct world *w = *state;
    struct lab_unit *u = must_calloc(1, sizeof *u);

    text_set(&u->id, "x.store");
    text_set(&u->kind, "store");
    text_set(&u->verb, "");
    u->epoch = u->process_epoch = 3;
    u->goal = GOAL_RUN;
    u->state = UNIT_RUNNING;
    u->nonce = 1;
    vec_push(&w->west.units, u);
    lab_run(&w->l, &w->west, 4);
    assert_int_equal(lab_count(&w->l, "component.orphan", "x.store"), 1);
    assert_int_equal(w->west.units.n, 0);
}

static void an_epoch_above_ours_is_passed(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    start(w);
    lab_run(&w->l, &w->west, 12);
    struct lab_unit *u = lab_unit(&w->west, "p.store");
    assert_non_null(u);
    u->epoch = u->process_epoch = 40; /* MetaDB was restored from yesterday */
    lab_run(&w->l, &w->west, 2);
    assert_true(cluster_component(w->l.c, "p.store")->epoch > 40);
}

static void a_component_that_its_supervisor_lost_is_sent_again(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    start(w);
    lab_run(&w->l, &w->west, 12);
    for (size_t i = 0; i < w->west.units.n; i++)
        if (strcmp(w->west.units.at[i]->id, "p.store") == 0)
            text_set(&w->west.units.at[i]->id, "y"); /* its directive is gone */
    lab_run(&w->l, &w->west, 9);
    assert_non_null(lab_unit(&w->west, "p.store"));
    assert_int_equal(lab_count(&w->l, "component.sent_again", "p.store"), 1);
}

static void a_sync_without_a_proper_identity_is_refused(void **state)
{
    struct world *w = *state;
    struct lab_host bad;
    struct err e = ERR_INIT;

    lab_host_open(&bad, "", "west");
    assert_false(lab_host_sync(&w->l, &bad, false, &e));
    bad.id = "a b";
    assert_false(lab_host_sync(&w->l, &bad, false, &e));
    assert_int_equal(w->l.c->hosts.n, 0);
    lab_host_close(&bad);
}

static void readers_learn_where_their_store_is_and_keep_it_over_a_crash(void **state)
{
    struct world *w = *state;

    sync_host(w, &w->west);
    start(w);
    lab_run(&w->l, &w->west, 20);
    char *before = must_strdup(lab_unit(&w->west, "p.incremental")->peer);
    assert_string_not_equal(before, "");
    lab_crash(&w->l);
    lab_boot(&w->l);
    lab_run(&w->l, &w->west, 2);
    assert_string_equal(lab_unit(&w->west, "p.incremental")->peer, before);
    lab_unit_kill(lab_unit(&w->west, "p.store")); /* it listens elsewhere now */
    lab_run(&w->l, &w->west, 3);
    assert_string_not_equal(lab_unit(&w->west, "p.incremental")->peer, before);
    free(before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_host_is_silent_after_its_lease_and_up_when_it_speaks),
        TEST(c6_a_cm_that_begins_gives_every_host_a_full_lease),
        TEST(c6_a_cm_that_slept_judges_nobody_by_it),
        TEST(c6_when_many_fall_silent_at_once_one_lease_more_is_given),
        TEST(c7_a_second_boot_id_while_the_first_speaks_is_a_duplicate),
        TEST(c7_a_wrong_token_is_a_duplicate),
        TEST(c7_a_doubled_host_gets_no_new_work),
        TEST(c7_lost_answers_make_nobody_double),
        TEST(c7_a_restarted_supervisor_is_no_duplicate),
        TEST(c7_a_rebooted_host_is_taken_once_its_lease_is_over),
        TEST(components_stand_near_their_data_source),
        TEST(what_can_move_leaves_a_silent_host_with_a_higher_epoch),
        TEST(a_store_waits_for_its_host),
        TEST(c5_an_unknown_component_is_told_to_stop_and_then_forgotten),
        TEST(an_epoch_above_ours_is_passed),
        TEST(a_component_that_its_supervisor_lost_is_sent_again),
        TEST(a_sync_without_a_proper_identity_is_refused),
        TEST(readers_learn_where_their_store_is_and_keep_it_over_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
