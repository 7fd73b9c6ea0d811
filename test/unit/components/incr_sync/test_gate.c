/* The gate of strict order, with threads for workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "common/base/must.h"
#include "common/base/time.h"
#include "common/os/clock.h"
#include "common/os/thread.h"
#include "components/incr_sync/gate.h"

#define N 6

struct passer {
    struct gate *gate;
    struct thread thread;
    uint64_t turn;
    atomic_uint *order;
    unsigned came; /* as how manyth it passed; 0 = gave way */
};

static void pass(void *arg)
{
    struct passer *p = arg;

    if (!gate_wait(p->gate, p->turn))
        return;
    p->came = atomic_fetch_add(p->order, 1) + 1;
    gate_passed(p->gate, p->turn);
}

static void begin(struct passer *p, struct gate *g, uint64_t turn, atomic_uint *order)
{
    struct err e = ERR_INIT;

    *p = (struct passer){.gate = g, .turn = turn, .order = order};
    assert_true(thread_start(&p->thread, "pass", pass, p, &e));
}

static void turns_pass_one_after_the_other_whoever_comes_first(void **state)
{
    struct gate *g = gate_new();
    struct passer p[N];
    atomic_uint order = 0;

    (void)state;
    for (unsigned i = N; i-- > 0;)
        begin(&p[i], g, 10 + i, &order);
    gate_open(g, 10);
    for (unsigned i = 0; i < N; i++) {
        thread_join(&p[i].thread);
        assert_int_equal(p[i].came, i + 1);
    }
    gate_free(g);
}

static void nothing_passes_behind_a_turn_that_was_rolled_back(void **state)
{
    struct gate *g = gate_new();
    struct passer p[N];
    atomic_uint order = 0;

    (void)state;
    gate_open(g, 1);
    for (unsigned i = 0; i < N; i++)
        if (i != 2)
            begin(&p[i], g, 1 + i, &order);
    thread_join(&p[1].thread);
    gate_broke(g, 3);
    for (unsigned i = 3; i < N; i++) {
        thread_join(&p[i].thread);
        assert_int_equal(p[i].came, 0);
    }
    thread_join(&p[0].thread);
    assert_int_equal(atomic_load(&order), 2);
    assert_false(gate_wait(g, 3)); /* nor itself, until all begins anew */
    gate_open(g, 7);
    assert_true(gate_wait(g, 7));
    gate_free(g);
}

static void later_turns_give_way_and_the_one_that_waited_passes(void **state)
{
    struct gate *g = gate_new();
    struct passer later;
    struct mono until = mono_add_ms(clock_mono(), 10000);
    atomic_uint order = 0;
    uint64_t turn = 0;

    (void)state;
    gate_open(g, 1);
    assert_false(gate_is_stuck(g, 0, &turn)); /* nobody waits for it */
    begin(&later, g, 2, &order);
    while (!gate_is_stuck(g, 20, &turn))
        assert_true(mono_cmp(clock_mono(), until) < 0);
    assert_int_equal(turn, 1);
    gate_give_way(g, turn);
    thread_join(&later.thread);
    assert_int_equal(later.came, 0);
    assert_true(gate_wait(g, 1));
    gate_passed(g, 1);
    gate_give_way(g, 1); /* too late: it has passed */
    gate_free(g);
}

static void a_closed_gate_lets_nobody_wait(void **state)
{
    struct gate *g = gate_new();
    struct passer p;
    atomic_uint order = 0;

    (void)state;
    gate_open(g, 1);
    begin(&p, g, 5, &order);
    gate_close(g);
    thread_join(&p.thread);
    assert_int_equal(p.came, 0);
    gate_passed(g, 1); /* its COMMIT was under way */
    gate_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_pass_one_after_the_other_whoever_comes_first),
        cmocka_unit_test(nothing_passes_behind_a_turn_that_was_rolled_back),
        cmocka_unit_test(later_turns_give_way_and_the_one_that_waited_passes),
        cmocka_unit_test(a_closed_gate_lets_nobody_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
