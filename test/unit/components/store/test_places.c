/* Which server of a source is read next (places.h). */
#include "components/store/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct endpoint_place others[] = {{"b", 2}, {"c", 3}};
static const struct endpoint_address three = {
    .host = "a", .port = 1, .others = others, .n_others = ARRAY_LEN(others)};
static const struct endpoint_address single = {.host = "a", .port = 1};

static enum places_answer fail_with(struct places *p, enum err_code code, struct err *e)
{
    err_clear(e);
    (void)err_set(e, code, "at %s", p->now.host);
    return places_failed(p, e);
}

static void each_is_tried_once_before_anybody_waits(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    assert_string_equal(p.now.host, "a");
    assert_int_equal(p.now.n_others, 0);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
    assert_string_equal(p.now.host, "b");
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
    assert_int_equal(p.now.port, 3);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_WAIT);
    assert_string_equal(p.now.host, "a");
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
}

static void the_one_that_was_read_is_tried_again_last(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
    places_good(&p);
    assert_string_equal(p.now.host, "b");
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
    assert_string_equal(p.now.host, "c");
    assert_int_equal(fail_with(&p, ERR_SERVER_DENIED, &e), PLACES_NEXT);
    assert_string_equal(p.now.host, "a");
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_WAIT);
    assert_string_equal(p.now.host, "b");
}

static void lost_transactions_stop_although_another_may_come_back(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
    assert_int_equal(fail_with(&p, ERR_SOURCE_DIVERGED, &e), PLACES_NEXT);
    assert_int_equal(fail_with(&p, ERR_SOURCE_BEHIND, &e), PLACES_STOP);
    assert_int_equal(e.code, ERR_SOURCE_DIVERGED);
    assert_string_equal(e.message, "at b");
}

static void a_server_that_was_left_does_not_stop_the_wait_for_the_last(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    places_good(&p);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
    places_good(&p); /* b took the place of a */
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
        assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_NEXT);
        assert_string_equal(p.now.host, "a");
        assert_int_equal(fail_with(&p, ERR_SOURCE_LEFT, &e), PLACES_WAIT);
        assert_int_equal(e.code, ERR_SERVER_UNREACHABLE);
        assert_string_equal(p.now.host, "b");
    }
    (void)fail_with(&p, ERR_SOURCE_DIVERGED, &e); /* the last one itself */
    (void)fail_with(&p, ERR_SERVER_UNREACHABLE, &e);
    assert_int_equal(fail_with(&p, ERR_SOURCE_LEFT, &e), PLACES_STOP);
    assert_int_equal(e.code, ERR_SOURCE_DIVERGED);
    assert_string_equal(e.message, "at b");
}

static void a_new_server_that_lost_transactions_stops_beside_one_that_was_left(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    places_good(&p);
    (void)fail_with(&p, ERR_SERVER_UNREACHABLE, &e);
    places_good(&p);
    (void)fail_with(&p, ERR_SERVER_UNREACHABLE, &e);
    (void)fail_with(&p, ERR_SOURCE_DIVERGED, &e); /* c was never read */
    assert_int_equal(fail_with(&p, ERR_SOURCE_LEFT, &e), PLACES_STOP);
    assert_int_equal(e.code, ERR_SOURCE_DIVERGED);
    assert_string_equal(e.message, "at c");
}

static void a_replica_that_is_behind_is_what_is_told(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    (void)fail_with(&p, ERR_SERVER_UNREACHABLE, &e);
    (void)fail_with(&p, ERR_SOURCE_BEHIND, &e);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_WAIT);
    assert_int_equal(e.code, ERR_SOURCE_BEHIND);
}

static void where_no_server_will_ever_do_it_stops(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    (void)fail_with(&p, ERR_LOG_LOST, &e);
    (void)fail_with(&p, ERR_SERVER_DENIED, &e);
    assert_int_equal(fail_with(&p, ERR_SERVER_KIND, &e), PLACES_STOP);
    assert_int_equal(e.code, ERR_LOG_LOST);
}

static void what_is_no_servers_fault_stops_at_once(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &three);
    assert_int_equal(fail_with(&p, ERR_LOG_UNKNOWN_EVENT, &e), PLACES_STOP);
    assert_int_equal(fail_with(&p, ERR_SYSTEM, &e), PLACES_STOP);
}

static void a_single_server_is_waited_for(void **state)
{
    struct places p;
    struct err e = ERR_INIT;

    (void)state;
    places_init(&p, &single);
    assert_int_equal(fail_with(&p, ERR_SERVER_UNREACHABLE, &e), PLACES_WAIT);
    assert_int_equal(fail_with(&p, ERR_LOG_LOST, &e), PLACES_STOP);
    assert_int_equal(e.code, ERR_LOG_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_tried_once_before_anybody_waits),
        cmocka_unit_test(the_one_that_was_read_is_tried_again_last),
        cmocka_unit_test(lost_transactions_stop_although_another_may_come_back),
        cmocka_unit_test(a_server_that_was_left_does_not_stop_the_wait_for_the_last),
        cmocka_unit_test(a_new_server_that_lost_transactions_stops_beside_one_that_was_left),
        cmocka_unit_test(a_replica_that_is_behind_is_what_is_told),
        cmocka_unit_test(where_no_server_will_ever_do_it_stops),
        cmocka_unit_test(what_is_no_servers_fault_stops_at_once),
        cmocka_unit_test(a_single_server_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
