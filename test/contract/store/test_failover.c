/* A source with a list of servers: the first that answers and has all that was pulled is followed
 * (A13), MariaDB and MySQL alike. */
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
    /* The old one comes back without what happened since: the way back is not taken. */
    first_again();
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

static void waits_for(enum err_code code)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    while (component_has_error(&c) != code) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the store waits for something else: %s", c.error.message);
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

static const struct CMUnitTest tests[] = {
    TEST(when_the_source_dies_its_promoted_replica_is_followed),
    TEST(a_server_that_is_away_at_the_start_is_passed_over),
    TEST(a_failover_that_lost_transactions_stops_with_them),
    TEST(a_replica_that_is_behind_is_waited_for),
};

int main(void)
{
    int failed = cmocka_run_group_tests_name("mariadb", tests, mariadb_pair, close_pair);

    return failed + cmocka_run_group_tests_name("mysql", tests, mysql_pair, close_pair);
}
