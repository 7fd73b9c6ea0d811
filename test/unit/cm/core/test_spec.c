/* What each component is told: its specification, of the project and the step. */
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

static void specifications_name_what_each_component_needs(void **state)
{
    struct lab *l = *state;
    struct lab_host h;
    struct arena a;
    struct err e = ERR_INIT;

    arena_init(&a, 0);
    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_named(l, COMMAND_PROJECT_START, "p", &e));
    lab_run(l, &h, 20);
    const Oms__ComponentSpec *s = spec_build(l->c, cluster_component(l->c, "p.incremental"), &a);
    assert_string_equal(s->kind, "incr-sync");
    assert_string_equal(s->task, "p/incremental");
    assert_string_equal(s->fixed->full_task, "p/full");
    assert_string_equal(s->fixed->store_id, "p.store");
    assert_true(s->live->full_done);
    assert_string_equal(s->live->peers[0]->token_secret, "stream-token:p.store");
    assert_string_equal(s->fixed->target->secret, "datasource:b");
    s = spec_build(l->c, cluster_component(l->c, "p.store"), &a);
    assert_null(s->fixed->target);
    assert_true(s->fixed->server_id >= 3000000000u);
    assert_null(s->task);
    s = spec_build(l->c, cluster_component(l->c, "p.verification"), &a);
    assert_string_equal(s->fixed->incr_task, "p/incremental");
    assert_int_equal(s->live->verify_round, 1);
    assert_string_equal(s->fixed->store_id, "p.store"); /* whose log it asks */
    assert_string_equal(s->live->peers[0]->token_secret, "stream-token:p.store");
    assert_string_equal(s->live->peers[0]->address, cluster_component(l->c, "p.store")->address);
    lab_host_close(&h);
    arena_fini(&a);
}

/* What the target has of a task that never began is an earlier project's. */
static void precheck_is_told_the_tasks_that_never_began(void **state)
{
    struct lab *l = *state;
    struct lab_host h;
    struct arena a;
    struct err e = ERR_INIT;

    arena_init(&a, 0);
    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_named(l, COMMAND_PROJECT_START, "p", &e));
    lab_run(l, &h, 1);
    const struct component *x = cluster_component(l->c, "p.task-precheck");
    assert_non_null(x);
    const Oms__ComponentSpec *s = spec_build(l->c, x, &a);
    assert_int_equal(s->fixed->n_new_tasks, 3);
    assert_string_equal(s->fixed->new_tasks[0], "p/schema");
    assert_string_equal(s->fixed->new_tasks[1], "p/full");
    assert_string_equal(s->fixed->new_tasks[2], "p/incremental");
    lab_run(l, &h, 20);
    s = spec_build(l->c, x, &a);
    assert_int_equal(s->fixed->n_new_tasks, 0);
    lab_host_close(&h);
    arena_fini(&a);
}

/* Correctness B5: it asks the newest, at the place where that is. */
static void whoever_verifies_hears_of_another_incarnation_of_the_store(void **state)
{
    struct lab *l = *state;
    struct lab_host h;
    struct arena a;
    struct err e = ERR_INIT;

    arena_init(&a, 0);
    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_named(l, COMMAND_PROJECT_START, "p", &e));
    lab_run(l, &h, 20);
    struct component *store = cluster_component(l->c, "p.store");
    const struct component *x = cluster_component(l->c, "p.verification");
    uint64_t live = x->live, epoch = store->epoch;

    lab_unit(&h, "p.store")->epoch = epoch + 3; /* a Supervisor knows of a newer one */
    lab_unit(&h, "p.store")->process_epoch = epoch + 3;
    lab_run(l, &h, 5);
    assert_true(store->epoch > epoch);
    assert_true(x->live > live);
    assert_int_equal(spec_build(l->c, x, &a)->live->peers[0]->epoch, store->epoch);
    lab_host_close(&h);
    arena_fini(&a);
}

static void b4_another_incarnation_of_a_store_has_another_replication_id(void **state)
{
    struct lab *l = *state;
    struct lab_host h;
    struct arena a;
    struct err e = ERR_INIT;

    arena_init(&a, 0);
    lab_host_open(&h, "h", "west");
    assert_true(lab_project(l, "p", &e) && lab_project(l, "q", &e));
    assert_true(lab_named(l, COMMAND_PROJECT_START, "p", &e));
    assert_true(lab_named(l, COMMAND_PROJECT_START, "q", &e));
    lab_run(l, &h, 25);
    struct component *x = cluster_component(l->c, "p.store");
    uint32_t first = spec_build(l->c, x, &a)->fixed->server_id;
    uint32_t other = spec_build(l->c, cluster_component(l->c, "q.store"), &a)->fixed->server_id;
    x->epoch++;
    assert_int_not_equal(spec_build(l->c, x, &a)->fixed->server_id, first);
    assert_int_not_equal(first, other);
    Oms__StoreOptions o = OMS__STORE_OPTIONS__INIT;
    Oms__ProjectFile *f = (Oms__ProjectFile *)cluster_project(l->c, "p")->file.m;
    o.has_server_id_from = o.has_server_id_to = true;
    o.server_id_from = 100;
    o.server_id_to = 103;
    f->store = &o;
    for (int i = 0; i < 20; i++, x->epoch++)
        assert_in_range(spec_build(l->c, x, &a)->fixed->server_id, 100, 103);
    f->store = NULL;
    lab_host_close(&h);
    arena_fini(&a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_lab, close_lab)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(specifications_name_what_each_component_needs),
        TEST(precheck_is_told_the_tasks_that_never_began),
        TEST(whoever_verifies_hears_of_another_incarnation_of_the_store),
        TEST(b4_another_incarnation_of_a_store_has_another_replication_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
