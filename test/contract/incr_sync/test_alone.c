/*
 * Incr-Sync in a project without a copy: it begins where its Store's log does, says so on the
 * target before anything is applied, and goes on from nothing else. Runs under ThreadSanitizer too.
 */
#include "test/contract/incr_sync/fake_source.h"

static int setup_alone(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct component *c = *state;
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    c->alone = true;
    c->fixed.full_task = (char *)"";
    txn_set_add(&c->store_begin, origin, 1, 100);
    return 0;
}

static void it_begins_where_its_store_does_and_every_change_is_exact(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 31;

    publish_txns(c, 200, &seed);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    assert_true(wait_for(is_caught_up, c));
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->n_own, 1);
    assert_true(txn_set_equal(&c->own.begin, &c->store_begin));
    assert_true(txn_set_equal(&c->asked_after, &c->store_begin));
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void it_goes_on_where_it_was(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 37;

    for (int i = 0; i < 3; i++) {
        publish_txns(c, 50, &seed);
        start(&r, c);
        assert_true(wait_for(all_committed, c));
        stop(&r);
        assert_true(r.ok);
    }
    assert_int_equal(c->n_own, 1);
    assert_false(txn_set_equal(&c->asked_after, &c->store_begin));
    assert_equal_sides(c);
}

static void it_waits_for_a_store_that_has_not_begun(void **state)
{
    struct component *c = *state;
    struct running r;

    txn_set_fini(&c->store_begin);
    txn_set_init(&c->store_begin);
    start(&r, c);
    join(&r);
    assert_false(r.ok);
    assert_int_equal(err_class_of(r.err.code), ERR_CLASS_RETRY);
    assert_int_equal(c->n_own, 0);
}

static void a_store_that_begins_elsewhere_is_not_followed(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 41;
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    publish_txns(c, 50, &seed);
    txn_set_add(&c->own.begin, origin, 1, 90); /* of another life */
    c->own.db = c->own.name = "*";
    c->own.done = true;
    c->n_own = 1;
    start(&r, c);
    join(&r);
    assert_false(r.ok);
    assert_int_equal(r.err.code, ERR_START);
    assert_int_equal(c->applies, 0);
}

static void progress_without_a_record_of_its_begin_is_not_trusted(void **state)
{
    struct component *c = *state;
    struct running r;
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    txn_set_add(&c->low, origin, 1, 120);
    start(&r, c);
    join(&r);
    assert_false(r.ok);
    assert_int_equal(r.err.code, ERR_NO_START);
    assert_int_equal(c->n_own, 0);
}

/* There is no Full-Import that could make another one. */
static void a_ddl_that_holds_offers_no_other_copy(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 43;

    publish_txns(c, 50, &seed);
    publish_ddl(c);
    start(&r, c);
    assert_true(wait_for(has_incident, c));
    stop(&r);
    assert_true(r.ok);
    assert_string_equal(c->incident_code, "DDL_HELD");
    assert_string_equal(c->incident_table, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_alone, teardown)
        TEST(it_begins_where_its_store_does_and_every_change_is_exact),
        TEST(it_goes_on_where_it_was),
        TEST(it_waits_for_a_store_that_has_not_begun),
        TEST(a_store_that_begins_elsewhere_is_not_followed),
        TEST(progress_without_a_record_of_its_begin_is_not_trusted),
        TEST(a_ddl_that_holds_offers_no_other_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
