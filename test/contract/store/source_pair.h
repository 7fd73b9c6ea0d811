/*
 * What the tests of changing sources share: two servers, the second a replica of the first, and a
 * Store that follows one of them. Included by test_source_changes.c and test_failover.c alone.
 */
#ifndef OMS_TEST_CONTRACT_STORE_SOURCE_PAIR_H
#define OMS_TEST_CONTRACT_STORE_SOURCE_PAIR_H

#include "components/endpoint/mysql/endpoint.h"
#include "test/contract/store/fake_component.h"
#include "test/lib/one_server.h"
#include "test/lib/scratch_dir.h"

#include <stdlib.h>
#include <time.h>

#define DEADLINE_MS 60000

static struct mariadb second; /* the first is `server`, its session `root` */
static struct session *other;
static struct component c;
static struct scratch_dir dir;
static bool places; /* MySQL without GTIDs */

/* --- servers ------------------------------------------------------------------------------------
 */

static inline void connect_to(const struct mariadb *m, struct session **s)
{
    struct endpoint_address a = mariadb_address(m);

    session_close(*s);
    *s = NULL;
    check(session_open(&a, SESSION_DDL, s, e));
}

static inline void on(struct session *s, const char *sql)
{
    check(session_exec(s, sql, e));
}

static inline void forget_all(struct session *s)
{
    bool my = server.is_mysql;

    on(s, my ? "STOP REPLICA" : "STOP SLAVE");
    on(s, my ? "RESET REPLICA ALL" : "RESET SLAVE ALL");
    on(s, "SET GLOBAL read_only=0");
    on(s, "SET sql_log_bin=0");
    on(s, "DROP DATABASE IF EXISTS shop");
    on(s, "DROP DATABASE IF EXISTS oms_heartbeat");
    on(s, "SET sql_log_bin=1");
    on(s, my ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
    if (!my)
        on(s, "SET GLOBAL gtid_slave_pos=''");
}

static inline void executed(struct session *s, struct txn_set *out)
{
    txn_set_init(out);
    check(mysql_endpoint.log->executed(s, NULL, out, e));
}

static inline void replicate_from(const struct mariadb *from, struct session *to)
{
    char sql[400];

    if (places)
        (void)snprintf(sql, sizeof sql,
                       "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%u,"
                       " SOURCE_USER='oms', SOURCE_PASSWORD='oms', SOURCE_LOG_FILE='bin.000001',"
                       " SOURCE_LOG_POS=4, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1",
                       from->port);
    else
        (void)snprintf(sql, sizeof sql,
                       server.is_mysql
                           ? "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%u,"
                             " SOURCE_USER='oms', SOURCE_PASSWORD='oms', SOURCE_AUTO_POSITION=1,"
                             " GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1"
                           : "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%u,"
                             " MASTER_USER='oms', MASTER_PASSWORD='oms', MASTER_USE_GTID=slave_pos",
                       from->port);
    on(to, sql);
    on(to, server.is_mysql ? "START REPLICA" : "START SLAVE");
}

static inline void replicate(void)
{
    replicate_from(&server, other);
}

/* Until the second has all that the first has: by what it executed, or by its rows. */
static inline bool follows(const struct txn_set *all)
{
    char mine[32] = "", its[32] = "";
    struct txn_set b;
    bool found, has;

    if (places) {
        check(session_value(root, "SELECT COUNT(*) FROM shop.t", mine, sizeof mine, &found, e));
        struct err e = ERR_INIT; /* the table is not there yet */
        has = session_value(other, "SELECT COUNT(*) FROM shop.t", its, sizeof its, &found, &e);
        return has && strcmp(mine, its) == 0;
    }
    executed(other, &b);
    has = txn_set_contains(&b, all);
    txn_set_fini(&b);
    return has;
}

static inline void replica_has_all(void)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set a;

    executed(root, &a);
    while (!follows(&a)) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the replica does not follow");
        (void)poll(NULL, 0, 20);
    }
    txn_set_fini(&a);
}

static inline void promote(void)
{
    on(other, server.is_mysql ? "STOP REPLICA" : "STOP SLAVE");
    on(other, server.is_mysql ? "RESET REPLICA ALL" : "RESET SLAVE ALL");
}

/* Only an empty file is left of the first's log. A file that somebody still reads stays a moment.
 */
