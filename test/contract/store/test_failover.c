/* A source with a list of servers: the first that answers and has all that was pulled is followed
 * (A13), MariaDB and MySQL alike. */
#include "components/store/log_walk.h"
#include "components/store/store.h"
#include "test/contract/store/source_pair.h"

static struct endpoint_place others[1];

/* The first server, and behind it the second. */
static void start_at_both(void)
{
    c.address = mariadb_address(&server);
    others[0].host = "127.0.0.1";
    others[0].port = mariadb_address(&second).port;
    c.address.others = others;
    c.address.n_others = 1;
    component_start(&c);
}

static void first_again(void)
{
    check(mariadb_again(&server, NULL, e));
    connect_to(&server, &root);
}

static void first_has_all_of_the_second(void)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set wanted, has;
    bool all = false;

    executed(other, &wanted);
    while (!all) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the first does not follow the second");
        executed(root, &has);
        all = txn_set_contains(&has, &wanted);
        txn_set_fini(&has);
        (void)poll(NULL, 0, 20);
    }
    txn_set_fini(&wanted);
}

static void counts_rows(struct session *s, const char *wanted)
{
    char text[32];
    bool found;

    check(session_value(s, "SELECT COUNT(*) FROM shop.t", text, sizeof text, &found, e));
    assert_string_equal(text, wanted);
}

static void when_the_source_dies_its_promoted_replica_is_followed(void **state)
{
    (void)state;
    need_server();
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_has_all();
    mariadb_kill(&server);
    promote();
    insert(other, 4);
    holds_all_of(other);
    counts_rows(other, "4");
    /* The old one comes back without what happened since: the way back is not taken, and the new
     * one is waited for, in another life of the Store, too. */
    first_again();
    mariadb_kill(&second);
    waits_for(ERR_SERVER_UNREACHABLE);
    stop_store();
    start_at_both();
    waits_for(ERR_SERVER_UNREACHABLE);
    check(mariadb_again(&second, NULL, e));
    connect_to(&second, &other);
    insert(other, 5);
    holds_all_of(other);
    stop_store();
    /* Alone it is refused. */
    start_at(&server);
    stops_with(ERR_SOURCE_LEFT, "lacks 2 transactions");
}

/* The old one became a replica of the new one, and took its place back without all of it. */
static void a_way_back_that_lost_transactions_stops_with_them(void **state)
{
    (void)state;
    need_server();
    promote();
    start_at_both();
    holds_all_of(root);
    mariadb_kill(&server);
    insert(other, 3);
    holds_all_of(other);
    stop_store();
    first_again();
    replicate_from(&second, root);
    first_has_all_of_the_second();
    on(root, server.is_mysql ? "STOP REPLICA" : "STOP SLAVE");
    start_at_both();
    insert(other, 4);
    holds_all_of(other);
    mariadb_kill(&second);
    stops_with(ERR_SOURCE_DIVERGED, "lacks 1 transactions");
    check(mariadb_again(&second, NULL, e));
    connect_to(&second, &other);
}

static void a_server_that_is_away_at_the_start_is_passed_over(void **state)
{
    (void)state;
    need_server();
    promote();
    mariadb_kill(&server);
    start_at_both();
    insert(other, 3);
    holds_all_of(other);
    stop_store();
    first_again();
}

/* Committed on the first and pulled, and never got to the second. */
static void a_failover_that_lost_transactions_stops_with_them(void **state)
{
    (void)state;
    need_server();
    promote();
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    mariadb_kill(&server);
    stops_with(ERR_SOURCE_DIVERGED, "lacks 1 transactions");
    first_again();
}

static uint64_t number_of(struct session *s, const char *sql, const char *field)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    uint64_t value = 0;

    check(session_query(s, sql, &res, e));
    const MYSQL_FIELD *fields = mysql_fetch_fields(res);
    MYSQL_ROW row = mysql_fetch_row(res);
    for (unsigned i = 0; row && i < mysql_num_fields(res); i++)
        if (strcasecmp(fields[i].name, field) == 0)
            value = strtoull(row[i] ? row[i] : "0", NULL, 10);
    return value;
}

/* ... into its relay log; it need not apply it. */
static void replica_receives_all(void)
{
    bool my = server.is_mysql;
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    uint64_t end =
        number_of(root, my ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", "Position");

    while (number_of(other, my ? "SHOW REPLICA STATUS" : "SHOW ALL SLAVES STATUS",
                     my ? "Read_Source_Log_Pos" : "Read_Master_Log_Pos") < end) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the replica does not receive");
        (void)poll(NULL, 0, 20);
    }
}

