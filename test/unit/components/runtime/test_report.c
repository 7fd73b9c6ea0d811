/* What a component's report says, as levels (component.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/must.h"
#include "components/runtime/runtime_priv.h"

static const char *verdict(struct component *c, const char *step, const char *table)
{
    static char found[40];
    struct arena a;
    Oms__ComponentReport *r;

    arena_init(&a, 0);
    r = report_build(c, &a);
    snprintf(found, sizeof found, "absent");
    for (size_t i = 0; i < r->n_tables; i++)
        if (strcmp(r->tables[i]->step, step) == 0 && strcmp(r->tables[i]->table, table) == 0)
            snprintf(found, sizeof found, "%s", r->tables[i]->state);
    arena_fini(&a);
    return found;
}

static void a_step_that_begins_anew_says_nothing_of_tables_of_the_round_before(void **state)
{
    Oms__ComponentSpec spec = OMS__COMPONENT_SPEC__INIT;
    struct component c = {.spec = &spec, .state = "running"};

    (void)state;
    must(pthread_mutex_init(&c.lock, NULL) == 0);
    component_table(&c, "verification", "d.stays", "equal", 1, 1, "1 row compared");
    component_table(&c, "full", "d.stays", "done", 1, 1, NULL);
    component_table(&c, "verification", "d.dropped", "equal", 1, 1, "1 row compared");
    component_step_done(&c, "verification");
    component_step_begin(&c, "verification");
    assert_string_equal(verdict(&c, "verification", "d.dropped"), "absent");
    component_table(&c, "verification", "d.stays", "different", 1, 1, "1 different");
    assert_string_equal(verdict(&c, "verification", "d.stays"), "different");
    assert_string_equal(verdict(&c, "full", "d.stays"), "done");
    report_fini(&c);
    (void)pthread_mutex_destroy(&c.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_that_begins_anew_says_nothing_of_tables_of_the_round_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
