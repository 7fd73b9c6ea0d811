/*
 * Two readers of a source's log under one number (correctness B4), against real servers: the Store
 * is seen in the source's list of replicas, and when somebody takes its identity it is thrown out,
 * comes back under another number and loses nothing. MySQL throws out by the replica's uuid,
 * MariaDB by its number.
 */
#include "test/contract/store/fake_component.h"
#include "test/lib/one_server.h"
#include "test/lib/scratch_dir.h"

#include <stdlib.h>

#define DEADLINE_MS 60000

static struct component c;
static struct scratch_dir dir;

static void begin(const char *kind)
{
    run("CREATE DATABASE shop");
    run("CREATE TABLE shop.t (id INT PRIMARY KEY)");
    scratch_dir_make(&dir);
    component_init(&c, dir.path, endpoint_find(kind));
    c.address = mariadb_address(&server);
    c.address.kind = kind;
    c.options.has_server_id_from = c.options.has_server_id_to = 1;
    c.options.server_id_from = 5000;
    c.options.server_id_to = 5003;
    component_start(&c);
}

static int open_mariadb(void **state)
{
    (void)state;
    one_server_start(5001); /* a number of the range is the source's own */
    begin("mariadb");
    return 0;
}

static int open_mysql(void **state)
{
    (void)state;
    one_server_start_mysql(5001);
    if (root)
        begin("mysql");
    return 0;
}

static int close_server(void **state)
{
    bool ok = true;

    if (c.running) {
        ok = component_stop(&c);
        if (!ok)
            print_message("the store ended: %s\n", c.ended.message);
        scratch_dir_remove(&dir);
    }
    (void)one_server_stop(state);
    return ok ? 0 : -1;
}

/* The one replica whose number is in the range and not `but`; waits until there is one alone. */
static uint32_t number_of_the_store(uint32_t but, char uuid[64])
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    for (;;) {
        MYSQL_RES *res = NULL;
        uint32_t found = 0;

        assert_true(mono_cmp(clock_mono(), until) < 0);
        check(
            session_query(root, root->is_mariadb ? "SHOW SLAVE HOSTS" : "SHOW REPLICAS", &res, e));
        for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
            uint32_t id = (uint32_t)strtoul(row[0], NULL, 10);

            if (id == but)
                continue;
            found = id;
            snprintf(uuid, 64, "%s", mysql_num_fields(res) > 4 ? row[4] : "");
        }
        session_free_result(&res);
        if (found != 0 && component_is_done(&c))
            return found;
        (void)poll(NULL, 0, 20);
    }
}

static void wait_for_all(void)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set all;
    struct buf want;
    bool has = false;

    txn_set_init(&all);
    buf_init(&want, 1 << 16);
    check(c.endpoint->log->executed(root, NULL, &all, e));
    txn_set_format(&all, &want);
    while (!has) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, 20);
        pthread_mutex_lock(&c.lock);
        has = strcmp(c.position, buf_cstr(&want)) == 0;
        pthread_mutex_unlock(&c.lock);
    }
    buf_fini(&want);
    txn_set_fini(&all);
}

/* A replica that was cloned: the same number, the same uuid. */
static struct session *thief(uint32_t id, const char *uuid)
{
    struct endpoint_address a = mariadb_address(&server);
    struct session *s;
    struct buf b;
    char sql[300];

    check(session_open(&a, SESSION_LOG, &s, e));
    snprintf(sql, sizeof sql,
             "SET @master_binlog_checksum=@@global.binlog_checksum, "
             "@source_binlog_checksum=@@global.binlog_checksum, @slave_uuid='%s', "
             "@replica_uuid='%s', @mariadb_slave_capability=4",
             uuid, uuid);
    check(session_exec(s, sql, e));
    buf_init(&b, 64);
    buf_u32(&b, 4);
    buf_u16(&b, 0);
    buf_u32(&b, id);
    assert_int_equal(
        s->my->methods->db_command(s->my, COM_BINLOG_DUMP, (const char *)b.p, b.len, 1, NULL), 0);
    buf_fini(&b);
    return s;
}

static void who_is_thrown_out_comes_back_under_another_number(void **state)
{
    char uuid[64], other_uuid[64];

    (void)state;
    need_server();
    uint32_t first = number_of_the_store(0, uuid);
    assert_in_range(first, 5000, 5003);
    assert_int_not_equal(first, 5001);
    run("INSERT INTO shop.t VALUES (1)");
    wait_for_all();
    struct session *s = thief(first, uuid);
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    while (component_has_error(&c) == ERR_NONE && c.retries == 0) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, 5);
    }
    assert_int_equal(c.worst, ERR_LOG_DUPLICATE_READER);
    run("INSERT INTO shop.t VALUES (2)");
    wait_for_all();
    uint32_t second = number_of_the_store(first, other_uuid);
    assert_in_range(second, 5000, 5003);
    assert_int_not_equal(second, first);
    assert_int_not_equal(second, 5001);
    session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_thrown_out_comes_back_under_another_number),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, open_mariadb, close_server);

    return failed + cmocka_run_group_tests_name("mysql", tests, open_mysql, close_server);
}