static void a_replica_that_is_behind_is_waited_for(void **state)
{
    (void)state;
    need_server();
    on(other, "FLUSH TABLES WITH READ LOCK"); /* it applies nothing */
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_receives_all();
    mariadb_kill(&server);
    waits_for(ERR_SOURCE_BEHIND);
    on(other, "UNLOCK TABLES");
    holds_all_of(other);
    stop_store();
    first_again();
}

/* --- without GTIDs: the place on the new server is found by heartbeat and content ---------------
 */

static Oms__HeartbeatOptions beats;

/* One beat, at the Store's start; the replica has it. */
static void with_one_beat(void)
{
    oms__heartbeat_options__init(&beats);
    beats.has_interval_ms = true;
    beats.interval_ms = 3600000;
    c.fixed.heartbeat = &beats;
    start_at(&server);
    holds_all_of(root);
    stop_store();
}

static void first_again_without_gtids(void)
{
    check(mariadb_again(&server, no_gtids, e));
    connect_to(&server, &root);
}

static void the_place_on_a_promoted_replica_is_found(void **state)
{
    (void)state;
    need_server();
    on(other, "FLUSH BINARY LOGS"); /* its files are others than the first's */
    with_one_beat();
    start_at_both();
    insert(root, 3);
    on(root, "UPDATE shop.t SET v = 'another' WHERE id < 3");
    holds_all_of(root);
    replica_has_all();
    mariadb_kill(&server);
    promote();
    on(other, "FLUSH BINARY LOGS");
    insert(other, 4);
    holds_all_of(other);
    stop_store();
    /* From now on the place there is proven like any other. */
    start_at(&second);
    insert(other, 5);
    holds_all_of(other);
    stop_store();
    first_again_without_gtids();
    start_at(&server);
    stops_with(ERR_SOURCE_LEFT, "the way back");
    start_at_both(); /* in another life, too: the one that was read last is waited for */
    holds_all_of(other);
    mariadb_kill(&second);
    waits_for(ERR_SERVER_UNREACHABLE);
    check(mariadb_again(&second, no_gtids, e));
    connect_to(&second, &other);
    insert(other, 6);
    holds_all_of(other);
    stop_store();
}

#define LOADED 2000 /* ids */

struct load {
    const struct mariadb *server;
    int first, n; /* written */
    atomic_bool over;
    pthread_t thread;
};

static void *write_rows(void *arg)
{
    struct load *l = arg;
    struct endpoint_address a = mariadb_address(l->server);
    struct session *s = NULL;

    check(session_open(&a, SESSION_DDL, &s, e));
    while (!l->over && l->n < LOADED / 2 - 20) {
        insert(s, l->first + l->n++);
        if (l->n % 50 == 0)
            on(s, "FLUSH BINARY LOGS");
    }
    session_close(s);
    return NULL;
}

static void begin_load(struct load *l, const struct mariadb *on, int first)
{
    *l = (struct load){.server = on, .first = first};
    assert_int_equal(pthread_create(&l->thread, NULL, write_rows, l), 0);
}

static void end_load(struct load *l)
{
    (void)poll(NULL, 0, 1500);
    l->over = true;
    pthread_join(l->thread, NULL);
}

/* How often each row was inserted, by what the Store holds. */
static enum walk_answer count_inserts(void *arg, const struct walk_record *r, struct err *e)
{
    struct change_iter it;
    struct change one;
    struct value values[8];
    int32_t id;
    int *inserted = arg;

    (void)e;
    if (r->type != RECORD_TXN && r->type != RECORD_TXN_PART)
        return WALK_ON;
    change_iter_init(&it, r->changes, log_walk_table, r->walk);
    while (change_next(&it, &one)) {
        if (one.op != CHANGE_INSERT || strcmp(one.table->db, "shop") != 0)
            continue;
        assert_true(row_read(one.table, ROWS_CANONICAL, false, one.after, values));
        memcpy(&id, values[0].p, sizeof id);
        assert_true(id > 0 && id < LOADED);
        inserted[id]++;
    }
    return WALK_ON;
}

static enum walk_answer no_pause(void *arg, struct err *e)
{
    (void)arg, (void)e;
    return WALK_ON;
}

static void a_promotion_under_load_loses_and_doubles_nothing(void **state)
{
    static int inserted[LOADED];
    struct load before, after;
    struct store *store;

    (void)state;
    need_server();
    with_one_beat();
    beats.interval_ms = 100;
    start_at_both();
    begin_load(&before, &server, 10);
    end_load(&before);
    replica_has_all();
    mariadb_kill(&server);
    promote();
    begin_load(&after, &second, LOADED / 2 + 10); /* while its log is searched */
    end_load(&after);
    holds_all_of(other);
    stop_store();
    struct store_options o = {.dir = dir.path, .epoch = 4};
    check(store_open(&o, &store, e));
    struct log_walk_params walk = {
        .store = store, .each = count_inserts, .pause = no_pause, .arg = inserted};
    check(log_walk(&walk, e));
    store_close(store);
    assert_true(before.n > 20 && after.n > 20);
    for (int i = 0; i < LOADED; i++) {
        bool is = i == 1 || i == 2 || (i >= 10 && i < 10 + before.n) ||
                  (i >= after.first && i < after.first + after.n);
        if (inserted[i] != is)
            fail_msg("row %d of %d and %d stands %d times in the store", i, before.n, after.n,
                     inserted[i]);
    }
    first_again_without_gtids();
}

