/*
 * Incr-Sync's shell as a whole: its real threads, queues and core between a fake Store and a fake
 * target. Runs under ThreadSanitizer too.
 */
#include "test/contract/incr_sync/fake_source.h"

static void everything_published_reaches_the_target_once(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 7;

    for (int i = 0; i < 30; i++)
        publish_txns(c, 40, &seed);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    for (int i = 0; i < 10; i++)
        publish_txns(c, 3, &seed);
    assert_true(wait_for(all_committed, c));
    assert_true(wait_for(is_caught_up, c));
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->conflicts, 0);
    assert_true(c->lag >= 0 && c->lag < 5000);
    assert_equal_sides(c);
}

static bool has_connected_often(struct component *c)
{
    bool yes;

    world_lock();
    yes = c->connects > 70;
    world_unlock();
    return yes;
}

static void a_broken_stream_loses_and_doubles_nothing(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 9;

    for (int i = 0; i < 25; i++)
        publish_txns(c, 20, &seed);
    c->break_every = 60;
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    assert_true(wait_for(has_connected_often, c)); /* while positions are told */
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void rolled_back_groups_are_tried_again(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 11;

    c->retry_every = 7;
    for (int i = 0; i < 20; i++)
        publish_txns(c, 40, &seed);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_true(r.ok);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void an_error_ends_the_claim_and_the_next_one_goes_on_from_the_rows(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 13;
    uint32_t claims = 0;

    c->fail_every = 10;
    c->fail_code = ERR_UNAVAILABLE;
    for (int i = 0; i < 20; i++)
        publish_txns(c, 30, &seed);
    while (!all_committed(c) && claims++ < 1000) {
        start(&r, c);
        while (!atomic_load(&r.ended) && !all_committed(c))
            sched_yield();
        stop(&r);
        assert_true(r.ok || r.err.code == ERR_UNAVAILABLE);
        assert_true(r.ok || (c->lag == LAG_UNKNOWN && !c->caught_up));
    }
    assert_true(claims > 1);
    assert_int_equal(c->conflicts, 0);
    assert_equal_sides(c);
}

static void a_fenced_claim_ends_with_fenced(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 17;

    c->fail_every = 1;
    c->fail_code = ERR_FENCED;
    publish_txns(c, 30, &seed);
    start(&r, c);
    join(&r);
    assert_false(r.ok);
    assert_int_equal(r.err.code, ERR_FENCED);
}

static void copies_from_two_servers_without_gtids_are_not_joined(void **state)
{
    static const char *const servers[] = {"mysql-file:51303d87-e5f5-11f1-af58-02fc00000001",
                                          "mysql-file:4ea8df63-e5f5-11f1-83cd-02fc00000001"};
    struct component *c = *state;
    struct running r;

    for (int i = 0; i < 2; i++) {
        txn_set_fini(&c->pos[i].begin);
        txn_set_init(&c->pos[i].begin);
        txn_set_add(&c->pos[i].begin, origin_intern(servers[i], strlen(servers[i])), 1, 100);
    }
    start(&r, c);
    join(&r);
    assert_false(r.ok);
    assert_int_equal(r.err.code, ERR_COPY_PLACE);
    assert_int_equal(c->applies, 0);
}

static void a_ddl_holds_what_is_behind_it_until_it_is_answered(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 19;
    uint32_t plans;

    publish_txns(c, 50, &seed);
    publish_ddl(c);
    publish_one(c, 0, 77);
    start(&r, c);
    assert_true(wait_for(has_incident, c));
    assert_string_equal(c->incident, "ddl:mariadb:0=151");
    assert_string_equal(c->incident_code, "DDL_HELD");
    stop(&r); /* a restart asks again, and finds the answer later */
    assert_true(r.ok);
    assert_int_equal(c->target[0].v, 0);
    plans = c->plans;
    start(&r, c);
    answer(c, "done-by-hand");
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_string_equal(c->ddl_state, "by-hand");
    assert_true(c->plans > plans);
    assert_equal_sides(c);
    assert_false(has_incident(c));
}

/* What Full-Import leaves: the table as the source has it now, its position behind the DDL. */
static void copy_again(struct component *c)
{
    const char *origin = origin_intern(ORIGIN, strlen(ORIGIN));

    world_lock();
    memcpy(c->target, c->source, sizeof c->target);
    txn_set_add(&c->pos[1].begin, origin, 1, c->seq);
    txn_set_add(&c->pos[1].end, origin, 1, c->seq);
    c->copied_again.table = c->incident_table;
    c->copied_again.transaction = c->incident_transaction;
    world_unlock();
}

static void a_table_copied_again_holds_what_its_ddl_did(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 29;

    publish_txns(c, 50, &seed);
    publish_ddl(c);
    publish_one(c, 0, 77);
    start(&r, c);
    assert_true(wait_for(has_incident, c));
    assert_string_equal(c->incident_table, "shop.t");
    answer(c, "copy-again");
    join(&r); /* the claim ends: its positions are of before */
    assert_true(r.ok && c->lag == LAG_UNKNOWN && !has_incident(c));
    copy_again(c);
    publish_txns(c, 50, &seed);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_int_equal(c->conflicts, 0);
    assert_int_equal(c->incidents, 1);
    assert_string_equal(c->ddl_state, "copied");
    assert_equal_sides(c);
}

static void a_claim_ends_while_a_copy_runs_again(void **state)
{
    struct component *c = *state;
    struct running r;

    publish_one(c, 0, 77);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    world_lock();
    c->full_runs = true;
    world_unlock();
    join(&r);
    assert_true(r.ok && c->lag == LAG_UNKNOWN && !c->caught_up);
}

static void a_recorded_answer_is_not_asked_for_again(void **state)
{
    struct component *c = *state;
    struct running r;

    snprintf(c->ddl_state, sizeof c->ddl_state, "skipped");
    publish_ddl(c);
    publish_one(c, 0, 77);
    start(&r, c);
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_int_equal(c->incidents, 0);
    assert_equal_sides(c);
}

static void a_conflict_holds_and_goes_on_when_its_cause_is_gone(void **state)
{
    struct component *c = *state;
    struct running r;
    uint32_t seed = 23;

    c->blocked = true;
    publish_txns(c, 30, &seed);
    publish_one(c, 0, 77);
    publish_txns(c, 30, &seed);
    start(&r, c);
    assert_true(wait_for(has_incident, c));
    assert_string_equal(c->incident_code, "TARGET_CONFLICT");
    assert_string_equal(c->incident, "conflict:mariadb:0=131:0");
    answer(c, "retry"); /* in vain: asked again under another key */
    assert_true(wait_for(is_asked_again, c));
    world_lock();
    c->blocked = false;
    world_unlock();
    answer(c, "retry");
    assert_true(wait_for(all_committed, c));
    stop(&r);
    assert_true(r.ok);
    assert_false(has_incident(c));
    assert_equal_sides(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(everything_published_reaches_the_target_once),
        TEST(a_broken_stream_loses_and_doubles_nothing),
        TEST(rolled_back_groups_are_tried_again),
        TEST(an_error_ends_the_claim_and_the_next_one_goes_on_from_the_rows),
        TEST(a_fenced_claim_ends_with_fenced),
        TEST(copies_from_two_servers_without_gtids_are_not_joined),
        TEST(a_ddl_holds_what_is_behind_it_until_it_is_answered),
        TEST(a_recorded_answer_is_not_asked_for_again),
        TEST(a_table_copied_again_holds_what_its_ddl_did),
        TEST(a_claim_ends_while_a_copy_runs_again),
        TEST(a_conflict_holds_and_goes_on_when_its_cause_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