static inline void purge_all(void)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    my_ulonglong files = 2;

    promote();
    while (files > 1) {
        MYSQL_RES *res CLEANUP(session_free_result) = NULL;
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the log is not purged");
        on(root, "FLUSH LOGS");
        on(root, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY");
        check(session_query(root, "SHOW BINARY LOGS", &res, e));
        files = mysql_num_rows(res);
        (void)poll(NULL, 0, 50);
    }
}

static inline void insert(struct session *s, int id)
{
    char sql[80];

    (void)snprintf(sql, sizeof sql, "INSERT INTO shop.t VALUES (%d, 'row %d')", id, id);
    on(s, sql);
}

/* --- the Store ----------------------------------------------------------------------------------
 */

static inline void start_at(const struct mariadb *m)
{
    c.address = mariadb_address(m);
    component_start(&c);
}

static inline bool holds(const struct txn_set *wanted)
{
    char text[4096];
    struct txn_set has;

    pthread_mutex_lock(&c.lock);
    memcpy(text, c.position, sizeof text);
    pthread_mutex_unlock(&c.lock);
    if (!text[0])
        return false;
    check(txn_set_parse(text, &has, e));
    bool ok = txn_set_contains(&has, wanted);
    txn_set_fini(&has);
    return ok;
}

/* Until the Store holds it, and is connected. */
static inline void holds_set(const struct txn_set *wanted)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    while (!component_is_done(&c) || !holds(wanted)) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the store does not follow: %s", c.error.message);
        (void)poll(NULL, 0, 20);
    }
}

/* ... what the server has committed by now. */
static inline void holds_all_of(struct session *s)
{
    struct txn_set wanted;

    executed(s, &wanted);
    holds_set(&wanted);
    txn_set_fini(&wanted);
}

static inline void waits_for(enum err_code code)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    while (component_has_error(&c) != code) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the store waits for something else: %s", c.error.message);
        (void)poll(NULL, 0, 20);
    }
}

static inline void stop_store(void)
{
    if (!c.running)
        return;
    if (!component_stop(&c))
        fail_msg("the store ended: %s", c.ended.message);
}

/* The Store ends by itself with this error. */
static inline void stops_with(enum err_code code, const char *text)
{
    struct timespec until;

    must(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += DEADLINE_MS / 1000;
    if (pthread_timedjoin_np(c.thread, NULL, &until) != 0)
        fail_msg("the store did not stop");
    c.running = false;
    assert_false(c.result);
    if (c.ended.code != code || !strstr(c.ended.message, text))
        fail_msg("it stopped with %s: %s", err_name(c.ended.code), c.ended.message);
}

/* Two servers with one history, and a Store that holds all of it and is stopped. */
static inline int begin(void **state)
{
    (void)state;
    if (!root)
        return 0;
    forget_all(other);
    forget_all(root);
    replicate();
    on(root, "CREATE DATABASE shop");
    on(root, "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(100))");
    scratch_dir_make(&dir);
    component_init(&c, dir.path, endpoint_find(server.is_mysql ? "mysql" : "mariadb"));
    start_at(&server);
    holds_all_of(root);
    insert(root, 1);
    insert(root, 2);
    holds_all_of(root);
    stop_store();
    replica_has_all();
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    if (!root)
        return 0;
    if (c.running)
        (void)component_stop(&c);
    scratch_dir_remove(&dir);
    return 0;
}

/* --- both families ------------------------------------------------------------------------------
 */

static inline int open_pair(bool mysql)
{
    places = false;
    if (mysql) {
        one_server_start_mysql(71);
        if (!root)
            return 0;
        check(mysql_start(&second, 72, NULL, e));
    } else {
        one_server_start(71);
        check(mariadb_start(&second, 72, NULL, e));
    }
    connect_to(&second, &other);
    return 0;
}

static inline int mariadb_pair(void **state)
{
    (void)state;
    return open_pair(false);
}

static inline int mysql_pair(void **state)
{
    (void)state;
    return open_pair(true);
}

static inline int places_pair(void **state)
{
    (void)state;
    places = true;
    one_server_start_mysql_no_gtids(71);
    if (!root)
        return 0;
    check(mysql_start(&second, 72, no_gtids, e));
    connect_to(&second, &other);
    return 0;
}

static inline int close_pair(void **state)
{
    (void)state;
    session_close(other);
    other = NULL;
    if (root)
        mariadb_stop(&second);
    (void)one_server_stop(NULL);
    root = NULL;
    return 0;
}

#define TEST(f)                 \
    {                           \
#f, f, begin, end, NULL \
    }

#endif