static void a_place_that_was_found_is_proven_before_anything_follows(void **state)
{
    (void)state;
    need_server();
    with_one_beat();
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_has_all();
    mariadb_kill(&server);
    promote();
    holds_all_of(other);
    stop_store();
    start_at(&second);
    holds_all_of(other);
    stop_store();
    on(other, "RESET BINARY LOGS AND GTIDS");
    start_at(&second);
    stops_with(ERR_SOURCE_DIVERGED, "mysql-file:");
    first_again_without_gtids();
}

static void a_replica_that_lacks_what_was_pulled_is_not_followed(void **state)
{
    (void)state;
    need_server();
    with_one_beat();
    replica_has_all();
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_has_all();
    promote();
    insert(root, 4);
    holds_all_of(root);
    mariadb_kill(&server);
    stops_with(ERR_SOURCE_DIVERGED, "its log lacks mysql-file:");
    first_again_without_gtids();
}

static void a_replica_with_other_content_is_not_followed(void **state)
{
    (void)state;
    need_server();
    with_one_beat();
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_has_all();
    promote();
    insert(root, 4);
    on(other, "INSERT INTO shop.t VALUES (4, 'its own')");
    holds_all_of(root);
    mariadb_kill(&server);
    stops_with(ERR_SOURCE_DIVERGED, "their histories are not the same");
    first_again_without_gtids();
}

static void a_replica_that_applies_later_is_waited_for(void **state)
{
    (void)state;
    need_server();
    with_one_beat();
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_has_all();
    on(other, "FLUSH TABLES WITH READ LOCK"); /* it applies nothing */
    insert(root, 4);
    holds_all_of(root);
    replica_receives_all();
    mariadb_kill(&server);
    waits_for(ERR_SOURCE_BEHIND);
    on(other, "UNLOCK TABLES");
    holds_all_of(other);
    stop_store();
    first_again_without_gtids();
}

/* The copy's positions are places of the first: that one is waited for, and read when it is back.
 */
static void while_the_copy_runs_another_server_is_not_followed(void **state)
{
    (void)state;
    need_server();
    with_one_beat();
    c.copy_runs = true;
    start_at_both();
    insert(root, 3);
    holds_all_of(root);
    replica_has_all();
    mariadb_kill(&server);
    waits_for(ERR_SERVER_UNREACHABLE);
    assert_non_null(strstr(c.error.message, "the copy is not over"));
    first_again_without_gtids();
    insert(root, 4);
    holds_all_of(root);
    stop_store();
    start_at(&second);
    stops_with(ERR_COPY_PLACE, "copy again from this one");
    c.copy_runs = false;
}

static void without_a_heartbeat_another_server_is_not_followed(void **state)
{
    (void)state;
    need_server();
    start_at(&second);
    stops_with(ERR_SOURCE_DIVERGED, "has no `heartbeat:`");
}

static const struct CMUnitTest place_tests[] = {
    TEST(the_place_on_a_promoted_replica_is_found),
    TEST(a_promotion_under_load_loses_and_doubles_nothing),
    TEST(a_place_that_was_found_is_proven_before_anything_follows),
    TEST(a_replica_that_lacks_what_was_pulled_is_not_followed),
    TEST(a_replica_with_other_content_is_not_followed),
    TEST(a_replica_that_applies_later_is_waited_for),
    TEST(while_the_copy_runs_another_server_is_not_followed),
    TEST(without_a_heartbeat_another_server_is_not_followed),
};

static const struct CMUnitTest tests[] = {
    TEST(when_the_source_dies_its_promoted_replica_is_followed),
    TEST(a_server_that_is_away_at_the_start_is_passed_over),
    TEST(a_failover_that_lost_transactions_stops_with_them),
    TEST(a_way_back_that_lost_transactions_stops_with_them),
    TEST(a_replica_that_is_behind_is_waited_for),
};

int main(void)
{
    int failed = cmocka_run_group_tests_name("mariadb", tests, mariadb_pair, close_pair);

    failed += cmocka_run_group_tests_name("mysql", tests, mysql_pair, close_pair);
    return failed +
           cmocka_run_group_tests_name("mysql without GTIDs", place_tests, places_pair, close_pair);
}
