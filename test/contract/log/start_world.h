/*
 * What the tests of starts share: servers of three families, a table, and what comes behind a
 * start. Included by test_log_start.c and test_log_prepared.c alone.
 */
#ifndef OMS_TEST_CONTRACT_LOG_START_WORLD_H
#define OMS_TEST_CONTRACT_LOG_START_WORLD_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/place.h"
#include "test/lib/log_world.h"

#define KEYS 32

static bool prepares; /* the tests prepare XA transactions */

static const struct asked whole = {.filter = only_w, .part_bytes = 4u << 20};

static inline int start_mariadb(void **state)
{
    (void)state;
    one_server_start(61);
    return 0;
}

static inline int start_mysql(void **state)
{
    (void)state;
    one_server_start_mysql(62);
    return 0;
}

static inline int start_mysql_no_gtids(void **state)
{
    (void)state;
    one_server_start_mysql_no_gtids(63);
    return 0;
}

static inline bool has_gtids(void)
{
    enum gtid_mode mode;

    check(place_gtid_mode(root, &mode, NULL, e));
    return mode == GTID_ON;
}

/* The log begins with the table's definition. */
static inline int fresh(void **state)
{
    (void)state;
    if (!root)
        return 0;
    run("DROP DATABASE IF EXISTS w");
    run(root->is_mariadb ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS");
    run("CREATE DATABASE w");
    run("CREATE TABLE w.t (id INT PRIMARY KEY)");
    return 0;
}

static inline void insert(int key)
{
    char sql[100];

    (void)snprintf(sql, sizeof sql, "INSERT INTO w.t VALUES (%d)", key);
    run(sql);
}

static inline void number_of(const char *sql, int64_t *out)
{
    char text[64];
    bool found;

    check(session_value(root, sql, text, sizeof text, &found, e));
    *out = strtoll(text, NULL, 10);
}

/* A whole second that began after all that was done, and before all that comes. */
static inline int64_t second_between(void)
{
    int64_t was, now;

    number_of("SELECT UNIX_TIMESTAMP()", &was);
    do {
        run("DO SLEEP(0.02)");
        number_of("SELECT UNIX_TIMESTAMP()", &now);
    } while (now == was);
    return now;
}

/* A file is kept while the engine has not said that it needs it no more: tried until it is gone. */
static inline void purge_to_newest(char newest[256])
{
    char sql[300];
    size_t n;

    do {
        struct log_files files;
        check(place_files(root, &files, e));
        n = files.list.n;
        (void)snprintf(newest, 256, "%s", files.list.at[n - 1].name);
        place_files_fini(&files);
        (void)snprintf(sql, sizeof sql, "PURGE BINARY LOGS TO '%.200s'", newest);
        run(sql);
        run("DO SLEEP(0.02)");
    } while (n > 1);
}

/* --- what comes behind a start ------------------------------------------------------------------
 */

struct keys {
    int at[KEYS];
    size_t n;
};

static inline void take_key(void *arg, uint64_t seq, int32_t key)
{
    struct keys *k = arg;

    (void)seq;
    assert_true(k->n < KEYS);
    k->at[k->n++] = key;
}

static inline bool find(const struct start_at *at, struct position *out, struct err *e)
{
    struct endpoint_address a = mariadb_address(&server);

    return mysql_log_ops.find_start(&a, 7777, at, out, e);
}

static inline void assert_keys_behind(const struct position *found, const char *expected)
{
    struct keys k = {.n = 0};
    char text[KEYS * 8] = "";
    struct reading r;

    reading_init(&r);
    txn_set_fini(&r.after);
    txn_set_copy(&r.after, &found->set);
    r.any = true;
    r.has_holes = prepares;
    r.each = take_key;
    r.each_arg = &k;
    read_to_end(&r, &whole);
    for (size_t i = 0; i < k.n; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "",
                       k.at[i]);
    assert_string_equal(text, expected);
    reading_fini(&r);
}

static inline void assert_begins(const struct start_at *at, const char *expected)
{
    struct position found;

    check(find(at, &found, e));
    assert_true(found.native[0] != '\0');
    assert_keys_behind(&found, expected);
    txn_set_fini(&found.set);
}

static inline struct start_at at_time(int64_t second)
{
    return (struct start_at){.kind = START_TIME, .time = {second * 1000000}};
}

static inline void assert_time(int64_t second, const char *expected)
{
    struct start_at at = at_time(second);

    assert_begins(&at, expected);
}

static inline void assert_refused(const struct start_at *at, const char *text)
{
    struct err e = ERR_INIT;
    struct position found;

    assert_false(find(at, &found, &e));
    assert_int_equal(e.code, ERR_START);
    if (!strstr(e.message, text))
        fail_msg("'%s' is not in '%s'", text, e.message);
}

static inline void where_it_writes(struct start_at *at, char file[256])
{
    struct log_place end;

    check(log_place_end(root, &end, e));
    (void)snprintf(file, 256, "%s", end.file);
    *at = (struct start_at){.kind = START_PLACE, .file = file, .offset = end.offset};
}

static inline void executed_now(char *text, size_t cap)
{
    bool found;

    check(session_value(root,
                        root->is_mariadb ? "SELECT @@global.gtid_binlog_pos"
                                         : "SELECT @@global.gtid_executed",
                        text, cap, &found, e));
}

#endif
